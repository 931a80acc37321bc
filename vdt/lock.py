"""One transfer at a time in one tree: a lock file in the state folder, kept alive by a counter.

May: write and remove its own lock. A lock is taken over when its process is dead on this host, or when its counter
stood still for `LOST_AFTER_S` by this machine's own clock; clocks of two machines are never compared.

A file system has no "replace it if it is still that one": a holder that was suspended at the wrong moment may put its
lock over that of whoever took the tree over. Then it is the other one that finds its lock lost and stops; one goes on.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from vdt import fs
from vdt.errors import LockedError, RefusedError
from vdt.evidence import host_name

LOCK_NAME = "lock.json"
STATE_INSIDE = ".vdt"  # the state folder where it has to lie inside the destination
BEAT_S = 30.0  # the holder bumps the counter this often
LOST_AFTER_S = 300.0  # a counter that stood still for so long has no holder any more
_FRESH_S = 0.1  # `held` is asked before every rename; so long an answer serves
_BEING_ASKED_S = 1.0  # and so long while another worker fetches the next one
_BLINK_S = 0.2  # some servers replace a file by removing it first
_BEFORE_LOOKS_S = (0.0, 0.01, 0.03)  # Windows refuses a file for the moment in which another one takes its place
_TRIES = 3
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a fifo in the place of a lock cannot hang whoever reads it

_ended: Set[str] = set()  # tokens of this process whose work is over: where such a lock still lies, its file stayed


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as the file says it."""

    host: str
    process_id: int
    process_started: str  # names one life of the process id
    since: str
    token: str
    counter: int = 0
    machine: str = ""  # tells machines and process name spaces of one host name apart

    @property
    def words(self) -> str:
        return f"host {self.host}, process {self.process_id}, since {self.since}"


def this_holder(token: str) -> Holder:
    """This process, as a lock names it."""
    return Holder(
        host_name(),
        os.getpid(),
        fs.process_started(os.getpid()) or "unknown",
        datetime.now().astimezone().isoformat(timespec="seconds"),
        token,
        machine=fs.machine_identity(),
    )


