"""Puts manifests on disk: written beside, flushed, then renamed; a former one whose digests changed is kept."""

from __future__ import annotations

import hashlib
import os
from typing import Optional

from vdt import fs
from vdt.errors import LostOutputError
from vdt.manifest import SortedLines, encoded, first_change, render


def publish(lines: SortedLines, path: str, *, keep_as: str = "") -> str:
    """Write the sorted lines to `path` atomically and return the SHA-256 of what was written, in hex.

    A manifest that is there already stays under `keep_as` (where that is given) when it lists a digest that is now
    another one, or a file that is listed no more.

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
    except (OSError, LostOutputError) as error:
        try:
            os.unlink(beside)
        except OSError:
            pass
        if isinstance(error, LostOutputError):
            raise
        raise LostOutputError(f"The manifest {path} could not be written: {fs.explain(error)[1]}.") from error
    return seal.hexdigest()


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
    if not os.path.lexists(path):
        return ""
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
    """Remove a manifest that another one replaces; one that is not there is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LostOutputError(f"The manifest {path} could not be removed: {fs.explain(error)[1]}.") from error
