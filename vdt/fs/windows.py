"""Windows: long paths, FlushFileBuffers, reads that go past the client's cache (FILE_FLAG_NO_BUFFERING).

The same names as posix.py and the same rules: no deciding, no retrying, no printing; OSError as the system gave it.
Long paths are prefixed inside (`\\\\?\\`, `\\\\?\\UNC\\`) and never shown.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import msvcrt
import ntpath
import os
import stat
import sys
import threading
from contextlib import contextmanager
from ctypes import wintypes
from typing import Iterator, List, NamedTuple, Optional, Tuple

from vdt.fs.volume import EntryError, Flush, Heal, Volume
from vdt.model import Entry, Kind

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

WINDOWS = True
MODE_WORD = "attributes"
DIRECT_MAY_BUFFER = False  # FILE_FLAG_NO_BUFFERING is an order: where it cannot be kept the handle does not open
PROBE_MODE = 0x2  # hidden: to try a destination with
PROBE_MODE_BITS = 0x7  # those that must come back; archive comes and goes by itself

WHOLE_BYTES = (1 << 20) - 1  # the largest file that `Folder.read_whole` takes: one byte short of the buffer
_BUFFER_BYTES = 1 << 20
_SECTOR_BYTES = 4096  # a multiple of every sector size in use
_SOURCE_FLAGS = os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT | os.O_SEQUENTIAL
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_BINARY | os.O_NOINHERIT | os.O_SEQUENTIAL

_GENERIC_READ = 0x80000000
_GENERIC_WRITE = 0x40000000
_END_OF_FILE = 38  # ERROR_HANDLE_EOF: a read that names its place says so with an error
_SHARE_ALL = 0x7
_OPEN_EXISTING = 3
_NO_BUFFERING = 0x20000000
_SEQUENTIAL_SCAN = 0x08000000
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_OFFLINE = 0x1000 | 0x40000 | 0x400000  # OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS
_READONLY = 0x1
_KEPT_ATTRIBUTES = 0x1 | 0x2 | 0x4 | 0x20  # read-only, hidden, system, archive
_DRIVE_REMOTE, _DRIVE_RAM = 4, 6
_STILL_ACTIVE = 259
_ES_CONTINUOUS, _ES_SYSTEM_REQUIRED = 0x80000000, 0x1

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateFileW.restype = wintypes.HANDLE
_kernel32.CreateFileW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
]
_kernel32.ReadFile.argtypes = [
    wintypes.HANDLE,
    wintypes.LPVOID,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
    wintypes.LPVOID,
]
_kernel32.WriteFile.argtypes = _kernel32.ReadFile.argtypes
_kernel32.ReOpenFile.restype = wintypes.HANDLE
_kernel32.ReOpenFile.argtypes = [wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD]
_kernel32.SetFileAttributesW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD]
_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel32.GetProcessTimes.argtypes = [wintypes.HANDLE] + [ctypes.POINTER(wintypes.FILETIME)] * 4
_kernel32.GetExitCodeProcess.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.SetThreadExecutionState.restype = wintypes.DWORD
_kernel32.SetThreadExecutionState.argtypes = [wintypes.DWORD]
_kernel32.GetDriveTypeW.argtypes = [wintypes.LPCWSTR]
_kernel32.GetVolumeInformationW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.LPWSTR,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.LPWSTR,
    wintypes.DWORD,
]


class _Overlapped(ctypes.Structure):
    """OVERLAPPED: names the place of a read or write."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


class Stat(NamedTuple):
    """What an open file says of itself."""

    regular: bool
    size_bytes: int
    mtime_ns: int
    mode: int
    file_id: Tuple[int, int]
    owner: Tuple[int, int] = (-1, -1)  # not copied on Windows


class _Buffers(threading.local):
    """One page-aligned buffer a thread: unbuffered reads ask for aligned memory."""

    def __init__(self) -> None:
        block = mmap.mmap(-1, _BUFFER_BYTES)
        self.view = memoryview(block)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(block))


_buffers = _Buffers()


def absolute(path: str) -> str:
    """The absolute form of a path that a person typed: `Z:` means `Z:\\`, slashes become backslashes."""
    drive, rest = ntpath.splitdrive(path)
    if drive.endswith(":") and not rest:
        path = drive + "\\"
    return _plain(os.path.abspath(path))


