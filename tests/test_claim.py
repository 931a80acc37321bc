"""Tests of `vdt.claim`: probe and lock of a destination, one after the other or at the same time."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, List

import pytest

from vdt import claim as claim_module
from vdt import fs
from vdt.claim import Made, claim, give_back, take_lock
from vdt.errors import LockedError, RefusedError
from vdt.lock import LOCK_NAME, TreeLock, this_holder
from vdt.outage import Outage
from vdt.probe import probe
from vdt.stop import StopFlag
from vdt.supervise import Beside
from vdt.tuning import CALL_WAITS_S
from vdt.watch import Watch

SHARE, DISK = CALL_WAITS_S, CALL_WAITS_S * 0.99


def silent(line: str) -> None:
    del line


@pytest.fixture(params=[DISK, SHARE], ids=["disk", "share"])
def answers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    seconds: float = request.param
    monkeypatch.setattr(claim_module, "answer_s", lambda path: seconds)
    return seconds


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    path = tmp_path / "copy"
    path.mkdir()
    return path


def left(destination: Path) -> List[str]:
    """All that lies in the destination and beside it."""
    return sorted(path.relative_to(destination.parent).as_posix() for path in destination.parent.rglob("*"))


def test_a_claim_gives_probe_and_lock_and_leaves_only_the_lock(destination: Path, answers: float) -> None:
    found, lock, inside = claim(str(destination), StopFlag(), silent, Watch())
    alone = probe(str(destination))
    assert (found.volume.kind, found.fold_case, found.keeps_times) == (alone.volume.kind, alone.fold_case, True)
    assert lock.held() and not inside
    assert left(destination) == [".copy.vdt", f".copy.vdt/{LOCK_NAME}", "copy"]
    lock.release()
    assert left(destination) == ["copy"]


def test_on_a_share_both_are_done_at_the_same_time(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_lock, in_probe = threading.Event(), threading.Event()
    met: List[bool] = []
    real_probe, real_lock = probe, take_lock

    def trying(path: str) -> Any:
        assert (threading.current_thread().name == "vdt-probe") is (answers == SHARE)
        in_probe.set()
        met.append(in_lock.wait(5 if answers == SHARE else 0))
        return real_probe(path)

    def lock(*words: Any) -> Any:
        in_lock.set()
        met.append(in_probe.wait(5 if answers == SHARE else 0))
        return real_lock(*words)

    monkeypatch.setattr(claim_module, "probe", trying)
    monkeypatch.setattr(claim_module, "take_lock", lock)
    claim(str(destination), StopFlag(), silent, Watch())[1].release()
    assert met == ([True, True] if answers == SHARE else [False, True]), "on a disk the probe comes first"


def test_a_destination_that_refuses_gets_its_lock_back(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> Any:
        raise RefusedError("it cannot be renamed in")

    monkeypatch.setattr(claim_module, "probe", refuse)
    with pytest.raises(RefusedError, match="renamed in"):
        claim(str(destination), StopFlag(), silent, Watch())
    assert left(destination) == ["copy"]


def test_a_destination_that_is_locked_has_nothing_left_of_the_probe(destination: Path, answers: float) -> None:
    holder, _ = take_lock(str(destination), StopFlag().wait, silent)
    before = left(destination)
    with pytest.raises(LockedError):
        claim(str(destination), StopFlag(), silent, Watch())
    assert left(destination) == before and holder.held()
    holder.release()


def test_where_both_refuse_the_probe_is_heard(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> Any:
        raise RefusedError("it cannot be written to")

    holder, _ = take_lock(str(destination), StopFlag().wait, silent)
    monkeypatch.setattr(claim_module, "probe", refuse)
    with pytest.raises(RefusedError, match="written to"):
        claim(str(destination), StopFlag(), silent, Watch())
    holder.release()


def other_holder(destination: Path) -> Path:
    """A lock of another machine beside the destination, whose holder may be alive."""
    path = destination.parent / f".{destination.name}.vdt" / LOCK_NAME
    path.parent.mkdir()
    holder = replace(this_holder("0123456789abcdef"), host="elsewhere", machine="another")
    path.write_text(json.dumps(asdict(holder)))
    return path


def test_a_refused_probe_is_said_though_a_lock_may_be_alive(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take five minutes to see whether it is."""
    lock, waited = other_holder(destination), []

    def refuse(path: str) -> Any:
        raise RefusedError("it cannot be written to")

    class Waiting(StopFlag):
        def wait(self, seconds: float) -> bool:
            waited.append(seconds)
            return len(waited) > 3

    monkeypatch.setattr(claim_module, "probe", refuse)
    with pytest.raises(RefusedError, match="written to"):
        claim(str(destination), Waiting(), silent, Watch())
    assert len(waited) <= 1 and lock.exists()


