"""Names as text that is safe to print: no control character reaches a terminal, a log or a mail raw.

Pure. What is escaped: control characters as ``\\x1b``; surrogates (undecodable bytes on POSIX, broken names on
Windows) as ``\\udcff``; line and paragraph separators and the marks that turn the direction of writing as ``\\u202e``.
Everything else stays as it is, so a backslash in a name is not doubled and the text cannot always be turned back.
"""

from __future__ import annotations

import re
from typing import Match

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # separators, direction of writing
    "\ud800-\udfff]"  # surrogates: no encoder takes them
)


def printable(name: str) -> str:
    """`name` without anything that could move a cursor, break a line or stop an encoder."""
    return name if name.isprintable() else _UNSAFE.sub(_escape, name)


def _escape(match: Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
