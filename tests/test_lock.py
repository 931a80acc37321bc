"""One transfer at a time in one tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from vdt import fs, lock
from vdt.errors import LockedError, RefusedError
from vdt.evidence import host_name
from vdt.lock import Holder, TreeLock


class Time:
    """A clock that only waiting moves; `on_wait` may change the world meanwhile."""

    def __init__(self, on_wait: Optional[Callable[[int], object]] = None, stop_at: int = 1 << 30) -> None:
        self.now = 1000.0
        self.waits: List[float] = []
        self._on_wait, self._stop_at = on_wait, stop_at

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        if self._on_wait is not None:
            self._on_wait(len(self.waits))
        return len(self.waits) >= self._stop_at


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / ".tree.vdt"


def make(state: Path, when: Optional[Time] = None, said: Optional[List[str]] = None, **options: Any) -> TreeLock:
    when = when or Time()
    say: Callable[[str], None] = (said if said is not None else []).append
    return TreeLock(str(state), say=say, wait=when.wait, clock=when.clock, **options)


def holder(**changes: Any) -> Dict[str, Any]:
    values: Dict[str, Any] = {
        "host": "another-machine",
        "process_id": 4242,
        "process_started": "77",
        "since": "2024-05-06T07:08:09+02:00",
        "token": "feedfacefeedface",
        "counter": 3,
    }
    return {**values, **changes}


def put(state: Path, **changes: Any) -> Path:
    state.mkdir(exist_ok=True)
    (state / "lock.json").write_text(json.dumps(holder(**changes)), encoding="utf-8")
    return state / "lock.json"


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    return child.pid


# -- a free tree ---------------------------------------------------------------------------------------------------


def test_a_free_tree_is_locked_and_given_back_without_a_trace(state: Path, tmp_path: Path) -> None:
    mine = make(state)
    mine.acquire()
    found = json.loads((state / "lock.json").read_text())
    assert found["host"] == host_name()
    assert found["process_id"] == os.getpid()
    assert found["token"] == mine.token
    assert os.listdir(state) == ["lock.json"], "nothing half-made lies beside it"
    assert mine.held() and mine.notes == []
    mine.release()
    assert os.listdir(tmp_path) == []


def test_a_state_folder_that_holds_more_stays_and_so_does_what_is_in_it(state: Path) -> None:
    state.mkdir()
    (state / "journal").write_bytes(b"x")
    mine = make(state)
    mine.acquire()
    mine.release()
    assert os.listdir(state) == ["journal"]


def test_the_folder_above_goes_only_where_it_is_ours(tmp_path: Path) -> None:
    ours, theirs = tmp_path / ".vdt/raw_data", tmp_path / "plain/.t.vdt"
    theirs.parent.mkdir()
    for folder in (ours, theirs):
        mine = make(folder)
        mine.acquire()
        mine.release()
    assert sorted(os.listdir(tmp_path)) == ["plain"]


def test_two_locks_have_two_tokens(state: Path) -> None:
    first, second = make(state), make(state)
    assert first.token != second.token
    assert len(first.token) == 16 and int(first.token, 16) >= 0


def test_a_lock_that_cannot_be_written_is_refused_and_named(state: Path) -> None:
    state.write_bytes(b"a file in the folder's place")
    with pytest.raises(RefusedError, match=r"lock\.json cannot be written") as caught:
        make(state).acquire()
    assert not isinstance(caught.value, LockedError)
    assert caught.value.exit_code == 16


def test_where_there_are_no_hard_links_the_lock_is_exclusive_all_the_same(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError(95, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    mine = make(state)
    mine.acquire()
    assert mine.held()
    with pytest.raises(LockedError):
        make(state).acquire()
    mine.release()
    assert not state.exists()


# -- a tree that this host holds -----------------------------------------------------------------------------------


def test_a_second_lock_of_this_process_is_refused_and_says_who_holds_it(state: Path) -> None:
    first = make(state)
    first.acquire()
    when = Time()
    with pytest.raises(LockedError) as caught:
        make(state, when).acquire()
    text = str(caught.value)
    assert host_name() in text and str(os.getpid()) in text and "since 20" in text
    assert caught.value.exit_code == 16
    assert when.waits == [], "who is alive needs no waiting for"
    assert first.held()
    first.release()


def test_a_refused_lock_takes_nothing_away_when_it_is_released(state: Path) -> None:
    first, second = make(state), make(state)
    first.acquire()
    with pytest.raises(LockedError):
        second.acquire()
    second.release()
    assert first.held()
    first.release()


def test_a_live_process_of_this_host_is_refused(state: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = fs.process_started(child.pid)
        put(state, host=host_name(), process_id=child.pid, process_started=started)
        with pytest.raises(LockedError, match=f"process {child.pid}, since 2024-05-06T07:08:09"):
            make(state).acquire()
        child.communicate(b"\n")


def test_a_dead_process_of_this_host_is_taken_over_with_a_note(state: Path) -> None:
    pid = dead_process()
    put(state, host=host_name(), process_id=pid, process_started="1")
    when = Time()
    mine = make(state, when)
    mine.acquire()
    assert mine.held() and when.waits == []
    (note,) = mine.notes
    assert str(pid) in note and "died" in note and "taken over" in note
    assert os.listdir(state) == ["lock.json"]
    mine.release()
    assert not state.exists()


def test_a_number_that_another_process_got_since_is_a_dead_process(state: Path) -> None:
    if fs.process_started(os.getpid()) == "unknown":
        pytest.skip("this system does not tell when a process began")
    put(state, host=host_name(), process_id=os.getpid(), process_started="1 before")
    mine = make(state)
    mine.acquire()
    assert mine.held() and len(mine.notes) == 1
    mine.release()


def test_a_process_whose_life_is_not_known_counts_as_alive(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(state, host=host_name(), process_id=4242, process_started="77")
    monkeypatch.setattr(fs, "process_started", lambda pid: "unknown")
    with pytest.raises(LockedError):
        make(state).acquire()


# -- a tree that another host holds --------------------------------------------------------------------------------


def test_another_host_whose_counter_moves_is_alive(state: Path) -> None:
    put(state)
    when = Time(lambda turn: turn == 4 and put(state, counter=4))
    said: List[str] = []
    with pytest.raises(LockedError, match="another-machine, process 4242"):
        make(state, when, said).acquire()
    assert len(when.waits) == 4
    assert "waiting up to 300 s" in said[0] and "another-machine" in said[0]
    assert json.loads((state / "lock.json").read_text())["counter"] == 4, "its lock is untouched"


def test_another_host_whose_counter_stands_still_is_taken_over(state: Path) -> None:
    put(state)
    when = Time()
    mine = make(state, when)
    mine.acquire()
    assert 300 <= when.now - 1000 < 310
    assert mine.held()
    (note,) = mine.notes
    assert "stood still" in note and "another-machine" in note
    mine.release()
    assert not state.exists()


def test_not_a_moment_before_its_time(state: Path) -> None:
    """The counter moves in the very last wait before the end."""
    put(state)
    probe = Time()
    make(state, probe).acquire()
    turns = len(probe.waits)
    (state / "lock.json").unlink()
    put(state)
    when = Time(lambda turn: turn == turns and put(state, counter=99))
    with pytest.raises(LockedError):
        make(state, when).acquire()


def test_a_lock_that_is_given_back_meanwhile_ends_the_wait(state: Path) -> None:
    put(state)
    when = Time(lambda turn: (state / "lock.json").unlink() if turn == 3 else None)
    mine = make(state, when)
    mine.acquire()
    assert len(when.waits) == 3
    assert mine.held() and mine.notes == []
    mine.release()


def test_a_third_one_that_takes_it_meanwhile_is_watched_from_its_own_beginning(state: Path) -> None:
    put(state)
    when = Time(lambda turn: turn == 50 and put(state, token="0" * 16, counter=0))
    mine = make(state, when)
    mine.acquire()
    assert when.now - 1000 >= 300 + 49 * 5, "the newcomer got its five minutes too"
    mine.release()


def test_a_stop_ends_the_wait_and_leaves_the_lock(state: Path) -> None:
    put(state)
    before = (state / "lock.json").read_bytes()
    with pytest.raises(LockedError, match="may work"):
        make(state, Time(stop_at=2)).acquire()
    assert (state / "lock.json").read_bytes() == before
    assert os.listdir(state) == ["lock.json"]


# -- locks that are no locks ---------------------------------------------------------------------------------------

TORN = [b"", b"{", b"[]", b"null", b"7", b'"host"', b"\xff\xfe\x00", b'{"host": "x"}', b'{"counter": null}']


@pytest.mark.parametrize("text", TORN)
def test_a_lock_that_cannot_be_read_is_waited_for_and_then_taken_over(state: Path, text: bytes) -> None:
    state.mkdir()
    (state / "lock.json").write_bytes(text)
    when = Time()
    said: List[str] = []
    mine = make(state, when, said)
    mine.acquire()
    assert when.now - 1000 >= 300
    assert "cannot be read" in said[0]
    assert mine.held() and len(mine.notes) == 1
    mine.release()


def test_a_lock_cut_at_any_byte_is_never_a_crash(state: Path) -> None:
    whole = json.dumps(holder()).encode()
    state.mkdir()
    for end in range(len(whole)):
        (state / "lock.json").write_bytes(whole[:end])
        mine = make(state)
        mine.acquire()
        mine.release()
        state.mkdir(exist_ok=True)


def test_a_torn_lock_that_becomes_whole_is_respected(state: Path) -> None:
    state.mkdir()
    (state / "lock.json").write_bytes(b"{")

    def becomes_whole(turn: int) -> None:
        if turn in (3, 9):
            put(state, counter=turn)

    with pytest.raises(LockedError, match="another-machine"):
        make(state, Time(becomes_whole)).acquire()


# -- keeping and losing it -----------------------------------------------------------------------------------------


def test_the_counter_beats(state: Path) -> None:
    mine = make(state, beat_s=0.01)
    mine.acquire()
    counters = set()
    for _ in range(500):
        counters.add(json.loads((state / "lock.json").read_text())["counter"])
        if len(counters) >= 3:
            break
        threading.Event().wait(0.005)
    assert len(counters) >= 3
    assert mine.held()
    mine.release()
    assert not state.exists()


def test_a_beat_that_fails_is_tried_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = make(state, beat_s=0.01)
    mine.acquire()
    failed, real = threading.Event(), os.replace

    def away(*args: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(5, "away")
        real(*args)

    monkeypatch.setattr(lock.os, "replace", away)
    assert failed.wait(5)
    for _ in range(500):
        if json.loads((state / "lock.json").read_text())["counter"] > 1:
            break
        threading.Event().wait(0.005)
    else:
        pytest.fail("the heart stopped")
    assert mine.held()
    mine.release()


@pytest.mark.parametrize("loss", ["taken", "gone", "folder gone"])
def test_a_lost_lock_is_noticed_and_stays_lost(state: Path, loss: str) -> None:
    mine = make(state)
    mine.acquire()
    own = (state / "lock.json").read_bytes()
    if loss == "taken":
        put(state)
    else:
        (state / "lock.json").unlink()
        if loss == "folder gone":
            state.rmdir()
    assert not mine.held()
    state.mkdir(exist_ok=True)
    (state / "lock.json").write_bytes(own)
    assert not mine.held(), "what was lost once was lost: somebody may have written meanwhile"
    mine.release()


def test_a_lock_that_another_took_is_not_given_back_by_us(state: Path) -> None:
    mine = make(state)
    mine.acquire()
    path = put(state)
    mine.release()
    assert json.loads(path.read_text())["token"] == "feedfacefeedface"


def test_the_heart_never_beats_on_somebody_elses_lock(state: Path) -> None:
    mine = make(state, beat_s=0.01)
    mine.acquire()
    path = put(state)
    threading.Event().wait(0.1)
    assert json.loads(path.read_text()) == holder()
    mine.release()


def test_release_may_come_twice_and_without_a_lock(state: Path) -> None:
    make(state).release()
    mine = make(state)
    mine.acquire()
    mine.release()
    mine.release()
    assert not state.exists()


# -- races ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(5))
def test_of_many_who_race_for_one_lock_exactly_one_wins(state: Path, turn: int) -> None:
    locks = [make(state) for _ in range(8)]
    start = threading.Barrier(len(locks))
    won: List[TreeLock] = []
    others: List[BaseException] = []

    def race(one: TreeLock) -> None:
        start.wait()
        try:
            one.acquire()
            won.append(one)
        except BaseException as error:
            others.append(error)

    threads = [threading.Thread(target=race, args=(one,)) for one in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1, others
    assert all(isinstance(error, LockedError) for error in others)
    assert won[0].held()
    won[0].release()
    assert not state.exists()


def test_two_who_find_the_same_dead_lock_do_not_take_it_from_each_other(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one has seen the dead lock; before it acts, the faster one has taken the tree over."""
    put(state, host=host_name(), process_id=dead_process(), process_started="1")
    faster, slower = make(state), make(state)
    real, first = fs.process_started, [True]

    def pause(pid: int) -> Optional[str]:
        found = real(pid)
        if first:
            first.clear()
            faster.acquire()
        return found

    monkeypatch.setattr(fs, "process_started", pause)
    with pytest.raises(LockedError):
        slower.acquire()
    assert faster.held()
    faster.release()


def test_holders_words() -> None:
    text = Holder("h", 7, "1", "2024-01-01", "t").words
    assert text == "host h, process 7, since 2024-01-01"
