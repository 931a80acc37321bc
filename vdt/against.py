"""What a tree is held against, read from disk: a manifest, or the digests on record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Dict, List

from vdt import fs
from vdt.errors import RefusedError, UsageError
from vdt.evidence import host_name, read_evidence
from vdt.expected import Expected
from vdt.findings import XXH128
from vdt.manifest import parse
from vdt.records import Record, Records


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
    except ValueError as error:
        raise UsageError(f"'{text}' is no date. Give one like 2026-04-30, or 2026-04-30T18:00.") from error


def _since(when: str, limit: datetime) -> bool:
    try:
        return datetime.fromisoformat(when).astimezone() >= limit
    except ValueError:
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


def expected_in_manifest(path: str, tree: str, algorithm: str = "") -> Expected:
    """The files that a manifest lists.

    Raises:
        RefusedError: it cannot be read, or is no manifest.
    """
    expected = Expected()
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, 1):
                found = parse(line)
                if found is None:
                    raise RefusedError(f"{path}, line {number}: it is no line of a manifest.")
                expected.add(found[1], algorithm or XXH128, found[0])
    except OSError as error:
        raise RefusedError(f"The manifest {path} cannot be read: {fs.explain(error)[1]}.") from error
    return expected
