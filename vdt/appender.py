"""Bytes at the end of one file, on a share that may go away in the middle of a write.

What was not written is kept and goes first the next time. A file that failed is opened again by its name, never made
anew. Where the share kept less or more than it said, a line break is put in front of the line that was torn, which is
then written as a whole: readers pass over what stands before it. What a share confirms and loses later is not noticed.
"""

from __future__ import annotations

import os

_FLAGS = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_MODE = 0o666  # less the umask, as `open` gives it


class Appender:
    """Appends to one file. Every method raises OSError and may then be called again."""

    def __init__(self, path: str, *, flags: int = os.O_CREAT, line_end: bytes = b"\n") -> None:
        """Open it; `flags` say whether it is made (O_CREAT), emptied (O_TRUNC) or must be new (O_EXCL)."""
        self._path, self._line_end = path, line_end
        self._fd = os.open(path, _FLAGS | flags, _MODE)
        self._size = os.fstat(self._fd).st_size
        self._kept = b""
        self._done = 0  # of these, so many bytes were written

    @property
    def empty(self) -> bool:
        """True while the file holds nothing."""
        return self._size == 0

    def write(self, data: bytes = b"") -> None:
        """Take whole lines and write out all that is kept. They are taken even where that fails."""
        self._kept += data
        try:
            if self._fd < 0:
                self._fd = self._open_again()
            while self._done < len(self._kept):
                done = os.write(self._fd, self._kept[self._done :])
                self._done += done
                self._size += done
        except OSError:
            self._let_go()
            raise
        self._kept, self._done = b"", 0

    def sync(self, data: bytes = b"") -> None:
        """Write all that is kept and force the file to the medium."""
        self.write(data)
        try:
            os.fsync(self._fd)
        except OSError:
            self._let_go()
            raise

    def finish(self, data: bytes = b"") -> None:
        """Force all to the medium and close; nothing is written afterwards."""
        self.sync(data)
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _open_again(self) -> int:
        fd = os.open(self._path, _FLAGS)
        size = os.fstat(fd).st_size
        if size != self._size:
            at = self._kept.rfind(self._line_end, 0, self._done)
            line = at + len(self._line_end) if at >= 0 else 0
            self._kept, self._done, self._size = self._line_end + self._kept[line:], 0, size
        return fd

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError:
                pass  # what was written through it is looked at when it is opened again
