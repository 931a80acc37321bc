"""Each thing that goes wrong, provoked from outside: the sentence of its row of vdt/troubles.py is what is printed.

The rows that name another test are looked after there; tests/test_troubles.py holds that it exists and that the
sentence is in the sources.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import List

import pytest
from fake_robocopy import FakeRobocopy

from vdt import troubles
from vdt.troubles import Trouble

from .conftest import DROP_IN, LARGE_BYTES, RUN_ID, TREES, Inbox, Result, World, partials, plain_text, wait_for
from .test_drop_in import Fidget


def said(trouble: Trouble, text: str) -> None:
    assert re.search(trouble.pattern, text), f"{trouble.said!r} is not said in: {text}"


def refused(result: Result, trouble: Trouble) -> None:
    assert result.code == 16 and "Traceback" not in result.text, result
    said(trouble, result.text)


def fill(world: World) -> None:
    """A small run; most of what goes wrong needs no more."""
    for kind in TREES:
        world.source(kind).mkdir(parents=True)
        (world.source(kind) / f"{kind}.csv").write_bytes(kind.encode() * 50_000)
    for flag in ("EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED"):
        (world.source() / flag).touch()


@pytest.fixture
def small(empty_world: World) -> World:
    fill(empty_world)
    return empty_world


# ---- before anything is read ---------------------------------------------------------------------------------------


def test_python_is_too_old() -> None:
    """As the console script, `python -m` and whoever imports the commands see it."""
    for entry in ("from vdt.cli.main import main", "import vdt.cli.drop_in", "import runpy; runpy.run_module('vdt')"):
        code = f"import sys; sys.version_info = (3, 8, 18, 'final', 0); {entry}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 16 and "Traceback" not in done.stderr, done
        said(troubles.OLD_PYTHON, done.stderr)
        assert "3.9 or newer; this is Python 3.8" in done.stderr


def test_configuration(small: World) -> None:
    small.config.unlink()
    refused(small.drop_in(RUN_ID), troubles.NO_CONFIG)
    small.config.write_text('analysis_drive_nix = "Z:\\data"\n', encoding="utf-8")
    refused(small.drop_in(RUN_ID), troubles.BAD_TOML)
    small.configure(vdt="thread = 3")
    refused(small.drop_in(RUN_ID), troubles.UNKNOWN_SETTING)
    small.configure()
    refused(small.drop_in("--disk", RUN_ID), troubles.NO_DISK_KEY)
    assert not small.run_folder().exists()


def test_placeholders(small: World) -> None:
    """The template of 1.0.0 with the drives filled in: the copy is made, and that no mail arrives is said first."""
    small.configure(smtp_server="smtp.example.com", sender_email="user@example.co.uk")
    result = small.drop_in("--dry_run", RUN_ID)
    assert result.code == 0 and "no mail arrives" not in result.text, "a dry run sends none"
    small.config.write_text(
        small.config.read_text("utf-8").replace("first@example.org", "first.user@example_account.ac.uk"), "utf-8"
    )
    result = with_fault(small, IMPATIENT, "--copy_type", "raw_data", "--", RUN_ID)
    assert result.code == 0, result
    said(troubles.PLACEHOLDER, result.text)
    for key in ("smtp_server", "sender_email", "addressees"):
        assert re.search(rf"{key}.* is still the template's example", result.text), key
    assert result.text.index("still the template's example") < result.text.index("raw_data: ")


def test_command_line(small: World) -> None:
    refused(small.drop_in("--copy_type", "output"), troubles.NO_RUN_ID)
    refused(small.drop_in(f"merfish_output/{RUN_ID}"), troubles.RUN_ID_IS_A_PATH)
    for command in (small.drop_in, lambda *words: small.vdt("copy", "analysis", "copy", *words)):
        run = [RUN_ID] if command == small.drop_in else []
        refused(command("--json", "no/such/folder.json", *run), troubles.NO_PLACE_FOR_REPORT)
    assert not small.run_folder().exists() and not (small.root / "copy").exists()
    small.env["PATH"] = ""
    refused(small.drop_in("--no_email", "--robocopy_check", "on", RUN_ID), troubles.NO_ROBOCOPY)


# ---- drives and the run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--no_email", "--dry_run"])
def test_run_id_that_is_mistyped(small: World, option: str) -> None:
    for other in ("202310271058_VZGEN1_VMSC10200", "202311020930_VZGEN1_VMSC10300"):
        (small.analysis / "merfish_raw_data" / other).mkdir()
    typed = RUN_ID.replace("_VZGEN1", "_VZGNE1")
    result = small.drop_in(option, typed)
    refused(result, troubles.NO_SUCH_RUN)
    assert f"Did you mean {RUN_ID}?" in result.text
    assert f"{RUN_ID}?" in small.drop_in(option, RUN_ID.lower()).text
    assert "Did you mean 202311020930_VZGEN1_VMSC10300?" in small.drop_in(option, "VMSC10300").text
    result = small.drop_in(option, "NO_SUCH_RUN")
    refused(result, troubles.NO_SUCH_RUN)
    assert "Did you mean" not in result.text and "Check the run id." in result.text
    assert os.listdir(small.isilon) in ([], ["logs"])


def test_run_id_that_is_mistyped_later(small: World) -> None:
    """Nearest are the runs that were copied, and nothing is made for one that was not."""
    assert small.transfer().code == 0
    result = small.drop_in("--no_email", "--audit", RUN_ID[:-1] + "3")
    refused(result, troubles.NO_SUCH_RUN)
    assert f"Did you mean {RUN_ID}?" in result.text
    assert not small.run_folder(RUN_ID[:-1] + "3").exists()
    for command in ("may-delete", "status"):
        result = small.vdt(command, RUN_ID[:-1] + "3")
        assert result.code == 16 and f"Did you mean {RUN_ID}?" in result.text, result
    result = small.vdt("doctor", "--no-email", "--quick", RUN_ID[:-1] + "3")
    assert result.code == 16 and f"Did you mean {RUN_ID}?" in result.text, result


def test_drives(small: World, tmp_path: Path) -> None:
    small.source("output").rename(tmp_path / "elsewhere")
    result = small.drop_in("--no_email", RUN_ID)
    refused(result, troubles.TREE_ELSEWHERE)
    assert "Did you mean" not in result.text, "the run id is right"
    small.configure(analysis_drive_nix=str(tmp_path / "no drive"))
    refused(small.drop_in("--no_email", RUN_ID), troubles.NO_SOURCE_DRIVE)
    small.configure(analysis_drive_nix_disk=str(tmp_path / "no disk"))
    refused(small.drop_in("--no_email", "--disk", RUN_ID), troubles.NO_DISK)
    small.configure(isilon_drive_nix=str(tmp_path / "no isilon"))
    for way in ([], ["--audit"]):
        result = small.drop_in("--no_email", "--copy_type", "raw_data", *way, "--", RUN_ID)
        refused(result, troubles.NO_ISILON_DRIVE)
        said(troubles.LOGS_AWAY, result.text)
    assert not (tmp_path / "no isilon").exists()


def test_no_right_to_write(small: World, bound_by_modes: List[str]) -> None:
    small.prefix = bound_by_modes
    small.isilon.chmod(0o555)
    refused(small.drop_in("--no_email", RUN_ID), troubles.NO_RIGHT_TO_WRITE)


def test_too_little_room(small: World) -> None:
    with open(small.source("output") / "huge.tif", "wb") as file:
        file.truncate(1 << 43)  # 8 TiB, sparse
    refused(small.drop_in("--no_email", RUN_ID), troubles.NO_ROOM)
    assert not small.run_folder().exists()


def test_destination_inside_the_source(small: World) -> None:
    inside = small.source("raw_data") / "isilon"
    inside.mkdir()
    small.configure(isilon_drive_nix=str(inside))
    refused(small.drop_in("--no_email", RUN_ID), troubles.INSIDE_SOURCE)


def test_copy_is_running_elsewhere(small: World) -> None:
    first = small.start([*DROP_IN, "--no_email", "--copy_type", "raw_data", "--bwlimit", "20K", "--", RUN_ID])
    try:
        wait_for((small.run_folder() / ".vdt" / "raw_data" / "lock.json").exists)
        refused(small.drop_in("--no_email", "--copy_type", "raw_data", "--", RUN_ID), troubles.LOCKED)
    finally:
        first.kill()
        first.communicate()


def test_source_is_still_written(small: World) -> None:
    small.configure(vdt="settle_s = 0.3")
    with open(small.source("output") / "output.csv", "ab", buffering=0) as growing:
        process = small.start([*DROP_IN, "--no_email", RUN_ID])
        while process.poll() is None:
            growing.write(b"more")
            time.sleep(0.01)
    refused(small.end(process), troubles.STILL_WRITTEN)


# ---- during the copy: the fault is made in the command's own process -------------------------------------------------


def with_fault(world: World, fault: str, *arguments: str) -> Result:
    """The drop-in, started after `fault`, which may replace what it calls."""
    code = (
        textwrap.dedent(fault) + f"\nimport sys; from vdt.cli.drop_in import main\nsys.exit(main({list(arguments)!r}))"
    )
    return world.end(world.start([sys.executable, "-c", code]))


IMPATIENT = "from vdt.vizgen import post; post._WAITS_S = (0.01, 0.01)"  # between tries at the mail server


def test_storage_fills_up(small: World) -> None:
    fault = """
        import errno
        from vdt import fs
        write = fs.Folder.write_whole
        def full(self, name, view, mode):
            if len(view) > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(self, name, view, mode)
        fs.Folder.write_whole = full
    """
    result = with_fault(small, fault, "--no_email", RUN_ID)
    assert result.code & 8 and result.code < 16, result
    said(troubles.FULL, result.text)
    assert small.transfer().code == 0


def test_drive_goes_away(small: World) -> None:
    small.configure(vdt="share_wait_s = 0.6")
    fault = f"""
        import os
        from vdt import fs, outage
        outage.LOOK_EVERY_S = 0.05
        listing = fs.list_folder
        def list_folder(path, **more):
            if path.endswith("merfish_analysis/{RUN_ID}") and os.path.exists("analysis"):
                os.rename("analysis", "away")
            return listing(path, **more)
        fs.list_folder = list_folder
    """
    result = with_fault(small, fault, "--no_email", RUN_ID)
    assert result.code == 16, result
    said(troubles.AWAY, result.text)
    said(troubles.AWAY_TOO_LONG, result.text)
    (small.root / "away").rename(small.analysis)
    assert small.transfer().code == 0


def test_a_file_cannot_be_read(small: World, inbox: Inbox, bound_by_modes: List[str]) -> None:
    small.prefix = bound_by_modes
    small.configure(port=inbox.port, vdt="retries = 0")
    (small.source("output") / "output.csv").chmod(0)
    result = small.drop_in(RUN_ID)
    assert result.code == 9, result
    said(troubles.UNREADABLE, result.text)
    said(troubles.UNREADABLE, plain_text(inbox.only()))


def test_a_file_changes_while_it_is_copied(small: World) -> None:
    small.configure(vdt="retries = 1\nretry_wait_s = 0")
    (small.source("output") / "growing.tif").write_bytes(bytes(LARGE_BYTES))
    fidget = Fidget(small.source("output") / "growing.tif")
    fidget.start()
    result = small.drop_in("--no_email", "--bwlimit", "20M", "--copy_type", "output", "--", RUN_ID)
    fidget.over.set()
    fidget.join()
    assert result.code & 8 and result.code < 16, result
    said(troubles.CHANGING, result.text)


def test_conflict(small: World) -> None:
    assert small.transfer().code == 0
    source = small.source("output") / "output.csv"
    source.write_bytes(b"short")
    os.utime(source, (1, 1))
    result = small.drop_in("--no_email", RUN_ID)
    assert result.code == 8, result
    said(troubles.CONFLICT, result.text + (small.logs / "vizgen_data_transfer.log").read_text("utf-8"))
    assert small.transfer("--replace_proven").code == 0


def test_interrupted(small: World) -> None:
    large = small.source("raw_data") / "large.dax"
    large.write_bytes(bytes(8 << 20))
    process = small.start([*DROP_IN, "--no_email", "--bwlimit", "2M", RUN_ID])
    wait_for(lambda: partials(small.destination()))
    process.send_signal(signal.SIGINT)
    result = small.end(process)
    assert result.code & 8 and result.code < 16, result
    said(troubles.STOPPED, result.text)


# ---- at the end, and in the mail -------------------------------------------------------------------------------------


def test_only_some_trees(small: World) -> None:
    result = small.drop_in("--no_email", "--copy_type", "raw_data", "output", "--", RUN_ID)
    assert result.code == 0, result
    said(troubles.TREES_MISSING, result.text)


def test_storage_that_cannot_bypass_the_cache(memory_world: World) -> None:
    fill(memory_world)
    result = memory_world.drop_in("--no_email", RUN_ID)
    assert result.code == 0, result
    said(troubles.NOT_PAST_CACHE, result.text)


def test_extras_in_the_copy(small: World, inbox: Inbox) -> None:
    small.configure(port=inbox.port)
    assert small.transfer().code == 0
    (small.destination("output") / "stray.txt").write_text("")
    assert small.drop_in(RUN_ID).code == 0
    said(troubles.EXTRAS, plain_text(inbox.only()))


def test_mail_server_does_not_answer(small: World) -> None:
    small.configure(port=9)
    result = with_fault(small, IMPATIENT, "--copy_type", "output", "--", RUN_ID)
    assert result.code == 0, "the copy stands"
    said(troubles.NO_MAIL_SERVER, result.text)
    assert list(small.logs.glob("*.eml"))


def test_mail_password_is_not_set(small: World) -> None:
    small.configure(vdt='smtp_user = "lab"\nsmtp_password_env = "NOT_SET_ANYWHERE"')
    result = small.drop_in("--copy_type", "output", "--", RUN_ID)
    assert result.code == 0, "the copy stands"
    said(troubles.NO_PASSWORD, result.text)


def test_cross_check(small: World, tmp_path: Path, inbox: Inbox) -> None:
    small.configure(port=inbox.port)
    (tmp_path / "bin").mkdir()
    small.env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{small.env['PATH']}"
    robocopy = FakeRobocopy(tmp_path / "bin")
    robocopy.plan(unseen={"isilon": 1})
    assert small.drop_in("--verify", "reread", RUN_ID).code == 0
    said(troubles.ROBOCOPY_DIFFERS, plain_text(inbox.only()))
    robocopy.plan(code=16)
    refused(small.drop_in("--no_email", "--robocopy_check", "on", RUN_ID), troubles.ROBOCOPY_FAILED)
