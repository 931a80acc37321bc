"""The program outlives its own share: once the first byte is copied, no end of a run needs another file of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List, NamedTuple

import pytest
from post_office import Box, servers

import vdt
from vdt import fs, own

POSIX = os.name == "posix"

# Runs a command. At the first byte the program's own folder is taken away and every import is refused from then on;
# what was asked for is printed at the end.
PROBE = """
import importlib.abc, os, signal, sys, time

class Refuser(importlib.abc.MetaPathFinder):
    away, asked = False, []

    def find_spec(self, name, path=None, target=None):
        if self.away:
            self.asked.append(name)
            raise ImportError(f"{name}: the program's share does not answer")
        return None

refuser = Refuser()
sys.meta_path.insert(0, refuser)
how, command, *arguments = sys.argv[1:]
import vdt.transfer
from vdt import fs
from vdt.cli import drop_in, main, terminal
here = os.path.dirname(vdt.transfer.__file__)

def at_first_byte(module, name):
    real = getattr(module, name)
    setattr(module, name, lambda *given, **named: first_byte() or real(*given, **named))

def first_byte():
    if not refuser.away:
        os.rename(here, here + " away")
    refuser.away = True
    if how == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
        while not any(terminal._asked_to_stop):
            time.sleep(0.01)
    if how == "defect":
        raise ZeroDivisionError("a defect")

import vdt.cli.audit, vdt.copytree, vdt.vizgen.auditrun, vdt.vizgen.tree
for module in (vdt.copytree, vdt.vizgen.tree):
    at_first_byte(module, "transfer_tree")
for module in (vdt.cli.audit, vdt.vizgen.auditrun):
    at_first_byte(module, "audit_tree")
def tell(code):
    refuser.away = False
    print("ASKED", code, refuser.asked, flush=True)

end = fs.terminate_now
fs.terminate_now = lambda code: end(tell(code) or code)  # where a thread was slow to go home
code = drop_in.main(arguments) if command == "drop-in" else main.main([command, *arguments])
tell(code)
"""


class Ended(NamedTuple):
    code: int
    out: str


class Place:
    """A run, a configuration, and a copy of the program that can be taken away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.program = root / "program"
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(vdt.__file__).parent, self.program / "vdt", ignore=left_out)
        for kind in ("raw_data", "analysis", "output"):
            tree = root / "source" / f"merfish_{kind}" / "RUN"
            (tree / "folder").mkdir(parents=True)
            (tree / "folder" / "f.dat").write_bytes(kind.encode() * 1000)
        for marker in ("EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED"):
            (root / "source" / "merfish_raw_data" / "RUN" / marker).touch()
        (root / "isilon").mkdir()

    def configure(self, port: int, server: str = "localhost") -> None:
        system = "nix" if POSIX else "pc"
        text = (
            f"analysis_drive_{system} = '{self.root / 'source'}'\nisilon_drive_{system} = '{self.root / 'isilon'}'\n"
            f"smtp_server = '{server}'\nsender_email = 'a@example.org'\naddressees = ['b@example.org']\n"
            f"[vdt]\nsmtp_port = {port}\nretries = 0\n"
        )
        (self.root / ".vizgen_config.toml").write_text(text, encoding="utf-8")

    def run(self, how: str, *arguments: str, stderr: Any = subprocess.STDOUT) -> Ended:
        environ = {**os.environ, "PYTHONPATH": str(self.program), "PYTHONDONTWRITEBYTECODE": "1"}
        environ["XDG_STATE_HOME"] = environ["LOCALAPPDATA"] = str(self.root / "state")
        done = subprocess.run(
            [sys.executable, "-c", PROBE, how, *arguments],
            cwd=self.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            timeout=120,
        )
        out = done.stdout.decode("utf-8", "replace")
        assert (self.program / "vdt away").exists(), out
        assert "Traceback" not in out and "ImportError" not in out, out
        last = out.splitlines()[-1].split(" ", 2)
        assert last[0] == "ASKED" and last[2] == "[]", out
        return Ended(int(last[1]), out)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_run_and_its_mail(place: Place) -> None:
    box = Box()
    with servers() as start:
        place.configure(start(box))
        ended = place.run("succeeds", "drop-in", "--json", "result.json", "--also_hash", "md5", "RUN")
    assert ended.code == 0 and "May the source be deleted? YES" in ended.out
    assert len(box.mails) == 1 and json.loads((place.root / "result.json").read_text("ascii"))["complete"]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [("interrupted", 8), ("defect", 16)])
