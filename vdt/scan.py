"""Walks source and destination together, folder by folder, depth first and sorted, one listing of each.

A generator: memory holds one path of folders, not the tree. Reads listings, nothing else.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Protocol, Set, Tuple

from vdt import fs
from vdt.errors import StoppedError
from vdt.model import Entry, Kind, Links, Policy, Problem, join
from vdt.plan import FolderPlan, Pair
from vdt.snapshot import Snapshot

# Never entered at a root: snapshots of the file server, the recycle bin, Windows' own folder.
ROOT_FOLDERS_LEFT_OUT = frozenset({".snapshot", "~snapshot", "$RECYCLE.BIN", "System Volume Information"})

_NO_LINKS: Dict[str, bool] = {}
Lister = Callable[[str], List[Entry]]
Again = Callable[[Callable[[], Any]], Any]  # does what only reads, and again where a share was away


class Plans(Protocol):
    """Decides what is to be done with a folder, under a policy."""

    policy: Policy

    def plan(self, pair: Pair) -> FolderPlan: ...


def once(act: Callable[[], Any]) -> Any:
    """The `Again` of roots that nobody watches."""
    return act()


class Scanned(NamedTuple):
    """One folder of the walk. `error` is set where the source folder could not be listed; `plan` is None then."""

    folder: str
    entry: Optional[Entry]  # the source folder itself; None for a root that cannot be looked at
    plan: Optional[FolderPlan]
    error: Optional[OSError] = None
    side: str = ""  # "Source" or "Destination": which listing failed
    broken_links: Tuple[Tuple[Entry, str], ...] = ()


def walk(
    source: str,
    dest: str,
    planner: Plans,
    links: Links,
    lister: Lister,
    *,
    dest_exists: bool,
    state_name: str = "",
    soon: Callable[[str, bool], bool] = lambda folder, there: False,
    again: Again = once,
) -> Iterator[Scanned]:
    """Walk both trees and plan each folder.

    Args:
        soon: told of folders that come next, the nearest first, and whether the destination has them; False when it
            wants to hear of no more for now.
        state_name: our own state folder at the destination's root, where it has to lie there; never seen as an extra.
        lister: lists a folder by full path; it retries what may heal. Raises OSError.
        again: what else is asked of a tree goes through it.
    """
    try:
        root: Optional[Entry] = fs.opened(source)
    except OSError:
        root = None
    try:
        dest_id: Optional[Tuple[int, int]] = fs.real_id(dest)
    except OSError:
        dest_id = None
    stack: List[Tuple[str, Optional[Entry], bool, Tuple[Tuple[int, int], ...]]] = [("", root, dest_exists, ())]
    while stack:
        folder, entry, there, above = stack.pop()
        place = fs.full_path(source, folder)
        try:
            listing = lister(place)
            if links is Links.FOLLOW:
                above = (*above, again(partial(fs.real_id, place)))
        except OSError as error:
            yield Scanned(folder, entry, None, error, "Source")
            continue
        left_out = [item for item in listing if not folder and never_entered(item)]
        listing = [item for item in listing if item not in left_out] if left_out else listing
        listing.sort()
        broken: List[Tuple[Entry, str]] = []
        passed: Dict[str, bool] = _NO_LINKS
        if links is Links.FOLLOW or planner.policy.skips_links:
            listing, broken, passed = _see_links(place, listing, set(above), again, links, planner.policy)
        present: Optional[List[Entry]] = None
        if there:
            try:
                present = lister(fs.full_path(dest, folder))
            except OSError as error:
                yield Scanned(folder, entry, None, error, "Destination")
                continue
        if present is not None and not folder:
            present = [item for item in present if not never_entered(item) and item.name != state_name]
        plan = planner.plan(Pair(folder, listing, present, passed))
        plan.special += [(item, "a folder of the system, never entered") for item in left_out]
        if planner.policy.all_extras and plan.extra_folders:
            _look_into_extras(plan, dest, lister)
        yield Scanned(folder, entry, plan, None, "", tuple(broken))
        for child, exists in reversed(plan.descend):
            if child.file_id == dest_id:
                itself = OSError(errno.ELOOP, "it is the destination itself")
                yield Scanned(join(folder, child.name), child, None, itself, "Source")
            else:
                stack.append((join(folder, child.name), child, exists, above))
        for coming, _, exists, _ in reversed(stack):
            if not soon(coming, exists):
                break


def never_entered(entry: Entry) -> bool:
    """True for a folder of the system at a root."""
    return entry.kind is Kind.FOLDER and entry.name in ROOT_FOLDERS_LEFT_OUT


def _look_into_extras(plan: FolderPlan, dest: str, lister: Lister) -> None:
    """List extra folders too, all that lies below them; one that cannot be listed stands there without its files."""
    stack = [join(plan.folder, entry.name) for entry in reversed(plan.extra_folders)]
    while stack:
        folder = stack.pop()
        try:
            listing = sorted(lister(fs.full_path(dest, folder)))
        except OSError:
            listing = []
        files = [entry for entry in listing if entry.kind is not Kind.FOLDER]
        plan.within_extras.append((folder, files))
        stack += [join(folder, entry.name) for entry in reversed(listing) if entry.kind is Kind.FOLDER]


def _see_links(
    place: str, listing: List[Entry], above: Set[Tuple[int, int]], again: Again, links: Links, policy: Policy
) -> Tuple[List[Entry], List[Tuple[Entry, str]], Dict[str, bool]]:
    """Replace each link that is followed by what it leads to.

    Returns:
        The listing; the links that lead nowhere or back up, each with the reason; and the names of those that the
        policy leaves out by what they lead to (True: a folder), which stay links in the listing.
    """
    kept: List[Entry] = []
    broken: List[Tuple[Entry, str]] = []
    left_out: Dict[str, bool] = {}
    for entry in listing:
        if entry.kind is not Kind.LINK:
            kept.append(entry)
            continue
        try:
            real = again(partial(fs.opened, fs.full_path(place, entry.name)))
        except OSError as error:
            if policy.skip_file_links:
                left_out[entry.name] = False
            if policy.skip_file_links or links is not Links.FOLLOW:
                kept.append(entry)
            else:
                broken.append((entry, f"the link leads to '{entry.target}': {fs.explain(error)[1]}"))
            continue
        to_folder = real.kind is Kind.FOLDER
        if policy.skip_folder_links if to_folder else policy.skip_file_links:
            left_out[entry.name] = to_folder
            kept.append(entry)
        elif links is not Links.FOLLOW:
            kept.append(entry)
        elif to_folder and real.file_id in above:
            broken.append((entry, f"the link leads back to a folder above it ('{entry.target}')"))
        else:
            kept.append(real._replace(name=entry.name))
    return kept, broken, left_out


def take_snapshot(
    root: str,
    lister: Lister,
    *,
    links: Links,
    ignore: Callable[[str, Entry], bool],
    stop: Callable[[], object],
    again: Again = once,
    policy: Policy = Policy(),
) -> Snapshot:
    """List a whole tree, as the counts before and after need it.

    Args:
        ignore: tells the names that are left out, by relative path and entry (our own partials, what is not copied).
        stop: asked before each folder.
        policy: says which links are left out by what they lead to.

    A folder that cannot be listed is named in the snapshot's `unreadable` and counts as empty.

    Raises:
        OSError: the root itself cannot be listed.
        StoppedError: `stop` said so.
    """
    snapshot = Snapshot()
    stack: List[Tuple[str, Tuple[Tuple[int, int], ...]]] = [("", ())]
    while stack:
        folder, above = stack.pop()
        if stop():
            raise StoppedError("Stopped while files were counted.")
        place = fs.full_path(root, folder)
        try:
            listing = [item for item in lister(place) if not ignore(join(folder, item.name), item)]
            if links is Links.FOLLOW:
                above = (*above, again(partial(fs.real_id, place)))
        except OSError as error:
            if not folder:
                raise
            snapshot.unreadable.append(Problem(folder, fs.explain(error)[1]))
            listing = []
        if not folder:
            listing = [item for item in listing if not never_entered(item)]
        listing.sort()
        if links is Links.FOLLOW or policy.skips_links:
            listing, broken, passed = _see_links(place, listing, set(above), again, links, policy)
            listing = [item for item in listing if item.name not in passed]
            listing += [entry for entry, _ in broken]
        snapshot.add(folder, listing)
        for item in reversed(listing):
            if item.kind is Kind.FOLDER:
                stack.append((join(folder, item.name), above))
    return snapshot
