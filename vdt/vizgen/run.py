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
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import EmailMessage
from typing import IO, Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from vdt import fs
from vdt.bwlimit import TokenBucket, parse_bwlimit
from vdt.copyjob import NoLimit
from vdt.errors import AbandonedError, AwayError, LostOutputError, RefusedError, StoppedError, VdtError
from vdt.evidence import host_name, load_records
from vdt.jsonfile import check_place, write_beside, write_json
from vdt.model import Evidence, Existing, Verify
from vdt.own import get_ready
from vdt.preflight import check_apart, check_report, check_room, check_source, unprobed
from vdt.printable import printable
from vdt.progress import Progress
from vdt.pulse import Pulse
from vdt.recorder import Reports
from vdt.report import tree_object
from vdt.retry import RetryPlan
from vdt.robocopy.exitcode import exit_text
from vdt.selection import leaves_files_out
from vdt.snapshot import Snapshot
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.transfer import transfer_tree
from vdt.treejob import TreeJob
from vdt.treelog import Listing
from vdt.troubles import NO_DISK, NO_ISILON_DRIVE, NO_SOURCE_DRIVE, NO_SUCH_RUN, STILL_WRITTEN, TREE_ELSEWHERE
from vdt.version import __version__
from vdt.vizgen.config import Config, load_config
from vdt.vizgen.crosscheck import CrossCheck
from vdt.vizgen.finished import QUIET_S, Finished, Patience, list_trees, look
from vdt.vizgen.layout import CopyType, TreePaths, page_name, source_folders, tree_paths
from vdt.vizgen.mail import MailText, build_message, compose
from vdt.vizgen.mark import Mark, unreported
from vdt.vizgen.masterlog import MasterLog
from vdt.vizgen.nearest import hint
from vdt.vizgen.page import compose_page
from vdt.vizgen.post import SmtpSettings, send
from vdt.vizgen.report import About, Course, RunReport, TreeReport, Verdict
from vdt.vizgen.runobject import run_object
from vdt.vizgen.tree import SHARE_WAIT_S, Settings, Tools, Tree
from vdt.vizgen.unsent import eml_name, keep_somewhere, keep_unsent, resend_unsent
from vdt.vizgen.verdict import decide, process_exit_code, verdict_lines
from vdt.watch import Watch

DEFAULT_THREADS = 8
_MAIL_WITHIN_S = 20.0
_MAIL_AFTER_STOP_S = 10.0
_LOGS_WITHIN_S = 60.0  # a share that hangs at the very end is not waited for longer: what it lacks is kept here


@dataclass(frozen=True)
class Request:
    """What the command line asked for; None where it said nothing and the configuration or the default counts."""

    run_id: str
    config: str
    command: str
    copy_types: Tuple[CopyType, ...] = tuple(CopyType)
    threads: Optional[int] = None
    ignore_python: Mapping[CopyType, FrozenSet[str]] = field(default_factory=dict)
    ignore_robocopy: Mapping[CopyType, FrozenSet[str]] = field(default_factory=dict)
    disk: bool = False
    debug: bool = False
    dry_run: bool = False
    verify: Optional[Verify] = None
    existing: Optional[Existing] = None
    replace_proven: bool = False
    bwlimit: Optional[str] = None
    require_finished: bool = False
    wait_finished_h: Optional[float] = None
    lies_still: bool = False  # who asks has just seen that nothing changed for `settle_s`
    also_hash: Optional[str] = None
    robocopy_check: Optional[str] = None
    ignore_space: bool = False
    mail: bool = True
    json: Optional[str] = None
    robocopy_exit_code: bool = False
    audit: bool = False
    repair: bool = False
    accept_source: Tuple[str, ...] = ()


@dataclass
class Surroundings:
    """What the run talks to."""

    stop: StopFlag
    progress: Progress
    say: Callable[[str], None]  # a line for the person at the terminal
    stdout: IO[str]
    pulse: Pulse = field(default_factory=lambda: Pulse(time.monotonic()))  # that of `progress`, where it has one
    watch: Watch = field(default_factory=Watch)
    wants_mail: Callable[[RunReport], bool] = lambda report: True  # asked at the end of a run that may send one


