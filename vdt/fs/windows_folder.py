"""One folder on Windows, and what is done with the files in it: open, write, seal, rename, read back.

The rules of posix.py: no deciding, no printing; OSError as the system gave it. One thing is tried again here, for less
than two seconds: to rename or remove a file that a virus scanner holds for a moment.
"""

from __future__ import annotations

import ctypes
import errno
import ntpath
import os
import stat
import sys
from contextlib import contextmanager
from typing import Iterator, List, Optional, Tuple

from vdt.fs.volume import Heal, Stat
from vdt.fs.windows_errors import heal
from vdt.fs.windows_files import (
    READONLY,
    is_link,
    patiently,
    refuse_links,
    refuses_for_good,
    set_attributes,
    set_times,
)
from vdt.fs.windows_handles import flush as flush_file
from vdt.fs.windows_handles import hold_folder, is_held, long_path, open_file, read_views, read_whole, write_all
from vdt.fs.windows_names import KEPT_ATTRIBUTES, entry_of
from vdt.fs.windows_streams import streams_of
from vdt.model import NO_TIMES, Kind

assert sys.platform == "win32"  # lets mypy read this file for Windows alone


class Folder:
    """One directory, used by one worker at a time."""

    __slots__ = ("_base", "_held", "_inside", "path")

    def __init__(
        self, path: str, *, follow: bool = True, beneath: str = "", waits: bool = False, hold: bool = False
    ) -> None:
        """Name a directory; without `follow` a link that stands in its place is refused.

        `beneath` is the directory itself or one around it: below that no part of the path may be a link. `hold` keeps a
        handle until `close`: nobody can rename or remove the directory meanwhile, nor, on NTFS, one around it, so what
        was looked at stays. A source is not held: its owner may rename what is his. `waits` changes nothing here: a
        handle that is open stands in the way of a rename.
        """
        self.path = path
        self._base = long_path(path)
        self._inside = self._base if self._base.endswith("\\") else self._base + "\\"
        self._held = hold_folder(self._base) if hold else None
        try:
            refuse_links(path, beneath)
            if not follow and is_link(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if not os.path.isdir(self._base):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            if self._held is not None and not os.path.samestat(os.fstat(self._held), os.stat(self._base)):
                raise NotADirectoryError(errno.ENOTDIR, "another folder was put in its place", path)
        except BaseException:
            self.close()
            raise

    def child(self, name: str) -> Folder:
        """A folder in this one; a link or junction that stands in its place is refused."""
        found = os.lstat(self._in(name))
        if entry_of(name, found, self.at(name)).kind is Kind.LINK:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.at(name))
        return Folder(self.at(name))

    def close(self) -> None:
        """Let go of the directory."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

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
        return self._inside + name

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
        other_times: Tuple[int, int] = NO_TIMES,
    ) -> None:
        """Flush where asked, close, then give the file its times and attributes but read-only (see `replace`).

        `other_times` are those of its making and of its last reading, set with `mtime_ns`.
        """
        try:
            if flush:
                flush_file(fd)
        finally:
            os.close(fd)
        if mtime_ns is not None:
            try:
                set_times(self._in(name), mtime_ns, other_times)
            except OSError as error:
                if heal(error) is not Heal.NEVER:
                    raise  # refused for good: the data counts, the caller sees which time is kept
        if mode is not None and mode & ~(READONLY | 0x20):
            set_attributes(self._in(name), mode & ~READONLY)

    def flush_volume(self) -> None:
        """Windows flushes file by file."""

    def flush_names(self) -> None:
        """NTFS and SMB keep names in order by themselves; there is no call for it."""

    def restamp(self, name: str, mtime_ns: int) -> int:
        """Set the times by name and return the time that is really kept."""
        set_times(self._in(name), mtime_ns)
        return os.stat(self._in(name)).st_mtime_ns

    def set_mode(self, name: str, mode: int) -> None:
        set_attributes(self._in(name), mode)

    def stat(self, name: str) -> Stat:
        """What lies under a name now, links not followed."""
        return _stat(os.lstat(self._in(name)))

    def replace(self, name: str, final: str, mode: Optional[int] = None) -> None:
        """One atomic rename over whatever file lies there; a read-only attribute is lifted first and set last."""
        target = self._in(final)
        try:
            patiently(lambda: os.replace(self._in(name), target), unless=lambda: refuses_for_good(target))
        except PermissionError as refused:
            try:
                found = os.lstat(target)
            except OSError:
                raise refused from None  # nothing lies there: what is renamed is held
            if found.st_file_attributes & stat.FILE_ATTRIBUTE_DIRECTORY:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.at(final)) from None
            if not found.st_file_attributes & READONLY:
                if is_held(target):  # Windows calls that "access denied"
                    raise ctypes.WinError(32) from None
                raise
            set_attributes(target, found.st_file_attributes & KEPT_ATTRIBUTES & ~READONLY)
            try:
                patiently(lambda: os.replace(self._in(name), target))
            except OSError:
                set_attributes(target, found.st_file_attributes & KEPT_ATTRIBUTES)
                raise
        if mode is not None and mode & READONLY:
            set_attributes(target, mode)

    def unlink(self, name: str) -> None:
        """Remove a name; one that is not there is fine."""
        try:
            patiently(lambda: os.unlink(self._in(name)))
        except FileNotFoundError:
            pass

    def link(self, name: str, target: str, mtime_ns: int) -> None:
        """Make a symbolic link; Windows needs a privilege or developer mode for it."""
        os.symlink(target, self._in(name))

    def streams(self, name: str) -> List[Tuple[str, int]]:
        """(name, bytes) of each alternate data stream of a file, of the folder itself where `name` is "".

        Raises:
            OSError: that cannot be told.
        """
        return streams_of(self._beside(name))

    def open_stream(self, name: str, stream: str, *, write: bool = False) -> int:
        """Open an alternate data stream of a file, or of the folder where `name` is "", to read it or write it anew."""
        return open_file(f"{self._beside(name)}:{stream}", read=not write, write=write, anew=write)

    def _beside(self, name: str) -> str:
        return self._in(name) if name else self._base

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
        getattr(found, "st_file_attributes", 0) & KEPT_ATTRIBUTES,
        (found.st_dev, found.st_ino),
    )


def fd_stat(fd: int) -> Stat:
    """What an open file says of itself now."""
    return _stat(os.fstat(fd))


def drop_cache(fd: int) -> None:
    """Windows has no call for it; unbuffered reads do not fill the cache."""


def close(fd: int) -> None:
    os.close(fd)
