"""One transfer at a time in one tree."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from vdt import fs, lock
from vdt.errors import LockedError, RefusedError
from vdt.evidence import host_name
from vdt.lock import Holder, TreeLock, other_around


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


BEYOND_ANY_PROCESS = 3_000_000_000  # fits 32 bits, and no process identifier of POSIX


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


class Failing:
    """Stands for a function of `os`: its first calls fail, before or after they are done."""

    def __init__(self, name: str, times: int, *, done: bool = False, code: int = errno.EIO) -> None:
        self._real, self._left, self._done, self._code = getattr(os, name), times, done, code

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self._left > 0:
            self._left -= 1
            if self._done:
                self._real(*args, **options)
            raise OSError(self._code, os.strerror(self._code))
        return self._real(*args, **options)


@pytest.mark.parametrize("call", ["fsync", "unlink", "mkdir"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_lock_that_cannot_be_written_at_first_is_written_again(
    state: Path, monkeypatch: pytest.MonkeyPatch, call: str, times: int
) -> None:
    monkeypatch.setattr(os, call, Failing(call, times))
    mine = make(state)
    mine.acquire()
    names = set(os.listdir(state))
    assert "lock.json" in names and mine.held()
    if call == "unlink":  # what could not be removed beside it stays until the lock is given back
        assert all(name.startswith("lock.json.") for name in names - {"lock.json"})
    else:
        assert names == {"lock.json"}
    monkeypatch.undo()
    mine.release()
    assert not state.exists()


def test_what_could_not_be_removed_beside_a_lock_is_never_written_again(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a second name of the lock itself: to empty it would empty the lock. Windows removes no open file."""
    monkeypatch.setattr(os, "unlink", Failing("unlink", 1))
    mine = make(state, beat_s=1000)
    mine.acquire()
    before = (state / "lock.json").read_text()
    beside = [path for path in state.iterdir() if path.name != "lock.json"]
    assert len(beside) == 1 and mine._bump()
    assert beside[0].read_text() == before != (state / "lock.json").read_text()
    mine.release()
    assert not state.exists()


