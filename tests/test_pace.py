"""What a lock shows of the work, and how it is read again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Dict, List, Optional

import pytest

from vdt.model import Count, Row, TreeResult
from vdt.vizgen.pace import Pace, Seen

WHEN = datetime(2026, 4, 12).astimezone()


def result(files: int, size_bytes: int, failed: int = 0) -> TreeResult:
    rows = {
        "files": Row(copied=files - 1, skipped=1, failed=failed),
        "size_bytes": Row(copied=size_bytes - 5, skipped=5),
    }
    return TreeResult(source="s", destination="d", started=WHEN, ended=WHEN, **rows)


def test_the_values_go_through_a_file_and_back() -> None:
    now: List[float] = [100.0]
    known: List[Optional[TreeResult]] = [None]
    pace = Pace(Count(100, 3, 10_000), lambda: known[0], lambda: "copying", lambda: now[0])
    assert Seen.read(json.loads(json.dumps(pace()))) == Seen("copying", 0, 0, 0, 100, 10_000, 0.0, 0.0, 0.0)
    now[0], known[0] = 130.0, result(11, 1_000)
    pace()
    now[0], known[0] = 160.0, result(41, 4_000, failed=2)
    seen = Seen.read(json.loads(json.dumps(pace())))
    assert seen == Seen("copying", 41, 4_000, 2, 100, 10_000, 60.0, 1.0, 100.0)
    assert seen.left() == Count(57, 0, 6_000)
    assert seen.left(landed_bytes=1_000) == Count(57, 0, 5_000)
    assert seen.left_s() == pytest.approx(60 * 6_000 / 4_000), "the slower of files and bytes"


def test_time_left_is_not_known_before_something_is_done() -> None:
    assert Seen("x", 0, 0, 0, 5, 10, 9.0, 0, 0).left_s() is None
    assert Seen("x", 0, 0, 0, 0, 0, 9.0, 0, 0).left_s() == 0.0
    assert Seen("x", 5, 10, 0, 5, 10, 9.0, 0, 0).left_s() == 0.0


GOOD: Dict[str, Any] = {
    **dict.fromkeys(("files", "bytes", "failed", "of_files", "of_bytes"), 1),
    **dict.fromkeys(("elapsed_s", "files_per_s", "bytes_per_s"), 1.5),
    "phase": "copying",
}


@pytest.mark.parametrize(
    "change",
    [
        *({"phase": 1}, {"files": "1"}, {"files": None}, {"bytes": -1}, {"of_bytes": True}, {"elapsed_s": 1e300}),
        {"failed": float("nan")},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_not_known(change: Dict[str, Any]) -> None:
    assert Seen.read(GOOD) is not None
    assert Seen.read({**GOOD, **change}) is None
    assert Seen.read({}) is None


def test_a_phase_of_a_stranger_is_cut() -> None:
    seen = Seen.read({**GOOD, "phase": "x" * 5000})
    assert seen is not None and len(seen.phase) == 200
