"""Until written bytes are on the medium, and out of this computer's memory: both off the contender's own account.

A flush says what the system says: it does not reach into a server. Where a file system has no flush for all of it, each
file is opened and flushed, several at once, as nobody can flush a share in one call.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator

from vdt import fs

_AT_ONCE = 16


def how(root: str) -> str:
    """How a folder will be flushed, in words."""
    way = fs.volume(root).flush
    return {
        fs.Flush.NONE: "nothing to flush: it lies in memory",
        fs.Flush.VOLUME: "the whole file system in one call",
        fs.Flush.FILE: f"each file by itself, {_AT_ONCE} at once",
    }[way]


def flush(root: str) -> None:
    """Force what lies below a folder to its medium. Raises OSError."""
    way = fs.volume(root).flush
    if way is fs.Flush.VOLUME:
        with fs.Folder(root) as folder:
            folder.flush_volume()
    elif way is fs.Flush.FILE:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(_flush_file, _files(root)):
                pass


def _flush_file(path: str) -> None:
    file = os.open(path, os.O_RDWR if fs.WINDOWS else os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _files(root: str) -> Iterator[str]:
    for at, _, names in os.walk(root):
        for name in names:
            path = os.path.join(at, name)
            if not os.path.islink(path):
                yield path


def can_forget() -> bool:
    """Whether this system lets a program take files out of memory (`rows.forget` does it)."""
    return hasattr(os, "posix_fadvise")


def read_once(root: str) -> None:
    """Read all files below a folder, so that whoever comes first finds what the others will find."""
    buffer = bytearray(1 << 20)
    for path in _files(root):
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
