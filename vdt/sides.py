"""The two sides of a file while an audit reads them: what one read gave, and both at the same time or in step."""

from __future__ import annotations

import threading
from typing import Callable, Iterator, NamedTuple, Optional

from vdt import fs
from vdt.hashing import Digester


class SideRead(NamedTuple):
    """One side of a file, read to its end."""

    found: fs.Stat
    digest: str  # xxh128
    other: str  # of the algorithm that was asked for
    moved: str  # how it changed meanwhile, "" where it lay still


class SideError(Exception):
    """A side could not be read."""

    def __init__(self, side: str, error: OSError) -> None:
        super().__init__(str(error))
        self.side, self.error = side, error


class Feed:
    """One side's bytes, in pieces of any length."""

    def __init__(self, side: str, views: Iterator[memoryview], digester: Digester) -> None:
        self._side, self._views, self._digester = side, views, digester
        self._held = b""

    def more(self) -> bytes:
        """What is there now; b"" at the end."""
        while not self._held:
            try:
                view = next(self._views, None)
            except OSError as error:
                raise SideError(self._side, error) from error
            if view is None:
                return b""
            self._digester.update(view)
            self._held = bytes(view)  # a view lives only until any other one of this thread is read
        return self._held

    def take(self, count: int) -> bytes:
        taken, self._held = self._held[:count], self._held[count:]
        return taken


class Beside:
    """A read that a free worker may do while another one reads the other side; done here if none came."""

    def __init__(self, read: Callable[[], SideRead]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._begun = False
        self._ended = threading.Event()
        self._result: Optional[SideRead] = None
        self._error: Optional[BaseException] = None

    def piece(self) -> bool:
        """Do it, once; False where somebody did."""
        with self._lock:
            if self._begun:
                return False
            self._begun = True
        try:
            self._result = self._read()
        except BaseException as error:
            self._error = error
        self._ended.set()
        return True

    def result(self) -> SideRead:
        """What came of it; raises what it raised."""
        self.piece()
        self._ended.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error
        assert self._result is not None
        return self._result
