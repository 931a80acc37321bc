"""A root that stops answering: who is away, since when, and whether what comes back is what went.

A root is away when it does not answer, or when another folder or a link stands in its place (a mount point that lost
its mount shows the empty local folder below it). Looking costs a few calls and is done only where something failed;
nothing is written and nothing is retried here. What is promised after a return: the destination holds our own lock
again, the source every name that its root had. A device number proves nothing by then: the next mount may be given the
same one.

Where numbers of folders stay for good (local file systems), a root that was moved while the folder around it stands is
known to be moved, whatever lies there now: it was no outage, and our lock beside it proves nothing.

Not noticed: a share that went and came back between two calls of which neither failed.
"""

from __future__ import annotations

import enum
import errno
import os
import threading
import time
from datetime import datetime
from typing import Callable, Dict, FrozenSet, Iterator, List, Optional, Protocol, Sequence, Tuple, TypeVar

from vdt import fs
from vdt.errors import AwayError, LostOutputError, StoppedError, VdtError
from vdt.model import Entry
from vdt.printable import printable
from vdt.stop import StopFlag

Value = TypeVar("Value")

LOOK_EVERY_S = 1.0
SURE_AFTER_S = (
    3.0  # another volume must be seen for so long: a share may come back folder by folder, and a lock that is
)
# being replaced is not there for a moment
_STOPPED = "Stopped while a share was away; the same command goes on."
_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # this process is short of something


class Presence(Protocol):
    """What a transfer asks about its two roots. Safe in threads."""

    over: int  # how many outages have ended
    lost: str  # the sentence, once no more is waited for

    @property
    def notes(self) -> Sequence[str]: ...  # on every outage that was waited for

    def look(self) -> bool: ...
    def struck(self, mark: int) -> bool: ...
    def guard(self) -> None: ...
    def listed(self, path: str, entries: List[Entry]) -> None: ...
    def again(self, act: Callable[[], Value]) -> Value: ...
    def write(self, act: Callable[[], Value]) -> Value: ...
    def forgive(self, act: Callable[[], object]) -> None: ...


class AlwaysThere:
    """The Presence of roots that nobody watches."""

    over = 0
    lost = ""
    notes: Sequence[str] = ()

    def look(self) -> bool:
        return False

    def struck(self, mark: int) -> bool:
        return False

    def guard(self) -> None: ...

    def listed(self, path: str, entries: List[Entry]) -> None: ...

    def again(self, act: Callable[[], Value]) -> Value:
        return act()

    def write(self, act: Callable[[], Value]) -> Value:
        return act()

    def forgive(self, act: Callable[[], object]) -> None:
        act()


ALWAYS_THERE = AlwaysThere()


def was_away(outage: Presence, mark: int, stop: StopFlag) -> bool:
    """True when something failed because a root was away, since `over` was `mark` or now; returns when it is back, or
    with the run stopped."""
    try:
        return outage.struck(mark)
    except (AwayError, StoppedError) as error:
        stop.set(str(error))
        return True


def until_lost(tasks: Iterator[Value], stop: StopFlag) -> Iterator[Value]:
    """All tasks, until there are no more or a root is given up: then with the run stopped."""
    try:
        yield from tasks
    except (AwayError, StoppedError) as error:
        stop.set(str(error))


class _State(enum.Enum):
    HERE = "here"
    AWAY = "away"
    OTHER = "other"  # something answers, and it is not what was there


