"""How many bytes a second may be read: the plan by time of day, and the bucket that all workers share.

The plan is pure. The bucket is the only part with threads in it; clock, time of day and waiting are handed in.

What the bucket holds to: in any stretch of time no more than rate x (stretch + 0.25 s) bytes are let through; workers
are served in the order in which they came, in slices, so that a large file does not hold up the small ones; a new
rate of the timetable counts within a quarter of a second. What it does not do: measure what a share really carries.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Dict, Optional, Tuple

from vdt.errors import UsageError
from vdt.printable import printable

BURST_S = 0.25
_SHORTEST_WAIT_S = 0.001  # below this a clock may not move at all
_DAY_MINUTES = 24 * 60
_UNITS = {"B": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?:([KMG])(?:i?B)?|(B))(?:/s)?", re.IGNORECASE)
_SLOT = re.compile(r"([0-9]{1,2}):([0-9]{2}),(.+)")
_EXAMPLES = "Write a rate like 100M (MiB a second), or a timetable like 08:00,100M 19:00,off."


@dataclass(frozen=True)
class BandwidthPlan:
    """Rates over the day; each counts from its minute until the next, the last one past midnight."""

    text: str  # as it was written
    slots: Tuple[Tuple[int, Optional[float]], ...]  # (minute of the day, bytes per second; None is no limit), ascending

    @property
    def unlimited(self) -> bool:
        """True when there is no limit at any time of day."""
        return all(rate is None for _, rate in self.slots)

    @property
    def changes(self) -> bool:
        """True when the rate depends on the time of day."""
        return len(self.slots) > 1

    def rate_at(self, minutes_of_day: float) -> Optional[float]:
        """Bytes per second at this minute (0 is midnight, local time); None is no limit."""
        if not self.slots:
            return None
        rate = self.slots[-1][1]
        for minute, slot_rate in self.slots:
            if minute <= minutes_of_day % _DAY_MINUTES:
                rate = slot_rate
        return rate


UNLIMITED = BandwidthPlan("off", ((0, None),))


def parse_bwlimit(text: str) -> BandwidthPlan:
    """Read ``100M``, ``off`` or ``08:00,100M 19:00,off``.

    K, M and G are KiB, MiB and GiB a second; B is bytes a second. A bare number is refused: other tools read it as
    KiB, so nobody could be sure. 0 and off are no limit.

    Raises:
        UsageError: it is none of these; the sentence says what to write.
    """
    words = text.split()
    if not words:
        raise UsageError(f"The bandwidth limit is empty. {_EXAMPLES}")
    if len(words) == 1 and "," not in words[0]:
        return BandwidthPlan(text, ((0, _rate(words[0])),))
    slots: Dict[int, Optional[float]] = {}
    for word in words:
        match = _SLOT.fullmatch(word)
        if not match:
            raise UsageError(f"'{printable(word)}' in the bandwidth limit is no HH:MM,RATE. {_EXAMPLES}")
        hours, minutes = int(match[1]), int(match[2])
        if hours > 23 or minutes > 59:
            raise UsageError(f"'{printable(word)}' in the bandwidth limit names no time of day; 00:00 to 23:59 do.")
        minute = hours * 60 + minutes
        if minute in slots:
            raise UsageError(f"The bandwidth limit names {hours:02d}:{minutes:02d} twice.")
        slots[minute] = _rate(match[3])
    return BandwidthPlan(text, tuple(sorted(slots.items())))


def _rate(word: str) -> Optional[float]:
    if word.lower() == "off" or re.fullmatch(r"0+", word):
        return None
    match = _RATE.fullmatch(word)
    if match:
        rate = float(match[1]) * _UNITS[(match[2] or match[3]).upper()]
        if rate >= 1:
            return rate
    elif re.fullmatch(r"[0-9.]+", word):
        raise UsageError(f"'{printable(word)}' in the bandwidth limit lacks its unit: K, M or G. {_EXAMPLES}")
    raise UsageError(f"'{printable(word)}' is no bandwidth limit. {_EXAMPLES}")


def local_minute_of_day() -> float:
    """Minutes since local midnight by this computer's clock."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min + now.tm_sec / 60


class TokenBucket:
    """Lets bytes through at the plan's rate. One object is shared by all workers; every method is thread-safe."""

    def __init__(
        self,
        plan: BandwidthPlan,
        *,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
        minute_of_day: Callable[[], float] = local_minute_of_day,
    ) -> None:
        """Make a bucket that starts empty.

        Args:
            plan: what may pass when.
            now: seconds that only go forward.
            wait: waits that many seconds. A true answer means that the run is to stop (`Event.wait` does so).
            minute_of_day: local time of day, asked only where the plan changes over the day.
        """
        self._plan = plan
        self._unlimited = plan.unlimited
        self._fixed = None if plan.changes else plan.rate_at(0)
        self._now = now
        self._wait = wait
        self._minute_of_day = minute_of_day
        self._lock = threading.Lock()
        self._line: Deque[threading.Lock] = deque()  # the first one is being served
        self._tokens = 0.0  # these two belong to the one being served
        self._filled = now()

    @property
    def rate(self) -> Optional[float]:
        """Bytes per second that count now; None is no limit."""
        return self._plan.rate_at(self._minute_of_day()) if self._plan.changes else self._fixed

    def take(self, n_bytes: int) -> bool:
        """Block until `n_bytes` may be read. False where `wait` said that the run is to stop."""
        if self._unlimited:
            return True
        left = float(n_bytes)
        while left > 0:
            slice_bytes = self._serve(left)
            if slice_bytes is None:
                return False
            left -= slice_bytes
        return True

    def _serve(self, wanted: float) -> Optional[float]:
        """Stand in line, then get at most one burst. None: the run is to stop."""
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            self._line.append(turn)
            first = len(self._line) == 1
        try:
            if not first:
                turn.acquire()  # the one before opens it, whatever happened to it
            return self._pour(wanted)
        finally:
            with self._lock:
                served = self._line[0] is turn
                self._line.remove(turn)
                if served and self._line:
                    self._line[0].release()

    def _pour(self, wanted: float) -> Optional[float]:
        while True:
            rate = self.rate
            moment = self._now()
            if rate is None:
                self._tokens, self._filled = 0.0, moment
                return wanted
            burst = rate * BURST_S
            self._tokens = min(burst, self._tokens + max(0.0, moment - self._filled) * rate)
            self._filled = moment
            portion = min(wanted, burst)
            # A sum of many small steps may miss its mark by a rounding error, for ever.
            if self._tokens >= portion * (1 - 1e-9):
                self._tokens = max(0.0, self._tokens - portion)
                return portion
            if self._wait(max(_SHORTEST_WAIT_S, (portion - self._tokens) / rate)):
                return None
