"""Lists the folders of a side that may not answer at once, and measures how long it takes to answer.

Reads listings, nothing else. It retries what may heal and waits for a side that is away; what it cannot list it raises.
"""

from __future__ import annotations

import time
from typing import Callable, List

from vdt import fs
from vdt.model import Entry
from vdt.outage import ALWAYS_THERE, Presence
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.tuning import CALL_WAITS_S

_LOOKS = 3


def lister(retry: RetryPlan, stop: StopFlag, outage: Presence = ALWAYS_THERE) -> Callable[[str], List[Entry]]:
    """`fs.list_folder`, tried again where that can heal, and after every outage; waits end with a stop.

    It raises AwayError and StoppedError as `outage` does.
    """

    def listed(path: str) -> List[Entry]:
        attempt = 1
        while True:
            mark = outage.over
            try:
                entries = fs.list_folder(path)
                outage.listed(path, entries)
                return entries
            except OSError as error:
                if outage.struck(mark):
                    continue
                wait = retry.wait_before(attempt) if fs.heal(error) is fs.Heal.MAYBE else None
                if wait is None or stop.wait(wait):
                    if isinstance(error, fs.EntryError):  # one bad name does not cost the whole folder
                        return fs.list_folder(path, tolerant=True)
                    raise
                attempt += 1

    return listed


def answer_s(path: str) -> float:
    """How long a side lets a caller wait for what no cache answers, in seconds; 0 where it does not answer.

    What the processor worked for the call is no waiting: the first one in a process takes 0.1 ms even in memory, and
    workers that wait for nothing cost three times the time. Nor is it the share's when somebody else had the processor,
    so it is asked again: the shortest of three calls counts, of two where both were long, as each may be a round trip.
    """
    shortest = float("inf")
    for look in range(_LOOKS):
        began, worked = time.perf_counter(), time.thread_time()
        try:
            fs.volume(path)
        except OSError:
            return 0.0
        waited = time.perf_counter() - began - (time.thread_time() - worked)
        shortest = min(shortest, max(0.0, waited))
        if look and shortest >= CALL_WAITS_S:
            break
    return shortest
