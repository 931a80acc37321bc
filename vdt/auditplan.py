"""What an audit says of one folder from its listings alone, and which of its files must be read. Pure.

Two ways to know what should be there: the source's own listing (planned by `plan.py`, as a copy would be), or the lines
of a manifest. Both give the same verdicts on the same damage, as far as a manifest can know: it lists no empty folders
and no links.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Set

from vdt.expected import Wanted
from vdt.findings import Check, Finding
from vdt.model import Entry, FileClass, Judged, Kind, Verb, join
from vdt.plan import FolderPlan
from vdt.selection import PARTIAL
from vdt.tally import leads_out

_HERE = "only at the destination"


@dataclass
class Findings:
    """What one folder comes to."""

    checks: List[Check] = field(default_factory=list)
    settled: List[Finding] = field(default_factory=list)
    links: int = 0  # right ones, of those that are compared by their text
    unjudged: int = 0  # names that what it is held against does not speak of: links
    left_out: int = 0  # files of the source that options keep out
    special: List[str] = field(default_factory=list)  # of the source: sockets and the like, links that lead out


def from_source(plan: FolderPlan) -> Findings:
    """A folder that the source has, given the plan of copying everything in it."""
    found = Findings()
    folder = plan.folder
    gone: List[Entry] = []
    for action in plan.actions:
        entry, dest = action.source, action.dest
        if dest is None:
            gone.append(entry)
        elif action.verb is Verb.LINK:
            path = join(folder, entry.name)
            if leads_out(path, entry.target):
                found.special.append(f"{path}: a link to {entry.target}, outside of the tree; its data were not copied")
            _link(found, folder, entry, dest, same=action.file_class is FileClass.SAME)
        elif dest.offline:
            found.settled.append(_offline(folder, dest))
        else:
            found.checks.append(Check(folder, dest, entry))
    extra = Alike(entry.name for entry in plan.extra_files)
    for entry in gone:
        found.settled.append(_missing(folder, entry.name, extra, entry.size_bytes))
    if plan.is_new and not plan.descend and not plan.actions:
        found.settled.append(Finding(folder, Judged.MISSING, reason="an empty folder that is not there"))
    for entry, dest in plan.mismatches:
        found.settled.append(_wrong_kind(folder, entry.name, f"a {entry.kind.value} in the source", dest))
    lost = Alike(entry.name for entry in gone)
    lost_folders = Alike(entry.name for entry, exists in plan.descend if not exists)
    for entry in plan.extra_files:
        found.settled.append(extra_file(folder, entry, lost))
    for entry in plan.extra_folders:
        found.settled.append(extra_folder(folder, entry.name, lost_folders))
    for name in plan.stale_partials:
        found.settled.append(Finding(join(folder, name), Judged.EXTRA, reason="the partial of a copy that ended early"))
    for entry, reason in plan.refused:
        found.settled.append(Finding(join(folder, entry.name), Judged.UNREADABLE, reason=f"source: {reason}"))
    for entry, reason in plan.special:
        if entry.kind is Kind.FILE:
            found.settled.append(Finding(join(folder, entry.name), Judged.UNREADABLE, reason=f"source: {reason}"))
        else:
            found.special.append(f"{join(folder, entry.name)}: {reason}")
    found.left_out = sum(1 for skipped in plan.skipped if skipped.word) + len(plan.excluded_folders)
    return found


def from_list(
    folder: str, present: Iterable[Entry], wanted: Dict[str, Wanted], folders: Set[str], noun: str
) -> Findings:
    """A folder that holds listed files, at whatever depth, given what lies in it.

    Sub-folders that hold no listed file are left to the caller: only a look into them tells what they are.

    Args:
        wanted: the listed files of this folder.
        folders: names of sub-folders that hold listed files.
        noun: what lists them, for people: "the manifest".
    """
    found = Findings()
    there = {entry.name: entry for entry in present}
    missing = Alike(name for name in wanted if name not in there)
    extra = Alike(name for name in there if name not in wanted and name not in folders)
    for name in sorted({*wanted, *there, *folders}):
        entry, want = there.get(name), wanted.get(name)
        if entry is None:
            if want is not None:
                found.settled.append(_missing(folder, name, extra, max(0, want.size_bytes)))
            continue
        if entry.kind is Kind.UNKNOWN:
            reason = f"destination: it cannot be looked at: {entry.target}"
            found.settled.append(Finding(join(folder, name), Judged.UNREADABLE, reason=reason))
        elif want is not None and entry.kind is Kind.FILE and not entry.offline:
            found.checks.append(Check(folder, entry, None, want.algorithm, want.digest, want.size_bytes))
        elif want is not None and entry.kind is Kind.FILE:
            found.settled.append(_offline(folder, entry))
        elif want is not None:
            found.settled.append(_wrong_kind(folder, name, f"a file in {noun}", entry))
        elif name in folders and entry.kind is not Kind.FOLDER:
            found.settled.append(_wrong_kind(folder, name, f"a folder in {noun}", entry))
        elif entry.kind is Kind.LINK:
            found.unjudged += 1
        elif entry.kind is not Kind.FOLDER:
            found.settled.append(extra_file(folder, entry, missing))
    return found


def unlisted(folder: str, present: Iterable[Entry]) -> Findings:
    """A folder of a tree of which nothing is known: every file is read for the record."""
    found = Findings()
    for entry in sorted(present):
        if entry.kind is Kind.FILE and not entry.offline:
            found.checks.append(Check(folder, entry))
        elif entry.kind is Kind.FILE:
            found.settled.append(_offline(folder, entry))
        elif entry.kind is Kind.UNKNOWN:
            reason = f"destination: it cannot be looked at: {entry.target}"
            found.settled.append(Finding(join(folder, entry.name), Judged.UNREADABLE, reason=reason))
        elif entry.kind is not Kind.FOLDER:
            found.unjudged += 1
    return found


class Alike:
    """Finds names that differ by case or Unicode normalisation alone."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {_folded(name): name for name in names}

    def to(self, name: str) -> str:
        """The name that is like this one, "" where there is none."""
        return self._names.get(_folded(name), "") if self._names else ""


