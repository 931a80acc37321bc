"""Runs -> rows: medians, ranges, rates, ratios. Pure.

A rate is what was to be copied over the time it took, once: reading and writing are never added up.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from comparing.contenders import Contender, Job
from comparing.data import Holdings
from comparing.rounds import Run
from vdt.model import Evidence

LEVELS = (Evidence.NONE, Evidence.INFLIGHT, Evidence.REREAD, Evidence.COLD, Evidence.BOTH)


@dataclass(frozen=True)
class Spread:
    """Median and range of some seconds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Row:
    """What is known of one contender.

    Attributes:
        total: to the end of the flush; None where no turn counts.
        flush_seconds: median of that part.
        evidence: of the least proven file of its least proving turn.
        weaker: it asked for more than that, so there is a reason to look at its report.
        mb_per_s: 10^6 bytes of payload a second.
        ratio: its median over that of ours at the default level, None where either is missing.
        fault: why there is no figure, "" where there is one.
    """

    contender: Contender
    runs: Tuple[Run, ...]
    total: Optional[Spread]
    flush_seconds: float
    evidence: Evidence
    weaker: bool
    mb_per_s: float
    files_per_s: float
    peak_mib: float
    ratio: Optional[float]
    fault: str

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def ours(self) -> bool:
        return self.contender.family == "ours"

    @property
    def proves(self) -> str:
        """In plain words."""
        return self.evidence.words if self.ours else self.contender.proves


def spread(seconds: Sequence[float]) -> Spread:
    """Median and range; `seconds` holds at least one."""
    return Spread(statistics.median(seconds), min(seconds), max(seconds))


def rows(contenders: Sequence[Contender], runs: Mapping[str, Sequence[Run]], held: Holdings) -> List[Row]:
    """A row for each contender that had a turn, in the order given."""
    baselines = {job: _baseline(job, contenders, runs) for job in Job}
    return [_row(one, tuple(runs[one.name]), held, baselines[one.job]) for one in contenders if runs.get(one.name)]


def _baseline(job: Job, contenders: Sequence[Contender], runs: Mapping[str, Sequence[Run]]) -> Optional[float]:
    """Median of ours at the default level: the first of ours that asks for `cold`."""
    for one in contenders:
        if one.job is job and one.family == "ours" and one.verify == "cold":
            good = [run.seconds + run.flush_seconds for run in runs.get(one.name, ()) if not run.fault]
            return statistics.median(good) if good else None
    return None


def _row(one: Contender, runs: Tuple[Run, ...], held: Holdings, baseline: Optional[float]) -> Row:
    fault = next((run.fault for run in runs if run.fault), "")
    good = [run for run in runs if not run.fault]
    evidence = min((run.evidence for run in good), key=strength, default=Evidence.NONE)
    if fault or not good:  # a contender that failed once has no time that means anything
        return Row(one, runs, None, 0.0, evidence, False, 0.0, 0.0, 0.0, None, fault)
    total = spread([run.seconds + run.flush_seconds for run in good])
    return Row(
        one,
        runs,
        total,
        statistics.median(run.flush_seconds for run in good),
        evidence,
        strength(evidence) < strength(one.evidence),
        held.size_bytes / 1e6 / total.median,
        held.files / total.median,
        max(run.peak_kib for run in good) / 1024,
        total.median / baseline if baseline else None,
        "",
    )


def strength(evidence: Evidence) -> int:
    """Where a level stands among LEVELS; what is none of them proves nothing new."""
    return LEVELS.index(evidence) if evidence in LEVELS else 0


def by_evidence(found: Sequence[Row]) -> Dict[Evidence, List[Row]]:
    """The strongest level first, in each the fastest first, who failed last: like beside like."""
    groups: Dict[Evidence, List[Row]] = {}
    for level in reversed(LEVELS):
        group = [row for row in found if row.evidence is level or (level is LEVELS[0] and row.evidence not in LEVELS)]
        if group:
            groups[level] = sorted(group, key=lambda row: row.total.median if row.total else float("inf"))
    return groups


def of_job(found: Sequence[Row], job: Job) -> List[Row]:
    """The rows of one job."""
    return [row for row in found if row.contender.job is job]


def by_threads(found: Sequence[Row]) -> List[Tuple[int, Row]]:
    """(threads, row) of ours at the default level, rising."""
    ours = [row for row in found if row.ours and row.contender.verify == "cold" and row.total]
    return sorted(((row.contender.threads, row) for row in ours), key=lambda pair: pair[0])


def by_level(found: Sequence[Row]) -> List[Row]:
    """Ours with its default of threads, from the weakest level asked for to the strongest."""
    named = {row.name: row for row in found if row.total}
    wanted = (f"vdt copy --verify {level.value}" for level in LEVELS)
    return [named[name] for name in wanted if name in named]


def amount(value: float) -> str:
    """A rate as a reader wants it: whole from 10 on, two digits below."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def sentences(found: Sequence[Row]) -> List[str]:
    """What the figures say, like beside like; nothing where there is nothing to compare."""
    said: List[str] = []
    copies = [row for row in of_job(found, Job.COPY) if row.total]
    levels = {row.contender.verify: row for row in by_level(copies)}
    ours = levels.get("cold")
    if ours is None or ours.total is None:
        return said
    said.append(
        f"Ours at its default: {amount(ours.mb_per_s)} MB/s and {amount(ours.files_per_s)} files/s, {ours.proves}."
    )
    others = [row for row in copies if not row.ours]
    proving = [row for row in others if strength(row.evidence) >= strength(Evidence.REREAD)]
    for words, group in (("Of the others that read the copy back", proving), ("Whatever they prove", others)):
        if group:
            best = min(group, key=lambda row: row.total.median if row.total else 0.0)
            part = f"{best.ratio or 0:.2f} times that time"
            said.append(f"{words}, the fastest is {best.name}, in {part} ({best.evidence.words}).")
    bare = levels.get("none")
    if bare is not None and bare.total is not None:
        more = 100 * (ours.total.median / bare.total.median - 1)
        price = f"Beside ours with --verify none, the default takes {more:+.0f} % of time."
        if ours.total.least <= bare.total.most and bare.total.least <= ours.total.most:
            price += " Their ranges overlap: that is no more than the noise of these rounds."
        said.append(price)
    return said
