"""Tests of `vdt.claim`: probe and lock of a destination, one after the other or at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, List

import pytest

from vdt import claim as claim_module
from vdt.claim import claim, take_lock
from vdt.errors import LockedError, RefusedError
from vdt.lock import LOCK_NAME
from vdt.probe import probe
from vdt.stop import StopFlag

SHARE, DISK = 0.01, 0.0


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
    return sorted(str(path.relative_to(destination.parent)) for path in destination.parent.rglob("*"))


def test_a_claim_gives_probe_and_lock_and_leaves_only_the_lock(destination: Path, answers: float) -> None:
    found, lock, inside = claim(str(destination), StopFlag(), silent)
    alone = probe(str(destination))
    assert (found.volume.kind, found.fold_case, found.keeps_times) == (alone.volume.kind, alone.fold_case, True)
    assert lock.held() and not inside
    assert left(destination) == [".copy.vdt", os.path.join(".copy.vdt", LOCK_NAME), "copy"]
    lock.release()
    assert left(destination) == ["copy"]


def test_on_a_share_both_are_done_at_the_same_time(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_lock, in_probe = threading.Event(), threading.Event()
    met: List[bool] = []
    real_probe, real_lock = probe, take_lock

    def trying(path: str) -> Any:
        in_probe.set()
        met.append(in_lock.wait(5 if answers else 0))
        return real_probe(path)

    def lock(*words: Any) -> Any:
        in_lock.set()
        met.append(in_probe.wait(5 if answers else 0))
        return real_lock(*words)

    monkeypatch.setattr(claim_module, "probe", trying)
    monkeypatch.setattr(claim_module, "take_lock", lock)
    claim(str(destination), StopFlag(), silent)[1].release()
    assert met == ([True, True] if answers else [False, True]), "on a disk the probe comes first"


def test_a_destination_that_refuses_gets_its_lock_back(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> Any:
        raise RefusedError("it cannot be renamed in")

    monkeypatch.setattr(claim_module, "probe", refuse)
    with pytest.raises(RefusedError, match="renamed in"):
        claim(str(destination), StopFlag(), silent)
    assert left(destination) == ["copy"]


def test_a_destination_that_is_locked_has_nothing_left_of_the_probe(destination: Path, answers: float) -> None:
    holder, _ = take_lock(str(destination), StopFlag(), silent)
    before = left(destination)
    with pytest.raises(LockedError):
        claim(str(destination), StopFlag(), silent)
    assert left(destination) == before and holder.held()
    holder.release()


def test_where_both_refuse_the_probe_is_heard(
    destination: Path, answers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> Any:
        raise RefusedError("it cannot be written to")

    holder, _ = take_lock(str(destination), StopFlag(), silent)
    monkeypatch.setattr(claim_module, "probe", refuse)
    with pytest.raises(RefusedError, match="written to"):
        claim(str(destination), StopFlag(), silent)
    holder.release()
