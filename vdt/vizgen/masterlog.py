"""The master log: one line an event, of all runs, in `<logs>/vizgen_data_transfer.log`.

It is written to this machine first and moved into `<logs>` at the end, because the share may be what failed; what a
run could not deliver, the next one does. Levels and layout are those of version 1.0.0.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime
from typing import List, NamedTuple, Optional

from vdt import fs
from vdt.printable import printable
from vdt.troubles import LOGS_AWAY

NAME = "vizgen_data_transfer.log"
_PREFIX = "vizgen_data_transfer."
_LAYOUT = "%(asctime)s - %(process)d - %(name)s - %(levelname)s - %(message)s"


class AtWork(NamedTuple):
    """A process of this machine that works on a run."""

    process_id: int
    last: str  # what it said last, safe to print


def at_work(state_folder: str, run_id: str) -> List[AtWork]:
    """The processes of this machine that work on a run, from the logs that they have not delivered yet."""
    found = []
    try:
        names = sorted(os.listdir(state_folder))
    except OSError:
        return []
    for name in names:
        process = _process_of(name)
        if process is None or process == os.getpid() or fs.process_started(process) is None:
            continue
        try:
            with open(os.path.join(state_folder, name), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        said = [line.split(" - ", 4)[4] for line in lines if line.count(" - ") >= 4]
        if said and f": run {printable(run_id)}, configuration " in said[0]:
            found.append(AtWork(process, printable(said[-1])))
    return found


def _process_of(name: str) -> Optional[int]:
    """The process that writes a log of this name; None where it is none of ours."""
    if not (name.startswith(_PREFIX) and name.endswith(".log")):
        return None
    process = name[len(_PREFIX) : -len(".log")].rpartition("-")[2]
    return int(process) if process.isdecimal() and process.isascii() else None


class _Formatter(logging.Formatter):
    """Local time with offset; no control character of a name reaches the file raw."""

    def formatTime(self, record: logging.LogRecord, datefmt: Optional[str] = None) -> str:  # noqa: N802 (logging's name)
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="seconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = "\n    ".join(printable(line) for line in record.message.split("\n"))
        return super().formatMessage(record)


class _Memory(logging.Handler):
    """Keeps formatted lines where this machine has no folder for them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class MasterLog:
    """Log of one run. `logger` takes the events; `deliver` moves them to the share."""

    def __init__(self, state_folder: str, started: datetime, *, debug: bool) -> None:
        self.logger = logging.Logger("vdt", logging.DEBUG if debug else logging.INFO)
        self._state = state_folder
        self._path = ""
        self._memory = _Memory()
        self._handler: logging.Handler = self._memory
        try:
            os.makedirs(state_folder, mode=0o700, exist_ok=True)
            stamp = f"{started.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
            self._path = os.path.join(state_folder, f"{_PREFIX}{stamp}.log")
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))  # names of files are nobody else's business
            self._handler = logging.FileHandler(self._path, encoding="utf-8", errors="backslashreplace")
        except OSError:
            self._path = ""  # no local state folder: the events go to the share alone, at the end
        for handler in (self._handler, self._memory):
            handler.setFormatter(_Formatter(_LAYOUT))
        self._handler.handleError = self._memory.handle  # type: ignore[assignment]  # a full disk here stops nothing
        self.logger.addHandler(self._handler)

    def deliver(self, logs: str, drive: str, *, away: bool = False) -> str:
        """Append this run's events, and those that earlier runs could not deliver, to the master log.

        Args:
            logs: folder of the master log; made when it is missing.
            drive: the Isilon drive; while it is not there nothing is made in its place.
            away: it was given up, whatever stands in its place.

        Returns:
            "" when all is there, else why not in plain words; the events then stay on this machine.
        """
        self.logger.removeHandler(self._handler)
        try:
            self._handler.close()
        except OSError:
            pass  # what could not be written was kept in memory
        if away or not os.path.isdir(drive):
            return LOGS_AWAY.sentence(folder=self._state, drive=drive)
        try:
            fs.make_folder(logs)
            with open(os.path.join(logs, NAME), "ab") as master:
                master.write("".join(f"{line}\n" for line in self._memory.lines).encode("utf-8", "backslashreplace"))
                for path in self._waiting():
                    with open(path, "rb") as file:
                        master.write(file.read())
                    master.flush()
                    os.fsync(master.fileno())
                    os.unlink(path)
        except OSError as error:
            return (
                f"The master log in {logs} could not be written: {fs.explain(error)[1]}. It is kept in {self._state}."
            )
        return ""

    def _waiting(self) -> List[str]:
        """Logs of runs that have ended: ours, and those whose process is gone."""
        found = []
        try:
            names = sorted(os.listdir(self._state))
        except OSError:
            names = []
        for name in names:
            path = os.path.join(self._state, name)
            if not (name.startswith(_PREFIX) and name.endswith(".log")):
                continue
            if path != self._path:
                process = _process_of(name)
                if process is not None and fs.process_started(process) is not None:
                    continue
            found.append(path)
        return found
