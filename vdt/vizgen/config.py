"""The configuration: what the values of its keys may be, and what they mean for one system and source.

`toml_table` reads the file, `config_keys` lists the keys; here the values are checked as a whole, every fault of them
reported together. Nothing is touched: no folder, no drive and no server named in the file is looked at. Paths are
judged by their spelling alone, for the system that `windows` names, so both systems are tested anywhere.
No value of `[vdt]` that could be a password is ever repeated in a message.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from vdt.bwlimit import parse_bwlimit
from vdt.errors import ConfigError, UsageError
from vdt.model import Existing, Verify
from vdt.options import MOST_RETRIES, ParsedOptions
from vdt.printable import printable
from vdt.robocopy.list_options import parse_list_options
from vdt.robocopy.options import parse_option_string
from vdt.rsync_options import parse_rsync_options
from vdt.vizgen.config_keys import OPTION_KEYS, PATH_KEYS, TOP_KEYS, VDT_KEYS
from vdt.vizgen.finished import MARKERS
from vdt.vizgen.toml_table import Checker, Table, read_toml, unknown_keys

DEFAULT_ROBOCOPY = "/Z /E /J"
DEFAULT_RSYNC = "-av"
DEFAULT_ROBOCOPY_LIST = "/L /E /BYTES /V /NP /FP"
DEFAULT_PORTS = {"none": 25, "starttls": 587, "ssl": 465}

_PLACEHOLDERS = frozenset(
    {
        "smtp.example.com",
        "user@example.co.uk",
        "first.user@example_account.ac.uk",
        "second.user@example_account.ac.uk",
    }
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
    finished_markers: Tuple[str, ...] = MARKERS  # files in raw_data that a finished run has
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
    return read_config(read_toml(path, shown), shown, windows=windows, disk=disk, debug=debug, need_mail=need_mail)


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
    checker = Checker(windows)
    top = Table(data, "", checker)
    _report_unknown(data, checker)
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


def _report_unknown(data: Mapping[str, Any], checker: Checker) -> None:
    """Unknown keys: a fault in [vdt], where a setting that is not read could change what is proven."""
    for key, suggestion in unknown_keys(data, TOP_KEYS):
        place = " It belongs into the table [vdt]." if key in VDT_KEYS else suggestion
        checker.warnings.append(f"The key {printable(key)} is unknown and not read.{place}")
    tool = data.get("tool")
    options = tool.get("options") if isinstance(tool, dict) else None
    for name, table, known in (
        ("production", data.get("production"), ("addressees",)),
        ("development", data.get("development"), ("addressees",)),
        ("tool", tool, ("options",)),
        ("tool.options", options, OPTION_KEYS),
        ("vdt", data.get("vdt"), VDT_KEYS),
    ):
        for key, suggestion in unknown_keys(table if isinstance(table, dict) else {}, known):
            place = " It belongs above the first [table] of the file." if key in TOP_KEYS else suggestion
            sentence = f"The key {printable(key)} in the table [{name}] is unknown"
            if name == "vdt":
                checker.faults.append(f"{sentence}.{place}")
            else:
                checker.warnings.append(f"{sentence} and not read.{place}")


def _paths(top: Table, checker: Checker, *, disk: bool, debug: bool) -> Dict[str, Any]:
    """Source, destination and logs for the system in question."""
    values = {key: top.text(key) for key in PATH_KEYS}  # a wrong type is reported for every system
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


def _options(top: Table, checker: Checker) -> Dict[str, Any]:
    """The option string of this system; the other one is not even looked at."""
    table = top.table("tool").table("options")
    key = "robocopy" if checker.windows else "rsync"
    if checker.windows:
        options = parse_option_string(table.text(key) or DEFAULT_ROBOCOPY, now=datetime.now())
    else:
        options = parse_rsync_options(table.text(key) or DEFAULT_RSYNC)
    for fault in options.faults:
        table.fault(key, f"cannot be used: {fault}")
    listing = table.text("robocopy_list") or DEFAULT_ROBOCOPY_LIST
    if checker.windows:  # elsewhere there is hardly ever a robocopy; where there is one, the cross-check looks itself
        for fault in parse_list_options(listing).faults:
            table.fault("robocopy_list", fault)
    return {"options": options, "robocopy_list": listing}


def _settings(table: Table, checker: Checker) -> Dict[str, Any]:
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
        "finished_markers": _markers(table, checker),
        "robocopy_check": table.choice("robocopy_check", ("auto", "on", "off")),
        "also_hash": table.choice("also_hash", ("md5", "sha256")),
    }


def _markers(table: Table, checker: Checker) -> Tuple[str, ...]:
    """Which of the known flags a finished run has at this facility; at least one."""
    if "finished_markers" not in table:
        return MARKERS
    before = len(checker.faults)
    names = table.texts("finished_markers")
    wrong = [name for name in names if name not in MARKERS]
    if (wrong or not names) and len(checker.faults) == before:
        table.fault("finished_markers", f"has to name one or more of {', '.join(MARKERS)}.")
    return tuple(name for name in MARKERS if name in names)


def _mail_service(top: Table, table: Table, checker: Checker, *, need_mail: bool) -> Dict[str, Any]:
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


def _server(server: str, port: Optional[int], top: Table) -> Tuple[str, Optional[int]]:
    """Split `name:port`, which smtplib took from the files of 1.0.0."""
    name, colon, digits = server.partition(":")
    if colon and re.fullmatch("[0-9]{1,5}", digits) and 1 <= int(digits) <= 65535:
        if port not in (None, int(digits)):
            top.fault("smtp_server", f"names port {digits}, but [vdt] smtp_port is {port}. Keep one of them.")
        server, port = name, int(digits)
    if not re.fullmatch(r"[^\s,;@/\\]+", server) or not server.isprintable():
        top.fault("smtp_server", f"= '{printable(server)}' is no name of a server. Write it like smtp.place.org.")
    return server, port


def _mail_people(top: Table, checker: Checker, *, group: str) -> Dict[str, Any]:
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


def _check_address(table: Table, key: str, address: str) -> None:
    """Lenient on purpose: a real domain may hold what the standard does not allow. Strict against header injection."""
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        table.fault(
            key,
            f"holds '{printable(address)}', which is no mail address. "
            "Write one bare address like first@place.org in each pair of quotes.",
        )


def _warn_placeholder(checker: Checker, label: str, value: Optional[str]) -> None:
    if value is not None and value.lower() in _PLACEHOLDERS:
        checker.warnings.append(f"{label} is still the template's example '{value}': set it, or no mail arrives.")
