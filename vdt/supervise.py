"""Runs work beside the thread that waits for it, so that a call that hangs in the system holds nobody up.

The main thread only supervises: a Python signal handler runs in it alone, on Windows not even while it waits for a
lock, so it waits in short slices. Work that does not come back after a stop is abandoned: its thread is a daemon that
nobody joins, and whoever ends the process has to end it at once (`fs.terminate_now`). Not promised: that abandoned
work does nothing more; the stop flag is set, so it begins nothing new should the system ever answer.
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Generic, List, TypeVar

from vdt.errors import AbandonedError
from vdt.stop import StopFlag

Value = TypeVar("Value")

GRACE_S = 2.0  # within this time of a stop nothing new starts and the summary so far stands
FOREVER_S = float("inf")
INTERRUPTED = "interrupted (SIGINT)"  # the reason of a stop that was asked for here
_SLICE_S = 0.1


def supervised(
    work: Callable[[], Value], stop: StopFlag, *, grace_s: float = GRACE_S, within_s: float = FOREVER_S
) -> Value:
    """Do `work` in a thread of its own and give back what it returns; what it raises is raised here.

    Args:
        stop: once it is set, the work has `grace_s` to come back, counted from now where it was set before.
        within_s: and so long at most where nobody asks for a stop.

    Raises:
        AbandonedError: the work did not come back in time; it is left where it is.
    """
    call = Beside(work, "vdt-work")
    deadline_s = time.monotonic() + within_s
    asked = False
    while not _came_back(call.done, stop):
        now_s = time.monotonic()
        if stop and not asked:
            asked, deadline_s = True, min(deadline_s, now_s + grace_s)
        if now_s >= deadline_s:
            if call.done.is_set():
                break
            raise AbandonedError(_why(stop))
    return call.result()


def _came_back(done: threading.Event, stop: StopFlag) -> bool:
    """Wait a slice. Where nobody handles signals, the first Ctrl-C asks for the stop here."""
    try:
        return done.wait(_SLICE_S)
    except KeyboardInterrupt:
        if stop:
            raise
        stop.set(INTERRUPTED)
        return done.is_set()


def _why(stop: StopFlag) -> str:
    if stop:
        return f"The run ended early: {stop.reason}. The same command goes on with it."
    return "The system did not answer."


class Beside(Generic[Value]):
    """One piece of work in a thread of its own, begun at once, and how it ended.

    The thread is a daemon: where it hangs, no Python waits for it at its end.
    """

    def __init__(self, work: Callable[[], Value], name: str) -> None:
        self._work = work
        self._values: List[Value] = []
        self._errors: List[BaseException] = []
        self.done = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._values.append(self._work())
        except BaseException as error:
            self._errors.append(error)
        finally:
            self.done.set()

    @property
    def failed(self) -> bool:
        """True once it has ended, and not well."""
        return self.done.is_set() and bool(self._errors)

    def result(self) -> Value:
        """Wait for what comes of it, once; a reference that is kept would keep the frames of an error alive."""
        self.done.wait()
        if self._errors:
            raise self._errors.pop()
        return self._values.pop()
