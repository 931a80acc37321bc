"""POSIX: directory descriptors, one flush a batch, reads that go past the page cache.

May: open, read, write, rename, list. May not: decide, retry, print. Every function
raises OSError as the system gave it; `heal` and `explain` say what it means.
Relative paths inside a tree use "/"; a Folder is one open directory, so that a
path is walked once a folder, not once a file.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from contextlib import contextmanager
from functools import partial
from typing import Callable, Iterator, List, Optional, Tuple

from vdt.fs.closer import Closer
from vdt.fs.posix_errors import PLAIN, explain, heal
from vdt.fs.posix_handles import (
    DIRECT,
    WHOLE_BYTES,
    Handles,
    as_stat,
    close,
    cut,
    drop_cache,
    fd_stat,
    flush,
    read_at,
    read_views,
    read_whole,
    write_all,
    write_at,
)
from vdt.fs.posix_process import (
    allow_many_files,
    machine_identity,
    process_started,
    stay_awake,
    steady_console,
    terminate_now,
)
from vdt.fs.posix_volumes import (
    FOLDER_FLAGS,
    answer,
    inside,
    is_link,
    is_mount,
    libc,
    mount_point,
    numbers_stay,
    real_id,
    volume,
)
from vdt.fs.volume import EntryError, Heal, Stat
from vdt.model import NO_TIMES, Entry, Kind

__all__ = [
    "DIRECT_MAY_BUFFER",
    "MODE_WORD",
    "PROBE_MODE",
    "PROBE_MODE_BITS",
    "WHOLE_BYTES",
    "WINDOWS",
    "Folder",
    "Handles",
    "absence",
    "absolute",
    "allow_many_files",
    "answer",
    "close",
    "cut",
    "drop_cache",
    "explain",
    "fd_stat",
    "flush",
    "full_path",
    "heal",
    "inside",
    "is_link",
    "is_mount",
    "list_folder",
    "machine_identity",
    "make_folder",
    "mount_point",
    "numbers_stay",
    "opened",
    "process_started",
    "read_at",
    "read_views",
    "read_whole",
    "real_id",
    "remove_folder",
    "set_folder",
    "state_home",
    "stay_awake",
    "steady_console",
    "terminate_now",
    "typed_fault",
    "volume",
    "write_all",
    "write_at",
]

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows

WINDOWS = False
MODE_WORD = "mode"
DIRECT_MAY_BUFFER = True  # O_DIRECT is a wish: ext4 with data=journal, inline_data or encryption reads from the cache
PROBE_MODE = 0o640  # to try a destination with
PROBE_MODE_BITS = 0o777  # those that must come back

_NOATIME = getattr(os, "O_NOATIME", 0)
_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)
_SOURCE_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # NONBLOCK: a fifo put in a file's place cannot hang us
_READ_FLAGS = (_SOURCE_FLAGS | _NOATIME | os.O_NOFOLLOW, _SOURCE_FLAGS | _NOATIME)  # by `follow`
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_WAY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC  # only passed through
_UMASK = os.umask(0)
os.umask(_UMASK)
_OURSELVES = (os.geteuid(), os.getegid())  # what a file that we make belongs to

# made for every file, twice: a third of the price of the constructor
_make_entry: Callable[[Tuple[object, ...]], Entry] = partial(tuple.__new__, Entry)


def absolute(path: str) -> str:
    """The absolute form of a path that a person typed; links are kept."""
    return os.path.abspath(path)


def typed_fault(path: str) -> str:
    """What is wrong with a path that a person typed; every name is one here."""
    return ""


def absence(path: str) -> str:
    """Why a folder that is missing may be missing, with a blank before; POSIX knows no drives of one user alone."""
    return ""


def full_path(root: str, relative: str) -> str:
    """Path of a "/"-separated relative path below `root`."""
    return f"{root}/{relative}" if relative and root != "/" else root + relative


def state_home() -> str:
    """Folder for what must survive a share that fails: master log and unsent mail."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "vdt")


