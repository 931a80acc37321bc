"""What a run is asked to do, what it talks to, and how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import IO, Any, Callable, FrozenSet, Mapping, Optional, Tuple

from vdt.bwlimit import TokenBucket, parse_bwlimit
from vdt.copyjob import Meter, NoLimit
from vdt.model import Existing, Verify
from vdt.progress import Progress
from vdt.pulse import Pulse
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.tuning import DEFAULT_THREADS
from vdt.vizgen.config import Config
from vdt.vizgen.layout import CopyType
from vdt.vizgen.mail import MailText
from vdt.vizgen.report import RunReport
from vdt.vizgen.tree import SHARE_WAIT_S, Settings
from vdt.watch import Watch


@dataclass(frozen=True)
class Request:
    """What the command line asked for; None where it said nothing and the configuration or the default counts."""

    run_id: str
    config: str
    command: str
    copy_types: Tuple[CopyType, ...] = tuple(CopyType)
    threads: Optional[int] = None
    ignore_python: Mapping[CopyType, FrozenSet[str]] = field(default_factory=dict)
    ignore_robocopy: Mapping[CopyType, FrozenSet[str]] = field(default_factory=dict)
    disk: bool = False
    debug: bool = False
    dry_run: bool = False
    verify: Optional[Verify] = None
    existing: Optional[Existing] = None
    replace_proven: bool = False
    bwlimit: Optional[str] = None
    require_finished: bool = False
    wait_finished_h: Optional[float] = None
    lies_still: bool = False  # who asks has just seen that nothing changed for `settle_s`
    also_hash: Optional[str] = None
    robocopy_check: Optional[str] = None
    ignore_space: bool = False
    mail: bool = True
    json: Optional[str] = None
    robocopy_exit_code: bool = False
    audit: bool = False
    repair: bool = False
    accept_source: Tuple[str, ...] = ()


@dataclass
class Surroundings:
    """What the run talks to."""

    stop: StopFlag
    progress: Progress
    say: Callable[[str], None]  # a line for the person at the terminal
    stdout: IO[str]
    pulse: Pulse = field(default_factory=lambda: Pulse(time.monotonic()))  # that of `progress`, where it has one
    watch: Watch = field(default_factory=Watch)
    wants_mail: Callable[[RunReport], bool] = lambda report: True  # asked at the end of a run that may send one


@dataclass(frozen=True)
class Ended:
    """How the run ended."""

    exit_code: int
    mail: Optional[MailText] = None  # None after a dry run
    report: Optional[RunReport] = None  # None after a dry run and an audit


def resolve(request: Request, config: Config) -> Settings:
    """The command line beats `[vdt]`, `[vdt]` beats the option string, that beats the defaults."""
    options = config.options
    retries = _first(config.retries, options.retries, RetryPlan().retries)
    wait_s = _first(config.retry_wait_s, options.retry_wait_s, None)
    return Settings(
        policy=options.policy,
        verify=_first(request.verify, config.verify, Verify.COLD),
        existing=_first(request.existing, config.existing, Existing.PROVE),
        replace_proven=request.replace_proven,
        threads=_first(request.threads, config.threads, options.threads, DEFAULT_THREADS),
        retry=RetryPlan(retries, wait_s),
        share_wait_s=_first(config.share_wait_s, SHARE_WAIT_S),
        also=_first(request.also_hash, config.also_hash, None),
    )


def byte_meter(request: Request, config: Config, stop: StopFlag) -> Meter:
    """What `--bwlimit` allows, or no limit. Raises UsageError where it is no rate."""
    text = request.bwlimit or config.bwlimit or config.options.bwlimit
    return TokenBucket(parse_bwlimit(text), wait=stop.wait) if text else NoLimit()


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
