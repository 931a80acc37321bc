"""`vdt copy`: any tree, the same engine. Checks the paths, takes the lock, copies, writes the manifest.

The state lies in `.<name of DST>.vdt/` beside DST, or in `.vdt/` inside it where its parent is another file system or
cannot be written. With a manifest asked for, evidence is kept beside it (`FILE` without its ending, plus `.evidence/`),
so that the next run knows what is proven.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Callable, Optional

from vdt import fs, preflight
from vdt.claim import Made, claim, give_back
from vdt.copyjob import LOST_LOCK, Meter, NoLimit
from vdt.errors import AwayError, RefusedError
from vdt.evidence import EvidenceWriter, load_records
from vdt.journal import Journals
from vdt.lock import STATE_INSIDE
from vdt.manifest import SortedLines
from vdt.manifest_file import Former, publish, remove, set_aside
from vdt.model import Existing, Policy, TreeResult, Verify
from vdt.outage import ALWAYS_THERE, Outage, Presence
from vdt.probe import lowered, unprobed
from vdt.progress import Progress, Silent
from vdt.recorder import FileSink, Reports, no_sink
from vdt.records import NO_RECORDS
from vdt.retry import RetryPlan
from vdt.robocopy.log import LogFormat, Told
from vdt.stop import StopFlag
from vdt.transfer import transfer_tree
from vdt.treejob import TreeJob
from vdt.treelog import Both, LogSink, NoLog, TreeLog
from vdt.tuning import DEFAULT_THREADS
from vdt.watch import Watch

SHARE_WAIT_S = 600.0


@dataclass(frozen=True)
class CopyRequest:
    """What to copy and how; the defaults are those of `vdt copy`."""

    source: str
    destination: str
    policy: Policy = Policy()
    verify: Verify = Verify.COLD
    existing: Existing = Existing.TRUST
    replace_proven: bool = False
    threads: int = DEFAULT_THREADS
    retry: RetryPlan = RetryPlan()
    share_wait_s: float = SHARE_WAIT_S  # how long a source or destination that is away is waited for
    log: str = ""
    append_log: bool = False
    log_utf16: bool = False  # else UTF-8
    log_format: Optional[LogFormat] = None  # else as `threads` says
    told: Optional[Told] = None  # what the log's header tells of the command; else it is made from the policy
    lists_to_log: bool = False  # a dry run writes the log too, as robocopy /L does
    manifest: str = ""
    dry_run: bool = False


def copy_tree(
    request: CopyRequest,
    *,
    stop: Optional[StopFlag] = None,
    progress: Optional[Progress] = None,
    meter: Optional[Meter] = None,
    say: Callable[[str], None] = lambda line: None,
    each_file: FileSink = no_sink,
    listing: LogSink = NoLog(),
    console: LogSink = NoLog(),
    watch: Optional[Watch] = None,
) -> TreeResult:
    """Copy `request.source` into `request.destination` and prove it.

    Args:
        listing: takes the log of a dry run that writes no log file.
        console: takes the log of every run, beside the file.
        watch: told what is going on, for a caller that does not wait for a system that hangs (supervise.py).

    Raises:
        RefusedError: the paths overlap, the source is no folder, the destination cannot be written, or another copy
            works on it; nothing was copied.
        LostOutputError: a report could not be written; what was copied stays.
    """
    stop = StopFlag() if stop is None else stop  # a flag that is not set is false
    reports = Reports(
        progress=progress or Silent(),
        each_file=each_file,
        watch=watch or Watch(),
    )
    reports.watch.phase("Looking at", request.source)
    preflight.check_typed(request.source, request.destination, request.log, request.manifest)
    source, destination = fs.absolute(request.source), fs.absolute(request.destination)
    preflight.check_source(source)
    reports.watch.phase("Looking at", destination)
    for report in (request.log, request.manifest):
        preflight.check_report(report, source)
    preflight.check_apart(source, destination)
    job = TreeJob(
        source=source,
        destination=destination,
        target=unprobed(destination),
        policy=request.policy,
        verify=request.verify,
        existing=request.existing,
        replace_proven=request.replace_proven,
        threads=request.threads,
        retry=request.retry,
        meter=meter or NoLimit(),
        dry_run=request.dry_run,
        log_format=request.log_format or LogFormat(mt=request.threads > 1),
        told=request.told,
        state_name=STATE_INSIDE if _left_inside(source, destination) else "",
    )
    started = datetime.now().astimezone()
    with ExitStack() as stack:
        evidence = os.path.splitext(fs.absolute(request.manifest))[0] + ".evidence" if request.manifest else ""
        records, notes = load_records(evidence) if evidence else (NO_RECORDS, [])
        job = replace(job, records=records, notes=tuple(notes))
        outage: Presence = ALWAYS_THERE
        watched: Optional[Outage] = None
        if not request.dry_run:
            watched = outage = Outage(
                source, destination, request.share_wait_s, stop=stop, say=say, phase=reports.progress.phase
            )
        file = _log(request, listing, stack, outage)
        reports.log = (
            file if isinstance(console, NoLog) else console if isinstance(file, NoLog) else Both(file, console)
        )
        if watched is not None:
            stack.enter_context(fs.stay_awake())
            reports.watch.phase("Preparing", destination)
            made = Made(destination)
            try:
                target, lock, inside = claim(destination, stop, say, reports.watch)
                stack.callback(give_back, lock, reports.watch, watched)
                watched.prove_by(lock.seen)
                if job.state_name and not inside:
                    preflight.remove_empty([os.path.join(destination, STATE_INSIDE)])
                real = os.path.realpath(destination)
                preflight.check_apart_by_marker(source, real, os.path.realpath(lock.folder), lock.lies_in)
            except RefusedError as refused:
                stack.close()
                made.take_back(refused)
                raise
            job = replace(
                job,
                target=target,
                policy=lowered(request.policy, target),
                token=lock.token,
                root_created=destination in made.folders,
                state_name=STATE_INSIDE if inside else job.state_name,
                notes=(*lock.notes, *notes),
                journals=Journals.load(lock.folder),
            )
            if evidence:
                reports.evidence = EvidenceWriter(
                    evidence, started, "copy", patiently=watched.again, guard=watched.guard
                )
                stack.callback(outage.forgive, reports.evidence.close)
        lines = SortedLines()
        if request.manifest:
            reports.manifest = lines
            stack.callback(lines.close)
        reports.progress.begin(os.path.basename(destination) or destination, None)
        asked_for = [request.manifest] if request.manifest else []
        former = Former([(fs.absolute(path), _kept_as(path, started)) for path in asked_for])
        held = lock.held if not request.dry_run else lambda: True
        result = transfer_tree(job, reports, stop, holds_lock=lambda: former.allows(held), outage=outage)
        reports.watch.so_far = lambda: result
        if watched is not None and watched.destination_lost:
            return result  # nothing is written beside it either: another volume may stand there
        if not held():  # what is said of this tree from now on is said by whoever holds it
            result = replace(result, reached_end=False, stopped=LOST_LOCK)
        elif request.manifest and not request.dry_run:
            reports.watch.phase("Writing", request.manifest)
            unlisted = result
            try:
                result = outage.again(lambda: _write_manifest(unlisted, lines, request.manifest, former, started))
            except AwayError as error:
                result = replace(result, fatal=str(error))
        reports.watch.so_far = lambda: result
    return result


def _left_inside(source: str, destination: str) -> bool:
    """True where an empty state folder lies inside the destination: of a run whose lock could not lie beside it, or
    not be written. One that the source has too is data."""
    try:
        return not os.listdir(os.path.join(destination, STATE_INSIDE)) and not os.path.lexists(
            os.path.join(source, STATE_INSIDE)
        )
    except OSError:
        return False


def _log(request: CopyRequest, listing: LogSink, stack: ExitStack, outage: Presence) -> LogSink:
    if request.dry_run and not request.lists_to_log:
        return listing
    if not request.log:
        return NoLog()
    log = TreeLog(request.log, append=request.append_log, utf16=request.log_utf16, patiently=outage.again)
    stack.callback(outage.forgive, log.close)
    return log


def _kept_as(manifest: str, started: datetime) -> str:
    root, ending = os.path.splitext(fs.absolute(manifest))
    return f"{root}.{started.strftime('%Y%m%dT%H%M%S')}{ending}"


def _write_manifest(
    result: TreeResult, lines: SortedLines, manifest: str, former: Former, started: datetime
) -> TreeResult:
    path, keep_as = fs.absolute(manifest), _kept_as(manifest, started)
    incomplete = "{}.incomplete{}".format(*os.path.splitext(path))
    if result.proven:
        sha256 = publish(lines, path, keep_as=keep_as, aside=former.kept(path))
        remove(incomplete)
    else:
        if not result.reached_end and not former.changed and os.path.exists(path):
            return result  # nothing was changed: what the former manifest says still stands
        set_aside(path, keep_as)
        path = incomplete
        sha256 = publish(lines, path)
    return replace(result, manifest=path, manifest_sha256=sha256, notes=(*result.notes, *lines.notes))
