"""The order of things: read the words, claim the ground, make the data, let all take turns, write what was found.

Whatever happens between claiming and writing, what was made is removed first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Callable, Dict, List, Sequence, Tuple

from comparing import data, figures, flushing, ground, interrupt, machine, options, page, picture, rounds, table
from comparing.contenders import Contender, Job, auditors, chosen, copiers
from comparing.imitated import stage
from comparing.options import Asked
from comparing.result import Result, Side, json_object
from comparing.rounds import Field, Run
from vdt import fs
from vdt.cli.terminal import say_on
from vdt.errors import LostOutputError, RefusedError, UsageError, VdtError
from vdt.printable import printable

INTERRUPTED = 130
_NAMES = ("results.json", "results.html", "results.png")


@dataclass
class Measured:
    """What is known so far; an interruption leaves it as it is."""

    contenders: List[Contender]
    missing: Dict[str, str]
    runs: Dict[str, List[Run]] = field(default_factory=dict)
    sides: Tuple[Side, ...] = ()
    data: Tuple[data.Data, ...] = ()


def main(words: Sequence[str]) -> int:
    """Run `compare.py`; returns its exit code."""
    return guarded(lambda: _compare(words))


def guarded(work: Callable[[], int]) -> int:
    """Do something; a fault of the user's or the system's ends in a plain sentence and 16, Ctrl-C in 130."""
    say = say_on(sys.stderr)
    interrupt.end_once()
    try:
        return work()
    except VdtError as error:
        say(str(error))
        return error.exit_code
    except OSError as error:
        say(f"{printable(str(error.filename or 'The system'))}: {fs.explain(error)[1]}.")
        return 16
    except KeyboardInterrupt:
        say("Interrupted; what was made here is removed.")
        return INTERRUPTED


def _compare(words: Sequence[str]) -> int:
    asked = options.read(words)
    say, note = say_on(sys.stdout), say_on(sys.stderr)
    catalogue = [one for one in [*copiers(asked.threads), *auditors()] if one.job in asked.jobs]
    contenders, missing = chosen(catalogue, asked.tools, shutil.which, windows=fs.WINDOWS)
    if asked.list_only:
        _list(catalogue, missing, say)
        return 0
    if not contenders:
        raise UsageError("Nobody is there to be measured. See compare.py --list.")
    check_reports(asked.out, _NAMES)
    measured = Measured(contenders, missing)
    interrupted = False
    try:
        _measure(asked, measured, note)
    except KeyboardInterrupt:
        interrupted = True
        note("Interrupted; what was made here is removed.")
    if not any(measured.runs.values()):
        return INTERRUPTED if interrupted else 16
    result = Result(
        made=datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        command=subprocess.list2cmdline(["python", "benchmarks/compare.py", *words]),
        complete=not interrupted,
        rounds=asked.rounds,
        machine=machine.machine(),
        versions=machine.versions(program for one in contenders for program in one.programs),
        source=measured.sides[0],
        destination=measured.sides[1],
        data=measured.data[0],
        rows=tuple(figures.rows(contenders, measured.runs, measured.data[0].held)),
        missing=missing,
    )
    _print(result, say)
    _write(result, asked, note)
    if interrupted:
        return INTERRUPTED
    return 8 if any(row.fault for row in result.rows) else 0


def check_reports(folder: str, names: Sequence[str]) -> None:
    """Make the folder of the reports; refuse to write over any that are there.

    Raises:
        RefusedError: names the file.
    """
    os.makedirs(folder, exist_ok=True)
    for name in names:
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            raise RefusedError(f"{printable(path)} is there already. Name another folder with --out, or move it away.")


def _measure(asked: Asked, measured: Measured, note: Callable[[str], None]) -> None:
    with ExitStack() as stack:
        scratch = stack.enter_context(ground.scratch_folder())
        if asked.existing:
            if not os.path.isdir(asked.existing):
                raise RefusedError(f"{printable(asked.existing)} is no folder.")
            source, words = asked.existing, "what was there (--existing)"
            destination = stack.enter_context(ground.claimed(asked.destination))
        else:
            size = data.fit(asked.profile, asked.size_bytes)
            source = stack.enter_context(ground.claimed(asked.source))
            destination = stack.enter_context(ground.claimed(asked.destination))
            ground.check_room(source, size.size_bytes, "the data")
            note(f"making {size.files:,} files, {size.size_bytes / 1e9:.3f} GB")
            words = data.make(source, asked.profile, size)
        ground.check_apart(source, destination)
        held = data.holdings(source)
        if not held.files:
            raise RefusedError(f"{printable(source)} holds no file to copy.")
        ground.check_room(destination, held.size_bytes, "a copy")
        at = stack.enter_context(stage(destination, latency_ms=asked.latency_ms, samba_ms=asked.samba_ms))
        cache = prepare_source(source, held, asked, machine.memory_bytes())
        measured.data = (data.Data(source, words, held),)
        seen = Side(asked.destination, words=at.words, flush=flushing.how(at.behind), **machine.file_system(at.seen))
        measured.sides = (Side(asked.existing or asked.source, cache=cache, **machine.file_system(source)), seen)
        arena = Field(measured.data[0], at.seen, at.behind, scratch, cold=asked.cold_source)
        rounds.race(arena, measured.contenders, asked.rounds, measured.runs, note)


def prepare_source(source: str, held: data.Holdings, asked: Asked, memory_bytes: int) -> str:
    """Bring the source into the state it is to be read in; returns that in words. Raises RefusedError."""
    if asked.cold_source:
        if not flushing.can_forget():
            raise RefusedError(
                "This system lets no program take files out of memory. Leave out --cold-source, and give a --size-gb "
                "larger than the memory."
            )
        return "taken out of this computer's memory before each turn"
    if not asked.existing:
        flushing.flush(source)
    if 0 < memory_bytes < held.size_bytes:
        return "larger than this computer's memory, so no turn finds all of it there"
    flushing.read_once(source)
    return "read once before the first turn: from memory, as far as it holds"


def _list(catalogue: Sequence[Contender], missing: Dict[str, str], say: Callable[[str], None]) -> None:
    for one in catalogue:
        say(f"{one.name} ({one.job.value})" + (f": {missing[one.name]}" if one.name in missing else ""))
        say(f"  proves: {one.evidence.words} ({one.proves})" if one.family != "ours" else f"  proves: {one.proves}")
        say(f"  {one.shown()}")


def _print(result: Result, say: Callable[[str], None]) -> None:
    held = result.data.held
    say(f"{held.files:,} files, {held.size_bytes / 1e9:.3f} GB; {result.source.kind} -> {result.destination.kind}")
    for part in (result.destination.words, f"source: {result.source.cache}", f"flush: {result.destination.flush}"):
        if part:
            say(part)
    for job in Job:
        found = figures.of_job(result.rows, job)
        if found:
            say("")
            say("copy" if job is Job.COPY else "audit of a copy that is there")
            for line in table.lines(found):
                say(line)
    for name, reason in result.missing.items():
        say(f"not measured: {name}: {reason}")
    for sentence in figures.sentences(result.rows):
        say(sentence)


def _write(result: Result, asked: Asked, note: Callable[[str], None]) -> None:
    """The reports. Raises LostOutputError."""
    texts = {
        "results.json": json.dumps(json_object(result), indent=1) + "\n",
        "results.html": page.render(result),
    }
    for name, text in texts.items():
        write_report(os.path.join(asked.out, name), text)
        note(f"written: {printable(os.path.join(asked.out, name))}")
    if asked.png:
        path = os.path.join(asked.out, "results.png")
        if picture.available():
            picture.draw(result, path)
            note(f"written: {printable(path)}")
        else:
            note("results.png is not written: matplotlib is not installed (pip install matplotlib).")


def write_report(path: str, text: str) -> None:
    """Write a new file.

    Raises:
        LostOutputError: it could not be written; names it.
    """
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise LostOutputError(f"{printable(path)} could not be written: {fs.explain(error)[1]}.") from error
