"""One listing of a tree, packed: names, sizes and times of every file, about 60 bytes a file.

Pure. The count before the transfer is such a listing; with it a file that grew can be named, and the last listing of
the source can be held against the first.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from vdt.model import Count, Entry, Kind, Problem

LINK_SIZE = -1  # stands for the size of a link: its text is compared, not its time
_FARTHEST_NS = 2**63 - 1  # the year 2262; ext4 and NTFS keep later times


def clamped(time_ns: int) -> int:
    """A time as it fits 64 bits."""
    return max(-_FARTHEST_NS, min(time_ns, _FARTHEST_NS))


class Snapshot:
    """Files of a tree by folder. Links count as files without bytes, as a walk of the tree counts them; sockets, fifos
    and devices are no files."""

    def __init__(self) -> None:
        self._folders: Dict[str, Tuple[str, array[int]]] = {}
        self._files = 0
        self._bytes = 0
        self.unreadable: List[Problem] = []

    def add(self, folder: str, entries: Iterable[Entry]) -> None:
        """Take the listing of one folder; its sub-folders are added by calls of their own."""
        names = []
        numbers = array("q")
        for entry in entries:
            if entry.kind not in (Kind.FILE, Kind.LINK):
                continue
            names.append(entry.name)
            size = entry.size_bytes if entry.kind is Kind.FILE else LINK_SIZE
            numbers.append(size)
            numbers.append(clamped(entry.mtime_ns))
            self._bytes += max(0, size)
        self._folders[folder] = ("/".join(names), numbers)
        self._files += len(names)

    @property
    def count(self) -> Count:
        """Files, folders below the root, bytes."""
        return Count(self._files, max(0, len(self._folders) - 1), self._bytes)

    @property
    def count_without_empty_folders(self) -> Count:
        """The same, without folders that hold no file, neither they nor what is below them."""
        holding = set()
        for folder, (names, _) in self._folders.items():
            at = folder if names else ""
            while at and at not in holding:
                holding.add(at)
                at = at.rpartition("/")[0]
        return Count(self._files, len(holding), self._bytes)

    def folder(self, folder: str) -> Dict[str, Tuple[int, int]]:
        """name -> (size in bytes, mtime in ns) of one folder's files; empty where there is no such folder."""
        if folder not in self._folders:
            return {}
        joined, numbers = self._folders[folder]
        names = joined.split("/") if joined else []
        return {name: (numbers[2 * i], numbers[2 * i + 1]) for i, name in enumerate(names)}

    def by_size(self, limits: Sequence[int]) -> List[Tuple[int, int]]:
        """(files, bytes) of the files below each limit and not below the one before, and of all others; no links."""
        found = [[0, 0] for _ in range(len(limits) + 1)]
        for _, numbers in self._folders.values():
            for size_bytes in numbers[::2]:
                if size_bytes >= 0:
                    at = found[bisect_right(limits, size_bytes)]
                    at[0] += 1
                    at[1] += size_bytes
        return [(files, size_bytes) for files, size_bytes in found]

    def __contains__(self, folder: str) -> bool:
        return folder in self._folders

    def folders(self) -> Iterator[str]:
        """Every folder, the root ("") included."""
        return iter(self._folders)
