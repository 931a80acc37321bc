"""rsync's options, read from the configured string ``rsync = "-av"``, as a copy policy of this engine.

Pure; never raises. The same three rules as in `robocopy/options.py`: what chooses files is honoured or named, what
deletes or copies nothing is a fault, and so is every option that is not known.
"""

from __future__ import annotations

import difflib
import re
from typing import Dict, List, Optional, Sequence, Tuple

from vdt.model import Links, Policy
from vdt.options import ParsedOptions, Word, split_words
from vdt.printable import printable

_ARCHIVE = "rlptgoD"
_HONOURED = frozenset("rlptogDuc")
_LONG = {
    "archive": "a",
    "recursive": "r",
    "links": "l",
    "times": "t",
    "perms": "p",
    "owner": "o",
    "group": "g",
    "devices": "D",
    "specials": "D",
    "update": "u",
    "checksum": "c",
    "dry-run": "n",
    "verbose": "v",
    "quiet": "q",
    "whole-file": "W",
    "compress": "z",
    "human-readable": "h",
}
_NO_EFFECT = {
    "v": "the log always names what was copied",
    "q": "what the screen shows is chosen by this tool",
    "h": "the layout of the log is fixed",
    "W": "files are copied whole and resumed where a copy was interrupted",
    "z": "nothing is compressed on the way",
    "P": "partial files are always kept and resumed, and progress is shown",
    "partial": "partial files are always kept and resumed",
    "progress": "what the screen shows is chosen by this tool",
    "stats": "the summary is always written",
    "inplace": "a file gets its final name only when it has passed its check",
}
_DEVICES = "devices, sockets and pipes are listed and not copied"
_WITH_VALUE = ("modify-window", "bwlimit", "exclude")
_REFUSED = re.compile(r"del|delete(-.*)?|remove-source-files|remove-sent-files")
_KNOWN_LONG = sorted([*_LONG, *_WITH_VALUE, "partial", "progress", "stats", "inplace"])
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(?:([KMGT])(iB|B)?)?", re.IGNORECASE)


def parse_rsync_options(text: str) -> ParsedOptions:
    """Read the configured string. Never raises."""
    words, closed = split_words(text, "\"'")
    reader = _Reader(words)
    if not closed:
        reader.faults.append("A quote is opened and not closed.")
    else:
        reader.read()
    return reader.result(text)


