"""The body of a log in robocopy's layout: header, folder lines, file lines, errors and retries.

Pure: values in, text out; dates are handed in as local time and written in English whatever the locale. Each piece
is the whole text to append, line ends included, and "" where the layout leaves it out. Every name goes through
`printable`. The one carriage return that is no line end stands behind an error's message, as in robocopy's own logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from vdt.model import FileClass, Links, Policy
from vdt.printable import printable
from vdt.robocopy.classes import SELECTED, SKIPPED, FolderKind, Skip, skip_field

EOL = "\r\n"
RULE = "-" * 78
_WIDE_RULE = "-" * 79
TITLE = "   ROBOCOPY     ::     Robust File Copy for Windows"
PROGRESS_END = "\r100%  "
_CONTINUED = "\t    "
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MIB = 1024**2
_ANOMALIES = (FileClass.EXTRA, FileClass.MISMATCH)


class Told(NamedTuple):
    """What a header tells of the command, in its own words."""

    file_specs: Sequence[str] = ()
    exclude_files: Sequence[str] = ()
    exclude_folders: Sequence[str] = ()
    options: str = ""


@dataclass(frozen=True)
class LogFormat:
    """The switches that shape a log; the default is what `/E /Z /NP` gives.

    `file_line` takes about a microsecond: what it needs is worked out when the format is made.
    """

    mt: bool  # /MT was on the line: full paths, and no folder lines but those of extras
    full_paths: bool = False  # /FP
    bytes_: bool = False  # /BYTES
    verbose: bool = False  # /V: skipped files and folders too
    timestamps: bool = False  # /TS
    no_size: bool = False  # /NS
    no_class: bool = False  # /NC
    no_file_list: bool = False  # /NFL
    no_dir_list: bool = False  # /NDL: extra folders stay
    no_progress: bool = True  # /NP; without it the last token, 100%, stands behind each copied file
    eta: bool = False  # /ETA
    no_header: bool = False  # /NJH
    no_summary: bool = False  # /NJS; obeyed by whoever writes the summary
    all_extras: bool = False  # /X; obeyed by whoever finds the extras
    _selected: Dict[FileClass, str] = field(init=False, repr=False, compare=False)
    _skipped: Dict[FileClass, str] = field(init=False, repr=False, compare=False)
    _plain_below: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        selected = {kind: self._start(text) for kind, text in SELECTED.items()}
        skipped = {kind: self._start(SKIPPED[kind], kind in _ANOMALIES or self.verbose) for kind in SKIPPED}
        usual = not (self.no_size or self.timestamps)
        object.__setattr__(self, "_selected", selected)
        object.__setattr__(self, "_skipped", skipped)
        object.__setattr__(self, "_plain_below", (float("inf") if self.bytes_ else _MIB) if usual else 0)

    @property
    def wants_paths(self) -> bool:
        """True when file lines take the full path (of the source; of the destination for extras), not the name."""
        return self.mt or self.full_paths

    def header(
        self,
        started: datetime,
        source: str,
        dest: str,
        file_specs: Sequence[str] = (),
        exclude_files: Sequence[str] = (),
        exclude_folders: Sequence[str] = (),
        options: str = "",
    ) -> str:
        """The job header of one run; `options` comes from `options_line`."""
        if self.no_header:
            return ""
        lines = ["", _WIDE_RULE, f"{TITLE:<81}", _WIDE_RULE, ""]
        lines.append(f"  Started : {long_date(started)}")
        lines += [f"   Source : {folder_text(source)}", f"     Dest : {folder_text(dest)}", ""]
        lines += _name_list("    Files : ", file_specs or ("*.*",))
        lines += _name_list("Exc Files : ", exclude_files)
        lines += _name_list(" Exc Dirs : ", exclude_folders)
        lines += [f"  Options : {printable(options)}", "", RULE, "", ""]
        return EOL.join(lines)

    def folder_line(self, kind: FolderKind, count: int, path: str) -> str:
        """A folder with the number of its files that match the file specs (-1 for an extra one)."""
        if kind is not FolderKind.EXTRA and kind is not FolderKind.MISMATCH:
            left_out = kind not in (FolderKind.EXISTING, FolderKind.NEW)
            if self.mt or self.no_dir_list or (left_out and not self.verbose):
                return ""
        word = "" if self.no_class else kind.value
        number = "" if self.no_size else f"{count:>8}"
        return f"\t{word}{number}\t{folder_text(path)}{EOL}"

    def file_line(
        self,
        file_class: FileClass,
        selected: bool,
        size_bytes: int,
        name: str,
        mtime: Optional[datetime] = None,
        tail: str = "",
    ) -> str:
        """A file that is copied (`selected`) or skipped; `name` is the full path where `wants_paths` says so."""
        start = (self._selected if selected else self._skipped)[file_class]
        if not start:
            return ""
        if not name.isprintable():
            name = printable(name)
        if size_bytes < self._plain_below:
            return f"{start}{size_bytes:>8}\t{name}{tail}\r\n"
        return f"{start}{self._size(size_bytes)}{self._stamp(mtime)}\t{name}{tail}\r\n"

    def skip_line(self, skip: Skip, size_bytes: int, name: str, mtime: Optional[datetime] = None) -> str:
        """A file that was left out by name, size, age, attribute or as a junction; listed under /V only."""
        start = self._start(skip_field(skip), self.verbose)
        return f"{start}{self._size(size_bytes)}{self._stamp(mtime)}\t{printable(name)}{EOL}" if start else ""

    def extra_file(self, size_bytes: int, name: str, mtime: Optional[datetime] = None) -> str:
        """A file that only the destination has."""
        return self.file_line(FileClass.EXTRA, True, size_bytes, name, mtime)

    def extra_folder(self, path: str) -> str:
        """A folder that only the destination has."""
        return self.folder_line(FolderKind.EXTRA, -1, path)

    def mismatch_file(self, size_bytes: int, name: str, mtime: Optional[datetime] = None) -> str:
        """A file of the source whose name is a folder in the destination."""
        return self.file_line(FileClass.MISMATCH, True, size_bytes, name, mtime)

    def mismatch_folder(self, count: int, path: str) -> str:
        """A folder of the source whose name is a file in the destination."""
        return self.folder_line(FolderKind.MISMATCH, count, path)

    @staticmethod
    def error(when: datetime, code: int, operation: str, path: str, message: str) -> str:
        """Two lines: what failed with which Windows error number, and the system's words."""
        stamp = f"{when.year}{_clock(when)}"
        head = f"{stamp} ERROR {code} (0x{code & 0xFFFFFFFF:08X}) {printable(operation)} {printable(path)}"
        return f"{head}{EOL}{printable(message.rstrip())}\r{EOL}"

    @staticmethod
    def retry_wait(seconds: float) -> str:
        """Stands before the repeated file line."""
        return f"Waiting {seconds:g} seconds... Retrying...{EOL}"

    @staticmethod
    def retry_limit() -> str:
        """Stands behind the last error of a file that is given up."""
        return f"{EOL}ERROR: RETRY LIMIT EXCEEDED.{EOL}{EOL}"

    @staticmethod
    def invalid_parameter(number: int, text: str) -> str:
        """The end of a run that was called wrongly; `number` counts from 1."""
        return f'ERROR : Invalid Parameter #{number} : "{printable(text)}"{EOL}'

    def _start(self, word: str, shown: bool = True) -> str:
        if self.no_file_list or not shown:
            return ""
        return "\t  \t\t" if self.no_class else f"\t  {word}\t\t"

    def _size(self, size_bytes: int) -> str:
        if self.no_size:
            return ""
        return f"{size_bytes if self.bytes_ else _file_size(size_bytes):>8}"

    def _stamp(self, mtime: Optional[datetime]) -> str:
        return f" {mtime.year:04}{_clock(mtime)}" if self.timestamps and mtime else ""


