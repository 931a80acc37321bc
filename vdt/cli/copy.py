"""The command `vdt copy SRC DST`."""

from __future__ import annotations

import argparse
import math
import sys
from typing import IO, List, Optional

from vdt.bwlimit import parse_bwlimit
from vdt.cli.carry import carry_out, json_object, summary_lines
from vdt.cli.terminal import VERIFY_HELP, Parser, Printer, say_on, seconds, stop_on_signals, verify_level, whole_number
from vdt.copytree import SHARE_WAIT_S, CopyRequest
from vdt.errors import AbandonedError, LostOutputError, UsageError, VdtError
from vdt.jsonfile import write_json
from vdt.model import Existing, Links, Policy, TreeResult, Verify
from vdt.printable import printable
from vdt.progress import Console, Progress, Silent
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.treelog import Listing, NoLog
from vdt.tuning import DEFAULT_THREADS
from vdt.watch import Watch

_EPILOG = """\
examples:
  vdt copy /data/run1 /backup/run1 --manifest /backup/run1.xxh128
      copy, prove, and leave digests that xxhsum -c reads
  vdt copy Z:\\data L:\\data --existing prove --log copy.log
      read also what is there already; a log in robocopy's format

exit code: robocopy's: 0 nothing to do, 1 files copied, 2 extras, 4 mismatches, 8 failures, 16 fatal;
           with --exit plain: 0 right, 8 not, 16 fatal.
"""


def parser() -> Parser:
    """The options of `vdt copy`."""
    p = Parser(
        prog="vdt copy",
        usage="%(prog)s [OPTIONS] SRC DST",
        description="Copies a tree, reads every file back and proves it.",
        epilog=_EPILOG,
    )
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
    what.add_argument(
        "--streams", action="store_true", help="Windows: alternate data streams too (otherwise they are counted)"
    )
    what.add_argument("--dry-run", action="store_true", help="say what would be done; change nothing")
    how = p.add_argument_group("how")
    threads = f"most worker threads (default {DEFAULT_THREADS})"
    how.add_argument("--threads", type=whole_number(1, 128), default=DEFAULT_THREADS, metavar="N", help=threads)
    how.add_argument(
        "--verify",
        type=verify_level,
        default=Verify.COLD,
        metavar="LEVEL",
        help=VERIFY_HELP,
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
    progress: Progress = Silent() if options.quiet else Console(sys.stderr, options.progress, watch)
    stop_on_signals(stop, progress.say)

    result, error = carry_out(
        request,
        stop=stop,
        watch=watch,
        progress=progress,
        bwlimit=bwlimit,
        reports=(options.json, options.jsonl),
        jsonl=options.jsonl or "",
        listing=NoLog() if options.quiet else Listing(say_on(out)),
    )
    return _report(options, request, arguments, result, error, out, stop)


def _report(
    options: argparse.Namespace,
    request: CopyRequest,
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
        value = json_object(request, "copy", arguments, result, error, code)
        try:
            supervised(lambda: write_json(options.json, value, sys.stdout), stop)
        except AbandonedError as gone:
            raise LostOutputError(f"The JSON report {options.json} could not be written in time: {gone}") from gone
    if error is not None:
        raise error
    assert result is not None
    bad = (*result.failed, *result.unproven, *result.unstable, *result.conflict)
    lines = (
        [f"{printable(p.path)}: {printable(p.reason)}" for p in bad]
        if options.quiet
        else summary_lines(result, dry_run=options.dry_run)
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
        streams=options.streams,
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
