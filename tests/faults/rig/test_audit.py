"""Audits of copies that are damaged, that change, that cannot be read, that go away; and audits that are killed."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List

import pytest
from spoil import COMPOSED, DECOMPOSED, damage, flip

from vdt.sample import tree_root, write_run

from .conftest import MakeRig
from .stage import Mount, Outcome, Rig, Rule, files_of, rule, same_bytes, wait_for

pytestmark = pytest.mark.slow

RUN = "202310261058_VZGEN1_VMSC10202"
AGAINST = pytest.mark.parametrize("against", ["source", "manifest"])
SIDES = pytest.mark.parametrize("side", ["destination", "source"])


@pytest.fixture(scope="session")
def analysis(ground: Path) -> Path:
    """The analysis of a sample run, and a name that Unicode has two forms of."""
    write_run(str(ground / "drive"), run_id=RUN, n_fov=4, byte_divisor=4000, trees=["analysis"])
    (ground / "sample").mkdir()
    shutil.move(str(ground / "drive" / tree_root("analysis", RUN)), str(ground / "sample" / "tree"))
    (ground / "sample" / "tree" / COMPOSED).write_bytes(b"1,2" * 50)
    return ground / "sample" / "tree"


def words(rig: Rig, against: str) -> List[str]:
    manifest = str(rig.destination.point / "dst.xxh128")
    held = ["--source", rig.source_root] if against == "source" else ["--manifest", manifest]
    return ["audit", rig.destination_root, *held, "--state", str(rig.root / "state")]


def audit(rig: Rig, against: str, *options: str, timeout_s: float = 120) -> Outcome:
    return rig.end(rig.begin_any(*words(rig, against), *options), timeout_s=timeout_s)


def copied(rig: Rig) -> Rig:
    """A copy with its manifest and evidence; nothing is mounted afterwards."""
    rig.start()
    rig.right(rig.copy("--manifest", str(rig.destination.point / "dst.xxh128")))
    rig.destination.stop()
    rig.source.stop()
    return rig


def said(outcome: Outcome) -> Dict[str, str]:
    return {entry["path"]: entry["verdict"] for entry in outcome.json["entries"]}


@contextmanager
def writer(path: Path) -> Iterator[None]:
    """Somebody who keeps adding to a file."""
    enough = threading.Event()

    def write() -> None:
        while not enough.wait(0.01):
            with path.open("ab") as file:
                file.write(b"more")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@AGAINST
def test_twelve_kinds_of_damage_are_named_and_repaired_as_far_as_may_be(
    make_rig: MakeRig, analysis: Path, against: str
) -> None:
    rig = copied(make_rig(truth=analysis))
    rig.start()
    whole = audit(rig, against)
    assert whole.code == 0 and said(whole) == {} and whole.json["files"]["OK"] == len(files_of(rig.truth)), whole
    expected, moving, unreadable = damage(rig.stored)
    slowly = rule("read", {"type": "delay", "ms": 150}, f"/dst/{moving}", name="slow")
    rig.destination.change([rule("open_only", "EACCES", f"/dst/{unreadable}"), slowly])
    with writer(rig.stored / moving):
        outcome = audit(rig, against)
        assert said(outcome) == expected, outcome
        assert outcome.code == 8 and outcome.json["complete"] and rig.destination.fired(), outcome
        damages = {entry["damage"] for entry in outcome.json["entries"] if entry["verdict"] == "DIFFERENT"}
        assert damages == ({"zeros", "truncated", "other"} if against == "source" else {"other"}), outcome
        reasons = {entry["path"]: entry["reason"] for entry in outcome.json["entries"]}
        assert f"'{DECOMPOSED}'" in reasons[COMPOSED] and f"'{COMPOSED}'" in reasons[DECOMPOSED]
        rig.source_untouched()
        extras = [path for path, verdict in expected.items() if verdict == "EXTRA" and (rig.stored / path).is_file()]
        left = {path: (rig.stored / path).read_bytes() for path in extras}
        mended = audit(rig, "source", "--repair")
        blocked = {path for path, word in expected.items() if word == "TYPE"}
        healed = sorted(
            path
            for path, word in expected.items()
            if word in ("MISSING", "DIFFERENT") and path.rpartition("/")[0] not in blocked
        )
        assert said(mended) == {path: word for path, word in expected.items() if path not in healed}, mended
        assert mended.json["repaired"] == healed and mended.code == 8, mended
    truth, stored = files_of(rig.truth), files_of(rig.stored)
    for path in healed:
        assert same_bytes(truth[path], stored[path])
        assert truth[path].stat().st_mtime_ns == stored[path].stat().st_mtime_ns
    assert {path: stored[path].read_bytes() for path in left} == left, "what is extra stays as it is"
    rig.source_untouched()
    assert not rig.leftovers(), rig.leftovers()


def test_where_case_tells_no_names_apart_a_repair_says_what_to_rename(rig: Rig) -> None:
    copied(rig)
    (rig.stored / "top.txt").rename(rig.stored / "TOP.TXT")
    flip(rig.stored / "one" / "a.bin", 7)
    rig.source.start()
    rig.destination.start((), "--fold-case")
    outcome = audit(rig, "source", "--repair")
    assert said(outcome) == {"TOP.TXT": "EXTRA", "top.txt": "MISSING"} and outcome.code == 8, outcome
    assert outcome.json["repaired"] == ["one/a.bin"]
    (refused,) = outcome.json["not_repaired"]
    assert refused["path"] == "top.txt" and "'TOP.TXT'" in refused["reason"], outcome
    (rig.stored / "TOP.TXT").rename(rig.stored / "top.txt")
    rig.destination.again()
    assert audit(rig, "source").code == 0


# ---- away, and hanging -----------------------------------------------------------------------------------------------


def begin_with(rig: Rig, side: str, *rules: Rule) -> Mount:
    rig.start(*(rules if side == "destination" else ()), source=rules if side == "source" else ())
    return rig.destination if side == "destination" else rig.source


@SIDES
def test_an_outage_in_the_middle_is_waited_for(rig: Rig, side: str) -> None:
    copied(rig)
    mount = begin_with(rig, side, rule("*", "EHOSTDOWN", nth=60 if side == "destination" else 40, hold_s=3, times=1))
    outcome = audit(rig, "source")
    assert mount.fired(), outcome
    assert outcome.code == 0 and said(outcome) == {} and outcome.json["complete"], outcome
    assert outcome.json["files"]["OK"] == len(files_of(rig.truth))
    rig.source_untouched()


@SIDES
def test_a_side_that_goes_for_good_ends_with_16_and_the_same_command_goes_on(rig: Rig, side: str) -> None:
    copied(rig)
    mount = begin_with(rig, side, rule("*", "EHOSTDOWN", nth=60, hold_s=600, times=1))
    outcome = audit(rig, "source", "--share-wait", "2")
    assert mount.fired(), outcome
    assert outcome.code == 16 and str(mount.point) in outcome.text, outcome
    for entry in (outcome.json or {}).get("entries", []):
        assert entry["verdict"] == "OK", f"nothing may be called wrong for an outage: {entry}"
    rig.source.again()
    rig.destination.again()
    after = audit(rig, "source")
    assert after.code == 0 and said(after) == {}, after


@SIDES
def test_ctrl_c_ends_an_audit_whose_calls_hang(rig: Rig, side: str) -> None:
    copied(rig)
    mount = begin_with(rig, side, rule("read", {"type": "hang", "seconds": 30}, "/*/big/*"))
    process = rig.begin_any(*words(rig, "source"))
    wait_for(mount.fired)
    time.sleep(0.5)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    outcome = rig.end(process)
    assert time.monotonic() - pressed < 6, outcome
    assert outcome.code == 8 and outcome.json["complete"] is False, outcome
    assert "victim.bin" in outcome.text and "did not answer" in outcome.text, outcome
    assert said(outcome) == {}, outcome


# ---- killed ----------------------------------------------------------------------------------------------------------


def opened(mount: Mount) -> Counter[str]:
    """How often each file of the copy was opened."""
    return Counter(entry["path"] for entry in mount.fired("seen"))


@AGAINST
@pytest.mark.parametrize("moment", [40, 150, 230])
def test_a_killed_audit_of_small_files_reads_none_twice_but_those_in_flight(
    make_rig: MakeRig, many: Path, against: str, moment: int
) -> None:
    rig = copied(make_rig(truth=many))
    flip(rig.stored / "folder_0" / "7.bin", 5)
    seen = rule("open_only", {"type": "delay", "ms": 0}, "/dst/*", name="seen")
    rig.start(seen, rule("read", {"type": "kill_caller"}, "/dst/*", nth=moment))
    killed = audit(rig, against, "--threads", "2")
    assert killed.code == -signal.SIGKILL and len(rig.destination.fired()) == 1, killed
    first = opened(rig.destination)
    rig.destination.change([rule("open_only", {"type": "delay", "ms": 0}, "/dst/*", name="seen2")])
    outcome = audit(rig, against, "--threads", "2")
    assert said(outcome) == {"folder_0/7.bin": "DIFFERENT"} and outcome.code == 8, outcome
    second = Counter(entry["path"] for entry in rig.destination.fired("seen2"))
    twice = set(first) & set(second)
    assert len(twice) <= 2 * 64, f"{len(twice)} of {len(first)} were read again"
    assert outcome.json["carried_files"] == len(set(first) - set(second)), "what was not read again was read before"
    assert len(set(first) | set(second)) == 240


@AGAINST
def test_a_killed_audit_of_large_files_begins_only_the_one_in_flight_again(
    make_rig: MakeRig, large: Path, against: str
) -> None:
    rig = copied(make_rig(truth=large))
    seen = rule("open_only", {"type": "delay", "ms": 0}, "/dst/*", name="seen")
    rig.start(seen, rule("read", {"type": "kill_caller"}, "/dst/large/2.bin", nth=30))
    killed = audit(rig, against, "--threads", "1")
    assert killed.code == -signal.SIGKILL, killed
    assert {path[-5:] for path in opened(rig.destination)} == {"0.bin", "1.bin", "2.bin"}
    rig.destination.change([rule("open_only", {"type": "delay", "ms": 0}, "/dst/*", name="seen2")])
    outcome = audit(rig, against, "--threads", "1")
    assert outcome.code == 0 and outcome.json["carried_files"] == 2, outcome
    assert {entry["path"] for entry in rig.destination.fired("seen2")} == {"/dst/large/2.bin"}
    assert outcome.json["files"]["OK"] == 3
    assert not list((rig.root / "state").rglob("read.jsonl")), "nothing is left to go on with"
