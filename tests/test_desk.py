"""Who does what next: tasks before pieces, no more at work than allowed, nobody forgotten."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Callable, Iterator, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.desk import Desk

PATIENCE_S = 10.0


def until(true: Callable[[], object]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


@contextmanager
def crew(desk: Desk[int], count: int, do: Callable[[int], None]) -> Iterator[List[threading.Thread]]:
    threads = [threading.Thread(target=desk.work, args=(do,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        desk.close()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads), "everybody goes home"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 40))
def test_every_task_is_done_once_and_no_more_are_at_work_than_allowed(
    workers: int, limits: List[int], count: int
) -> None:
    desk: Desk[int] = Desk()
    lock = threading.Lock()
    done: List[int] = []
    at_work = most = 0

    def do(task: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0)
        with lock:
            at_work -= 1
            done.append(task)

    with crew(desk, workers, do):
        for task in range(count):
            if task % 4 == 0:
                desk.allow(limits[task // 4 % len(limits)])
            desk.put(task)
        assert until(lambda: len(done) == count), "nobody is forgotten"
        assert until(lambda: desk.at_work == 0)
    assert sorted(done) == list(range(count))
    assert most <= min(workers, max(limits))


def test_tasks_are_done_in_their_order() -> None:
    desk: Desk[int] = Desk()
    done: List[int] = []
    for task in range(20):
        desk.put(task)
    with crew(desk, 1, done.append):
        assert until(lambda: len(done) == 20)
    assert done == list(range(20))


def test_who_was_let_in_later_finds_what_was_laid_down_before() -> None:
    desk: Desk[int] = Desk()
    gate = threading.Event()
    held: List[int] = []

    def do(task: int) -> None:
        held.append(task)
        gate.wait(PATIENCE_S)

    with crew(desk, 3, do):
        for task in range(3):
            desk.put(task)
        assert until(lambda: held == [0])
        time.sleep(0.01)
        assert held == [0] and desk.at_work == 1
        desk.allow(3)
        assert until(lambda: sorted(held) == [0, 1, 2]), "all who wait are woken"
        gate.set()


def test_a_task_comes_before_a_piece() -> None:
    desk: Desk[str] = Desk()
    seen: List[str] = []

    def piece() -> bool:
        seen.append("piece")
        if len(seen) == 3:
            desk.put("task")
        return len(seen) < 6

    with desk.shared(piece):
        with crew(desk, 1, seen.append):  # type: ignore[arg-type]
            assert until(lambda: len(seen) >= 6)
    assert seen == ["piece"] * 3 + ["task"] + ["piece"] * 2


def test_helpers_go_round_among_those_who_share() -> None:
    desk: Desk[int] = Desk()
    seen: List[str] = []

    def piece(name: str) -> Callable[[], bool]:
        def one() -> bool:
            seen.append(name)
            return len(seen) < 9

        return one

    with desk.shared(piece("a")), desk.shared(piece("b")), desk.shared(piece("c")):
        with crew(desk, 1, lambda task: None):
            assert until(lambda: len(seen) >= 9)
    assert seen[:9] == ["a", "b", "c"] * 3


def test_where_nothing_is_left_nobody_is_sent_again() -> None:
    desk: Desk[int] = Desk()
    calls: List[int] = []

    def piece() -> bool:
        calls.append(1)
        return False

    with crew(desk, 1, lambda task: None):
        with desk.shared(piece):
            assert until(lambda: calls)
            time.sleep(0.01)
        assert len(calls) == 1


@pytest.mark.parametrize("how", ["ends", "raises"])
def test_after_the_block_no_piece_is_begun(how: str) -> None:
    desk: Desk[int] = Desk()
    left = threading.Event()
    late: List[int] = []
    calls: List[int] = []

    def piece() -> bool:
        calls.append(1)
        if left.is_set():
            late.append(1)
        time.sleep(0.0005)
        return True

    with crew(desk, 2, lambda task: None):
        desk.allow(2)
        try:
            with desk.shared(piece):
                assert until(lambda: len(calls) > 5)
                if how == "raises":
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert until(lambda: desk.at_work == 0), "who was at the last piece ends it"
        left.set()
        time.sleep(0.01)
    assert not late


def test_a_piece_counts_among_those_at_work() -> None:
    desk: Desk[int] = Desk()
    gate, inside = threading.Event(), threading.Event()
    done: List[int] = []

    def piece() -> bool:
        inside.set()
        gate.wait(PATIENCE_S)
        return False

    with crew(desk, 2, done.append), desk.shared(piece):
        assert inside.wait(PATIENCE_S)
        desk.put(1)
        time.sleep(0.01)
        assert done == [] and desk.at_work == 1, "one may be at work, and one is"
        gate.set()
        assert until(lambda: done == [1])


def test_when_it_is_closed_nothing_is_handed_out_any_more() -> None:
    desk: Desk[int] = Desk()
    gate, inside = threading.Event(), threading.Event()
    done: List[int] = []

    def do(task: int) -> None:
        inside.set()
        gate.wait(PATIENCE_S)
        done.append(task)

    with crew(desk, 2, do):
        desk.put(1)
        desk.put(2)
        assert inside.wait(PATIENCE_S)
        desk.close()
        with desk.shared(lambda: bool(done.append(99))):
            assert desk.at_work == 1
            gate.set()
            assert until(lambda: desk.at_work == 0)
    assert done == [1]


def test_a_worker_that_breaks_down_is_no_longer_counted() -> None:
    desk: Desk[int] = Desk()
    desk.put(1)

    def do(task: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        desk.work(do)
    assert desk.at_work == 0
