"""What a command that only looks gives back: lines for the person, one JSON object for a script."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import IO, Any, Dict, List, Optional, Sequence

from vdt.cli.terminal import Parser, Printer
from vdt.errors import AbandonedError, LostOutputError
from vdt.jsonfile import write_json
from vdt.printable import printable
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.version import __version__
from vdt.vizgen.layout import CONFIG_NAME


def add_config(parser: Parser) -> None:
    """The options that say which configuration counts, and which source of it."""
    group = parser.add_argument_group("configuration")
    group.add_argument(
        "--vizgen-config",
        metavar="PATH",
        default=CONFIG_NAME,
        help=f"configuration (default: {CONFIG_NAME} in the working directory)",
    )
    group.add_argument("--disk", action="store_true", help="the source is the external disk of the configuration")


def add_reports(parser: Parser) -> None:
    """The options that every such command has."""
    group = parser.add_argument_group("reports")
    group.add_argument("--json", metavar="FILE", help="the answer as JSON, - for standard output")
    group.add_argument("--debug", action="store_true", help="show details of unexpected errors")


def reply(
    command: str,
    arguments: Sequence[str],
    lines: List[str],
    value: Dict[str, Any],
    json: Optional[str],
    stop: StopFlag,
) -> None:
    """Write the JSON, then print. Names are escaped here. Raises LostOutputError."""
    if json:
        head = {"version": __version__, "command": subprocess.list2cmdline(["vdt", command, *arguments])}
        write_json_within(json, {**head, **value}, stop)
    print_lines([printable(line) for line in lines], sys.stderr if json == "-" else sys.stdout, stop)


def print_lines(lines: List[str], out: IO[str], stop: StopFlag) -> None:
    """Print lines that are safe to print; a console that takes no text is not waited for after a stop."""
    printer = Printer(out)
    for line in lines:
        printer(line)
    printer.close(math.inf if out is sys.stdout else 5.0, stop)


def write_json_within(path: str, value: Dict[str, Any], stop: StopFlag) -> None:
    """Write one JSON report; a share that hangs is not waited for after a stop. Raises LostOutputError."""
    try:
        supervised(lambda: write_json(path, value, sys.stdout), stop)
    except AbandonedError as gone:
        raise LostOutputError(f"The JSON report {path} could not be written in time: {gone}") from gone
