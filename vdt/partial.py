"""A file's bytes under a name of their own, until they are proven: begun or taken up, filled, kept or thrown away.

A large one has a journal (`journal.py`) of the chunks that have landed, and is filled by several workers (`stream.py`).
Nothing here renames: what is in a partial becomes a file in `copier.py`, once it was read back.
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple, Optional, Tuple

from vdt import fs
from vdt.copyjob import CopyJob
from vdt.hashing import Digester, short_digest
from vdt.journal import Journal, Journals, check_prefix
from vdt.model import Action, Verify
from vdt.steps import SidedError, Step, StoppedReadingError
from vdt.stream import LEAST_BYTES, Stream, views_of


class Begun(NamedTuple):
    """A partial that is open for writing: new, or taken up behind the chunks that were read again and are right."""

    out: int
    partial: str
    journal: Optional[Journal]
    digester: Digester  # has seen what the partial holds already
    resumed_bytes: int = 0


class Partials:
    """The large partials of one tree: begun, taken up, filled and given up. Used by all workers.

    Args:
        journals: of those that earlier runs left, and of those that this one makes.
    """

    def __init__(self, job: CopyJob, journals: Journals) -> None:
        self._job, self._journals = job, journals
        self._hashed = job.verify is not Verify.NONE

    def begin(self, dest: fs.Folder, action: Action, source: Tuple[int, int]) -> Begun:
        """Open the partial of a source of this size and time: the one that a journal knows, else a new one.

        Raises:
            OSError: a new one cannot be created.
        """
        job = self._job
        journal = self._journals.of(action.path)
        if journal is not None:
            begun = self._take_up(dest, journal) if (journal.size_bytes, journal.mtime_ns) == source else None
            if begun is not None:
                return begun
            self._journals.notes.append(f"{action.path}: what was copied of it before could not be used; copied anew.")
            self.throw_away(dest, journal.partial, journal)
        partial = partial_name(action.path, *source, job.token)
        out = self._create(dest, partial, action)
        return Begun(out, partial, self._journals.begin(action.path, partial, *source), Digester(job.also))

    def _take_up(self, dest: fs.Folder, journal: Journal) -> Optional[Begun]:
        """Read the recorded chunks of a partial again and go on behind those that are right; None where none is."""
        journal.touched = True
        job = self._job
        try:
            out = dest.reopen(journal.partial)
        except OSError:
            return None
        try:
            digester, good, damaged = check_prefix(
                out, journal, Digester(job.also), lambda fd, size: views_of(job, fd, size), job.stop
            )
            if not good:
                fs.close(out)
                return None
            if damaged:
                self._journals.notes.append(
                    f"{journal.path}: of its partial {good} of {good + damaged} chunks were still right; "
                    "the others were copied anew."
                )
            journal.goes_on(good)
            fs.cut(out, journal.landed_bytes)
        except StoppedReadingError:
            fs.close(out)
            raise
        except OSError:
            fs.close(out)
            return None
        job.moved(journal.landed_bytes)
        return Begun(out, journal.partial, journal, digester, journal.landed_bytes)

    def leave(self, dest: fs.Folder, partial: str, journal: Optional[Journal]) -> None:
        """A partial that is not finished: kept where a journal knows what has landed, removed else."""
        if journal is None or not journal.digests:
            self.throw_away(dest, partial, journal)

    def throw_away(self, dest: fs.Folder, partial: str, journal: Optional[Journal]) -> None:
        if journal is not None and journal.digests and self._job.lost_lock():
            return  # it may be in the hands of whoever holds the lock now
        discard(dest, partial)
        if journal is not None:
            self._journals.drop(journal)

    def pour(self, fd: int, begun: Begun, size: int, writing: Step, reading: Step) -> None:
        """Everything from `fd` that the partial lacks.

        Raises:
            SidedError: an OSError, with the side that gave it.
            StoppedReadingError: the run was asked to stop in the middle, or has lost its lock.
        """
        if self._job.helpers and size - begun.digester.size_bytes >= LEAST_BYTES:
            self._pour_together(fd, begun, size, writing, reading)
        else:
            self._pour_alone(fd, begun, size, writing, reading)

    def _pour_alone(self, fd: int, begun: Begun, size: int, writing: Step, reading: Step) -> None:
        job, out, digester = self._job, begun.out, begun.digester
        views = fs.read_views(fd, size, start=digester.size_bytes)
        step = reading
        try:
            while True:
                step = reading
                view = next(views, None)
                if view is None:
                    return
                job.meter.take(len(view))
                step = writing
                fs.write_all(out, view)
                self._passed(begun, view)
                if begun.journal is not None:
                    begun.journal.landed(digester.size_bytes)
                if job.stop and digester.size_bytes < size:
                    raise StoppedReadingError
                if digester.size_bytes > size:
                    return  # more than was promised: it grew, or it is no plain file any more; the caller looks
        except OSError as error:
            raise SidedError(step, error) from error

    def _pour_together(self, fd: int, begun: Begun, size: int, writing: Step, reading: Step) -> None:
        """The same, with the help of workers that have nothing else to do."""
        job, digester, journal = self._job, begun.digester, begun.journal
        stream = Stream(
            fd,
            digester.size_bytes,
            size,
            take=job.meter.take,
            crew=job.crew,
            helpers=job.helpers,
            out=begun.out,
        )
        try:
            with closing(stream.views()) as views:
                for view in views:
                    self._passed(begun, view)
                    if journal is not None:
                        journal.landed(stream.landed_bytes)
                    if job.stop and digester.size_bytes < size:
                        raise StoppedReadingError
        except OSError as error:
            raise SidedError(writing if error is stream.write_error else reading, error) from error
        finally:
            if journal is not None:
                if stream.flush_failed:
                    journal.goes_on(0)  # rule 4: nothing of it counts
                journal.landed(stream.landed_bytes)

    def _passed(self, begun: Begun, view: memoryview) -> None:
        """Bytes were read, in order: what is made of them on the way.

        Raises:
            StoppedReadingError: the lock is lost, as it was asked for behind a whole chunk.
        """
        if self._hashed or self._job.also:
            begun.digester.update(view)
        else:
            begun.digester.size_bytes += len(view)
        self._job.moved(len(view))
        if begun.journal is not None and begun.journal.passed(view) and self._job.lost_lock():
            # this process may have stood still, and whoever took the tree over goes on in this very partial
            begun.journal.let_go()
            raise StoppedReadingError

    def _create(self, dest: fs.Folder, partial: str, action: Action) -> int:
        try:
            return dest.create(partial, action.source.mode)
        except FileExistsError:  # left by an earlier try of this run
            dest.unlink(partial)
            return dest.create(partial, action.source.mode)

    def done(self, journal: Journal) -> None:
        """Its partial has its final name."""
        self._journals.drop(journal)


def partial_name(path: str, size_bytes: int, mtime_ns: int, token: str) -> str:
    """Name of the partial of one source file in one run: short, whatever the length of the target's name."""
    text = f"{path}\0{size_bytes}\0{mtime_ns}\0{token}"
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a name with undecodable bytes
        data = text.encode("utf-8", "surrogatepass")
    return f".vdt-{short_digest(data)}.partial"


def discard(dest: fs.Folder, partial: str) -> None:
    """Remove a partial; one that cannot be removed is cleaned up by the next complete run."""
    try:
        dest.unlink(partial)
    except OSError:
        pass
