"""Mounts that are sound and do less than a disk does: they lie about flushes, keep coarse times, fold case, know no
modes, or are tiny."""

from __future__ import annotations

import os
from typing import Dict, List, Tuple

import pytest

from .conftest import MakeRig
from .stage import BIG, MIB, SIZES, SMALL, Rig, Rule, rule, wait_for

pytestmark = pytest.mark.slow
Mount = Tuple[Tuple[str, ...], List[Rule]]
MOUNTS: Dict[str, Mount] = {
    "lies about fsync": ((), [rule(["fsync", "fsyncdir"], "ignore")]),
    "keeps times of 2 s": ((), [rule("utimens", {"type": "mtime_lie", "round_s": 2})]),
    "keeps times of 1 s": ((), [rule("utimens", {"type": "mtime_lie", "round_s": 1})]),
    "folds case": (("--fold-case",), []),
    "knows no modes": ((), [rule(["chmod", "chown"], "EPERM")]),
    "knows no calls for modes": ((), [rule(["chmod", "chown", "fallocate", "link"], "ENOSYS")]),
    "answers slowly": (("--latency-ms", "3"), []),
    "has a page cache": (("--page-cache", "--attr-timeout", "1", "--entry-timeout", "1"), []),
}


def on(rig: Rig, kind: str) -> None:
    options, rules = MOUNTS[kind]
    rig.destination.options += options
    rig.start(*rules)


def damaged(rig: Rig, name: str) -> None:
    """One byte is another; size and time stay."""
    path = rig.stored / name
    status = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("level", ["reread", "cold", "both"])
@pytest.mark.parametrize("kind", MOUNTS)
def test_a_lesser_mount_gets_a_right_copy_and_no_second_one(rig: Rig, kind: str, level: str) -> None:
    """And what is spoiled there later is found where contents are compared."""
    on(rig, kind)
    verify = ("--verify", level)
    first = rig.copy("--threads", "3", *verify)
    exact = not kind.startswith("keeps times")
    rig.right(first, times=exact)
    second = rig.copy(*verify)
    rig.right(second, times=exact)
    assert second.json["counts"]["files"]["copied"] == 0, second
    damaged(rig, SMALL)
    assert rig.wrong() == [SMALL]
    third = rig.copy("--checksum", *verify)
    rig.right(third, times=exact)
    assert third.json["counts"]["files"]["copied"] == 1, third


def test_coarse_times_are_said(rig: Rig) -> None:
    on(rig, "keeps times of 1 s")
    assert "time" in rig.copy().text


def test_a_lie_about_fsync_costs_what_a_power_cut_took_until_contents_are_compared(rig: Rig) -> None:
    """No copier can see through it: the run was a success, and size and time are right. Whoever looks finds it."""
    rig.start(*MOUNTS["lies about fsync"][1], rule("getattr", {"type": "powercut"}, "/cut-now", name="cut"))
    rig.right(rig.copy())
    with pytest.raises(OSError):
        os.stat(rig.destination.point / "cut-now")
    wait_for(lambda: rig.destination.events("exit"))
    assert rig.wrong(), "the cut took nothing"
    rig.destination.again()
    found = rig.copy("--checksum")
    rig.right(found)
    assert found.json["counts"]["files"]["copied"] > 0


def test_names_that_differ_by_case_alone_are_never_merged(make_rig: MakeRig) -> None:
    rig = make_rig(sizes={"a.bin": 10, "A.bin": 20, "folder/x": 3, "FOLDER/y": 4, "other": 5})
    on(rig, "folds case")
    outcome = rig.copy()
    assert outcome.code >= 8, outcome
    rig.source_untouched()
    lost = set(rig.missing())
    assert lost and all({name, name.partition("/")[0]} & set(outcome.named) for name in lost), outcome
    assert "other" not in lost
    for name in lost & {"a.bin", "A.bin"}:
        assert name in outcome.text


def test_an_older_copy_in_another_case_is_replaced(make_rig: MakeRig) -> None:
    rig = make_rig(sizes={"Top.txt": 10, "Folder/x": 3})
    (rig.stored / "FOLDER").mkdir(parents=True)
    (rig.stored / "TOP.TXT").write_bytes(b"older")
    (rig.stored / "FOLDER" / "X").write_bytes(b"o")
    on(rig, "folds case")
    outcome = rig.copy()
    assert outcome.code < 8, outcome
    held = {path.relative_to(rig.stored).as_posix().lower(): path.read_bytes() for path in rig.finals().values()}
    assert held == {name.lower(): (rig.truth / name).read_bytes() for name in ("Top.txt", "Folder/x")}
    assert rig.copy().json["counts"]["files"]["copied"] == 0


@pytest.mark.parametrize("room", [0, 50_000, 200_000, MIB, 3 * MIB])
def test_a_tiny_mount_is_said_to_be_full_and_keeps_what_fits(rig: Rig, room: int) -> None:
    rig.start(rule(["write", "create"], {"type": "disk_full", "limit": room, "mode": "used", "creates": True}))
    outcome = rig.copy()
    rig.honest(outcome)
    assert outcome.code >= 8 and "full" in outcome.text.lower(), outcome
    assert len(rig.destination.fired()) < 40, "hammered"
    assert BIG in rig.missing() and len(rig.missing()) <= len(SIZES)
    rig.heals()


def test_a_page_cache_that_hides_a_bad_write_is_never_called_passed_by(rig: Rig) -> None:
    """What is read back may come from this client's cache: it is seen, or recorded as read back and no more."""
    rig.destination.options += ("--page-cache", "--keep-cache")
    rig.start(rule("write", {"type": "bitflip"}, "/dst/small/*"))
    outcome = rig.copy("--verify", "cold")
    assert rig.destination.fired()
    rig.source_untouched()
    if outcome.code < 8:
        levels = outcome.json["files_by_evidence"]
        assert not levels["cold"] and not levels["both"] and levels["reread"], outcome
        assert "cannot be shown" in outcome.text, outcome
    else:
        rig.reported(outcome, SMALL)
    rig.destination.again()
    rig.right(rig.copy("--checksum"))