def _plain(path: str) -> str:
    if path.startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path[4:] if path.startswith("\\\\?\\") else path


def _long(path: str) -> str:
    """The form without the limit of 260 characters; only for system calls."""
    if path.startswith(("\\\\?\\", "\\\\.\\")):
        return path
    path = os.path.abspath(path)
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def full_path(root: str, relative: str) -> str:
    """Path of a "/"-separated relative path below `root`."""
    return ntpath.join(root, relative.replace("/", "\\")) if relative else root


def state_home() -> str:
    """Folder for what must survive a share that fails: master log and unsent mail."""
    base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    return ntpath.join(base, "vdt")


def list_folder(path: str, *, tolerant: bool = False) -> List[Entry]:
    """Everything in a folder, unsorted. One enumeration gives sizes, times and attributes; no call a file.

    `tolerant` gives names that cannot be looked at as Kind.UNKNOWN, with the reason as their target, where an
    OSError would be raised otherwise.
    """
    entries = []
    vanished: List[str] = []
    with os.scandir(_long(path)) as names:
        for item in names:
            try:
                entries.append(_entry(item.name, item.stat(follow_symlinks=False), item.path))
            except FileNotFoundError:
                vanished.append(item.name)
            except OSError as error:
                if not tolerant:
                    raise EntryError(error.errno, error.strerror, _plain(item.path)) from error
                entries.append(Entry(item.name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, explain(error)[1]))
    still = set(os.listdir(_long(path))) if vanished else set()
    for name in vanished:  # a share that is going away gives names and says of each that it is not there
        if name in still and not tolerant:
            raise EntryError(errno.ENOENT, os.strerror(errno.ENOENT), full_path(path, name))
        if name in still:
            entries.append(Entry(name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, _PLAIN[2]))
    return entries


def opened(path: str) -> Entry:
    """The entry that a path leads to, links followed. Raises FileNotFoundError and others."""
    return _entry(ntpath.basename(path), os.stat(_long(path)), path)


def _entry(name: str, found: os.stat_result, path: str) -> Entry:
    attributes = found.st_file_attributes
    target = ""
    if stat.S_ISLNK(found.st_mode):
        kind = Kind.LINK
        target = os.readlink(_long(path))
    elif attributes & stat.FILE_ATTRIBUTE_DIRECTORY:
        # a junction or another reparse point that is not a symbolic link is a link to us: never descended unasked
        mount = found.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT
        kind = Kind.LINK if mount else Kind.FOLDER
        target = os.readlink(_long(path)) if mount else ""
    elif stat.S_ISREG(found.st_mode):
        kind = Kind.FILE
    else:
        kind = Kind.OTHER
    return Entry(
        name,
        kind,
        found.st_size,
        found.st_mtime_ns,
        attributes & _KEPT_ATTRIBUTES,
        (found.st_dev, found.st_ino),
        bool(attributes & _OFFLINE),
        target,
    )


def real_id(path: str) -> Tuple[int, int]:
    """Volume serial and file index of what a path leads to, through links, drive letters and UNC names."""
    found = os.stat(_long(path))
    return (found.st_dev, found.st_ino)


def answer(path: str) -> Tuple[Tuple[int, int], bool]:
    """Volume serial and file index of a folder, and whether it is empty. Raises OSError where it does not answer."""
    found = os.stat(_long(path))
    with os.scandir(_long(path)) as names:
        empty = next(names, None) is None
    return (found.st_dev, found.st_ino), empty


def mount_point(path: str) -> str:
    """The drive, share or mounted folder that a path lies on."""
    current = os.path.abspath(path)
    while not os.path.ismount(current) and ntpath.dirname(current) != current:
        current = ntpath.dirname(current)
    return current


def is_mount(path: str) -> bool:
    """True while something is mounted there."""
    return os.path.ismount(path)


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


