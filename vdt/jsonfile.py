"""Writes a JSON report last and whole: beside, flushed, renamed; or to standard output."""

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
    beside = f"{path}.new"
    try:
        if path == "-":
            stdout.write(text)
            stdout.flush()
            return
        if os.path.lexists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="ascii", newline="\n") as device:
                device.write(text)  # a pipe or a device is written to, not replaced
            return
        with open(beside, "w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except ValueError as error:  # standard output is closed
        raise LostOutputError(f"The JSON report {path} could not be written: {error}.") from error
    except OSError as error:
        if path != "-":
            try:
                os.unlink(beside)
            except OSError:
                pass
        raise LostOutputError(f"The JSON report {path} could not be written: {fs.explain(error)[1]}.") from error
