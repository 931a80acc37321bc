"""Groups what an audit must read: small files of neighbouring folders together, each large file by itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Tuple

from vdt.findings import Check

LARGE_BYTES = 4 << 20  # from this size on, both sides together, a file goes alone
_FILES = 64
_BYTES = 32 << 20
_FOLDERS = 16


@dataclass(frozen=True)
class CheckBatch:
    """What one worker does in one go."""

    parts: Tuple[Tuple[str, Tuple[Check, ...]], ...]  # (folder, its files)
    total_bytes: int

    @property
    def light(self) -> bool:
        """True for small files; a large one goes alone."""
        return len(self.parts) > 1 or len(self.parts[0][1]) > 1 or self.total_bytes < LARGE_BYTES


def alone(check: Check) -> CheckBatch:
    """A batch of one file."""
    return CheckBatch(((check.folder, (check,)),), check.read_bytes)


class CheckBatcher:
    """Takes the checks of one folder after the other."""

    def __init__(self) -> None:
        self._parts: List[Tuple[str, Tuple[Check, ...]]] = []
        self._files = self._bytes = 0

    def add(self, folder: str, checks: List[Check]) -> Iterator[CheckBatch]:
        """Batches that are full now."""
        small: List[Check] = []
        for check in checks:
            size = check.read_bytes
            if size >= LARGE_BYTES:
                yield alone(check)
                continue
            small.append(check)
            self._files += 1
            self._bytes += size
            if self._files >= _FILES or self._bytes >= _BYTES:
                self._parts.append((folder, tuple(small)))
                small = []
                yield self._take()
        if small:
            self._parts.append((folder, tuple(small)))
            if len(self._parts) >= _FOLDERS:
                yield self._take()

    def rest(self) -> Iterator[CheckBatch]:
        """What is left."""
        if self._parts:
            yield self._take()

    def _take(self) -> CheckBatch:
        batch = CheckBatch(tuple(self._parts), self._bytes)
        self._parts, self._files, self._bytes = [], 0, 0
        return batch
