"""bench_hash.py: how fast digests are, by buffer and by size. python benchmarks/bench_hash.py --dir /dev/shm/b"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import partial
from typing import Any, Callable, List

from comparing.stopwatch import Bench, Figure, each, main, rate
from vdt.hashing import Digester, digest_of

_BUFFERS = (4 << 10, 64 << 10, 256 << 10, 1 << 20, 8 << 20)
_SMALL = (100, 1_000, 4_000, 65_536, 1_000_000)


def _fed(feed: Callable[[memoryview], Any], data: memoryview, buffer_bytes: int) -> None:
    for at in range(0, len(data), buffer_bytes):
        feed(data[at : at + buffer_bytes])


def _xxh128(data: memoryview, buffer_bytes: int) -> None:
    _fed(Digester().update, data, buffer_bytes)


def _other(name: str, data: memoryview) -> None:
    _fed(hashlib.new(name).update, data, 1 << 20)


def _in_one_go(data: memoryview) -> None:
    for _ in range(1000):
        digest_of(data)


def _file(path: str, buffer_bytes: int) -> None:
    digester, buffer = Digester(), memoryview(bytearray(buffer_bytes))
    with open(path, "rb", buffering=0) as file:
        while got := file.readinto(buffer):
            digester.update(buffer[:got])


def measure(bench: Bench) -> List[Figure]:
    """From memory by buffer, of whole small files, beside other digests, and read from a file."""
    data = memoryview(os.urandom(min(bench.size_bytes, 64 << 20)))
    found = []
    for size in _BUFFERS:
        seconds = bench.timed(partial(_xxh128, data, size))
        found.append(rate(f"xxh128 from memory, buffers of {size >> 10} KiB", seconds, len(data)))
    for size in _SMALL:
        seconds = bench.timed(partial(_in_one_go, data[:size]))
        found.append(each(f"xxh128 of {size:,} bytes in one go", seconds, 1000))
    for name in ("md5", "sha256", "blake2b"):
        part = data[: 16 << 20]
        seconds = bench.timed(partial(_other, name, part))
        found.append(rate(f"{name} from memory, buffers of 1024 KiB", seconds, len(part)))
    path = os.path.join(bench.folder, "large")
    with open(path, "wb") as file:
        for _ in range(max(1, bench.size_bytes // len(data))):
            file.write(data)
    for size in _BUFFERS:
        seconds = bench.timed(partial(_file, path, size))
        found.append(rate(f"a file read and hashed, buffers of {size >> 10} KiB", seconds, os.path.getsize(path)))
    return found


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", measure, sys.argv[1:]))
