"""The command `vdt audit DST`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Callable, List, Optional

from vdt.auditjob import no_listener
from vdt.auditreport import entry_object, line_object, report_lines, result_object
from vdt.audittree import SHARE_WAIT_S, AuditRequest, AuditTools, audit_tree
from vdt.bwlimit import TokenBucket, parse_bwlimit
from vdt.checksums import ALGORITHMS
from vdt.cli.reply import print_lines, write_json_within
from vdt.cli.terminal import Parser, Printer, seconds, stop_on_signals, whole_number
from vdt.copyjob import NoLimit
from vdt.errors import AbandonedError, LostOutputError, UsageError, VdtError
from vdt.findings import AuditResult, Finding
from vdt.jsonfile import check_place
from vdt.model import Links, Policy
from vdt.own import get_ready
from vdt.preflight import COPY, RUNS, check_report
from vdt.printable import printable
from vdt.progress import Console, Progress, Silent
from vdt.scrub import ScrubRequest, ScrubResult, parse_duration, parse_shard, parse_size, scrub
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.tuning import DEFAULT_THREADS
from vdt.version import __version__
from vdt.watch import Watch

_EPILOG = """\
examples:
  vdt audit /backup/run1 --source /data/run1
      read both sides and compare
  vdt audit /backup/run1 --manifest /backup/run1.xxh128
      read the copy alone, against digests of this or another tool
  vdt audit /backup/run1 --source /data/run1 --repair
      and copy again what is missing or changed
  vdt audit /backup --runs --oldest-first --for 8h
      all runs in turn, in a night

