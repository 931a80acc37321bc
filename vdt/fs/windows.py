"""Windows: long paths, FlushFileBuffers, reads that go past the client's cache (FILE_FLAG_NO_BUFFERING).

The same names as posix.py and the same rules: no deciding, no printing; OSError as the system gave it. One thing is
tried again here, for less than two seconds: to rename or remove a file that a virus scanner holds for a moment. Long
paths are prefixed inside (`\\\\?\\`, `\\\\?\\UNC\\`) and never shown.

The parts: windows_kernel (the calls), windows_handles (open files), windows_volumes (drives and shares),
windows_console (the window), windows_errors (what numbers mean), typed (paths as a person types them).
"""

from __future__ import annotations

import ctypes
import errno
import ntpath
import os
import stat
import sys
import time
from contextlib import contextmanager
from ctypes import wintypes
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

from vdt.fs.typed import windows_absolute, windows_fault
from vdt.fs.volume import EntryError, Heal
from vdt.fs.windows_console import restore_console, steady_console
from vdt.fs.windows_errors import explain, heal
from vdt.fs.windows_handles import (
    BUFFER_BYTES,
    Handles,
    cut,
    is_held,
    long_path,
    open_file,
    read_at,
    read_views,
    read_whole,
    write_all,
    write_at,
)
from vdt.fs.windows_handles import flush as handles_flush
from vdt.fs.windows_kernel import kernel32
from vdt.fs.windows_volumes import absence, volume
from vdt.model import Entry, Kind

__all__ = [
    "Handles",
    "absence",
    "cut",
    "explain",
    "heal",
    "read_at",
    "read_views",
    "read_whole",
    "steady_console",
    "typed_fault",
    "volume",
    "write_all",
    "write_at",
]

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

WINDOWS = True
MODE_WORD = "attributes"
DIRECT_MAY_BUFFER = False  # FILE_FLAG_NO_BUFFERING is an order: where it cannot be kept the handle does not open
PROBE_MODE = 0x2  # hidden: to try a destination with
PROBE_MODE_BITS = 0x7  # those that must come back; archive comes and goes by itself

WHOLE_BYTES = BUFFER_BYTES - 1  # the largest file that `Folder.read_whole` takes: one byte short of the buffer
_OFFLINE = 0x1000 | 0x40000 | 0x400000  # OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS
_READONLY = 0x1
_KEPT_ATTRIBUTES = 0x1 | 0x2 | 0x4 | 0x20  # read-only, hidden, system, archive
_STILL_ACTIVE = 259
_ES_CONTINUOUS, _ES_SYSTEM_REQUIRED = 0x80000000, 0x1
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # a virus scanner holds a new file for a moment
_HELD = frozenset({5, 32, 33})


class Stat(NamedTuple):
    """What an open file says of itself."""

    regular: bool
    size_bytes: int
    mtime_ns: int
    mode: int
    file_id: Tuple[int, int]
    owner: Tuple[int, int] = (-1, -1)  # not copied on Windows


def absolute(path: str) -> str:
    """The absolute form of a path that a person typed: `Z:` means `Z:\\`, slashes become backslashes."""
    return windows_absolute(path, os.getcwd())


typed_fault = windows_fault


def _plain(path: str) -> str:
    if path.startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path[4:] if path.startswith("\\\\?\\") else path


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
    with os.scandir(long_path(path)) as names:
        for item in names:
            try:
                entries.append(_entry(item.name, item.stat(follow_symlinks=False), item.path))
            except FileNotFoundError:
                vanished.append(item.name)
            except OSError as error:
                if not tolerant:
                    raise EntryError(error.errno, error.strerror, _plain(item.path)) from error
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
    return _entry(ntpath.basename(path), os.stat(long_path(path)), path)


def _entry(name: str, found: os.stat_result, path: str) -> Entry:
    attributes = found.st_file_attributes
    target = ""
    if stat.S_ISLNK(found.st_mode):
        kind = Kind.LINK
        target = os.readlink(long_path(path))
    elif attributes & stat.FILE_ATTRIBUTE_DIRECTORY:
        # a junction or another reparse point that is not a symbolic link is a link to us: never descended unasked
        mount = found.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT
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
        attributes & _KEPT_ATTRIBUTES,
        (found.st_dev, found.st_ino),
        bool(attributes & _OFFLINE),
        target,
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


def make_folder(
    path: str, *, parents: bool = True, beneath: str = "", ready: Callable[[], None] = lambda: None
) -> None:
    """Make a folder, and its missing parents where these are wanted; one that exists is fine. A share that says that it
    made one and did not is an error that may heal. `beneath`: as for `Folder`. `ready` is called before."""
    _refuse_links(ntpath.dirname(path), beneath)
    ready()
    try:
        os.mkdir(long_path(path))
    except (FileExistsError, FileNotFoundError) as error:
        if not parents and isinstance(error, FileNotFoundError):
            raise
        os.makedirs(long_path(path), exist_ok=True)
    if not os.path.isdir(long_path(path)):
        raise OSError(errno.EIO, "it was said to be made and was not", path)


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
    _refuse_links(path, beneath)
    ready()
    if times:
        os.utime(long_path(path), ns=(source.mtime_ns, source.mtime_ns))
    if mode and source.mode & ~0x20:
        _set_attributes(path, source.mode)


def _set_attributes(path: str, attributes: int) -> None:
    if not kernel32.SetFileAttributesW(long_path(path), attributes or 0x80):
        raise ctypes.WinError(ctypes.get_last_error())


def _patiently(act: Callable[[], None], unless: Callable[[], bool] = lambda: False) -> None:
    """Act, and again after short pauses while something holds the file; `unless` says that waiting is in vain."""
    for pause_s in _PAUSES_S:
        try:
            return act()
        except PermissionError as error:  # 5, 32 and 33 alike
            if getattr(error, "winerror", None) not in _HELD or unless():
                raise
        time.sleep(pause_s)
    return act()


