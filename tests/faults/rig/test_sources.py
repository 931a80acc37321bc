"""Sources that grow, shrink, are replaced or vanish while they are read."""

from __future__ import annotations

import threading
from typing import Dict

import pytest

from .conftest import MakeRig
from .stage import BIG, SIZES, SMALL, Rig, around, files_of, rule, same_bytes, wait_for

pytestmark = pytest.mark.slow

CHANGES: Dict[str, str] = {  # run in a shell by the file system, in the middle of a read
    "grows": 'printf more >> "$FAULTFS_BACKING"',
    "shrinks": 'truncate -s -7 "$FAULTFS_BACKING"',
    "is replaced": 'cp "$FAULTFS_BACKING" "$FAULTFS_BACKING.new"; printf x >> "$FAULTFS_BACKING.new";'
    ' mv "$FAULTFS_BACKING.new" "$FAULTFS_BACKING"',
    "is overwritten": 'printf "$$" | dd of="$FAULTFS_BACKING" bs=1 seek=9 conv=notrunc',
}
VICTIMS = pytest.mark.parametrize("victim", [SMALL, BIG])


def own(make_rig: MakeRig, victim: str) -> Rig:
    rig = make_rig(sizes=SIZES)
    rig.lay_old(victim)
    return rig


@VICTIMS
@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_once_ends_right(make_rig: MakeRig, change: str, victim: str) -> None:
    rig = own(make_rig, victim)
    action = {"type": "exec", "cmd": CHANGES[change]}
    rig.start(source=[rule("read", action, around(victim, "tree"), nth=2 if victim == BIG else 1)])
    outcome = rig.copy()
    assert len(rig.source.fired()) == 1 and rig.source.events("exec")[0]["rc"] == 0
    rig.right(outcome)
    rig.heals()


@VICTIMS
@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_never_settles_is_named(make_rig: MakeRig, change: str, victim: str) -> None:
    rig = own(make_rig, victim)
    rig.start(source=[rule("read", {"type": "exec", "cmd": CHANGES[change]}, around(victim, "tree"))])
    outcome = rig.copy(timeout_s=120)
    assert len(rig.source.fired()) >= 2
    assert outcome.code >= 8 and outcome.code & 8, outcome
    rig.reported(outcome, victim, lists=["unstable"])
    assert not outcome.json["failed"], outcome
    rig.heals()


@pytest.mark.parametrize("settles", [True, False])
def test_a_source_that_an_instrument_still_writes(make_rig: MakeRig, settles: bool) -> None:
    rig = own(make_rig, SMALL)
    rig.start(source=[rule("read", {"type": "delay", "ms": 30}, "/tree/*")])
    stop = threading.Event()

    def write() -> None:
        with open(rig.truth / SMALL, "ab", buffering=0) as file:
            while not stop.wait(0.002):
                file.write(b"more")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        process = rig.begin("--retry-wait", "0.5" if settles else "0.1")
        wait_for(lambda: [e for e in rig.source.fired() if e["path"] == f"/tree/{SMALL}"])
        if settles:
            stop.wait(0.2)
            stop.set()
            writer.join()
        outcome = rig.end(process)
    finally:
        stop.set()
        writer.join()
    if settles:
        rig.right(outcome)
    else:
        rig.reported(outcome, SMALL, lists=["unstable"])
    rig.heals()


@VICTIMS
@pytest.mark.parametrize("op", ["open", "read"])
def test_a_source_that_vanishes_is_named_or_was_read(make_rig: MakeRig, op: str, victim: str) -> None:
    """Gone before it could be opened: named. Gone while it is read: what was read is a right copy, or it is named."""
    rig = own(make_rig, victim)
    kept = (rig.truth / victim).read_bytes()
    rig.start(source=[rule(op, {"type": "exec", "cmd": 'rm "$FAULTFS_BACKING"'}, around(victim, "tree"), times=1)])
    outcome = rig.copy()
    assert len(rig.source.fired()) == 1
    rig.source_untouched()
    final = rig.finals()[victim].read_bytes()
    assert final in (kept, rig.old[victim]), "neither the old bytes nor the vanished ones"
    if final != kept or op == "open":
        assert outcome.code >= 8 and outcome.code & 8, outcome
        assert outcome.named == [victim] and victim in outcome.text, outcome
    for name, path in files_of(rig.truth).items():
        assert same_bytes(rig.finals()[name], path), name
    if final == kept:
        rig.old[victim] = kept
    healed = rig.copy()
    assert healed.code < 8 and not rig.leftovers() and not rig.missing(), healed
