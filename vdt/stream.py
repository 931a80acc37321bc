"""The bytes of one large file in order, though several workers read them, and write them on, at the same time.

One stream is not enough on a share: each call there waits for an answer. A file is cut into slots of 1 MiB. Whoever is
free (desk.py) fills the next slot or writes a finished one; the worker whose task the file is sees the slots in order,
for its digests, and works on them like everybody else. Memory grows with those who are at work on the file, up to 64
slots: how far is read ahead is bounded by them.

Rule 1: bytes are seen in order and exactly once, whoever read them.
Rule 2: `landed_bytes` only counts what was written without a gap from the start on.
Rule 3: when the stream is left, nobody is at work on its descriptors any more.
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from typing import Callable, Deque, Dict, Generator, Iterator, List, Optional

from vdt import fs
from vdt.copyjob import CopyJob, Crew

SLOT_BYTES = 1 << 20
LEAST_BYTES = 16 << 20  # a file below this is done before help comes
_MOST_SLOTS = 64
_AHEAD_SLOTS = 4  # in use while one helper is at work, and two more for each further one
_WAIT_S = 0.02  # a helper that finds nothing looks that long, then sees whether there is a task


class _Slot:
    __slots__ = ("error", "filled", "offset", "view")

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.offset = self.filled = 0
        self.error: Optional[BaseException] = None


class Stream:
    """Bytes [start, end) of the open file `fd`, as views that live until the next one is asked for.

    Args:
        end: where the file is expected to end; a file that is shorter ends the stream early.
        direct: `fd` was opened to go past the cache.
        take: told of bytes before they are read; may block.
        out: where each view is written to once the caller has seen it, at the same offset; None writes nothing.
        crew: who helps.
        helpers: how many may, at most.
    """

    def __init__(
        self,
        fd: int,
        start: int,
        end: int,
        *,
        take: Callable[[int], object],
        crew: Crew,
        helpers: int,
        direct: bool = False,
        out: Optional[int] = None,
    ) -> None:
        self._start, self._end = start, end
        self._direct, self._take, self._crew = direct, take, crew
        self._lock = threading.Lock()
        self._owner = threading.Condition(self._lock)  # where the worker whose file it is waits
        self._helpers = threading.Condition(self._lock)  # apart, so that a slot does not wake up to 127 of them
        self._count = min(_MOST_SLOTS, 2 * helpers + 2)
        self._memory: Optional[mmap.mmap] = None
        self._free: List[_Slot] = []
        self._ready: Dict[int, _Slot] = {}
        self._seen: Deque[_Slot] = deque()
        self._next_read = start
        self._busy = 0
        self._writing = out is not None
        self._readers = fs.Handles(fd, direct=direct)
        self._writers = fs.Handles(out, write=True) if out is not None else None
        self._ends: Dict[int, int] = {}
        self.landed_bytes = start  # written without a gap up to here
        self.write_error: Optional[BaseException] = None
        self.flush_failed = False  # what `landed_bytes` says may not be so

    def views(self) -> Generator[memoryview, None, None]:
        """The views, in order. Raises OSError from reading; one from writing stands in `write_error` too."""
        self._memory = mmap.mmap(-1, self._count * SLOT_BYTES)
        whole = memoryview(self._memory)
        self._free = [_Slot(whole[n * SLOT_BYTES : (n + 1) * SLOT_BYTES]) for n in range(self._count)]
        try:
            with self._crew.shared(self.piece):
                yield from self._in_order()
                self._write_rest()
        finally:
            self._let_go()

    def _in_order(self) -> Iterator[memoryview]:
        at = self._start
        while at < self._end:
            slot = self._await(at)
            if slot.error is not None:
                error, slot.error = slot.error, None  # an error holds its frame, the frame the slot: no circle
                raise error
            if not slot.filled:
                return  # it is shorter than it was
            yield slot.view[: slot.filled]
            at += slot.filled
            short = slot.filled < SLOT_BYTES and at < self._end
            with self._lock:
                (self._seen if self._writing else self._free).append(slot)
                self._helpers.notify()
            if short:
                return

    def _await(self, at: int) -> _Slot:
        while True:
            with self._lock:
                self._fail()
                slot = self._ready.pop(at, None)
                if slot is not None:
                    return slot
                work = self._next()
                if work is None:
                    self._owner.wait(_WAIT_S)
                    continue
            work()

    def _write_rest(self) -> None:
        while True:
            with self._lock:
                self._fail()
                work = self._next(reading=False)
                if work is None:
                    if not self._busy:
                        return
                    self._owner.wait(_WAIT_S)
                    continue
            work()

    def _fail(self) -> None:
        if self.write_error is not None:
            raise self.write_error

    def _let_go(self) -> None:
        with self._lock:
            self._next_read = self._end
            self._seen.clear()
            self._writing = False  # who still asks for a piece hears that none is left
            self._helpers.notify_all()
            while self._busy:
                self._owner.wait(_WAIT_S)
        try:
            self._readers.close()
        finally:
            self._close_writers()

    def _close_writers(self) -> None:
        """Raises OSError where what was written may be lost; an error from writing came first and stands."""
        if self._writers is None:
            return
        try:
            self._writers.close()
        except OSError as error:
            self.flush_failed = True
            if self.write_error is None:
                self.write_error = error
                raise

    # -- what anybody does ---------------------------------------------------------------------------------------------

    def piece(self) -> bool:
        """Read or write one slot. False: there is nothing left to be done."""
        with self._lock:
            work = self._next()
            if work is None:
                if self._next_read >= self._end and not self._writing:
                    return False
                self._helpers.wait(_WAIT_S)
                work = self._next()
        if work is not None:
            work()
        return True

    def _next(self, *, reading: bool = True) -> Optional[Callable[[], None]]:
        """Take the next slot to be written or read; the caller holds the lock and does it without."""
        if self._seen:
            slot = self._seen.popleft()
            self._busy += 1
            return lambda: self._write(slot)
        if reading and self._may_read():
            slot = self._free.pop()  # the one that was used last: memory that nobody needs is never touched
            slot.offset, slot.filled = self._next_read, 0
            self._next_read += SLOT_BYTES
            self._busy += 1
            if self._may_read():
                self._helpers.notify()
            return lambda: self._read(slot)
        return None

    def _may_read(self) -> bool:
        in_use = self._count - len(self._free)
        return self._next_read < self._end and bool(self._free) and in_use < _AHEAD_SLOTS + 2 * self._busy

    def _read(self, slot: _Slot) -> None:
        want = min(SLOT_BYTES, self._end - slot.offset)
        try:
            self._take(want)
            with self._readers.one() as fd:
                slot.filled = fs.read_at(fd, slot.view, slot.offset, want, direct=self._direct)
        except BaseException as error:  # a defect too: the worker whose file it is waits for this slot
            slot.error = error
        with self._lock:
            self._busy -= 1
            self._ready[slot.offset] = slot
            self._owner.notify()

    def _write(self, slot: _Slot) -> None:
        error: Optional[BaseException] = None
        assert self._writers is not None
        try:
            with self._writers.one() as fd:
                fs.write_at(fd, slot.view[: slot.filled], slot.offset)
        except BaseException as failed:
            error = failed
        with self._lock:
            self._busy -= 1
            self.write_error = self.write_error or error
            if error is None:
                self._ends[slot.offset] = slot.offset + slot.filled
                while self.landed_bytes in self._ends:
                    self.landed_bytes = self._ends.pop(self.landed_bytes)
            self._free.append(slot)
            self._owner.notify()
            self._helpers.notify()


def views_of(job: CopyJob, fd: int, size_bytes: int, *, direct: bool = False) -> Generator[memoryview, None, None]:
    """The bytes of an open file, with help where it is large. Tells the job's meter of them."""
    if job.helpers and size_bytes >= LEAST_BYTES:
        stream = Stream(fd, 0, size_bytes, take=job.meter.take, crew=job.crew, helpers=job.helpers, direct=direct)
        yield from stream.views()
        return
    take = job.meter.take
    for view in fs.read_views(fd, size_bytes, direct=direct):
        take(len(view))
        yield view
