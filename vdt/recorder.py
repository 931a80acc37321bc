"""Writes down what happens to one tree: tally, log lines, evidence, manifest, one line a file, the screen.

Fed by one thread, in the order in which things happen. Decides nothing: what a failed attempt leads to is said by
transfer.py, which calls one of `arrived`, `will_retry`, `looks_again`, `gave_up`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Dict, List, Optional, Protocol, Sequence, Tuple

from vdt import fs
from vdt.evidence import EvidenceWriter
from vdt.manifest import SortedLines
from vdt.model import Action, Entry, Failure, FileClass, Grew, Kind, Outcome, Status, Verb, join
from vdt.plan import FolderPlan
from vdt.printable import printable
from vdt.progress import Progress, Silent
from vdt.records import Record
from vdt.robocopy.classes import FolderKind, Skip
from vdt.robocopy.log import PROGRESS_END, LogFormat
from vdt.robocopy.order import InOrder
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
        self._order = InOrder() if self._logged and not layout.mt else None
        self._tailed = self._logged and (layout.eta or not layout.no_progress)
        self._line_at = ""  # when the last file line was written, for /ETA
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
        if self._order is not None:
            self._order.open(plan.folder, len(plan.actions))
        line = self._layout.folder_line(kind, plan.listed, fs.full_path(self._source, plan.folder))
        self._write(line, plan.folder)

    def folder_failed(self, folder: str, operation: str, path: str, error: OSError, *, listed: bool = True) -> None:
        """A folder that could not be listed (then it stands in no walk yet) or made; what it holds is not counted."""
        code, reason = fs.explain(error)
        words = f"{operation}: {reason}"
        self.tally.folder_failed(folder, words)
        if self._order is not None and not listed:
            self._order.open(folder, 0)
        self._error(folder or ".", Failure(operation, path, code, reason), folder)
        self._out.each_file(folder, 0, "failed", "", "", words)

    def plan(self, plan: FolderPlan) -> None:
        """Everything that is settled by the plan alone: extras, mismatches, conflicts, skipped files."""
        layout, folder = self._layout, plan.folder
        prefix = plan.folder + "/" if plan.folder else ""
        place = fs.full_path(self._destination, plan.folder)
        self.tally.plan(plan, prefix)
        if self._before is None:
            files = [skipped.entry.size_bytes for skipped in plan.skipped]
            files += [action.source.size_bytes for action in plan.actions]
            self._out.progress.found(len(files), sum(files))
        if plan.extra_folders or plan.extra_files or plan.named_extras:
            self._extras(plan, place)
        for source, _ in plan.mismatches:
            path = fs.full_path(self._source, prefix + source.name)
            if source.kind is Kind.FOLDER:
                self._write(layout.mismatch_folder(0, path), folder)
            else:
                name = path if layout.wants_paths else source.name
                self._write(layout.mismatch_file(source.size_bytes, name, self._stamp(source)), folder, source.name)
        for entry in plan.excluded_folders:
            kind = FolderKind.JUNCTION if entry.kind is Kind.LINK else FolderKind.NAMED
            self._write(layout.folder_line(kind, 0, fs.full_path(self._source, prefix + entry.name)), folder)
        for problem, _ in plan.conflicts:
            path = fs.full_path(self._source, problem.path)
            name = problem.path[len(prefix) :]
            self._error(problem.path, Failure("Copying File", path, TAKEN_CODE, problem.reason), folder, name)
            self._out.each_file(problem.path, 0, "conflict", "", "", problem.reason)
        for entry, reason in plan.refused:
            self.refused(prefix + entry.name, entry.size_bytes, reason, counted=True)
        if plan.skipped:
            self._skipped(plan, prefix)

    def _extras(self, plan: FolderPlan, place: str) -> None:
        """What only the destination has: folders (under /X all that lies below them), then files."""
        if not self._logged:
            return
        layout, folder = self._layout, plan.folder
        for entry in plan.extra_folders:
            below = [within for within in plan.within_extras if self._lies_in(within[0], join(folder, entry.name))]
            for path, files in below or [(join(folder, entry.name), [])]:
                there = fs.full_path(self._destination, path)
                self._write(layout.extra_folder(there), folder)
                self._extra_files(files, there, folder)
        self._extra_files(plan.extra_files, place, folder)
        for entry in plan.named_extras:
            path = fs.full_path(place, entry.name)
            if entry.kind is Kind.FOLDER:
                self._write(layout.folder_line(FolderKind.NAMED_EXTRA, -1, path), folder)
            else:
                name = path if layout.wants_paths else entry.name
                self._write(layout.skip_line(Skip.NAMED_EXTRA, entry.size_bytes, name, self._stamp(entry)), folder)

    def _extra_files(self, entries: Sequence[Entry], place: str, folder: str) -> None:
        layout = self._layout
        for entry in sorted(entries, key=lambda entry: (entry.name.upper(), entry.name)):
            name = fs.full_path(place, entry.name) if layout.wants_paths else entry.name
            self._write(layout.extra_file(entry.size_bytes, name, self._stamp(entry)), folder)

    @staticmethod
    def _lies_in(path: str, folder: str) -> bool:
        return path == folder or path.startswith(folder + "/")

    def _skipped(self, plan: FolderPlan, prefix: str) -> None:
        moved = sum(skipped.entry.size_bytes for skipped in plan.skipped)
        for skipped in plan.skipped if self._kept else ():
            entry, record = skipped.entry, skipped.record
            if self._layout.verbose:
                self._skipped_line(entry, skipped.file_class, skipped.word, plan.folder)
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

    def _skipped_line(self, entry: Entry, file_class: FileClass, word: str, folder: str) -> None:
        layout = self._layout
        name = fs.full_path(self._source, join(folder, entry.name)) if layout.wants_paths else entry.name
        if word in _SKIP_WORDS:
            line = layout.skip_line(_SKIP_WORDS[word], entry.size_bytes, name, self._stamp(entry))
        else:
            line = layout.file_line(file_class, False, entry.size_bytes, name, self._stamp(entry))
        self._write(line, folder, entry.name)

    def broken_link(self, folder: str, entry: Entry, reason: str) -> None:
        """A link that was to be followed and leads nowhere."""
        path = join(folder, entry.name)
        self.tally.file_failed(path, 0, reason, 1)
        failure = Failure("Copying File", fs.full_path(self._source, path), _NOT_FOUND, reason)
        self._error(path, failure, folder, entry.name)
        self._out.each_file(path, 0, "failed", "", "", reason)

    def refused(self, path: str, size_bytes: int, reason: str, *, counted: bool = False) -> None:
        """A file that was never begun; `counted` when the tally knows it already."""
        if not counted:
            self.tally.file_failed(path, size_bytes, reason, 1)
        failure = Failure("Creating Destination File", fs.full_path(self._destination, path), TAKEN_CODE, reason)
        folder, _, name = path.rpartition("/")
        self._error(path, failure, folder, name)
        if not counted:
            self._settled(folder)
        self._out.each_file(path, size_bytes, "failed", "", "", reason)

    # -- files -----------------------------------------------------------------------------------------------------

    def would(self, action: Action) -> None:
        """A dry run's answer for one file."""
        size = action.source.size_bytes
        copied = action.verb is not Verb.PROVE
        self.tally.outcome(Outcome(action, Status.COPIED if copied else Status.PROVEN, size))
        self._file_line(action, size, copied=copied)
        self._settled(action.folder)

    def lacks_folder(self, folder: str) -> None:
        """A folder that would have to be made."""
        self.tally.file_unproven(folder, 0, "the folder is in the source, not at the destination", 1)

    def lacks(self, action: Action) -> None:
        """A file that would have to be copied or read before anything can be said of it."""
        if action.dest is None:
            reason = "it is in the source, not at the destination"
        elif action.verb is Verb.PROVE:
            reason = "no digest is on record for the size and time that it has"
        elif action.verb is Verb.LINK:
            reason = "the link leads to something else at the destination"
        else:
            reason = "its size or time at the destination is not that of the source"
        self.tally.file_unproven(action.path, action.source.size_bytes, reason, 1)

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
        tail = ""
        if self._tailed and copied and size:
            tail = self._tail()
        self._file_line(action, size, copied=copied, tail=tail)
        self._settled(action.folder)
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
        self._error_lines(failure, outcome.action.folder, outcome.action.source.name)
        return f"{failure.operation} {printable(failure.path)}: {failure.reason}"

    def will_retry(self, action: Action, reason: str, wait_s: float) -> None:
        self.retries += 1
        self.waited_s += wait_s
        self._write(self._layout.retry_wait(wait_s), action.folder, action.source.name)
        self._out.progress.say(f"{printable(action.path)}: {reason}; trying again in {wait_s:g} s")

    def looks_again(self, action: Action, reason: str) -> None:
        self._out.progress.say(f"{printable(action.path)}: {reason}; looked at again at the end")

    def retry_limit(self, action: Action) -> None:
        self._write(self._layout.retry_limit(), action.folder, action.source.name)

    def gave_up(self, action: Action, reason: str, *, unstable: bool) -> None:
        """A file is not tried any more."""
        size = action.source.size_bytes
        if unstable:
            self.tally.file_unstable(action.path, size, reason, action.attempt)
        elif action.verb is Verb.PROVE:
            self.tally.file_unproven(action.path, size, reason, action.attempt)
        else:
            self.tally.file_failed(action.path, size, reason, action.attempt)
        self._settled(action.folder)
        word = "unstable" if unstable else "failed"
        self._out.progress.say(f"{word.upper()} {printable(action.path)}: {reason}")
        self._out.each_file(action.path, size, word, "", "", reason)

    def conflict(self, action: Action, reason: str) -> None:
        """The copy is still what was proven and the source is not: kept."""
        self.tally.file_conflict(action.path, action.source.size_bytes, reason)
        self._settled(action.folder)
        self._out.progress.say(f"CONFLICT {printable(action.path)}: {reason}")
        self._out.each_file(action.path, action.source.size_bytes, "conflict", "", "", reason)

    def batch_done(self, files: int) -> None:
        """Some files were settled: move the bar, and flush the evidence now and then."""
        self._out.progress.done(files)
        if self._order is not None:
            self._log.write(self._order.take())
        if time.monotonic() - self._last_flush >= _FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Force the evidence to the medium. Raises LostOutputError."""
        self._last_flush = time.monotonic()
        if self._out.evidence is not None:
            self._out.evidence.flush()

    # -- pieces ----------------------------------------------------------------------------------------------------

    def end_list(self) -> None:
        """No more lines of folders and files follow."""
        if self._order is not None:
            self._log.write(self._order.rest())

    def _write(self, text: str, folder: str, name: str = "") -> None:
        """A line of a folder, or of a file in it."""
        if not text:
            return
        if self._order is None:
            self._log.write(text)
        else:
            self._order.add(folder, text, name)

    def _settled(self, folder: str) -> None:
        if self._order is not None:
            self._order.settled(folder)

    def _file_line(self, action: Action, size_bytes: int, *, copied: bool, tail: str = "") -> None:
        layout = self._layout
        if self._logged:
            name = fs.full_path(self._source, action.path) if layout.wants_paths else action.source.name
            mtime = self._stamp(action.source)
            line = layout.file_line(action.file_class, copied, size_bytes, name, mtime, tail)
            self._write(line, action.folder, action.source.name)

    def _stamp(self, entry: Entry) -> Optional[datetime]:
        """The time that /TS shows: of the file itself, local."""
        if not self._layout.timestamps:
            return None
        try:
            return datetime.fromtimestamp(entry.mtime_ns // 10**9)
        except (OverflowError, OSError, ValueError):
            return None  # a time that no calendar holds

    def _tail(self) -> str:
        """What stands behind the name of a copied file: /ETA's two times, and the end of its progress."""
        tail = ""
        if self._layout.eta:
            now = datetime.now().strftime("%H:%M")
            if self._line_at:
                tail = f"\t{self._line_at} -> {now}"
            self._line_at = now
        return tail if self._layout.no_progress else tail + PROGRESS_END

    def _error(self, path: str, failure: Failure, folder: str, name: str = "") -> None:
        self._error_lines(failure, folder, name)
        self._out.progress.say(f"FAILED {printable(path)}: {failure.reason}")

    def _error_lines(self, failure: Failure, folder: str, name: str) -> None:
        words = failure.reason[:1].upper() + failure.reason[1:]
        text = self._layout.error(datetime.now(), failure.code, failure.operation, failure.path, words)
        self._write(text, folder, name)

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
