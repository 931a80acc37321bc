"""Is the run finished? The flag files that instrument and analysis leave in raw_data, and waiting for them.

May: list folders of the source. Writes nothing. A flag that cannot be seen counts as missing: whoever asks whether the
source may be deleted gets a NO. What is not promised: that nothing is written after the last flag; so a run that is
waited for has to lie still for a while, too.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Callable, Dict, Mapping, Optional, Sequence, Tuple

from vdt import fs
from vdt.closing import first_difference
from vdt.errors import RefusedError, StoppedError
from vdt.model import Links
from vdt.scan import take_snapshot
from vdt.snapshot import Snapshot

MARKERS = ("EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED")  # in the order in which they appear
_MEANING = {
    "EXPERIMENT_FINISHED": "the experiment has not ended",
    "RAW_DATA_SYNC_FINISHED": "the raw data have not all arrived on the analysis drive",
    "MERLIN_FINISHED": "the analysis has not ended",
}
QUIET_S = 300.0  # the run has to lie still for so long where `settle_s` says nothing: one facility's rule for the flag
WAIT_H = 96.0  # a run of two days and its analysis
LOOK_EVERY_S = 2.0
_HEARTBEAT_S = 600.0


@dataclass(frozen=True)
class Finished:
    """What the flags of one run say."""

    folder: str  # where they lie: raw_data of the source
    missing: Tuple[str, ...] = ()
    unknown: str = ""  # why they could not be looked for

    @property
    def sure(self) -> bool:
        return not self.missing and not self.unknown

    @property
    def objection(self) -> str:
        """One sentence, "" for a finished run."""
        if self.unknown:
            return f"Whether the run is finished cannot be told: {self.folder}: {self.unknown}."
        if self.missing:
            are = "is" if len(self.missing) == 1 else "are"
            return f"The run is not finished: {_list(self.missing)} {are} missing in {self.folder} ({self.meaning})."
        return ""

    @property
    def meaning(self) -> str:
        """What the first missing flag says of the run."""
        return _MEANING.get(self.missing[0], "it is not there") if self.missing else ""


def look(folder: str, wanted: Sequence[str] = MARKERS) -> Finished:
    """Look for the flags in raw_data of a run. Raises nothing."""
    try:
        os.stat(folder)  # a drive that is away has no flags either, and says nothing of the run
        return Finished(folder, tuple(name for name in wanted if not _is_file(os.path.join(folder, name))))
    except OSError as error:
        return Finished(folder, unknown=fs.explain(error)[1])


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


class Patience:
    """Waits until a run is finished and lies still, for a limited time.

    Args:
        hours: the most that is waited, for flags and quiet together.
        wait: sleeps seconds; True when a stop cut that short.
        say: takes a line when the wait begins, when something changed, and every ten minutes.
        phase: takes what is waited for.
    """

    def __init__(
        self,
        hours: float,
        *,
        wait: Callable[[float], bool],
        say: Callable[[str], None],
        phase: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._hours, self._wait, self._say, self._phase = hours, wait, say, phase
        self._clock, self._every_s = clock, look_every_s
        self._ends_s = clock() + hours * 3600
        self._since = f"{now():%H:%M:%S}"

    def for_flags(self, see: Callable[[], Finished]) -> Finished:
        """Wait until every flag is there.

        Raises:
            RefusedError: they are not, and the time is over.
            StoppedError: the run was stopped.
        """
        said: Optional[Finished] = None
        next_beat_s = 0.0
        while True:
            found = see()
            if found.sure:
                return found
            for_what = _list(found.missing) if found.missing else found.folder
            if found != said or self._clock() >= next_beat_s:
                self._say(
                    f"Waiting for {for_what} since {self._since}, up to {self._hours:g} h. {found.objection} "
                    "Nothing was touched yet."
                )
                said, next_beat_s = found, self._clock() + _HEARTBEAT_S
            self._phase(f"waiting for {for_what}")
            self._pause(self._every_s, found.objection)

    def for_quiet(self, settle_s: float, listing: Callable[[], Dict[str, Snapshot]]) -> None:
        """Wait until two listings that lie `settle_s` apart are the same. Raises as `for_flags` does."""
        if not settle_s:
            return
        self._say(f"The run is finished. Looking whether it lies still for {settle_s:g} s (settle_s).")
        before = self._listed(listing)
        while True:
            self._phase(f"looking whether the run lies still for {settle_s:g} s")
            self._pause(settle_s, f"The run does not lie still for {settle_s:g} s.")
            after = self._listed(listing)
            moved = unlike(before, after)
            if not moved:
                return
            self._say(f"{moved} changed within {settle_s:g} s; looking again.")
            before = after

    def _listed(self, listing: Callable[[], Dict[str, Snapshot]]) -> Dict[str, Snapshot]:
        while True:
            try:
                return listing()
            except OSError as error:
                reason = f"{getattr(error, 'filename', None) or 'The source'}: {fs.explain(error)[1]}."
                self._say(f"{reason} Looking again.")
                self._pause(self._every_s, reason)

    def _pause(self, seconds: float, objection: str) -> None:
        left_s = self._ends_s - self._clock()
        if left_s <= 0:
            raise RefusedError(f"Waited {self._hours:g} h. {objection} Nothing was copied; the same command waits on.")
        if self._wait(min(seconds, left_s)):
            raise StoppedError("Stopped while the run was waited for; nothing was copied.")


def list_trees(roots: Mapping[str, str], stop: Callable[[], object]) -> Dict[str, Snapshot]:
    """List those of the trees that are there, by the names given. Raises OSError and StoppedError."""
    return {
        name: take_snapshot(
            root,
            partial(fs.list_folder, tolerant=True),
            links=Links.COPY,
            ignore=lambda path, entry: False,
            stop=stop,
        )
        for name, root in roots.items()
        if os.path.isdir(root)
    }


def unlike(before: Dict[str, Snapshot], after: Dict[str, Snapshot]) -> str:
    """The first path that differs between two listings of the same trees; "" where all lies still."""
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in before or name not in after:
            return name
        moved = first_difference(before[name], after[name])
        if moved:
            return f"{name}/{moved}"
    return ""


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
