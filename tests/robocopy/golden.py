"""Logs to compare with: those beside this file, written by hand from the described layout, and, where
VDT_ROBOCOPY_LOGS names a folder, logs of the real tool (English ones are read and written again)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List, Tuple

from vdt.robocopy.read import decode

LOGS = Path(__file__).parent / "logs"
_REAL = os.environ.get("VDT_ROBOCOPY_LOGS")
REAL = [path for path in sorted(Path(_REAL).iterdir()) if path.suffix in (".log", ".txt")] if _REAL else []


def golden(name: str) -> str:
    """The text of one of our own logs, line ends untouched."""
    return (LOGS / name).read_bytes().decode("utf-8")


def blocks(pattern: str) -> List[Tuple[str, str, str]]:
    """(log, text before, block) of each match in each log, line ends restored where a log lost them."""
    found = []
    for path in [*sorted(LOGS.glob("*.log")), *REAL]:
        text = re.sub(r"\r?\n", "\r\n", decode(path.read_bytes()))
        found += [(path.name, text[: match.start()], match[0]) for match in re.finditer(pattern, text, re.S)]
    return found
