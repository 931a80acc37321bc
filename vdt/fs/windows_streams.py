"""Alternate data streams: what NTFS keeps beside a file's own bytes, under the file's name and another one.

Only volumes whose flags promise named streams are asked (windows_volumes); a look is a call of its own.
"""

from __future__ import annotations

import ctypes
import sys
from typing import List, Tuple

from vdt.fs.windows_handles import last_error
from vdt.fs.windows_kernel import END_OF_FILE, INVALID_HANDLE, FindStreamData, kernel32

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

_STANDARD = 0  # FindStreamInfoStandard, the only kind there is
_NOT_THERE = frozenset({END_OF_FILE, 1, 50, 87})  # no more; or a file system that has none after all


def streams_of(path: str) -> List[Tuple[str, int]]:
    """(name, bytes) of each stream of a file but its own data, or of a folder; `path` is given as for a system call.

    Raises:
        OSError: it could not be looked at.
    """
    data = FindStreamData()
    handle = kernel32.FindFirstStreamW(path, _STANDARD, ctypes.byref(data), 0)
    if handle in (INVALID_HANDLE, None):
        if ctypes.get_last_error() in _NOT_THERE:
            return []
        raise last_error()
    found = []
    try:
        while True:
            _, name, kind = data.name.split(":", 2)
            if name and kind == "$DATA":
                found.append((name, int(data.size_bytes)))
            if not kernel32.FindNextStreamW(handle, ctypes.byref(data)):
                if ctypes.get_last_error() not in _NOT_THERE:
                    raise last_error()
                return found
    finally:
        kernel32.FindClose(handle)