class _Root:
    """One root and what is known of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.away = False
        self.why = ""  # the system's reason, where it says more than that it is not there
        self.proof: Optional[Callable[[], Optional[bool]]] = None  # whether our lock lies there; None: not to be told
        self.names: Optional[FrozenSet[int]] = None
        self.known: Optional[Tuple[int, int]] = None
        self._mount = fs.mount_point(path)
        self._link = fs.is_link(path)
        self._around: Optional[Tuple[int, int]] = None  # the folder around it, where numbers of folders can be trusted
        self._taken = False  # it was moved or removed, while the folder around it stands: no outage
        try:
            self._take(fs.real_id(path))
        except OSError:
            pass  # the first answer counts

    def _take(self, found: Tuple[int, int]) -> None:
        self.known, self._taken, self._around = found, False, None
        try:
            if fs.numbers_stay(self.path):
                self._around = fs.real_id(os.path.dirname(self.path))
        except OSError:
            pass

    def _around_stands(self) -> bool:
        """True where the folder around it is still the one that it was: then no mount has come or gone."""
        try:
            return self._around is not None and fs.real_id(os.path.dirname(self.path)) == self._around
        except OSError:
            return False

    def state(self, *, strict: bool) -> _State:
        """Ask. With `strict`, after an outage, the numbers alone do not count."""
        self.why = ""
        try:
            found, empty = fs.answer(self.path)
        except OSError as error:
            if error.errno in _OUR_OWN:
                return _State.HERE
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                self.why = fs.explain(error)[1]
            elif self.known is not None:
                self._taken = self._taken or self._around_stands()
            return _State.AWAY
        if self.known is None or (found == self.known and (self._taken or not strict)):
            self._take(found)
            return _State.HERE
        if found != self.known:  # our lock, which lies beside it, would not tell
            if fs.is_link(self.path) and not self._link:
                return _State.OTHER
            if self._taken or self._around_stands():
                self._taken = True
                return _State.OTHER
        same = self._same(found)
        if same:
            self._take(found)
            return _State.HERE
        return _State.AWAY if same is None or empty or not fs.is_mount(self._mount) else _State.OTHER

    def _same(self, found: Tuple[int, int]) -> Optional[bool]:
        """Whether the folder that answers is the one that was there; None where that cannot be told now."""
        if self.proof is not None:
            return self.proof()
        if self.names is None:
            return found == self.known
        try:
            return self.names <= _names(fs.list_folder(self.path, tolerant=True)) and fs.is_mount(self._mount)
        except OSError:
            return None


class Outage:
    """Watches the two roots of one tree and waits for them.

    Args:
        wait_s: how long one outage may last.
        say: told when an outage begins and when it ends.
        phase: told what the run waits for, and afterwards what it does.
        clock, now, wait: the time; `wait` sleeps and returns True when that was cut short by a stop.

    Attributes:
        doing: what the run does while nothing is away.
        notes: a line for each outage that was waited for, and for what could not be written.
    """

    def __init__(
        self,
        source: str,
        destination: str,
        wait_s: float,
        *,
        stop: StopFlag,
        say: Callable[[str], None],
        phase: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        wait: Optional[Callable[[float], bool]] = None,
    ) -> None:
        self._source, self._destination = _Root(source), _Root(destination)
        self._roots = {source: self._source, destination: self._destination}
        self._wait_s, self._stop, self._say, self._phase = wait_s, stop, say, phase
        self._clock, self._now, self._pause = clock, now, wait or stop.wait
        self._asking = threading.Lock()  # one look at a time; guards all that follows
        self._looks = 0  # that were begun
        self._since: Optional[float] = None
        self._since_text = ""
        self._other_since: Optional[float] = None
        self._told, self._back = "", ""
        self.over = 0
        self.lost = ""
        self.doing = "copying"
        self._kept_notes: List[str] = []

    @property
    def notes(self) -> Sequence[str]:
        return tuple(self._kept_notes)

    def prove_by(self, proof: Callable[[], Optional[bool]]) -> None:
        """From now on the destination is known by our lock; see `TreeLock.seen`."""
        self._destination.proof = proof

    @property
    def destination_lost(self) -> bool:
        """True once the destination is given up: nothing is written there any more."""
        return bool(self.lost) and self._destination.away

    @property
    def waiting(self) -> str:
        """What is waited for and since when; "" while nothing is away."""
        told = self._told
        return f"waiting for {told} since {self._since_text}" if told else ""

    def look(self) -> bool:
        """True when a root is away now, or another one stands in its place."""
        begun = self._looks
        with self._asking:
            if self._looks == begun:  # else somebody began a look after we asked for one
                self._looks += 1
                self._look()
            return self._since is not None

    def _look(self) -> None:
        strict = self._since is not None
        states: Dict[_Root, _State] = {root: root.state(strict=strict) for root in self._roots.values()}
        for root, state in states.items():
            root.away = state is not _State.HERE
        if not any(root.away for root in states):
            self._is_back()
            return
        if self._since is None:
            self._since, self._since_text = self._clock(), self._now().strftime("%H:%M:%S")
        if _State.OTHER not in states.values():
            self._other_since = None
        elif self._other_since is None:
            self._other_since = self._clock()

    def _is_back(self) -> None:
        if self._since is None:
            return
        lasted = _duration(self._clock() - self._since)
        if self._told:
            self._say(f"{self._told} {self._back} {lasted}")
            self._phase(self.doing)
            self._kept_notes.append(
                f"{self._told} did not answer at {self._since_text}, for {lasted}; the run waited for it."
            )
        self._since, self._other_since, self._told = None, None, ""
        self.over += 1

    def struck(self, mark: int) -> bool:
        """Something failed that was begun when `over` was `mark`: True when an outage fell into it and has ended.

        Blocks while a root is away.

        Raises:
            AwayError: it did not come back in time, or another volume stands in its place.
            StoppedError: the run was stopped meanwhile.
        """
        if self.over != mark:
            return True
        if self.lost:
            raise AwayError(self.lost)
        if self._stop and self._since is not None:
            raise StoppedError(_STOPPED)
        if self._stop:
            return False  # no more is asked of a share that may hang
        if self.look():
            self._wait()
        return self.over != mark

    def _wait(self) -> None:
        while self._keep_waiting():
            if self._pause(LOOK_EVERY_S):
                raise StoppedError(_STOPPED)
            self.look()

    def _keep_waiting(self) -> bool:
        """False when all is back. Raises AwayError when no more is waited for."""
        with self._asking:
            if self._since is None:
                return False
            paths = [printable(root.path) for root in self._roots.values() if root.away]
            away, silent = " and ".join(paths), "does not answer since" if len(paths) == 1 else "do not answer since"
            now = self._clock()
            if self._other_since is not None and now - self._other_since >= SURE_AFTER_S:
                self.lost = (
                    f"{away} did not answer at {self._since_text}, and what stands in its place now is another "
                    "volume or folder, or another transfer has taken it; nothing was written there"
                )
            elif now - self._since >= self._wait_s:
                self.lost = f"{away} {silent} {self._since_text}, for longer than {_span(self._wait_s)}"
            if self.lost:
                raise AwayError(self.lost)
            if not self._told:
                self._told, self._back = away, "is back after" if len(paths) == 1 else "are back after"
                whys = dict.fromkeys(root.why for root in self._roots.values() if root.away and root.why)
                why = f" ({'; '.join(whys)})" if whys else ""
                self._say(f"{away} {silent} {self._since_text}{why}; waiting up to {_span(self._wait_s)}")
                self._phase(f"waiting for {away}")
            return True

    def guard(self) -> None:
        """Ask before something is written below the destination.

        Raises:
            OSError: it is away, or another folder stands in its place.
        """
        root = self._destination
        if not root.away:
            if self._stands(root):
                return
            self.look()
        if root.away:
            raise OSError(errno.ESTALE, "the destination is away, or another folder stands in its place", root.path)

    def _stands(self, root: _Root) -> bool:
        try:
            return fs.real_id(root.path) == root.known
        except OSError:
            return False

    def listed(self, path: str, entries: List[Entry]) -> None:
        """Told of every listing: keeps the names of a root's first one.

        Raises:
            OSError: it is the listing of a folder that stands in a root's place.
        """
        root = self._roots.get(path)
        if root is None:
            return
        if not self._stands(root) and self.look() and root.away:
            raise OSError(errno.ESTALE, "another folder stands in its place", path)
        if root.names is None:
            root.names = _names(entries)

    def again(self, act: Callable[[], Value]) -> Value:
        """Do what only reads; again when an outage fell into it. Raises what `act` raises, and as `struck` does."""
        while True:
            mark = self.over
            try:
                return act()
            except (OSError, LostOutputError):
                if not self.struck(mark):
                    raise

    def write(self, act: Callable[[], Value]) -> Value:
        """The same for what writes at the destination, never into a folder that stands in its place."""

        def guarded() -> Value:
            self.guard()
            return act()

        return self.again(guarded)

    def forgive(self, act: Callable[[], object]) -> None:
        """Write as far as the share lets: what fails because a root is away is noted, not raised."""
        try:
            act()
        except (AwayError, StoppedError):
            pass  # said already; nobody waits any more
        except (OSError, VdtError) as error:
            if not self.lost and not self.look():
                raise
            self._kept_notes.append(str(error))


def _names(entries: List[Entry]) -> FrozenSet[int]:
    return frozenset(hash((entry.name, entry.kind)) for entry in entries)


def _span(seconds: float) -> str:
    """4 h, 10 min, 3 s."""
    for unit, words in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {words}"
    return f"{seconds:g} s"


def _duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
