"""Reads what an audit holds against each other: a batch of files in, a Finding for each out.

Rule 1: nothing is written, on either side; not even an access time where the system allows that.
Rule 2: DIFFERENT is only said of bytes that were read twice.
Rule 3: a file that moved while it was read is UNSTABLE, whatever its digest.
Rule 4: evidence is what was done: past the cache only where that was shown for the volume.

A small file against a digest costs four system calls: open, read, fstat, close.
"""

from __future__ import annotations

from contextlib import closing
from typing import List, Optional, Tuple

from vdt import checksums, fs
from vdt.auditbatches import CheckBatch
from vdt.copyjob import CopyJob
from vdt.diagnosis import OTHER, TRUNCATED, ZEROS, Comparison, Diagnosis
from vdt.findings import XXH128, Check, Finding, make_finding
from vdt.hashing import Digester, digest_of
from vdt.inside import open_inside
from vdt.model import Evidence, Judged, Links
from vdt.sides import Beside, Feed, SideError, SideRead
from vdt.steps import StoppedReadingError
from vdt.stream import views_of

_STOP_CHECK_BYTES = 8 << 20
_BESIDE_BYTES = 16 << 20  # from this size on the two sides of a file are read at the same time

_OK = Judged.OK
_AS_USUAL = Finding("", Judged.OK)[9:]  # everything behind `source_digest`

Pairs = List[Tuple[Check, Finding]]


