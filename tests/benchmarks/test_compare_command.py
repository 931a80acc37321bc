"""compare.py from outside: a few megabytes, a few seconds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from comparing import command as comparing_command
from comparing import data, options
from comparing.contenders import Job
from vdt.errors import RefusedError, UsageError

from .conftest import BENCHMARKS


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """On memory where there is some, as a disk adds nothing here."""
    if not os.path.isdir("/dev/shm"):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="vdt_test_bench.", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def command(*words: str, script: str = "compare.py", folder: Path = BENCHMARKS) -> List[str]:
    return [sys.executable, str(folder / script), *words]


def run(
    *words: str, cwd: Path, script: str = "compare.py", folder: Path = BENCHMARKS
) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        command(*words, script=script, folder=folder), cwd=cwd, env=env, capture_output=True, text=True, timeout=120
    )


def small_run(folder: Path) -> Path:
    """A source that is there already."""
    for number in range(20):
        (folder / "existing" / f"d{number % 3}").mkdir(parents=True, exist_ok=True)
        (folder / "existing" / f"d{number % 3}" / f"f{number}").write_bytes(bytes([number]) * 5000)
    return folder / "existing"


def test_a_whole_comparison_without_a_checkout(place: Path) -> None:
    """A copy of the folder alone, as somebody has it who installed the wheel."""
    alone = place / "alone"
    shutil.copytree(BENCHMARKS, alone, ignore=shutil.ignore_patterns("__pycache__"))
    words = ["--source", str(place / "from"), "--dest", str(place / "to"), "--profile", "raw", "--size-gb", "0.01"]
    words += ["--tools", "ours,shutil", "--threads", "8", "--rounds", "1", "--no-png", "--out", str(place / "out")]
    done = run(*words, cwd=place, folder=alone)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(place)) == ["alone", "out"], "what was made is gone"
    value = json.loads((place / "out" / "results.json").read_text("utf-8"))
    assert {row["name"] for row in value["contenders"]} == {
        *(f"vdt copy --verify {level}" for level in ("none", "inflight", "reread", "cold", "both")),
        *("shutil.copytree", "vdt audit --source", "vdt audit --manifest"),
    }
    assert value["complete"] and 0 < value["data"]["bytes"] <= 10_000_000
    assert all(row["seconds"]["median"] > 0 and not row["fault"] for row in value["contenders"])
    evidence = {row["verify"]: row["evidence"] for row in value["contenders"] if row["job"] == "copy"}
    assert (evidence["none"], evidence["inflight"]) == ("none", "inflight")
    assert evidence["cold"] in ("cold", "reread"), "as the file system allows"
    assert "vdt copy --verify cold" in done.stdout and "MB/s" in done.stdout
    assert (place / "out" / "results.html").read_text("utf-8").startswith("<!doctype html>")

    again = run(*words, cwd=place, folder=alone)
    assert again.returncode == 16 and "results.json is there already. Name another folder with --out" in again.stderr
    rigs = run(
        "--existing",
        str(alone),
        "--dest",
        str(place / "to"),
        "--out",
        "o",
        "--latency-ms",
        "1",
        cwd=place,
        folder=alone,
    )
    assert rigs.returncode == 16 and "come with a checkout of the project only" in rigs.stderr
    assert not (place / "to").exists()


def test_a_destination_that_holds_anything_is_refused_and_left_as_it_was(place: Path) -> None:
    (place / "to").mkdir()
    (place / "to" / "data.h5").write_bytes(b"years of work")
    done = run("--existing", str(small_run(place)), "--dest", str(place / "to"), "--out", str(place / "out"), cwd=place)
    assert done.returncode == 16 and done.stderr.count("\n") == 1
    assert "holds data.h5; nothing is measured where anything else lies." in done.stderr
    assert (place / "to" / "data.h5").read_bytes() == b"years of work" and os.listdir(place / "to") == ["data.h5"]
    assert len(list((place / "existing").rglob("f*"))) == 20 and os.listdir(place / "out") == []


def test_ctrl_c_ends_the_contender_removes_what_was_made_and_keeps_what_was_measured(place: Path) -> None:
    source = small_run(place)
    words = ["--existing", str(source), "--dest", str(place / "to"), "--tools", "shutil", "--rounds", "1000"]
    process = subprocess.Popen(
        command(*words, "--what", "copy", "--no-png", "--out", str(place / "out")),
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("round 1 of 1000"), line
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)  # a second one does not keep it from clearing up
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Interrupted; what was made here is removed." in err, err
    assert sorted(os.listdir(place)) == ["existing", "out"]
    assert len(list(source.rglob("f*"))) == 20, "what was there stays"
    value = json.loads((place / "out" / "results.json").read_text("utf-8"))
    assert value["complete"] is False and value["contenders"][0]["turns"]
    assert "shutil.copytree" in out


@pytest.mark.skipif(not shutil.which("fusermount3") or not os.path.exists("/dev/fuse"), reason="needs FUSE")
def test_a_slow_mount_is_measured_and_gone_after_ctrl_c(place: Path) -> None:
    words = ["--existing", str(small_run(place)), "--dest", str(place / "to"), "--latency-ms", "3", "--rounds", "1000"]
    words += ["--tools", "shutil", "--what", "copy", "--no-png", "--out", str(place / "out")]
    process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None and process.stderr.readline().startswith("round 1 of 1000")
    assert str(place) in Path("/proc/self/mounts").read_text("utf-8")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130 and sorted(os.listdir(place)) == ["existing", "out"]
    assert str(place) not in Path("/proc/self/mounts").read_text("utf-8")
    value = json.loads((place / "out" / "results.json").read_text("utf-8"))
    assert value["destination"]["words"] == "imitated: a FUSE mount on which every call takes 3 ms"
    assert value["contenders"][0]["seconds"]["least"] > 20 * 4 * 0.003, "each file takes more than four calls"


def test_what_no_memory_holds_is_not_read_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = options.read(["--dest", "d", "--existing", str(tmp_path)])
    read: List[str] = []
    monkeypatch.setattr("comparing.flushing.read_once", read.append)
    held = data.Holdings(1, 0, 1000, 1000)
    assert comparing_command.prepare_source("x", held, asked, 999).startswith("larger than this computer's memory")
    assert read == []
    assert comparing_command.prepare_source("x", held, asked, 1000).startswith("read once") and read == ["x"]
    monkeypatch.setattr("comparing.flushing.can_forget", lambda: False)
    cold = options.read(["--dest", "d", "--existing", str(tmp_path), "--cold-source"])
    with pytest.raises(RefusedError, match=r"Leave out --cold-source, and give a --size-gb larger than the memory"):
        comparing_command.prepare_source("x", held, cold, 1000)


def test_the_list_says_who_is_there(place: Path) -> None:
    done = run("--list", cwd=place)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "shutil.copytree (copy)" in lines and "hashdeep -a (audit)" in " ".join(lines)
    if os.name == "posix":
        assert "robocopy /E /Z (copy): runs on Windows only" in lines


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], r"--dest is missing: .*\. --source is missing: "),
        (["--dest", "d", "--source", "s", "--tools", "scp"], r"--tools scp: nobody is called that; choose from ours, "),
        (["--dest", "d", "--source", "s", "--threads", "1,zwei"], r"--threads 1,zwei: give whole numbers"),
        (["--dest", "d", "--existing", "e", "--size-gb", "2"], r"--existing is copied as it is"),
        (["--dest", "d", "--source", "s", "--latency-ms", "2", "--samba"], r"cannot both be given"),
        (["--dest", "d", "--source", "s", "--size-gb", "nan"], r"'nan' is not a number above 0"),
        (["--dest", "d", "--source", "s", "--rounds", "0"], r"'0' is not a whole number"),
    ],
)
def test_wrong_words_are_refused_all_at_once(words: List[str], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        options.read(words)


def test_words_become_values() -> None:
    asked = options.read(["--dest", "d", "--source", "s", "--samba", "--threads", "8,1", "--size_gb", "0.5"])
    assert (asked.samba_ms, asked.threads, asked.size_bytes, asked.tools) == (1.0, (1, 8), 500_000_000, ())
    assert asked.jobs == (Job.COPY, Job.AUDIT) and asked.profile == "mixed" and os.path.isabs(asked.destination)
    assert options.read(["--dest", "d", "--source", "s", "--samba", "0"]).samba_ms == 0
    assert options.read(["--dest", "d", "--source", "s"]).samba_ms < 0


@pytest.mark.parametrize(
    ("profile", "size"), [("raw", 10**7), ("analysis", 10**8), ("output", 10**8), ("mixed", 10**9)]
)
def test_a_run_fits_the_size_that_was_asked_for(profile: str, size: int) -> None:
    found = data.fit(profile, size)
    assert 0.85 * size <= found.size_bytes <= size
    assert found.n_fov >= 1 and found.byte_divisor >= 1


def test_the_run_that_is_made_is_the_one_that_was_planned(tmp_path: Path) -> None:
    found = data.fit("output", 5_000_000)
    words = data.make(str(tmp_path / "x"), "output", found)
    held = data.holdings(str(tmp_path / "x"))
    assert (held.files, held.size_bytes) == (found.files, found.size_bytes)
    assert words.endswith(f"--fov {found.n_fov} --bytes-divided-by {found.byte_divisor} --tree output")


def test_too_small_a_run_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the smallest run of the profile 'mixed' has [\d]+ files and 0\.\d+ GB"):
        data.fit("mixed", 1000)


@pytest.mark.skipif(not shutil.which("cp"), reason="needs cp")
def test_scaling_makes_its_points_and_clears_up(place: Path) -> None:
    words = ["--dir", str(place / "grow"), "--files", "10,20", "--sizes", "0", "--rounds", "1"]
    words += ["--tools", "cp", "--out", str(place / "out")]
    done = run(*words, cwd=place, script="scaling.py")
    assert done.returncode == 0, done.stderr
    assert os.listdir(place) == ["out"]
    points = json.loads((place / "out" / "scaling.json").read_text("utf-8"))["axes"]["files"]
    assert [point["files"] for point in points] == [10, 20]
    assert [one["name"] for one in points[0]["contenders"]] == ["cp -a"]
    assert "cp -a: 2 times as much takes" in done.stdout
