"""How a run went, kept small."""

from __future__ import annotations

import sys
import threading

import pytest

from vdt.pulse import MOST_POINTS, Pulse


def test_a_curve_holds_the_sums_and_ends_at_the_last_of_them() -> None:
    pulse = Pulse(100.0)
    pulse.sample(9, 9, 100.5)  # no tree yet
    pulse.tree("raw_data", "copying", 101.0)
    for second in range(1, 11):
        pulse.sample(second, second * 1000, 101.0 + second)
    pulse.sample(12, 10_050, 111.01, last=True)
    (curve,) = pulse.curves()
    assert curve.title == "raw_data" and curve.points[0] == (1.0, 0, 0)
    assert curve.points[-1] == (pytest.approx(11.01), 12, 10_050)
    assert len(curve.points) == 11


def test_samples_that_come_too_often_are_left_out() -> None:
    pulse = Pulse(0.0)
    pulse.tree("t", "copying", 0.0)
    for number in range(1000):
        pulse.sample(number, number, number / 1000)
    (curve,) = pulse.curves()
    assert 4 <= len(curve.points) <= 6


@pytest.mark.parametrize("hours", [1, 30, 24 * 40])
def test_a_long_run_stays_small_and_keeps_its_ends(hours: int) -> None:
    pulse, seconds = Pulse(0.0), hours * 3600
    pulse.tree("t", "copying", 0.0)
    for number in range(20_000):
        pulse.sample(number, number * 7, seconds * (number + 1) / 20_000)
    pulse.sample(20_000, 140_000, seconds, last=True)
    (curve,) = pulse.curves()
    assert MOST_POINTS / 4 <= len(curve.points) <= MOST_POINTS
    assert curve.points[0] == (0.0, 0, 0) and curve.points[-1] == (seconds, 20_000, 140_000)
    assert all(a.at_s < b.at_s and a.files <= b.files for a, b in zip(curve.points, curve.points[1:]))


def test_many_trees_and_phases_stay_small_too() -> None:
    pulse = Pulse(0.0)
    for number in range(500):
        pulse.tree(f"t{number}", f"p{number}", number)
        pulse.sample(1, 1, number + 0.9)
    assert len(pulse.curves()) <= 8
    spent = pulse.spent(500.0)
    assert len(spent) <= 42 and sum(item.seconds for item in spent) == pytest.approx(500.0)


def test_time_by_phase_adds_up_to_the_whole() -> None:
    pulse = Pulse(10.0)
    pulse.phase("counting", 11.0)
    pulse.tree("raw_data", "copying", 14.0)
    pulse.phase("waiting for L: since 12:00:01", 15.0)
    pulse.phase("waiting for L: since 12:00:01", 16.0)
    pulse.phase("copying", 20.0)
    pulse.phase("looking once more", 21.0)
    spent = {(item.title, item.phase): item.seconds for item in pulse.spent(23.0)}
    assert spent == {
        ("", "preparing"): 1.0,
        ("", "counting"): 3.0,
        ("raw_data", "copying"): 2.0,
        ("raw_data", "waiting"): 5.0,
        ("raw_data", "looking once more"): 2.0,
    }


def test_threads_may_tell_it_at_once() -> None:
    pulse = Pulse(0.0)
    pulse.tree("t", "copying", 0.0)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work() -> None:
        for number in range(2000):
            pulse.sample(number, number, number / 10)
            pulse.phase(f"p{number % 3}", number / 10)
            pulse.curves()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(switch)
    assert len(pulse.curves()[0].points) <= MOST_POINTS
