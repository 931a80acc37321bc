"""Copies a batch of files: source -> partial beside the target -> flushed -> read back -> renamed over the target.

Rule 1: the final name never holds bytes that did not pass the level asked for.
Rule 2: the source is only ever opened for reading.
Rule 3: every failure ends as an Outcome that names operation, path and reason; only a defect raises.
Rule 4: evidence is what was done, never what was asked for.

Per small file, verified past the cache, Linux: open, read, fstat, close of the source; open, write, utimensat, close of
the partial; open, read, fstat, close of the read-back; rename. One syncfs a batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Callable, Iterator, List, NamedTuple, Optional, Protocol, Tuple, Union

from vdt import fs
from vdt.engine import StopFlag
from vdt.hashing import Digester, digest_views
from vdt.model import Action, Evidence, Failure, FileClass, Links, Outcome, Policy, Status, Verb, Verify

FLUSH_ALONE_BYTES = 4 << 20  # from this size on a file is flushed by itself: syncfs would wait for other people's data
_MISMATCH_CODE = 23  # ERROR_CRC, the Windows number for data that reads back wrong


class Meter(Protocol):
    """Told of bytes as they are read; may block (a bandwidth limit) and must be safe in threads."""

    def take(self, count: int) -> object: ...


class Part(NamedTuple):
    """Some files of one folder."""

    folder: str
    actions: List[Action]


@dataclass(frozen=True)
class Batch:
    """What one worker does in one go: parts of one or more folders, flushed together."""

    parts: Tuple[Part, ...]
    total_bytes: int

    @property
    def actions(self) -> List[Action]:
        return [action for part in self.parts for action in part.actions]


@dataclass(frozen=True)
class CopyJob:
    """What holds for every file of one tree."""

    source: str
    destination: str
    policy: Policy
    verify: Verify
    source_volume: fs.Volume
    destination_volume: fs.Volume
    token: str  # of this run's lock: makes partial names its own
    stop: StopFlag
    meter: Meter  # bytes read, either side
    moved: Callable[[int], None]  # bytes of the source that were dealt with, for the bar
    also: Optional[str] = None
    holds_lock: Callable[[], bool] = lambda: True  # asked before each batch of renames


class _Staged(NamedTuple):
    """A partial that is written and stamped, but not proven."""

    position: int  # in the batch
    action: Action
    source: fs.Folder
    dest: fs.Folder
    partial: str
    digest: str
    also: str
    size_bytes: int
    mtime_ns: int
    mode: int


class Copier:
    """Does batches; one instance serves all workers of a tree, it keeps no state of its own."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        volume = job.destination_volume
        self._cold = job.verify.rank >= Verify.COLD.rank and volume.cold_reads
        self._source_cold = job.verify is Verify.BOTH and job.source_volume.cold_reads
        self._follow = job.policy.links is Links.FOLLOW
        self._readback = Evidence.COLD if self._cold else Evidence.REREAD

    def __call__(self, batch: Batch) -> List[Outcome]:
        """Do every action of a batch; outcomes come in the batch's order."""
        outcomes: List[Optional[Outcome]] = [None] * len(batch.actions)
        staged: List[_Staged] = []
        handles: List[fs.Folder] = []
        index = 0
        try:
            for part in batch.parts:
                opened = self._open_folders(part)
                if isinstance(opened, Failed):
                    for action in part.actions:
                        outcomes[index] = opened.outcome(action)
                        index += 1
                    continue
                handles += opened
                for action in part.actions:
                    result = self._begin(index, action, *opened)
                    if isinstance(result, _Staged):
                        staged.append(result)
                    else:
                        outcomes[index] = result
                    index += 1
            for item, outcome in self._complete(staged):
                outcomes[item.position] = outcome
        finally:
            for handle in handles:
                handle.close()
        return [outcome for outcome in outcomes if outcome is not None]

    def _open_folders(self, part: Part) -> Union[Tuple[fs.Folder, fs.Folder], Failed]:
        step = Failed("Scanning Source Directory", fs.full_path(self._job.source, part.folder))
        try:
            source = fs.Folder(step.path)
            step = Failed("Accessing Destination Directory", fs.full_path(self._job.destination, part.folder))
            try:
                return source, fs.Folder(step.path)
            except OSError:
                source.close()
                raise
        except OSError as error:
            return step.because(error)

    # -- first half: read the source, write the partial ------------------------------------------------------------

    def _begin(self, index: int, action: Action, source: fs.Folder, dest: fs.Folder) -> Union[_Staged, Outcome]:
        if self._job.stop:
            return Outcome(action, Status.STOPPED)
        if action.verb is Verb.LINK:
            return self._link(action, dest)
        if action.verb is Verb.PROVE:
            proven = self._prove(action, source, dest)
            if proven is not None:
                return proven
            action = action._replace(verb=Verb.COPY, file_class=FileClass.CHANGED)
        staged = self._stage(index, action, source, dest, fresh=False)
        if staged is None:  # the open file was not the listed one: begin again from what it is now
            staged = self._stage(index, action, source, dest, fresh=True)
        assert staged is not None
        return staged

    def _stage(
        self, index: int, action: Action, source: fs.Folder, dest: fs.Folder, *, fresh: bool
    ) -> Union[_Staged, Outcome, None]:
        """Copy into the partial. None: the file is no longer as listed and `fresh` was not asked for."""
        job = self._job
        name = action.source.name
        partial = partial_name(action.path, action.source.size_bytes, action.source.mtime_ns, job.token)
        step = Failed("Copying File", source, name)
        made = False
        try:
            fd = source.open_source(name, follow=self._follow)
            try:
                before: Tuple[int, int] = (action.source.size_bytes, action.source.mtime_ns)
                if fresh:
                    found = fs.fd_stat(fd)
                    before = (found.size_bytes, found.mtime_ns)
                step = Failed("Creating Destination File", dest, name)
                out = self._create(dest, partial, action)
                made = True
                digester = Digester(job.also)
                try:
                    step = self._pour(fd, out, before[0], digester, step, Failed("Copying File", source, name))
                    if step is _STOPPED:
                        fs.close(out)
                        dest.unlink(partial)
                        return Outcome(action, Status.STOPPED)
                    after = fs.fd_stat(fd)
                except OSError:
                    fs.close(out)
                    raise
                steady = after.regular and (after.size_bytes, after.mtime_ns) == before
                if not steady or digester.size_bytes != after.size_bytes:
                    fs.close(out)
                    dest.unlink(partial)
                    if not fresh and not job.stop:
                        return None
                    return _unstable(action, before, after, digester.size_bytes, source.at(name))
                step = Failed("Time-Stamping Destination File", dest, name)
                large = digester.size_bytes >= FLUSH_ALONE_BYTES
                dest.seal(
                    out,
                    partial,
                    mtime_ns=after.mtime_ns if job.policy.keep_times else None,
                    mode=after.mode if job.policy.keep_modes else None,
                    owner=after.owner if job.policy.keep_owner else None,
                    flush=job.destination_volume.flush is fs.Flush.FILE
                    or (large and job.destination_volume.flush is fs.Flush.VOLUME),
                )
            finally:
                if action.source.size_bytes >= FLUSH_ALONE_BYTES:
                    fs.drop_cache(fd)
                fs.close(fd)
        except OSError as error:
            if made:
                _discard(dest, partial)
            return step.because(error).outcome(action)
        digest = digester.digest if job.verify is not Verify.NONE else ""
        return _Staged(
            index, action, source, dest, partial, digest, digester.also, after.size_bytes, after.mtime_ns, after.mode
        )

    def _pour(self, fd: int, out: int, size: int, digester: Digester, writing: Failed, reading: Failed) -> Failed:
        """Everything from `fd` to `out`. Raises OSError after noting which side failed; returns _STOPPED on a stop."""
        job = self._job
        hashed = job.verify is not Verify.NONE or bool(job.also)
        step = reading
        views = fs.read_views(fd, size)
        try:
            while True:
                step = reading
                view = next(views, None)
                if view is None:
                    return writing
                job.meter.take(len(view))
                step = writing
                fs.write_all(out, view)
                if hashed:
                    digester.update(view)
                else:
                    digester.size_bytes += len(view)
                job.moved(len(view))
                if job.stop and digester.size_bytes < size:
                    return _STOPPED
        except OSError as error:
            raise _SidedError(step, error) from error

    def _create(self, dest: fs.Folder, partial: str, action: Action) -> int:
        try:
            return dest.create(partial, action.source.mode)
        except FileExistsError:  # left by an earlier try of this run
            dest.unlink(partial)
            return dest.create(partial, action.source.mode)

    def _link(self, action: Action, dest: fs.Folder) -> Outcome:
        entry = action.source
        partial = partial_name(action.path, entry.size_bytes, entry.mtime_ns, self._job.token)
        step = Failed("Creating Destination File", dest, entry.name)
        try:
            dest.unlink(partial)
            dest.link(partial, entry.target, entry.mtime_ns)
            dest.replace(partial, entry.name)
        except OSError as error:
            _discard(dest, partial)
            return step.because(error).outcome(action)
        return Outcome(action, Status.LINKED, 0, entry.mtime_ns)

    # -- second half: flush, read back, rename ---------------------------------------------------------------------

    def _complete(self, staged: List[_Staged]) -> List[Tuple[_Staged, Outcome]]:
        if not staged:
            return []
        job = self._job
        if not job.holds_lock():
            job.stop.set("the lock of this tree was lost to another transfer")
            for item in staged:
                _discard(item.dest, item.partial)
            return [(item, Outcome(item.action, Status.STOPPED)) for item in staged]
        if job.destination_volume.flush is fs.Flush.VOLUME and any(s.size_bytes < FLUSH_ALONE_BYTES for s in staged):
            try:
                staged[0].dest.flush_volume()
            except OSError as error:
                # The error names no file and a second flush would lie: every file of the batch is written again.
                step = Failed("Copying File", staged[0].dest.path)
                for item in staged:
                    _discard(item.dest, item.partial)
                return [(item, step.because(error).outcome(item.action)) for item in staged]
        results = [(item, self._finish(item)) for item in staged]
        if job.destination_volume.flush is fs.Flush.FILE:
            for dest in {id(item.dest): item.dest for item in staged}.values():
                try:
                    dest.flush_names()
                except OSError as error:
                    step = Failed("Copying File", dest.path).because(error)
                    results = [(i, step.outcome(i.action) if i.dest is dest else outcome) for i, outcome in results]
        return results

    def _finish(self, item: _Staged) -> Outcome:
        job, action, dest = self._job, item.action, item.dest
        name = action.source.name
        if job.stop and job.verify.rank >= Verify.REREAD.rank and item.size_bytes >= FLUSH_ALONE_BYTES:
            _discard(dest, item.partial)
            return Outcome(action, Status.STOPPED)
        step = Failed("Copying File", dest, name)
        note = ""
        try:
            evidence = Evidence.NONE if job.verify is Verify.NONE else Evidence.INFLIGHT
            if job.verify.rank >= Verify.REREAD.rank:
                stored, right = self._matches(dest, item.partial, item, cold=self._cold)
                if not right:
                    stored, right = self._matches(dest, item.partial, item, cold=self._cold)
                    note = f"{action.path}: read back wrong once, right the second time"
                if not right:
                    _discard(dest, item.partial)
                    failure = Failure(
                        "Copying File", dest.at(name), _MISMATCH_CODE, "what was read back is not what was sent"
                    )
                    return Outcome(action, Status.RETRY, failure=failure)
                evidence = self._readback
                if job.verify is Verify.BOTH:
                    _, right = self._matches(item.source, name, item, cold=self._source_cold)
                    if not right:
                        _discard(dest, item.partial)
                        reason = "two reads of the source gave different bytes"
                        failure = Failure("Copying File", item.source.at(name), _MISMATCH_CODE, reason)
                        return Outcome(action, Status.RETRY, failure=failure)
                    if self._source_cold and evidence is Evidence.COLD:
                        evidence = Evidence.BOTH
            else:
                found = dest.stat(item.partial)
                if found.size_bytes != item.size_bytes:
                    _discard(dest, item.partial)
                    failure = Failure("Copying File", dest.at(name), _MISMATCH_CODE, "it was stored too short")
                    return Outcome(action, Status.RETRY, failure=failure)
                stored = found.mtime_ns
            if job.policy.keep_times and stored != item.mtime_ns:
                step = Failed("Time-Stamping Destination File", dest, name)
                stored = dest.restamp(item.partial, item.mtime_ns)
            step = Failed("Creating Destination File", dest, name)
            dest.replace(item.partial, name, item.mode if job.policy.keep_modes else None)
        except OSError as error:
            _discard(dest, item.partial)
            return step.because(error).outcome(action)
        return Outcome(
            action, Status.COPIED, item.size_bytes, item.mtime_ns, item.digest, evidence, stored, item.also, None, note
        )

    def _matches(self, folder: fs.Folder, name: str, item: _Staged, *, cold: bool) -> Tuple[int, bool]:
        """(mtime kept, True when size and digest are those of the bytes that were sent)."""
        with folder.back(name, cold=cold, follow=self._follow and folder is item.source) as (found, views):
            if found.size_bytes != item.size_bytes:
                return found.mtime_ns, False
            self._job.meter.take(item.size_bytes)
            size, digest = digest_views(views)
            return found.mtime_ns, size == item.size_bytes and digest == item.digest

    # -- files that are already there ------------------------------------------------------------------------------

    def _prove(self, action: Action, source: fs.Folder, dest: fs.Folder) -> Optional[Outcome]:
        """Read both sides. None: they differ, copy again."""
        job, entry = self._job, action.source
        step = Failed("Copying File", source, entry.name)
        digester = Digester(job.also)
        try:
            with source.back(entry.name, cold=self._source_cold, follow=self._follow) as (before, views):
                if (before.size_bytes, before.mtime_ns) != (entry.size_bytes, entry.mtime_ns):
                    return None
                for view in views:
                    job.meter.take(len(view))
                    digester.update(view)
                    job.moved(len(view))
                    if job.stop and digester.size_bytes < before.size_bytes:
                        return Outcome(action, Status.STOPPED)
            step = Failed("Copying File", dest, entry.name)
            with dest.back(entry.name, cold=self._cold) as (found, views):
                size, digest = digest_views(self._metered(views))
            if size != before.size_bytes or digest != digester.digest:
                return None
            evidence = self._readback
            if job.verify is Verify.BOTH:
                step = Failed("Copying File", source, entry.name)
                with source.back(entry.name, cold=self._source_cold, follow=self._follow) as (_, views):
                    if digest_views(self._metered(views))[1] != digester.digest:
                        reason = "two reads of the source gave different bytes"
                        failure = Failure(step.operation, step.path, _MISMATCH_CODE, reason)
                        return Outcome(action, Status.RETRY, failure=failure)
                if self._source_cold and evidence is Evidence.COLD:
                    evidence = Evidence.BOTH
            if action.file_class is FileClass.TWEAKED and job.policy.fix_modes:
                step = Failed("Changing File Attributes", dest, entry.name)
                dest.set_mode(entry.name, entry.mode)
        except OSError as error:
            return step.because(error).outcome(action)
        return Outcome(
            action,
            Status.PROVEN,
            before.size_bytes,
            before.mtime_ns,
            digester.digest,
            evidence,
            found.mtime_ns,
            digester.also,
        )

    def _metered(self, views: Iterator[memoryview]) -> Iterator[memoryview]:
        for view in views:
            self._job.meter.take(len(view))
            yield view


