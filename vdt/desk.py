"""Who does what next: tasks in their order, and beside them pieces of a large task that its worker shares out.

Knows no files. A task always comes before a piece; a piece is there for workers that would have nothing to do. Up to
`limit` workers are at work at a time; the limit may change while they work.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import Callable, Deque, Generic, Iterator, List, Optional, TypeVar

Task = TypeVar("Task")
Piece = Callable[[], bool]  # does one piece of a shared task; False where none is left


class Desk(Generic[Task]):
    """Hands out work. Safe in threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tasks: Deque[Task] = deque()
        self._shared: List[Piece] = []
        self.at_work = 0  # workers that hold a task or a piece
        self._limit = 1
        self._closed = False

    def allow(self, limit: int) -> None:
        """Let so many workers be at work."""
        if limit != self._limit:
            with self._changed:
                self._limit = limit
                self._changed.notify_all()

    def put(self, task: Task) -> None:
        """Lay a task down for whoever is free."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    def close(self) -> None:
        """Nothing is handed out any more; who waits goes home."""
        with self._changed:
            self._closed = True
            self._tasks.clear()
            self._shared.clear()
            self._changed.notify_all()

    @contextmanager
    def shared(self, piece: Piece) -> Iterator[None]:
        """Offer pieces of the caller's own task while the block runs. Whoever offers works on them too: help may come
        at any time or never, and a helper may still be at its last piece when the block ends."""
        with self._changed:
            if not self._closed:
                self._shared.append(piece)
                self._changed.notify_all()
        try:
            yield
        finally:
            self._withdraw(piece)

    def _withdraw(self, piece: Piece) -> None:
        with self._changed:
            if piece in self._shared:
                self._shared.remove(piece)

    def work(self, do: Callable[[Task], None]) -> None:
        """A worker's day: take what there is until the desk is closed."""
        while True:
            with self._changed:
                while not self._closed and (self.at_work >= self._limit or not (self._tasks or self._shared)):
                    self._changed.wait()
                if self._closed:
                    return
                self.at_work += 1
                task: Optional[Task] = None
                piece: Optional[Piece] = None
                if self._tasks:
                    task = self._tasks.popleft()
                else:
                    self._shared.append(self._shared.pop(0))  # the next helper looks at another task's pieces
                    piece = self._shared[-1]
            try:
                if piece is None:
                    do(task)  # type: ignore[arg-type]
                elif not piece():
                    self._withdraw(piece)
            finally:
                with self._changed:
                    self.at_work -= 1
                    self._changed.notify()
