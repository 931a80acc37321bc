"""Markup, plots, remedies, and the whole report of a run (the runs are those of test_mail)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Callable, List, Optional, Tuple
from xml.etree import ElementTree

import pytest
from test_mail import RUN, WHEN, failure, good_tree, report_of, success

from vdt.model import Evidence, Problem
from vdt.page import markup, plots
from vdt.page.plots import SizeClass
from vdt.page.remedies import remedy
from vdt.pulse import MOST_POINTS, Curve, Point, Spent
from vdt.vizgen import page
from vdt.vizgen.finished import Finished
from vdt.vizgen.glance import glance, troubles
from vdt.vizgen.layout import CopyType
from vdt.vizgen.mail import Items
from vdt.vizgen.page import compose_page, compose_part_page
from vdt.vizgen.report import About, Course, RunReport
from vdt.vizgen.verdict import decide

VOID = {"meta", "br", "line", "rect", "polygon"}
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\udcff\u202e"


class Structure(HTMLParser):
    """Every element is closed, by the right name; collects what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: List[str] = []
        self.names: List[str] = []
        self.attributes: List[Tuple[str, Optional[str]]] = []
        self.words: List[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def course() -> Course:
    points = tuple(Point(float(s), s * 3, s * 50_000_000) for s in range(20))
    spent = (Spent("", "counting", 3.0), Spent("raw_data", "copying", 20.0), Spent("raw_data", "waiting", 5.0))
    sizes = (SizeClass("below 1 KiB", 100, 5000), SizeClass("empty", 0, 0), SizeClass("1 GiB and more", 3, 9 * 2**30))
    return Course((Curve("raw_data", points),), spent, (("raw_data", sizes),))


def whole(report: RunReport) -> str:
    about = About("2026-04-12T18:15:02+01:00", "MERSCOPE3", "Windows-10", "3.11.7", "L:\\c.toml", "NTFS for raw_data")
    return compose_page(replace(report, about=about, course=course()), WHEN + timedelta(hours=23))


# -- the whole page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [success, failure])
def test_it_is_well_formed_and_needs_nothing_else(make: Callable[[], RunReport]) -> None:
    text = whole(make())
    found = Structure(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(found.names)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "href", "style")]
    assert "http" not in text and "url(" not in text and "@import" not in text
    assert all(c.isprintable() or c == "\n" for c in text)
    text.encode("utf-8")


def test_what_a_person_wants_to_know_first_stands_first() -> None:
    words = Structure(whole(failure())).text
    order = [
        "Data transfer failed for run",
        "May the source be deleted? NO",
        "52 files of raw_data could not be copied",
        "The trees at a glance",
        "not complete",
        "What is wrong, and what to do",
        "Let the account that copies read the file",
        "data/stack_000.dat",
        "Python based counts",
        "How the files are known to be right",
        "How it went",
        "Throughput over time",
        "Time by phase",
        "File sizes of raw_data",
        "Where everything lies",
        "Command, versions, host",
    ]
    at = -1
    for mark in order:
        found = words.find(mark, at + 1)
        assert found > at, mark
        at = found


def test_a_yes_names_the_folders_and_the_manifests() -> None:
    words = Structure(whole(success())).text
    assert "May the source be deleted? YES" in words and "This is one copy" in words
    for kind in CopyType:
        tree = good_tree(kind)
        assert tree.source in words and tree.manifest in words and tree.log in words
        assert tree.result.manifest_sha256 in words
    assert "What is wrong" not in words
    for fact in ("MERSCOPE3", "Windows-10", "3.11.7", "L:\\c.toml", RUN, "vizgen_data_transfer.exe", "NTFS"):
        assert fact in words


def test_every_file_that_failed_or_moved_is_there_with_reason_and_remedy() -> None:
    words = Structure(whole(failure())).text
    for number in range(52):
        assert f"data/stack_{number:03d}.dat" in words
    for name in ("settings/é<&>.json", "old.tif", "seg", "x\\x1b[31m\\udcff.png", "logs/run.log", "late.csv", "pipe"):
        assert name in words
    for reason in ("Access is denied (6 tries each)", "size changed while it was read", "118004 -> 120405 bytes"):
        assert reason in words
    for words_of in ("--replace_proven", "Wait until instrument and analysis are done"):
        assert words_of in words


def test_an_unfinished_run_says_so() -> None:
    finished = Finished("Z:\\merfish_raw_data\\R", ("MERLIN_FINISHED",))
    trees = [good_tree(kind) for kind in CopyType]
    report = report_of(trees, verdict=decide(trees, finished=finished), finished=finished)
    words = Structure(whole(report)).text
    assert "NO The run is not finished: MERLIN_FINISHED is missing" in words
    assert "arrived and passed its checks; the source has to stay" in words
    assert words.count("The run is not finished") == 1
    assert Structure(whole(replace(failure(), finished=finished))).text.count("The run is not finished") == 1


