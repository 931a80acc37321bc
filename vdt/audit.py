"""One tree read and judged: another verb over the same stream. Writes nothing inside either tree.

    listings -> checks -> engine + auditor -> findings -> recorder (sum, evidence, manifest, state, screen)

One thread drives: it lists, hands out what must be read and takes the findings. What is decided here is what follows a
file that could not be read or that moved.
"""

from __future__ import annotations

import itertools
import time
from datetime import datetime
from typing import Iterator, List, Optional, Tuple

from vdt.auditbatches import CheckBatch, CheckBatcher, alone
from vdt.auditfolders import folders_of
from vdt.auditjob import AuditJob, AuditReports
from vdt.auditor import Auditor, Pairs
from vdt.auditplan import Findings
from vdt.auditrecorder import AuditRecorder
from vdt.copyjob import CopyJob, Counting
from vdt.desk import Desk
from vdt.engine import Engine
from vdt.errors import AwayError, StoppedError
from vdt.evidence import host_name
from vdt.findings import AuditResult, Check, Finding
from vdt.later import Later
from vdt.listing import answer_s, lister
from vdt.model import Entry, Judged, Verify
from vdt.outage import ALWAYS_THERE, Presence, until_lost, was_away
from vdt.printable import printable
from vdt.stop import StopFlag
from vdt.tuning import workers_at_first

_MOST_DOUBTS = 50
_TROUBLE = (Judged.UNREADABLE, Judged.MISSING, Judged.UNSTABLE)


