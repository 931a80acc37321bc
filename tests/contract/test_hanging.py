"""A system that does not answer: Ctrl-C ends the command all the same, and what hangs is named.

The commands run in processes of their own, in which one call is replaced by one that never comes back.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import RUN_ID, Inbox, World, plain_text, snapshot, wait_for

# {name} hangs where {when} says so; "hung" tells the test that it does
HANGING = """
import os, sys, threading
from vdt import fs
{imports}
import vdt.cli.{command}
owner, name = {owner}, {name!r}
real = getattr(owner, name)
def hang(*args, **kwargs):
    if {when}:
        open("hung", "a").close()
        threading.Event().wait()
    return real(*args, **kwargs)
setattr(owner, name, hang)
import vdt.transfer, vdt.folders
vdt.transfer.fs = vdt.folders.fs = fs
sys.exit(vdt.cli.{command}.main(sys.argv[1:]))
"""


def start(
    world: World, command: str, args: list[str], owner: str, name: str, when: str = "True", imports: str = ""
) -> subprocess.Popen[bytes]:
    script = HANGING.format(command=command, owner=owner, name=name, when=when, imports=imports)
    process = world.start([sys.executable, "-c", script, *args])
    wait_for((world.root / "hung").exists)
    return process


def interrupted(world: World, process: subprocess.Popen[bytes], within_s: float) -> tuple[int, str]:
    """Ctrl-C; the exit code and all that was said."""
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = world.end(process, timeout_s=30)
    assert time.monotonic() - asked < within_s
    assert "Traceback" not in result.text and "Fatal Python error" not in result.text, result
    return result.code, result.text


COPY = ["copy", "src", "dst", "--json", "cut.json"]
CALLS = {
    "the source is listed": ("fs", "list_folder", "args[0].endswith('/src/data')", "Listing {root}/src/data"),
    "the destination is listed": ("fs", "list_folder", "args[0].endswith('/dst')", "Listing {root}/dst"),
    "a folder is made": ("fs", "make_folder", "args[0].endswith('/dst/data')", "Directory {root}/dst/data"),
    "a source file is read": ("fs.Folder", "read_whole", "'/src' in args[0].path", "Copying File {root}/src/"),
    "a partial is made": ("fs.Folder", "write_whole", "args[0].path.endswith('dst/data')", " to {root}"),
    "a partial is renamed": ("fs.Folder", "replace", "'.vdt-' not in args[2]", "Renaming File {root}/dst/"),
    "the volume is looked at": ("fs", "volume", "'src' in args[0]", "Looking at {root}/src"),
}  # fmt: skip


@pytest.fixture
def filled(bare: World) -> World:
    (bare.root / "src" / "data").mkdir(exist_ok=True)
    for number in range(40):
        (bare.root / "src" / "data" / f"{number}.dat").write_bytes(bytes([number]) * 3000)
    return bare


@pytest.mark.slow
@pytest.mark.parametrize("what", CALLS)
def test_a_call_that_hangs_is_named_and_abandoned(filled: World, what: str) -> None:
    owner, name, when, named = CALLS[what]
    process = start(filled, "main", COPY, owner, name, when)
    code, text = interrupted(filled, process, within_s=5)
    assert code & 8 and code < 16
    found = json.loads((filled.root / "cut.json").read_text("ascii"))
    assert found["complete"] is False and found["exit_code"] == code and found["verdict"] == "stopped"
    notes = found.get("notes", [found.get("error", "")])
    words = named.format(root=filled.root)
    assert any("Abandoned, the system did not answer: " in note and words in note for note in notes), notes
    assert words in text
    healed = filled.copy()
    assert healed.code < 4, healed
    assert snapshot(filled.root / "dst") == snapshot(filled.root / "src")
    assert not (filled.root / ".dst.vdt").exists()


def test_summary_so_far_counts_what_was_copied(filled: World) -> None:
    (filled.root / "src" / "zz").mkdir()
    process = start(filled, "main", COPY, "fs", "list_folder", "args[0].endswith('/src/zz')")
    wait_for((filled.root / "dst" / "data").exists)
    interrupted(filled, process, within_s=5)
    found = json.loads((filled.root / "cut.json").read_text("ascii"))
    assert found["stopped"] == "interrupted (SIGINT)"
    assert found["counts"]["dirs"]["total"] > 1


@pytest.mark.slow
def test_lock_of_a_copy_that_hangs_stays_until_its_process_is_gone(filled: World) -> None:
    process = start(filled, "main", COPY, "fs.Folder", "read_whole", "'/src' in args[0].path")
    interrupted(filled, process, within_s=5)
    assert (filled.root / ".dst.vdt" / "lock.json").exists()
    assert "taken over" in filled.copy().text


def test_second_interrupt_ends_at_once(filled: World) -> None:
    process = start(filled, "main", COPY, "fs.Folder", "read_whole", "'/src' in args[0].path")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    code, _ = interrupted(filled, process, within_s=0.8)
    assert code == 8
    assert not (filled.root / "cut.json").exists()


@pytest.mark.slow
def test_json_that_hangs_is_not_waited_for(filled: World) -> None:
    imports = "import vdt.cli.copy"
    process = start(filled, "main", COPY, "vdt.cli.copy", "write_json", imports=imports)
    code, text = interrupted(filled, process, within_s=4)
    assert code == 16 and "cut.json" in text
    assert snapshot(filled.root / "dst") == snapshot(filled.root / "src")


# ---- the drop-in ---------------------------------------------------------------------------------------------------

RUN = ["--json", "cut.json", "--copy_type", "raw_data", "--", RUN_ID]


@pytest.fixture
def posted(world: World, inbox: Inbox) -> World:
    world.configure(port=inbox.port)
    return world


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "when", "named", "begun"),
    [
        ("fs", "list_folder", "True", "Listing", False),
        ("fs.Folder", "read_whole", "'merfish_raw_data' in args[0].path", "Copying File", True),
        ("os", "fsync", "os.readlink(f'/proc/self/fd/{args[0]}').endswith('raw_data.log')", "Writing", True),
    ],
    ids=["count", "copy", "log"],
)
def test_drop_in_reports_what_hangs(
    posted: World, inbox: Inbox, owner: str, name: str, when: str, named: str, begun: bool
) -> None:
    process = start(posted, "drop_in", RUN, owner, name, when)
    code, text = interrupted(posted, process, within_s=6)
    assert code & 8 and code < 16
    found = json.loads((posted.root / "cut.json").read_text("ascii"))
    assert found["complete"] is False and found["exit_code"] == code
    assert ("counts" in found["trees"]["raw_data"]) == begun
    mail = plain_text(inbox.only())
    for report in (text, mail):
        assert f"Abandoned, the system did not answer: {named}" in report
    assert "May the source be deleted? NO" in mail
    kept = [p.name for p in posted.state.rglob("*.log")]
    assert len(kept) == 1, "the master log waits on this machine"
    assert posted.transfer("--copy_type", "raw_data").code == 0
    assert snapshot(posted.destination()) == snapshot(posted.source())
    assert not [p for p in posted.run_folder().iterdir() if "incomplete" in p.name or p.name == ".vdt"]
    assert not list(posted.state.rglob("*.log"))


@pytest.mark.slow
def test_logs_folder_that_hangs_at_the_end(posted: World, inbox: Inbox) -> None:
    process = start(
        posted,
        "drop_in",
        RUN,
        "vdt.vizgen.masterlog.MasterLog",
        "deliver",
        imports="import vdt.vizgen.masterlog",
    )
    code, text = interrupted(posted, process, within_s=4)
    assert code == 0, "all was done and reported before"
    assert "The master log is kept in" in text
    assert len(inbox.mails) == 1


@pytest.mark.slow
def test_mail_is_kept_here_where_the_share_hangs(posted: World, inbox: Inbox) -> None:
    inbox.close()
    process = start(posted, "drop_in", RUN, "fs.Folder", "open_source")
    interrupted(posted, process, within_s=10)
    (kept,) = posted.state.rglob("*.eml")
    assert b"Abandoned" in kept.read_bytes()
    assert not posted.logs.exists() or not list(posted.logs.glob("*.eml"))


# ---- consoles ------------------------------------------------------------------------------------------------------


def stalled(command: list[str], world: World, stream: str) -> tuple[subprocess.Popen[bytes], float]:
    """A command whose stdout or stderr is a full pipe that nobody reads."""
    filler = (
        "import os,sys; n={'stdout':1,'stderr':2}[sys.argv[1]]; os.set_blocking(n, False)\n"
        "try:\n  while True: os.write(n, b'x' * 4096)\n"
        "except BlockingIOError: pass\n"
        "try:\n  while True: os.write(n, b'x')\n"
        "except BlockingIOError: pass\n"
        "os.set_blocking(n, True); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    )
    return world.start([sys.executable, "-c", filler, stream, *command[1:]]), time.monotonic()


@pytest.mark.slow
def test_nobody_reads_stderr(filled: World) -> None:
    command = [sys.executable, "-m", "vdt.cli.main", "copy", "src", "dst", "--progress", "on"]
    process, began = stalled(command, filled, "stderr")
    code = process.wait(20)
    assert time.monotonic() - began < 12
    assert code == 1
    assert snapshot(filled.root / "dst") == snapshot(filled.root / "src")
    assert "Verdict: proven" in filled.end(process).text


@pytest.mark.slow
def test_nobody_reads_stdout_and_ctrl_c(filled: World) -> None:
    process, _ = stalled([sys.executable, "-m", "vdt.cli.main", *COPY], filled, "stdout")
    wait_for((filled.root / "cut.json").exists)
    time.sleep(0.3)
    assert process.poll() is None, "who reads standard output may take their time"
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    process.wait(20)
    assert time.monotonic() - asked < 6
    filled.end(process)


@pytest.mark.slow
def test_nobody_reads_an_error(filled: World) -> None:
    process, _ = stalled([sys.executable, "-m", "vdt.cli.main", "copy", "none", "dst"], filled, "stderr")
    assert process.wait(20) == 16
    filled.end(process)


# ---- the manifest --------------------------------------------------------------------------------------------------


def killed_at_the_second_rename(world: World, command: str, args: list[str]) -> None:
    script = (
        "import os, sys\nfrom vdt import fs\n"
        f"import vdt.cli.{command}\n"
        "real, done = fs.Folder.replace, []\n"
        "def replace(self, old, new, *rest):\n"
        "    if done and '.vdt-' not in new: os._exit(9)\n"
        "    real(self, old, new, *rest)\n"
        "    done.extend([1] * ('.vdt-' not in new))\n"
        "fs.Folder.replace = replace\n"
        f"sys.exit(vdt.cli.{command}.main(sys.argv[1:]))"
    )
    assert world.end(world.start([sys.executable, "-c", script, *args])).code == 9


def manifests(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*.xxh128"))


def test_kill_leaves_no_complete_manifest_beside_a_changed_tree(world: World) -> None:
    assert world.transfer("--copy_type", "raw_data").code == 0
    whole = world.run_folder() / "raw_data.xxh128"
    before = whole.read_bytes()
    for name in ("new_1.dat", "new_2.dat"):
        (world.source() / name).write_bytes(name.encode())
    killed_at_the_second_rename(world, "drop_in", ["--no_email", "--copy_type", "raw_data", "--", RUN_ID])
    (kept,) = manifests(world.run_folder())
    assert kept != "raw_data.xxh128" and (world.run_folder() / kept).read_bytes() == before
    assert world.transfer("--copy_type", "raw_data").code == 0
    assert "raw_data.xxh128" in manifests(world.run_folder())
    assert len(whole.read_bytes()) > len(before)


def test_manifest_option_is_set_aside_before_the_first_change(filled: World) -> None:
    args = ["copy", "src", "dst", "--manifest", "sums.xxh128"]
    assert filled.vdt(*args).code == 1
    for name in ("new_1.dat", "new_2.dat"):
        (filled.root / "src" / name).write_bytes(name.encode())
    killed_at_the_second_rename(filled, "main", args)
    (kept,) = manifests(filled.root)
    assert kept.startswith("sums.2")
    assert filled.vdt(*args, "--existing", "prove").code < 4
    assert "sums.xxh128" in manifests(filled.root)


def test_files_that_are_added_leave_one_manifest(filled: World) -> None:
    args = ["copy", "src", "dst", "--manifest", "sums.xxh128"]
    assert filled.vdt(*args).code == 1
    (filled.root / "src" / "new.dat").write_bytes(b"new")
    assert filled.vdt(*args).code < 4
    assert manifests(filled.root) == ["sums.xxh128"]


def test_a_run_with_nothing_to_do_leaves_the_manifest(world: World) -> None:
    assert world.transfer("--copy_type", "raw_data").code == 0
    whole = world.run_folder() / "raw_data.xxh128"
    before = whole.read_bytes()
    assert world.transfer("--copy_type", "raw_data").code == 0
    assert manifests(world.run_folder()) == ["raw_data.xxh128"] and whole.read_bytes() == before
