"""passes.py FROM TO BACK in-turn|at-once: what the disk alone can do, past the cache, with no program in the way.

Three passes over as many bytes: FROM is read, TO is written, BACK is read. In turn: the first two together, as a copy
does, then the third, as a proof afterwards does. At once: all three together, which is the most that a proof can
overlap a copy.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from typing import List

_BLOCK_BYTES = 4 << 20


def read(path: str) -> None:
    """Read a file from the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, _BLOCK_BYTES) as block:
        while os.readv(fd, [block]):
            pass
    os.close(fd)


def write(path: str, size_bytes: int) -> None:
    """Write a new file to the disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_DIRECT, 0o644)
    with mmap.mmap(-1, _BLOCK_BYTES) as block:
        for _ in range(size_bytes // _BLOCK_BYTES):
            os.writev(fd, [block])
    os.fsync(fd)
    os.close(fd)


def _together(*passes: threading.Thread) -> None:
    for one in passes:
        one.start()
    for one in passes:
        one.join()


def main(words: List[str]) -> None:
    """Do the three passes."""
    source, destination, back, how = words
    size_bytes = os.stat(source).st_size
    copy = [
        threading.Thread(target=read, args=[source]),
        threading.Thread(target=write, args=[destination, size_bytes]),
    ]
    proof = threading.Thread(target=read, args=[back])
    if how == "at-once":
        _together(*copy, proof)
    else:
        _together(*copy)
        _together(proof)


if __name__ == "__main__":
    main(sys.argv[1:])
