"""One name on Windows: whether it is a link, its times and attributes, the patience that a virus scanner asks for; and
folders as wholes: made, and given their times and attributes.
"""

from __future__ import annotations

import ctypes
import errno
import ntpath
import os
import stat
import sys
import time
from ctypes import wintypes
from typing import Any, Callable, Tuple

from vdt.fs.windows_handles import last_error, long_path
from vdt.fs.windows_kernel import (
    BACKUP_SEMANTICS,
    INVALID_HANDLE,
    JUNCTION_TAG,
    OPEN_EXISTING,
    SHARE_ALL,
    SYMLINK_TAG,
    WRITE_ATTRIBUTES,
    kernel32,
)
from vdt.model import NO_TIMES, Entry

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

READONLY = 0x1
_ARCHIVE, _NORMAL = 0x20, 0x80
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # a virus scanner holds a new file for a moment
_HELD = frozenset({5, 32, 33})
_1601_NS = 11_644_473_600 * 10**9  # FILETIME counts steps of 100 ns from 1601 on, `*_ns` from 1970


def is_link(path: str) -> bool:
    """True for a symbolic link and for a junction, which Python before 3.12 does not take for one."""
    try:
        found = os.lstat(long_path(path))
    except OSError:
        return False
    return bool(found.st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT) and found.st_reparse_tag in (
        SYMLINK_TAG,
        JUNCTION_TAG,
    )


def refuse_links(path: str, beneath: str) -> None:
    """Raise NotADirectoryError where a part of `path` below `beneath` is a link; without `beneath` nothing is asked."""
    while beneath and len(path) > len(beneath):
        if is_link(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        path = ntpath.dirname(path)


def make_folder(
    path: str, *, parents: bool = True, beneath: str = "", ready: Callable[[], None] = lambda: None
) -> None:
    """Make a folder, and its missing parents where these are wanted; one that exists is fine. A share that says that it
    made one and did not is an error that may heal. `beneath`: as for `Folder`. `ready` is called before."""
    refuse_links(ntpath.dirname(path), beneath)
    ready()
    try:
        os.mkdir(long_path(path))
    except (FileExistsError, FileNotFoundError) as error:
        if not parents and isinstance(error, FileNotFoundError):
            raise
        os.makedirs(long_path(path), exist_ok=True)
    except PermissionError:
        if not os.path.isdir(long_path(path)):  # the root of a drive is there, and Windows refuses to make it
            raise
    if not os.path.isdir(long_path(path)):
        raise OSError(errno.EIO, "it was said to be made and was not", path)


def remove_folder(path: str) -> None:
    """Remove an empty folder; one that is not there is fine."""
    try:
        patiently(lambda: os.rmdir(long_path(path)))
    except FileNotFoundError:
        pass


def set_folder(
    path: str,
    source: Entry,
    *,
    times: bool,
    mode: bool,
    beneath: str = "",
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Give a folder the source folder's attributes and times; called last. `beneath`: as for `Folder`; `ready`: as for
    `make_folder`."""
    refuse_links(path, beneath)
    ready()
    if times:
        set_times(path, source.mtime_ns, source.other_times)
    if mode and source.mode & ~_ARCHIVE:
        set_attributes(path, source.mode)


def set_attributes(path: str, attributes: int) -> None:
    """Give a file or folder these attributes and no others."""
    if not kernel32.SetFileAttributesW(long_path(path), attributes or _NORMAL):
        raise last_error()


def set_times(path: str, mtime_ns: int, others: Tuple[int, int] = NO_TIMES) -> None:
    """Set the times of a file or folder in one go, each cut to 100 ns.

    `others` are those of its making and of its last reading. One that is 0 or before 1601 is left as it is.
    """
    handle = kernel32.CreateFileW(
        long_path(path), WRITE_ATTRIBUTES, SHARE_ALL, None, OPEN_EXISTING, BACKUP_SEMANTICS, None
    )
    if handle in (INVALID_HANDLE, None):
        raise last_error()
    try:
        created, read = (_filetime(time_ns) if time_ns else None for time_ns in others)
        if not kernel32.SetFileTime(handle, created, read, _filetime(mtime_ns)):
            raise last_error()
    finally:
        kernel32.CloseHandle(handle)


def _filetime(time_ns: int) -> Any:
    steps = (time_ns + _1601_NS) // 100
    return ctypes.byref(wintypes.FILETIME(steps & 0xFFFFFFFF, steps >> 32)) if steps > 0 else None


def patiently(act: Callable[[], None], unless: Callable[[], bool] = lambda: False) -> None:
    """Act, and again after short pauses while something holds the file; `unless` says that waiting is in vain."""
    for pause_s in _PAUSES_S:
        try:
            return act()
        except PermissionError as error:  # 5, 32 and 33 alike
            if getattr(error, "winerror", None) not in _HELD or unless():
                raise
        time.sleep(pause_s)
    return act()


def refuses_for_good(target: str) -> bool:
    """True where what lies at the target refuses to be replaced, however long one waits: read-only, or a folder."""
    try:
        attributes = os.lstat(target).st_file_attributes
    except OSError:
        return False
    return bool(attributes & (READONLY | stat.FILE_ATTRIBUTE_DIRECTORY))
