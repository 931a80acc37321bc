"""The command `vdt watch`: transfers each run that becomes finished and is not proven yet."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from typing import List

from vdt import fs
from vdt.cli.terminal import Parser, Printer, seconds, stop_on_signals
from vdt.errors import StoppedError, UsageError
from vdt.lock import TreeLock
from vdt.progress import Console
from vdt.stop import StopFlag
from vdt.vizgen.config import Config, load_config
from vdt.vizgen.layout import CONFIG_NAME, CopyType
from vdt.vizgen.lookout import INTERVAL_S, Ending, Lookout
from vdt.vizgen.report import RunReport
from vdt.vizgen.request import Request, Surroundings
from vdt.vizgen.run import run
from vdt.vizgen.survey import check_can_prove
from vdt.vizgen.tries import Memory, outcome_text
from vdt.watch import Watch

_EPILOG = """\
examples:
  vdt watch --vizgen-config L:\\config_files\\.vizgen_config.toml
  vdt watch --vizgen-config /etc/vdt/vizgen_config.toml --interval 1800 --runs "2026*"
  vdt watch --once --no-email

A run is transferred when EXPERIMENT_FINISHED, RAW_DATA_SYNC_FINISHED and MERLIN_FINISHED lie in its raw data, all
three trees are there, nothing in them changed for settle_s seconds (default 300), and its copy is not proven. One that
fails is tried again after 15 minutes, then 30, at last once a day. Ctrl-C ends the watch; the next one goes on.

exit code: 0 ended by Ctrl-C; with --once: 0 nothing is left to do, 8 a finished run is not proven, 16 the drives or the
configuration cannot be used.
"""


def _interval(text: str) -> float:
    number = seconds(text)
    if not 1 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds from 1 to 86400")
    return number


def parser() -> Parser:
    """The options of `vdt watch`."""
    p = Parser(
        prog="vdt watch",
        description="Looks at all runs of the source again and again, and transfers each that is finished and not "
        "proven yet: one after the other, with a mail each. The settings are those of the configuration.",
        epilog=_EPILOG,
    )
    p.add_argument(
        "--vizgen-config",
        metavar="PATH",
        default=CONFIG_NAME,
        help=f"configuration (default: {CONFIG_NAME} in the working directory)",
    )
    p.add_argument("--disk", action="store_true", help="the source is the external disk of the configuration")
    p.add_argument("--runs", nargs="+", metavar="GLOB", default=["*"], help='only runs of such names: "2026*"')
    p.add_argument(
        "--interval",
        type=_interval,
        metavar="S",
        default=INTERVAL_S,
        help=f"seconds between two looks ({INTERVAL_S:g})",
    )
    p.add_argument("--once", action="store_true", help="look once, transfer what is due, and end")
    p.add_argument("--no-email", action="store_true", help="send no mail")
    p.add_argument(
        "--debug",
        action="store_true",
        help="debug log, development addressees and, on Windows, the debug source of the configuration",
    )
    return p


def command(arguments: List[str]) -> int:
    """Watch until stopped. Raises VdtError where nothing can be watched."""
    options = parser().parse(arguments)
    config = load_config(
        options.vizgen_config,
        windows=fs.WINDOWS,
        disk=options.disk,
        debug=options.debug,
        need_mail=not options.no_email,
    )
    check_can_prove(config)
    stop, printer = StopFlag(), Printer(sys.stdout)
    stop_on_signals(stop, printer)
    try:
        return _locked(options, arguments, config, stop, printer)
    finally:
        printer.close()


def _locked(options: argparse.Namespace, arguments: List[str], config: Config, stop: StopFlag, printer: Printer) -> int:
    """One watch over the same drives on this computer; across computers each tree has its lock."""
    name = hashlib.sha256(f"{config.analysis_drive}\n{config.isilon_drive}".encode("utf-8", "surrogateescape"))
    state = os.path.join(fs.state_home(), f"watch-{name.hexdigest()[:16]}")
    lock = TreeLock(state, f"the watch over {config.analysis_drive}", say=printer, wait=stop.wait)
    lock.acquire()
    try:
        memory = Memory.load(state + ".json")
        lookout = Lookout(
            config,
            patterns=options.runs,
            memory=memory,
            transfer=lambda run_id: _transfer(run_id, options, arguments, memory, stop, printer),
            stop=stop,
            say=printer,
        )
        return lookout.round() if options.once else lookout.watch(options.interval)
    except StoppedError as stopped:
        return stopped.exit_code
    finally:
        lock.release()


def _transfer(
    run_id: str,
    options: argparse.Namespace,
    arguments: List[str],
    memory: Memory,
    stop: StopFlag,
    printer: Printer,
) -> Ending:
    """Transfer one run as the drop-in does; a mail goes out unless it would say what the last one said."""

    def wants_mail(report: RunReport) -> bool:
        if stop or any(tree.locked for tree in report.trees):
            return False  # it goes on later, here or where it is at work
        before = memory.tries.get(run_id)
        return before is None or before.outcome != outcome_text(report.exit_code, report.verdict.reason)

    watch = Watch()
    progress = Console(sys.stderr, watch=watch)
    request = Request(
        run_id,
        options.vizgen_config,
        " ".join(["vdt", "watch", *arguments]),
        tuple(CopyType),
        disk=options.disk,
        debug=options.debug,
        mail=not options.no_email,
        require_finished=True,
        lies_still=True,
    )
    try:
        ended = run(
            request, Surroundings(StopFlag(stop), progress, printer, sys.stdout, progress.pulse, watch, wants_mail)
        )
    finally:
        progress.end()
    if ended.report is None:
        raise UsageError(f"The transfer of {run_id} gave no report.")
    return Ending(ended.exit_code, ended.report.verdict.reason, stopped=bool(stop))
