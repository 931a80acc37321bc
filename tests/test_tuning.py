"""The number of workers, found in worlds that are made up: what a number gets done there is known."""

from __future__ import annotations

from typing import Callable, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.tuning import (
    GAIN,
    HOLD_WINDOWS,
    LONGEST_WINDOW_S,
    PYTHON_S_A_CALL,
    WINDOW_S,
    WINDOW_UNITS,
    Tuner,
    workers_at_first,
)

Rate = Callable[[int], float]


class World:
    """A clock and a pile of work that grows with the number of workers."""

    def __init__(self, rate: Rate, most: int, *, begin: int = 1) -> None:
        self.rate, self.now_s, self.units = rate, 100.0, 0.0
        self.tuner = Tuner(most, self.now_s, begin=begin)
        self.limits: List[int] = [self.tuner.limit]

    def live(self, windows: int, step_s: float = WINDOW_S * 1.01) -> World:
        for _ in range(windows):
            self.now_s += step_s
            self.units += self.rate(self.tuner.limit) * step_s
            self.limits.append(self.tuner.observe(self.now_s, self.units))
        return self

    @property
    def mostly(self) -> int:
        """Where it was most of the time of late."""
        late = self.limits[-2 * HOLD_WINDOWS :]
        return max(set(late), key=late.count)


def share(limit: int) -> float:
    return 1000.0 * limit  # each call waits: so many workers, so many times the work


def local(limit: int) -> float:
    return 10000.0 / limit  # the interpreter is the limit


def peak_at(best: int) -> Rate:
    return lambda limit: 1000.0 * min(limit, best) - 100.0 * max(0, limit - best)


@pytest.mark.parametrize("begin", [1, 2, 3, 8, 64, 128, 500])
@pytest.mark.parametrize("most", [2, 5, 8, 128])
def test_where_more_help_all_come_to_work(most: int, begin: int) -> None:
    assert World(share, most, begin=begin).live(200).mostly == most


@pytest.mark.parametrize("begin", [1, 2, 3, 8, 64, 128])
@pytest.mark.parametrize("most", [2, 5, 8, 128])
def test_where_more_are_in_each_others_way_one_is_left(most: int, begin: int) -> None:
    assert World(local, most, begin=begin).live(3000).mostly == 1


@pytest.mark.parametrize("begin", [1, 4, 16, 64])
def test_a_best_in_the_middle_is_found_from_both_sides(begin: int) -> None:
    assert World(peak_at(8), 64, begin=begin).live(400).mostly == 8


def test_a_doubling_must_be_worth_it() -> None:
    just_not = World(lambda limit: 1000.0 * (GAIN - 0.01) ** (limit - 1), 2).live(60)
    just = World(lambda limit: 1000.0 * (GAIN + 0.01) ** (limit - 1), 2).live(60)
    assert (just_not.mostly, just.mostly) == (1, 2)


def test_it_looks_again_when_the_world_has_changed() -> None:
    world = World(local, 8).live(100)
    assert world.mostly == 1
    world.rate = share
    assert world.live(200).mostly == 8
    world.rate = local
    assert world.live(400).mostly == 1


def test_one_is_one() -> None:
    tuner = Tuner(1, 0.0, begin=5)
    assert [tuner.observe(t, t * 1000) for t in range(1, 50)] == [1] * 49 and tuner.alone


def test_nothing_is_judged_before_its_time() -> None:
    tuner = Tuner(8, 0.0)
    assert tuner.observe(WINDOW_S * 0.9, 1e6) == 1, "too short"
    assert tuner.observe(LONGEST_WINDOW_S * 0.9, WINDOW_UNITS - 1) == 1, "too little"
    tuner = Tuner(8, 0.0)
    assert tuner.observe(WINDOW_S, WINDOW_UNITS) == 2


def test_little_work_is_judged_in_the_end() -> None:
    tuner = Tuner(8, 0.0)
    assert tuner.observe(LONGEST_WINDOW_S, 1) == 2


@pytest.mark.parametrize("begin", [1, 4, 8])
def test_a_standstill_says_nothing_of_the_number(begin: int) -> None:
    world = World(lambda limit: 0.0, 8, begin=begin).live(100, step_s=LONGEST_WINDOW_S)
    assert set(world.limits) == {begin}
    world.rate = share
    assert world.live(200).mostly == 8


def test_a_worker_that_never_waits_is_left_alone() -> None:
    world = World(share, 8)
    for _ in range(100):
        world.tuner.worked_alone(WINDOW_S, WINDOW_S * 0.9)
        world.live(1)
    assert set(world.limits) == {1} and world.tuner.alone


def test_a_worker_that_waits_gets_company() -> None:
    world = World(share, 8)
    world.tuner.worked_alone(WINDOW_S, WINDOW_S * 0.5)
    assert world.live(100).mostly == 8 and not world.tuner.alone


def test_what_one_did_alone_says_nothing_once_there_are_more() -> None:
    """Begun with four: the driving thread did nothing alone, and a sum from long ago must not hold the number."""
    world = World(share, 8, begin=4)
    world.tuner.worked_alone(10.0, 10.0)
    assert world.live(60).mostly == 8


def test_what_was_measured_alone_counts_once() -> None:
    world = World(share, 8)
    world.tuner.worked_alone(WINDOW_S, WINDOW_S)
    world.live(1)
    assert world.limits[-1] == 1
    assert world.live(HOLD_WINDOWS + 3).limits[-1] > 1, "the next look is at what was measured since"


@given(
    st.integers(1, 128),
    st.integers(1, 200),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1e6)), max_size=200),
)
def test_whatever_comes_the_number_stays_in_its_bounds(most: int, begin: int, steps: List[Tuple[float, float]]) -> None:
    tuner = Tuner(most, 0.0, begin=begin)
    now = units = 0.0
    for seconds, done in steps:
        now, units = now + seconds, units + done
        assert 1 <= tuner.observe(now, units) <= most
        assert tuner.alone == (tuner.limit == 1)


@pytest.mark.parametrize(
    ("answer_s", "most", "wanted"),
    [
        (0.0, 8, 1),
        (5e-6, 8, 1),
        (3 * PYTHON_S_A_CALL, 8, 3),
        (1e-3, 8, 8),
        (1e-3, 128, 50),
        (9.0, 128, 128),
        (9.0, 1, 1),
    ],
)
def test_the_answer_time_says_how_many_to_begin_with(answer_s: float, most: int, wanted: int) -> None:
    assert workers_at_first(answer_s, most) == wanted
