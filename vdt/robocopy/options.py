"""Robocopy's options, read from the configured string ``robocopy = "/Z /E /J"``, as a copy policy of this engine.

Pure; never raises. Three rules. What changes which files are copied is either honoured or named in `not_honoured`.
What would delete or move, or copy nothing, is a fault. A word that is not known is a fault: a typing error must not
become a copy of something else.

An option that is not honoured may make this engine copy more than robocopy would, never less (links under `/XJD` and
`/XJF` are the one exception, and are named).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from vdt.model import Links, Policy
from vdt.options import LONGEST_WAIT_S, MOST_RETRIES, ParsedOptions, Word, split_words
from vdt.printable import printable

DEFAULT = Policy(
    recurse=False,
    empty_folders=False,
    links=Links.FOLLOW,
    keep_owner=False,
    folder_times=False,
)
"""Robocopy without a single option: the top folder alone, /COPY:DAT, /DCOPY:DA, links followed."""

FAT_WINDOW_NS = 2_000_000_000

_POLICY: Dict[str, Dict[str, Any]] = {
    "S": {"recurse": True},
    "E": {"recurse": True, "empty_folders": True},
    "XO": {"skip_older": True},
    "XN": {"skip_newer": True},
    "XC": {"skip_changed": True},
    "XL": {"skip_lonely": True},
    "XX": {"hide_extras": True},
    "IS": {"include_same": True},
    "IT": {"include_tweaked": True},
    "FFT": {"modify_window_ns": FAT_WINDOW_NS},
    "DST": {"dst_tolerance": True},
    "Z": {},  # files are always resumed
    "J": {},  # how a file is read and written is found while running
    "X": {},  # extras are always reported
    "B": {},
    "ZB": {},
    "SL": {},
    "XJ": {},
    "XJD": {},
    "XJF": {},
}
_BACKUP = "read as /Z; Windows' backup rights are not used"
_REMARK = {
    "B": _BACKUP,
    "ZB": _BACKUP,
}

_OWN_LOG = "this tool chooses the place of its logs itself"
_LAYOUT = "the layout of the list in the log is fixed"
_SCREEN = "what the screen shows is chosen by this tool"
_NO_EFFECT = {
    "V": _LAYOUT,
    "TS": _LAYOUT,
    "FP": _LAYOUT,
    "BYTES": _LAYOUT,
    "NS": _LAYOUT,
    "NC": _LAYOUT,
    "NFL": _LAYOUT,
    "NDL": _LAYOUT,
    "NJH": _LAYOUT,
    "NJS": _LAYOUT,
    "NP": _SCREEN,
    "ETA": _SCREEN,
    "TEE": _SCREEN,
    "UNICODE": _SCREEN,
    "IM": "change times are not compared; size, time and content decide",
    "NOOFFLOAD": "this engine reads and writes the bytes itself",
    "COMPRESS": "nothing is compressed on the way",
    "REG": "nothing is kept in the registry",
    "TBD": "a share that is away is always waited for",
    "NODCOPY": "folders get no times from the source unless /DCOPY has T",
    "SPARSE": "holes in files are not looked for",
    "256": "long paths are always supported",
}
_NO_EFFECT_WITH_VALUE = {
    "LOG": _OWN_LOG,
    "LOG+": _OWN_LOG,
    "UNILOG": _OWN_LOG,
    "UNILOG+": _OWN_LOG,
    "MAXAGE": "files of every age are copied",
    "MINAGE": "files of every age are copied",
    "IPG": "to limit the rate set bwlimit in the table [vdt]",
}
_REFUSED = {
    "MIR": "it would delete what the source does not hold",
    "PURGE": "it would delete what the source does not hold",
    "MOVE": "it would delete the source",
    "MOV": "it would delete the source",
}
_NUMBERS: Dict[str, Tuple[int, int]] = {
    "R": (0, MOST_RETRIES),
    "W": (0, int(LONGEST_WAIT_S)),
    "LEV": (1, 1_000_000),
    "MAX": (0, 2**63 - 1),
    "MIN": (0, 2**63 - 1),
    "MT": (1, 128),
}
DEFAULT_MT = 8  # robocopy's own, for a bare /MT

_ATTRIBUTES_NOT_COPIED = {
    "S": "permissions are not copied",
    "O": "the owner is not copied",
    "U": "audit entries are not copied",
    "X": "alternate data streams are not part of a copy here",
    "E": "extended attributes are not copied",
}
_KNOWN = frozenset(
    [*_POLICY, *_NO_EFFECT, *_NO_EFFECT_WITH_VALUE, *_REFUSED, *_NUMBERS, "COPY", "DCOPY", "XF", "XD", "L"]
)
_NAME = re.compile(r"[/-]([^:]*)(?::(.*))?\Z", re.DOTALL)


def parse_option_string(text: str) -> ParsedOptions:
    """Read the configured string; in any case, with `/` or `-` before each option. Never raises."""
    words, closed = split_words(text, '"')
    reader = _Reader(words)
    if not closed:
        reader.faults.append("A double quote is opened and not closed.")
    else:
        reader.read()
    return reader.result(text)


def is_known(word: str) -> bool:
    """True when `word` is an option of this dialect, with or without its value."""
    match = _NAME.match(word)
    return match is not None and match[1].upper() in _KNOWN


class _Reader:
    """Walks over the words once and gathers what they ask for."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = list(words)
        self.changes: Dict[str, Any] = {}
        self.numbers: Dict[str, int] = {}
        self.seen: Dict[str, str] = {}  # name -> as written, in order
        self.not_honoured: List[str] = []
        self.notes: List[str] = []
        self.faults: List[str] = []

    def read(self) -> None:
        """Consume all words."""
        while self.words:
            word = self.words.pop(0)
            match = _NAME.match(word.text)
            if not match:
                self.faults.append(
                    f"'{printable(word.text)}' is no option. Options begin with / or -; "
                    "names of files are understood only behind /XF and /XD."
                )
                continue
            self._option(printable(word.text), match[1].upper(), match[2])

    def _option(self, shown: str, name: str, value: Optional[str]) -> None:
        self.seen.setdefault(name, shown)
        if name in _POLICY or name in _NO_EFFECT:
            if value is not None and name != "SPARSE":
                self.faults.append(f"{shown}: this option takes no value.")
                return
            self.changes.update(_POLICY.get(name, {}))
            reason = _NO_EFFECT.get(name)
            if reason:
                self._pass_over(f"{shown}: {reason}")
            if name in _REMARK:
                self.notes.append(f"{shown}: {_REMARK[name]}")
        elif name in _NO_EFFECT_WITH_VALUE:
            self._pass_over(f"{shown}: {_NO_EFFECT_WITH_VALUE[name]}")
        elif name in _REFUSED:
            self.faults.append(f"{shown} is refused: {_REFUSED[name]}, and this tool never deletes. Remove it.")
        elif name == "L":
            self.faults.append(f"{shown} only lists: a transfer would copy nothing. Remove it, or use --dry_run.")
        elif name in _NUMBERS:
            self._number(shown, name, value)
        elif name in _SPECIAL:
            _SPECIAL[name](self, shown, value)
        else:
            self._unknown(shown, name)

    def _pass_over(self, sentence: str) -> None:
        if sentence not in self.not_honoured:
            self.not_honoured.append(sentence)

    def _unknown(self, shown: str, name: str) -> None:
        near = difflib.get_close_matches(name[:40], sorted(_KNOWN - set(_REFUSED)), 1, 0.6)
        hint = f" Did you mean /{near[0]}?" if near else " Remove it."
        self.faults.append(f"{shown} is not an option that this tool knows.{hint}")

    def _number(self, shown: str, name: str, value: Optional[str]) -> None:
        lowest, highest = _NUMBERS[name]
        if name == "MT" and value is None:
            self.numbers[name] = DEFAULT_MT
            return
        number = int(value) if value and re.fullmatch(r"[0-9]{1,19}", value) else -1
        if lowest <= number <= highest:
            self.numbers[name] = number
        else:
            self.faults.append(f"{shown}: a whole number from {lowest} to {highest} belongs behind /{name}: .")

    def _copy_flags(self, shown: str, value: Optional[str]) -> None:
        flags = self._flags(shown, value, "DATSOUX")
        if flags is None:
            return
        if "D" not in flags:
            self.faults.append(f"{shown} lacks D: a transfer would copy no data. Write /COPY:DAT.")
            return
        self.changes.update(keep_modes="A" in flags, keep_times="T" in flags)

    def _folder_flags(self, shown: str, value: Optional[str]) -> None:
        flags = self._flags(shown, value, "DATEX")
        if flags is not None:
            self.changes.update(folder_times="T" in flags)

    def _flags(self, shown: str, value: Optional[str], allowed: str) -> Optional[str]:
        flags = (value or "").upper()
        strange = [flag for flag in dict.fromkeys(flags) if flag not in allowed]
        if strange or not flags:
            self.faults.append(f"{shown}: one or more of the letters {', '.join(allowed)} belong behind the colon.")
            return None
        for flag in dict.fromkeys(flags):
            if flag in _ATTRIBUTES_NOT_COPIED:
                self._pass_over(f"{shown}: {flag}: {_ATTRIBUTES_NOT_COPIED[flag]}")
        return flags

    def _exclude_files(self, shown: str, value: Optional[str]) -> None:
        self._exclude(shown, value, "exclude_files")

    def _exclude_folders(self, shown: str, value: Optional[str]) -> None:
        self._exclude(shown, value, "exclude_folders")

    def _exclude(self, shown: str, value: Optional[str], field: str) -> None:
        if value is not None:
            self.faults.append(f"{shown}: the names stand behind a blank, not behind a colon.")
            return
        patterns: List[str] = list(self.changes.get(field, ()))
        count = 0
        while self.words and not self._ends_values(self.words[0]):
            word = self.words.pop(0).text
            count += 1
            pattern = exclusion(word)
            if pattern is None:
                self._pass_over(
                    f"{shown} {printable(word)}: matched are names, with or without * and ?, "
                    "and paths below the tree without them; nothing is left out for this value"
                )
            elif pattern not in patterns:
                patterns.append(pattern)
        if not count:
            self.faults.append(f"{shown} needs at least one name behind it (in double quotes where it begins with -).")
        self.changes[field] = tuple(patterns)

    @staticmethod
    def _ends_values(word: Word) -> bool:
        """An option ends the list; so does what looks like a mistyped one. A quoted word is always a value."""
        if word.quoted or word.text[:1] not in ("/", "-"):
            return False
        return is_known(word.text) or word.text[0] == "-" or not re.search(r"[/\\]", word.text[1:])

    def _links(self) -> Links:
        if "XJ" in self.seen or ("XJD" in self.seen and "XJF" in self.seen):
            return Links.SKIP
        if "XJD" in self.seen:
            self._pass_over(f"{self.seen['XJD']}: links to files are skipped too, they are not told apart")
            return Links.SKIP
        if "XJF" in self.seen:
            self._pass_over(f"{self.seen['XJF']}: links to folders are skipped too, they are not told apart")
            return Links.SKIP
        return Links.COPY if "SL" in self.seen else Links.FOLLOW

    def result(self, text: str) -> ParsedOptions:
        """All that was gathered."""
        policy = replace(
            DEFAULT,
            **self.changes,
            links=self._links(),
            max_levels=self.numbers.get("LEV"),
            max_size_bytes=self.numbers.get("MAX"),
            min_size_bytes=self.numbers.get("MIN"),
        )
        if not policy.keep_times:
            self.notes.append("Without T in /COPY file times are not kept: every later run will copy all files again.")
        wait = self.numbers.get("W")
        return ParsedOptions(
            text=text,
            policy=policy,
            retries=self.numbers.get("R"),
            retry_wait_s=None if wait is None else float(wait),
            threads=self.numbers.get("MT"),
            not_honoured=tuple(self.not_honoured),
            notes=tuple(self.notes),
            faults=tuple(dict.fromkeys(self.faults)),
        )


_SPECIAL: Dict[str, Callable[[_Reader, str, Optional[str]], None]] = {
    "COPY": _Reader._copy_flags,
    "DCOPY": _Reader._folder_flags,
    "XF": _Reader._exclude_files,
    "XD": _Reader._exclude_folders,
}


def exclusion(value: str) -> Optional[str]:
    """Turn a value of /XF or /XD into a pattern of `Policy`; None where a policy cannot say the same.

    None are full paths, and paths with wildcards (in a policy `*` crosses a separator and would leave out more).
    `[` is a plain character for robocopy and a set in a policy; `*.*` matches names without a dot as well.
    """
    path = value.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return None
    path = re.sub(r"^(?:\./+)+", "", re.sub(r"/{2,}", "/", path)).rstrip("/")
    if not path or ("/" in path and re.search(r"[*?]", path)):
        return None
    return "*" if path == "*.*" else path.replace("[", "[[]")
