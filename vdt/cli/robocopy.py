"""The command `vdt robocopy SRC DST [FILE...] [/OPTIONS]`: robocopy's own command line on this engine.

Standard output and the log file hold what robocopy would write. What this program has to add (remarks on options, the
proof, the meaning of the exit code) goes to standard error.
"""

from __future__ import annotations

import argparse
import math
import sys
from datetime import datetime
from typing import IO, List, Optional, Sequence, Tuple

from vdt import fs
from vdt.bwlimit import parse_bwlimit
from vdt.cli.carry import carry_out, json_object, summary_lines
from vdt.cli.terminal import FATAL, VERIFY_HELP, Parser, Printer, seconds, stop_on_signals, verify_level
from vdt.copytree import SHARE_WAIT_S, CopyRequest
from vdt.errors import AbandonedError, LostOutputError, RefusedError, VdtError
from vdt.jsonfile import write_json
from vdt.model import Existing, TreeResult, Verify
from vdt.preflight import check_report, check_source
from vdt.printable import printable
from vdt.progress import Console
from vdt.retry import DEFAULT_WAITS_S, RetryPlan
from vdt.robocopy.command import CommandLine, parse_command_line
from vdt.robocopy.exitcode import exit_text
from vdt.robocopy.log import LogFormat
from vdt.robocopy.table import OPTIONS, Status
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.treelog import LogSink, NoLog, TreeLog
from vdt.tuning import DEFAULT_THREADS
from vdt.watch import Watch

_HELP = ("/?", "-?", "--help", "-h")
_NOT_A_FOLDER = 267  # Windows: the directory name is invalid

_EPILOG = """\
The first two words are source and destination; names to copy (*.tif) and options follow in any order and case,
/E as well as -E. Nothing is ever deleted. Files are read back and compared unless --verify says otherwise.

options understood:
{honoured}
accepted without effect:
{idle}
refused, because they delete or move:
{refused}

exit code: 0 nothing to do, 1 files copied, 2 extras, 4 mismatches, 8 failures (added up), 16 fatal;
           with --exit plain: 0 right, 8 not, 16 fatal.
"""


def parser() -> Parser:
    """The options that this program has beside robocopy's."""
    p = Parser(
        prog="vdt robocopy",
        usage="vdt robocopy SRC DST [FILE ...] [/OPTIONS] [--options]",
        description="Robocopy's own command line; every file is read back and proven.",
        epilog=_EPILOG.format(
            honoured=_listed(Status.HONOURED), idle=_listed(Status.NO_EFFECT), refused=_listed(Status.REFUSED)
        ),
    )
    p.add_argument(
        "--verify",
        type=verify_level,
        default=Verify.COLD,
        metavar="LEVEL",
        help=VERIFY_HELP,
    )
    p.add_argument(
        "--existing",
        choices=[e.value for e in Existing],
        default=Existing.TRUST.value,
        help="files already there with the source's size and time: trust them (default), or prove them",
    )
    p.add_argument("--bwlimit", metavar="RATE", help='most bytes read a second: 100M, or "08:00,100M 19:00,off"')
    p.add_argument(
        "--share-wait",
        type=seconds,
        default=SHARE_WAIT_S,
        metavar="S",
        help="how long to wait for a source or destination that stops answering (default 600 seconds)",
    )
    p.add_argument("--manifest", metavar="FILE", help="write digests that xxhsum -c reads, and keep evidence beside")
    p.add_argument("--json", metavar="FILE", help="result as JSON, - for standard output")
    p.add_argument("--jsonl", metavar="FILE", help="a JSON line for each file")
    p.add_argument("--exit", choices=("robocopy", "plain"), default="robocopy", help="kind of exit code")
    p.add_argument("--debug", action="store_true", help="show details of unexpected errors")
    return p


def _listed(status: Status) -> str:
    words = [f"/{name}{option.takes.value}" for name, option in OPTIONS.items() if option.status is status]
    lines, line = [], " "
    for word in words:
        if len(line) + len(word) > 110:
            lines.append(line)
            line = " "
        line += f" {word}"
    return "\n".join([*lines, line])


