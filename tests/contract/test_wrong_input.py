"""Wrong input: each is refused in a sentence or two, with the right code, and nothing is half done."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from .conftest import DROP_IN, RUN_ID, VDT, Inbox, Result, World, fill, plain_sentences, plain_text, snapshot

MOST_CHARACTERS = 600


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The usual world without its large files: here little is copied."""
    made = World(tmp_path)
    made.make_run(large_bytes=5000)
    return made


@pytest.fixture
def bare(tmp_path: Path) -> World:
    made = World(tmp_path)
    fill(tmp_path / "src", large_bytes=5000)
    return made


@pytest.fixture
def called(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """The drop-in called in this process: for what cannot pass through a command line, and many quick cases."""
    from vdt.cli import drop_in

    monkeypatch.chdir(world.root)
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)

    def call(*args: str) -> Result:
        try:
            code = drop_in.main(list(args))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 16
        out, err = capfd.readouterr()
        return Result(code or 0, out, err)

    yield call


def refused(result: Result, *named: str) -> None:
    plain_sentences(result, *named)
    assert 0 < len(result.err) <= MOST_CHARACTERS, result.err


def without_reports(world: World) -> dict[str, tuple[Any, ...]]:
    """Everything but the master log, the report of the run, the mails kept, and the folders that hold them."""
    found = snapshot(world.root, times=False)
    reports = {"state", "state/vdt", "isilon/logs", "isilon/logs/vizgen_data_transfer.log"}
    return {k: v for k, v in found.items() if k not in reports and not k.endswith((".eml", ".html"))}


# ---- run ids -------------------------------------------------------------------------------------------------------

BAD_RUN_IDS = [
    "", " ", ".", "..", "../x", "a/b", "/a", "a\\b", "C:", "C:x", "x\x00", "x\n", "x\x1b[31m", "x\x7f",
    "run.", "run ", "CON", "con", "nul.txt", "NUL", "COM1", "lpt9.log", "aux.", "PRN", "COM¹",
]  # fmt: skip


@pytest.mark.parametrize("run_id", BAD_RUN_IDS, ids=ascii)
def test_run_id_is_refused_before_anything_is_touched(world: World, called: Any, run_id: str) -> None:
    was = world.snapshot()
    result = called("--no_email", "--", run_id)
    refused(result)
    assert result.code == 16
    assert "run id" in result.err.lower()
    assert world.snapshot() == was
    assert "\x1b" not in result.text and "\x00" not in result.text and "\x7f" not in result.text


@pytest.mark.parametrize("run_id", ["..", "a/b", "CON", ""])
def test_run_id_is_refused_on_the_command_line(world: World, run_id: str) -> None:
    was = world.snapshot()
    refused(world.drop_in("--", run_id))
    assert world.snapshot() == was


def test_no_run_id(world: World) -> None:
    was = world.snapshot()
    refused(world.drop_in())
    assert world.snapshot() == was


def test_two_run_ids(world: World) -> None:
    was = world.snapshot()
    refused(world.drop_in(RUN_ID, "OTHER"), "OTHER")
    assert world.snapshot() == was


@pytest.mark.parametrize("run_id", ["NO_SUCH_RUN", "-x"])
def test_unknown_run(world: World, inbox: Inbox, run_id: str) -> None:
    world.configure(port=inbox.port)
    was = without_reports(world)
    result = world.drop_in("--", run_id)
    plain_sentences(result, run_id)
    assert without_reports(world) == was
    assert inbox.only()["Subject"] == f"Vizgen data transfer failed for run: {run_id}"
    assert run_id in plain_text(inbox.only())


