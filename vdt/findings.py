"""What an audit finds: one Finding a name, and the sum of them. Values and plain words; no disk.

A file that is OK is counted and forgotten; only what is not OK is kept by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from vdt.diagnosis import Diagnosis
from vdt.model import Entry, Evidence, Judged, Side, join

XXH128 = "xxh128"


class Check(NamedTuple):
    """One file that is read: its destination, and what it is held against."""

    folder: str
    dest: Entry
    source: Optional[Entry] = None
    algorithm: str = XXH128  # of `expected`
    expected: str = ""  # digest in hex; "" with no source: nothing is known, it is read for the record
    size_bytes: int = -1  # that is expected where there is no source; -1 is not known
    attempt: int = 1

    @property
    def path(self) -> str:
        return join(self.folder, self.dest.name)

    @property
    def name(self) -> str:
        return self.dest.name

    @property
    def read_bytes(self) -> int:
        """Bytes that both sides hold together."""
        return self.dest.size_bytes + (self.source.size_bytes if self.source is not None else 0)


class Finding(NamedTuple):
    """What is said of one name."""

    path: str
    judged: Judged
    size_bytes: int = 0  # of the destination, or of the source where there is none
    reason: str = ""
    digest: str = ""  # xxh128 of the destination, "" where it was not read to its end
    evidence: Evidence = Evidence.NONE
    mtime_ns: int = 0  # of the source where there is one, else of the destination
    stored_mtime_ns: int = 0  # of the destination
    source_digest: str = ""
    side: Optional[Side] = None  # of DIFFERENT
    diagnosis: Optional[Diagnosis] = None
    source_bytes: int = -1  # size of the source, -1 where there is none
    attempts: int = 1
    heals: bool = False  # UNREADABLE: another try may do better
    note: str = ""
    when: str = ""  # it was read then, by an audit that was interrupted; "" is now

    @property
    def words(self) -> str:
        """The reason with everything that is known beside it."""
        parts = [self.reason]
        if self.side is not None:
            parts.append(self.side.value)
        if self.diagnosis is not None and self.diagnosis.words:
            parts.append(self.diagnosis.words)
        return "; ".join(part for part in parts if part)


# for what is made for every file: a third of the price of the constructor
make_finding: Callable[[Tuple[object, ...]], Finding] = partial(tuple.__new__, Finding)


@dataclass(frozen=True)
class AuditResult:
    """All that an audit of one tree gave."""

    destination: str
    against: str  # "source /data/run1", "manifest /backup/run1.xxh128", "the digests on record", "nothing"
    source: str
    host: str
    started: datetime
    ended: datetime
    files: Dict[Judged, int] = field(default_factory=dict)
    size_bytes: Dict[Judged, int] = field(default_factory=dict)
    by_evidence: Dict[Evidence, int] = field(default_factory=dict)  # of the files that are OK
    hosts: Dict[int, int] = field(default_factory=dict)  # files by the number of hosts whose reads agree
    entries: Tuple[Finding, ...] = ()  # all that are not OK
    notes: Tuple[str, ...] = ()
    links: int = 0  # links whose text was compared
    carried_files: int = 0  # read by an audit that was interrupted
    record_only: int = 0  # not read: proven since the date that was given
    only_recorded: bool = False  # there was nothing to hold the tree against
    read_bytes: int = 0
    repaired: Tuple[str, ...] = ()
    refused: Tuple[Tuple[str, str], ...] = ()  # (path, why it was not repaired)
    wrong_before: Tuple[Finding, ...] = ()  # what was wrong with the files that were repaired
    reached_end: bool = False
    stopped: str = ""
    fatal: str = ""
    strict: bool = False
    whole: bool = True  # no option left files out
    doubts: Tuple[str, ...] = ()  # what the source holds and no copy of files can: special files, links that lead out
    threads_used: float = 0.0
    seconds: float = 0.0
    manifest: str = ""
    manifest_sha256: str = ""
    evidence_file: str = ""

    @property
    def wrong(self) -> int:
        """Names that should be there, right, and are not."""
        return sum(count for judged, count in self.files.items() if judged not in (Judged.OK, Judged.EXTRA))

    @property
    def exit_code(self) -> int:
        """0 all is there and right; 8 not, or not known; 16 fatal."""
        if self.fatal:
            return 16
        extra = self.strict and self.files.get(Judged.EXTRA)
        return 8 if self.wrong or extra or not self.reached_end else 0

    @property
    def read_past_cache(self) -> bool:
        """True when every file that is OK was read past this client's cache."""
        ok = self.files.get(Judged.OK, 0) - self.links
        return sum(count for level, count in self.by_evidence.items() if level.past_cache) == ok


