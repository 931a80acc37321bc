"""Rows and results made of plain numbers."""

from __future__ import annotations

import sys
from typing import Dict, List, Sequence

from comparing.contenders import Contender, Job, Step, copiers
from comparing.data import Data, Holdings
from comparing.figures import Row, rows
from comparing.result import Result, Side
from comparing.rounds import Run
from vdt.model import Evidence

HELD = Holdings(files=100, folders=3, size_bytes=200_000_000, largest_bytes=9_000_000)


def run(seconds: float, evidence: Evidence, *, flush: float = 0.0, fault: str = "", number: int = 1) -> Run:
    return Run(number, 1, seconds, flush, (seconds,), 10 * 1024, evidence, (("x", "y"),), fault)


def some_rows() -> List[Row]:
    """Ours at each level, 1 thread and 8, two others, one that failed."""
    runs: Dict[str, List[Run]] = {
        "vdt copy --verify none": [run(1.0, Evidence.NONE), run(3.0, Evidence.NONE), run(2.0, Evidence.NONE)],
        "vdt copy --verify cold": [run(3.0, Evidence.COLD, flush=1.0)],
        "vdt copy --verify both": [run(5.0, Evidence.REREAD)],
        "vdt copy --threads 1": [run(8.0, Evidence.COLD)],
        "rsync -a": [run(6.0, Evidence.INFLIGHT), run(10.0, Evidence.INFLIGHT)],
        "cp -a": [run(1.0, Evidence.NONE)],
        "rclone copy": [run(0.5, Evidence.INFLIGHT, fault="it said <success> & lied")],
    }
    return rows(copiers([1]), runs, HELD)


def some_result(path: str = "/data/from", *, complete: bool = True) -> Result:
    return Result(
        made="2026-03-01 10:00:00+00:00",
        command="python benchmarks/compare.py --source X",
        complete=complete,
        rounds=3,
        machine={
            "processors": 2,
            "processor": "a processor",
            "memory_bytes": 8 << 30,
            "system": "a system",
            "python": "CPython 3.9.18",
        },
        versions={"vdt": "vdt 2.0.0", "rsync": "rsync 3.2.7 <b>"},
        source=Side(path, "ext4", "rw,noatime", "yes", cache="read once"),
        destination=Side("L:\\bench", "cifs", "", "no: a share", flush="each file"),
        data=Data(path, "sample run", HELD),
        rows=tuple(some_rows()),
        missing={"robocopy /E /J": "runs on Windows only"},
    )


def python_contender(
    name: str, code: str, *words: str, job: Job = Job.COPY, silent: bool = False, reports: bool = False
) -> Contender:
    """A contender that is a line of Python."""
    step = Step((sys.executable, "-S", "-c", code, *(words or ("{source}", "{destination}"))), silent=silent)
    return Contender(name, job, "test", (), (step,), Evidence.COLD, "a test", reports=reports)


def names(found: Sequence[Row]) -> List[str]:
    return [row.name for row in found]
