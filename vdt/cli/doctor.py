"""The command `vdt doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import List

from vdt.cli.reply import add_config, add_reports, write_json_within
from vdt.cli.terminal import Parser, Printer, stop_on_signals
from vdt.errors import AbandonedError, UsageError
from vdt.printable import printable
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.version import __version__
from vdt.vizgen.doctor.check import Check, State, exit_code
from vdt.vizgen.doctor.examine import examine
from vdt.vizgen.doctor.wanted import Wanted
from vdt.vizgen.layout import check_run_id

_EPILOG = """\
examples:
  vdt doctor --vizgen_config L:\\config_files\\.vizgen_config.toml
  vdt doctor 202310261058_VZGEN1_VMSC10202
  vdt doctor --send-test-mail

Every line says OK, WARNING or PROBLEM, what was found and what to do. The destination is tried with real files in a
folder .vdt-doctor-<16 digits> that is taken away again, also after Ctrl-C; the source is only read.

exit code: 0 all is well; 1 with warnings; 16 with problems; 8 it was stopped.
"""
_WIDTH = 8


def parser() -> Parser:
    """The options of `vdt doctor`."""
    p = Parser(
        prog="vdt doctor",
        description="Checks with real probes whether this computer, with this configuration, is fit for a transfer.",
        epilog=_EPILOG,
    )
    p.add_argument(
        "run_id", metavar="RUN_ID", nargs="?", default="", help="a run: its trees, room and an estimate of the time"
    )
    add_config(p)
    how = p.add_argument_group("what is checked")
    how.add_argument("--send-test-mail", action="store_true", help="send a mail to all addressees, not only log in")
    how.add_argument("--no-email", action="store_true", help="leave the mail server out")
    how.add_argument("--quick", action="store_true", help="measure nothing: no 64 MB are written and read")
    add_reports(p)
    return p


def command(arguments: List[str]) -> int:
    """Look at everything, a line each. Raises VdtError."""
    options = parser().parse(arguments)
    if options.send_test_mail and options.no_email:
        raise UsageError("--send-test-mail and --no-email contradict each other. Leave one of them out.")
    wanted = Wanted(
        options.vizgen_config,
        check_run_id(options.run_id) if options.run_id else "",
        disk=options.disk,
        mail=not options.no_email,
        send_mail=options.send_test_mail,
        quick=options.quick,
        report=options.json or "",
    )
    stop = StopFlag()
    printer = Printer(sys.stderr if options.json == "-" else sys.stdout)
    stop_on_signals(stop, printer)
    known: List[Check] = []

    def tell(check: Check) -> None:
        known.append(check)
        for line in check_lines(check):
            printer(line)

    try:
        checks = supervised(lambda: examine(wanted, stop, tell), stop)
        code = exit_code(checks)
        printer(summary(checks))
    except AbandonedError as gone:
        last = f" The last thing that answered: {known[-1].what}." if known else ""
        raise AbandonedError(f"{gone}{last} A folder .vdt-doctor-* may be left at the destination.") from gone
    finally:
        printer.close(stop=stop)
    if options.json:
        value = {
            "version": __version__,
            "command": " ".join(["vdt", "doctor", *arguments]),
            "exit_code": code,
            "checks": [{**asdict(check), "state": check.state.value} for check in checks],
        }
        write_json_within(options.json, value, stop)
    return code


def check_lines(check: Check) -> List[str]:
    """One check as it is printed."""
    first = f"{check.state.value:<{_WIDTH}} {printable(check.what)}: {printable(check.found)}"
    return [first, f"{'':<{_WIDTH}} -> {printable(check.remedy)}"] if check.remedy else [first]


def summary(checks: List[Check]) -> str:
    """The last line."""
    problems = sum(check.state is State.PROBLEM for check in checks)
    warnings = sum(check.state is State.WARNING for check in checks)
    if problems:
        return f"{problems} problem(s) and {warnings} warning(s): a transfer would be refused or fail."
    if warnings:
        return f"{warnings} warning(s): a transfer works, and gives less than it could."
    return "All is well."
