"""results.html can be mailed around: nothing is fetched, nothing runs, no name breaks out. results.json has it all."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import List

import pytest

from comparing.growth import Growth, Point, amount, sentences
from comparing.growth_page import json_object as growth_object
from comparing.growth_page import render as render_growth
from comparing.page import e, render
from comparing.result import json_object
from vdt.errors import UsageError

from .values import some_result, some_rows

EVIL = '/data/"><script src=//x.example/a.js></script>\x1b[31m\n<b>'
VOID = {"meta", "line", "rect", "circle", "polyline", "br"}


class Balanced(HTMLParser):
    """Tags that are open, and everything that could fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: List[str] = []
        self.seen: List[str] = []
        self.attributes: List[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        self.attributes += [name for name, _ in attrs]  # type: ignore[attr-defined]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def check(page: str) -> Balanced:
    found = Balanced()
    found.feed(page)
    found.close()
    assert found.open == []
    assert not {"script", "link", "img", "iframe", "object", "a", "b"} & set(found.seen)
    assert not {name for name in found.attributes if name in ("src", "href", "style") or name.startswith("on")}
    assert not re.search(r"https?:|@import|url\(", page)
    return found


def test_the_page_stands_alone_and_no_name_breaks_out() -> None:
    page = render(some_result(EVIL))
    check(page)
    assert "\x1b" not in page and "\\x1b[31m\\x0a&lt;b&gt;" in page
    assert e("\udcff\u202e") == "\\udcff\\u202e"
    page.encode("utf-8")


def test_the_page_says_what_was_found_and_on_what() -> None:
    page = render(some_result())
    for words in (
        *(
            "100 files, 0.200 GB",
            "The data is not larger than the memory",
            "flush: each file",
            "reads past the cache: no: a share",
        ),
        *("asked for &#x27;both&#x27;", "mounted rw,noatime", "rsync 3.2.7 &lt;b&gt;"),
        *("failed: it said &lt;success&gt; &amp; lied", "runs on Windows only", "rsync -a SRC/ DST/", "2 processors"),
        "in turn, every second one in reverse",
    ):
        assert words in page, words
    assert "Interrupted" not in page and "Interrupted" in render(some_result(complete=False))
    assert "prefers-color-scheme: dark" in page and page.count('class="wide"') == page.count('class="narrow"') == 3
    assert page.count('class="half"') == 2


def test_the_json_has_each_turn_with_its_commands() -> None:
    value = json.loads(json.dumps(json_object(some_result("/\udcff"))))
    rows = {row["name"]: row for row in value["contenders"]}
    bare = rows["vdt copy --verify none"]
    assert bare["seconds"] == {"median": 2.0, "least": 1.0, "most": 3.0} and len(bare["turns"]) == 3
    assert bare["turns"][0]["commands"] == [["x", "y"]]
    assert rows["vdt copy --verify both"]["evidence"] == "reread"
    assert rows["vdt copy --verify both"]["evidence_asked_for"] == "both"
    assert rows["rclone copy"]["seconds"] is None and rows["rclone copy"]["fault"]
    assert value["data"]["bytes"] == 200_000_000 and value["data"]["larger_than_memory"] is False
    assert value["complete"] is True and value["destination"]["flush"] == "each file"


def test_a_page_without_any_figure_is_a_page() -> None:
    from dataclasses import replace

    nobody = replace(some_result(), rows=tuple(row for row in some_rows() if row.fault))
    check(render(nobody))


def growth(axis: str) -> Growth:
    rows = tuple(some_rows())
    return Growth(axis, (Point(1000, 1000, rows), Point(10_000, 10**6, rows)))


def test_growth_is_said_drawn_and_kept() -> None:
    page = render_growth([growth("files"), growth("size")], {"machine": EVIL})
    check(page)
    assert page.count('class="wide"') == page.count('class="narrow"') == 6
    value = json.loads(json.dumps(growth_object([growth("size")], {"made": "x"}, complete=False)))
    assert [point["bytes_each"] for point in value["axes"]["size"]] == [1000, 10**6] and value["complete"] is False


def test_growth_in_words() -> None:
    (row,) = (row for row in some_rows() if row.name == "cp -a")
    other = row.__class__(**{**row.__dict__, "total": row.total.__class__(19.0, 19.0, 19.0), "peak_mib": 12.0})
    grown = Growth("files", (Point(1000, 1, (row,)), Point(10_000, 1, (other,))))
    (said,) = sentences(grown)
    assert said.startswith(
        "cp -a: 10 times as much takes 19.0 times as long (1 -> 19 s; between them 2000.0 us a file)"
    )
    assert said.endswith("; memory 10 -> 12 MiB.")


def test_amounts() -> None:
    assert [amount(text) for text in ("500", "1k", "10M", "2G")] == [500, 1000, 10**7, 2 * 10**9]
    for wrong in ("", "k", "0", "-1", "1.5k", "1T"):
        with pytest.raises(UsageError, match="is no number such as"):
            amount(wrong)
