"""One tree copied and proven: wires scan, plan, engine, copier and reports; owns no logic of theirs.

The caller has checked the paths (preflight.py) and holds the lock (lock.py). One thread, this one, walks the trees,
makes folders, takes results and writes every report; workers only copy.
"""

from __future__ import annotations

import heapq
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Callable, Dict, Iterator, List, Optional, Protocol, Tuple

from vdt import fs
from vdt.batches import Batcher
from vdt.copier import Batch, Copier, CopyJob, Meter, Part
from vdt.engine import Engine, StopFlag
from vdt.evidence import EvidenceWriter
from vdt.manifest import SortedLines
from vdt.model import (
    Action,
    Entry,
    Existing,
    FileClass,
    Grew,
    Kind,
    Outcome,
    Policy,
    Status,
    TreeResult,
    Verify,
    join,
)
from vdt.plan import FolderPlan, Planner, Rules
from vdt.preflight import Destination
from vdt.printable import printable
from vdt.progress import Progress, Silent
from vdt.records import NO_RECORDS, Record, Records
from vdt.retry import RetryPlan
from vdt.robocopy.classes import FolderKind, Skip
from vdt.robocopy.log import LogFormat, options_line
from vdt.robocopy.summary import summary
from vdt.scan import Scanned, walk
from vdt.snapshot import Snapshot
from vdt.tally import Tally
from vdt.treelog import LogSink, NoLog

SECOND_LOOK_S = 2.0  # wait before files that moved or were held by somebody are tried once more, at the end
_FLUSH_EVERY_S = 30.0  # a power cut costs evidence since the last flush
_SKIP_WORDS = {word.value: word for word in Skip}


class NoLimit:
    """A Meter that never blocks."""

    def take(self, count: int) -> None: ...


