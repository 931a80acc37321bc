"""What an audit says of one folder from its listings alone, and which of its files must be read. Pure.

Two ways to know what should be there: the source's own listing (planned by `plan.py`, as a copy would be), or the lines
of a manifest. Both give the same verdicts on the same damage, as far as a manifest can know: it lists no empty folders
and no links.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Set

from vdt.expected import Wanted
from vdt.findings import Check, Finding
from vdt.model import Entry, FileClass, Judged, Kind, Verb, join
from vdt.namesakes import namesakes
from vdt.plan import FolderPlan
from vdt.selection import PARTIAL
from vdt.tally import leads_out

_HERE = "only at the destination"


@dataclass
class Findings:
    """What one folder comes to."""

    checks: List[Check] = field(default_factory=list)
    settled: List[Finding] = field(default_factory=list)
    links: List[str] = field(default_factory=list)  # right ones, of those that are compared by their text
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
    files = Namesakes((entry.name for entry in gone), (entry.name for entry in plan.extra_files))
    folders = Namesakes(
        (entry.name for entry, exists in plan.descend if not exists), (entry.name for entry in plan.extra_folders)
    )
    for entry in gone:
        found.settled.append(_missing(folder, entry.name, files, entry.size_bytes))
    if plan.is_new and not plan.descend and not plan.actions:
        found.settled.append(Finding(folder, Judged.MISSING, reason="an empty folder that is not there"))
    for entry, dest in plan.mismatches:
        found.settled.append(_wrong_kind(folder, entry.name, f"a {entry.kind.value} in the source", dest))
    for entry in plan.extra_files:
        found.settled.append(_extra_file(folder, entry, files))
    for entry in plan.extra_folders:
        found.settled.append(extra_folder(folder, entry.name, folders))
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
    alike = Namesakes(
        (name for name in wanted if name not in there),
        (name for name, entry in there.items() if name not in wanted and entry.kind is not Kind.FOLDER),
    )
    for name in sorted({*wanted, *there, *folders}):
        entry, want = there.get(name), wanted.get(name)
        if entry is None:
            if want is not None:
                found.settled.append(_missing(folder, name, alike, max(0, want.size_bytes)))
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
            found.settled.append(_extra_file(folder, entry, alike))
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


class Namesakes:
    """Of the missing and the extra names of one folder: who is who under another case or Unicode form."""

    def __init__(self, missing: Iterable[str], extra: Iterable[str]) -> None:
        pairs = namesakes(missing, extra)
        self._found = {pair.listed: pair for pair in pairs}
        self._listed = {pair.found: pair for pair in pairs}

    def of_missing(self, name: str) -> str:
        """What is said of a missing name beside that; "" where it has no namesake."""
        pair = self._found.get(name)
        return f"; '{pair.found}' is, whose name differs by {pair.difference} alone" if pair is not None else ""

    def of_extra(self, name: str) -> str:
        """The same of a name that nothing speaks of."""
        pair = self._listed.get(name)
        return (
            f"; '{pair.listed}' is missing, whose name differs by {pair.difference} alone" if pair is not None else ""
        )


def extra_folder(folder: str, name: str, alike: Namesakes) -> Finding:
    """A folder that nothing speaks of."""
    return Finding(join(folder, name), Judged.EXTRA, reason=f"a folder {_HERE}{alike.of_extra(name)}")


def _extra_file(folder: str, entry: Entry, alike: Namesakes) -> Finding:
    reason = "the partial of a copy that ended early" if PARTIAL.match(entry.name) else _HERE
    reason += alike.of_extra(entry.name)
    return Finding(join(folder, entry.name), Judged.EXTRA, entry.size_bytes, reason=reason)


def _missing(folder: str, name: str, alike: Namesakes, size_bytes: int) -> Finding:
    reason = "it is not there" + alike.of_missing(name)
    return Finding(join(folder, name), Judged.MISSING, size_bytes, reason=reason)


def _link(found: Findings, folder: str, entry: Entry, dest: Entry, *, same: bool) -> None:
    if same:
        found.links.append(join(folder, entry.name))
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
