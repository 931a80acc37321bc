"""Copies a batch of files: source -> partial beside the target -> flushed -> read back -> renamed over the target.

Rule 1: the final name never holds bytes that did not pass the level asked for.
Rule 2: the source is only ever opened for reading.
Rule 3: every failure ends as an Outcome that names operation, path and reason; only a defect raises.
Rule 4: after a flush or close that failed the partial is thrown away and written again, never flushed again.

Per small file, verified past the cache, Linux: open, read, fstat, close of the source; open, write, utimensat, close of
the partial; open, fstat, read, close of the read-back; rename and a stat of the final name. One syncfs a batch.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple, Union

from vdt import fs
from vdt.compare import conflict_words, older_or_shorter
from vdt.copyjob import FLUSH_ALONE_BYTES, Batch, CopyJob, Part
from vdt.hashing import digest_of
from vdt.journal import Journal, Journals
from vdt.model import Action, Failure, FileClass, Links, Outcome, Status, Verb, Verify
from vdt.partial import Begun, Partials, discard, partial_name
from vdt.sidedata import SideData
from vdt.steps import TAKEN_CODE, Step, StoppedReadingError
from vdt.verifier import Proof, Verifier

_NOT_RENAMED = "the rename was said to be done and was not"


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
    journal: Optional[Journal] = None  # of a large file
    resumed_bytes: int = 0


class Copier:
    """Does batches; one instance serves all workers of a tree, it keeps no state of its own.

    Args:
        journals: of the large partials that earlier runs left, and of those that this one makes.
    """

    def __init__(self, job: CopyJob, journals: Optional[Journals] = None) -> None:
        self._job = job
        self._partials = Partials(job, Journals() if journals is None else journals)
        self._verifier = Verifier(job)
        self._side = SideData(job)
        self._follow = job.policy.links is Links.FOLLOW
        self._hashed = job.verify is not Verify.NONE
        self._flush_each = job.destination_volume.flush is fs.Flush.FILE

    @property
    def notes(self) -> Tuple[str, ...]:
        """What is to be said of all files together."""
        return self._side.notes

    def carry_folder(self, folder: str) -> None:
        """See to what a folder has beside its names, before it gets its times. Raises OSError."""
        self._side.carry_folder(folder)

    def __call__(self, batch: Batch) -> List[Outcome]:
        """Do every action of a batch; outcomes come in the batch's order."""
        outcomes: List[Optional[Outcome]] = [None] * batch.count
        staged: List[_Staged] = []
        handles: List[fs.Folder] = []
        places: List[Tuple[fs.Folder, int, int]] = []  # (destination folder, its first and last position)
        index = 0
        try:
            for part in batch.parts:
                self._job.watch.at("Opening Folder", fs.full_path(self._job.destination, part.folder))
                opened = self._open_folders(part)
                if isinstance(opened, list):
                    outcomes[index : index + len(opened)] = opened
                    index += len(opened)
                    continue
                handles += opened
                places.append((opened[1], index, index + len(part.actions)))
                for action in part.actions:
                    result = self._begin(index, action, *opened)
                    if isinstance(result, _Staged):
                        staged.append(result)
                    else:
                        outcomes[index] = result
                    index += 1
            for item, outcome in self._complete(staged):
                outcomes[item.position] = outcome
            if self._job.destination_volume.flush is fs.Flush.FILE:
                for dest, first, last in places:
                    part_outcomes = outcomes[first:last]
                    self._flush_names(dest, part_outcomes)
                    outcomes[first:last] = part_outcomes
        finally:
            for handle in handles:
                handle.close()
            self._job.watch.idle()
        return [outcome for outcome in outcomes if outcome is not None]

    def _open_folders(self, part: Part) -> Union[Tuple[fs.Folder, fs.Folder], List[Outcome]]:
        """Both folders of a part, or the failed outcomes of all its actions."""
        step = Step("Scanning Source Directory", fs.full_path(self._job.source, part.folder))
        try:
            # a root may be named by a link; below it a link was put in a folder's place
            source = fs.Folder(step.path, beneath="" if self._follow else self._job.source, waits=self._job.waits)
            step = Step("Accessing Destination Directory", fs.full_path(self._job.destination, part.folder))
            try:
                dest = fs.Folder(step.path, beneath=self._job.destination, waits=self._job.waits, hold=True)
                try:
                    self._job.guard()  # now that it is open: the mount could be taken from under the name before
                except OSError:
                    dest.close()
                    raise
                return source, dest
            except OSError:
                source.close()
                raise
        except OSError as error:
            return [step.failed(error, action) for action in part.actions]

    # -- first half: read the source, write the partial ------------------------------------------------------------

    def _begin(self, index: int, action: Action, source: fs.Folder, dest: fs.Folder) -> Union[_Staged, Outcome]:
        if self._job.stop or (action.verb is Verb.LINK and self._job.lost_lock()):
            return Outcome(action, Status.STOPPED)
        self._job.watch.at("Copying File", source, action.source.name, dest)
        if action.verb is Verb.LINK:
            return self._link(action, dest)
        if action.verb is Verb.PROVE:
            proven = self._verifier.prove(action, source, dest)
            if proven is not None:
                return proven
            found = FileClass.MODIFIED if self._job.policy.include_modified else FileClass.CHANGED
            action = action._replace(verb=Verb.COPY, file_class=found)
        small = action.source.size_bytes <= fs.WHOLE_BYTES and not self._job.also
        staged = (
            self._stage_whole(index, action, source, dest)
            if small
            else self._stage(index, action, source, dest, fresh=False)
        )
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
        step = Step("Copying File", source, name)
        begun: Optional[Begun] = None
        sealing = False
        try:
            fd = source.open_source(name, follow=self._follow)
            try:
                before: Tuple[int, int] = (action.source.size_bytes, action.source.mtime_ns)
                if fresh:
                    found = fs.fd_stat(fd)
                    before = (found.size_bytes, found.mtime_ns)
                    conflict = self._conflict(action, before)
                    if conflict:
                        failure = Failure("Copying File", source.at(name), TAKEN_CODE, conflict)
                        return Outcome(action, Status.CONFLICT, failure=failure)
                step = Step("Creating Destination File", dest, name)
                begun = self._partials.begin(dest, action, before)
                digester = begun.digester
                try:
                    self._partials.pour(fd, begun, before[0], step, Step("Copying File", source, name))
                    after = fs.fd_stat(fd)
                except (OSError, StoppedReadingError):
                    fs.close(begun.out)
                    raise
                steady = after.regular and (after.size_bytes, after.mtime_ns) == before
                if not steady or digester.size_bytes != after.size_bytes:
                    fs.close(begun.out)
                    self._partials.throw_away(dest, begun.partial, begun.journal)
                    if not fresh and not job.stop:
                        return None
                    return _unstable(action, before, after, digester.size_bytes, source.at(name))
                step = Step("Copying File", source, name)
                self._carry_side(action, source, dest, begun.partial, begun.out)
                step = Step("Time-Stamping Destination File", dest, name)
                large = digester.size_bytes >= FLUSH_ALONE_BYTES
                sealing = True
                dest.seal(
                    begun.out,
                    begun.partial,
                    mtime_ns=after.mtime_ns if job.policy.keep_times else None,
                    mode=after.mode if job.policy.keep_modes else None,
                    created_mode=0 if begun.resumed_bytes else action.source.mode,
                    owner=after.owner if job.policy.keep_owner else None,
                    flush=job.destination_volume.flush is fs.Flush.FILE
                    or (large and job.destination_volume.flush is fs.Flush.VOLUME),
                    other_times=action.source.other_times,
                )
            finally:
                try:
                    if action.source.size_bytes >= FLUSH_ALONE_BYTES:
                        fs.drop_cache(fd)
                finally:
                    fs.close(fd)
        except OSError as error:
            if begun is not None:  # after a flush or close that failed nothing of the partial can be trusted
                (self._partials.throw_away if sealing else self._partials.leave)(dest, begun.partial, begun.journal)
            return step.failed(error, action)
        except StoppedReadingError:
            if begun is not None:  # else what an earlier try left was being read again: it stays as it is
                self._partials.leave(dest, begun.partial, begun.journal)
            return Outcome(action, Status.STOPPED)
        return _Staged(
            index,
            action,
            source,
            dest,
            begun.partial,
            digester.digest if job.verify is not Verify.NONE else "",
            digester.also,
            after.size_bytes,
            after.mtime_ns,
            after.mode,
            begun.journal,
            begun.resumed_bytes,
        )

    def _conflict(self, action: Action, source: Tuple[int, int]) -> str:
        """Why a source that is no longer as listed must not replace what lies there; "" where it may. What the listing
        showed was decided by the plan."""
        if not action.proven_digest or action.dest is None or self._job.replace_proven:
            return ""
        proven_bytes = action.dest.size_bytes
        if not older_or_shorter(*source, (proven_bytes, action.proven_mtime_ns), self._job.policy):
            return ""
        return conflict_words(source[0], proven_bytes)

    def _stage_whole(
        self, index: int, action: Action, source: fs.Folder, dest: fs.Folder
    ) -> Union[_Staged, Outcome, None]:
        """Copy a small file, held in memory as a whole, into the partial. None: it is no longer as listed."""
        job, entry = self._job, action.source
        name, size, mtime_ns = entry.name, entry.size_bytes, entry.mtime_ns
        job.meter.take(size)
        try:
            after, view = source.read_whole(name, size, follow=self._follow)
        except OSError as error:
            return Step("Copying File", source, name).failed(error, action)
        if len(view) != size or after.size_bytes != size or after.mtime_ns != mtime_ns or not after.regular:
            return None
        partial = partial_name(action.path, size, mtime_ns, job.token)
        operation = "Creating Destination File"
        policy = job.policy
        try:
            out = dest.write_whole(partial, view, entry.mode)
            digest = digest_of(view) if self._hashed else ""
            if self._side.looks:
                operation = "Copying File"
                self._carry_side(action, source, dest, partial, out)
            operation = "Time-Stamping Destination File"
            dest.seal(
                out,
                partial,
                mtime_ns=mtime_ns if policy.keep_times else None,
                mode=after.mode if policy.keep_modes else None,
                created_mode=entry.mode,
                owner=after.owner if policy.keep_owner else None,
                flush=self._flush_each,
                other_times=entry.other_times,
            )
        except OSError as error:
            discard(dest, partial)
            return Step(operation, dest, name).failed(error, action)
        job.moved(size)
        return _Staged(index, action, source, dest, partial, digest, "", size, mtime_ns, after.mode)

    def _carry_side(self, action: Action, source: fs.Folder, dest: fs.Folder, partial: str, out: int) -> None:
        """See to the alternate data streams of a file. Raises OSError, with the partial closed."""
        try:
            self._side.carry(source, action.source.name, dest, partial, action.path)
        except OSError:
            fs.close(out)
            raise

    def _link(self, action: Action, dest: fs.Folder) -> Outcome:
        entry = action.source
        partial = partial_name(action.path, entry.size_bytes, entry.mtime_ns, self._job.token)
        step = Step("Creating Destination File", dest, entry.name)
        try:
            dest.unlink(partial)
            dest.link(partial, entry.target, entry.mtime_ns)
            made = dest.stat(partial)
            dest.replace(partial, entry.name)
            if not _lies_there(dest, entry.name, made.size_bytes, made.file_id):
                discard(dest, partial)
                return step.wrong(action, _NOT_RENAMED)
        except OSError as error:
            discard(dest, partial)
            return step.failed(error, action)
        return Outcome(action, Status.LINKED, 0, entry.mtime_ns)

    # -- second half: flush, read back, rename ---------------------------------------------------------------------

    def _complete(self, staged: List[_Staged]) -> List[Tuple[_Staged, Outcome]]:
        if not staged:
            return []
        job = self._job
        job.watch.at("Flushing", staged[0].dest)
        if not job.holds_lock():
            job.stop.set("the lock of this tree was lost to another transfer")
            for item in staged:
                if item.journal is None:  # one that a journal knows may be in the hands of whoever holds the lock now
                    discard(item.dest, item.partial)
            return [(item, Outcome(item.action, Status.STOPPED)) for item in staged]
        if job.destination_volume.flush is fs.Flush.VOLUME and any(s.size_bytes < FLUSH_ALONE_BYTES for s in staged):
            try:
                staged[0].dest.flush_volume()
            except OSError as error:
                # The error names no file and a second flush would lie: every file of the batch is written again.
                step = Step("Copying File", staged[0].dest.path)
                for item in staged:
                    self._partials.throw_away(item.dest, item.partial, item.journal)
                return [(item, step.failed(error, item.action)) for item in staged]
        proofs = [(item, self._proved(item)) for item in staged]
        for dest in {item.dest for item in staged}:
            dest.settle()
        return [(item, self._renamed(item, proof) if isinstance(proof, Proof) else proof) for item, proof in proofs]

    def _flush_names(self, dest: fs.Folder, outcomes: List[Optional[Outcome]]) -> None:
        """Force the renames of one folder to the medium; `outcomes` are its actions', replaced where that fails."""
        if not any(o is not None and o.status in (Status.COPIED, Status.LINKED) for o in outcomes):
            return
        try:
            dest.flush_names()
        except OSError as error:
            step = Step("Copying File", dest.path)
            for at, outcome in enumerate(outcomes):
                if outcome is not None and outcome.status in (Status.COPIED, Status.LINKED):
                    outcomes[at] = step.failed(error, outcome.action)

    def _proved(self, item: _Staged) -> Union[Proof, Outcome]:
        """Read a flushed partial back and see that its time was kept."""
        job, action, dest = self._job, item.action, item.dest
        name = action.source.name
        job.watch.at("Proving File", dest, name)
        step = Step("Copying File", dest, name)
        try:
            proof = self._verifier.read_back(item.source, dest, name, item.partial, item.size_bytes, item.digest)
        except OSError as error:
            # one that cannot be read back a second time is written anew: the medium may be bad under it
            (self._partials.throw_away if action.attempt > 1 else self._partials.leave)(
                dest, item.partial, item.journal
            )
            return step.failed(error, action)
        except StoppedReadingError:
            self._partials.leave(dest, item.partial, item.journal)
            return Outcome(action, Status.STOPPED)
        if proof.wrong:
            self._partials.throw_away(dest, item.partial, item.journal)
            side = dest if proof.wrong_side == "destination" else item.source
            return Step("Copying File", side, name).wrong(action, proof.wrong)
        if job.policy.keep_times and proof.stored_mtime_ns != item.mtime_ns:
            try:
                return proof._replace(stored_mtime_ns=dest.restamp(item.partial, item.mtime_ns))
            except OSError as error:  # the data counts; the record says which time is kept
                refused = f"its time could not be set: {fs.explain(error)[1]}"
                return proof._replace(note=f"{proof.note}; {refused}" if proof.note else refused)
        return proof

    def _renamed(self, item: _Staged, proof: Proof) -> Outcome:
        """Give a proven partial its final name."""
        job, action, dest = self._job, item.action, item.dest
        name = action.source.name
        job.watch.at("Renaming File", dest, name)
        step = Step("Creating Destination File", dest, name)
        if job.lost_lock():  # asked again: since it was asked for the batch, this process may have stood still
            self._partials.leave(dest, item.partial, item.journal)
            return Outcome(action, Status.STOPPED)
        try:
            dest.replace(item.partial, name, item.mode if job.policy.keep_modes else None)
            if not _lies_there(dest, name, proof.size_bytes, proof.file_id):
                self._partials.throw_away(dest, item.partial, item.journal)
                return step.wrong(action, _NOT_RENAMED)
        except OSError as error:
            self._partials.leave(dest, item.partial, item.journal)
            return step.failed(error, action)
        if item.journal is not None:
            self._partials.done(item.journal)
        return Outcome(
            action,
            Status.COPIED,
            item.size_bytes,
            item.mtime_ns,
            item.digest,
            proof.evidence,
            proof.stored_mtime_ns,
            item.also,
            None,
            f"{action.path}: {proof.note}" if proof.note else "",
            item.resumed_bytes,
        )


def _lies_there(dest: fs.Folder, name: str, size_bytes: int, file_id: Tuple[int, int]) -> bool:
    """True when what was proven has its final name, as far as the system tells files apart. A name that is not there is
    no error: it is the answer."""
    try:
        found = dest.stat(name)
    except FileNotFoundError:
        return False
    return found.size_bytes == size_bytes and found.file_id == file_id


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
