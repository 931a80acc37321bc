"""The small benchmarks run, and their figures are those of the work that they name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

import bench_audit
import bench_copy
import bench_hash
import bench_scan
from comparing.stopwatch import Bench, Figure, each, rate

from .conftest import BENCHMARKS


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(str(tmp_path), files=20, size_bytes=1 << 20, rounds=1)


def sound(found: List[Figure], *names: str) -> None:
    assert all(0 < one.least <= one.median <= one.most for one in found)
    for name in names:
        assert any(name in one.name for one in found), name


def test_microseconds_and_megabytes_come_from_seconds() -> None:
    assert each("x", [2.0, 1.0, 4.0], 1_000_000) == Figure("x", 2.0, 1.0, 4.0, "us")
    assert rate("x", [2.0, 1.0, 4.0], 8_000_000) == Figure("x", 4.0, 2.0, 8.0, "MB/s")


def test_a_first_turn_does_not_count(bench: Bench) -> None:
    calls: List[str] = []
    seconds = bench.timed(lambda: calls.append("work"), before=lambda: calls.append("before"))
    assert len(seconds) == 1 and calls == ["before", "work"] * 2


def test_hashing(bench: Bench) -> None:
    sound(bench_hash.measure(bench), "xxh128 of 4,000 bytes", "md5", "read and hashed, buffers of 1024 KiB")


def test_scanning(bench: Bench) -> None:
    sound(bench_scan.measure(bench), "floor", "classify", "plan, a file that is the same", "walk")


def test_copying(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_copy, "_BATCHES", (1, 8))
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no strace: the system calls are counted elsewhere
    sound(bench_copy.measure(bench), "bare verified loop", "--verify cold", "proof after 8 files", "slots of 1024 KiB")
    assert sorted(os.listdir(bench.folder)) == ["large", "small"]


def test_auditing(bench: Bench) -> None:
    sound(bench_audit.measure(bench), "against a manifest", "against the source")


def test_a_script_prints_its_figures_and_clears_up(tmp_path: Path) -> None:
    words = [sys.executable, str(BENCHMARKS / "bench_scan.py"), "--dir", str(tmp_path / "x"), "--files", "10"]
    done = subprocess.run([*words, "--rounds", "1"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert " processors (" in done.stdout and "walk over both sides" in done.stdout and os.listdir(tmp_path) == []
    (tmp_path / "mine").write_bytes(b"x")
    words[words.index("--dir") + 1] = str(tmp_path)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 16 and "holds mine" in done.stderr
