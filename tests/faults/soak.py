"""Random work under faults for a given time, in one process, with an eye on its memory, descriptors and threads.

    python -m tests.faults.soak --minutes 60

Each round changes both trees at random, copies with random options while calls fail by chance, and looks whether what
was said is true; then a round without faults heals everything. A seed that fails is named: `--seed N --rounds 1`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from vdt import later
from vdt.copytree import copy_tree
from vdt.errors import LostOutputError, RefusedError
from vdt.fs.closer import MOST_THREADS
from vdt.model import Existing, Verify

from .dice import Dice
from .faultyfs import FaultyFs, contents, look
from .rig.stage import scratch
from .smalltree import Trees, request

MEMORY_BYTES, LOOSE_DESCRIPTORS = 48 << 20, 4  # more than this above the mark after the warm-up is a leak
WARM_UP = 60  # rounds
_PIECE_BYTES = 64 << 10
NAMES = [f"folder {n % 5}/{'deep/' * (n % 3)}{n}.bin" for n in range(40)]


class Held(NamedTuple):
    """What the process holds now."""

    memory_bytes: int
    descriptors: int
    threads: int

    def __str__(self) -> str:
        return f"{self.memory_bytes / 2**20:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads"


def held() -> Held:
    """Threads without those that close files for all of the process: up to `MOST_THREADS` come and stay."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    closers = sum(thread.name == "closer" for thread in threading.enumerate())
    assert closers <= MOST_THREADS, f"{closers} threads close files"
    threads = threading.active_count() - closers
    return Held(pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), threads)


def digest(path: Path) -> bytes:
    """Of one file, a piece at a time: what is watched is the copier's memory, not that of 17 MiB files held here."""
    made = hashlib.blake2b()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(_PIECE_BYTES), b""):
            made.update(piece)
    return made.digest()


