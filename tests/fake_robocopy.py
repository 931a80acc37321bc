"""A robocopy that is none: it lists a tree, writes the log that the real one would, and notes how it was called.

It never copies. What is to go wrong stands in `plan.json` beside it. On Windows it can also be a real .exe: a copy of
the interpreter that runs the script below while it starts.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List

PROGRAM = r'''
import json, os, sys, time

here = os.path.dirname(os.path.abspath(__file__))
RULE = "-" * 78
ENGLISH = ["   ROBOCOPY     ::     Robust File Copy for Windows", "  Started : ", "   Source : ", "     Dest : ",
           "    Files : ", "  Options : ", "               Total    Copied   Skipped  Mismatch    FAILED    Extras",
           "    Dirs :", "   Files :", "   Bytes :", "   Times :", "   Ended : "]
RUSSIAN = ["   ROBOCOPY     ::     Надежное копирование файлов для Windows", "  Начало: ", "   Источник : ",
           "     Назначение : ", "    Файлы : ", "  Параметры: ",
           "               ВсегоСкопированоПропущеноНесоответствие        СБОЙ    Дополнения",
           "  Каталогов:", "     Файлов:", "       Байт:", "     Время:", "   Окончание : "]


def listed(tree, options, plan):
    """The log of robocopy <tree> NULL /L /E /V /FP, in the layout that the real one has."""
    words = RUSSIAN if plan["language"] == "Russian" else ENGLISH
    title, started, source, dest, files, shown, headings, *rows, ended = words
    when = "Friday, July 24, 2026 11:08:15 AM"
    lines = ["", "-" * 79, title.ljust(81), "-" * 79, "", started + when, source + os.path.join(tree, ""),
             dest + os.path.join(os.getcwd(), "NULL", ""), "", files + "*.*", "\t    ",
             shown + "*.* " + " ".join(options) + " ", "", RULE, ""]
    folders = count = size = 0
    for folder, _, names in os.walk(tree):
        folders += 1
        lines.append("\t  New Dir   %8d\t%s" % (len(names), os.path.join(folder, "")))
        for name in sorted(names):
            path = os.path.join(folder, name)
            count += 1
            size += os.stat(path).st_size
            lines.append("\t    New File  \t\t%8d\t%s" % (os.stat(path).st_size, path))
    for part, less in plan["unseen"].items():
        count -= less if part in tree else 0
    cells = [[number, number, 0, 0, 0, 0] for number in (folders, count, size)]
    cells.append(["0:00:00", "0:00:00", "", "", "0:00:00", "0:00:00"])
    widths = [max(10, *(len(str(row[column])) + 1 for row in cells)) for column in range(6)]
    lines += ["", RULE, "", headings]
    lines += [label + "".join(str(c).rjust(w) for c, w in zip(row, widths)) for label, row in zip(rows, cells)]
    return "\r\n".join(lines + [ended + when, "", ""]).encode(plan["encoding"], "replace"), int(count > 0)


def main(argv):
    with open(os.path.join(here, "plan.json")) as file:
        plan = json.load(file)
    tree, dest, options = argv[0], argv[1], argv[2:]
    call = {"argv": argv, "cwd": os.getcwd(), "cwd_holds": os.listdir("."), "stdin": sys.stdin.read(),
            "pid": os.getpid()}
    with open(os.path.join(here, "calls.jsonl"), "a") as calls:
        calls.write(json.dumps(call) + "\n")
    log = [word.split(":", 1)[1] for word in options if word.startswith("/LOG+:")][0]
    text, code = (bytes.fromhex(plan["log"]), 1) if plan["log"] is not None else listed(tree, options[:-1], plan)
    if plan["cut"]:
        text = text[: len(text) // 2]
    if text:
        with open(log, "ab") as file:
            file.write(text)
    sys.stdout.write("\n Log File : " + log + "\n\n" + "x" * plan["chatter"] + plan["said"])
    sys.stdout.flush()
    sys.stderr.write(plan["complained"])
    sys.stderr.flush()
    if plan["make_null"]:
        os.mkdir("NULL")
        open(os.path.join("NULL", "copied.dat"), "w").close()
    time.sleep(max([0, *(seconds for part, seconds in plan["sleep_s"].items() if part in tree)]))
    return ([plan["codes"][part] for part in plan["codes"] if part in tree] + [code])[0]
'''

AS_SCRIPT = PROGRAM + "\n\nsys.exit(main(sys.argv[1:]))\n"
AS_START_OF_AN_INTERPRETER = (
    PROGRAM
    + r"""

