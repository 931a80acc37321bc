"""Reads back: is what lies there what was sent? And for files that are already there: are both sides equal?

Rule 1: evidence is what was done, never what was asked for: past the cache only where the volume can show it.
Rule 2: a wrong read-back is read once more before it counts; a right second read is noted.
Rule 3: nothing is written here but times and modes of a file that was just proven.
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple, Optional, Tuple

from vdt import fs
from vdt.compare import times_equal
from vdt.copyjob import CopyJob
from vdt.hashing import Digester, digest_of
from vdt.model import Action, Entry, Evidence, Failure, Links, Outcome, Status, Verify
from vdt.steps import MISMATCH_CODE, SidedError, Step, StoppedReadingError
from vdt.stream import views_of

_STOP_CHECK_BYTES = 8 << 20  # a stop waits for no more than the rest of a read of this size


class Proof(NamedTuple):
    """What a read-back gave. `wrong` is a reason in plain words, or ""."""

    evidence: Evidence
    stored_mtime_ns: int
    note: str = ""
    wrong: str = ""
    wrong_side: str = ""  # "source" or "destination"
    file_id: Tuple[int, int] = (0, 0)
    size_bytes: int = 0


class Verifier:
    """Proves files of one tree; one instance serves all workers, it keeps no state of its own."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        self._reads = job.verify.rank >= Verify.REREAD.rank
        self._cold = job.verify.rank >= Verify.COLD.rank and job.destination_volume.cold_reads
        self._source_cold = job.verify is Verify.BOTH and job.source_volume.cold_reads
        self._follow = job.policy.links is Links.FOLLOW
        self._readback = Evidence.COLD if self._cold else Evidence.REREAD

    def read_back(
        self, source: fs.Folder, dest: fs.Folder, name: str, partial: str, size_bytes: int, digest: str
    ) -> Proof:
        """Hold a finished partial against what was sent, at the level that the job asks for.

        Raises:
            OSError: a side could not be read.
            StoppedReadingError: the run was asked to stop during a long read.
        """
        verify = self._job.verify
        if not self._reads:
            found = dest.stat(partial)
            wrong = "" if found.size_bytes == size_bytes else "it was stored with another size"
            evidence = Evidence.NONE if verify is Verify.NONE else Evidence.INFLIGHT
            side = "destination" if wrong else ""
            return Proof(evidence, found.mtime_ns, "", wrong, side, found.file_id, size_bytes)
        note = ""
        found, right = self._same(dest, partial, size_bytes, digest, cold=self._cold, follow=False)
        if not right:
            found, right = self._same(dest, partial, size_bytes, digest, cold=self._cold, follow=False)
            note = "read back wrong once, right the second time"
        if not right:
            return Proof(Evidence.NONE, 0, "", "what was read back is not what was sent", "destination")
        evidence = self._readback
        if verify is Verify.BOTH:
            try:
                _, right = self._same(source, name, size_bytes, digest, cold=self._source_cold, follow=self._follow)
            except OSError as error:
                raise SidedError(Step("Copying File", source, name), error) from error
            if not right:
                return Proof(Evidence.NONE, 0, "", "two reads of the source gave different bytes", "source")
            evidence = self._both(evidence)
        return Proof(evidence, found.mtime_ns, note, "", "", found.file_id, size_bytes)

    def prove(self, action: Action, source: fs.Folder, dest: fs.Folder) -> Optional[Outcome]:
        """Read both sides of a file that is already there. None: they differ, and it is to be copied again."""
        job, entry, name = self._job, action.source, action.source.name
        step = Step("Copying File", source, name)
        try:
            before, sent = self._hash(source, entry, also=job.also)
            if before is None:
                return None  # no longer as listed
            step = Step("Copying File", dest, name)
            with dest.open_back(name, cold=self._cold) as (found, fd):
                kept = Digester()
                whole = self._feed(kept, fd, found.size_bytes, cold=self._cold)
            if not whole or kept.size_bytes != sent.size_bytes or kept.digest != sent.digest:
                return self._differs(action, dest, kept.digest)
            evidence = self._readback
            if job.verify is Verify.BOTH:
                step = Step("Copying File", source, name)
                _, right = self._same(
                    source, name, sent.size_bytes, sent.digest, cold=self._source_cold, follow=self._follow
                )
                if not right:
                    return step.wrong(action, "two reads of the source gave different bytes")
                evidence = self._both(evidence)
            stored = found.mtime_ns
            # also of one whose time is another: under `checksum` it is proven here and not copied
            if job.policy.fix_modes and action.dest is not None and action.dest.mode != entry.mode:
                step = Step("Changing File Attributes", dest, name)
                dest.set_mode(name, entry.mode)
            apart = not times_equal(stored, before.mtime_ns, job.policy)
            if job.policy.checksum and job.policy.keep_times and apart:
                step = Step("Time-Stamping Destination File", dest, name)
                stored = dest.restamp(name, before.mtime_ns)
        except OSError as error:
            return step.failed(error, action)
        except StoppedReadingError:
            return Outcome(action, Status.STOPPED)
        return Outcome(
            action, Status.PROVEN, sent.size_bytes, before.mtime_ns, sent.digest, evidence, stored, sent.also
        )

    def _differs(self, action: Action, dest: fs.Folder, kept: str) -> Optional[Outcome]:
        """Both sides differ: copy again (None), unless the copy is still what was proven; then the source is wrong."""
        if kept != action.proven_digest or self._job.replace_proven:
            return None
        reason = (
            "the source no longer holds what was copied and proven, though its size and time say so; the copy is "
            "unchanged and was kept. --replace_proven replaces it"
        )
        failure = Failure("Copying File", dest.at(action.source.name), MISMATCH_CODE, reason)
        return Outcome(action, Status.CONFLICT, failure=failure)

    def _both(self, evidence: Evidence) -> Evidence:
        return Evidence.BOTH if self._source_cold and evidence is Evidence.COLD else evidence

    def _hash(self, source: fs.Folder, entry: Entry, *, also: Optional[str]) -> Tuple[Optional[fs.Stat], Digester]:
        digester = Digester(also)
        with source.open_back(entry.name, cold=self._source_cold, follow=self._follow) as (found, fd):
            if (found.size_bytes, found.mtime_ns) != (entry.size_bytes, entry.mtime_ns):
                return None, digester
            if not self._feed(digester, fd, found.size_bytes, cold=self._source_cold):
                return None, digester
        if not self._follow and source.stat(entry.name) != found:
            return None, digester  # it moved while it was read
        self._job.moved(digester.size_bytes)
        return found, digester

    def _same(
        self, folder: fs.Folder, name: str, size_bytes: int, digest: str, *, cold: bool, follow: bool
    ) -> Tuple[fs.Stat, bool]:
        """(what the open file says, True when size and digest are as expected)."""
        if size_bytes <= fs.WHOLE_BYTES:
            found, view = folder.read_whole(name, size_bytes, follow=follow, cold=cold)
            self._job.meter.take(len(view))
            return found, len(view) == size_bytes == found.size_bytes and digest_of(view) == digest
        with folder.open_back(name, cold=cold, follow=follow) as (found, fd):
            if found.size_bytes != size_bytes:
                return found, False
            digester = Digester()
            return found, self._feed(digester, fd, size_bytes, cold=cold) and digester.digest == digest

    def _feed(self, digester: Digester, fd: int, size_bytes: int, *, cold: bool) -> bool:
        """Show it the bytes of an open file. False: they are not as many as expected, or are so no more."""
        stop, update = self._job.stop, digester.update
        long = size_bytes >= _STOP_CHECK_BYTES
        with closing(views_of(self._job, fd, size_bytes, direct=cold)) as views:
            for view in views:
                update(view)
                if long and stop and digester.size_bytes < size_bytes:
                    raise StoppedReadingError
        if digester.size_bytes != size_bytes:
            return False
        return not long or fs.fd_stat(fd).size_bytes == size_bytes  # several workers do not read behind the end