def test_a_stop_ends_the_wait_for_a_lock_that_may_be_alive(destination: Path, answers: float) -> None:
    lock, stop = other_holder(destination), StopFlag()
    said: List[str] = []

    def say(line: str) -> None:
        said.append(line)
        stop.set("Ctrl-C")

    began = time.monotonic()
    with pytest.raises(LockedError, match="elsewhere"):
        claim(str(destination), stop, say, Watch())
    assert time.monotonic() - began < 5 and len(said) == 1
    assert left(destination) == [".copy.vdt", f".copy.vdt/{LOCK_NAME}", "copy"] and lock.exists()


def test_the_probe_that_hangs_is_named_by_its_thread_and_ends_with_the_process(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "answer_s", lambda path: SHARE)
    answered, probing, watch = threading.Event(), [], Watch()

    def volume(path: str) -> Any:
        probing.append(threading.current_thread())
        answered.wait(20)
        raise RefusedError("it cannot be looked at")

    monkeypatch.setattr(claim_module, "probe", volume)
    caller = Beside(lambda: claim(str(destination), StopFlag(), silent, watch), "caller")
    try:
        until = time.monotonic() + 10
        while not (probing and (destination.parent / ".copy.vdt" / LOCK_NAME).exists()) and time.monotonic() < until:
            time.sleep(0.01)
        assert probing[0].daemon and probing[0].name == "vdt-probe"
        assert [line for line in watch.hanging() if str(destination) in line and "Preparing" in line]
    finally:
        answered.set()
    with pytest.raises(RefusedError, match="looked at"):
        caller.result()
    assert watch.hanging() == () and left(destination) == ["copy"]


