"""Reads robocopy's own command line: everything behind source and destination. Pure; never raises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Dict, Sequence, Tuple

from vdt.options import ParsedOptions, Word
from vdt.robocopy.log import LogFormat, Told, in_order
from vdt.robocopy.options import Fault, Reader

_LAYOUT = {
    "V": "verbose",
    "TS": "timestamps",
    "FP": "full_paths",
    "BYTES": "bytes_",
    "NS": "no_size",
    "NC": "no_class",
    "NFL": "no_file_list",
    "NDL": "no_dir_list",
    "NP": "no_progress",
    "NJH": "no_header",
    "NJS": "no_summary",
    "ETA": "eta",
    "X": "all_extras",
}
_LOGS = ("LOG", "LOG+", "UNILOG", "UNILOG+")
_DEFAULTS = {"COPY": "DAT", "DCOPY": "DA"}


@dataclass(frozen=True)
class CommandLine:
    """What a command line asks for. Usable only while `faults` is empty."""

    options: ParsedOptions
    faults: Tuple[Fault, ...]
    layout: LogFormat
    file_specs: Tuple[str, ...]
    exclude_files: Tuple[str, ...]  # as written
    exclude_folders: Tuple[str, ...]
    switches: Dict[str, str]  # name -> value, "" where it takes none
    log: str = ""  # the file; "" for the console alone
    append_log: bool = False
    utf16: bool = False
    tee: bool = False
    unicode_console: bool = False
    list_only: bool = False

    def told(self, *, retries: int, wait_s: float) -> Told:
        """What the header says of it: the options as robocopy spells them, with what is really in effect."""
        values = {**_DEFAULTS, **self.switches, "R": str(retries), "W": f"{wait_s:g}"}
        if self.options.threads is not None:
            values["MT"] = str(self.options.threads)
        told = {name: f"/{name}:{value}" if value else f"/{name}" for name, value in values.items()}
        if "E" in told:
            told["S"] = "/S"
        if not self.file_specs or "*.*" in self.file_specs:
            told["*.*"] = "*.*"
        return Told(self.file_specs, self.exclude_files, self.exclude_folders, in_order(told))


def parse_command_line(arguments: Sequence[Tuple[int, str]], *, source: str, now: datetime) -> CommandLine:
    """Read the words behind source and destination, which are split already.

    Args:
        arguments: each with its number; the source is 1.
        source: its full path: values of /XF and /XD may lie below it.
        now: local time, from which days of age are counted.
    """
    reader = Reader([Word(text, False) for _, text in arguments], now=now, source=source)
    reader.read()
    numbers = [number for number, _ in arguments]
    faults = tuple(fault._replace(number=numbers[fault.number - 1]) for fault in reader.faults)
    seen = reader.seen
    layout = {field: name in seen for name, field in _LAYOUT.items()}
    log = next((name for name in _LOGS if name in seen), "")
    return CommandLine(
        options=reader.result(" ".join(text for _, text in arguments)),
        faults=faults,
        layout=LogFormat(mt="MT" in seen, **layout),
        file_specs=tuple(reader.file_specs),
        exclude_files=tuple(reader.excluded["XF"]),
        exclude_folders=tuple(reader.excluded["XD"]),
        switches=dict(seen),
        log=seen[log] if log else "",
        append_log=log.endswith("+"),
        utf16=log.startswith("UNI"),
        tee="TEE" in seen,
        unicode_console="UNICODE" in seen,
        list_only="L" in seen,
    )
