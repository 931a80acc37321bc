"""Reads robocopy's options, from the configured string ``robocopy = "/Z /E /J"`` or from a command line.

Pure; never raises. Three rules. What changes which files are copied is either honoured or named in `not_honoured`.
What would delete or move is a fault, and so is /L in a configuration. A word that is not known is a fault: a typing
error must not become a copy of something else.

An option that is not honoured may make this engine copy more than robocopy would, never less.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from vdt.model import Links, Policy
from vdt.options import ParsedOptions, Word, split_words
from vdt.printable import printable
from vdt.robocopy.table import DEFAULT_MT, NUMBERS, OPTIONS, Option, Status, Takes

DEFAULT = Policy(
    recurse=False,
    empty_folders=False,
    links=Links.FOLLOW,
    windows_names=True,
    keep_owner=False,
    folder_times=False,
)
"""Robocopy without a single option: the top folder alone, /COPY:DAT, /DCOPY:DA, links followed."""

IPG_BLOCK_BYTES = 65536
_FIRST_DATE = 1900  # behind /MAXAGE and /MINAGE smaller numbers are days
_NOT_COPIED = {
    "S": "permissions are not copied",
    "O": "the owner is not copied",
    "U": "audit entries are not copied",
    "X": "alternate data streams are not part of a copy here",
    "E": "extended attributes are not copied",
}
_FLAGS = {"COPY": "DATSOUX", "DCOPY": "DATEX"}
_SUGGESTED = sorted(name for name, option in OPTIONS.items() if option.status is not Status.REFUSED)
_NAME = re.compile(r"[/-]([^:]*)(?::(.*))?\Z", re.DOTALL)


class Fault(NamedTuple):
    """Why the words cannot be followed."""

    number: int  # of the word; the first is 1
    word: str
    sentence: str
    refused: bool = False  # it is known, and would delete or move


def parse_option_string(text: str, *, now: datetime) -> ParsedOptions:
    """Read the configured string; in any case, with `/` or `-` before each option. Never raises.

    Args:
        now: local time, from which days of age are counted.
    """
    words, closed = split_words(text, '"')
    reader = Reader(words, now=now)
    if closed:
        reader.read()
        return reader.result(text)
    return replace(reader.result(text), faults=("A double quote is opened and not closed.",))


def is_known(word: str) -> bool:
    """True when `word` is an option of this dialect, with or without its value."""
    match = _NAME.match(word)
    return match is not None and match[1].upper() in OPTIONS


class Reader:
    """Walks over the words once and gathers what they ask for.

    Args:
        words: the options; on a command line, all that follows source and destination.
        now: local time.
        first: the number of the first word.
        source: full path of the source on a command line; None for the string of a configuration, which serves many.
    """

    def __init__(self, words: Sequence[Word], *, now: datetime, first: int = 1, source: Optional[str] = None) -> None:
        self.words = [(number, word) for number, word in enumerate(words, first)]
        self.seen: Dict[str, str] = {}  # name -> value as written, "" where there is none; the last one counts
        self.file_specs: List[str] = []
        self.excluded: Dict[str, List[str]] = {"XF": [], "XD": []}  # as written
        self.faults: List[Fault] = []
        self._now, self._source = now, source
        self._at = (first, "")
        self._changes: Dict[str, Any] = {}
        self._numbers: Dict[str, int] = {}
        self._not_honoured: List[str] = []
        self._notes: List[str] = []

    @property
    def _configured(self) -> bool:
        return self._source is None

    def read(self) -> None:
        """Consume all words."""
        while self.words:
            number, word = self.words.pop(0)
            self._at = (number, word.text)
            match = _NAME.match(word.text)
            if match:
                self._option(printable(word.text), match[1].upper(), match[2])
            elif self._configured:
                self._fault(
                    f"'{printable(word.text)}' is no option. Options begin with / or -; "
                    "names of files are understood only behind /XF and /XD."
                )
            elif not word.text or re.search(r"[/\\]", word.text):
                self._fault("Files are chosen by name, with * and ?; a path belongs into source or destination.")
            else:
                self.file_specs.append(word.text)
        if "IPG" in self._numbers and "MT" in self._numbers:
            self._at = (self._at[0], "/IPG")
            self._fault("/IPG and /MT cannot both be given. Choose one.")

    def _fault(self, sentence: str, *, refused: bool = False) -> None:
        if all(sentence != fault.sentence for fault in self.faults):
            self.faults.append(Fault(*self._at, sentence, refused))

    def _option(self, shown: str, name: str, value: Optional[str]) -> None:
        option = OPTIONS.get(name)
        if option is None:
            near = difflib.get_close_matches(name[:40], _SUGGESTED, 1, 0.6)
            hint = f"Did you mean /{near[0]}?" if near else "Remove it."
            self._fault(f"{shown} is not an option that this tool knows. {hint}")
            return
        if option.status is Status.REFUSED:
            self._fault(f"{shown} is refused: {option.why}, and this tool never deletes. Remove it.", refused=True)
            return
        if option.takes is Takes.NOTHING and value is not None:
            self._fault(f"{shown}: this option takes no value.")
            return
        if option.status is Status.NO_EFFECT or (self._configured and option.configured):
            self._pass_over(f"{shown}: {option.why or option.configured}")
            return
        if name == "L" and self._configured:
            self._fault(f"{shown} only lists: a transfer would copy nothing. Remove it, or use --dry_run.")
            return
        self.seen[name] = value or ""
        self._changes.update(option.policy)
        if option.note and f"{shown}: {option.note}" not in self._notes:
            self._notes.append(f"{shown}: {option.note}")
        self._value(option, shown, name, value)

    def _value(self, option: Option, shown: str, name: str, value: Optional[str]) -> None:
        if option.takes in (Takes.NUMBER, Takes.THREADS):
            self._number(shown, name, value)
        elif option.takes is Takes.FLAGS:
            self._flags(shown, name, (value or "").upper())
        elif option.takes is Takes.AGE:
            self._age(shown, name, value or "")
        elif option.takes is Takes.NAMES:
            self._names(shown, name, value)
        elif option.takes is Takes.FILE:
            if not value:
                self._fault(f"{shown}: the name of a file belongs behind the colon.")
            for other in ("LOG", "LOG+", "UNILOG", "UNILOG+"):
                if other != name:
                    self.seen.pop(other, None)

    def _pass_over(self, sentence: str) -> None:
        if sentence not in self._not_honoured:
            self._not_honoured.append(sentence)

    def _number(self, shown: str, name: str, value: Optional[str]) -> None:
        lowest, highest = NUMBERS[name]
        if name == "MT" and value is None:
            self._numbers[name] = DEFAULT_MT
            return
        number = int(value) if value and re.fullmatch(r"[0-9]{1,19}", value) else -1
        if lowest <= number <= highest:
            self._numbers[name] = number
        else:
            self._fault(f"{shown}: a whole number from {lowest} to {highest} belongs behind /{name}: .")

    def _flags(self, shown: str, name: str, flags: str) -> None:
        allowed = _FLAGS[name]
        if not flags or any(flag not in allowed for flag in flags):
            self._fault(f"{shown}: one or more of the letters {', '.join(allowed)} belong behind the colon.")
            return
        for flag in dict.fromkeys(flags):
            if flag in _NOT_COPIED:
                self._pass_over(f"{shown}: {flag}: {_NOT_COPIED[flag]}")
        self.seen[name] = "".join(flag for flag in allowed if flag in flags)
        if name == "DCOPY":
            self._changes.update(folder_modes="A" in flags, folder_times="T" in flags)
        elif "D" in flags:
            self._changes.update(keep_modes="A" in flags, keep_times="T" in flags)
        else:
            self._fault(f"{shown} lacks D: a transfer would copy no data. Write /COPY:DAT.")

    def _age(self, shown: str, name: str, value: str) -> None:
        limit_ns = age_limit_ns(value, self._now)
        if limit_ns is None:
            self._fault(
                f"{shown}: a number of days below {_FIRST_DATE} or a date as YYYYMMDD belongs behind /{name}: ."
            )
        else:
            self._changes["oldest_mtime_ns" if name == "MAXAGE" else "newest_mtime_ns"] = limit_ns

    def _names(self, shown: str, name: str, value: Optional[str]) -> None:
        if value is not None:
            self._fault(f"{shown}: the names stand behind a blank, not behind a colon.")
            return
        field = "exclude_files" if name == "XF" else "exclude_folders"
        patterns: List[str] = list(self._changes.get(field, ()))
        count = 0
        while self.words and not self._ends_values(self.words[0][1]):
            word = self.words.pop(0)[1].text
            count += 1
            self.excluded[name].append(word)
            pattern = exclusion(word, self._source)
            if pattern is None and self._configured:
                self._pass_over(
                    f"{shown} {printable(word)}: matched are names and paths below the tree, with or without * and ?; "
                    "nothing is left out for this value"
                )
            elif pattern is not None and pattern not in patterns:
                patterns.append(pattern)
        if not count:
            self._fault(f"{shown} needs at least one name behind it (in double quotes where it begins with -).")
        self._changes[field] = tuple(patterns)

    @staticmethod
    def _ends_values(word: Word) -> bool:
        """An option ends the list; so does what looks like a mistyped one. A quoted word is always a value."""
        if word.quoted or word.text[:1] not in ("/", "-"):
            return False
        return is_known(word.text) or word.text[0] == "-" or not re.search(r"[/\\]", word.text[1:])

    def result(self, text: str) -> ParsedOptions:
        """All that was gathered."""
        numbers = self._numbers
        policy = replace(
            DEFAULT,
            **self._changes,
            links=Links.COPY if "SL" in self.seen else Links.FOLLOW,
            include_files=tuple(self.file_specs),
            max_levels=numbers.get("LEV"),
            max_size_bytes=numbers.get("MAX"),
            min_size_bytes=numbers.get("MIN"),
            excluded_extras=self._configured,
        )
        notes = list(self._notes)
        if not policy.keep_times:
            notes.append("Without T in /COPY file times are not kept: every later run will copy all files again.")
        wait, gap_ms = numbers.get("W"), numbers.get("IPG")
        return ParsedOptions(
            text=text,
            policy=policy,
            retries=numbers.get("R"),
            retry_wait_s=None if wait is None else float(wait),
            threads=numbers.get("MT"),
            bwlimit=None if gap_ms is None else f"{max(1, IPG_BLOCK_BYTES * 1000 // gap_ms)}B",
            not_honoured=tuple(self._not_honoured),
            notes=tuple(notes),
            faults=tuple(fault.sentence for fault in self.faults),
        )


def exclusion(value: str, source: Optional[str] = None) -> Optional[str]:
    """Turn a value of /XF or /XD into a pattern of `Policy`; None where it cannot match anything below the tree.

    A full path matches where it lies below `source`; without a source it is None.
    """
    path = re.sub(r"/{2,}", "/", value.replace("\\", "/"))
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        if source is None:
            return None
        root = re.sub(r"/{2,}", "/", source.replace("\\", "/")).rstrip("/") + "/"
        if not path.lower().startswith(root.lower()):
            return None
        below = path[len(root) :].strip("/")
        return below if "/" in below or not below else f"/{below}"
    path = re.sub(r"^(?:\./+)+", "", path).rstrip("/")
    return path or None


def age_limit_ns(value: str, now: datetime) -> Optional[int]:
    """The time that /MAXAGE:value or /MINAGE:value means, in nanoseconds; None where it means none.

    Below 1900 it is a number of days before `now`, else a date, which begins at midnight, local time.
    """
    if not re.fullmatch(r"[0-9]{1,8}", value):
        return None
    try:
        if int(value) < _FIRST_DATE:
            when = now - timedelta(days=int(value))
        else:
            when = datetime.strptime(value, "%Y%m%d") if len(value) == len("YYYYMMDD") else datetime.min
    except ValueError:
        return None
    if when == datetime.min:
        return None
    try:
        seconds = when.timestamp()
    except (OSError, OverflowError):  # before 1970 on Windows
        seconds = (when.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
    return int(seconds) * 10**9