def _write(path: Path, pattern: bytes, size: int) -> None:
    block = pattern * (_PIECE_BYTES // len(pattern))
    with open(path, "wb") as file:
        while size > 0:
            file.write(block[:size])
            size -= len(block)


class Soak:
    """Rounds on one pair of trees."""

    def __init__(self, root: Path) -> None:
        self.trees = Trees(root)
        self.rounds = self.faults = self.failures = self.refused = 0
        self.reason = ""  # of the last run that was refused

    def round(self, seed: int) -> None:
        """One run under faults and one without.

        Raises:
            AssertionError: what was said is not true, or the second run did not heal it.
        """
        dice = random.Random(seed)
        trees, work = self.trees, request(self.trees)
        self._change(dice)
        source = look(trees.source, digest)
        old, truth = contents(trees.destination, of=digest), contents(trees.source, of=digest)
        work = replace(
            work,
            verify=dice.choice([Verify.REREAD, Verify.COLD, Verify.BOTH]),
            existing=dice.choice(list(Existing)),
            threads=dice.randint(1, 4),
            share_wait_s=0.2,
        )
        work = replace(work, policy=replace(work.policy, checksum=dice.random() < 0.3))
        faulty = Dice(work.source, str(trees.share))
        faulty.seed = seed
        with faulty:
            code = self._code(work)
        self.faults += len(faulty.hits)
        self.failures += code >= 8
        assert look(trees.source, digest) == source, "the source was touched"
        there = self._there()
        for name, data in there.items():
            assert data in (truth.get(name), old.get(name)), f"{name}: wrong bytes under the final name"
        for name in old:
            assert name in there, f"{name}: what lay there is gone"
        if code < 8 and (work.existing is Existing.PROVE or work.policy.checksum):
            assert {name: there.get(name) for name in truth} == truth, "success over a wrong or missing file"
        healing = replace(work, policy=replace(work.policy, checksum=True), share_wait_s=5.0)
        with FaultyFs(work.source, str(trees.share)):
            healed = self._code(healing)
        assert healed < 8, f"a run without faults ended with {healed}; the last refusal: {self.reason}"
        there = contents(trees.destination, of=digest)
        assert {name: there.get(name) for name in truth} == truth, "a run without faults did not heal it"
        litter = [str(path.relative_to(trees.share)) for path in trees.share.rglob("*") if "vdt" in str(path.name)]
        litter += [name for name in os.listdir(trees.share) if name != trees.destination.name]
        assert not litter, f"left behind: {litter}; {self._locks()}"
        self.rounds += 1

    def _locks(self) -> List[str]:
        """What lies in every lock and state folder, for whoever looks for the reason."""
        found = [path for path in self.trees.share.rglob("*") if ".vdt" in str(path.parent.name) and path.is_file()]
        return [f"{path.name}: {path.read_bytes()[:400]!r}" for path in found]

    def _there(self) -> Dict[str, bytes]:
        """What lies at the destination, but for a state folder that had to lie inside it and could not be removed."""
        found = contents(self.trees.destination, of=digest)
        return {name: data for name, data in found.items() if not name.startswith(".vdt/")}

    def _code(self, work: object) -> int:
        try:
            return copy_tree(work).exit_code  # type: ignore[arg-type]
        except (RefusedError, LostOutputError) as error:
            self.refused, self.reason = self.refused + 1, str(error)
            return 16

    def _change(self, dice: random.Random) -> None:
        stamp = 1_600_000_000 + dice.randrange(10**6)
        for _ in range(dice.randint(1, 8)):
            name = dice.choice(NAMES)
            size = dice.choice([0, 1, 500, 70_000, 70_000, 1 << 20, (4 << 20) + 3, (17 << 20) + 1])
            for folder in dice.sample([self.trees.source, self.trees.destination], dice.randint(1, 2)):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, dice.randbytes(64), size)
                os.utime(path, (stamp, stamp))
        for folder in (self.trees.source, self.trees.destination):
            files = [path for path in folder.rglob("*") if path.is_file()]
            for path in dice.sample(sorted(files), min(len(files), dice.randint(0, 3))):
                path.unlink()
        if dice.random() < 0.1:
            shutil.rmtree(self.trees.destination / dice.choice(NAMES).partition("/")[0], ignore_errors=True)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.faults} faults, {self.failures} reported failures ({self.refused} refusals)"
        )


def soak(seconds: float, first_seed: int, rounds: Optional[int], say: Callable[[str], object]) -> List[str]:
    """Work until the time is over; what went wrong, in words."""
    later.SECOND_LOOK_S = 0.0
    later.BREATH_S = 0.0
    root = scratch()
    wrong: List[str] = []
    marks: Dict[str, Held] = {}
    began = said = time.monotonic()
    try:
        work, seed = Soak(root), first_seed
        while time.monotonic() - began < seconds and (rounds is None or work.rounds < rounds) and not wrong:
            try:
                work.round(seed)
            except AssertionError as error:
                wrong.append(f"seed {seed} (round {work.rounds + 1} from seed {first_seed} on): {error}")
            seed += 1
            if work.rounds == WARM_UP:
                marks["warm"] = held()
            if time.monotonic() - said >= 60:
                said = time.monotonic()
                say(f"{(said - began) / 60:.0f} min: {work}; {held()}")
        end = held()
        warm = marks.get("warm", end)
        if end.memory_bytes > warm.memory_bytes + MEMORY_BYTES:
            wrong.append(f"memory grew: {warm} -> {end}")
        if end.descriptors > warm.descriptors + LOOSE_DESCRIPTORS or end.threads > warm.threads + 2:
            wrong.append(f"descriptors or threads were left: {warm} -> {end}")
        say(f"{work}; after the warm-up {warm}; at the end {end}")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return wrong


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (1)")
    parser.add_argument("--rounds", type=int, help="stop after so many")
    asked = parser.parse_args(arguments)
    wrong = soak(asked.minutes * 60, asked.seed, asked.rounds, lambda line: print(line, flush=True))
    for line in wrong:
        print(f"WRONG: {line}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
