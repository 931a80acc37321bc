"""What hangs is named: operation, full path, how long."""

from __future__ import annotations

import threading
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


def test_forgets_the_tree_before() -> None:
    watch = Watch()
    assert watch.so_far() is None
    watch.so_far = lambda: TreeResult("s", "d", None, None)  # type: ignore[arg-type]
    assert watch.so_far() is not None
    watch.forget()
    assert watch.so_far() is None