exit code: 0 everything that should be there is there and right; 8 not; 16 nothing could be done.
"""


def parser() -> Parser:
    """The options of `vdt audit`."""
    p = Parser(
        prog="vdt audit",
        usage="%(prog)s [OPTIONS] DST",
        description="Reads a copy that exists, whoever made it, and says which files are right, which are not and how.",
        epilog=_EPILOG,
    )
    p.add_argument("destination", metavar="DST", help="the copy; with --runs the folder that holds the runs")
    what = p.add_argument_group("what it is held against (without either: the digests on record beside it)")
    what.add_argument("--source", metavar="SRC", help="the tree it was copied from; both are read")
    what.add_argument("--manifest", metavar="FILE", help="digests that xxhsum, md5sum, sha256sum or this tool wrote")
    what.add_argument(
        "--hash",
        metavar="NAME",
        default="",
        help=f"algorithm of --manifest, where it does not tell: {', '.join(ALGORITHMS)}",
    )
    what.add_argument("--write-manifest", metavar="FILE", help="write the digests of a copy that is right")
    what.add_argument("--strict", action="store_true", help="extras count as wrong")
    what.add_argument(
        "--links",
        choices=("copy", "follow"),
        default="copy",
        help="links of the source: compared as links (default), or by what they lead to",
    )
    what.add_argument(
        "--skip-proven-after", metavar="DATE", default="", help="do not read again what was proven since (2026-04-30)"
    )
    repair = p.add_argument_group("repair")
    repair.add_argument(
        "--repair", action="store_true", help="copy again what is missing or changed at the destination, from --source"
    )
    repair.add_argument(
        "--accept-source",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="with --repair: these files too though their source changed or nothing is on record; all is every one",
    )
    runs = p.add_argument_group("all runs of a folder")
    runs.add_argument(
        "--runs", action="store_true", help="audit every run below DST, a line each; nothing is written there"
    )
    runs.add_argument("--oldest-first", action="store_true", help="begin with what was audited longest ago")
    runs.add_argument("--for", dest="for_", metavar="TIME", help="end after so long: 8h, 30m, 90s")
    runs.add_argument("--max-bytes", metavar="SIZE", help="stop after reading so much: 500G, 20T")
    runs.add_argument("--shard", metavar="N/M", help="only the N-th of M parts of the runs")
    how = p.add_argument_group("how")
    threads = f"most worker threads ({DEFAULT_THREADS})"
    how.add_argument("--threads", type=whole_number(1, 128), default=DEFAULT_THREADS, metavar="N", help=threads)
    how.add_argument("--bwlimit", metavar="RATE", help='most bytes read a second: 100M, or "08:00,100M 19:00,off"')
    how.add_argument(
        "--share-wait",
        type=seconds,
        default=SHARE_WAIT_S,
        metavar="S",
        help="how long to wait for a side that stops answering (default 600 seconds)",
    )
    how.add_argument(
        "--state", metavar="DIR", default="", help="folder of this machine for what must survive an interruption"
    )
    reports = p.add_argument_group("reports")
    reports.add_argument("--json", metavar="FILE", help="result as JSON, - for standard output")
    reports.add_argument("--jsonl", metavar="FILE", help="a JSON line for each file")
    reports.add_argument("--progress", choices=("auto", "on", "off"), default="auto", help="progress bar")
    reports.add_argument("--quiet", action="store_true", help="say nothing but what is wrong")
    reports.add_argument("--debug", action="store_true", help="show details of unexpected errors")
    return p


def command(arguments: List[str]) -> int:
    """Parse, audit, report. Raises VdtError before anything was reported."""
    options = parser().parse(arguments)
    _check(options)
    bwlimit = parse_bwlimit(options.bwlimit) if options.bwlimit else None
    stop, watch = StopFlag(), Watch()
    out = sys.stderr if options.quiet or options.json == "-" else sys.stdout
    progress: Progress = Silent() if options.quiet else Console(sys.stderr, options.progress, watch)
    stop_on_signals(stop, progress.say)
    meter = TokenBucket(bwlimit, wait=stop.wait) if bwlimit is not None else NoLimit()
    tools = AuditTools(stop, progress, meter, progress.say, watch=watch)
    said = get_ready()
    if said:
        progress.say(said)
    if options.runs:
        return _scrub(options, arguments, tools, out)
    request = _request(options)

    def check() -> None:
        for report in (options.json, options.jsonl):
            path = "" if not report or report == "-" else report
            if request.source:
                check_report(path, request.source)
            check_report(path, request.destination, COPY)
            check_place(report or "")

    def work() -> AuditResult:
        with ExitStack() as stack:
            tools.each = _line_sink(options.jsonl, stack)
            return audit_tree(request, tools)

    error: Optional[VdtError] = None
    result: Optional[AuditResult] = None
    try:
        supervised(check, stop)
    except BaseException:
        progress.end()
        raise
    try:
        result = supervised(work, stop)
    except AbandonedError as gone:
        watch.abandoned = True
        known = tools.so_far()
        hanging = watch.hanging()
        if known is None:
            error = AbandonedError(" ".join([str(gone), *hanging]))
        else:
            reason = known.stopped or stop.reason
            result = replace(known, reached_end=False, stopped=reason, notes=(*known.notes, *hanging))
    except VdtError as refused:
        error = refused
    finally:
        progress.end()
    return _report(options, arguments, result, error, out, stop)


def _check(options: argparse.Namespace) -> None:
    of_runs = ("oldest_first", "for_", "max_bytes", "shard")
    of_one = ("source", "manifest", "hash", "write_manifest", "skip_proven_after", "repair", "accept_source", "jsonl")
    wrong = [name for name in (of_one if options.runs else of_runs) if getattr(options, name)]
    if wrong:
        name = "--" + wrong[0].rstrip("_").replace("_", "-")
        how = "cannot be given with --runs" if options.runs else "is for --runs"
        raise UsageError(f"{name} {how}. See vdt audit --help.")


def _request(options: argparse.Namespace) -> AuditRequest:
    return AuditRequest(
        destination=options.destination,
        source=options.source or "",
        manifest=options.manifest or "",
        hash=options.hash,
        write_manifest=options.write_manifest or "",
        policy=Policy(links=Links(options.links), fix_modes=True, keep_owner=True),
        strict=options.strict,
        threads=options.threads,
        share_wait_s=options.share_wait,
        state=options.state,
        skip_proven_after=options.skip_proven_after,
        repair=options.repair,
        accept_source=tuple(options.accept_source),
        count=not options.quiet and options.progress != "off",
    )


def _report(
    options: argparse.Namespace,
    arguments: List[str],
    result: Optional[AuditResult],
    error: Optional[VdtError],
    out: IO[str],
    stop: StopFlag,
) -> int:
    """JSON, then the report for the person; returns the exit code. Raises the error of an audit that did not begin."""
    code = result.exit_code if result is not None else error.exit_code if error is not None else 16
    if options.json:
        head = {"version": __version__, "command": subprocess.list2cmdline(["vdt", "audit", *arguments])}
        if result is not None:
            write_json_within(options.json, {**head, **result_object(result)}, stop)
        else:
            verdict = "fatal" if code == 16 else "stopped"
            failed = {"destination": options.destination, "complete": False, "exit_code": code, "verdict": verdict}
            write_json_within(options.json, {**head, **failed, "error": str(error)}, stop)
    if error is not None:
        raise error
    assert result is not None
    lines = report_lines(result)
    if options.quiet:
        lines = [f"{f.judged.value} {printable(f.path)}: {printable(f.words)}" for f in result.entries]
    print_lines(lines, out, stop)
    return code


def _line_sink(path: Optional[str], stack: ExitStack) -> Callable[[Finding], None]:
    if not path:
        return no_listener
    try:
        file: IO[str] = stack.enter_context(open(path, "w", encoding="ascii", newline="\n"))
    except OSError as error:
        raise LostOutputError(f"The file {path} cannot be written: {error.strerror}.") from error

    def sink(finding: Finding) -> None:
        try:
            file.write(json.dumps(line_object(finding)) + "\n")
        except OSError as error:
            raise LostOutputError(f"The file {file.name} cannot be written: {error.strerror}.") from error

    return sink


def _scrub(options: argparse.Namespace, arguments: List[str], tools: AuditTools, out: IO[str]) -> int:
    request = ScrubRequest(
        root=options.destination,
        oldest_first=options.oldest_first,
        for_s=parse_duration(options.for_) if options.for_ else None,
        max_bytes=parse_size(options.max_bytes) if options.max_bytes else None,
        shard=parse_shard(options.shard) if options.shard else (1, 1),
        threads=options.threads,
        strict=options.strict,
        state=options.state,
        share_wait_s=options.share_wait,
    )
    supervised(lambda: check_place(options.json or ""), tools.stop)
    printer = Printer(out)

    def work() -> ScrubResult:
        check_report("" if options.json == "-" else options.json or "", request.root, RUNS)
        return scrub(request, tools, printer)

    try:
        lines = supervised(work, tools.stop)
    except AbandonedError as gone:
        raise AbandonedError(" ".join([str(gone), *tools.watch.hanging()])) from gone
    finally:
        tools.progress.end()
        printer.close(5.0, tools.stop)
    code = lines.exit_code
    if options.json:
        value = {
            "version": __version__,
            "command": subprocess.list2cmdline(["vdt", "audit", *arguments]),
            "root": lines.root,
            "complete": lines.complete,
            "stopped": lines.stopped,
            "exit_code": code,
            "runs": [
                {
                    "run": line.run,
                    "verdict": line.verdict,
                    "exit_code": line.exit_code,
                    "trees": {
                        name: {**result_object(result), "entries": [entry_object(f) for f in result.entries]}
                        for name, result in line.results
                    },
                    "reason": line.reason,
                }
                for line in lines.lines
            ],
        }
        write_json_within(options.json, value, tools.stop)
    return code
