"""What each thread is at, and what came of a tree so far: asked where the system does not answer any more.

May: remember words and a path for each thread. Touches no disk and takes no lock, so that it answers whatever hangs;
a note is one store in a dict, made once a file and phase.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from vdt import fs
from vdt.model import TreeResult

Place = Union[str, fs.Folder]

_MOST_NAMED = 20


class _Note(NamedTuple):
    since_s: float
    words: str  # robocopy's, where it has some: "Copying File"
    place: Place
    name: str
    to: Optional[Place]

    @property
    def text(self) -> str:
        text = f"{self.words} {_path(self.place, self.name)}"
        return text if self.to is None else f"{text} to {_path(self.to, self.name)}"


def _nothing() -> Optional[TreeResult]:
    return None


class Watch:
    """Notes of all threads of one command. Safe in threads.

    Attributes:
        so_far: what came of the tree in work up to now; None before it began. May be called from any thread.
        abandoned: a thread did not come back from the system. Locks, partials and journals then stay as they are,
            as it may still wake up, and the process has to end at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: Dict[int, _Note] = {}
        self._phases: Dict[int, _Note] = {}
        self._alive: Dict[int, float] = {}
        self.so_far: Callable[[], Optional[TreeResult]] = _nothing
        self.abandoned = False

    def forget(self) -> None:
        """Another tree begins: nothing is known of it yet."""
        self.so_far = _nothing

    def phase(self, words: str, path: str) -> None:
        """The calling thread is at this, where it says nothing closer."""
        self._phases[threading.get_ident()] = _Note(self._clock(), words, path, "", None)

    def at(self, words: str, place: Place, name: str = "", to: Optional[Place] = None) -> None:
        """The calling thread is at `name` in `place`, until `idle`."""
        self._at[threading.get_ident()] = _Note(self._clock(), words, place, name, to)

    def alive(self) -> None:
        """The system just answered the calling thread."""
        self._alive[threading.get_ident()] = self._clock()

    def idle(self) -> None:
        self._at.pop(threading.get_ident(), None)

    @contextmanager
    def doing(self, words: str, path: str) -> Iterator[None]:
        """A note for the time of a block."""
        self.at(words, path)
        try:
            yield
        finally:
            self.idle()

    def hanging(self) -> Tuple[str, ...]:
        """A line for each other thread that is at something: what, where, and for how long nothing came of it."""
        me, now_s = threading.get_ident(), self._clock()
        frames = sys._current_frames()
        notes = {**self._phases, **self._at}
        found: List[str] = []
        for thread, note in notes.items():
            if thread == me or thread not in frames:
                continue
            seconds = max(0.0, now_s - max(note.since_s, self._alive.get(thread, 0.0)))
            call = frames[thread].f_code.co_name  # tells which side hangs: open_source, write_all, flush_volume ...
            found.append(f"Abandoned, the system did not answer: {note.text} ({seconds:.0f} s, in {call})")
        if len(found) > _MOST_NAMED:
            found[_MOST_NAMED:] = [f"Abandoned, the system did not answer: {len(found) - _MOST_NAMED} more"]
        return tuple(found)


def _path(place: Place, name: str) -> str:
    if isinstance(place, str):
        return fs.full_path(place, name) if name else place
    return place.at(name) if name else place.path
