"""Claims a destination: tries what a copy does there, and takes its lock, beside it or inside it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Optional, Tuple

from vdt import fs
from vdt.errors import RefusedError
from vdt.listing import answer_s
from vdt.lock import LOCK_NAME, STATE_INSIDE, TreeLock, sweep
from vdt.outage import Outage
from vdt.probe import Destination, probe
from vdt.stop import StopFlag
from vdt.tuning import CALL_WAITS_S
from vdt.watch import Watch


def claim(destination: str, stop: StopFlag, say: Callable[[str], None]) -> Tuple[Destination, TreeLock, bool]:
    """What the destination can do, its lock, and whether that lies inside it.

    Each takes some dozens of calls one after the other, so where calls wait both are done at the same time.

    Raises:
        RefusedError: it cannot be copied to; the lock is given back then.
        LockedError: somebody else holds it.
    """
    if answer_s(destination) < CALL_WAITS_S:
        return (probe(destination), *take_lock(destination, stop, say))
    with ThreadPoolExecutor(1, thread_name_prefix="vdt-probe") as beside:
        probing = beside.submit(probe, destination)
        try:
            lock, inside = take_lock(destination, stop, say)
        except RefusedError:
            probing.result()  # its refusal says more
            raise
        try:
            return probing.result(), lock, inside
        except BaseException:
            lock.release()
            raise


def take_lock(destination: str, stop: StopFlag, say: Callable[[str], None]) -> Tuple[TreeLock, bool]:
    """Take the lock beside the destination, or inside it where that is refused for good; (lock, True when inside)."""
    parent, name = os.path.split(os.path.realpath(destination).rstrip("/\\") or destination)
    beside = os.path.join(parent, f".{name}.vdt")
    inside = os.path.join(destination, STATE_INSIDE)
    places = [(beside, False), (inside, True)]
    try:
        if (
            not name
            or fs.real_id(parent)[0] != fs.real_id(destination)[0]
            or os.path.isfile(os.path.join(inside, LOCK_NAME))
        ):
            places.reverse()
    except OSError:
        pass
    last: Optional[RefusedError] = None
    for folder, is_inside in places:
        lock = TreeLock(folder, destination, say=say, wait=stop.wait)
        try:
            lock.acquire()
        except RefusedError as error:
            if not _for_good(error.__cause__):
                raise
            last = error
            continue
        try:
            sweep(beside if is_inside else inside)
        except BaseException:  # memory that ends, a second Ctrl-C: nobody else would give it back
            lock.release()
            raise
        return lock, is_inside
    assert last is not None
    raise last


def give_back(lock: TreeLock, watch: Watch, outage: Outage) -> None:
    """Give the lock back, unless a worker hangs that may wake up and rename: then it ends with the process; and unless
    the destination was given up: another volume may stand there."""
    if not watch.abandoned:
        watch.phase("Giving back", lock.folder)
        (lock.leave if outage.destination_lost else lock.release)()


def _for_good(cause: Optional[BaseException]) -> bool:
    """True where the system refuses the place itself; not for a lock that is held, nor for a disk that fails."""
    return isinstance(cause, OSError) and (isinstance(cause, PermissionError) or fs.heal(cause) is fs.Heal.NEVER)
