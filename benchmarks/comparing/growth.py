"""What grows with the number of files and with the size of one, and what does not: points on two axes. Pure but for
`measure`.

Every point is a tree of its own: so many files of one size, or one file of such a size. Contenders take turns on it as
in a comparison.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence, Tuple

from comparing import figures, flushing, ground, rounds
from comparing.contenders import Contender
from comparing.data import Data, holdings
from comparing.figures import Row
from comparing.rounds import Field, Run
from rows.trees import write_even
from vdt.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True)
class Point:
    """One tree: its number of files and the size of each in bytes, and what everybody took for it."""

    files: int
    size_bytes: int
    rows: Tuple[Row, ...]


@dataclass(frozen=True)
class Growth:
    """Points along one axis, rising; `axis` is "files" or "size"."""

    axis: str
    points: Tuple[Point, ...]

    def at(self, point: Point) -> int:
        """Where a point lies on the axis."""
        return point.files if self.axis == "files" else point.size_bytes

    def names(self) -> List[str]:
        """Contenders that have a figure somewhere."""
        return list(dict.fromkeys(row.name for point in self.points for row in point.rows if row.total))

    def line(self, name: str, value: Callable[[Point, Row], float]) -> Tuple[Tuple[float, float], ...]:
        """A contender's values along the axis; points where it has none, or nought, are left out."""
        found = []
        for point in self.points:
            for row in point.rows:
                if row.name == name and row.total and value(point, row) > 0:
                    found.append((float(self.at(point)), value(point, row)))
        return tuple(found)


def amount(text: str) -> int:
    """A number with k, M or G behind it (powers of ten).

    Raises:
        UsageError: it is none.
    """
    digits, unit = (text[:-1], text[-1:].lower()) if text[-1:].lower() in ("k", "m", "g") else (text, "")
    if not digits.isdigit() or not int(digits):
        raise UsageError(f"'{text}' is no number such as 500, 1k, 10M or 2G.")
    return int(digits) * _UNITS[unit]


def seconds_of(_: Point, row: Row) -> float:
    """Median time in seconds."""
    return row.total.median if row.total else 0.0


def micros_a_file(point: Point, row: Row) -> float:
    """Median time over the number of files, in microseconds."""
    return seconds_of(point, row) / point.files * 1e6


def mib_of(_: Point, row: Row) -> float:
    """Most memory of one process, in MiB."""
    return row.peak_mib


def megabytes_a_second(_: Point, row: Row) -> float:
    """Payload, counted once."""
    return row.mb_per_s


def sentences(growth: Growth) -> List[str]:
    """What grows and what does not, from the first point to the last, a sentence a contender."""
    said = []
    for name in growth.names():
        times, memory = growth.line(name, seconds_of), growth.line(name, mib_of)
        if len(times) < 2:
            continue
        (first, quick), (last, slow) = times[0], times[-1]
        pace = _pace(growth.axis, (slow - quick) / (last - first))
        text = f"{name}: {last / first:,.0f} times as much takes {slow / quick:,.1f} times as long"
        text += f" ({quick:.3g} -> {slow:.3g} s; between them {pace})"
        if len(memory) > 1:
            text += f"; memory {memory[0][1]:.0f} -> {memory[-1][1]:.0f} MiB"
        said.append(text + ".")
    return said


def _pace(axis: str, each_s: float) -> str:
    if each_s <= 0:
        return "no more time"
    return f"{each_s * 1e6:.1f} us a file" if axis == "files" else f"{1e-6 / each_s:.0f} MB/s"


def measure(
    own: str,
    scratch: str,
    axis: str,
    trees: Sequence[Tuple[int, int]],
    contenders: Sequence[Contender],
    rounds_: int,
    found: Dict[str, List[Point]],
    say: Callable[[str], None],
) -> None:
    """Make each tree (files, bytes of each) in a folder of ours, let all take turns, and remove it again.

    `found[axis]` grows by each point that ended, so that an interruption leaves what was measured.
    """
    for number, (files, size_bytes) in enumerate(trees):
        say(f"{files:,} x {size_bytes:,} bytes")
        base = os.path.join(own, f"{axis}_{number}")
        source, behind = os.path.join(base, "source"), os.path.join(base, "to")
        os.makedirs(behind)
        os.makedirs(mine := os.path.join(scratch, f"{axis}_{number}"))
        try:
            ground.check_room(base, 2 * files * size_bytes, f"{files:,} files of {size_bytes:,} bytes and a copy")
            write_even(source, files, size_bytes)
            flushing.flush(source)
            runs: Dict[str, List[Run]] = {}
            held = holdings(source)
            rounds.race(Field(Data(source, "", held), behind, behind, mine), contenders, rounds_, runs, say)
            rows = tuple(figures.rows(contenders, runs, held))
            found.setdefault(axis, []).append(Point(files, size_bytes, rows))
        finally:
            ground.remove(base)
