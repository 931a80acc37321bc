"""What no verified copy in Python goes below on this machine: how far a goal that is not met could be."""

from __future__ import annotations

import os
import sys

from rows.race import BARE_LOOP, OURS, RSYNC, VDT, Place, Report, race
from rows.trees import write_large, write_small

_HERE = os.path.dirname(os.path.abspath(__file__))
_BARE = "the bare verified loop, one thread"
_START = "vdt copy of an empty folder"
_AT_ONCE = "three passes over the disk at once"
_PASSES = [sys.executable, os.path.join(_HERE, "passes.py"), "{source}/f0.bin", "{destination}/new", "{source}/f1.bin"]


def interpreter(report: Report, base: str, files: int) -> None:
    """Small files: the bare loop, and what the process needs to start, beside ours and `rsync -a`. DIR on tmpfs."""
    place = Place.below(base)
    empty = os.path.join(base, "empty")
    write_small(place.source, files)
    os.makedirs(empty)
    loop = [sys.executable, BARE_LOOP, "{source}", "{destination}"]
    start = [word.replace("{source}", empty) for word in VDT]
    race(report, place, {OURS: VDT, _BARE: loop, _START: start, "rsync -a": RSYNC})


def disk(report: Report, base: str, size_bytes: int) -> None:
    """How much a proof that overlaps the copy can gain on this disk, if nothing but the disk counts."""
    place = Place.below(base)
    write_large(place.source, 2, size_bytes)
    os.sync()
    race(report, place, {_AT_ONCE: [*_PASSES, "at-once"], "copy, then read back": [*_PASSES, "in-turn"]}, ours=_AT_ONCE)