def test_one_tree_missing_is_named_and_nothing_half_done(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    world.source("analysis").rename(world.root / "away")
    was = without_reports(world)
    result = world.drop_in(RUN_ID)
    plain_sentences(result, str(world.source("analysis")))
    assert inbox.only()["Subject"] == f"Vizgen data transfer failed for run: {RUN_ID}"
    assert "May the source be deleted? NO" in plain_text(inbox.only())
    assert not world.destination("analysis").exists()
    if without_reports(world) != was:
        for tree in ("raw_data", "output"):
            assert snapshot(world.destination(tree)) == snapshot(world.source(tree)), "neither nothing nor all of it"
            assert (world.run_folder() / f"{tree}.xxh128").exists()


def test_tree_that_is_a_file(world: World) -> None:
    world.source("analysis").rename(world.root / "away")
    world.source("analysis").write_bytes(b"")
    result = world.drop_in("--no_email", RUN_ID, "--copy_type", "analysis")
    plain_sentences(result, str(world.source("analysis")))
    assert not world.destination("analysis").exists()


# ---- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args, named",
    [
        (["--copy_type", "images"], ["images", "raw_data"]),
        (["--copy_type", "raw_data,output"], ["raw_data,output"]),
        (["--copy_type", ""], ["raw_data"]),
        (["--threads", "0"], ["threads", "1", "128"]),
        (["--threads", "129"], ["threads", "128"]),
        (["--threads", "-1"], ["threads"]),
        (["--threads", "x"], ["threads", "x"]),
        (["--threads", "1.5"], ["threads", "1.5"]),
        (["--threads"], ["threads"]),
        (["--ignore_python_counts", "raw_data"], ["raw_data", "files"]),
        (["--ignore_python_counts", "images:files"], ["images:files"]),
        (["--ignore_python_counts", "all:colour"], ["all:colour"]),
        (["--ignore_python_counts", ":"], [":"]),
        (["--ignore_robocopy_counts", "raw_data:files:bytes"], ["raw_data:files:bytes"]),
        (["--bwlimit", "fast"], ["fast"]),
        (["--bwlimit", "-5M"], ["bwlimit"]),
        (["--bwlimit", "25:00,10M"], ["25:00"]),
        (["--verify", "sure"], ["sure", "cold"]),
        (["--existing", "maybe"], ["maybe", "prove"]),
        (["--also_hash", "crc32"], ["crc32", "md5"]),
        (["--colour"], ["--colour"]),
        (["--purge"], ["--purge"]),
    ],
    ids=" ".join,
)
def test_bad_option(world: World, called: Any, args: list[str], named: list[str]) -> None:
    was = world.snapshot()
    refused(called("--no_email", *args, "--", RUN_ID), *named)
    assert world.snapshot() == was


@pytest.mark.parametrize("args", [["--copy_type", "images"], ["--threads", "0"], ["--colour"]], ids=" ".join)
def test_bad_option_on_the_command_line(world: World, args: list[str]) -> None:
    was = world.snapshot()
    refused(world.drop_in(*args, "--", RUN_ID))
    assert world.snapshot() == was


def test_run_id_taken_for_a_pattern_says_how_to_write_it(world: World, called: Any) -> None:
    was = world.snapshot()
    result = called("--no_email", "--ignore_python_counts", "raw_data:bytes", RUN_ID)
    refused(result, "--")
    assert world.snapshot() == was


def test_disk_without_its_key(world: World, called: Any) -> None:
    was = world.snapshot()
    result = called("--no_email", "--disk", RUN_ID)
    refused(result, "analysis_drive_nix_disk")
    assert world.snapshot() == was


# ---- configuration -------------------------------------------------------------------------------------------------


def test_configuration_missing(world: World) -> None:
    world.config.unlink()
    was = world.snapshot()
    refused(world.drop_in(RUN_ID), ".vizgen_config.toml", "--init_config")
    assert world.snapshot() == was


def test_configuration_named_and_missing(world: World) -> None:
    refused(world.drop_in("--vizgen_config", "no/such.toml", RUN_ID), "no/such.toml")


def test_configuration_is_a_folder(world: World, called: Any) -> None:
    refused(called("--vizgen_config", str(world.isilon), RUN_ID), str(world.isilon))


