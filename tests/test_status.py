"""The status of a run: who is at work, whether that is alive, and what follows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest

from vdt import fs
from vdt.cli.status import status_lines
from vdt.errors import RefusedError
from vdt.evidence import host_name
from vdt.lock import Holder
from vdt.model import Policy
from vdt.options import ParsedOptions
from vdt.vizgen.config import Config
from vdt.vizgen.masterlog import at_work
from vdt.vizgen.status import Status, look

RUN = "202310261058_VZGEN1_VMSC10202"
ELSEWHERE = Holder("another-pc", 4242, "1", "2026-04-12T18:15:02+01:00", "token", 7)
WORK = {
    "phase": "copying",
    "files": 40,
    "bytes": 2**30,
    "failed": 1,
    "of_files": 100,
    "of_bytes": 4 * 2**30,
    "elapsed_s": 600,
    "files_per_s": 2.5,
    "bytes_per_s": 3 * 2**20,
}


class Desk:
    """A storage with the folder of a run, and somebody who looks at it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "isilon" / RUN / ".vdt" / "raw_data"
        (root / "isilon" / RUN / "raw_data").mkdir(parents=True)
        self.now_s = 0.0
        self.said: List[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def lock(self, holder: Holder, work: Any = None) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        values = {**asdict(holder), **({"work": work} if work is not None else {})}
        (self.state / "lock.json").write_text(json.dumps(values))

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        self.meanwhile()
        return False

    def look(self, wait_s: Optional[float] = None) -> Status:
        config = Config(
            "c.toml", "analysis", str(self.root), str(self.root / "isilon"), "", ParsedOptions("", Policy())
        )
        more = {} if wait_s is None else {"wait_s": wait_s}
        return look(RUN, config, wait=self.wait, told=self.said.append, clock=lambda: self.now_s, **more)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "state"))
    return Desk(tmp_path)


def test_a_counter_that_moves_is_alive_and_shows_the_newest_values(desk: Desk) -> None:
    desk.lock(ELSEWHERE, {**WORK, "files": 1})

    def beat() -> None:
        if desk.now_s >= 12:
            desk.lock(replace(ELSEWHERE, counter=8), WORK)

    desk.meanwhile = beat
    status = desk.look()
    assert desk.now_s == 12 and status.exit_code == 1
    text = "\n".join(status_lines(status))
    assert "a transfer is under way" in text and "its counter moves" in text
    assert "raw_data: copying, by host another-pc, process 4242, since 2026-04-12T18:15:02+01:00" in text
    assert "done: 40 of 100 files, 1.00 GB of 4.00 GB (25.0 %)" in text
    assert "left: 59 files, 3.00 GB, about 0:30:00 at the pace so far" in text
    assert "rate: 2.5 files/s, 3.0 MB/s" in text and "1 files failed so far" in text
    assert desk.said == ["watching the counter of another-pc for up to 35 s"]


def test_a_counter_that_stands_still_broke_off(desk: Desk) -> None:
    desk.lock(ELSEWHERE, WORK)
    status = desk.look()
    assert status.state == "broken off" and status.exit_code == 8 and desk.now_s == 35
    assert "its counter stood still for 35 s" in "\n".join(status_lines(status))


def test_who_does_not_wait_long_enough_does_not_know(desk: Desk) -> None:
    desk.lock(ELSEWHERE, WORK)
    status = desk.look(wait_s=2)
    assert status.exit_code == 1 and status.trees[0].worker is not None and status.trees[0].worker.alive is None
    assert "whether it is alive was not waited for" in "\n".join(status_lines(status))


def test_a_lock_that_goes_meanwhile_is_none(desk: Desk) -> None:
    desk.lock(ELSEWHERE, WORK)
    desk.meanwhile = lambda: (desk.state / "lock.json").unlink(missing_ok=True)
    assert desk.look(wait_s=1).trees[0].worker is None


def test_a_process_of_this_machine_is_asked_for(desk: Desk) -> None:
    mine = Holder(host_name(), os.getpid(), fs.process_started(os.getpid()) or "", "s", "t", 0, fs.machine_identity())
    desk.lock(mine, WORK)
    assert desk.look().trees[0].state == "under way" and desk.now_s == 0
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    desk.lock(replace(mine, process_id=gone.pid))
    status = desk.look()
    assert status.trees[0].state == "broken off" and desk.now_s == 0
    assert "its process on this computer is gone" in "\n".join(status_lines(status))


@pytest.mark.parametrize("work", [None, {}, {"phase": 3}, "x", [1]], ids=str)
def test_a_holder_that_does_not_say_how_far_it_is(desk: Desk, work: Any) -> None:
    desk.lock(ELSEWHERE, work)
    lines = status_lines(desk.look(wait_s=0))
    assert any("how far it is does not stand in its lock" in line for line in lines)


def test_a_lock_that_cannot_be_read_may_be_one(desk: Desk) -> None:
    desk.state.mkdir(parents=True)
    (desk.state / "lock.json").write_text("{")
    status = desk.look()
    assert status.exit_code == 1 and "its lock cannot be read" in "\n".join(status_lines(status))


def test_nothing_is_known_of_a_run_that_was_never_transferred(desk: Desk) -> None:
    (desk.root / "isilon" / RUN / "raw_data").rmdir()
    status = desk.look()
    assert [tree.state for tree in status.trees] == ["not there"] * 3 and status.exit_code == 8
    (desk.root / "isilon" / RUN).rmdir()
    with pytest.raises(RefusedError, match="Check the run id"):
        desk.look()
    (desk.root / "isilon").rmdir()
    with pytest.raises(RefusedError, match=r"Isilon drive .* is not there"):
        desk.look()


def test_a_process_that_is_still_counting_is_found_by_its_own_log(desk: Desk, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    alive = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        line = f"2026-04-12T18:15:02+01:00 - {alive.pid} - vdt - INFO - "
        log = state / f"vizgen_data_transfer.20260412T181502-{alive.pid}.log"
        log.write_text(f"{line}vizgen_data_transfer 2.0.0: run {RUN}, configuration c\n{line}counting\x1b\n")
        (state / "vizgen_data_transfer.20260412T181502-x.log").write_text("nothing")
        assert [(found.process_id, found.last) for found in at_work(str(state), RUN)] == [(alive.pid, "counting\\x1b")]
        assert at_work(str(state), RUN + "3") == [] and at_work(str(state / "none"), RUN) == []
        (desk.root / "isilon" / RUN / "raw_data").rmdir()
        (desk.root / "isilon" / RUN).rmdir()
        status = desk.look()
        assert status.exit_code == 1 and f"Process {alive.pid} of this computer" in status_lines(status)[1]
    finally:
        alive.kill()
        alive.wait()
    assert at_work(str(state), RUN) == []
