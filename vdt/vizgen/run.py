"""One run from the command to the mail: the order of things, and what happens when one of them fails.

    configuration -> sources there? -> every destination prepared -> every tree counted -> room? ->
    each tree copied, looked at once more, its proof written -> verdict -> JSON -> mail -> master log -> exit code

Rule 1: once the configuration is read, every end of the run is reported: success, failure, Ctrl-C, a defect.
Rule 2: the main thread does nothing that can hang in the system: it supervises (supervise.py), and reports what is
known so far where the work does not come back after a stop.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import replace
from datetime import datetime
from typing import Dict, List, Optional, Sequence, Tuple

from vdt import fs
from vdt.errors import AbandonedError, AwayError, RefusedError, StoppedError, VdtError
from vdt.evidence import host_name
from vdt.jsonfile import check_place
from vdt.model import Evidence
from vdt.own import get_ready
from vdt.preflight import check_apart, check_report, check_room
from vdt.printable import printable
from vdt.robocopy.exitcode import exit_text
from vdt.selection import leaves_files_out
from vdt.snapshot import Snapshot
from vdt.supervise import supervised
from vdt.troubles import STILL_WRITTEN
from vdt.version import __version__
from vdt.vizgen.config import Config, load_config
from vdt.vizgen.crosscheck import CrossCheck
from vdt.vizgen.delivery import Delivery
from vdt.vizgen.drives import check_drives, make_logs
from vdt.vizgen.dryrun import dry_tree, joined_code, process_code, write_object
from vdt.vizgen.finished import QUIET_S, Finished, Patience, list_trees, look
from vdt.vizgen.layout import CopyType, TreePaths, tree_paths
from vdt.vizgen.mail import MailText, compose
from vdt.vizgen.mark import Mark, unreported
from vdt.vizgen.masterlog import MasterLog
from vdt.vizgen.page import compose_page
from vdt.vizgen.report import About, Course, RunReport, TreeReport, Verdict
from vdt.vizgen.request import Ended, Request, Surroundings, byte_meter, resolve
from vdt.vizgen.runobject import run_object
from vdt.vizgen.tree import Tools, Tree
from vdt.vizgen.verdict import decide, process_exit_code, verdict_lines


def run(request: Request, around: Surroundings) -> Ended:
    """Do what was asked.

    Raises:
        ConfigError: the configuration cannot be used; nothing was touched.
        UsageError: the report's folder is not there; nothing was touched.
    """

    def begin() -> Config:
        check_place(request.json or "")
        return load_config(
            request.config,
            windows=fs.WINDOWS,
            disk=request.disk,
            debug=request.debug,
            need_mail=request.mail and not request.dry_run,
        )

    config = supervised(begin, around.stop)
    if request.audit:
        from vdt.vizgen.auditrun import AuditRun  # it is a Run too, and most runs audit nothing

        return AuditRun(request, config, around).end_to_end()
    return Run(request, config, around).end_to_end()


class Run:
    """The frame of a run: its order, its ends, its mail. `auditrun.py` fills it with other work."""

    def __init__(self, request: Request, config: Config, around: Surroundings) -> None:
        self._request, self._config, self._around = request, config, around
        self._began = time.monotonic()
        self._started = datetime.now().astimezone()
        self._settings = resolve(request, config)
        self._trees: List[Tree] = []
        self._notes: List[str] = [*filter(None, [get_ready()]), *config.warnings, *config.options.remarks]
        self._witness_notes: Sequence[str] = ()
        self._finished: Optional[Finished] = None
        self._watch = around.watch
        self._watch.roots = (config.analysis_drive, config.isilon_drive)
        self._master: Optional[MasterLog] = None
        self._mark = Mark(fs.state_home(), request.run_id)
        self._delivery = Delivery(
            request.run_id,
            config,
            around,
            started=self._started,
            tell=self._tell,
            share_lost=lambda: self._share_lost,
        )
        if not request.dry_run:
            self._master = MasterLog(fs.state_home(), self._started, debug=request.debug)

    def end_to_end(self) -> Ended:
        """Run, and report however it ended."""
        request = self._request
        for line in unreported(fs.state_home(), take=not request.dry_run):
            self._tell(line, level="warning")
            self._notes.append(line)
        self._tell(f"vizgen_data_transfer {__version__}: run {request.run_id}, configuration {self._config.path}")
        for note in self._notes:
            self._tell(f"NOTE: {note}", level="warning")
        error, code = "", 0
        try:
            if request.dry_run:
                return Ended(supervised(self._dry_run, self._around.stop))
            self._mark.begin()
            with fs.stay_awake():
                supervised(self._work, self._around.stop)
        except AbandonedError as gone:
            error, code = self._abandon(gone), gone.exit_code
        except StoppedError as stopped:
            error, code = str(stopped), stopped.exit_code
        except AwayError as away:
            error, code = f"The run ended early: {away}. The same command goes on with it.", away.exit_code
        except VdtError as refused:
            error, code = str(refused), refused.exit_code
        except KeyboardInterrupt:
            error, code = "Interrupted.", 8
        except Exception as defect:
            details = traceback.format_exc()
            if self._master is not None:
                self._master.logger.error(details)
            error = f"An unexpected error ended the run: {type(defect).__name__}: {defect}. Run again with --debug."
            if request.debug:
                error += "\n" + details
            code = 16
        return self._report(error, code)

    def _abandon(self, gone: AbandonedError) -> str:
        """The working thread hangs: take what is known of each tree, and say what does not answer."""
        self._watch.abandoned = True
        hanging = self._watch.hanging()
        for tree in self._trees:
            tree.abandon(self._around.stop.reason, hanging)
        for line in hanging:
            self._tell(line, level="error")
        return " ".join([str(gone), *hanging[:1]])

    # -- the work --------------------------------------------------------------------------------------------------

    def _lay_out(self, kinds: Sequence[CopyType] = ()) -> List[TreePaths]:
        """The selected trees, or these."""
        config = self._config
        return [
            tree_paths(kind, self._request.run_id, config.analysis_drive, config.isilon_drive, config.logs)
            for kind in kinds or self._request.copy_types
        ]

    def _work(self) -> None:
        request, config = self._request, self._config
        mode = request.robocopy_check or config.robocopy_check or "auto"
        stop = self._around.stop
        crosscheck = CrossCheck(mode, config.robocopy_list, self._settings.threads, self._tell, stop)
        self._witness_notes = crosscheck.notes
        self._wait_until_finished()
        meter = byte_meter(request, config, stop)
        tools = Tools(stop, self._around.progress, meter, self._tell, crosscheck, self._watch)
        self._trees = [
            Tree(
                item,
                self._settings,
                tools,
                request.ignore_python.get(item.copy_type, frozenset()),
                request.ignore_robocopy.get(item.copy_type, frozenset()),
            )
            for item in self._lay_out()
        ]
        for tree in self._trees:
            try:
                self._watch.phase("Looking at", tree.paths.source)
                check_drives(config, tree.paths)
            except RefusedError as error:
                tree.refuse(error)
                raise
        self._check_finished()
        self._check_all_sources()
        if crosscheck.enabled:
            make_logs(config.logs)
        try:
            places: Dict[Tuple[int, int], str] = {}
            for tree in self._trees:
                try:
                    tree.prepare()
                    place = fs.real_id(tree.paths.destination)
                    if place in places and place != (0, 0):
                        raise RefusedError(
                            f"{tree.paths.destination} and {places[place]} are one and the same folder. "
                            "Each tree needs a destination of its own."
                        )
                    places[place] = tree.paths.destination
                except RefusedError as error:
                    tree.refuse(error)
                    raise
            left = self._count()
            if self._finished is not None and self._finished.unknown:
                self._check_finished()  # the drive may have been away for a moment
            if not request.ignore_space:
                check_room(self._trees[0].volume, left, config.isilon_drive)
        except BaseException:
            for tree in reversed(self._trees):
                tree.undo([item.destination for item in self._lay_out(tuple(CopyType))])
            raise
        for tree in self._trees:
            if self._around.stop:
                break
            self._tell(f"{tree.paths.copy_type.value}: {tree.paths.source} -> {tree.paths.destination}")
            report = tree.transfer()
            self._tell_tree(report)
            if tree.outage.lost:  # and what the other trees need, too
                raise AwayError(tree.outage.lost)
            if report.result is not None and report.result.stopped:
                self._around.stop.set(report.result.stopped)  # a full disk is full for the other trees too
        if self._around.stop:
            raise StoppedError(f"The run ended early: {self._around.stop.reason}. The same command goes on with it.")

    def _check_all_sources(self) -> None:
        """Nothing is written into any source of the run, selected or not. Raises RefusedError."""
        config, request = self._config, self._request
        for kind in CopyType:
            source = tree_paths(kind, request.run_id, config.analysis_drive, config.isilon_drive, config.logs).source
            self._watch.phase("Looking at", source)
            if not os.path.isdir(source):
                continue
            for tree in self._trees:
                self._watch.phase("Looking at", tree.paths.destination)
                check_apart(source, tree.paths.destination)
            self._watch.phase("Looking at", config.logs)
            check_report(os.path.join(config.logs, "log"), source)
            check_report("" if request.json == "-" else request.json or "", source)

    def _count(self) -> int:
        left = 0
        for tree in self._trees:
            self._around.progress.phase("counting")
            left += tree.count()
            before = tree.report.before
            assert before is not None
            self._tell(
                f"{tree.paths.copy_type.value}: {before.files} files, {before.folders} folders, {before.gigabytes} GB; "
                f"to be {Evidence(self._settings.verify.value).words}"
            )
        self._tell(f"{left / 1024**3:.3f} GB are to be copied, at most.")
        self._wait_until_settled()
        return left

    @property
    def _flags_lie_in(self) -> str:
        """Raw data of the run, selected or not."""
        config, run_id = self._config, self._request.run_id
        return tree_paths(CopyType.RAW_DATA, run_id, config.analysis_drive, config.isilon_drive, config.logs).source

    def _wait_until_finished(self) -> None:
        """With `--wait_finished`, wait for the flags of the run and until it lies still. Nothing is touched before.

        Raises:
            RefusedError: the time is over, or there is no such run.
            StoppedError: the run was stopped.
        """
        hours, folder, config = self._request.wait_finished_h, self._flags_lie_in, self._config
        if hours is None:
            return
        self._watch.phase("Looking at", folder)
        if not os.path.isdir(folder):
            raise RefusedError(
                f"The run cannot be waited for: its raw data are not there: {folder}. Check the run id and the drive "
                f"('{config.analysis_key}' in {config.path}).{fs.absence(config.analysis_drive)}"
            )
        patience = Patience(hours, wait=self._around.stop.wait, say=self._tell, phase=self._around.progress.phase)
        patience.for_flags(lambda: look(folder, config.finished_markers))
        patience.for_quiet(QUIET_S if config.settle_s is None else config.settle_s, self._list_sources)

    def _list_sources(self) -> Dict[str, Snapshot]:
        """Each tree of the run that is there, selected or not."""
        config, roots = self._config, {}
        for kind in CopyType:
            item = tree_paths(kind, self._request.run_id, config.analysis_drive, config.isilon_drive, config.logs)
            roots[kind.value] = item.source
        self._watch.phase("Listing", self._flags_lie_in)
        return list_trees(roots, lambda: self._around.stop)

    def _check_finished(self) -> None:
        """Say in the first lines whether the run is finished. Raises RefusedError where that is required."""
        self._watch.phase("Looking at", self._flags_lie_in)
        self._finished = look(self._flags_lie_in, self._config.finished_markers)
        if self._finished.sure:
            return
        if self._request.require_finished:
            raise RefusedError(
                f"{self._finished.objection} Nothing was touched. Wait until it is, or let --wait_finished wait."
            )
        again = " Transfer it again when it is." if self._finished.missing else ""
        self._tell(f"WARNING: {self._finished.objection}{again}", level="warning")

    def _wait_until_settled(self) -> None:
        """With `settle_s`, refuse a run that is still being written. Raises RefusedError."""
        settle_s = self._config.settle_s
        if not settle_s or self._request.lies_still or self._request.wait_finished_h is not None:
            return  # the last two have just seen it
        self._tell(f"Looking whether the run lies still for {settle_s:g} s (settle_s).")
        if self._around.stop.wait(settle_s):
            raise StoppedError("Stopped before anything was copied.")
        for tree in self._trees:
            moved = tree.moved_since()
            if moved:
                raise RefusedError(
                    STILL_WRITTEN.sentence(tree=tree.paths.copy_type.value, path=moved, seconds=f"{settle_s:g}")
                )

    def _dry_run(self) -> int:
        results = []
        for item in self._lay_out():
            check_drives(self._config, item)
            if self._finished is None:
                self._check_finished()
            results.append((item, dry_tree(item, self._settings, self._tell, self._around.stop)))
        code = process_code(joined_code(results), robocopy_exit_code=self._request.robocopy_exit_code)
        if self._request.json:
            write_object(self._request.json, self._around.stdout, self._request.command, results, code)
        return code

    @property
    def _share_lost(self) -> bool:
        """True once the Isilon was given up: what stands in its place may be another volume."""
        return any(tree.outage.destination_lost for tree in self._trees)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _report(self, error: str, code: int) -> Ended:
        request = self._request
        reports = tuple(tree.report for tree in self._trees)
        if code != 16 and reports:
            stopped = bool(self._around.stop) or code == 8
            code = process_exit_code(reports, robocopy_exit_code=request.robocopy_exit_code, stopped_early=stopped)
        left_out = ""
        if leaves_files_out(self._settings.policy):
            left_out = "The configured options may keep files of the source out of the copy."
        report = RunReport(
            run_id=request.run_id,
            trees=reports,
            verdict=decide(reports, left_out=left_out, error=error, finished=self._finished)
            if reports
            else Verdict(False, error),
            exit_code=code,
            command=request.command,
            elapsed_s=time.monotonic() - self._began,
            threads=self._settings.threads,
            threads_used=_mean_threads(reports),
            error=error,
            notes=(*self._notes, *self._witness_notes),
            finished=self._finished,
            about=self._about(),
            course=self._course(),
        )
        if error:
            self._tell(f"ERROR: {error}", level="error")
        if request.json and not self._delivery.json(request.json, run_object(report, self._started)):
            report = replace(report, exit_code=16)
        if any(tree.result is not None for tree in reports):  # one that was refused leaves no more than its log
            report = replace(report, page=self._delivery.page(compose_page(report, datetime.now().astimezone())))
        text = compose(report)
        self._hand_out(text, verdict_lines(report.verdict)[0], wanted=self._around.wants_mail(report))
        return Ended(report.exit_code, text, report)

    def _hand_out(self, text: MailText, last: str, *, wanted: bool = True) -> None:
        """Mail, screen and master log of a run that is over."""
        if self._request.mail and wanted and not self._request.dry_run:
            self._delivery.mail(text)
        for line in text.plain.split("\n"):
            self._log(line)
        self._tell(last)
        self._around.progress.end()
        if self._master is not None:
            trouble = self._delivery.master_log(self._master)
            if trouble:
                self._around.say(trouble)
        self._mark.end()

    def _about(self) -> About:
        kinds = {tree.paths.copy_type.value: tree.volume_kind for tree in self._trees}
        return About(
            began=self._started.isoformat(timespec="seconds"),
            host=host_name(),
            system=fs.system_name(),
            python=sys.version.split()[0],
            config=self._config.path,
            volumes=", ".join(f"{kind} for {name}" for name, kind in kinds.items() if kind),
        )

    def _course(self) -> Course:
        pulse = self._around.pulse
        sizes = tuple((tree.paths.copy_type.value, tree.sizes) for tree in self._trees if tree.sizes)
        return Course(pulse.curves(), pulse.spent(time.monotonic()), sizes)

    def _tell_tree(self, report: TreeReport) -> None:
        result = report.result
        if result is None or report.error:
            self._tell(f"{report.copy_type.value}: FAILED: {report.error}", level="error")
            return
        seconds = max(0.001, (result.ended - result.started).total_seconds())
        self._tell(
            f"{report.copy_type.value}: robocopy exit code {result.exit_code}: {exit_text(result.exit_code)} "
            f"Copied {result.files.copied}, skipped {result.files.skipped}, failed {result.files.failed} "
            f"({result.size_bytes.copied / 1024**2 / seconds:.0f} MiB/s, {result.files.copied / seconds:.0f} files/s)"
        )
        for note in result.notes:
            self._tell(f"NOTE: {note}", level="warning")

    def _tell(self, line: str, *, level: str = "info") -> None:
        self._around.say(printable_lines(line))
        self._log(line, level)

    def _log(self, line: str, level: str = "info") -> None:
        if self._master is not None:
            getattr(self._master.logger, level)("%s", line)


def printable_lines(text: str) -> str:
    """Printable line by line: the newlines of our own sentences stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _mean_threads(reports: Tuple[TreeReport, ...]) -> float:
    used = [(r.result.threads_used, r.result.copy_seconds) for r in reports if r.result is not None]
    seconds = sum(s for _, s in used)
    return sum(t * s for t, s in used) / seconds if seconds else 0.0
