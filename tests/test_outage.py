"""Who is away, since when, and whether what comes back is what went. No real time passes."""

from __future__ import annotations

import errno
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import pytest

from vdt import fs, outage
from vdt.errors import AwayError, LostOutputError, StoppedError
from vdt.model import Entry, Kind
from vdt.outage import ALWAYS_THERE, SURE_AFTER_S, Outage
from vdt.stop import StopFlag

SOURCE, DESTINATION = "/run", "/share/target"
AWAY = OSError(errno.EHOSTDOWN, "host is down")
GONE = FileNotFoundError(errno.ENOENT, "gone")
FIRST, OTHER, BARE, AROUND, MOVED = (1, 10), (2, 20), (9, 90), (1, 5), (1, 11)
Answer = Union[OSError, Tuple[Tuple[int, int], bool]]


def names(*given: str) -> List[Entry]:
    return [Entry(name, Kind.FILE, 0, 0, 0, (0, 0)) for name in given]


class World:
    """Two roots that answer as they are told, a clock that only waits move, and what was said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: Dict[str, Answer] = {SOURCE: (FIRST, False), DESTINATION: (FIRST, False)}
        self.listing: Dict[str, List[Entry]] = {SOURCE: names("a", "b"), DESTINATION: []}
        self.mounted = True
        self.numbers_stay = self.is_link = False
        self.asked = 0
        self.now_s = 0.0
        self.plan: Dict[float, Dict[str, Answer]] = {}  # from this second on
        self.said: List[str] = []
        self.phases: List[str] = []
        self.waits: List[float] = []
        self.stop = StopFlag()
        monkeypatch.setattr(fs, "answer", self.answer)
        monkeypatch.setattr(fs, "real_id", lambda path: self.answer(path)[0])
        monkeypatch.setattr(fs, "list_folder", lambda path, tolerant=False: self.answer(path) and self.listing[path])
        monkeypatch.setattr(fs, "mount_point", lambda path: "/share")
        monkeypatch.setattr(fs, "is_mount", lambda path: self.mounted)
        monkeypatch.setattr(fs, "numbers_stay", lambda path: self.numbers_stay)
        monkeypatch.setattr(fs, "is_link", lambda path: self.is_link)

    def answer(self, path: str) -> Tuple[Tuple[int, int], bool]:
        self.asked += 1
        for second in sorted(self.plan):
            if second <= self.now_s:
                self.answers.update(self.plan.pop(second))
        answer = self.answers[path]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now_s += seconds
        return bool(self.stop)

    def outage(self, wait_s: float = 600.0) -> Outage:
        return Outage(
            SOURCE,
            DESTINATION,
            wait_s,
            stop=self.stop,
            say=self.said.append,
            phase=self.phases.append,
            clock=lambda: self.now_s,
            now=lambda: datetime(2026, 1, 2, 3, 10, 12),
            wait=self.wait,
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_failure_beside_two_roots_that_answer_is_no_outage(world: World) -> None:
    found = world.outage()
    assert not found.look() and not found.struck(0)
    assert (found.over, found.lost, world.said, world.waits, found.notes) == (0, "", [], [], ())


@pytest.mark.parametrize("how", ["another folder", "gone, then another folder", "a link"])
def test_a_root_that_was_moved_is_given_up_though_our_lock_lies_beside_its_name(world: World, how: str) -> None:
    """The folder around it is the same: nothing was mounted or lost, and the lock there proves nothing."""
    world.numbers_stay = how != "a link"
    world.answers.update({"/share": (AROUND, False), "/": (AROUND, False)})
    found = world.outage()
    found.prove_by(lambda: True)
    assert not found.look()
    world.is_link = how == "a link"
    world.answers[DESTINATION] = GONE if how.startswith("gone") else (MOVED, False)
    world.plan[2] = {DESTINATION: (MOVED, False)}
    with pytest.raises(AwayError, match="another volume or folder"):
        found.struck(0)
    with pytest.raises(OSError, match="another folder stands in its place"):
        found.guard()
    assert found.destination_lost


def test_a_root_that_was_moved_and_moved_back_is_gone_on_with(world: World) -> None:
    world.numbers_stay = True
    world.answers.update({"/share": (AROUND, False), "/": (AROUND, False)})
    found = world.outage()
    found.prove_by(lambda: True)
    world.answers[DESTINATION] = GONE
    world.plan[2] = {DESTINATION: (FIRST, False)}
    assert found.struck(0) and not found.look()


def test_a_mount_that_gives_other_numbers_is_known_by_our_lock(world: World) -> None:
    """FUSE does so where it has forgotten a folder; so may the next mount of a share."""
    found = world.outage()
    found.prove_by(lambda: True)
    world.answers[DESTINATION] = (MOVED, False)
    assert not found.look()


def test_a_share_that_comes_back_is_waited_for_and_said_twice(world: World) -> None:
    found = world.outage(4 * 3600)
    found.doing = "counting"
    world.answers[DESTINATION] = AWAY
    world.plan[130] = {DESTINATION: (FIRST, False)}
    assert found.struck(found.over)
    assert world.said == [
        f"{DESTINATION} does not answer since 03:10:12 (host is down); waiting up to 4 h",
        f"{DESTINATION} is back after 0:02:10",
    ]
    assert world.phases == [f"waiting for {DESTINATION}", "counting"]
    assert found.notes == (f"{DESTINATION} did not answer at 03:10:12, for 0:02:10; the run waited for it.",)
    assert found.over == 1 and not found.look()


def test_both_may_be_away(world: World) -> None:
    found = world.outage(3)
    world.answers = {SOURCE: AWAY, DESTINATION: GONE}
    world.plan[2] = {SOURCE: (FIRST, False), DESTINATION: (FIRST, False)}
    assert found.struck(0)
    assert world.said[0] == f"{SOURCE} and {DESTINATION} do not answer since 03:10:12 (host is down); waiting up to 3 s"


def test_a_share_that_is_only_not_there_needs_no_reason_and_one_that_refuses_says_it(world: World) -> None:
    denied = PermissionError(errno.EACCES, "no")
    for answer, why in ((GONE, ""), (denied, f" ({fs.explain(denied)[1]})")):
        world.said.clear()
        world.answers[DESTINATION] = answer
        world.plan[world.now_s + 2] = {DESTINATION: (FIRST, False)}
        assert world.outage().struck(0)
        assert world.said[0] == f"{DESTINATION} does not answer since 03:10:12{why}; waiting up to 10 min"


def test_what_failed_before_an_outage_ended_failed_for_it(world: World) -> None:
    found = world.outage()
    mark = found.over
    world.answers[SOURCE] = AWAY
    assert found.look()  # a worker, where it failed
    world.answers[SOURCE] = (FIRST, False)
    assert found.struck(mark) and world.said == [] and world.waits == []
    asked = world.asked
    assert found.struck(mark) and world.asked == asked, "known without a look"
    assert not found.struck(found.over)


def test_no_more_is_waited_for_when_the_time_is_up(world: World) -> None:
    found = world.outage(600)
    world.answers[DESTINATION] = AWAY
    with pytest.raises(AwayError, match=r"target does not answer since 03:10:12, for longer than 10 min") as caught:
        found.struck(0)
    assert caught.value.exit_code == 16 and found.lost == str(caught.value) and found.destination_lost
    assert sum(world.waits) == 600
    world.answers[DESTINATION] = (FIRST, False)
    with pytest.raises(AwayError):
        found.struck(0)
    assert sum(world.waits) == 600, "given up for good"


def test_without_a_wait_it_ends_at_once(world: World) -> None:
    found = world.outage(0)
    world.answers[SOURCE] = GONE
    with pytest.raises(AwayError):
        found.struck(0)
    assert world.waits == [] and not found.destination_lost


def test_a_stop_ends_the_waiting_and_no_look_follows(world: World) -> None:
    found = world.outage()
    world.answers[SOURCE] = AWAY
    assert found.look()
    world.stop.set("interrupted")
    asked = world.asked
    with pytest.raises(StoppedError):
        found.struck(0)
    assert world.asked == asked


def test_a_stop_in_the_middle_of_a_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = world.outage()
    world.answers[SOURCE] = AWAY
    monkeypatch.setattr(world, "said", world.said)
    found._pause = lambda seconds: world.stop.set("interrupted") is None
    with pytest.raises(StoppedError):
        found.struck(0)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_this_process_lacks_is_no_outage(world: World, code: int) -> None:
    found = world.outage()
    world.answers[SOURCE] = OSError(code, "short of it")
    assert not found.look()


@pytest.mark.parametrize(
    "code",
    ["EHOSTDOWN", "ENOTCONN", "ESTALE", "EIO", "ETIMEDOUT", "ENOENT", "ENOTDIR", "EACCES", "ENODEV"],
)
def test_a_root_that_was_there_and_says_anything_else_is_away(world: World, code: str) -> None:
    found = world.outage()
    world.answers[SOURCE] = OSError(getattr(errno, code), "away")
    assert found.look()


# -- the same volume and folder? -----------------------------------------------------------------------------------


def test_a_bare_mount_point_is_away_not_another_volume(world: World) -> None:
    found = world.outage(60)
    world.answers[DESTINATION] = (BARE, True)
    world.mounted = False
    with pytest.raises(AwayError, match="for longer than 1 min"):
        found.struck(0)


def test_one_with_forgotten_files_in_it_is_away_too(world: World) -> None:
    found = world.outage(60)
    found.prove_by(lambda: False)
    world.answers[DESTINATION] = (BARE, False)
    world.mounted = False
    with pytest.raises(AwayError, match="for longer than"):
        found.struck(0)


def test_another_volume_in_its_place_ends_the_run_soon(world: World) -> None:
    found = world.outage(4 * 3600)
    found.prove_by(lambda: False)
    world.answers[DESTINATION] = (OTHER, False)
    with pytest.raises(AwayError, match="another volume or folder, or another transfer has taken it"):
        found.struck(0)
    assert SURE_AFTER_S <= sum(world.waits) < 2 * SURE_AFTER_S + 5
    with pytest.raises(OSError, match="another folder stands in its place"):
        found.guard()


def test_a_device_number_that_was_given_away_again_proves_nothing(world: World) -> None:
    found = world.outage()
    found.prove_by(lambda: False)
    assert not found.look(), "while it never was away the numbers count"
    world.answers[DESTINATION] = AWAY
    world.plan[5] = {DESTINATION: (FIRST, False)}
    with pytest.raises(AwayError, match="another volume"):
        found.struck(0)


def test_a_destination_with_our_lock_in_it_may_have_new_numbers(world: World) -> None:
    found = world.outage()
    found.prove_by(lambda: True)
    world.answers[DESTINATION] = (OTHER, False)
    found.guard()
    assert not found.look() and found.over == 0
    world.answers[DESTINATION] = AWAY
    world.plan[5] = {DESTINATION: (BARE, False)}
    assert found.struck(0)


def test_a_lock_that_cannot_be_read_yet_is_waited_for(world: World) -> None:
    seen: List[Optional[bool]] = [*[None] * 20, True]
    found = world.outage()
    found.prove_by(lambda: seen.pop(0))
    world.answers[DESTINATION] = AWAY
    world.plan[2] = {DESTINATION: (FIRST, False)}
    assert found.struck(0) and seen == []


def test_a_lock_that_is_being_replaced_is_asked_for_again(world: World) -> None:
    seen: List[Optional[bool]] = [False, True]
    found = world.outage()
    found.prove_by(lambda: seen.pop(0))
    world.answers[DESTINATION] = AWAY
    world.plan[2] = {DESTINATION: (FIRST, False)}
    assert found.struck(0) and seen == []


@pytest.mark.parametrize(
    "after, same", [(("a", "b"), True), (("a", "b", "new"), True), (("a",), False), (("x", "y"), False)]
)
def test_a_source_is_known_by_the_names_of_its_root(world: World, after: Tuple[str, ...], same: bool) -> None:
    found = world.outage(60)
    found.listed(SOURCE, names("a", "b"))
    found.listed(SOURCE + "/below", names("c"))
    world.answers[SOURCE] = AWAY
    world.plan[2] = {SOURCE: (OTHER, False)}
    world.listing[SOURCE] = names(*after)
    if same:
        assert found.struck(0)
    else:
        with pytest.raises(AwayError, match="another volume"):
            found.struck(0)


def test_a_name_that_was_a_file_and_is_a_folder_is_another_one(world: World) -> None:
    found = world.outage(60)
    found.listed(SOURCE, names("a"))
    world.answers[SOURCE] = (OTHER, False)
    world.listing[SOURCE] = [names("a")[0]._replace(kind=Kind.FOLDER)]
    assert found.look()


def test_without_names_or_lock_the_numbers_decide(world: World) -> None:
    found = world.outage(60)
    world.answers[SOURCE] = AWAY
    world.plan[2] = {SOURCE: (FIRST, False)}
    assert found.struck(0)
    world.answers[SOURCE] = (OTHER, False)
    with pytest.raises(AwayError, match="another volume"):
        found.struck(found.over)


def test_a_destination_that_is_not_made_yet_is_what_answers_first(world: World) -> None:
    world.answers[DESTINATION] = GONE
    found = world.outage()
    world.answers[DESTINATION] = (OTHER, True)
    assert not found.look()
    found.guard()
    world.answers[DESTINATION] = (FIRST, False)
    with pytest.raises(OSError, match="stands in its place"):
        found.guard()


# -- writing and listing -------------------------------------------------------------------------------------------


def test_the_guard_costs_one_question(world: World) -> None:
    found = world.outage()
    asked = world.asked
    found.guard()
    assert world.asked == asked + 1


def test_nothing_is_written_while_the_destination_is_in_doubt(world: World) -> None:
    found = world.outage()
    world.answers[DESTINATION] = AWAY
    assert found.look()
    world.answers[DESTINATION] = (FIRST, False)
    found.prove_by(lambda: None)
    with pytest.raises(OSError):
        found.guard()
    found.prove_by(lambda: True)
    assert not found.look()
    found.guard()


def test_a_source_that_is_away_does_not_forbid_writing(world: World) -> None:
    found = world.outage()
    world.answers[SOURCE] = AWAY
    assert found.look()
    found.guard()


def test_the_listing_of_a_bare_mount_point_is_not_believed(world: World) -> None:
    found = world.outage()
    world.answers[SOURCE] = (BARE, True)
    with pytest.raises(OSError, match="another folder stands in its place"):
        found.listed(SOURCE, [])


def test_acts_are_done_again_after_an_outage(world: World) -> None:
    found = world.outage()
    tries: List[int] = []

    def act() -> str:
        tries.append(1)
        if len(tries) == 1:
            world.answers[DESTINATION] = AWAY
            world.plan[world.now_s + 2] = {DESTINATION: (FIRST, False)}
            raise LostOutputError("the log")
        return "done"

    assert found.again(act) == "done" and len(tries) == 2
    with pytest.raises(ZeroDivisionError):
        found.again(lambda: 1 // 0)
    with pytest.raises(LostOutputError):
        found.again(lambda: fail(LostOutputError("no")))


def fail(error: Exception) -> Any:
    raise error


def test_write_asks_the_guard_first(world: World) -> None:
    found = world.outage(2)
    world.answers[DESTINATION] = (BARE, True)
    done: List[int] = []
    with pytest.raises(AwayError):
        found.write(lambda: done.append(1))
    assert done == []


def test_what_cannot_be_written_to_a_share_that_is_away_is_noted(world: World) -> None:
    found = world.outage()
    with pytest.raises(LostOutputError):
        found.forgive(lambda: fail(LostOutputError("The log x cannot be written.")))
    found.forgive(lambda: fail(AwayError("said already")))
    found.forgive(lambda: None)
    assert found.notes == ()
    world.answers[DESTINATION] = AWAY
    found.forgive(lambda: fail(LostOutputError("The log x cannot be written.")))
    assert found.notes == ("The log x cannot be written.",)


def test_who_waits_for_a_look_takes_its_answer(world: World) -> None:
    found = world.outage()
    inside, go = threading.Event(), threading.Event()

    def slow() -> bool:
        inside.set()
        go.wait(10)
        return True

    found.prove_by(slow)
    world.answers[DESTINATION] = (OTHER, False)
    first = threading.Thread(target=found.look)
    first.start()
    assert inside.wait(10)
    found.prove_by(lambda: False)
    answers: List[bool] = []
    others = [threading.Thread(target=lambda: answers.append(found.look())) for _ in range(3)]
    for other in others:
        other.start()
    time.sleep(0.2)  # all three have asked by now
    go.set()
    for thread in (first, *others):
        thread.join(10)
    assert answers == [False] * 3 and found._looks == 2


def test_nobody_watches_by_default() -> None:
    assert not ALWAYS_THERE.look() and not ALWAYS_THERE.struck(0)
    ALWAYS_THERE.guard()
    ALWAYS_THERE.listed("/", [])
    ran: List[int] = []
    ALWAYS_THERE.forgive(lambda: ran.append(1))
    assert ALWAYS_THERE.again(lambda: 5) == 5 and ran == [1]


@pytest.mark.parametrize(
    "seconds, words",
    [(14400.0, "4 h"), (600.0, "10 min"), (5400.0, "90 min"), (3.0, "3 s"), (0.5, "0.5 s"), (61.0, "61 s")],
)
def test_spans_in_words(seconds: float, words: str) -> None:
    assert outage._span(seconds) == words


def test_real_folders(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    said: List[str] = []
    found = Outage(str(tmp_path / "source"), str(tmp_path / "target"), 0.2, stop=StopFlag(), say=said.append)
    assert not found.look()
    (tmp_path / "target").rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="the destination is away"):
        found.guard()
    (tmp_path / "elsewhere").rename(tmp_path / "target")
    assert found.struck(0) and said == []
    assert fs.is_mount(fs.mount_point(str(tmp_path / "not/there")))