class Audit:
    """One tree. `run` once; `so_far` may be asked by another thread where the system hangs."""

    def __init__(
        self, job: AuditJob, reports: AuditReports, stop: StopFlag, *, outage: Presence = ALWAYS_THERE
    ) -> None:
        self._job, self._out, self._stop, self._outage = job, reports, stop, outage
        self._recorder = AuditRecorder(job, reports)
        self._list = lister(job.retry, stop, outage)
        self._later: Later[Check] = Later(stop)
        self._pending = 0
        self._walked = False
        self._hanging: Tuple[str, ...] = ()
        self._unjudged = self._left_out = 0
        self._special: List[str] = []
        self._meter = Counting(job.meter, reports.watch.alive)
        desk: Desk[CheckBatch] = Desk()
        volume = job.destination_volume
        self._auditor = Auditor(
            CopyJob(
                source=job.source,
                destination=job.destination,
                policy=job.policy,
                verify=Verify.COLD,
                source_volume=job.source_volume or volume,
                destination_volume=volume,
                token="",
                stop=stop,
                meter=self._meter,
                moved=reports.progress.moved,
                crew=desk,
                helpers=job.threads - 1,
                watch=reports.watch,
            )
        )
        slowest_s = max(answer_s(job.destination), answer_s(job.source) if job.source else 0.0)
        self._engine: Engine[CheckBatch, Tuple[int, Pairs]] = Engine(
            self._work,
            job.threads,
            begin=workers_at_first(slowest_s, job.threads, flushes=volume.cold_reads),
            done=lambda: self._meter.units,
            light=lambda batch: batch.light,
            desk=desk,
            stop=stop,
        )
        self._started = datetime.now().astimezone()
        self._began_s = time.monotonic()

    # -- the run -------------------------------------------------------------------------------------------------------

    def run(self) -> AuditResult:
        """Read and judge the whole tree, or go on until the stop. Raises LostOutputError."""
        self._out.watch.phase("Auditing", self._job.destination)
        results = self._engine.run(until_lost(self._stream(), self._stop))
        try:
            for mark, pairs in results:
                self._pending -= 1
                for check, finding in pairs:
                    self._settle(check, finding, mark)
                self._recorder.batch_done(len(pairs))
        except (AwayError, StoppedError) as error:
            self._stop.set(str(error))
        except BaseException as error:
            self._stop.set(str(error) or type(error).__name__)
            raise
        finally:
            results.close()
            self._recorder.keep()  # an output that is lost here was lost before, and was said
        if self._engine.abandoned:
            self._out.watch.abandoned = True
            self._hanging = self._out.watch.hanging()
        return self.so_far()

    def so_far(self) -> AuditResult:
        """The sum at this moment."""
        job, total = self._job, self._recorder.sum
        reached_end = self._walked and not self._stop and not self._outage.lost and not self._pending
        return AuditResult(
            destination=job.destination,
            against=job.against,
            source=job.source,
            host=host_name(),
            started=self._started,
            ended=datetime.now().astimezone(),
            files=dict(total.files),
            size_bytes=dict(total.size_bytes),
            by_evidence=dict(total.by_evidence),
            hosts=dict(total.hosts),
            entries=tuple(sorted(total.entries, key=lambda finding: finding.path)),
            notes=tuple(self._notes()),
            links=total.links,
            carried_files=total.carried_files,
            record_only=total.record_only,
            only_recorded=not job.source and job.expected is None,
            read_bytes=self._meter.size_bytes,
            reached_end=reached_end,
            stopped="" if reached_end else self._stop.reason or "interrupted",
            fatal=self._outage.lost,
            strict=job.strict,
            whole=not self._left_out,
            doubts=tuple(self._special),
            threads_used=self._engine.threads_used,
            seconds=time.monotonic() - self._began_s,
        )

    def _notes(self) -> Iterator[str]:
        job = self._job
        yield from (*job.notes, *self._hanging, *self._recorder.notes, *self._outage.notes)
        if self._unjudged:
            yield f"{self._unjudged} link(s) or special file(s) were not judged: {job.noun} does not list such."
        yield from (f"listed, not compared: {words}" for words in self._special[:_MOST_DOUBTS])
        if not job.destination_volume.cold_reads:
            yield f"{job.destination}: {job.destination_volume.why_not_cold}; files count as read back, no more."

    def _work(self, batch: CheckBatch) -> Tuple[int, Pairs]:
        """A worker's work: the findings, and how many outages were over when it began."""
        mark = self._outage.over
        pairs = self._auditor(batch)
        if not self._stop and any(finding.judged in _TROUBLE for _, finding in pairs):
            self._outage.look()  # here and now: an outage may be over before the driving thread hears of the failure
        return mark, pairs

    def _stream(self) -> Iterator[Optional[CheckBatch]]:
        """Batches as the folders are listed, then what is due again, then the second look."""
        batcher = CheckBatcher()
        for folder, found in folders_of(self._job, self._listed, self._outage):
            for batch in batcher.add(folder, self._take(found)):
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
            for check in last:
                yield self._sent(alone(check))

    def _sent(self, batch: CheckBatch) -> CheckBatch:
        self._pending += 1
        return batch

    def _due(self) -> Iterator[CheckBatch]:
        for check in itertools.chain(self._later.struck(), self._later.due()):
            yield self._sent(alone(check))

    # -- the names -----------------------------------------------------------------------------------------------------

    def _listed(self, path: str) -> List[Entry]:
        with self._out.watch.doing("Listing", path):
            return self._list(path)

    def _take(self, found: Findings) -> List[Check]:
        """Settle what a folder's listings settle; returns what must be read."""
        recorder = self._recorder
        for path in found.links:
            recorder.link(path)
        self._unjudged += found.unjudged
        self._left_out += found.left_out
        self._special += found.special
        for settled in found.settled:
            recorder.final(settled)
        if self._job.total is None:
            self._out.progress.found(len(found.checks), sum(check.dest.size_bytes for check in found.checks))
        carried, recent = self._out.state, self._job.recent
        if (carried is None or not carried.count) and not recent.count:
            return found.checks
        left: List[Check] = []
        for check in found.checks:
            known = carried.carried(check) if carried is not None else None
            believed = known or recorder.believed(check)
            if believed is None:
                left.append(check)
                continue
            recorder.sum.carried_files += bool(believed.when)
            self._out.progress.moved(check.dest.size_bytes)
            self._out.progress.done(1)
            recorder.final(believed, check)
        return left

    def _settle(self, check: Check, finding: Finding, mark: int) -> None:
        """Decide what follows a read that was begun when so many outages were over."""
        judged = finding.judged
        if judged is Judged.OK or judged is Judged.DIFFERENT:
            self._recorder.read(finding, check)
            return
        if self._stop:
            return  # not looked at to the end: neither right nor wrong
        if was_away(self._outage, mark, self._stop):
            self._later.after_outage(check)
            return
        again = check._replace(attempt=check.attempt + 1)
        if judged is Judged.UNREADABLE:
            wait = self._job.retry.wait_before(check.attempt) if finding.heals else None
            if wait is not None:
                line = f"{printable(check.path)}: {finding.reason}; trying again in {wait:g} s"
                self._out.progress.say(line)
                self._later.after(wait, again)
                return
        elif check.attempt == 1:
            self._out.progress.say(f"{printable(check.path)}: {finding.reason}; looked at again at the end")
            self._later.at_the_end(again)
            return
        self._recorder.final(finding, check)
