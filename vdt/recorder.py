"""Writes down what happens to one tree: tally, log lines, evidence, manifest, one line a file, the screen.

Fed by one thread, in the order in which things happen. Decides nothing: what a failed attempt leads to is said by
transfer.py, which calls one of `arrived`, `will_retry`, `looks_again`, `gave_up`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Dict, List, Optional, Protocol, Tuple

from vdt import fs
from vdt.evidence import EvidenceWriter
from vdt.manifest import SortedLines
from vdt.model import Action, Entry, Failure, FileClass, Grew, Kind, Outcome, Status, Verb, join
from vdt.plan import FolderPlan
from vdt.printable import printable
from vdt.progress import Progress, Silent
from vdt.records import Record
from vdt.robocopy.classes import FolderKind, Skip
from vdt.robocopy.log import LogFormat
from vdt.snapshot import LINK_SIZE, Snapshot
from vdt.steps import TAKEN_CODE
from vdt.tally import Tally
from vdt.treelog import LogSink, NoLog
from vdt.watch import Watch

_NO_DIGEST = "0" * 32  # of a copy that nobody hashed
_MOST_FILE_NOTES = 50
_FLUSH_EVERY_S = 30.0  # a power cut costs the evidence since the last flush
_SKIP_WORDS = {word.value: word for word in Skip}
_NOT_FOUND = 2


class FileSink(Protocol):
    """Told of each file as it is settled (--jsonl)."""

    def __call__(self, path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None: ...


def no_sink(path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None:
    """Nobody asked."""


@dataclass
class Reports:
    """Where a transfer writes. Each is there; the empty ones do nothing."""

    log: LogSink = field(default_factory=NoLog)
    evidence: Optional[EvidenceWriter] = None
    manifest: Optional[SortedLines] = None
    also_manifest: Optional[SortedLines] = None  # of the second digest
    each_file: FileSink = no_sink
    progress: Progress = field(default_factory=Silent)
    watch: Watch = field(default_factory=Watch)


class Recorder:
    """The reports of one tree while it is copied.

    Args:
        before: the count before, where one was made: files that grew since are named.
        also: name of the second digest, or None.
    """

    def __init__(
        self,
        source: str,
        destination: str,
        layout: LogFormat,
        reports: Reports,
        *,
        before: Optional[Snapshot],
        also: Optional[str],
    ) -> None:
        self.tally = Tally()
        self.notes: List[str] = []
        self._file_notes = 0
        self.grew: List[Grew] = []
        self.retries = 0
        self.waited_s = 0.0
        self._source, self._destination = source, destination
        self._layout, self._out = layout, reports
        self._log = reports.log
        self._logged = not isinstance(reports.log, NoLog)  # a line that nobody keeps is not made
        self._heard = reports.each_file is not no_sink
        self._before, self._also = before, also
        # whether anybody keeps something of each file; a plain `vdt copy` only counts them
        self._kept = (
            self._logged or self._heard or bool(reports.evidence or reports.manifest is not None or before is not None)
        )
        self._counted_folder: Optional[str] = None
        self._counted: Dict[str, Tuple[int, int]] = {}
        self._last_flush = time.monotonic()
        self._second, self._second_text = 0, ""

    # -- folders ---------------------------------------------------------------------------------------------------

    def folder(self, plan: FolderPlan, *, created: bool) -> None:
        """A folder of the source is being dealt with."""
        kind = FolderKind.NEW if created else FolderKind.EXISTING
        line = self._layout.folder_line(kind, plan.listed, fs.full_path(self._source, plan.folder))
        if line:
            self._log.write(line)

    def folder_failed(self, folder: str, operation: str, path: str, error: OSError) -> None:
        """A folder that could not be listed or made; what it holds is not counted."""
        code, reason = fs.explain(error)
        words = f"{operation}: {reason}"
        self.tally.folder_failed(folder, words)
        self._error(folder or ".", Failure(operation, path, code, reason))
        self._out.each_file(folder, 0, "failed", "", "", words)

    def plan(self, plan: FolderPlan) -> None:
        """Everything that is settled by the plan alone: extras, mismatches, conflicts, skipped files."""
        layout, log = self._layout, self._log
        prefix = plan.folder + "/" if plan.folder else ""
        place = fs.full_path(self._destination, plan.folder)
        self.tally.plan(plan, prefix)
        if self._before is None:
            files = [skipped.entry.size_bytes for skipped in plan.skipped]
            files += [action.source.size_bytes for action in plan.actions]
            self._out.progress.found(len(files), sum(files))
        for entry in plan.extra_folders:
            log.write(layout.extra_folder(fs.full_path(place, entry.name)))
        for entry in plan.extra_files:
            name = fs.full_path(place, entry.name) if layout.wants_paths else entry.name
            log.write(layout.extra_file(entry.size_bytes, name))
        for source, _ in plan.mismatches:
            path = fs.full_path(place, source.name)
            if source.kind is Kind.FOLDER:
                log.write(layout.mismatch_folder(0, path))
            else:
                log.write(layout.mismatch_file(source.size_bytes, path if layout.wants_paths else source.name))
        for entry in plan.excluded_folders:
            log.write(layout.folder_line(FolderKind.NAMED, 0, fs.full_path(self._source, prefix + entry.name)))
        for problem, _ in plan.conflicts:
            path = fs.full_path(self._source, problem.path)
            self._error(problem.path, Failure("Copying File", path, TAKEN_CODE, problem.reason))
            self._out.each_file(problem.path, 0, "conflict", "", "", problem.reason)
        for entry, reason in plan.refused:
            self.refused(prefix + entry.name, entry.size_bytes, reason, counted=True)
        if plan.skipped:
            self._skipped(plan, prefix)

    def _skipped(self, plan: FolderPlan, prefix: str) -> None:
        moved = sum(skipped.entry.size_bytes for skipped in plan.skipped)
        for skipped in plan.skipped if self._kept else ():
            entry, record = skipped.entry, skipped.record
            if self._layout.verbose:
                self._skipped_line(entry, skipped.file_class, skipped.word, prefix)
            path = prefix + entry.name
            if record is not None:
                self._list_digests(path, record.digest, record.also.partition(":")[2])
                if self._before is not None:
                    self._note_growth(path, entry.size_bytes)
            if not skipped.word:
                digest = record.digest if record is not None else ""
                self._out.each_file(path, entry.size_bytes, "skipped", skipped.evidence.value, digest, "")
        self._out.progress.moved(moved)
        self._out.progress.done(len(plan.skipped))

    def _skipped_line(self, entry: Entry, file_class: FileClass, word: str, prefix: str) -> None:
        name = fs.full_path(self._source, prefix + entry.name) if self._layout.wants_paths else entry.name
        if word in _SKIP_WORDS:
            self._log.write(self._layout.skip_line(_SKIP_WORDS[word], entry.size_bytes, name))
        else:
            self._log.write(self._layout.file_line(file_class, False, entry.size_bytes, name))

    def broken_link(self, folder: str, entry: Entry, reason: str) -> None:
        """A link that was to be followed and leads nowhere."""
        path = join(folder, entry.name)
        self.tally.file_failed(path, 0, reason, 1)
        self._error(path, Failure("Copying File", fs.full_path(self._source, path), _NOT_FOUND, reason))
        self._out.each_file(path, 0, "failed", "", "", reason)

    def refused(self, path: str, size_bytes: int, reason: str, *, counted: bool = False) -> None:
        """A file that was never begun; `counted` when the tally knows it already."""
        if not counted:
            self.tally.file_failed(path, size_bytes, reason, 1)
        failure = Failure("Creating Destination File", fs.full_path(self._destination, path), TAKEN_CODE, reason)
        self._error(path, failure)
        self._out.each_file(path, size_bytes, "failed", "", "", reason)

    # -- files -----------------------------------------------------------------------------------------------------

    def would(self, action: Action) -> None:
        """A dry run's answer for one file."""
        size = action.source.size_bytes
        copied = action.verb is not Verb.PROVE
        self.tally.outcome(Outcome(action, Status.COPIED if copied else Status.PROVEN, size))
        self._file_line(action, size, copied=copied)

    def arrived(self, outcome: Outcome) -> None:
        """A file was copied, linked, or proven where it lay."""
        self.tally.outcome(outcome)
        if outcome.note:
            self._note(outcome.note)
        if not self._kept:
            return
        action = outcome.action
        path = action.path
        size = outcome.size_bytes
        copied = outcome.status is not Status.PROVEN
        self._file_line(action, size, copied=copied)
        if self._out.evidence is not None and outcome.status is not Status.LINKED:
            # a copy that was not read back is put on record too: it ends what an earlier run proved of this name
            self._out.evidence.add(path, self._record(outcome), self._now())
        if outcome.digest:
            self._list_digests(path, outcome.digest, outcome.also)
        if self._before is not None:
            self._note_growth(path, size)
        if self._heard:
            state = "linked" if outcome.status is Status.LINKED else "copied" if copied else "skipped"
            self._out.each_file(path, size, state, outcome.evidence.value, outcome.digest, "")

    def _note(self, note: str) -> None:
        """Keep the first notes on files; the others are counted, so that they do not grow with the tree."""
        self._file_notes += 1
        if self._file_notes <= _MOST_FILE_NOTES:
            self.notes.append(note)

    @property
    def all_notes(self) -> Tuple[str, ...]:
        """Every note, and how many were left out."""
        more = self._file_notes - _MOST_FILE_NOTES
        return (*self.notes, f"{more} more notes of this kind on single files") if more > 0 else tuple(self.notes)

    def _record(self, outcome: Outcome) -> Record:
        also = f"{self._also}:{outcome.also}" if self._also else ""
        stored = outcome.stored_mtime_ns
        digest = outcome.digest or _NO_DIGEST
        return Record(outcome.size_bytes, outcome.mtime_ns, stored, digest, outcome.evidence, also)

    def attempt_failed(self, outcome: Outcome) -> str:
        """One attempt at a file failed: the file's line and the error's lines. Returns the reason for reports."""
        failure = outcome.failure
        assert failure is not None
        self._file_line(outcome.action, outcome.action.source.size_bytes, copied=True)
        self._error_lines(failure)
        return f"{failure.operation} {printable(failure.path)}: {failure.reason}"

    def will_retry(self, action: Action, reason: str, wait_s: float) -> None:
        self.retries += 1
        self.waited_s += wait_s
        self._log.write(self._layout.retry_wait(wait_s))
        self._out.progress.say(f"{printable(action.path)}: {reason}; trying again in {wait_s:g} s")

    def looks_again(self, action: Action, reason: str) -> None:
        self._out.progress.say(f"{printable(action.path)}: {reason}; looked at again at the end")

    def retry_limit(self) -> None:
        self._log.write(self._layout.retry_limit())

    def gave_up(self, action: Action, reason: str, *, unstable: bool) -> None:
        """A file is not tried any more."""
        size = action.source.size_bytes
        if unstable:
            self.tally.file_unstable(action.path, size, reason, action.attempt)
        elif action.verb is Verb.PROVE:
            self.tally.file_unproven(action.path, size, reason, action.attempt)
        else:
            self.tally.file_failed(action.path, size, reason, action.attempt)
        word = "unstable" if unstable else "failed"
        self._out.progress.say(f"{word.upper()} {printable(action.path)}: {reason}")
        self._out.each_file(action.path, size, word, "", "", reason)

    def conflict(self, action: Action, reason: str) -> None:
        """The copy is still what was proven and the source is not: kept."""
        self.tally.file_conflict(action.path, action.source.size_bytes, reason)
        self._out.progress.say(f"CONFLICT {printable(action.path)}: {reason}")
        self._out.each_file(action.path, action.source.size_bytes, "conflict", "", "", reason)

    def batch_done(self, files: int) -> None:
        """Some files were settled: move the bar, and flush the evidence now and then."""
        self._out.progress.done(files)
        if time.monotonic() - self._last_flush >= _FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Force the evidence to the medium. Raises LostOutputError."""
        self._last_flush = time.monotonic()
        if self._out.evidence is not None:
            self._out.evidence.flush()

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _file_line(self, action: Action, size_bytes: int, *, copied: bool) -> None:
        layout = self._layout
        if self._logged:
            name = fs.full_path(self._source, action.path) if layout.wants_paths else action.source.name
            self._log.write(layout.file_line(action.file_class, copied, size_bytes, name))

    def _error(self, path: str, failure: Failure) -> None:
        self._error_lines(failure)
        self._out.progress.say(f"FAILED {printable(path)}: {failure.reason}")

    def _error_lines(self, failure: Failure) -> None:
        words = failure.reason[:1].upper() + failure.reason[1:]
        self._log.write(self._layout.error(datetime.now(), failure.code, failure.operation, failure.path, words))

    def _list_digests(self, path: str, digest: str, also: str) -> None:
        if self._out.manifest is not None:
            self._out.manifest.add(path, digest)
        if self._out.also_manifest is not None and also:
            self._out.also_manifest.add(path, also)

    def _note_growth(self, path: str, size_bytes: int) -> None:
        """Name a file whose size is not the one that was counted before."""
        assert self._before is not None
        folder, _, name = path.rpartition("/")
        if self._counted_folder != folder:
            self._counted_folder, self._counted = folder, self._before.folder(folder)
        known = self._counted.get(name)
        if known is not None and known[0] not in (size_bytes, LINK_SIZE):
            self.grew.append(Grew(path, known[0], size_bytes))

    def _now(self) -> str:
        """Local time with offset, to the second; made once a second, not once a file."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second).astimezone().isoformat()
        return self._second_text
