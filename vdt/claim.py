"""Claims a destination: tries what a copy does there, and takes its lock, beside it or inside it."""

from __future__ import annotations

import os
from typing import Callable, Optional, Sequence, Tuple

from vdt import fs
from vdt.errors import LockedError, RefusedError
from vdt.listing import answer_s
from vdt.lock import LOCK_NAME, STATE_INSIDE, TreeLock, other_around, sweep
from vdt.outage import Outage
from vdt.preflight import make_missing, remove_empty
from vdt.probe import Destination, probe
from vdt.stop import StopFlag
from vdt.supervise import Beside
from vdt.tuning import CALL_WAITS_S
from vdt.watch import Watch


class Made:
    """The folders of a destination that were missing and were made, to be taken back where nothing comes of it.

    Whoever began at the same time has found them, and would take its destination for a share that went away. So they
    stay where another transfer may be at work by now; one whose lock lay there before them does not know them.

    Raises:
        RefusedError: one of them cannot be made.
    """

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._locked_before = not os.path.lexists(destination) and other_around(destination, "")
        self.folders = make_missing(destination)

    def take_back(self, refusal: Optional[BaseException] = None, *, also: Sequence[str] = ()) -> None:
        """Remove them, where they are empty. `also`: other destinations, on which whoever uses these is at work."""
        if not self._locked_before:
            if isinstance(refusal, LockedError):  # it may have ended since, with a copy of an empty folder
                return
            if any(other_around(place, "") for place in (self._destination, *also)):
                return
        remove_empty(self.folders)


def claim(
    destination: str, stop: StopFlag, say: Callable[[str], None], watch: Watch
) -> Tuple[Destination, TreeLock, bool]:
    """What the destination can do, its lock, and whether that lies inside it.

    Each takes some dozens of calls one after the other, so where calls wait both are done at the same time. What hangs
    in a probe is named by its thread; a lock that may be somebody else's is not waited for once the probe was refused.

    Raises:
        RefusedError: it cannot be copied to; the lock is given back then.
        LockedError: somebody else holds it.
    """
    if answer_s(destination) < CALL_WAITS_S:
        return (probe(destination), *take_lock(destination, stop.wait, say))

    def tried() -> Destination:
        with watch.doing("Preparing", destination):
            return probe(destination)

    probing = Beside(tried, "vdt-probe")
    try:
        lock, inside = take_lock(destination, lambda seconds: stop.wait(seconds) or probing.failed, say)
    except RefusedError:
        probing.result()  # its refusal says more
        raise
    try:
        return probing.result(), lock, inside
    except BaseException:
        lock.release()
        raise


def take_lock(destination: str, wait: Callable[[float], bool], say: Callable[[str], None]) -> Tuple[TreeLock, bool]:
    """Take the lock beside the destination, or inside it where that is refused for good; (lock, True when inside).

    `wait` sleeps, and returns True where a lock that may be alive is waited for no longer.
    """
    parent, name = os.path.split(os.path.realpath(destination).rstrip("/\\") or destination)
    beside = os.path.join(parent, f".{name}.vdt")
    inside = os.path.join(destination, STATE_INSIDE)
    places = [(beside, False), (inside, True)] if name else [(inside, True)]  # nothing lies beside a drive's root
    try:
        if fs.real_id(parent)[0] != fs.real_id(destination)[0] or os.path.isfile(os.path.join(inside, LOCK_NAME)):
            places.reverse()
    except OSError:
        pass
    last: Optional[RefusedError] = None
    for folder, is_inside in places:
        lock = TreeLock(folder, destination, say=say, wait=wait)
        try:
            lock.acquire()
        except RefusedError as error:
            if not _for_good(error.__cause__):
                raise
            last = error
            continue
        try:
            if name:
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
