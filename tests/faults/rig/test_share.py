"""A real SMB share: Samba on loopback, 5 ms away each way, whose connection is cut or stalls in the middle of a copy.

What is judged is what lies in the server's own folder. Needs root, Samba, FUSE and `pip install -e '.[rigs]'`; where
that is not to be had the tests are skipped with the reason, and with CI=true they fail.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, List, Optional

import pytest

from .stage import FAULTFS, MIB, Outcome, environment, files_of, same_bytes, scratch, wait_for, why_not, write_tree

pytestmark = pytest.mark.slow

RIGS = FAULTFS.parent
SIZES = {**{f"folder {number % 4}/{number}.bin": number * 511 for number in range(24)}, "large.bin": 9 * MIB + 3}


def why_no_share() -> str:
    """Why no share can be had here; empty if it can."""
    missing = [tool for tool in ("smbd", "smbpasswd", "smbclient") if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} missing (package samba, smbclient)"
    if not all(importlib.util.find_spec(name) for name in ("mfusepy", "smbclient")):
        return "mfusepy or smbprotocol missing (pip install -e '.[rigs]')"
    return why_not() or ("" if os.geteuid() == 0 else "Samba is started as root only here")


def free_ports() -> int:
    """The first of two free neighbours."""
    for first in range(25450, 25950, 2):
        try:
            for port in (first, first + 1):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise AssertionError("no two neighbouring ports are free")


class Share:
    """The share, the proxy before it, and copies onto it."""

    def __init__(self, root: Path, source: Path, env: Any) -> None:
        self.root, self.source, self.env = root, source, {**env, "PYTHON": sys.executable}
        self.folder, self.port = root / "smb", free_ports()
        self.stored, self.point = self.folder / "share" / "dst", self.folder / "mnt" / "dst"
        self.running: List[subprocess.Popen[bytes]] = []
        self.another_proxy: Optional[subprocess.Popen[bytes]] = None
        self.stalled = False

    def up(self) -> None:
        self._script("up", str(self.port))
        self._script("mount", str(self.port), "5")

    def down(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        # whatever state it is in: a mount that waits for an answer would be waited for
        subprocess.run(["fusermount3", "-u", "-z", str(self.folder / "mnt")], capture_output=True)
        if (self.folder / "mnt.pid").exists():
            os.kill(int((self.folder / "mnt.pid").read_text("ascii")), signal.SIGKILL)
        self._script("down")
        if self.another_proxy is not None:
            self.another_proxy.kill()
            self.another_proxy.wait()

    def _script(self, word: str, *more: str) -> None:
        done = subprocess.run(
            [str(RIGS / "share.sh"), word, str(self.folder), *more],
            env=self.env,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")

    def stall(self, on: bool) -> None:
        self.stalled = on
        self.signal(signal.SIGUSR2)

    def signal(self, number: int) -> None:
        """To the proxy: SIGUSR1 cuts every connection."""
        os.kill(int((self.folder / "proxy.pid").read_text("ascii")), number)

    def begin(self, *options: str) -> subprocess.Popen[bytes]:
        report = self.root / "result.json"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "vdt", "copy", str(self.source), str(self.point), "--json", str(report)]
        process = subprocess.Popen(
            [*command, "--progress", "off", "--retry-wait", "0.3", *options],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], timeout_s: float = 120) -> Outcome:
        began = time.monotonic()
        out, err = process.communicate(timeout=timeout_s)
        report = self.root / "result.json"
        found = json.loads(report.read_text("ascii")) if report.exists() else None
        texts = (stream.decode("utf-8", "replace") for stream in (out, err))
        outcome = Outcome(process.returncode, *texts, found, time.monotonic() - began)
        assert "Traceback" not in outcome.text, outcome
        self.nothing_wrong(outcome)
        return outcome

    def copy(self, *options: str) -> Outcome:
        return self.end(self.begin(*options))

    def in_the_middle(self, *options: str) -> subprocess.Popen[bytes]:
        """A copy whose large file is half way."""
        process = self.begin("--bwlimit", "4M", *options)
        wait_for(lambda: any(path.stat().st_size > 2 * MIB for path in self.stored.glob(".vdt-*.partial")), 60)
        return process

    def nothing_wrong(self, outcome: Outcome) -> None:
        for name, path in files_of(self.stored).items() if self.stored.exists() else ():
            assert ".vdt" in name or same_bytes(path, self.source / name), f"{name} is wrong\n{outcome}"

    def right(self, outcome: Outcome) -> None:
        assert 0 <= outcome.code < 8 and outcome.json["complete"] is True and not outcome.named, outcome
        assert sorted(files_of(self.stored)) == sorted(SIZES), outcome
        assert os.listdir(self.stored.parent) == ["dst"], outcome


@pytest.fixture(scope="module")
def ready() -> Iterator[Path]:
    reason = why_no_share()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    folder = scratch()
    write_tree(folder / "source", SIZES)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def share(ready: Path) -> Iterator[Share]:
    root = scratch()
    made = Share(root, ready / "source", environment(ready))
    try:
        made.up()
        yield made
    finally:
        made.down()
        shutil.rmtree(root, ignore_errors=True)


def test_a_share_gets_a_right_copy_once(share: Share) -> None:
    share.right(share.copy())
    second = share.copy()
    share.right(second)
    assert second.json["counts"]["files"]["copied"] == 0, second


@pytest.mark.parametrize("times", [1, 3])
def test_a_cut_connection_costs_a_try_and_no_more(share: Share, times: int) -> None:
    """Open handles are lost; the next call works again."""
    process = share.in_the_middle()
    for _ in range(times):
        share.signal(signal.SIGUSR1)
        time.sleep(0.3)
    outcome = share.end(process)
    if outcome.code >= 8:
        assert set(outcome.named) or outcome.code == 16, outcome
    else:
        share.right(outcome)
    share.right(share.copy())


def test_a_server_that_stalls_is_waited_for(share: Share) -> None:
    process = share.in_the_middle()
    share.stall(True)
    time.sleep(4)
    assert process.poll() is None, "it gave up"
    share.stall(False)
    share.right(share.end(process))


def test_a_stalled_copy_can_be_stopped_and_is_gone_on_with(share: Share) -> None:
    """The report stands at once. The process itself is held by the system until the server answers: it closes what is
    open on the share."""
    process = share.in_the_middle()
    share.stall(True)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    wait_for((share.root / "result.json").exists, 15)
    share.stall(False)
    outcome = share.end(process)
    assert 8 <= outcome.code < 16 and outcome.json["complete"] is False, outcome
    share.right(share.copy())


def test_a_share_that_stays_away_ends_with_16_and_is_gone_on_with(share: Share) -> None:
    """Nobody answers at its address for longer than --share-wait; then somebody does again."""
    process = share.in_the_middle("--share-wait", "3")
    share.signal(signal.SIGTERM)
    outcome = share.end(process)
    assert outcome.code == 16 and not outcome.json["failed"], outcome
    assert str(share.point) in outcome.text, outcome
    ports = [str(share.port + 1), str(share.port)]
    share.another_proxy = subprocess.Popen([sys.executable, str(RIGS / "delayproxy.py"), *ports, "--delay", "5"])
    wait_for(lambda: os.path.exists(share.point))
    share.right(share.copy())
