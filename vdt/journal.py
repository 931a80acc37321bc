"""Journals of partials: which chunks of a large file have landed, so that a later run goes on where one ended.

One file of JSON lines a partial, in the tree's state folder, named after the partial: a head that says which source the
partial belongs to, then the xxh128 of each chunk in order, written when the chunk was handed to the system. The journal
is a hint, the disk is the truth: whoever takes a partial up reads its chunks again and holds them against these
digests. A journal that is torn costs the chunks behind the tear; one that makes no sense is passed over with a note.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import Callable, Dict, Generator, Iterator, List, Optional, Tuple

from vdt import fs
from vdt.hashing import ChunkDigester, Digester
from vdt.model import stays_inside
from vdt.selection import PARTIAL
from vdt.steps import StoppedReadingError
from vdt.stop import StopFlag

CHUNK_BYTES = 64 << 20
ENDING = ".journal"
_VERSION = 1
_HEX = frozenset("0123456789abcdef")


class Journal:
    """What has landed of one partial. Used by one worker at a time."""

    def __init__(
        self, folder: str, path: str, partial: str, size_bytes: int, mtime_ns: int, *, chunk_bytes: int
    ) -> None:
        self.path, self.partial = path, partial
        self.size_bytes, self.mtime_ns, self.chunk_bytes = size_bytes, mtime_ns, chunk_bytes
        self.digests: List[str] = []
        self.touched = False  # the file was worked on in this run
        self._file = os.path.join(folder, partial.rpartition(".")[0] + ENDING)
        self._written = 0  # lines of the file that are known to be good; -1 once it cannot be written
        self._hasher = ChunkDigester(chunk_bytes)
        self._passed: List[str] = []  # digests of chunks that are on their way

    @property
    def landed_bytes(self) -> int:
        """Bytes of the partial that the digests speak of."""
        return min(self.size_bytes, len(self.digests) * self.chunk_bytes)

    def goes_on(self, good: int) -> None:
        """Begin behind the first `good` chunks; what was recorded behind them is forgotten."""
        self._hasher = ChunkDigester(self.chunk_bytes)
        self._passed = []
        if good < len(self.digests):
            del self.digests[good:]
            self._written = min(self._written, 0)  # the file names chunks that are gone: written anew

    def passed(self, view: memoryview) -> bool:
        """Bytes are on their way to the system, in order. True where they complete a chunk."""
        whole = self._hasher.update(view)
        self._passed += whole
        return bool(whole)

    def let_go(self) -> None:
        """Somebody else may write this journal now: nothing more is recorded in it."""
        self._written, self._passed = -1, []

    def landed(self, size_bytes: int) -> None:
        """The partial holds its first `size_bytes` bytes without a gap; each chunk that is whole is put on record."""
        while self._passed and (len(self.digests) + 1) * self.chunk_bytes <= size_bytes:
            self.digests.append(self._passed.pop(0))
            self._record()

    def _record(self) -> None:
        if self._written < 0:
            return
        try:
            if not self._written:
                beside = f"{self._file}.new"
                with open(beside, "w", encoding="ascii", newline="\n") as file:
                    file.write(self._head() + "".join(_line(*item) for item in enumerate(self.digests)))
                os.replace(beside, self._file)
            else:
                with open(self._file, "a", encoding="ascii", newline="\n") as file:
                    file.write(_line(len(self.digests) - 1, self.digests[-1]))
            self._written = 1 + len(self.digests)
        except OSError:  # without a journal the copy goes on; what is lost is the chance to go on in this file later
            self._written = -1

    def _head(self) -> str:
        head = {
            "version": _VERSION,
            "path": self.path,
            "partial": self.partial,
            "size": self.size_bytes,
            "mtime_ns": self.mtime_ns,
            "chunk_bytes": self.chunk_bytes,
        }
        return json.dumps(head) + "\n"

    def remove(self) -> None:
        """Forget the file; one that cannot be removed is found stale by the next complete run."""
        for name in (self._file, f"{self._file}.new"):
            try:
                os.unlink(name)
            except OSError:
                pass

    @classmethod
    def parse(cls, folder: str, name: str, text: str) -> Optional[Journal]:
        """The journal that a file holds, as far as its lines are sound and in order; None where its head is not."""
        lines = text.split("\n")
        try:
            head = json.loads(lines[0])
            found = cls(
                folder, head["path"], head["partial"], head["size"], head["mtime_ns"], chunk_bytes=head["chunk_bytes"]
            )
            numbers = (found.size_bytes, found.mtime_ns, found.chunk_bytes, head["version"])
            sound = (
                all(type(number) is int for number in numbers)
                and head["version"] == _VERSION
                and found.chunk_bytes == CHUNK_BYTES
                and found.size_bytes >= 0
                and isinstance(found.path, str)
                and PARTIAL.match(found.partial) is not None
                and os.path.basename(found._file) == name
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not sound or not stays_inside(found.path):
            return None
        for line in lines[1:-1]:  # what stands behind the last newline is torn
            digest = _digest(line, len(found.digests))
            if digest is None or found.landed_bytes >= found.size_bytes:
                break
            found.digests.append(digest)
        return found  # `_written` is 0: the file is written anew with the next chunk, without what was torn


class Journals:
    """Every journal of one tree, by the path of its file. Workers take and add while the driver asks, so whoever goes
    over all of them goes over a copy."""

    def __init__(self, folder: str = "") -> None:
        """`folder` is the tree's state folder; "" keeps no journals (nothing can be taken up later)."""
        self._folder = folder
        self._known: Dict[str, Journal] = {}
        self.notes: List[str] = []

    @classmethod
    def load(cls, folder: str, *, tidy: bool = True) -> Journals:
        """Read what earlier runs left. Notes say what could not be used; with `tidy`, which only the holder of the lock
        may ask for, such files are removed."""
        journals = cls(folder)
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith((ENDING, ENDING + ".new")))
        except OSError:
            return journals
        for name in names:
            path = os.path.join(folder, name)
            journal = None
            try:
                with open(path, encoding="ascii", errors="replace", newline="\n") as file:
                    journal = Journal.parse(folder, name, file.read()) if name.endswith(ENDING) else None
            except OSError as error:
                journals.notes.append(f"The journal {path} cannot be read: {fs.explain(error)[1]}.")
                continue
            if journal is None or journal.path in journals._known:
                if name.endswith(ENDING):
                    journals.notes.append(
                        f"The journal {path} makes no sense and was ignored; its file is copied anew."
                    )
                try:
                    if tidy:
                        os.unlink(path)
                except OSError:
                    pass
            else:
                journals._known[journal.path] = journal
        return journals

    def __len__(self) -> int:
        return len(self._known)

    @property
    def landed_bytes(self) -> int:
        """Bytes that lie in partials, as far as the journals say."""
        return sum(journal.landed_bytes for journal in self._all())

    def _all(self) -> List[Journal]:
        return list(self._known.values())

    def knows(self, path: str) -> bool:
        """True for the relative path of a partial that a journal speaks of."""
        folder, _, name = path.rpartition("/")
        return any(journal.partial == name and journal.path.rpartition("/")[0] == folder for journal in self._all())

    def of(self, path: str) -> Optional[Journal]:
        """The journal of a file, where there is one."""
        return self._known.get(path)

    def begin(self, path: str, partial: str, size_bytes: int, mtime_ns: int) -> Optional[Journal]:
        """A journal for a new partial; None where none are kept or the file is too small to need one."""
        if not self._folder or size_bytes < CHUNK_BYTES:
            return None
        journal = Journal(self._folder, path, partial, size_bytes, mtime_ns, chunk_bytes=CHUNK_BYTES)
        journal.touched = True  # before the driver can see it: an untouched one is thrown away
        self._known[path] = journal
        return journal

    def drop(self, journal: Journal) -> None:
        """The partial is done with: renamed, or thrown away."""
        journal.remove()
        if self._known.get(journal.path) is journal:
            del self._known[journal.path]

    def untouched(self) -> Iterator[Journal]:
        """Journals of files that this run, which saw every file, had nothing to do with: their source is gone, or the
        file was completed by other means."""
        return (journal for journal in self._all() if not journal.touched)


