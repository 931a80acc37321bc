"""Work is waited for in slices, and given up after a stop."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from typing import Iterator

import pytest

from vdt.errors import AbandonedError, RefusedError
from vdt.stop import StopFlag
from vdt.supervise import supervised


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What a call that hangs waits for; set at the end, so that no thread of a test outlives it."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def nobody_handles_interrupts() -> Iterator[None]:
    """As where the package is embedded; a command that another test ran here may have left its own handler."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def later(seconds: float, act: object, *args: object) -> None:
    threading.Timer(seconds, act, args).start()  # type: ignore[arg-type]


def test_gives_back_what_the_work_returns() -> None:
    assert supervised(lambda: 7, StopFlag()) == 7


def test_work_runs_beside_the_caller() -> None:
    assert supervised(threading.current_thread, StopFlag()) is not threading.current_thread()


def test_raises_what_the_work_raises() -> None:
    def refuse() -> None:
        raise RefusedError("no")

    with pytest.raises(RefusedError, match="no"):
        supervised(refuse, StopFlag())


def test_waits_as_long_as_nobody_stops() -> None:
    assert supervised(lambda: time.sleep(0.4) or "done", StopFlag(), grace_s=0.01) == "done"


def test_work_that_hangs_is_abandoned_after_the_grace(hung: threading.Event) -> None:
    stop = StopFlag()
    later(0.2, stop.set, "interrupted")
    began = time.monotonic()
    with pytest.raises(AbandonedError, match="interrupted"):
        supervised(hung.wait, stop, grace_s=0.3)
    assert 0.4 < time.monotonic() - began < 2


def test_work_that_comes_back_within_the_grace_counts() -> None:
    stop = StopFlag()
    later(0.1, stop.set, "interrupted")
    assert supervised(lambda: stop.wait(5), stop, grace_s=2) is True


def test_work_begun_after_the_stop_has_its_grace() -> None:
    stop = StopFlag()
    stop.set("interrupted")
    assert supervised(lambda: time.sleep(0.3) or "done", stop, grace_s=2) == "done"


def test_bound_without_a_stop(hung: threading.Event) -> None:
    with pytest.raises(AbandonedError, match="did not answer"):
        supervised(hung.wait, StopFlag(), within_s=0.2)


@pytest.mark.usefixtures("nobody_handles_interrupts")
def test_an_interrupt_that_nobody_handles_asks_for_the_stop() -> None:
    stop = StopFlag()
    later(0.2, _thread.interrupt_main)
    assert supervised(lambda: stop.wait(5), stop)
    assert "SIGINT" in stop.reason


@pytest.mark.usefixtures("nobody_handles_interrupts")
def test_the_second_interrupt_ends_the_wait(hung: threading.Event) -> None:
    stop = StopFlag()
    stop.set("interrupted")
    later(0.2, _thread.interrupt_main)
    with pytest.raises(KeyboardInterrupt):
        supervised(hung.wait, stop, grace_s=5)
