"""Digests of streams of bytes. xxh128 finds accidents, not tampering; a second digest may run beside it."""

from __future__ import annotations

import hashlib
from typing import Iterable, Optional, Tuple

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

    @property
    def digest(self) -> str:
        """xxh128, 32 hex digits."""
        return self._main.hexdigest()

    @property
    def also(self) -> str:
        """The second digest in hex, "" where none was asked for."""
        return self._other.hexdigest() if self._other is not None else ""


def digest_views(views: Iterable[memoryview]) -> Tuple[int, str]:
    """(bytes seen, xxh128 in hex) of views that are each used before the next is asked for."""
    digester = Digester()
    for view in views:
        digester.update(view)
    return digester.size_bytes, digester.digest
