"""All runs of a folder in turn: order, parts, limits, and what is said of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import pytest

from vdt.audittree import AuditTools
from vdt.copyjob import NoLimit
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import UsageError
from vdt.progress import Silent
from vdt.scrub import ScrubRequest, ScrubResult, in_order, in_shard, parse_duration, parse_shard, parse_size, scrub
from vdt.stop import StopFlag


def test_words_of_the_command_line() -> None:
    assert [parse_duration(text) for text in ("8h", "30m", "90s", "1.5d")] == [28800, 1800, 90, 129600]
    assert [parse_size(text) for text in ("20T", "500G", "10", "1KiB")] == [20 << 40, 500 << 30, 10, 1024]
    assert parse_shard("3/16") == (3, 16)
    for parse, text in ((parse_duration, "8"), (parse_size, "much"), (parse_shard, "17/16"), (parse_shard, "0/4")):
        with pytest.raises(UsageError, match=text):
            parse(text)


def test_every_run_is_in_one_part() -> None:
    runs = [f"run{number}" for number in range(200)]
    parts = [[run for run in runs if in_shard(run, (n, 5))] for n in range(1, 6)]
    assert sorted(run for part in parts for run in part) == sorted(runs)
    assert all(20 < len(part) < 60 for part in parts)


def test_order() -> None:
    done = {"b": "2026-01-02", "c": "2026-01-01"}
    assert in_order(["c", "b", "a"], done, oldest_first=True) == ["a", "c", "b"]
    assert in_order(["c", "b", "a"], done, oldest_first=False) == ["a"]
    assert in_order(["c", "b"], done, oldest_first=False) == ["b", "c"]


class Root:
    def __init__(self, path: Path) -> None:
        self.path, self.root, self.lines = path, path / "root", []
        self.lines: List[str] = []
        for number in range(4):
            tree = path / "source" / f"run{number}"
            tree.mkdir(parents=True)
            (tree / "data.bin").write_bytes(b"%d" % number * 5000)
            self.copy(tree, self.root / f"run{number}" / "raw_data")

    @staticmethod
    def copy(source: Path, dest: Path) -> None:
        assert copy_tree(CopyRequest(str(source), str(dest), manifest=f"{dest}.xxh128")).proven

    def scrub(self, **changes: Any) -> ScrubResult:
        self.lines.clear()
        tools = AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None)
        return scrub(
            ScrubRequest(str(self.root), state=str(self.path / "state"), threads=2, **changes), tools, self.lines.append
        )


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_a_line_a_run_and_nothing_is_written_below_the_root(root: Root) -> None:
    (root.root / "run1" / "raw_data" / "data.bin").write_bytes(b"spoilt")
    (root.root / "unknown").mkdir()
    before = {str(p): p.stat().st_mtime_ns for p in root.root.rglob("*")}
    result = root.scrub()
    assert {str(p): p.stat().st_mtime_ns for p in root.root.rglob("*")} == before
    assert [line.split(":")[0] for line in root.lines] == ["run0", "run1", "run2", "run3", "unknown"]
    assert [line.verdict for line in result.lines] == ["right", "not right", "right", "right", "not known"]
    assert "DIFFERENT" in root.lines[1] and "Nothing is on record" in root.lines[4]
    assert result.exit_code == 8 and result.complete


def test_it_goes_on_where_it_ended(root: Root) -> None:
    first = root.scrub(max_bytes=6000)
    assert [line.run for line in first.lines if not line.stopped] == ["run0"]
    assert first.exit_code == 0 and first.by_limit and "--max-bytes" in first.stopped
    rest = root.scrub()
    assert [line.run for line in rest.lines] == ["run1", "run2", "run3"] and rest.complete
    assert [line.run for line in root.scrub().lines] == ["run0", "run1", "run2", "run3"], "then all begins anew"
    assert root.scrub(for_s=0.0).lines == ()


def test_parts_together_are_all_runs(root: Root) -> None:
    seen = [line.run for n in (1, 2, 3) for line in root.scrub(shard=(n, 3)).lines]
    assert sorted(seen) == ["run0", "run1", "run2", "run3"]
