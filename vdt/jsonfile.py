"""Writes a report last and whole: beside, flushed, renamed; JSON also to standard output."""

from __future__ import annotations

import json
import os
from typing import IO, Any, Dict

from vdt import fs
from vdt.errors import LostOutputError, UsageError
from vdt.troubles import NO_PLACE_FOR_REPORT


def check_place(path: str) -> None:
    """Refuse a report whose folder is not there, before any work is done for it. "" and "-" need none.

    Raises:
        UsageError: there is no such folder.
    """
    if path not in ("", "-") and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise UsageError(NO_PLACE_FOR_REPORT.sentence(path=path))


def write_json(path: str, value: Dict[str, Any], stdout: IO[str]) -> None:
    """Write `value`, ASCII-escaped, to `path`; "-" is `stdout`.

    Raises:
        LostOutputError: it could not be written.
    """
    text = json.dumps(value, indent=1, ensure_ascii=True) + "\n"
    if path != "-":
        write_text(path, text, "JSON report", encoding="ascii")
        return
    try:
        stdout.write(text)
        stdout.flush()
    except ValueError as error:  # standard output is closed
        raise LostOutputError(f"The JSON report {path} could not be written: {error}.") from error
    except OSError as error:
        raise LostOutputError(f"The JSON report {path} could not be written: {fs.explain(error)[1]}.") from error


def write_beside(folder: str, name: str, text: str, what: str) -> str:
    """Write a text file under a name that is free: a number is put into one that is taken. Returns the path.

    Raises:
        LostOutputError: as `write_text`.
    """
    root, end = os.path.splitext(name)
    path, number = os.path.join(folder, name), 1
    while os.path.lexists(path):
        number += 1
        path = os.path.join(folder, f"{root}-{number}{end}")
    write_text(path, text, what)
    return path


def write_text(path: str, text: str, what: str, *, encoding: str = "utf-8") -> None:
    """Write a whole text file, so that there is never half of one.

    Args:
        what: the name of the file in the error, for example "JSON report".

    Raises:
        LostOutputError: it could not be written.
    """
    beside = f"{path}.new"
    try:
        if os.path.lexists(path) and not os.path.isfile(path):
            with open(path, "w", encoding=encoding, newline="\n") as device:
                device.write(text)  # a pipe or a device is written to, not replaced
            return
        with open(beside, "w", encoding=encoding, newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        try:
            os.unlink(beside)
        except OSError:
            pass
        raise LostOutputError(f"The {what} {path} could not be written: {fs.explain(error)[1]}.") from error