def test_thousands_of_failures_stay_a_page() -> None:
    raw = good_tree(CopyType.RAW_DATA)
    many = tuple(Problem(f"data/{n}.dat", f"Copying File Z:\\{n}: permission denied") for n in range(100_000))
    raw = replace(raw, result=replace(raw.result, failed=many, changed_since=many, notes=tuple("x" for _ in many)))
    text = whole(report_of([raw], exit_code=9))
    assert len(text) < 300_000
    words = Structure(text).text
    assert f"And 99,800 more; the full list is in {raw.log}" in words
    assert "data/199.dat" in words and "data/200.dat" not in words


@pytest.mark.parametrize("field", ["run_id", "command", "error", "path", "reason", "note", "host", "source"])
def test_no_name_acts_as_markup(field: str) -> None:
    raw = good_tree(CopyType.RAW_DATA)
    problem = Problem(HOSTILE if field == "path" else "p", HOSTILE if field == "reason" else "r")
    raw = replace(raw, result=replace(raw.result, failed=(problem,)), source=HOSTILE if field == "source" else "s")
    report = report_of([raw], notes=(HOSTILE,) if field == "note" else ())
    if field in ("run_id", "command", "error"):
        report = replace(report, **{field: HOSTILE})
    text = compose_page(replace(report, about=About(host=HOSTILE if field == "host" else "h")), WHEN)
    found = Structure(text)
    assert "script" not in found.names
    assert "<script>alert(1)</script>\"'&\\x1b[31m\\udcff\\u202e" in " ".join(found.words)
    assert all(c.isprintable() or c == "\n" for c in text)


def test_a_run_that_ended_before_any_tree() -> None:
    words = Structure(compose_page(report_of([], error="Interrupted.", exit_code=8), WHEN)).text
    assert "NO Interrupted." in words and "Nothing was copied" in words and "How it went" not in words


def test_a_page_of_lists_is_cut_and_escaped() -> None:
    text = compose_part_page(
        "Audit " + HOSTILE,
        ["May the source be deleted? NO: x", HOSTILE],
        [("F:", [Items("t", ("a",) * 500)])],
        yes=False,
        passed=True,
    )
    found = Structure(text)
    assert found.names.count("li") == page._MOST_NOTES + 1 and "and 400 more" in found.text
    assert "script" not in found.names


# -- at a glance ---------------------------------------------------------------------------------------------------


def test_the_state_of_each_tree() -> None:
    assert [(row.cells[1], row.kind) for row in glance(success())] == [("complete, proven", "good")] * 3
    assert [(row.cells[1], row.kind) for row in glance(failure())] == [
        ("not complete", "bad"),
        ("not copied", "bad"),
        ("not begun", "bad"),
    ]
    raw = good_tree(CopyType.RAW_DATA)
    trusted = replace(raw, result=replace(raw.result, files_by_evidence={Evidence.PRESENT: 8042}))
    assert [row.cells[1] for row in glance(report_of([trusted]))] == ["complete, not proven"]
    differs = replace(raw, after=replace(raw.after, files=1))
    assert [row.cells[1] for row in glance(report_of([differs]))] == ["checks failed"]


def test_troubles_are_grouped_and_the_worst_come_first() -> None:
    groups = troubles(failure())
    assert [(group.kind, len(group.problems)) for group in groups] == [
        ("failed", 52),
        ("unproven", 1),
        ("unstable", 1),
        ("conflict", 1),
        ("type mismatch", 1),
        ("changed since the copy", 1),
        ("not copied", 1),
        ("grew", 1),
    ]
    assert groups[0].amount == "52 files of raw_data" and groups[1].amount == "1 file of raw_data"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Copying File Z:\\a: access is denied", "Let the account"),
        ("Copying File /a: permission denied", "Let the account"),
        ("Creating Destination File /full disk/x: permission denied", "Let the account"),
        ("Copying File a: another program has it open", "Close the program"),
        ("Writing File a: the disk is full", "Make room"),
        ("Copying File a: the disk or the network gave an input/output error", "medium"),
        ("Copying File a: the name or path is too long", "cannot hold this name"),
        ("Copying File a: it is not there (any more)", "went away"),
        ("Copying File a: the network connection was dropped", "Bring drive or share back"),
        ("Copying File a: the virus scanner holds it for a virus and blocks it", "virus scanner"),
        ("the link leads to 'x': it is not there (any more)", "went away"),
        ("something nobody thought of", "Mend what the reason names"),
    ],
)
def test_what_to_do_about_a_failure(reason: str, words: str) -> None:
    assert words in remedy("failed", reason)


