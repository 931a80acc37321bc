"""Everything that an audit writes down of each name: sum, evidence, manifest, journal, screen. One thread.

Rule 1: what is found wrong is kept on record, and ends what was proven of a copy; history is never rewritten.
Rule 2: what a list says proves nothing of a source that nobody read: such lines are `recorded`, never a proof.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from typing import Callable, List, Mapping, Optional

from vdt.auditjob import AuditJob, AuditReports, no_listener
from vdt.diagnosis import OLDER, which_side
from vdt.evidence import RECORDED
from vdt.findings import XXH128, Check, Finding, Sum
from vdt.model import Evidence, Judged, Side
from vdt.printable import printable
from vdt.records import History, Record, Records

_FLUSH_EVERY_S = 30.0
_FOLDERS_KEPT = 64  # whose records are held unpacked
_MOST_NOTES = 50


class AuditRecorder:
    """Takes the findings of one tree.

    Attributes:
        sum: of all that was found so far.
    """

    def __init__(self, job: AuditJob, reports: AuditReports) -> None:
        self._job, self._out = job, reports
        self.sum = Sum()
        self._notes: List[str] = []
        self._more_notes = 0
        self._history = _Recent(job.records)
        self._hosts = [_Recent(records) for records in job.by_host.values()]
        self._now = _Clock()
        self._fresh: List[Finding] = []  # read, and not in the state's journal yet
        self._last_flush = time.monotonic()

    @property
    def notes(self) -> List[str]:
        """On single files."""
        more = [f"{self._more_notes} more notes of this kind on single files"] if self._more_notes else []
        return [*self._notes, *more]

    def read(self, finding: Finding, check: Check) -> None:
        """A file that was just read to its end."""
        if self._out.state is not None:
            self._fresh.append(finding)
        self.final(finding, check)

    def believed(self, check: Check) -> Optional[Finding]:
        """A file that was proven since the date that was given, and is still what it was."""
        if not self._job.recent.count:
            return None
        history = self._job.recent.of_folder(check.folder).get(check.name)
        record = history.of(check.dest) if history else None
        if record is None or (check.source is not None and not record.matches_source(check.source)):
            return None
        if check.expected and (check.algorithm != XXH128 or record.digest != check.expected):
            return None
        self.sum.record_only += 1
        return Finding(
            check.path, Judged.OK, check.dest.size_bytes, "", record.digest, Evidence.ON_RECORD, record.mtime_ns
        )

    def link(self, path: str) -> None:
        """A link that leads to what it should."""
        finding = Finding(path, Judged.OK)
        self.sum.links += 1
        self.sum.add(finding)
        if self._out.each is not no_listener:
            self._out.each(finding)

    def final(self, finding: Finding, check: Optional[Check] = None) -> None:
        """What is said of a name in the end."""
        if finding.judged is Judged.DIFFERENT and check is not None:
            finding = self._with_side(finding, check)
        elif finding.judged is Judged.OK:
            self._right(finding)
        self.sum.add(finding)
        if finding.judged is not Judged.OK:
            self._out.progress.say(f"{finding.judged.value} {printable(finding.path)}: {printable(finding.words)}")
            self._wrong(finding)
        if finding.note and len(self._notes) < _MOST_NOTES:
            self._notes.append(finding.note)
        elif finding.note:
            self._more_notes += 1
        if self._out.each is not no_listener:
            self._out.each(finding)

    def batch_done(self, files: int) -> None:
        """A batch came back whole: it need not be read again by an audit that goes on with this one."""
        self._out.progress.done(files)
        self.keep()
        if time.monotonic() - self._last_flush >= _FLUSH_EVERY_S:
            self._last_flush = time.monotonic()
            if self._out.evidence is not None:
                self._out.evidence.flush()

    def keep(self) -> None:
        """Put into the journal what was read and is not in it yet. Raises LostOutputError."""
        if self._out.state is not None and self._fresh:
            fresh, self._fresh = self._fresh, []
            self._out.state.add(fresh)

    def _with_side(self, finding: Finding, check: Check) -> Finding:
        records = self._history.of(check.folder).get(check.name, History())
        if check.source is None and check.algorithm != XXH128:
            proven = {record.digest for record in records if record.evidence.proves}
            side = Side.NO_RECORD if not proven else Side.SOURCE if finding.digest in proven else Side.DESTINATION
            return finding._replace(side=side)
        given = finding.source_digest or check.expected
        side, older = which_side(records, given, finding.digest, check.source)
        shown = finding.diagnosis
        if older and shown is not None:
            shown = replace(shown, damage=OLDER)
        return finding._replace(side=side, diagnosis=shown)

    def _right(self, finding: Finding) -> None:
        out, path = self._out, finding.path
        if out.manifest is not None and finding.digest:
            out.manifest.add(path, finding.digest)
        folder, _, name = path.rpartition("/")
        if self._hosts and finding.digest:
            self.sum.witnesses(1 + self._witnesses(folder, name, finding))
        if out.evidence is None or finding.evidence is Evidence.ON_RECORD:
            return
        record = Record(finding.size_bytes, finding.mtime_ns, finding.stored_mtime_ns, finding.digest, finding.evidence)
        recorded = False
        if not self._job.source:
            proof = self._proof(folder, name, finding)
            recorded = proof is None
            if proof is not None:
                record = record._replace(mtime_ns=proof.mtime_ns)
        out.evidence.add(path, record, finding.when or self._now(), recorded=recorded)

    def _proof(self, folder: str, name: str, finding: Finding) -> Optional[Record]:
        """An earlier proof of the very digest and state that was found."""
        for record in reversed(self._history.of(folder).get(name, ())):
            state = (record.size_bytes, record.stored_mtime_ns, record.digest)
            if record.evidence.proves and state == (finding.size_bytes, finding.stored_mtime_ns, finding.digest):
                return record
        return None

    def _witnesses(self, folder: str, name: str, finding: Finding) -> int:
        """How many other hosts read the same bytes in the same state."""
        state = (finding.size_bytes, finding.stored_mtime_ns or None, finding.digest)
        return sum(
            any(
                (record.size_bytes, record.stored_mtime_ns if state[1] else None, record.digest) == state
                for record in host.of(folder).get(name, ())
            )
            for host in self._hosts
        )

    def _wrong(self, finding: Finding) -> None:
        """Keep on record what is wrong. Where the copy itself is, that ends what was proven of it."""
        if self._out.evidence is None:
            return
        values = {"path": finding.path, "size": finding.size_bytes, "mtime_ns": finding.stored_mtime_ns}
        spoilt = finding.judged is Judged.DIFFERENT and finding.side is not Side.SOURCE and bool(finding.digest)
        line = {
            **values,
            "xxh128": finding.digest,
            "evidence": Evidence.NONE.value if spoilt else RECORDED,
            "when": finding.when or self._now(),
            "verdict": finding.judged.value,
            "reason": finding.words,
        }
        if finding.source_digest:
            line["source_xxh128"] = finding.source_digest
        self._out.evidence.note(line)


class _Recent:
    """The records of the folders that were asked for last, unpacked."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._kept: OrderedDict[str, Mapping[str, History]] = OrderedDict()

    def of(self, folder: str) -> Mapping[str, History]:
        if not self._records.count:
            return _NOTHING
        found = self._kept.get(folder)
        if found is None:
            found = self._kept[folder] = self._records.of_folder(folder)
            if len(self._kept) > _FOLDERS_KEPT:
                self._kept.popitem(last=False)
        return found


_NOTHING: Mapping[str, History] = {}


class _Clock:
    """Local time with offset, to the second; made once a second."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second, self._text = 0, ""

    def __call__(self) -> str:
        second = int(self._clock())
        if second != self._second:
            self._second, self._text = second, datetime.fromtimestamp(second).astimezone().isoformat()
        return self._text
