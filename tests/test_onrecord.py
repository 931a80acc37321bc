"""The sum of what lies beside a tree, and that keeping it costs no truth."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Dict

import pytest

from vdt import fs
from vdt.evidence import EvidenceWriter
from vdt.model import Entry, Evidence
from vdt.records import Record
from vdt.vizgen.onrecord import Beside, Kept, Sum, beside, sum_of

DIGEST = "0123456789abcdef" * 2


def evidence(
    folder: Path, files: Dict[str, Evidence], *, day: int = 1, purpose: str = "transfer", size: int = 10
) -> Path:
    writer = EvidenceWriter(str(folder), datetime(2026, 4, day, 12, 0, 0))
    for path, level in files.items():
        writer.add(path, Record(size, 1, 1, DIGEST, level), "2026-04-01T12:00:00+00:00")
    writer.close()
    return Path(writer.path)


def names_of(folder: Path) -> Dict[str, Entry]:
    return {entry.name: entry for entry in fs.list_folder(str(folder))}


def summed(folder: Path) -> Sum:
    return sum_of(str(folder), sorted(os.listdir(folder)))


def test_the_latest_line_of_each_path_counts(tmp_path: Path) -> None:
    evidence(tmp_path, {"a": Evidence.COLD, 'b/ä "\\\n': Evidence.REREAD, "c": Evidence.COLD})
    evidence(tmp_path, {'b/ä "\\\n': Evidence.COLD, "c": Evidence.NONE}, day=2, size=7)
    found = summed(tmp_path)
    assert found == Sum({"cold": 2, "none": 1}, 10 + 7 + 7)
    assert (found.total, found.weakest) == (3, "none")


def test_what_was_only_recorded_ends_no_proof(tmp_path: Path) -> None:
    evidence(tmp_path, {"a": Evidence.COLD})
    writer = EvidenceWriter(str(tmp_path), datetime(2026, 5, 1), "audit")
    writer.note({"audit": "x", "host": "pc"})
    for path in ("a", "new"):
        writer.add(path, Record(10, 1, 1, DIGEST, Evidence.COLD), "", recorded=True)
    writer.close()
    assert summed(tmp_path).files == {"cold": 1, "recorded": 1}


def test_findings_are_those_of_the_last_audit(tmp_path: Path) -> None:
    for day, wrong in ((1, 2), (2, 1)):
        writer = EvidenceWriter(str(tmp_path), datetime(2026, 5, day), "audit")
        for number in range(wrong):
            values = {"path": f"{number}", "size": 1, "mtime_ns": 1, "xxh128": DIGEST, "evidence": "none", "when": ""}
            writer.note({**values, "verdict": "DIFFERENT", "reason": "x"})
        writer.close()
    assert summed(tmp_path).findings == 1
    evidence(tmp_path, {"a": Evidence.COLD}, day=30)
    assert summed(tmp_path).findings == 1, "a transfer is no audit"


@pytest.mark.parametrize("cut", [1, 40, 100])
def test_a_torn_line_counts_for_nothing(tmp_path: Path, cut: int) -> None:
    path = evidence(tmp_path, {"a": Evidence.COLD, "b": Evidence.COLD})
    path.write_bytes(path.read_bytes()[:-cut])
    assert summed(tmp_path) == Sum({"cold": 1}, 10)


def test_lines_are_found_across_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vdt.vizgen.onrecord._BLOCK_BYTES", 61)
    evidence(tmp_path, {f"folder/{number}": Evidence.COLD for number in range(50)})
    assert summed(tmp_path) == Sum({"cold": 50}, 500)


def test_a_kept_sum_is_used_until_a_file_changes(tmp_path: Path) -> None:
    run = tmp_path / "R"
    (run / "raw_data").mkdir(parents=True)
    (run / "raw_data.xxh128").write_text("x")
    path = evidence(run / "raw_data.evidence", {"a": Evidence.COLD})

    def look() -> Beside:
        kept = Kept(str(tmp_path / "state"), str(tmp_path))
        kept.load()
        found = beside(str(run), "raw_data", names_of(run), kept)
        kept.save()
        return found

    first = look()
    assert first.past_cache and first.transferred == "20260401T120000" and first.number == 1
    state = next((tmp_path / "state" / "runs").iterdir())
    values = json.loads(state.read_text())
    assert values["sums"][str(run / "raw_data.evidence")]["files"] == {"cold": 1}
    state.write_text(state.read_text().replace('"bytes": 10', '"bytes": 77'))
    assert look().size_bytes == 77, "it was not read again"
    with path.open("ab") as file:
        file.write(path.read_bytes().replace(b'"a"', b'"b"').replace(b'"cold"', b'"none"'))
    assert look().evidence == Sum({"cold": 1, "none": 1}, 20)
    for broken in ("", "{", "[]", '{"version": 1, "sums": []}', json.dumps({**values, "version": 99})):
        state.write_text(broken)
        assert look().evidence.total == 2
    assert not [name for name in os.listdir(state.parent) if not name.endswith(".json")]


@pytest.mark.parametrize(
    ("changes", "proven", "past_cache"),
    [
        ({}, True, True),
        ({"manifest": False}, False, False),
        ({"incomplete": True}, False, False),
        ({"evidence": Sum({"cold": 1, "reread": 1})}, True, False),
        ({"evidence": Sum({"cold": 1, "none": 1})}, False, False),
        ({"evidence": Sum({"recorded": 1})}, False, False),
        ({"evidence": Sum({"present": 1})}, False, False),
        ({"evidence": Sum()}, False, False),
        ({"evidence": Sum(), "empty": True}, True, True),
    ],
)
def test_proven_needs_manifest_and_evidence(changes: dict, proven: bool, past_cache: bool) -> None:
    tree = Beside(**{"there": True, "manifest": True, "evidence": Sum({"cold": 2}), **changes})
    assert (tree.proven, tree.past_cache) == (proven, past_cache)
