"""The disk stores other bytes than it was given, or gives others than it stores, and says OK."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest

from .stage import BIG, MIB, SMALL, Rig, around, rule

pytestmark = pytest.mark.slow

BAD_WRITES: Dict[str, Dict[str, Any]] = {
    "a bit flips": {"type": "bitflip"},
    "torn, the rest as before": {"type": "torn_write", "rest": "old"},
    "torn, the rest zeros": {"type": "torn_write", "rest": "zeros"},
    "torn, the rest garbage": {"type": "torn_write", "rest": "garbage"},
    "torn, the rest cut off": {"type": "torn_write", "rest": "cut"},
    "lost, zeros instead": {"type": "lost_write", "mode": "zeros"},
    "lost, a hole": {"type": "lost_write", "mode": "hole"},
    "lost, the file is short": {"type": "lost_write", "mode": "drop"},
    "stored elsewhere": {"type": "misdirected_write", "delta": 4096},
}
FALSE_ALARMS: Dict[str, Dict[str, Any]] = {
    "a bit is read wrong": {"type": "bitflip"},
    "zeros are read": {"type": "zeros_read", "length": 512},
    "other data is read": {"type": "misdirected_read", "delta": 4096},
    "the file seems to end": {"type": "eof"},
}
VICTIMS = pytest.mark.parametrize("victim", [SMALL, BIG])


def at(victim: str, offset: int = 0) -> Dict[str, Any]:
    """`when` of a rule: a call over a byte, in a large file one that is not the first."""
    return {"offset": offset + (MIB + 5 if victim == BIG else 0)}


@VICTIMS
@pytest.mark.parametrize("bad", BAD_WRITES)
def test_a_bad_write_is_seen_and_written_again(rig: Rig, bad: str, victim: str) -> None:
    rig.start(rule("write", BAD_WRITES[bad], around(victim), **at(victim), times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.right(outcome)
    assert outcome.json["retries"] >= 1, outcome
    assert rig.heals().json["counts"]["files"]["copied"] == 0


@VICTIMS
@pytest.mark.parametrize("bad", BAD_WRITES)
def test_writes_that_stay_bad_are_reported(rig: Rig, bad: str, victim: str) -> None:
    rig.start(rule("write", BAD_WRITES[bad], around(victim), **at(victim)))
    outcome = rig.copy()
    assert 2 <= len(rig.destination.fired()) <= 40
    rig.reported(outcome, victim)
    rig.heals()


@pytest.mark.parametrize("bad", ["a bit flips", "lost, zeros instead"])
def test_every_write_of_every_file_is_bad(rig: Rig, bad: str) -> None:
    """Also those of the probe and of the lock: there is nothing that could be copied."""
    rig.start(rule("write", BAD_WRITES[bad]))
    outcome = rig.copy()
    assert rig.destination.fired()
    assert outcome.code == 16, outcome
    rig.honest(outcome)
    assert not {"top.txt", "one/a.bin"} & set(rig.finals())
    rig.heals()


@VICTIMS
@pytest.mark.parametrize("alarm", FALSE_ALARMS)
def test_a_false_alarm_costs_a_read(rig: Rig, alarm: str, victim: str) -> None:
    """Read back wrong once; stored it is right."""
    rig.start(rule("read", FALSE_ALARMS[alarm], around(victim), **at(victim), times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.right(outcome)
    rig.heals()


@VICTIMS
@pytest.mark.parametrize("alarm", ["a bit is read wrong", "zeros are read"])
def test_a_file_that_is_never_read_back_right_is_reported(rig: Rig, alarm: str, victim: str) -> None:
    rig.start(rule("read", FALSE_ALARMS[alarm], around(victim), **at(victim)))
    outcome = rig.copy()
    assert rig.destination.fired()
    rig.reported(outcome, victim)
    rig.heals()


@pytest.mark.parametrize("level", ["cold", "both"])
@pytest.mark.parametrize("alarm", ["a bit is read wrong", "zeros are read"])
@VICTIMS
def test_a_source_that_is_read_wrong_once(rig: Rig, alarm: str, victim: str, level: str) -> None:
    """Only `both` promises to see it: the copy is what was read. Then it must be right or named."""
    rig.start(source=[rule("read", FALSE_ALARMS[alarm], around(victim, "tree"), **at(victim), times=1)])
    outcome = rig.copy("--verify", level)
    assert len(rig.source.fired()) == 1
    rig.source_untouched()
    if level == "both":
        rig.right(outcome)
        rig.heals()
    else:
        assert set(rig.wrong()) <= {victim}, "no other file was read wrong"


@pytest.mark.parametrize("options", [(), ("--verify", "both")])
def test_short_reads_and_writes_are_unnoticed(rig: Rig, options: Tuple[str, ...]) -> None:
    rig.start(
        rule("write", {"type": "short_write"}, "/dst/*", "short write", prob=0.5),
        rule("read", {"type": "short_read", "ratio": 0.6}, "/dst/*", "short read", prob=0.5),
        source=[rule("read", {"type": "short_read", "ratio": 0.7}, name="short source", prob=0.5)],
    )
    outcome = rig.copy(*options)
    for where, name in (
        (rig.destination, "short write"),
        (rig.destination, "short read"),
        (rig.source, "short source"),
    ):
        assert where.fired(name), name
    rig.right(outcome)
    assert outcome.json["retries"] == 0, outcome
    rig.heals()
