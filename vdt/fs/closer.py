"""Closes files that were only read while their reader goes on: a share answers a close too, and nobody needs to know.

Only for places where each call waits; in memory or on a disk handing a descriptor over costs more than closing it.
"""

from __future__ import annotations

import os
import sys
import threading
from queue import SimpleQueue
from typing import Tuple

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows

MOST_THREADS = 16  # of the process; each waits for an answer nearly all of its time
MOST_OPEN = 16  # of one Closer: what is more is closed by whoever asks, so that descriptors do not pile up


class Closer:
    """Of one open folder, used by one worker."""

    def __init__(self) -> None:
        self._open = 0
        self._changed = threading.Condition()

    def close(self, fd: int) -> None:
        """Have a descriptor closed; raises nothing."""
        with self._changed:
            late = self._open < MOST_OPEN
            self._open += late
        if late:
            _crew.take(fd, self)
        else:
            _close(fd)

    def closed(self) -> None:
        """One of them is closed now."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when all of them are closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open)


class _Crew:
    """The threads, started as they are needed, alive as long as the process. Daemons: one that hangs keeps no process
    from ending. Their name is none of those that a command sends home before it ends (`vdt-`)."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """No thread, nothing to do; in a forked child too, where its parent's threads do not exist."""
        self._queue: SimpleQueue[Tuple[int, Closer]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._busy = 0  # busy: handed in and not closed yet

    def take(self, fd: int, closer: Closer) -> None:
        with self._lock:
            self._busy += 1
            start = self._threads < min(self._busy, MOST_THREADS)
            self._threads += start
        self._queue.put((fd, closer))
        if start:
            threading.Thread(target=self._work, name="closer", daemon=True).start()

    def _work(self) -> None:
        while True:
            fd, closer = self._queue.get()
            _close(fd)
            with self._lock:
                self._busy -= 1
            closer.closed()


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:  # it was only read from: nothing can be lost
        pass


_crew = _Crew()
os.register_at_fork(after_in_child=_crew.begin)
