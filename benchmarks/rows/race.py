"""Contenders take turns; medians, ranges, ratios and goals are printed, and kept for a Markdown table.

The clock is the whole process, its start included, and stops when the process ends. Every destination is new, in a
folder of its own, which is removed when the clock has stopped. A contender that is not installed is said to be not
measured.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from dataclasses import dataclass, field
from typing import Callable, Dict, List, NamedTuple, Sequence

from comparing import process

VDT = [sys.executable, "-m", "vdt", "copy", "{source}", "{destination}", "--quiet", "--exit", "plain"]
RSYNC = ["rsync", "-a", "{source}/", "{destination}/"]
BARE_LOOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bare_loop.py")
CP = ["cp", "-a", "{source}/.", "{destination}/"]
OURS = "vdt copy (proven)"


class Taken(NamedTuple):
    """One timed command."""

    seconds: float
    peak_kib: int


class Goal(NamedTuple):
    """Ours takes at most so many times as long as a rival."""

    most: float
    rival: str


@dataclass(frozen=True)
class Place:
    """Where a race is run.

    Attributes:
        source: what is copied, as the contenders see it.
        seen: the folder of the destinations, as the contenders see it.
        behind: the same folder as we make and remove it: not through the mount that slows the contenders down.
    """

    source: str
    seen: str
    behind: str

    @classmethod
    def below(cls, base: str) -> Place:
        """Source and destinations in one folder, no mount between."""
        return cls(os.path.join(base, "source"), base, base)


@dataclass
class Report:
    """Prints what was found and keeps it for the Markdown table."""

    rounds: int
    row: str = ""
    lines: List[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a line, indented below its row."""
        print(f"  {text}", flush=True)

    def measured(self, name: str, command: str, figures: str, ratio: str = "") -> None:
        """One contender's figures."""
        self.say(f"{name:<40} {figures}" + (f"   ours / this: {ratio}" if ratio else ""))
        self._line(name, f"`{command}`" if command else "", figures, ratio)

    def not_measured(self, name: str, why: str) -> None:
        """One contender, or a whole row, of which there are no figures."""
        self.say(f"{name:<40} not measured: {why}")
        self._line(name, "", f"not measured: {why}", "")

    def goal(self, text: str, *, met: bool) -> None:
        """What was hoped for, and whether it came so."""
        self.say(f"goal: {text}: {'met' if met else 'not met'}")
        self._line(f"goal: {text}", "", f"**{'met' if met else 'not met'}**", "")

    def no_goal(self, rival: str) -> None:
        """A goal beside a rival that was not there."""
        self.say(f"goal beside {rival}: not measured")

    def markdown(self, heading: Sequence[str]) -> str:
        """The table of everything that was measured, below what it was measured on."""
        table = ["| row | contender | figures | ours / this | command |", "|---|---|---|---|---|", *self.lines]
        return "\n".join([*(f"* {line}" for line in heading), "", *table, ""])

    def _line(self, name: str, command: str, figures: str, ratio: str) -> None:
        cells = [cell.replace("|", "\\|") for cell in (self.row, name, " ".join(figures.split()), ratio, command)]
        self.lines.append(f"| {' | '.join(cells)} |")


def shown(command: List[str]) -> str:
    """A command as a reader can repeat it."""
    words = [word.format(source="SRC", destination="DST") for word in command]
    if words[0] == sys.executable:
        words[0] = "python"
    text = " ".join(f"'{word}'" if " " in word else word for word in words)
    return text.replace(sys.executable, "python").replace(os.getcwd() + os.sep, "")


def timed(command: List[str], source: str = "", destination: str = "") -> Taken:
    """Run a command, its places filled in, in a process group of its own.

    Raises:
        RuntimeError: it failed; says what it said.
    """
    filled = [word.format(source=source, destination=destination) for word in command]
    ended = process.run(filled)
    if ended.code:
        raise RuntimeError(f"{' '.join(filled)} ended with {ended.code}: {ended.said}")
    return Taken(ended.seconds, ended.peak_kib)


def race(
    report: Report,
    place: Place,
    contenders: Dict[str, List[str]],
    goals: Sequence[Goal] = (),
    *,
    ours: str = OURS,
    warm_up: bool = True,
    keep: bool = False,
    before: Callable[[], None] = lambda: None,
) -> Dict[str, List[Taken]]:
    """Let the contenders take turns, print the table, and hold ours against the goals.

    Args:
        ours: the contender that ratios and goals are about.
        warm_up: a first turn does not count. Left out where what is waited for is no cache.
        keep: each contender finds the destination that its first turn filled.
        before: called before each contender, off the clock.
    """
    taken: Dict[str, List[Taken]] = {}
    for name, command in contenders.items():
        if shutil.which(command[0]):
            taken[name] = []
        else:
            report.not_measured(name, f"{command[0]} is not installed")
    for turn in range(report.rounds + warm_up):
        for number, (name, runs) in enumerate(taken.items()):
            own = f"to_{number}" if keep else f"to_{number}_{turn}"  # a new name: nothing of it is in any cache
            os.makedirs(os.path.join(place.behind, own, "copy"), exist_ok=keep)
            before()
            try:
                one = timed(contenders[name], place.source, os.path.join(place.seen, own, "copy"))
            except RuntimeError as error:
                raise RuntimeError(f"{name}: {error}") from error
            if turn >= warm_up:
                runs.append(one)
            if not keep:
                shutil.rmtree(os.path.join(place.behind, own))
    for name, runs in taken.items():
        ratio = median(taken[ours]) / median(runs)
        report.measured(name, shown(contenders[name]), figures(runs), f"{ratio:.2f}")
    for goal in goals:
        if goal.rival in taken:
            ratio = median(taken[ours]) / median(taken[goal.rival])
            report.goal(f"{ours} <= {goal.most:g} x {goal.rival} ({ratio:.2f})", met=ratio <= goal.most)
        else:
            report.no_goal(goal.rival)
    return taken


def median(runs: List[Taken]) -> float:
    """Median of the seconds."""
    return statistics.median(one.seconds for one in runs)


def figures(runs: List[Taken]) -> str:
    """Median and range, in seconds."""
    seconds = [one.seconds for one in runs]
    return f"{statistics.median(seconds):8.3f} s  [{min(seconds):.3f} .. {max(seconds):.3f}]"
