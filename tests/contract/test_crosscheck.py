"""The cross-check from outside: a fake robocopy on the PATH, the drop-in, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from fake_robocopy import FakeRobocopy

from .conftest import DROP_IN, RUN_ID, TREES, Inbox, World, files_of, plain_text, snapshot, wait_for
from .test_mail import HEADINGS, RULE, row

LIST = ["/L", "/E", "/BYTES", "/V", "/NP", "/FP"]
ONE = ("--copy_type", "output")
UNPROVEN = (*ONE, "--verify", "inflight")
FILES, FOLDERS = 10, 5

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the paths of this configuration are those of POSIX")


@pytest.fixture
def robocopy(world: World, tmp_path: Path) -> FakeRobocopy:
    folder = tmp_path / "the bin"
    folder.mkdir()
    world.env["PATH"] = f"{folder}{os.pathsep}{world.env['PATH']}"
    return FakeRobocopy(folder)


def list_log(world: World, tree: str, when: str, run_id: str = RUN_ID) -> Path:
    return world.logs / f"{run_id}.{tree}.robocopy.list_{when}_transfer.log"


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_of(folder).values())


@pytest.mark.parametrize("mode", [["--robocopy_check", "on"], ["--robocopy_check", "auto"], []])
def test_each_tree_is_counted_before_and_after(world: World, robocopy: FakeRobocopy, mode: list[str]) -> None:
    before = snapshot(world.analysis)
    result = world.transfer("--threads", "3", *mode)
    assert result.code == 0, result
    sides = [(world.source(tree), list_log(world, tree, "before")) for tree in TREES]
    sides += [(world.destination(tree), list_log(world, tree, "after")) for tree in TREES]
    calls = robocopy.calls()
    expected = [[str(tree), "NULL", *LIST, "/MT:3", f"/LOG+:{log}"] for tree, log in sides]
    assert [call["argv"] for call in calls] == expected
    assert all(call["cwd_holds"] == [] and not os.path.exists(call["cwd"]) for call in calls)
    for tree in TREES:
        size = bytes_in(world.source(tree))
        count = {"files": FILES, "folders": FOLDERS + 1, "size_bytes": size}
        assert result.json["trees"][tree]["robocopy_counts"] == {"before": count, "after": count}
    assert all(log.read_bytes().count(b"ROBOCOPY") == 1 for _, log in sides)
    assert snapshot(world.analysis) == before
    assert sorted(p.name for p in world.run_folder().iterdir()) == sorted(
        f"{tree}{end}" for tree in TREES for end in ("", ".log", ".xxh128", ".evidence")
    )
    world.transfer("--threads", "3", *mode)
    assert all(log.read_bytes().count(b"ROBOCOPY") == 2 for _, log in sides)  # appended to


def test_off_and_a_dry_run_ask_nobody(world: World, robocopy: FakeRobocopy) -> None:
    assert world.transfer("--robocopy_check", "off").code == 0
    assert world.transfer("--dry_run").code == 0
    world.configure(vdt='robocopy_check = "off"')
    assert world.transfer().code == 0
    assert robocopy.calls() == []


def test_the_mail_has_both_tables(world: World, inbox: Inbox, robocopy: FakeRobocopy) -> None:
    world.configure(port=inbox.port)
    assert world.drop_in(*ONE, "--robocopy_check", "on", RUN_ID).code == 0
    lines = [line.rstrip() for line in plain_text(inbox.only()).splitlines()]
    size = bytes_in(world.source("output"))
    for heading, folders in (("Python", FOLDERS), ("Robocopy", FOLDERS + 1)):
        at = lines.index(f"Data summary {heading} based counts:") + 2
        rows = [row(f"{when} Transfer", FILES, folders, size).rstrip() for when in ("Before", "After")]
        assert lines[at : at + 7] == ["Output Transfer Summary", RULE, HEADINGS.rstrip(), RULE, *rows, RULE]
        assert lines[at + 7] == f"SUCCESS: 'output': the {heading} based counts agree in every check that is on."
        assert lines[at + 8] == ""


def test_a_difference_in_a_proven_tree_is_a_warning(world: World, inbox: Inbox, robocopy: FakeRobocopy) -> None:
    robocopy.plan(unseen={"isilon": 1})
    world.configure(port=inbox.port)
    assert world.drop_in(*ONE, "--verify", "reread", RUN_ID).code == 0
    message = inbox.only()
    assert "completed" in message["Subject"]
    warnings = [line for line in plain_text(message).splitlines() if line.startswith("WARNING: ")]
    assert len(warnings) == 2 and "Before: '10', After: '9'" in warnings[0]
    assert "After Transfer: 'files' (Robocopy: '9', Python: '10')" in warnings[1]


def test_a_difference_without_proof_sets_bit_8_and_is_silenced_by_its_pattern(
    world: World, inbox: Inbox, robocopy: FakeRobocopy
) -> None:
    robocopy.plan(unseen={"isilon": 1})
    world.configure(port=inbox.port)
    assert world.drop_in(*UNPROVEN, RUN_ID).code == 9
    message = inbox.only()
    assert "failed" in message["Subject"]
    text = plain_text(message)
    assert "ERROR: 'output': the Robocopy based counts of 'files' differ. Before: '10', After: '9'." in text
    assert "--ignore_robocopy_counts leaves this check out with one of: output:files, output:all" in text
    assert "NO: The Robocopy based counts of output do not agree." in text
    again = world.transfer(*UNPROVEN, "--ignore_robocopy_counts", "output:files")
    assert again.code & 8 == 0, again


def test_extras_at_the_destination_are_no_difference(world: World, robocopy: FakeRobocopy) -> None:
    (world.destination("output") / "older").mkdir(parents=True)
    (world.destination("output") / "older" / "left.csv").write_bytes(b"left")
    result = world.transfer(*UNPROVEN, "--robocopy_check", "on")
    assert result.code == 0
    counts = result.json["trees"]["output"]["robocopy_counts"]
    assert counts["after"]["files"] == counts["before"]["files"] + 1


@pytest.mark.parametrize("plan", [{"code": 8}, {"code": 16}, {"log": b""}, {"cut": True}, {"log": b"\0\xff\r\n" * 50}])
def test_on_ends_before_the_copy_and_auto_goes_on(
    world: World, robocopy: FakeRobocopy, plan: dict[str, object]
) -> None:
    robocopy.plan(**plan)  # type: ignore[arg-type]
    log = list_log(world, "output", "before")
    insisted = world.transfer(*ONE, "--robocopy_check", "on")
    assert insisted.code == 16
    assert "Traceback" not in insisted.text
    assert f"The cross-check of {world.source('output')} failed: " in insisted.text and str(log) in insisted.text
    assert not world.run_folder().exists()
    assert log.exists() == (plan != {"log": b""})
    if plan != {"log": b""}:
        assert log.stat().st_size > 0  # kept, for whoever looks for the reason
    relaxed = world.transfer(*ONE)
    assert relaxed.code == 0
    assert f"NOTE: The cross-check of {world.source('output')} was left out: " in relaxed.text
    assert relaxed.json["trees"]["output"]["robocopy_counts"] == {"before": None, "after": None}
    assert len(robocopy.calls()) == 2


def test_on_that_fails_after_the_copy_sets_bit_8_and_the_copy_stands(
    world: World, inbox: Inbox, robocopy: FakeRobocopy
) -> None:
    robocopy.plan(codes={"isilon": 16}, complained="ERROR 5 (0x00000005) Accessing Source Directory")
    world.configure(port=inbox.port)
    assert world.drop_in("--copy_type", "output", "raw_data", "--robocopy_check", "on", "--", RUN_ID).code == 9
    text = plain_text(inbox.only())
    for tree in ("output", "raw_data"):
        assert snapshot(world.destination(tree), times=False) == snapshot(world.source(tree), times=False)
        assert (world.run_folder() / f"{tree}.xxh128").exists()
        error = f"The cross-check of {world.destination(tree)} failed: robocopy could not begin (exit code 16)"
        assert f"\nERROR: {error}" in text
    assert "it said: ERROR 5 (0x00000005) Accessing Source Directory" in text
    assert "NO: The cross-check of" in text


def test_auto_that_fails_after_the_copy_of_a_proven_tree_is_a_warning(
    world: World, inbox: Inbox, robocopy: FakeRobocopy
) -> None:
    robocopy.plan(codes={"isilon": 16})
    world.configure(port=inbox.port)
    assert world.drop_in(*ONE, "--verify", "reread", RUN_ID).code == 0
    text = plain_text(inbox.only())
    assert "WARNING: 'output': the Robocopy based counts of 'files', 'folders', 'bytes', 'gigabytes' cannot be" in text
    assert "- The cross-check of" in text and "was left out" in text


@pytest.mark.parametrize("where", ["analysis", "isilon"])
def test_ctrl_c_ends_a_robocopy_that_hangs(world: World, robocopy: FakeRobocopy, where: str) -> None:
    robocopy.plan(sleep_s={where: 300})
    process = world.start([*DROP_IN, "--no_email", *ONE, "--robocopy_check", "on", RUN_ID])
    number = {"analysis": 1, "isilon": 2}[where]
    wait_for(lambda: len(robocopy.calls()) == number)
    process.send_signal(signal.SIGINT)
    result = world.end(process, timeout_s=10)
    assert result.code & 8 and result.code < 16, result
    assert "Traceback" not in result.text
    with pytest.raises(ProcessLookupError):
        os.kill(robocopy.calls()[-1]["pid"], 0)


def test_blanks_everywhere(world: World, robocopy: FakeRobocopy) -> None:
    run_id = "a run  with blanks (2)"
    world.make_run(run_id)
    result = world.drop_in("--no_email", *ONE, "--robocopy_check", "on", "--", run_id)
    assert result.code == 0, result
    assert [call["argv"][0] for call in robocopy.calls()] == [
        str(world.source("output", run_id)),
        str(world.destination("output", run_id)),
    ]
    assert list_log(world, "output", "after", run_id).exists()


@pytest.mark.parametrize("options", ["/E /BYTES", "/L /E /MIR", "/L /PURGE", "/L /MOVE", "/L /MOV", "/L /JOB:x"])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_what_could_copy_or_delete_is_never_run(world: World, robocopy: FakeRobocopy, options: str, mode: str) -> None:
    text = world.config.read_text()
    listed = f"[tool.options]\nrobocopy_list = {json.dumps(options)}\n"
    world.config.write_text(text.replace("[tool.options]\n", listed))
    before = snapshot(world.analysis)
    result = world.drop_in("--no_email", *ONE, "--robocopy_check", mode, RUN_ID)
    assert result.code == 16
    assert "ERROR: robocopy_list h" in result.text and "Write '/L /E /BYTES /V /NP /FP'." in result.text
    assert "Traceback" not in result.text
    assert robocopy.calls() == []
    assert snapshot(world.analysis) == before
    assert not world.run_folder().exists()
    assert world.drop_in("--no_email", *ONE, "--robocopy_check", "off", RUN_ID).code == 0
