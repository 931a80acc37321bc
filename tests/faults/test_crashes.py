"""The copier ends at whatever moment, and what it left is damaged: the next run ends right all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

pytest.importorskip("fcntl")

from test_journal import CHUNK, Large, large, small_chunks  # noqa: F401 (fixtures)

from vdt.journal import Journals
from vdt.model import Status
from vdt.plan import PARTIAL

from .rig.stage import MIB, environment, scratch, write_tree

pytestmark = pytest.mark.slow
STEP_S = 0.05
CODE = (
    "import vdt.journal; vdt.journal.CHUNK_BYTES = 1 << 20; from vdt.cli.main import main; import sys; sys.exit(main())"
)
SIZES = {
    "small": {f"folder {number % 7}/{number}.bin": number * 37 % 9_000 for number in range(700)},
    "large": {"one.bin": 9 * MIB + 5, "two.bin": 6 * MIB},
    "both": {**{f"s/{number}.bin": number for number in range(200)}, "big/one.bin": 7 * MIB + 1},
}


@pytest.fixture
def ground() -> Iterator[Path]:
    root = scratch()
    yield root
    shutil.rmtree(root)


def same(source: Path, destination: Path) -> Tuple[List[str], List[str]]:
    """(files that are right, final names that hold something else)."""
    right, wrong = [], []
    for path in destination.rglob("*"):
        if path.is_file() and not PARTIAL.match(path.name):
            name = path.relative_to(destination).as_posix()
            (right if path.read_bytes() == (source / name).read_bytes() else wrong).append(name)
    return right, wrong


class Killed:
    """Copies of one tree, each ended by SIGKILL after a time."""

    def __init__(self, root: Path, kind: str) -> None:
        self.source, self.root, self.kind = root / "source", root, kind
        write_tree(self.source, SIZES[kind])
        self.env = environment(root)
        limit = {"small": "4M", "large": "20M", "both": "12M"}[kind]
        self.options = ["--progress", "off", "--quiet", "--threads", "2"]
        self.slow = ["--bwlimit", limit]
        self.before = self.look()

    def look(self) -> object:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode) for path in self.source.rglob("*")}

    def start(self, destination: Path, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", CODE, "copy", str(self.source), str(destination), *self.options, *options]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def after(self, seconds: float) -> Tuple[bool, int]:
        """(whether it was still at work, bytes that the next run took up again)."""
        destination = self.root / f"to {seconds:.2f}" / "copy"
        destination.parent.mkdir()
        process = self.start(destination, *self.slow)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        at_work = process.returncode == -signal.SIGKILL
        assert at_work or process.returncode == 1, said
        if destination.exists():
            right, wrong = same(self.source, destination)
            assert not wrong, f"after {seconds:.2f} s: {wrong}"
        report = destination.parent / "report.json"
        again = self.start(destination, "--json", str(report))
        _, said = again.communicate()
        assert again.returncode in (0, 1), f"after {seconds:.2f} s: {said!r}"
        right, wrong = same(self.source, destination)
        assert not wrong and len(right) == len(SIZES[self.kind]), f"after {seconds:.2f} s"
        assert sorted(os.listdir(destination.parent)) == ["copy", "report.json"], "the state folder was left"
        assert not [path for path in destination.rglob("*") if PARTIAL.match(path.name)]
        resumed: int = json.loads(report.read_text())["resumed_bytes"]
        shutil.rmtree(destination.parent)
        return at_work, resumed


@pytest.mark.parametrize("kind", SIZES)
def test_killed_at_every_50_ms_of_a_transfer(ground: Path, kind: str) -> None:
    killed = Killed(ground, kind)
    moments = [STEP_S * number for number in range(1, 45)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        ends = list(pool.map(killed.after, moments))
    assert killed.look() == killed.before, "the source was touched"
    assert sum(at_work for at_work, _ in ends) > 12, "it was hardly ever killed at work"
    if kind == "large":
        assert sum(resumed > 0 for _, resumed in ends) > 3, "hardly anything was taken up again"


@pytest.mark.parametrize("kind", ["cut", "flipped low", "flipped high", "zero"])
def test_a_journal_that_is_damaged_at_any_byte_costs_time_and_nothing_else(large: Large, kind: str) -> None:  # noqa: F811
    """Cut there, a bit flipped there, or a zero there; and the run that takes it up ends right."""
    large.attempt(stop_after=3 * CHUNK + 100)
    (name,) = large.journal_files()
    whole, partial = (large.state / name).read_bytes(), large.partial()
    kept = partial.read_bytes()
    taken_up = 0
    for at in range(len(whole)):
        flipped = {"flipped low": whole[at] ^ 1, "flipped high": whole[at] ^ 0x80, "zero": 0}.get(kind)
        damaged = whole[:at] if flipped is None else whole[:at] + bytes([flipped]) + whole[at + 1 :]
        for left in [*large.destination.iterdir(), *large.state.iterdir()]:
            left.unlink()
        partial.write_bytes(kept)
        (large.state / name).write_bytes(damaged)
        assert len(Journals.load(str(large.state), tidy=False)) <= 1
        done = large.attempt()
        assert done.status is Status.COPIED, f"byte {at}"
        assert (large.destination / "f").read_bytes() == large.data, f"byte {at}"
        assert not large.journal_files() or flipped is not None, f"byte {at}"
        taken_up += done.resumed_bytes > 0
    assert taken_up > 50


def test_a_partial_that_is_damaged_anywhere_is_never_taken_for_what_was_sent(large: Large) -> None:  # noqa: F811
    large.attempt(stop_after=3 * CHUNK + 100)
    (name,) = large.journal_files()
    journal, partial = (large.state / name).read_bytes(), large.partial()
    kept = partial.read_bytes()
    for at in range(0, len(kept), 4099):
        for left in [*large.destination.iterdir(), *large.state.iterdir()]:
            left.unlink()
        partial.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        (large.state / name).write_bytes(journal)
        done = large.attempt()
        assert done.status is Status.COPIED and (large.destination / "f").read_bytes() == large.data, f"byte {at}"
