"""Manifests in xxhsum's text form: 32 hex digits, two blanks, the path relative to the tree with "/".

Pure but for temporary files of this machine, where long runs wait to be merged. Backslashes stay raw; a name with a
newline or carriage return is GNU-escaped (a leading backslash), which md5sum and sha256sum read and xxhsum 0.8.1 does
not.
"""

from __future__ import annotations

import heapq
import re
from contextlib import ExitStack
from typing import IO, Iterable, Iterator, List, Optional, Tuple

_LINE = re.compile(r"(\\?)([0-9a-fA-F]{32,128}) [ *](.+)\Z", re.DOTALL)
_RUN_LINES = 50_000  # lines sorted in memory at a time: about 8 MB


def render(digest: str, path: str) -> str:
    """One line without its newline."""
    if "\n" in path or "\r" in path:
        escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        return f"\\{digest}  {escaped}"
    return f"{digest}  {path}"


def encoded(text: str) -> bytes:
    """A line as bytes: undecodable bytes of POSIX names as they were, lone surrogates as three bytes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def parse(line: str) -> Optional[Tuple[str, str]]:
    """(digest in lower case, path) of one line, or None where it is no manifest line."""
    found = _LINE.match(line.rstrip("\n").rstrip("\r"))
    if not found:
        return None
    escaped, digest, path = found.groups()
    if escaped:
        path = re.sub(r"\\([\\nr])", lambda m: {"\\": "\\", "n": "\n", "r": "\r"}[m.group(1)], path)
    return digest.lower(), path


class SortedLines:
    """Collects (path, digest) in any order and gives the lines back sorted by path.

    Memory holds one run of lines; full runs wait, sorted, in temporary files of this machine.
    """

    def __init__(self) -> None:
        self._run: List[Tuple[str, str]] = []
        self._files: List[IO[str]] = []
        self._stack = ExitStack()
        self._escaped = 0

    @property
    def notes(self) -> Tuple[str, ...]:
        """What whoever checks with the manifest must know."""
        if not self._escaped:
            return ()
        return (
            f"{self._escaped} name(s) hold a line break: their manifest lines are escaped, which md5sum reads and "
            "xxhsum 0.8.1 does not.",
        )

    def add(self, path: str, digest: str) -> None:
        self._run.append((path, digest))
        if "\n" in path or "\r" in path:
            self._escaped += 1
        if len(self._run) >= _RUN_LINES:
            self._spill()

    def _spill(self) -> None:
        import tempfile  # only trees of many files come here, and it costs some milliseconds

        self._run.sort()
        file = self._stack.enter_context(
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n")
        )
        # NUL cannot stand in a path, a newline can
        file.writelines(f"{digest} {path}\0" for path, digest in self._run)
        self._files.append(file)
        self._run = []

    def __iter__(self) -> Iterator[Tuple[str, str]]:
        """(path, digest) sorted by path; may be asked for more than once."""
        self._run.sort()
        return heapq.merge(*(_read_back(file) for file in self._files), self._run)

    def close(self) -> None:
        """Forget everything and give the temporary files back."""
        self._stack.close()
        self._files, self._run = [], []


def _read_back(file: IO[str]) -> Iterator[Tuple[str, str]]:
    file.seek(0)
    rest = ""
    while True:
        block = file.read(1 << 16)
        if not block:
            return
        *whole, rest = (rest + block).split("\0")
        for line in whole:
            digest, _, path = line.partition(" ")
            yield path, digest


def first_change(former: Iterable[str], current: Iterable[Tuple[str, str]]) -> Optional[str]:
    """The first path that a former manifest lists with another digest, or that is listed no more; None when all stay.

    Both must be sorted by path, as this module writes them; lines that do not parse are passed over.
    """
    new = iter(current)
    at = next(new, None)
    for line in former:
        parsed = parse(line)
        if parsed is None:
            continue
        digest, path = parsed
        while at is not None and at[0] < path:
            at = next(new, None)
        if at is None or at[0] != path or at[1] != digest:
            return path
    return None