def make_folder(path: str, *, parents: bool = True, beneath: str = "") -> None:
    """Make a folder, and its missing parents where these are wanted; one that exists is fine. A share that says that it
    made one and did not is an error that may heal. `beneath`: as for `Folder`."""
    _refuse_links(ntpath.dirname(path), beneath)
    try:
        os.mkdir(_long(path))
    except (FileExistsError, FileNotFoundError) as error:
        if not parents and isinstance(error, FileNotFoundError):
            raise
        os.makedirs(_long(path), exist_ok=True)
    if not os.path.isdir(_long(path)):
        raise OSError(errno.EIO, "it was said to be made and was not", path)


def set_folder(path: str, source: Entry, *, times: bool, mode: bool, beneath: str = "") -> None:
    """Give a folder the source folder's attributes and times; called last. `beneath`: as for `Folder`."""
    _refuse_links(path, beneath)
    if times:
        os.utime(_long(path), ns=(source.mtime_ns, source.mtime_ns))
    if mode and source.mode & ~0x20:
        _set_attributes(path, source.mode)


def _set_attributes(path: str, attributes: int) -> None:
    if not _kernel32.SetFileAttributesW(_long(path), attributes or 0x80):
        raise ctypes.WinError(ctypes.get_last_error())


def volume(path: str) -> Volume:
    """Describe the volume that holds an existing path."""
    full = os.path.abspath(path)
    drive = ntpath.splitdrive(full)[0] + "\\"
    name = ctypes.create_unicode_buffer(64)
    kind = "unknown"
    if _kernel32.GetVolumeInformationW(drive, None, 0, None, None, None, name, 64):
        kind = name.value
    drive_type = _kernel32.GetDriveTypeW(drive)
    free = ctypes.c_ulonglong(0)
    _kernel32.GetDiskFreeSpaceExW(ctypes.c_wchar_p(_long(full)), ctypes.byref(free), None, None)
    return Volume(
        kind=kind,
        flush=Flush.FILE,
        cold_reads=True,
        remote=drive_type == _DRIVE_REMOTE or full.startswith("\\\\"),
        free_bytes=free.value,
    )