@pytest.mark.parametrize(
    "text",
    [b"analysis_drive_nix = \n", b"[vdt\n", b'a = "x', b"\xff\xfe[\x00", b'analysis_drive_pc = "Z:\\data"\n'],
    ids=["no value", "open bracket", "open quote", "not UTF-8", "one backslash"],
)
def test_broken_toml(world: World, called: Any, text: bytes) -> None:
    world.config.write_bytes(text)
    was = world.snapshot()
    result = called(RUN_ID)
    refused(result, ".vizgen_config.toml")
    assert text[:1] == b"\xff" or "Line 1" in result.err or "end of document" in result.err
    assert world.snapshot() == was


def test_all_faults_of_a_configuration_are_said_at_once(world: World) -> None:
    world.configure(
        isilon_drive_nix="", sender_email="not an address", rsync="-av --delete", vdt='thread = 4\nretries = "many"'
    )
    was = world.snapshot()
    result = world.drop_in(RUN_ID)
    plain_sentences(result, "isilon_drive_nix", "not an address", "--delete", "thread", "threads", "retries")
    assert world.snapshot() == was


@pytest.mark.parametrize(
    "change, named",
    [
        ({"rsync": "-av --delete"}, "--delete"),
        ({"rsync": "-av --delete-after"}, "--delete-after"),
        ({"rsync": "-av --remove-source-files"}, "--remove-source-files"),
        ({"rsync": "-avn"}, "-n"),
        ({"rsync": "-av --dry-run"}, "--dry-run"),
        ({"rsync": "-av --frobnicate"}, "--frobnicate"),
        ({"rsync": "-av --modify-window=soon"}, "--modify-window"),
        ({"vdt": "threads = 0"}, "threads"),
        ({"vdt": "threads = 129"}, "threads"),
        ({"vdt": 'threads = "8"'}, "threads"),
        ({"vdt": "threads = true"}, "threads"),
        ({"vdt": 'verify = "sure"'}, "sure"),
        ({"vdt": 'existing = "maybe"'}, "maybe"),
        ({"vdt": 'bwlimit = "fast"'}, "fast"),
        ({"vdt": 'smtp_security = "rot13"'}, "smtp_security"),
        ({"vdt": "smtp_port = 70000"}, "smtp_port"),
        ({"vdt": "retries = -1"}, "retries"),
        ({"vdt": 'veryfy = "cold"'}, "verify"),
        ({"analysis_drive_nix": ""}, "analysis_drive_nix"),
        ({"smtp_server": ""}, "smtp_server"),
        ({"sender_email": ""}, "sender_email"),
        ({"sender_email": "a@b.org\nBcc: x@y.org"}, "sender_email"),
    ],
    ids=str,
)
def test_fault_of_the_configuration(world: World, called: Any, change: dict[str, str], named: str) -> None:
    world.configure(**change)
    was = world.snapshot()
    refused(called(RUN_ID), named)
    assert world.snapshot() == was


def test_password_in_the_configuration_is_refused_and_not_shown(world: World, called: Any) -> None:
    world.configure(vdt='smtp_password = "hunter2"')
    result = called(RUN_ID)
    refused(result, "smtp_password_env")
    assert "hunter2" not in result.text


# ---- places --------------------------------------------------------------------------------------------------------


def test_destination_inside_the_source(world: World, inbox: Inbox) -> None:
    inside = world.source("output") / "isilon"
    inside.mkdir()
    world.configure(isilon_drive_nix=str(inside), isilon_drive_logs_nix=str(world.logs), port=inbox.port)
    was = without_reports(world)
    plain_sentences(world.drop_in(RUN_ID), "inside")
    assert without_reports(world) == was
    assert inbox.only()["Subject"].startswith("Vizgen data transfer failed")


def test_source_inside_the_destination(world: World) -> None:
    """Around it: the source tree lies in the folder that would be written."""
    target = world.root / "merfish_output" / RUN_ID / "output" / "merfish_output" / RUN_ID
    target.parent.mkdir(parents=True)
    world.source("output").rename(target)
    drive = world.root / "merfish_output" / RUN_ID / "output"
    world.configure(analysis_drive_nix=str(drive), isilon_drive_nix=str(world.root / "merfish_output"),
                    isilon_drive_logs_nix=str(world.logs))  # fmt: skip
    was = without_reports(world)
    plain_sentences(world.drop_in("--no_email", RUN_ID, "--copy_type", "output"))
    assert without_reports(world) == was