class TreeLock:
    """The lock of one tree. Acquire, ask `held` before each batch of renames, release.

    Args:
        folder: the state folder; made when needed, removed on release when it is empty.
        tree: the tree that it guards, for messages.
        say: told what it waits for.
        wait: sleeps, returns True when the wait was cut short by a stop.
        work: how far the work is, as JSON values for whoever looks at the lock; written with each beat. Asked in a
            thread of its own; what it raises costs the answer, not the lock.
    """

    def __init__(
        self,
        folder: str,
        tree: str = "this tree",
        *,
        say: Callable[[str], None],
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        beat_s: float = BEAT_S,
        lost_after_s: float = LOST_AFTER_S,
        work: Callable[[], Dict[str, Any]] = dict,
    ) -> None:
        self._work = work
        self.token = os.urandom(8).hex()
        self.notes: List[str] = []
        self.folder = folder
        self._tree = tree
        self._path = os.path.join(folder, LOCK_NAME)
        self._say, self._wait, self._clock = say, wait, clock
        self._beat_s, self._lost_after_s = beat_s, lost_after_s
        self._me = this_holder(self.token)
        self._end = threading.Event()
        self._heart: Optional[threading.Thread] = None
        self._lost = False
        self._beating, self._asking = threading.Lock(), threading.Lock()
        self._counter = self._beside = 0
        self._beaten_at = self._seen_at = -math.inf  # when the lock was last written, and last read as ours
        self._home: Tuple[int, int] = (0, 0)  # the folder around the state folder, to tell a share that is away

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LockedError: somebody else holds it, or may and the wait was cut short.
            RefusedError: the lock cannot be written.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                fs.make_folder(self.folder)
                self._home = fs.real_id(os.path.dirname(self.folder))
                while not self._create():
                    self._take_over()
                break
            except OSError as error:
                if attempt < _TRIES and fs.heal(error) is fs.Heal.MAYBE:
                    continue
                self._undo()
                raise RefusedError(
                    f"The lock {self._path} cannot be written: {fs.explain(error)[1]}. "
                    "Check the permissions of the folder."
                ) from error
            except RefusedError:
                raise  # somebody else's: there is nothing of ours
            except BaseException:  # memory that ends, a second Ctrl-C: nobody would give it back
                self._undo()
                raise
        self._beaten_at = self._clock()
        self._heart = threading.Thread(target=self._beat, name="vdt-lock", daemon=True)
        self._heart.start()

    def _create(self) -> bool:
        """Put a complete lock file in place, or find that one is there. Never leaves half a file."""
        mine = self._write_beside(self._me)
        try:
            return self._put_in_place(mine, self._me)
        finally:
            try:
                os.unlink(mine)
            except PermissionError:  # Windows, while somebody reads it: it stays until the lock is given back
                pass

    def _put_in_place(self, beside: str, holder: Holder) -> bool:
        """Give a lock file that lies beside its name, unless that is taken."""
        try:
            os.link(beside, self._path)
            return True
        except FileExistsError:
            pass
        except OSError:  # no hard links here: an exclusive create is the next best
            try:
                file = open(self._path, "x", encoding="utf-8")
            except FileExistsError:
                pass
            else:
                try:
                    with file:
                        json.dump(self._values(holder), file)
                except OSError:
                    _forget(self._path)  # half a lock, that nobody could tell from a live one
                    raise
                return True
        there = self._read()  # a share repeats a call whose answer was lost, and then finds what that call made
        return there is not None and there.token == holder.token

    def _values(self, holder: Holder) -> Dict[str, Any]:
        try:
            work = self._work()
        except Exception:  # a lock that is not beaten is lost, whatever there is to be told of the work
            work = {}
        return {**asdict(holder), **({"work": work} if work else {})}

    def _write_beside(self, holder: Holder) -> str:
        self._beside += 1  # each under a name of its own: an earlier one may be a name of the lock itself
        path = f"{self._path}.{self.token}-{self._beside}"
        try:
            with open(path, "x", encoding="utf-8") as file:
                json.dump(self._values(holder), file)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            _forget(path)
            raise
        return path

    def _undo(self) -> None:
        """Take back what a refused `acquire` made; never raises."""
        _ended.add(self.token)
        for number in range(1, self._beside + 1):
            _forget(f"{self._path}.{self.token}-{number}")
        found = self._read()
        if found is not None and found.token == self.token:
            _forget(self._path)
        self._remove_folder()

    def _take_over(self) -> None:
        """Return when the lock that stands in the way was removed; raise LockedError when it is alive."""
        seen = self._read()
        if seen is not None and seen.token == self.token:
            return  # our own, that could not be read a moment ago
        if seen is not None and seen.host == self._me.host and seen.machine in ("", self._me.machine):
            if _lives(seen):
                raise LockedError(
                    f"Another transfer works on {self._tree}: {seen.words}. Wait until it ends, or stop it."
                )
            how = "that could not remove it" if seen.token in _ended else "that died"
            self._remove(seen, f"The lock of a transfer {how} ({seen.words}) was taken over.")
            return
        if seen is None and _is_no_file(self._path):
            raise RefusedError(
                f"No lock can be put in place: {self._path} is no file. Look at what it is, and move it away."
            )
        who = seen.words if seen is not None else "it cannot be read"
        self._say(f"A lock is there ({who}); waiting up to {self._lost_after_s:g} s to see whether it is alive.")
        until = self._clock() + self._lost_after_s
        while self._clock() < until:
            if self._wait(min(5.0, self._lost_after_s / 10)):
                raise LockedError(f"Another transfer may work on {self._tree}: {who}.")
            now = self._read()
            if now is not None and seen is not None and now.token == seen.token and now.counter != seen.counter:
                raise LockedError(f"Another transfer works on {self._tree}: {who}. Wait until it ends, or stop it.")
            if now != seen:
                return  # gone, or another one: look again from the start
        self._remove(seen, f"A lock that stood still for {self._lost_after_s:g} s ({who}) was taken over.")

    def _remove(self, seen: Optional[Holder], note: str) -> None:
        aside = f"{self._path}.stale-{self.token}"
        try:
            os.replace(self._path, aside)
        except FileNotFoundError:
            return
        taken = self._read(aside)
        if taken is not None and taken != seen:  # a faster newcomer's, or its holder came back: put it back, look again
            try:
                self._put_in_place(aside, taken)
            except OSError:
                pass  # its holder finds it lost and stops
            os.unlink(aside)
            return
        os.unlink(aside)
        self.notes.append(note)

    def _read(self, path: str = "") -> Optional[Holder]:
        return read_holder(path or self._path)

    def _beat(self) -> None:
        while not self._end.wait(self._beat_s):
            try:
                if not self._bump():
                    return
            except OSError:
                continue  # a share that is away; `held` tells whether the lock survived it

    def _bump(self) -> bool:
        """Write the next count. False: the lock is lost. Raises OSError where that cannot be told or written."""
        with self._beating:
            beside = self._write_beside(replace(self._me, counter=self._counter + 1))
            try:
                mine = self._look()  # as late as can be: what is replaced next must still be ours
                if mine:
                    os.replace(beside, self._path)
                    self._counter += 1
                    self._beaten_at = self._clock()
                    return True
                os.unlink(beside)
            except OSError:
                os.unlink(beside)
                raise
            if mine is None:
                raise OSError(errno.EIO, "the lock cannot be read", self._path)
            return False

    def _look(self) -> Optional[bool]:
        """Read the lock: True ours, False lost (for good), None when it cannot be told now."""
        if self._lost:
            return False
        found = self._read()
        if found is None:
            self._end.wait(_BLINK_S)
            found = self._read()
        if found is not None:
            self._lost = found.token != self.token
            return not self._lost
        try:
            os.stat(self._path)
        except FileNotFoundError:
            try:  # a share that is away shows no folder, or the empty one that it was mounted on
                self._lost = fs.real_id(os.path.dirname(self.folder)) == self._home
            except OSError:
                return None
            return False if self._lost else None
        except OSError:
            pass
        return None

    def held(self) -> bool:
        """True while the lock is still ours, read from disk now or a blink ago.

        While it cannot be read the last answer stands, for as long as no newcomer may take it over. A holder that could
        not write its count for so long must write it first: a newcomer may be about to act on what it saw.
        """
        age = self._clock() - self._seen_at
        if 0 <= age < _FRESH_S:
            return not self._lost
        if not self._asking.acquire(blocking=not 0 <= age < _BEING_ASKED_S):
            return not self._lost
        try:
            return self._ask()
        finally:
            self._asking.release()

    def _ask(self) -> bool:
        now = self._clock()
        if 0 <= now - self._seen_at < _FRESH_S:
            return not self._lost  # another worker asked meanwhile
        mine = self._look()
        if mine is not False and now - self._beaten_at > self._lost_after_s:
            try:
                mine = self._bump() and self._look()
            except OSError:
                return False
        if mine:
            self._seen_at = now
        return mine is not False

    def seen(self) -> Optional[bool]:
        """True when this very lock lies in its place, False when it does not; None when that cannot be told now."""
        found = self._read()
        if found is not None:
            return found.token == self.token
        try:
            os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            pass
        return None

    def leave(self) -> None:
        """End the counting and leave the lock as it lies: the share is away, and nothing is touched there any more."""
        self._end.set()
        _ended.add(self.token)

    def lies_in(self, folder: str) -> bool:
        """True when this very lock is seen in `folder`: then that is the state folder, by another name perhaps."""
        found = self._read(os.path.join(folder, LOCK_NAME))
        return found is not None and found.token == self.token

    def release(self) -> None:
        """Give the lock back and remove what is left of the state folder; never raises. A lock that cannot be removed
        is taken over by the next transfer of this machine, also by one of this process."""
        self._end.set()
        if self._heart is not None:
            self._heart.join(timeout=5)
        _ended.add(self.token)
        for _ in range(_TRIES):
            try:
                if self._look():
                    os.unlink(self._path)
                for name in os.listdir(self.folder):
                    if name.startswith(LOCK_NAME + "."):  # left by a process that was killed while it wrote
                        os.unlink(os.path.join(self.folder, name))
                break
            except FileNotFoundError:
                break
            except OSError:
                continue
        self._remove_folder()

    def _remove_folder(self) -> None:
        """The state folder, and the one around it where that is ours, as far as they are empty."""
        parent = os.path.dirname(self.folder)
        for folder in (self.folder, parent) if os.path.basename(parent) == ".vdt" else (self.folder,):
            try:
                os.rmdir(folder)
            except OSError:
                return


