"""A disk that fails on request: the system calls behind `vdt.fs`, with scripted faults.

`FaultyFs` stands before the functions of `os` (and `syncfs`) while it is entered, counts every call that touches one of
the two trees, and lets rules spoil them. Calls elsewhere (logs, locks, evidence) pass through uncounted. A partial is
named by the file that it is for, so that a rule can say "every write of one/a.bin".

The real flushes are left out (`flush_for_real`): what they do shows only after a power cut.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple, Union

from vdt import fs
from vdt.fs.posix_volumes import libc
from vdt.model import TreeResult
from vdt.partial import partial_name
from vdt.plan import PARTIAL
from vdt.probe import Destination
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.transfer import Reports, transfer_tree
from vdt.treejob import TreeJob

ALWAYS = 1 << 60
TOKEN = "0123456789abcdef"

FLIP = "flip"  # one bit of the data is wrong, the call says OK
SHORT = "short"  # half of what was asked for is done, and said so
LOST = "lost"  # nothing is written, the call says all was; a read says that the file ends here
ZEROS = "zeros"  # zeros are written in place of the data
SKIP = "skip"  # nothing is done, the call says OK


class Late(NamedTuple):
    """The call is done, and then says that it failed."""

    code: int


class Call(NamedTuple):
    """One call that touched a tree."""

    number: int  # from 1
    op: str
    side: str  # "source" or "destination"
    name: str  # relative path; of a partial, the file that it is for
    partial: bool


Deed = Union[int, str, Late, Callable[[Call], None]]


@dataclass
class Rule:
    """`op` on names like `name` (fnmatch) on `side`: hits number `nth` and the `times - 1` behind it.

    `do` is an errno (raised, nothing done), FLIP, SHORT, LOST, ZEROS, SKIP, Late(errno), or something to be called just
    before the call is made.
    """

    op: str
    do: Deed
    name: str = "*"
    side: str = "*"
    nth: int = 1
    times: int = 1
    partial: Optional[bool] = None
    seen: int = 0

    def hits(self, call: Call) -> bool:
        if self.op != call.op or not fnmatchcase(call.name, self.name) or not fnmatchcase(call.side, self.side):
            return False
        if self.partial is not None and self.partial != call.partial:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass
class FaultyFs:
    """Enter it, run a copy, leave it, look at `calls` and `hits`."""

    source: str
    destination: str
    rules: Tuple[Rule, ...] = ()
    fail_call: int = 0  # this call of all fails with EIO
    and_all_later: bool = False
    spared: Tuple[str, ...] = ()  # operations that `fail_call` does not count
    partials: Dict[str, str] = field(default_factory=dict)
    flush_for_real: bool = False
    calls: List[Call] = field(default_factory=list)
    hits: List[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._roots = (("source", self.source), ("destination", self.destination))
        self._lock = threading.RLock()
        self._countdown = self.fail_call or ALWAYS
        self._fds: Dict[int, str] = {}
        self._folders: Set[int] = set()
        self._real: Dict[str, Any] = {}
        self._syncfs: Any = None

    # -- coming and going ------------------------------------------------------------------------------------------

    def __enter__(self) -> FaultyFs:
        doubles: Dict[str, Any] = {"open": self._open, "close": self._close}
        for name in ("write", "pwrite", "writev", "pwritev"):
            doubles[name] = self._writer(name)
        for name in ("read", "pread", "readv", "preadv"):
            doubles[name] = self._reader(name)
        for name in ("fsync", "fdatasync", "fstat", "fchmod", "fchown", "scandir", "listdir", "mkdir", "unlink"):
            doubles[name] = self._plain(name, name)
        for name in ("rename", "replace", "utime", "stat", "lstat", "chmod", "symlink", "link", "readlink", "rmdir"):
            doubles[name] = self._plain(name, name)
        for name, double in doubles.items():
            if hasattr(os, name):
                self._real[name] = getattr(os, name)
                setattr(os, name, double)
        self._syncfs = libc.syncfs
        libc.syncfs = self._flush_volume  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)
        libc.syncfs = self._syncfs

    # -- which call is it, and what happens to it ------------------------------------------------------------------

    def _full(self, path: Any, dir_fd: Optional[int] = None) -> Optional[str]:
        if isinstance(path, int):
            return self._fds.get(path)
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        text = os.fspath(path)
        if dir_fd is not None:
            folder = self._fds.get(dir_fd)
            return None if folder is None else os.path.join(folder, text)
        return os.path.abspath(text)

    def _deed(self, op: str, full: Optional[str]) -> Tuple[Optional[Deed], Optional[Call]]:
        if full is None:
            return None, None
        for side, root in self._roots:  # noqa: B007 (used behind the loop)
            if full == root or full.startswith(root + os.sep):
                break
        else:
            return None, None
        relative = full[len(root) + 1 :]
        partial = PARTIAL.match(os.path.basename(relative)) is not None
        name = self.partials.get(os.path.basename(relative), relative) if partial else relative
        with self._lock:
            call = Call(len(self.calls) + 1, op, side, name, partial)
            self.calls.append(call)
            deed: Optional[Deed] = None
            self._countdown -= op not in self.spared
            if op not in self.spared and (self._countdown == 0 or (self.and_all_later and self._countdown < 0)):
                deed = errno.EIO
            for rule in self.rules:
                if rule.hits(call) and deed is None:
                    deed = rule.do
            if deed is not None:
                self.hits.append(call)
        return deed, call

    @staticmethod
    def _error(code: int, full: Optional[str]) -> OSError:
        return OSError(code, os.strerror(code), full)

    def _act(self, op: str, full: Optional[str], act: Callable[[], Any]) -> Any:
        deed, call = self._deed(op, full)
        if isinstance(deed, int):
            raise self._error(deed, full)
        if isinstance(deed, Late):
            act()
            raise self._error(deed.code, full)
        if deed == SKIP:
            return None
        if callable(deed):
            assert call is not None
            deed(call)
        return act()

    # -- the doubles -----------------------------------------------------------------------------------------------

    def _plain(self, name: str, op: str) -> Callable[..., Any]:
        op = {"replace": "rename", "fdatasync": "fsync", "lstat": "stat", "listdir": "scandir"}.get(op, op)

        def double(path: Any, *args: Any, **options: Any) -> Any:
            dir_fd = options.get("dir_fd", options.get("src_dir_fd"))
            named = path
            if op in ("rename", "link", "symlink"):  # told by the name that is made
                named, dir_fd = args[0], options.get("dst_dir_fd", options.get("dir_fd"))
            full = self._full(named, dir_fd)

            def act() -> Any:
                if op == "fsync" and not self.flush_for_real:
                    return None
                return self._real[name](path, *args, **options)

            return self._act(op, full, act)

        return double

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: Optional[int] = None) -> int:
        full = self._full(path, dir_fd)
        op = "opendir" if flags & os.O_DIRECTORY else "create" if flags & os.O_CREAT else "open"
        fd: int = self._act(op, full, lambda: self._real["open"](path, flags, mode, dir_fd=dir_fd))
        if full is not None:
            self._fds[fd] = full
            if op == "opendir":
                self._folders.add(fd)
        return fd

    def _close(self, fd: int) -> None:
        full = self._fds.pop(fd, None)
        folder = full is not None and fd in self._folders
        self._folders.discard(fd)
        deed, _ = self._deed("closedir" if folder else "close", full)
        self._real["close"](fd)  # a close that fails has still given the descriptor back
        if isinstance(deed, (int, Late)):
            raise self._error(deed if isinstance(deed, int) else deed.code, full)

    def _writer(self, name: str) -> Callable[..., int]:
        def double(fd: int, data: Any, *args: Any) -> int:
            deed, call = self._deed("write", self._fds.get(fd))
            real = self._real[name]
            pieces = list(data) if name in ("writev", "pwritev") else [data]
            whole = b"".join(bytes(piece) for piece in pieces) if isinstance(deed, str) else b""
            if isinstance(deed, int):
                raise self._error(deed, self._fds.get(fd))
            if deed == LOST:
                return len(whole)
            if deed in (FLIP, ZEROS, SHORT):
                spoilt = {FLIP: flipped, ZEROS: lambda b: bytes(len(b)), SHORT: lambda b: b[: max(1, len(b) // 2)]}
                bad = spoilt[str(deed)](whole)
                got: int = real(fd, [bad] if name in ("writev", "pwritev") else bad, *args)
                return got
            if callable(deed):
                assert call is not None
                deed(call)
            done: int = real(fd, data, *args)
            return done

        return double

    def _reader(self, name: str) -> Callable[..., Any]:
        def double(fd: int, what: Any, *args: Any) -> Any:
            deed, call = self._deed("read", self._fds.get(fd))
            real = self._real[name]
            if isinstance(deed, int):
                raise self._error(deed, self._fds.get(fd))
            if callable(deed):
                assert call is not None
                deed(call)
            if deed == LOST:
                return b"" if name in ("read", "pread") else 0
            if name in ("read", "pread"):
                if deed == SHORT:
                    what = max(1, what // 3)
                data = real(fd, what, *args)
                return flipped(data) if deed == FLIP else data
            buffers = list(what)
            if deed == SHORT:
                buffers = [memoryview(buffers[0])[:1000]]
            got = real(fd, buffers, *args)
            if deed == FLIP and got:
                view = memoryview(buffers[0]).cast("B")
                view[min(got, len(view)) // 2] ^= 1
            return got

        return double

    def _flush_volume(self, fd: int) -> int:
        deed, _ = self._deed("syncfs", self._fds.get(fd))
        if isinstance(deed, int):
            ctypes.set_errno(deed)
            return -1
        return int(self._syncfs(fd)) if self.flush_for_real else 0


def flipped(data: bytes) -> bytes:
    """`data` with one bit in its middle turned."""
    if not data:
        return data
    wrong = bytearray(data)
    wrong[len(wrong) // 2] ^= 1
    return bytes(wrong)


# -- a small tree to break, and a run of it ------------------------------------------------------------------------


def write_tree(root: Path, files: Dict[str, bytes], *, mtime_ns: int = 1_600_000_000_123_456_789) -> None:
    """Files with contents, each a nanosecond later than the one before."""
    for number, (name, data) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(mtime_ns + number, mtime_ns + number))


def contents(root: Path, *, partials: bool = False, of: Callable[[Path], bytes] = Path.read_bytes) -> Dict[str, bytes]:
    """relative path -> bytes of every file below `root`, or what `of` makes of it; partials only where asked for."""
    return {
        path.relative_to(root).as_posix(): of(path)
        for path in sorted(root.rglob("*"))
        if path.is_file() and (partials or not PARTIAL.match(path.name))
    }


def look(root: Path, of: Callable[[Path], bytes] = Path.read_bytes) -> Dict[str, Tuple[bytes, int, int]]:
    """All that must not change in a source: names, bytes (or what `of` makes of a file), times, modes."""
    return {
        path.relative_to(root).as_posix(): (
            of(path) if path.is_file() else b"",
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
        )
        for path in sorted(root.rglob("*"))
    }


def left_partials(root: Path) -> List[str]:
    """Names of partials anywhere below `root`."""
    return [path.name for path in root.rglob("*") if PARTIAL.match(path.name)]


def partial_names(source: Path, token: str = TOKEN) -> Dict[str, str]:
    """Name of each source file's partial -> the file's relative path."""
    found = {}
    for path in source.rglob("*"):
        if path.is_file():
            stat, relative = path.stat(), path.relative_to(source).as_posix()
            found[partial_name(relative, stat.st_size, stat.st_mtime_ns, token)] = relative
    return found


def tree_job(
    source: Path, destination: Path, *, flush: Optional[fs.Flush] = None, cold: bool = True, **changes: Any
) -> TreeJob:
    """A job without waits, one worker, two tries after the first; read back past the cache where that can be."""
    volume = fs.volume(str(destination))
    if not cold:
        volume = replace(volume, cold_reads=False, why_not_cold="the test says so")
    if flush is not None:
        volume = replace(volume, flush=flush)
    job = TreeJob(
        source=str(source),
        destination=str(destination),
        target=Destination(volume, False, 0),
        threads=1,
        retry=RetryPlan(2, 0.0),
        token=TOKEN,
    )
    return replace(job, **changes)


def run_broken(
    job: TreeJob, rules: Iterable[Rule] = (), reports: Optional[Reports] = None, **options: Any
) -> Tuple[TreeResult, FaultyFs]:
    """Transfer a tree on a disk with these faults."""
    faulty = FaultyFs(
        job.source, job.destination, tuple(rules), partials=partial_names(Path(job.source), job.token), **options
    )
    with faulty:
        result = transfer_tree(job, reports or Reports(), StopFlag())
    return result, faulty