class _Reader:
    """Walks over the words once and gathers what they ask for."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = list(words)
        self.flags: Dict[str, bool] = {}
        self.window_ns = 0
        self.bwlimit: Optional[str] = None
        self.exclude_files: List[str] = []
        self.exclude_folders: List[str] = []
        self.not_honoured: List[str] = []
        self.notes: List[str] = []
        self.faults: List[str] = []

    def read(self) -> None:
        """Consume all words."""
        while self.words:
            word = self.words.pop(0).text
            if word.startswith("--") and len(word) > len("--"):
                name, equals, value = word[2:].partition("=")
                self._long(printable(word), name, value if equals else None)
            elif word.startswith("-") and len(word) > 1 and word != "--":
                self._cluster(word)
            else:
                self.faults.append(f"'{printable(word)}' is no option; options begin with -.")

    def _cluster(self, word: str) -> None:
        for letter in word[1:]:
            shown = f"-{printable(letter)}" + (f" in {printable(word)}" if len(word) > len("-x") else "")
            if not self._flag(shown, letter):
                self.faults.append(f"{shown} is not an option that this tool knows. Remove it.")
                return  # the rest may be its value

    def _flag(self, shown: str, letter: str) -> bool:
        """Take in one short option; False where it is not known."""
        if letter == "a":
            self.flags.update(dict.fromkeys(_ARCHIVE, True))
            self._note(f"{shown}: {_DEVICES}")
        elif letter in _HONOURED:
            self.flags[letter] = True
            if letter == "D":
                self._pass_over(f"{shown}: {_DEVICES}")
        elif letter == "n":
            self.faults.append(f"{shown} copies nothing. Remove it, or use --dry_run.")
        elif letter in _NO_EFFECT:
            self._pass_over(f"{shown}: {_NO_EFFECT[letter]}")
        else:
            return False
        return True

    def _long(self, shown: str, name: str, value: Optional[str]) -> None:
        if _REFUSED.fullmatch(name):
            self.faults.append(f"{shown} is refused: it would delete files, and this tool never deletes. Remove it.")
        elif name in _WITH_VALUE:
            if value is None and self.words:
                value = self.words.pop(0).text
            self._valued(f"--{name}={printable(value or '')}", name, value or "")
        elif len(name) == 1 or (name not in _LONG and name not in _NO_EFFECT):
            near = difflib.get_close_matches(name[:40], _KNOWN_LONG, 1, 0.6)
            hint = f"Did you mean --{near[0]}?" if near else "Remove it."
            self.faults.append(f"{shown} is not an option that this tool knows. {hint}")
        elif value is not None:
            self.faults.append(f"{shown}: this option takes no value.")
        elif name in _LONG:
            self._flag(shown, _LONG[name])
        else:
            self._pass_over(f"{shown}: {_NO_EFFECT[name]}")

    def _valued(self, shown: str, name: str, value: str) -> None:
        if name == "modify-window":
            # rsync's -1 compares nanoseconds, which is what a window of 0 means here.
            if re.fullmatch(r"-1|[0-9]{1,9}", value):
                self.window_ns = max(0, int(value)) * 1_000_000_000
            else:
                self.faults.append(f"{shown}: a whole number of seconds belongs behind it.")
        elif name == "bwlimit":
            self.bwlimit = rate_text(value)
            if self.bwlimit is None:
                self.faults.append(f"{shown}: give a number of KiB a second, or one with K, M or G, for example 100M.")
        else:
            self._exclude(shown, value)

    def _exclude(self, shown: str, value: str) -> None:
        name = re.sub(r"/{2,}", "/", value).rstrip("/")
        wild = re.search(r"[*?[]", name)
        # In a policy `*` crosses a separator, so a path with a wildcard would leave out more than rsync does.
        if not name or re.match(r"[+-] |!\Z", value) or re.search(r"\\|\[:", name) or ("/" in name and wild):
            self.faults.append(
                f"{shown}: understood are names, with or without * ? and [...], and paths without them. "
                "Write it so, or remove it."
            )
            return
        name = name.replace("[^", "[!")
        patterns = [name, f"*/{name}"] if "/" in name[1:] and name[0] != "/" else [name]
        self.exclude_folders += patterns
        if not value.endswith("/"):
            self.exclude_files += patterns

    def _pass_over(self, sentence: str) -> None:
        if sentence not in self.not_honoured:
            self.not_honoured.append(sentence)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _policy(self) -> Policy:
        has = self.flags.__contains__
        return Policy(
            recurse=has("r"),
            empty_folders=has("r"),
            exclude_files=tuple(dict.fromkeys(self.exclude_files)),
            exclude_folders=tuple(dict.fromkeys(self.exclude_folders)),
            skip_older=has("u"),
            modify_window_ns=self.window_ns,
            checksum=has("c"),
            links=Links.COPY if has("l") else Links.SKIP,
            keep_times=has("t"),
            keep_modes=has("p"),
            fix_modes=has("p"),
            keep_owner=has("o") or has("g"),
            folder_times=has("t"),
            folder_modes=has("p"),
        )

    def result(self, text: str) -> ParsedOptions:
        """All that was gathered."""
        policy = self._policy()
        if not policy.recurse:
            self._note("Without -r or -a only the files of the top folder are copied.")
        if not policy.keep_times:
            self._note("Without -t or -a file times are not kept: every later run will copy all files again.")
        return ParsedOptions(
            text=text,
            policy=policy,
            bwlimit=self.bwlimit,
            not_honoured=tuple(self.not_honoured),
            notes=tuple(self.notes),
            faults=tuple(dict.fromkeys(self.faults)),
        )


def rate_text(value: str) -> Optional[str]:
    """rsync's rate in the spelling of `bwlimit.parse_bwlimit`; None where it is none.

    A bare number is KiB a second and 0 is no limit; K, KiB are 1024 bytes, KB is 1000 bytes, and so on.
    """
    match = _RATE.fullmatch(value)
    if not match:
        return None
    number, unit, tail = float(match[1]), (match[2] or "K").upper(), (match[3] or "").lower()
    if not number:
        return "off"
    base = 1000 if tail == "b" else 1024
    exact: Tuple[float, str] = (number * base ** ("KMGT".index(unit) + 1), "B")
    if base == 1024 and unit != "T":
        return f"{match[1]}{unit}"
    return f"{max(1, round(exact[0]))}{exact[1]}"
