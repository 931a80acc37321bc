"""A rolling scrub: every run below a folder is audited in turn, read-only, and the next call goes on where this ended.

Nothing is written below the root: state and evidence stay on this machine. A run is a folder with raw_data, analysis or
output in it, or any other folder, which is then one tree. Each tree is held against the manifest beside it, else
against the digests on record; where neither is there, the run is named and counts as not right, as nothing is known.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Callable, Dict, List, Optional, Tuple

from vdt import fs
from vdt.audittree import SHARE_WAIT_S, AuditRequest, AuditTools, audit_tree
from vdt.copyjob import Meter
from vdt.errors import AwayError, LostOutputError, ManifestError, RefusedError, UsageError, VdtError
from vdt.findings import AuditResult, verdict_words
from vdt.hashing import short_digest
from vdt.model import Judged, Kind
from vdt.preflight import check_typed
from vdt.printable import printable
from vdt.stop import StopFlag
from vdt.tuning import DEFAULT_THREADS

TREES = ("raw_data", "analysis", "output")
_NO_RUN = re.compile(r"\..*|.*\.evidence|logs", re.IGNORECASE)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def parse_duration(text: str) -> float:
    """Seconds of `8h`, `30m`, `90s`, `2d`. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip().lower())
    if not found:
        raise UsageError(f"'{printable(text)}' is no duration. Give one like 8h, 30m or 90s.")
    return float(found[1]) * _UNITS_S[found[2]]


def parse_size(text: str) -> int:
    """Bytes of `20T`, `500G`, `100M`. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)I?B?", text.strip().upper())
    if not found:
        raise UsageError(f"'{printable(text)}' is no size. Give one like 500G or 20T.")
    return int(float(found[1]) * _UNITS_BYTES[found[2]])


def parse_shard(text: str) -> Tuple[int, int]:
    """(3, 16) of `3/16`. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"'{printable(text)}' is no part of the runs. Give one like 3/16: the third of sixteen.")
    return int(found[1]), int(found[2])


def in_shard(run: str, shard: Tuple[int, int]) -> bool:
    """True for a run of this part; the same on every machine. Pure."""
    number = int(short_digest(run.encode("utf-8", "surrogatepass")), 16)
    return number % shard[1] == shard[0] - 1


def in_order(runs: List[str], done: Dict[str, str], *, oldest_first: bool) -> List[str]:
    """What is to be audited now, in its order. Pure.

    Args:
        done: run -> when its last audit ended. Without `oldest_first` one that is done comes again only when all are.
    """
    if oldest_first:
        return sorted(runs, key=lambda run: (done.get(run, ""), run))
    left = [run for run in sorted(runs) if run not in done]
    return left or sorted(runs)


@dataclass(frozen=True)
class ScrubRequest:
    """What to scrub."""

    root: str
    oldest_first: bool = False
    for_s: Optional[float] = None
    max_bytes: Optional[int] = None
    shard: Tuple[int, int] = (1, 1)
    threads: int = DEFAULT_THREADS
    strict: bool = False
    state: str = ""
    share_wait_s: float = SHARE_WAIT_S


@dataclass(frozen=True)
class RunLine:
    """What came of one run."""

    run: str
    verdict: str
    exit_code: int
    results: Tuple[Tuple[str, AuditResult], ...] = ()  # (tree, result)
    reason: str = ""
    stopped: bool = False

    @property
    def words(self) -> str:
        """The line that is printed."""
        files = sum(result.files.get(Judged.OK, 0) for _, result in self.results)
        gib = sum(result.read_bytes for _, result in self.results) / 2**30
        text = f"{printable(self.run)}: {self.verdict}, {files} file(s) OK, {gib:.2f} GiB read"
        return f"{text}: {printable(self.reason)}" if self.reason else text


@dataclass(frozen=True)
class ScrubResult:
    """What came of the call."""

    root: str
    lines: Tuple[RunLine, ...]
    stopped: str = ""  # why it ended before every run had its turn
    by_limit: bool = False  # and that was asked for

    @property
    def complete(self) -> bool:
        return not self.stopped

    @property
    def exit_code(self) -> int:
        codes = [line.exit_code for line in self.lines if not line.stopped]
        if 16 in codes:
            return 16
        return 8 if any(codes) or (self.stopped and not self.by_limit) else 0


class _Limits:
    """A Meter that ends the scrub when enough was read or the time is over."""

    def __init__(self, meter: Meter, stop: StopFlag, request: ScrubRequest) -> None:
        self._meter, self._stop, self._most = meter, stop, request.max_bytes
        self._deadline_s = None if request.for_s is None else time.monotonic() + request.for_s
        self.read_bytes = 0
        self.reached = ""

    def take(self, count: int) -> None:
        self.read_bytes += count
        self._meter.take(count)
        self.look()

    def look(self) -> str:
        """Why it is enough now, "" where it is not."""
        if not self.reached and self._most is not None and self.read_bytes >= self._most:
            self.reached = "as much was read as --max-bytes allows"
        elif not self.reached and self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            self.reached = "the time of --for is over"
        if self.reached:
            self._stop.set(self.reached)
        return self.reached


