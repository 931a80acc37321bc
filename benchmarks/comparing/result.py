"""Everything that was found as one value, and as the object of results.json. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Tuple

from comparing.data import Data
from comparing.figures import Row, Spread


@dataclass(frozen=True)
class Side:
    """Source or destination.

    Attributes:
        path: as it was named.
        kind: of the file system, as the contenders see it.
        options: of its mount, "" where the system does not say.
        cold_reads: "yes", or "no" and why.
        words: what is imitated, "" for a real one.
        cache: what a reader should know of its memory, "" where nothing.
        flush: how written bytes are flushed before the clock stops; "" for a source.
    """

    path: str
    kind: str
    options: str
    cold_reads: str
    words: str = ""
    cache: str = ""
    flush: str = ""


@dataclass(frozen=True)
class Result:
    """One comparison.

    Attributes:
        made: date and time with offset.
        command: ours, as it was typed.
        complete: False when it was interrupted.
        rounds: that were asked for.
        missing: name -> why it took no part.
    """

    made: str
    command: str
    complete: bool
    rounds: int
    machine: Dict[str, Any]
    versions: Dict[str, str]
    source: Side
    destination: Side
    data: Data
    rows: Tuple[Row, ...]
    missing: Dict[str, str]

    @property
    def larger_than_memory(self) -> bool:
        """Whether no cache can hold the data."""
        return bool(0 < self.machine["memory_bytes"] < self.data.held.size_bytes)


def json_object(result: Result) -> Dict[str, Any]:
    """What results.json holds: seconds, bytes, and every single turn with the commands as they were run."""
    held = result.data.held
    return {
        "format": 1,
        "made": result.made,
        "command": result.command,
        "complete": result.complete,
        "rounds": result.rounds,
        "machine": result.machine,
        "versions": result.versions,
        "source": asdict(result.source),
        "destination": asdict(result.destination),
        "data": {
            "words": result.data.words,
            "files": held.files,
            "folders": held.folders,
            "bytes": held.size_bytes,
            "largest_bytes": held.largest_bytes,
            "larger_than_memory": result.larger_than_memory,
        },
        "contenders": [_row(row) for row in result.rows],
        "not_measured": result.missing,
    }


def _row(row: Row) -> Dict[str, Any]:
    one = row.contender
    return {
        "name": row.name,
        "job": one.job.value,
        "family": one.family,
        "evidence": row.evidence.value,
        "evidence_asked_for": one.evidence.value,
        "proves": row.proves,
        "verify": one.verify or None,
        "threads": one.threads or None,
        "command": one.shown(),
        "fault": row.fault or None,
        "seconds": _spread(row.total),
        "flush_seconds": row.flush_seconds if row.total else None,
        "mb_per_s": row.mb_per_s if row.total else None,
        "files_per_s": row.files_per_s if row.total else None,
        "ratio_to_ours": row.ratio,
        "peak_mib": row.peak_mib or None,
        "turns": _turns(row),
    }


def _spread(found: Any) -> Any:
    return asdict(found) if isinstance(found, Spread) else None


def _turns(row: Row) -> List[Dict[str, Any]]:
    return [
        {
            "round": run.number,
            "position": run.position,
            "seconds": run.seconds,
            "flush_seconds": run.flush_seconds,
            "step_seconds": list(run.step_seconds),
            "evidence": run.evidence.value,
            "commands": [list(words) for words in run.commands],
            "fault": run.fault or None,
        }
        for run in row.runs
    ]
