"""Copies again what an audit found MISSING or DIFFERENT, through the same engine as any copy: verified and atomic.

Rule 1: only files that were chosen, and only while their source is what was judged.
Rule 2: the wrong file stays until a proven one takes its place in one rename.
Rule 3: of a large file the source is read again only where the destination is wrong: the chunks that are right are
    copied at the destination into a partial, whose bytes must have the digest that the source gave, and the engine
    takes that partial up like one of an earlier run.

Because of rule 2 the right chunks are written once more at the destination; what is saved is reading and sending them.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Callable, List, Sequence, Tuple

from vdt import fs
from vdt.copyjob import Meter
from vdt.diagnosis import CHUNK_BYTES
from vdt.errors import StoppedError
from vdt.findings import Finding
from vdt.hashing import Digester
from vdt.journal import Journal, Journals
from vdt.partial import partial_name
from vdt.stop import StopFlag

_PIECE_BYTES = 1 << 20
_MODE = 0o600  # of the partial; the engine gives it the source's

LEAST_BYTES = 2 * CHUNK_BYTES  # below, sending the whole file costs little


def worth_seeding(finding: Finding) -> bool:
    """True for a large file of which whole chunks are right."""
    shown = finding.diagnosis
    return (
        shown is not None
        and finding.source_bytes >= LEAST_BYTES
        and len(set(shown.bad_chunks)) < finding.source_bytes // CHUNK_BYTES
    )


class Seeder:
    """Prepares partials of large files from what is right at the destination.

    Args:
        token: of the lock.
        guard: raises OSError where another folder stands in the destination's place.
    """

    def __init__(
        self,
        source: str,
        destination: str,
        journals: Journals,
        token: str,
        *,
        follow: bool,
        stop: StopFlag,
        meter: Meter,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._source, self._destination = source, destination
        self._journals, self._token = journals, token
        self._follow, self._stop, self._meter, self._guard = follow, stop, meter, guard
        self.notes: List[str] = []

    def seed(self, findings: Sequence[Finding]) -> None:
        """Prepare a partial of each file that is worth it; one that cannot be prepared is copied as a whole.

        Raises:
            StoppedError: the run was stopped.
        """
        for finding in findings:
            if worth_seeding(finding) and self._journals.of(finding.path) is None:
                try:
                    kept, sent = self._one(finding)
                except OSError as error:
                    self.notes.append(f"{finding.path}: copied as a whole: {fs.explain(error)[1]}.")
                    continue
                self.notes.append(
                    f"{finding.path}: {kept} chunks of 64 MiB were right and were copied at the destination, "
                    f"{sent} came from the source."
                )

    def _one(self, finding: Finding) -> Tuple[int, int]:
        """(chunks from the destination, chunks from the source, the last one that is not whole included).

        Raises OSError, also where what was put together is not what the source held.
        """
        path, size, mtime_ns = finding.path, finding.source_bytes, finding.mtime_ns
        folder, _, name = path.rpartition("/")
        partial = partial_name(path, size, mtime_ns, self._token)
        with ExitStack() as stack:
            within = "" if self._follow else self._source
            source = stack.enter_context(fs.Folder(fs.full_path(self._source, folder), beneath=within))
            dest = stack.enter_context(fs.Folder(fs.full_path(self._destination, folder), beneath=self._destination))
            self._guard()
            source_fd = source.open_source(name, follow=self._follow)
            stack.callback(fs.close, source_fd)
            found = fs.fd_stat(source_fd)
            if (found.size_bytes, found.mtime_ns) != (size, mtime_ns):
                raise OSError(0, "the source is no longer what was judged")
            kept_fd = dest.open_source(name, follow=False)
            stack.callback(fs.close, kept_fd)
            journal = self._journals.begin(path, partial, size, mtime_ns)
            if journal is None:
                raise OSError(0, "no journal can be kept")
            try:
                dest.unlink(partial)
                out = dest.create(partial, _MODE)
                try:
                    return self._pour(finding, source_fd, kept_fd, out, journal)
                finally:
                    fs.close(out)
            except BaseException:
                self._journals.drop(journal)
                dest.unlink(partial)
                raise

    def _pour(self, finding: Finding, source_fd: int, kept_fd: int, out: int, journal: Journal) -> Tuple[int, int]:
        assert finding.diagnosis is not None
        size, bad = finding.source_bytes, set(finding.diagnosis.bad_chunks)
        view, digester, at = memoryview(bytearray(_PIECE_BYTES)), Digester(), 0
        whole = size // CHUNK_BYTES
        while at < size:
            if self._stop:
                raise StoppedError("Stopped while a repair was prepared; the same command goes on.")
            number = at // CHUNK_BYTES
            from_source = number in bad or number == whole
            want = min(_PIECE_BYTES, size - at)
            self._meter.take(want)
            got = fs.read_at(source_fd if from_source else kept_fd, view, at, want)
            if got != want:
                raise OSError(0, "a side became shorter")
            digester.update(view[:got])
            if number < whole:  # the engine sends what follows the last whole chunk
                fs.write_all(out, view[:got])
                journal.passed(view[:got])
            at += got
            if number < whole:
                journal.landed(at)
        if digester.digest != finding.source_digest:
            raise OSError(0, "what was put together is not what the source held")
        kept = whole - sum(1 for number in bad if number < whole)
        return kept, whole + (size > whole * CHUNK_BYTES) - kept
