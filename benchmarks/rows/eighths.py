"""What a connection gives: N threads, each with its own part of one file, in calls of 1 MiB. Nothing is verified.

eighths.py read FILE N          the whole of FILE, and forget it
eighths.py write FILE N SIZE    SIZE bytes, flushed
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Callable, List

_CALL_BYTES = 1 << 20


def _read(file: int, begin: int, end: int) -> None:
    buffer = memoryview(bytearray(_CALL_BYTES))
    while begin < end:
        got = os.preadv(file, [buffer[: end - begin]], begin)
        if not got:
            raise EOFError(f"the file ends at {begin}")
        begin += got


def _write(file: int, begin: int, end: int) -> None:
    data = memoryview(os.urandom(_CALL_BYTES))
    while begin < end:
        begin += os.pwrite(file, data[: end - begin], begin)


def main(arguments: List[str]) -> int:
    """Do one of both; the exit code is the number of threads that failed."""
    verb, path, parts = arguments[0], arguments[1], int(arguments[2])
    file = os.open(path, os.O_RDONLY if verb == "read" else os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    size = os.fstat(file).st_size if verb == "read" else int(arguments[3])
    move: Callable[[int, int, int], None] = _read if verb == "read" else _write
    done: List[int] = []

    def part(number: int) -> None:
        move(file, number * size // parts, (number + 1) * size // parts)
        done.append(number)

    threads = [threading.Thread(target=part, args=(number,)) for number in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if verb == "write":
        os.fsync(file)
    os.close(file)
    return parts - len(done)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
