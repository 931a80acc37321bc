"""The command `vizgen_data_transfer RUN_ID`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import List, Optional, Sequence

from vdt.bwlimit import parse_bwlimit
from vdt.cli.terminal import VERIFY_HELP, Parser, Printer, guarded, say_on, stop_on_signals, verify_level, whole_number
from vdt.errors import UsageError
from vdt.hashing import OTHER_DIGESTS
from vdt.model import Existing
from vdt.progress import Console
from vdt.stop import StopFlag
from vdt.troubles import NO_RUN_ID
from vdt.version import __version__
from vdt.vizgen.counts import parse_ignore_patterns
from vdt.vizgen.crosscheck import MODES
from vdt.vizgen.finished import QUIET_S, WAIT_H
from vdt.vizgen.layout import CONFIG_NAME, CopyType, check_run_id, parse_copy_types
from vdt.vizgen.request import Request, Surroundings
from vdt.vizgen.run import run
from vdt.watch import Watch

_EPILOG = """\
examples:
  vizgen_data_transfer 202310261058_VZGEN1_VMSC10202
      copy and prove the three trees of a run; the same command again goes on where it ended
  vizgen_data_transfer --dry_run 202310261058_VZGEN1_VMSC10202
      say what would be copied, write nothing
  vizgen_data_transfer 202310261058_VZGEN1_VMSC10202 --copy_type output --disk
      one tree, from the external disk
  vizgen_data_transfer --audit 202310261058_VZGEN1_VMSC10202
      read a copy that exists and say what is wrong with it
  vizgen_data_transfer --ignore_python_counts raw_data:bytes -- 202310261058_VZGEN1_VMSC10202
      leave one count check out; -- ends the list of patterns

exit code: 0 every selected tree arrived and its checks passed; 8 and above not; 16 nothing could be done.
Errors, their causes and what to do: docs/troubleshooting.md. Other folders, audits, a demonstration: vdt --help.
"""


def parser() -> Parser:
    """The options of version 1.0.0 with their meaning, and the new ones."""
    p = Parser(
        prog="vizgen_data_transfer",
        usage="%(prog)s [OPTIONS] [--] RUN_ID",
        description="Copies the three trees of a MERSCOPE run, reads every file back and proves it.",
        epilog=_EPILOG,
    )
    p.add_argument(
        "run_id", nargs="?", metavar="RUN_ID", help="run folder name, for example 202310261058_VZGEN1_VMSC10202"
    )
    p.add_argument("--version", action="version", version=f"vizgen_data_transfer {__version__}")
    p.add_argument(
        "--init_config",
        action="store_true",
        help=f"write the commented template {CONFIG_NAME} into this folder and end",
    )
    what = p.add_argument_group("what is copied")
    what.add_argument(
        "--copy_type",
        nargs="+",
        metavar="T",
        default=[kind.value for kind in CopyType],
        help="raw_data, analysis, output (default: all three)",
    )
    what.add_argument("--disk", action="store_true", help="the source is the external disk of the configuration")
    what.add_argument(
        "--existing",
        choices=[e.value for e in Existing],
        help="files already there with the source's size and time: prove them by their digest on record or by reading "
        "both sides (default), or trust them",
    )
    what.add_argument(
        "--replace_proven",
        action="store_true",
        help="let an older or shorter source replace a proven copy (otherwise it is a conflict)",
    )
    what.add_argument(
        "--require_finished",
        action="store_true",
        help="refuse a run that is not finished (EXPERIMENT_FINISHED, RAW_DATA_SYNC_FINISHED and MERLIN_FINISHED lie "
        "in its raw data), before anything is touched",
    )
    what.add_argument(
        "--wait_finished",
        nargs="?",
        type=hours,
        const=WAIT_H,
        metavar="HOURS",
        help=f"wait until the run is finished and lies still for settle_s (default {QUIET_S:g} s), at most HOURS "
        f"(default {WAIT_H:g}), then transfer it; put the run id before it, or -- between them",
    )
    what.add_argument("--dry_run", action="store_true", help="list what would be done; change and write nothing")
    audit = p.add_argument_group("a copy that exists")
    audit.add_argument(
        "--audit",
        action="store_true",
        help="copy nothing: read the copy, hold it against the source, the digests on record or the manifest",
    )
    audit.add_argument(
        "--repair", action="store_true", help="with --audit: copy again what is missing or changed at the destination"
    )
    audit.add_argument(
        "--accept_source",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="with --repair: these files too though their source changed or nothing is on record (raw_data/PATH ...), "
        "or all",
    )
    how = p.add_argument_group("how")
    how.add_argument(
        "--threads", type=whole_number(1, 128), metavar="N", help="most worker threads, 1 to 128 (default 8)"
    )
    how.add_argument(
        "--verify",
        type=verify_level,
        metavar="LEVEL",
        help=VERIFY_HELP,
    )
    how.add_argument("--also_hash", choices=OTHER_DIGESTS, help="write a second manifest, for data deposits")
    how.add_argument("--bwlimit", metavar="RATE", help='most bytes read a second: 100M, or "08:00,100M 19:00,off"')
    how.add_argument(
        "--ignore_space", action="store_true", help="begin even if the destination says that it has too little room"
    )
    checks = p.add_argument_group("checks and reports")
    for option, whose in (("--ignore_python_counts", "Python's"), ("--ignore_robocopy_counts", "robocopy's")):
        checks.add_argument(
            option,
            nargs="+",
            metavar="TYPE:METRIC",
            default=[],
            help=f"{whose} counts to ignore: TYPE raw_data, analysis, output, all; METRIC files, folders, bytes, "
            "gigabytes, all; put -- before the run id",
        )
    checks.add_argument(
        "--robocopy_check",
        choices=MODES,
        help="let the real robocopy /L count source and destination too: where it exists (auto, the default), always "
        "(on; an error where it does not), never (off)",
    )
    checks.add_argument("--no_email", action="store_true", help="send no mail")
    checks.add_argument("--json", metavar="FILE", help="write the result as JSON, - for standard output")
    checks.add_argument(
        "--robocopy_exit_code", action="store_true", help="end with robocopy's code (1 is success with files copied)"
    )
    checks.add_argument(
        "--vizgen_config",
        metavar="PATH",
        default=CONFIG_NAME,
        help=f"configuration (default: {CONFIG_NAME} in the working directory)",
    )
    checks.add_argument(
        "--debug",
        action="store_true",
        help="debug log, development addressees and, on Windows, the debug source of the configuration",
    )
    return p


def hours(text: str) -> float:
    """An argparse type: more than no hours, a year at most."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 8784:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a number of hours; where it is the run id, put it before --wait_finished, or -- between"
        )
    return number


