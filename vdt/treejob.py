"""What one tree's transfer needs to know: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Tuple

from vdt.chosen import States
from vdt.copyjob import Meter, NoLimit
from vdt.journal import Journals
from vdt.model import Existing, Policy, Verify
from vdt.probe import Destination
from vdt.records import NO_RECORDS, Records
from vdt.retry import RetryPlan
from vdt.robocopy.log import LogFormat, Told
from vdt.snapshot import Snapshot
from vdt.tuning import DEFAULT_THREADS


@dataclass(frozen=True)
class TreeJob:
    """Everything one tree's transfer needs to know."""

    source: str
    destination: str
    target: Destination  # what the probe found
    policy: Policy = Policy()
    verify: Verify = Verify.COLD
    existing: Existing = Existing.PROVE
    replace_proven: bool = False
    threads: int = DEFAULT_THREADS
    retry: RetryPlan = RetryPlan()
    also: Optional[str] = None
    meter: Meter = NoLimit()
    token: str = ""  # of the lock
    before: Optional[Snapshot] = None  # the count before, where one was made
    records: Records = NO_RECORDS
    root_created: bool = False  # the destination's root was made for this run
    journals: Journals = field(default_factory=Journals)  # of partials that earlier runs left in the state folder
    state_name: str = ""  # name of the state folder where it lies inside the destination
    dry_run: bool = False
    asks: bool = False  # with `dry_run`: what is proven? A file that needs any work is reported as one that is not
    log_format: LogFormat = LogFormat(mt=True)
    told: Optional[Told] = None  # names and options for the log's header; else they are those of the policy
    notes: Tuple[str, ...] = ()
    chosen: Optional[States] = None  # a repair: only these files
