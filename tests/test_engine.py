"""Workers, a bounded queue, a stop flag: what the engine promises whatever the tasks are."""

from __future__ import annotations

import threading
import time
from typing import Iterator, List, Optional, Set

import pytest

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
