"""A disk whose power goes: what was not flushed is lost, data and names, and the process ends with it.

Stands on the double of faultyfs.py, so that each single call can be the last one. Data counts as stored when its file
was flushed or its volume; a name (a rename) when its folder was flushed or the volume. For one worker.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from vdt.fs.posix_volumes import libc

from .faultyfs import Call, Deed, FaultyFs

ZEROED, CUT_SHORT, NAMES = "data zeroed", "files cut short", "data zeroed, names gone"
MODES = (ZEROED, CUT_SHORT, NAMES)


class _Renamed(NamedTuple):
    old: str
    new: str
    covered: Optional[str]  # where a second name of the file that lay under `new` is kept


class Powered(FaultyFs):
    """Ends the process at call `last` as a power cut does; `last` behind the last call: `cut` may be called then."""

    last = 1 << 60
    mode = ZEROED
    stash = Path()  # a folder on the same file system, outside both trees

    def __enter__(self) -> Powered:
        super().__enter__()
        self._kept: Dict[str, int] = {}  # path of a file that is being made -> a descriptor of our own
        self._unflushed: Dict[int, Tuple[int, int]] = {}  # inode -> (our descriptor, bytes that are safe)
        self._renames: List[_Renamed] = []
        for name in ("write", "pwrite", "writev", "pwritev"):
            setattr(os, name, self._watching(getattr(os, name), self._wrote))
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._watching(getattr(os, name), self._flushed))
        for name in ("rename", "replace"):
            setattr(os, name, self._renaming(getattr(os, name)))
        os.open = self._opening(os.open)
        flush = libc.syncfs
        libc.syncfs = self._watching(flush, lambda fd: self._all_flushed())
        return self

    def _deed(self, op: str, full: Optional[str]) -> Tuple[Optional[Deed], Optional[Call]]:
        deed, call = super()._deed(op, full)
        if call is not None and call.number == self.last:
            self.cut()
            os._exit(70)
        return deed, call

    def cut(self) -> None:
        """Lose what is not stored. Names go only in the mode of that name: that is the case of a share or of FAT; ext4
        and XFS may keep a new name whose data is lost."""
        for fd, safe in self._unflushed.values():
            if self.mode == CUT_SHORT:
                os.ftruncate(fd, safe)
            else:
                size = self._real["fstat"](fd).st_size
                self._real["pwrite"](fd, bytes(max(0, size - safe)), safe)
        if self.mode == NAMES:
            for old, new, covered in reversed(self._renames):
                self._real["rename"](new, old)
                if covered:
                    self._real["link"](covered, new)

    # -- what is stored --------------------------------------------------------------------------------------------

    @staticmethod
    def _watching(real: Callable[..., Any], then: Callable[[int], None]) -> Callable[..., Any]:
        def double(fd: int, *args: Any) -> Any:
            done = real(fd, *args)
            then(fd)
            return done

        return double

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        def double(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Optional[int] = None) -> int:
            fd = real(path, flags, mode, dir_fd=dir_fd)
            full = self._fds.get(fd, "")
            if flags & os.O_CREAT and full.startswith(self.destination + os.sep):
                self._kept[full] = os.dup(fd)
            return fd

        return double

    def _wrote(self, fd: int) -> None:
        full = self._fds.get(fd, "")
        if full in self._kept:
            inode = self._real["fstat"](fd).st_ino
            self._unflushed.setdefault(inode, (self._kept[full], 0))

    def _flushed(self, fd: int) -> None:
        full = self._fds.get(fd)
        self._unflushed.pop(self._real["fstat"](fd).st_ino, None)
        self._renames = [each for each in self._renames if os.path.dirname(each.new) != full]

    def _all_flushed(self) -> None:
        self._unflushed.clear()
        self._renames.clear()

    def _renaming(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def double(old: Any, new: Any, *args: Any, **options: Any) -> Any:
            old_full = self._full(old, options.get("src_dir_fd"))
            new_full = self._full(new, options.get("dst_dir_fd"))
            assert old_full is not None and new_full is not None
            covered: Optional[str] = None
            if new_full.startswith(self.destination + os.sep):
                covered = str(self.stash / f"covered {len(self.calls)}")
                try:
                    self._real["link"](new_full, covered)
                except FileNotFoundError:
                    covered = None
            done = real(old, new, *args, **options)
            if new_full.startswith(self.destination + os.sep):
                self._renames.append(_Renamed(old_full, new_full, covered))
            return done

        return double


def in_a_child(act: Callable[[], int]) -> int:
    """The exit code of a process of its own, forked from this one; minus the signal that ended it."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    code = 99
    try:
        code = act()
    finally:
        os._exit(code)
