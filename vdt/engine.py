"""Workers, a bounded queue and a stop flag. Knows no files: tasks in, results out.

Rule 1: every result comes back to the one thread that drives `run`, so that logs, tallies and manifests need no locks.
Rule 2: never more than `queue_limit` tasks are in flight, so that memory does not grow with the tree.
Rule 3: a worker never sleeps for a retry; a task that is to be tried again is handed in again by the caller.
Rule 4: `threads` is the most; how many are let through the gate at a time is found while running (tuning.py).
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Callable, Generator, Generic, Iterator, Optional, Tuple, TypeVar

from vdt.tuning import Tuner

Task = TypeVar("Task")
Result = TypeVar("Result")


class _Gate:
    """Lets up to `limit` workers through; the limit may change while they work."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._inside = 0
        self._limit = 1

    def allow(self, limit: int) -> None:
        with self._free:
            if limit > self._limit:
                self._free.notify(limit - self._limit)
            self._limit = limit

    def __enter__(self) -> None:
        with self._free:
            while self._inside >= self._limit:
                self._free.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._free:
            self._inside -= 1
            if self._inside < self._limit:
                self._free.notify()


class Engine(Generic[Task, Result]):
    """Runs `work` on tasks with up to `threads` workers.

    Args:
        work: called in a worker; must return a result for everything that can go wrong with one task. An exception out
            of it is a defect and ends the run.
        threads: most workers, 1 to 128.
        done: running sum of work done, in any unit; what the number of workers is tuned by.
    """

    def __init__(
        self,
        work: Callable[[Task], Result],
        threads: int,
        *,
        done: Callable[[], float] = lambda: 0.0,
        queue_limit: Optional[int] = None,
    ) -> None:
        self._work = work
        self._threads = threads
        self._limit = queue_limit or threads * 2
        self._work_done = done
        self._gate = _Gate()
        self._done: queue.SimpleQueue[Tuple[Optional[Result], Optional[BaseException]]] = queue.SimpleQueue()
        self._abandoned = False
        self._busy_s = 0.0
        self._busy_lock = threading.Lock()
        self._started = time.monotonic()
        self._ended: Optional[float] = None

    def run(self, tasks: Iterator[Optional[Task]]) -> Generator[Result, None, None]:
        """Yield results as they complete.

        `tasks` yields None to say "nothing right now, ask again when a result came or after a moment"; it may look at
        the results that were yielded before. It ends when there is nothing more to come.
        """
        in_flight = 0
        exhausted = False
        tuner = Tuner(self._threads, time.monotonic())
        with ThreadPoolExecutor(self._threads, thread_name_prefix="vdt") as pool, ExitStack() as on_error:
            on_error.callback(self._abandon)
            while True:
                while not exhausted and in_flight < self._limit:
                    try:
                        task = next(tasks)
                    except StopIteration:
                        exhausted = True
                        break
                    if task is None:
                        break
                    in_flight += 1
                    pool.submit(self._one, task)
                if exhausted and not in_flight:
                    break
                try:
                    result, error = self._done.get(timeout=0.05)
                except queue.Empty:
                    self._gate.allow(tuner.observe(time.monotonic(), self._work_done()))
                    continue
                self._gate.allow(tuner.observe(time.monotonic(), self._work_done()))
                in_flight -= 1
                if error is not None:
                    raise error
                assert result is not None
                yield result
            on_error.pop_all()
        self._ended = time.monotonic()

    def _abandon(self) -> None:
        """Queued tasks are not begun any more, and nobody waits at the gate."""
        self._abandoned = True
        self._gate.allow(self._threads)

    def _one(self, task: Task) -> None:
        with self._gate:
            if self._abandoned:
                return
            began = time.monotonic()
            try:
                result = self._work(task)
            except BaseException as error:
                self._done.put((None, error))
            else:
                self._done.put((result, None))
            finally:
                with self._busy_lock:
                    self._busy_s += time.monotonic() - began

    @property
    def threads_used(self) -> float:
        """Mean number of workers at work so far."""
        span = (self._ended or time.monotonic()) - self._started
        return min(float(self._threads), self._busy_s / span) if span > 0 else 0.0
