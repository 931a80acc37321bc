"""The command `vdt`: one word says what to do."""

from __future__ import annotations

import sys
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from vdt.cli.terminal import guarded
from vdt.errors import UsageError
from vdt.printable import printable
from vdt.version import __version__


def _copy(arguments: List[str]) -> int:
    from vdt.cli.copy import command

    return command(arguments)


def _audit(arguments: List[str]) -> int:
    from vdt.cli.audit import command

    return command(arguments)


def _robocopy(arguments: List[str]) -> int:
    from vdt.cli.robocopy import command

    return command(arguments)


def _watch(arguments: List[str]) -> int:
    from vdt.cli.watch import command

    return command(arguments)


def _demo(arguments: List[str]) -> int:
    from vdt.cli.demo import command

    return command(arguments)


def _may_delete(arguments: List[str]) -> int:
    from vdt.cli.may_delete import command

    return command(arguments)


def _runs(arguments: List[str]) -> int:
    from vdt.cli.runs import command

    return command(arguments)


def _status(arguments: List[str]) -> int:
    from vdt.cli.status import command

    return command(arguments)


def _doctor(arguments: List[str]) -> int:
    from vdt.cli.doctor import command

    return command(arguments)


_COMMANDS: Dict[str, Tuple[Callable[[List[str]], int], str]] = {
    "copy": (_copy, "copy a tree, read every file back and prove it"),
    "audit": (_audit, "read a copy that exists, say what is wrong with it, repair it"),
    "robocopy": (_robocopy, "the same with robocopy's own command line, log and exit code"),
    "may-delete": (_may_delete, "may the source of a run be deleted? YES, or NO and why"),
    "status": (_status, "how far the transfer of a run is, from any terminal or computer"),
    "runs": (_runs, "all runs of the storage: size, date, what is proven, last audit"),
    "doctor": (_doctor, "is this computer, with this configuration, fit for a transfer?"),
    "watch": (_watch, "transfer each run that becomes finished and is not proven yet"),
    "demo": (_demo, "make a small sample run, transfer it, prove it and show everything that is written"),
}

_GROUPS: Dict[str, Tuple[str, ...]] = {
    "copy": ("copy", "robocopy", "watch"),
    "look, without copying": ("audit", "may-delete", "status", "runs", "doctor"),
    "try it": ("demo",),
}

_HELP = """\
usage: vdt COMMAND [ARGUMENTS]

{commands}

examples:
  vdt demo
  vdt copy run1 backup/run1 --manifest backup/run1.xxh128
  vdt audit backup/run1 --source run1

vdt COMMAND --help explains a command. The facility's own command is vizgen_data_transfer RUN_ID.
"""


def _help() -> str:
    width = max(map(len, _COMMANDS))
    grouped = {title: [name for name in names if name in _COMMANDS] for title, names in _GROUPS.items()}
    known = {name for names in grouped.values() for name in names}
    grouped["more"] = [name for name in _COMMANDS if name not in known]
    lines: List[str] = []
    for title, names in grouped.items():
        if names:
            lines += ["", f"{title}:", *(f"  {name:<{width}}  {_COMMANDS[name][1]}" for name in names)]
    return _HELP.format(commands="\n".join(lines[1:]))


def command(arguments: List[str]) -> int:
    """Find the command and run it. Raises VdtError."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(), end="")
        return 0 if arguments else 16
    if arguments[0] == "--version":
        print(f"vdt {__version__}")
        return 0
    if arguments[0] not in _COMMANDS:
        raise UsageError(
            f"'{printable(arguments[0])}' is no command. Choose from: {', '.join(_COMMANDS)}. See vdt --help."
        )
    return _COMMANDS[arguments[0]][0](arguments[1:])


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry point."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(command, given, debug="--debug" in given)


if __name__ == "__main__":
    sys.exit(main())
