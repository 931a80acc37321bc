"""bare_loop.py SRC DST [THREADS]: the least that a verified copy of small files takes in Python; a floor, not a copier.

No retries, no log, no lock, no records, no manifest, no probe of the destination: each file is read, hashed, written to
a partial, read back, compared and renamed. What `vdt copy` needs beyond this is what it knows and writes down.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import List, NamedTuple, Tuple

import xxhash

_AT_ONCE = 4  # files that a thread takes at a time


class Opened(NamedTuple):
    """A folder of both sides, and the files in it."""

    from_fd: int
    to_fd: int
    files: List[Tuple[str, os.stat_result]]


def copy(source: str, destination: str, threads: int = 1) -> None:
    """Copy a tree of one level of folders.

    Raises:
        RuntimeError: a file was not read back as it was read.
    """
    names = os.listdir(source)
    if threads == 1:
        for name in names:
            opened = begin(os.path.join(source, name), os.path.join(destination, name))
            copy_files(opened, opened.files)
            end(opened)
        return
    with ThreadPoolExecutor(threads) as pool:
        folders = pool.map(lambda name: begin(os.path.join(source, name), os.path.join(destination, name)), names)
        parts = [
            (opened, pool.submit(copy_files, opened, opened.files[at : at + _AT_ONCE]))
            for opened in folders
            for at in range(0, len(opened.files), _AT_ONCE)
        ]
        for _, part in parts:
            part.result()
        list(pool.map(end, {opened.from_fd: opened for opened, _ in parts}.values()))


def begin(source: str, destination: str) -> Opened:
    """Make a folder and list what belongs into it."""
    os.mkdir(destination)
    from_fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    with os.scandir(from_fd) as listing:
        files = [(entry.name, entry.stat(follow_symlinks=False)) for entry in listing]
    return Opened(from_fd, os.open(destination, os.O_RDONLY | os.O_DIRECTORY), files)


def end(opened: Opened) -> None:
    """Close a folder."""
    os.close(opened.from_fd)
    os.close(opened.to_fd)


def copy_files(opened: Opened, files: List[Tuple[str, os.stat_result]]) -> None:
    """Copy files of one folder. Raises RuntimeError as `copy` does."""
    digest = xxhash.xxh3_128_digest
    from_fd, to_fd = opened.from_fd, opened.to_fd
    for name, listed in files:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=from_fd)
        data = os.read(fd, listed.st_size + 1)  # a buffer of a set 1 MiB costs more than the call
        found = os.fstat(fd)
        os.close(fd)
        partial = f".{name}.partial"
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=to_fd)
        os.write(fd, data)
        os.utime(fd, ns=(listed.st_mtime_ns, listed.st_mtime_ns))
        os.close(fd)
        fd = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=to_fd)
        back = os.read(fd, listed.st_size + 1)
        kept = os.fstat(fd)
        os.close(fd)
        if digest(back) != digest(data) or (kept.st_size, kept.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
            raise RuntimeError(f"{name} was not read back as it was read")
        os.rename(partial, name, src_dir_fd=to_fd, dst_dir_fd=to_fd)
        os.stat(name, dir_fd=to_fd, follow_symlinks=False)


if __name__ == "__main__":
    copy(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
