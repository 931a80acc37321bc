"""What one tree's audit needs to know, and where it writes. Values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Mapping, Optional, Tuple

from vdt import fs
from vdt.auditstate import AuditState
from vdt.chosen import States
from vdt.copyjob import Meter, NoLimit
from vdt.evidence import EvidenceWriter
from vdt.expected import Expected
from vdt.findings import Finding
from vdt.manifest import SortedLines
from vdt.model import Count, Policy
from vdt.progress import Progress, Silent
from vdt.records import NO_RECORDS, Records
from vdt.retry import RetryPlan
from vdt.tuning import DEFAULT_THREADS
from vdt.watch import Watch


@dataclass(frozen=True)
class AuditJob:
    """Everything one tree's audit needs to know."""

    destination: str
    destination_volume: fs.Volume
    against: str  # words
    source: str = ""
    source_volume: Optional[fs.Volume] = None
    policy: Policy = Policy()
    expected: Optional[Expected] = None
    noun: str = "the manifest"
    records: Records = NO_RECORDS
    recent: Records = NO_RECORDS  # proofs that are believed without a read
    by_host: Mapping[str, Records] = field(default_factory=dict)  # of other hosts
    threads: int = DEFAULT_THREADS
    retry: RetryPlan = RetryPlan()
    meter: Meter = NoLimit()
    state_name: str = ""  # of our state folder where it lies inside the destination
    total: Optional[Count] = None  # where it was counted
    strict: bool = False
    notes: Tuple[str, ...] = ()
    chosen: Optional[States] = None  # only these files: what was repaired


def no_listener(finding: Finding) -> None:
    """Nobody asked."""


@dataclass
class AuditReports:
    """Where an audit writes."""

    state: Optional[AuditState] = None
    evidence: Optional[EvidenceWriter] = None
    manifest: Optional[SortedLines] = None
    each: Callable[[Finding], None] = no_listener
    progress: Progress = field(default_factory=Silent)
    watch: Watch = field(default_factory=Watch)
