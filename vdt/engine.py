"""Workers, a bounded queue and a stop flag. Knows no files: tasks in, results out.

Rule 1: every result comes back to the one thread that drives `run`, so that logs, tallies and manifests need no locks.
Rule 2: never more than `queue_limit` tasks are in flight, so that memory does not grow with the tree.
Rule 3: a worker never sleeps for a retry; a task that is to be tried again is handed in again by the caller.
Rule 4: `threads` is the most; how many are at work is found while running (tuning.py). Where one is best, because the
    interpreter and not the disk is the limit, the driving thread does light tasks itself: handing them over would cost
    more than doing them.
Rule 5: after a stop nothing new begins, and a worker that does not come back from the system is not waited for longer
    than `grace_s`.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Generator, Generic, Iterator, Optional, Tuple, TypeVar

from vdt.desk import Desk
from vdt.stop import StopFlag
from vdt.tuning import Tuner

Task = TypeVar("Task")
Result = TypeVar("Result")

GRACE_S = 1.2  # of the two seconds after which the summary of a stopped run stands: the rest is for writing it
_ASK_AGAIN_S = 0.05
_LOOK_S = 0.002


class Engine(Generic[Task, Result]):
    """Runs `work` on tasks with up to `threads` workers.

    Args:
        work: called in a worker; must return a result for everything that can go wrong with one task. An exception out
            of it is a defect and ends the run.
        threads: most workers, 1 to 128.
        begin: so many at first.
        done: running sum of work done, in any unit; what the number of workers is tuned by.
        light: tells tasks that are short and many; the driving thread may do them itself.
        desk: where workers find their tasks, and pieces of tasks that are shared out.
        stop: when it is set, workers are waited for `grace_s` and no longer. Set by an exception, too.
    """

    def __init__(
        self,
        work: Callable[[Task], Result],
        threads: int,
        *,
        begin: int = 1,
        done: Callable[[], float] = lambda: 0.0,
        light: Callable[[Task], bool] = lambda task: False,
        queue_limit: Optional[int] = None,
        desk: Optional[Desk[Task]] = None,
        stop: Optional[StopFlag] = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._work = work
        self._threads, self._begin = threads, begin
        self._queue_limit = queue_limit or threads * 2
        self._work_done, self._light = done, light
        self._desk: Desk[Task] = desk or Desk()
        self._stop = StopFlag() if stop is None else stop
        self._grace_s = grace_s
        self._done: queue.SimpleQueue[Tuple[Optional[Result], Optional[BaseException]]] = queue.SimpleQueue()
        self._hired = 0
        self._stopped_s: Optional[float] = None
        self._busy_s = 0.0
        self._busy_lock = threading.Lock()
        self._started = time.monotonic()
        self._ended: Optional[float] = None
        self.abandoned = False  # workers did not come back in time after a stop; the process must end at once

    def run(self, tasks: Iterator[Optional[Task]]) -> Generator[Result, None, None]:
        """Yield results as they complete.

        `tasks` yields None to say "nothing right now, ask again when a result came or after a moment"; it may look at
        the results that were yielded before. It ends when there is nothing more to come.
        """
        in_flight = 0
        exhausted = False
        self._tuner = Tuner(self._threads, time.monotonic(), begin=self._begin)
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="vdt")
        self._tune(pool)
        try:
            while True:
                while not exhausted and in_flight < self._queue_limit:
                    try:
                        task = next(tasks)
                    except StopIteration:
                        exhausted = True
                        break
                    if task is None:
                        break
                    if self._tuner.alone and self._light(task) and self._room_for_one(in_flight):
                        yield self._do_here(task)
                        self._tune(pool)
                        if self._done.empty():
                            continue
                        break
                    in_flight += 1
                    self._desk.put(task)
                if exhausted and not in_flight:
                    break
                try:
                    result, error = self._done.get(timeout=_ASK_AGAIN_S)
                except queue.Empty:
                    self._tune(pool)
                    if self._out_of_patience():
                        break
                    continue
                self._tune(pool)
                in_flight -= 1
                if error is not None:
                    raise error
                assert result is not None
                yield result
        except GeneratorExit:
            raise
        except BaseException as error:
            self._stop.set(str(error) or type(error).__name__)  # else the others would first end what they are at
            raise
        finally:
            self._desk.close()
            self._send_home(pool)
            self._ended = time.monotonic()

    def _tune(self, pool: ThreadPoolExecutor) -> None:
        limit = self._tuner.observe(time.monotonic(), self._work_done())
        self._desk.allow(limit)
        while self._hired < limit:
            self._hired += 1
            pool.submit(self._day)

    def _day(self) -> None:
        try:
            self._desk.work(self._do)
        except BaseException as error:  # out of a piece: no task of this worker would tell of it
            self._done.put((None, error))

    def _send_home(self, pool: ThreadPoolExecutor) -> None:
        """Wait until no worker holds a task; after a stop for no longer than the grace."""
        pool.shutdown(wait=False)
        while self._desk.at_work:
            if self._out_of_patience():
                self.abandoned = True
                return
            time.sleep(_LOOK_S)
        pool.shutdown(wait=True)

    def _out_of_patience(self) -> bool:
        if self._stop and self._stopped_s is None:
            self._stopped_s = time.monotonic()
        return self._stopped_s is not None and time.monotonic() - self._stopped_s >= self._grace_s

    def _room_for_one(self, in_flight: int) -> bool:
        """Whether the driving thread may work too, where the limit is one: some may still be at work from before."""
        return max(self._desk.at_work, min(in_flight, 1)) < self._threads

    def _do_here(self, task: Task) -> Result:
        """A light task, done by the driving thread."""
        began_s, began_cpu_s = time.monotonic(), time.thread_time()
        result = self._work(task)
        seconds = time.monotonic() - began_s
        self._tuner.worked_alone(seconds, time.thread_time() - began_cpu_s)
        self._busy(seconds)
        return result

    def _do(self, task: Task) -> None:
        began = time.monotonic()
        try:
            self._done.put((self._work(task), None))
        except BaseException as error:
            self._done.put((None, error))
        finally:
            self._busy(time.monotonic() - began)

    def _busy(self, seconds: float) -> None:
        with self._busy_lock:
            self._busy_s += seconds

    @property
    def threads_used(self) -> float:
        """Mean number of workers at work so far."""
        span = (self._ended or time.monotonic()) - self._started
        return min(float(self._threads), self._busy_s / span) if span > 0 else 0.0
