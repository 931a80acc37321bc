"""Goes through the folders of an audited tree and says of each what its listings settle and what must be read.

    source and destination together (as a copy walks them), or the destination alone, beside a list or for the record

A generator that reads listings, nothing else; one path of folders is held, not the tree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Iterator, List, Set, Tuple, Union

from vdt import fs
from vdt.auditjob import AuditJob
from vdt.auditplan import Findings, Namesakes, extra_folder, from_list, from_source, unlisted
from vdt.chosen import Chosen
from vdt.expected import Expected
from vdt.findings import Finding
from vdt.model import Entry, Existing, Judged, Kind, Policy, join
from vdt.outage import Presence
from vdt.plan import Planner, Rules
from vdt.records import NO_RECORDS
from vdt.scan import Lister, never_entered, walk


def folders_of(job: AuditJob, lister: Lister, outage: Presence) -> Iterator[Tuple[str, Findings]]:
    """Each folder of the tree and what its listings come to. Raises AwayError and StoppedError as `lister` does."""
    return _beside_the_source(job, lister, outage) if job.source else _Alone(job, lister).walk()


def _beside_the_source(job: AuditJob, lister: Lister, outage: Presence) -> Iterator[Tuple[str, Findings]]:
    rules = Rules(policy=_judging(job.policy), existing=Existing.PROVE, replace_proven=True)
    planner = Planner(rules, NO_RECORDS)
    scanned = walk(
        job.source,
        job.destination,
        planner if job.chosen is None else Chosen(planner, job.chosen),
        job.policy.links,
        lister,
        dest_exists=True,
        state_name=job.state_name,
        again=outage.again,
    )
    for item in scanned:
        if item.plan is None:
            assert item.error is not None
            yield item.folder, Findings(settled=[_unlisted_folder(item.side.lower(), item.folder, item.error)])
            continue
        found = from_source(item.plan)
        # what should be below a name that is no folder here is missing, file by file: the walk goes on there
        item.plan.descend += [
            (entry, False)
            for entry, dest in item.plan.mismatches
            if entry.kind is Kind.FOLDER and dest.kind is not Kind.UNKNOWN
        ]
        for entry, reason in item.broken_links:
            path = join(item.folder, entry.name)
            found.settled.append(Finding(path, Judged.UNREADABLE, reason=f"source: {reason}"))
        yield item.folder, found


class _Alone:
    """The destination alone."""

    def __init__(self, job: AuditJob, lister: Lister) -> None:
        self._job, self._lister = job, lister

    def walk(self) -> Iterator[Tuple[str, Findings]]:
        stack = [""]
        while stack:
            folder = stack.pop()
            listing = self._present(folder)
            if isinstance(listing, Finding):
                yield folder, Findings(settled=[listing])
                continue
            below = {entry.name for entry in listing if entry.kind is Kind.FOLDER}
            if self._job.expected is None:
                yield folder, unlisted(folder, listing)
            else:
                yield from self._listed(folder, listing, below, self._job.expected)
                below &= self._job.expected.folders(folder)
            stack += [join(folder, name) for name in sorted(below, reverse=True)]

    def _listed(
        self, folder: str, listing: List[Entry], present: Set[str], expected: Expected
    ) -> Iterator[Tuple[str, Findings]]:
        """A folder beside a list, what is missing below it, and the folders that are listed nowhere."""
        files, folders = expected.files(folder), expected.folders(folder)
        found = from_list(folder, listing, files, folders, self._job.noun)
        names = {entry.name for entry in listing}
        gone = sorted(folders - names)
        extra = sorted(
            name for name in present if name not in folders and name not in files and self._holds_file(folder, name)
        )
        alike = Namesakes(gone, extra)
        found.settled += [extra_folder(folder, name, alike) for name in extra]
        yield folder, found
        unknown = {entry.name for entry in listing if entry.kind is Kind.UNKNOWN}
        for name in sorted(folders - present - unknown):  # gone, or no folder here
            for below in expected.below(join(folder, name)):
                yield below, from_list(below, (), expected.files(below), set(), self._job.noun)

    def _holds_file(self, folder: str, name: str) -> bool:
        """Whether anything but folders lies in a folder; a manifest knows nothing of empty ones."""
        stack = [join(folder, name)]
        while stack:
            at = stack.pop()
            listing = self._present(at)
            if isinstance(listing, Finding) or any(entry.kind is not Kind.FOLDER for entry in listing):
                return True
            stack += [join(at, entry.name) for entry in listing]
        return False

    def _present(self, folder: str) -> Union[List[Entry], Finding]:
        """What lies in a folder of the destination, or that it cannot be listed."""
        try:
            listing = self._lister(fs.full_path(self._job.destination, folder))
        except OSError as error:
            return _unlisted_folder("destination", folder, error)
        if folder:
            return listing
        return [entry for entry in listing if not never_entered(entry) and entry.name != self._job.state_name]


def _unlisted_folder(side: str, folder: str, error: OSError) -> Finding:
    reason = f"{side}: the folder cannot be listed: {fs.explain(error)[1]}"
    return Finding(folder or ".", Judged.UNREADABLE, reason=reason)


def _judging(policy: Policy) -> Policy:
    """A copy policy as an audit needs it: the same names, and whatever is there is looked at."""
    return replace(
        policy,
        skip_newer=False,
        skip_older=False,
        skip_changed=False,
        skip_lonely=False,
        hide_extras=False,
        include_same=True,
        include_tweaked=True,
        include_modified=False,
        all_extras=False,
        checksum=False,
    )
