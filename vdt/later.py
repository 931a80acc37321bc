"""What is to be tried again, and when: after its pause, once an outage is over, or one last time at the end.

Nobody sleeps for a retry: whoever drives the work asks what is due. Items that an outage struck were not to blame; they
come back together, without a pause of their own.
"""

from __future__ import annotations

import heapq
import time
from typing import Generic, Iterator, List, Tuple, TypeVar

from vdt.stop import StopFlag

SECOND_LOOK_S = 2.0  # wait before files that moved or were held by somebody are tried once more, at the end
BREATH_S = 0.5  # between the end of an outage and the next try, for a share that comes and goes

Item = TypeVar("Item")


class Later(Generic[Item]):
    """Belongs to the thread that drives; once `stop` is set nothing is due any more."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._waiting: List[Tuple[float, int, Item]] = []  # heap: due, number, item
        self._number = 0
        self._struck: List[Item] = []
        self._struck_due_s = 0.0
        self._last: List[Item] = []
        self._last_was = False

    def after(self, wait_s: float, item: Item) -> None:
        """Try an item again in so many seconds."""
        self._number += 1
        heapq.heappush(self._waiting, (time.monotonic() + wait_s, self._number, item))

    def after_outage(self, item: Item) -> None:
        """Its attempt fell into an outage and counts for nothing."""
        self._struck.append(item)
        self._struck_due_s = time.monotonic() + BREATH_S

    def at_the_end(self, item: Item) -> None:
        """Try it once more when all else is done."""
        self._last.append(item)

    def struck(self) -> List[Item]:
        """Those that outages struck, where they are due; handed out once."""
        if not self._struck or self._struck_due_s > time.monotonic() or self._stop:
            return []
        due, self._struck = self._struck, []
        return due

    def due(self) -> Iterator[Item]:
        """Those whose pause is over."""
        now_s = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now_s and not self._stop:
            yield heapq.heappop(self._waiting)[2]

    @property
    def waits(self) -> bool:
        """True while some will be due that are not kept for the end."""
        return bool(self._waiting or self._struck)

    def last(self) -> List[Item]:
        """Those kept for the end, after a moment to come to rest. There is one end: what comes later is not tried."""
        if not self._last or self._last_was:
            return []
        self._last_was = True
        if self._stop.wait(SECOND_LOOK_S):
            return []
        due, self._last = self._last, []
        return due

    @property
    def untried(self) -> List[Item]:
        """Those that were to be tried again and were not."""
        return [item for _, _, item in self._waiting] + self._last
