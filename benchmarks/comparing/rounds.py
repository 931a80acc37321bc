"""Everybody in turn, the order turned round each time, so that what drifts strikes all alike.

The clock runs from the start of the first command to the end of a flush of what was written; both parts are kept. Off
the clock: a flush of what earlier turns left, the source out of memory where that was asked for, a look whether as many
files and bytes arrived as there are, and clearing up. Who fails a turn stays in the table with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from comparing import flushing, ground, process
from comparing.contenders import Contender, Job, Step
from comparing.data import Data, holdings
from rows.forget import forget
from vdt.hashing import Digester
from vdt.model import Evidence
from vdt.printable import printable

_REPORT = "report.json"
_MANIFEST = "manifest.xxh128"
_STRENGTH = [Evidence.NONE, Evidence.INFLIGHT, Evidence.REREAD, Evidence.COLD, Evidence.BOTH]


class NotReadyError(RuntimeError):
    """What a contender needs before the clock starts could not be made; says why."""


class Run(NamedTuple):
    """One turn of one contender.

    Attributes:
        number: of the round, from 1.
        position: in the order of that round, from 1.
        seconds: to the end of the last command.
        flush_seconds: from there to the end of the flush; 0 for an audit, which writes nothing to speak of.
        step_seconds: of each command.
        peak_kib: the most memory of a command, 0 where unknown.
        evidence: what was proven of the least proven file.
        commands: as they were run.
        fault: why it does not count, "" when it does.
    """

    number: int
    position: int
    seconds: float
    flush_seconds: float
    step_seconds: Tuple[float, ...]
    peak_kib: int
    evidence: Evidence
    commands: Tuple[Tuple[str, ...], ...]
    fault: str


@dataclass
class Field:
    """Where it is run.

    Attributes:
        seen: folder of the destinations, as the contenders see it.
        behind: the same folder as we make, count, flush and remove: not through a mount that slows them down.
        scratch: folder of ours off the file systems under test.
        cold: take what is read out of memory before each turn.
    """

    data: Data
    seen: str
    behind: str
    scratch: str
    cold: bool = False
    _turns: int = 0
    _prepared: Dict[str, List[str]] = field(default_factory=dict)  # contender -> files of its scratch that stay

    def turn(self, one: Contender, number: int, position: int) -> Run:
        """Let a contender do its job once. Raises OSError, RefusedError where our own part fails."""
        work = self._copy_turn if one.job is Job.COPY else self._audit_turn
        try:
            return work(one, number, position)
        except NotReadyError as error:
            return Run(number, position, 0.0, 0.0, (), 0, Evidence.NONE, (), f"before its turn {error}")

    def _copy_turn(self, one: Contender, number: int, position: int) -> Run:
        self._turns += 1
        own = f"turn_{self._turns:05}"  # a new name: nothing of it is in any cache
        os.makedirs(os.path.join(self.behind, own, "copy"))
        places = self._places(one, os.path.join(self.seen, own, "copy"))
        self._settle()
        try:
            run = self._timed(one, places, number, position, written=os.path.join(self.behind, own))
            if not run.fault:
                run = run._replace(fault=self._missing(os.path.join(self.behind, own, "copy")))
            return run
        finally:
            ground.remove(os.path.join(self.behind, own))

    def _audit_turn(self, one: Contender, number: int, position: int) -> Run:
        copy = os.path.join(self.behind, "audited", "copy")
        if not os.path.exists(copy):
            shutil.copytree(self.data.source, copy, symlinks=True)
        places = self._places(one, os.path.join(self.seen, "audited", "copy"))
        self._settle()
        if self.cold:
            forget(copy)
        try:
            return self._timed(one, places, number, position, written="")
        finally:
            for name in os.listdir(os.path.dirname(copy)):  # an audit leaves its evidence beside the copy
                if name != "copy":
                    _remove_any(os.path.join(os.path.dirname(copy), name))

    def _settle(self) -> None:
        flushing.flush(self.behind)
        if self.cold:
            forget(self.data.source)

    def _places(self, one: Contender, destination: str) -> Dict[str, str]:
        """Folders of one turn; what the contender needs beforehand is made the first time."""
        own = os.path.join(self.scratch, "".join(c if c.isalnum() else "_" for c in one.name))
        places = {"source": self.data.source, "destination": destination, "scratch": own}
        if one.name not in self._prepared:
            os.makedirs(own)
            if any(_MANIFEST in word for step in one.steps for word in step.words):
                self._write_manifest(os.path.join(own, _MANIFEST))
            for step in one.prepared:
                _ended, fault = _do(step.filled(places))
                if fault:
                    raise NotReadyError(fault)
            self._prepared[one.name] = os.listdir(own)
        for name in os.listdir(own):
            if name not in self._prepared[one.name]:
                _remove_any(os.path.join(own, name))
        return places

    def _timed(self, one: Contender, places: Dict[str, str], number: int, position: int, *, written: str) -> Run:
        seconds: List[float] = []
        commands: List[Tuple[str, ...]] = []
        peak, fault = 0, ""
        for step in one.steps:
            filled = step.filled(places)
            commands.append(filled.words)
            ended, fault = _do(filled)
            seconds.append(ended.seconds)
            peak = max(peak, ended.peak_kib)
            if fault:
                break
        flush_seconds = 0.0
        if written:
            began = time.perf_counter()
            flushing.flush(written)
            flush_seconds = time.perf_counter() - began
        evidence = one.evidence
        if one.reports and not fault:
            evidence, fault = _proven(os.path.join(places["scratch"], _REPORT))
        total = sum(seconds)
        return Run(number, position, total, flush_seconds, tuple(seconds), peak, evidence, tuple(commands), fault)

    def _missing(self, copy: str) -> str:
        found, wanted = holdings(copy), self.data.held
        if (found.files, found.size_bytes) == (wanted.files, wanted.size_bytes):
            return ""
        return (
            f"it said success, and {found.files} of {wanted.files} files with {found.size_bytes} of "
            f"{wanted.size_bytes} bytes were there"
        )

    def _write_manifest(self, path: str) -> None:
        ready = os.path.join(self.scratch, _MANIFEST)
        if not os.path.exists(ready):
            with open(ready, "wb") as file:
                for relative, digest in digests(self.data.source):
                    file.write(f"{digest}  ".encode("ascii") + os.fsencode(relative) + b"\n")
        shutil.copyfile(ready, path)


def digests(root: str) -> Iterator[Tuple[str, str]]:
    """(path below root with "/", xxh128) of each file."""
    buffer = memoryview(bytearray(1 << 20))
    for at, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(at, name)
            digester = Digester()
            with open(path, "rb", buffering=0) as file:
                while got := file.readinto(buffer):
                    digester.update(buffer[:got])
            yield os.path.relpath(path, root).replace(os.sep, "/"), digester.digest


def _do(step: Step) -> Tuple[process.Ended, str]:
    """Run one command; returns how it ended and what is wrong with that, "" when nothing is."""
    try:
        ended = process.run(step.words, folder=step.folder, output=step.output)
    except OSError as error:
        return process.Ended(-1, 0.0, 0, False, ""), f"could not be started: {error.strerror}"
    said = printable(ended.said.splitlines()[-1][:300]) if ended.said else ""
    if ended.code not in step.good:
        return ended, f"{step.words[0].rsplit(os.sep, 1)[-1]} ended with {ended.code}" + (f": {said}" if said else "")
    if step.silent and ended.printed:
        return ended, f"it named what differs: {said}"
    return ended, ""


def _proven(report: str) -> Tuple[Evidence, str]:
    """What our own report says of the least proven file, and a fault where it says nothing."""
    try:
        with open(report, encoding="ascii") as file:
            value: Dict[str, Any] = json.load(file)
        counts = value["files_by_evidence"]
    except (OSError, ValueError, KeyError):
        return Evidence.NONE, "it wrote no report of what was proven"
    found = [level for level in Evidence if counts.get(level.value)]
    if not found:
        return Evidence.NONE, "it proved no file"
    return min(found, key=lambda level: _STRENGTH.index(level) if level in _STRENGTH else 0), ""


def _remove_any(path: str) -> None:
    if os.path.isdir(path):
        ground.remove(path)
    else:
        os.remove(path)


def in_turn(contenders: Sequence[Contender], number: int) -> List[Contender]:
    """The order of a round, counted from 1: every second one begins at the other end."""
    return list(contenders) if number % 2 else list(reversed(contenders))


def race(
    field_: Field, contenders: Sequence[Contender], rounds: int, runs: Dict[str, List[Run]], say: Callable[[str], None]
) -> None:
    """All rounds. `runs` grows by each turn that ended, so that an interruption leaves what was measured."""
    for number in range(1, rounds + 1):
        for position, one in enumerate(in_turn(contenders, number), 1):
            if any(run.fault for run in runs.get(one.name, ())):
                continue  # who fails once would only fail again
            run = field_.turn(one, number, position)
            runs.setdefault(one.name, []).append(run)
            total = run.seconds + run.flush_seconds
            say(f"round {number} of {rounds}  {one.name:<36} {run.fault or f'{total:9.3f} s'}")