import ctypes
number = ctypes.c_int()
split = ctypes.windll.shell32.CommandLineToArgvW
split.restype, split.argtypes = ctypes.POINTER(ctypes.c_wchar_p), [ctypes.c_wchar_p, ctypes.POINTER(ctypes.c_int)]
ctypes.windll.kernel32.GetCommandLineW.restype = ctypes.c_wchar_p
words = split(ctypes.windll.kernel32.GetCommandLineW(), ctypes.byref(number))
os._exit(main([words[n] for n in range(1, number.value)]))
"""
)


class FakeRobocopy:
    """A program named robocopy in a folder of its own, which does what `plan` says.

    Args:
        folder: where it is made; has to exist and be empty.
        windows: make a .bat that calls this interpreter, else a script for a shell.
        exe: make a robocopy.exe instead; only on Windows.
    """

    def __init__(self, folder: Path, *, windows: bool = False, exe: bool = False) -> None:
        self.folder = folder
        if exe:
            self.program = self._interpreter()
        else:
            script = folder / "fake.py"
            script.write_text(AS_SCRIPT, encoding="utf-8")
            self.program = folder / ("robocopy.bat" if windows else "robocopy")
            start = f'exec "{sys.executable}" "{script}" "$@"'
            if windows:
                start = f'@"{sys.executable}" "{script}" %*\n@exit /b %ERRORLEVEL%'
            self.program.write_text(start + "\n" if windows else f"#!/bin/sh\n{start}\n", encoding="utf-8")
            self.program.chmod(0o755)
        self.plan()

    def plan(
        self,
        *,
        log: bytes | None = None,
        cut: bool = False,
        language: str = "English",
        encoding: str = "utf-8",
        code: int | None = None,
        codes: Dict[str, int] | None = None,
        said: str = "",
        complained: str = "",
        chatter: int = 0,
        sleep_s: Dict[str, float] | float = 0,
        unseen: Dict[str, int] | None = None,
        make_null: bool = False,
    ) -> None:
        """What it does from now on.

        Args:
            log: what it writes, instead of the log of the tree; b"" for nothing.
            cut: it writes half of that.
            encoding: of the log that it composes.
            code, codes: its exit code, for all trees or for those with a text in their path.
            said, complained: on standard output and on standard error.
            chatter: so many characters more on standard output.
            sleep_s: it hangs so long, for all trees or for those with a text in their path.
            unseen: so many files it does not count in trees with a text in their path.
            make_null: it makes a folder NULL in its working folder.
        """
        plan: Dict[str, Any] = {
            "log": None if log is None else log.hex(),
            "cut": cut,
            "language": language,
            "encoding": encoding,
            "codes": codes or ({} if code is None else {"": code}),
            "said": said,
            "complained": complained,
            "chatter": chatter,
            "sleep_s": sleep_s if isinstance(sleep_s, dict) else {"": sleep_s},
            "unseen": unseen or {},
            "make_null": make_null,
        }
        (self.folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")

    def calls(self) -> List[Dict[str, Any]]:
        """How it was called so far."""
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _interpreter(self) -> Path:
        """A copy of this interpreter that runs the program as it starts; the library stays where it is."""
        home = Path(sys.base_prefix)
        for pattern in ("python3*.dll", "vcruntime*.dll"):
            for library in home.glob(pattern):
                shutil.copyfile(library, self.folder / library.name)
        program = self.folder / "robocopy.exe"
        shutil.copyfile(home / "python.exe", program)
        (self.folder / "sitecustomize.py").write_text(AS_START_OF_AN_INTERPRETER, encoding="utf-8")
        paths = [str(self.folder), *(path for path in sys.path if os.path.exists(path) and "site-packages" not in path)]
        version = f"python{sys.version_info[0]}{sys.version_info[1]}"
        (self.folder / f"{version}._pth").write_text("\n".join([*paths, "import site"]) + "\n", encoding="utf-8")
        return program
