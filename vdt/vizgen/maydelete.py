"""May the source be deleted, asked now: both sides are listed and held against the evidence beside the trees.

Reads listings, evidence, manifests and the ends of logs, never a file of a tree, and writes nothing. The trees are
planned, counted and looked at once more by the code of a transfer, and `verdict.decide` answers as it does at the end
of one: where a transfer would have to copy or read a single file to say yes, the answer here is no. It knows less than
an audit: a file whose bytes changed while its size and time stayed is what it was.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Callable, List, Tuple

from vdt import fs, preflight
from vdt.copyjob import NoLimit
from vdt.errors import RefusedError, StoppedError, VdtError
from vdt.evidence import load_records
from vdt.lock import LOCK_NAME, read_holder
from vdt.log_ends import read_ends
from vdt.manifest import SortedLines
from vdt.manifest_file import first_unlisted
from vdt.model import Existing, Policy, TreeResult, Verify
from vdt.probe import Destination, lowered, seen_by_times, unprobed
from vdt.progress import Progress
from vdt.recorder import Reports
from vdt.records import Records
from vdt.retry import RetryPlan
from vdt.robocopy.read import decode, log_status
from vdt.selection import leaves_files_out
from vdt.stop import StopFlag
from vdt.transfer import transfer_tree
from vdt.treejob import TreeJob
from vdt.tuning import DEFAULT_THREADS
from vdt.vizgen.config import Config
from vdt.vizgen.crosscheck import CrossCheck
from vdt.vizgen.drives import check_drives
from vdt.vizgen.finished import look
from vdt.vizgen.layout import CopyType, tree_paths
from vdt.vizgen.report import COMPLETE_LOG, TreeReport, Verdict
from vdt.vizgen.tree import Settings, Tools, Tree
from vdt.vizgen.verdict import decide
from vdt.watch import Watch


@dataclass(frozen=True)
class Answer:
    """The verdict, and what it was made from."""

    run_id: str
    looked_at: datetime  # local, with offset; the answer is about that moment
    verdict: Verdict
    trees: Tuple[TreeReport, ...]

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict.yes else 8


def may_delete(
    run_id: str, config: Config, *, stop: StopFlag, progress: Progress, say: Callable[[str], None], watch: Watch
) -> Answer:
    """List both sides of all three trees and judge.

    Raises:
        RefusedError: a drive is not there, or nothing is known of such a run on either side.
        StoppedError: the stop came first.
    """
    looked_at = datetime.now().astimezone()
    policy = _of_records(config.options.policy)
    settings = Settings(
        policy=policy,
        verify=Verify.COLD,
        existing=Existing.PROVE,
        replace_proven=False,
        threads=config.threads or DEFAULT_THREADS,
        retry=RetryPlan(),
        also=None,
        share_wait_s=0.0,
    )
    crosscheck = CrossCheck("off", config.robocopy_list, 1, say, stop)
    tools = Tools(stop, progress, NoLimit(), say, crosscheck, watch)
    reports: List[TreeReport] = []
    missing: List[RefusedError] = []
    for kind in CopyType:
        item = tree_paths(kind, run_id, config.analysis_drive, config.isilon_drive, config.logs)
        tree = ListedTree(item, settings, tools, frozenset(), frozenset())
        watch.phase("Looking at", item.source)
        try:
            check_drives(config, item)
        except RefusedError as error:
            if not (os.path.isdir(config.analysis_drive) and os.path.isdir(config.isilon_drive)):
                raise
            missing.append(error)
            tree.refuse(error)
        else:
            progress.phase(f"listing {kind.value}")
            tree.look()
        reports.append(tree.report)
    if len(missing) == len(reports) and not os.path.lexists(os.path.join(config.isilon_drive, run_id)):
        raise missing[0]
    if stop:
        raise StoppedError(f"Stopped ({stop.reason}) before both sides were listed: there is no answer.")
    left_out = ""
    if leaves_files_out(policy):
        left_out = "The configured options may keep files of the source out of the copy."
    raw_data = tree_paths(CopyType.RAW_DATA, run_id, config.analysis_drive, config.isilon_drive, config.logs)
    finished = look(raw_data.source, config.finished_markers)
    return Answer(run_id, looked_at, decide(reports, left_out=left_out, finished=finished), tuple(reports))


def _of_records(policy: Policy) -> Policy:
    """A copy policy whose digests on record count; a transfer under /IS or --checksum reads every file again."""
    return replace(policy, include_same=False, include_tweaked=False, include_modified=False, checksum=False)


class ListedTree(Tree):
    """One tree of a run, listed and judged by what is on record. Nothing of it is opened."""

    def look(self) -> None:
        """Fill the report. What cannot be looked at ends in it too.

        Raises:
            StoppedError: somebody asked for the stop.
        """
        try:
            self._look()
        except StoppedError:
            raise
        except VdtError as error:
            self.refuse(error)

    def _look(self) -> None:
        paths, watch, name = self.paths, self._tools.watch, self.paths.copy_type.value
        preflight.check_source(paths.source)
        preflight.check_apart(paths.source, paths.destination)
        watch.phase("Looking at", paths.destination)
        if not os.path.isdir(paths.destination):
            raise RefusedError(f"There is no copy of {name}: {paths.destination} is not there. Transfer the run first.")
        self._refuse_while_locked()
        watch.phase("Reading", paths.evidence_folder)
        records, notes = load_records(paths.evidence_folder)
        self._target = _seen(paths.destination, records)
        policy = lowered(self._settings.policy, self._target)
        self._settings = replace(self._settings, policy=policy)
        self._before = self._snapshot(paths.source)
        self.report = replace(self.report, before=self._counted(self._before))
        with closing(SortedLines()) as lines:
            job = TreeJob(
                source=paths.source,
                destination=paths.destination,
                target=self._target,
                policy=policy,
                threads=self._settings.threads,
                retry=self._settings.retry,
                before=self._before,
                records=records,
                notes=tuple(notes),
                dry_run=True,
                asks=True,
            )
            result = transfer_tree(
                job, Reports(manifest=lines, watch=watch), StopFlag(self._tools.stop), outage=self.outage
            )
            result = self._with_manifest(self._look_once_more(result), lines)
        self._refuse_while_locked()  # one that began meanwhile may change what was just seen
        self.report = replace(
            self.report, result=result, manifest=result.manifest, log_status=_status_of_log(paths.log)
        )

    def _refuse_while_locked(self) -> None:
        path = os.path.join(self.paths.state_folder, LOCK_NAME)
        if not os.path.lexists(path):
            return
        holder = read_holder(path)
        who = holder.words if holder is not None else "its lock cannot be read"
        raise RefusedError(
            f"A transfer of {self.paths.copy_type.value} is at work, or did not reach its end ({who}). "
            "Wait until it ends, or transfer the run again."
        )

    def _with_manifest(self, result: TreeResult, lines: SortedLines) -> TreeResult:
        """Name the manifest where it lists every file that is on record, with that digest. Raises RefusedError."""
        paths, name = self.paths, self.paths.copy_type.value
        if not result.proven:
            return result  # there are weightier reasons
        self._tools.watch.phase("Reading", paths.manifest)
        if os.path.lexists(paths.incomplete_manifest):
            raise RefusedError(
                f"The last transfer of {name} left an incomplete manifest ({paths.incomplete_manifest}). "
                "Transfer the run again."
            )
        try:
            unlisted, sha256 = first_unlisted(lines, paths.manifest)
        except FileNotFoundError:
            return result
        except OSError as error:
            raise RefusedError(f"The manifest {paths.manifest} cannot be read: {fs.explain(error)[1]}.") from error
        if unlisted is not None:
            raise RefusedError(
                f"The manifest {paths.manifest} does not list what is on record of {unlisted}. Transfer the run again."
            )
        return replace(result, manifest=paths.manifest, manifest_sha256=sha256)


def _seen(path: str, records: Records) -> Destination:
    """What can be said of a destination that must not be written to. How coarsely it keeps times is told by what it
    made of those on record; that names fold is seen by the folder itself answering to its name in other letters."""
    found = unprobed(path)
    # a record counts as it is, weaker ones too: those are named as weak, not as missing
    found = replace(found, volume=replace(found.volume, cold_reads=False))
    folder, name = os.path.split(path)
    try:
        folds = fs.real_id(os.path.join(folder, name.swapcase())) == fs.real_id(path)
    except OSError:
        folds = False
    return seen_by_times(found, records.time_step_ns(), fold_case=folds)


def _status_of_log(path: str) -> str:
    """Whether the last run that is in the log reached its end. A log is no evidence: one that is gone proves nothing
    less."""
    try:
        return log_status(decode(read_ends(path)))
    except FileNotFoundError:
        return COMPLETE_LOG
    except OSError as error:
        return f"it cannot be read ({fs.explain(error)[1]})"
