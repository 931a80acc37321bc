"""One tree of a run, from the empty folder to the manifest: prepare, count, copy, look once more, write the proof.

Sits between `run.py`, which knows the three trees and the mail, and `transfer.py`, which knows no facility.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Callable, FrozenSet, List, Optional, Sequence, Tuple

from vdt import fs, preflight
from vdt.claim import Made
from vdt.closing import bytes_left, changed_since, first_difference, only_there
from vdt.copyjob import LOST_LOCK, Meter
from vdt.errors import AwayError, LockedError, LostOutputError, RefusedError, StoppedError, VdtError
from vdt.evidence import EvidenceWriter, load_records
from vdt.hashing import OTHER_DIGESTS
from vdt.journal import Journals
from vdt.listing import lister
from vdt.lock import TreeLock
from vdt.log_ends import read_ends
from vdt.manifest import SortedLines
from vdt.manifest_file import Former, publish, remove, set_aside
from vdt.model import Count, Entry, Existing, Kind, Links, Policy, TreeResult, Verify
from vdt.outage import Outage
from vdt.page.plots import SizeClass
from vdt.probe import Destination, lowered, probe
from vdt.progress import Progress
from vdt.recorder import Reports
from vdt.retry import RetryPlan
from vdt.robocopy.log import LogFormat
from vdt.robocopy.read import decode, log_status
from vdt.scan import take_snapshot
from vdt.selection import PARTIAL, Selection, leaves_files_out
from vdt.snapshot import Snapshot
from vdt.stop import StopFlag
from vdt.transfer import transfer_tree
from vdt.treejob import TreeJob
from vdt.treelog import TreeLog
from vdt.vizgen.crosscheck import CrossCheck
from vdt.vizgen.layout import TreePaths
from vdt.vizgen.pace import Pace
from vdt.vizgen.report import TreeReport
from vdt.watch import Watch

SHARE_WAIT_S = 4 * 3600.0  # a source or destination that is away is waited for so long


_SIZE_CLASSES = (
    (1, "empty"),
    (1024, "below 1 KiB"),
    (64 * 1024, "1 to 64 KiB"),
    (1024**2, "64 KiB to 1 MiB"),
    (64 * 1024**2, "1 to 64 MiB"),
    (1024**3, "64 MiB to 1 GiB"),
)


@dataclass(frozen=True)
class Settings:
    """How every tree of this run is copied: the command line, `[vdt]`, the option string and the defaults, resolved."""

    policy: Policy
    verify: Verify
    existing: Existing
    replace_proven: bool
    threads: int
    retry: RetryPlan
    also: Optional[str]
    share_wait_s: float = SHARE_WAIT_S
    notes: Tuple[str, ...] = ()


@dataclass
class Tools:
    """What a tree's work is done with."""

    stop: StopFlag
    progress: Progress
    meter: Meter
    say: Callable[[str], None]
    crosscheck: CrossCheck
    watch: Watch = field(default_factory=Watch)


