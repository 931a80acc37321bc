"""The robocopy-format log of one tree, as a file: appended to (/LOG+), UTF-8 or UTF-16 (/UNILOG), CR LF.

Writes what `robocopy/log.py` and `robocopy/summary.py` compose; holds no layout of its own.
"""

from __future__ import annotations

import os
from typing import Callable, List, Optional, Protocol

from vdt import fs
from vdt.appender import Appender
from vdt.errors import LostOutputError

_BUFFER_CHARS = 1 << 16


class LogSink(Protocol):
    """Takes pieces of a log."""

    def write(self, text: str) -> None: ...


class NoLog:
    """A log that nobody asked for."""

    def write(self, text: str) -> None: ...

    def close(self) -> None: ...


class Listing:
    """The log of a dry run, said line by line instead of kept."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def write(self, text: str) -> None:
        if text:
            self._say(text.rstrip("\r\n").replace("\r\n", "\n").expandtabs())


class Both:
    """Two logs that get the same."""

    def __init__(self, first: LogSink, second: LogSink) -> None:
        self._first, self._second = first, second

    def write(self, text: str) -> None:
        self._first.write(text)
        self._second.write(text)


def at_once(act: Callable[[], None]) -> None:
    """Try once; a share that is away is not waited for."""
    act()


class TreeLog:
    """Appends to one log file; what it is given is on disk after `close`.

    Args:
        path: the file.
        append: go on at its end (/LOG+), else empty it first.
        utf16: UTF-16LE, with a byte order mark where the file is empty; else UTF-8.
        patiently: tries a write, and again where a share was away (`Outage.again`).
    """

    def __init__(
        self,
        path: str,
        *,
        append: bool = True,
        utf16: bool = False,
        patiently: Callable[[Callable[[], None]], None] = at_once,
    ) -> None:
        self.path = path
        self._encoding = "utf-16-le" if utf16 else "utf-8"
        self._pieces: List[str] = []
        self._held = 0
        self._patiently = patiently
        self._file: Optional[Appender] = None
        try:
            line_end = "\n".encode(self._encoding)
            self._file = Appender(path, flags=os.O_CREAT | (0 if append else os.O_TRUNC), line_end=line_end)
        except OSError as error:
            raise LostOutputError(f"The log {path} cannot be opened: {fs.explain(error)[1]}.") from error
        if utf16 and self._file.empty:
            self._pieces.append("\ufeff")

    def write(self, text: str) -> None:
        """Take a piece; written out in blocks. Raises LostOutputError."""
        self._pieces.append(text)
        self._held += len(text)
        if self._held >= _BUFFER_CHARS:
            self.flush()

    def flush(self) -> None:
        if self._file is not None and self._pieces:
            self._put(self._file.write)

    def close(self) -> None:
        """Force everything to the medium and close. Raises LostOutputError."""
        file, self._file = self._file, None
        if file is not None:
            self._put(file.finish)

    def _put(self, act: Callable[[bytes], object]) -> None:
        waiting = [self._take()]  # the file keeps what it was given once

        def put() -> None:
            act(waiting.pop() if waiting else b"")

        try:
            self._patiently(put)
        except OSError as error:
            raise LostOutputError(f"The log {self.path} cannot be written: {fs.explain(error)[1]}.") from error

    def _take(self) -> bytes:
        data = "".join(self._pieces).encode(self._encoding, "backslashreplace")
        self._pieces, self._held = [], 0
        return data
