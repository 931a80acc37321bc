"""A mapped drive that goes away in the middle of a copy and comes back or does not; a run that had no report."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, Tuple

import pytest

import vdt
from windows import scene
from windows.scene import RUN, configure, contents, drop_in, make_run, write

OnDrive = Callable[[str], Path]
BEHIND, REQUEST = (
    Path("R:\\n"),
    Path("R:\\take n away"),
)  # the folder that N: leads to; run.sh takes it away while asked


@pytest.fixture
def comes_back() -> Iterator[None]:
    yield
    REQUEST.unlink(missing_ok=True)
    wait_until(BEHIND.exists)


def wait_until(true: Callable[[], bool], within_s: float = 60.0) -> None:
    until_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until_s, "it does not happen"
        time.sleep(0.05)


class Away(threading.Thread):
    """Once a partial is being written there N: is taken away, and given back after so long."""

    def __init__(self, watched: Path, back_after_s: float) -> None:
        super().__init__(daemon=True)
        self._watched, self._back_after_s, self.was_away = watched, back_after_s, False
        self.start()

    def run(self) -> None:
        wait_until(lambda: any(p.stat().st_size > 1 << 20 for p in self._watched.rglob("*.partial")))
        REQUEST.touch()
        wait_until(lambda: not BEHIND.exists())
        time.sleep(self._back_after_s)
        REQUEST.unlink()
        wait_until(BEHIND.exists)
        self.was_away = True


@pytest.fixture
def two(on_drive: OnDrive, comes_back: None) -> Tuple[Path, Path, Path]:
    source = on_drive("Q:")
    for number in range(12):
        write(source / "tree" / f"{number}.dat", bytes([number]) * 4_000_000)
    return source / "tree", on_drive("N:"), on_drive("G:")


def test_a_drive_that_comes_back_is_waited_for_and_nothing_fails(two: Tuple[Path, Path, Path]) -> None:
    tree, share, here = two
    away = Away(share, 4.0)
    ran = scene.copy(str(tree), str(share / "copy"), here, "--threads", "1", "--bwlimit", "8M", "--share-wait", "60")
    away.join()
    assert away.was_away, ran.out
    assert ran.code == 1 and ran.report["failed"] == [], ran.out
    assert "does not answer since" in ran.out and "is back after" in ran.out, ran.out
    assert contents(share / "copy") == contents(tree)
    assert not list(share.rglob("*.partial")) and not list(share.rglob("lock.json"))


def test_a_drive_that_does_not_come_back_in_time_ends_the_copy_and_the_next_one_goes_on(
    two: Tuple[Path, Path, Path],
) -> None:
    tree, share, here = two
    away = Away(share, 12.0)
    ran = scene.copy(str(tree), str(share / "copy"), here, "--threads", "1", "--bwlimit", "8M", "--share-wait", "3")
    away.join()
    assert away.was_away, ran.out
    assert ran.code == 16 and "does not answer since" in ran.out, ran.out
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
    away, source = on_drive("L:"), on_drive("Q:")
    shutil.copytree(Path(vdt.__file__).parent, away / "program" / "vdt", ignore=shutil.ignore_patterns("__pycache__"))
    write(source / "tree" / "f", b"data")
    here = on_drive("G:")
    ran = scene.copy(str(source / "tree"), str(here / "copy"), tmp_path, PYTHONPATH=str(away / "program"))
    assert ran.code == 1 and f"runs from a network drive ({away}\\program\\vdt)" in ran.out, ran.out
    ran = scene.copy(str(source / "tree"), str(here / "copy"), tmp_path)
    assert "network drive" not in ran.out


@pytest.mark.parametrize(("command", "encoding"), [("copy", "cp1252"), ("robocopy", "cp437")])
def test_no_console_stops_a_name(on_drive: OnDrive, command: str, encoding: str) -> None:
    source, here = on_drive("Q:"), on_drive("G:")
    name = "細胞 \N{SNOWMAN} größe \u0416.tif"
    write(source / name, b"x")
    arguments = [sys.executable, "-m", "vdt", command, str(source), str(here / "copy")]
    process = scene.start(arguments, here, PYTHONIOENCODING=encoding)
    out, _ = process.communicate(timeout=scene.WAIT_S)
    text = out.decode(encoding)
    assert process.returncode == 1 and "Traceback" not in text and "UnicodeEncodeError" not in text, text
    assert command == "copy" or "\\u7d30\\u80de" in text, text
    assert (here / "copy" / name).read_bytes() == b"x"
