"""What an interrupted audit had read, so that the next one goes on: a journal on this machine, never in a tree.

One line a file that was read, appended as the results come, so that a killed process loses only what was in flight. A
line counts while both sides still have the size and times that they had; the rest of the journal is a hint that costs
time, never correctness. It is gone when the audit reached its end.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any, Dict, List, Optional, Sequence

from vdt import fs
from vdt.appender import Appender
from vdt.diagnosis import Diagnosis
from vdt.errors import LockedError, LostOutputError
from vdt.findings import XXH128, Check, Finding
from vdt.hashing import short_digest
from vdt.model import Evidence, Judged
from vdt.records import Record, Records

_NAME = "read.jsonl"
_quote = json.encoder.encode_basestring_ascii


def state_folder(home: str, destination: str, against: Sequence[str]) -> str:
    """Where the state of one audit lies below `home`: told apart by the tree and what it is held against."""
    text = "\0".join([destination, *against]).encode("utf-8", "surrogatepass")
    return os.path.join(home, "audit", short_digest(text))


class AuditState:
    """The journal of one audit. Load, ask `carried`, add, then `finish` or `close`.

    Args:
        folder: of this audit alone; made when needed.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._path = os.path.join(folder, _NAME)
        self._right = Records()
        self._wrong: Dict[str, Finding] = {}
        self._file: Optional[Appender] = None
        self._at: Optional[str] = None
        self._of_folder: Dict[str, Record] = {}
        self.since = ""  # when the audit that is gone on with was begun

    @property
    def count(self) -> int:
        """Files that need not be read again, as far as they are still the same."""
        return self._right.count + len(self._wrong)

    def begin(self, started: datetime) -> None:
        """Read what is there, and say that this process goes on with it.

        Raises:
            LockedError: another process of this machine is at it.
            LostOutputError: the state folder cannot be written.
        """
        try:
            fs.make_folder(self.folder)
            self._load()
            self._file = Appender(self._path)
            me = {"process": os.getpid(), "life": fs.process_started(os.getpid()), "started": started.isoformat()}
            self._file.write(("\n" + json.dumps(me) + "\n").encode("ascii"))
        except OSError as error:
            raise LostOutputError(
                f"The audit's state {self.folder} cannot be written: {fs.explain(error)[1]}. Name another folder with "
                "--state."
            ) from error

    def _load(self) -> None:
        head: Optional[Dict[str, Any]] = None
        try:
            with open(self._path, encoding="ascii", errors="replace", newline="\n") as file:
                for line in file:
                    if not line.endswith("\n"):
                        break  # torn
                    try:
                        values = json.loads(line)
                        if not isinstance(values, dict):
                            continue
                        if "process" in values:
                            self.since = self.since or str(values["started"])
                            head = values
                        else:
                            self._take(values)
                    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                        continue
        except FileNotFoundError:
            return
        process = head.get("process") if head is not None else None
        if head is None or type(process) is not int or not 0 < process < 1 << 32 or process == os.getpid():
            return
        if fs.process_started(process) == head.get("life") is not None:
            raise LockedError(
                f"Another audit of this tree is at work here: process {process}, since {head.get('started')}. "
                "Wait until it ends, or stop it."
            )

    def _take(self, values: Dict[str, Any]) -> None:
        path, judged = values["p"], Judged(values["j"])
        evidence = Evidence(values["e"])
        if not isinstance(path, str):
            return
        if judged is Judged.OK:
            self._right.add(path, Record(values["s"], values["n"], values["m"], values["d"], evidence))
        else:
            shown = Diagnosis(int(values["f"]), tuple(map(int, values["b"])), int(values["c"]), str(values["g"]))
            self._wrong[path] = Finding(
                path,
                judged,
                int(values["s"]),
                str(values["r"]),
                str(values["d"]),
                evidence,
                int(values["n"]),
                int(values["m"]),
                str(values["x"]),
                diagnosis=shown,
                source_bytes=int(values["z"]),
            )

    def carried(self, check: Check) -> Optional[Finding]:
        """What was found of a file that is still what it was; None where it is to be read."""
        if not self.count:
            return None
        path, dest, source = check.path, check.dest, check.source
        known = self._wrong.get(path)
        if known is not None:
            if (known.size_bytes, known.stored_mtime_ns) != (dest.size_bytes, dest.mtime_ns):
                return None
            if source is not None and (known.source_bytes, known.mtime_ns) != (source.size_bytes, source.mtime_ns):
                return None
            return known._replace(when=self.since)
        if self._at != check.folder:
            self._at, self._of_folder = check.folder, self._right.folder(check.folder)
        record = self._of_folder.get(dest.name)
        if record is None or not record.covers(dest) or (source is not None and not record.matches_source(source)):
            return None
        if check.expected and check.algorithm == XXH128 and record.digest != check.expected:
            return None
        return Finding(
            path,
            Judged.OK,
            dest.size_bytes,
            "",
            record.digest,
            record.evidence,
            record.mtime_ns,
            record.stored_mtime_ns,
            record.digest if source is not None else "",
            when=self.since,
        )

    def add(self, findings: List[Finding]) -> None:
        """Put files on record that were just read. Raises LostOutputError."""
        lines = [_line(finding) for finding in findings if finding.judged in (Judged.OK, Judged.DIFFERENT)]
        if not lines:
            return
        assert self._file is not None
        try:
            self._file.write("".join(lines).encode("ascii"))
        except OSError as error:
            raise LostOutputError(
                f"The audit's state {self._path} cannot be written: {fs.explain(error)[1]}."
            ) from error

    def close(self) -> None:
        """Keep what there is for the next time."""
        if self._file is not None:
            try:
                self._file.finish()
            except OSError:
                pass  # it is read again
            self._file = None

    def finish(self) -> None:
        """The audit is done: nothing is to be gone on with."""
        self.close()
        try:
            os.unlink(self._path)
            os.rmdir(self.folder)
        except OSError:
            pass  # evidence lies there too; or it is found to be old next time


def _line(finding: Finding) -> str:
    right = finding.judged is Judged.OK
    line = (
        f'{{"p":{_quote(finding.path)},"j":"{"OK" if right else finding.judged.value}","s":{finding.size_bytes},'
        f'"n":{finding.mtime_ns},"m":{finding.stored_mtime_ns},"d":"{finding.digest}","e":"{_WORDS[finding.evidence]}"'
    )
    if not right:
        shown = finding.diagnosis or Diagnosis(-1, (), 0, "")
        line += (
            f',"r":{_quote(finding.reason)},"x":"{finding.source_digest}","z":{finding.source_bytes},'
            f'"f":{shown.first_difference},"b":{list(shown.bad_chunks)},"c":{shown.chunks},"g":"{shown.damage}"'
        )
    return line + "}\n"


_WORDS = {level: level.value for level in Evidence}
