"""`vdt audit` of one tree: what it is held against, its state and evidence, the audit, the repair, the manifest.

Writes into the tree only where a repair was asked for. Evidence and manifest lie beside the tree; where nothing can be
written there (a read-only mount, a snapshot, another user's folder) the evidence stays in the state folder of this
machine, and that is said.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Callable, List, Optional, Sequence, Tuple

from vdt import fs, preflight
from vdt.against import OnRecord, expected_in_manifest, expected_on_record, read_records
from vdt.audit import Audit
from vdt.auditjob import AuditJob, AuditReports, no_listener
from vdt.auditstate import AuditState, state_folder
from vdt.copyjob import Meter
from vdt.errors import AwayError, LostOutputError, RefusedError, UsageError
from vdt.evidence import EvidenceWriter, host_name
from vdt.expected import Expected
from vdt.findings import AuditResult, Finding
from vdt.listing import lister
from vdt.lock import STATE_INSIDE
from vdt.manifest import SortedLines
from vdt.manifest_file import Former, publish, remove
from vdt.model import Count, Kind, Links, Policy
from vdt.outage import Outage
from vdt.probe import see_source
from vdt.progress import Progress
from vdt.retry import RetryPlan
from vdt.scan import take_snapshot
from vdt.stop import StopFlag
from vdt.treelog import LogSink, NoLog
from vdt.tuning import DEFAULT_THREADS
from vdt.watch import Watch

SHARE_WAIT_S = 600.0


@dataclass(frozen=True)
class AuditRequest:
    """What to audit and how; the defaults are those of `vdt audit`."""

    destination: str
    source: str = ""
    manifest: str = ""
    hash: str = ""
    write_manifest: str = ""
    record: bool = False  # with nothing to hold it against: read it all the same, for the record
    policy: Policy = Policy()
    strict: bool = False
    threads: int = DEFAULT_THREADS
    retry: RetryPlan = RetryPlan()
    share_wait_s: float = SHARE_WAIT_S
    state: str = ""  # folder for state and evidence of this machine; "" is the usual one
    skip_proven_after: str = ""
    repair: bool = False
    accept_source: Tuple[str, ...] = ()
    evidence_beside: bool = True  # False keeps it on this machine
    lock_folder: str = ""  # of a run's tree; "" is where `vdt copy` has it
    count: bool = False  # count the tree first, for the bar


@dataclass
class AuditTools:
    """What an audit's work is done with."""

    stop: StopFlag
    progress: Progress
    meter: Meter
    say: Callable[[str], None]
    each: Callable[[Finding], None] = no_listener
    watch: Watch = field(default_factory=Watch)
    so_far: Callable[[], Optional[AuditResult]] = lambda: None
    log: LogSink = field(default_factory=NoLog)


def audit_tree(request: AuditRequest, tools: AuditTools) -> AuditResult:
    """Audit one tree, and repair it where that was asked for.

    Raises:
        UsageError: what was asked makes no sense together.
        RefusedError: a side cannot be read at all.
        ManifestError: the manifest cannot be used.
        LostOutputError: evidence, state or manifest could not be written.
    """
    return _AuditTree(request, tools).run()


