"""Digests of streams of bytes. xxh128 finds accidents, not tampering; a second digest may run beside it."""

from __future__ import annotations

import hashlib
from typing import Iterable, List, Optional, Tuple

import xxhash

OTHER_DIGESTS = ("md5", "sha256")  # what --also_hash offers


def digest_of(view: memoryview) -> str:
    """xxh128 of bytes that lie in memory as a whole, 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(view)


def short_digest(data: bytes) -> str:
    """xxh3 of 64 bits, 16 hex digits: for names."""
    return xxhash.xxh3_64_hexdigest(data)


class Digester:
    """xxh128 of everything it is shown, and a second digest where one was asked for.

    One `update` with the whole of a small file is all that it costs; xxhash frees the GIL above 64 KiB.
    """

    __slots__ = ("_main", "_other", "size_bytes")

    def __init__(self, also: Optional[str] = None) -> None:
        self._main = xxhash.xxh3_128()
        self._other = hashlib.new(also, usedforsecurity=False) if also else None
        self.size_bytes = 0

    def update(self, view: memoryview) -> None:
        self._main.update(view)
        self.size_bytes += len(view)
        if self._other is not None:
            self._other.update(view)

    def anew(self) -> Digester:
        """Another of the same kind that has seen nothing."""
        return Digester(self._other.name if self._other is not None else None)

    @property
    def digest(self) -> str:
        """xxh128, 32 hex digits."""
        return self._main.hexdigest()

    @property
    def also(self) -> str:
        """The second digest in hex, "" where none was asked for."""
        return self._other.hexdigest() if self._other is not None else ""


class ChunkDigester:
    """xxh128 of each chunk of a stream: gives a digest whenever a chunk has become whole."""

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._main = xxhash.xxh3_128()
        self._filled = 0

    def update(self, view: memoryview) -> List[str]:
        """Take bytes, whatever their number; returns the digests of the chunks that they completed."""
        digests = []
        while len(view) >= self._chunk_bytes - self._filled:
            room = self._chunk_bytes - self._filled
            self._main.update(view[:room])
            digests.append(self._main.hexdigest())
            self._main.reset()
            self._filled, view = 0, view[room:]
        self._main.update(view)
        self._filled += len(view)
        return digests


def digest_views(views: Iterable[memoryview]) -> Tuple[int, str]:
    """(bytes seen, xxh128 in hex) of views that are each used before the next is asked for."""
    digester = Digester()
    for view in views:
        digester.update(view)
    return digester.size_bytes, digester.digest