def test_destination_is_the_source_through_a_link(world: World) -> None:
    world.run_folder().mkdir()
    world.destination("output").symlink_to(world.source("output"))
    was = without_reports(world)
    plain_sentences(world.drop_in("--no_email", RUN_ID, "--copy_type", "output"))
    assert without_reports(world) == was


def test_destination_drive_is_missing(world: World, inbox: Inbox) -> None:
    """A drive that is not mounted is not made."""
    away = world.root / "not mounted" / "isilon"
    world.configure(isilon_drive_nix=str(away), port=inbox.port)
    result = world.drop_in(RUN_ID)
    plain_sentences(result, str(away))
    assert not away.exists() and not away.parent.exists(), sorted(away.parent.rglob("*"))
    assert inbox.only()["Subject"].startswith("Vizgen data transfer failed")


def test_missing_destination_drive_is_still_missed_by_the_next_run(world: World) -> None:
    away = world.root / "not mounted" / "isilon"
    world.configure(isilon_drive_nix=str(away))
    codes = [world.drop_in("--no_email", RUN_ID, "--copy_type", "output").code for _ in range(2)]
    assert codes == [16, 16]


def test_source_drive_is_missing(world: World) -> None:
    away = world.root / "not mounted"
    world.configure(analysis_drive_nix=str(away))
    plain_sentences(world.drop_in("--no_email", RUN_ID), str(away))
    assert not world.run_folder().exists()


def test_destination_is_a_file(world: World) -> None:
    world.run_folder().mkdir()
    world.destination("output").write_bytes(b"mine")
    plain_sentences(world.drop_in("--no_email", RUN_ID, "--copy_type", "output"), str(world.destination("output")))
    assert world.destination("output").read_bytes() == b"mine"


def test_read_only_destination(world: World, inbox: Inbox, bound_by_modes: list[str]) -> None:
    world.prefix = bound_by_modes
    world.configure(port=inbox.port)
    world.isilon.chmod(0o555)
    was = without_reports(world)
    result = world.drop_in(RUN_ID)
    plain_sentences(result, str(world.isilon), "ermission denied")
    assert without_reports(world).keys() - {"state/vdt/" + p.name for p in world.state.rglob("*")} == was.keys()
    assert inbox.only()["Subject"] == f"Vizgen data transfer failed for run: {RUN_ID}"
    assert [p for p in world.state.rglob("*") if p.is_file()], "the share failed: the log is kept here"


def test_unreadable_source_file(world: World, inbox: Inbox, bound_by_modes: list[str]) -> None:
    world.prefix = bound_by_modes
    world.configure(port=inbox.port, vdt="retries = 0")
    bad = world.source("output") / "data/nested/one.bin"
    bad.chmod(0)
    result = world.drop_in("--json", "result.json", RUN_ID, "--copy_type", "output")
    assert result.code == 8 | 1, result
    assert "Traceback" not in result.text and "data/nested/one.bin" in result.text
    assert inbox.only()["Subject"].startswith("Vizgen data transfer failed")
    log = (world.run_folder() / "output.log").read_text("utf-8")
    assert "ERROR 5 (0x00000005)" in log or "ERROR 13 (0x0000000D)" in log
    assert not (world.destination("output") / "data/nested/one.bin").exists()
    assert (world.run_folder() / "output.incomplete.xxh128").exists()
    assert not list(world.destination("output").rglob(".vdt-*"))
    bad.chmod(0o644)
    assert world.drop_in(RUN_ID, "--copy_type", "output").code == 0
    assert snapshot(world.destination("output")) == snapshot(world.source("output"))
    assert not (world.run_folder() / "output.incomplete.xxh128").exists()


