"""Open files on Windows, by handle: every error is the one that the system gave.

The C library's own calls are not used for data: it turns what it does not know into EINVAL, a failed flush into EBADF,
and a sharing violation into EACCES. A descriptor is only what carries a handle through the house.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import msvcrt
import ntpath
import os
import sys
import threading
from contextlib import contextmanager
from ctypes import wintypes
from typing import Iterator, List, Optional

from vdt.fs.windows_kernel import (
    ACCESS_DENIED,
    BACKUP_SEMANTICS,
    CREATE_NEW,
    END_OF_FILE,
    GENERIC_READ,
    GENERIC_WRITE,
    INVALID_HANDLE,
    LIST_DIRECTORY,
    NO_BUFFERING,
    NORMAL,
    OPEN_ALWAYS,
    OPEN_EXISTING,
    OPEN_REPARSE_POINT,
    SEQUENTIAL_SCAN,
    SHARE_ALL,
    SHARE_READ_WRITE,
    SHARING_VIOLATION,
    Overlapped,
    kernel32,
)

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

BUFFER_BYTES = 1 << 20
_SECTOR_BYTES = 4096  # a multiple of every sector size in use


class _Buffers(threading.local):
    """One page-aligned buffer a thread: unbuffered reads ask for aligned memory."""

    def __init__(self) -> None:
        block = mmap.mmap(-1, BUFFER_BYTES)
        self.view = memoryview(block)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(block))


_buffers = _Buffers()


def long_path(path: str) -> str:
    """The form without the limit of 260 characters; only for system calls. Roots alone end in a backslash."""
    if path.startswith(("\\\\?\\", "\\\\.\\")):
        return path
    drive, rest = ntpath.splitdrive(os.path.abspath(path))
    path = drive + (rest or "\\")
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def last_error(path: str = "") -> OSError:
    """The error that the last call of this thread gave, with the path that it was about."""
    code = ctypes.get_last_error()
    if code == ACCESS_DENIED and path and ":" not in ntpath.basename(path) and os.path.isdir(path):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return ctypes.WinError(code)


def open_file(
    path: str,
    *,
    read: bool = False,
    write: bool = False,
    new: bool = False,
    cold: bool = False,
    anew: bool = False,
) -> int:
    """A descriptor of a file; others may read, write and delete it meanwhile (the instrument may still hold it).

    `new` makes the file and raises FileExistsError where the name is taken; `anew` makes it, or empties the one that
    is there, hidden ones too (CREATE_ALWAYS refuses those). `cold` passes this client's cache by.
    """
    access = (GENERIC_READ if read else 0) | (GENERIC_WRITE if write else 0)
    flags = SEQUENTIAL_SCAN | NORMAL | (NO_BUFFERING if cold else 0)
    how_made = CREATE_NEW if new else OPEN_ALWAYS if anew else OPEN_EXISTING
    handle = kernel32.CreateFileW(path, access, SHARE_ALL, None, how_made, flags, None)
    if handle in (INVALID_HANDLE, None):
        raise last_error(path)
    how = os.O_RDWR if read and write else os.O_WRONLY if write else os.O_RDONLY
    try:
        fd = msvcrt.open_osfhandle(handle, how | os.O_BINARY | os.O_NOINHERIT)
    except OSError:  # the C library has no descriptor left
        kernel32.CloseHandle(handle)
        raise
    if anew:
        try:
            cut(fd, 0)
        except OSError:
            os.close(fd)
            raise
    return fd


def hold_folder(path: str) -> int:
    """A descriptor of a folder that nobody can rename or remove until it is closed; of a link in its place itself."""
    flags = BACKUP_SEMANTICS | OPEN_REPARSE_POINT
    handle = kernel32.CreateFileW(path, LIST_DIRECTORY, SHARE_READ_WRITE, None, OPEN_EXISTING, flags, None)
    if handle in (INVALID_HANDLE, None):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_NOINHERIT)
    except OSError:  # the C library has no descriptor left
        kernel32.CloseHandle(handle)
        raise


def is_held(path: str) -> bool:
    """True where another program has a file open: it cannot be had alone."""
    handle = kernel32.CreateFileW(path, GENERIC_READ, 0, None, OPEN_EXISTING, NORMAL, None)
    if handle in (INVALID_HANDLE, None):
        return ctypes.get_last_error() == SHARING_VIOLATION
    kernel32.CloseHandle(handle)
    return False


def flush(fd: int) -> None:
    """FlushFileBuffers: what was written to this file lies on the medium, or at the server."""
    if not kernel32.FlushFileBuffers(msvcrt.get_osfhandle(fd)):
        raise last_error()


def _read_handle(handle: int, size_bytes: int, start: int = 0) -> Iterator[memoryview]:
    view, address = _buffers.view, _buffers.address
    got = wintypes.DWORD(0)
    done = start
    while True:
        if not kernel32.ReadFile(handle, address, BUFFER_BYTES, ctypes.byref(got), None):
            raise last_error()
        if not got.value:
            return
        yield view[: got.value]
        done += got.value
        if got.value < BUFFER_BYTES and (done >= size_bytes or done % _SECTOR_BYTES):
            return


def read_whole(fd: int, size_bytes: int, *, direct: bool = False) -> memoryview:
    """The bytes of an open file that is expected to be small, in one call where the system gives them so.

    The view lives until this thread's next read and holds at most WHOLE_BYTES + 1 bytes: a longer file shows by that.
    """
    handle = msvcrt.get_osfhandle(fd)
    view, address = _buffers.view, _buffers.address
    now, got = wintypes.DWORD(0), 0
    while got < BUFFER_BYTES and not (direct and got % _SECTOR_BYTES):
        if not kernel32.ReadFile(handle, address + got, BUFFER_BYTES - got, ctypes.byref(now), None):
            raise last_error()
        if not now.value:
            break
        got += now.value
        if got == size_bytes:
            break
    return view[:got]


def read_views(fd: int, size_bytes: int, *, direct: bool = False, start: int = 0) -> Iterator[memoryview]:
    """The bytes of an open file from `start` on, as views that live until the next one."""
    os.lseek(fd, start, os.SEEK_SET)
    return _read_handle(msvcrt.get_osfhandle(fd), size_bytes, start)


class Handles:
    """An open file for several workers at a time. Windows does one call after the other on one handle, so each worker
    gets a handle of its own, opened from the first one: whatever happened to the name, it is the same file."""

    def __init__(self, fd: int, *, write: bool = False, direct: bool = False) -> None:
        """`write` and `direct` say how `fd` was opened."""
        self._first, self._write = fd, write
        self._access = GENERIC_WRITE if write else GENERIC_READ
        self._flags = NO_BUFFERING if direct else SEQUENTIAL_SCAN
        self._free: List[int] = [fd]
        self._all: List[int] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[int]:
        """A descriptor that nobody else uses while the block runs, or, where no more can be had, the first one."""
        with self._lock:
            fd = self._free.pop() if self._free else self._another()
        try:
            yield fd
        finally:
            with self._lock:
                if fd != self._first or fd not in self._free:
                    self._free.append(fd)

    def _another(self) -> int:
        handle = kernel32.ReOpenFile(msvcrt.get_osfhandle(self._first), self._access, SHARE_ALL, self._flags)
        if handle in (INVALID_HANDLE, None):
            return self._first
        try:
            fd = msvcrt.open_osfhandle(handle, (os.O_WRONLY if self._write else os.O_RDONLY) | os.O_BINARY)
        except OSError:  # the C library has no descriptor left
            kernel32.CloseHandle(handle)
            return self._first
        self._all.append(fd)
        return fd

    def close(self) -> None:
        """Flush and close what was opened beside the first descriptor. Raises OSError: what was written may be lost."""
        failed: Optional[OSError] = None
        for fd in self._all:
            try:
                if self._write:
                    flush(fd)
            except OSError as error:
                failed = error
            try:
                os.close(fd)
            except OSError as error:
                failed = error
        self._all.clear()
        if failed is not None:
            raise failed


def read_at(fd: int, view: memoryview, offset: int, want: int, *, direct: bool = False) -> int:
    """Fill `view` with `want` bytes from `offset` on; returns how many there were, fewer only at the file's end."""
    handle, address = msvcrt.get_osfhandle(fd), ctypes.addressof(ctypes.c_char.from_buffer(view))
    now, got = wintypes.DWORD(0), 0
    while got < want and not (direct and got % _SECTOR_BYTES):
        room = (len(view) if direct else want) - got
        place = overlapped(offset + got)
        if not kernel32.ReadFile(handle, address + got, room, ctypes.byref(now), ctypes.byref(place)):
            if ctypes.get_last_error() == END_OF_FILE:
                break
            raise last_error()
        if not now.value:
            break
        got += now.value
    return min(got, want)


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write every byte from `offset` on."""
    handle, address = msvcrt.get_osfhandle(fd), ctypes.addressof(ctypes.c_char.from_buffer(view))
    now, done = wintypes.DWORD(0), 0
    while done < len(view):
        place = overlapped(offset + done)
        if not kernel32.WriteFile(handle, address + done, len(view) - done, ctypes.byref(now), ctypes.byref(place)):
            raise last_error()
        done += now.value


def overlapped(offset: int) -> Overlapped:
    return Overlapped(None, None, offset & 0xFFFFFFFF, offset >> 32, None)


def cut(fd: int, size_bytes: int) -> None:
    """End a file there, and go on writing behind it."""
    os.ftruncate(fd, size_bytes)
    os.lseek(fd, size_bytes, os.SEEK_SET)


def write_all(fd: int, view: memoryview) -> None:
    """Write every byte where the file stands; short writes go on where they stopped."""
    handle, now, done = msvcrt.get_osfhandle(fd), wintypes.DWORD(0), 0
    while done < len(view):
        piece = view[done:]
        address: object = bytes(piece) if piece.readonly else ctypes.addressof(ctypes.c_char.from_buffer(piece))
        if not kernel32.WriteFile(handle, address, len(piece), ctypes.byref(now), None):
            raise last_error()
        done += now.value