class Failed(NamedTuple):
    """An operation that may fail, and once it did, how. Made for every step of every file, so the path is joined only
    when it is needed."""

    operation: str
    place: Union[str, fs.Folder]
    name: str = ""
    code: int = 0
    reason: str = ""
    heal: fs.Heal = fs.Heal.MAYBE

    @property
    def path(self) -> str:
        """Full path of what the operation worked on."""
        return self.place if isinstance(self.place, str) else self.place.at(self.name)

    def because(self, error: OSError) -> Failed:
        """This step, with the error that ended it."""
        if isinstance(error, _SidedError):
            return error.step.because(error.error)
        code, reason = fs.explain(error)
        return self._replace(code=code, reason=reason, heal=fs.heal(error))

    def outcome(self, action: Action) -> Outcome:
        """The outcome of an action that this step ended."""
        status = {fs.Heal.MAYBE: Status.RETRY, fs.Heal.NEVER: Status.FAILED, fs.Heal.FULL: Status.FULL}[self.heal]
        return Outcome(action, status, failure=Failure(self.operation, self.path, self.code, self.reason))


_STOPPED = Failed("", "")


class _SidedError(OSError):
    """An error while bytes flowed, with the side that gave it."""

    def __init__(self, step: Failed, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.step = step
        self.error = error


def partial_name(path: str, size_bytes: int, mtime_ns: int, token: str) -> str:
    """Name of the partial of one source file in one run: short, whatever the length of the target's name."""
    text = f"{path}\0{size_bytes}\0{mtime_ns}\0{token}".encode("utf-8", "surrogateescape")
    return f".vdt-{hashlib.blake2b(text, digest_size=8).hexdigest()}.partial"


def _discard(dest: fs.Folder, partial: str) -> None:
    """Remove a partial; one that cannot be removed is cleaned up by the next complete run."""
    try:
        dest.unlink(partial)
    except OSError:
        pass


def _unstable(action: Action, before: Tuple[int, int], after: fs.Stat, read: int, path: str) -> Outcome:
    if not after.regular:
        reason = "it is no longer a plain file"
    elif before[0] != after.size_bytes:
        reason = f"it changed while it was read ({before[0]} -> {after.size_bytes} bytes)"
    elif before[1] != after.mtime_ns:
        reason = "it changed while it was read (its time moved)"
    else:
        reason = f"it gave {read} bytes where {after.size_bytes} were promised"
    return Outcome(action, Status.UNSTABLE, failure=Failure("Copying File", path, 0, reason))
