"""How a command went: bytes and files over time, and the time by phase; kept small however long it lasts.

Pure but for a lock: whoever draws the screen hands in what it has counted anyway, a few times a second, so that the
copying pays nothing for it. A curve has at most `MOST_POINTS` points; where it gets more, every second one goes and the
next ones lie twice as far apart. What happened between two points is their mean.
"""

from __future__ import annotations

import threading
from typing import Dict, List, NamedTuple, Tuple

MOST_POINTS = 240
_MOST_CURVES = 8
_MOST_PHASES = 40
_FIRST_STEP_S = 0.2


class Point(NamedTuple):
    """Sums of one tree up to a moment."""

    at_s: float  # since the command began
    files: int
    size_bytes: int


class Curve(NamedTuple):
    """One tree's sums over time."""

    title: str
    points: Tuple[Point, ...]


class Spent(NamedTuple):
    """Seconds in one phase; `title` is "" where no tree was at work."""

    title: str
    phase: str
    seconds: float


class Pulse:
    """Takes samples and phases. Safe in threads."""

    def __init__(self, began_s: float) -> None:
        """`began_s` and all times below are of one monotonic clock."""
        self._lock = threading.Lock()
        self._began_s = began_s
        self._curves: List[Tuple[str, List[Point]]] = []
        self._step_s = _FIRST_STEP_S
        self._spent: Dict[Tuple[str, str], float] = {}
        self._title, self._phase, self._since_s = "", "preparing", began_s

    def tree(self, title: str, phase: str, now_s: float) -> None:
        """Another tree begins: its sums begin at zero."""
        with self._lock:
            self._close(now_s)
            self._title, self._phase, self._step_s = title, phase, _FIRST_STEP_S
            self._curves.append((title, [Point(now_s - self._began_s, 0, 0)]))
            del self._curves[:-_MOST_CURVES]

    def phase(self, name: str, now_s: float) -> None:
        """Another phase begins. What is waited for does not make it another one."""
        name = "waiting" if name.startswith("waiting") else name
        with self._lock:
            if name != self._phase:
                self._close(now_s)
                self._phase = name

    def sample(self, files: int, size_bytes: int, now_s: float, *, last: bool = False) -> None:
        """Sums of the tree at work. `last` keeps the point though it lies close to the one before."""
        with self._lock:
            if not self._curves:
                return
            points = self._curves[-1][1]
            point = Point(now_s - self._began_s, files, size_bytes)
            if point.at_s - points[-1].at_s >= self._step_s:
                points.append(point)
            elif last and point[1:] != points[-1][1:]:
                points[len(points) - (len(points) > 1) :] = [point]
            if len(points) > MOST_POINTS:
                points[1:] = points[2::2]
                self._step_s = max(self._step_s * 2, (points[-1].at_s - points[0].at_s) / MOST_POINTS)

    def curves(self) -> Tuple[Curve, ...]:
        """The curve of each tree so far, in their order."""
        with self._lock:
            return tuple(Curve(title, tuple(points)) for title, points in self._curves)

    def spent(self, now_s: float) -> Tuple[Spent, ...]:
        """Seconds by tree and phase, in the order in which they began."""
        with self._lock:
            self._close(now_s)
            return tuple(Spent(title, phase, seconds) for (title, phase), seconds in self._spent.items())

    def _close(self, now_s: float) -> None:
        key = (self._title, self._phase)
        if key not in self._spent and len(self._spent) >= _MOST_PHASES:
            key = ("", "other")
        self._spent[key] = self._spent.get(key, 0.0) + max(0.0, now_s - self._since_s)
        self._since_s = now_s
