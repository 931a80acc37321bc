"""`vdt watch`: transfers each run that is finished and not proven yet, one after the other, until it is stopped.

Rule 1: what is proven is told by `survey`, not by what this program remembers. Rule 2: a share that does not answer
costs a sentence and a round, never the watch. Writes nothing itself but the memory of failed tries (`tries`);
a transfer is `run`'s.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Callable, Dict, Optional, Sequence, Tuple

from vdt import fs
from vdt.errors import AbandonedError, RefusedError, StoppedError, VdtError
from vdt.printable import printable
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.vizgen.config import Config
from vdt.vizgen.finished import QUIET_S, list_trees, unlike
from vdt.vizgen.survey import Seen, Standing, standing, survey, trees_of
from vdt.vizgen.tries import Memory, outcome_text, pause_s

INTERVAL_S = 600.0
_LOOK_WITHIN_S = 120.0  # a share that does not answer by then is looked at again in the next round
_MOST_NAMED = 5
_FAILED, _FATAL = 8, 16


@dataclass(frozen=True)
class Ending:
    """How a transfer ended."""

    code: int
    reason: str = ""  # of the NO; "" where the source may be deleted
    stopped: bool = False


class Lookout:
    """Looks at all runs, transfers what is due, waits, and begins again.

    Args:
        config: as it was when the watch began.
        patterns: names of runs that are watched.
        memory: of failed tries.
        transfer: transfers one run and says how it ended; raises VdtError where it could not begin.
        stop: ends the watch.
        say: takes lines.
        see, quiet: for tests; the survey and the question whether a run lies still ("" or what moved).
        now_s: this computer's clock.
    """

    def __init__(
        self,
        config: Config,
        *,
        patterns: Sequence[str],
        memory: Memory,
        transfer: Callable[[str], Ending],
        stop: StopFlag,
        say: Callable[[str], None],
        see: Callable[[Config, Sequence[str]], Tuple[Seen, ...]] = survey,
        quiet: Optional[Callable[[str], str]] = None,
        now_s: Callable[[], float] = time.time,
        within_s: float = _LOOK_WITHIN_S,
    ) -> None:
        self._config, self._patterns, self._memory, self._transfer = config, patterns, memory, transfer
        self._stop, self._say, self._see, self._now_s, self._within_s = stop, say, see, now_s, within_s
        self._moved = quiet or self._what_moves
        self._asking: Optional[threading.Event] = None  # a look that has not come back yet

    def watch(self, interval_s: float) -> int:
        """Look again every `interval_s` until the stop. Returns 0, or the code of the transfer that was stopped."""
        while True:
            code = self.round(f"; next look in {interval_s:g} s")
            if self._stop:
                return code
            with fs.stay_awake():
                if self._stop.wait(interval_s):
                    return 0

    def round(self, then: str = "") -> int:
        """One look at all runs and the transfers that are due.

        Returns:
            0 where nothing is left to do, 8 where a finished run is not proven, 16 where one could not be transferred
            or the drives could not be looked at. After a stop: the code of the transfer that it ended, else 0.
        """
        runs = self._look()
        if runs is None:
            return 0 if self._stop else _FATAL
        codes: Dict[str, int] = {}
        for run in runs:
            if run.standing is Standing.PROVEN:
                self._memory.forget(run.run_id)
            if run.standing is Standing.READY:
                codes[run.run_id] = self._one(run.run_id)
            if self._stop:
                return codes.get(run.run_id, 0)
        self._heartbeat(runs, codes, then)
        return max(codes.values(), default=0)

    def _one(self, run_id: str) -> int:
        """Transfer one run where it is due and lies still."""
        known = self._memory.tries.get(run_id)
        if known is not None and not known.due(self._now_s()):
            again = datetime.fromtimestamp(known.at_s + pause_s(known.tries))
            self._say(f"{printable(run_id)}: tried {known.tries} time(s), again after {again:%Y-%m-%d %H:%M}.")
            return _FAILED
        try:
            moved = self._moved(run_id)
            if moved:
                self._say(
                    f"{printable(run_id)}: still changes ({printable(moved)}); looked at again in the next round."
                )
                return _FAILED
            ending = self._transfer(run_id)
        except StoppedError:
            return 0  # nothing was begun
        except VdtError as error:
            ending = Ending(error.exit_code, str(error))
            self._say(f"{printable(run_id)}: {printable(str(error))}")
        if ending.stopped:
            return ending.code
        if ending.code < _FAILED and standing(self._config, run_id).standing is Standing.PROVEN:
            self._memory.forget(run_id)
            return 0
        self._memory.failed(run_id, outcome_text(ending.code, ending.reason), self._now_s())
        return ending.code if ending.code >= _FAILED else _FAILED

    def _look(self) -> Optional[Tuple[Seen, ...]]:
        """The survey, or None and a sentence. One look at a time: a share that hangs holds one thread, not more."""
        drives = f"{self._config.analysis_drive} and {self._config.isilon_drive}"
        if self._asking is not None and not self._asking.is_set():
            self._say(f"{_clock()} {drives}: still no answer.")
            return None
        done = self._asking = threading.Event()

        def work() -> Tuple[Seen, ...]:
            try:
                return self._see(self._config, self._patterns)
            finally:
                done.set()

        try:
            return supervised(work, self._stop, within_s=self._within_s)
        except AbandonedError:
            if not self._stop:
                self._say(
                    f"{_clock()} {drives}: no answer within {self._within_s:g} s; looked at again in the next round."
                )
        except OSError as error:
            where = printable(getattr(error, "filename", None) or drives)
            self._say(f"{_clock()} {where}: {fs.explain(error)[1]}; looked at again in the next round.")
        return None

    def _what_moves(self, run_id: str) -> str:
        """What changed within `settle_s`. Raises RefusedError where the run cannot be listed, StoppedError."""
        settle_s = QUIET_S if self._config.settle_s is None else self._config.settle_s
        if not settle_s:
            return ""
        roots = {item.copy_type.value: item.source for item in trees_of(self._config, run_id)}
        self._say(f"{printable(run_id)}: is finished; looking whether it lies still for {settle_s:g} s.")

        def work() -> str:
            before = list_trees(roots, lambda: self._stop)
            if self._stop.wait(settle_s):
                raise StoppedError("Stopped before anything was copied.")
            return unlike(before, list_trees(roots, lambda: self._stop))

        try:
            return supervised(work, self._stop)
        except OSError as error:
            raise RefusedError(f"It cannot be listed: {fs.explain(error)[1]}.") from error

    def _heartbeat(self, runs: Sequence[Seen], codes: Dict[str, int], then: str) -> None:
        proven = {run.run_id for run in runs if run.standing is Standing.PROVEN}
        proven |= {run_id for run_id, code in codes.items() if not code}
        parts = [f"{len(runs)} run(s)", f"{len(proven)} proven"]
        left = [run_id for run_id, code in codes.items() if code]
        if left:
            parts.append(f"{len(left)} to be tried again ({_some(left)})")
        for kind in (Standing.UNFINISHED, Standing.LACKING):
            found = [f"{run.run_id}: {run.words}" for run in runs if run.standing is kind]
            if found:
                parts.append(f"{len(found)} {kind.value} ({_some(found)})")
        self._say(f"{_clock()} watching {printable(self._config.analysis_drive)}: {', '.join(parts)}{then}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return printable("; ".join(names[-_MOST_NAMED:])) + more


def _clock() -> str:
    return f"{datetime.now():%Y-%m-%d %H:%M:%S}"
