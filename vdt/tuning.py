"""How many workers are at work: found while running, from what they get done. Pure: times and work done are handed in.

On a local disk a second thread can halve the speed (the interpreter's lock changes hands at every short call); on a
share with a millisecond a call eight or sixty-four threads win by their number. So the search starts where the answer
time of the two sides points to, keeps a doubling only where a window shows a gain, and looks again, up and down, every
few seconds. A single worker that hardly ever waits for the system shows that more cannot help: then none are tried.
"""

from __future__ import annotations

import enum
from typing import Optional

DEFAULT_THREADS = 8  # the most, where nobody said
WINDOW_S = 0.1  # shortest stretch that is judged
WINDOW_UNITS = 24  # and it must hold so many files or blocks: fewer say nothing
UNITS_A_WORKER = 8  # and so many of each worker: those that began together read, flush and rename at the same time
LONGEST_WINDOW_S = 5.0
GAIN = 1.12  # a doubling must bring so much
HOLD_WINDOWS = 20  # windows between two looks
WAITS = 0.25  # a worker that spends less of its time waiting keeps the interpreter busy by itself
AT_A_DISK = 4  # 4 GB of mixed sizes to ext4 took 7.3 s with four workers, 9.5 with two, 8.0 with eight (medians)
CALL_WAITS_S = 0.5e-3  # a side that takes so long to answer is a share: asking for several things at once pays
PYTHON_S_A_CALL = 20e-6  # what Python needs around a system call; so many calls fit into one that waits


class _Phase(enum.Enum):
    BASE = "the rate at the present number"
    SETTLE = "let work begun under the former number run out"
    TRIAL = "the rate at the number that is tried"
    HOLD = "keep it for a while"


class Tuner:
    """Says how many of at most `most` workers should be at work.

    `observe` is called often with a running clock and the running sum of work done, in any unit that is about
    proportional to effort.

    Args:
        begin: workers at first.
    """

    def __init__(self, most: int, start_s: float, *, begin: int = 1) -> None:
        self.limit = min(most, begin)
        self._most = most
        self._phase = _Phase.BASE if self.limit == 1 else _Phase.HOLD  # a number that was measured is given a while
        self._since_s, self._since_units = start_s, 0.0
        self._base_rate = 0.0
        self._kept = self.limit  # the number to fall back to
        self._held = 0
        self._up = self.limit < most
        self._alone_s = self._alone_cpu_s = 0.0

    @property
    def alone(self) -> bool:
        """True while one worker is judged to be enough."""
        return self.limit == 1

    def worked_alone(self, seconds: float, cpu_seconds: float) -> None:
        """The only worker was at work for so long, and so much of it was spent in the processor."""
        self._alone_s += seconds
        self._alone_cpu_s += cpu_seconds

    def observe(self, now_s: float, units: float) -> int:
        """Take a reading; returns the number of workers from now on."""
        if self._most == 1:
            return 1
        rate = self._window(now_s, units)
        if rate is None:
            return self.limit
        if self._phase is _Phase.SETTLE:
            self._phase = _Phase.TRIAL
        elif self._phase is _Phase.BASE:
            self._base_rate = rate
            if self._never_waits():
                self._phase, self._held = _Phase.HOLD, 0
            else:
                self._try_next()
        elif self._phase is _Phase.TRIAL:
            self._judge(rate)
        else:
            self._held += 1
            if self._held >= HOLD_WINDOWS:
                self._phase = _Phase.BASE
        return self.limit

    def _window(self, now_s: float, units: float) -> Optional[float]:
        """Units per second of a window that just ended, or None while it runs."""
        seconds, done = now_s - self._since_s, units - self._since_units
        enough = max(WINDOW_UNITS, UNITS_A_WORKER * self.limit)
        if seconds < WINDOW_S or (done < enough and seconds < LONGEST_WINDOW_S):
            return None
        self._since_s, self._since_units = now_s, units
        return done / seconds if done > 0 else None  # one that stood still (a long flush) says nothing of the number

    def _never_waits(self) -> bool:
        seconds, cpu_seconds = self._alone_s, self._alone_cpu_s
        self._alone_s = self._alone_cpu_s = 0.0
        return self.alone and seconds > 0 and cpu_seconds > seconds * (1 - WAITS)

    def _try_next(self) -> None:
        self._kept = self.limit
        if self._up and self.limit >= self._most:
            self._up = False
        elif not self._up and self.limit == 1:
            self._up = True
        self.limit = min(self._most, self.limit * 2) if self._up else max(1, self.limit // 2)
        self._phase = _Phase.SETTLE

    def _judge(self, rate: float) -> None:
        if self._up and rate >= self._base_rate * GAIN:
            self._base_rate = rate
            if self.limit < self._most:
                self._try_next()
                return
        elif not self._up and rate >= self._base_rate / 1.03:
            self._base_rate = rate  # fewer do as much: keep fewer
            if self.limit > 1:
                self._try_next()
                return
        else:
            self.limit = self._kept
            self._up = not self._up  # next time look the other way
        self._phase, self._held = _Phase.HOLD, 0


def workers_at_first(answer_s: float, most: int, *, flushes: bool) -> int:
    """How many workers a call that takes `answer_s` seconds keeps busy: one in memory, all on a share; and a few where
    what is written is flushed, since some then wait for the disk while others read and write."""
    return max(1, min(most, max(int(answer_s / PYTHON_S_A_CALL), AT_A_DISK if flushes else 1)))