_ORDER = (
    *("*.*", "X", "V", "TS", "FP", "BYTES", "NS", "NC", "NDL", "NFL", "L", "TEE", "UNICODE", "S", "E", "LEV"),
    *("DCOPY", "COPY", "SL", "B", "Z", "ZB", "J", "IS", "IT", "IM", "NP", "ETA", "NJH", "NJS"),
    *("XO", "XN", "XC", "XL", "XX", "XJ", "XJD", "XJF", "FFT", "DST", "MAX", "MIN", "MAXAGE", "MINAGE"),
    *("IPG", "MT", "R", "W"),
)


def in_order(told: Mapping[str, str]) -> str:
    """The Options line from the text of each option in effect; ends with a blank, as robocopy's does."""
    return "".join(f"{told[name]} " for name in _ORDER if name in told)


def options_line(
    policy: Policy,
    layout: LogFormat,
    *,
    retries: int,
    wait_s: float,
    threads: int = 1,
    list_only: bool = False,
    restartable: bool = False,
) -> str:
    """The options that a policy comes to, as robocopy would spell them.

    File specs and excluded names are not repeated here (they have lines of their own), nor is the log file.
    """
    given = {
        "*.*": not policy.include_files,
        "X": layout.all_extras,
        "V": layout.verbose,
        "TS": layout.timestamps,
        "FP": layout.full_paths,
        "BYTES": layout.bytes_,
        "NS": layout.no_size,
        "NC": layout.no_class,
        "NDL": layout.no_dir_list,
        "NFL": layout.no_file_list,
        "L": list_only,
        "S": policy.recurse,
        "E": policy.recurse and policy.empty_folders,
        "SL": policy.links is Links.COPY,
        "Z": restartable,
        "IS": policy.include_same,
        "IT": policy.include_tweaked,
        "IM": policy.include_modified,
        "NP": layout.no_progress,
        "ETA": layout.eta,
        "NJH": layout.no_header,
        "NJS": layout.no_summary,
        "XO": policy.skip_older,
        "XN": policy.skip_newer,
        "XC": policy.skip_changed,
        "XL": policy.skip_lonely,
        "XX": policy.hide_extras,
        "XJ": policy.links is Links.SKIP or (policy.skip_folder_links and policy.skip_file_links),
        "XJD": policy.skip_folder_links and not policy.skip_file_links,
        "XJF": policy.skip_file_links and not policy.skip_folder_links,
        "FFT": policy.modify_window_ns >= 2 * 10**9,
        "DST": policy.dst_tolerance,
    }
    told = {name: name if name == "*.*" else f"/{name}" for name, is_given in given.items() if is_given}
    numbers = {"LEV": policy.max_levels, "MAX": policy.max_size_bytes, "MIN": policy.min_size_bytes}
    numbers.update(MT=threads if layout.mt else None, R=retries)
    told.update({name: f"/{name}:{number}" for name, number in numbers.items() if number is not None})
    folder_flags = "D" + "A" * policy.folder_modes + "T" * policy.folder_times
    told.update(COPY=_copy_flags(policy), DCOPY=f"/DCOPY:{folder_flags}", W=f"/W:{wait_s:g}")
    return in_order(told)


