"""Tests of `vdt.later`: what is tried again, and when."""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt import later
from vdt.later import Later
from vdt.stop import StopFlag


class Clock:
    """Stands for `time`."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(later, "time", clock)
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    return clock


def test_each_is_due_after_its_own_pause_and_once(clock: Clock) -> None:
    again: Later[str] = Later(StopFlag())
    for wait_s, item in ((2.0, "c"), (1.0, "a"), (2.0, "b"), (5.0, "d")):
        again.after(wait_s, item)
    assert list(again.due()) == [] and again.waits
    clock.now_s += 2.0
    assert list(again.due()) == ["a", "c", "b"], "those of one moment in the order they came"
    assert list(again.due()) == [] and again.untried == ["d"]
    clock.now_s += 3.0
    assert list(again.due()) == ["d"] and not again.waits and again.untried == []


def test_what_an_outage_struck_comes_back_together_after_a_breath(clock: Clock) -> None:
    again: Later[str] = Later(StopFlag())
    again.after_outage("a")
    clock.now_s += later.BREATH_S / 2
    again.after_outage("b")
    clock.now_s += later.BREATH_S * 0.9
    assert again.struck() == [] and again.waits, "the share may still come and go"
    clock.now_s += later.BREATH_S * 0.2
    assert again.struck() == ["a", "b"] and again.struck() == [] and not again.waits


def test_there_is_one_end(clock: Clock) -> None:
    again: Later[str] = Later(StopFlag())
    assert again.last() == [], "nothing is kept for it so far"
    again.at_the_end("a")
    again.at_the_end("b")
    assert not again.waits and again.untried == ["a", "b"]
    assert again.last() == ["a", "b"]
    again.at_the_end("c")
    assert again.last() == [] and again.untried == ["c"]


def test_a_stop_ends_all_of_it_and_loses_nothing(clock: Clock) -> None:
    stop = StopFlag()
    again: Later[str] = Later(stop)
    again.after(0.0, "a")
    again.after_outage("b")
    again.at_the_end("c")
    stop.set("Ctrl-C")
    clock.now_s += 60.0
    assert (list(again.due()), again.struck(), again.last()) == ([], [], [])
    assert again.untried == ["a", "c"]


def test_a_stop_cuts_the_moment_before_the_end_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 60.0)
    stop = StopFlag()
    again: Later[str] = Later(stop)
    again.at_the_end("a")
    stop.set("Ctrl-C")
    assert again.last() == [] and again.untried == ["a"]


@given(st.lists(st.integers(0, 10), max_size=20), st.lists(st.integers(0, 3), max_size=20))
def test_every_item_comes_once_and_none_early(waits: List[int], steps: List[int]) -> None:
    clock = Clock()
    real, later.time = later.time, clock  # type: ignore[assignment]
    try:
        again: Later[int] = Later(StopFlag())
        for number, wait_s in enumerate(waits):
            again.after(wait_s, number)
        seen: List[int] = []
        for step_s in [*steps, 100]:
            clock.now_s += step_s
            due = list(again.due())
            assert all(100.0 + waits[number] <= clock.now_s for number in due)
            assert [waits[number] for number in due] == sorted(waits[number] for number in due)
            seen += due
        assert sorted(seen) == list(range(len(waits))) and not again.waits
    finally:
        later.time = real
