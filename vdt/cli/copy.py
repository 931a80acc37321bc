"""The command `vdt copy SRC DST`."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

from vdt.bwlimit import TokenBucket, parse_bwlimit
from vdt.cli.terminal import Parser, Printer, say_on, seconds, stop_on_signals, verify_level, whole_number
from vdt.copytree import SHARE_WAIT_S, CopyRequest, copy_tree
from vdt.errors import AbandonedError, LostOutputError, UsageError, VdtError
from vdt.jsonfile import write_json
from vdt.model import Evidence, Existing, Links, Policy, TreeResult, Verify
from vdt.preflight import check_report
from vdt.printable import printable
from vdt.progress import Console, Progress, Silent
from vdt.recorder import FileSink, no_sink
from vdt.report import tree_object, verdict_words
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.treelog import Listing, NoLog
from vdt.version import __version__
from vdt.watch import Watch

_EPILOG = """\
examples:
  vdt copy /data/run1 /backup/run1 --manifest /backup/run1.xxh128
  vdt copy Z:\\data L:\\data --threads 16 --log copy.log

exit code: robocopy's: 0 nothing to do, 1 files copied, 2 extras, 4 mismatches, 8 failures, 16 fatal;
           with --exit plain: 0 right, 8 not, 16 fatal.
"""


def parser() -> Parser:
    """The options of `vdt copy`."""
    p = Parser(prog="vdt copy", description="Copies a tree, reads every file back and proves it.", epilog=_EPILOG)
    p.add_argument("source", metavar="SRC", help="folder whose contents are copied")
    p.add_argument("destination", metavar="DST", help="folder that receives them; made when it is missing")
    what = p.add_argument_group("what is copied")
    what.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="files to leave out; may be repeated"
    )
    what.add_argument("--exclude-dir", action="append", default=[], metavar="GLOB", help="folders to leave out")
    what.add_argument(
        "--newer-only", action="store_true", help="do not replace files that are newer at the destination"
    )
    what.add_argument(
        "--modify-window",
        type=seconds,
        default=0.0,
        metavar="S",
        help="times that differ by no more are equal (FAT: 2)",
    )
    what.add_argument("--checksum", action="store_true", help="compare contents instead of size and time")
    what.add_argument(
        "--existing",
        choices=[e.value for e in Existing],
        default=Existing.TRUST.value,
        help="files already there with the source's size and time: trust them (default), or prove them",
    )
    what.add_argument(
        "--replace-proven",
        action="store_true",
        help="let an older or shorter source replace a copy that --manifest's evidence proves",
    )
    what.add_argument(
        "--links",
        choices=[link.value for link in Links],
        default=Links.COPY.value,
        help="symbolic links (default copy)",
    )
    what.add_argument("--dry-run", action="store_true", help="say what would be done; change nothing")
    how = p.add_argument_group("how")
    how.add_argument(
        "--threads", type=whole_number(1, 128), default=8, metavar="N", help="most worker threads (default 8)"
    )
    how.add_argument(
        "--verify",
        type=verify_level,
        default=Verify.COLD,
        metavar="LEVEL",
        help="none, inflight, reread, cold (default: read back past this client's cache), both",
    )
    how.add_argument(
        "--retries", type=whole_number(0, 1_000_000), default=5, metavar="N", help="tries after the first (5)"
    )
    how.add_argument(
        "--retry-wait", type=seconds, metavar="S", help="one wait before each (default 1, 2, 5, 15, 30 seconds)"
    )
    how.add_argument(
        "--share-wait",
        type=seconds,
        default=SHARE_WAIT_S,
        metavar="S",
        help="how long to wait for a source or destination that stops answering (default 600 seconds)",
    )
    how.add_argument("--bwlimit", metavar="RATE", help='most bytes read a second: 100M, or "08:00,100M 19:00,off"')
    reports = p.add_argument_group("reports")
    reports.add_argument("--log", metavar="FILE", help="robocopy-format log, written anew")
    reports.add_argument("--append-log", metavar="FILE", help="the same, appended to")
    reports.add_argument(
        "--manifest", metavar="FILE", help="write digests that xxhsum -c reads, and keep evidence beside"
    )
    reports.add_argument("--json", metavar="FILE", help="result as JSON, - for standard output")
    reports.add_argument("--jsonl", metavar="FILE", help="a JSON line for each file")
    reports.add_argument("--exit", choices=("robocopy", "plain"), default="robocopy", help="kind of exit code")
    reports.add_argument("--progress", choices=("auto", "on", "off"), default="auto", help="progress bar")
    reports.add_argument("--quiet", action="store_true", help="say nothing but errors")
    reports.add_argument("--debug", action="store_true", help="show details of unexpected errors")
    return p


def command(arguments: List[str]) -> int:
    """Parse, copy, report. Raises VdtError before anything was reported.

    The copy runs in a thread of its own: where the system does not answer after a Ctrl-C, what is known so far is
    reported and the copy is left where it hangs.
    """
    options = parser().parse(arguments)
    request = _request(options)
    bwlimit = parse_bwlimit(options.bwlimit) if options.bwlimit else None
    stop, watch = StopFlag(), Watch()
    out = sys.stderr if options.quiet or options.json == "-" else sys.stdout
    progress: Progress = Silent() if options.quiet else Console(sys.stderr, options.progress)
    stop_on_signals(stop, progress.say)

    def check() -> None:
        for report in (options.json, options.jsonl):
            check_report("" if report == "-" else report or "", request.source)

    def work() -> TreeResult:
        with ExitStack() as stack:
            return copy_tree(
                request,
                stop=stop,
                progress=progress,
                meter=TokenBucket(bwlimit, wait=stop.wait) if bwlimit is not None else None,
                say=progress.say,
                each_file=_line_sink(options.jsonl, stack),
                listing=NoLog() if options.quiet else Listing(say_on(out)),
                watch=watch,
            )

    error: Optional[VdtError] = None
    result: Optional[TreeResult] = None
    try:
        supervised(check, stop)
    except BaseException:  # a report that may lie in the source is not written
        progress.end()
        raise
    try:
        result = supervised(work, stop)
    except AbandonedError as gone:
        result, error = _abandoned(watch, stop, gone)
    except VdtError as refused:
        error = refused
    finally:
        progress.end()
    return _report(options, arguments, result, error, out, stop)


def _abandoned(watch: Watch, stop: StopFlag, gone: AbandonedError) -> Tuple[Optional[TreeResult], Optional[VdtError]]:
    """What is known of a copy that hangs, with the names of what does not answer."""
    watch.abandoned = True
    hanging = watch.hanging()
    result = watch.so_far()
    if result is None:
        return None, AbandonedError(" ".join([str(gone), *hanging]))
    stopped = result.stopped or stop.reason
    return replace(result, reached_end=False, stopped=stopped, notes=(*result.notes, *hanging)), None


def _report(
    options: argparse.Namespace,
    arguments: List[str],
    result: Optional[TreeResult],
    error: Optional[VdtError],
    out: IO[str],
    stop: StopFlag,
) -> int:
    """JSON, then the summary for the person; returns the exit code. Raises the error of a copy that did not begin."""
    code = error.exit_code if error is not None else 16
    if result is not None:
        code = result.exit_code
    if options.exit == "plain" and code < 16:
        code = 8 if code & 12 else 0
    if options.json:
        value = _object(options, arguments, result, error, code)
        try:
            supervised(lambda: write_json(options.json, value, sys.stdout), stop)
        except AbandonedError as gone:
            raise LostOutputError(f"The JSON report {options.json} could not be written in time: {gone}") from gone
    if error is not None:
        raise error
    assert result is not None
    lines = (
        [f"{printable(p.path)}: {printable(p.reason)}" for p in (*result.failed, *result.unstable, *result.conflict)]
        if options.quiet
        else _summary(result, dry_run=options.dry_run)
    )
    printer = Printer(out)
    for line in lines:
        printer(line)
    # who reads standard output may take their time; what stands on standard error is not waited for
    printer.close(math.inf if out is sys.stdout else 5.0, stop)
    return code


def _request(options: argparse.Namespace) -> CopyRequest:
    if options.log and options.append_log:
        raise UsageError("--log and --append-log cannot both be given. Choose one.")
    policy = Policy(
        exclude_files=tuple(options.exclude),
        exclude_folders=tuple(options.exclude_dir),
        skip_older=options.newer_only,
        modify_window_ns=int(options.modify_window * 1e9),
        checksum=options.checksum,
        links=Links(options.links),
        fix_modes=True,
        keep_owner=True,
    )
    return CopyRequest(
        source=options.source,
        destination=options.destination,
        policy=policy,
        verify=options.verify,
        existing=Existing(options.existing),
        replace_proven=options.replace_proven,
        threads=options.threads,
        retry=RetryPlan(options.retries, options.retry_wait),
        share_wait_s=options.share_wait,
        log=options.log or options.append_log or "",
        append_log=bool(options.append_log),
        manifest=options.manifest or "",
        dry_run=options.dry_run,
    )


def _line_sink(path: Optional[str], stack: ExitStack) -> FileSink:
    if not path:
        return no_sink
    try:
        file: IO[str] = stack.enter_context(open(path, "w", encoding="ascii", newline="\n"))
    except OSError as error:
        raise LostOutputError(f"The file {path} cannot be written: {error.strerror}.") from error
    write: Callable[[str], Any] = file.write

    def sink(path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None:
        value = {
            "path": path,
            "size": size_bytes,
            "state": state,
            "evidence": evidence,
            "xxh128": digest,
            "reason": reason,
        }
        try:
            write(json.dumps(value) + "\n")
        except OSError as error:
            raise LostOutputError(f"The file {file.name} cannot be written: {error.strerror}.") from error

    return sink


def _object(
    options: argparse.Namespace,
    arguments: List[str],
    result: Optional[TreeResult],
    error: Optional[VdtError],
    code: int,
) -> Dict[str, Any]:
    head = {"version": __version__, "command": subprocess.list2cmdline(["vdt", "copy", *arguments])}
    if result is None:
        return {
            **head,
            "source": options.source,
            "destination": options.destination,
            "complete": False,
            "exit_code": code,
            "verdict": "fatal" if code == 16 else "stopped",
            "error": str(error),
        }
    return {**head, **tree_object(result), "exit_code": code}


def _summary(result: TreeResult, *, dry_run: bool) -> List[str]:
    lines = []
    for title, problems in (
        ("failed", result.failed),
        ("unstable", result.unstable),
        ("conflict", result.conflict),
        ("type mismatch", result.type_mismatch),
        ("not copied", result.special),
    ):
        lines += [f"{title}: {printable(p.path)}: {printable(p.reason)}" for p in problems[:50]]
        if len(problems) > 50:
            lines.append(f"{title}: {len(problems) - 50} more; --json or --jsonl names them all")
    lines += [f"note: {printable(note)}" for note in result.notes]
    files, size = result.files, result.size_bytes
    elapsed = max(0.001, (result.ended - result.started).total_seconds())
    would = "would be " if dry_run else ""
    lines.append(
        f"{files.copied} files ({size.copied / 1024**2:.1f} MiB) {would}copied, {files.skipped} skipped, "
        f"{files.mismatch} mismatched, {files.failed} failed, {files.extras} extra, in {elapsed:.1f} s"
    )
    if not dry_run:
        for level in Evidence:
            count = result.files_by_evidence.get(level, 0)
            if count:
                lines.append(f"  {level.words}: {count} files")
        lines.append(f"Verdict: {verdict_words(result)}" + (f" ({result.stopped})" if result.stopped else ""))
    return lines
