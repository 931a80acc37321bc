"""The flag that asks everybody to wind down. Alone here, so that any room may hold it."""

from __future__ import annotations

import time
from typing import Optional

_SLICE_S = 0.1


class StopFlag:
    """Asked once, everybody winds down: no new file is begun, waits end. A plain attribute, so that a signal handler
    that interrupts a wait cannot meet a lock that is held."""

    def __init__(self, above: Optional[StopFlag] = None) -> None:
        """A flag of its own, or one below another: it is set when that one is, and not the other way round."""
        self._reason = ""
        self._set = False
        self._above = above

    @property
    def reason(self) -> str:
        """Why, in plain words; "" while it is not set."""
        return self._reason or (self._above.reason if self._above is not None else "")

    def set(self, reason: str) -> None:
        """Ask for the stop; the first reason stands."""
        if not self:
            self._reason = reason
            self._set = True

    def __bool__(self) -> bool:
        return self._set or (self._above is not None and bool(self._above))

    def wait(self, seconds: float) -> bool:
        """Sleep, but not through a stop. True when the stop came.

        In slices: a wait of the main thread is not interrupted by Ctrl-C on Windows.
        """
        until = time.monotonic() + seconds
        while not self:
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _SLICE_S))
        return True