class Tree:
    """One tree of one run. The steps are called in order by `run.py`: every tree is prepared before any is copied."""

    def __init__(
        self,
        paths: TreePaths,
        settings: Settings,
        tools: Tools,
        ignored_python: FrozenSet[str],
        ignored_robocopy: FrozenSet[str],
    ) -> None:
        self.paths = paths
        self._settings, self._tools = settings, tools
        self.outage = Outage(
            paths.source,
            paths.destination,
            settings.share_wait_s,
            stop=tools.stop,
            say=tools.say,
            phase=tools.progress.phase,
        )
        self._list = lister(settings.retry, tools.stop, self.outage)
        self._made: Optional[Made] = None
        self._target: Optional[Destination] = None
        self._before: Optional[Snapshot] = None
        self._begun = self._ended = False
        policy = settings.policy
        self.report = TreeReport(
            copy_type=paths.copy_type,
            source=paths.source,
            destination=paths.destination,
            ignored_python=ignored_python,
            ignored_robocopy=ignored_robocopy,
            selective=leaves_files_out(policy) or not policy.empty_folders or policy.links is Links.SKIP,
            log=paths.log,
        )

    # -- before the first byte -------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Check the paths, make the destination and probe it. Raises RefusedError; `undo` takes back what was made."""
        self._tools.watch.phase("Preparing", self.paths.destination)
        preflight.check_source(self.paths.source)
        preflight.check_apart(self.paths.source, self.paths.destination)
        self._made = Made(self.paths.destination)
        self._target = probe(self.paths.destination)
        self.outage.look()  # which volumes and folders they are
        policy = lowered(self._settings.policy, self._target)
        self._settings = replace(self._settings, policy=policy)

    def undo(self, destinations: Sequence[str]) -> None:
        """Remove the folders that `prepare` made, where they are still empty, and nobody is at work on one of these
        `destinations` of the run."""
        if self._made is not None and not self.outage.destination_lost:
            self._made.take_back(also=destinations)

    def refuse(self, error: VdtError) -> None:
        """This tree cannot be done at all, and why."""
        self.report = replace(self.report, error=str(error), locked=isinstance(error, LockedError))

    def abandon(self, reason: str, hanging: Sequence[str]) -> None:
        """The thread that worked on this tree hangs: report what is known of it so far."""
        result = self.report.result or (self._tools.watch.so_far() if self._begun else None)
        if result is None or self._ended:
            return
        known = replace(result, reached_end=False, stopped=result.stopped or reason, notes=(*result.notes, *hanging))
        self.report = replace(self.report, result=known)

    def count(self) -> int:
        """Count the source; returns the bytes that the destination still lacks.

        Raises:
            RefusedError: a tree cannot be listed at all.
            StoppedError: the run was stopped.
        """
        self.outage.doing = "counting"
        self._before = self._snapshot(self.paths.source)
        for problem in self._before.unreadable:
            self._tools.say(f"NOTE: {self.paths.source}: {problem.path} cannot be counted: {problem.reason}.")
        self._tools.watch.phase("Counting with robocopy", self.paths.source)
        witness = self._tools.crosscheck.count(self.paths.source, self.paths.list_before)
        self.report = replace(self.report, before=self._counted(self._before), robocopy_before=witness)
        left = bytes_left(self._before, self._snapshot(self.paths.destination))
        return max(0, left - Journals.load(self.paths.state_folder, tidy=False).landed_bytes)

    @property
    def sizes(self) -> Tuple[SizeClass, ...]:
        """How the files of the source are spread over sizes; () before they were counted."""
        if self._before is None:
            return ()
        counts = self._before.by_size([limit for limit, _ in _SIZE_CLASSES])
        names = [*(words for _, words in _SIZE_CLASSES), "1 GiB and more"]
        return tuple(SizeClass(words, *found) for words, found in zip(names, counts))

    @property
    def volume_kind(self) -> str:
        """Name of the destination's file system, "" before it was looked at."""
        return self._target.volume.kind if self._target is not None else ""

    def _counted(self, snapshot: Snapshot) -> Count:
        return snapshot.count if self._settings.policy.empty_folders else snapshot.count_without_empty_folders

    def moved_since(self) -> str:
        """The first path of the source that changed since `count`, "" where all lies still."""
        assert self._before is not None
        return first_difference(self._before, self._snapshot(self.paths.source))

    @property
    def volume(self) -> fs.Volume:
        """File system of the destination; after `prepare`."""
        assert self._target is not None
        return self._target.volume

    def _snapshot(self, root: str) -> Snapshot:
        ours = root == self.paths.destination
        fold_case = self._target is not None and self._target.fold_case
        self._tools.watch.phase("Counting", root)
        left_out = _is_partial if ours else Selection(self._settings.policy, fold_case=fold_case).leaves_out
        try:
            return take_snapshot(
                root,
                self._listed,
                links=self._settings.policy.links,
                ignore=left_out,
                stop=lambda: self._tools.stop,
                again=self.outage.again,
                policy=self._settings.policy,
            )
        except OSError as error:
            where = getattr(error, "filename", None) or root
            raise RefusedError(
                f"{root} cannot be counted: {where}: {fs.explain(error)[1]}. "
                "Check the folder's permissions and the drive."
            ) from error

    def _listed(self, path: str) -> List[Entry]:
        with self._tools.watch.doing("Listing", path):
            return self._list(path)

    # -- the copy --------------------------------------------------------------------------------------------------

    def transfer(self) -> TreeReport:
        """Copy, look once more, write manifest and evidence. Every failure ends in the report, not in an exception.

        Raises:
            StoppedError: the run was stopped while this tree was counted.
        """
        self.outage.doing = "beginning"
        lock = TreeLock(
            self.paths.state_folder,
            self.paths.destination,
            say=self._tools.say,
            wait=self._tools.stop.wait,
            work=Pace(
                self._before.count if self._before is not None else Count(),
                lambda: self._tools.watch.so_far() if self._begun else None,
                lambda: self.outage.waiting or self.outage.doing,
            ),
        )
        self._tools.watch.phase("Taking the lock of", self.paths.destination)
        try:
            self.outage.again(self.outage.guard)  # hours may lie between its preparation and its turn
            lock.acquire()
            self.outage.prove_by(lock.seen)
        except StoppedError:
            raise
        except VdtError as error:
            self.refuse(error)
            return self.report
        try:
            preflight.check_apart_by_marker(self.paths.source, self.paths.destination, lock.folder, lock.lies_in)
            self._locked(lock)
        except StoppedError:
            raise
        except VdtError as error:
            self.refuse(error)
        finally:
            if not self._tools.watch.abandoned:  # a worker that wakes up must not meet another run
                self._tools.watch.phase("Giving back", self.paths.state_folder)
                (lock.leave if self.outage.destination_lost else lock.release)()
            self._ended = True
        return self.report

    def _locked(self, lock: TreeLock) -> None:
        paths, settings, tools = self.paths, self._settings, self._tools
        assert self._target is not None and self._before is not None
        started = datetime.now().astimezone()
        tools.watch.phase("Reading", paths.evidence_folder)
        records, notes = load_records(paths.evidence_folder)
        former = Former(self._manifests(started))
        also_lines = SortedLines()
        lines = SortedLines()
        log_begins = _size(paths.log)
        with ExitStack() as stack:
            stack.callback(lines.close)
            stack.callback(also_lines.close)
            log = TreeLog(paths.log, patiently=self.outage.again)
            evidence = EvidenceWriter(
                paths.evidence_folder, started, patiently=self.outage.again, guard=self.outage.guard
            )
            job = TreeJob(
                source=paths.source,
                destination=paths.destination,
                target=self._target,
                policy=settings.policy,
                verify=settings.verify,
                existing=settings.existing,
                replace_proven=settings.replace_proven,
                threads=settings.threads,
                retry=settings.retry,
                also=settings.also,
                token=lock.token,
                meter=tools.meter,
                before=self._before,
                records=records,
                root_created=self._made is not None and paths.destination in self._made.folders,
                log_format=LogFormat(mt=settings.threads > 1),
                notes=(*lock.notes, *notes),
                journals=Journals.load(lock.folder),
            )
            reports = Reports(
                log=log,
                evidence=evidence,
                manifest=lines,
                also_manifest=also_lines if settings.also else None,
                progress=tools.progress,
                watch=tools.watch,
            )
            tools.watch.forget()
            self._begun = True
            tools.progress.begin(paths.copy_type.value, self._before.count)
            self.outage.doing = "copying"
            try:
                result = transfer_tree(
                    job,
                    reports,
                    StopFlag(tools.stop),
                    holds_lock=lambda: former.allows(lock.held),
                    outage=self.outage,
                )
            finally:
                tools.watch.phase("Writing", paths.log)
                try:
                    self.outage.forgive(log.close)
                finally:
                    self.outage.forgive(evidence.close)
            grown = sum(item.after_bytes - item.before_bytes for item in result.grew)
            witness = self.report.robocopy_before
            self.report = replace(
                self.report,
                before=_grown(self._counted(self._before), grown),
                robocopy_before=None if witness is None else _grown(witness, grown),
                result=result,
                log_status="" if self.outage.destination_lost else _log_status(paths.log, log_begins),
                evidence_file=evidence.path,
            )
            self.outage.doing = "looking once more"
            tools.progress.phase(self.outage.doing)
            try:
                result = self._look_once_more(result)
            except AwayError as error:
                result = replace(result, fatal=str(error))
            except VdtError as error:  # the copy stands; what it lacks is the last look
                result = replace(result, stopped=f"the last look at both sides was not finished: {error}")
            if self.outage.destination_lost:
                pass  # nothing is written beside it either: another volume may stand there
            elif lock.held():
                looked = result
                try:
                    result = self.outage.write(
                        lambda: self._write_manifests(looked, lines, also_lines, former, started)
                    )
                except AwayError as error:
                    result = replace(result, fatal=str(error))
            else:  # what is said of this tree from now on is said by whoever holds it
                result = replace(result, reached_end=False, stopped=LOST_LOCK)
            self.report = replace(self.report, result=result, manifest=result.manifest)
        self._count_again()

    def _count_again(self) -> None:
        """Let robocopy count the destination, where it counted the source. The copy stands, whatever comes of it."""
        if self.report.robocopy_before is None or self._tools.stop or self.outage.lost:
            return
        self.outage.doing = "robocopy counts"
        self._tools.progress.phase(self.outage.doing)
        self._tools.watch.phase("Counting with robocopy", self.paths.destination)
        try:
            self.outage.again(self.outage.guard)
            witness = self._tools.crosscheck.count(self.paths.destination, self.paths.list_after)
            self.report = replace(self.report, robocopy_after=witness)
        except StoppedError:
            raise
        except VdtError as error:
            self.report = replace(self.report, robocopy_error=str(error))
        except OSError as error:  # away again before robocopy was started
            reason = f"The cross-check of {self.paths.destination} failed: {fs.explain(error)[1]}."
            self.report = replace(self.report, robocopy_error=reason)

    def _look_once_more(self, result: TreeResult) -> TreeResult:
        """Count the destination and hold a last listing of the source against it. Raises VdtError."""
        if self._tools.stop or self.outage.lost:
            return result
        assert self._before is not None and self._target is not None
        after = self._snapshot(self.paths.destination)
        source = self._snapshot(self.paths.source)
        policy = self._settings.policy
        known = {p.path for p in (*result.failed, *result.unproven, *result.unstable, *result.conflict)}
        known |= {p.path for p in (*result.type_mismatch, *result.special)}
        changed = changed_since(
            source,
            after,
            before=self._before,
            time_step_ns=max(self._target.time_step_ns, policy.modify_window_ns),
            times_kept=policy.keep_times,
            known=known,
        )
        self.report = replace(self.report, after=after.count, extras=only_there(source, after))
        return replace(result, changed_since=changed)

    def _manifests(self, started: datetime) -> List[Tuple[str, str]]:
        """Each manifest that may lie beside the tree, and the name under which it is kept once it is no longer true."""
        keep_as = self.paths.former_manifest(started)
        found = [(self.paths.manifest, keep_as)]
        return found + [(f"{self.paths.destination}.{n}", f"{keep_as[: -len('xxh128')]}{n}") for n in OTHER_DIGESTS]

    def _write_manifests(
        self, result: TreeResult, lines: SortedLines, also_lines: SortedLines, former: Former, started: datetime
    ) -> TreeResult:
        paths, keep_as = self.paths, self.paths.former_manifest(started)
        self._tools.watch.phase("Writing", paths.manifest)
        if not result.reached_end and not former.changed and os.path.exists(paths.manifest):
            return result  # nothing was changed: what the former manifest says still stands
        written = paths.manifest if result.proven else paths.incomplete_manifest
        if result.proven:
            sha256 = publish(lines, written, keep_as=keep_as, aside=former.kept(written))
            remove(paths.incomplete_manifest)
        else:
            set_aside(paths.manifest, keep_as)
            sha256 = publish(lines, written)
        for name in OTHER_DIGESTS:
            whole, part = f"{paths.destination}.{name}", f"{paths.destination}.incomplete.{name}"
            keep = f"{keep_as[: -len('xxh128')]}{name}"
            wanted = name == self._settings.also
            if wanted and result.proven:
                publish(also_lines, whole, keep_as=keep, aside=former.kept(whole))
                remove(part)
            else:
                set_aside(whole, keep)  # one that this run does not write again may no longer be true
                if wanted:
                    publish(also_lines, part)
        return replace(result, manifest=written, manifest_sha256=sha256, notes=(*result.notes, *lines.notes))


def _is_partial(_path: str, entry: Entry) -> bool:
    return entry.kind is not Kind.FOLDER and PARTIAL.match(entry.name) is not None


def _grown(count: Count, size_bytes: int) -> Count:
    return replace(count, size_bytes=count.size_bytes + size_bytes)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _log_status(path: str, begins: int) -> str:
    """Whether this run's part of the log has its header and its summary: the "Complete log file" check."""
    try:
        data = read_ends(path, begins)
    except OSError as error:
        raise LostOutputError(f"The log {path} cannot be read: {fs.explain(error)[1]}.") from error
    return log_status(decode(data))