def verdict_words(result: AuditResult) -> str:
    """One of: right; right, but for extras; recorded; not right; stopped; fatal."""
    if result.fatal:
        return "fatal"
    if not result.reached_end:
        return "stopped"
    if result.wrong:
        return "not right"
    if result.only_recorded:
        return "recorded"
    return "right, but for extras" if result.files.get(Judged.EXTRA) else "right"


def closing_sentence(result: AuditResult) -> str:
    """The last sentence of a report: whether the source may be deleted, as far as this tree tells, and why."""
    objection = objection_to_deleting(result)
    if objection:
        return f"The source must be kept: {objection}."
    confirmed = confirming_hosts(result)
    witness = f" (confirmed by {confirmed} hosts)" if confirmed > 1 else ""
    return (
        "As far as this tree goes the source may be deleted: every file of the source was read back from the "
        f"destination past this client's cache and is identical{witness}. This is one copy."
    )


def confirming_hosts(result: AuditResult) -> int:
    """How many hosts, this one included, read every file that is OK and agree."""
    return min(result.hosts) if result.hosts else 1


def objection_to_deleting(result: AuditResult) -> str:
    """The first thing that stands against deleting the source; "" where nothing does."""
    if result.fatal:
        return result.fatal.rstrip(".")
    if not result.reached_end:
        return f"the audit ended early ({result.stopped or 'interrupted'})"
    if result.wrong:
        parts = [
            f"{count} {judged.value}"
            for judged, count in result.files.items()
            if count and judged not in (Judged.OK, Judged.EXTRA)
        ]
        return f"not every file is there and right ({', '.join(parts)})"
    if not result.source:
        return "this audit did not read the source, so it cannot say that the destination holds all of it"
    if not result.whole:
        return "the options left files of the source out of the audit"
    if result.doubts:
        return f"not everything in the source is data that was compared ({result.doubts[0]})"
    if result.record_only:
        return f"{result.record_only} file(s) were not read, as they were proven since the date that was given"
    if not result.read_past_cache:
        return "not every file was read back past this client's cache"
    return ""


class Sum:
    """Adds findings up. Used by one thread; most findings are OK, so these are counted apart."""

    def __init__(self) -> None:
        self._wrong: Dict[Judged, List[int]] = {}  # files, bytes
        self._right_files = self._right_bytes = 0
        self._levels: Dict[Evidence, int] = {}
        self._level, self._of_level = Evidence.NONE, 0  # the one that came last, and how many in a row
        self.hosts: Dict[int, int] = {}
        self.entries: List[Finding] = []
        self.links = self.carried_files = self.record_only = 0

    def add(self, finding: Finding) -> None:
        """Take one name."""
        if finding.judged is Judged.OK:
            self._right_files += 1
            self._right_bytes += finding.size_bytes
            if finding.evidence is not self._level:
                self._levels[self._level] = self._levels.get(self._level, 0) + self._of_level
                self._level, self._of_level = finding.evidence, 0
            self._of_level += 1
            return
        count = self._wrong.setdefault(finding.judged, [0, 0])
        count[0] += 1
        count[1] += finding.size_bytes
        self.entries.append(finding)

    @property
    def files(self) -> Dict[Judged, int]:
        """Names by verdict."""
        right = {Judged.OK: self._right_files} if self._right_files else {}
        return {**right, **{judged: count[0] for judged, count in self._wrong.items()}}

    @property
    def size_bytes(self) -> Dict[Judged, int]:
        """Their bytes."""
        right = {Judged.OK: self._right_bytes} if self._right_files else {}
        return {**right, **{judged: count[1] for judged, count in self._wrong.items()}}

    @property
    def by_evidence(self) -> Dict[Evidence, int]:
        """Names that are OK by how that is known."""
        levels = {**self._levels, self._level: self._levels.get(self._level, 0) + self._of_level}
        return {level: count for level, count in levels.items() if count}

    def witnesses(self, hosts: int) -> None:
        """So many hosts, this one included, read one OK file and agree."""
        self.hosts[hosts] = self.hosts.get(hosts, 0) + 1
