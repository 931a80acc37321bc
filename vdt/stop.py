"""The flag that asks everybody to wind down. Alone here, so that any room may hold it."""

from __future__ import annotations

import threading


class StopFlag:
    """Asked once, everybody winds down: no new file is begun, waits end. Safe in threads and signal handlers."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        """Ask for the stop; the first reason stands."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not through a stop. True when the stop came."""
        return self._event.wait(seconds)
