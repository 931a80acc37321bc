"""Folders that are ours: made new, and gone again whatever happens. Nothing else is ever written to or removed.

A folder that somebody names is only used while it is empty or missing. In it we make one folder of our own, and that
one alone is removed with what is in it. The named folder goes too where we made it, and only once it is empty.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager
from typing import Iterator

from comparing.interrupt import held
from vdt import fs
from vdt.errors import RefusedError
from vdt.printable import printable

OWN = "vdt_bench"
_TRIES = 5


@contextmanager
def claimed(folder: str) -> Iterator[str]:
    """A new folder of our own in `folder`, which is empty or missing; both are as they were when the block ends.

    Raises:
        RefusedError: the folder holds something, is none, or cannot be made.
    """
    own, made, ours = os.path.join(folder, OWN), False, False
    try:
        with held():
            made = _empty_or_made(folder)
            os.mkdir(own)
            ours = True
        yield own
    finally:
        with held():
            if ours:
                remove(own)
            if made:
                try:
                    os.rmdir(folder)
                except OSError:
                    pass  # somebody else has put something there


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A new folder of our own where temporary files go, gone when the block ends."""
    folder = ""
    try:
        with held():
            folder = tempfile.mkdtemp(prefix=f"{OWN}.")
        yield folder
    finally:
        with held():
            if folder:
                remove(folder)


def _empty_or_made(folder: str) -> bool:
    """True when it was made. Raises RefusedError."""
    shown = printable(folder)
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        try:
            os.mkdir(folder)
        except OSError as error:
            raise RefusedError(
                f"{shown} cannot be made: {fs.explain(error)[1]}. Name a folder whose parent is there."
            ) from error
        return True
    except OSError as error:
        raise RefusedError(f"{shown} cannot be used: {fs.explain(error)[1]}. Name a folder.") from error
    if names:
        left = f" A broken-off run leaves {OWN}; remove that." if names == [OWN] else ""
        raise RefusedError(
            f"{shown} holds {printable(sorted(names)[0])}; nothing is measured where anything else lies.{left} "
            "Name an empty folder, or one that is not there yet."
        )
    return False


def remove(folder: str) -> None:
    """Remove a folder of ours with all that is in it, read-only files too.

    Raises:
        RefusedError: something of it could not be removed; names it.
    """
    for attempt in range(_TRIES):
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            if not os.path.lexists(folder):
                return
        except OSError as error:
            if attempt == _TRIES - 1:
                raise RefusedError(
                    f"{printable(folder)} could not be removed: {fs.explain(error)[1]}. Remove it by hand."
                ) from error
            _let_go(folder)
            time.sleep(0.2 * attempt)  # a share needs a moment to forget a file that was open


def _let_go(folder: str) -> None:
    """Make everything below writable."""
    for at, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(at, name)
            try:
                if not os.path.islink(path):
                    os.chmod(path, os.stat(path).st_mode | stat.S_IWRITE)
            except OSError:
                continue


def check_room(folder: str, need_bytes: int, what: str) -> None:
    """Refuse before anything is written where there is clearly too little room.

    Raises:
        RefusedError: names the folder, what is needed and what is free.
    """
    free = fs.volume(folder).free_bytes
    if 0 < free < need_bytes:
        raise RefusedError(
            f"{printable(folder)} has {free / 1e9:.3f} GB free, and {what} needs {need_bytes / 1e9:.3f} GB. "
            "Give a smaller --size-gb, or name another folder."
        )


def check_apart(source: str, destination: str) -> None:
    """Refuse a destination in the source or around it.

    Raises:
        RefusedError: they overlap.
    """
    if fs.inside(destination, source) or fs.inside(source, destination):
        raise RefusedError(
            f"{printable(source)} and {printable(destination)} lie in each other. Name folders that are apart."
        )