class _AuditTree:
    def __init__(self, request: AuditRequest, tools: AuditTools) -> None:
        self._request, self._tools = request, tools
        preflight.check_typed(request.destination, request.source, request.manifest)
        preflight.check_typed(request.write_manifest, request.state)
        self._destination = fs.absolute(request.destination)
        self._source = fs.absolute(request.source) if request.source else ""
        self._manifest = fs.absolute(request.manifest) if request.manifest else ""
        self._beside = self._destination.rstrip("/\\") + ".evidence"
        self._started = datetime.now().astimezone()
        self._stamp = self._started.strftime("%Y%m%dT%H%M%S")
        self._notes: List[str] = []
        self._lines = SortedLines()
        self._aside = Former([])

    def run(self) -> AuditResult:
        request, tools = self._request, self._tools
        tools.watch.phase("Looking at", self._destination)
        self._check()
        home = fs.absolute(request.state) if request.state else fs.state_home()
        state = AuditState(state_folder(home, self._destination, self._held_against()))
        here = os.path.join(state.folder, "evidence")
        folders = [self._beside, here]
        if self._manifest:
            folders.append(os.path.splitext(self._manifest)[0] + ".evidence")
        tools.watch.phase("Reading", self._beside)
        known = read_records(folders, request.skip_proven_after)
        expected, against, noun = self._against(known)
        tools.watch.phase("Looking at", self._destination)
        outage = Outage(
            self._source or self._destination,
            self._destination,
            request.share_wait_s,
            stop=tools.stop,
            say=tools.say,
            phase=tools.progress.phase,
        )
        outage.doing = "auditing"
        job = AuditJob(
            destination=self._destination,
            destination_volume=_volume(self._destination),
            against=against,
            source=self._source,
            source_volume=_volume(self._source) if self._source else None,
            policy=request.policy,
            expected=expected,
            noun=noun,
            records=known.records,
            recent=known.recent,
            by_host=known.by_host,
            threads=request.threads,
            retry=request.retry,
            meter=tools.meter,
            state_name=self._state_inside(),
            strict=request.strict,
            notes=tuple(known.notes),
        )
        with ExitStack() as stack:
            stack.callback(self._lines.close)
            state.begin(self._started)
            stack.callback(state.close)
            evidence = self._evidence(here, against, outage)
            stack.callback(outage.forgive, evidence.close)
            if state.count:
                self._notes.append(
                    f"An audit that ended early is gone on with: {state.count} files were read since {state.since}."
                )
            total = self._count(outage)
            lines = self._lines if request.write_manifest or request.repair else None
            job = replace(job, total=total, notes=(*job.notes, *self._notes))
            reports = AuditReports(state, evidence, lines, tools.each, tools.progress, tools.watch)
            audit = Audit(job, reports, StopFlag(tools.stop), outage=outage)
            tools.so_far = audit.so_far
            tools.progress.begin(os.path.basename(self._destination) or self._destination, total)
            tools.progress.phase("auditing")
            result = audit.run()
            if request.repair and result.reached_end:
                result = self._repaired(job, reports, result, outage)
            result = self._with_manifest(result, outage)
            kept = result
            tools.so_far = lambda: kept
            outage.forgive(evidence.flush)
            result = replace(result, evidence_file=evidence.path)
            if result.reached_end:
                state.finish()
        return result

    # -- before --------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        request, destination, source = self._request, self._destination, self._source
        if request.source and request.manifest:
            raise UsageError("--source and --manifest cannot both be given. Choose what the copy is held against.")
        if request.repair and not request.source:
            raise UsageError("--repair copies from the source: give --source too.")
        if request.accept_source and not request.repair:
            raise UsageError("--accept-source says what --repair may copy: give --repair too.")
        try:
            found = fs.opened(destination)
        except OSError as error:
            raise RefusedError(f"The copy {destination} cannot be read: {fs.explain(error)[1]}.") from error
        if found.kind is not Kind.FOLDER:
            raise RefusedError(f"The copy {destination} is not a folder. Give the folder that holds it.")
        if source:
            preflight.check_source(source)
            preflight.check_apart(source, destination)
        if request.write_manifest:
            path = fs.absolute(request.write_manifest)
            if source:
                preflight.check_report(path, source)
            preflight.check_report(path, destination, preflight.COPY)

    def _held_against(self) -> Sequence[str]:
        """What makes an audit another one: an interrupted one is only gone on with by its like."""
        if self._source:
            return ("source", self._source, self._request.policy.links.value)
        if not self._manifest:
            return ("record",)
        try:
            found = os.stat(self._manifest)
        except OSError:
            return ("manifest", self._manifest)
        return ("manifest", self._manifest, str(found.st_size), str(found.st_mtime_ns), self._request.hash)

    def _against(self, known: OnRecord) -> Tuple[Optional[Expected], str, str]:
        """(what is listed, in words, its noun). Raises RefusedError, ManifestError."""
        request = self._request
        if self._source:
            return None, f"source {self._source}", "the source"
        if self._manifest:
            listed, notes = expected_in_manifest(self._manifest, self._destination, request.hash)
            self._notes += notes
            return listed, f"manifest {self._manifest}", "the manifest"
        expected = expected_on_record(known.records)
        if expected.count:
            return expected, "the digests on record", "the record"
        if not (request.record or request.write_manifest):
            raise RefusedError(
                f"Nothing is on record of {self._destination}. Give --source or --manifest, or --write-manifest FILE "
                "to put its digests on record."
            )
        return None, "nothing: its digests are put on record", "the record"

    def _state_inside(self) -> str:
        """Our own state folder inside the destination, where an interrupted copy left it."""
        inside = os.path.join(self._destination, STATE_INSIDE)
        ours = os.path.isdir(inside) and not (
            self._source and os.path.lexists(os.path.join(self._source, STATE_INSIDE))
        )
        return STATE_INSIDE if ours else ""

    def _evidence(self, here: str, against: str, outage: Outage) -> EvidenceWriter:
        """This audit's own evidence file: beside the tree, or on this machine where that is refused."""
        head = {
            "audit": self._destination,
            "host": host_name(),
            "started": self._started.isoformat(timespec="seconds"),
            "against": against,
            "process": os.getpid(),
        }
        places = [self._beside, here] if self._request.evidence_beside else [here]
        refused = ""
        for place in places:
            writer = EvidenceWriter(place, self._started, "audit", patiently=outage.again)
            try:
                writer.note(head)
            except LostOutputError as error:
                if place == places[-1] or not _for_good(error.__cause__):
                    raise
                refused = fs.explain(error.__cause__)[1] if isinstance(error.__cause__, OSError) else str(error)
                continue
            if refused:
                self._notes.append(
                    f"The evidence could not be put beside the copy ({refused}); it is kept on this machine: "
                    f"{writer.path}."
                )
            return writer
        raise AssertionError("unreachable")

    def _count(self, outage: Outage) -> Optional[Count]:
        if not self._request.count:
            return None
        self._tools.progress.phase("counting")
        listed = lister(self._request.retry, self._tools.stop, outage)
        try:
            snapshot = take_snapshot(
                self._destination,
                listed,
                links=Links.COPY,
                ignore=lambda path, entry: False,
                stop=lambda: self._tools.stop,
                again=outage.again,
            )
        except OSError as error:
            raise RefusedError(f"The copy {self._destination} cannot be read: {fs.explain(error)[1]}.") from error
        return snapshot.count

    # -- after ---------------------------------------------------------------------------------------------------------

    def _repaired(self, job: AuditJob, reports: AuditReports, result: AuditResult, outage: Outage) -> AuditResult:
        from vdt.repair import Repair  # brings all of the transfer: time that only a repair has to spend

        request, tools, manifest = self._request, self._tools, f"{self._destination}.xxh128"
        self._aside = Former([(manifest, f"{self._destination}.{self._stamp}.xxh128")])
        repair = Repair(request.accept_source, request.lock_folder, self._aside, tools.stop, tools.say, tools.log)
        return repair.after(job, reports, result, outage)

    def _with_manifest(self, result: AuditResult, outage: Outage) -> AuditResult:
        """Write the manifest that was asked for, and the one that the repair set aside."""
        beside = f"{self._destination}.xxh128"
        wanted = [fs.absolute(self._request.write_manifest)] if self._request.write_manifest else []
        if self._aside.kept(beside) and beside not in wanted:
            wanted.append(beside)
        if not wanted:
            return result
        if result.wrong or not result.reached_end:
            why = "not everything is there and right" if result.reached_end else "the audit did not reach its end"
            note = f"No manifest was written: {why}."
            if self._aside.kept(beside):
                note += f" The former one is kept as {self._aside.kept(beside)}."
            return replace(result, notes=(*result.notes, note))
        for path in wanted:
            self._tools.watch.phase("Writing", path)
            root, ending = os.path.splitext(path)
            keep_as = f"{root}.{self._stamp}{ending}"
            try:
                sha256 = outage.again(
                    lambda path=path, keep_as=keep_as: publish(  # type: ignore[misc]
                        self._lines, path, keep_as=keep_as, aside=self._aside.kept(path)
                    )
                )
            except AwayError as error:
                return replace(result, fatal=str(error))
            if path == beside:
                remove(f"{self._destination}.incomplete.xxh128")
            result = replace(result, manifest=path, manifest_sha256=sha256)
        return replace(result, notes=(*result.notes, *self._lines.notes))


def _volume(path: str) -> fs.Volume:
    """A side's file system, with `cold_reads` only where that was shown on files that lie there."""
    try:
        return see_source(path, fs.volume(path), asked=True)
    except OSError:
        return fs.Volume("unknown", fs.Flush.FILE, False, "the system does not say what it is")


def _for_good(cause: Optional[BaseException]) -> bool:
    """True where the system refuses the place itself."""
    return isinstance(cause, OSError) and fs.heal(cause) is fs.Heal.NEVER
