"""Trees to copy, always the same for the same arguments."""

from __future__ import annotations

import os
import random

MIB = 1 << 20


def write_small(folder: str, files: int, *, per_folder: int = 80) -> None:
    """Files of log-normal sizes around 4 KB."""
    dice = random.Random(7)
    data = dice.randbytes(MIB)
    for number in range(files):
        parent = os.path.join(folder, f"d{number // per_folder:05}")
        if number % per_folder == 0:
            os.makedirs(parent)
        size = min(MIB, int(dice.lognormvariate(8.3, 1.0)))
        begin = dice.randrange(0, MIB - size + 1)
        with open(os.path.join(parent, f"f{number:07}.bin"), "wb") as file:
            file.write(data[begin : begin + size])


def write_large(folder: str, files: int, size_bytes: int) -> None:
    """Files of random bytes in one folder."""
    os.makedirs(folder, exist_ok=True)
    for number in range(files):
        with open(os.path.join(folder, f"f{number}.bin"), "wb") as file:
            for _ in range(size_bytes // MIB):
                file.write(os.urandom(MIB))


def write_mixed(folder: str, size_bytes: int) -> str:
    """A half in at least one large file, a quarter in middling ones, a quarter in files of 1 MiB, and many small ones.

    Returns:
        What was written, in words.
    """
    each, other = min(1000 * MIB, size_bytes // 2), min(100 * MIB, size_bytes // 4)
    large, middle = max(1, size_bytes // (2 * each)), max(1, size_bytes // (4 * other))
    little, small = max(1, size_bytes // (4 * MIB)), max(100, size_bytes // 800_000)
    write_large(os.path.join(folder, "large"), large, each)
    write_large(os.path.join(folder, "middle"), middle, other)
    for begin in range(0, little, 500):
        write_large(os.path.join(folder, f"little{begin:06}"), min(500, little - begin), MIB)
    write_small(os.path.join(folder, "small"), small)
    large_words = f"{large} of {each // MIB} MiB, {middle} of {other // MIB} MiB"
    return f"files: {large_words}, {little} of 1 MiB, {small} of about 4 KB"


def write_even(folder: str, files: int, size_bytes: int, *, per_folder: int = 250) -> None:
    """Files of one size, each beginning with its number so that no two are alike."""
    data = random.Random(7).randbytes(MIB) if size_bytes > 4096 else bytes(4096)
    for number in range(files):
        parent = os.path.join(folder, f"d{number // per_folder:05}")
        if number % per_folder == 0:
            os.makedirs(parent)
        with open(os.path.join(parent, f"f{number:07}.bin"), "wb", buffering=0) as file:
            begin = b"%d " % number
            left = size_bytes
            while left:
                left -= file.write((begin + data)[:left])
                begin = b""
