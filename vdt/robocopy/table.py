"""Every option of robocopy that this program knows, and what it does with it. Pure: one table, two readers of it.

`vdt robocopy` takes them as robocopy's own command line; the option string of a configuration says with the same words
what is to be copied, and passes over those that concern a log or a screen which it does not choose.
"""

from __future__ import annotations

import enum
from typing import Any, Dict, Mapping, NamedTuple, Tuple

from vdt.options import LONGEST_WAIT_S, MOST_RETRIES


class Status(enum.Enum):
    """What becomes of an option; the value stands in docs/robocopy.md."""

    HONOURED = "honoured"
    NO_EFFECT = "without effect"
    REFUSED = "refused"


class Takes(enum.Enum):
    """What belongs behind an option's name."""

    NOTHING = ""
    NUMBER = ":n"
    THREADS = "[:n]"
    FLAGS = ":flags"
    NAMES = " name ..."
    AGE = ":n/date"
    FILE = ":file"
    ANYTHING = "[:x]"


class Option(NamedTuple):
    """One option."""

    status: Status
    takes: Takes = Takes.NOTHING
    policy: Mapping[str, Any] = {}  # the fields of `Policy` that it sets
    why: str = ""  # it has no effect, or is refused
    note: str = ""  # how it is understood
    configured: str = ""  # why the option string of a configuration passes over it


FAT_WINDOW_NS = 2_000_000_000
DEFAULT_MT = 8  # robocopy's own, for a bare /MT
NUMBERS: Dict[str, Tuple[int, int]] = {
    "R": (0, MOST_RETRIES),
    "W": (0, int(LONGEST_WAIT_S)),
    "LEV": (1, 1_000_000),
    "MAX": (0, 2**63 - 1),
    "MIN": (0, 2**63 - 1),
    "MT": (1, 128),
    "IPG": (1, 1_000_000),
}

_LIST = "the layout of the list in the log is fixed"
_SCREEN = "what the screen shows is chosen by this tool"
_OWN_LOG = "this tool chooses the place of its logs itself"
_DELETES = "it would delete what the source does not hold"
_MOVES = "it would delete the source"
_BACKUP = "read as /Z; Windows' backup rights are not used"


def _does(configured: str = "", note: str = "", **policy: Any) -> Option:
    return Option(Status.HONOURED, Takes.NOTHING, policy, note=note, configured=configured)


def _with(takes: Takes, configured: str = "") -> Option:
    return Option(Status.HONOURED, takes, configured=configured)


def _idle(why: str, takes: Takes = Takes.NOTHING) -> Option:
    return Option(Status.NO_EFFECT, takes, why=why)


def _refused(why: str) -> Option:
    return Option(Status.REFUSED, why=why)


OPTIONS: Dict[str, Option] = {
    "S": _does(recurse=True),
    "E": _does(recurse=True, empty_folders=True),
    "LEV": _with(Takes.NUMBER),
    "Z": _does(),  # files are always resumed
    "B": _does(note=_BACKUP),
    "ZB": _does(note=_BACKUP),
    "J": _does(),  # how a file is read and written is found while running
    "L": _does(),
    "COPY": _with(Takes.FLAGS),
    "DCOPY": _with(Takes.FLAGS),
    "XF": _with(Takes.NAMES),
    "XD": _with(Takes.NAMES),
    "XO": _does(skip_older=True),
    "XN": _does(skip_newer=True),
    "XC": _does(skip_changed=True),
    "XL": _does(skip_lonely=True),
    "XX": _does(hide_extras=True),
    "IS": _does(include_same=True),
    "IT": _does(include_tweaked=True),
    "IM": _does("change times are not compared; size, time and content decide", include_modified=True),
    "MAX": _with(Takes.NUMBER),
    "MIN": _with(Takes.NUMBER),
    "MAXAGE": _with(Takes.AGE),
    "MINAGE": _with(Takes.AGE),
    "FFT": _does(modify_window_ns=FAT_WINDOW_NS),
    "DST": _does(dst_tolerance=True),
    "XJ": _does(skip_folder_links=True, skip_file_links=True),
    "XJD": _does(skip_folder_links=True),
    "XJF": _does(skip_file_links=True),
    "SL": _does(),
    "R": _with(Takes.NUMBER),
    "W": _with(Takes.NUMBER),
    "MT": _with(Takes.THREADS),
    "IPG": _with(Takes.NUMBER),
    "X": _does("extras are always reported", all_extras=True),
    "V": _does(_LIST),
    "TS": _does(_LIST),
    "FP": _does(_LIST),
    "BYTES": _does(_LIST),
    "NS": _does(_LIST),
    "NC": _does(_LIST),
    "NFL": _does(_LIST),
    "NDL": _does(_LIST),
    "NP": _does(_SCREEN),
    "NJH": _does(_LIST),
    "NJS": _does(_LIST),
    "ETA": _does(_SCREEN),
    "LOG": _with(Takes.FILE, _OWN_LOG),
    "LOG+": _with(Takes.FILE, _OWN_LOG),
    "UNILOG": _with(Takes.FILE, _OWN_LOG),
    "UNILOG+": _with(Takes.FILE, _OWN_LOG),
    "TEE": _does(_SCREEN),
    "UNICODE": _does(_SCREEN),
    "NOOFFLOAD": _idle("this engine reads and writes the bytes itself"),
    "COMPRESS": _idle("nothing is compressed on the way"),
    "REG": _idle("nothing is kept in the registry"),
    "TBD": _idle("a share that is away is always waited for"),
    "NODCOPY": _idle("/DCOPY alone says what folders get"),
    "SPARSE": _idle("holes in files are not looked for", Takes.ANYTHING),
    "256": _idle("long paths are always supported"),
    "MIR": _refused(_DELETES),
    "PURGE": _refused(_DELETES),
    "MOVE": _refused(_MOVES),
    "MOV": _refused(_MOVES),
}