class FileSink(Protocol):
    """Told of each file as it is settled (--jsonl)."""

    def __call__(self, path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None: ...


def no_sink(path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None:
    """Nobody asked."""


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
    threads: int = 8
    retry: RetryPlan = RetryPlan()
    also: Optional[str] = None
    token: str = ""  # of the lock
    title: str = ""
    before: Optional[Snapshot] = None  # the count before, where one was made
    records: Records = NO_RECORDS
    root_created: bool = False  # the destination's root was made for this run
    state_name: str = ""  # name of the state folder where it lies inside the destination
    dry_run: bool = False
    log_format: LogFormat = LogFormat(mt=True)
    notes: Tuple[str, ...] = ()


@dataclass
class Reports:
    """Where a transfer writes. Each is there; the empty ones do nothing."""

    log: LogSink = field(default_factory=NoLog)
    evidence: Optional[EvidenceWriter] = None
    manifest: SortedLines = field(default_factory=SortedLines)
    also_manifest: Optional[SortedLines] = None  # of the second digest
    each_file: FileSink = no_sink
    progress: Progress = field(default_factory=Silent)
    meter: Meter = field(default_factory=NoLimit)


def lister(retry: RetryPlan, stop: StopFlag) -> Callable[[str], List[Entry]]:
    """`fs.list_folder`, tried again where that can heal; waits end with a stop."""

    def listed(path: str) -> List[Entry]:
        attempt = 1
        while True:
            try:
                return fs.list_folder(path)
            except OSError as error:
                wait = retry.wait_before(attempt) if fs.heal(error) is fs.Heal.MAYBE else None
                if wait is None or stop.wait(wait):
                    raise
                attempt += 1

    return listed


def transfer_tree(
    job: TreeJob, reports: Reports, stop: StopFlag, *, holds_lock: Callable[[], bool] = lambda: True
) -> TreeResult:
    """Copy one tree and prove it.

    Raises:
        LostOutputError: a report could not be written; what was copied stays.
    """
    return _Transfer(job, reports, stop, holds_lock).run()


class _Transfer:
    def __init__(self, job: TreeJob, reports: Reports, stop: StopFlag, holds_lock: Callable[[], bool]) -> None:
        self._job, self._out, self._stop = job, reports, stop
        self._tally = Tally()
        self._list = lister(job.retry, stop)
        self._rules = Rules(job.policy, job.existing, job.replace_proven, job.also, job.target.fold_case)
        self._notes: List[str] = [*job.target.notes, *job.notes]
        self._grew: List[Grew] = []
        self._retries = 0
        self._waiting: List[Tuple[float, int, Action]] = []  # heap: due, number, action
        self._number = 0
        self._second_look: List[Action] = []
        self._first_reasons: Dict[str, Outcome] = {}
        self._counted_folder: Optional[str] = None
        self._counted_files: Dict[str, Tuple[int, int]] = {}
        self._folders: List[Tuple[str, Entry]] = []  # those whose times and modes are set last
        self._waited_s = 0.0
        self._pending = 0
        self._walked = False
        self._full = False
        self._last_flush = time.monotonic()
        self._copier = Copier(
            CopyJob(
                source=job.source,
                destination=job.destination,
                policy=job.policy,
                verify=job.verify,
                source_volume=fs.volume(job.source),
                destination_volume=job.target.volume,
                token=job.token,
                stop=stop,
                meter=reports.meter,
                moved=reports.progress.moved,
                also=job.also,
                holds_lock=holds_lock,
            )
        )

    # -- the run ---------------------------------------------------------------------------------------------------

    def run(self) -> TreeResult:
        job = self._job
        started = datetime.now().astimezone()
        began = time.monotonic()
        self._header(started)
        planner = Planner(self._rules, job.records)
        exists = not job.dry_run or _is_folder(job.destination)
        scanned = walk(
            job.source,
            job.destination,
            planner,
            job.policy.links,
            self._list,
            dest_exists=exists,
            state_name=job.state_name,
        )
        engine: Engine[Batch, List[Outcome]] = Engine(self._copier, 1 if job.dry_run else job.threads)
        with ExitStack() as on_error:
            on_error.callback(self._stop.set, "an error")
            for outcomes in engine.run(self._tasks(scanned)):
                self._pending -= 1
                for outcome in outcomes:
                    self._settle(outcome)
                self._out.progress.done(len(outcomes))
                self._flush_now_and_then()
            on_error.pop_all()
        copied_s = time.monotonic() - began
        if not job.dry_run:
            self._finish_folders()
            self._flush_destination()
        if self._out.evidence is not None:
            self._out.evidence.flush()
        ended = datetime.now().astimezone()
        reached_end = self._walked and not self._stop
        tally = self._tally
        result = TreeResult(
            source=job.source,
            destination=job.destination,
            started=started,
            ended=ended,
            dirs=tally.dirs.row(),
            files=tally.files.row(),
            size_bytes=tally.size_bytes.row(),
            files_by_evidence=dict(tally.files_by_evidence),
            bytes_by_evidence=dict(tally.bytes_by_evidence),
            failed=tuple(tally.failed),
            unstable=tuple(tally.unstable),
            conflict=tuple(tally.conflict),
            type_mismatch=tuple(tally.type_mismatch),
            extra=tuple(tally.extra),
            special=tuple(tally.special),
            grew=tuple(self._grew),
            notes=tuple(self._notes),
            retries=self._retries,
            copy_seconds=copied_s,
            threads_used=engine.threads_used,
            reached_end=reached_end,
            weak_files=tally.weak_files,
            stopped="" if reached_end else self._why_stopped(),
        )
        if not job.log_format.no_summary:
            other_s = max(0.0, time.monotonic() - began - copied_s)
            self._out.log.write(
                summary(
                    result.dirs,
                    result.files,
                    result.size_bytes,
                    copied_s,
                    self._waited_s,
                    other_s,
                    ended,
                    bytes_=job.log_format.bytes_,
                    list_only=job.dry_run,
                )
            )
        return result

    def _why_stopped(self) -> str:
        if self._full:
            return "the destination is full"
        return self._stop.reason or "interrupted"

    def _tasks(self, scanned: Iterator[Scanned]) -> Iterator[Optional[Batch]]:
        """Batches as the walk finds them, then retries as they fall due, then the second look."""
        batcher = Batcher()
        for item in scanned:
            if self._stop:
                return
            for batch in self._visit(item, batcher):
                yield self._sent(batch)
                yield from self._due()
                if self._stop:
                    return
        for batch in batcher.rest():
            yield self._sent(batch)
        self._walked = True
        looked = False
        while not self._stop:
            yield from self._due()
            if self._pending or self._waiting:
                yield None
            elif self._second_look and not looked:
                looked = True
                if self._stop.wait(SECOND_LOOK_S):
                    return
                again, self._second_look = self._second_look, []
                for action in again:
                    yield self._sent(self._alone(action))
            else:
                return

    def _sent(self, batch: Batch) -> Batch:
        self._pending += 1
        return batch

    def _due(self) -> Iterator[Batch]:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now and not self._stop:
            yield self._sent(self._alone(heapq.heappop(self._waiting)[2]))

    def _alone(self, action: Action) -> Batch:
        return Batch((Part(action.folder, [action]),), action.source.size_bytes)

    # -- one folder ------------------------------------------------------------------------------------------------

    def _visit(self, item: Scanned, batcher: Batcher) -> Iterator[Batch]:
        job, tally = self._job, self._tally
        place = fs.full_path(job.destination, item.folder)
        if item.plan is None:
            assert item.error is not None
            side = "Source" if item.side == "source" else "Destination"
            path = fs.full_path(job.source, item.folder) if item.side == "source" else place
            self._folder_failed(item.folder, f"Scanning {side} Directory", path, item.error)
            return
        plan = item.plan
        created = plan.is_new or (not item.folder and job.root_created)
        self._out.log.write(
            job.log_format.folder_line(
                FolderKind.NEW if created else FolderKind.EXISTING,
                plan.listed,
                fs.full_path(job.source, item.folder),
            )
        )
        if plan.is_new and not job.dry_run and (job.policy.empty_folders or plan.actions):
            error = self._make(place)
            if error is not None:
                self._folder_failed(item.folder, "Creating Destination Directory", place, error)
                for action in plan.actions:
                    tally.file_failed(action.path, action.source.size_bytes, "its folder could not be made", 1)
                plan.descend.clear()
                return
        tally.folder(created=created)
        if item.entry is not None and (job.policy.folder_times or job.policy.keep_modes):
            self._folders.append((item.folder, item.entry))
        self._report_plan(plan, place)
        for entry, reason in item.broken_links:
            path = join(item.folder, entry.name)
            tally.file_failed(path, 0, reason, 1)
            self._error_lines(path, 2, "Copying File", fs.full_path(job.source, path), reason)
        if job.dry_run:
            for action in plan.actions:
                self._would(action)
            return
        self._tidy(plan, place)
        yield from batcher.add(plan.folder, plan.actions)

    def _report_plan(self, plan: FolderPlan, place: str) -> None:
        job, log, layout = self._job, self._out.log, self._job.log_format
        prefix = plan.folder + "/" if plan.folder else ""
        if job.policy.hide_extras:
            plan.extra_files.clear()
            plan.extra_folders.clear()
        self._tally.plan(plan, prefix)
        for entry in plan.extra_folders:
            log.write(layout.extra_folder(fs.full_path(place, entry.name)))
        for entry in plan.extra_files:
            name = fs.full_path(place, entry.name) if layout.wants_paths else entry.name
            log.write(layout.extra_file(entry.size_bytes, name))
        for source, _ in plan.mismatches:
            path = fs.full_path(place, source.name)
            if source.kind is Kind.FOLDER:
                log.write(layout.mismatch_folder(0, path))
            else:
                log.write(layout.mismatch_file(source.size_bytes, path if layout.wants_paths else source.name))
        for entry in plan.excluded_folders:
            log.write(layout.folder_line(FolderKind.NAMED, 0, fs.full_path(job.source, prefix + entry.name)))
        for problem in plan.conflicts:
            self._error_lines(problem.path, 183, "Copying File", fs.full_path(job.source, problem.path), problem.reason)
            self._out.each_file(problem.path, 0, "conflict", "", "", problem.reason)
        for entry, reason in plan.refused:
            path = prefix + entry.name
            self._error_lines(path, 183, "Creating Destination File", fs.full_path(job.destination, path), reason)
            self._out.each_file(path, entry.size_bytes, "failed", "", "", reason)
        for skipped in plan.skipped:
            self._report_skipped(skipped.entry, skipped.file_class, skipped.word, prefix)
            record = skipped.record
            path = prefix + skipped.entry.name
            if record is not None:
                self._list_digests(path, record.digest, record.also.partition(":")[2])
                self._note_growth(path, skipped.entry.size_bytes)
            if not skipped.word:
                digest = record.digest if record else ""
                self._out.each_file(path, skipped.entry.size_bytes, "skipped", skipped.evidence.value, digest, "")
        if plan.skipped:
            self._out.progress.moved(sum(skipped.entry.size_bytes for skipped in plan.skipped))
            self._out.progress.done(len(plan.skipped))

    def _report_skipped(self, entry: Entry, file_class: FileClass, word: str, prefix: str) -> None:
        layout = self._job.log_format
        if not layout.verbose:
            return
        name = fs.full_path(self._job.source, prefix + entry.name) if layout.wants_paths else entry.name
        if word in _SKIP_WORDS:
            self._out.log.write(layout.skip_line(_SKIP_WORDS[word], entry.size_bytes, name))
        else:
            self._out.log.write(layout.file_line(file_class, False, entry.size_bytes, name))

    def _would(self, action: Action) -> None:
        """A dry run's answer for one file: what a real run would do."""
        size = action.source.size_bytes
        self._tally.outcome(Outcome(action, Status.COPIED if action.verb.value != "prove" else Status.PROVEN, size))
        self._log_file(action, size, copied=action.verb.value != "prove")

    def _tidy(self, plan: FolderPlan, place: str) -> None:
        """Remove partials that no run knows any more (this run holds the lock), and set modes that alone differ."""
        if not plan.stale_partials and not plan.retouch:
            return
        try:
            with fs.Folder(place) as folder:
                for name in plan.stale_partials:
                    folder.unlink(name)
                for action in plan.retouch:
                    folder.set_mode(action.source.name, action.source.mode)
        except OSError as error:
            self._notes.append(f"{place}: left-overs or modes could not be set right: {fs.explain(error)[1]}.")

    def _make(self, place: str) -> Optional[OSError]:
        attempt = 1
        while True:
            try:
                fs.make_folder(place)
                return None
            except OSError as error:
                heal = fs.heal(error)
                if heal is fs.Heal.FULL:
                    self._full = True
                    self._stop.set("the destination is full")
                wait = self._job.retry.wait_before(attempt) if heal is fs.Heal.MAYBE else None
                if wait is None or self._stop.wait(wait):
                    return error
                attempt += 1

    def _folder_failed(self, folder: str, operation: str, path: str, error: OSError) -> None:
        code, reason = fs.explain(error)
        self._tally.folder_failed(folder, f"{operation}: {reason}")
        self._error_lines(folder, code, operation, path, reason)
        self._out.each_file(folder, 0, "failed", "", "", f"{operation}: {reason}")

    # -- one file --------------------------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome) -> None:
        action, status = outcome.action, outcome.status
        if status in (Status.COPIED, Status.PROVEN, Status.LINKED):
            self._arrived(outcome)
            return
        if status is Status.STOPPED:
            return
        failure = outcome.failure
        assert failure is not None
        size = action.source.size_bytes
        self._log_file(action, size, copied=True)
        self._out.log.write(
            self._job.log_format.error(
                datetime.now(), failure.code, failure.operation, failure.path, failure.reason[:1].upper() + failure.reason[1:]
            )
        )
        reason = f"{failure.operation} {printable(failure.path)}: {failure.reason}"
        if status is Status.FULL:
            self._full = True
            self._stop.set("the destination is full")
            self._give_up(action, reason, unstable=False)
            return
        wait = self._job.retry.wait_before(action.attempt) if status is Status.RETRY else None
        if wait is not None and not self._stop:
            self._retries += 1
            self._waited_s += wait
            self._number += 1
            self._out.log.write(self._job.log_format.retry_wait(wait))
            self._out.progress.say(f"{printable(action.path)}: {failure.reason}; trying again in {wait:g} s")
            due = time.monotonic() + wait
            heapq.heappush(self._waiting, (due, self._number, action._replace(attempt=action.attempt + 1)))
            return
        held = status is Status.UNSTABLE or failure.code in (32, 33)
        if held and action.path not in self._first_reasons and not self._stop:
            self._first_reasons[action.path] = outcome
            self._second_look.append(action._replace(attempt=action.attempt + 1))
            self._out.progress.say(f"{printable(action.path)}: {failure.reason}; looked at again at the end")
            return
        if status is Status.RETRY:
            self._out.log.write(self._job.log_format.retry_limit())
        self._give_up(action, reason, unstable=status is Status.UNSTABLE)

    def _give_up(self, action: Action, reason: str, *, unstable: bool) -> None:
        size = action.source.size_bytes
        if unstable:
            self._tally.file_unstable(action.path, size, reason, action.attempt)
        else:
            self._tally.file_failed(action.path, size, reason, action.attempt)
        word = "UNSTABLE" if unstable else "FAILED"
        self._out.progress.say(f"{word} {printable(action.path)}: {reason}")
        self._out.each_file(action.path, size, word.lower(), "", "", reason)

    def _arrived(self, outcome: Outcome) -> None:
        action = outcome.action
        path = action.path
        self._tally.outcome(outcome)
        copied = outcome.status is not Status.PROVEN
        self._log_file(action, outcome.size_bytes, copied=copied)
        if outcome.note:
            self._notes.append(outcome.note)
        if outcome.digest:
            if outcome.evidence.proves and self._out.evidence is not None:
                also = f"{self._job.also}:{outcome.also}" if self._job.also else ""
                record = Record(
                    outcome.size_bytes,
                    outcome.mtime_ns,
                    outcome.stored_mtime_ns,
                    outcome.digest,
                    outcome.evidence,
                    also,
                )
                self._out.evidence.add(path, record, _now_text())
            self._list_digests(path, outcome.digest, outcome.also)
        self._note_growth(path, outcome.size_bytes)
        state = {Status.COPIED: "copied", Status.PROVEN: "skipped", Status.LINKED: "linked"}[outcome.status]
        self._out.each_file(path, outcome.size_bytes, state, outcome.evidence.value, outcome.digest, "")

    def _list_digests(self, path: str, digest: str, also: str) -> None:
        self._out.manifest.add(path, digest)
        if self._out.also_manifest is not None and also:
            self._out.also_manifest.add(path, also)

    def _note_growth(self, path: str, size_bytes: int) -> None:
        """Name a file whose size is not the one that was counted before."""
        if self._job.before is None:
            return
        folder, _, name = path.rpartition("/")
        known = self._counted(folder).get(name)
        if known is not None and known[0] != size_bytes:
            self._grew.append(Grew(path, known[0], size_bytes))

    def _counted(self, folder: str) -> Dict[str, Tuple[int, int]]:
        if self._counted_folder != folder:
            assert self._job.before is not None
            self._counted_folder, self._counted_files = folder, self._job.before.folder(folder)
        return self._counted_files

    def _log_file(self, action: Action, size_bytes: int, *, copied: bool) -> None:
        layout = self._job.log_format
        name = fs.full_path(self._job.source, action.path) if layout.wants_paths else action.source.name
        self._out.log.write(layout.file_line(action.file_class, copied, size_bytes, name))

    def _error_lines(self, path: str, code: int, operation: str, full: str, reason: str) -> None:
        words = reason[:1].upper() + reason[1:]
        self._out.log.write(self._job.log_format.error(datetime.now(), code, operation, full, words))
        self._out.progress.say(f"FAILED {printable(path)}: {reason}")

    # -- the end ---------------------------------------------------------------------------------------------------

    def _flush_now_and_then(self) -> None:
        if time.monotonic() - self._last_flush >= _FLUSH_EVERY_S:
            self._last_flush = time.monotonic()
            if self._out.evidence is not None:
                self._out.evidence.flush()

    def _finish_folders(self) -> None:
        """Times and modes of folders, deepest first, once nothing is written in them any more."""
        policy = self._job.policy
        trouble = 0
        for folder, entry in reversed(self._folders):
            try:
                fs.set_folder(
                    fs.full_path(self._job.destination, folder), entry, times=policy.folder_times, mode=policy.keep_modes
                )
            except FileNotFoundError:
                continue  # an empty folder that the policy leaves out
            except OSError:
                trouble += 1
        if trouble:
            self._notes.append(f"{trouble} folder(s): time or mode could not be set; their files are not affected.")

    def _flush_destination(self) -> None:
        if self._job.target.volume.flush is not fs.Flush.VOLUME:
            return
        try:
            with fs.Folder(self._job.destination) as root:
                root.flush_volume()
        except OSError as error:
            reason = fs.explain(error)[1]
            self._tally.folder_failed("", f"the renames could not be flushed to the disk: {reason}")

    def _header(self, started: datetime) -> None:
        job = self._job
        options = options_line(
            job.policy,
            job.log_format,
            retries=job.retry.retries,
            wait_s=job.retry.wait_before(1) or 0,
            threads=job.threads,
            list_only=job.dry_run,
            restartable=True,
        )
        self._out.log.write(
            job.log_format.header(
                started,
                job.source,
                job.destination,
                job.policy.include_files,
                job.policy.exclude_files,
                job.policy.exclude_folders,
                options,
            )
        )


def _is_folder(path: str) -> bool:
    try:
        return fs.opened(path).kind is Kind.FOLDER
    except OSError:
        return False


_now_cache: Tuple[int, str] = (0, "")


def _now_text() -> str:
    """Local time with offset, to the second; made once a second, not once a file."""
    global _now_cache
    second = int(time.time())
    if _now_cache[0] != second:
        _now_cache = (second, datetime.fromtimestamp(second).astimezone().isoformat())
    return _now_cache[1]