def _line(number: int, digest: str) -> str:
    return f'{{"chunk": {number}, "xxh128": "{digest}"}}\n'


def _digest(line: str, number: int) -> Optional[str]:
    """The digest of a line, where it is the line of chunk `number`."""
    try:
        value = json.loads(line)
        digest = value["xxh128"]
        if value["chunk"] == number and len(digest) == 32 and set(digest) <= _HEX:
            return str(digest)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def check_prefix(
    fd: int,
    journal: Journal,
    digester: Digester,
    read: Callable[[int, int], Generator[memoryview, None, None]],
    stop: StopFlag,
) -> Tuple[Digester, int, int]:
    """Read a partial's recorded chunks again, by `read` (descriptor, bytes).

    Returns a digester that has seen those that are right, their number, and the number of those that are not and of all
    behind them.

    Raises:
        OSError: the partial cannot be read.
        StoppedReadingError: the run was asked to stop.
    """
    hasher, good = ChunkDigester(journal.chunk_bytes), 0
    with closing(read(fd, journal.landed_bytes)) as views:
        for view in views:
            if stop:
                raise StoppedReadingError
            # the partial may be longer than what is recorded of it
            whole = view[: max(0, journal.landed_bytes - digester.size_bytes)]
            digester.update(whole)
            wrong = False
            for digest in hasher.update(whole):
                wrong = wrong or digest != journal.digests[good]  # what follows a wrong chunk counts no more
                good += not wrong
            if wrong or good == len(journal.digests):
                break
    bad = len(journal.digests) - good
    if digester.size_bytes != good * journal.chunk_bytes:  # it has seen bytes that do not count
        digester = digester.anew()
        left = good * journal.chunk_bytes
        with closing(read(fd, left)) as views:
            for view in views if left else ():
                digester.update(view[:left])
                left -= len(view[:left])
                if not left:
                    break
    return digester, good, bad