def command_text(arguments: Sequence[str]) -> str:
    """The command as the mail shows it."""
    return subprocess.list2cmdline(["python", sys.argv[0], *arguments])


def _request(options: argparse.Namespace, arguments: Sequence[str]) -> Request:
    if options.run_id is None:
        raise UsageError(NO_RUN_ID.sentence(example="202310261058_VZGEN1_VMSC10202"))
    if options.wait_finished is not None and options.dry_run:
        raise UsageError("--wait_finished has no meaning in a dry run, which looks once. Leave one of them out.")
    if options.bwlimit:
        parse_bwlimit(options.bwlimit)
    _check_audit(options)
    return Request(
        run_id=check_run_id(options.run_id),
        config=options.vizgen_config,
        command=command_text(arguments),
        copy_types=parse_copy_types(options.copy_type),
        threads=options.threads,
        ignore_python=parse_ignore_patterns(options.ignore_python_counts, "--ignore_python_counts"),
        ignore_robocopy=parse_ignore_patterns(options.ignore_robocopy_counts, "--ignore_robocopy_counts"),
        disk=options.disk,
        debug=options.debug,
        dry_run=options.dry_run,
        verify=options.verify,
        existing=Existing(options.existing) if options.existing else None,
        replace_proven=options.replace_proven,
        bwlimit=options.bwlimit,
        also_hash=options.also_hash,
        require_finished=options.require_finished,
        wait_finished_h=options.wait_finished,
        robocopy_check=options.robocopy_check,
        ignore_space=options.ignore_space,
        mail=not options.no_email,
        json=options.json,
        robocopy_exit_code=options.robocopy_exit_code,
        audit=options.audit,
        repair=options.repair,
        accept_source=tuple(options.accept_source),
    )


_NO_AUDIT = (
    *("dry_run", "verify", "existing", "replace_proven", "also_hash", "ignore_space", "robocopy_check"),
    *("require_finished", "wait_finished", "robocopy_exit_code", "ignore_python_counts", "ignore_robocopy_counts"),
)


def _check_audit(options: argparse.Namespace) -> None:
    """Raises UsageError where an audit and a transfer are asked for at once."""
    for option, needs in (("repair", "audit"), ("accept_source", "repair")):
        if getattr(options, option) and not getattr(options, needs):
            raise UsageError(f"--{option} belongs to --{needs}: give that too.")
    wrong = [name for name in _NO_AUDIT if getattr(options, name)] if options.audit else []
    if wrong:
        raise UsageError(f"--{wrong[0]} has no meaning in an audit, which copies nothing by itself. Leave it out.")


def init_config(folder: str) -> str:
    """Write the template into `folder`; returns its path. Raises UsageError where a file of that name is there."""
    from vdt.etc import read_template

    path = os.path.join(folder, CONFIG_NAME)
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(read_template(CONFIG_NAME))
    except FileExistsError:
        raise UsageError(
            f"{path} is already there and was left as it is. Rename it first to get a new template."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def command(arguments: List[str]) -> int:
    """Parse, act, return the exit code. Raises VdtError."""
    options = parser().parse(arguments)
    if options.init_config:
        say_on(sys.stdout)(f"Wrote {init_config(os.getcwd())}. Fill in the drives and the addresses.")
        return 0
    request = _request(options, arguments)
    out = sys.stderr if options.json == "-" else sys.stdout
    stop = StopFlag()
    watch = Watch()
    progress = Console(sys.stderr, watch=watch)
    printer = Printer(out)
    stop_on_signals(stop, progress.say)
    try:
        return run(request, Surroundings(stop, progress, printer, sys.stdout, progress.pulse, watch)).exit_code
    finally:
        progress.end()
        printer.close()


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry point."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(command, given, debug="--debug" in given)


if __name__ == "__main__":
    sys.exit(main())
