"""The configuration file as a table: its text read, broken TOML explained, its values handed out by their type.

It opens the one file it is given and looks at nothing that the file names. Which keys there are, and what they mean,
is decided in `config`. Rule 1: what keeps the file from being read at all raises at once, in a plain sentence with
the remedy. Rule 2: a value of the wrong type raises nothing: it is a fault that the `Checker` gathers, and the value
reads as if it were not there. Rule 3: no sentence holds a control character.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from vdt.errors import ConfigError
from vdt.fs.typed import windows_fault
from vdt.options import LONGEST_WAIT_S
from vdt.printable import printable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST_FILE_BYTES = 1 << 20  # a configuration is a few KB; whatever is larger is another file
BACKSLASH_HINT = (
    "A backslash in double quotes begins a special character: write the path in single quotes, 'Z:\\data', "
    'or with two backslashes, "Z:\\\\data".'
)


def read_toml(path: Union[str, os.PathLike[str]], shown: str) -> Dict[str, Any]:
    """What the file holds.

    Args:
        path: the file.
        shown: its name as messages give it, printable.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    return _parse(_text(path, shown), shown)


def _text(path: Union[str, os.PathLike[str]], shown: str) -> str:
    """The text of the file, or a sentence why there is none."""
    try:
        if os.path.isdir(path):
            raise ConfigError(shown, [f"{shown} is a folder. Name the file in it with --vizgen_config."])
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            shown,
            [
                f"There is no file {shown}. Name another one with --vizgen_config, or let --init_config "
                "write a commented template to begin with."
            ],
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(shown, [f"{shown} cannot be read: {reason}."]) from error
    if len(data) > LARGEST_FILE_BYTES:
        raise ConfigError(shown, [f"{shown} is larger than 1 MiB, so it is no configuration file."])
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise ConfigError(
            shown, ["The file is UTF-16 or no text at all. Save it as UTF-8 (in Notepad: Save as, Encoding: UTF-8)."]
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            shown,
            [f"Line {line} is not UTF-8. Save the file as UTF-8 (in Notepad: Save as, Encoding: UTF-8)."],
        ) from None


def _parse(text: str, shown: str) -> Dict[str, Any]:
    try:
        data: Dict[str, Any] = tomllib.loads(text)
        return data
    except RecursionError:
        raise ConfigError(shown, ["The file is nested too deeply to be a configuration."]) from None
    except ValueError as error:  # TOMLDecodeError, and numbers too long for int()
        raise ConfigError(shown, [_toml_fault(text, str(error))]) from None


def _toml_fault(text: str, message: str) -> str:
    """One sentence with the line, and the remedy for the usual mistakes."""
    match = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if not match:
        return f"The file is not valid TOML: {printable(message)}."
    number, column = int(match[1]), int(match[2])
    lines = text.replace("\r\n", "\n").split("\n")
    line = lines[number - 1] if number <= len(lines) else ""
    reason = printable(message[: match.start()].strip())
    fault = f"Line {number} is not valid TOML (column {column}): {reason}."
    if re.search(r"\"[^\"]*\\", line):
        return f"{fault} {BACKSLASH_HINT}"
    if re.search("[\u2018\u2019\u201c\u201d\u201e]", line):
        return f"{fault} The line has typographic quotation marks; write plain ones."
    if reason.lower().startswith("invalid value"):
        return f'{fault} Words and paths stand in quotes, for example robocopy_check = "on".'
    return fault


@dataclass
class Checker:
    """Gathers what is wrong."""

    windows: bool
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    def absolute(self, key: str, path: str) -> str:
        """`path` as it is used; a fault where it is not absolute on the system in question."""
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
            self.faults.append(f"{key} = '{printable(path)}' holds a control character. {BACKSLASH_HINT}")
            return path
        if not self.windows:
            if not path.startswith("/"):
                self.faults.append(f"{key} = '{printable(path)}' is not a full path. Write one that begins with /.")
            return path
        if re.fullmatch("[A-Za-z]:", path):
            return path + "\\"
        if not re.match(r"[A-Za-z]:[\\/]|[\\/]{2}[^\\/]+[\\/]+[^\\/]", path):
            self.faults.append(
                f"{key} = '{printable(path)}' is not a full path. Write one with its drive, like 'Z:\\data', "
                "or a share, like '\\\\server\\share' (in single quotes)."
            )
        elif windows_fault(path):
            self.faults.append(f"{key}: {windows_fault(printable(path))}")
        return path