def sweep(folder: str) -> None:
    """Remove the lock of a transfer of this machine that is over from a state folder that is not the one in use."""
    seen = read_holder(os.path.join(folder, LOCK_NAME))
    if seen is None or not died_here(seen):
        return
    left = TreeLock(folder, say=lambda line: None, wait=lambda seconds: True)
    try:
        left.acquire()
    except RefusedError:
        return  # somebody else's now, or it cannot be removed: it holds nobody up
    left.release()


def other_around(place: str, token: str) -> bool:
    """True where a transfer other than the one of `token` may be at work on a folder: into it, into one around it.

    Only a holder that died on this machine is known to be gone; of all others the lock counts as it lies there.
    """
    current = os.path.realpath(place)
    while True:
        parent, name = os.path.split(current)
        beside = [os.path.join(parent, f".{name}.vdt"), os.path.join(parent, ".vdt", name)] if name else []
        for folder in (os.path.join(current, ".vdt"), *beside):
            path = os.path.join(folder, LOCK_NAME)
            if os.path.lexists(path):
                seen = read_holder(path)
                if seen is None or (seen.token != token and not died_here(seen)):
                    return True
        if not name:
            return False
        current = parent


def is_of_here(seen: Holder) -> bool:
    """True where a holder is, or was, a process of this machine."""
    return seen.host == host_name() and seen.machine in ("", fs.machine_identity())


