"""Tests of `vdt.listing`: how long a side takes to answer. That a listing is tried again is in test_transfer.py."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, List

import pytest

from vdt import fs, listing
from vdt.listing import answer_s
from vdt.tuning import workers_at_first


def answers(monkeypatch: pytest.MonkeyPatch, *calls: Callable[[], object]) -> List[int]:
    """`fs.volume` does these one after the other, the last one for ever; returns the numbers of those asked."""
    asked: List[int] = []

    def volume(path: str) -> None:
        asked.append(len(asked))
        calls[min(len(asked), len(calls)) - 1]()

    monkeypatch.setattr(fs, "volume", volume)
    return asked


def at_once() -> None:
    pass


def work() -> None:
    end = time.thread_time() + 0.003
    while time.thread_time() < end:
        pass


def test_a_share_is_asked_once_and_its_answer_time_is_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, lambda: time.sleep(0.02))
    assert 0.019 < answer_s("x") < 1.0
    assert asked == [0]


@pytest.mark.skipif(fs.WINDOWS, reason="the processor's clock has 16 ms there")
def test_what_the_processor_worked_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, work)
    assert answer_s("x") < 0.001, "each call took 3 ms, and waited for nothing"


def test_the_shortest_of_a_few_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def later() -> None:
        now[0] += 2e-5  # the first one in a process

    clock = SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: 0.0)
    monkeypatch.setattr(listing, "time", clock)
    asked = answers(monkeypatch, later, at_once)
    assert answer_s("x") == 0.0
    assert asked == [0, 1, 2]


def test_a_side_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OSError("away")

    answers(monkeypatch, gone)
    assert answer_s("x") == 0.0


@pytest.mark.skipif(fs.WINDOWS, reason="under Wine another process answers, which is waiting")
def test_memory_is_answered_by_one_worker(tmp_path: Path) -> None:
    assert workers_at_first(min(answer_s(str(tmp_path)) for _ in range(5)), 128, flushes=False) == 1