def long_date(when: datetime) -> str:
    """`Friday, July 24, 2026 11:08:15 AM`, as the header and the Ended line have it."""
    hour, half = (when.hour % 12 or 12), ("AM" if when.hour < 12 else "PM")
    day = f"{_DAYS[when.weekday()]}, {_MONTHS[when.month - 1]} {when.day}, {when.year}"
    return f"{day} {hour}:{when.minute:02}:{when.second:02} {half}"


def folder_text(path: str) -> str:
    """A folder's path made printable, with the separator at its end that robocopy puts there."""
    if path.endswith("/") or (path.endswith("\\") and not path.startswith("/")):
        return printable(path)
    return printable(path) + ("/" if path.startswith("/") else "\\")


def _clock(when: datetime) -> str:
    """Month to second, as error lines and /TS have them behind the year."""
    return f"/{when.month:02}/{when.day:02} {when.hour:02}:{when.minute:02}:{when.second:02}"


def _file_size(size_bytes: int) -> str:
    """Bytes below 1 MiB, else `m`, `g` or `t` with one decimal, cut off and not rounded."""
    if size_bytes < _MIB:
        return str(size_bytes)
    if size_bytes < _MIB * 1024:
        tenths, letter = size_bytes * 10 // _MIB, "m"
    elif size_bytes < _MIB * 1024**2:
        tenths, letter = size_bytes * 10 // (_MIB * 1024), "g"
    else:
        tenths, letter = size_bytes * 10 // (_MIB * 1024**2), "t"
    return f"{tenths // 10}.{tenths % 10} {letter}"


def _name_list(label: str, names: Sequence[str]) -> List[str]:
    """The first name behind the label, each further one on its own line, closed by an empty continuation."""
    if not names:
        return []
    first, *others = (printable(name) for name in names)
    return [f"{label}{first}", *(f"{_CONTINUED}{name}" for name in others), _CONTINUED]


def _copy_flags(policy: Policy) -> str:
    flags = (("D", True), ("A", policy.keep_modes), ("T", policy.keep_times), ("O", policy.keep_owner))
    return "/COPY:" + "".join(letter for letter, kept in flags if kept)