class _Screen:
    """The console as a log: lines go to a thread of their own, since nothing that copies waits for a console."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def write(self, text: str) -> None:
        if text:
            self._printer(text.replace("\r\n", "\n")[:-1])


def command(arguments: List[str]) -> int:
    """Parse, copy, report. Raises VdtError before anything was copied."""
    own, words = _own_options(arguments)
    if any(word in _HELP for word in [*own, *words[:1], *words[2:]]):
        parser().print_help()
        return 0
    options = parser().parse(own)
    out: IO[str] = sys.stderr if options.json == "-" else sys.stdout
    printer = Printer(out)
    stop = StopFlag()
    try:
        if len(words) < 2:
            missing = "Destination" if words else "Source"
            printer(f"\nERROR : No {missing} Directory Specified.\n")
            return FATAL
        source, destination = words[:2]
        line = parse_command_line(list(enumerate(words[2:], 3)), source=fs.absolute(source), now=datetime.now())
        if line.faults:
            _say_faults(line, printer)
            return FATAL
        if line.unicode_console:
            _to_utf16(out)
        return _Run(options, arguments, source, destination, line, printer, stop).run()
    finally:
        # who reads standard output may take their time; what stands on standard error is not waited for
        printer.close(math.inf if out is sys.stdout else 5.0, stop)


class _Run:
    """One copy, with what it prints."""

    def __init__(
        self,
        options: argparse.Namespace,
        arguments: Sequence[str],
        source: str,
        destination: str,
        line: CommandLine,
        printer: Printer,
        stop: StopFlag,
    ) -> None:
        self._options, self._arguments = options, arguments
        self._line, self._printer, self._stop = line, printer, stop
        given = line.options
        retry = RetryPlan(RetryPlan().retries if given.retries is None else given.retries, given.retry_wait_s)
        wait_s = DEFAULT_WAITS_S[0] if retry.wait_s is None else retry.wait_s
        self._request = CopyRequest(
            source=source,
            destination=destination,
            policy=given.policy,
            verify=options.verify,
            existing=Existing(options.existing),
            threads=given.threads or DEFAULT_THREADS,
            retry=retry,
            share_wait_s=options.share_wait,
            log=line.log,
            append_log=line.append_log,
            log_utf16=line.utf16,
            log_format=line.layout,
            told=line.told(retries=retry.retries, wait_s=wait_s),
            lists_to_log=True,
            manifest=options.manifest or "",
            dry_run=line.list_only,
        )

    def run(self) -> int:
        """Copy and report; returns the exit code."""
        line, options, request = self._line, self._options, self._request
        bwlimit = options.bwlimit or line.options.bwlimit
        plan = parse_bwlimit(bwlimit) if bwlimit else None
        progress = Console(sys.stderr, "off")
        stop_on_signals(self._stop, progress.say)
        for remark in line.options.remarks:
            progress.say(remark)
        console: LogSink = _Screen(self._printer)
        if line.log and not line.tee:
            self._printer(f" Log File : {printable(fs.absolute(line.log))}")
            console = NoLog()
        result, error = carry_out(
            request,
            stop=self._stop,
            watch=Watch(),
            progress=progress,
            bwlimit=plan,
            reports=(options.json, options.jsonl),
            jsonl=options.jsonl or "",
            console=console,
        )
        if isinstance(error, RefusedError):
            self._log_refusal(error, console)
        return self._report(result, error)

    def _log_refusal(self, error: RefusedError, console: LogSink) -> None:
        """A run that could not begin leaves its header and the reason in the log, and no summary."""
        request = self._request
        assert request.told is not None
        source, destination = fs.absolute(request.source), fs.absolute(request.destination)
        text = self._line.layout.header(datetime.now(), source, destination, *request.told)
        text += _refusal(error, source, destination)
        console.write(text)
        if request.log:
            try:
                check_report(request.log, source)
                log = TreeLog(request.log, append=request.append_log, utf16=request.log_utf16)
                log.write(text)
                log.close()
            except VdtError:
                pass  # the reason is said on the screen all the same

    def _report(self, result: Optional[TreeResult], error: Optional[VdtError]) -> int:
        options, request = self._options, self._request
        code = FATAL if result is None else result.exit_code
        if error is not None:
            code = error.exit_code
        if options.exit == "plain" and code < FATAL:
            code = 8 if code & 12 else 0
        if options.json:
            value = json_object(request, "robocopy", self._arguments, result, error, code)
            try:
                supervised(lambda: write_json(options.json, value, sys.stdout), self._stop)
            except AbandonedError as gone:
                raise LostOutputError(f"The JSON report {options.json} could not be written in time: {gone}") from gone
        if error is not None:
            raise error
        assert result is not None
        printer = Printer(sys.stderr)
        for text in summary_lines(result, dry_run=request.dry_run):
            printer(text)
        if options.exit == "robocopy":
            printer(f"Exit code {code}: {exit_text(code)}")
        printer.close(5.0, self._stop)
        return code


def _own_options(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Our own options with their values, and all other words in their order."""
    takes_value = {
        name[2:].replace("_", "-"): action.nargs is None
        for action in parser()._actions
        for name in action.option_strings
        if name.startswith("--")
    }
    own: List[str] = []
    words: List[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        name, equals, _ = word[2:].partition("=")
        takes = takes_value.get(name.replace("_", "-")) if word.startswith("--") else None
        if takes is None:
            words.append(word)
            continue
        own.append(word)
        if takes and not equals and waiting:
            own.append(waiting.pop(0))
    return own, words


def _say_faults(line: CommandLine, printer: Printer) -> None:
    """Every word that cannot be followed, as robocopy says it, and what to do."""
    for fault in line.faults:
        if fault.refused:
            printer(f"\nERROR : {fault.sentence}")
        else:
            printer("\n" + LogFormat.invalid_parameter(fault.number, fault.word).rstrip("\r\n"))
            printer(f"        {fault.sentence}")
    printer("\n        Nothing was touched. vdt robocopy /? lists the options.")


def _refusal(error: RefusedError, source: str, destination: str) -> str:
    """Why a run did not begin, in robocopy's layout where the system gave an error number."""
    cause = error.__cause__
    try:
        check_source(source)
        operation, path = "Accessing Destination Directory", destination
    except RefusedError:
        operation, path = "Accessing Source Directory", source
        if cause is None:
            cause = NotADirectoryError(20, "it is not a folder")
    if not isinstance(cause, OSError):
        return f"ERROR : {printable(str(error))}\r\n"
    code, reason = fs.explain(cause)
    if isinstance(cause, NotADirectoryError):
        code = _NOT_A_FOLDER
    words = reason[:1].upper() + reason[1:]
    return LogFormat.error(datetime.now(), code, operation, path, words)


def _to_utf16(out: IO[str]) -> None:
    """/UNICODE: what is not a terminal gets UTF-16 with its mark; a terminal shows every character as it is."""
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None and not out.isatty():
        reconfigure(encoding="utf-16-le", newline="\r\n")
        out.write("\ufeff")
