"""Before the first byte: do the two paths stand apart, and does the destination do what a copy needs?

Writes one small probe at the destination and removes it. Never touches the source.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Callable, List, Sequence, Tuple, TypeVar

from vdt import fs
from vdt.errors import RefusedError
from vdt.hashing import digest_views
from vdt.model import Kind

_TRIES = 3
_PROBE_BYTES = 4096
_PROBE_TIME_NS = 1_699_999_999_999_999_999  # an odd second and all nines: whatever a share rounds to shows in full
_EXACT_NS = 100  # NTFS and SMB keep times in steps of 100 ns: not worth a word
_MODE = 0o644
Value = TypeVar("Value")


@dataclass(frozen=True)
class Destination:
    """What the probe found."""

    volume: fs.Volume
    fold_case: bool  # "a" and "A" are one name here
    time_step_ns: int  # how far a time that was set came back from what was asked; 0 is exact
    notes: Tuple[str, ...] = ()


def check_apart(source: str, destination: str) -> None:
    """Refuse a destination that is the source, lies in it, or holds it; by file id, so through links and drives too.

    Raises:
        RefusedError: they are not apart.
    """
    if fs.inside(destination, source):
        same = fs.inside(source, destination)
        how = "is the source itself" if same else "lies inside the source"
        raise RefusedError(f"The destination {destination} {how} ({source}). Choose a destination outside of it.")
    if fs.inside(source, destination):
        raise RefusedError(
            f"The source {source} lies inside the destination {destination}. "
            "Choose a destination that does not hold it."
        )


def check_report(path: str, source: str) -> None:
    """Refuse a report inside a source, which is never written. "" is no report.

    Raises:
        RefusedError: it would lie there.
    """
    if path and fs.inside(os.path.dirname(fs.absolute(path)), source):
        raise RefusedError(f"{path} would lie inside the source {source}, which is never written. Name another place.")


def check_source(path: str) -> None:
    """Refuse a source that is no folder or cannot be looked at.

    Raises:
        RefusedError: it is not there, no folder, or cannot be looked at.
    """
    try:
        found = fs.opened(path)
    except OSError as error:
        raise RefusedError(f"The source {path} cannot be read: {fs.explain(error)[1]}.") from error
    if found.kind is not Kind.FOLDER:
        raise RefusedError(f"The source {path} is not a folder. Give the folder that holds it.")


def probe(path: str) -> Destination:
    """Try everything a copy does on a small file in `path`, which must exist.

    Raises:
        RefusedError: creating, writing, reading back, renaming or deleting was refused three times.
    """
    volume = _thrice("looked at", path, lambda: fs.volume(path))
    name = f".vdt-{os.urandom(8).hex()}.partial"  # should the probe be left behind, a later run takes it for stale
    other = f".vdt-{os.urandom(8).hex()}.partial"
    data = memoryview(os.urandom(_PROBE_BYTES))
    notes = []
    folder = _thrice("opened", path, lambda: fs.Folder(path))
    with folder:

        def write(target: str) -> None:
            folder.unlink(target)
            fd = folder.create(target, _MODE)
            try:
                fs.write_all(fd, data)
            finally:
                fs.close(fd)

        def read_back(cold: bool) -> bool:
            with folder.back(name, cold=cold) as (_, views):
                return digest_views(views) == digest_views([data])

        def seal() -> None:
            folder.unlink(name)
            fd = folder.create(name, _MODE)
            try:
                fs.write_all(fd, data)
            except OSError:
                fs.close(fd)
                raise
            folder.seal(fd, name, mtime_ns=_PROBE_TIME_NS, mode=_MODE, created_mode=_MODE, owner=None, flush=True)

        step_ns = 0
        fold_case = False
        try:
            _thrice("written to", path, lambda: write(name))
            try:
                seal()
                step_ns = abs(folder.stat(name).mtime_ns - _PROBE_TIME_NS)
                if step_ns > _EXACT_NS:
                    notes.append(f"{path}: the share keeps times only to about {step_ns / 1e9:g} s.")
            except OSError as error:
                notes.append(f"{path}: a flush, mode or time was refused ({fs.explain(error)[1]}).")
                _thrice("written to", path, lambda: write(name))
            if volume.flush is fs.Flush.VOLUME:
                try:
                    folder.flush_volume()
                except OSError as error:
                    notes.append(f"{path}: a flush of the whole volume was refused ({fs.explain(error)[1]}).")
                    volume = replace(volume, flush=fs.Flush.FILE)
            cold = volume.cold_reads
            if cold:
                try:
                    cold = read_back(True)
                except OSError:
                    cold = False
                if not cold:
                    why = "a read past this client's cache was refused"
                    volume = replace(volume, cold_reads=False, why_not_cold=why)
            if not _thrice("read back from", path, lambda: read_back(False)):
                raise RefusedError(f"{path} gives back other bytes than were written. Nothing was copied; check it.")
            try:
                fold_case = folder.stat(name.upper()).size_bytes == _PROBE_BYTES
            except OSError:
                fold_case = False
            _thrice("written to", path, lambda: write(other))
            _thrice("renamed in", path, lambda: folder.replace(name, other))
        finally:
            for left in (name, other):
                _thrice("deleted from", path, lambda left=left: folder.unlink(left))  # type: ignore[misc]
    if not volume.cold_reads:
        notes.append(f"{path}: {volume.why_not_cold}; files are recorded as read back, no more.")
    return Destination(volume, fold_case, step_ns, tuple(notes))


def remove_empty(folders: Sequence[str]) -> None:
    """Take back folders that `make_missing` made, where they are still empty."""
    for folder in reversed(folders):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return


def unprobed(path: str) -> Destination:
    """What can be said of a destination, which need not exist, without writing to it (a dry run)."""
    current = path
    while not os.path.isdir(current):
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    try:
        return Destination(fs.volume(current), False, 0)
    except OSError as error:
        raise RefusedError(f"The destination {path} cannot be reached: {fs.explain(error)[1]}.") from error


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


def check_room(volume: fs.Volume, needed_bytes: int, path: str) -> None:
    """Refuse when the destination says that it has less room than is left to copy. Its figure is advisory.

    Raises:
        RefusedError: too little room.
    """
    if volume.free_bytes and needed_bytes > volume.free_bytes:
        raise RefusedError(
            f"{path} has {volume.free_bytes / 1024**3:.1f} GB free, {needed_bytes / 1024**3:.1f} GB are left to copy. "
            "Make room, or use --ignore_space if the figure is wrong."
        )


def make_missing(path: str) -> List[str]:
    """Make a folder and its missing parents; returns those that were made, outermost first.

    Raises:
        RefusedError: one of them cannot be made.
    """
    missing: List[str] = []
    current = path
    while not os.path.lexists(current):
        missing.append(current)
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    missing.reverse()
    try:
        fs.make_folder(path)
    except OSError as error:
        remove_empty(missing)
        raise RefusedError(
            f"The destination {path} cannot be made: {fs.explain(error)[1]}. "
            "Check that the drive is mounted and that you may write there."
        ) from error
    return missing