@pytest.mark.parametrize("error", [RefusedError("no"), MemoryError()])
def test_a_lock_that_cannot_be_had_ends_the_claim(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def refuse(*words: Any) -> Any:
        raise error

    monkeypatch.setattr(claim_module, "take_lock", refuse)
    with pytest.raises(type(error)):
        claim(str(destination), StopFlag(), silent, Watch())


def test_folders_that_a_refused_transfer_made_are_taken_back(tmp_path: Path) -> None:
    made = Made(str(tmp_path / "one" / "two"))
    assert made.folders == [str(tmp_path / "one"), str(tmp_path / "one" / "two")]
    made.take_back(RefusedError("no"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [".two.vdt", "two/.vdt", ".vdt/two", "../.one.vdt", "../.three.vdt"])
def test_but_not_where_another_one_may_be_at_work(tmp_path: Path, place: str) -> None:
    """It has found the folder that we made, and would take it for a share that went away."""
    two = tmp_path / "one" / "two"
    made = Made(str(two))
    holder = TreeLock(str(tmp_path / "one" / place), say=silent, wait=lambda seconds: True)
    holder.acquire()
    made.take_back(also=[str(tmp_path / "three")])
    assert two.is_dir()
    holder.release()
    made.take_back(LockedError("it ended a moment ago, and may have copied an empty folder"))
    assert two.is_dir()
    made.take_back()
    assert list(tmp_path.iterdir()) == []


def test_whoever_held_the_lock_before_has_no_part_in_a_folder_that_was_missing(tmp_path: Path) -> None:
    """Its destination is away: no other folder may stand in that place when it comes back."""
    lock = other_holder(tmp_path / "copy")
    Made(str(tmp_path / "copy")).take_back(LockedError("by that one"))
    assert left(tmp_path / "copy") == [".copy.vdt", f".copy.vdt/{LOCK_NAME}"] and lock.exists()


@pytest.mark.parametrize("refuses", ["beside", "both"])
def test_a_lock_that_is_refused_beside_lies_inside(
    destination: Path, monkeypatch: pytest.MonkeyPatch, refuses: str
) -> None:
    real = TreeLock.acquire

    def acquire(self: TreeLock) -> None:
        if refuses == "both" or not self.folder.startswith(str(destination) + os.sep):
            raise RefusedError("not here") from PermissionError(13, "no")
        real(self)

    monkeypatch.setattr(TreeLock, "acquire", acquire)
    monkeypatch.setattr(fs, "heal", lambda error: fs.Heal.MAYBE)  # as Windows has it for some refusals
    if refuses == "both":
        with pytest.raises(RefusedError, match="not here"):
            take_lock(str(destination), StopFlag().wait, silent)
    else:
        lock, inside = take_lock(str(destination), StopFlag().wait, silent)
        assert inside and left(destination) == ["copy", "copy/.vdt", f"copy/.vdt/{LOCK_NAME}"]
        lock.release()
    assert left(destination) == ["copy"]


def test_a_disk_that_fails_beside_is_no_reason_to_lock_inside(
    destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def acquire(self: TreeLock) -> None:
        tried.append(self.folder)
        raise RefusedError("it fails") from OSError(5, "input/output error")

    monkeypatch.setattr(TreeLock, "acquire", acquire)
    with pytest.raises(RefusedError, match="it fails"):
        take_lock(str(destination), StopFlag().wait, silent)
    assert len(tried) == 1


@pytest.mark.parametrize("refusal", [PermissionError(13, "no"), OSError(5, "input/output error")])
def test_the_root_of_a_drive_has_nothing_beside_it(monkeypatch: pytest.MonkeyPatch, refusal: OSError) -> None:
    root, tried = os.path.abspath(os.sep), []

    def acquire(self: TreeLock) -> None:
        tried.append(self.folder)
        raise RefusedError("not here") from refusal

    monkeypatch.setattr(TreeLock, "acquire", acquire)
    with pytest.raises(RefusedError):
        take_lock(root, StopFlag().wait, silent)
    assert tried[0] == os.path.join(root, ".vdt")


def test_a_lock_inside_of_one_that_may_be_alive_is_seen_first(destination: Path) -> None:
    holder = TreeLock(str(destination / ".vdt"), say=silent, wait=lambda seconds: True)
    holder.acquire()
    with pytest.raises(LockedError):
        take_lock(str(destination), StopFlag().wait, silent)
    assert left(destination) == ["copy", "copy/.vdt", f"copy/.vdt/{LOCK_NAME}"]
    holder.release()


def test_a_sweep_that_breaks_off_gives_the_lock_back(destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(folder: str) -> None:
        raise MemoryError

    monkeypatch.setattr(claim_module, "sweep", sweep)
    with pytest.raises(MemoryError):
        take_lock(str(destination), StopFlag().wait, silent)
    assert left(destination) == ["copy"]


@pytest.mark.parametrize(
    ("abandoned", "lost", "stays"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_when_a_lock_is_given_back(destination: Path, abandoned: bool, lost: bool, stays: bool) -> None:
    """Not where a worker hangs that may wake up; nothing is touched where another volume may stand."""
    lock, _ = take_lock(str(destination), StopFlag().wait, silent)
    watch, outage = Watch(), Outage(str(destination), str(destination), 1, stop=StopFlag(), say=silent)
    watch.abandoned = abandoned
    if lost:
        outage.lost = "it went away"
        for root in outage._roots.values():
            root.away = True
    give_back(lock, watch, outage)
    assert (left(destination) != ["copy"]) is stays
    lock.release()
