"""The JSON object of a tree: the keys that a script may rely on, and where each value comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from vdt.model import Evidence, Grew, Problem, Row, TreeResult
from vdt.report import tree_object, verdict_words

ZONE = timezone(timedelta(hours=2))
RESULT = TreeResult(
    source="/s",
    destination="/d",
    started=datetime(2026, 4, 12, 18, 15, 2, 999999, ZONE),
    ended=datetime(2026, 4, 12, 18, 16, 3, tzinfo=ZONE),
    dirs=Row(3, 1, 2),
    files=Row(10, 4, 3, 2, 1, 5),
    size_bytes=Row(100, 40, 30, 20, 10, 50),
    files_by_evidence={Evidence.COLD: 4, Evidence.ON_RECORD: 3},
    bytes_by_evidence={Evidence.COLD: 40, Evidence.ON_RECORD: 30},
    reached_end=True,
)
P = (Problem("d/a", "because", 3),)
ENTRY = {"path": "d/a", "reason": "because", "attempts": 3}
LEVELS = ["none", "inflight", "reread", "cold", "both", "on_record", "present"]
COLUMNS = ["copied", "extras", "failed", "mismatch", "skipped", "total"]


def test_the_promised_keys() -> None:
    """`version` and `command` are added by whoever knows the command."""
    promised = {
        *("source", "destination", "started", "ended", "complete", "exit_code", "verdict", "counts"),
        *("files_by_evidence", "bytes_by_evidence", "resumed_bytes"),
        *("failed", "unstable", "conflict", "type_mismatch", "extra"),
    }
    more = {
        *("special", "links", "outward_links", "unverified", "changed_since", "grew", "retries", "threads_used"),
        *("manifest", "manifest_sha256"),
        *("stopped", "fatal", "notes"),
    }
    assert set(tree_object(RESULT)) == promised | more


def test_counts() -> None:
    counts = tree_object(RESULT)["counts"]
    assert sorted(counts) == ["bytes", "dirs", "files"]
    assert all(sorted(row) == COLUMNS for row in counts.values())
    expected = {"total": 10, "copied": 4, "skipped": 3, "mismatch": 2, "failed": 1, "extras": 5}
    assert counts["files"] == expected
    assert counts["bytes"] == {name: 10 * value for name, value in expected.items()}
    assert counts["dirs"] == {"total": 3, "copied": 1, "skipped": 2, "mismatch": 0, "failed": 0, "extras": 0}


def test_every_level_of_evidence_has_a_key() -> None:
    value = tree_object(RESULT)
    assert list(value["files_by_evidence"]) == LEVELS
    assert list(value["bytes_by_evidence"]) == LEVELS
    assert (value["files_by_evidence"]["cold"], value["bytes_by_evidence"]["cold"]) == (4, 40)
    assert (value["files_by_evidence"]["on_record"], value["bytes_by_evidence"]["on_record"]) == (3, 30)
    assert value["files_by_evidence"]["none"] == value["bytes_by_evidence"]["present"] == 0


def test_times_are_local_with_offset() -> None:
    value = tree_object(RESULT)
    assert (value["started"], value["ended"]) == ("2026-04-12T18:15:02+02:00", "2026-04-12T18:16:03+02:00")


@pytest.mark.parametrize(
    "name", ["failed", "unstable", "conflict", "type_mismatch", "extra", "special", "outward_links", "changed_since"]
)
def test_lists(name: str) -> None:
    value = tree_object(replace(RESULT, **{name: P}))
    assert value[name] == [ENTRY]
    lists = {key for key, held in value.items() if isinstance(held, list) and held}
    assert lists == {name}


def test_unproven_files_stand_among_the_failed() -> None:
    value = tree_object(replace(RESULT, failed=P, unproven=(Problem("d/b", "unread"),)))
    assert [one["path"] for one in value["failed"]] == ["d/a", "d/b"]


def test_the_plain_values() -> None:
    value = tree_object(
        replace(
            RESULT,
            resumed_bytes=7,
            links=5,
            unverified=6,
            retries=8,
            threads_used=2.34567,
            manifest="/d.xxh128",
            manifest_sha256="5" * 64,
            notes=("one", "two"),
            grew=(Grew("d/g", 1, 2),),
            stopped="interrupted",
            fatal="",
        )
    )
    assert (value["source"], value["destination"]) == ("/s", "/d")
    assert (value["links"], value["unverified"]) == (5, 6)
    assert (value["resumed_bytes"], value["retries"], value["threads_used"]) == (7, 8, 2.35)
    assert (value["manifest"], value["manifest_sha256"]) == ("/d.xxh128", "5" * 64)
    assert value["notes"] == ["one", "two"]
    assert value["grew"] == [{"path": "d/g", "before": 1, "after": 2}]
    assert (value["stopped"], value["fatal"]) == ("interrupted", "")


@pytest.mark.parametrize("reached", [True, False])
def test_complete_says_that_the_run_reached_its_end(reached: bool) -> None:
    """A script asks this first: are the lists below all that there is to say?"""
    assert tree_object(replace(RESULT, failed=P, reached_end=reached))["complete"] is reached


@pytest.mark.parametrize(
    ("changes", "words", "code"),
    [
        ({}, "proven", 7),
        ({"files": Row(3, 0, 3)}, "proven", 0),
        ({"files_by_evidence": {Evidence.COLD: 4, Evidence.PRESENT: 1}}, "complete, not proven", 7),
        ({"files_by_evidence": {Evidence.INFLIGHT: 1}}, "complete, not proven", 7),
        ({"files_by_evidence": {Evidence.NONE: 1}}, "complete, not proven", 7),
        ({"files_by_evidence": {Evidence.REREAD: 1}}, "proven", 7),
        ({"failed": P}, "not complete", 15),
        ({"unstable": P}, "not complete", 15),
        ({"conflict": P}, "not complete", 15),
        ({"unproven": P}, "not complete", 15),
        ({"unverified": 1}, "complete, not proven", 7),
        ({"outward_links": P}, "proven", 7),
        ({"type_mismatch": P}, "not complete", 7),
        ({"reached_end": False, "stopped": "interrupted"}, "stopped", 15),
        ({"reached_end": False, "failed": P}, "stopped", 15),
        ({"fatal": "The share is gone.", "reached_end": False}, "fatal", 16),
        ({"fatal": "The share is gone."}, "fatal", 16),
    ],
)
def test_verdict_and_exit_code(changes, words: str, code: int) -> None:
    files = Row(10, 4, 3, 2, 0, 5)
    result = replace(RESULT, **{"files": files, **changes})
    assert verdict_words(result) == words
    value = tree_object(result)
    assert (value["verdict"], value["exit_code"]) == (words, code)


def test_it_can_be_written_as_ascii() -> None:
    value = tree_object(replace(RESULT, failed=(Problem("caf\udce9", "\u00e9"),)))
    text = json.dumps(value, ensure_ascii=True)
    assert "caf\\udce9" in text
    assert json.loads(text) == value
