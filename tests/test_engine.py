"""Workers, a bounded queue, a stop flag: what the engine promises whatever the tasks are."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Dict, Iterator, List, Optional, Set

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.desk import Desk
from vdt.engine import Engine
from vdt.stop import StopFlag


def numbers(count: int) -> Iterator[Optional[int]]:
    yield from range(count)


def test_every_task_gives_one_result() -> None:
    engine: Engine[int, int] = Engine(lambda n: n * n, 4)
    assert sorted(engine.run(numbers(500))) == [n * n for n in range(500)]


def test_no_task_no_result() -> None:
    engine: Engine[int, int] = Engine(lambda n: n, 3)
    assert list(engine.run(iter(()))) == []


def test_results_that_are_false_are_results_too() -> None:
    engine: Engine[int, List[int]] = Engine(lambda n: [], 2)
    assert list(engine.run(numbers(3))) == [[], [], []]


def test_one_worker_keeps_the_order() -> None:
    engine: Engine[int, int] = Engine(lambda n: n, 1)
    assert list(engine.run(numbers(50))) == list(range(50))


def test_work_is_done_elsewhere_and_results_and_tasks_belong_to_the_driving_thread() -> None:
    workers: Set[int] = set()
    askers: Set[int] = set()

    def tasks() -> Iterator[Optional[int]]:
        for number in range(40):
            askers.add(threading.get_ident())
            yield number

    def work(number: int) -> int:
        workers.add(threading.get_ident())
        time.sleep(0.001)
        return number

    engine: Engine[int, int] = Engine(work, 3)
    for _ in engine.run(tasks()):
        askers.add(threading.get_ident())
    assert askers == {threading.get_ident()}
    assert threading.get_ident() not in workers
    assert 1 <= len(workers) <= 3


@pytest.mark.parametrize(("threads", "limit"), [(1, 1), (3, 3), (4, 6), (2, None)])
def test_never_more_tasks_are_taken_than_the_queue_holds(threads: int, limit: Optional[int]) -> None:
    taken = given = most = 0
    most_at_work = 0
    at_work = 0
    lock = threading.Lock()

    def tasks() -> Iterator[Optional[int]]:
        nonlocal taken, most
        for number in range(60):
            taken += 1
            most = max(most, taken - given)
            yield number

    def work(number: int) -> int:
        nonlocal at_work, most_at_work
        with lock:
            at_work += 1
            most_at_work = max(most_at_work, at_work)
        time.sleep(0.001)
        with lock:
            at_work -= 1
        return number

    engine: Engine[int, int] = Engine(work, threads, queue_limit=limit)
    for _ in engine.run(tasks()):
        given += 1
    assert most <= (limit or threads * 4)
    assert 1 <= most_at_work <= threads


def test_threads_work_side_by_side_where_that_gets_more_done() -> None:
    """Work that only waits: two workers do twice as much, so there come to be two."""
    at_work, most, units = 0, 0, 0
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal at_work, most, units
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.002)
        with lock:
            at_work -= 1
            units += 1
        return number

    def until_two() -> Iterator[Optional[int]]:
        end = time.monotonic() + 15
        while most < 2 and time.monotonic() < end:
            yield 1

    engine: Engine[int, int] = Engine(work, 4, done=lambda: float(units))
    for _ in engine.run(until_two()):
        pass
    assert most >= 2


def test_it_begins_with_one_worker_until_more_are_shown_to_help() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.001)
        with lock:
            at_work -= 1
        return number

    engine: Engine[int, int] = Engine(work, 8)
    list(engine.run(numbers(20)))
    assert most == 1


def test_nothing_right_now_is_asked_again_and_can_wait_for_a_result() -> None:
    """A retry is handed in by the caller once it saw the result: the second round depends on the first."""
    again: List[int] = []
    seen: List[int] = []

    def tasks() -> Iterator[Optional[int]]:
        yield 1
        while not again:
            yield None
        yield again.pop()

    engine: Engine[int, int] = Engine(lambda n: n, 2)
    for result in engine.run(tasks()):
        seen.append(result)
        if result == 1:
            again.append(2)
    assert seen == [1, 2]


def test_nothing_right_now_is_asked_again_after_a_moment_without_any_result() -> None:
    due = time.monotonic() + 0.15
    asked = 0

    def tasks() -> Iterator[Optional[int]]:
        nonlocal asked
        while time.monotonic() < due:
            asked += 1
            yield None
        yield 7

    engine: Engine[int, int] = Engine(lambda n: n, 1)
    assert list(engine.run(tasks())) == [7]
    assert asked < 200, "it waits in between, it does not spin"


@pytest.mark.parametrize("error", [ZeroDivisionError, OSError, KeyboardInterrupt])
def test_an_exception_in_work_ends_the_run_and_reaches_the_caller(error: type) -> None:
    taken = 0

    def tasks() -> Iterator[Optional[int]]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    def work(number: int) -> int:
        if number == 5:
            raise error("defect")
        return number

    engine: Engine[int, int] = Engine(work, 2)
    with pytest.raises(error, match="defect"):
        list(engine.run(tasks()))
    assert taken < 100


def test_an_exception_in_tasks_reaches_the_caller() -> None:
    def tasks() -> Iterator[Optional[int]]:
        yield 1
        raise ZeroDivisionError

    engine: Engine[int, int] = Engine(lambda n: n, 2)
    with pytest.raises(ZeroDivisionError):
        list(engine.run(tasks()))


def test_when_the_run_is_over_no_worker_holds_a_task() -> None:
    ended: List[int] = []

    def work(number: int) -> int:
        time.sleep(0.02)
        ended.append(number)
        return number

    engine: Engine[int, int] = Engine(work, 3)
    results = engine.run(numbers(20))
    begun = [next(results) for _ in range(4)]
    results.close()
    after = len(ended)
    time.sleep(0.06)
    assert len(ended) == after >= len(begun)


def test_the_mean_number_of_threads_is_between_none_and_all() -> None:
    def work(number: int) -> int:
        time.sleep(0.02)
        return number

    engine: Engine[int, int] = Engine(work, 4)
    list(engine.run(numbers(16)))
    assert 0.1 < engine.threads_used <= 4.0
    idle: Engine[int, int] = Engine(lambda n: n, 4)
    list(idle.run(iter(())))
    assert idle.threads_used == 0.0


# -- the stop flag -------------------------------------------------------------------------------------------------


def test_the_first_reason_stands() -> None:
    stop = StopFlag()
    assert not stop and stop.reason == ""
    stop.set("Ctrl-C")
    stop.set("something else")
    assert stop and stop.reason == "Ctrl-C"


def test_a_wait_ends_with_the_stop() -> None:
    stop = StopFlag()
    assert stop.wait(0.0) is False
    threading.Timer(0.05, stop.set, ["now"]).start()
    began = time.monotonic()
    assert stop.wait(20) is True
    assert time.monotonic() - began < 5
    assert stop.wait(20) is True


# -- light tasks, shared pieces and defects ------------------------------------------------------------------------


class Watch:
    """Who works on what, and how many at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.at_work = self.most = 0
        self.by: Dict[int, List[int]] = {}

    @contextmanager
    def one(self, task: int) -> Iterator[None]:
        with self._lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            self.by.setdefault(threading.get_ident(), []).append(task)
        yield
        with self._lock:
            self.at_work -= 1


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["light", "heavy", "nothing"]), max_size=40),
    st.integers(1, 5),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 3)),
)
def test_light_and_heavy_tasks_in_any_order_give_each_result_once(
    kinds: List[str], threads: int, begin: int, limit: Optional[int]
) -> None:
    watch = Watch()

    def tasks() -> Iterator[Optional[int]]:
        for number, kind in enumerate(kinds):
            yield None if kind == "nothing" else number

    def work(number: int) -> int:
        with watch.one(number):
            time.sleep(0.0002 if kinds[number] == "heavy" else 0)
        return number

    engine: Engine[int, int] = Engine(
        work, threads, begin=begin, light=lambda n: kinds[n] == "light", queue_limit=limit
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vdt.engine._ASK_AGAIN_S", 0.001)
        results = list(engine.run(tasks()))
    assert sorted(results) == [number for number, kind in enumerate(kinds) if kind != "nothing"]
    assert watch.most <= threads, "the driving thread counts too"
    assert not engine.abandoned


def test_light_tasks_are_done_by_the_driving_thread_while_one_is_enough() -> None:
    watch = Watch()

    def work(number: int) -> int:
        with watch.one(number):
            return number

    engine: Engine[int, int] = Engine(work, 4, light=lambda n: n % 10 != 0)
    assert sorted(engine.run(numbers(40))) == list(range(40))
    mine = watch.by.pop(threading.get_ident())
    assert [number for number in range(40) if number % 10] == mine
    assert sorted(number for theirs in watch.by.values() for number in theirs) == [0, 10, 20, 30]


def test_a_result_of_a_worker_is_not_kept_waiting_by_light_tasks() -> None:
    done = threading.Event()
    order: List[int] = []

    def work(number: int) -> int:
        if number:
            done.wait(5)  # the first light task is not over before the heavy one is
            time.sleep(0.01)
        else:
            done.set()
        return number

    engine: Engine[int, int] = Engine(work, 2, light=lambda n: n > 0)
    for result in engine.run(numbers(20)):
        order.append(result)
    assert order.index(0) <= 5 and sorted(order) == list(range(20))


def test_a_heavy_task_is_never_done_by_the_driving_thread() -> None:
    watch = Watch()

    def work(number: int) -> int:
        with watch.one(number):
            return number

    engine: Engine[int, int] = Engine(work, 1)
    list(engine.run(numbers(10)))
    assert threading.get_ident() not in watch.by


def test_with_more_at_first_the_driving_thread_does_no_task() -> None:
    watch = Watch()

    def work(number: int) -> int:
        with watch.one(number):
            time.sleep(0.001)
        return number

    engine: Engine[int, int] = Engine(work, 4, begin=4, light=lambda n: True)
    assert sorted(engine.run(numbers(40))) == list(range(40))
    assert threading.get_ident() not in watch.by and 1 < watch.most <= 4


def test_free_workers_help_with_a_task_that_is_shared_out() -> None:
    desk: Desk[int] = Desk()
    helpers: Set[int] = set()
    owner: List[int] = []

    def piece() -> bool:
        helpers.add(threading.get_ident())
        time.sleep(0.0005)
        return True

    def work(number: int) -> int:
        owner.append(threading.get_ident())
        until = time.monotonic() + 10
        with desk.shared(piece):
            while len(helpers) < 3 and time.monotonic() < until:
                time.sleep(0.001)
        return number

    engine: Engine[int, int] = Engine(work, 4, begin=4, desk=desk)
    assert list(engine.run(numbers(1))) == [0]
    assert len(helpers) >= 3 and not helpers & {owner[0], threading.get_ident()}


def test_a_piece_that_breaks_ends_the_run_and_reaches_the_caller() -> None:
    desk: Desk[int] = Desk()
    broken = threading.Event()

    def piece() -> bool:
        broken.set()
        raise ZeroDivisionError("defect")

    def work(number: int) -> int:
        with desk.shared(piece):
            broken.wait(10)
        return number

    engine: Engine[int, int] = Engine(work, 2, begin=2, desk=desk)
    with pytest.raises(ZeroDivisionError, match="defect"):
        list(engine.run(numbers(1)))


@pytest.mark.parametrize("where", ["work", "tasks", "light"])
def test_after_a_defect_the_others_are_told_to_stop_and_do_not_end_what_they_are_at(where: str) -> None:
    stop = StopFlag()
    inside = threading.Event()

    def work(number: int) -> int:
        if number == 0:  # a large one, that looks at the flag now and then
            inside.set()
            stop.wait(20)
        elif number == 1:
            inside.wait(10)
            raise ZeroDivisionError("defect")
        return number

    def tasks() -> Iterator[Optional[int]]:
        yield 0
        if where == "tasks":
            inside.wait(10)
            raise ZeroDivisionError("defect")
        yield 1

    begin = 1 if where == "light" else 2
    engine: Engine[int, int] = Engine(work, 2, begin=begin, light=lambda n: n == 1, stop=stop)
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        list(engine.run(tasks()))
    assert time.monotonic() - began < 5 and stop.reason == "defect"
    assert not engine.abandoned


def test_leaving_the_results_is_no_defect() -> None:
    stop = StopFlag()
    engine: Engine[int, int] = Engine(lambda n: n, 2, stop=stop)
    results = engine.run(numbers(10))
    next(results)
    results.close()
    assert not stop


def test_after_a_stop_a_worker_that_does_not_come_back_is_not_waited_for() -> None:
    stop, gate = StopFlag(), threading.Event()

    def work(number: int) -> int:
        if number == 3:
            stop.set("Ctrl-C")
            gate.wait(20)
        return number

    def tasks() -> Iterator[Optional[int]]:
        for number in range(100):
            if stop:
                return
            yield number

    engine: Engine[int, int] = Engine(work, 2, begin=2, stop=stop, grace_s=0.1)
    began = time.monotonic()
    results = list(engine.run(tasks()))
    assert time.monotonic() - began < 5
    assert engine.abandoned and 3 not in results and {0, 1, 2} <= set(results)
    gate.set()


def test_after_a_stop_what_workers_end_in_time_is_a_result() -> None:
    stop = StopFlag()

    def work(number: int) -> int:
        stop.set("Ctrl-C")
        time.sleep(0.1)
        return number

    engine: Engine[int, int] = Engine(work, 3, begin=3, stop=stop, grace_s=5)
    assert sorted(engine.run(numbers(3))) == [0, 1, 2] and not engine.abandoned


def test_a_helper_that_does_not_come_back_is_not_waited_for_after_a_stop() -> None:
    desk: Desk[int] = Desk()
    stop, gate, inside = StopFlag(), threading.Event(), threading.Event()

    def piece() -> bool:
        inside.set()
        gate.wait(20)
        return False

    def work(number: int) -> int:
        with desk.shared(piece):
            inside.wait(10)
        stop.set("Ctrl-C")
        return number

    engine: Engine[int, int] = Engine(work, 2, begin=2, desk=desk, stop=stop, grace_s=0.1)
    began = time.monotonic()
    assert list(engine.run(numbers(1))) == [0]
    assert engine.abandoned and time.monotonic() - began < 5
    gate.set()


def test_who_is_still_at_work_under_a_former_number_counts_when_the_driving_thread_would_work() -> None:
    watch, released = Watch(), threading.Event()

    class Falling:
        """Four at first, then one."""

        alone, readings = False, 0

        def observe(self, now_s: float, units: float) -> int:
            self.readings += 1
            self.alone = watch.at_work == 4 or self.alone
            return 1 if self.alone else 4

        def worked_alone(self, seconds: float, cpu_seconds: float) -> None: ...

    def work(number: int) -> int:
        with watch.one(number):
            if number < 4:
                released.wait(0.2)
            time.sleep(0.001)
        return number

    def tasks() -> Iterator[Optional[int]]:
        yield from range(4)
        while watch.at_work < 4:
            yield None
        yield None
        yield from range(4, 12)

    engine: Engine[int, int] = Engine(work, 4, begin=4, light=lambda n: n >= 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vdt.engine.Tuner", lambda *_, **__: Falling())
        assert sorted(engine.run(tasks())) == list(range(12))
    assert watch.most == 4
