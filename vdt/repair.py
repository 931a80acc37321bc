"""A repair after an audit: what may be copied again is copied by the engine, audited again, and both results are one.

Rule 1: only what is MISSING, and what is DIFFERENT where the destination changed; the rest needs consent by name.
Rule 2: what was wrong stays on record, in the result and in the evidence.
Rule 3: the manifest beside the tree is set aside before the first change.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterator, List, Sequence, Set, Tuple, TypeVar

from vdt import fs, preflight
from vdt.audit import Audit
from vdt.auditjob import AuditJob, AuditReports
from vdt.chosen import States
from vdt.claim import give_back, take_lock
from vdt.diagnosis import may_repair
from vdt.errors import AwayError, RefusedError
from vdt.findings import AuditResult, Finding
from vdt.journal import Journals
from vdt.lock import TreeLock
from vdt.manifest_file import Former
from vdt.mend import Seeder
from vdt.model import Judged, Kind, Links, Policy, Side, Verify
from vdt.outage import Outage
from vdt.probe import Destination, lowered, probe
from vdt.recorder import Reports
from vdt.stop import StopFlag
from vdt.transfer import transfer_tree
from vdt.treejob import TreeJob
from vdt.treelog import LogSink

ALL = "all"

Key = TypeVar("Key")


@dataclass(frozen=True)
class Repair:
    """What a repair is done with, beside the audit's own job.

    Args:
        accepted: paths of files whose source is accepted whatever the records say; ALL.
        lock_folder: of a run's tree; "" is where `vdt copy` has it.
        aside: the manifest beside the tree.
    """

    accepted: Tuple[str, ...]
    lock_folder: str
    aside: Former
    stop: StopFlag
    say: Callable[[str], None]
    log: LogSink

    def after(self, job: AuditJob, reports: AuditReports, result: AuditResult, outage: Outage) -> AuditResult:
        """Copy again what may be, audit that again, and put both results together."""
        chosen, refused = choose(result.entries, self.accepted)
        result = replace(result, refused=refused)
        if not chosen or self.stop:
            return result
        reports.progress.phase("repairing")
        reports.watch.phase("Preparing", job.destination)
        outage.doing = "repairing"
        try:
            target = probe(job.destination)
        except RefusedError as error:
            return replace(result, fatal=str(error))
        if target.fold_case:
            chosen, known = tell_apart(chosen, result.entries)
            result = replace(result, refused=(*refused, *known))
            if not chosen:
                return result
        states = {
            finding.path: (finding.source_bytes, finding.mtime_ns) if finding.source_bytes >= 0 else None
            for finding in chosen
        }
        try:
            notes = self._copy_again(job, reports, target, chosen, states, outage)
        except (AwayError, RefusedError) as error:
            return replace(result, fatal=str(error))
        outage.doing = "auditing again"
        reports.progress.phase(outage.doing)
        again = replace(job, chosen=dict.fromkeys(states), recent=type(job.recent)(), notes=())
        right: Set[str] = set()

        def each(finding: Finding) -> None:
            if finding.judged is Judged.OK:
                right.add(finding.path)
            reports.each(finding)

        second = Audit(again, replace(reports, state=None, each=each), StopFlag(self.stop), outage=outage).run()
        right |= {finding.path for finding in chosen if self._is_folder(job, finding.path)}
        return together(result, second, chosen, right, notes)

    @staticmethod
    def _is_folder(job: AuditJob, path: str) -> bool:
        """Whether an empty folder of the source is there now; no audit speaks of one that is right."""
        try:
            return all(
                fs.opened(fs.full_path(root, path)).kind is Kind.FOLDER for root in (job.source, job.destination)
            )
        except OSError:
            return False

    def _copy_again(
        self,
        job: AuditJob,
        reports: AuditReports,
        target: Destination,
        chosen: Sequence[Finding],
        states: States,
        outage: Outage,
    ) -> Tuple[str, ...]:
        policy = lowered(_copying(job.policy), target)
        with ExitStack() as stack:
            if self.lock_folder:
                lock = TreeLock(self.lock_folder, job.destination, say=self.say, wait=self.stop.wait)
                lock.acquire()
            else:
                lock, _ = take_lock(job.destination, self.stop.wait, self.say)
            stack.callback(give_back, lock, reports.watch, outage)
            outage.prove_by(lock.seen)
            real = os.path.realpath(job.destination)
            preflight.check_apart_by_marker(job.source, real, os.path.realpath(lock.folder), lock.lies_in)
            journals = Journals.load(lock.folder)
            seeder = Seeder(
                job.source,
                job.destination,
                journals,
                lock.token,
                follow=policy.links is Links.FOLLOW,
                stop=self.stop,
                meter=job.meter,
                guard=outage.guard,
            )
            seeder.seed(chosen)
            copied = transfer_tree(
                TreeJob(
                    source=job.source,
                    destination=job.destination,
                    target=target,
                    policy=policy,
                    verify=Verify.COLD,
                    replace_proven=True,
                    threads=job.threads,
                    retry=job.retry,
                    meter=job.meter,
                    token=lock.token,
                    journals=journals,
                    chosen=states,
                ),
                Reports(log=self.log, progress=reports.progress, watch=reports.watch),
                StopFlag(self.stop),
                holds_lock=lambda: self.aside.allows(lock.held),
                outage=outage,
            )
        failed = [f"{problem.path}: not repaired: {problem.reason}" for problem in (*copied.failed, *copied.unstable)]
        return (*seeder.notes, *copied.notes, *failed)


def _copying(policy: Policy) -> Policy:
    """The audit's policy as one that copies whatever was chosen."""
    return replace(
        policy,
        include_same=True,
        include_tweaked=True,
        checksum=False,
        skip_newer=False,
        skip_older=False,
        skip_changed=False,
        skip_lonely=False,
    )


