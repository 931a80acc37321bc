"""The first moments at a share that answers slowly, where probe and lock are at work at the same time: one of them is
refused or hangs, somebody presses Ctrl-C, the share goes, or two copies begin at once."""

from __future__ import annotations

import signal
import time
from typing import Any, Dict, List

import pytest

from .conftest import MakeRig
from .stage import Rig, Rule, rule, wait_for

pytestmark = pytest.mark.slow

PROBE, LOCK = "/dst/.vdt-*", "*lock.json*"
HANGS: Dict[str, Any] = {"type": "hang", "seconds": 30}
SLOWLY = ("--latency-ms", "3")


@pytest.fixture
def share(make_rig: MakeRig) -> Rig:
    rig = make_rig()
    rig.destination.options += SLOWLY
    return rig


REFUSED: Dict[str, Rule] = {
    "create": rule("create", "EACCES", PROBE),
    "write": rule("write", "EIO", PROBE),
    "rename": rule("rename", "EACCES", PROBE),
    "other bytes": rule("read", "bitflip", PROBE),
    "no lock": rule("mkdir", "EACCES", "*.vdt"),
    "lock that fails": rule("create", "EIO", LOCK),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused_is_said_and_leaves_nothing(share: Rig, how: str) -> None:
    share.start(REFUSED[how])
    outcome = share.copy()
    assert share.destination.fired()
    assert outcome.code == 16 and outcome.json["exit_code"] == 16, outcome
    assert share.destination_root in outcome.text or ".dst.vdt" in outcome.text, outcome
    assert list(share.destination.store.iterdir()) == [], outcome
    share.heals()


def test_a_share_that_lets_nothing_be_deleted_is_named_and_healed(share: Rig) -> None:
    share.start(rule("unlink", "EACCES", PROBE), rule("unlink", "EACCES", LOCK, "lock"))
    outcome = share.copy()
    assert share.destination.fired() and share.destination.fired("lock")
    assert outcome.code == 16 and "permission denied" in outcome.text, outcome
    share.heals()


HANGING: Dict[str, List[Rule]] = {
    "probe": [rule("create", HANGS, PROBE)],
    "lock": [rule("create", HANGS, LOCK)],
    "both": [rule("create", HANGS, LOCK, "lock"), rule("create", HANGS, PROBE)],
    "giving back": [rule("create", "EACCES", PROBE, "probe"), rule("unlink", HANGS, "*/lock.json")],
}


@pytest.mark.parametrize("what", HANGING)
def test_ctrl_c_ends_what_hangs_and_names_it(share: Rig, what: str) -> None:
    share.start(*HANGING[what])
    process = share.begin()
    wait_for(share.destination.fired)
    time.sleep(0.3)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    outcome = share.end(process)
    assert time.monotonic() - pressed < 6, outcome
    assert outcome.code == 8 and outcome.json["exit_code"] == 8 and not outcome.json["complete"], outcome
    assert f"did not answer: Preparing {share.destination_root} (" in outcome.text, outcome
    assert not share.finals()
    share.heals()


@pytest.mark.parametrize("which", [PROBE, LOCK], ids=["probe", "lock"])
def test_what_hangs_for_a_while_is_waited_for(share: Rig, which: str) -> None:
    share.start(rule("create", {"type": "hang", "seconds": 3}, which, times=1))
    outcome = share.copy()
    assert share.destination.fired() and outcome.seconds > 2.5
    share.right(outcome)


@pytest.mark.parametrize("nth", [26, 34, 42, 50, 60, 75, 90])
def test_a_share_that_goes_in_between_is_refused_or_waited_for(share: Rig, nth: int) -> None:
    share.start(rule("*", "ENOTCONN", nth=nth, hold_s=600, times=1))
    outcome = share.copy("--share-wait", "2")
    assert share.destination.fired()
    share.honest(outcome)
    assert outcome.code == 16 and share.destination_root in outcome.text, outcome
    share.heals()


def test_two_that_begin_at_once_do_not_take_the_folder_from_each_other(make_rig: MakeRig) -> None:
    """The destination is missing, both make it, and one is refused."""
    refused = 0
    for _ in range(6):
        rig = make_rig()
        rig.destination.options += SLOWLY
        rig.start()
        both = [(rig.begin("--share-wait", "2", json_name=name), name) for name in ("a.json", "b.json")]
        outcomes = [rig.end(process, json_name=name) for process, name in both]
        done = [outcome for outcome in outcomes if outcome.code < 8]
        assert done, outcomes
        for outcome in done:
            rig.right(outcome)
        for outcome in outcomes:
            if outcome not in done:
                refused += 1
                assert outcome.code == 16 and "Another transfer works on" in outcome.text, outcome
        rig.close()
    assert refused, "they never met"
