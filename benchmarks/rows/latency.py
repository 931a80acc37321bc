"""Small files where every call takes milliseconds: both sides on one slow mount, which is the worst case."""

from __future__ import annotations

import os
import sys

from rows.race import BARE_LOOP, RSYNC, VDT, Goal, Place, Report, race
from rows.rigs import slow_mount
from rows.trees import write_small

_OURS = "vdt copy --threads 16"
_RCLONE = "rclone copy --transfers 16"
_CONTENDERS = {
    _OURS: [*VDT, "--threads", "16"],
    "vdt copy --threads 32": [*VDT, "--threads", "32"],
    "vdt copy --threads 64": [*VDT, "--threads", "64"],
    _RCLONE: [
        "rclone",
        "copy",
        "{source}",
        "{destination}",
        "--transfers",
        "16",
        "--checkers",
        "16",
        "--ignore-checksum",
    ],
    "rsync -a": RSYNC,
    "a bare verified loop, 16 threads": [sys.executable, BARE_LOOP, "{source}", "{destination}", "16"],
}
_BESIDE_RCLONE = {2.0: 0.7, 10.0: 0.5}


def latency(report: Report, base: str, files: int, latency_ms: float) -> None:
    """Ours with 16, 32 and 64 threads beside rclone with 16, rsync, and what no proof goes below.

    No turn warms up: no cache decides here.
    """
    report.say(f"{files} files in 40 folders, {latency_ms:g} ms a call, source and destination on the mount")
    with slow_mount(base, latency_ms) as at:
        write_small(os.path.join(at["behind"], "source"), files, per_folder=-(-files // 40))
        place = Place(os.path.join(at["seen"], "source"), at["seen"], at["behind"])
        goals = [Goal(_BESIDE_RCLONE.get(latency_ms, 0.7), _RCLONE), Goal(0.08, "rsync -a")]
        race(report, place, _CONTENDERS, goals, ours=_OURS, warm_up=False)
