"""Tests of `vdt.listing`: how long a side takes to answer. That a listing is tried again is in test_transfer.py."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, List, Tuple

import pytest

from vdt import fs, listing
from vdt.listing import answer_s
from vdt.tuning import CALL_WAITS_S, workers_at_first


class Clock:
    """Stands for `time`: what a call waits and what the processor works for it."""

    wall_s, worked_s = 100.0, 10.0

    def perf_counter(self) -> float:
        return self.wall_s

    def thread_time(self) -> float:
        return self.worked_s


Call = Tuple[float, float]  # waited, worked


def answers(monkeypatch: pytest.MonkeyPatch, *calls: Call) -> List[int]:
    """`fs.volume` takes these one after the other, the last one for ever; returns the numbers of those asked."""
    asked: List[int] = []
    clock = Clock()

    def volume(path: str) -> None:
        asked.append(len(asked))
        waited_s, worked_s = calls[min(len(asked), len(calls)) - 1]
        clock.wall_s += waited_s + max(0.0, worked_s)
        clock.worked_s += abs(worked_s)

    monkeypatch.setattr(listing, "time", clock)
    monkeypatch.setattr(fs, "volume", volume)
    return asked


def about(seconds: float) -> Any:
    return pytest.approx(seconds, abs=1e-9)


def test_a_share_is_asked_once_and_its_answer_time_is_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, (0.02, 0.003))
    assert answer_s("x") == about(0.02) and asked == [0]


def test_what_the_processor_worked_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, (1e-5, 0.003))
    assert answer_s("x") == about(1e-5) and asked == [0, 1, 2]


@pytest.mark.parametrize("order", list(itertools.permutations([3e-4, 1e-5, 2e-4])))
def test_the_shortest_of_a_few_calls_counts(monkeypatch: pytest.MonkeyPatch, order: Tuple[float, ...]) -> None:
    asked = answers(monkeypatch, *((waited_s, 0.0) for waited_s in order))
    assert answer_s("x") == about(1e-5) and asked == [0, 1, 2]


def test_a_tick_of_a_coarse_clock_hides_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's clock of Windows goes on by 16 ms at a time: more than the call took."""
    asked = answers(monkeypatch, (0.002, -0.016), (0.002, 0.0))
    assert answer_s("x") == about(0.002) and asked == [0, 1]
    answers(monkeypatch, (1e-5, -0.016))
    assert answer_s("x") == 0.0


def test_a_share_that_is_slow_only_now_and_then_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, (1e-5, 0.0), (CALL_WAITS_S * 1.01, 0.0))
    assert answer_s("x") == about(CALL_WAITS_S * 1.01) and asked == [0, 1]


def test_a_side_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: str) -> None:
        raise OSError("away")

    monkeypatch.setattr(fs, "volume", gone)
    assert answer_s("x") == 0.0


@pytest.mark.skipif(fs.WINDOWS, reason="under Wine another process answers, which is waiting")
def test_memory_is_answered_by_one_worker(tmp_path: Path) -> None:
    assert workers_at_first(min(answer_s(str(tmp_path)) for _ in range(5)), 128, flushes=False) == 1
