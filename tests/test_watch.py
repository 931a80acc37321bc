"""What hangs is named: operation, full path, how long."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import Callable, Iterator

from vdt.model import TreeResult
from vdt.watch import Watch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def at_work(note: Callable[[], object], count: int = 1) -> Iterator[None]:
    """Threads that make a note and hang."""
    ready, end = threading.Semaphore(0), threading.Event()

    def hang_here() -> None:
        note()
        ready.release()
        end.wait()

    threads = [threading.Thread(target=hang_here) for _ in range(count)]
    for thread in threads:
        thread.start()
        ready.acquire()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_names_what_another_thread_is_at() -> None:
    clock = Clock()
    watch = Watch(clock)
    with at_work(lambda: watch.at("Copying File", "/src", "x.dax", "/dst")):
        clock.now += 12
        (line,) = watch.hanging()
    assert line == ("Abandoned, the system did not answer: Copying File /src/x.dax to /dst/x.dax (12 s, in wait)")


def test_who_waits_for_another_one_at_the_same_thing_is_not_named_too() -> None:
    watch, end = Watch(), threading.Event()

    def stat() -> None:
        while not end.is_set():
            time.sleep(0.01)

    def ask() -> None:
        with watch.doing("Preparing", "/dst"):
            stat()

    thread = threading.Thread(target=ask)
    with at_work(lambda: watch.phase("Preparing", "/dst")), at_work(lambda: watch.phase("Copying", "/dst")):
        thread.start()
        until = time.monotonic() + 10
        while len(watch.hanging()) != 2 and time.monotonic() < until:
            time.sleep(0.01)
        lines = watch.hanging()
        end.set()
        thread.join()
        alone = watch.hanging()
    assert len(lines) == 2 and any("Copying /dst" in line and "in wait" in line for line in lines)
    assert any("Preparing /dst" in line and "in stat" in line for line in lines)
    assert any("Preparing /dst" in line and "in wait" in line for line in alone)


def test_time_counts_from_the_last_sign_of_life() -> None:
    clock = Clock()
    watch = Watch(clock)

    def note() -> None:
        watch.at("Copying File", "/src", "x")
        clock.now += 100
        watch.alive()

    with at_work(note):
        clock.now += 3
        (line,) = watch.hanging()
    assert "(3 s, in wait)" in line


def test_idle_threads_and_the_asking_one_are_not_named() -> None:
    watch = Watch()
    watch.at("Listing", "/here")

    def note() -> None:
        with watch.doing("Listing", "/there"):
            pass

    with at_work(note):
        assert watch.hanging() == ()


def test_a_phase_is_named_where_nothing_closer_is_known() -> None:
    watch = Watch()

    def note() -> None:
        watch.phase("Writing", "/dst.log")
        with watch.doing("Listing", "/dst"):
            pass

    with at_work(note):
        assert "Writing /dst.log" in watch.hanging()[0]
    assert watch.hanging() == (), "a thread that has ended hangs no more"


def test_many_threads_are_cut() -> None:
    watch = Watch()
    with at_work(lambda: watch.at("Copying File", "/src", "x"), count=23):
        lines = watch.hanging()
    assert len(lines) == 21 and lines[-1].endswith("3 more")


# -- who is waited for ---------------------------------------------------------------------------------------------


@contextmanager
def asleep(note: Callable[[], object], call: Callable[[threading.Event], None]) -> Iterator[None]:
    """A thread that makes a note and then hangs in `call`."""
    ready, end = threading.Semaphore(0), threading.Event()

    def work() -> None:
        note()
        ready.release()
        call(end)

    thread = threading.Thread(target=work)
    thread.start()
    ready.acquire()
    time.sleep(0.02)
    try:
        yield
    finally:
        end.set()
        thread.join()


def read_whole(end: threading.Event) -> None:
    while not end.is_set():
        time.sleep(0.01)


def write_whole(end: threading.Event) -> None:
    while not end.is_set():
        time.sleep(0.01)


def test_the_side_that_owes_an_answer_is_told_by_the_call() -> None:
    clock = Clock()
    watch = Watch(clock)
    watch.roots = ("/z", "/l/")
    for call, root in ((read_whole, "/z"), (write_whole, "/l/")):
        with asleep(lambda: watch.at("Copying File", "/z/run/data", "x.dax", "/l/run/data"), call):
            assert watch.silent(10) is None
            clock.now += 40
            assert watch.silent(10) == (root, 40.0)


def test_a_place_outside_of_the_roots_is_named_itself() -> None:
    clock = Clock()
    watch = Watch(clock)
    watch.roots = ("/z",)
    with asleep(lambda: watch.at("Listing", "/zz/run"), read_whole):
        clock.now += 12
        assert watch.silent(10) == (os.path.splitdrive("/zz/run")[0] or "/zz/run", 12.0)


def test_who_pauses_by_itself_waits_for_nobody() -> None:
    clock = Clock()
    watch = Watch(clock)
    with at_work(lambda: watch.at("Copying File", "/z", "x", "/l")):  # hangs in a function named `wait`
        clock.now += 100
        assert watch.silent(10) is None


def test_a_sign_of_life_begins_the_time_anew_and_a_standing_phase_is_no_silence() -> None:
    clock = Clock()
    watch = Watch(clock)

    def note() -> None:
        watch.phase("Copying", "/l")
        watch.at("Copying File", "/z", "x", "/l")
        clock.now += 100
        watch.alive()

    with asleep(note, read_whole):
        clock.now += 9
        assert watch.silent(10) is None
    with asleep(lambda: (watch.phase("Copying", "/l"), watch.idle()), read_whole):
        clock.now += 1000
        assert watch.silent(10) is None
    with asleep(lambda: watch.phase("Preparing", "/l"), read_whole):
        clock.now += 30
        assert watch.silent(10) == ("/l", 30.0)


def test_forgets_the_tree_before() -> None:
    watch = Watch()
    assert watch.so_far() is None
    watch.so_far = lambda: TreeResult("s", "d", None, None)  # type: ignore[arg-type]
    assert watch.so_far() is not None
    watch.forget()
    assert watch.so_far() is None