@dataclass
class _Memory:
    """When the last audit of each run ended: a file of this machine."""

    path: str
    done: Dict[str, str] = field(default_factory=dict)

    def load(self) -> None:
        try:
            with open(self.path, encoding="ascii") as file:
                values = json.load(file)
            self.done = {str(run): str(when) for run, when in values["done"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.done = {}  # all begins anew: that costs time

    def save(self) -> None:
        """Raises LostOutputError."""
        beside = f"{self.path}.new"
        try:
            fs.make_folder(os.path.dirname(self.path))
            with open(beside, "w", encoding="ascii", newline="\n") as file:
                json.dump({"done": self.done}, file)
            os.replace(beside, self.path)
        except OSError as error:
            raise LostOutputError(
                f"The scrub's state {self.path} cannot be written: {fs.explain(error)[1]}. Name another folder with "
                "--state."
            ) from error


def scrub(request: ScrubRequest, tools: AuditTools, say: Callable[[str], None]) -> ScrubResult:
    """Audit runs until all had their turn, a limit is reached, or the stop.

    Raises:
        RefusedError: the root cannot be listed.
        LostOutputError: the state cannot be written.
    """
    check_typed(request.root, request.state)
    root = fs.absolute(request.root)
    try:
        entries = fs.list_folder(root, tolerant=True)
    except OSError as error:
        raise RefusedError(f"The folder {root} cannot be read: {fs.explain(error)[1]}.") from error
    names = [entry.name for entry in entries if entry.kind is Kind.FOLDER and not _NO_RUN.fullmatch(entry.name)]
    runs = [name for name in names if in_shard(name, request.shard)]
    home = fs.absolute(request.state) if request.state else fs.state_home()
    key = short_digest(root.encode("utf-8", "surrogatepass"))
    memory = _Memory(os.path.join(home, "audit", f"scrub-{key}-{request.shard[0]}-{request.shard[1]}.json"))
    memory.load()
    memory.done = {run: when for run, when in memory.done.items() if run in set(runs)}
    order = in_order(runs, memory.done, oldest_first=request.oldest_first)
    if not request.oldest_first and len(order) == len(runs):
        memory.done = {}
    memory.save()
    stop = StopFlag(tools.stop)
    limits = _Limits(tools.meter, stop, request)
    lines: List[RunLine] = []
    for run in order:
        if stop or limits.look():
            return ScrubResult(root, tuple(lines), stop.reason, bool(limits.reached) and not tools.stop)
        line = _one(root, run, request, replace(tools, stop=stop, meter=limits))
        lines.append(line)
        say(line.words)
        if line.stopped:
            return ScrubResult(root, tuple(lines), stop.reason, bool(limits.reached) and not tools.stop)
        memory.done[run] = datetime.now().astimezone().isoformat(timespec="seconds")
        memory.save()
    return ScrubResult(root, tuple(lines))


def _one(root: str, run: str, request: ScrubRequest, tools: AuditTools) -> RunLine:
    folder = os.path.join(root, run)
    trees = [name for name in TREES if os.path.isdir(os.path.join(folder, name))]
    results: List[Tuple[str, AuditResult]] = []
    reasons: List[str] = []
    code, stopped = 0, False
    for tree in trees or [""]:
        place = os.path.join(folder, tree) if tree else folder
        manifest = f"{place}.xxh128"
        asked = AuditRequest(
            destination=place,
            manifest=manifest if os.path.isfile(manifest) else "",
            strict=request.strict,
            threads=request.threads,
            state=request.state,
            share_wait_s=request.share_wait_s,
            evidence_beside=False,
        )
        try:
            result = audit_tree(asked, tools)
        except LostOutputError:
            raise
        except (RefusedError, AwayError, ManifestError) as error:
            code = max(code, 8)
            reasons.append(_reason(tree, error))
            continue
        results.append((tree, result))
        stopped = stopped or not result.reached_end
        code = max(code, result.exit_code)
        if result.exit_code:
            reasons.append(f"{tree or run}: {_what(result)}")
        if stopped:
            break
    verdict = _verdict([result for _, result in results], complete=len(results) == len(trees or [""]))
    return RunLine(run, "stopped" if stopped else verdict, code, tuple(results), "; ".join(reasons), stopped)


def _reason(tree: str, error: VdtError) -> str:
    text = str(error).split(". ")[0].rstrip(".")
    return f"{tree}: {text}" if tree else text


def _what(result: AuditResult) -> str:
    """What is wrong, in short: numbers, and the first name."""
    if result.fatal or not result.reached_end:
        return result.fatal or result.stopped
    counts = [f"{count} {judged.value}" for judged, count in result.files.items() if count and judged is not Judged.OK]
    first = f", first {result.entries[0].path}: {result.entries[0].words}" if result.entries else ""
    return ", ".join(counts) + first


def _verdict(results: List[AuditResult], *, complete: bool) -> str:
    words = [verdict_words(result) for result in results]
    for worst in ("fatal", "not right"):
        if worst in words:
            return worst
    if not complete:
        return "not known" if not words else "right as far as it is on record"
    return "right, but for extras" if "right, but for extras" in words else "right"
