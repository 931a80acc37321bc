"""The program itself: it must outlive the share that it was started from.

What the standard library only imports when a run ends (a mail's host name, a traceback) is imported before the first
byte, so that the end of a run opens no file of the program any more. What cannot be helped is said: the system itself
may read a program's pages again, so one that lies on a network drive is named.
"""

from __future__ import annotations

import importlib
import os
import sys

from vdt import fs

# for host names; for files that are opened by these names (a codec is a module where it is not the system's own); for
# large manifests; for tracebacks
_CODECS = ("idna", "ascii", "latin_1", "utf_8", "utf_16", "utf_16_le")
_LATE = (*(f"encodings.{name}" for name in _CODECS), "tempfile", "traceback", "ast", "unicodedata")


def get_ready() -> str:
    """Import everything that an end needs; returns what is to be said of the program's place, "" where it is local."""
    for name in _LATE:
        importlib.import_module(name)
    try:
        importlib.import_module("_bootlocale")  # Python 3.9 asks it for the encoding of each text file
    except ImportError:
        pass  # newer ones have it built in
    for place in (os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.abspath(sys.executable))):
        try:
            remote = fs.volume(place).remote
        except OSError:
            continue
        if remote:
            return (
                f"This program runs from a network drive ({place}). While that does not answer, the run may break off: "
                "install the program on this computer."
            )
    return ""
