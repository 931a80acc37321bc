"""bare_audit.py FOLDER MANIFEST THREADS: the least that reading files past the cache and hashing them takes in Python;
a floor, not an audit.

No listing, no name is looked at for where it leads, no diagnosis, no evidence, nothing to go on from: each file of an
xxhsum -H2 list is opened, read to its end with O_DIRECT, and its digest compared.
"""

from __future__ import annotations

import mmap
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import List, Tuple

import xxhash

_BLOCK_BYTES = 1 << 20
_FILES = 64  # that a thread takes at once


def check(folder_fd: int, lines: List[Tuple[str, str]]) -> None:
    """Raises RuntimeError at the first file that has another digest."""
    with mmap.mmap(-1, _BLOCK_BYTES) as block, memoryview(block) as view:
        for wanted, name in lines:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECT | os.O_NOFOLLOW, dir_fd=folder_fd)
            size_bytes = os.fstat(fd).st_size
            digest = xxhash.xxh3_128()
            while size_bytes > 0:
                room = min(_BLOCK_BYTES, -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE)
                with view[:room] as part:  # a longer one costs a pin of each of its pages
                    count = os.readv(fd, [part])
                if not count:
                    break
                with view[:count] as part:
                    digest.update(part)
                size_bytes -= count
            os.close(fd)
            if digest.hexdigest() != wanted:
                raise RuntimeError(f"{name} has another digest")


def main(words: List[str]) -> None:
    """Check all of the list."""
    folder, manifest, threads = words
    with open(manifest, encoding="utf-8") as file:
        lines = [(line[:32], line[34:].rstrip("\n")) for line in file]
    folder_fd = os.open(folder, os.O_RDONLY)
    few = 1 if len(lines) < 2 * _FILES else _FILES
    parts = [lines[at : at + few] for at in range(0, len(lines), few)]
    with ThreadPoolExecutor(int(threads)) as pool:
        for _ in pool.map(lambda part: check(folder_fd, part), parts):
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
