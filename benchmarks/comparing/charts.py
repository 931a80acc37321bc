"""Which picture shows what: rows -> values of `svg`, and each picture for a wide and for a narrow screen. Pure."""

from __future__ import annotations

import statistics
from typing import Callable, List, NamedTuple, Sequence

from comparing import svg
from comparing.figures import Row, amount, by_evidence, by_level, by_threads

WIDE, HALF, NARROW = 860, 410, 340


class Chart(NamedTuple):
    """A picture with its words; `drawn` holds it for a wide and for a narrow screen, or one that fits both."""

    title: str
    reading: str
    drawn: str


def _both(draw: Callable[[int, str], str]) -> str:
    return draw(WIDE, "wide") + draw(NARROW, "narrow")


def _bar_chart(title: str, reading: str, found: Sequence[svg.Bar], unit: str) -> Chart:
    return Chart(title, reading, _both(lambda width, kind: svg.bars(title, found, width, kind, unit=unit)))


def sorted_rows(found: Sequence[Row]) -> List[Row]:
    """Those with figures: the strongest evidence first, in each the fastest first."""
    return [row for group in by_evidence(found).values() for row in group if row.total]


def times(title: str, found: Sequence[Row]) -> Chart:
    """Time by tool, coloured by what it proves."""
    drawn = []
    for row in sorted_rows(found):
        assert row.total
        note = f"{row.total.median:.3g} s"
        drawn.append(_bar(row, row.total.median, row.total.least, row.total.most, note))
    reading = "Shorter is better. Compare within one colour: it says what is proven. The thin line is the range."
    return _bar_chart(title, reading, drawn, "s")


def rates(title: str, found: Sequence[Row], *, files: bool) -> Chart:
    """Files or payload bytes a second by tool."""
    drawn = []
    for row in sorted_rows(found):
        assert row.total
        value = row.files_per_s if files else row.mb_per_s
        low, high = (value * row.total.median / seconds for seconds in (row.total.most, row.total.least))
        drawn.append(_bar(row, value, low, high, amount(value)))
    what = "Files a second" if files else "10^6 bytes of payload"
    unit = "/s" if files else "MB/s"
    return Chart(title, f"{what}; longer is better.", svg.bars(title, drawn, HALF, "half", unit=unit))


def _bar(row: Row, value: float, low: float, high: float, note: str) -> svg.Bar:
    return svg.Bar(row.name, value, low, high, row.evidence.value, note, bold=row.ours, group=row.evidence.words)


def levels(title: str, found: Sequence[Row]) -> Chart:
    """What each level of proof costs ours."""
    mine = by_level(found)
    bare = mine[0].total.median if mine and mine[0].total else 0.0
    drawn = []
    for row in mine:
        assert row.total
        more = f" ({100 * (row.total.median / bare - 1):+.0f} %)" if bare and row is not mine[0] else ""
        note = f"{row.total.median:.3g} s{more}"
        label = f"--verify {row.contender.verify}" + (f": came out as '{row.evidence.value}'" if row.weaker else "")
        bar = svg.Bar(label, row.total.median, row.total.least, row.total.most, row.evidence.value, note)
        drawn.append(bar)
    reading = "Ours, one level after the other; in brackets beside the first. What could not be proven is said."
    return _bar_chart(title, reading, drawn, "s")


def threads(title: str, found: Sequence[Row]) -> Chart:
    """Ours over the most threads allowed."""
    pairs = by_threads(found)
    middle = tuple((float(count), row.total.median) for count, row in pairs if row.total)
    marks = [float(count) for count, _ in pairs]
    line = [svg.Line("ours, --verify cold", middle, "cold")]

    def draw(width: int, kind: str) -> str:
        return svg.lines(
            title,
            line,
            width,
            kind,
            x_name="--threads, the most that may work",
            y_name="seconds",
            x_marks=marks,
            y_log=False,
        )

    reading = "Lower is better. --threads is the most; how many work is found while running."
    return Chart(title, reading, _both(draw))


def spread_of_rounds(found: Sequence[Row]) -> float:
    """Median over the contenders of (most - least) / median: how noisy the machine was."""
    parts = [(row.total.most - row.total.least) / row.total.median for row in found if row.total and len(row.runs) > 1]
    return statistics.median(parts) if parts else 0.0
