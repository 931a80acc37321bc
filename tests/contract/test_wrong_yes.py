"""Ways in which a source could be called safe to delete, or be written to, though it must not be. Each was tried."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from contract.conftest import DROP_IN, RUN_ID, VDT, Result, World


def may_delete(result: Result) -> bool:
    return bool(result.json["verdict"]["may_delete_source"])


def test_a_plain_run_may_be_deleted(world: World) -> None:
    assert may_delete(world.transfer())


@pytest.mark.parametrize("target", ["/etc/hostname", "../../outside", "settings/../../outside"])
def test_a_link_that_leads_out_forbids_it(world: World, target: str) -> None:
    (world.source("analysis") / "elsewhere").symlink_to(target)
    result = world.transfer()
    assert result.code == 0 and not may_delete(result)
    assert "elsewhere" in result.json["verdict"]["reason"]


def test_a_link_inside_the_tree_does_not(world: World) -> None:
    (world.source("analysis") / "inside").symlink_to("experiment.json")
    assert may_delete(world.transfer())


@pytest.mark.parametrize("name", [".snapshot", "~snapshot", "$RECYCLE.BIN"])
def test_a_file_named_like_a_system_folder_is_copied(world: World, name: str) -> None:
    (world.source("raw_data") / name).write_bytes(b"precious")
    assert may_delete(world.transfer())
    assert (world.destination("raw_data") / name).read_bytes() == b"precious"


def test_a_system_folder_is_not_entered_and_said(world: World) -> None:
    folder = world.source("raw_data") / ".snapshot"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    result = world.transfer()
    assert result.code == 0 and not may_delete(result) and ".snapshot" in result.json["verdict"]["reason"]
    assert not (world.destination("raw_data") / ".snapshot").exists()


def test_old_evidence_does_not_vouch_for_a_copy_that_was_not_read_back(world: World) -> None:
    assert may_delete(world.transfer())
    copy = world.destination("raw_data") / "experiment.json"
    copy.unlink()
    assert not may_delete(world.transfer("--verify", "none"))
    again = world.transfer()
    levels = again.json["trees"]["raw_data"]["files_by_evidence"]
    assert levels["cold"] + levels["reread"] == 1, "it is read now"


def test_a_weaker_level_can_be_made_good_later(world: World) -> None:
    assert not may_delete(world.transfer("--verify", "reread"))
    assert may_delete(world.transfer())


def test_two_trees_in_one_place_are_refused(world: World) -> None:
    world.destination("raw_data").mkdir(parents=True)
    world.destination("analysis").symlink_to("raw_data")
    result = world.transfer()
    assert result.code == 16 and "same folder" in result.text


def test_another_source_of_the_run_is_never_written(world: World) -> None:
    inside = world.source("analysis")
    world.configure(isilon_drive_nix=str(inside))
    before = world.snapshot()
    result = world.transfer("--copy_type", "raw_data")
    assert result.code == 16 and "inside" in result.text
    assert {k: v for k, v in world.snapshot().items() if str(inside) in str(k)} == {
        k: v for k, v in before.items() if str(inside) in str(k)
    }


@pytest.mark.parametrize("option", ["--manifest", "--log", "--json", "--jsonl"])
def test_a_report_inside_the_source_is_refused(bare: World, option: str) -> None:
    result = bare.vdt("copy", "src", "dst", option, "src/report")
    assert result.code == 16 and "never written" in result.text
    assert not (bare.root / "src/report").exists() and not (bare.root / "dst").exists()


def test_a_second_manifest_that_is_not_written_again_does_not_stay(world: World) -> None:
    world.transfer("--also_hash", "md5")
    digests = world.run_folder() / "raw_data.md5"
    assert digests.exists()
    name = world.source("raw_data") / "experiment.json"
    name.write_bytes(b"another content")
    assert may_delete(world.transfer())
    assert not digests.exists(), "it would no longer be true"
    assert list(world.run_folder().glob("raw_data.*.md5")), "the former one is kept under its date"


def test_a_skip_by_time_is_not_called_proven(bare: World) -> None:
    bare.copy()
    copy = bare.root / "dst/experiment.json"
    copy.write_bytes(b"newer and different")
    os.utime(copy, ns=(4 * 10**18, 4 * 10**18))
    result = bare.copy("--newer-only", "--existing", "prove")
    assert result.json["verdict"] != "proven"


def test_a_time_beyond_64_bits_costs_nothing_else(world: World) -> None:
    late = world.source("raw_data") / "experiment.json"
    os.utime(late, (10**10, 10**10))  # the year 2286
    if late.stat().st_mtime < 10**10:
        pytest.skip("this file system does not keep such a time")
    result = world.transfer()
    assert result.code == 0 and result.json["trees"]["raw_data"]["counts"]["files"]["failed"] == 0


def test_a_dry_run_sends_no_mail_even_when_it_fails(world: World) -> None:
    before = world.snapshot()
    result = world.drop_in("--dry_run", "--", "no_such_run")
    assert result.code == 16 and "not there" in result.text
    assert world.snapshot() == before


@pytest.mark.parametrize("command", [[*DROP_IN, "--no_email", RUN_ID], [*VDT, "copy", "a", "b"]])
def test_closed_standard_output_is_16_and_no_traceback(world: World, command: list[str], tmp_path: Path) -> None:
    (world.root / "a").mkdir(exist_ok=True)
    line = " ".join(f"'{word}'" for word in command) + " >&-"
    done = subprocess.run(["sh", "-c", line], cwd=world.root, env=world.env, stderr=subprocess.PIPE)
    assert done.returncode == 16 and b"Traceback" not in done.stderr, done
