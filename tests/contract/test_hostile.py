"""Names, addresses and servers that mean harm: nothing of them reaches a terminal, a log or a mail raw; secrets stay
where they are; nobody else may write what is left behind."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from .conftest import RUN_ID, TREES, VDT, Inbox, World, files_of

RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SECRET = "hunter2-is-not-told"
NAMES = [
    "\x1b]0;title\x07.txt",
    "\x1b[2J\x1b[H.txt",
    "a\rb.txt",
    "line\nbreak.txt",
    "tab\tab.txt",
    "\x9b31m.txt",
    "\u202egpj.exe",
    "bell\x07.txt",
    "bytes\udcff\udc9b.txt",
    "-rf",
    "%s%n{0}",
    "<script>.txt",
]


def fill_with_bad_names(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(b"x" * number)
        (folder / f"folder {name}").mkdir()
        (folder / f"folder {name}" / name).write_bytes(b"y")


def texts_below(folder: Path) -> list[tuple[Path, str]]:
    return [(path, path.read_bytes().decode("utf-8", "replace")) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("broken", [False, True], ids=["copied", "refused"])
def test_no_name_of_a_copy_reaches_screen_or_log_raw(bare: World, broken: bool) -> None:
    fill_with_bad_names(bare.root / "src")
    if broken:
        for name in NAMES:
            (bare.root / "dst" / name).mkdir(parents=True)
    result = bare.copy("--log", "copy.log", "--jsonl", "copy.jsonl", "--manifest", "copy.xxh128")
    assert result.code == (5 if broken else 1), result
    assert len(result.json["type_mismatch"]) == (len(NAMES) if broken else 0)
    if not broken:
        source, copy = ({n: p.read_bytes() for n, p in files_of(bare.root / side).items()} for side in ("src", "dst"))
        assert source == copy
    for said in (result.out, result.err, *((bare.root / n).read_text("utf-8") for n in ("copy.log", "copy.jsonl"))):
        assert not RAW.search(said), RAW.search(said)
    again = bare.copy("--log", "copy.log")
    assert not RAW.search(again.text)


def test_no_name_of_a_run_reaches_screen_log_or_mail_raw(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    fill_with_bad_names(world.source("output"))
    for name in NAMES[:6]:
        (world.destination("output") / name).mkdir(parents=True)
    result = world.drop_in(RUN_ID, "--debug")
    assert result.code & 8, result
    assert not RAW.search(result.text)
    for path, text in [*texts_below(world.logs), *texts_below(world.state)]:
        assert not RAW.search(text.replace("\r\n", "\n")), path
    log = world.run_folder() / "output.log"
    assert not RAW.search(log.read_text("utf-8"))
    (mail,) = inbox.envelopes
    assert not RAW.search(mail.content.decode("ascii").replace("\r\n", "\n"))


def test_what_others_wrote_reaches_no_screen_or_report_of_an_audit_raw(bare: World) -> None:
    """Names in the copy, in a manifest and in evidence; a lock that stands in the way."""
    fill_with_bad_names(bare.root / "src")
    assert bare.copy("--manifest", "copy.xxh128").code == 1
    victim = "\x1b]0;title\x07.txt"
    (bare.root / "dst" / victim).write_bytes(b"!")
    (bare.root / "dst" / "\x1b[31mextra").write_bytes(b"!")
    evidence = bare.root / "dst.evidence"
    evidence.mkdir()
    line = {"size": 1, "mtime_ns": 1, "xxh128": "0" * 32, "evidence": "cold", "when": "\x1b[31m"}
    paths = ["../out", "a\0b", "\x1b[2Jgone", "/etc/passwd"]
    lines = "".join(json.dumps({"path": path, **line}) + "\n" for path in paths) + '{"path": "\x1b[31m"\n\x1b[31m\n'
    (evidence / "20260101T000000-\x1b[31mhost-transfer.jsonl").write_text(lines, encoding="ascii")
    for options in (["--source", "src"], ["--manifest", "copy.xxh128"], []):
        result = bare.run([*VDT, "audit", "dst", "--jsonl", "audit.jsonl", "--json", "audit.json", *options])
        assert result.code == 8, result
        for said in (
            result.out,
            result.err,
            *((bare.root / n).read_text("utf-8") for n in ("audit.jsonl", "audit.json")),
        ):
            assert not RAW.search(said), RAW.search(said)
            assert "passwd" not in said
    state = bare.root / ".dst.vdt"
    state.mkdir()
    host = re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname())
    me = {"host": host, "process_id": os.getpid(), "process_started": "unknown"}
    (state / "lock.json").write_text(
        json.dumps({**me, "since": "\x1b[2J", "token": "t", "counter": 0}), encoding="ascii"
    )
    result = bare.run([*VDT, "copy", "src", "dst"])
    assert result.code == 16 and str(os.getpid()) in result.text and not RAW.search(result.text), result


def test_no_name_reaches_the_screen_or_log_of_vdt_robocopy_raw(bare: World) -> None:
    fill_with_bad_names(bare.root / "src")
    result = bare.run([*VDT, "robocopy", "src", "dst", "/E", "/V", "/X", "/TEE", "/LOG:robocopy.log"])
    assert result.code == 1, result
    for said in (result.out, result.err, (bare.root / "robocopy.log").read_bytes().decode("utf-8")):
        assert not RAW.search(said.replace("\r\n", "\n").replace("\r", "")), said


@pytest.mark.slow
def test_a_password_is_written_nowhere(world: World) -> None:
    """Taken from the environment, with a server that is not there: in no log, no mail that is kept, no JSON."""
    world.configure(
        vdt='smtp_user = "user"\nsmtp_password_env = "OUR_PASSWORD"\nsmtp_security = "starttls"\nsmtp_port = 9'
    )
    world.env["OUR_PASSWORD"] = SECRET
    result = world.drop_in(RUN_ID, "--debug", "--json", "result.json")
    assert SECRET not in result.text
    kept = list(world.logs.glob("*.eml"))
    assert kept, "the mail was to fail"
    for path, text in texts_below(world.root):
        assert SECRET not in text, path


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o002, 0o077])
def test_nothing_is_writable_for_everybody_and_the_local_state_is_private(
    world: World, inbox: Inbox, umask: int
) -> None:
    inbox.close()
    world.configure(port=inbox.port)
    world.prefix = ["sh", "-c", f'umask {umask:03o}; exec "$@"', "sh"]
    (world.source("output") / "open.txt").write_bytes(b"x")
    (world.source("output") / "open.txt").chmod(0o644)
    result = world.drop_in(RUN_ID)
    assert list(world.logs.glob("*.eml")), result
    for path in [*world.isilon.rglob("*"), *world.state.rglob("*")]:
        mode = path.lstat().st_mode
        assert not mode & stat.S_IWOTH, f"{path} {stat.filemode(mode)}"
        in_a_tree = any(world.destination(tree) in path.parents for tree in TREES)  # has its source's mode
        if path.is_file() and not in_a_tree:
            assert mode & 0o777 & ~umask == mode & 0o777, f"{path} {stat.filemode(mode)}"
    for path in [world.state / "vdt", *(world.state / "vdt").rglob("*")]:
        if path.exists():
            assert not path.stat().st_mode & 0o077, f"{path} {stat.filemode(path.stat().st_mode)}"


@pytest.mark.slow
def test_what_waits_on_this_machine_is_private(world: World, inbox: Inbox) -> None:
    """Where the share takes neither mail nor log."""
    inbox.close()
    world.configure(port=inbox.port, isilon_drive_logs_nix=str(world.root / "no folder" / "file" / "logs"))
    (world.root / "no folder").mkdir()
    (world.root / "no folder" / "file").write_bytes(b"")
    world.prefix = ["sh", "-c", 'umask 000; exec "$@"', "sh"]
    world.drop_in(RUN_ID)
    state = world.state / "vdt"
    kept = [path for path in state.rglob("*") if path.is_file()]
    assert any(path.suffix == ".eml" for path in kept), kept
    for path in [state, *state.rglob("*")]:
        assert not path.stat().st_mode & 0o077, f"{path} {stat.filemode(path.stat().st_mode)}"
    assert os.access(state, os.W_OK)
