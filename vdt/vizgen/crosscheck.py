"""A second witness for the counts: the real robocopy lists a tree, and the totals of its log are taken.

Rule 1: robocopy never runs without /L, so it reads folders and writes nothing but its log. Rule 2: a number is taken
from the log only when robocopy itself says that it listed everything and the number is exact. It says how much lies
there, not what. Comparing is done in `counts.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import IO, Callable, List, Mapping, Optional, Tuple

from vdt import fs
from vdt.errors import RefusedError, VdtError
from vdt.log_ends import PIECE_BYTES, read_ends
from vdt.model import Count
from vdt.printable import printable
from vdt.robocopy.list_options import parse_list_options
from vdt.robocopy.read import decode, read_log
from vdt.stop import StopFlag
from vdt.troubles import NO_ROBOCOPY

MODES = ("auto", "on", "off")
LONGEST_S = 4 * 3600.0
"""A listing of a million files on a slow share takes minutes; what runs longer than this hangs."""

_POLL_S = 0.1
_END_WITHIN_S = 0.5  # after each of: please end, be ended
_FAILURES = 8
_FATAL = 16


def find_robocopy(environ: Mapping[str, str] = os.environ, windows: bool = fs.WINDOWS) -> Optional[str]:
    """The full path of robocopy: on Windows the system's own first, then whatever the PATH has; None for none.

    One that is found through a relative folder of the PATH (or, on Windows, in the working folder) is not taken.
    """
    root = environ.get("SystemRoot")
    if windows and root:
        own = os.path.join(root, "System32", "robocopy.exe")
        if os.path.isfile(own):
            return own
    found = shutil.which("robocopy", path=environ.get("PATH", ""))
    return found if found and os.path.isabs(found) else None


class CrossCheck:
    """Counts trees with robocopy, for all trees of one run. Not for use by several threads at once.

    Args:
        mode: "auto" counts where there is a robocopy and goes on without where that fails, "on" insists, "off" never.
        list_options: `Config.robocopy_list`.
        threads: for /MT, where `list_options` does not hold it.
        say: takes a line for the person at the terminal.
        stop: asked while robocopy runs; a stop ends it.
        find: looks for the program.
        timeout_s: after this time a run of robocopy is taken for hung, and ended.

    Attributes:
        enabled: whether `count` will run robocopy.
        notes: a sentence for each count that "auto" had to leave out; `say` had it too.

    Raises:
        RefusedError: "on" and no robocopy, or options with which it must not run. Nothing was run.
    """

    def __init__(
        self,
        mode: str,
        list_options: str,
        threads: int,
        say: Callable[[str], None],
        stop: StopFlag,
        find: Callable[[], Optional[str]] = find_robocopy,
        *,
        timeout_s: float = LONGEST_S,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}, not one of {MODES}")
        self.notes: List[str] = []
        self._insist = mode == "on"
        self._say, self._stop, self._timeout_s = say, stop, timeout_s
        self._program = None if mode == "off" else find()
        self._options: Tuple[str, ...] = ()
        if self._program:
            self._options = _checked(list_options, threads)
        elif self._insist:
            raise RefusedError(NO_ROBOCOPY.sentence())

    @property
    def enabled(self) -> bool:
        return self._program is not None

    def count(self, tree: str, log: str) -> Optional[Count]:
        """List `tree` with robocopy, which appends to `log`, and return the totals; its root counts as a folder.

        The folder of `log` has to exist. Takes as long as robocopy does.

        Returns:
            None where it is not enabled or the run was stopped; with "auto" also where it failed (see `notes`).

        Raises:
            VdtError: with "on", where it failed; the log and the reason are named.
        """
        if self._program is None or self._stop:
            return None
        tree, log = fs.absolute(tree), fs.absolute(log)  # robocopy works in another folder
        command = [self._program, tree, "NULL", *self._options, f"/LOG+:{log}"]
        self._say(f"Robocopy counts {tree} for the cross-check.")
        try:
            begins = _size(log)
            code = self._run(command, os.path.basename(log))
            if code is None:
                return None
            count = _totals(_appended(log, begins))
        except _CountError as error:
            self._failed(tree, log, str(error))
            return None
        except OSError as error:
            self._failed(tree, log, f"its log or the temporary folder cannot be used ({fs.explain(error)[1]})")
            return None
        self._say(
            f"Robocopy counted {tree}: {count.files} files, {count.folders} folders with the root, "
            f"{count.size_bytes} bytes (exit code {code}; {log})."
        )
        return count

    def _failed(self, tree: str, log: str, reason: str) -> None:
        """Raise with "on", take a note with "auto"."""
        if self._insist:
            raise VdtError(
                f"The cross-check of {tree} failed: {reason}. Its log is {log}. Repair that and run again, "
                "or use --robocopy_check auto or off to do without it."
            )
        note = f"The cross-check of {tree} was left out: {reason}. Its log is {log}."
        self.notes.append(note)
        self._say(f"NOTE: {note}")

    def _run(self, command: List[str], log_name: str) -> Optional[int]:
        """Run to the end; the exit code, or None after a stop. Raises _CountError where it is not a success."""
        # NULL is no device for robocopy but a folder that is not there: it must not meet a real one of that name.
        folder = tempfile.mkdtemp(prefix="vdt-")
        try:
            with tempfile.TemporaryFile() as output:  # a pipe could fill up, or be held open by a grandchild
                code = self._wait(command, folder, output)
                said = _last_line(output, log_name)
        finally:
            _remove(folder)
        if code is not None and not 0 <= code < _FAILURES:
            raise _CountError(_meaning(code) + (f", and it said: {said}" if said else ""))
        return code

    def _wait(self, command: List[str], folder: str, output: IO[bytes]) -> Optional[int]:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # POSIX: a Ctrl-C is ours to pass on
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise _CountError(f"{command[0]} could not be started ({fs.explain(error)[1]})") from error
        deadline = time.monotonic() + self._timeout_s
        try:
            while not self._stop:
                try:
                    code = process.wait(_POLL_S)
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= deadline:
                        raise _CountError(f"robocopy did not end within {self._timeout_s:g} s and was ended") from None
                else:
                    return None if self._stop else code
            return None
        finally:
            _end(process)


class _CountError(Exception):
    """Why there is no count, as the middle part of a sentence."""


def _checked(text: str, threads: int) -> Tuple[str, ...]:
    """The words of the configured string with /MT, once it is sure that robocopy will only list."""
    options = parse_list_options(text)
    if options.faults:
        raise RefusedError(" ".join(f"robocopy_list {fault}" for fault in options.faults))
    return options.with_threads(threads)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process if it still runs; one that hangs in the kernel is left to itself."""
    for ask in (process.terminate, process.kill):
        if process.poll() is not None:
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            ask()
            process.wait(_END_WITHIN_S)


