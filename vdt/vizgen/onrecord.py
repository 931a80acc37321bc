"""The sum of what the files beside a tree say: how many files and bytes, on what evidence, and when it was looked at.

Reads evidence, the name of the manifest and the ends of the log, never the tree. Evidence files are only ever added to,
so a sum is kept on this machine under their names, sizes and times (`Kept`) and read again once one of these differs.
A sum is a survey: whether a copy is still what was proven is asked of the tree itself (`maydelete`).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from vdt import fs
from vdt.evidence import RECORDED
from vdt.hashing import short_digest
from vdt.lock import LOCK_NAME
from vdt.log_ends import read_ends
from vdt.model import Entry, Kind
from vdt.robocopy.read import decode, read_log

_LINE = re.compile(  # as `EvidenceWriter` and an audit spell it
    rb'^\{"path": "([^"\\\n]*(?:\\.[^"\\\n]*)*)", "size": (\d+), "mtime_ns": -?\d+, '
    rb'"xxh128": "[0-9a-f]*", "evidence": "([a-z_]+)"[^\n]*\}\n',
    re.MULTILINE,
)
_NAME = re.compile(r"(\d{8}T\d{6})-(.*)-(transfer|audit)\.jsonl\Z")
_BLOCK_BYTES = 4 << 20
_PROVING = ("reread", "cold", "both")
_VERSION = 1


@dataclass(frozen=True)
class Sum:
    """What is on record of one tree. Counted are the latest lines of each path."""

    files: Dict[str, int] = field(default_factory=dict)  # by level, as the evidence spells it
    size_bytes: int = 0
    findings: int = 0  # of the last audit: files that were not OK

    @property
    def total(self) -> int:
        return sum(self.files.values())

    @property
    def weakest(self) -> str:
        """The weakest level that any file has; "" where nothing is on record."""
        order = ("none", RECORDED, "inflight", *_PROVING)
        return next((level for level in order if self.files.get(level)), "")


@dataclass(frozen=True)
class Beside:
    """Everything that lies beside one tree."""

    there: bool = False  # the tree itself
    manifest: bool = False  # of a complete tree
    empty: bool = False  # and it lists no file
    incomplete: bool = False
    at_work: bool = False  # a lock lies there
    transferred: str = ""  # 20260412T181502, by the clock of whoever wrote it
    audited: str = ""
    audited_by: str = ""  # host
    evidence: Sum = Sum()
    logged_files: Optional[int] = None  # by the last summary in the log
    logged_bytes: Optional[int] = None
    trouble: str = ""  # why something could not be read

    @property
    def proven(self) -> bool:
        """A complete manifest, and the latest line of every file that is on record is a proof."""
        known = self.evidence.weakest in _PROVING or (self.empty and not self.evidence.total)
        return self.manifest and not self.incomplete and known

    @property
    def past_cache(self) -> bool:
        return self.proven and self.evidence.weakest != "reread"

    @property
    def size_bytes(self) -> Optional[int]:
        """Bytes of the tree as far as they are on record; None where nothing tells."""
        return self.evidence.size_bytes if self.evidence.total else self.logged_bytes

    @property
    def number(self) -> Optional[int]:
        """Files of the tree, likewise."""
        return self.evidence.total or self.logged_files


class Kept:
    """Sums of evidence folders, kept on this machine. A file of it that cannot be used costs time, no more."""

    def __init__(self, home: str, root: str) -> None:
        self._path = os.path.join(home, "runs", f"{short_digest(root.encode('utf-8', 'surrogatepass'))}.json")
        self._sums: Dict[str, Any] = {}
        self._new: Dict[str, Any] = {}

    def load(self) -> None:
        try:
            with open(self._path, encoding="ascii") as file:
                values = json.load(file)
            self._sums = dict(values["sums"]) if values["version"] == _VERSION else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._sums = {}

    def of(self, folder: str, state: List[List[Any]]) -> Optional[Sum]:
        """The sum of an evidence folder whose files are in this state; None where it is not known."""
        try:
            known = self._sums[folder]
            if known["state"] != state:
                return None
            files = {str(level): int(count) for level, count in known["files"].items()}
            found = Sum(files, int(known["bytes"]), int(known["findings"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        self.put(folder, state, found)
        return found

    def put(self, folder: str, state: List[List[Any]], found: Sum) -> None:
        numbers = {"files": found.files, "bytes": found.size_bytes, "findings": found.findings}
        self._new[folder] = {"state": state, **numbers}

    def save(self) -> None:
        """Write what was asked for or put this time; never raises."""
        if self._new == self._sums:
            return
        beside = f"{self._path}.{os.getpid()}"
        try:
            fs.make_folder(os.path.dirname(self._path))
            with open(beside, "w", encoding="ascii", newline="\n") as file:
                json.dump({"version": _VERSION, "sums": self._new}, file)
            os.replace(beside, self._path)
        except OSError:
            try:
                os.unlink(beside)
            except OSError:
                pass


def beside(run_folder: str, tree: str, names: Dict[str, Entry], kept: Kept) -> Beside:
    """What lies beside a tree.

    Args:
        names: the listing of the run's folder, by name.
        kept: asked for the sum of the evidence first.
    """
    place = os.path.join(run_folder, tree)
    transferred = audited = by = trouble = ""
    total = Sum()
    if f"{tree}.evidence" in names:
        folder = f"{place}.evidence"
        try:
            files = sorted(entry for entry in fs.list_folder(folder, tolerant=True) if _NAME.match(entry.name))
            for entry in files:
                found = _NAME.match(entry.name)
                if found is not None and found[3] == "transfer":
                    transferred = max(transferred, found[1])
                elif found is not None and found[1] >= audited:
                    audited, by = found[1], found[2]
            state = [[entry.name, entry.size_bytes, entry.mtime_ns] for entry in files]
            known = kept.of(folder, state)
            total = known if known is not None else sum_of(folder, [entry.name for entry in files])
            if known is None:
                kept.put(folder, state, total)
        except OSError as error:
            trouble = f"{folder} cannot be read: {fs.explain(error)[1]}"
    logged: Tuple[Optional[int], Optional[int]] = (None, None)
    if f"{tree}.log" in names and not total.total:
        logged = _logged(f"{place}.log")
    there = names.get(tree)
    return Beside(
        there=there is not None and there.kind in (Kind.FOLDER, Kind.LINK),
        manifest=f"{tree}.xxh128" in names,
        empty=f"{tree}.xxh128" in names and not names[f"{tree}.xxh128"].size_bytes,
        incomplete=f"{tree}.incomplete.xxh128" in names,
        at_work=".vdt" in names and os.path.lexists(os.path.join(run_folder, ".vdt", tree, LOCK_NAME)),
        transferred=transferred,
        audited=audited,
        audited_by=by,
        evidence=total,
        logged_files=logged[0],
        logged_bytes=logged[1],
        trouble=trouble,
    )


def sum_of(folder: str, names: List[str]) -> Sum:
    """Add up evidence files, the oldest first. Raises OSError."""
    latest: Dict[bytes, Tuple[int, bytes]] = {}
    findings = 0
    for name in names:
        findings = 0 if name.endswith("-audit.jsonl") else findings
        with open(os.path.join(folder, name), "rb") as file:
            rest = b""
            while True:
                block = file.read(_BLOCK_BYTES)
                if not block:
                    break
                whole, end, rest = (rest + block).rpartition(b"\n")
                findings += (whole + end).count(b'"verdict": "')
                for path, size, level in _LINE.findall(whole + end):
                    # what an audit only recorded ends no proof
                    if level != b"recorded" or path not in latest:
                        latest[path] = (int(size), level)
    files: Dict[str, int] = {}
    for _, level in latest.values():
        word = level.decode("ascii")
        files[word] = files.get(word, 0) + 1
    return Sum(files, sum(size for size, _ in latest.values()), findings)


def _logged(path: str) -> Tuple[Optional[int], Optional[int]]:
    """(files, bytes) of the last summary in a log."""
    try:
        runs = read_log(decode(read_ends(path)))
    except OSError:
        return None, None
    last = next((run for run in reversed(runs) if run.files is not None and run.size_bytes is not None), None)
    if last is None or last.files is None or last.size_bytes is None:
        return None, None
    return last.files.total, None if last.approximate else last.size_bytes.total
