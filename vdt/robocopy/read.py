"""Reads logs in robocopy's layout, of the real tool or ours: one run or many appended, in any language.

Pure, one pass, in a time that grows with the length of the text and no faster. Labels are translated in other
languages, so blocks are known by their shape: a title between two rules; three rows of six numbers and a row of four
times. What is cut off or is no log gives fewer runs or runs that are not complete, never an exception. A last line
without its line end does not count: it may be half of one.

Beside the text no second one is held. Of a long log the two ends are enough (`vdt.log_ends`): all that is read here
stands in the header and in the summary.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Iterator, List, Match, Optional, Tuple

from vdt.model import Row

COMPLETE = "Complete log file"

_RULE = re.compile(r"(?m)^-{70,} *\r?(?=\n)")
_TITLE = re.compile(r"(?m)^-{70,} *\r?\n *ROBOCOPY +:: [^\n]*(?=\n)")
_CELLS = r" {1,99}[0-9]{1,24}(?:[.,][0-9]{1,3} [kmgt])?"
_ROW = rf"^[^\t\r\n:\uff1a]{{0,60}}[:\uff1a]((?:{_CELLS}){{6}}) {{0,99}}\r?\n"
_TIME = r" {1,99}[0-9]{1,9}[:.][0-9]{2}[:.][0-9]{2}"
_TABLE = re.compile(rf"(?m){_ROW}{_ROW}{_ROW}(^[^\t\r\n:\uff1a]{{0,60}}[:\uff1a](?:{_TIME}){{4}} {{0,99}}\r?\n)?")
_CELL = re.compile(r"([0-9]+)(?:[.,]([0-9]+) ([kmgt]))?")
_SPEED = re.compile(
    r"[^:\uff1a]*[:\uff1a] *[0-9][^:]* [^ /:]+/[^ /:]+"
)  # "... 4142442 Bytes/sec.", in whatever language
_LABELLED = re.compile(r" [^:=]*?[^:= ] ?[:=-] (.*)")
_ENDED = re.compile(r"[^:\uff1a]*[:\uff1a] *(\S.*)")
_UNIT = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class LoggedRun:
    """What one run left in a log. Texts are as the log has them, "" where they are missing."""

    header: bool = False  # the title was seen
    started: str = ""
    source: str = ""
    dest: str = ""
    options: str = ""
    dirs: Optional[Row] = None  # None, all three of them, where there is no summary
    files: Optional[Row] = None
    size_bytes: Optional[Row] = None  # what is written with a unit is cut off: here the least that is written so,
    size_bytes_most: Optional[Row] = None  # and here the most; equal where the log has plain numbers
    ended: str = ""
    complete: bool = False  # title, all rows of the summary, and when it ended

    @property
    def approximate(self) -> bool:
        """Whether sizes are known as ranges only, and must not be compared as numbers."""
        return self.size_bytes != self.size_bytes_most


def decode(data: bytes) -> str:
    """The text of a log of unknown encoding; never raises.

    UTF-16 by its byte order mark or, where a piece of such a log lacks it, by its zeros; UTF-8; else a Western code
    page. Which one the writing computer used (OEM) cannot be known: letters beyond ASCII are then not the right ones,
    numbers and positions are.
    """
    if data.startswith(_MARKS):
        return data.decode("utf-16", errors="replace")
    sample = data[:4096]
    for zeros, encoding in ((sample[1::2], "utf-16-le"), (sample[::2], "utf-16-be")):
        if zeros.count(0) * 2 > len(zeros):
            return data.decode(encoding, errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    return data.decode("latin-1")


def read_log(text: str) -> List[LoggedRun]:
    """All runs in the order of the log; a summary without a header of its own is a run too."""
    titles = list(_TITLE.finditer(text))
    ends = [*(match.start() for match in titles), len(text)]
    runs = list(_runs(text, 0, ends[0], None))
    for title, end in zip(titles, ends[1:]):
        runs += _runs(text, title.start(), end, title)
    return runs


def log_status(text: str) -> str:
    """`COMPLETE` when the last run in `text` has its header and its whole summary, else what is missing."""
    runs = read_log(text)
    if not text.strip():
        return "Incomplete log file: it is empty"
    if not runs:
        return "Incomplete log file: it has neither a header nor a summary"
    last = runs[-1]
    if last.complete:
        return COMPLETE
    if not last.header:
        return "Incomplete log file: the header of the last run is missing"
    if last.dirs is None:
        return "Incomplete log file: the last run has no summary, so it did not reach its end"
    return "Incomplete log file: the summary of the last run is cut off before its end time"


def _runs(text: str, start: int, end: int, title: Optional[Match[str]]) -> Iterator[LoggedRun]:
    """The runs of text[start:end]: one for the title, and one for each further summary (/NJH writes no title)."""
    tables = list(_TABLE.finditer(text, start, end))
    if title and not tables:
        yield LoggedRun(True, *_header(text, title.end(), end))
    for number, table in enumerate(tables):
        named = title if number == 0 else None
        texts = _header(text, named.end(), table.start()) if named else ("", "", "", "")
        following = tables[number + 1].start() if number + 1 < len(tables) else end
        dirs, files, least = (_row(cells, 0) for cells in table.groups()[:3])
        most = _row(table[3], 1)
        ended = _ended(text, table.end(), following) if table[4] else ""
        yield LoggedRun(bool(named), *texts, dirs, files, least, most, ended, bool(named and ended))


def _header(text: str, start: int, end: int) -> Tuple[str, str, str, str]:
    """Started, Source, Dest and Options: the first three and the last of the labelled lines before the second rule."""
    upper = _RULE.search(text, start, end)
    lower = _RULE.search(text, upper.end(), end) if upper else None
    if not upper:
        return "", "", "", ""
    lines = text[upper.end() : lower.start() if lower else end].split("\n")[: None if lower else -1]
    found = [match[1].rstrip("\r") for match in map(_LABELLED.fullmatch, lines) if match]
    options = found[-1].rstrip() if lower and len(found) > 4 else ""
    started, source, dest = (*found[:3], "", "", "")[:3]
    return started, source, dest, options


def _ended(text: str, start: int, end: int) -> str:
    """The end time: behind the table, the first labelled line that is no speed; "" where it is missing."""
    block = text[start : min(end, start + 2000)]
    for line in map(str.rstrip, block.split("\n")[:-1]):
        match = _ENDED.fullmatch(line)
        if match and not _SPEED.fullmatch(line):
            return match[1]
    return ""


def _row(cells: str, bound: int) -> Row:
    return Row(*(_range(cell)[bound] for cell in _CELL.finditer(cells)))


def _range(cell: Match[str]) -> Tuple[int, int]:
    """The least and the greatest number that robocopy writes as this text; it cuts off and does not round."""
    whole, part, unit = cell.groups()
    if not unit:
        return int(whole), int(whole)
    scale: int = 10 ** len(part)
    shown, size = int(whole + part), _UNIT[unit]
    return -(-shown * size // scale), -(-(shown + 1) * size // scale) - 1
