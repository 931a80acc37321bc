"""A proof from the disk, not from memory: ours in one go, beside a copy, then dropping it from memory, then sums."""

from __future__ import annotations

import os
import shutil
import sys

from rows.forget import forget
from rows.race import VDT, Goal, Place, Report, race
from rows.trees import write_mixed

_OURS = "vdt copy --verify cold"
_RIVAL = "vdt copy --verify none, then xxhsum"
_FORGET = os.path.join(os.path.dirname(__file__), "forget.py")
_MEMORY = ("tmpfs", "ramfs")


def cold(report: Report, base: str, size_bytes: int) -> None:
    """DIR on a real disk. The source is dropped from memory before each contender, so that all read it from there."""
    if not shutil.which("xxhsum"):
        report.not_measured(_RIVAL, "xxhsum is not installed")
        return
    if _kind(base) in _MEMORY:
        report.not_measured(_OURS, f"DIR lies on {_kind(base)}; choose a folder on a disk")
        return
    place = Place.below(base)
    report.say(f"{write_mixed(place.source, size_bytes)}; the source is dropped from memory before each contender")
    copy = " ".join([*VDT, "--verify", "none"])
    sums = "find {destination} -type f -print0 | xargs -0 xxhsum -H2 >/dev/null"
    rival = ["sh", "-c", f"{copy} && {sys.executable} {_FORGET} {{destination}} && {sums}"]
    contenders = {_OURS: [*VDT, "--verify", "cold"], _RIVAL: rival}
    race(
        *(report, place, contenders, [Goal(0.75, _RIVAL)]),
        ours=_OURS,
        warm_up=False,
        before=lambda: forget(place.source),
    )


def _kind(folder: str) -> str:
    """Kind of the file system of a folder, as the system calls it; "" where it does not say."""
    best = kind = ""
    try:
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            for line in mounts:
                _, at, name, *_ = line.split()
                if os.path.join(folder, "").startswith(os.path.join(at, "")) and len(at) >= len(best):
                    best, kind = at, name
    except OSError:
        pass
    return kind