@dataclass(frozen=True)
class Ended:
    """How the run ended."""

    exit_code: int
    mail: Optional[MailText] = None  # None after a dry run
    report: Optional[RunReport] = None  # None after a dry run and an audit


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
        self._settings = _resolve(request, config)
        self._trees: List[Tree] = []
        self._notes: List[str] = [*filter(None, [get_ready()]), *config.warnings, *config.options.remarks]
        self._witness_notes: Sequence[str] = ()
        self._finished: Optional[Finished] = None
        self._watch = around.watch
        self._watch.roots = (config.analysis_drive, config.isilon_drive)
        self._master: Optional[MasterLog] = None
        self._mark = Mark(fs.state_home(), request.run_id)
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

    def _lay_out(self) -> List[TreePaths]:
        config = self._config
        return [
            tree_paths(kind, self._request.run_id, config.analysis_drive, config.isilon_drive, config.logs)
            for kind in self._request.copy_types
        ]

    def _work(self) -> None:
        request, config = self._request, self._config
        mode = request.robocopy_check or config.robocopy_check or "auto"
        stop = self._around.stop
        crosscheck = CrossCheck(mode, config.robocopy_list, self._settings.threads, self._tell, stop)
        self._witness_notes = crosscheck.notes
        self._wait_until_finished()
        tools = Tools(stop, self._around.progress, self._meter(), self._tell, crosscheck, self._watch)
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
            _make_logs(config.logs)
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
                tree.undo()
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

    def _meter(self) -> Any:
        text = self._request.bwlimit or self._config.bwlimit or self._config.options.bwlimit
        if not text:
            return NoLimit()
        return TokenBucket(parse_bwlimit(text), wait=self._around.stop.wait)

    def _dry_run(self) -> int:
        """List what a run would do. No probe, lock, log, mail or folder."""
        results = []
        for item in self._lay_out():
            check_drives(self._config, item)
            check_source(item.source)
            check_apart(item.source, item.destination)
            if self._finished is None:
                self._check_finished()
            records, _ = load_records(item.evidence_folder)
            settings = self._settings
            job = TreeJob(
                source=item.source,
                destination=item.destination,
                target=unprobed(item.destination),
                policy=settings.policy,
                verify=settings.verify,
                existing=settings.existing,
                replace_proven=settings.replace_proven,
                also=settings.also,
                records=records,
                dry_run=True,
            )
            result = transfer_tree(job, Reports(log=Listing(self._tell)), self._around.stop)
            results.append((item, result))
            self._tell(
                f"{item.copy_type.value}: would copy {result.files.copied} files ({result.size_bytes.copied} bytes), "
                f"skip {result.files.skipped}, extras {result.files.extras}, mismatches {result.files.mismatch}, "
                f"failures {result.files.failed}"
            )
        code = 0
        for _, result in results:
            code = max(code, 16) if result.exit_code == 16 else code | result.exit_code
        if self._request.json:
            trees = {item.copy_type.value: tree_object(result) for item, result in results}
            value = {"version": __version__, "command": self._request.command, "dry_run": True, "trees": trees}
            write_json(self._request.json, {**value, "exit_code": code}, self._around.stdout)
        return code if self._request.robocopy_exit_code or code >= 8 else 0

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
        if request.json:
            report = self._write_json(request.json, report)
        if any(tree.result is not None for tree in reports):  # one that was refused leaves no more than its log
            report = replace(report, page=self._write_page(compose_page(report, datetime.now().astimezone())))
        text = compose(report)
        self._hand_out(text, verdict_lines(report.verdict)[0], wanted=self._around.wants_mail(report))
        return Ended(report.exit_code, text, report)

    def _hand_out(self, text: MailText, last: str, *, wanted: bool = True) -> None:
        """Mail, screen and master log of a run that is over."""
        if self._request.mail and wanted and not self._request.dry_run:
            self._mail(text)
        for line in text.plain.split("\n"):
            self._log(line)
        self._tell(last)
        self._around.progress.end()
        if self._master is not None:
            trouble = self._deliver(self._master)
            if trouble:
                self._around.say(trouble)
        self._mark.end()

    def _write_json(self, path: str, report: RunReport) -> RunReport:
        written = self._json_written(path, run_object(report, self._started))
        return report if written else replace(report, exit_code=16)

    def _json_written(self, path: str, value: Dict[str, Any]) -> bool:
        try:
            supervised(lambda: write_json(path, value, self._around.stdout), self._around.stop)
        except (LostOutputError, AbandonedError) as error:
            lost = f"The JSON report {path} was given up." if isinstance(error, AbandonedError) else str(error)
            self._tell(f"ERROR: {lost}", level="error")
            return False
        return True

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

    def _write_page(self, page: str) -> str:
        """The HTML report goes into the logs folder; returns its path, "" where it could not be written, which is said
        and changes nothing else."""
        config = self._config

        def write() -> str:
            if not os.path.isdir(config.isilon_drive) or self._share_lost:
                raise LostOutputError(f"The HTML report could not be written: {config.isilon_drive} is not there.")
            fs.make_folder(config.logs)
            return write_beside(config.logs, page_name(self._request.run_id, self._started), page, "HTML report")

        try:
            if self._watch.abandoned:
                raise AbandonedError
            path = self._bounded(write)
        except AbandonedError:
            lost = f"The HTML report was given up: {config.logs} does not answer."
        except OSError as error:
            lost = f"The HTML report could not be written: {config.logs}: {fs.explain(error)[1]}."
        except LostOutputError as error:
            lost = str(error)
        else:
            self._tell(f"Report: {path}")
            return path
        self._tell(lost, level="warning")
        return ""

    def _deliver(self, master: MasterLog) -> str:
        """The master log goes to the share, which may be what hangs; returns what is to be said of it."""
        kept = f"The master log is kept in {fs.state_home()} for the next run: {self._config.logs} does not answer."
        if self._watch.abandoned:
            return kept
        try:
            return self._bounded(
                lambda: master.deliver(self._config.logs, self._config.isilon_drive, away=self._share_lost)
            )
        except AbandonedError:
            return kept

    def _bounded(self, work: Callable[[], str]) -> str:
        return supervised(work, self._around.stop, within_s=_LOGS_WITHIN_S)

    def _mail(self, text: MailText) -> None:
        config = self._config
        settings = SmtpSettings(
            config.smtp_server,
            config.smtp_port,
            config.smtp_security,
            config.smtp_user or "",
            config.smtp_password_env or "",
        )
        message = build_message(text, config.sender, config.addressees, datetime.now().astimezone(), host_name())
        stop = self._around.stop
        within_s = _MAIL_AFTER_STOP_S if stop else _MAIL_WITHIN_S
        try:
            reason = supervised(
                lambda: send(message, settings, within_s=within_s, on_refused=self._tell),
                stop,
                grace_s=_MAIL_AFTER_STOP_S,
            )
        except AbandonedError:
            reason = "the server did not answer before the run was stopped"
        if reason is not None:
            self._keep(message, reason)
            return
        self._tell(f"Mail sent to {', '.join(config.addressees)}.")
        if not stop:
            self._resend(settings, within_s)

    def _resend(self, settings: SmtpSettings, within_s: float) -> None:
        folders = (fs.state_home(),) if self._share_lost else (self._config.logs, fs.state_home())
        try:
            resent = supervised(
                lambda: resend_unsent(folders, settings, within_s=within_s), self._around.stop, within_s=_LOGS_WITHIN_S
            )
        except AbandonedError:
            return  # the next run looks for them again
        for path in resent.sent:
            self._tell(f"A mail of an earlier run was sent now: {path}")

    def _keep(self, message: EmailMessage, reason: str) -> None:
        """Keep a mail that is not out in the logs folder, or on this machine where the share fails or hangs."""
        config, state, name = self._config, fs.state_home(), eml_name(self._request.run_id, self._started)

        def in_logs() -> str:
            logs = config.logs if os.path.isdir(config.isilon_drive) and not self._share_lost else state
            return keep_somewhere(message, name, logs, state)

        try:
            try:
                if self._watch.abandoned:
                    raise AbandonedError
                kept = self._bounded(in_logs)
            except AbandonedError:
                kept = keep_unsent(message, state, name, private=True)
            self._tell(f"The mail could not be sent ({reason}). It is kept as {kept}; the next run tries again.")
        except OSError as error:
            self._tell(f"The mail could not be sent ({reason}) nor kept ({fs.explain(error)[1]}).", level="error")

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


