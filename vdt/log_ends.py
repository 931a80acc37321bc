"""Reads the two ends of a log, which hold all that is asked of it: the header and the summary.

A log of robocopy names every file, so that of a tree of 124,000 files has 20 MB and more. Of any log at most 128 KiB
are held here, and read once.
"""

from __future__ import annotations

import os

PIECE_BYTES = 1 << 16  # of each end; even, so that a cut does not tear UTF-16 apart


def read_ends(path: str, begins: int = 0) -> bytes:
    """The first and the last 64 KiB of what stands in a file behind `begins`, all of it where it is shorter.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        ends = file.seek(0, os.SEEK_END)
        file.seek(begins)
        head = file.read(PIECE_BYTES)
        skipped = max(0, ends - PIECE_BYTES - begins - len(head))
        file.seek(begins + len(head) + skipped + skipped % 2)
        return head + file.read(PIECE_BYTES)
