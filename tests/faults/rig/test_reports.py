"""The disk is full, or fails, exactly where a report is written: log, evidence, manifest, lock. The data is right."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from .conftest import MakeRig
from .stage import Mount, Outcome, Rig, rule, wait_for

pytestmark = pytest.mark.slow

REPORTS: Dict[str, str] = {  # what the rule is for -> path at the destination's mount
    "log": "/copy.log",
    "evidence": "/copy.evidence/*",
    "manifest": "/copy*xxh128*",
    "files": "/copy.jsonl",
    "lock": "/.dst.vdt/*",
}
SIZES = {"top.txt": 4, "one/a.bin": 3000, "one/b.bin": 0, "deep/er/d.bin": 4096}
CASES = [(what, error) for what in REPORTS for error in ("ENOSPC", "EIO")] + [("log", "EDQUOT")]


def report(rig: Rig, name: str) -> Path:
    return rig.destination.store / name


def copy(rig: Rig) -> Outcome:
    at = rig.destination.point
    options: List[str] = ["--log", str(at / "copy.log"), "--jsonl", str(at / "copy.jsonl")]
    return rig.copy(*options, "--manifest", str(at / "copy.xxh128"), "--existing", "prove")


def lists_all(rig: Rig, manifest: Path) -> bool:
    lines = manifest.read_text("utf-8").splitlines()
    return sorted(line.partition("  ")[2] for line in lines) == sorted(SIZES) and manifest.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(("what", "error"), CASES)
def test_a_report_that_cannot_be_written_costs_no_data_and_no_truth(make_rig: MakeRig, what: str, error: str) -> None:
    """At the first, the second ... call that writes, flushes, makes or renames it, until a run passes clean."""
    rig = make_rig(sizes=SIZES)
    rig.start()
    nth, ends = 1, []
    while True:
        calls = ["write", "create", "fsync", "flush", "rename"]
        rig.destination.change([rule(calls, error, REPORTS[what], f"{what} {nth}", nth=nth)])
        outcome = copy(rig)
        fired = len(rig.destination.fired(f"{what} {nth}"))
        rig.honest(outcome)
        manifest = report(rig, "copy.xxh128")
        assert not manifest.exists() or lists_all(rig, manifest), f"call {nth}: half a manifest\n{outcome}"
        if outcome.code < 8:
            assert manifest.exists() and "Ended" in report(rig, "copy.log").read_text("utf-8"), outcome
        else:
            assert outcome.err.strip() or outcome.out.strip(), "without a word"
        ends.append(outcome.code)
        rig.destination.change([])
        healed = copy(rig)
        rig.right(healed)
        assert lists_all(rig, manifest), healed
        if not fired:
            break
        rig.destination.stop()
        for path in sorted(rig.destination.store.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        rig.destination.start()
        nth += 1
    assert nth > 2 and ends[-1] < 8
    assert any(code >= 8 for code in ends) or what == "lock", "no failure was ever told"


LARGE: Tuple[str, int] = ("large.bin", 130 << 20)


def test_a_disk_that_comes_back_under_another_name_is_gone_on_with(make_rig: MakeRig) -> None:
    """Pulled out in the middle of a large file, and mounted elsewhere: the same copy with the new name goes on."""
    rig = make_rig(sizes={LARGE[0]: LARGE[1], "small.txt": 5})
    rig.start(rule("write", {"type": "delay", "ms": 3}, "/dst/*"))
    process = rig.begin("--share-wait", "2")
    wait_for(lambda: list(rig.destination.store.glob(".dst.vdt/*.journal")), 60)
    assert rig.destination.process is not None
    rig.destination.process.kill()  # pulled out: what is open there is gone too
    rig.destination.stop()
    gone = rig.end(process, timeout_s=60)
    assert gone.code == 16 and not gone.json["failed"], gone
    assert str(rig.destination.point) in gone.text, gone
    elsewhere = Mount(rig.root, "drive_of_another_letter", store=rig.destination.store)
    elsewhere.start()
    former, rig.destination = rig.destination, elsewhere
    try:
        outcome = rig.copy(timeout_s=120)
        rig.right(outcome)
        assert outcome.json["resumed_bytes"] >= 64 << 20, outcome
    finally:
        elsewhere.stop()
        rig.destination = former
