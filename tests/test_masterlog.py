"""The master log: written here first, delivered at the end, never lost because the share failed."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, List

import pytest

from vdt import fs
from vdt.vizgen import masterlog
from vdt.vizgen.masterlog import NAME, MasterLog

STARTED = datetime(2024, 5, 6, 7, 8, 9)
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d - \d+ - vdt - (INFO|WARNING|ERROR|DEBUG) - ")


class Place:
    def __init__(self, folder: Path) -> None:
        self.state, self.drive = folder / "state", folder / "share"
        self.drive.mkdir()
        self.logs = self.drive / "logs"
        self.master = self.logs / NAME

    def log(self, *, debug: bool = False, started: datetime = STARTED) -> MasterLog:
        return MasterLog(str(self.state), started, debug=debug)

    def lines(self) -> List[str]:
        return self.master.read_text(encoding="utf-8").splitlines()


def ends(place: Place) -> None:
    """The one run that left its events here is over: its process is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    (name,) = os.listdir(place.state)
    (place.state / name).rename(place.state / name.replace(f"-{os.getpid()}.", f"-{child.pid}."))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_events_are_delivered_and_nothing_stays_here(place: Place) -> None:
    log = place.log()
    log.logger.info("begun")
    log.logger.warning("half way")
    assert not place.master.exists(), "the share is not touched before the end"
    assert log.deliver(str(place.logs), str(place.drive)) == ""
    first, second = place.lines()
    assert first.endswith(f"{os.getpid()} - vdt - INFO - begun")
    assert LINE.match(first) and LINE.match(second)
    assert os.listdir(place.state) == []


def test_runs_append_to_one_file(place: Place) -> None:
    for text in ("one", "two"):
        log = place.log()
        log.logger.info(text)
        assert log.deliver(str(place.logs), str(place.drive)) == ""
    assert [line.rpartition(" ")[2] for line in place.lines()] == ["one", "two"]


@pytest.mark.parametrize("debug", [True, False])
def test_debug_events_are_there_where_they_were_asked_for(place: Place, debug: bool) -> None:
    log = place.log(debug=debug)
    log.logger.debug("detail")
    log.logger.info("event")
    log.deliver(str(place.logs), str(place.drive))
    assert [line.rpartition(" ")[2] for line in place.lines()] == (["detail"] if debug else []) + ["event"]


def test_no_name_writes_a_line_of_its_own_or_a_control_character(place: Place) -> None:
    log = place.log()
    log.logger.info("file %s", "a\x1b[31m\rb\udce9")
    log.logger.error("two\nlines")
    log.deliver(str(place.logs), str(place.drive))
    text = place.master.read_bytes()
    assert b"\x1b" not in text and b"\r" not in text
    first, second, third = place.lines()
    assert "a\\x1b[31m\\x0db\\udce9" in first
    assert second.endswith("two") and third == "    lines"


def test_an_exception_can_be_logged(place: Place) -> None:
    log = place.log()
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError:
        log.logger.exception("it broke")
    log.deliver(str(place.logs), str(place.drive))
    assert any("ZeroDivisionError: oops" in line for line in place.lines())


def test_what_could_not_be_delivered_is_kept_and_the_next_run_delivers_it(place: Place) -> None:
    place.logs.write_bytes(b"a file in the folder's place")
    log = place.log()
    log.logger.info("kept")
    why = log.deliver(str(place.logs), str(place.drive))
    assert str(place.logs) in why and str(place.state) in why
    ends(place)
    place.logs.unlink()
    second = place.log(started=datetime(2024, 5, 7))
    second.logger.info("new")
    assert second.deliver(str(place.logs), str(place.drive)) == ""
    assert [line.rpartition(" ")[2] for line in place.lines()] == ["kept", "new"]
    assert os.listdir(place.state) == []


def test_a_drive_that_is_not_there_is_not_made_and_loses_nothing(place: Place) -> None:
    place.drive.rmdir()
    log = place.log()
    log.logger.info("kept")
    why = log.deliver(str(place.logs), str(place.drive))
    assert str(place.drive) in why and str(place.state) in why
    assert not place.drive.exists()
    ends(place)
    place.drive.mkdir()
    assert place.log().deliver(str(place.logs), str(place.drive)) == ""
    assert [line.rpartition(" ")[2] for line in place.lines()] == ["kept"]


def test_a_share_that_is_full_loses_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = place.log()
    log.logger.info("kept")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(masterlog.os, "fsync", full)
    assert "the disk is full" in log.deliver(str(place.logs), str(place.drive))
    monkeypatch.undo()
    (name,) = os.listdir(place.state)
    assert "kept" in (place.state / name).read_text()


def test_the_log_of_a_run_that_still_works_is_left_to_it(place: Place) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        place.state.mkdir()
        running = place.state / f"vizgen_data_transfer.20240101T000000-{child.pid}.log"
        running.write_text("theirs\n")
        log = place.log()
        log.logger.info("ours")
        log.deliver(str(place.logs), str(place.drive))
        assert running.exists() and len(place.lines()) == 1
        child.communicate(b"\n")
    assert fs.process_started(child.pid) is None
    log = place.log()
    log.deliver(str(place.logs), str(place.drive))
    assert place.lines()[-1] == "theirs" and not running.exists()


def test_other_files_of_the_state_folder_are_left_alone(place: Place) -> None:
    place.state.mkdir()
    for name in ("mail.eml", "vizgen_data_transfer.log.txt", "other.20240101T000000-1.log"):
        (place.state / name).write_text("x")
    place.log().deliver(str(place.logs), str(place.drive))
    assert len(os.listdir(place.state)) == 3
    assert place.master.read_bytes() == b""


def test_without_a_local_folder_the_events_reach_the_share_all_the_same(place: Place) -> None:
    place.state.write_bytes(b"a file in the folder's place")
    log = place.log()
    log.logger.info("event")
    why = log.deliver(str(place.logs), str(place.drive))
    assert why or any(line.endswith("event") for line in place.lines())


def test_without_a_local_folder_nothing_crashes(place: Place) -> None:
    place.state.write_bytes(b"a file in the folder's place")
    log = place.log()
    log.logger.info("event")
    log.deliver(str(place.logs), str(place.drive))


def test_two_logs_of_one_process_do_not_mix(place: Place) -> None:
    first, second = place.log(), place.log(started=datetime(2024, 5, 7))
    first.logger.info("one")
    second.logger.info("two")
    first.deliver(str(place.logs), str(place.drive))
    second.deliver(str(place.logs), str(place.drive))
    texts: Any = [line.rpartition(" ")[2] for line in place.lines()]
    assert sorted(texts) == ["one", "two"]
