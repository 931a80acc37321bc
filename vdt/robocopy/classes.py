"""The class field of a log line: 12 characters that say what a file or folder is and what became of it.

Pure. Robocopy's convention: copied words begin with a capital and stand left, skipped words are lower case and
stand right, words that begin with ``*`` are anomalies.
"""

from __future__ import annotations

import enum
from typing import Dict

from vdt.model import FileClass

WIDTH = 12


class Skip(enum.Enum):
    """Why a file that its class would have copied was left out; the value is the word in a /V log."""

    ATTRIBUTES = "attrib"
    ARCHIVE = "archive"
    NAMED = "named"
    NAMED_EXTRA = "*named file"  # only at the destination
    LARGE = "large"
    SMALL = "small"
    TOO_OLD = "too old"
    TOO_NEW = "too new"
    JUNCTION = "junction"


class FolderKind(enum.Enum):
    """What a folder of the log is; the value is its 12-character field."""

    EXISTING = "            "
    NEW = "  New Dir   "
    EXTRA = "*EXTRA Dir  "
    NAMED = "   named dir"  # left out by /XD
    JUNCTION = "    junction"  # left out by /XJ
    MISMATCH = "*MISMATCH   "
    NAMED_EXTRA = "  *named dir"  # only at the destination, and left out by /XD


SELECTED: Dict[FileClass, str] = {
    FileClass.LONELY: "  New File  ",
    FileClass.NEWER: "  Newer     ",
    FileClass.OLDER: "  Older     ",
    FileClass.CHANGED: "  Changed   ",
    FileClass.TWEAKED: "  Tweaked   ",
    FileClass.MODIFIED: "  Modified  ",
    FileClass.SAME: "  Same      ",
    FileClass.EXTRA: "*EXTRA File ",
    FileClass.MISMATCH: "*MISMATCH   ",
}

SKIPPED: Dict[FileClass, str] = {
    FileClass.LONELY: "      lonely",
    FileClass.NEWER: "       newer",
    FileClass.OLDER: "       older",
    FileClass.CHANGED: "     changed",
    FileClass.TWEAKED: "        same",  # told apart under /IT only, which copies it
    FileClass.MODIFIED: "        same",  # likewise under /IM
    FileClass.SAME: "        same",
    FileClass.EXTRA: "*EXTRA File ",  # anomalies are never merely skipped
    FileClass.MISMATCH: "*MISMATCH   ",
}


def skip_field(skip: Skip) -> str:
    """The field of a file that was left out for a reason other than its class."""
    return f"{skip.value:>{WIDTH}}"
