"""A mapped drive that goes away in the middle of a copy and comes back or does not; a run that had no report."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, Tuple

import pytest

from windows import scene
from windows.scene import RUN, configure, contents, drop_in, make_run, write

OnDrive = Callable[[str], Path]
BEHIND = Path("R:\\n")  # the folder that N: leads to


@pytest.fixture
def comes_back() -> Iterator[None]:
    yield
    if not BEHIND.exists():
        os.rename("R:\\n away", BEHIND)


def takes_away(watched: Path, back_after_s: float) -> threading.Thread:
    """Once a partial is being written there N: is taken away, and given back after so long."""

    def act() -> None:
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s and not any(p.stat().st_size > 1 << 20 for p in watched.rglob("*.partial")):
            time.sleep(0.02)
        for _ in range(200):
            try:
                os.rename(BEHIND, "R:\\n away")
                break
            except OSError:  # a file in it is just being opened
                time.sleep(0.02)
        time.sleep(back_after_s)
        os.rename("R:\\n away", BEHIND)

    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.fixture
def two(on_drive: OnDrive, comes_back: None) -> Tuple[Path, Path, Path]:
    source = on_drive("Q:")
    for number in range(6):
        write(source / "tree" / f"{number}.dat", bytes([number]) * 10_000_000)
    return source / "tree", on_drive("N:"), on_drive("G:")


def test_a_drive_that_comes_back_is_waited_for_and_nothing_fails(two: Tuple[Path, Path, Path]) -> None:
    tree, share, here = two
    thread = takes_away(share, 4.0)
    ran = scene.copy(str(tree), str(share / "copy"), here, "--bwlimit", "10M", "--share-wait", "60")
    thread.join()
    assert ran.code == 1 and ran.report["failed"] == [], ran.out
    assert "does not answer since" in ran.out and "is back after" in ran.out, ran.out
    assert contents(share / "copy") == contents(tree)
    assert not list(share.rglob("*.partial")) and not list(share.rglob("lock.json"))


def test_a_drive_that_does_not_come_back_in_time_ends_the_copy_and_the_next_one_goes_on(
    two: Tuple[Path, Path, Path],
) -> None:
    tree, share, here = two
    thread = takes_away(share, 12.0)
    ran = scene.copy(str(tree), str(share / "copy"), here, "--bwlimit", "10M", "--share-wait", "3")
    thread.join()
    assert ran.code == 16 and "does not answer since" in ran.out and "goes on with it" in ran.out, ran.out
    again = scene.copy(str(tree), str(share / "copy"), here)
    assert again.code == 1 and contents(share / "copy") == contents(tree), again.out


def test_a_run_that_was_ended_without_a_report_is_what_the_next_start_says_first(
    on_drive: OnDrive, tmp_path: Path
) -> None:
    analysis, isilon = on_drive("Q:"), on_drive("L:")
    trees = make_run(analysis)
    write(trees["raw_data"] / "large.dat", bytes(40_000_000))
    config = configure(analysis, str(analysis), str(isilon))
    command = [sys.executable, "-m", "vdt.cli.drop_in", "--no_email", "--bwlimit", "2M", "--robocopy_check", "off", RUN]
    process = scene.start(command, config.parent, LOCALAPPDATA=str(tmp_path))
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and not list(isilon.rglob("*.partial")):
        time.sleep(0.05)
    process.kill()  # the window closed, the computer restarted: nothing in it runs any more
    process.communicate()
    assert len(list(tmp_path.rglob("running.*"))) == 1
    ran = drop_in(config, LOCALAPPDATA=str(tmp_path))
    when = time.strftime("%Y-%m-%d ")
    assert ran.out.startswith(f"Run {RUN} ended without a report at about {when}"), ran.out
    assert ran.code == 0 and list(tmp_path.rglob("running.*")) == []
    assert "ended without a report" not in drop_in(config, LOCALAPPDATA=str(tmp_path)).out


def test_a_program_that_runs_from_a_network_drive_says_so(on_drive: OnDrive, tmp_path: Path) -> None:
    import shutil

    import vdt

    away, source = on_drive("L:"), on_drive("Q:")
    shutil.copytree(Path(vdt.__file__).parent, away / "program" / "vdt", ignore=shutil.ignore_patterns("__pycache__"))
    write(source / "tree" / "f", b"data")
    here = on_drive("G:")
    ran = scene.copy(str(source / "tree"), str(here / "copy"), tmp_path, PYTHONPATH=str(away / "program"))
    assert ran.code == 1 and f"runs from a network drive ({away}\\program\\vdt)" in ran.out, ran.out
    ran = scene.copy(str(source / "tree"), str(here / "copy"), tmp_path)
    assert "network drive" not in ran.out


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_no_console_stops_a_name(on_drive: OnDrive, encoding: str) -> None:
    source, here = on_drive("Q:"), on_drive("G:")
    name = "細胞 \N{SNOWMAN} größe \u0416.tif"
    write(source / name, b"x")
    for command in ("copy", "robocopy"):
        arguments = [sys.executable, "-m", "vdt", command, str(source), str(here / command)]
        process = scene.start([*arguments, *(["/V"] if command == "robocopy" else [])], here, PYTHONIOENCODING=encoding)
        out, _ = process.communicate(timeout=scene.WAIT_S)
        text = out.decode(encoding)
        assert process.returncode == 1 and "Traceback" not in text and "UnicodeEncodeError" not in text, text
        assert command == "copy" or "\\u7d30\\u80de" in text, text
        assert (here / command / name).read_bytes() == b"x"