def _refuse_links(path: str, beneath: str) -> None:
    """Raise NotADirectoryError where a part of `path` below `beneath` is a link; without `beneath` nothing is asked."""
    while beneath and len(path) > len(beneath):
        if os.path.islink(_long(path)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        path = ntpath.dirname(path)


class Folder:
    """One directory, used by one worker at a time."""

    __slots__ = ("_base", "path")

    def __init__(self, path: str, *, follow: bool = True, beneath: str = "") -> None:
        """Name a directory; without `follow` a link that stands in its place is refused.

        `beneath` is the directory itself or one around it: below that no part of the path may be a link. It is looked
        at now: no handle is held, so one that is swapped in later is followed.
        """
        self.path = path
        self._base = _long(path)
        _refuse_links(path, beneath)
        if not follow and os.path.islink(self._base):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if not os.path.isdir(self._base):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def child(self, name: str) -> Folder:
        """A folder in this one; a link or junction that stands in its place is refused."""
        found = os.lstat(self._in(name))
        if _entry(name, found, self.at(name)).kind is Kind.LINK:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.at(name))
        return Folder(self.at(name))

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, name: str) -> str:
        """Full path of a name in this folder, for messages."""
        return ntpath.join(self.path, name)

    def _in(self, name: str) -> str:
        return f"{self._base}\\{name}"

    def open_source(self, name: str, *, follow: bool) -> int:
        """Open for reading; others may write meanwhile (the instrument may still hold the file)."""
        return os.open(self._in(name), _SOURCE_FLAGS)

    def read_whole(
        self, name: str, size_bytes: int, *, follow: bool = False, cold: bool = False
    ) -> Tuple[Stat, memoryview]:
        """A small file in one go: what the open file says of itself once it was read, and its bytes.

        The view lives until this thread's next read, and holds at most WHOLE_BYTES + 1 bytes: a longer file shows by
        its size. `size_bytes` is what is expected. `cold` opens with FILE_FLAG_NO_BUFFERING.
        """
        fd = msvcrt.open_osfhandle(self._open_to_read(name, cold), os.O_RDONLY | os.O_BINARY)
        try:
            view = read_whole(fd, size_bytes, direct=cold)
            return _stat(os.fstat(fd)), view
        finally:
            os.close(fd)

    def _open_to_read(self, name: str, cold: bool) -> int:
        """A handle that lets others read, write and delete meanwhile."""
        flags = _SEQUENTIAL_SCAN | (_NO_BUFFERING if cold else 0)
        handle: int = _kernel32.CreateFileW(
            self._in(name), _GENERIC_READ, _SHARE_ALL, None, _OPEN_EXISTING, flags, None
        )
        if handle == _INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        return handle

    def create(self, name: str, mode: int) -> int:
        """Create a new file for writing. Raises FileExistsError where the name is taken."""
        return os.open(self._in(name), _CREATE_FLAGS, stat.S_IWRITE | stat.S_IREAD)

    def write_whole(self, name: str, view: memoryview, mode: int) -> int:
        """Create a new file, one of that name replaced, and write all of it; the descriptor is for `seal`."""
        try:
            fd = self.create(name, mode)
        except FileExistsError:  # left by an earlier try of this run
            self.unlink(name)
            fd = self.create(name, mode)
        try:
            if view:
                write_all(fd, view)
        except OSError:
            os.close(fd)
            raise
        return fd

    def reopen(self, name: str) -> int:
        """Open a partial to read it and to write on. Raises FileNotFoundError and others."""
        return os.open(self._in(name), os.O_RDWR | os.O_BINARY | os.O_NOINHERIT)

    def seal(
        self,
        fd: int,
        name: str,
        *,
        mtime_ns: Optional[int],
        mode: Optional[int],
        created_mode: Optional[int] = None,
        owner: Optional[Tuple[int, int]],
        flush: bool,
    ) -> None:
        """Flush where asked, close, then give the file its times and attributes but read-only (see `replace`)."""
        try:
            if flush:
                os.fsync(fd)
        finally:
            os.close(fd)
        if mtime_ns is not None:
            try:
                os.utime(self._in(name), ns=(mtime_ns, mtime_ns))
            except OSError as error:
                if heal(error) is not Heal.NEVER:
                    raise  # refused for good: the data counts, the caller sees which time is kept
        if mode is not None and mode & ~(_READONLY | 0x20):
            _set_attributes(self._in(name), mode & ~_READONLY)

    def flush_volume(self) -> None:
        """Windows flushes file by file."""

    def flush_names(self) -> None:
        """NTFS and SMB keep names in order by themselves; there is no call for it."""

    def restamp(self, name: str, mtime_ns: int) -> int:
        """Set the times by name and return the time that is really kept."""
        os.utime(self._in(name), ns=(mtime_ns, mtime_ns))
        return os.stat(self._in(name)).st_mtime_ns

    def set_mode(self, name: str, mode: int) -> None:
        _set_attributes(self._in(name), mode)

    def stat(self, name: str) -> Stat:
        """What lies under a name now, links not followed."""
        return _stat(os.lstat(self._in(name)))

    def replace(self, name: str, final: str, mode: Optional[int] = None) -> None:
        """One atomic rename over whatever file lies there; a read-only attribute is lifted first and set last."""
        target = self._in(final)
        try:
            os.replace(self._in(name), target)
        except PermissionError:
            found = os.lstat(target)
            if not found.st_file_attributes & _READONLY:
                raise
            _set_attributes(target, found.st_file_attributes & _KEPT_ATTRIBUTES & ~_READONLY)
            try:
                os.replace(self._in(name), target)
            except OSError:
                _set_attributes(target, found.st_file_attributes & _KEPT_ATTRIBUTES)
                raise
        if mode is not None and mode & _READONLY:
            _set_attributes(target, mode)

    def unlink(self, name: str) -> None:
        """Remove a name; one that is not there is fine."""
        try:
            os.unlink(self._in(name))
        except FileNotFoundError:
            pass

    def link(self, name: str, target: str, mtime_ns: int) -> None:
        """Make a symbolic link; Windows needs a privilege or developer mode for it."""
        os.symlink(target, self._in(name))

    def cached(self, name: str) -> Optional[bool]:
        """Windows does not tell what lies in its cache."""
        return None

    def forget(self, name: str) -> None:
        """Windows has no call for it."""

    @contextmanager
    def back(self, name: str, *, cold: bool, follow: bool = False) -> Iterator[Tuple[Stat, Iterator[memoryview]]]:
        """As `open_back`: yields what the file says of itself, and its bytes as views that live until the next one."""
        with self.open_back(name, cold=cold, follow=follow) as (found, fd):
            yield found, read_views(fd, found.size_bytes, direct=cold)

    @contextmanager
    def open_back(self, name: str, *, cold: bool, follow: bool = False) -> Iterator[Tuple[Stat, int]]:
        """Open a file to hash it: yields what it says of itself, and its descriptor.

        `cold` opens with FILE_FLAG_NO_BUFFERING, which goes past this client's cache and proves nothing about the
        server's.
        """
        fd = msvcrt.open_osfhandle(self._open_to_read(name, cold), os.O_RDONLY | os.O_BINARY)
        try:
            yield _stat(os.fstat(fd)), fd
        finally:
            os.close(fd)


