"""All runs below the Isilon drive: size, date, what is proven and by which evidence, and whether to ask for deletion.

Reads what lies beside the trees (`onrecord`), a few calls a run; a tree is listed only where that is asked for. What is
said here is a survey made from records. The answer about one run is that of `maydelete`, which looks at both sides.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from vdt import fs
from vdt.errors import RefusedError, StoppedError
from vdt.model import Entry, Kind, Links
from vdt.printable import printable
from vdt.scan import take_snapshot
from vdt.selection import PARTIAL
from vdt.stop import StopFlag
from vdt.vizgen.config import Config
from vdt.vizgen.layout import CopyType, tree_paths
from vdt.vizgen.onrecord import Beside, Kept, beside

SORTS = ("run", "date", "size", "proof")
_WORKERS = 8
_LEVEL_WORDS = {
    "": "nothing on record",
    "none": "a copy that was not checked, or found wrong",
    "recorded": "recorded, not proven",
    "inflight": "hashed while sent, not read back",
    "reread": "read back",
    "cold": "read back past the cache",
    "both": "both ends read back",
}
_STRENGTH = tuple(_LEVEL_WORDS)


@dataclass(frozen=True)
class Run:
    """One run and what is known of it."""

    run_id: str
    trees: Dict[CopyType, Beside]
    source: str = "unknown"  # there, partly, gone; unknown while the source drive is not there
    counted_files: Optional[int] = None  # as they lie there, where they were counted
    counted_bytes: Optional[int] = None
    trouble: str = ""  # why nothing is known

    @property
    def size_bytes(self) -> Optional[int]:
        """Of all trees together; None where nothing tells."""
        if self.counted_bytes is not None:
            return self.counted_bytes
        known = [tree.size_bytes for tree in self.trees.values() if tree.size_bytes is not None]
        return sum(known) if known else None

    @property
    def files(self) -> Optional[int]:
        if self.counted_files is not None:
            return self.counted_files
        known = [tree.number for tree in self.trees.values() if tree.number is not None]
        return sum(known) if known else None

    @property
    def date(self) -> str:
        """When a transfer last put something on record, 2026-04-12 18:15; else the date in the run id; else ""."""
        newest = max((tree.transferred for tree in self.trees.values()), default="")
        digits = re.match(r"(\d{12})", self.run_id)
        return _spelled(newest) if newest else _spelled(digits[1][:8] + "T" + digits[1][8:] + "00") if digits else ""

    @property
    def audited(self) -> str:
        """When the last audit began, and where; "" where there was none."""
        newest = max(self.trees.values(), key=lambda tree: tree.audited, default=None)
        return f"{_spelled(newest.audited)} on {newest.audited_by}" if newest and newest.audited else ""

    @property
    def weakest(self) -> str:
        """The weakest level of any file of the trees that are there."""
        known = [tree for tree in self.trees.values() if tree.evidence.total or (tree.there and not tree.empty)]
        levels = [tree.evidence.weakest for tree in known]
        return min(levels, key=_STRENGTH.index, default="")

    @property
    def evidence(self) -> str:
        """The same in plain words."""
        return _LEVEL_WORDS[self.weakest]

    @property
    def proof(self) -> str:
        """One of: at work, not known, not proven, partly proven, proven."""
        if self.trouble:
            return "not known"
        if any(tree.at_work for tree in self.trees.values()):
            return "at work"
        proven = [kind for kind in CopyType if kind in self.trees and self.trees[kind].proven]
        if len(proven) == len(CopyType):
            return "proven"
        return "partly proven" if proven else "not proven"

    @property
    def objection(self) -> str:
        """What speaks against asking whether the source may go, as far as the records tell; "" where nothing does."""
        return next(_objections(self), "")


def _objections(run: Run) -> Iterator[str]:
    if run.trouble:
        yield run.trouble
    for kind, tree in run.trees.items():
        name = kind.value
        if tree.trouble:
            yield tree.trouble
        if tree.at_work:
            yield f"{name}: a transfer is at work, or did not reach its end"
        elif not tree.there:
            yield f"{name} is not there"
        elif tree.incomplete or not tree.manifest:
            yield (
                f"{name}: the last transfer was not complete or not proven"
                if tree.incomplete
                else f"{name}: no manifest"
            )
        elif not tree.proven:
            yield f"{name}: {_LEVEL_WORDS[tree.evidence.weakest]}"
        elif not tree.past_cache:
            yield f"{name}: read back, but not past the cache"
        elif tree.evidence.findings:
            yield f"{name}: the last audit found {tree.evidence.findings} file(s) that are not right"
    if run.source == "gone":
        yield "the source is gone"


def list_runs(
    config: Config,
    *,
    stop: StopFlag,
    count: bool = False,
    fresh: bool = False,
    state: str = "",
    told: Callable[[str], None] = lambda text: None,
) -> List[Run]:
    """Every folder below the Isilon drive that holds a tree of a run, by name.

    Args:
        count: list the trees too, and count what lies there now.
        fresh: read all evidence again.
        state: the folder of this machine for sums that need not be read again; "" is the usual one.
        told: of each run that is looked at.

    Raises:
        RefusedError: the drive is not there or cannot be listed.
        StoppedError: the stop came first.
    """
    root = config.isilon_drive
    try:
        entries = fs.list_folder(root, tolerant=True)
    except OSError as error:
        raise RefusedError(
            f"The Isilon drive {root} cannot be listed: {fs.explain(error)[1]}. Check that it is mounted (setting in "
            f"{config.path}).{fs.absence(root)}"
        ) from error
    kept = Kept(state or fs.state_home(), root)
    if not fresh:
        kept.load()
    sources = os.path.isdir(config.analysis_drive)
    folders = sorted(
        entry.name for entry in entries if entry.kind in (Kind.FOLDER, Kind.LINK) and not entry.name.startswith(".")
    )

    def one(name: str) -> Optional[Run]:
        if stop:
            return None
        told(f"looking at {printable(name)}")
        run = _one(config, name, kept, sources=sources)
        return _counted(config, run, stop) if run is not None and count and not run.trouble else run

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="vdt-runs") as pool:
        found = list(pool.map(one, folders))
    if stop:
        raise StoppedError(f"Stopped ({stop.reason}) before every run was looked at.")
    kept.save()
    return [run for run in found if run is not None]


def _one(config: Config, name: str, kept: Kept, *, sources: bool) -> Optional[Run]:
    """One run; None for a folder that is none."""
    folder = os.path.join(config.isilon_drive, name)
    try:
        names: Dict[str, Entry] = {entry.name: entry for entry in fs.list_folder(folder, tolerant=True)}
    except OSError as error:
        return Run(name, {}, trouble=f"{folder} cannot be listed: {fs.explain(error)[1]}")
    beginnings = {entry.split(".", 1)[0] for entry in names}
    if not beginnings & {kind.value for kind in CopyType}:
        return None
    trees = {kind: beside(folder, kind.value, names, kept) for kind in CopyType}
    return Run(name, trees, source=_source(config, name) if sources else "unknown")


def _source(config: Config, name: str) -> str:
    there = [
        os.path.isdir(tree_paths(kind, name, config.analysis_drive, config.isilon_drive, config.logs).source)
        for kind in CopyType
    ]
    return "there" if all(there) else "partly" if any(there) else "gone"


def _counted(config: Config, run: Run, stop: StopFlag) -> Run:
    """The run with what its trees hold now."""
    files = size_bytes = 0
    for kind, tree in run.trees.items():
        if not tree.there:
            continue
        root = os.path.join(config.isilon_drive, run.run_id, kind.value)
        try:
            found = take_snapshot(
                root,
                lambda path: fs.list_folder(path, tolerant=True),
                links=Links.COPY,
                ignore=lambda _, entry: PARTIAL.match(entry.name) is not None,
                stop=lambda: stop,
            )
        except OSError as error:
            return replace(run, trouble=f"{root} cannot be listed: {fs.explain(error)[1]}")
        files, size_bytes = files + found.count.files, size_bytes + found.count.size_bytes
    return replace(run, counted_files=files, counted_bytes=size_bytes)


def in_order(runs: List[Run], sort: str, *, reverse: bool = False) -> List[Run]:
    """The runs sorted by one of SORTS; the smallest, oldest and weakest first, what is not known before all. Pure."""
    proofs = ("not known", "not proven", "partly proven", "at work", "proven")
    keys: Dict[str, Callable[[Run], Tuple[Any, ...]]] = {
        "run": lambda run: (run.run_id,),
        "date": lambda run: (run.date, run.run_id),
        "size": lambda run: (-1 if run.size_bytes is None else run.size_bytes, run.run_id),
        "proof": lambda run: (proofs.index(run.proof), _STRENGTH.index(run.weakest), run.run_id),
    }
    return sorted(runs, key=keys[sort], reverse=reverse)


def _spelled(stamp: str) -> str:
    """20260412T181502 as 2026-04-12 18:15; as it is where that is no date."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S").strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return stamp
