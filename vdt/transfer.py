"""One tree copied and proven: wires scan, plan, engine, copier and recorder; owns no logic of theirs.

The caller has checked the paths (preflight.py) and holds the lock (lock.py). One thread, this one, walks the trees,
makes folders, takes results and has everything written down; workers only copy. What is decided here is what follows
a failed attempt: another try after a wait, a second look at the end, or giving up.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from datetime import datetime
from typing import Callable, Iterator, List, Optional, Set, Tuple

from vdt import fs
from vdt.batches import Batcher, files_in_a_batch
from vdt.chosen import Chosen
from vdt.copier import Copier
from vdt.copyjob import Batch, CopyJob, Counting, Part
from vdt.desk import Desk
from vdt.engine import Engine
from vdt.errors import AwayError, StoppedError
from vdt.folders import FULL, Folders
from vdt.later import Later
from vdt.listing import answer_s, lister
from vdt.lookahead import Lookahead
from vdt.model import Action, Entry, Existing, Kind, Outcome, Status, TreeResult, Verify
from vdt.outage import ALWAYS_THERE, Presence, until_lost, was_away
from vdt.plan import Planner, Rules
from vdt.probe import see_source
from vdt.recorder import Recorder, Reports
from vdt.robocopy.log import Told, options_line
from vdt.robocopy.summary import summary
from vdt.scan import Scanned, walk
from vdt.stop import StopFlag
from vdt.treejob import TreeJob
from vdt.tuning import CALL_WAITS_S, workers_at_first

_HELD = (32, 33)  # Windows: sharing violation, lock violation


def transfer_tree(
    job: TreeJob,
    reports: Reports,
    stop: StopFlag,
    *,
    holds_lock: Callable[[], bool] = lambda: True,
    outage: Presence = ALWAYS_THERE,
) -> TreeResult:
    """Copy one tree and prove it; a root that goes away is waited for as `outage` says.

    Raises:
        LostOutputError: a report could not be written; what was copied stays.
    """
    reports.watch.phase("Looking at", job.source)
    return _Transfer(job, reports, stop, holds_lock, outage).run()


class _Transfer:
    def __init__(
        self, job: TreeJob, reports: Reports, stop: StopFlag, holds_lock: Callable[[], bool], outage: Presence
    ) -> None:
        self._job, self._log, self._stop = job, reports.log, stop
        self._outage, self._lock_held = outage, holds_lock
        self._allowed = False  # the lock was held when a worker first asked
        self._recorder = Recorder(
            job.source, job.destination, job.log_format, reports, before=job.before, also=job.also
        )
        self._recorder.notes += [*job.target.notes, *job.notes]
        slowest_s = max(answer_s(job.source), answer_s(job.destination))
        slow = workers_at_first(slowest_s, job.threads, flushes=False) > 1
        waits = slowest_s >= CALL_WAITS_S
        self._folders = Folders(job, self._recorder, reports.watch, stop, outage)
        self._ahead = Lookahead(self._listed, self._folders.made, job.threads if slow else 0)
        self._list = lister(job.retry, stop, outage)
        self._watch = reports.watch
        self._later: Later[Action] = Later(stop)
        self._looked: Set[str] = set()
        self._pending = 0
        self._walked = False
        meter = Counting(job.meter, reports.watch.alive)
        desk: Desk[Batch] = Desk()
        copy_job = CopyJob(
            source=job.source,
            destination=job.destination,
            policy=job.policy,
            verify=job.verify,
            source_volume=see_source(
                job.source, _volume(job.source), asked=job.verify is Verify.BOTH and not job.dry_run
            ),
            destination_volume=job.target.volume,
            token=job.token,
            stop=stop,
            meter=meter,
            moved=reports.progress.moved,
            also=job.also,
            replace_proven=job.replace_proven,
            guard=outage.guard,
            holds_lock=self._holds_lock,
            crew=desk,
            helpers=job.threads - 1,
            watch=reports.watch,
            waits=waits,
        )
        self._copier = Copier(copy_job, job.journals)
        self._engine: Engine[Batch, Tuple[int, List[Outcome]]] = Engine(
            self._work,
            job.threads,
            begin=workers_at_first(slowest_s, job.threads, flushes=job.target.volume.flush is not fs.Flush.NONE),
            done=lambda: meter.units,
            light=lambda batch: batch.light,
            desk=desk,
            stop=stop,
        )
        self._started = datetime.now().astimezone()
        self._began_s = time.monotonic()

    # -- the run ---------------------------------------------------------------------------------------------------

    def run(self) -> TreeResult:
        job, recorder, began = self._job, self._recorder, self._began_s
        self._watch.so_far = self.so_far
        self._watch.phase("Copying", job.destination)
        self._write_header(self._started)
        results = self._engine.run(until_lost(self._stream(), self._stop))
        try:
            for mark, outcomes in results:
                self._pending -= 1
                for outcome in outcomes:
                    self._settle(outcome, mark)
                recorder.batch_done(len(outcomes))
        except (AwayError, StoppedError) as error:  # log and evidence lie on the share too
            self._stop.set(str(error))
        except BaseException as error:
            self._stop.set(str(error) or type(error).__name__)  # before the workers are waited for
            self._ahead.close()
            raise
        finally:
            results.close()
        copied_s = time.monotonic() - began
        if self._engine.abandoned:
            self._watch.abandoned = True
            recorder.notes += self._watch.hanging()
        for action in self._later.untried:
            recorder.gave_up(action, "the run ended before it was tried again", unstable=False)
        if not job.dry_run and not self._outage.lost:
            self._watch.phase("Finishing", job.destination)
            try:
                if self._walked and not self._stop and not recorder.tally.dirs.failed and job.chosen is None:
                    self._folders.drop_untouched_partials()
                if not self._stop:  # else the next run does it: a stopped one has two seconds and says no success
                    self._folders.finish(self._ahead.each, self._copier.carry_folder)
                    self._folders.flush()
            except (AwayError, StoppedError) as error:
                self._stop.set(str(error))
        self._ahead.close()
        self._outage.forgive(recorder.flush)
        self._outage.forgive(recorder.end_list)
        self._folders.leave_out_bare()
        result = self._result(copied_s)
        if not job.log_format.no_summary:
            text = summary(
                result.dirs,
                result.files,
                result.size_bytes,
                copied_s,
                recorder.waited_s,
                max(0.0, time.monotonic() - began - copied_s),
                result.ended,
                bytes_=job.log_format.bytes_,
                list_only=job.dry_run,
            )
            self._outage.forgive(lambda: self._log.write(text))
        return result

    def so_far(self) -> TreeResult:
        """The tally at this moment; asked by another thread where this one hangs."""
        known = self._result(time.monotonic() - self._began_s)
        return replace(known, reached_end=False, stopped=self._stop.reason or "interrupted")

    def _result(self, copied_s: float) -> TreeResult:
        recorder, tally = self._recorder, self._recorder.tally
        reached_end = self._walked and not self._stop
        return TreeResult(
            source=self._job.source,
            destination=self._job.destination,
            started=self._started,
            ended=datetime.now().astimezone(),
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
            unproven=tuple(tally.unproven),
            outward_links=tuple(tally.outward_links),
            links=tally.links,
            unverified=tally.unverified,
            grew=tuple(recorder.grew),
            notes=(*recorder.all_notes, *self._job.journals.notes, *self._outage.notes, *self._copier.notes),
            retries=recorder.retries,
            copy_seconds=copied_s,
            threads_used=self._engine.threads_used,
            resumed_bytes=tally.resumed_bytes,
            reached_end=reached_end,
            weak_files=tally.weak_files,
            fatal=self._outage.lost,
            stopped="" if reached_end else self._stop.reason or "interrupted",
        )

    def _work(self, batch: Batch) -> Tuple[int, List[Outcome]]:
        """A worker's work: the outcomes, and how many outages were over when it began."""
        mark = self._outage.over
        outcomes = self._copier(batch)
        if any(outcome.failure is not None for outcome in outcomes) and not self._stop:
            self._outage.look()  # here and now: an outage may be over before the driving thread hears of the failure
        return mark, outcomes

    def _holds_lock(self) -> bool:
        """Asked by workers before they rename: they pause while the lock cannot be read because the share is away."""
        while True:
            mark = self._outage.over
            try:
                # the first answer sets former manifests aside, and must not mistake a share that is away for one
                # that holds none
                held = self._lock_held() if self._allowed else self._outage.write(self._lock_held)
            except (AwayError, StoppedError) as error:
                self._stop.set(str(error))
                return False
            if held:
                self._allowed = True
                return True
            if not was_away(self._outage, mark, self._stop) or self._stop:
                return False

    def _stream(self) -> Iterator[Optional[Batch]]:
        """Batches as the walk finds them, then retries as they fall due, then the second look."""
        job, batcher = self._job, Batcher(files_in_a_batch(self._job.target.volume.flush))
        planner = Planner(self._rules(), job.records)
        scanned = walk(
            job.source,
            job.destination,
            planner if job.chosen is None else Chosen(planner, job.chosen),
            job.policy.links,
            self._ahead.listing,
            dest_exists=not job.dry_run or _is_folder(job.destination),
            state_name=job.state_name,
            soon=self._soon,
            again=self._outage.again,
        )
        for item in scanned:
            for batch in self._visit(item, batcher):
                yield self._sent(batch)
                yield from self._due()
            if self._stop:
                return
        for batch in batcher.rest():
            yield self._sent(batch)
        self._walked = True
        while not self._stop:
            yield from self._due()
            if self._pending or self._later.waits:
                yield None
                continue
            last = self._later.last()
            if not last:
                return
            for action in last:
                yield self._sent(_alone(action))

    def _soon(self, folder: str, there: bool) -> bool:
        """A folder comes up: ask for what is needed of it, while there is room."""
        job, ahead = self._job, self._ahead
        if ahead.room <= 1:
            return False
        ahead.list_soon(fs.full_path(job.source, folder))
        place = fs.full_path(job.destination, folder)
        if there:
            ahead.list_soon(place)
        elif not job.dry_run and self._folders.makes_all and self._folders.may_have(folder.rpartition("/")[0]):
            ahead.make_soon(place)
        return True

    def _rules(self) -> Rules:
        job = self._job
        return Rules(
            policy=job.policy,
            existing=job.existing,
            replace_proven=job.replace_proven,
            also=job.also,
            past_cache=job.existing is Existing.PROVE
            and job.verify.rank >= Verify.COLD.rank
            and job.target.volume.cold_reads,
            fold_case=job.target.fold_case,
            time_step_ns=job.target.time_step_ns,
        )

    def _sent(self, batch: Batch) -> Batch:
        self._pending += 1
        return batch

    def _due(self) -> Iterator[Batch]:
        struck = self._later.struck()
        if struck:
            batcher = Batcher(files_in_a_batch(self._job.target.volume.flush))
            for folder, actions in itertools.groupby(struck, key=lambda action: action.folder):
                yield from map(self._sent, batcher.add(folder, list(actions)))
            yield from map(self._sent, batcher.rest())
        for action in self._later.due():
            yield self._sent(_alone(action))

    def _listed(self, path: str) -> List[Entry]:
        with self._watch.doing("Listing", path):
            return self._list(path)

    # -- one folder ------------------------------------------------------------------------------------------------

    def _visit(self, item: Scanned, batcher: Batcher) -> Iterator[Batch]:
        job, recorder, plan = self._job, self._recorder, item.plan
        place = fs.full_path(job.destination, item.folder)
        if plan is None:
            assert item.error is not None
            path = fs.full_path(job.source, item.folder) if item.side == "Source" else place
            recorder.folder_failed(item.folder, f"Scanning {item.side} Directory", path, item.error, listed=False)
            return
        new = plan.is_new or (not item.folder and job.root_created)
        recorder.folder(plan, created=new and not (job.policy.skip_lonely and item.folder))
        if not self._folders.reach(item, plan, self._ahead.make, new=new):
            return
        recorder.plan(plan)
        for entry, reason in item.broken_links:
            recorder.broken_link(item.folder, entry, reason)
        if job.dry_run:
            if job.asks and plan.is_new and self._folders.makes_all:
                recorder.lacks_folder(item.folder)
            for action in plan.actions:
                (recorder.lacks if job.asks else recorder.would)(action)
            return
        self._folders.tidy(plan, place)
        yield from batcher.add(plan.folder, plan.actions)

    # -- one file --------------------------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome, mark: int) -> None:
        """Decide what follows an attempt that was begun when so many outages were over."""
        status = outcome.status
        if status in (Status.COPIED, Status.PROVEN, Status.LINKED):
            self._recorder.arrived(outcome)
            return
        if status is Status.STOPPED:
            return
        action, failure = outcome.action, outcome.failure
        if self._stop and status in (Status.RETRY, Status.UNSTABLE):
            return  # not tried to the end: neither done nor failed
        if was_away(self._outage, mark, self._stop):
            self._later.after_outage(action)
            return
        assert failure is not None
        reason = self._recorder.attempt_failed(outcome)
        if status is Status.CONFLICT:
            self._recorder.conflict(action, failure.reason)
            return
        if status is Status.FULL:
            self._stop.set(FULL)
            self._recorder.gave_up(action, reason, unstable=False)
            return
        again = action._replace(attempt=action.attempt + 1)
        wait = self._job.retry.wait_before(action.attempt) if status is Status.RETRY else None
        if wait is not None and not self._stop:
            self._recorder.will_retry(action, failure.reason, wait)
            self._later.after(wait, again)
            return
        if (status is Status.UNSTABLE or failure.code in _HELD) and action.path not in self._looked and not self._stop:
            self._looked.add(action.path)
            self._later.at_the_end(again)
            self._recorder.looks_again(action, failure.reason)
            return
        if status is Status.RETRY:
            self._recorder.retry_limit(action)
        self._recorder.gave_up(action, reason, unstable=status is Status.UNSTABLE)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _write_header(self, started: datetime) -> None:
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
        policy = job.policy
        told = job.told or Told(policy.include_files, policy.exclude_files, policy.exclude_folders, options)
        self._log.write(job.log_format.header(started, job.source, job.destination, *told))


def _alone(action: Action) -> Batch:
    return Batch((Part(action.folder, [action]),), action.source.size_bytes)


def _volume(path: str) -> fs.Volume:
    """The file system of a source; one that does not say promises nothing."""
    try:
        return fs.volume(path)
    except OSError:
        return fs.Volume("unknown", fs.Flush.FILE, False)


def _is_folder(path: str) -> bool:
    try:
        return fs.opened(path).kind is Kind.FOLDER
    except OSError:
        return False