class Auditor:
    """Does batches; one instance serves all workers of a tree, it keeps no state of its own."""

    def __init__(self, job: CopyJob) -> None:
        """`job.source` is "" where there is no source to read."""
        self._job = job
        self._cold, self._source_cold = job.destination_volume.cold_reads, job.source_volume.cold_reads
        self._evidence = Evidence.COLD if self._cold else Evidence.REREAD
        self._follow = job.policy.links is Links.FOLLOW

    def __call__(self, batch: CheckBatch) -> Pairs:
        """Check every file of a batch; those that a stop kept from it are left out."""
        done: Pairs = []
        for folder, checks in batch.parts:
            self._job.watch.at("Opening Folder", fs.full_path(self._job.destination, folder))
            try:
                self._part(folder, checks, done)
            except SideError as failed:
                done += [(check, unreadable(check, failed.side, failed.error)) for check in checks]
            except StoppedReadingError:
                break
        self._job.watch.idle()
        return done

    def _part(self, folder: str, checks: Tuple[Check, ...], done: Pairs) -> None:
        job = self._job
        with _open("destination", job.destination, folder, inside=True) as dest:
            if not job.source:
                self._files(checks, None, dest, done)
                return
            with _open("source", job.source, folder, inside=not self._follow) as source:
                self._files(checks, source, dest, done)

    def _files(self, checks: Tuple[Check, ...], source: Optional[fs.Folder], dest: fs.Folder, done: Pairs) -> None:
        job, whole = self._job, fs.WHOLE_BYTES
        for check in checks:
            if job.stop:
                raise StoppedReadingError
            job.watch.at("Reading File", dest, check.dest.name)
            finding: Optional[Finding] = None
            if check.dest.size_bytes <= whole:
                finding = self._small(check, source, dest)
            done.append((check, finding or self._large(check, source, dest)))

    # -- the usual file: small, and right ------------------------------------------------------------------------------

    def _small(self, check: Check, source: Optional[fs.Folder], dest: fs.Folder) -> Optional[Finding]:
        """Read a small file in one go. None: it is not plainly right, and is looked at closely."""
        job, entry = self._job, check.dest
        size, name = entry.size_bytes, entry.name
        try:
            if source is None:
                if check.algorithm != XXH128:
                    return None
                digest, mtime_ns = check.expected, 0
            else:
                listed = check.source
                if listed is None or listed.size_bytes != size:
                    return None
                job.meter.take(size)
                there, view = source.read_whole(name, size, follow=self._follow, cold=self._source_cold)
                if len(view) != size or there.mtime_ns != listed.mtime_ns or there.size_bytes != size:
                    return None
                digest, mtime_ns = digest_of(view), there.mtime_ns
            job.meter.take(size)
            found, view = dest.read_whole(name, size, cold=self._cold)
        except OSError:
            return None
        kept = digest_of(view)
        if len(view) != size or found.size_bytes != size or not found.regular or (digest and kept != digest):
            return None
        if found.mtime_ns != entry.mtime_ns:
            return None
        job.moved(size)
        stored = found.mtime_ns
        # as Finding(path, OK, size_bytes, reason, digest, evidence, mtime_ns, stored_mtime_ns, source_digest, ...)
        gave = (mtime_ns, stored, digest) if source is not None else (stored, stored, "")
        return make_finding((check.path, _OK, size, "", kept, self._evidence, *gave, *_AS_USUAL))

    # -- any file ------------------------------------------------------------------------------------------------------

    def _large(self, check: Check, source: Optional[fs.Folder], dest: fs.Folder) -> Finding:
        try:
            return self._closely(check, source, dest)
        except SideError as failed:
            return unreadable(check, failed.side, failed.error)

    def _closely(self, check: Check, source: Optional[fs.Folder], dest: fs.Folder) -> Finding:
        if source is None:
            return self._against_digest(check, dest)
        beside = check.dest.size_bytes >= _BESIDE_BYTES and self._job.helpers
        other = Beside(lambda: self._read("source", source, check, XXH128))
        if beside:
            with self._job.crew.shared(other.piece):
                kept = self._read("destination", dest, check, XXH128)
        else:
            kept = self._read("destination", dest, check, XXH128)
        sent = other.result()
        for side, read in (("source", sent), ("destination", kept)):
            if read.moved:
                return _finding(check, Judged.UNSTABLE, kept, sent)._replace(reason=f"the {side} {read.moved}")
        if sent.digest == kept.digest and sent.found.size_bytes == kept.found.size_bytes:
            return self._right(check, kept, sent)
        return self._compare(check, source, dest)

    def _right(self, check: Check, kept: SideRead, sent: Optional[SideRead], note: str = "") -> Finding:
        return _finding(check, Judged.OK, kept, sent)._replace(
            evidence=self._evidence, note=f"{check.path}: {note}" if note else ""
        )

    def _against_digest(self, check: Check, dest: fs.Folder) -> Finding:
        kept = self._read("destination", dest, check, check.algorithm)
        if not kept.moved and check.expected in ("", kept.other):
            return self._right(check, kept, None)
        if not kept.moved:
            first = kept
            kept = self._read("destination", dest, check, check.algorithm)
            if not kept.moved and kept.other == check.expected:
                return self._right(check, kept, None, "read wrong once, right the second time")
            if not kept.moved and kept.other != first.other:
                return _finding(check, Judged.UNREADABLE, kept, None)._replace(
                    reason="destination: two reads gave different bytes", heals=True
                )
        if kept.moved:
            return _finding(check, Judged.UNSTABLE, kept, None)._replace(reason=f"the destination {kept.moved}")
        size = kept.found.size_bytes
        if 0 <= size < check.size_bytes:
            damage = TRUNCATED
        else:
            damage = ZEROS if size and self._all_zeros(dest, check, size) else OTHER
        reason = f"its {check.algorithm} is not the one that it should have"
        if check.size_bytes not in (-1, size):
            reason = f"{size} bytes where {check.size_bytes} are on record"
        return _finding(check, Judged.DIFFERENT, kept, None)._replace(
            reason=reason, diagnosis=Diagnosis(-1, (), 0, damage)
        )

    def _all_zeros(self, dest: fs.Folder, check: Check, size_bytes: int) -> bool:
        try:
            with dest.open_back(check.name, cold=self._cold) as (_, fd):
                with closing(views_of(self._job, fd, size_bytes, direct=self._cold)) as views:
                    return not any(any(bytes(view[:512])) or any(bytes(view)) for view in views)
        except OSError as error:
            raise SideError("destination", error) from error

    def _read(self, side: str, folder: fs.Folder, check: Check, algorithm: str) -> SideRead:
        """Hash one side. Raises SideError, StoppedReadingError."""
        job = self._job
        at_source = side == "source"
        cold = self._source_cold if at_source else self._cold
        digester, other = Digester(), None if algorithm == XXH128 else checksums.new(algorithm)
        try:
            with folder.open_back(check.name, cold=cold, follow=at_source and self._follow) as (before, fd):
                if not before.regular:
                    return SideRead(before, "", "", "is no longer a plain file")
                with closing(views_of(job, fd, before.size_bytes, direct=cold)) as views:
                    for view in views:
                        digester.update(view)
                        if other is not None:
                            other.update(view)
                        if not at_source:
                            job.moved(len(view))
                        if job.stop and digester.size_bytes >= _STOP_CHECK_BYTES:
                            raise StoppedReadingError
                after = fs.fd_stat(fd)
        except OSError as error:
            raise SideError(side, error) from error
        moved = _moved(before, after, digester.size_bytes)
        return SideRead(after, digester.digest, other.hexdigest() if other is not None else digester.digest, moved)

    def _compare(self, check: Check, source: fs.Folder, dest: fs.Folder) -> Finding:
        """Both sides once more, block by block: what exactly is wrong? Raises SideError, StoppedReadingError."""
        name = check.name
        side = "source"
        try:
            with source.open_back(name, cold=self._source_cold, follow=self._follow) as (sent_before, sent_fd):
                side = "destination"
                with dest.open_back(name, cold=self._cold) as (kept_before, kept_fd):
                    comparison, sent, kept = self._side_by_side(sent_fd, kept_fd, sent_before, kept_before)
                    sent_after, kept_after = fs.fd_stat(sent_fd), fs.fd_stat(kept_fd)
        except OSError as error:
            raise SideError(side, error) from error
        given = SideRead(sent_after, sent.digest, "", _moved(sent_before, sent_after, sent.size_bytes))
        found = SideRead(kept_after, kept.digest, "", _moved(kept_before, kept_after, kept.size_bytes))
        for side, read in (("source", given), ("destination", found)):
            if read.moved:
                return _finding(check, Judged.UNSTABLE, found, given)._replace(reason=f"the {side} {read.moved}")
        diagnosis = comparison.diagnose(sent_after.size_bytes, kept_after.size_bytes)
        if diagnosis is None:
            return self._right(check, found, given, "read wrong once, right the second time")
        sizes = (kept_after.size_bytes, sent_after.size_bytes)
        reason = "other bytes than the source" if sizes[0] == sizes[1] else "{} bytes, in the source {}".format(*sizes)
        return _finding(check, Judged.DIFFERENT, found, given)._replace(reason=reason, diagnosis=diagnosis)

    def _side_by_side(
        self, sent_fd: int, kept_fd: int, sent_found: fs.Stat, kept_found: fs.Stat
    ) -> Tuple[Comparison, Digester, Digester]:
        job = self._job
        comparison, sent, kept = Comparison(), Digester(), Digester()
        given = views_of(job, sent_fd, sent_found.size_bytes, direct=self._source_cold)
        found = views_of(job, kept_fd, kept_found.size_bytes, direct=self._cold)
        with closing(given), closing(found):
            left, right = Feed("source", given, sent), Feed("destination", found, kept)
            while True:
                one, other = left.more(), right.more()
                if not one and not other:
                    return comparison, sent, kept
                both = min(len(one), len(other)) or max(len(one), len(other))
                if one and other:
                    comparison.compare(left.take(both), right.take(both))
                else:
                    (left if one else right).take(both)
                if job.stop:
                    raise StoppedReadingError


