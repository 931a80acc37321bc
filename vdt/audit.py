"""One tree read and judged: another verb over the same stream. Writes nothing inside either tree.

    listings -> checks -> engine + auditor -> findings -> sum, evidence, manifest, state, screen

One thread drives: it lists, hands out what must be read, takes the findings and has everything written down. What is
decided here is what follows a file that could not be read or moved, and which side of a DIFFERENT one changed.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from vdt import fs
from vdt.auditor import Auditor, CheckBatch, Pairs
from vdt.auditplan import Alike, Findings, extra_folder, from_list, from_source, unlisted
from vdt.auditstate import AuditState
from vdt.chosen import Chosen, States
from vdt.copyjob import FLUSH_ALONE_BYTES, CopyJob, Meter, NoLimit
from vdt.desk import Desk
from vdt.diagnosis import OLDER, which_side
from vdt.engine import Engine
from vdt.errors import AwayError, StoppedError
from vdt.evidence import RECORDED, EvidenceWriter, host_name
from vdt.expected import Expected
from vdt.findings import XXH128, AuditResult, Check, Finding, Sum
from vdt.manifest import SortedLines
from vdt.model import Count, Entry, Evidence, Existing, Judged, Kind, Policy, Side, Verify, join
from vdt.outage import ALWAYS_THERE, Presence
from vdt.plan import Planner, Rules
from vdt.printable import printable
from vdt.progress import Progress, Silent
from vdt.records import NO_RECORDS, History, Record, Records
from vdt.retry import RetryPlan
from vdt.scan import never_entered, walk
from vdt.stop import StopFlag
from vdt.transfer import answer_s, lister
from vdt.tuning import workers_at_first
from vdt.watch import Watch

SECOND_LOOK_S = 2.0  # wait before files that moved are looked at once more, at the end
_BREATH_S = 0.5
_FILES_A_BATCH = 64
_BYTES_A_BATCH = 32 << 20
_FOLDERS_A_BATCH = 16
_FLUSH_EVERY_S = 30.0
_FOLDERS_KEPT = 64  # whose records are held unpacked
_MOST_FILE_NOTES = 50


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
    threads: int = 8
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


class _Counting:
    """A Meter that counts what passes it before it hands on."""

    def __init__(self, meter: Meter, alive: Callable[[], None]) -> None:
        self._meter, self._alive = meter, alive
        self.units, self.size_bytes = 0.0, 0

    def take(self, count: int) -> None:
        self.units += 1 + count / 262144
        self.size_bytes += count
        self._alive()
        self._meter.take(count)


class Audit:
    """One tree. `run` once; `so_far` may be asked by another thread where the system hangs."""

    def __init__(
        self, job: AuditJob, reports: AuditReports, stop: StopFlag, *, outage: Presence = ALWAYS_THERE
    ) -> None:
        self._job, self._out, self._stop, self._outage = job, reports, stop, outage
        self.sum = Sum()
        self._list = lister(job.retry, stop, outage)
        self._waiting: List[Tuple[float, int, Check]] = []
        self._number = 0
        self._put_back: List[Check] = []
        self._put_back_due = 0.0
        self._second_look: List[Check] = []
        self._pending = 0
        self._walked = False
        self._notes: List[str] = []
        self._file_notes = 0
        self._unjudged = self._left_out = 0
        self._special: List[str] = []
        self._histories: OrderedDict[str, Dict[str, History]] = OrderedDict()
        self._witnessed: OrderedDict[str, List[Dict[str, History]]] = OrderedDict()
        self._second, self._second_text = 0, ""
        self._fresh: List[Finding] = []  # read, and not in the state's journal yet
        self._last_flush = time.monotonic()
        self._meter = _Counting(job.meter, reports.watch.alive)
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
        results = self._engine.run(self._tasks())
        try:
            for mark, pairs in results:
                self._pending -= 1
                for check, finding in pairs:
                    self._settle(check, finding, mark)
                self._batch_done(len(pairs))
        except (AwayError, StoppedError) as error:
            self._stop.set(str(error))
        except BaseException as error:
            self._stop.set(str(error) or type(error).__name__)
            raise
        finally:
            results.close()
            self._keep()
        if self._engine.abandoned:
            self._out.watch.abandoned = True
            self._notes += self._out.watch.hanging()
        return self.so_far()

    def so_far(self) -> AuditResult:
        """The sum at this moment."""
        job, total = self._job, self.sum
        reached_end = self._walked and not self._stop and not self._outage.lost and not self._pending
        notes = [*job.notes, *self._notes, *self._outage.notes]
        if self._file_notes > _MOST_FILE_NOTES:
            notes.append(f"{self._file_notes - _MOST_FILE_NOTES} more notes of this kind on single files")
        if self._unjudged:
            notes.append(f"{self._unjudged} link(s) or special file(s) were not judged: {job.noun} does not list such.")
        notes += [f"listed, not compared: {words}" for words in self._special[:_MOST_FILE_NOTES]]
        if not job.destination_volume.cold_reads:
            notes.append(
                f"{job.destination}: {job.destination_volume.why_not_cold}; files count as read back, no more."
            )
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
            notes=tuple(notes),
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

    def _work(self, batch: CheckBatch) -> Tuple[int, Pairs]:
        mark = self._outage.over
        pairs = self._auditor(batch)
        if not self._stop and any(finding.judged in _TROUBLE for _, finding in pairs):
            self._outage.look()
        return mark, pairs

    def _tasks(self) -> Iterator[Optional[CheckBatch]]:
        try:
            yield from self._stream()
        except (AwayError, StoppedError) as error:
            self._stop.set(str(error))

    def _stream(self) -> Iterator[Optional[CheckBatch]]:
        """Batches as the folders are listed, then what is due again, then the second look."""
        batcher = _Batcher()
        for folder, found in self._folders():
            for batch in batcher.add(folder, self._take(found)):
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
            if self._pending or self._waiting or self._put_back:
                yield None
            elif self._second_look and not looked:
                looked = True
                if self._stop.wait(SECOND_LOOK_S):
                    return
                again, self._second_look = self._second_look, []
                for check in again:
                    yield self._sent(_alone(check))
            else:
                return

    def _sent(self, batch: CheckBatch) -> CheckBatch:
        self._pending += 1
        return batch

    def _due(self) -> Iterator[CheckBatch]:
        now = time.monotonic()
        if self._put_back and self._put_back_due <= now and not self._stop:
            again, self._put_back = self._put_back, []
            for check in again:
                yield self._sent(_alone(check))
        while self._waiting and self._waiting[0][0] <= now and not self._stop:
            yield self._sent(_alone(heapq.heappop(self._waiting)[2]))

    # -- the folders ---------------------------------------------------------------------------------------------------

    def _folders(self) -> Iterator[Tuple[str, Findings]]:
        if self._job.source:
            return self._of_source()
        return self._of_list(self._job.expected) if self._job.expected is not None else self._of_nothing()

    def _of_source(self) -> Iterator[Tuple[str, Findings]]:
        job = self._job
        rules = Rules(policy=_judging(job.policy), existing=Existing.PROVE, replace_proven=True)
        planner = Planner(rules, NO_RECORDS)
        scanned = walk(
            job.source,
            job.destination,
            planner if job.chosen is None else Chosen(planner, job.chosen),
            job.policy.links,
            self._listed,
            dest_exists=True,
            state_name=job.state_name,
            again=self._outage.again,
        )
        for item in scanned:
            if item.plan is None:
                assert item.error is not None
                reason = f"{item.side.lower()}: the folder cannot be listed: {fs.explain(item.error)[1]}"
                failed = Finding(item.folder or ".", Judged.UNREADABLE, reason=reason)
                yield item.folder, Findings(settled=[failed])
                continue
            found = from_source(item.plan)
            for entry, reason in item.broken_links:
                path = join(item.folder, entry.name)
                found.settled.append(Finding(path, Judged.UNREADABLE, reason=f"source: {reason}"))
            yield item.folder, found

    def _of_list(self, expected: Expected) -> Iterator[Tuple[str, Findings]]:
        job = self._job
        stack = [""]
        while stack:
            folder = stack.pop()
            listing = self._present(folder)
            if isinstance(listing, Finding):
                yield folder, Findings(settled=[listing])
                continue
            wanted, folders = expected.files(folder), expected.folders(folder)
            yield folder, from_list(folder, listing, wanted, folders, job.noun)
            there = {entry.name: entry for entry in listing}
            gone = Alike(name for name in folders if name not in there)
            for entry in sorted(listing, reverse=True):
                if entry.kind is not Kind.FOLDER or entry.name in wanted:
                    continue
                if entry.name in folders:
                    stack.append(join(folder, entry.name))
                elif self._holds_file(join(folder, entry.name)):
                    yield folder, Findings(settled=[extra_folder(folder, entry.name, gone)])
            for name in sorted(folders):
                if name not in there:
                    for below in expected.below(join(folder, name)):
                        yield below, from_list(below, (), expected.files(below), set(), job.noun)

    def _holds_file(self, folder: str) -> bool:
        """Whether anything but folders lies in a folder; a manifest knows nothing of empty ones."""
        stack = [folder]
        while stack:
            at = stack.pop()
            listing = self._present(at)
            if isinstance(listing, Finding) or any(entry.kind is not Kind.FOLDER for entry in listing):
                return True
            stack += [join(at, entry.name) for entry in listing]
        return False

    def _of_nothing(self) -> Iterator[Tuple[str, Findings]]:
        stack = [""]
        while stack:
            folder = stack.pop()
            listing = self._present(folder)
            if isinstance(listing, Finding):
                yield folder, Findings(settled=[listing])
                continue
            yield folder, unlisted(folder, listing)
            stack += [join(folder, entry.name) for entry in sorted(listing, reverse=True) if entry.kind is Kind.FOLDER]

    def _present(self, folder: str) -> List[Entry] | Finding:
        """What lies in a folder of the destination, or that it cannot be listed."""
        try:
            listing = self._listed(fs.full_path(self._job.destination, folder))
        except OSError as error:
            reason = f"destination: the folder cannot be listed: {fs.explain(error)[1]}"
            return Finding(folder or ".", Judged.UNREADABLE, reason=reason)
        if folder:
            return listing
        return [entry for entry in listing if not never_entered(entry) and entry.name != self._job.state_name]

    def _listed(self, path: str) -> List[Entry]:
        with self._out.watch.doing("Listing", path):
            return self._list(path)

    def _take(self, found: Findings) -> List[Check]:
        """Settle what a folder's listings settle; returns what must be read."""
        self.sum.links += found.links
        for _ in range(found.links):
            self.sum.add(_LINK)
        self._unjudged += found.unjudged
        self._left_out += found.left_out
        self._special += found.special
        for settled in found.settled:
            self._final(settled, None)
        if self._job.total is None:
            self._out.progress.found(len(found.checks), sum(check.dest.size_bytes for check in found.checks))
        carried, recent = self._out.state, self._job.recent
        if (carried is None or not carried.count) and not recent.count:
            return found.checks
        left: List[Check] = []
        for check in found.checks:
            known = carried.carried(check) if carried is not None else None
            believed = known or self._believed(check)
            if believed is None:
                left.append(check)
                continue
            self.sum.carried_files += bool(believed.when)
            self._out.progress.moved(check.dest.size_bytes)
            self._out.progress.done(1)
            self._final(believed, check)
        return left

    def _believed(self, check: Check) -> Optional[Finding]:
        """A file that was proven since the date that was given, and is still what it was."""
        if not self._job.recent.count:
            return None
        history = self._job.recent.of_folder(check.folder).get(check.name)
        record = history.of(check.dest) if history else None
        if record is None or (check.source is not None and not record.matches_source(check.source)):
            return None
        if check.expected and (check.algorithm != XXH128 or record.digest != check.expected):
            return None
        self.sum.record_only += 1
        return Finding(
            check.path, Judged.OK, check.dest.size_bytes, "", record.digest, Evidence.ON_RECORD, record.mtime_ns
        )

    # -- one file ------------------------------------------------------------------------------------------------------

    def _settle(self, check: Check, finding: Finding, mark: int) -> None:
        """Decide what follows a read that was begun when so many outages were over."""
        judged = finding.judged
        if judged is Judged.OK or judged is Judged.DIFFERENT:
            self._fresh.append(finding)
            self._final(finding, check)
            return
        if self._stop:
            return  # not looked at to the end: neither right nor wrong
        try:
            struck = self._outage.struck(mark)
        except (AwayError, StoppedError) as error:
            self._stop.set(str(error))
            struck = True
        if struck:
            self._put_back.append(check)
            self._put_back_due = time.monotonic() + _BREATH_S
            return
        again = check._replace(attempt=check.attempt + 1)
        if judged is Judged.UNREADABLE:
            wait = self._job.retry.wait_before(check.attempt) if finding.heals else None
            if wait is not None:
                line = f"{printable(check.path)}: {finding.reason}; trying again in {wait:g} s"
                self._out.progress.say(line)
                self._number += 1
                heapq.heappush(self._waiting, (time.monotonic() + wait, self._number, again))
                return
        elif check.attempt == 1:
            self._out.progress.say(f"{printable(check.path)}: {finding.reason}; looked at again at the end")
            self._second_look.append(again)
            return
        self._final(finding, check)

    def _final(self, finding: Finding, check: Optional[Check]) -> None:
        if finding.judged is Judged.DIFFERENT and check is not None:
            finding = self._with_side(finding, check)
        elif finding.judged is Judged.OK:
            self._right(finding)
        self.sum.add(finding)
        if finding.judged is not Judged.OK:
            self._out.progress.say(f"{finding.judged.value} {printable(finding.path)}: {printable(finding.words)}")
            self._wrong(finding)
        if finding.note:
            self._file_notes += 1
            if self._file_notes <= _MOST_FILE_NOTES:
                self._notes.append(finding.note)
        if self._out.each is not no_listener:
            self._out.each(finding)

    def _with_side(self, finding: Finding, check: Check) -> Finding:
        records = self._history(check.folder).get(check.name, History())
        if check.source is None and check.algorithm != XXH128:
            proven = {record.digest for record in records if record.evidence.proves}
            side = Side.NO_RECORD if not proven else Side.SOURCE if finding.digest in proven else Side.DESTINATION
            return finding._replace(side=side)
        given = finding.source_digest or check.expected
        side, older = which_side(records, given, finding.digest, check.source)
        shown = finding.diagnosis
        if older and shown is not None:
            shown = replace(shown, damage=OLDER)
        return finding._replace(side=side, diagnosis=shown)

    def _history(self, folder: str) -> Dict[str, History]:
        if not self._job.records.count:
            return {}
        found = self._histories.get(folder)
        if found is None:
            found = self._histories[folder] = self._job.records.of_folder(folder)
            if len(self._histories) > _FOLDERS_KEPT:
                self._histories.popitem(last=False)
        return found

    def _right(self, finding: Finding) -> None:
        out, path = self._out, finding.path
        if out.manifest is not None and finding.digest:
            out.manifest.add(path, finding.digest)
        folder, _, name = path.rpartition("/")
        if self._job.by_host and finding.digest:
            self.sum.witnesses(1 + self._hosts(folder, name, finding))
        if out.evidence is None or finding.evidence is Evidence.ON_RECORD:
            return
        record = Record(finding.size_bytes, finding.mtime_ns, finding.stored_mtime_ns, finding.digest, finding.evidence)
        recorded = False
        if not self._job.source:  # what a manifest says proves nothing of a source that nobody read
            proof = self._proof(folder, name, finding)
            recorded = proof is None
            if proof is not None:
                record = record._replace(mtime_ns=proof.mtime_ns)
        out.evidence.add(path, record, finding.when or self._now(), recorded=recorded)

    def _proof(self, folder: str, name: str, finding: Finding) -> Optional[Record]:
        """An earlier proof of the very digest and state that was found."""
        for record in reversed(self._history(folder).get(name, History())):
            state = (record.size_bytes, record.stored_mtime_ns, record.digest)
            if record.evidence.proves and state == (finding.size_bytes, finding.stored_mtime_ns, finding.digest):
                return record
        return None

    def _hosts(self, folder: str, name: str, finding: Finding) -> int:
        """How many other hosts read the same bytes in the same state."""
        known = self._witnessed.get(folder)
        if known is None:
            known = self._witnessed[folder] = [records.of_folder(folder) for records in self._job.by_host.values()]
            if len(self._witnessed) > _FOLDERS_KEPT:
                self._witnessed.popitem(last=False)
        state = (finding.size_bytes, finding.stored_mtime_ns or None, finding.digest)
        return sum(
            any(
                (record.size_bytes, record.stored_mtime_ns if state[1] else None, record.digest) == state
                for record in names.get(name, ())
            )
            for names in known
        )

    def _wrong(self, finding: Finding) -> None:
        """Keep on record what is wrong. Where the copy itself is, that ends what was proven of it."""
        if self._out.evidence is None:
            return
        values = {"path": finding.path, "size": finding.size_bytes, "mtime_ns": finding.stored_mtime_ns}
        spoilt = finding.judged is Judged.DIFFERENT and finding.side is not Side.SOURCE and bool(finding.digest)
        line = {
            **values,
            "xxh128": finding.digest,
            "evidence": Evidence.NONE.value if spoilt else RECORDED,
            "when": finding.when or self._now(),
            "verdict": finding.judged.value,
            "reason": finding.words,
        }
        if finding.source_digest:
            line["source_xxh128"] = finding.source_digest
        self._out.evidence.note(line)

    def _batch_done(self, files: int) -> None:
        self._out.progress.done(files)
        state = self._out.state
        if state is not None and self._fresh:
            fresh, self._fresh = self._fresh, []
            state.add(fresh)
        self._fresh.clear()
        if time.monotonic() - self._last_flush >= _FLUSH_EVERY_S:
            self._last_flush = time.monotonic()
            if self._out.evidence is not None:
                self._out.evidence.flush()

    def _keep(self) -> None:
        """What was read and not written down yet; an output that is lost here was lost before, and was said."""
        if self._out.state is not None and self._fresh:
            self._out.state.add(self._fresh)
            self._fresh = []

    def _now(self) -> str:
        """Local time with offset, to the second; made once a second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second).astimezone().isoformat()
        return self._second_text


_LINK = Finding("", Judged.OK)
_TROUBLE = (Judged.UNREADABLE, Judged.MISSING, Judged.UNSTABLE)


def _judging(policy: Policy) -> Policy:
    """A copy policy as an audit needs it: the same names, and whatever is there is looked at."""
    return replace(
        policy,
        skip_newer=False,
        skip_older=False,
        skip_changed=False,
        skip_lonely=False,
        hide_extras=False,
        include_same=True,
        include_tweaked=True,
        include_modified=False,
        all_extras=False,
        checksum=False,
    )


class _Batcher:
    """Groups checks: small files of neighbouring folders together, each large file by itself."""

    def __init__(self) -> None:
        self._parts: List[Tuple[str, Tuple[Check, ...]]] = []
        self._files = self._bytes = 0

    def add(self, folder: str, checks: List[Check]) -> Iterator[CheckBatch]:
        small: List[Check] = []
        for check in checks:
            size = check.read_bytes
            if size >= FLUSH_ALONE_BYTES:
                yield _alone(check)
                continue
            small.append(check)
            self._files += 1
            self._bytes += size
            if self._files >= _FILES_A_BATCH or self._bytes >= _BYTES_A_BATCH:
                self._parts.append((folder, tuple(small)))
                small = []
                yield self._take()
        if small:
            self._parts.append((folder, tuple(small)))
            if len(self._parts) >= _FOLDERS_A_BATCH:
                yield self._take()

    def rest(self) -> Iterator[CheckBatch]:
        if self._parts:
            yield self._take()

    def _take(self) -> CheckBatch:
        batch = CheckBatch(tuple(self._parts), self._bytes)
        self._parts, self._files, self._bytes = [], 0, 0
        return batch


def _alone(check: Check) -> CheckBatch:
    return CheckBatch(((check.folder, (check,)),), check.read_bytes)
