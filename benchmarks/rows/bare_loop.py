"""bare_loop.py SRC DST: the least that a verified copy of small files takes in Python; a floor, not a copier.

One thread, no retries, no log, no lock, no records, no manifest: each file is read, hashed, written to a partial,
read back, compared and renamed. What `vdt copy` needs beyond this is what it knows and writes down.
"""

from __future__ import annotations

import os
import sys

import xxhash

_LARGEST = 1 << 20


def copy(source: str, destination: str) -> None:
    """Copy a tree of one level of folders.

    Raises:
        RuntimeError: a file was not read back as it was read.
    """
    digest = xxhash.xxh3_128_digest
    for folder in os.listdir(source):
        os.mkdir(os.path.join(destination, folder))
        from_fd = os.open(os.path.join(source, folder), os.O_RDONLY | os.O_DIRECTORY)
        to_fd = os.open(os.path.join(destination, folder), os.O_RDONLY | os.O_DIRECTORY)
        with os.scandir(from_fd) as listing:
            files = [(entry.name, entry.stat(follow_symlinks=False)) for entry in listing]
        for number, (name, listed) in enumerate(files):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=from_fd)
            data = os.read(fd, _LARGEST)
            found = os.fstat(fd)
            os.close(fd)
            partial = f".{number}.partial"
            fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=to_fd)
            os.write(fd, data)
            os.utime(fd, ns=(listed.st_mtime_ns, listed.st_mtime_ns))
            os.close(fd)
            fd = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=to_fd)
            back = os.read(fd, _LARGEST)
            kept = os.fstat(fd)
            os.close(fd)
            if digest(back) != digest(data) or (kept.st_size, kept.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
                raise RuntimeError(f"{name} was not read back as it was read")
            os.rename(partial, name, src_dir_fd=to_fd, dst_dir_fd=to_fd)
            os.stat(name, dir_fd=to_fd, follow_symlinks=False)
        os.close(from_fd)
        os.close(to_fd)


if __name__ == "__main__":
    copy(sys.argv[1], sys.argv[2])
