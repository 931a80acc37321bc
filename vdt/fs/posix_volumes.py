"""POSIX: what holds a path: its file system, its mount, its identity, whether it answers.

Every function raises OSError as the system gave it.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import sys
from typing import Dict, Tuple

from vdt.fs.posix_handles import DIRECT
from vdt.fs.volume import Flush, Volume

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# f_type of statfs(2): name, flush, a read that goes past the cache can be shown. That is only said of types where all
# files of one volume behave alike once a small and a large one were tried (`probe.past_cache`): btrfs answers
# O_DIRECT from the cache for each file that is compressed or lies in the metadata (so most small ones), zfs keeps a
# cache of its own that no call shows, and on network and FUSE mounts RWF_NOWAIT tells nothing.
_MAGIC: Dict[int, Tuple[str, Flush, bool]] = {
    0xEF53: ("ext4", Flush.VOLUME, True),
    0x58465342: ("xfs", Flush.VOLUME, True),
    0x9123683E: ("btrfs", Flush.VOLUME, False),
    0x01021994: ("tmpfs", Flush.NONE, False),
    0x858458F6: ("ramfs", Flush.NONE, False),
    0x6969: ("nfs", Flush.FILE, False),
    0xFF534D42: ("cifs", Flush.FILE, False),
    0xFE534D42: ("smb2", Flush.FILE, False),
    0x65735546: ("fuse", Flush.FILE, False),
    0x794C7630: ("overlay", Flush.FILE, False),
    0x2FC12FC1: ("zfs", Flush.FILE, False),
}
_REMOTE = frozenset({"nfs", "cifs", "smb2"})
_NUMBERED = frozenset({"ext4", "xfs", "btrfs", "tmpfs", "ramfs", "nfs", "zfs"})

# struct statfs of statfs(2) where long has 64 bits: type, block, blocks, free, available, files, free files, id, name
# length, fragment
_STATFS = struct.Struct("@2l5L2i2l")
_LONGS_ARE_64_BITS = _STATFS.size == 80

_MOUNTINFO = "/proc/self/mountinfo"
libc = ctypes.CDLL(None, use_errno=True)


def real_id(path: str) -> Tuple[int, int]:
    """Device and inode of what a path leads to, through links."""
    found = os.stat(path)
    return (found.st_dev, found.st_ino)


def answer(path: str) -> Tuple[Tuple[int, int], bool]:
    """Device and inode of a folder, and whether it is empty, asked so that a share that is away cannot leave the answer
    to this client's cache. Raises OSError."""
    fd = os.open(path, FOLDER_FLAGS)
    try:
        found = os.fstat(fd)
        with os.scandir(fd) as names:
            empty = next(names, None) is None
        os.fstatvfs(fd)
        return (found.st_dev, found.st_ino), empty
    finally:
        os.close(fd)


def numbers_stay(path: str) -> bool:
    """True where the number of a folder stays its own for as long as it lives: not on FUSE and some network mounts,
    which give it another one when they have forgotten it."""
    return volume(path).kind in _NUMBERED


def is_link(path: str) -> bool:
    """True where the last part of a path is a link."""
    return os.path.islink(path)


def mount_point(path: str) -> str:
    """The mount point that a path lies on; "/" at last."""
    current = os.path.realpath(path)
    while not os.path.ismount(current) and os.path.dirname(current) != current:
        current = os.path.dirname(current)
    return current


def is_mount(path: str) -> bool:
    """True while something is mounted there."""
    return os.path.ismount(path)


def inside(path: str, ancestor: str) -> bool:
    """True when `path` (which need not exist) lies in or is `ancestor`: by file id of its existing parents, and, as
    these end where a folder of a file system was mounted a second time, by the place on its device too."""
    try:
        wanted = real_id(ancestor)
    except OSError:
        return False
    mounts = _mounts()
    if (_on_device(path, mounts) + "/").startswith(_on_device(ancestor, mounts).rstrip("/") + "/"):
        return True
    current = os.path.realpath(path)
    while True:
        try:
            if real_id(current) == wanted:
                return True
        except OSError:
            pass
        parent = os.path.dirname(current)
        if parent == current:
            return False
        current = parent


def _mounts() -> Dict[str, str]:
    """Mount point -> "device:folder of that device that is mounted there"; empty where the system does not say."""
    found = {}
    try:
        with open(_MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                _, _, device, root, point = line.split(" ", 5)[:5]
                found[_unescaped(point)] = f"{device}:{_unescaped(root)}"  # a later one lies over an earlier one
    except (OSError, ValueError):
        return {}
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _on_device(path: str, mounts: Dict[str, str]) -> str:
    """Where a path lies on its device, whatever mount it is reached by; the path itself where that is not known."""
    real = current = os.path.realpath(path)
    while current not in mounts:
        parent = os.path.dirname(current)
        if parent == current:
            return real
        current = parent
    return f"{mounts[current].rstrip('/')}/{real[len(current) :].lstrip('/')}".rstrip("/")


def volume(path: str) -> Volume:
    """Describe the file system that holds an existing path."""
    kind, flush, cold, free_bytes = "unknown", Flush.FILE, False, -1
    if sys.platform.startswith("linux"):
        raw = ctypes.create_string_buffer(256)
        if libc.statfs(os.fsencode(path), raw) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
        magic = struct.unpack_from("@l", raw)[0] & 0xFFFFFFFF
        kind, flush, cold = _MAGIC.get(magic, (f"type 0x{magic:x}", Flush.FILE, False))
        if _LONGS_ARE_64_BITS:  # the same answer has it; statvfs would be another round trip on a share
            _, block, _, _, available, _, _, _, _, _, fragment = _STATFS.unpack_from(raw)
            free_bytes = available * (fragment or block)
    if free_bytes < 0:
        room = os.statvfs(path)
        free_bytes = room.f_bavail * room.f_frsize
    cold = cold and bool(DIRECT)
    return Volume(
        kind=kind,
        flush=flush,
        cold_reads=cold,
        why_not_cold="" if cold else f"a read past this client's cache cannot be shown on {kind}",
        remote=kind in _REMOTE,
        free_bytes=free_bytes,
    )
