"""Puts manifests on disk: written beside, flushed, then renamed; a former one whose digests changed is kept.

A manifest never lies beside a tree that is being changed: the first change sets it aside (`Former`), so that not even
a killed process leaves one that is no longer true.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import Callable, Dict, Iterator, Optional, Sequence, Tuple

from vdt import fs
from vdt.errors import LostOutputError
from vdt.manifest import SortedLines, encoded, first_change, parse, render


class Former:
    """The manifests that an earlier run left, until this run changes the tree.

    Args:
        manifests: (path, name under which it is kept) of each.
    """

    def __init__(self, manifests: Sequence[Tuple[str, str]]) -> None:
        self._manifests = manifests
        self._kept: Dict[str, str] = {}
        self._lock = threading.Lock()
        self.changed = False  # the tree is not, or may not be, what they say

    def allows(self, holds_lock: Callable[[], bool]) -> bool:
        """Asked before each batch of renames. Where the lock is still held the tree may change, and the manifests are
        set aside before the first change. Safe in threads.

        Raises:
            LostOutputError: one cannot be renamed; nothing may be changed then.
        """
        if not holds_lock():
            return False
        if not self.changed:
            self._set_aside()
        return True

    def _set_aside(self) -> None:
        with self._lock:
            if not self.changed:  # by another worker meanwhile
                for path, keep_as in self._manifests:
                    self._kept[path] = set_aside(path, keep_as)
                self.changed = True

    def kept(self, path: str) -> str:
        """Where the former manifest `path` lies now, "" where it was not set aside."""
        return self._kept.get(path, "")


def publish(lines: SortedLines, path: str, *, keep_as: str = "", aside: str = "") -> str:
    """Write the sorted lines to `path` atomically and return the SHA-256 of what was written, in hex.

    A manifest that is there already stays under `keep_as` (where that is given) when it lists a digest that is now
    another one, or a file that is listed no more. One that was set aside before (`aside`) stays for the same reasons
    and is else removed, as the new one says all that it said.

    Raises:
        LostOutputError: it could not be written; a former manifest is untouched.
    """
    beside = path + ".new"
    seal = hashlib.sha256()
    try:
        with open(beside, "wb") as file:
            for name, digest in lines:
                line = encoded(render(digest, name) + "\n")
                seal.update(line)
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        kept = set_aside(path, keep_as) if keep_as and former_change(path, lines) is not None else ""
        try:
            os.replace(beside, path)
        except OSError:
            if kept:
                os.rename(kept, path)
            raise
        if aside and former_change(aside, lines) is None:
            os.unlink(aside)
    except (OSError, LostOutputError) as error:
        try:
            os.unlink(beside)
        except OSError:
            pass
        if isinstance(error, LostOutputError):
            raise
        raise LostOutputError(f"The manifest {path} could not be written: {fs.explain(error)[1]}.") from error
    return seal.hexdigest()


def first_unlisted(lines: SortedLines, path: str) -> Tuple[Optional[str], str]:
    """Hold what is known of a tree against the manifest beside it.

    Returns:
        The first path of `lines` that the manifest does not list with that digest, None where it lists them all; and
        the manifest's SHA-256 in hex.

    Raises:
        OSError: it cannot be read.
    """
    seal = hashlib.sha256()
    with open(path, "rb") as file:

        def listed() -> Iterator[Tuple[str, str]]:
            for raw in file:
                seal.update(raw)
                found = parse(raw.decode("utf-8", "surrogateescape"))
                if found is not None:
                    yield found[1], found[0]

        current = listed()
        missing = first_change((render(digest, name) for name, digest in lines), current)
        for _ in current:
            pass  # to its end, for the seal
    return missing, seal.hexdigest()


def former_change(path: str, lines: SortedLines) -> Optional[str]:
    """The first path of an existing manifest whose digest is now another one or gone; None where all stay."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as former:
            return first_change(former, iter(lines))
    except FileNotFoundError:
        return None


def set_aside(path: str, keep_as: str) -> str:
    """Rename a manifest to `keep_as`, or to a numbered name beside it where that is taken; returns the name, "" where
    there was none.

    Raises:
        LostOutputError: it cannot be renamed.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:  # a share that does not answer may hold one
        raise LostOutputError(f"The former manifest {path} cannot be seen: {fs.explain(error)[1]}.") from error
    root, ending = os.path.splitext(keep_as)
    target, number = keep_as, 1
    while os.path.lexists(target):
        target = f"{root}-{number}{ending}"
        number += 1
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise LostOutputError(f"The former manifest {path} cannot be kept: {fs.explain(error)[1]}.") from error
    return target


def remove(path: str) -> None:
    """Remove a manifest that another one replaces, and what a killed process left of it; nothing there is fine."""
    for name in (path, path + ".new"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise LostOutputError(f"The manifest {name} could not be removed: {fs.explain(error)[1]}.") from error
