"""One command on the clock, in a process group of its own; gone with everything it started when we are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from typing import IO, Any, List, NamedTuple, Optional, Sequence, Tuple

from comparing.interrupt import held

_TAIL = 2000
_CLOCK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clock.py")
# an installed package has its bytecode; from a checkout the turn that warms up may write it
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        code: its exit code, negative for a signal.
        seconds: the whole process, its start included.
        peak_kib: most memory of it or of one of its children; 0 where the system does not say, and where it is too
            little to be told from that of the process that started it (some 10 MiB).
        printed: something came on standard output.
        said: the end of standard error, of standard output where that is empty.
    """

    code: int
    seconds: float
    peak_kib: int
    printed: bool
    said: str


def run(words: Sequence[str], *, folder: str = "", output: str = "") -> Ended:
    """Run a command to its end. What it prints goes to a file, which is thrown away unless `output` names one.

    Raises:
        OSError: it could not be started.
    """
    with ExitStack() as stack:
        said: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        out: IO[bytes] = stack.enter_context(open(output, "w+b") if output else tempfile.TemporaryFile())
        how = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": said, "cwd": folder or None, "env": _ENVIRONMENT}
        code, seconds, peak_kib = (_on_windows if sys.platform == "win32" else _behind_a_clock)(list(words), how)
        printed = out.seek(0, os.SEEK_END) > 0
        return Ended(code, seconds, peak_kib, printed, _tail(said) or _tail(out))


def _behind_a_clock(words: List[str], how: Any) -> Tuple[int, float, int]:
    """Started and timed by `clock`; raises OSError."""
    with tempfile.TemporaryFile() as report:
        timed = [sys.executable, "-S", "-E", _CLOCK, str(report.fileno()), *words]
        process: Optional[subprocess.Popen[bytes]] = None
        try:
            with held():
                process = subprocess.Popen(timed, pass_fds=[report.fileno()], start_new_session=True, **how)
            process.wait()
        except BaseException:  # Ctrl-C: nothing goes on behind our back
            if process is not None:
                _kill_group(process)
            raise
        report.seek(0)
        found = report.read().decode("ascii").split()
    if len(found) != 3:
        raise OSError(0, "it was not timed")
    if found[0].startswith("E"):
        number = int(found[0][1:])
        raise OSError(number, os.strerror(number), words[0])
    return int(found[0]), float(found[1]), int(found[2])


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _on_windows(words: List[str], how: Any) -> Tuple[int, float, int]:
    """Started by ourselves; what it takes of memory is not asked for. Raises OSError."""
    process: Optional[subprocess.Popen[bytes]] = None
    began = time.perf_counter()
    try:
        with held():
            process = subprocess.Popen(words, creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0), **how)
        code = process.wait()
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        raise
    return code, time.perf_counter() - began, 0


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return file.read().decode(errors="replace").strip()