def _refuses_for_good(target: str) -> bool:
    """True where what lies at the target refuses to be replaced, however long one waits: read-only, or a folder."""
    try:
        attributes = os.lstat(target).st_file_attributes
    except OSError:
        return False
    return bool(attributes & (_READONLY | stat.FILE_ATTRIBUTE_DIRECTORY))


def _refuse_links(path: str, beneath: str) -> None:
    """Raise NotADirectoryError where a part of `path` below `beneath` is a link; without `beneath` nothing is asked."""
    while beneath and len(path) > len(beneath):
        if os.path.islink(long_path(path)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        path = ntpath.dirname(path)


class Folder:
    """One directory, used by one worker at a time."""

    __slots__ = ("_base", "path")

    def __init__(self, path: str, *, follow: bool = True, beneath: str = "", waits: bool = False) -> None:
        """Name a directory; without `follow` a link that stands in its place is refused.

        `beneath` is the directory itself or one around it: below that no part of the path may be a link. It is looked
        at now: no handle is held, so one that is swapped in later is followed. `waits` changes nothing here: a handle
        that is open stands in the way of a rename.
        """
        self.path = path
        self._base = long_path(path)
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

    def settle(self) -> None:
        """Every file that was read here is closed."""

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, name: str) -> str:
        """Full path of a name in this folder, for messages."""
        return ntpath.join(self.path, name)

    def _in(self, name: str) -> str:
        """The path for a system call. Raises OSError for a name with a colon: it would be a stream of another file."""
        if ":" in name:
            raise OSError(errno.EINVAL, "Windows does not allow this name", self.at(name), 123)
        return f"{self._base}\\{name}"

    def open_source(self, name: str, *, follow: bool) -> int:
        """Open for reading; others may write meanwhile (the instrument may still hold the file)."""
        return open_file(self._in(name), read=True)

    def read_whole(
        self, name: str, size_bytes: int, *, follow: bool = False, cold: bool = False
    ) -> Tuple[Stat, memoryview]:
        """A small file in one go: what the open file says of itself once it was read, and its bytes.

        The view lives until this thread's next read, and holds at most WHOLE_BYTES + 1 bytes: a longer file shows by
        its size. `size_bytes` is what is expected. `cold` opens with FILE_FLAG_NO_BUFFERING.
        """
        fd = open_file(self._in(name), read=True, cold=cold)
        try:
            view = read_whole(fd, size_bytes, direct=cold)
            return _stat(os.fstat(fd)), view
        finally:
            os.close(fd)

    def create(self, name: str, mode: int) -> int:
        """Create a new file for writing. Raises FileExistsError where the name is taken."""
        return open_file(self._in(name), write=True, new=True)

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
        return open_file(self._in(name), read=True, write=True)

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
                handles_flush(fd)
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
            _patiently(lambda: os.replace(self._in(name), target), unless=lambda: _refuses_for_good(target))
        except PermissionError as refused:
            try:
                found = os.lstat(target)
            except OSError:
                raise refused from None  # nothing lies there: what is renamed is held
            if found.st_file_attributes & stat.FILE_ATTRIBUTE_DIRECTORY:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.at(final)) from None
            if not found.st_file_attributes & _READONLY:
                if is_held(target):  # Windows calls that "access denied"
                    raise ctypes.WinError(32) from None
                raise
            _set_attributes(target, found.st_file_attributes & _KEPT_ATTRIBUTES & ~_READONLY)
            try:
                _patiently(lambda: os.replace(self._in(name), target))
            except OSError:
                _set_attributes(target, found.st_file_attributes & _KEPT_ATTRIBUTES)
                raise
        if mode is not None and mode & _READONLY:
            _set_attributes(target, mode)

    def unlink(self, name: str) -> None:
        """Remove a name; one that is not there is fine."""
        try:
            _patiently(lambda: os.unlink(self._in(name)))
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
        fd = open_file(self._in(name), read=True, cold=cold)
        try:
            yield _stat(os.fstat(fd)), fd
        finally:
            os.close(fd)


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


def drop_cache(fd: int) -> None:
    """Windows has no call for it; unbuffered reads do not fill the cache."""


def close(fd: int) -> None:
    os.close(fd)


def machine_identity() -> str:
    """Windows has one process name space; the host name tells machines apart."""
    return ""


def process_started(pid: int) -> Optional[str]:
    """A text that names one life of a process (its start time), or None when no such process lives."""
    handle = kernel32.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION; os.kill(pid, 0) would kill
    if not handle:
        return "unknown" if ctypes.get_last_error() == 5 else None
    try:
        code = wintypes.DWORD(0)
        if kernel32.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value != _STILL_ACTIVE:
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        if not kernel32.GetProcessTimes(handle, *(ctypes.byref(t) for t in times)):
            return "unknown"
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
    finally:
        kernel32.CloseHandle(handle)


@contextmanager
def stay_awake() -> Iterator[None]:
    """Keep the system from sleeping while the calling thread is in here; the screen may go dark.

    Windows keeps the wish by thread and drops it when that thread ends: enter and leave in the thread that drives the
    transfer. A system that refuses goes on without.
    """
    kernel32.SetThreadExecutionState(_ES_CONTINUOUS | _ES_SYSTEM_REQUIRED)
    try:
        yield
    finally:
        kernel32.SetThreadExecutionState(_ES_CONTINUOUS)


def allow_many_files() -> None:
    """Windows has no such limit for the handles that we hold."""


def terminate_now(code: int) -> None:
    """End at once; no join of threads that hang in the kernel."""
    restore_console()
    os._exit(code)
