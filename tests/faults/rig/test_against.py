"""The public fault list against our own copier and against one that never reads back: the judge is judged, too."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from .. import against
from ..against import NOT_MET, RIGHT, SAID_SO, WRONG, Finding, judge, table
from ..scenarios import SCENARIOS, Scenario

OURS = f"{shlex.quote(sys.executable)} -m vdt copy {{src}} {{dst}} --exit plain --progress off --quiet"
QUICK = " --retry-wait 0.1 --share-wait 5 --verify "
# what no read of the destination can show: the source itself gave other bytes, once
READ_WRONG = {"source bit read wrong once", "source zeros read once"}


def expected_ends(findings: List[Finding]) -> None:
    ends: Dict[str, str] = {"ok": RIGHT, "report": SAID_SO}
    for scenario, finding in zip(SCENARIOS, findings):
        assert finding.outcome != NOT_MET, finding
        if scenario.expected in ends and not scenario.information:
            assert finding.outcome == ends[scenario.expected], finding


@pytest.mark.slow
def test_with_both_ends_read_back_no_fault_ends_badly(ground: Path) -> None:
    findings = judge(OURS + QUICK + "both", SCENARIOS, jobs=4, cache=ground)
    assert [finding for finding in findings if finding.bad] == [], table(findings)
    expected_ends(findings)


@pytest.mark.long
@pytest.mark.parametrize("level", ["cold", "reread"])
def test_read_back_is_fooled_by_a_wrong_read_of_the_source_alone(ground: Path, level: str) -> None:
    findings = judge(OURS + QUICK + level, SCENARIOS, jobs=4, cache=ground)
    assert {finding.fault for finding in findings if finding.bad} <= READ_WRONG, table(findings)
    expected_ends(findings)


@pytest.mark.long
@pytest.mark.parametrize("level", ["inflight", "none"])
def test_without_read_back_only_what_the_disk_or_the_source_lied_about_is_wrong(ground: Path, level: str) -> None:
    """And a file that was stored too short is seen even so; a write in the middle that was dropped leaves a hole."""
    findings = judge(OURS + QUICK + level, SCENARIOS, jobs=4, cache=ground)
    bad = {finding.fault for finding in findings if finding.bad}
    assert all(name in READ_WRONG or name.startswith("write ") for name in bad), table(findings)
    assert not any("too short (small)" in name or "EIO" in name for name in bad), table(findings)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cp"), reason="there is no cp")
def test_the_judge_finds_a_copier_wrong_that_never_reads_back(ground: Path) -> None:
    chosen = [s for s in SCENARIOS if s.name in ("write a bit flips (big)", "write EIO for good", "5 ms a call")]
    flipped, failed, slow = sorted(
        judge("cp -a {src}/. {dst}/", chosen, cache=ground),
        key=lambda finding: [s.name for s in chosen].index(finding.fault),
    )
    assert flipped.outcome == WRONG and flipped.wrong == ("big/victim.bin",)
    assert {against.WRONG_FINAL, against.OLD_LOST} <= set(flipped.marks)
    assert failed.outcome == SAID_SO and against.OLD_LOST in failed.marks
    assert slow.outcome == RIGHT and not slow.bad


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "mark"),
    [
        ("cp -a {src}/. {dst}/ && touch {src}/mark", against.TOUCHED),
        ("cp -a {src}/. {dst}/ && touch {dst}/litter", against.LITTER),
        ("false {src} {dst}", against.NOT_HEALED),
    ],
)
def test_the_judge_sees_what_else_a_copier_does(ground: Path, command: str, mark: str) -> None:
    chosen = [s for s in SCENARIOS if s.name == "5 ms a call"]
    (finding,) = judge(command, chosen, cache=ground)
    assert mark in finding.marks and finding.bad, finding


@pytest.mark.slow
def test_a_hanging_copier_is_ended_and_named(ground: Path) -> None:
    chosen = [Scenario("hangs", "report", timeout_s=1)]
    (finding,) = judge("sleep 30; true {src} {dst}", chosen, cache=ground)
    assert against.HUNG in finding.marks and finding.exit_code is None


@pytest.mark.slow
def test_the_command_prints_the_table_and_tells_by_its_exit_code(
    ground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "found.json"
    assert against.main(["--cmd", "cp -a {src}/. {dst}/", "--faults", "flips (small)", "--json", str(report)]) == 1
    out = capsys.readouterr().out
    assert "write a bit flips (small)" in out and WRONG in out and "of 1 faults ended badly" in out
    (entry,) = json.loads(report.read_text())["findings"]
    assert entry["outcome"] == WRONG and entry["fired"] == 1
    assert against.main(["--cmd", OURS + QUICK + "cold", "--faults", "flips (small)"]) == 0


def test_a_command_without_places_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--cmd", "cp -a"], ["--cmd", "cp {src} {dst}", "--faults", "no such fault"], []):
        with pytest.raises(SystemExit):
            against.main(arguments)
        assert capsys.readouterr().err
    assert against.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SCENARIOS) == len({s.name for s in SCENARIOS})
