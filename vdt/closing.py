"""The last look at a tree: does the source, listed once more, hold just what the destination holds?

Pure: two snapshots in, names out. Contents were proven when they were copied; this finds what came, went or changed
since, and a rename that the share confirmed and did not do.
"""

from __future__ import annotations

from typing import Container, List, Tuple

from vdt.model import Count, Problem, join
from vdt.snapshot import LINK_SIZE, Snapshot


def changed_since(
    source: Snapshot,
    dest: Snapshot,
    *,
    before: Snapshot,
    time_step_ns: int,
    times_kept: bool,
    known: Container[str],
) -> Tuple[Problem, ...]:
    """Files that are new, changed or gone at the source since they were copied.

    Args:
        source, dest: listings made after the copy.
        before: the listing of the source before it.
        time_step_ns: how coarsely the destination keeps times.
        times_kept: False when the policy does not copy times; then only sizes are held against each other.
        known: paths that are reported already (failed, unstable, conflict).
    """
    found: List[Problem] = []
    for folder in source.folders():
        copied = dest.folder(folder)
        for name, (size, mtime) in source.folder(folder).items():
            path = join(folder, name)
            if path in known:
                continue
            if name not in copied:
                found.append(Problem(path, "in the source, not at the destination"))
                continue
            stored_size, stored_mtime = copied[name]
            if size != stored_size:
                found.append(Problem(path, f"the source changed since: {stored_size} -> {size} bytes"))
            elif times_kept and size != LINK_SIZE and abs(mtime - stored_mtime) > time_step_ns:
                found.append(Problem(path, "the source changed since: its time moved"))
    for folder in before.folders():
        now = source.folder(folder)
        for name in before.folder(folder):
            path = join(folder, name)
            if name not in now and path not in known:
                found.append(Problem(path, "gone from the source since it was counted"))
    return tuple(found)


def first_difference(before: Snapshot, now: Snapshot) -> str:
    """The first path that two listings of the same tree do not agree on, "" where they agree."""
    for first, second in ((before, now), (now, before)):
        for folder in first.folders():
            if folder not in second:
                return folder
            there = second.folder(folder)
            for name, state in first.folder(folder).items():
                if there.get(name) != state:
                    return join(folder, name)
    return ""


def only_there(source: Snapshot, dest: Snapshot) -> Count:
    """What the destination holds and the source does not: files, folders, bytes."""
    files = folders = size_bytes = 0
    for folder in dest.folders():
        folders += folder not in source
        known = source.folder(folder)
        for name, (size, _) in dest.folder(folder).items():
            if name not in known:
                files += 1
                size_bytes += max(0, size)
    return Count(files, folders, size_bytes)


def bytes_left(source: Snapshot, dest: Snapshot) -> int:
    """Bytes that are still to be copied, by size alone: an upper mark for the free space that is needed."""
    left = 0
    for folder in source.folders():
        there = dest.folder(folder)
        for name, (size, _) in source.folder(folder).items():
            if name not in there or there[name][0] != size:
                left += max(0, size)
    return left