def extra_folder(folder: str, name: str, missing: Alike) -> Finding:
    """A folder that nothing speaks of."""
    alike = missing.to(name)
    reason = f"a folder {_HERE}" + (f"; its name is like that of '{alike}', which is missing" if alike else "")
    return Finding(join(folder, name), Judged.EXTRA, reason=reason)


def extra_file(folder: str, entry: Entry, missing: Alike) -> Finding:
    """A file that nothing speaks of."""
    reason = _HERE
    if PARTIAL.match(entry.name):
        reason = "the partial of a copy that ended early"
    alike = missing.to(entry.name)
    if alike:
        reason += f"; its name is like that of '{alike}', which is missing"
    return Finding(join(folder, entry.name), Judged.EXTRA, entry.size_bytes, reason=reason)


def _missing(folder: str, name: str, extra: Alike, size_bytes: int) -> Finding:
    alike = extra.to(name)
    reason = "it is not there"
    if alike:
        reason += f"; '{alike}' is, whose name differs by case or by how its characters are composed"
    return Finding(join(folder, name), Judged.MISSING, size_bytes, reason=reason)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _link(found: Findings, folder: str, entry: Entry, dest: Entry, *, same: bool) -> None:
    if same:
        found.links += 1
    else:
        reason = f"a link to {dest.target}, in the source to {entry.target}"
        found.settled.append(Finding(join(folder, entry.name), Judged.DIFFERENT, reason=reason))


def _wrong_kind(folder: str, name: str, should_be: str, dest: Entry) -> Finding:
    path = join(folder, name)
    if dest.kind is Kind.UNKNOWN:
        return Finding(path, Judged.UNREADABLE, reason=f"destination: it cannot be looked at: {dest.target}")
    kind = "special file" if dest.kind is Kind.OTHER else dest.kind.value
    return Finding(path, Judged.TYPE, dest.size_bytes, reason=f"{should_be}, a {kind} at the destination")


def _offline(folder: str, entry: Entry) -> Finding:
    reason = "destination: it lies offline or in the cloud; reading it would recall it"
    return Finding(join(folder, entry.name), Judged.UNREADABLE, entry.size_bytes, reason=reason)
