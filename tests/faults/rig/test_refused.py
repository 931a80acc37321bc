"""Calls that are refused, once or for good, and calls that say OK and are not done."""

from __future__ import annotations

import os
from typing import Any, Dict, NamedTuple

import pytest

from .conftest import MakeRig
from .stage import BIG, MIB, SIZES, SMALL, Outcome, Rig, around, rule

pytestmark = pytest.mark.slow

VICTIMS = pytest.mark.parametrize("victim", [SMALL, BIG])
FOLDER_CALLS, FILE_CALLS = ("getattr", "opendir", "readdir"), ("open", "read", "flush")
SOURCE_CALLS = [
    *(("/tree", op) for op in FOLDER_CALLS),
    *((path, op) for path in ("/tree/small*", "/tree/big*") for op in FOLDER_CALLS + FILE_CALLS),
]
LATE_RENAME = {"type": "errno", "errno": "ETIMEDOUT", "after": True}


# ---- once ----------------------------------------------------------------------------------------------------------


@VICTIMS
@pytest.mark.parametrize("error", ["ESTALE", "EIO"])
@pytest.mark.parametrize(
    "op", ["create", "open_only", "write", "read", "utimens", "rename", "getattr", "fsync", "flush"]
)
def test_one_call_of_a_file_fails_once(rig: Rig, op: str, error: str, victim: str) -> None:
    rig.start(rule(op, error, around(victim), times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.right(outcome)
    rig.heals()


@pytest.mark.parametrize("error", ["ESTALE", "EIO"])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("op", ["mkdir", "opendir", "readdir", "fsyncdir", "statfs", "unlink", "chmod"])
def test_one_call_around_the_files_fails_once(rig: Rig, op: str, nth: int, error: str) -> None:
    """The state folder's calls included."""
    rig.start(rule(op, error, nth=nth))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.right(outcome)
    rig.heals()


@pytest.mark.parametrize("error", ["ESTALE", "EIO"])
@pytest.mark.parametrize(("path", "op"), SOURCE_CALLS)
def test_one_call_at_the_source_fails_once(rig: Rig, path: str, op: str, error: str) -> None:
    rig.start(source=[rule(op, error, path, times=1)])
    outcome = rig.copy()
    assert len(rig.source.fired()) == 1
    rig.right(outcome)
    rig.heals()


@VICTIMS
@pytest.mark.parametrize("op", ["fsync", "flush"])
def test_after_a_failed_flush_the_partial_is_written_anew(rig: Rig, op: str, victim: str) -> None:
    """A second flush that succeeds is a lie: the bytes are given to the disk again."""
    rig.destination.options += ("--log-all",)
    rig.start(rule(op, "EIO", around(victim), handle="w", times=1))
    outcome = rig.copy()
    rig.right(outcome)
    events = rig.destination.events()
    (failed,) = (number for number, entry in enumerate(events) if entry["event"] == "fault")
    later = [e for e in events[failed + 1 :] if e["event"] == "op" and e["path"].startswith(around(victim)[:-1])]
    assert sum(e["r"] for e in later if e["op"] == "write") == SIZES[victim], "not written anew as a whole"
    assert [e for e in later if e["op"] == "fsync" and e["r"] == 0], "what was written anew was not flushed"
    rig.heals()


# ---- for good ------------------------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    op: str
    action: Any
    most: int  # firings; what cannot pass is not hammered


REFUSALS = [
    Refusal("create", "EACCES", 7),
    Refusal("create", "EROFS", 7),
    Refusal("rename", "EACCES", 7),
    Refusal("write", "EIO", 14),
    Refusal("write", "EFBIG", 14),
    Refusal("read", "EIO", 40),
    Refusal("fsync", "EIO", 14),
    Refusal("flush", "EIO", 40),
    Refusal("rename", "EIO", 14),
    Refusal("rename", "ignore", 14),
    Refusal("rename", LATE_RENAME, 14),
]


def called(refusal: Refusal) -> str:
    return f"{refusal.op} {refusal.action if isinstance(refusal.action, str) else 'done and ETIMEDOUT'}"


@VICTIMS
@pytest.mark.parametrize("refusal", REFUSALS, ids=called)
def test_one_file_is_refused_for_good_and_the_others_arrive(rig: Rig, refusal: Refusal, victim: str) -> None:
    rig.start(rule(refusal.op, refusal.action, around(victim)))
    outcome = rig.copy()
    assert 1 <= len(rig.destination.fired()) <= refusal.most
    if refusal.action is LATE_RENAME and outcome.code < 8:
        rig.right(outcome)  # it was done each time
    elif refusal.action is LATE_RENAME:
        rig.honest(outcome)
        assert outcome.named == [victim], outcome
    else:
        rig.reported(outcome, victim)
    rig.heals()


@pytest.mark.parametrize("error", ["EACCES", "EIO"])
def test_a_source_file_that_cannot_be_opened(rig: Rig, error: str) -> None:
    rig.start(source=[rule("open", error, "/tree/small/*")])
    outcome = rig.copy()
    assert 1 <= len(rig.source.fired()) <= 7
    rig.reported(outcome, SMALL)
    rig.heals()


def test_a_bad_sector_of_the_source(rig: Rig) -> None:
    """No zeros in place of the data."""
    rig.start(source=[rule("read", "EIO", "/tree/big/*", offset=2 * MIB + 17)])
    outcome = rig.copy()
    assert rig.source.fired()
    rig.reported(outcome, BIG)
    rig.heals()


@pytest.mark.parametrize("path", ["/tree/small", "/tree/deep/er"])
def test_a_folder_of_the_source_that_cannot_be_listed(rig: Rig, path: str) -> None:
    rig.start(source=[rule("list", "EACCES", path)])
    outcome = rig.copy()
    assert rig.source.fired()
    rig.honest(outcome)
    assert outcome.code >= 8 and path.replace("/tree/", "") in outcome.text, outcome
    assert all(name.startswith(path.replace("/tree/", "")) for name in rig.missing())
    rig.heals()


@pytest.mark.parametrize("error", ["EACCES", "EIO"])
def test_a_folder_that_cannot_be_made(rig: Rig, error: str) -> None:
    rig.start(rule("mkdir", error, "/dst/one"))
    outcome = rig.copy()
    assert 1 <= len(rig.destination.fired()) <= 7 * 3
    rig.honest(outcome)
    assert outcome.code >= 8 and "one" in outcome.text, outcome
    assert set(rig.missing()) == {name for name in SIZES if name.startswith("one/")}, outcome
    rig.heals()


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("op", ["flush", "fsync", "write"])
def test_a_lock_that_cannot_be_written_at_first(rig: Rig, op: str, times: int) -> None:
    """Copied or refused; whatever was begun for the lock is gone after the next run."""
    rig.start(rule(op, "EIO", "*lock.json*", times=times))
    outcome = rig.copy()
    assert rig.destination.fired()
    rig.honest(outcome)
    assert outcome.code < 8 or outcome.code == 16, outcome
    rig.heals()


@pytest.mark.parametrize("victim_fails", [False, True], ids=["complete", "not complete"])
def test_a_state_folder_that_cannot_lie_beside_the_destination(rig: Rig, victim_fails: bool) -> None:
    """It lies in `.vdt/` inside then, is no part of the tree, and the next run, which has it beside, tidies up."""
    faults = [rule("mkdir", "EACCES", "/.dst.vdt*")]
    if victim_fails:
        faults.append(rule("write", "EIO", around(BIG), "victim"))
    rig.start(*faults)
    outcome = rig.copy()
    assert rig.destination.fired()
    if victim_fails:
        rig.reported(outcome, BIG)
    else:
        rig.right(outcome)
    assert rig.heals().json["counts"]["dirs"]["extras"] == 0


@pytest.mark.parametrize("after_calls", [0, 15, 30, 42])
def test_a_destination_that_turns_read_only(rig: Rig, after_calls: int) -> None:
    rig.start(rule("mutate", "EROFS", after_calls=after_calls))
    outcome = rig.copy()
    assert 1 <= len(rig.destination.fired()) <= 60
    rig.honest(outcome)
    assert outcome.code == 16 or (outcome.code >= 8 and after_calls), outcome
    assert "read-only" in outcome.text.lower(), outcome
    rig.heals()


# ---- said, and not done --------------------------------------------------------------------------------------------


NOT_AS_SAID = pytest.mark.parametrize("action", ["ignore", LATE_RENAME], ids=["not done", "done and ETIMEDOUT"])


@VICTIMS
@NOT_AS_SAID
@pytest.mark.parametrize("over_an_old_file", [True, False], ids=["over an old file", "a new name"])
def test_a_rename_that_was_not_what_it_said(
    make_rig: MakeRig, action: Any, victim: str, over_an_old_file: bool
) -> None:
    rig = make_rig()
    if over_an_old_file:
        rig.lay_old(victim)
    rig.start(rule("rename", action, around(victim), times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.right(outcome)
    rig.heals()


@VICTIMS
def test_a_rename_that_took_the_old_file_away_and_failed(rig: Rig, victim: str) -> None:
    rig.old.pop(victim)
    rig.start(rule("rename", {"type": "rename_halfway"}, around(victim), times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.right(outcome)
    rig.heals()


@NOT_AS_SAID
def test_the_rename_of_the_probe_is_not_what_it_said(rig: Rig, action: Any) -> None:
    """Tried three times before a run is refused."""
    rig.start(rule("rename", action, "/dst/.vdt-*", nth=1))
    outcome = rig.copy()
    assert rig.destination.fired()[0]["to"].endswith(".partial")
    rig.right(outcome)
    rig.heals()


@NOT_AS_SAID
def test_every_first_rename_is_not_what_it_said(rig: Rig, action: Any) -> None:
    rig.start(rule("rename", action, "/dst/*/*", times=1, per="file"))
    outcome = rig.copy()
    assert len(rig.destination.fired()) >= sum("/" in name for name in SIZES)
    rig.right(outcome)
    rig.heals()


@pytest.mark.parametrize("op", ["unlink", "fsync", "utimens", "mkdir"])
def test_a_call_that_says_yes_and_does_nothing_once(rig: Rig, op: str) -> None:
    """A folder that is not there may be reported; of the others nothing may be seen."""
    rig.start(rule(op, "ignore", "/dst/one" if op == "mkdir" else "*.partial", times=1))
    outcome = rig.copy()
    assert len(rig.destination.fired()) == 1
    rig.honest(outcome)
    if op == "mkdir" and outcome.code >= 8:
        assert set(rig.missing()) <= set(outcome.named), outcome
    else:
        rig.right(outcome)
    rig.heals()


# ---- times ---------------------------------------------------------------------------------------------------------

ROUNDED = {"type": "mtime_lie", "round_s": 2}


def copied(outcome: Outcome) -> int:
    count: int = outcome.json["counts"]["files"]["copied"]
    return count


TIMES: Dict[str, Any] = {"rounded": ROUNDED, "refused": "EPERM", "not kept": "ignore"}


@pytest.mark.parametrize("how", TIMES)
@pytest.mark.parametrize("with_manifest", [False, True], ids=["plain", "manifest"])
def test_times_that_the_share_does_not_keep(make_rig: MakeRig, how: str, with_manifest: bool) -> None:
    """The data counts. The next run, on the same share, does not copy all again."""
    rig = make_rig()
    rig.start(rule("utimens", TIMES[how]))
    options = ("--manifest", str(rig.root / "list.xxh128"), "--existing", "prove") if with_manifest else ()
    first = rig.copy(*options)
    assert rig.destination.fired()
    rig.right(first, times=False)
    assert copied(first) == len(SIZES), first
    assert "time" in first.text, "nothing is said about the times"
    second = rig.copy(*options)
    rig.right(second, times=False)
    if how == "rounded" or with_manifest:
        assert copied(second) == 0, second


@pytest.mark.parametrize("how", ["rounded", "kept"])
def test_prove_reads_what_was_never_proven(make_rig: MakeRig, how: str) -> None:
    """Copied without a look, then one file spoiled behind the copier's back: size and time are no proof."""
    rig = make_rig()
    rig.start(*([rule("utimens", ROUNDED)] if how == "rounded" else []))
    rig.right(rig.copy("--verify", "none"), times=False)
    assert how == "kept" or rig.destination.fired()
    victim = rig.stored / SMALL
    status = victim.stat()
    with open(victim, "r+b") as file:
        file.seek(4711)
        byte = file.read(1)
        file.seek(4711)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert rig.wrong() == [SMALL]
    outcome = rig.copy("--existing", "prove", "--manifest", str(rig.root / "list.xxh128"))
    rig.right(outcome, times=False)
    levels: Dict[str, int] = outcome.json["files_by_evidence"]
    assert levels["reread"] + levels["cold"] + levels["both"] == len(SIZES), outcome
    assert copied(outcome) <= 1 or how == "rounded", outcome


# ---- full ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
def test_a_full_destination_stops_the_run_and_room_heals_it(rig: Rig, error: str) -> None:
    """With the default waits: they would be minutes."""
    rig.start(
        rule(["write", "fallocate", "create"], {"type": "disk_full", "limit": 2 * MIB, "mode": "used", "errno": error})
    )
    outcome = rig.end(rig.begin("--retry-wait", "5"), timeout_s=60)
    assert 1 <= len(rig.destination.fired()) <= 24, "hammered"
    assert outcome.seconds < 10, outcome
    rig.honest(outcome)
    assert outcome.code >= 8, outcome
    assert "full" in outcome.text.lower() or "quota" in outcome.text.lower(), outcome
    rig.destination.change([])
    rig.right(rig.copy())


def test_a_large_file_goes_on_when_there_is_room_again(make_rig: MakeRig) -> None:
    """The chunks of 64 MiB that were recorded are not copied twice."""
    rig = make_rig(sizes={"big/one.bin": 200 * MIB, "small.txt": 5})
    rig.start(rule(["write", "fallocate"], {"type": "disk_full", "limit": 150 * MIB, "mode": "written"}))
    outcome = rig.copy(timeout_s=120)
    assert 1 <= len(rig.destination.fired()) <= 24
    rig.honest(outcome)
    assert outcome.code >= 8 and "full" in outcome.text.lower(), outcome
    rig.destination.change([])
    second = rig.copy(timeout_s=120)
    rig.right(second)
    assert second.json["resumed_bytes"] > 0, second
