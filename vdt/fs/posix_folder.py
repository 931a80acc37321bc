"""One folder on POSIX, and what is done with the files in it: open, write, seal, rename, read back.

A Folder is an open directory: a path is walked once a folder, not once a file, and whatever becomes of its name, files
are made in the directory that was looked at. OSError comes as the system gave it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from contextlib import contextmanager
from typing import Iterator, List, Optional, Tuple

from vdt.fs.closer import Closer
from vdt.fs.posix_errors import heal
from vdt.fs.posix_handles import DIRECT, NOATIME, as_stat, drop_cache, read_views, read_whole, write_all
from vdt.fs.posix_volumes import FOLDER_FLAGS, libc
from vdt.fs.volume import Heal, Stat
from vdt.model import NO_TIMES

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows

_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)
_SOURCE_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # NONBLOCK: a fifo put in a file's place cannot hang us
_READ_FLAGS = (_SOURCE_FLAGS | NOATIME | os.O_NOFOLLOW, _SOURCE_FLAGS | NOATIME)  # by `follow`
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_WAY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC  # only passed through
_UMASK = os.umask(0)
os.umask(_UMASK)
_OURSELVES = (os.geteuid(), os.getegid())  # what a file that we make belongs to


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
        fd = os.open(name, flags & ~NOATIME, dir_fd=self._fd)
        self._read_flags = tuple(each & ~NOATIME for each in self._read_flags)
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
