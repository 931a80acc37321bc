"""Names on Windows: what a path means, what a folder holds, and which volume and file a name leads to. Only reads.

A folder is listed in one enumeration that gives sizes, times and attributes. Long paths are prefixed inside
(`\\\\?\\`, `\\\\?\\UNC\\`) and never shown.
"""

from __future__ import annotations

import errno
import ntpath
import os
import stat
import sys
from typing import List, Tuple

from vdt.fs.typed import windows_absolute
from vdt.fs.volume import EntryError
from vdt.fs.windows_errors import explain
from vdt.fs.windows_handles import long_path
from vdt.fs.windows_kernel import JUNCTION_TAG
from vdt.model import Entry, Kind

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

KEPT_ATTRIBUTES = 0x1 | 0x2 | 0x4 | 0x20  # read-only, hidden, system, archive
_OFFLINE = 0x1000 | 0x40000 | 0x400000  # OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS


def absolute(path: str) -> str:
    """The absolute form of a path that a person typed: `Z:` means `Z:\\`, slashes become backslashes."""
    return windows_absolute(path, os.getcwd())


def plain_path(path: str) -> str:
    """The form without the long-path prefix, as it is shown."""
    if path.startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path[4:] if path.startswith("\\\\?\\") else path


def full_path(root: str, relative: str) -> str:
    """Path of a "/"-separated relative path below `root`."""
    return ntpath.join(root, relative.replace("/", "\\")) if relative else root


def list_folder(path: str, *, tolerant: bool = False) -> List[Entry]:
    """Everything in a folder, unsorted. One enumeration gives sizes, times and attributes; no call a file.

    `tolerant` gives names that cannot be looked at as Kind.UNKNOWN, with the reason as their target, where an
    OSError would be raised otherwise.
    """
    entries = []
    vanished: List[str] = []
    with os.scandir(long_path(path)) as names:
        for item in names:
            try:
                entries.append(entry_of(item.name, item.stat(follow_symlinks=False), item.path))
            except FileNotFoundError:
                vanished.append(item.name)
            except OSError as error:
                if not tolerant:
                    raise EntryError(error.errno, error.strerror, plain_path(item.path)) from error
                entries.append(Entry(item.name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, explain(error)[1]))
    still = set(os.listdir(long_path(path))) if vanished else set()
    for name in vanished:  # a share that is going away gives names and says of each that it is not there
        if name in still and not tolerant:
            raise EntryError(errno.ENOENT, os.strerror(errno.ENOENT), full_path(path, name))
        if name in still:
            entries.append(
                Entry(name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, explain(FileNotFoundError(errno.ENOENT, ""))[1])
            )
    return entries


def opened(path: str) -> Entry:
    """The entry that a path leads to, links followed. Raises FileNotFoundError and others."""
    return entry_of(ntpath.basename(path), os.stat(long_path(path)), path)


def entry_of(name: str, found: os.stat_result, path: str) -> Entry:
    """The entry that a `stat` without following gives; `path` is asked for a link's target."""
    attributes = found.st_file_attributes
    target = ""
    if stat.S_ISLNK(found.st_mode):
        kind = Kind.LINK
        target = os.readlink(long_path(path))
    elif attributes & stat.FILE_ATTRIBUTE_DIRECTORY:
        # a junction or another reparse point that is not a symbolic link is a link to us: never descended unasked
        mount = found.st_reparse_tag == JUNCTION_TAG
        kind = Kind.LINK if mount else Kind.FOLDER
        target = os.readlink(long_path(path)) if mount else ""
    elif stat.S_ISREG(found.st_mode):
        kind = Kind.FILE
    else:
        kind = Kind.OTHER
    return Entry(
        name,
        kind,
        found.st_size,
        found.st_mtime_ns,
        attributes & KEPT_ATTRIBUTES,
        (found.st_dev, found.st_ino),
        bool(attributes & _OFFLINE),
        target,
        # the field of its making has another name from 3.12 on
        (getattr(found, "st_birthtime_ns", found.st_ctime_ns), found.st_atime_ns),
    )


def real_id(path: str) -> Tuple[int, int]:
    """Volume serial and file index of what a path leads to, through links, drive letters and UNC names."""
    found = os.stat(long_path(path))
    return (found.st_dev, found.st_ino)


def answer(path: str) -> Tuple[Tuple[int, int], bool]:
    """Volume serial and file index of a folder, and whether it is empty. Raises OSError where it does not answer."""
    found = os.stat(long_path(path))
    with os.scandir(long_path(path)) as names:
        empty = next(names, None) is None
    return (found.st_dev, found.st_ino), empty


def mount_point(path: str) -> str:
    """The drive, share or mounted folder that a path lies on."""
    current = os.path.abspath(path)
    while not is_mount(current) and ntpath.dirname(current) != current:
        current = ntpath.dirname(current)
    return current


def is_mount(path: str) -> bool:
    """True while something is mounted there; a drive that is not there is none."""
    try:
        return os.path.ismount(path)
    except OSError:  # it asks the system for the volume, and passes on that there is none
        return False


def numbers_stay(path: str) -> bool:
    """Nothing is said of the numbers of folders here: shares give them as they like."""
    return False


def inside(path: str, ancestor: str) -> bool:
    """True when `path` (which need not exist) lies in or is `ancestor`: by file id where the system gives one, and by
    name in any case."""
    try:
        wanted = real_id(ancestor)
    except OSError:
        return False
    named = ntpath.normcase(os.path.realpath(ancestor))
    current = os.path.realpath(path)
    while True:
        try:
            if (wanted[1] and real_id(current) == wanted) or ntpath.normcase(current) == named:
                return True
        except OSError:
            pass
        parent = ntpath.dirname(current)
        if parent == current:
            return False
        current = parent
