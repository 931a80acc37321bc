"""What a worker is given: the batch, and what holds for every file of the tree. Values only."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Callable, List, NamedTuple, Optional, Protocol, Tuple, Union

from vdt import fs
from vdt.model import Action, Policy, Verify
from vdt.stop import StopFlag

FLUSH_ALONE_BYTES = 4 << 20  # from this size on a file is flushed by itself: syncfs would wait for other people's data

LOST_LOCK = "the lock of this tree was lost to another transfer"


class Meter(Protocol):
    """Told of bytes as they are read; may block (a bandwidth limit) and must be safe in threads."""

    def take(self, count: int) -> object: ...


class NoLimit:
    """A Meter that never blocks."""

    def take(self, count: int) -> None: ...


class Counting:
    """A Meter that counts what passes it before it hands on: a unit for each file or block, and one for 256 KiB.

    Counted without a lock: a lost addition now and then does not matter to whoever tunes by it.
    """

    def __init__(self, meter: Meter, alive: Callable[[], None]) -> None:
        self._take = None if isinstance(meter, NoLimit) else meter.take  # a call saved, twice a file
        self._alive = alive
        self.units, self.size_bytes = 0.0, 0

    def take(self, count: int) -> None:
        self.units += 1 + count / 262144
        self.size_bytes += count
        self._alive()
        if self._take is not None:
            self._take(count)


class Crew(Protocol):
    """Workers that may help with a task of another one: each call of `piece` does a bit of it, False when none is left.
    Help may come at any time or never; when the block is left no more is begun."""

    def shared(self, piece: Callable[[], bool]) -> AbstractContextManager[None]: ...


class NoCrew:
    """Nobody helps."""

    def shared(self, piece: Callable[[], bool]) -> AbstractContextManager[None]:
        return nullcontext()


class Noting(Protocol):
    """Told what a worker is at, in case the system never answers; a store in a dict, no more."""

    def at(self, words: str, place: Union[str, fs.Folder], name: str = "", to: Optional[fs.Folder] = None) -> None: ...
    def idle(self) -> None: ...


class Unwatched:
    """A Noting that nobody reads."""

    def at(self, words: str, place: Union[str, fs.Folder], name: str = "", to: Optional[fs.Folder] = None) -> None: ...
    def idle(self) -> None: ...


class Part(NamedTuple):
    """Some files of one folder."""

    folder: str
    actions: List[Action]


@dataclass(frozen=True)
class Batch:
    """What one worker does in one go: parts of one or more folders, flushed together."""

    parts: Tuple[Part, ...]
    total_bytes: int

    @property
    def count(self) -> int:
        """Number of actions."""
        return sum(len(part.actions) for part in self.parts)

    @property
    def light(self) -> bool:
        """True for small files; a large one goes alone."""
        return self.total_bytes < FLUSH_ALONE_BYTES or len(self.parts) > 1 or len(self.parts[0].actions) > 1


@dataclass(frozen=True)
class CopyJob:
    """What holds for every file of one tree."""

    source: str
    destination: str
    policy: Policy
    verify: Verify
    source_volume: fs.Volume
    destination_volume: fs.Volume
    token: str  # of this run's lock: makes partial names its own
    stop: StopFlag
    meter: Meter  # bytes read, either side
    moved: Callable[[int], None]  # bytes of the source that were dealt with, for the bar
    also: Optional[str] = None
    replace_proven: bool = False
    guard: Callable[[], None] = lambda: None  # raises OSError where another folder stands in the destination's place
    holds_lock: Callable[[], bool] = lambda: True  # asked before each batch of renames, and before each rename
    crew: Crew = NoCrew()  # helps with large files
    helpers: int = 0  # most workers that can be of help
    watch: Noting = field(default_factory=Unwatched)
    waits: bool = False  # each call waits for a share, on one side at least

    def lost_lock(self) -> bool:
        """True when somebody else may work on this tree now; the run is told to stop."""
        if self.holds_lock():
            return False
        self.stop.set(LOST_LOCK)
        return True