def list_folder(path: str, *, tolerant: bool = False) -> List[Entry]:
    """Everything in a folder, unsorted, links not followed. Names that vanish meanwhile are left out.

    `tolerant` gives names that cannot be looked at as Kind.UNKNOWN, with the reason as their target, where an
    OSError would be raised otherwise.
    """
    entries = []
    vanished: List[str] = []
    try:
        fd = os.open(path, FOLDER_FLAGS | _NOATIME)
    except PermissionError:
        fd = os.open(path, FOLDER_FLAGS)
    try:
        with os.scandir(fd) as names:  # by descriptor: the path is walked once, not once a name
            for item in names:
                try:
                    found = item.stat(follow_symlinks=False)
                    mode = found.st_mode
                    if mode & 0o170000 == stat.S_IFREG:
                        ids = (found.st_dev, found.st_ino)
                        entries.append(
                            _make_entry(
                                (
                                    item.name,
                                    Kind.FILE,
                                    found.st_size,
                                    found.st_mtime_ns,
                                    mode & 0o7777,
                                    ids,
                                    False,
                                    "",
                                    NO_TIMES,
                                )
                            )
                        )
                    else:
                        entries.append(_entry(item.name, found, f"{path}/{item.name}"))
                except FileNotFoundError:
                    vanished.append(item.name)
                except OSError as error:
                    if not tolerant:
                        raise EntryError(error.errno, error.strerror, f"{path}/{item.name}") from error
                    entries.append(Entry(item.name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, explain(error)[1]))
    except OSError as error:
        if error.filename is None or isinstance(error.filename, int):
            error.filename = path
        raise
    finally:
        os.close(fd)
    for name in _still_listed(path, vanished):
        if not tolerant:
            raise EntryError(errno.ENOENT, os.strerror(errno.ENOENT), f"{path}/{name}")
        entries.append(Entry(name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, PLAIN[errno.ENOENT]))
    return entries


def _still_listed(path: str, vanished: List[str]) -> List[str]:
    """Those of these names that a folder still lists: a share that is going away gives names and says of each that it
    is not there. Raises OSError where the folder itself is gone."""
    if not vanished:
        return []
    names = set(os.listdir(path))
    return [name for name in vanished if name in names]


def opened(path: str) -> Entry:
    """The entry that a path leads to, links followed. Raises FileNotFoundError and others."""
    return _entry(os.path.basename(path), os.stat(path), path)


def _entry(name: str, found: os.stat_result, path: str) -> Entry:
    form = found.st_mode & 0o170000
    target = ""
    if form == stat.S_IFREG:
        kind = Kind.FILE
    elif form == stat.S_IFDIR:
        kind = Kind.FOLDER
    elif form == stat.S_IFLNK:
        kind = Kind.LINK
        target = os.readlink(path)
    else:
        kind = Kind.OTHER
    mode = found.st_mode & 0o7777
    return Entry(name, kind, found.st_size, found.st_mtime_ns, mode, (found.st_dev, found.st_ino), False, target)


def make_folder(
    path: str, *, parents: bool = True, beneath: str = "", ready: Callable[[], None] = lambda: None
) -> None:
    """Make a folder, and its missing parents where these are wanted; one that exists is fine. A share that says that it
    made one and did not is an error that may heal. `beneath`: as for `Folder`. `ready` is called before each is made,
    with `beneath` once the folder around it is open: what takes that one's place from then on is not written to."""
    if beneath:
        _make_beneath(path, beneath, parents, ready)
        return
    ready()
    try:
        os.mkdir(path)
    except (FileExistsError, FileNotFoundError) as error:  # it is there already, or its parent is not
        if not parents and isinstance(error, FileNotFoundError):
            raise
        os.makedirs(path, exist_ok=True)
    if not os.path.isdir(path):  # the answer to mkdir holds it: where the share does not lie this asks nobody
        raise OSError(errno.EIO, "it was said to be made and was not", path)


