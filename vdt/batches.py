"""Groups actions into batches: small files of neighbouring folders together, each large file by itself. Pure."""

from __future__ import annotations

from typing import Iterator, List

from vdt import fs
from vdt.copyjob import FLUSH_ALONE_BYTES, Batch, Part
from vdt.model import Action

_MOST_FILES = {
    fs.Flush.VOLUME: 256,  # one flush of the volume costs some milliseconds: shared by so many files it costs nothing
    fs.Flush.FILE: 8,  # no flush to share: small batches keep many workers busy where every call is a round trip
    fs.Flush.NONE: 128,
}
MOST_FILES = _MOST_FILES[fs.Flush.VOLUME]
MOST_BYTES = 32 << 20
MOST_FOLDERS = 16  # each holds two descriptors open until the batch is renamed


def files_in_a_batch(flush: fs.Flush) -> int:
    """Most files of one batch on a file system that is flushed so."""
    return _MOST_FILES[flush]


class Batcher:
    """Takes actions folder by folder and gives full batches."""

    def __init__(self, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
        self._most_files, self._most_bytes = most_files, most_bytes
        self._parts: List[Part] = []
        self._files = self._bytes = 0

    def add(self, folder: str, actions: List[Action]) -> Iterator[Batch]:
        """Take a folder's actions; yields every batch that became full."""
        small: List[Action] = []
        for action in actions:
            size = action.source.size_bytes
            if size >= FLUSH_ALONE_BYTES:
                yield Batch((Part(folder, [action]),), size)
                continue
            small.append(action)
            self._files += 1
            self._bytes += size
            if self._files >= self._most_files or self._bytes >= self._most_bytes:
                self._parts.append(Part(folder, small))
                small = []
                yield self._take()
        if small:
            self._parts.append(Part(folder, small))
            if len(self._parts) >= MOST_FOLDERS:
                yield self._take()

    def rest(self) -> Iterator[Batch]:
        """The last batch, where there is one."""
        if self._parts:
            yield self._take()

    def _take(self) -> Batch:
        batch = Batch(tuple(self._parts), self._bytes)
        self._parts, self._files, self._bytes = [], 0, 0
        return batch