def test_a_lock_of_ours_that_could_not_be_read_for_a_moment_is_ours(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make(state)
    real, asked = TreeLock._read, []

    def read(lock: TreeLock, path: str = "") -> Any:
        asked.append(path)
        return None if len(asked) == 1 else real(lock, path)

    def link(source: str, target: str) -> None:
        monkeypatch.setattr(os, "link", os_link)
        os_link(source, target)
        raise FileExistsError(errno.EEXIST, "the answer to the first call was lost")

    os_link = os.link
    monkeypatch.setattr(TreeLock, "_read", read)
    monkeypatch.setattr(os, "link", link)
    mine.acquire()
    assert mine.held() and len(asked) >= 3
    mine.release()


@pytest.mark.parametrize("folder", [".tree.vdt", ".vdt/raw_data"])
def test_a_lock_that_is_refused_three_times_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setattr(os, "fsync", Failing("fsync", 1 << 30))
    with pytest.raises(RefusedError, match="cannot be written"):
        make(tmp_path / folder).acquire()
    assert os.listdir(tmp_path) == []


def test_a_lock_that_is_refused_leaves_what_earlier_runs_need(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.mkdir()
    (state / "journal").write_bytes(b"x")
    monkeypatch.setattr(os, "fsync", Failing("fsync", 1 << 30))
    with pytest.raises(RefusedError):
        make(state).acquire()
    assert os.listdir(state) == ["journal"]


def test_half_a_lock_is_not_left_where_there_are_no_hard_links(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_hard_links(monkeypatch)
    real, writes = json.dump, []

    def dump(values: Any, file: Any) -> None:
        writes.append(file.name)
        if len(writes) == 2:
            file.write('{"half"')
            raise OSError(errno.EIO, "no")
        real(values, file)

    monkeypatch.setattr(json, "dump", dump)
    mine = make(state)
    mine.acquire()
    assert [os.path.basename(name) for name in writes[1::2]] == ["lock.json"] * 2
    assert mine.held()
    mine.release()
    assert not state.exists()


def test_a_lock_that_was_put_in_place_and_said_to_have_failed_is_our_own(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", Failing("link", 1, done=True, code=errno.ETIMEDOUT))
    mine = make(state)
    mine.acquire()
    assert mine.held() and mine.notes == []
    mine.release()


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


@pytest.mark.parametrize(("then", "now"), [("77", "unknown"), ("unknown", "77"), ("unknown", "unknown")])
def test_a_process_whose_life_is_not_known_counts_as_alive(
    state: Path, monkeypatch: pytest.MonkeyPatch, then: str, now: str
) -> None:
    put(state, host=host_name(), process_id=4242, process_started=then)
    monkeypatch.setattr(fs, "process_started", lambda pid: now)
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


def test_a_number_that_no_process_can_have_is_a_dead_one(state: Path) -> None:
    put(state, host=host_name(), process_id=BEYOND_ANY_PROCESS, process_started="1")
    mine = make(state)
    mine.acquire()
    assert "died" in mine.notes[0]
    mine.release()


@pytest.mark.parametrize("times", [1, 2, 3, 1 << 30])
def test_a_lock_that_could_not_be_removed_is_taken_over_by_the_next_one_of_this_process(
    state: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """It said that somebody else was at work, and named this very process: nobody could have waited for that."""
    first = make(state)
    first.acquire()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", Failing("unlink", times))
        first.release()
    assert (state / "lock.json").exists() is (times > 2)
    second = make(state)
    second.acquire()
    assert second.held() and ["could not remove it" in note for note in second.notes] == [True] * (times > 2)
    assert not first.held() or times <= 2
    second.release()
    assert not state.exists()


@pytest.mark.parametrize("call", ["link", "unlink", "fsync"])
def test_whatever_ends_the_taking_of_a_lock_leaves_none(
    state: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real, left = getattr(os, call), [1]

    def ends(*args: Any, **options: Any) -> Any:
        if left and left.pop():
            raise MemoryError
        return real(*args, **options)

    monkeypatch.setattr(os, call, ends)
    with pytest.raises(MemoryError):
        make(state).acquire()
    assert not state.exists()


def test_a_refused_lock_that_could_not_be_taken_back_holds_nobody_up(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", Failing("unlink", 1 << 30))
        with pytest.raises(RefusedError):
            make(state).acquire()
    assert (state / "lock.json").exists()
    second = make(state)
    second.acquire()
    second.release()
    assert not state.exists()


def test_a_lock_that_was_left_on_a_share_that_went_away_is_taken_over_too(state: Path) -> None:
    first, second = make(state), make(state)
    first.acquire()
    first.leave()
    second.acquire()
    assert second.held() and len(second.notes) == 1
    second.release()


# -- locks that are no locks ---------------------------------------------------------------------------------------

FORGED = [
    json.dumps(holder(host=host_name(), **change)).replace("Infinity", "1e999").encode()
    for change in ({"process_id": 0}, {"process_id": -1}, {"process_id": 1 << 70}, {"counter": float("inf")})
]
TORN = [
    *FORGED,
    b"[" * 100_000,
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b'"host"',
    b"\xff\xfe\x00",
    b'{"host": "x"}',
    b'{"counter": null}',
]


@pytest.mark.parametrize("text", TORN, ids=range(len(TORN)))
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


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_in_the_place_of_a_lock_is_named_and_stays(state: Path, kind: str) -> None:
    """Neither waited for nor moved: it may be data."""
    place = state / "lock.json"
    if kind == "folder":
        place.mkdir(parents=True)
        (place / "data").write_bytes(b"x")
    elif hasattr(os, "mkfifo"):
        state.mkdir()
        os.mkfifo(place)
    else:
        pytest.skip("there are no fifos here")
    when = Time()
    with pytest.raises(RefusedError, match=r"lock\.json is no file") as caught:
        make(state, when).acquire()
    assert not isinstance(caught.value, LockedError) and when.waits == []
    assert os.listdir(state) == ["lock.json"] and not place.is_file()


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
        with suppress(PermissionError):  # Windows refuses a file in the moment in which it is replaced
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


def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError(95, "no hard links here")

    monkeypatch.setattr(os, "link", refused)


@pytest.mark.parametrize("links", [True, False])
def test_two_who_find_the_same_dead_lock_do_not_take_it_from_each_other(
    state: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """The slower one has seen the dead lock; before it acts, the faster one has taken the tree over."""
    if not links:
        no_hard_links(monkeypatch)
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


@pytest.mark.parametrize("links", [True, False])
def test_a_holder_that_comes_back_in_the_last_moment_keeps_its_lock(
    state: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """It beats between the newcomer's last look and its takeover."""
    if not links:
        no_hard_links(monkeypatch)
    put(state)
    real = os.replace

    def late(old: Any, new: Any) -> None:
        if ".stale-" in str(new):
            put(state, counter=4)
        real(old, new)

    monkeypatch.setattr(lock.os, "replace", late)
    when = Time(lambda turn: put(state, counter=5) if turn == 70 else None)
    with pytest.raises(LockedError, match="another-machine"):
        make(state, when).acquire()
    assert len(when.waits) == 70, "watched anew from its return on"
    assert os.listdir(state) == ["lock.json"]


def test_a_link_whose_answer_was_lost_is_still_our_own(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS: the link is made, the answer lost, the call repeated, and then the name is taken: by us."""
    real = os.link

    def twice(*args: Any, **options: Any) -> None:
        real(*args, **options)
        real(*args, **options)

    monkeypatch.setattr(os, "link", twice)
    mine = make(state)
    mine.acquire()
    assert mine.held() and mine.notes == []
    mine.release()


# -- a holder that stood still -------------------------------------------------------------------------------------


def held_for(when: Time, state: Path) -> TreeLock:
    mine = make(state, when)
    mine.acquire()
    return mine


@pytest.mark.parametrize("way", ["no folder", "an empty folder in its place"])
def test_a_share_that_is_away_loses_the_lock_only_when_a_newcomer_may_take_it(tmp_path: Path, way: str) -> None:
    when, share = Time(), tmp_path / "share"
    share.mkdir()
    mine = held_for(when, share / ".tree.vdt")
    share.rename(tmp_path / "away")
    if way != "no folder":
        share.mkdir()
    assert mine.held(), "for a moment the last answer stands"
    when.now += 299
    assert mine.held()
    when.now += 2
    assert not mine.held(), "somebody else may work there now, and it cannot be seen"
    if share.exists():
        share.rmdir()
    (tmp_path / "away").rename(share)
    assert mine.held(), "nobody took it meanwhile"
    mine.release()
    assert os.listdir(share) == []


def test_a_share_that_comes_back_with_somebody_elses_lock_is_lost(tmp_path: Path) -> None:
    when, share = Time(), tmp_path / "share"
    share.mkdir()
    mine = held_for(when, share / ".tree.vdt")
    share.rename(tmp_path / "away")
    assert mine.held()
    put(tmp_path / "away/.tree.vdt")
    (tmp_path / "away").rename(share)
    when.now += 1
    assert not mine.held()
    mine.release()
    assert os.listdir(share / ".tree.vdt") == ["lock.json"]


def test_who_was_silent_for_too_long_beats_before_it_goes_on(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    when = Time()
    mine = held_for(when, state)
    when.now += 301
    assert mine.held()
    assert json.loads((state / "lock.json").read_text())["counter"] == 1, "a newcomer at the end of its wait sees it"
    when.now += 301
    monkeypatch.setattr(lock.os, "replace", fails)
    assert not mine.held(), "who cannot show that it lives may be taken for dead at any moment"
    monkeypatch.undo()
    assert mine.held()
    mine.release()


def fails(*_: Any) -> None:
    raise OSError(5, "away")


def test_an_answer_serves_for_a_blink_only(state: Path) -> None:
    when = Time()
    mine = held_for(when, state)
    assert mine.held()
    put(state)
    when.now += 0.2
    assert not mine.held()
    mine.release()


def test_a_blink_without_a_lock_is_no_loss(state: Path) -> None:
    """A server that replaces a file by removing it first."""
    mine = held_for(Time(), state)
    own = (state / "lock.json").read_bytes()
    (state / "lock.json").unlink()
    timer = threading.Timer(0.05, (state / "lock.json").write_bytes, [own])
    timer.start()
    assert mine.held()
    timer.join()
    mine.release()


HOLDER = """
import sys, time
from vdt import lock
lock.host_name = lambda: "elsewhere"
mine = lock.TreeLock(sys.argv[1], say=print, wait=lambda s: bool(time.sleep(s)), beat_s=0.02, lost_after_s=0.5)
mine.acquire()
print(mine.held(), flush=True)
sys.stdin.readline()
print(mine.held(), flush=True)
mine.release()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be suspended here")
def test_a_suspended_holder_finds_its_lock_taken_when_it_goes_on(state: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "True\n"

        def pause(seconds: float) -> bool:
            threading.Event().wait(seconds)
            return False

        def newcomer() -> TreeLock:
            return TreeLock(str(state), say=lambda line: None, wait=pause, beat_s=0.02, lost_after_s=0.5)

        with pytest.raises(LockedError):
            newcomer().acquire()
        child.send_signal(signal.SIGSTOP)
        mine = newcomer()
        mine.acquire()
        assert "stood still" in mine.notes[0]
        child.send_signal(signal.SIGCONT)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "False\n"
        assert child.wait(10) == 0
        assert mine.held()
        mine.release()
        assert not state.exists()


def test_holders_words() -> None:
    text = Holder("h", 7, "1", "2024-01-01", "t").words
    assert text == "host h, process 7, since 2024-01-01"


# -- a lock around a folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state_folder", ["run/.raw_data.vdt", "run/raw_data/.vdt", "run/.vdt/raw_data", ".run.vdt", "run/raw_data/.a.vdt"]
)
def test_a_transfer_into_a_folder_or_around_it_is_seen_from_within(tmp_path: Path, state_folder: str) -> None:
    (tmp_path / "run/raw_data/a/b").mkdir(parents=True)
    place = str(tmp_path / "run/raw_data/a/b")
    assert not other_around(place, "")
    holder = make(tmp_path / state_folder)
    holder.acquire()
    assert other_around(place, "another token")
    assert not other_around(place, holder.token), "one's own lock is no other"
    holder.release()
    assert not other_around(place, "")


def test_a_transfer_into_a_neighbour_is_not_around(tmp_path: Path) -> None:
    (tmp_path / "run/raw_data/a").mkdir(parents=True)
    for state_folder in ("run/.output.vdt", "run/.vdt/output", "run/raw_data/.b.vdt"):
        make(tmp_path / state_folder).acquire()
    assert not other_around(str(tmp_path / "run/raw_data/a"), "")


@pytest.mark.parametrize(
    ("changes", "around"),
    [
        ({"host": host_name(), "process_id": 2147483646}, False),
        ({"host": "another-machine"}, True),
    ],
)
def test_only_a_holder_that_died_here_is_known_to_be_gone(
    tmp_path: Path, changes: Dict[str, Any], around: bool
) -> None:
    put(tmp_path / ".tree.vdt", **changes)
    (tmp_path / "tree").mkdir()
    assert other_around(str(tmp_path / "tree"), "") == around


def test_a_lock_that_cannot_be_read_may_be_alive(tmp_path: Path) -> None:
    put(tmp_path / ".tree.vdt").write_text("{")
    assert other_around(str(tmp_path / "tree"), "")


# -- after an outage -----------------------------------------------------------------------------------------------


def test_it_sees_whether_it_still_lies_in_its_place(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = make(state)
    mine.acquire()
    assert mine.seen() is True
    path = state / "lock.json"
    text = path.read_text()
    path.write_text(json.dumps(holder()))
    assert mine.seen() is False, "another transfer's"
    path.write_text("{")
    assert mine.seen() is None, "it is there and cannot be read"
    path.unlink()
    assert mine.seen() is False
    state.rename(state.with_name("elsewhere"))
    assert mine.seen() is False
    state.with_name("elsewhere").rename(state)
    path.write_text(text)
    assert mine.seen() is True

    def away(path: object) -> None:
        raise OSError(errno.EHOSTDOWN, "away")

    path.unlink()
    with monkeypatch.context() as broken:
        broken.setattr(lock.os, "stat", away)
        assert mine.seen() is None
    mine.leave()


def test_a_lock_that_is_left_stays_and_beats_no_more(state: Path) -> None:
    mine = make(state, beat_s=0.01)
    mine.acquire()
    mine.leave()
    assert mine._heart is not None
    mine._heart.join(5)
    assert not mine._heart.is_alive() and mine.seen() is True


@pytest.mark.parametrize("times", [2, 3])
def test_a_lock_that_is_refused_for_a_moment_is_looked_at_again(
    state: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """As Windows refuses it while the next beat is put in its place."""
    mine = make(state)
    mine.acquire()
    left = [PermissionError(errno.EACCES, "no")] * times

    def refused(*args: Any, **options: Any) -> Any:
        if left:
            raise left.pop()
        return open(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(lock, "open", refused, raising=False)
        found = lock.seen_in_file(str(state / "lock.json"))
    assert (found is not None) == (times == 2) and not left
    mine.release()


def test_each_beat_shows_how_far_the_work_is(state: Path) -> None:
    asked: List[int] = []

    def work() -> Dict[str, Any]:
        asked.append(0)
        return {"files": len(asked)}

    mine = make(state, beat_s=0.01, work=work)
    mine.acquire()
    try:
        for _ in range(500):
            found = lock.seen_in_file(str(state / "lock.json"))
            assert found is not None and found[0].token == mine.token
            if found[1]["files"] > 2:
                break
            time.sleep(0.01)
        assert found[1]["files"] > 2 and found[0].counter >= 1
    finally:
        mine.release()


def test_work_that_cannot_be_told_costs_no_beat(state: Path) -> None:
    def work() -> Dict[str, Any]:
        raise RuntimeError("dictionary changed size during iteration")

    mine = make(state, beat_s=0.01, work=work)
    mine.acquire()
    try:
        assert mine.held()
        found = lock.seen_in_file(str(state / "lock.json"))
        assert found is not None and found[1] == {}
    finally:
        mine.release()
    assert not state.exists()


@pytest.mark.parametrize("work", ["x", 7, [1], None], ids=str)
def test_work_of_a_stranger_that_is_no_object_is_passed_over(state: Path, work: Any) -> None:
    path = put(state, work=work)
    found = lock.seen_in_file(str(path))
    assert found is not None and found[1] == {}
