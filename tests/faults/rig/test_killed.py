"""The copier is killed, or the power goes, at moments that a seed chooses."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from .conftest import MakeRig
from .stage import BIG, Rig, rule, wait_for

pytestmark = pytest.mark.slow

MOMENTS = 20
# Calls that succeed and have a caller: after one that fails, or after the last close, nobody would be killed.
DATA = ["read", "write", "fsync", "flush", "rename", "unlink"]
CALLS: Dict[str, List[str]] = {
    "large": DATA,
    "many": [*DATA, "open", "create", "mkdir", "rmdir", "link", "chmod", "utimens", "opendir", "readdir", "fsyncdir"],
}


@pytest.fixture(scope="module")
def resumed() -> List[int]:
    """Bytes that each run after a kill took up again."""
    return []


@pytest.fixture(scope="module")
def total(ground: Path) -> Dict[str, int]:
    """Calls of a clean copy, by kind of tree; counted by the first test that needs them."""
    return {}


def count_calls(rig: Rig, kind: str) -> int:
    rig.start()
    rig.right(rig.copy(timeout_s=120))
    rig.destination.stop()
    (last,) = rig.destination.events("unmounted")
    ops: Dict[str, int] = last["stats"]["ops"]
    return sum(number for op, number in ops.items() if op in CALLS[kind])


@pytest.mark.parametrize("seed", range(MOMENTS))
@pytest.mark.parametrize("kind", ["many", "large"])
def test_kill_costs_no_truth(
    make_rig: MakeRig, many: Path, large: Path, total: Dict[str, int], resumed: List[int], kind: str, seed: int
) -> None:
    truth = {"many": many, "large": large}[kind]
    if kind not in total:
        total[kind] = count_calls(make_rig(truth=truth), kind)
    rig = make_rig(truth=truth)
    rig.lay_old(*(["folder_1/5.bin", "folder_3/0.bin"] if kind == "many" else ["large/1.bin"]))
    moment = random.Random(f"{kind} {seed}").randint(1, total[kind])
    kill = {"type": "kill_caller", "after": bool(seed % 2)}
    rig.start(rule(CALLS[kind], kill, nth=moment))
    outcome = rig.copy(timeout_s=120)
    assert len(rig.destination.fired()) == 1, f"call {moment} of {total[kind]} was not reached"
    assert outcome.code == -signal.SIGKILL, f"{rig.destination.events()[-3:]}\n{outcome}"
    rig.source_untouched()
    assert not rig.wrong(), f"wrong after call {moment}"
    assert all(name in rig.finals() for name in rig.old), "an old file is gone"
    healed = rig.heals()
    if kind == "large":
        resumed.append(healed.json["resumed_bytes"])
    if len(resumed) == MOMENTS:
        assert sum(size > 0 for size in resumed) >= 3, f"hardly anything was taken up again: {resumed}"


CUTS: List[Tuple[str, str, int]] = [
    ("write", f"/dst/{BIG.split('/')[0]}/*", 2),
    ("write", "/dst/one/*", 1),
    ("fsync", "/dst/*/*", 1),
    ("fsync", "/dst/*/*", 3),
    ("rename", "/dst/*", 2),
    ("rename", "/dst/*", 4),
    ("rename", "/dst/*", 8),
    ("fsyncdir", "/dst*", 2),
    ("utimens", "/dst", 1),
    ("unlink", "/.dst.vdt/*", 2),
]


@pytest.mark.parametrize("mode", ["zero", "truncate"])
@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: f"{cut[0]} {cut[2]} of {cut[1].replace('/', ':')}")
def test_a_power_cut_leaves_right_files_or_none(rig: Rig, cut: Tuple[str, str, int], mode: str) -> None:
    """This computer's power: the copier ends with it, and what was not flushed is gone."""
    op, path, nth = cut
    rig.start(rule(op, {"type": "powercut", "mode": mode}, path, nth=nth))
    process = rig.begin()
    wait_for(lambda: rig.destination.events("exit"))
    process.kill()
    process.communicate()
    assert len(rig.destination.fired()) == 1
    assert not rig.wrong(), f"wrong after the power cut: {rig.wrong()}"
    assert all(name in rig.finals() for name in rig.old)
    rig.heals()


@pytest.mark.parametrize("moment", [2, 90, 200, 239])
def test_a_power_cut_in_a_batch_of_many_small_files(make_rig: MakeRig, many: Path, moment: int) -> None:
    """However a batch is flushed: what has its final name by then is on the medium."""
    rig = make_rig(truth=many)
    rig.start(rule("rename", {"type": "powercut"}, "/dst/*/*", nth=moment))
    process = rig.begin()
    wait_for(lambda: rig.destination.events("exit") or process.poll() is not None)
    assert len(rig.destination.fired()) == 1
    process.kill()
    process.communicate()
    assert not rig.wrong(), f"wrong after the power cut: {len(rig.wrong())} of {len(rig.finals())}"
    rig.heals()


@pytest.mark.parametrize("moment", [3, 120, 300])
def test_a_power_cut_in_a_large_file(make_rig: MakeRig, large: Path, moment: int) -> None:
    rig = make_rig(truth=large)
    rig.start(rule(["write", "read"], {"type": "powercut"}, "/dst/*/*", nth=moment))
    process = rig.begin()
    wait_for(lambda: rig.destination.events("exit") or process.poll() is not None, 60)
    assert len(rig.destination.fired()) == 1
    process.kill()
    process.communicate()
    assert not rig.wrong()
    rig.heals()


@pytest.mark.parametrize("op", ["write", "rename"])
def test_the_storage_restarts_and_has_lost_what_was_not_flushed(rig: Rig, op: str) -> None:
    """The storage's power: the copier lives on, waits, and must not trust what it wrote before."""
    rig.start(rule(op, {"type": "powercut"}, "/dst/*/*", nth=2))
    process = rig.begin("--share-wait", "30")
    wait_for(lambda: process.poll() is not None or rig.destination.events("exit"))
    assert len(rig.destination.fired()) == 1, rig.end(process)
    rig.destination.again()
    outcome = rig.end(process)
    rig.honest(outcome)
    if outcome.code >= 8:
        assert outcome.code == 16, outcome  # it may hold the new mount for another volume
    rig.heals()
