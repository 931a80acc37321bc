"""Waits between tries: the default ladder, the fixed wait, the end."""

from __future__ import annotations

import pytest

from vdt.retry import RetryPlan


def test_default_is_five_tries_on_the_ladder() -> None:
    plan = RetryPlan()
    assert [plan.wait_before(n) for n in range(1, 8)] == [1, 2, 5, 15, 30, None, None]
    assert plan.waits == (1, 2, 5, 15, 30)


def test_the_last_wait_repeats() -> None:
    assert RetryPlan(retries=8).waits == (1, 2, 5, 15, 30, 30, 30, 30)


def test_fewer_tries_than_the_ladder_has() -> None:
    assert RetryPlan(retries=2).waits == (1, 2)


def test_no_retry_at_all() -> None:
    assert RetryPlan(retries=0).wait_before(1) is None
    assert RetryPlan(retries=0, wait_s=3).waits == ()


@pytest.mark.parametrize("wait", [0, 0.25, 30])
def test_fixed_wait(wait: float) -> None:
    plan = RetryPlan(retries=3, wait_s=wait)
    assert plan.waits == (wait, wait, wait)
    assert plan.wait_before(4) is None


def test_a_wait_of_nothing_is_not_the_end() -> None:
    assert RetryPlan(retries=1, wait_s=0).wait_before(1) == 0


def test_a_plan_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RetryPlan().retries = 9  # type: ignore[misc]