@pytest.mark.skipif(not POSIX, reason="Windows sends no Ctrl-C to a process of its own")
def test_a_run_that_ends_badly_and_a_mail_that_is_kept(place: Place, how: str, code: int) -> None:
    place.configure(9, "localhost")
    (place.root / "source" / "merfish_output" / "RUN" / "odd.dat").symlink_to("nowhere")
    ended = place.run(how, "drop-in", "--json", "result.json", "RUN")
    assert ended.code & 24 == code and "It is kept as" in ended.out
    assert list((place.root / "isilon" / "logs").glob("*.eml"))


def test_a_run_in_which_a_file_fails(place: Place) -> None:
    box = Box()
    with servers() as start:
        place.configure(start(box))
        broken = place.root / "isilon" / "RUN" / "output" / "folder" / "f.dat"
        broken.mkdir(parents=True)  # a folder in the place of a file
        ended = place.run("fails", "drop-in", "RUN")
    assert ended.code & 8 and len(box.mails) == 1


@pytest.mark.skipif(not POSIX, reason="needs a terminal of our own")
def test_a_bar_on_a_terminal(place: Place) -> None:
    place.configure(9)
    outer, inner = os.openpty()
    try:
        ended = place.run("succeeds", "drop-in", "--no_email", "RUN", stderr=inner)
    finally:
        os.close(inner)
        os.close(outer)
    assert ended.code == 0


@pytest.mark.parametrize("command", ["copy", "robocopy"])
def test_the_other_commands(place: Place, command: str) -> None:
    source, copy = place.root / "source", place.root / "copy"
    arguments: List[str] = ["--manifest", "m.xxh128", "--json", "result.json"]
    arguments += ["/E", "/UNILOG:log.txt"] if command == "robocopy" else ["--log", "log.txt"]
    assert place.run("succeeds", command, str(source), str(copy), *arguments).code == 1
    assert json.loads((place.root / "result.json").read_text("ascii"))["complete"]


def test_an_audit_and_its_mail(place: Place) -> None:
    box = Box()
    for kind in ("raw_data", "analysis", "output"):
        shutil.copytree(place.root / "source" / f"merfish_{kind}" / "RUN", place.root / "isilon" / "RUN" / kind)
    (place.root / "isilon" / "RUN" / "output" / "folder" / "f.dat").write_bytes(b"damaged")
    with servers() as start:
        place.configure(start(box))
        ended = place.run("finds", "drop-in", "--audit", "--json", "result.json", "RUN")
    assert ended.code == 8 and len(box.mails) == 1, ended.out


def test_an_audit_of_any_tree(place: Place) -> None:
    shutil.copytree(place.root / "source", place.root / "copy")
    arguments = ["--source", str(place.root / "source"), "--json", "result.json", "--jsonl", "lines"]
    assert place.run("succeeds", "audit", str(place.root / "copy"), *arguments).code == 0


@pytest.mark.parametrize("remote", [True, False])
def test_a_program_on_a_network_drive_is_told_where_it_should_lie(
    monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    asked: List[str] = []

    def volume(path: str) -> fs.Volume:
        asked.append(path)
        if path == os.path.dirname(vdt.__file__):
            raise OSError(5, "it does not answer")
        return fs.Volume("x", fs.Flush.FILE, True, remote=remote)

    monkeypatch.setattr(fs, "volume", volume)
    said = own.get_ready()
    assert asked == [os.path.dirname(vdt.__file__), os.path.dirname(sys.executable)]
    assert ("runs from a network drive" in said and asked[1] in said) if remote else said == ""
