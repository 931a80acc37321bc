"""How a run is getting on, seen from another terminal or computer: who is at work, what is done, what is left.

Reads the locks with what their holders wrote into them, the journals of partials, evidence and the ends of logs, all of
them on the share; and, of processes of this machine, the log that they have not delivered yet. Takes no lock and
writes nothing. Whether a holder on another computer is alive is told by its counter alone: it has to move while one
looks, as the clocks of two machines are never compared.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from vdt import fs
from vdt.errors import RefusedError
from vdt.journal import Journals
from vdt.lock import BEAT_S, LOCK_NAME, Holder, died_here, is_of_here, seen_in_file
from vdt.log_ends import read_ends
from vdt.model import Entry
from vdt.robocopy.read import COMPLETE, decode, log_status, read_log
from vdt.troubles import NO_ISILON_DRIVE
from vdt.vizgen.config import Config
from vdt.vizgen.layout import CopyType, TreePaths, tree_paths
from vdt.vizgen.masterlog import AtWork, at_work
from vdt.vizgen.nearest import hint
from vdt.vizgen.onrecord import Beside, Kept, beside
from vdt.vizgen.pace import Seen

SURE_AFTER_S = BEAT_S + 5.0  # a counter that did not move for so long stands still
_LOOK_EVERY_S = 1.0

ALIVE_HERE = "its process runs on this computer"
ALIVE_THERE = "its counter moves"
DEAD_HERE = "its process on this computer is gone"
STILL = "its counter stood still for {:g} s"
NOT_KNOWN = "whether it is alive was not waited for"


@dataclass(frozen=True)
class Worker:
    """Who holds the lock of a tree."""

    holder: Optional[Holder]  # None: the lock makes no sense
    alive: Optional[bool]  # None: not known
    why: str
    seen: Optional[Seen] = None  # as of its last beat


@dataclass(frozen=True)
class TreeStatus:
    """One tree."""

    copy_type: CopyType
    records: Beside
    worker: Optional[Worker] = None
    landed_bytes: int = 0  # in partials of large files
    partials: int = 0
    log_ended: str = ""  # when the last run in the log ended, as it says
    log_status: str = ""  # "" where there is no log

    @property
    def state(self) -> str:
        """One of: under way, broken off, proven, not proven, nothing on record, not there."""
        if self.worker is not None:
            return "broken off" if self.worker.alive is False else "under way"
        records = self.records
        if records.proven:
            return "proven"
        if records.evidence.total or records.incomplete or records.manifest or self.log_status:
            return "not proven"
        return "nothing on record" if records.there else "not there"


@dataclass(frozen=True)
class Status:
    """A run at one moment."""

    run_id: str
    trees: Tuple[TreeStatus, ...]
    here: Tuple[AtWork, ...] = ()  # processes of this machine that work on this run

    @property
    def state(self) -> str:
        """One of: under way, broken off, proven, not proven."""
        states = [tree.state for tree in self.trees]
        if self.here or "under way" in states:
            return "under way"
        if "broken off" in states:
            return "broken off"
        return "proven" if all(state == "proven" for state in states) else "not proven"

    @property
    def exit_code(self) -> int:
        """0 nothing is under way and all is proven, 1 under way, 8 nothing is under way and not all is proven."""
        return {"proven": 0, "under way": 1}.get(self.state, 8)


def look(
    run_id: str,
    config: Config,
    *,
    wait_s: float = SURE_AFTER_S,
    wait: Callable[[float], bool],
    told: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Status:
    """Look at all three trees of a run.

    Args:
        wait_s: how long the counter of another computer is watched, at most.
        wait: sleeps; True when the wait was cut short by a stop.
        told: what is waited for.

    Raises:
        RefusedError: the drive is not there, or no such run is on it and nobody here works on one.
    """
    here = tuple(at_work(fs.state_home(), run_id))
    folder = os.path.join(config.isilon_drive, run_id)
    names: Dict[str, Entry] = {}
    try:
        names = {entry.name: entry for entry in fs.list_folder(folder, tolerant=True)}
    except OSError as error:
        if not os.path.isdir(config.isilon_drive):
            raise RefusedError(
                NO_ISILON_DRIVE.sentence(drive=config.isilon_drive, config=config.path)
                + fs.absence(config.isilon_drive)
            ) from error
        if not here:
            raise RefusedError(
                f"There is nothing of run {run_id} at the destination: {folder}: {fs.explain(error)[1]}. "
                f"{hint(run_id, [config.isilon_drive])} A run that was never transferred has no folder there."
            ) from error
    kept = Kept(fs.state_home(), config.isilon_drive)
    kept.load()
    deadline_s = clock() + wait_s

    def watched(path: str, holder: Holder) -> Tuple[Optional[bool], str]:
        if is_of_here(holder):
            return (False, DEAD_HERE) if died_here(holder) else (True, ALIVE_HERE)
        told(f"watching the counter of {holder.host} for up to {wait_s:g} s")
        while True:
            found = seen_in_file(path)
            if found is not None and found[0].token == holder.token and found[0].counter != holder.counter:
                return True, ALIVE_THERE
            if clock() >= deadline_s or wait(_LOOK_EVERY_S):
                return (False, STILL.format(wait_s)) if wait_s >= SURE_AFTER_S else (None, NOT_KNOWN)

    trees = []
    for kind in CopyType:
        item = tree_paths(kind, run_id, config.analysis_drive, config.isilon_drive, config.logs)
        trees.append(_tree(item, beside(folder, kind.value, names, kept), watched))
    return Status(run_id, tuple(trees), here)


def _tree(item: TreePaths, records: Beside, watched: Callable[[str, Holder], Tuple[Optional[bool], str]]) -> TreeStatus:
    worker = None
    path = os.path.join(item.state_folder, LOCK_NAME)
    found = seen_in_file(path)
    if found is not None:
        alive, why = watched(path, found[0])
        latest = seen_in_file(path)
        if latest is not None and latest[0].token == found[0].token:
            worker = Worker(latest[0], alive, why, Seen.read(latest[1]))
    elif os.path.lexists(path):
        worker = Worker(None, None, "its lock cannot be read")
    journals = Journals.load(item.state_folder, tidy=False)
    ended, status = _log(item.log)
    return TreeStatus(item.copy_type, records, worker, journals.landed_bytes, len(journals), ended, status)


def _log(path: str) -> Tuple[str, str]:
    """(when the last run in a log ended, whether it is whole)."""
    try:
        text = decode(read_ends(path))
    except OSError:
        return "", ""
    runs: List[str] = [run.ended for run in read_log(text) if run.ended]
    status = log_status(text)
    return (runs[-1] if runs and status == COMPLETE else ""), status
