"""What each thread is at, and what came of a tree so far: asked where the system does not answer any more.

May: remember words and a path for each thread. Touches no disk and takes no lock, so that it answers whatever hangs;
a note is one store in a dict, made once a file and phase.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from vdt import fs
from vdt.model import TreeResult

Place = Union[str, fs.Folder]

_MOST_NAMED = 20


_STANDING = frozenset({"Copying", "Counting", "Counting with robocopy", "Finishing", "Auditing"})  # they may last
_WRITES = frozenset(  # calls of `fs` that go to the destination
    (
        *("create", "write_whole", "write_at", "write_all", "reopen", "seal", "flush", "flush_volume", "flush_names"),
        *("restamp", "set_mode", "set_time", "make", "replace", "unlink", "link", "cut"),
    )
)


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
        roots: drives or folders by which a place is named in `silent`, instead of its own path.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: Dict[int, _Note] = {}
        self._phases: Dict[int, _Note] = {}
        self._alive: Dict[int, float] = {}
        self.so_far: Callable[[], Optional[TreeResult]] = _nothing
        self.abandoned = False
        self.roots: Tuple[str, ...] = ()

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

    def silent(self, least_s: float) -> Optional[Tuple[str, float]]:
        """The drive or folder that has owed an answer for the longest time, and for how many seconds.

        None where nobody has waited for `least_s`; a thread that pauses by itself (a retry, a limit of the bandwidth)
        waits for nobody. Asks no drive.
        """
        me, now_s, frames = threading.get_ident(), self._clock(), sys._current_frames()
        longest: Optional[Tuple[str, float]] = None
        phases = {thread: note for thread, note in self._phases.copy().items() if note.words not in _STANDING}
        for thread, note in {**phases, **self._at}.items():
            frame = frames.get(thread)
            if thread == me or frame is None or frame.f_code.co_name == "wait":
                continue
            seconds = now_s - max(note.since_s, self._alive.get(thread, 0.0))
            if seconds >= least_s and (longest is None or seconds > longest[1]):
                longest = (self._named(_side(note, frame)), seconds)
        return longest

    def _named(self, path: str) -> str:
        for root in self.roots:
            if path == root or path.startswith(root.rstrip("/\\") + os.sep):
                return root
        drive = os.path.splitdrive(path)[0]
        return drive + os.sep if drive else path

    def hanging(self) -> Tuple[str, ...]:
        """A line for each other thread that is at something: what, where, and for how long nothing came of it."""
        me, now_s = threading.get_ident(), self._clock()
        frames = sys._current_frames()
        notes = {**self._phases, **self._at}
        found: List[Tuple[str, str, str]] = []
        for thread, note in notes.items():
            if thread == me or thread not in frames:
                continue
            seconds = max(0.0, now_s - max(note.since_s, self._alive.get(thread, 0.0)))
            call = frames[thread].f_code.co_name  # tells which side hangs: open_source, write_all, flush_volume ...
            found.append((note.text, call, f"{note.text} ({seconds:.0f} s, in {call})"))
        told = {text for text, call, _ in found if call != "wait"}  # who waits for another one at the same says less
        lines = [line for text, call, line in found if call != "wait" or text not in told]
        if len(lines) > _MOST_NAMED:
            lines[_MOST_NAMED:] = [f"{len(lines) - _MOST_NAMED} more"]
        return tuple(f"Abandoned, the system did not answer: {line}" for line in lines)


def _side(note: _Note, frame: FrameType) -> str:
    """Of a copy: whether source or destination is asked, told by the call that is under way."""
    at: Optional[FrameType] = frame
    while note.to is not None and at is not None:
        if at.f_code.co_name in _WRITES or at.f_code.co_filename.endswith("verifier.py"):
            return _path(note.to, note.name)
        at = at.f_back
    return _path(note.place, note.name)


def _path(place: Place, name: str) -> str:
    if isinstance(place, str):
        return fs.full_path(place, name) if name else place
    return place.at(name) if name else place.path
