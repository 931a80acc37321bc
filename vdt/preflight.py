"""Before the first byte: may these paths be used as they were typed, do they stand apart, is there room?

Makes the folder of the destination where it is missing, and takes it back; else nothing is written.
"""

from __future__ import annotations

import os
from typing import Callable, List, Sequence

from vdt import fs
from vdt.errors import RefusedError
from vdt.model import Kind
from vdt.troubles import NO_RIGHT_TO_WRITE, NO_ROOM

# where a report must not lie
SOURCE = "the source {}, which is never written"
COPY = "the copy {}, which holds the run and nothing else"
RUNS = "the folder {} of the runs, where nothing is written"


def check_typed(*paths: str) -> None:
    """Refuse a path that cannot be meant as it was typed; "" is none.

    Raises:
        RefusedError: one cannot; the sentence says what to write instead.
    """
    for path in paths:
        fault = fs.typed_fault(path) if path else ""
        if fault:
            raise RefusedError(fault)


def check_apart(source: str, destination: str) -> None:
    """Refuse a destination that is the source, lies in it, or holds it; by file id, so through links and drives too.

    Raises:
        RefusedError: they are not apart.
    """
    if fs.inside(destination, source):
        same = fs.inside(source, destination)
        how = "is the source itself" if same else "lies inside the source"
        raise RefusedError(f"The destination {destination} {how} ({source}). Choose a destination outside of it.")
    if fs.inside(source, destination):
        raise RefusedError(
            f"The source {source} lies inside the destination {destination}. "
            "Choose a destination that does not hold it."
        )


def check_apart_by_marker(source: str, destination: str, state_folder: str, is_ours: Callable[[str], bool]) -> None:
    """Refuse what `check_apart` cannot see where file ids differ by mount: one share, mounted or named twice.

    The lock that was just put into the state folder is looked for from the source, which is only read: where each
    folder around the source, and each end of the destination's path below it, would have its state folder if it were
    the destination.

    Args:
        is_ours: whether our lock lies in a folder.

    Raises:
        RefusedError: it was found.
    """
    way = os.path.relpath(state_folder, destination)
    _, below_the_drive = os.path.splitdrive(destination)  # a drive joined to a path would replace it
    parts = [part for part in below_the_drive.replace("\\", "/").split("/") if part]
    around = [source]
    while os.path.dirname(around[-1]) != around[-1]:
        around.append(os.path.dirname(around[-1]))
    below = [os.path.join(source, *parts[at:]) for at in range(len(parts))]
    for place in (*around, *below):
        if way.startswith("..") and os.path.basename(place) != os.path.basename(destination):
            continue  # its state folder would have another name
        if is_ours(os.path.normpath(os.path.join(place, way))):
            raise RefusedError(
                f"The destination {destination} and the source {source} are not apart: {place} is the destination by "
                "another name. Choose a destination outside of the source that does not hold it."
            )


def check_report(path: str, tree: str, what: str = SOURCE) -> None:
    """Refuse a report inside a tree. "" is no report.

    Args:
        what: what the tree is, in words: SOURCE, COPY or RUNS.

    Raises:
        RefusedError: it would lie there.
    """
    if path and fs.inside(os.path.dirname(fs.absolute(path)), tree):
        raise RefusedError(f"{path} would lie inside {what.format(tree)}. Name another place.")


def check_source(path: str) -> None:
    """Refuse a source that is no folder or cannot be looked at.

    Raises:
        RefusedError: it is not there, no folder, or cannot be looked at.
    """
    try:
        found = fs.opened(path)
    except OSError as error:
        raise RefusedError(f"The source {path} cannot be read: {fs.explain(error)[1]}.") from error
    if found.kind is not Kind.FOLDER:
        raise RefusedError(f"The source {path} is not a folder. Give the folder that holds it.")


def remove_empty(folders: Sequence[str]) -> None:
    """Take back folders that `make_missing` made, where they are still empty."""
    for folder in reversed(folders):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return


def check_room(volume: fs.Volume, needed_bytes: int, path: str) -> None:
    """Refuse when the destination says that it has less room than is left to copy. Its figure is advisory.

    Raises:
        RefusedError: too little room.
    """
    if volume.free_bytes and needed_bytes > volume.free_bytes:
        free, needed = (f"{size / 1024**3:.1f}" for size in (volume.free_bytes, needed_bytes))
        raise RefusedError(NO_ROOM.sentence(path=path, free=free, needed=needed))


def make_missing(path: str) -> List[str]:
    """Make a folder and its missing parents; returns those that were made, outermost first.

    Raises:
        RefusedError: one of them cannot be made.
    """
    missing: List[str] = []
    current = path
    while not os.path.lexists(current):
        missing.append(current)
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    missing.reverse()
    try:
        fs.make_folder(path)
    except OSError as error:
        remove_empty(missing)
        raise RefusedError(NO_RIGHT_TO_WRITE.sentence(path=path, reason=fs.explain(error)[1])) from error
    return missing
