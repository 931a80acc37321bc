"""One command on the clock, in a process group of its own; gone with everything it started when we are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from typing import IO, Any, Dict, NamedTuple, Optional, Sequence

from comparing.interrupt import held

if sys.platform != "win32":
    import resource

_TAIL = 2000
# an installed package has its bytecode; from a checkout the turn that warms up may write it
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        seconds: the whole process, its start included.
        peak_kib: most memory of it or of one of its children; 0 where the system does not say, and where it is less
            than ours was, since a new process is charged with that.
        printed: something came on standard output.
        said: the end of standard error, of standard output where that is empty.
    """

    code: int
    seconds: float
    peak_kib: int
    printed: bool
    said: str


def run(words: Sequence[str], *, folder: str = "", output: str = "", keep_output: bool = False) -> Ended:
    """Run a command to its end. What it prints is thrown away, unless a file is named or it is asked for.

    Raises:
        OSError: it could not be started.
    """
    with ExitStack() as stack:
        said: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        out: Any = subprocess.DEVNULL
        if output:
            out = stack.enter_context(open(output, "w+b"))
        elif keep_output:
            out = stack.enter_context(tempfile.TemporaryFile())
        process: Optional[subprocess.Popen[bytes]] = None
        try:
            began = time.perf_counter()
            with held():
                process = subprocess.Popen(
                    list(words),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=said,
                    cwd=folder or None,
                    env=_ENVIRONMENT,
                    **_own_group(),
                )
            peak_kib = _wait(process)
        except BaseException:  # Ctrl-C: nothing goes on behind our back
            if process is not None:
                _kill(process)
            raise
        seconds = time.perf_counter() - began
        text, printed = _tail(said), False
        if out is not subprocess.DEVNULL:
            printed = out.seek(0, os.SEEK_END) > 0
            text = text or _tail(out)
    return Ended(process.returncode, seconds, peak_kib, printed, text)


def _own_group() -> Dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait; returns the peak of memory in KiB, 0 where the system does not say."""
    if sys.platform == "win32":
        process.wait()
        return 0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss if usage.ru_maxrss > mine.ru_maxrss else 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    process.wait()


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return file.read().decode(errors="replace").strip()
