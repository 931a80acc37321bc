"""Short measurements of one piece of the house, in this process: the smallest figures, with ranges."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Callable, List, Sequence

from comparing import command, ground, machine
from vdt.cli.terminal import Parser, say_on, whole_number


@dataclass(frozen=True)
class Figure:
    """One figure: median and range of a value in a unit."""

    name: str
    median: float
    least: float
    most: float
    unit: str


@dataclass(frozen=True)
class Bench:
    """What a benchmark works with.

    Attributes:
        folder: empty, ours, gone afterwards.
        files: how many small files it makes.
        size_bytes: of what is large.
        rounds: turns of which medians are taken.
    """

    folder: str
    files: int
    size_bytes: int
    rounds: int

    def timed(self, work: Callable[[], object], *, before: Callable[[], object] = lambda: None) -> List[float]:
        """Seconds of each turn; `before` is off the clock. A first turn does not count."""
        found = []
        for turn in range(self.rounds + 1):
            before()
            began = time.perf_counter()
            work()
            if turn:
                found.append(time.perf_counter() - began)
        return found


def each(name: str, seconds: Sequence[float], count: int) -> Figure:
    """Microseconds of one of `count` things."""
    values = [one / count * 1e6 for one in seconds]
    return Figure(name, statistics.median(values), min(values), max(values), "us")


def rate(name: str, seconds: Sequence[float], size_bytes: int) -> Figure:
    """10^6 bytes a second."""
    values = [size_bytes / one / 1e6 for one in seconds]
    return Figure(name, statistics.median(values), min(values), max(values), "MB/s")


def fresh(folder: str, names: List[int]) -> str:
    """A folder that is not there yet, another one each time; `names` remembers how many there were."""
    names.append(1)
    return os.path.join(folder, f"to_{len(names)}")


def parser(title: str) -> Parser:
    """The options that all of these scripts share."""
    p = Parser(prog=title.split(":", maxsplit=1)[0], description=title)
    p.add_argument("--dir", required=True, metavar="DIR", help="empty or missing folder, on what is measured")
    p.add_argument("--files", type=whole_number(1, 10**7), default=5000, metavar="N", help="small files (5000)")
    p.add_argument("--mib", type=whole_number(1, 10**6), default=256, metavar="N", help="large data (256 MiB)")
    p.add_argument("--rounds", type=whole_number(1, 1000), default=5, metavar="N", help="turns (5)")
    return p


def main(title: str, work: Callable[[Bench], List[Figure]], words: Sequence[str]) -> int:
    """Parse, measure, print; returns the exit code."""

    def run() -> int:
        options = parser(title).parse(words)
        say = say_on(sys.stdout)
        with ground.claimed(os.path.abspath(options.dir)) as own:
            kind = machine.file_system(own)["kind"]
            found = work(Bench(own, options.files, options.mib << 20, options.rounds))
        at = machine.machine()
        say(f"{at['processors']} processors ({at['processor']}), {at['system']}, {at['python']}, {kind}")
        for one in found:
            say(f"{one.name:<56}{one.median:>12.2f}  [{one.least:.2f} .. {one.most:.2f}] {one.unit}")
        return 0

    return command.guarded(run)