@pytest.mark.parametrize(
    "kind", ["unstable", "conflict", "type mismatch", "grew", "not copied", "leads out of the tree"]
)
def test_what_to_do_about_the_others_does_not_hang_on_words(kind: str) -> None:
    assert remedy(kind, "permission denied") == remedy(kind, "") != ""


# -- plots ---------------------------------------------------------------------------------------------------------


def svg_of(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot[plot.index("<svg") : plot.index("</svg>") + 6])


def test_throughput_is_the_slope_of_the_sums() -> None:
    curve = Curve("t", (Point(0.0, 0, 0), Point(10.0, 5, 100 * 2**20), Point(20.0, 5, 100 * 2**20)))
    plot = plots.throughput([curve])
    labels = [text.text for text in svg_of(plot).iter("text")]
    assert labels[0] == "MiB/s" and "10" in labels and "files/s" in labels and "0.5" in labels and "20 s" in labels
    polygons = [shape.get("points", "") for shape in svg_of(plot).iter("polygon")]
    heights = [float(pair.split(",")[1]) for pair in polygons[0].split()]
    assert heights == [164.0, 24.0, 24.0, 164.0, 164.0, 164.0], "full height, then none"


def test_shapes_are_bounded_and_stay_inside() -> None:
    points = tuple(Point(n * 0.5, n, n * n * 1000) for n in range(MOST_POINTS))
    root = svg_of(plots.throughput([Curve("a", points), Curve("b", points)]))
    assert len(list(root.iter("polygon"))) == 4
    for shape in root.iter("polygon"):
        for pair in shape.get("points", "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= 1000 and 0 <= y <= 376


@pytest.mark.parametrize("curves", [[], [Curve("t", (Point(0.0, 0, 0),))]])
def test_nothing_sampled_draws_nothing(curves: List[Curve]) -> None:
    assert plots.throughput(curves) == "" and plots.phases(()) == "" and plots.sizes(()) == ""
    assert plots.sizes([SizeClass("a", 0, 0)]) == "" and plots.phases([Spent("a", "b", 0.0)]) == ""


def test_a_curve_without_bytes_or_time_divides_by_nothing() -> None:
    for points in ((Point(0.0, 0, 0), Point(0.0, 0, 0)), (Point(5.0, 0, 0), Point(6.0, 9, 0))):
        svg_of(plots.throughput([Curve("t", points)]))


def test_sizes_and_phases_name_their_numbers() -> None:
    text = plots.sizes([SizeClass("small", 75, 100), SizeClass("none", 0, 0), SizeClass("large", 25, 3 * 2**30)])
    assert "75 files, 75 %" in text and "3.0 GiB, 100 %" in text and "none" not in text
    text = plots.phases([Spent("", "counting", 61.0), Spent("a<b", "copying", 7300.0)])
    assert "counting: 1 min 1 s" in text and "copying: 2 h 1 min" in text and "a&lt;b" in text
    svg_of(text)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.003, 0.005), (0.9, 1), (1, 1), (1.1, 2), (4, 5), (51, 100), (999, 1000)]
)
def test_round_tops(value: float, top: float) -> None:
    assert plots.nice_top(value) == pytest.approx(top)


@pytest.mark.parametrize("span", [0.3, 1, 59, 3600, 36_000, 400_000, 10**7])
def test_few_round_ticks(span: float) -> None:
    found = plots.ticks(span)
    assert 2 <= len(found) <= 9 and found[0] == 0 and found[-1] <= span


def test_words_for_sizes_and_times() -> None:
    assert [plots.amount(n) for n in (0, 1023, 1536, 5 * 2**40, 2**61)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 TiB",
        "2048.0 PiB",
    ]
    assert [plots.lasted(s) for s in (0.41, 12.4, 200, 7500)] == ["0.4 s", "12 s", "3 min 20 s", "2 h 5 min"]
    assert [plots.clock(s, s) for s in (0.5, 60, 600, 36_000)] == ["0.5 s", "60 s", "10 min", "10 h"]


def test_markup_escapes_and_scrolls() -> None:
    assert markup.text("<a href='x'>&\x00") == "&lt;a href=&#x27;x&#x27;&gt;&amp;\\x00"
    assert markup.table(["a"], [["b"]], "wide", (0,)).count('class="number"') == 2
    assert markup.bullets([]) == ""
