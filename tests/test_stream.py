"""One large file, several workers: every order of their work gives the same bytes, and every end is a clean one.

Orders are swept without threads: while one worker is in a read or write, others do pieces of their own (a call of
`piece` within the call of the system), as often as a schedule says. Then the same with real threads at a real desk.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, Iterator, List, Optional, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt import fs, stream
from vdt.copyjob import CopyJob, NoCrew
from vdt.desk import Desk
from vdt.model import Policy, Verify
from vdt.stop import StopFlag
from vdt.stream import Stream, views_of

SLOT = 4096
PATIENCE_S = 10.0
DATA = os.urandom(70 * SLOT)


@pytest.fixture(autouse=True, scope="module")
def small_slots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "SLOT_BYTES", SLOT)
        patch.setattr(stream, "_WAIT_S", 0.0002)
        yield


class Alone:
    """Nobody helps but the script, which calls `piece` when it likes."""

    def __init__(self) -> None:
        self.piece: Optional[Callable[[], bool]] = None
        self.kept: Optional[Callable[[], bool]] = None  # what a helper holds that came too late

    @contextmanager
    def shared(self, piece: Callable[[], bool]) -> Iterator[None]:
        self.piece = self.kept = piece
        try:
            yield
        finally:
            self.piece = None


class Script:
    """Calls of the system, each with so many pieces of others within it; and what is then known of the file."""

    def __init__(self, schedule: List[int]) -> None:
        self.crew, self.schedule = Alone(), list(schedule)
        self.calls: List[Tuple[str, int]] = []  # in the order in which they ended
        self.written: Dict[int, int] = {}
        self.fail: Dict[Tuple[str, int], BaseException] = {}
        self.stream: Optional[Stream] = None
        self.depth = self.in_use_most = 0

    def others(self) -> None:
        """As many pieces as the schedule says, at this moment."""
        for _ in range(self.schedule.pop(0) if self.schedule else 0):
            if self.crew.piece is not None and self.depth < 20:
                self.depth += 1
                self.crew.piece()
                self.depth -= 1
        self.look()

    def look(self) -> None:
        """`landed_bytes` never speaks of a byte that was not written."""
        one = self.stream
        if one is not None:
            whole = one._start
            while whole in self.written:
                whole += self.written[whole]
            assert one.landed_bytes <= whole
            self.in_use_most = max(self.in_use_most, one._count - len(one._free))

    @contextmanager
    def system(self) -> Iterator[None]:
        read, write = fs.read_at, fs.write_at

        def scripted_read(fd: int, view: memoryview, offset: int, want: int, *, direct: bool = False) -> int:
            self.others()
            got = read(fd, view, offset, want, direct=direct)
            self.others()
            self.calls.append(("read", offset))
            if ("read", offset) in self.fail:
                raise self.fail["read", offset]
            return got

        def scripted_write(fd: int, view: memoryview, offset: int) -> None:
            self.others()
            if ("write", offset) in self.fail:
                raise self.fail["write", offset]
            write(fd, view, offset)
            self.written[offset] = len(view)
            self.others()
            self.calls.append(("write", offset))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fs, "read_at", scripted_read)
            patch.setattr(fs, "write_at", scripted_write)
            yield


@contextmanager
def files(data: bytes, start: int = 0) -> Iterator[Tuple[int, int]]:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(data)
        source.flush()
        target.write(data[:start])
        target.flush()
        yield source.fileno(), target.fileno()


def held(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    return os.read(fd, 1 << 22)


def taker(taken: List[int]) -> Callable[[int], None]:
    return taken.append


SIZES = st.one_of(
    st.integers(0, 12 * SLOT),
    st.tuples(st.integers(0, 12), st.sampled_from([-1, 0, 1])).map(lambda pair: max(0, pair[0] * SLOT + pair[1])),
)
SCHEDULES = st.lists(st.integers(0, 3), max_size=120)


@settings(max_examples=150, deadline=None)
@given(SIZES, st.integers(0, 5 * SLOT), st.integers(0, 9), SCHEDULES, st.booleans())
def test_in_every_order_the_bytes_are_seen_in_order_and_once_and_all_are_written(
    size: int, start: int, helpers: int, schedule: List[int], writing: bool
) -> None:
    start = min(start, size)
    data, script, taken = DATA[:size], Script(schedule), []  # type: bytes, Script, List[int]
    with files(data, start) as (fd, out), script.system():
        script.stream = one = Stream(
            fd, start, size, take=taker(taken), crew=script.crew, helpers=helpers, out=out if writing else None
        )
        seen = bytearray(data[:start])
        with closing(one.views()) as views:
            for view in views:
                assert 0 < len(view) <= SLOT
                script.others()
                seen += view
        script.look()
        assert bytes(seen) == data
        assert sum(taken) == size - start
        assert one.write_error is None and not one.flush_failed
        if writing:
            assert held(out) == data and one.landed_bytes == size
        assert script.in_use_most <= max(4, 2 * helpers + 2)
        assert script.crew.kept is not None and script.crew.kept() is False, "who comes late hears that all is done"


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12 * SLOT), st.integers(0, 12), st.booleans(), SCHEDULES, st.integers(0, 2 * SLOT))
def test_an_error_reaches_the_worker_as_it_is_and_what_has_landed_is_true(
    size: int, number: int, reading: bool, schedule: List[int], start: int
) -> None:
    start = min(start, size - 1)
    offset = start + number % -(-(size - start) // SLOT) * SLOT
    error = OSError(5, "broken")
    script = Script(schedule)
    script.fail["read" if reading else "write", offset] = error
    with files(DATA[:size], start) as (fd, out), script.system():
        script.stream = one = Stream(fd, start, size, take=lambda n: None, crew=script.crew, helpers=3, out=out)
        seen = bytearray(DATA[:start])
        with pytest.raises(OSError) as caught, closing(one.views()) as views:
            for view in views:
                script.others()
                seen += view
        assert caught.value is error
        assert one.write_error is (None if reading else error), "that is how the side is told"
        assert bytes(seen) == DATA[: len(seen)] and len(seen) <= (offset if reading else size)
        assert start <= one.landed_bytes <= offset and held(out)[: one.landed_bytes] == DATA[: one.landed_bytes]
        ended = len(script.calls)
        script.schedule = [3] * 10
        assert script.crew.kept is not None and script.crew.kept() is False
        assert len(script.calls) == ended, "nothing is touched afterwards"


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), SCHEDULES, st.sampled_from(["close", "raise"]))
def test_a_worker_that_leaves_early_leaves_nothing_behind(
    slots: int, views_seen: int, schedule: List[int], how: str
) -> None:
    script, size = Script(schedule), slots * SLOT - 7
    with files(DATA[:size]) as (fd, out), script.system():
        script.stream = one = Stream(fd, 0, size, take=lambda n: None, crew=script.crew, helpers=3, out=out)
        try:
            with closing(one.views()) as views:
                for number, view in enumerate(views):
                    script.others()
                    assert bytes(view) == DATA[number * SLOT : min(size, (number + 1) * SLOT)]
                    if number == views_seen:
                        if how == "raise":
                            raise ZeroDivisionError
                        break
        except ZeroDivisionError:
            pass
        assert one.landed_bytes <= size and held(out)[: one.landed_bytes] == DATA[: one.landed_bytes]
        ended = len(script.calls)
        assert script.crew.kept is None or script.crew.kept() is False
        assert len(script.calls) == ended


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8 * SLOT), st.integers(1, 9 * SLOT), SCHEDULES, st.booleans())
def test_a_file_that_is_shorter_than_expected_ends_there_and_a_longer_one_at_its_expected_end(
    real: int, expected: int, schedule: List[int], writing: bool
) -> None:
    script = Script(schedule)
    with files(DATA[:real]) as (fd, out), script.system():
        script.stream = one = Stream(
            fd, 0, expected, take=lambda n: None, crew=script.crew, helpers=3, out=out if writing else None
        )
        with closing(one.views()) as views:
            seen = b"".join(bytes(view) for view in views)
        wanted = DATA[: min(real, expected)]
        assert seen == wanted
        if writing:
            assert held(out) == wanted and one.landed_bytes == len(wanted)


@pytest.mark.parametrize("helpers", [0, 1, 2, 7, 31, 127])
def test_memory_grows_with_those_who_are_at_work_and_ends_at_64_slots(helpers: int) -> None:
    script = Script([])
    with files(DATA) as (fd, out), script.system():
        script.stream = one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=script.crew, helpers=helpers, out=out)
        with closing(one.views()) as views:
            next(views)
            for _ in range(200):  # one helper, as eager as can be, while the worker is busy with its first view
                assert script.crew.piece is not None
                script.crew.piece()
            script.look()
            assert script.in_use_most <= min(4, 2 * helpers + 2)
            assert one._memory is not None and len(one._memory) <= min(64, 2 * helpers + 2) * SLOT


def test_the_side_of_an_error_is_told_though_both_broke() -> None:
    """A read ahead fails and so does a write; the write is what the worker hears of, and it knows it by itself."""
    script = Script([])
    read, write = OSError(5, "read"), OSError(28, "write")
    script.fail = {("read", 2 * SLOT): read, ("write", 0): write}
    with files(DATA) as (fd, out), script.system():
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=script.crew, helpers=3, out=out)
        with pytest.raises(OSError) as caught, closing(one.views()) as views:
            for _ in views:
                for _ in range(3):
                    assert script.crew.piece is not None
                    script.crew.piece()
        assert caught.value is write is one.write_error


@pytest.mark.parametrize("last", [0, 1, 5])
def test_an_error_of_a_write_after_the_last_view_is_raised(last: int) -> None:
    error, script = OSError(28, "full"), Script([])
    script.fail["write", last * SLOT] = error
    with files(DATA) as (fd, out), script.system():
        one = Stream(fd, 0, last * SLOT + 9, take=lambda n: None, crew=script.crew, helpers=2, out=out)
        with pytest.raises(OSError) as caught, closing(one.views()) as views:
            for _ in views:
                pass
        assert caught.value is error is one.write_error and one.landed_bytes == last * SLOT


# -- descriptors are let go ----------------------------------------------------------------------------------------


class Doors(fs.Handles):
    """Handles whose closing is watched, and may fail as it does on Windows."""

    error: ClassVar[Dict[bool, OSError]] = {}
    closed: ClassVar[List[bool]] = []

    def __init__(self, fd: int, *, write: bool = False, direct: bool = False) -> None:
        super().__init__(fd, write=write, direct=direct)
        self._is_write = write

    def close(self) -> None:
        super().close()
        self.closed.append(self._is_write)
        if self._is_write in self.error:
            raise self.error[self._is_write]


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Doors, "closed", [])
    monkeypatch.setattr(Doors, "error", {})
    monkeypatch.setattr(fs, "Handles", Doors)
    return Doors


def test_a_flush_that_fails_at_the_end_is_an_error_of_writing(doors: Any) -> None:
    doors.error[True] = error = OSError(5, "flush")
    with files(DATA) as (fd, out):
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=NoCrew(), helpers=2, out=out)
        with pytest.raises(OSError) as caught, closing(one.views()) as views:
            for _ in views:
                pass
    assert caught.value is error is one.write_error and one.flush_failed
    assert doors.closed == [False, True]


def test_a_flush_that_fails_after_a_write_did_leaves_the_first_error(doors: Any) -> None:
    doors.error[True] = OSError(5, "flush")
    script = Script([])
    script.fail["write", SLOT] = error = OSError(28, "full")
    with files(DATA) as (fd, out), script.system():
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=NoCrew(), helpers=2, out=out)
        with pytest.raises(OSError) as caught, closing(one.views()) as views:
            for _ in views:
                pass
    assert caught.value is error is one.write_error and one.flush_failed


def test_readers_that_cannot_be_closed_do_not_keep_the_writers_open(doors: Any) -> None:
    doors.error[False] = OSError(9, "bad")
    with files(DATA) as (fd, out):
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=NoCrew(), helpers=2, out=out)
        with pytest.raises(OSError), closing(one.views()) as views:
            for _ in views:
                pass
    assert doors.closed == [False, True]


# -- real threads --------------------------------------------------------------------------------------------------


@contextmanager
def crew(count: int) -> Iterator[Desk[Any]]:
    desk: Desk[Any] = Desk()
    desk.allow(count)
    threads = [threading.Thread(target=desk.work, args=(lambda task: None,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield desk
    finally:
        desk.close()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)


def in_time(do: Callable[[], Any]) -> Any:
    """What `do` gives or raises; a hang is a failure and not the end of the test run."""
    result: List[Any] = []

    def run() -> None:
        try:
            result.append((do(), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert result, "it hangs"
    value, error = result[0]
    if error is not None:
        raise error
    return value


@contextmanager
def tumult(seed: int) -> Iterator[Set[int]]:
    """Reads and writes that take their time, each another; yields who did them."""
    read, write, who = fs.read_at, fs.write_at, set()  # type: Any, Any, Set[int]

    def pause(offset: int) -> None:
        who.add(threading.get_ident())
        time.sleep((offset // SLOT * 7919 + seed) % 5 * 0.0001)

    def slow_read(fd: int, view: memoryview, offset: int, want: int, *, direct: bool = False) -> Any:
        pause(offset)
        return read(fd, view, offset, want, direct=direct)

    def slow_write(fd: int, view: memoryview, offset: int) -> None:
        pause(offset + SLOT)
        write(fd, view, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fs, "read_at", slow_read)
        patch.setattr(fs, "write_at", slow_write)
        yield who


@pytest.mark.parametrize("helpers", [0, 1, 3, 7, 31, 127])
@pytest.mark.parametrize("writing", [True, False])
def test_a_crew_of_real_workers_gives_the_same(helpers: int, writing: bool) -> None:
    size, start = len(DATA) - 5, 3 * SLOT + 11

    def run(desk: Desk[Any], fd: int, out: int) -> None:
        one = Stream(fd, start, size, take=lambda n: None, crew=desk, helpers=helpers, out=out if writing else None)
        with closing(one.views()) as views:
            assert b"".join(bytes(view) for view in views) == DATA[start:size]
        assert not writing or (held(out) == DATA[:size] and one.landed_bytes == size)

    with files(DATA[:size], start) as (fd, out), crew(helpers) as desk, tumult(helpers) as who:
        in_time(lambda: run(desk, fd, out))
    assert (len(who) > 1) == (helpers > 0)


def test_several_files_share_one_crew() -> None:
    def run(desk: Desk[Any], number: int) -> None:
        data = DATA[number * 100 :]
        with files(data) as (fd, out):
            one = Stream(fd, 0, len(data), take=lambda n: None, crew=desk, helpers=4, out=out)
            with closing(one.views()) as views:
                assert b"".join(bytes(view) for view in views) == data
            assert held(out) == data

    failed: List[BaseException] = []

    def guarded(desk: Desk[Any], number: int) -> None:
        try:
            in_time(lambda: run(desk, number))
        except BaseException as error:
            failed.append(error)

    with crew(4) as desk, tumult(1):
        owners = [threading.Thread(target=guarded, args=(desk, number)) for number in range(4)]
        for owner in owners:
            owner.start()
        for owner in owners:
            owner.join()
    assert not failed


@pytest.mark.parametrize("what", ["read", "write"])
def test_a_stream_is_not_left_while_a_helper_is_at_its_descriptors(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, gate, inside = threading.get_ident(), threading.Event(), threading.Event()
    log: List[str] = []

    def held_up(real: Any, mine: bool) -> Any:
        def call(*values: Any, **named: Any) -> Any:
            if mine and threading.get_ident() != owner:
                inside.set()
                gate.wait(PATIENCE_S)
                result = real(*values, **named)
                log.append("helper")
                return result
            if mine and what == "write":
                raise AssertionError("the helper was to write")
            return real(*values, **named)

        return call

    monkeypatch.setattr(fs, "read_at", held_up(fs.read_at, what == "read"))
    monkeypatch.setattr(fs, "write_at", held_up(fs.write_at, what == "write"))
    with files(DATA) as (fd, out), crew(1) as desk:
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=desk, helpers=1, out=out)
        views = one.views()
        next(views)
        if what == "write":
            until = time.monotonic() + PATIENCE_S
            while SLOT not in one._ready and time.monotonic() < until:
                time.sleep(0.001)  # then the worker finds its next view and has no reason to write the last one
            next(views)
        assert inside.wait(PATIENCE_S)
        threading.Timer(0.05, gate.set).start()
        views.close()
        log.append("left")
    assert log[-1] == "left" and set(log[:-1]) == {"helper"}


def test_a_write_that_a_helper_is_still_at_when_all_was_seen_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    owner, all_seen, error = threading.get_ident(), threading.Event(), OSError(28, "full")
    read, write, held_up = fs.read_at, fs.write_at, []  # type: Any, Any, List[int]

    def late(fd: int, view: memoryview, offset: int) -> None:
        if threading.get_ident() != owner and not held_up:
            held_up.append(offset)
            all_seen.wait(PATIENCE_S)
            time.sleep(0.05)  # the worker has written all that was left meanwhile
            raise error
        write(fd, view, offset)

    def slow(*values: Any, **named: Any) -> int:
        time.sleep(0.001 if threading.get_ident() == owner else 0)
        return int(read(*values, **named))

    monkeypatch.setattr(fs, "write_at", late)
    monkeypatch.setattr(fs, "read_at", slow)
    with files(DATA) as (fd, out), crew(1) as desk:
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=desk, helpers=1, out=out)
        seen = 0
        with pytest.raises(OSError) as caught, closing(one.views()) as views:
            for view in views:
                time.sleep(0.001)
                seen += len(view)
                if seen == len(DATA):
                    all_seen.set()
        assert caught.value is error is one.write_error and held_up == [one.landed_bytes]


@pytest.mark.parametrize("error", [OSError(5, "broken"), ZeroDivisionError("defect"), MemoryError("none left")])
@pytest.mark.parametrize("what", ["read", "write", "take"])
def test_what_breaks_in_a_helper_reaches_the_worker_whose_file_it_is(what: str, error: BaseException) -> None:
    owner: List[int] = []

    def breaks(*_: Any) -> None:
        if threading.get_ident() not in owner:
            raise error
        time.sleep(0.0005)  # let the helper come first

    def run(desk: Desk[Any], fd: int, out: int) -> Stream:
        owner.append(threading.get_ident())
        one = Stream(fd, 0, len(DATA), take=breaks if what == "take" else lambda n: None, crew=desk, helpers=1, out=out)
        with pytest.raises(type(error)) as caught, closing(one.views()) as views:
            for _ in views:
                time.sleep(0.001)
        assert caught.value is error
        return one

    with files(DATA) as (fd, out), crew(1) as desk, pytest.MonkeyPatch.context() as patch:
        read, write = fs.read_at, fs.write_at
        if what == "read":
            patch.setattr(fs, "read_at", lambda *v, **n: breaks() or read(*v, **n))
        if what == "write":
            patch.setattr(fs, "write_at", lambda *v: breaks() or write(*v))
        one = in_time(lambda: run(desk, fd, out))
        assert (one.write_error is error) == (what == "write")
        done: List[int] = []
        with desk.shared(lambda: bool(done.append(1))):
            until = time.monotonic() + PATIENCE_S
            while not done and time.monotonic() < until:
                time.sleep(0.001)
        assert done, "and the helper lives on"


def test_helpers_do_not_wait_out_their_time_where_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wake-up that is lost costs a wait each time; with waits of seconds that shows."""
    monkeypatch.setattr(stream, "_WAIT_S", 2.0)
    with files(DATA) as (fd, out), crew(3) as desk, tumult(3):
        one = Stream(fd, 0, len(DATA), take=lambda n: None, crew=desk, helpers=3, out=out)
        began = time.monotonic()
        with closing(one.views()) as views:
            for _ in views:
                pass
        assert held(out) == DATA
        assert time.monotonic() - began < 1.5


