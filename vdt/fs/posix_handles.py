"""POSIX: reading and writing open files, and what one says of itself.

Every function raises OSError as the system gave it.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import Callable, Iterator, Tuple

from vdt.fs.volume import Stat

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows

DIRECT = getattr(os, "O_DIRECT", 0)
NOATIME: int = getattr(os, "O_NOATIME", 0)  # only the owner and root may ask for it
WHOLE_BYTES = (1 << 20) - 1  # the largest file that `Folder.read_whole` takes: one byte short of the buffer
_BUFFER_BYTES = 1 << 20  # 256 KiB to 1 MiB, reused, beat 8 MiB; xxhash frees the GIL only above 64 KiB
_BLOCK_BYTES = 512  # the finest alignment of O_DIRECT
_PAGE_BYTES = 4096  # the coarsest


# made for every file, twice: a third of the price of the constructor
_make_stat: Callable[[Tuple[object, ...]], Stat] = partial(tuple.__new__, Stat)


class _Buffers(threading.local):
    """One page-aligned buffer a thread: aligned, because O_DIRECT asks for it; reused, because making one costs more
    than a small file's copy."""

    def __init__(self) -> None:
        self.view = memoryview(mmap.mmap(-1, _BUFFER_BYTES))


_buffers = _Buffers()


def read_whole(fd: int, size_bytes: int, *, direct: bool = False) -> memoryview:
    """The bytes of an open file that is expected to be small, in one call where the system gives them so.

    The view lives until this thread's next read and holds more bytes than were expected where the file is longer, at
    most WHOLE_BYTES + 1.
    """
    view = _buffers.view
    if direct:  # the system pins all of the buffer that it is given: 40 us for 1 MiB, where a few KiB are read in 15
        view = view[: size_bytes + _PAGE_BYTES & -_PAGE_BYTES]
    got = os.preadv(fd, [view], 0)
    while 0 < got < size_bytes and got < _BUFFER_BYTES and not (direct and got % _BLOCK_BYTES):
        more = os.preadv(fd, [view[got:]], got)  # a share may give less than it was asked for
        if not more:
            break
        got += more
    return view[:got]


def read_views(fd: int, size_bytes: int, *, direct: bool = False, start: int = 0) -> Iterator[memoryview]:
    """The bytes of an open file from `start` on, as views that live until the next one.

    One call for a small file: a read that reaches the expected size and comes back short is the end. A file that is
    shorter or longer than expected is read to its real end.
    """
    view = _buffers.view
    offset = start
    while True:
        got = os.preadv(fd, [view], offset)
        if not got:
            return
        yield view[:got]
        offset += got
        if got < _BUFFER_BYTES and (offset >= size_bytes or (direct and offset % _BLOCK_BYTES)):
            return  # behind an odd offset O_DIRECT cannot read on; the caller compares sizes


class Handles:
    """An open file for several workers at a time. Here one descriptor serves them all: reads and writes name their
    place."""

    def __init__(self, fd: int, *, write: bool = False, direct: bool = False) -> None:
        """`write` and `direct` say how `fd` was opened; they serve Windows."""
        self._fd = fd

    @contextmanager
    def one(self) -> Iterator[int]:
        """A descriptor that nobody else uses while the block runs, or that may be used by all."""
        yield self._fd

    def close(self) -> None:
        """Close what was opened beside the first descriptor."""


def read_at(fd: int, view: memoryview, offset: int, want: int, *, direct: bool = False) -> int:
    """Fill `view` with `want` bytes from `offset` on; returns how many there were, fewer only at the file's end."""
    got = 0
    while got < want and not (direct and got % _BLOCK_BYTES):
        more = os.preadv(fd, [view[got:] if direct else view[got:want]], offset + got)
        if not more:
            break
        got += more
    return min(got, want)


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write every byte from `offset` on."""
    done = 0
    while done < len(view):
        done += os.pwrite(fd, view[done:], offset + done)


def as_stat(found: os.stat_result) -> Stat:
    """What the system says of a file, as a value."""
    mode = found.st_mode
    return _make_stat(
        (
            mode & 0o170000 == stat.S_IFREG,
            found.st_size,
            found.st_mtime_ns,
            mode & 0o7777,
            (found.st_dev, found.st_ino),
            (found.st_uid, found.st_gid),
        )
    )


def fd_stat(fd: int) -> Stat:
    """What an open file says of itself now."""
    return as_stat(os.fstat(fd))


def cut(fd: int, size_bytes: int) -> None:
    """End a file there, and go on writing behind it."""
    os.ftruncate(fd, size_bytes)
    os.lseek(fd, size_bytes, os.SEEK_SET)


def write_all(fd: int, view: memoryview) -> None:
    """Write every byte; short writes go on where they stopped."""
    done = os.write(fd, view)
    while done < len(view):
        done += os.write(fd, view[done:])


def flush(fd: int) -> None:
    """Force what was written to this file to the medium."""
    os.fsync(fd)


def drop_cache(fd: int) -> None:
    """Let go of a large file's clean pages, so that a terabyte does not push everything else out of memory."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def close(fd: int) -> None:
    os.close(fd)
