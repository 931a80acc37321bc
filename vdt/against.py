"""What a tree is held against, read from disk: a manifest, or the digests on record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Dict, List, Tuple

from vdt.errors import UsageError
from vdt.evidence import host_name, read_evidence
from vdt.expected import Expected
from vdt.findings import XXH128
from vdt.foreign_file import read_manifest
from vdt.records import Record, Records

_NO_DATE = (ValueError, OverflowError, OSError)  # no words of a date, or a year that the system's clock cannot hold


@dataclass
class OnRecord:
    """Everything that the evidence beside a tree says."""

    records: Records = field(default_factory=Records)
    recent: Records = field(default_factory=Records)  # lines since the date that was asked for
    by_host: Dict[str, Records] = field(default_factory=dict)  # proofs of other hosts
    notes: List[str] = field(default_factory=list)


def read_records(folders: List[str], since: str = "") -> OnRecord:
    """Read the evidence in `folders`.

    Args:
        since: local date or time, ISO 8601; "" loads nothing into `recent`.

    Raises:
        UsageError: `since` is no date.
    """
    found, me, limit = OnRecord(), host_name(), _moment(since) if since else None

    def take(host: str, path: str, record: Record, when: str) -> None:
        found.records.add(path, record)
        if limit is not None and _since(when, limit):
            found.recent.add(path, record)
        if host != me and record.evidence.proves:
            found.by_host.setdefault(host, Records()).add(path, record)

    for folder in dict.fromkeys(folders):
        found.notes += read_evidence(folder, take)
    return found


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except _NO_DATE as error:
        raise UsageError(f"'{text}' is no date. Give one like 2026-04-30, or 2026-04-30T18:00.") from error


def _since(when: str, limit: datetime) -> bool:
    try:
        return datetime.fromisoformat(when).astimezone() >= limit
    except _NO_DATE:
        return False


def expected_on_record(records: Records) -> Expected:
    """The files that the records prove, each as its last proof says."""
    expected = Expected()
    for folder in records.folders():
        for name, history in records.of_folder(folder).items():
            proofs = [record for record in history if record.evidence.proves]
            if proofs:
                path = f"{folder}/{name}" if folder else name
                expected.add(path, XXH128, proofs[-1].digest, proofs[-1].size_bytes)
    return expected


def expected_in_manifest(path: str, tree: str, algorithm: str = "") -> Tuple[Expected, Tuple[str, ...]]:
    """The files that a manifest lists, and notes on it.

    Raises:
        ManifestError: it cannot be read, a line is refused, or its algorithm stays undecided.
    """
    expected = Expected()
    with read_manifest(path, tree, hash_name=algorithm) as listing:
        for item in listing:
            expected.add(item.path, item.algorithm, item.digest)
        return expected, listing.notes
