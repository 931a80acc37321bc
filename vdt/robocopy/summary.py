"""The summary block that ends a run's log, in robocopy's layout to the character. Pure.

Numbers are written without digit grouping and with a decimal point in every locale, so that any reader can parse them.
"""

from __future__ import annotations

from datetime import datetime
from typing import List, Sequence

from vdt.model import Row
from vdt.robocopy.log import EOL, RULE, long_date

_HEADING = ("", "Total", "Copied", "Skipped", "Mismatch", "FAILED", "Extras")
_WIDTH = 10
_MEASURABLE_S = 0.001  # robocopy prints no speed for a copy too short to measure
_UNITS = ((1024**4, "t", 1000), (1024**3, "g", 1000), (1024**2, "m", 100), (1024, "k", 10))


def summary(
    dirs: Row,
    files: Row,
    size_bytes: Row,
    copy_seconds: float,
    wait_seconds: float,
    other_seconds: float,
    ended: datetime,
    *,
    bytes_: bool,
    list_only: bool,
) -> str:
    """The whole block, from the empty line before its rule to the empty line that ends the log.

    Args:
        dirs: counts the root folder, as robocopy does.
        copy_seconds: the Copied column of Times, and what the speed is taken from; summed over the workers.
        wait_seconds: the FAILED column of Times: waiting for retries.
        other_seconds: the Extras column of Times: listing and the rest.
        bytes_: /BYTES, sizes as plain numbers; else in k, m, g or t.
        list_only: /L, which never has a speed.
    """
    taken = copy_seconds + wait_seconds + other_seconds
    table = [
        list(_HEADING),
        ["Dirs :", *_cells(dirs, True)],
        ["Files :", *_cells(files, True)],
        ["Bytes :", *_cells(size_bytes, bytes_)],
        ["Times :", _hms(taken), _hms(copy_seconds), "", "", _hms(wait_seconds), _hms(other_seconds)],
    ]
    lines = ["", RULE, "", *_aligned(table)]
    if size_bytes.copied and copy_seconds >= _MEASURABLE_S and not list_only:
        lines += _speed(size_bytes.copied / copy_seconds)
    lines += [f"   Ended : {long_date(ended)}", "", ""]
    return EOL.join(lines)


def short_size(size_bytes: int) -> str:
    """Bytes below 1 KiB, else one decimal of k, two of m, three of g or t; cut off and not rounded."""
    for unit, letter, scale in _UNITS:
        if size_bytes >= unit:
            whole, part = divmod(size_bytes * scale // unit, scale)
            return f"{whole}.{part:0{len(str(scale)) - 1}} {letter}"
    return str(size_bytes)


def _cells(row: Row, plain: bool) -> List[str]:
    numbers = (row.total, row.copied, row.skipped, row.mismatch, row.failed, row.extras)
    return [str(number) if plain else short_size(number) for number in numbers]


def _aligned(table: Sequence[Sequence[str]]) -> List[str]:
    """Right-aligned columns of ten characters; one with a longer value grows to it and a blank."""
    widths = [max(_WIDTH, *(len(row[column]) + 1 for row in table)) for column in range(len(_HEADING))]
    widths[0] = _WIDTH
    return ["".join(f"{cell:>{width}}" for cell, width in zip(row, widths)) for row in table]


def _hms(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _speed(bytes_per_s: float) -> List[str]:
    numbers = (str(int(bytes_per_s)), f"{bytes_per_s * 60 / 1024**2:.3f}")
    width = max(_WIDTH, *(len(number) + 1 for number in numbers))
    units = ("Bytes/sec.", "MegaBytes/min.")
    return ["", "", *(f"   Speed :{'':10}{number:>{width}} {unit}" for number, unit in zip(numbers, units))]