def choose(
    entries: Sequence[Finding], accepted: Sequence[str]
) -> Tuple[Tuple[Finding, ...], Tuple[Tuple[str, str], ...]]:
    """(what a repair copies again, what it does not and why). Pure.

    Args:
        accepted: paths whose source is accepted though it is the source that changed, or nothing is known; ALL.
    """
    names = {path.replace("\\", "/").strip("/") if fs.WINDOWS else path.strip("/") for path in accepted}
    taken = {finding.path for finding in entries if finding.judged is Judged.TYPE}
    chosen: List[Finding] = []
    refused: List[Tuple[str, str]] = []
    for finding in entries:
        if finding.judged is Judged.MISSING and taken and not taken.isdisjoint(_above(finding.path)):
            refused.append((finding.path, "something else stands in the place of its folder: move that away first"))
        elif finding.judged is Judged.MISSING:
            chosen.append(finding)
        elif finding.judged is Judged.DIFFERENT:
            newer = finding.mtime_ns > finding.stored_mtime_ns
            why = may_repair(finding.side or Side.NO_RECORD, source_newer=newer)
            if why and ALL not in names and finding.path not in names:
                refused.append((finding.path, why))
            else:
                chosen.append(finding)
        names.discard(finding.path)
    refused += [(name, "it is not among the files that are DIFFERENT") for name in sorted(names - {ALL})]
    return tuple(chosen), tuple(refused)


def tell_apart(
    chosen: Sequence[Finding], entries: Sequence[Finding]
) -> Tuple[Tuple[Finding, ...], Tuple[Tuple[str, str], ...]]:
    """The same, for a destination that takes "a" and "A" for one name: a copy would land on the namesake. Pure."""
    there = {finding.path.casefold(): finding.path for finding in entries if finding.judged is Judged.EXTRA}
    left: List[Finding] = []
    refused: List[Tuple[str, str]] = []
    for finding in chosen:
        names = (finding.path, *_above(finding.path)) if finding.judged is Judged.MISSING else ()
        other = next((there[name.casefold()] for name in names if name.casefold() in there), "")
        if other:
            why = f"the destination takes '{other}' for the same name, and it lies there: rename that, and audit again"
            refused.append((finding.path, why))
        else:
            left.append(finding)
    return tuple(left), tuple(refused)


def _above(path: str) -> Iterator[str]:
    """Every folder above a path."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def together(
    first: AuditResult, second: AuditResult, chosen: Sequence[Finding], right: Set[str], notes: Tuple[str, ...]
) -> AuditResult:
    """The result after a repair: what was chosen counts as it was found the second time. Pure.

    What was not found then, as its source is gone or the audit ended early, stays as it was found at first.

    Args:
        right: paths that the second audit found right.
    """
    wrong = {finding.path for finding in second.entries}
    chosen = [finding for finding in chosen if finding.path in right or finding.path in wrong]
    paths = {finding.path for finding in chosen}
    files, size_bytes = dict(first.files), dict(first.size_bytes)
    for finding in chosen:
        files[finding.judged] -= 1
        size_bytes[finding.judged] -= finding.size_bytes
    return replace(
        first,
        ended=second.ended,
        files=_added(files, second.files),
        size_bytes=_added(size_bytes, second.size_bytes),
        by_evidence=_added(first.by_evidence, second.by_evidence),
        hosts=_added(first.hosts, second.hosts),
        links=first.links + second.links,
        entries=tuple(sorted((*(f for f in first.entries if f.path not in paths), *second.entries), key=_path)),
        notes=(*first.notes, *notes, *(note for note in second.notes if note not in first.notes)),
        read_bytes=first.read_bytes + second.read_bytes,
        repaired=tuple(sorted(paths - wrong)),
        wrong_before=tuple(chosen),
        reached_end=second.reached_end,
        stopped=second.stopped,
        fatal=second.fatal,
        seconds=first.seconds + second.seconds,
    )


def _added(one: Dict[Key, int], other: Dict[Key, int]) -> Dict[Key, int]:
    total = {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
    return {key: count for key, count in total.items() if count}


def _path(finding: Finding) -> str:
    return finding.path
