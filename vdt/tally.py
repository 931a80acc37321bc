"""Counts what happens to one tree, in robocopy's table and by evidence. Pure; fed by one thread.

total = copied + skipped + mismatch + failed, for folders, files and bytes; extras stand apart. The root folder counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List

from vdt.model import Evidence, Kind, Outcome, Problem, Row, Status, join
from vdt.plan import FolderPlan, Skipped

_CHOSEN = ("named", "large", "small", "too old", "too new", "junction")  # left out because the user said so


def leads_out(path: str, target: str) -> bool:
    """True when a link at a relative path leads to something outside of its tree."""
    text = target.replace("\\", "/")
    if text.startswith("/") or text[1:2] == ":":
        return True
    parts = path.split("/")[:-1]
    for part in text.split("/"):
        if part == "..":
            if not parts:
                return True
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return False


@dataclass
class _Counts:
    copied: int = 0
    skipped: int = 0
    mismatch: int = 0
    failed: int = 0
    extras: int = 0

    def row(self) -> Row:
        total = self.copied + self.skipped + self.mismatch + self.failed
        return Row(total, self.copied, self.skipped, self.mismatch, self.failed, self.extras)


@dataclass
class Tally:
    """The running counts of one tree, and every file that did not end well."""

    dirs: _Counts = field(default_factory=_Counts)
    files: _Counts = field(default_factory=_Counts)
    size_bytes: _Counts = field(default_factory=_Counts)
    files_by_evidence: Dict[Evidence, int] = field(default_factory=dict)
    bytes_by_evidence: Dict[Evidence, int] = field(default_factory=dict)
    weak_files: int = 0
    resumed_bytes: int = 0
    links: int = 0  # there as links; their text was compared
    unverified: int = 0  # left as they lie though the source has them: older, newer, special ...
    outward_links: List[Problem] = field(default_factory=list)
    failed: List[Problem] = field(default_factory=list)
    unstable: List[Problem] = field(default_factory=list)
    unproven: List[Problem] = field(default_factory=list)
    conflict: List[Problem] = field(default_factory=list)
    type_mismatch: List[Problem] = field(default_factory=list)
    extra: List[Problem] = field(default_factory=list)
    special: List[Problem] = field(default_factory=list)

    def folder(self, *, created: bool) -> None:
        if created:
            self.dirs.copied += 1
        else:
            self.dirs.skipped += 1

    def folder_failed(self, path: str, reason: str, attempts: int = 1) -> None:
        self.dirs.failed += 1
        self.failed.append(Problem(path or ".", reason, attempts))

    def plan(self, plan: FolderPlan, prefix: str) -> None:
        """Everything of a folder's plan that is decided without work; `prefix` is "" or the folder and a "/"."""
        present = present_bytes = 0
        for skipped in plan.skipped:
            if skipped.evidence is Evidence.PRESENT and skipped.entry.kind is Kind.FILE and not skipped.word:
                present += 1  # every file of a plain second run: counted together
                present_bytes += skipped.entry.size_bytes
            elif skipped.entry.kind is Kind.LINK and not skipped.word:
                self.files.skipped += 1
                self.link(prefix + skipped.entry.name, skipped.entry.target)
            else:
                self.skipped(skipped)
        self._present(present, present_bytes)
        for _ in plan.excluded_folders:
            self.dirs.skipped += 1
        for entry in plan.extra_files:
            self.files.extras += 1
            self.size_bytes.extras += entry.size_bytes
            self.extra.append(Problem(prefix + entry.name, "only at the destination"))
        for entry in plan.extra_folders:
            self.dirs.extras += 1
            self.extra.append(Problem(prefix + entry.name, "a folder that only the destination has"))
        counted = {join(plan.folder, entry.name) for entry in plan.extra_folders} if plan.within_extras else set()
        for folder, files in plan.within_extras:
            if folder not in counted:
                self.dirs.extras += 1
                self.extra.append(Problem(folder, "a folder that only the destination has"))
            for entry in files:
                self.files.extras += 1
                self.size_bytes.extras += entry.size_bytes
                self.extra.append(Problem(join(folder, entry.name), "only at the destination"))
        for source, dest in plan.mismatches:
            reason = f"a {source.kind.value} in the source, a {dest.kind.value} at the destination"
            self.type_mismatch.append(Problem(prefix + source.name, reason))
            if source.kind.value == "folder":
                self.dirs.mismatch += 1
            else:
                self.files.mismatch += 1
                self.size_bytes.mismatch += source.size_bytes
        for problem, size in plan.conflicts:
            self.file_conflict(problem.path, size, problem.reason)
        for entry, reason in plan.refused:
            if entry.kind is Kind.FOLDER:
                self.folder_failed(prefix + entry.name, reason)
            else:
                self.file_failed(prefix + entry.name, entry.size_bytes, reason, 1)
        for entry, reason in plan.special:
            self.special.append(Problem(prefix + entry.name, reason))
            self.unverified += entry.kind is Kind.FILE  # data that was not copied: offline, or a foreign partial
            self.files.skipped += 1
            self.size_bytes.skipped += entry.size_bytes

    def _present(self, files: int, size_bytes: int) -> None:
        """Files that were left as they lie, on size and time alone."""
        if not files:
            return
        self.files.skipped += files
        self.size_bytes.skipped += size_bytes
        self.weak_files += files
        for counts, more in ((self.files_by_evidence, files), (self.bytes_by_evidence, size_bytes)):
            counts[Evidence.PRESENT] = counts.get(Evidence.PRESENT, 0) + more

    def skipped(self, skipped: Skipped) -> None:
        size = skipped.entry.size_bytes
        self.files.skipped += 1
        self.size_bytes.skipped += size
        if skipped.word:
            self.unverified += skipped.word not in _CHOSEN
        else:
            past_cache = skipped.record is None or skipped.record.evidence.past_cache
            self._evidence(skipped.evidence, size, past_cache=past_cache)

    def outcome(self, outcome: Outcome) -> None:
        """A file that arrived or was proven."""
        size, status, evidence = outcome.size_bytes, outcome.status, outcome.evidence
        self.resumed_bytes += outcome.resumed_bytes
        if status is Status.PROVEN:
            self.files.skipped += 1
            self.size_bytes.skipped += size
        else:
            self.files.copied += 1
            self.size_bytes.copied += size
        if status is Status.LINKED:
            self.link(outcome.action.path, outcome.action.source.target)
        else:
            self._evidence(evidence, size, past_cache=evidence is Evidence.COLD or evidence is Evidence.BOTH)

    def link(self, path: str, target: str) -> None:
        """A link is there as a link. It holds no data; one that leads out of the tree says where its data lies."""
        self.links += 1
        if leads_out(path, target):
            self.outward_links.append(
                Problem(path, f"a link to {target}, outside of the tree; only the link was copied")
            )

    def _evidence(self, evidence: Evidence, size: int, *, past_cache: bool) -> None:
        files, amount = self.files_by_evidence, self.bytes_by_evidence
        files[evidence] = files.get(evidence, 0) + 1
        amount[evidence] = amount.get(evidence, 0) + size
        if not past_cache or not evidence.proves:
            self.weak_files += 1

    def file_failed(self, path: str, size_bytes: int, reason: str, attempts: int) -> None:
        self.files.failed += 1
        self.size_bytes.failed += size_bytes
        self.failed.append(Problem(path, reason, attempts))

    def file_unproven(self, path: str, size_bytes: int, reason: str, attempts: int) -> None:
        self.files.failed += 1
        self.size_bytes.failed += size_bytes
        self.unproven.append(Problem(path, reason, attempts))

    def file_conflict(self, path: str, size_bytes: int, reason: str) -> None:
        self.files.failed += 1
        self.size_bytes.failed += size_bytes
        self.conflict.append(Problem(path, reason))

    def file_unstable(self, path: str, size_bytes: int, reason: str, attempts: int) -> None:
        self.files.failed += 1
        self.size_bytes.failed += size_bytes
        self.unstable.append(Problem(path, reason, attempts))
