"""Pictures: the numbers are in the right places, and no name can break out."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import List

import pytest

from comparing import charts, svg

from .values import some_rows


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # well-formed, or it raises


def rects(text: str) -> List[ET.Element]:
    return list(parsed(text).iter("rect"))


@pytest.mark.parametrize("top", [1e-4, 0.03, 0.7, 1, 3.3, 9.99, 10, 47, 1234, 5e6])
def test_ticks_are_few_round_and_reach_the_top(top: float) -> None:
    marks = svg.ticks(top)
    assert marks[0] == 0 and top <= marks[-1] * (1 + 1e-9) and 2 <= len(marks) <= 6
    step = marks[1] / 10 ** math.floor(math.log10(marks[1]) + 1e-9)
    assert any(step == pytest.approx(good) for good in (1, 2, 2.5, 5)), marks
    assert svg.ticks(0) == [0, 1]


def test_decades_surround_a_range() -> None:
    assert svg.decades(3, 450) == [1, 10, 100, 1000]
    assert svg.decades(1000, 1000) == [1000, 10000]
    assert svg.decades(1e-4, 1e-3) == pytest.approx([1e-4, 1e-3])


def test_numbers_of_an_axis_are_short() -> None:
    shown = [svg.number(value) for value in (0, 0.25, 950, 12_000, 2.5e6, 1e10)]
    assert shown == ["0", "0.25", "950", "12k", "2.5M", "10G"]


def test_bars_are_as_long_as_their_values_and_ranges_lie_right() -> None:
    found = [svg.Bar("a", 10, 8, 14, "cold", "10 s"), svg.Bar("b", 5, 5, 5, "none", "5 s")]
    text = svg.bars("t", found, 860, "wide", unit="s")
    first, second = rects(text)
    assert float(first.attrib["width"]) == pytest.approx(2 * float(second.attrib["width"]), abs=0.2)
    assert (first.attrib["class"], second.attrib["class"]) == ("cold", "none")
    scale = float(first.attrib["width"]) / 10
    (across,) = (
        x for x in parsed(text).iter("line") if x.attrib["class"] == "range" and x.attrib["y1"] == x.attrib["y2"]
    )
    assert float(across.attrib["x1"]) == pytest.approx(8 * scale, abs=0.2)
    assert float(across.attrib["x2"]) == pytest.approx(14 * scale, abs=0.2)


def test_lines_put_points_where_the_axes_say() -> None:
    line = svg.Line("n", ((1.0, 100.0), (10.0, 10.0), (100.0, 1.0)), "cold")
    text = svg.lines("t", [line], 340, "narrow", x_name="x", y_name="y", x_marks=[1, 10, 100], y_log=True)
    (points,) = (one.attrib["points"] for one in parsed(text).iter("polyline"))
    (x1, y1), (x2, y2), (x3, y3) = (map(float, pair.split(",")) for pair in points.split())
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2) and y2 - y1 == pytest.approx(y3 - y2, abs=0.2)
    assert x1 < x3 <= 340 and y1 < y3


def test_nothing_leaves_the_picture() -> None:
    for width in (charts.NARROW, charts.WIDE):
        found = [svg.Bar("name" * 10, 1234.5, 1200, 1300, "cold", "1.23e+03 s (+123 %)")]
        root = parsed(svg.bars("t", found, width, "w", unit="MB/s"))
        _, _, right, bottom = map(float, root.attrib["viewBox"].split())
        assert right == width
        for text in root.iter("text"):
            assert 0 <= float(text.attrib["y"]) <= bottom
            letters = len(text.text or "") * 6.5
            if text.attrib["text-anchor"] == "start":
                assert float(text.attrib["x"]) + letters <= right + 1, text.text


def test_names_are_escaped() -> None:
    evil = '"><script>alert(1)</script>&'
    text = svg.bars(evil, [svg.Bar(evil, 1, 1, 1, "cold", evil)], 340, "n", unit=evil)
    assert "<script" not in text and parsed(text).attrib["aria-label"] == evil
    line = svg.Line(evil, ((1.0, 1.0), (2.0, 2.0)), "cold")
    text = svg.lines(evil, [line], 340, "n", x_name=evil, y_name=evil, x_marks=[1, 2], y_log=False)
    assert "<script" not in text and parsed(text) is not None


def test_each_chart_is_drawn_for_a_wide_and_for_a_narrow_screen() -> None:
    for chart in (
        charts.times("a", some_rows()),
        charts.levels("c", some_rows()),
        charts.threads("d", some_rows()),
    ):
        kinds = [root.attrib["class"] for root in parsed(f"<x>{chart.drawn}</x>")]
        assert kinds == ["wide", "narrow"], chart.title


def test_rates_have_their_range_turned_round() -> None:
    drawn = charts.rates("b", some_rows(), files=True).drawn
    assert parsed(drawn).attrib["class"] == "half"
    assert "50" in re.findall(r'class="note">([\d.,]+)<', drawn)
    assert len(rects(f"<x>{charts.times('a', some_rows()).drawn}</x>")) == 2 * 6, "who failed has no bar"


def test_levels_say_what_each_costs_beside_the_first() -> None:
    drawn = charts.levels("c", some_rows()).drawn
    assert "4 s (+100 %)" in drawn and "--verify both: came out as &#x27;reread&#x27;" in drawn


def test_the_noise_of_the_rounds_is_the_median_of_the_spreads() -> None:
    assert charts.spread_of_rounds(some_rows()) == pytest.approx((1.0 + 0.5) / 2)