def _resolve(request: Request, config: Config) -> Settings:
    """The command line beats `[vdt]`, `[vdt]` beats the option string, that beats the defaults."""
    options = config.options
    retries = _first(config.retries, options.retries, RetryPlan().retries)
    wait_s = _first(config.retry_wait_s, options.retry_wait_s, None)
    return Settings(
        policy=options.policy,
        verify=_first(request.verify, config.verify, Verify.COLD),
        existing=_first(request.existing, config.existing, Existing.PROVE),
        replace_proven=request.replace_proven,
        threads=_first(request.threads, config.threads, options.threads, DEFAULT_THREADS),
        retry=RetryPlan(retries, wait_s),
        share_wait_s=_first(config.share_wait_s, SHARE_WAIT_S),
        also=_first(request.also_hash, config.also_hash, None),
    )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def check_drives(config: Config, item: TreePaths) -> None:
    """The source of a tree and the Isilon drive must be there before anything is made.

    Raises:
        RefusedError: one is missing; the sentence names it and the way on.
    """
    if not os.path.isdir(config.analysis_drive):
        missing = NO_DISK if config.analysis_key.endswith("_disk") else NO_SOURCE_DRIVE
        raise RefusedError(
            missing.sentence(drive=config.analysis_drive, key=config.analysis_key, config=config.path)
            + fs.absence(config.analysis_drive)
        )
    if not os.path.isdir(item.source):
        if os.path.lexists(item.source):
            raise RefusedError(f"The source of {item.copy_type.value}, {item.source}, is not a folder.")
        raise RefusedError(_no_source(config, item))
    check_isilon(config)