def _remove(folder: str) -> None:
    """Windows keeps the working folder of a process for a moment after the process has ended."""
    for pause_s in (0.05, 0.1, 0.2, 0.4):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(pause_s)
    shutil.rmtree(folder, ignore_errors=True)


def _meaning(code: int) -> str:
    if code == _FATAL:
        return f"robocopy could not begin (exit code {code}): an option is wrong, or the folder cannot be reached"
    if _FAILURES <= code < _FATAL:
        return f"robocopy could not list everything (exit code {code})"
    return f"robocopy ended with {code}, which is no exit code of it: its process was stopped"


def _last_line(output: IO[bytes], log_name: str) -> str:
    """What was printed last, cut to what fits into a sentence; that there is a log is always printed and no news."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - PIECE_BYTES))
    lines = [line.strip() for line in decode(output.read()).splitlines() if log_name not in line]
    return printable(next(filter(None, reversed(lines)), "")[:200])


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def _appended(path: str, begins: int) -> str:
    """The beginning and the end of what stands in the log behind `begins`: /V names every file between them."""
    try:
        data = read_ends(path, begins)
    except FileNotFoundError:
        data = b""
    if not data.strip():
        raise _CountError("robocopy wrote nothing to its log")
    return decode(data)


def _totals(text: str) -> Count:
    """The column Total of the last run in `text`."""
    runs = read_log(text)
    if not runs:
        raise _CountError("what robocopy wrote is no robocopy log")
    last = runs[-1]
    if last.dirs is None or last.files is None or last.size_bytes is None:
        raise _CountError("the log has no summary, so robocopy did not reach its end")
    if last.approximate:
        raise _CountError("the sizes in the log are rounded; robocopy_list in the configuration has to hold /BYTES")
    return Count(last.files.total, last.dirs.total, last.size_bytes.total)
