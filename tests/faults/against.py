"""The fault list against any copier: nobody has to believe us.

    python -m tests.faults.against --cmd 'rsync -a {src}/ {dst}/'

Each fault of scenarios.py gets two fresh mounts of tests/rigs/faultfs.py with one small tree in the source and two
older files in the destination. The command runs once with the fault and once without; what is judged is what is really
stored. Linux with FUSE (package fuse3). `{src}` and `{dst}` are folders; both exist.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

from .rig.stage import BIG, SIZES, SMALL, Rig, environment, files_of, scratch, wait_for, why_not, write_tree
from .scenarios import CUT, SCENARIOS, Scenario

NOT_MET = "not met"  # the copier never made the call: nothing was shown
RIGHT = "right"
SAID_SO = "failed and said so"
WRONG = "WRONG"  # success was said over wrong or missing data
# What is bad besides WRONG; a run can have several.
TOUCHED = "source touched"
OLD_LOST = "old destination lost"
WRONG_FINAL = "wrong bytes under a final name"
LITTER = "leaves litter"
NOT_HEALED = "does not heal"  # the second run fails, or says success over wrong or missing data
HUNG = "hung"
BAD = (WRONG, TOUCHED, OLD_LOST, WRONG_FINAL, LITTER, NOT_HEALED, HUNG)


@dataclass(frozen=True)
class Finding:
    """What one fault came to."""

    fault: str
    outcome: str
    marks: Tuple[str, ...]
    exit_code: Optional[int]
    second_exit_code: Optional[int]
    fired: int
    seconds: float
    information: bool
    wrong: Tuple[str, ...] = ()  # names that are wrong or missing after the first run
    still_wrong: Tuple[str, ...] = ()  # and after the second

    @property
    def bad(self) -> bool:
        return not self.information and (self.outcome in BAD or bool(set(self.marks) & set(BAD)))


class Trial:
    """One copier, one scenario."""

    def __init__(self, command: str, scenario: Scenario, ok_below: int, cache: Path) -> None:
        self.command, self.scenario, self.ok_below, self.cache = command, scenario, ok_below, cache

    def run(self) -> Finding:
        root = scratch()
        truth = root / "own" / "tree"
        write_tree(truth, SIZES)
        rig = Rig(root, truth, environment(self.cache))
        try:
            return self._judged(rig)
        finally:
            rig.close()
            shutil.rmtree(root, ignore_errors=True)

    def _judged(self, rig: Rig) -> Finding:
        scenario, began = self.scenario, time.monotonic()
        self._lay(rig)
        kept = {name: path.read_bytes() for name, path in files_of(rig.truth).items()}
        for mount in (rig.source, rig.destination):
            mount.options += (*scenario.options, "--seed", str(scenario.seed))
        rig.start(*scenario.rules, source=scenario.source)
        code = self._copy(rig)
        if scenario.cut_after:
            self._cut(rig)
        fired = len(rig.destination.events("fault")) + len(rig.source.events("fault"))
        wrong = self._wrong(rig, kept)
        marks = self._marks(rig, kept, code)
        for mount in (rig.destination, rig.source):
            mount.stop()
            mount.options = tuple(o for o in mount.options if o.startswith("--") and o in ("--audit", "--deny-writes"))
            mount.start()
        second = self._copy(rig)
        still = self._wrong(rig, kept)
        if still or second is None or second >= self.ok_below:
            marks.append(NOT_HEALED)
        if self._litter(rig):
            marks.append(LITTER)
        if rig.source.events("mutation"):
            marks.append(TOUCHED)
        needed = bool(scenario.rules or scenario.source)
        said_yes = code is not None and 0 <= code < self.ok_below
        outcome = WRONG if said_yes and wrong else RIGHT if said_yes else SAID_SO
        if needed and not fired:
            outcome = NOT_MET
        seconds = round(time.monotonic() - began, 1)
        return Finding(
            scenario.name,
            outcome,
            tuple(dict.fromkeys(marks)),
            code,
            second,
            fired,
            seconds,
            scenario.information,
            tuple(wrong),
            tuple(still),
        )

    def _lay(self, rig: Rig) -> None:
        if not self.scenario.same_age:
            rig.lay_old(SMALL, BIG)
            return
        for name in (SMALL, BIG):
            path, of = rig.stored / name, rig.truth / name
            path.parent.mkdir(parents=True)
            path.write_bytes(bytes(of.stat().st_size))
            os.utime(path, ns=(of.stat().st_mtime_ns,) * 2)

    def _copy(self, rig: Rig) -> Optional[int]:
        """The exit code; None where it had to be killed after its time."""
        places = {"src": rig.source.point / rig.truth.name, "dst": rig.destination.point / "dst"}
        line = self.command
        for word, place in places.items():
            line = line.replace(f"{{{word}}}", shlex.quote(str(place)))
        with open(rig.root / "said.txt", "ab") as said:
            process = subprocess.Popen(
                ["/bin/sh", "-c", line],
                cwd=rig.root,
                env=rig.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                return process.wait(self._time_left(rig, process))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return None

    def _time_left(self, rig: Rig, process: subprocess.Popen[bytes]) -> float:
        """Waits here while the mounts live: for one that died for good nobody has to wait longer than a while."""
        end = time.monotonic() + self.scenario.timeout_s
        while time.monotonic() < end and process.poll() is None:
            if any(
                mount.process is not None and mount.process.poll() is not None
                for mount in (rig.source, rig.destination)
            ):
                return 30.0
            time.sleep(0.02)
        return max(0.1, end - time.monotonic())

    def _cut(self, rig: Rig) -> None:
        try:
            os.stat(rig.destination.point / CUT)
        except OSError:
            pass
        wait_for(lambda: rig.destination.events("exit"))

    def _wrong(self, rig: Rig, kept: Dict[str, bytes]) -> List[str]:
        """Names of the source, as it is now, that hold other bytes at the destination; and those that were deleted in
        the source meanwhile and never arrived."""
        now = {name: path.read_bytes() for name, path in files_of(rig.truth).items()}
        wanted = {**{name: data for name, data in kept.items() if name not in now}, **now}
        found = []
        for name, data in wanted.items():
            path = rig.stored / name
            gone_since = name not in now
            if not path.is_file() or path.read_bytes() != data:
                if gone_since and rig.source.events("unmounted"):
                    continue  # the second run cannot know of it
                found.append(name)
        return found

    def _marks(self, rig: Rig, kept: Dict[str, bytes], code: Optional[int]) -> List[str]:
        marks = [] if code is not None else [HUNG]
        now = {name: path.read_bytes() for name, path in files_of(rig.truth).items()}
        for name in {**kept, **now}:
            path = rig.stored / name
            allowed: Set[Optional[bytes]] = {kept.get(name), now.get(name), rig.old.get(name)}
            held = path.read_bytes() if path.is_file() else None
            if held is not None and held not in allowed and not self.scenario.same_age:
                marks.append(WRONG_FINAL)
            if name in rig.old and held not in allowed - {None}:
                marks.append(OLD_LOST)
        return marks

    def _litter(self, rig: Rig) -> List[str]:
        known = {*SIZES, *files_of(rig.truth)}
        found = [path.relative_to(rig.destination.store).as_posix() for path in rig.destination.store.rglob("*")]
        folders = {parent.as_posix() for name in known for parent in Path(name).parents}
        return [name for name in found if name != "dst" and name[4:] not in known | folders]


def judge(
    command: str, scenarios: Iterable[Scenario], *, ok_below: int = 1, jobs: int = 2, cache: Optional[Path] = None
) -> List[Finding]:
    """Run the scenarios, some at once; findings come in their order."""
    own = cache or scratch()
    try:
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            return list(pool.map(lambda scenario: Trial(command, scenario, ok_below, own).run(), scenarios))
    finally:
        if cache is None:
            shutil.rmtree(own, ignore_errors=True)


def table(findings: Sequence[Finding]) -> str:
    """A line a fault, then the sums; what is for information is marked * and not counted."""
    width = max([len(finding.fault) for finding in findings] + [5]) + 2
    lines = [f"{'fault':{width}}outcome"]
    for finding in findings:
        said = "; ".join((finding.outcome, *finding.marks))
        lines.append(f"{finding.fault + (' *' if finding.information else ''):{width}}{said}")
    counted = [finding for finding in findings if not finding.information]
    lines.append("")
    for outcome in (RIGHT, SAID_SO, WRONG, NOT_MET):
        lines.append(f"{sum(f.outcome == outcome for f in counted):5}  {outcome}")
    for mark in BAD[1:]:
        lines.append(f"{sum(mark in f.marks for f in counted):5}  {mark}")
    lines.append(f"{sum(f.bad for f in counted):5}  of {len(counted)} faults ended badly; * is for information")
    lines.append(f"{sum(f.fired for f in findings):5}  injected faults")
    return "\n".join(lines) + "\n"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.against", description=__doc__.partition("\n")[0])
    parser.add_argument("--cmd", help="the copier, a shell line with {src} and {dst}")
    parser.add_argument("--faults", metavar="A,B", help="only those whose name holds one of these words")
    parser.add_argument("--ok-below", type=int, default=1, metavar="N", help="exit codes below N are success (1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="scenarios at once (2)")
    parser.add_argument("--json", metavar="FILE", help="write the findings there too")
    parser.add_argument("--list", action="store_true", help="name the faults, and stop")
    asked = parser.parse_args(arguments)
    words = [word.strip() for word in (asked.faults or "").split(",") if word.strip()]
    chosen = [s for s in SCENARIOS if not words or any(word in s.name for word in words)]
    if asked.list:
        print("\n".join(f"{s.name:40} {s.expected}{' *' if s.information else ''}" for s in chosen))
        return 0
    if not asked.cmd or "{src}" not in asked.cmd or "{dst}" not in asked.cmd:
        parser.error("--cmd needs a command with {src} and {dst}")
    if not chosen:
        parser.error(f"no fault has a name like {asked.faults}; --list names them")
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 2
    findings = judge(asked.cmd, chosen, ok_below=asked.ok_below, jobs=asked.jobs)
    print(asked.cmd + "\n\n" + table(findings), end="")
    if asked.json:
        text = json.dumps({"command": asked.cmd, "findings": [asdict(f) for f in findings]}, indent=1)
        Path(asked.json).write_text(text + "\n", encoding="ascii")
    return 1 if any(finding.bad for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
