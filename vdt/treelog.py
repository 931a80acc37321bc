"""The robocopy-format log of one tree, as a file: appended to (/LOG+), UTF-8, CR LF.

Writes what `robocopy/log.py` and `robocopy/summary.py` compose; holds no layout of its own.
"""

from __future__ import annotations

import os
from typing import BinaryIO, Callable, List, Optional, Protocol

from vdt import fs
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


class TreeLog:
    """Appends to one log file; what it is given is on disk after `close`."""

    def __init__(self, path: str, *, append: bool = True) -> None:
        self.path = path
        self._pieces: List[str] = []
        self._held = 0
        self._file: Optional[BinaryIO] = None
        try:
            self._file = open(path, "ab" if append else "wb")
        except OSError as error:
            raise LostOutputError(f"The log {path} cannot be opened: {fs.explain(error)[1]}.") from error

    def write(self, text: str) -> None:
        """Take a piece; written out in blocks. Raises LostOutputError."""
        self._pieces.append(text)
        self._held += len(text)
        if self._held >= _BUFFER_CHARS:
            self.flush()

    def flush(self) -> None:
        if self._file is None or not self._pieces:
            return
        try:
            self._file.write(self._take())
            self._file.flush()
        except OSError as error:
            raise LostOutputError(f"The log {self.path} cannot be written: {fs.explain(error)[1]}.") from error

    def _take(self) -> bytes:
        data = "".join(self._pieces).encode("utf-8", "backslashreplace")
        self._pieces, self._held = [], 0
        return data

    def close(self) -> None:
        """Force everything to the medium and close. Raises LostOutputError."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            with file:
                file.write(self._take())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LostOutputError(f"The log {self.path} cannot be written: {fs.explain(error)[1]}.") from error
