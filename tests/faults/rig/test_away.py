"""The share or the source stops answering, for a while or for good; calls hang; somebody presses Ctrl-C meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any, Dict, List, Tuple

import pytest

from .stage import BIG, SIZES, SMALL, Mount, Rig, Rule, around, rule, wait_for

pytestmark = pytest.mark.slow

SIDES = pytest.mark.parametrize("side", ["destination", "source"])


def outage(nth: int, seconds: float, error: str) -> Rule:
    return rule("*", error, nth=nth, hold_s=seconds, times=1)


def begin_with(rig: Rig, side: str, *rules: Rule) -> Mount:
    if side == "source":
        rig.start(source=rules)
        return rig.source
    rig.start(*rules)
    return rig.destination


MIDDLE = {"destination": (200, 240), "source": (30, 60)}  # the probe is done by then
OUTAGES: List[Tuple[str, int]] = [(side, nth) for side, moments in MIDDLE.items() for nth in moments]


@pytest.mark.parametrize("error", ["EHOSTDOWN", "ENOTCONN"])
@pytest.mark.parametrize(("side", "nth"), OUTAGES)
def test_two_seconds_away(rig: Rig, side: str, nth: int, error: str) -> None:
    mount = begin_with(rig, side, outage(nth, 2, error))
    outcome = rig.copy("--threads", "2")
    assert mount.fired(), "the run ended before"
    rig.right(outcome)
    rig.heals()


@pytest.mark.parametrize(("side", "nth"), [("destination", 40), ("source", 4)])
def test_two_seconds_away_before_the_first_byte(rig: Rig, side: str, nth: int) -> None:
    """A root that does not answer at the start may be waited for or refused; it is no failed file."""
    mount = begin_with(rig, side, outage(nth, 2, "EHOSTDOWN"))
    outcome = rig.copy()
    assert mount.fired()
    rig.honest(outcome)
    assert outcome.code < 8 or (outcome.code == 16 and str(mount.point) in outcome.text), outcome
    rig.heals()


@SIDES
def test_an_outage_longer_than_all_retries_is_waited_for(rig: Rig, side: str) -> None:
    mount = begin_with(rig, side, outage(MIDDLE[side][0], 8, "EHOSTDOWN"))
    outcome = rig.copy("--share-wait", "60")
    assert mount.fired(), outcome
    assert outcome.seconds > 7, outcome
    rig.right(outcome)
    rig.heals()


@SIDES
def test_an_outage_longer_than_share_wait_ends_with_16_and_can_be_resumed(rig: Rig, side: str) -> None:
    mount = begin_with(rig, side, outage(MIDDLE[side][0], 600, "EHOSTDOWN"))
    outcome = rig.copy("--share-wait", "3")
    assert mount.fired(), outcome
    assert outcome.code == 16, outcome
    assert 2.5 < outcome.seconds < 20, outcome
    rig.honest(outcome)
    assert not outcome.json["failed"], outcome
    rig.heals()


# ---- calls that hang -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["", "ETIMEDOUT"])
@pytest.mark.parametrize("op", ["write", "read", "rename"])
def test_a_call_that_hangs_four_seconds(rig: Rig, op: str, then: str) -> None:
    action: Dict[str, Any] = {"type": "hang", "seconds": 4}
    if then:
        action["then"] = then
    rig.start(rule(op, action, "/dst/small/*", times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    assert outcome.seconds > 3.5
    rig.right(outcome)
    rig.heals()


@SIDES
@pytest.mark.parametrize("victim", [SMALL, BIG])
def test_ctrl_c_ends_a_run_whose_calls_hang(rig: Rig, side: str, victim: str) -> None:
    op, root = ("write", "dst") if side == "destination" else ("read", "tree")
    mount = begin_with(rig, side, rule(op, {"type": "hang", "seconds": 30}, around(victim, root)))
    process = rig.begin()
    wait_for(mount.fired)
    time.sleep(0.5)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    outcome = rig.end(process)
    took = time.monotonic() - pressed
    assert took < 6, f"it took {took:.1f} s\n{outcome}"
    assert 8 <= outcome.code < 16 and outcome.code & 8, outcome
    assert os.path.basename(victim) in outcome.text, f"what hangs is not named\n{outcome}"
    rig.honest(outcome)
    assert outcome.json["complete"] is False, outcome
    rig.heals()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_in_the_middle_keeps_what_is_done(rig: Rig, number: int) -> None:
    rig.start(rule("write", {"type": "delay", "ms": 400}, "/dst/big/*"))
    process = rig.begin("--threads", "1")
    wait_for(rig.destination.fired)
    process.send_signal(number)
    outcome = rig.end(process)
    assert 8 <= outcome.code < 16, outcome
    assert outcome.seconds < 5, outcome
    rig.honest(outcome)
    rig.heals()


# ---- two at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["write", "read", "rename"])
def test_the_second_of_two_copies_is_refused_and_told_who_holds_the_lock(rig: Rig, op: str) -> None:
    rig.start(rule(op, {"type": "hang", "seconds": 3}, "/dst/big/*", times=1))
    first = rig.begin()
    wait_for(rig.destination.fired)
    second = rig.end(rig.begin(json_name="second.json"), json_name="second.json", timeout_s=20)
    assert first.poll() is None, "the first was to be still at work"
    assert second.code == 16, second
    assert socket.gethostname() in second.text and str(first.pid) in second.text, second
    rig.right(rig.end(first))
    assert set(rig.finals()) == set(SIZES)
    rig.heals()