def remove_folder(path: str) -> None:
    """Remove an empty folder; one that is not there is fine."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass


def _make_beneath(path: str, beneath: str, parents: bool, ready: Callable[[], None]) -> None:
    parent, name = os.path.split(path)
    try:
        around = Folder(parent, beneath=beneath)
    except FileNotFoundError:
        if not parents or len(parent) <= len(beneath):
            raise
        _make_beneath(parent, beneath, True, ready)
        around = Folder(parent, beneath=beneath)
    with around:
        ready()
        try:
            around.make(name)
        except FileExistsError:
            if not around.holds_folder(name):
                raise
        if not around.holds_folder(name):
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
    """Give a folder the source folder's mode and times; called last, when nothing is written in it any more.
    `beneath`: as for `Folder`; `ready`: as for `make_folder`."""
    if beneath and len(path) > len(beneath):
        parent, name = os.path.split(path)
        with Folder(parent, beneath=beneath) as around:
            ready()
            if mode:
                around.set_mode(name, source.mode)
            if times:
                around.set_time(name, source.mtime_ns)
        return
    fd = os.open(path, FOLDER_FLAGS)
    try:
        ready()
        if mode:
            os.fchmod(fd, source.mode)
        if times:
            os.utime(fd, ns=(source.mtime_ns, source.mtime_ns))
    finally:
        os.close(fd)


def _open_beneath(path: str, beneath: str) -> int:
    """Part by part, each from the descriptor of the one before: those on the way cost a share no more than the same
    path in one call."""
    parts = path[len(beneath) :].strip("/").split("/")
    if parts == [""]:
        return os.open(path, FOLDER_FLAGS)
    fd = os.open(beneath, _WAY_FLAGS)
    try:
        for part in parts[:-1]:
            below = os.open(part, _WAY_FLAGS | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = below
        return os.open(parts[-1], FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=fd)
    finally:
        os.close(fd)


class Folder:
    """One open directory, used by one worker at a time."""

    __slots__ = ("_closer", "_fd", "_read_flags", "path")

    def __init__(
        self, path: str, *, follow: bool = True, beneath: str = "", waits: bool = False, hold: bool = False
    ) -> None:
        """Open a directory; without `follow` a link that stands in its place is refused (ELOOP, ENOTDIR).

        `beneath` is the directory itself or one around it: below that no part of the path may be a link, so that a
        folder that somebody swaps for a link leads nowhere. `waits`: each call waits for a share, so files that were
        read are closed by others; see `settle`. `hold` is for Windows: here an open directory stays the same whatever
        becomes of its name.
        """
        self._closer = Closer() if waits else None
        self.path = path
        if beneath:
            self._fd = _open_beneath(path, beneath)
        else:
            self._fd = os.open(path, FOLDER_FLAGS | (0 if follow else os.O_NOFOLLOW))
        self._read_flags: Tuple[int, ...] = _READ_FLAGS

    def child(self, name: str) -> Folder:
        """Open a folder in this one; a link that stands in its place is refused (ELOOP, ENOTDIR)."""
        below = Folder.__new__(Folder)
        below.path = self.at(name)
        below._closer = self._closer
        below._fd = os.open(name, FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=self._fd)
        below._read_flags = _READ_FLAGS
        return below

    def close(self) -> None:
        """Let the directory go; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError:  # it was only read from: nothing can be lost
                pass

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, name: str) -> str:
        """Full path of a name in this folder, for messages."""
        return f"{self.path}/{name}"

    def open_source(self, name: str, *, follow: bool) -> int:
        """Open for reading without touching the access time where the system allows that (owner or root)."""
        flags = self._read_flags[follow]
        try:
            return os.open(name, flags, dir_fd=self._fd)
        except PermissionError:
            return self._open_plainly(name, flags)

    def read_whole(
        self, name: str, size_bytes: int, *, follow: bool = False, cold: bool = False
    ) -> Tuple[Stat, memoryview]:
        """A small file in one go: what the open file says of itself once it was read, and its bytes.

        The view lives until this thread's next read, and holds at most WHOLE_BYTES + 1 bytes: a longer file shows by
        its size. `size_bytes` is what is expected. `cold` reads with O_DIRECT, past the page cache.
        """
        flags = self._read_flags[follow] | DIRECT if cold else self._read_flags[follow]
        try:
            fd = os.open(name, flags, dir_fd=self._fd)
        except PermissionError:
            fd = self._open_plainly(name, flags)
        try:
            view = read_whole(fd, size_bytes, direct=cold)
            return as_stat(os.fstat(fd)), view
        finally:
            if self._closer is None:
                os.close(fd)
            else:
                self._closer.close(fd)

    def settle(self) -> None:
        """Return when every file that was read here is closed: some servers rename no file that is open."""
        if self._closer is not None:
            self._closer.wait()

    def _open_plainly(self, name: str, flags: int) -> int:
        """Open once more without O_NOATIME, which only the owner and root may ask for; a file that opens so ends the
        asking in this folder."""
        fd = os.open(name, flags & ~_NOATIME, dir_fd=self._fd)
        self._read_flags = tuple(each & ~_NOATIME for each in self._read_flags)
        return fd

    def create(self, name: str, mode: int) -> int:
        """Create a new file for writing. Raises FileExistsError where the name is taken, by a link too."""
        return os.open(name, _CREATE_FLAGS, (mode & 0o777) | 0o200, dir_fd=self._fd)

    def write_whole(self, name: str, view: memoryview, mode: int) -> int:
        """Create a new file, one of that name replaced, and write all of it; the descriptor is for `seal`."""
        try:
            fd = os.open(name, _CREATE_FLAGS, (mode & 0o777) | 0o200, dir_fd=self._fd)
        except FileExistsError:  # left by an earlier try of this run
            self.unlink(name)
            fd = os.open(name, _CREATE_FLAGS, (mode & 0o777) | 0o200, dir_fd=self._fd)
        try:
            if view:
                write_all(fd, view)
        except OSError:
            os.close(fd)
            raise
        return fd

    def reopen(self, name: str) -> int:
        """Open a partial to read it and to write on. Raises FileNotFoundError and others."""
        return os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._fd)

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
        other_times: Tuple[int, int] = NO_TIMES,
    ) -> None:
        """Give a finished file its owner, mode and times, flush it where asked, and close it.

        `created_mode` is what `create` was given: a mode that the file has already is not set again. `owner` is the
        user and group that are wanted (root only), or None. `other_times` are for Windows: here the time of the last
        reading becomes `mtime_ns` too. The descriptor is closed whatever happens.
        """
        try:
            changed = False
            if owner is not None and owner != _OURSELVES:
                try:
                    os.fchown(fd, *owner)
                    changed = True  # the system drops the set-id bits
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EINVAL, errno.ENOTSUP):
                        raise  # as a plain user, or with an owner unknown here: it stays ours
            if mode is not None and (
                changed or mode != ((mode if created_mode is None else created_mode) & 0o777 | 0o200) & ~_UMASK
            ):
                try:
                    os.fchmod(fd, mode)
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                        raise  # a share without modes (FAT, CIFS noperm) keeps its own
            if mtime_ns is not None:
                try:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
                except OSError as error:
                    if heal(error) is not Heal.NEVER:
                        raise  # refused for good: the data counts, the caller sees which time is kept
            if flush:
                os.fsync(fd)
        finally:
            os.close(fd)

    def flush_volume(self) -> None:
        """Force everything written to this file system to the medium (syncfs)."""
        if libc.syncfs(self._fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), self.path)

    def flush_names(self) -> None:
        """Force renames in this directory to the medium."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                raise

    def restamp(self, name: str, mtime_ns: int) -> int:
        """Set the times by name and return the time that is really kept."""
        self.set_time(name, mtime_ns)
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime_ns

    def set_mode(self, name: str, mode: int) -> None:
        """Set the mode of a file or folder, never of what a link in its place leads to."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._fd)
        except PermissionError:  # its owner may not read it
            if stat.S_ISLNK(os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mode):
                raise
            os.chmod(name, mode, dir_fd=self._fd)
            return
        try:
            os.fchmod(fd, mode)
        finally:
            os.close(fd)

    def set_time(self, name: str, mtime_ns: int) -> None:
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=self._fd, follow_symlinks=False)

    def make(self, name: str) -> None:
        """Make a folder in this one. Raises FileExistsError and others."""
        os.mkdir(name, dir_fd=self._fd)

    def holds_folder(self, name: str) -> bool:
        """True where a name is that of a folder, and not of a link to one."""
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    def stat(self, name: str) -> Stat:
        """What lies under a name now, links not followed."""
        return as_stat(os.stat(name, dir_fd=self._fd, follow_symlinks=False))

    def replace(self, name: str, final: str, mode: Optional[int] = None) -> None:
        """One atomic rename over whatever file lies there. `mode` serves Windows, where read-only comes last."""
        os.rename(name, final, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: str) -> None:
        """Remove a name; one that is not there is fine."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def link(self, name: str, target: str, mtime_ns: int) -> None:
        """Make a symbolic link with the given time."""
        os.symlink(target, name, dir_fd=self._fd)
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=self._fd, follow_symlinks=False)

    def streams(self, name: str) -> List[Tuple[str, int]]:
        """Files have no alternate data streams here."""
        return []

    def open_stream(self, name: str, stream: str, *, write: bool = False) -> int:
        """There is none to open."""
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), f"{self.at(name)}:{stream}")

    def cached(self, name: str) -> Optional[bool]:
        """Whether the first byte of a file lies in this client's cache; None where the system does not tell.

        A no is only right at this moment: asking makes the system fetch that block.
        """
        if not _NOWAIT:
            return None
        fd = self.open_source(name, follow=False)
        try:
            os.preadv(fd, [bytearray(1)], 0, _NOWAIT)
            return True
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
                return None  # tmpfs, FUSE, most network mounts; kernels before 4.14
            raise
        finally:
            os.close(fd)

    def forget(self, name: str) -> None:
        """Let go of a file's clean pages. The file itself is not touched."""
        fd = self.open_source(name, follow=False)
        try:
            drop_cache(fd)
        finally:
            os.close(fd)

    @contextmanager
    def back(self, name: str, *, cold: bool, follow: bool = False) -> Iterator[Tuple[Stat, Iterator[memoryview]]]:
        """As `open_back`: yields what the file says of itself, and its bytes as views that live until the next one."""
        with self.open_back(name, cold=cold, follow=follow) as (found, fd):
            yield found, read_views(fd, found.size_bytes, direct=cold)

    @contextmanager
    def open_back(self, name: str, *, cold: bool, follow: bool = False) -> Iterator[Tuple[Stat, int]]:
        """Open a file to hash it: yields what it says of itself, and its descriptor.

        `cold` reads with O_DIRECT, past the page cache; only ask for it where the volume's `cold_reads` is True.
        """
        flags = self._read_flags[follow] | (DIRECT if cold else 0)
        try:
            fd = os.open(name, flags, dir_fd=self._fd)
        except PermissionError:
            fd = self._open_plainly(name, flags)
        try:
            yield as_stat(os.fstat(fd)), fd
        finally:
            os.close(fd)
