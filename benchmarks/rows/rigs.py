"""Mounts of tests/rigs, up inside a `with` and gone behind it, also after Ctrl-C.

They run in sessions of their own, so that a Ctrl-C of the terminal reaches this process alone, which then unmounts
while the file system below still answers.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List

_RIGS = Path(__file__).resolve().parent.parent.parent / "tests" / "rigs"


class NoRigError(RuntimeError):
    """What the rig needs is not on this machine, or it did not come up; says what."""


@contextmanager
def slow_mount(base: str, latency_ms: float, *, threads: int = 128) -> Iterator[Dict[str, str]]:
    """A folder whose every call takes its time: {"seen": the mount, "behind": the folder without the delay}."""
    _need_checkout()
    if not (shutil.which("fusermount3") and os.path.exists("/dev/fuse")):
        raise NoRigError("fuse3 is not installed")
    seen, behind = os.path.join(base, "seen"), os.path.join(base, "behind")
    os.makedirs(seen)
    os.makedirs(behind)
    kept_s = [word for kind in ("attr", "entry", "negative") for word in (f"--{kind}-timeout", "1")]
    latency = ["--latency-ms", f"{latency_ms:g}", *kept_s, "--threads", str(threads)]
    with open(os.path.join(base, "faultfs.txt"), "w+", encoding="utf-8") as said:
        command = [sys.executable, str(_RIGS / "faultfs.py"), behind, seen, *latency]
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            _until(lambda: os.path.ismount(seen), process, said.name)
            yield {"seen": seen, "behind": behind}
        finally:
            _unmount(seen)
            _end(process)


@contextmanager
def share(base: str, delay_ms: float) -> Iterator[Dict[str, str]]:
    """A Samba share: {"seen": its mount, `delay_ms` away each way, "behind": its folder on the server}."""
    _need_checkout()
    missing = [tool for tool in ("smbd", "smbclient", "fusermount3") if not shutil.which(tool)]
    if missing:
        raise NoRigError(f"{', '.join(missing)} is not installed")
    if subprocess.run([sys.executable, "-c", "import mfusepy, smbclient"], stderr=subprocess.DEVNULL).returncode:
        raise NoRigError("mfusepy or smbprotocol is not installed (pip install -e '.[rigs]')")
    folder, port = os.path.join(base, "smb"), str(_free_ports())
    try:
        _script("up", folder, port)
        _script("mount", folder, port, f"{delay_ms:g}")
        yield {"seen": os.path.join(folder, "mnt"), "behind": os.path.join(folder, "share")}
    finally:
        _script("down", folder)


def _need_checkout() -> None:
    """Raises NoRigError where this folder lies alone."""
    if not _RIGS.is_dir():
        raise NoRigError("the mounts are test equipment (tests/rigs) and come with a checkout of the project only")


def _script(*words: str) -> None:
    """Raises NoRigError where it fails."""
    command: List[str] = [str(_RIGS / "share.sh"), *words]
    env = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, env=env, start_new_session=True, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise NoRigError(f"share.sh {words[0]} ended with {done.returncode}")


def _free_ports() -> int:
    """The first of two free neighbours: one for the server, one for the delay before it."""
    for first in range(24450, 24950, 2):
        try:
            for port in (first, first + 1):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise NoRigError("no two neighbouring ports are free")


def _until(ready: object, process: subprocess.Popen[bytes], said: str) -> None:
    assert callable(ready)
    for _ in range(200):
        if ready():
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise NoRigError(f"the mount did not come up: {Path(said).read_text(encoding='utf-8', errors='replace')[-500:]}")


def _unmount(folder: str) -> None:
    for attempt in range(20):
        if not os.path.ismount(folder):
            return
        lazy = ["-z"] if attempt == 19 else []  # somebody still has a file open there
        subprocess.run(["fusermount3", "-u", *lazy, folder], stderr=subprocess.DEVNULL)
        time.sleep(0.1 if os.path.ismount(folder) else 0)


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (None, signal.SIGTERM, signal.SIGKILL):
        if sign is not None:
            process.send_signal(sign)
        try:
            process.wait(timeout=3)
            return
        except subprocess.TimeoutExpired:
            continue
