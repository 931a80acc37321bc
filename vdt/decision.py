"""What becomes of each class of file under a policy: robocopy's table of classes and switches, in one place. Pure.

A file has exactly one class (compare.py) and so exactly one fate. Names that a pattern, a size, an age or a link
switch left out never come here (selection.py).
"""

from __future__ import annotations

import enum
from typing import Dict, NamedTuple

from vdt.model import FileClass, Policy


class Fate(enum.Enum):
    """What becomes of a file."""

    COPY = "copied"
    LEAVE = "left as it lies, and so not what the source holds"
    KEEP = "there already"
    REPORT = "listed, never touched"
    HIDE = "not even listed"


class Decision(NamedTuple):
    """The fate of one class."""

    fate: Fate
    word: str = ""  # of a skipped file, as a log under /V shows it


def decisions(policy: Policy) -> Dict[FileClass, Decision]:
    """Every class with what the switches of a policy make of it."""

    def unless(switch: bool, word: str) -> Decision:
        return Decision(Fate.LEAVE, word) if switch else Decision(Fate.COPY)

    def only(switch: bool) -> Decision:
        return Decision(Fate.COPY) if switch else Decision(Fate.KEEP, "same")

    return {
        FileClass.LONELY: unless(policy.skip_lonely, "lonely"),
        FileClass.NEWER: unless(policy.skip_newer, "newer"),
        FileClass.OLDER: unless(policy.skip_older, "older"),
        FileClass.CHANGED: unless(policy.skip_changed, "changed"),
        FileClass.TWEAKED: only(policy.include_tweaked),
        FileClass.MODIFIED: only(policy.include_modified),
        FileClass.SAME: only(policy.include_same),
        FileClass.EXTRA: Decision(Fate.HIDE if policy.hide_extras else Fate.REPORT),
        FileClass.MISMATCH: Decision(Fate.REPORT),
    }
