"""Evidence files: one JSON line for each file that a run proved, kept beside the tree for ever.

Reads and appends these files, nothing else. A run never changes the file of another run. Lines that do not parse (a
torn last line after a power cut) are passed over and counted: they cost time, never correctness.
"""

from __future__ import annotations

import json
import os
import re
import socket
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, List, Optional, Tuple

from vdt import fs
from vdt.appender import Appender
from vdt.errors import LostOutputError
from vdt.model import Evidence, stays_inside
from vdt.records import Record, Records

RECORDED = "recorded"  # evidence of an audit that had nothing proven to hold a file against

_RECORDED = f'"evidence": "{RECORDED}"'
_NAME = re.compile(r"\d{8}T\d{6}.*\.jsonl\Z")
_quote = json.encoder.encode_basestring_ascii
_BUFFER_CHARS = 1 << 16
_WORDS = {level: level.value for level in Evidence}


def host_name() -> str:
    """This machine's name, fit for a file name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname()) or "unknown"


class EvidenceWriter:
    """Appends evidence of one run. The file is made with its first line; a run that proved nothing leaves none.

    `patiently` tries a write, and again where a share was away (`Outage.again`). `guard` is asked before the folder is
    made, and raises OSError where it would be made in another place than was meant.
    """

    def __init__(
        self,
        folder: str,
        started: datetime,
        purpose: str = "transfer",
        *,
        patiently: Callable[[Callable[[], None]], None] = lambda act: act(),
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._started, self._purpose = started, purpose
        self._patiently, self._guard = patiently, guard
        self._lines: List[str] = []
        self._held = 0
        self._file: Optional[Appender] = None
        self.path = ""

    def note(self, values: Dict[str, Any]) -> None:
        """Write a line that proves nothing: what an audit is held against, or what it found wrong.

        Raises:
            LostOutputError: the evidence could not be written.
        """
        self._line(json.dumps(values))

    def add(self, path: str, record: Record, when: str, *, recorded: bool = False) -> None:
        """Write one line. `when` is the local time with offset, ISO 8601; `recorded` says that nothing was proven.

        Raises:
            LostOutputError: the evidence could not be written.
        """
        level = RECORDED if recorded else _WORDS[record.evidence]
        line = (
            f'{{"path": {_quote(path)}, "size": {record.size_bytes}, "mtime_ns": {record.mtime_ns}, '
            f'"xxh128": "{record.digest}", "evidence": "{level}", "when": "{when}"'
        )
        if record.stored_mtime_ns != record.mtime_ns:
            line += f', "stored_mtime_ns": {record.stored_mtime_ns}'
        if record.also:
            name, _, digest = record.also.partition(":")
            line += f', "{name}": "{digest}"'
        self._line(line + "}")

    def _line(self, line: str) -> None:
        self._lines.append(line + "\n")
        self._held += len(self._lines[-1])
        if self._file is None or self._held >= _BUFFER_CHARS:
            self._put(lambda file: file.write(self._take() if self._held >= _BUFFER_CHARS else b""))

    def _take(self) -> bytes:
        """What was added; the file keeps it from here on."""
        data = "".join(self._lines).encode("ascii")
        self._lines, self._held = [], 0
        return data

    def _put(self, act: Callable[[Appender], object]) -> None:
        def put() -> None:
            if self._file is None:
                self._file = self._open()
            act(self._file)

        try:
            self._patiently(put)
        except OSError as error:
            where = self.path or self._folder
            raise LostOutputError(f"The evidence {where} could not be written: {fs.explain(error)[1]}.") from error

    def _open(self) -> Appender:
        self._guard()
        fs.make_folder(self._folder)
        started = self._started
        while True:
            name = f"{started.strftime('%Y%m%dT%H%M%S')}-{host_name()}-{self._purpose}.jsonl"
            self.path = os.path.join(self._folder, name)
            try:
                return Appender(self.path, flags=os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                started += timedelta(seconds=1)  # a run of the same second: the names still sort in order

    def flush(self) -> None:
        """Force what was added to the medium."""
        if self._lines or self._file is not None:
            self._put(lambda file: file.sync(self._take()))

    def close(self) -> None:
        """Flush and close; raises LostOutputError."""
        if self._lines or self._file is not None:
            self._put(lambda file: file.finish(self._take()))
            self._file = None


def parse_line(line: str) -> Optional[Tuple[str, Record]]:
    """(path, record) of one evidence line, or None where it is not one."""
    parsed = _parse(line)
    return None if parsed is None else parsed[:2]


def _parse(line: str) -> Optional[Tuple[str, Record, str]]:
    """(path, record, when)."""
    try:
        values = json.loads(line)
        also = next((f"{name}:{values[name]}" for name in ("md5", "sha256") if name in values), "")
        record = Record(
            size_bytes=int(values["size"]),
            mtime_ns=int(values["mtime_ns"]),
            stored_mtime_ns=int(values.get("stored_mtime_ns", values["mtime_ns"])),
            digest=str(values["xxh128"]),
            evidence=Evidence(values["evidence"]),
            also=also,
        )
        path, when = values["path"], str(values.get("when", ""))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if not isinstance(path, str) or not stays_inside(path):
        return None
    return path, record, when


def load_records(folder: str) -> Tuple[Records, List[str]]:
    """All records of a tree from its evidence folder, oldest file first, and notes on what could not be used.

    Lines that prove nothing (`none`, `inflight`) are loaded too: they end what was proven before. An audit's `recorded`
    lines are passed over.
    """
    records = Records()
    return records, read_evidence(folder, lambda host, path, record, when: records.add(path, record))


def read_evidence(folder: str, take: Callable[[str, str, Record, str], None]) -> List[str]:
    """Hand every line of a tree's evidence to `take` (host, path, record, when), oldest file first.

    `take` raises ValueError for a record that does not fit. Returns notes on what could not be used.
    """
    notes: List[str] = []
    try:
        names = sorted(name for name in os.listdir(folder) if _NAME.match(name))
    except FileNotFoundError:
        return notes
    except OSError as error:
        return [f"The evidence of earlier runs in {folder} cannot be read: {fs.explain(error)[1]}."]
    for name in names:
        path = os.path.join(folder, name)
        bad = 0
        host = _host_of(name)
        try:
            with open(path, encoding="ascii", errors="replace", newline="\n") as file:
                for line in file:
                    if _RECORDED in line and line.endswith("}\n"):
                        continue  # most lines of an audit that had only a manifest; spares reading them as JSON
                    parsed = _parse(line)
                    if parsed is None:
                        bad += not _is_other_line(line)
                    else:
                        try:
                            take(host, *parsed)
                        except ValueError:
                            bad += 1
        except OSError as error:
            notes.append(f"The evidence {path} cannot be read: {fs.explain(error)[1]}.")
        if bad:
            notes.append(f"{path}: {bad} line(s) are damaged and were passed over; those files are proven again.")
    return notes


def _host_of(name: str) -> str:
    """The host in the name of an evidence file: <date-time>-<host>-<purpose>.jsonl."""
    return name.rpartition(".")[0].rpartition("-")[0].partition("-")[2]


def _is_other_line(line: str) -> bool:
    """True for a sound line that simply is no proof: an audit's head, and what it recorded or found wrong."""
    try:
        values = json.loads(line)
        return isinstance(values, dict) and (values.get("evidence") == RECORDED or "audit" in values)
    except (ValueError, RecursionError):
        return False