# -- past the cache, and the way in --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 511, 512, SLOT - 1, SLOT, SLOT + 1, 5 * SLOT, 5 * SLOT + 513, 9 * SLOT - 3])
@pytest.mark.parametrize("longer", [0, 1, SLOT])
def test_a_file_is_read_past_the_cache_to_its_odd_end(tmp_path: Path, size: int, longer: int) -> None:
    flag = getattr(os, "O_DIRECT", 0)
    (tmp_path / "f").write_bytes(DATA[: size + longer])
    try:
        fd = os.open(tmp_path / "f", os.O_RDONLY | flag)
    except OSError:
        pytest.skip("no O_DIRECT on this file system")
    try:
        script = Script([1, 0, 2, 0, 0, 3] * 10)
        with script.system():
            one = Stream(fd, 0, size, take=lambda n: None, crew=script.crew, helpers=3, direct=bool(flag))
            with closing(one.views()) as views:
                assert b"".join(bytes(view) for view in views) == DATA[:size]
    finally:
        os.close(fd)


class Meter:
    def __init__(self) -> None:
        self.total = 0

    def take(self, count: int) -> None:
        self.total += count


def job(**changes: Any) -> CopyJob:
    here = fs.Volume("test", fs.Flush.NONE, False)
    return CopyJob(
        source="",
        destination="",
        policy=Policy(),
        verify=Verify.NONE,
        source_volume=here,
        destination_volume=here,
        token="",
        stop=StopFlag(),
        meter=Meter(),
        moved=lambda count: None,
        **changes,
    )


@pytest.mark.parametrize(
    ("helpers", "size", "shared"), [(0, 9 * SLOT, False), (3, 8 * SLOT - 1, False), (3, 8 * SLOT, True)]
)
def test_only_a_large_file_is_shared_out(
    monkeypatch: pytest.MonkeyPatch, helpers: int, size: int, shared: bool
) -> None:
    monkeypatch.setattr(stream, "LEAST_BYTES", 8 * SLOT)
    alone = Alone()
    with files(DATA[:size]) as (fd, _):
        work = job(crew=alone, helpers=helpers)
        with closing(views_of(work, fd, size)) as views:
            assert b"".join(bytes(view) for view in views) == DATA[:size]
        assert (alone.kept is not None) == shared
        assert isinstance(work.meter, Meter) and work.meter.total == size, "every byte is metered once"
        views = views_of(work, fd, size)
        next(views)
        views.close()
        assert alone.piece is None, "an early end goes all the way down"