def check_isilon(config: Config) -> None:
    """The Isilon drive must be there before anything is made. Raises RefusedError."""
    if not os.path.isdir(config.isilon_drive):
        raise RefusedError(
            NO_ISILON_DRIVE.sentence(drive=config.isilon_drive, config=config.path) + fs.absence(config.isilon_drive)
        )


def _no_source(config: Config, item: TreePaths) -> str:
    """Why the source of a tree is not there: the run has no such tree here, or there is no such run."""
    run_id = os.path.basename(item.source)
    if any(os.path.isdir(path) for path in source_folders(config.analysis_drive, run_id)):
        return TREE_ELSEWHERE.sentence(kind=item.copy_type.value, source=item.source)
    there = [os.path.dirname(path) for path in source_folders(config.analysis_drive, run_id)]
    said = NO_SUCH_RUN.sentence(run_id=run_id, drive=config.analysis_drive, source=item.source)
    return f"{said} {hint(run_id, there)}"


def _mean_threads(reports: Tuple[TreeReport, ...]) -> float:
    used = [(r.result.threads_used, r.result.copy_seconds) for r in reports if r.result is not None]
    seconds = sum(s for _, s in used)
    return sum(t * s for t, s in used) / seconds if seconds else 0.0


def _make_logs(folder: str) -> None:
    try:
        fs.make_folder(folder)
    except OSError as error:
        raise RefusedError(f"The logs folder {folder} cannot be made: {fs.explain(error)[1]}.") from error