def test_unreadable_source_folder(world: World, bound_by_modes: list[str]) -> None:
    world.prefix = bound_by_modes
    world.configure(vdt="retries = 0")
    bad = world.source("output") / "data/nested"
    bad.chmod(0)
    try:
        result = world.transfer("--copy_type", "output")
    finally:
        bad.chmod(0o750)
    assert result.code & 8 and result.code < 16, result
    assert "Traceback" not in result.text
    assert any(e["path"] == "data/nested" for e in result.json["trees"]["output"]["failed"])
    assert result.json["verdict"]["may_delete_source"] is False


@pytest.mark.slow
@pytest.mark.parametrize("port", ["closed", "silent"])
def test_run_does_not_hang_on_its_mail(world: World, port: str) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if port == "silent":
            server.listen(8)
        number = server.getsockname()[1]
        if port == "closed":
            server.close()
        world.configure(port=number)
        result = world.run([*DROP_IN, "NO_SUCH_RUN"], timeout_s=28)
    assert result.code == 16
    assert "Traceback" not in result.text
    assert len(list(world.logs.glob("NO_SUCH_RUN.*.eml"))) == 1


# ---- reports that cannot be written --------------------------------------------------------------------------------


def test_json_that_cannot_be_written(world: World) -> None:
    result = world.drop_in("--no_email", "--json", "no/such/folder.json", RUN_ID, "--copy_type", "output")
    plain_sentences(result, "no/such/folder.json")


@pytest.mark.parametrize("command", [[*DROP_IN, "--no_email", "--json", "-", RUN_ID], [*VDT, "copy", "analysis", "d"]])
def test_lost_output_is_16(world: World, command: list[str]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, cwd=world.root, env=world.env, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
    assert done.returncode == 16, done
    assert b"Traceback" not in done.stderr


# ---- vdt -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["src"],
        ["src", "dst", "more"],
        ["src", "dst", "--threads", "0"],
        ["src", "dst", "--threads", "129"],
        ["src", "dst", "--threads", "x"],
        ["src", "dst", "--verify", "sure"],
        ["src", "dst", "--bwlimit", "fast"],
        ["src", "dst", "--retries", "-1"],
        ["src", "dst", "--links", "chew"],
        ["src", "dst", "--modify-window", "x"],
        ["src", "dst", "--exit", "posix"],
        ["src", "dst", "--delete"],
        ["no_such_folder", "dst"],
        ["", "dst"],
        ["src", ""],
        ["src/experiment.json", "dst"],
        ["src", "src/experiment.json"],
        ["src", "src"],
        ["src", "src/inside"],
        ["src", "src/../src/data"],
        ["src/data", "src"],
        ["src", "link"],
        ["src", "link/inside"],
    ],
    ids=" ".join,
)
def test_bad_copy(bare: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
                  args: list[str]) -> None:  # fmt: skip
    from vdt.cli import main as vdt

    (bare.root / "link").symlink_to("src")
    monkeypatch.chdir(bare.root)
    was = bare.snapshot()
    try:
        code: Any = vdt.main(["copy", *args])
    except SystemExit as end:
        code = end.code
    out, err = capfd.readouterr()
    refused(Result(code, out, err))
    assert bare.snapshot() == was


@pytest.mark.parametrize("args", [["frobnicate"], ["copy", "no_such_folder", "dst"]], ids=" ".join)
def test_bad_vdt_command_line(bare: World, args: list[str]) -> None:
    was = bare.snapshot()
    refused(bare.vdt(*args), args[-1] if len(args) == 1 else args[1])
    assert bare.snapshot() == was


def test_plain_exit_code_of_a_refusal_is_16_too(bare: World) -> None:
    refused(bare.vdt("copy", "no_such_folder", "dst", "--exit", "plain"))


def test_log_that_cannot_be_written(bare: World) -> None:
    result = bare.vdt("copy", "src", "dst", "--log", "no/such/folder.log")
    refused(result, "no/such/folder.log")
    assert not (bare.root / "dst").exists()
