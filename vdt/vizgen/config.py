"""The configuration file: read once, checked as a whole, every fault of it reported together.

It reads one file and touches nothing else: no folder, no drive and no server named in it is looked at. Paths are
judged by their spelling alone, for the system that `windows` names, so both systems are tested anywhere.
No value of `[vdt]` that could be a password is ever repeated in a message.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from vdt.bwlimit import parse_bwlimit
from vdt.errors import ConfigError, UsageError
from vdt.model import Existing, Verify
from vdt.options import LONGEST_WAIT_S, MOST_RETRIES, ParsedOptions
from vdt.printable import printable
from vdt.robocopy.options import parse_option_string
from vdt.rsync_options import parse_rsync_options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_ROBOCOPY = "/Z /E /J"
DEFAULT_RSYNC = "-av"
DEFAULT_ROBOCOPY_LIST = "/L /E /BYTES /V /NP /FP"
DEFAULT_PORTS = {"none": 25, "starttls": 587, "ssl": 465}
LARGEST_FILE_BYTES = 1 << 20  # a configuration is a few KB; whatever is larger is another file

_PATH_KEYS = (
    "analysis_drive_pc",
    "analysis_drive_pc_disk",
    "analysis_drive_pc_debug",
    "isilon_drive_pc",
    "isilon_drive_logs_pc",
    "analysis_drive_nix",
    "analysis_drive_nix_disk",
    "isilon_drive_nix",
    "isilon_drive_logs_nix",
)
_TOP_KEYS = (*_PATH_KEYS, "smtp_server", "sender_email", "addressees", "production", "development", "tool", "vdt")
_OPTION_KEYS = (
    "rsync",
    "robocopy",
    "robocopy_list",
    "robocopy_header",  # these four are of 1.0.0; nothing here needs them
    "robocopy_footer",
    "robocopy_list_footer_start",
    "robocopy_list_footer_end",
)
_VDT_KEYS = (
    "threads",
    "verify",
    "existing",
    "retries",
    "retry_wait_s",
    "share_wait_s",
    "bwlimit",
    "settle_s",
    "robocopy_check",
    "also_hash",
    "smtp_port",
    "smtp_security",
    "smtp_user",
    "smtp_password_env",
)
_PLACEHOLDERS = frozenset(
    {
        "smtp.example.com",
        "user@example.co.uk",
        "first.user@example_account.ac.uk",
        "second.user@example_account.ac.uk",
    }
)
_BACKSLASH_HINT = (
    "A backslash in double quotes begins a special character: write the path in single quotes, 'Z:\\data', "
    'or with two backslashes, "Z:\\\\data".'
)
_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")


@dataclass(frozen=True)
class Config:
    """A configuration without fault, for the system and the source it was read for.

    Fields from the table `[vdt]` are None where the file does not set them; the caller lets the command line beat
    them, them beat `options`, and `options` beat the defaults.
    """

    path: str
    analysis_key: str  # the key that `analysis_drive` comes from
    analysis_drive: str
    isilon_drive: str
    logs: str
    options: ParsedOptions
    robocopy_list: str = DEFAULT_ROBOCOPY_LIST
    smtp_server: str = ""  # "" only where no mail was asked for
    smtp_port: int = 25
    smtp_security: str = "none"  # none, starttls, ssl
    smtp_user: Optional[str] = None
    smtp_password_env: Optional[str] = None  # name of the environment variable
    sender: str = ""
    addressees: Tuple[str, ...] = ()
    threads: Optional[int] = None
    verify: Optional[Verify] = None
    existing: Optional[Existing] = None
    retries: Optional[int] = None
    retry_wait_s: Optional[float] = None
    share_wait_s: Optional[float] = None
    bwlimit: Optional[str] = None  # parse_bwlimit takes it
    settle_s: Optional[float] = None
    robocopy_check: Optional[str] = None  # auto, on, off
    also_hash: Optional[str] = None  # md5, sha256
    warnings: Tuple[str, ...] = ()


def load_config(
    path: Union[str, os.PathLike[str]],
    *,
    windows: bool,
    disk: bool = False,
    debug: bool = False,
    need_mail: bool = True,
) -> Config:
    """Read and check one file.

    Args:
        path: the file.
        windows: read it for Windows (`_pc` keys, robocopy options), else for any other system (`_nix`, rsync).
        disk: the source is the external disk.
        debug: development addressees; on Windows also the debug source, which then beats `disk`.
        need_mail: server, sender and addressees are required and checked.

    Raises:
        ConfigError: with every fault that was found.
    """
    shown = printable(os.fspath(path))
    return read_config(
        _parse(_read(path, shown), shown), shown, windows=windows, disk=disk, debug=debug, need_mail=need_mail
    )


def _read(path: Union[str, os.PathLike[str]], shown: str) -> str:
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
        return f"{fault} {_BACKSLASH_HINT}"
    if re.search("[\u2018\u2019\u201c\u201d\u201e]", line):
        return f"{fault} The line has typographic quotation marks; write plain ones."
    if reason.lower().startswith("invalid value"):
        return f'{fault} Words and paths stand in quotes, for example robocopy_check = "on".'
    return fault


def read_config(
    data: Mapping[str, Any],
    shown: str,
    *,
    windows: bool,
    disk: bool = False,
    debug: bool = False,
    need_mail: bool = True,
) -> Config:
    """Check what a TOML file held. Pure; `load_config` says what the arguments mean and what is raised."""
    checker = _Checker(windows)
    top = _Table(data, "", checker)
    checker.report_unknown(data)
    fields: Dict[str, Any] = {}
    fields.update(_paths(top, checker, disk=disk, debug=debug))
    fields.update(_options(top, checker))
    settings = top.table("vdt")
    fields.update(_settings(settings, checker))
    fields.update(_mail_service(top, settings, checker, need_mail=need_mail))
    if need_mail:
        fields.update(_mail_people(top, checker, group="production" if windows and not debug else "development"))
    if checker.faults:
        raise ConfigError(shown, list(dict.fromkeys(checker.faults)))
    return Config(path=shown, warnings=tuple(dict.fromkeys(checker.warnings)), **fields)


@dataclass
class _Checker:
    """Gathers what is wrong."""

    windows: bool
    faults: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    def report_unknown(self, data: Mapping[str, Any]) -> None:
        """Unknown keys: a fault in [vdt], where a setting that is not read could change what is proven."""
        for key, suggestion in _unknown(data, _TOP_KEYS):
            place = " It belongs into the table [vdt]." if key in _VDT_KEYS else suggestion
            self.warnings.append(f"The key {printable(key)} is unknown and not read.{place}")
        tool = data.get("tool")
        options = tool.get("options") if isinstance(tool, dict) else None
        for name, table, known in (
            ("production", data.get("production"), ("addressees",)),
            ("development", data.get("development"), ("addressees",)),
            ("tool", tool, ("options",)),
            ("tool.options", options, _OPTION_KEYS),
            ("vdt", data.get("vdt"), _VDT_KEYS),
        ):
            for key, suggestion in _unknown(table if isinstance(table, dict) else {}, known):
                place = " It belongs above the first [table] of the file." if key in _TOP_KEYS else suggestion
                sentence = f"The key {printable(key)} in the table [{name}] is unknown"
                if name == "vdt":
                    self.faults.append(f"{sentence}.{place}")
                else:
                    self.warnings.append(f"{sentence} and not read.{place}")

    def absolute(self, key: str, path: str) -> str:
        """`path` as it is used; a fault where it is not absolute on the system in question."""
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
            self.faults.append(f"{key} = '{printable(path)}' holds a control character. {_BACKSLASH_HINT}")
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
        return path


def _unknown(table: Mapping[str, Any], known: Tuple[str, ...]) -> List[Tuple[str, str]]:
    """Unknown keys, each with a blank and the nearest known one, or with nothing."""
    found = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key[:80].lower(), known, 1, 0.6)
            found.append((key, f" Did you mean {near[0]}?" if near else ""))
    return found


class _Table:
    """One table of the file; reading a value of the wrong type is a fault and gives None."""

    def __init__(self, data: Mapping[str, Any], name: str, checker: _Checker) -> None:
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

    def table(self, key: str) -> _Table:
        """The table below this key; an empty one where there is none."""
        name = f"{self._name}.{key}" if self._name else key
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            self.fault(key, f"is {_kind(value)}, but it has to be a table: [{name}].")
            value = {}
        return _Table(value, name, self._checker)

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


def _paths(top: _Table, checker: _Checker, *, disk: bool, debug: bool) -> Dict[str, Any]:
    """Source, destination and logs for the system in question."""
    values = {key: top.text(key) for key in _PATH_KEYS}  # a wrong type is reported for every system
    system = "pc" if checker.windows else "nix"
    source_key = f"analysis_drive_{system}"
    if debug and checker.windows:
        source_key += "_debug"
        if disk:
            checker.warnings.append(f"--disk has no effect beside --debug: the source is {source_key}.")
    elif disk:
        source_key += "_disk"
    example = "'Z:\\'" if checker.windows else "'/mnt/analysis'"
    meaning = {
        source_key: f"the folder that holds merfish_raw_data and the other two, for example {example}",
        f"isilon_drive_{system}": "the folder that the runs are copied to",
    }
    found = {}
    for key, words in meaning.items():
        value = values[key]
        found[key] = checker.absolute(key, value) if value is not None else ""
        if top.missing(key):
            wanted = {"_disk": " (needed for --disk)", "debug": " (needed for --debug)"}.get(key[-5:], "")
            top.fault(key, f"is missing or empty{wanted}. Set it to {words}.")
    isilon = found[f"isilon_drive_{system}"]
    logs_key = f"isilon_drive_logs_{system}"
    logs = values[logs_key]
    beside = isilon.rstrip("\\/") + "\\logs" if checker.windows else isilon.rstrip("/") + "/logs"
    return {
        "analysis_key": source_key,
        "analysis_drive": found[source_key],
        "isilon_drive": isilon,
        "logs": checker.absolute(logs_key, logs) if logs else beside,
    }


def _options(top: _Table, checker: _Checker) -> Dict[str, Any]:
    """The option string of this system; the other one is not even looked at."""
    table = top.table("tool").table("options")
    key = "robocopy" if checker.windows else "rsync"
    if checker.windows:
        options = parse_option_string(table.text(key) or DEFAULT_ROBOCOPY)
    else:
        options = parse_rsync_options(table.text(key) or DEFAULT_RSYNC)
    for fault in options.faults:
        table.fault(key, f"cannot be used: {fault}")
    listing = (table.text("robocopy_list") if checker.windows else None) or DEFAULT_ROBOCOPY_LIST
    if checker.windows:
        # The real robocopy gets this string: without /L it would copy into a folder named NULL.
        words = {"/" + word.strip('"')[1:].upper() for word in listing.split() if word.strip('"')[:1] in ("/", "-")}
        if "/L" not in words:
            table.fault("robocopy_list", f"has to hold /L, or robocopy would copy. Write '{DEFAULT_ROBOCOPY_LIST}'.")
        for word in sorted(words & {"/MIR", "/PURGE", "/MOVE", "/MOV"}):
            table.fault("robocopy_list", f"holds {word}, which deletes. Write '{DEFAULT_ROBOCOPY_LIST}'.")
    return {"options": options, "robocopy_list": listing}


def _settings(table: _Table, checker: _Checker) -> Dict[str, Any]:
    """The table [vdt] without the part for the mail."""
    verify = table.choice("verify", tuple(level.value for level in Verify))
    existing = table.choice("existing", tuple(way.value for way in Existing))
    bwlimit = table.text("bwlimit")
    if bwlimit is not None:
        try:
            parse_bwlimit(bwlimit)
        except UsageError as error:
            table.fault("bwlimit", f"cannot be used: {error}")
    return {
        "threads": table.whole("threads", 1, 128),
        "verify": Verify(verify) if verify else None,
        "existing": Existing(existing) if existing else None,
        "retries": table.whole("retries", 0, MOST_RETRIES),
        "retry_wait_s": table.seconds("retry_wait_s"),
        "share_wait_s": table.seconds("share_wait_s"),
        "bwlimit": bwlimit,
        "settle_s": table.seconds("settle_s"),
        "robocopy_check": table.choice("robocopy_check", ("auto", "on", "off")),
        "also_hash": table.choice("also_hash", ("md5", "sha256")),
    }


def _mail_service(top: _Table, table: _Table, checker: _Checker, *, need_mail: bool) -> Dict[str, Any]:
    """Server, port, encryption and log-in."""
    server = top.text("smtp_server") if need_mail else None
    port = table.whole("smtp_port", 1, 65535)
    security = table.choice("smtp_security", tuple(DEFAULT_PORTS)) or "none"
    user = table.text("smtp_user")
    variable = table.text("smtp_password_env")
    if variable is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        table.fault("smtp_password_env", "has to be the name of an environment variable, never the password itself.")
    if user is not None and any(not letter.isprintable() for letter in user):
        table.fault("smtp_user", "holds a control character.")
    if (user is None) != (variable is None) and need_mail:
        there, missing = ("smtp_user", "smtp_password_env") if user else ("smtp_password_env", "smtp_user")
        table.fault(there, f"is set, but {missing} is not. A log-in needs both; remove it where none is needed.")
    if user and security == "none" and need_mail:
        checker.warnings.append(
            "[vdt] smtp_user is set without smtp_security: the password crosses the network in the clear. "
            'Set smtp_security = "starttls" or "ssl".'
        )
    if server is not None:
        server, port = _server(server.strip(" "), port, top)
    elif need_mail and top.missing("smtp_server"):
        top.fault("smtp_server", "is missing or empty. Set it to the name of the mail server, or use --no_email.")
    _warn_placeholder(checker, "smtp_server", server)
    return {
        "smtp_server": server or "",
        "smtp_port": port if port is not None else DEFAULT_PORTS[security],
        "smtp_security": security,
        "smtp_user": user,
        "smtp_password_env": variable,
    }


def _server(server: str, port: Optional[int], top: _Table) -> Tuple[str, Optional[int]]:
    """Split `name:port`, which smtplib took from the files of 1.0.0."""
    name, colon, digits = server.partition(":")
    if colon and re.fullmatch("[0-9]{1,5}", digits) and 1 <= int(digits) <= 65535:
        if port not in (None, int(digits)):
            top.fault("smtp_server", f"names port {digits}, but [vdt] smtp_port is {port}. Keep one of them.")
        server, port = name, int(digits)
    if not re.fullmatch(r"[^\s,;@/\\]+", server) or not server.isprintable():
        top.fault("smtp_server", f"= '{printable(server)}' is no name of a server. Write it like smtp.place.org.")
    return server, port


def _mail_people(top: _Table, checker: _Checker, *, group: str) -> Dict[str, Any]:
    """Sender and addressees."""
    sender = top.text("sender_email")
    if sender is not None:
        sender = sender.strip(" ")
        _check_address(top, "sender_email", sender)
    elif top.missing("sender_email"):
        top.fault("sender_email", "is missing or empty. Set it to the address of the sender, or use --no_email.")
    table = top.table(group)
    if "addressees" not in table and "addressees" in top:
        table = top  # files older than 1.0.0
    before = len(checker.faults)
    addressees = table.texts("addressees")
    for address in addressees:
        _check_address(table, "addressees", address)
        _warn_placeholder(checker, table.label("addressees"), address)
    if not addressees and len(checker.faults) == before:
        top.table(group).fault(
            "addressees", 'is missing or empty. Set it to a list like ["first@place.org"], or use --no_email.'
        )
    _warn_placeholder(checker, "sender_email", sender)
    return {"sender": sender or "", "addressees": addressees}


def _check_address(table: _Table, key: str, address: str) -> None:
    """Lenient on purpose: a real domain may hold what the standard does not allow. Strict against header injection."""
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        table.fault(
            key,
            f"holds '{printable(address)}', which is no mail address. "
            "Write one bare address like first@place.org in each pair of quotes.",
        )


def _warn_placeholder(checker: _Checker, label: str, value: Optional[str]) -> None:
    if value is not None and value.lower() in _PLACEHOLDERS:
        checker.warnings.append(f"{label} is still the template's example '{value}': set it, or no mail arrives.")