def _open(side: str, root: str, folder: str, *, inside: bool) -> fs.Folder:
    """Open a folder of one side; `inside` refuses links on the way to it. Raises SideError."""
    try:
        return open_inside(root, folder) if inside else fs.Folder(fs.full_path(root, folder))
    except OSError as error:
        raise SideError(side, error) from error


def _moved(before: fs.Stat, after: fs.Stat, read: int) -> str:
    """How a file changed while it was read, "" where it lay still."""
    if before.size_bytes != after.size_bytes:
        return f"changed while it was read ({before.size_bytes} -> {after.size_bytes} bytes)"
    if before.mtime_ns != after.mtime_ns:
        return "changed while it was read (its time moved)"
    return "" if read == after.size_bytes else f"gave {read} bytes where {after.size_bytes} were promised"


def _finding(check: Check, judged: Judged, kept: SideRead, sent: Optional[SideRead]) -> Finding:
    stored = kept.found.mtime_ns
    return Finding(
        check.path,
        judged,
        kept.found.size_bytes,
        digest=kept.digest,
        mtime_ns=stored if sent is None else sent.found.mtime_ns,
        stored_mtime_ns=stored,
        source_digest="" if sent is None else sent.digest,
        source_bytes=-1 if sent is None else sent.found.size_bytes,
        attempts=check.attempt,
    )


def unreadable(check: Check, side: str, error: OSError) -> Finding:
    """What is said of a file of which a side could not be read."""
    gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
    finding = Finding(check.path, Judged.UNREADABLE, check.dest.size_bytes, attempts=check.attempt)
    if gone and side == "destination":
        return finding._replace(judged=Judged.MISSING, reason="it went away while the audit ran")
    if gone:
        return finding._replace(judged=Judged.UNSTABLE, reason="the source went away while the audit ran")
    return finding._replace(reason=f"{side}: {fs.explain(error)[1]}", heals=fs.heal(error) is fs.Heal.MAYBE)
