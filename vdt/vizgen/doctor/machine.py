"""This computer: Python, where the program lies, the folder for what must survive, robocopy."""

from __future__ import annotations

import os
import platform
import sys
from typing import Optional

from vdt import fs
from vdt.version import __version__
from vdt.vizgen.crosscheck import find_robocopy
from vdt.vizgen.doctor.check import Tell, ok, problem, warning

OLDEST = (3, 9)


def look_at_machine(tell: Tell) -> None:
    """Everything that needs no configuration."""
    _python(tell)
    _program(tell)
    _state_folder(tell)


def _python(tell: Tell) -> None:
    bits = "64" if sys.maxsize > 2**32 else "32"
    found = f"{platform.python_version()}, {bits} bit, {sys.executable}"
    if sys.version_info[:2] < OLDEST:
        tell(problem("Python", found, "Install Python 3.9 or newer and make the environment again with it."))
    else:
        tell(ok("Python", found))


def _program(tell: Tell) -> None:
    where = os.path.dirname(os.path.abspath(__file__))
    try:
        remote = fs.volume(where).remote or fs.volume(sys.prefix).remote
    except OSError as error:
        tell(warning("Program", f"{where}: {fs.explain(error)[1]}", "Install it on this computer."))
        return
    if remote:
        tell(
            warning(
                "Program",
                f"version {__version__} runs from a network drive ({where})",
                "Make the environment on this computer (README, Install): it starts quickly there, and works while the "
                "network does not.",
            )
        )
    else:
        tell(ok("Program", f"version {__version__}, on this computer ({where})"))


def _state_folder(tell: Tell) -> None:
    """Tried with a file of its own; folders that were not there are taken away again."""
    home = fs.state_home()
    made = []
    current = home
    while not os.path.lexists(current) and os.path.dirname(current) != current:
        made.append(current)
        current = os.path.dirname(current)
    trial = os.path.join(home, f"doctor-{os.urandom(8).hex()}")
    try:
        try:
            fs.make_folder(home)
            with open(trial, "x", encoding="ascii") as file:
                file.write("tried by vdt doctor\n")
        finally:
            if os.path.lexists(trial):
                os.unlink(trial)
            for folder in made:
                if os.path.isdir(folder):
                    fs.remove_folder(folder)
    except OSError as error:
        tell(
            warning(
                "Folder of this computer",
                f"{home} cannot be written: {fs.explain(error)[1]}",
                "Give yourself the right to write there: master log and mails are kept in it while the share is away.",
            )
        )
        return
    tell(ok("Folder of this computer", f"{home} can be written"))


def look_at_robocopy(tell: Tell, wanted: Optional[str]) -> None:
    """`wanted` is robocopy_check of the configuration."""
    program = find_robocopy()
    if program:
        used = "not used, robocopy_check is off" if wanted == "off" else "it counts both sides a second time"
        tell(ok("robocopy", f"{program}; {used}"))
    elif wanted == "on":
        tell(
            problem(
                "robocopy",
                "there is none, and robocopy_check is on",
                'Set robocopy_check = "auto" or "off" in [vdt], or run on Windows.',
            )
        )
    elif fs.WINDOWS:
        tell(
            warning(
                "robocopy",
                "there is none in System32 or on the PATH",
                "The copy does not need it. Only the cross-check of the counts is left out.",
            )
        )
    else:
        tell(ok("robocopy", "there is none here, and none is needed; the cross-check of the counts is left out"))
