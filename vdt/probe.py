"""What a destination can do, tried before the first byte: written, kept times and modes, flushed, read past the cache.

Writes two small files at the destination and removes them. The source is never written: what it has to show is shown
on files that lie there.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from itertools import islice
from typing import Callable, List, Optional, Sequence, Set, Tuple, TypeVar

from vdt import fs
from vdt.errors import RefusedError
from vdt.hashing import digest_views
from vdt.model import Kind, Policy

_TRIES = 3
_PAUSES_S = (0.0, 0.0, 0.02, 0.1, 0.4)  # before each try to show a read past the cache
_PROBE_BYTES = 64 << 10  # several blocks, so that it lies on the medium as large files do
_SMALL_BYTES = 40  # so few that ext4 (inline_data) keeps them beside the file's name, where O_DIRECT does not reach
_PROBE_TIME_NS = 1_699_999_999_999_999_999  # an odd second and all nines: whatever a share rounds to shows in full
_EXACT_NS = 100  # NTFS and SMB keep times in steps of 100 ns: not worth a word
_NOT_KEPT_NS = 86_400 * 10**9  # no file system rounds so far (FAT: 2 s, and an hour of summer time)
_MODE = 0o644
_ANOTHER = "it keeps another one"
_OTHER_BYTES = "a read past this client's cache gave other bytes"
_LOOK_INTO = 256  # folders of a source that are searched for a file to try
Value = TypeVar("Value")


@dataclass(frozen=True)
class Destination:
    """What the probe found."""

    volume: fs.Volume
    fold_case: bool  # "a" and "A" are one name here
    time_step_ns: int  # how far a time that was set came back from what was asked; 0 is exact
    notes: Tuple[str, ...] = ()
    keeps_times: bool = True


def probe(path: str) -> Destination:
    """Try everything a copy does on a small file in `path`, which must exist.

    Raises:
        RefusedError: creating, writing, reading back, renaming or deleting was refused three times.
    """
    volume = _thrice("looked at", path, lambda: fs.volume(path))
    folder = _thrice("opened", path, lambda: fs.Folder(path))
    with folder:
        return _Probe(path, folder, volume).run()


class _Probe:
    """One try of one destination. Its files have the names of partials: one that is left behind is removed later."""

    def __init__(self, path: str, folder: fs.Folder, volume: fs.Volume) -> None:
        self._path, self._folder, self._volume = path, folder, volume
        self._large, self._small = (f".vdt-{os.urandom(8).hex()}.partial" for _ in range(2))
        self._data = memoryview(os.urandom(_PROBE_BYTES))
        self._notes: List[str] = []
        self._made: Set[str] = set()
        self._keeps_times = True
        self._step_ns = 0

    def run(self) -> Destination:
        path, folder, large, small = self._path, self._folder, self._large, self._small
        try:
            if not self._keeps_all():
                _thrice("written to", path, lambda: self._put(small))
                _thrice("deleted from", path, lambda: folder.unlink(small))
                self._made.discard(small)
                self._try_times()
                self._try_mode()
                _thrice("written to", path, lambda: self._put(small))
            self._try_flush()
            if not _thrice("read back from", path, self._right):
                raise self._other_bytes()
            self._try_cold()
            fold_case = self._folds_case()
            _thrice("renamed in", path, self._rename)
        except BaseException:
            for left in (large, small):
                _refusal(lambda left=left: folder.unlink(left))  # type: ignore[misc]  # what failed first is what counts
            raise
        for left in (large, small):
            _thrice("deleted from", path, lambda left=left: folder.unlink(left))  # type: ignore[misc]
        if not self._volume.cold_reads:
            self._note(f"{self._volume.why_not_cold}; files are recorded as read back, no more.")
        return Destination(self._volume, fold_case, self._step_ns, tuple(self._notes), self._keeps_times)

    def _note(self, words: str) -> None:
        self._notes.append(f"{self._path}: {words}")

    def _other_bytes(self) -> RefusedError:
        return RefusedError(f"{self._path} gives back other bytes than were written. Nothing was copied; check it.")

    def _put(
        self, name: str, *, mtime_ns: Optional[int] = None, mode: Optional[int] = None, flush: bool = False
    ) -> fs.Stat:
        """Write one of the two files anew, seal it as the copier would, and look at it."""
        folder = self._folder
        if name in self._made:
            folder.unlink(name)
        self._made.add(name)  # before it is: a share may make it and say that it failed
        fd = folder.create(name, _MODE)
        try:
            fs.write_all(fd, self._data if name == self._large else self._data[:_SMALL_BYTES])
        except OSError:
            fs.close(fd)
            raise
        folder.seal(fd, name, mtime_ns=mtime_ns, mode=mode, created_mode=_MODE, owner=None, flush=flush)
        return folder.stat(name)

    def _rename(self) -> None:
        """The large file over the small one. What lies there then counts, not what the call said."""
        try:
            self._folder.replace(self._large, self._small)
        except FileNotFoundError:
            pass  # an earlier try was done, though it was said to have failed
        if self._folder.stat(self._small).size_bytes != _PROBE_BYTES:
            raise OSError("a rename was said to be done and was not")

    def _keeps_all(self) -> bool:
        """Write the small file with time and mode at once: where both are kept, nothing needs to be tried by itself.
        Each call is a round trip on a share, and before this one nothing else can begin."""
        try:
            found = self._put(self._small, mtime_ns=_PROBE_TIME_NS, mode=fs.PROBE_MODE)
        except OSError:
            return False
        apart = abs(found.mtime_ns - _PROBE_TIME_NS)
        if apart > _EXACT_NS or not _keeps_mode(found):
            return False
        self._step_ns = apart
        return True

    def _stamp(self) -> None:
        apart = abs(self._put(self._small, mtime_ns=_PROBE_TIME_NS).mtime_ns - _PROBE_TIME_NS)
        if apart >= _NOT_KEPT_NS:
            raise OSError(_ANOTHER)
        self._step_ns = apart

    def _try_times(self) -> None:
        why = _refusal(self._stamp)
        if why:
            self._keeps_times = False
            self._note(f"setting a file's time was refused ({why}); copies get the time of their writing.")
        elif self._step_ns > _EXACT_NS:
            self._note(f"the share keeps times only to about {self._step_ns / 1e9:g} s; closer ones count as equal.")

    def _restrict(self) -> None:
        if not _keeps_mode(self._put(self._small, mode=fs.PROBE_MODE)):
            raise OSError(_ANOTHER)

    def _try_mode(self) -> None:
        why = _refusal(self._restrict)
        if why:
            self._note(f"setting a file's {fs.MODE_WORD} was refused ({why}); copies get the share's own.")

    def _try_flush(self) -> None:
        """Write the large file and flush it in every way that a copy will."""
        volume, path = self._volume, self._path
        flushes = volume.flush is not fs.Flush.NONE
        why = _refusal(lambda: self._put(self._large, flush=flushes))
        if why:
            _thrice("written to", path, lambda: self._put(self._large))
        if not flushes:
            return
        if why:
            self._note(f"a flush was refused ({why}); what a power cut would cost is not known.")
            not_cold = "what was written cannot be flushed"
            self._volume = replace(volume, flush=fs.Flush.NONE, cold_reads=False, why_not_cold=not_cold)
        elif volume.flush is fs.Flush.VOLUME:
            why = _refusal(self._folder.flush_volume)
            if why:
                self._note(f"a flush of the whole volume was refused ({why}).")
                self._volume = replace(volume, flush=fs.Flush.FILE)

    def _right(self) -> bool:
        with self._folder.back(self._large, cold=False) as (_, views):
            return digest_views(views) == digest_views([self._data])

    def _try_cold(self) -> None:
        if not self._volume.cold_reads:
            return
        why = past_cache(self._folder, self._large) or past_cache(self._folder, self._small)
        if why == _OTHER_BYTES:
            raise self._other_bytes()
        self._volume = _seen(self._volume, why)

    def _folds_case(self) -> bool:
        try:
            return self._folder.stat(self._large.upper()).size_bytes == _PROBE_BYTES
        except OSError:
            return False


def _keeps_mode(found: fs.Stat) -> bool:
    return not (found.mode ^ fs.PROBE_MODE) & fs.PROBE_MODE_BITS


def past_cache(folder: fs.Folder, name: str) -> str:
    """Show on one file that a cold read goes past this client's cache. Reads only; "" or why it cannot be shown.

    The system serves O_DIRECT from the cache where it has to, and does not say so. So it is watched: after an
    ordinary read the file's beginning lies in the cache (the system answers yes, so its answers can be trusted here);
    then it is dropped and read with O_DIRECT; if it still does not lie there, the read did not go through the cache.
    On a busy computer pages are now and then not dropped at the first call, hence the tries and the pauses.
    """
    why = ""
    for pause_s in _PAUSES_S:
        time.sleep(pause_s)
        try:
            plain = _beginning(folder, name, cold=False)
            before = folder.cached(name)
            folder.forget(name)
            direct = _beginning(folder, name, cold=True)
            after = folder.cached(name)
        except OSError as error:
            why = f"a read past this client's cache was refused ({fs.explain(error)[1]})"
            continue
        if direct != plain:
            why = _OTHER_BYTES
        elif not fs.DIRECT_MAY_BUFFER or (before, after) == (True, False):
            return ""
        elif None in (before, after):
            return "the system does not tell what lies in this client's cache"
        else:
            why = "a read that should go past this client's cache was served from it"
    return why


def _beginning(folder: fs.Folder, name: str, *, cold: bool) -> Tuple[int, str]:
    with folder.back(name, cold=cold) as (_, views):
        return digest_views(islice(views, 1))


def _seen(volume: fs.Volume, why_not_cold: str) -> fs.Volume:
    return replace(volume, cold_reads=False, why_not_cold=why_not_cold) if why_not_cold else volume


def see_source(path: str, volume: fs.Volume, *, asked: bool) -> fs.Volume:
    """The source's volume, with `cold_reads` only where that is shown on files that lie there.

    The source is never written, so there is no probe: the smallest and the largest file of the first folder that has
    any serve for it. Where nothing can be shown, nothing is promised. `asked` is False where no proof needs it.
    """
    if not (asked and volume.cold_reads and fs.DIRECT_MAY_BUFFER):
        return volume
    try:
        place, names = _some_files(path)
        if not names:
            return _seen(volume, "no file was found to show a read past this client's cache on")
        with fs.Folder(place) as folder:
            return _seen(volume, next(filter(None, (past_cache(folder, name) for name in names)), ""))
    except OSError as error:
        return _seen(volume, fs.explain(error)[1])


def _some_files(root: str) -> Tuple[str, Sequence[str]]:
    """(folder, names of its smallest and largest file that is not empty), of the first folder that has any."""
    folders = [root]
    for place in folders:
        entries = fs.list_folder(place, tolerant=True)
        files = sorted((e.size_bytes, e.name) for e in entries if e.kind is Kind.FILE and e.size_bytes)
        if files:
            return place, [name for _, name in {files[0], files[-1]}]
        room = _LOOK_INTO - len(folders)
        folders += [fs.full_path(place, e.name) for e in entries if e.kind is Kind.FOLDER][: max(0, room)]
    return root, ()


def lowered(policy: Policy, target: Destination) -> Policy:
    """The policy as far as a destination can keep it: times that it refuses are not set, file by file, in vain."""
    return policy if target.keeps_times else replace(policy, keep_times=False)


def unprobed(path: str) -> Destination:
    """What can be said of a destination, which need not exist, without writing to it (a dry run)."""
    current = path
    while not os.path.isdir(current):
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    return Destination(_thrice("reached", path, lambda: fs.volume(current)), False, 0)


def seen_by_times(found: Destination, step_ns: int, *, fold_case: bool) -> Destination:
    """A destination that was not probed, with what earlier copies show of it: how far a time that was set came back
    from what was asked, at most."""
    keeps_times = step_ns < _NOT_KEPT_NS
    return replace(found, fold_case=fold_case, time_step_ns=step_ns if keeps_times else 0, keeps_times=keeps_times)


def _thrice(what: str, path: str, act: Callable[[], Value]) -> Value:
    """Act; a refusal counts only when it comes three times."""
    for attempt in range(1, _TRIES + 1):
        try:
            return act()
        except OSError as error:
            if attempt == _TRIES:
                raise RefusedError(
                    f"The destination {path} cannot be {what}: {fs.explain(error)[1]}. "
                    "Check that it is mounted and that you may write there."
                ) from error
    raise AssertionError("unreachable")


def _refusal(act: Callable[[], object]) -> str:
    """Act; "" or, where that was refused three times, the reason."""
    why = ""
    for _ in range(_TRIES):
        try:
            act()
            return ""
        except OSError as error:
            why = fs.explain(error)[1]
    return why