def unknown_keys(table: Mapping[str, Any], known: Tuple[str, ...]) -> List[Tuple[str, str]]:
    """Unknown keys, each with a blank and the nearest known one, or with nothing."""
    found = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key[:80].lower(), known, 1, 0.6)
            found.append((key, f" Did you mean {near[0]}?" if near else ""))
    return found


class Table:
    """One table of the file; reading a value of the wrong type is a fault and gives None."""

    def __init__(self, data: Mapping[str, Any], name: str, checker: Checker) -> None:
        self._data = data
        self._name = name
        self._checker = checker

    def label(self, key: str) -> str:
        """How a message names this key."""
        return f"[{self._name}] {key}" if self._name else key

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def missing(self, key: str) -> bool:
        """True where the key is not there or an empty text; not where its type is wrong, which is reported."""
        value = self._data.get(key, "")
        return isinstance(value, str) and not value.strip()

    def fault(self, key: str, sentence: str) -> None:
        """Report what is wrong with a value."""
        self._checker.faults.append(f"{self.label(key)} {sentence}")

    def table(self, key: str) -> Table:
        """The table below this key; an empty one where there is none."""
        name = f"{self._name}.{key}" if self._name else key
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            self.fault(key, f"is {_kind(value)}, but it has to be a table: [{name}].")
            value = {}
        return Table(value, name, self._checker)

    def text(self, key: str) -> Optional[str]:
        """A text; None where it is missing, empty, or none."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(key, f"is {_kind(value)}, but it has to be a text in quotes.")
            return None
        return value if value.strip() else None

    def choice(self, key: str, allowed: Tuple[str, ...]) -> Optional[str]:
        """One of some words, in any case."""
        value = self.text(key)
        if value is None:
            return None
        word = value.strip().lower()
        if word in allowed:
            return word
        self.fault(key, f"is '{printable(value)}', but it has to be one of: {', '.join(allowed)}.")
        return None

    def whole(self, key: str, lowest: int, highest: int) -> Optional[int]:
        """A whole number; true and false are none."""
        value = self._data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(key, f"is {_kind(value)}, but it has to be a whole number without quotes.")
            return None
        if lowest <= value <= highest:
            return value
        self.fault(key, f"is out of range; it has to be a whole number from {lowest} to {highest}.")
        return None

    def seconds(self, key: str) -> Optional[float]:
        """A number of seconds that can be waited."""
        value = self._data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fault(key, f"is {_kind(value)}, but it has to be a number of seconds without quotes.")
            return None
        if 0 <= value <= LONGEST_WAIT_S:  # not so for nan
            return float(value)
        self.fault(key, f"is out of range; it has to be a number of seconds from 0 to {LONGEST_WAIT_S:.0f}.")
        return None

    def texts(self, key: str) -> Tuple[str, ...]:
        """A list of texts without the empty ones, each once."""
        value = self._data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            kind = "a list with something else in it" if isinstance(value, list) else _kind(value)
            self.fault(key, f'is {kind}, but it has to be a list of texts: ["first@place.org", "second@place.org"].')
            return ()
        return tuple(dict.fromkeys(item.strip(" ") for item in value if item.strip()))


def _kind(value: object) -> str:
    """What a TOML value is, in plain words. bool stands before int, which it is a kind of."""
    for kind, words in (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "a text"),
        (list, "a list"),
        (dict, "a table"),
    ):
        if isinstance(value, kind):
            return words
    return "a date or time"