def _read_handle(handle: int, size_bytes: int, start: int = 0) -> Iterator[memoryview]:
    view, address = _buffers.view, _buffers.address
    got = wintypes.DWORD(0)
    done = start
    while True:
        if not _kernel32.ReadFile(handle, address, _BUFFER_BYTES, ctypes.byref(got), None):
            raise ctypes.WinError(ctypes.get_last_error())
        if not got.value:
            return
        yield view[: got.value]
        done += got.value
        if got.value < _BUFFER_BYTES and (done >= size_bytes or done % _SECTOR_BYTES):
            return


def read_whole(fd: int, size_bytes: int, *, direct: bool = False) -> memoryview:
    """The bytes of an open file that is expected to be small, in one call where the system gives them so.

    The view lives until this thread's next read and holds at most WHOLE_BYTES + 1 bytes: a longer file shows by that.
    """
    handle = msvcrt.get_osfhandle(fd)
    view, address = _buffers.view, _buffers.address
    now, got = wintypes.DWORD(0), 0
    while got < _BUFFER_BYTES and not (direct and got % _SECTOR_BYTES):
        if not _kernel32.ReadFile(handle, address + got, _BUFFER_BYTES - got, ctypes.byref(now), None):
            raise ctypes.WinError(ctypes.get_last_error())
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
        self._access = _GENERIC_WRITE if write else _GENERIC_READ
        self._flags = _NO_BUFFERING if direct else _SEQUENTIAL_SCAN
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
        handle = _kernel32.ReOpenFile(msvcrt.get_osfhandle(self._first), self._access, _SHARE_ALL, self._flags)
        if handle in (_INVALID_HANDLE, None):
            return self._first
        try:
            fd = msvcrt.open_osfhandle(handle, (os.O_WRONLY if self._write else os.O_RDONLY) | os.O_BINARY)
        except OSError:  # the C library has no descriptor left
            _kernel32.CloseHandle(handle)
            return self._first
        self._all.append(fd)
        return fd

    def close(self) -> None:
        """Flush and close what was opened beside the first descriptor. Raises OSError: what was written may be lost."""
        failed: Optional[OSError] = None
        for fd in self._all:
            try:
                if self._write:
                    os.fsync(fd)
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
        place = _overlapped(offset + got)
        if not _kernel32.ReadFile(handle, address + got, room, ctypes.byref(now), ctypes.byref(place)):
            if ctypes.get_last_error() == _END_OF_FILE:
                break
            raise ctypes.WinError(ctypes.get_last_error())
        if not now.value:
            break
        got += now.value
    return min(got, want)


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write every byte from `offset` on."""
    handle, address = msvcrt.get_osfhandle(fd), ctypes.addressof(ctypes.c_char.from_buffer(view))
    now, done = wintypes.DWORD(0), 0
    while done < len(view):
        place = _overlapped(offset + done)
        if not _kernel32.WriteFile(handle, address + done, len(view) - done, ctypes.byref(now), ctypes.byref(place)):
            raise ctypes.WinError(ctypes.get_last_error())
        done += now.value


def _overlapped(offset: int) -> _Overlapped:
    return _Overlapped(None, None, offset & 0xFFFFFFFF, offset >> 32, None)


def _stat(found: os.stat_result) -> Stat:
    return Stat(
        stat.S_ISREG(found.st_mode),
        found.st_size,
        found.st_mtime_ns,
        getattr(found, "st_file_attributes", 0) & _KEPT_ATTRIBUTES,
        (found.st_dev, found.st_ino),
    )


def fd_stat(fd: int) -> Stat:
    """What an open file says of itself now."""
    return _stat(os.fstat(fd))


def cut(fd: int, size_bytes: int) -> None:
    """End a file there, and go on writing behind it."""
    os.ftruncate(fd, size_bytes)
    os.lseek(fd, size_bytes, os.SEEK_SET)


def write_all(fd: int, view: memoryview) -> None:
    """Write every byte; short writes go on where they stopped."""
    done = os.write(fd, view)
    while done < len(view):
        done += os.write(fd, view[done:])


def drop_cache(fd: int) -> None:
    """Windows has no call for it; unbuffered reads do not fill the cache."""


def close(fd: int) -> None:
    os.close(fd)


def machine_identity() -> str:
    """Windows has one process name space; the host name tells machines apart."""
    return ""


def process_started(pid: int) -> Optional[str]:
    """A text that names one life of a process (its start time), or None when no such process lives."""
    handle = _kernel32.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION; os.kill(pid, 0) would kill
    if not handle:
        return "unknown" if ctypes.get_last_error() == 5 else None
    try:
        code = wintypes.DWORD(0)
        if _kernel32.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value != _STILL_ACTIVE:
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        if not _kernel32.GetProcessTimes(handle, *(ctypes.byref(t) for t in times)):
            return "unknown"
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
    finally:
        _kernel32.CloseHandle(handle)


@contextmanager
def stay_awake() -> Iterator[None]:
    """Keep the system from sleeping while the calling thread is in here; the screen may go dark.

    Windows keeps the wish by thread and drops it when that thread ends: enter and leave in the thread that drives the
    transfer. A system that refuses goes on without.
    """
    _kernel32.SetThreadExecutionState(_ES_CONTINUOUS | _ES_SYSTEM_REQUIRED)
    try:
        yield
    finally:
        _kernel32.SetThreadExecutionState(_ES_CONTINUOUS)


def allow_many_files() -> None:
    """Windows has no such limit for the handles that we hold."""


def terminate_now(code: int) -> None:
    """End at once; no join of threads that hang in the kernel."""
    os._exit(code)


_NEVER_ERRNO = frozenset(
    getattr(errno, name)
    for name in ["ENOENT", "ENOTDIR", "EISDIR", "EINVAL", "EEXIST", "EXDEV", "ENAMETOOLONG", "EROFS"]
)
_NEVER_WINERROR = frozenset({2, 3, 19, 123, 161, 183, 206, 225, 226, 267, 1314})
_MAYBE_WINERROR = frozenset({5, 32, 33, 53, 55, 59, 64, 67, 71, 121, 1117, 1231, 1450})
_FULL_WINERROR = frozenset({39, 112, 1295})


def heal(error: OSError) -> Heal:
    """What trying again can do about an error. 5 and 32 may heal: a virus scanner holds a new file for a moment."""
    code = getattr(error, "winerror", None)
    if code in _FULL_WINERROR or error.errno == errno.ENOSPC:
        return Heal.FULL
    if code in _MAYBE_WINERROR:
        return Heal.MAYBE
    if code in _NEVER_WINERROR or error.errno in _NEVER_ERRNO:
        return Heal.NEVER
    return Heal.MAYBE


_PLAIN = {
    2: "it is not there (any more)",
    3: "the path is not there (any more)",
    5: "access is denied",
    19: "it is write-protected",
    32: "another program has it open",
    53: "the server or share was not found on the network",
    59: "an unexpected network error",
    64: "the network connection was dropped",
    112: "the disk is full",
    123: "Windows does not allow this name",
    206: "the name or path is too long",
    1314: "making a link needs a privilege: turn on Windows developer mode or run as administrator",
}


def explain(error: OSError) -> Tuple[int, str]:
    """(Windows error number, plain words) for a log line or a message."""
    code = getattr(error, "winerror", None) or error.errno or 0
    return code, _PLAIN.get(code) or (error.strerror or str(error)).rstrip(". ").lower()
