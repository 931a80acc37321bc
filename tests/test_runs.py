"""All runs in a table: what is said of each, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List

import pytest

from vdt.cli.runs import table
from vdt.vizgen.layout import CopyType
from vdt.vizgen.onrecord import Beside, Sum
from vdt.vizgen.runs import Run, in_order

GOOD = Beside(there=True, manifest=True, transferred="20260412T181502", evidence=Sum({"cold": 2}, 2**30))


def run(name: str = "202604101058_VZGEN1_VMSC10202", *, changes: Any = None, **fields: Any) -> Run:
    trees = dict.fromkeys(CopyType, GOOD)
    if changes:
        trees[CopyType.ANALYSIS] = replace(GOOD, **changes)
    return Run(name, trees, **{"source": "there", **fields})


def test_a_proven_run() -> None:
    found = run()
    assert (found.proof, found.weakest, found.objection) == ("proven", "cold", "")
    assert (found.size_bytes, found.files, found.date) == (3 * 2**30, 6, "2026-04-12 18:15")


@pytest.mark.parametrize(
    ("changes", "proof", "objection"),
    [
        ({"there": False}, "proven", "analysis is not there"),
        ({"manifest": False}, "partly proven", "analysis: no manifest"),
        ({"incomplete": True}, "partly proven", "analysis: the last transfer was not complete or not proven"),
        ({"evidence": Sum()}, "partly proven", "analysis: nothing on record"),
        ({"evidence": Sum({"recorded": 1})}, "partly proven", "analysis: recorded, not proven"),
        ({"evidence": Sum({"reread": 1})}, "proven", "analysis: read back, but not past the cache"),
        ({"evidence": Sum({"cold": 2}, 1, 3)}, "proven", "analysis: the last audit found 3 file(s) that are not right"),
        ({"at_work": True}, "at work", "analysis: a transfer is at work, or did not reach its end"),
        ({"trouble": "it cannot be read"}, "proven", "it cannot be read"),
    ],
)
def test_the_first_objection_is_named(changes: Any, proof: str, objection: str) -> None:
    found = run(changes=changes)
    assert (found.proof, found.objection) == (proof, objection)
    assert f"no: {objection}" in table([found])[1]


def test_a_run_without_records_takes_its_date_from_its_name_and_its_size_from_the_log() -> None:
    bare = Beside(there=True, logged_files=3, logged_bytes=2**31)
    found = Run("202310261058_VZGEN1_VMSC10202", {CopyType.OUTPUT: bare})
    assert (found.date, found.size_bytes, found.files, found.proof) == ("2023-10-26 10:58", 2**31, 3, "not proven")
    assert Run("notes", {CopyType.OUTPUT: bare}).date == ""
    assert Run("999999999999_X", {CopyType.OUTPUT: bare}).date == "99999999T999900", "no date of any calendar"


def test_a_source_that_is_gone_needs_no_question() -> None:
    assert run(source="gone").objection == "the source is gone"
    assert "2026-04-20 01:02 on pc7" in table([run(changes={"audited": "20260420T010203", "audited_by": "pc7"})])[1]


def test_orders() -> None:
    small = run("a", changes={"evidence": Sum({"reread": 1}, 5)})
    large = run("b", changes={"transferred": "20270101T000000", "manifest": False})
    unknown = Run("c", {}, trouble="it cannot be listed")

    def order(sort: str, *, reverse: bool = False) -> List[str]:
        return [found.run_id for found in in_order([large, unknown, small], sort, reverse=reverse)]

    assert order("run") == ["a", "b", "c"] and order("run", reverse=True) == ["c", "b", "a"]
    assert order("size") == ["c", "a", "b"]
    assert order("date") == ["c", "a", "b"]
    assert order("proof") == ["c", "b", "a"]


def test_the_columns_stand_below_each_other() -> None:
    lines = table([run(), run("x", changes={"manifest": False})])
    at = lines[0].index("PROOF")
    assert [line[at:].split("  ")[0] for line in lines[:3]] == ["PROOF", "proven", "partly proven"]
    assert lines[-1].startswith("2 runs, 6.0 GB; 1 proven.")
