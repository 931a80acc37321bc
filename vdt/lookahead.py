"""Lists and makes folders before their turn, several at a time, where each call waits for a share.

A share answers one call in a millisecond or more, and the one thread that walks the trees would spend its time waiting.
What it will need next is asked for ahead of it. Bounded: no more than `most` answers lie here unused.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Dict, Iterable, List, Optional, TypeVar

from vdt.model import Entry

Value = TypeVar("Value")
MOST = 64  # listings that lie ready: some of them may be long


class Lookahead:
    """Belongs to one thread; the asking is done by others.

    Args:
        lister: lists a folder by full path. Raises OSError. Safe in threads.
        maker: makes a folder by full path; returns the error where that fails. Safe in threads.
        threads: how many ask at a time; below 2 nothing is done ahead.
    """

    def __init__(
        self, lister: Callable[[str], List[Entry]], maker: Callable[[str], Optional[OSError]], threads: int
    ) -> None:
        self._lister, self._maker = lister, maker
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="vdt-ahead") if threads > 1 else None
        self.most = min(MOST, 2 * threads) if self._pool is not None else 0
        self._listings: Dict[str, Future[List[Entry]]] = {}
        self._made: Dict[str, Future[Optional[OSError]]] = {}

    @property
    def room(self) -> int:
        """So many more folders may be asked for now."""
        return self.most - len(self._listings) - len(self._made)

    def list_soon(self, path: str) -> None:
        """The listing of a folder will be wanted."""
        if self._pool is not None and path not in self._listings:
            self._listings[path] = self._pool.submit(self._lister, path)

    def make_soon(self, path: str) -> None:
        """A folder will be wanted; those above it are there."""
        if self._pool is not None and path not in self._made:
            self._made[path] = self._pool.submit(self._maker, path)

    def listing(self, path: str) -> List[Entry]:
        """What lies in a folder. Raises OSError."""
        asked = self._listings.pop(path, None)
        return asked.result() if asked is not None else self._lister(path)

    def make(self, path: str) -> Optional[OSError]:
        """Make a folder, or learn how that ended."""
        asked = self._made.pop(path, None)
        return asked.result() if asked is not None else self._maker(path)

    def each(self, act: Callable[[Value], None], values: Iterable[Value]) -> None:
        """Do the same with many values, several at a time; raises what `act` raised first."""
        if self._pool is None:
            for value in values:
                act(value)
        else:
            for _ in self._pool.map(act, values):
                pass

    def close(self) -> None:
        """Nothing is asked for any more; who waits for an answer is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
