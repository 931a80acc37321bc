"""The faults that a copier is to survive, as rules for the file system that breaks on command (tests/rigs/faultfs.py).

Each scenario says what breaks and what is expected of a copier that verifies: `ok` (it succeeds), `report` (it cannot,
and says so), `either`. Whatever is expected, success over wrong or missing data is wrong. `Scenario.information` marks
what no copier can know by itself: shown, and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

from .rig.stage import BIG, MIB, SMALL, Rule, around, rule

KILLED = {"type": "kill_caller"}
CUT = "cut-now"  # a name that is asked for when the copier has ended: then the power goes
CALLS = ("read", "write", "create", "open", "rename", "mkdir", "opendir", "utimens", "flush", "fsync", "getattr")


@dataclass(frozen=True)
class Scenario:
    """What breaks during the first of two runs; the second one meets no fault."""

    name: str
    expected: str
    rules: Tuple[Rule, ...] = ()  # at the destination
    source: Tuple[Rule, ...] = ()
    changes: bool = False  # the source is changed by somebody else meanwhile
    cut_after: bool = False  # power goes after the copier has ended
    same_age: bool = False  # the older copy has the size and time of the source's file, and other bytes
    options: Tuple[str, ...] = ()  # of the file system, on both sides
    seed: int = 1
    information: bool = False
    timeout_s: float = 60.0


def _at(victim: str, where: int = 0) -> Dict[str, Any]:
    return {"offset": where + (MIB + 5 if victim == BIG else 0)}


def _bad_writes() -> List[Scenario]:
    kinds: Dict[str, Dict[str, Any]] = {
        "a bit flips": {"type": "bitflip"},
        "torn, then zeros": {"type": "torn_write", "rest": "zeros"},
        "torn, then as before": {"type": "torn_write", "rest": "old"},
        "torn, then nothing": {"type": "torn_write", "rest": "cut"},
        "lost, zeros there": {"type": "lost_write", "mode": "zeros"},
        "lost, a hole there": {"type": "lost_write", "mode": "hole"},
        "lost, file too short": {"type": "lost_write", "mode": "drop"},
        "stored elsewhere": {"type": "misdirected_write", "delta": 4096},
    }
    made = []
    for kind, action in kinds.items():
        for victim in (SMALL, BIG):
            size = victim.partition("/")[0]
            made.append(
                Scenario(
                    f"write {kind} ({size})",
                    "ok",
                    (rule("write", action, around(victim), **_at(victim), times=1),),
                )
            )
    made.append(Scenario("write always flips", "report", (rule("write", {"type": "bitflip"}, around(SMALL)),)))
    return made


def _refusals() -> List[Scenario]:
    made = [
        Scenario("write EIO once", "ok", (rule("write", "EIO", around(SMALL), times=1),)),
        Scenario("write EIO once, late", "ok", (rule("write", "EIO", around(BIG), **_at(BIG), times=1),)),
        Scenario("write EIO for good", "report", (rule("write", "EIO", around(BIG)),)),
        Scenario("write ESTALE once", "ok", (rule("write", "ESTALE", around(BIG), times=1),)),
        Scenario("short writes", "ok", (rule("write", {"type": "short_write"}, "/dst/*", prob=0.5),)),
        Scenario("fsync EIO once", "ok", (rule("fsync", "EIO", around(BIG), times=1),)),
        Scenario("close EIO once", "ok", (rule("flush", "EIO", around(BIG), handle="w", times=1),)),
        Scenario("close EIO for good", "report", (rule("flush", "EIO", around(BIG), handle="w"),)),
        Scenario("open EBUSY once", "ok", (rule("create", "EBUSY", around(SMALL), times=1),)),
        Scenario("open EACCES for good", "report", (rule(["create", "open"], "EACCES", around(SMALL)),)),
        Scenario("mkdir EIO once", "ok", (rule("mkdir", "EIO", "/dst/deep", times=1),)),
        Scenario("mkdir EACCES for good", "report", (rule("mkdir", "EACCES", "/dst/deep"),)),
        Scenario("mkdir says yes, not done", "either", (rule("mkdir", "ignore", "/dst/deep", times=1),)),
        Scenario("stat ESTALE once", "ok", (rule("getattr", "ESTALE", around(SMALL), times=1),)),
        Scenario("listing EIO once", "ok", (rule(["opendir", "readdir"], "EIO", "/dst/small", times=1),)),
        Scenario("times refused", "either", (rule("utimens", "EPERM"),)),
        Scenario("times said set, not done", "either", (rule("utimens", "ignore"),)),
        Scenario("times of 2 s", "ok", (rule("utimens", {"type": "mtime_lie", "round_s": 2}),)),
        Scenario("chmod, chown refused", "either", (rule(["chmod", "chown"], "EPERM"),)),
        Scenario("disk full half way", "report", (_full("ENOSPC"),)),
        Scenario("quota half way", "report", (_full("EDQUOT"),)),
    ]
    renames: Dict[str, Tuple[str, Any]] = {
        "rename EBUSY once": ("ok", "EBUSY"),
        "rename says yes, not done": ("ok", "ignore"),
        "rename done, says ETIMEDOUT": ("ok", {"type": "errno", "errno": "ETIMEDOUT", "after": True}),
    }
    made += [Scenario(n, e, (rule("rename", a, around(SMALL), times=1),)) for n, (e, a) in renames.items()]
    made.append(Scenario("rename EACCES for good", "report", (rule("rename", "EACCES", around(SMALL)),)))
    return made


def _full(code: str) -> Rule:
    action = {"type": "disk_full", "limit": 2 * MIB, "mode": "used", "errno": code}
    return rule(["write", "fallocate", "create"], action)


def _sources() -> List[Scenario]:
    here = around(SMALL, "tree")
    far = around(BIG, "tree")
    run = {
        "file grows": 'printf more >> "$FAULTFS_BACKING"',
        "file shrinks": 'truncate -s -7 "$FAULTFS_BACKING"',
        "file is overwritten": 'printf changed | dd of="$FAULTFS_BACKING" bs=1 seek=9 conv=notrunc',
        "file is replaced": 'cp "$FAULTFS_BACKING" "$FAULTFS_BACKING.n"; printf x >> "$FAULTFS_BACKING.n";'
        ' mv "$FAULTFS_BACKING.n" "$FAULTFS_BACKING"',
    }
    made = [
        Scenario("source bad sector for good", "report", source=(rule("read", "EIO", far, **_at(BIG)),)),
        Scenario("source EIO once", "ok", source=(rule("read", "EIO", far, **_at(BIG), times=1),)),
        Scenario("source ESTALE once", "ok", source=(rule("read", "ESTALE", here, times=1),)),
        Scenario("source bit read wrong once", "either", source=(_once({"type": "bitflip"}, far),)),
        Scenario("source zeros read once", "either", source=(_once({"type": "zeros_read", "length": 512}, far),)),
        Scenario("source short reads", "ok", source=(rule("read", {"type": "short_read"}, prob=0.5),)),
        Scenario("source ends too early", "report", source=(rule("read", {"type": "eof", "at": MIB}, far),)),
        Scenario("source open EACCES", "report", source=(rule("open", "EACCES", here),)),
        Scenario("source stat ESTALE once", "ok", source=(rule("getattr", "ESTALE", here, times=1),)),
        Scenario("source folder unreadable", "report", source=(rule(["opendir", "readdir"], "EACCES", "/tree/deep*"),)),
        Scenario("source stat one byte more", "report", source=(_lie(here, 1),)),
        Scenario("source stat one byte less", "report", source=(_lie(here, -1),)),
        Scenario("source lists a phantom", "report", source=(_names("phantom", ["not_there.bin"]),)),
        Scenario("source hides a file", "either", source=(_names("hide", ["victim.bin"]),), information=True),
        Scenario(
            "source file deleted before open",
            "report",
            source=(rule("open", {"type": "exec", "cmd": 'rm "$FAULTFS_BACKING"'}, here, times=1),),
            changes=True,
        ),
    ]
    for name, command in run.items():
        action = {"type": "exec", "cmd": command}
        made.append(
            Scenario(f"source {name}", "either", source=(rule("read", action, far, nth=2, times=1),), changes=True)
        )
    return made


def _once(action: Dict[str, Any], where: str) -> Rule:
    return rule("read", action, where, **_at(BIG), times=1)


def _lie(where: str, delta: int) -> Rule:
    return rule("getattr", {"type": "size_lie", "delta": delta}, where)


def _names(kind: str, names: List[str]) -> Rule:
    return rule("readdir", {"type": kind, "names": names}, "/tree/small")


def _outages() -> List[Scenario]:
    def away(nth: int, seconds: float) -> Rule:
        return rule("*", "EHOSTDOWN", nth=nth, hold_s=seconds, times=1)

    hang = {"type": "hang", "seconds": 4}
    return [
        Scenario("destination away 2 s", "either", (away(60, 2),)),
        Scenario("source away 2 s", "either", source=(away(30, 2),)),
        Scenario("write hangs 4 s", "ok", (rule("write", hang, around(BIG), times=1),)),
        Scenario(
            "write hangs, then ETIMEDOUT", "ok", (rule("write", {**hang, "then": "ETIMEDOUT"}, around(BIG), times=1),)
        ),
        Scenario("destination dies", "report", (rule("write", {"type": "crash"}, around(BIG), nth=2),)),
        Scenario("source dies", "report", source=(rule("read", {"type": "crash"}, around(BIG, "tree"), nth=2),)),
        Scenario("5 ms a call", "ok", options=("--latency-ms", "5")),
        Scenario("power cut in a write", "report", (rule("write", {"type": "powercut"}, around(BIG), nth=2),)),
        Scenario("power cut in a close", "report", (rule("flush", {"type": "powercut"}, "/dst/one/*", handle="w"),)),
        Scenario("power cut in setting times", "report", (rule("utimens", {"type": "powercut"}, "/dst/*", nth=3),)),
        Scenario("power cut after success", "ok", (rule("getattr", {"type": "powercut"}, f"/{CUT}"),), cut_after=True),
        Scenario(
            "power cut after, files cut",
            "ok",
            (rule("getattr", {"type": "powercut", "mode": "truncate"}, f"/{CUT}"),),
            cut_after=True,
        ),
        Scenario("killed in a write", "report", (rule("write", KILLED, around(BIG), nth=2),)),
        Scenario("killed in a close", "report", (rule("flush", KILLED, around(SMALL), handle="w", times=1),)),
        Scenario("killed in a create", "report", (rule("create", KILLED, "/dst/*", nth=3),)),
        Scenario("killed in setting times", "report", (rule("utimens", KILLED, "/dst/*", nth=2),)),
    ]


def _others() -> List[Scenario]:
    made = [
        Scenario("read back wrong once", "ok", (_once({"type": "bitflip"}, around(BIG)),), information=True),
        Scenario("older wrong copy, same size, time", "either", same_age=True, information=True),
        Scenario(
            "fsync says yes, power cut after",
            "either",
            (rule("getattr", {"type": "powercut"}, f"/{CUT}"), rule(["fsync", "fsyncdir"], "ignore", name="lie")),
            cut_after=True,
            information=True,
        ),
    ]
    for percent in (1, 2, 3):
        for side in ("destination", "source"):
            fault = (rule(list(CALLS), "EIO", prob=percent / 100),)
            here, there = (fault, ()) if side == "destination" else ((), fault)
            made.append(Scenario(f"{percent} % of calls fail ({side})", "either", here, there, seed=percent))
    return made


SCENARIOS: Tuple[Scenario, ...] = (*_bad_writes(), *_refusals(), *_sources(), *_outages(), *_others())