def died_here(seen: Holder) -> bool:
    """True where it was one and runs no more."""
    return is_of_here(seen) and not _lives(seen)


def read_holder(path: str) -> Optional[Holder]:
    """What a lock file says of its holder; None where it is not there or makes no sense."""
    found = seen_in_file(path)
    return None if found is None else found[0]


def seen_in_file(path: str) -> Optional[Tuple[Holder, Dict[str, Any]]]:
    """The holder, and how far its work was at its last beat ({} where it does not say), likewise."""
    for pause_s in _BEFORE_LOOKS_S:
        time.sleep(pause_s)
        try:
            return _in_file(path)
        except PermissionError:
            continue
    return None


def _in_file(path: str) -> Optional[Tuple[Holder, Dict[str, Any]]]:
    """Raises PermissionError."""
    try:
        with open(path, encoding="utf-8", opener=lambda name, flags: os.open(name, flags | _NO_WAIT)) as file:
            values = json.load(file)
        holder = Holder(
            str(values["host"]),
            int(values["process_id"]),
            str(values["process_started"]),
            str(values["since"]),
            str(values["token"]),
            int(values["counter"]),
            str(values.get("machine", "")),
        )
        work = values.get("work")
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return (holder, work if isinstance(work, dict) else {}) if 0 < holder.process_id < 1 << 32 else None


def _forget(path: str) -> None:
    """Remove a file of ours; one that cannot be removed stays."""
    try:
        os.unlink(path)
    except OSError:
        pass


def _is_no_file(path: str) -> bool:
    """True for a folder, a fifo or the like; not for what is not there or cannot be looked at."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _lives(seen: Holder) -> bool:
    """Whether a holder on this machine still runs; one that cannot be told from another life of its number does."""
    if seen.token in _ended:
        return False
    started = fs.process_started(seen.process_id)
    return started is not None and (started == seen.process_started or "unknown" in (started, seen.process_started))
