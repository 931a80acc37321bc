"""The flags of a finished run, and waiting for them."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from vdt.errors import RefusedError, StoppedError
from vdt.model import Entry, Kind
from vdt.snapshot import Snapshot
from vdt.vizgen import finished
from vdt.vizgen.finished import MARKERS, Finished, Patience, look, unlike

# -- looking -------------------------------------------------------------------------------------------------------


def put(folder: Path, *names: str) -> str:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("RUN " + name)
    return str(folder)


def test_a_finished_run_has_all_three(tmp_path: Path) -> None:
    found = look(put(tmp_path / "RUN", *MARKERS, "experiment.json"))
    assert found.sure and found.objection == "" and found.missing == ()


@pytest.mark.parametrize("gone", MARKERS)
def test_each_flag_counts(tmp_path: Path, gone: str) -> None:
    folder = put(tmp_path / "RUN", *(name for name in MARKERS if name != gone))
    found = look(folder)
    assert not found.sure and found.missing == (gone,)
    assert found.objection.startswith(f"The run is not finished: {gone} is missing in {folder} (")


def test_the_first_that_is_missing_says_how_far_the_run_is(tmp_path: Path) -> None:
    found = look(put(tmp_path / "RUN", "EXPERIMENT_FINISHED"))
    assert "RAW_DATA_SYNC_FINISHED and MERLIN_FINISHED are missing in " in found.objection
    assert "(the raw data have not all arrived on the analysis drive)." in found.objection


def test_only_what_the_facility_asks_for(tmp_path: Path) -> None:
    folder = put(tmp_path / "RUN", "MERLIN_FINISHED")
    assert look(folder, ("MERLIN_FINISHED",)).sure


def test_a_folder_or_a_dangling_link_is_no_flag(tmp_path: Path) -> None:
    folder = put(tmp_path / "RUN", *MARKERS[1:])
    (tmp_path / "RUN" / MARKERS[0]).mkdir()
    assert look(folder).missing == (MARKERS[0],)
    (tmp_path / "RUN" / MARKERS[0]).rmdir()
    os.symlink("nowhere", tmp_path / "RUN" / MARKERS[0])
    assert look(folder).missing == (MARKERS[0],)


def test_what_cannot_be_seen_is_not_finished(tmp_path: Path) -> None:
    found = look(str(tmp_path / "none"))
    assert not found.sure and found.missing == () and found.unknown
    assert found.objection.startswith(f"Whether the run is finished cannot be told: {tmp_path / 'none'}: ")


# -- waiting -------------------------------------------------------------------------------------------------------


class World:
    """A clock that the waiting itself moves on, and what happens at which second."""

    def __init__(self, *, stop_at: float = 1e12) -> None:
        self.now = 0.0
        self.said: List[str] = []
        self.phases: List[str] = []
        self._stop_at = stop_at

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.now += seconds
        return self.now >= self._stop_at

    def patience(self, hours: float) -> Patience:
        return Patience(
            hours,
            wait=self.wait,
            say=self.said.append,
            phase=self.phases.append,
            clock=lambda: self.now,
            now=lambda: datetime(2026, 4, 12, 18, 15, 2),
        )

    def flags(self, *times: float) -> Callable[[], Finished]:
        return lambda: Finished("/raw", tuple(n for n, at in zip(MARKERS, times) if self.now < at))


def test_waits_for_the_last_flag_and_says_each_change() -> None:
    world = World()
    assert world.patience(10).for_flags(world.flags(60, 60, 500)).sure
    assert 500 <= world.now <= 500 + finished.LOOK_EVERY_S
    assert len(world.said) == 2
    assert world.said[0].startswith("Waiting for EXPERIMENT_FINISHED, RAW_DATA_SYNC_FINISHED and MERLIN_FINISHED since")
    assert world.said[1].startswith("Waiting for MERLIN_FINISHED since 18:15:02, up to 10 h. The run is not finished:")
    assert world.phases[-1] == "waiting for MERLIN_FINISHED"


def test_a_sign_of_life_every_ten_minutes() -> None:
    world = World()
    world.patience(10).for_flags(world.flags(0, 0, 3600))
    assert 6 <= len(world.said) <= 7


def test_a_share_that_is_away_meanwhile_is_waited_for_too() -> None:
    world = World()

    def see() -> Finished:
        return Finished("/raw", unknown="host is down") if world.now < 100 else Finished("/raw")

    assert world.patience(1).for_flags(see).sure
    assert "host is down" in world.said[0]


def test_the_time_ends_the_wait() -> None:
    world = World()
    with pytest.raises(RefusedError, match=r"Waited 2 h\. The run is not finished: MERLIN_FINISHED is missing"):
        world.patience(2).for_flags(world.flags(0, 0, 1e9))
    assert world.now == 2 * 3600


def test_a_stop_ends_the_wait() -> None:
    world = World(stop_at=20)
    with pytest.raises(StoppedError, match="nothing was copied"):
        world.patience(2).for_flags(world.flags(0, 0, 1e9))


def listing(**files: int) -> Snapshot:
    made = Snapshot()
    made.add("", [Entry(name, Kind.FILE, size, 7, 0o644, (0, 0)) for name, size in files.items()])
    return made


def test_the_run_has_to_lie_still_between_two_listings() -> None:
    world = World()
    sizes = iter((1, 2, 3, 3, 99))

    def take() -> Dict[str, Snapshot]:
        return {"raw_data": listing(a=next(sizes))}

    world.patience(1).for_quiet(300, take)
    assert world.now == 900 and next(sizes) == 99
    assert world.said[1:] == ["raw_data/a changed within 300 s; looking again."] * 2


def test_no_quiet_is_waited_for_where_none_is_asked() -> None:
    world = World()
    world.patience(1).for_quiet(0, lambda: pytest.fail("listed"))
    assert world.now == 0


def test_a_run_that_never_lies_still_is_given_up() -> None:
    world = World()
    sizes = iter(range(10**6))
    with pytest.raises(RefusedError, match="does not lie still for 300 s"):
        world.patience(1).for_quiet(300, lambda: {"raw_data": listing(a=next(sizes))})
    assert world.now == 3600


def test_a_listing_that_fails_is_made_again() -> None:
    world = World()
    answers = iter([OSError(112, "Host is down", "/z"), {"output": listing(a=1)}, {"output": listing(a=1)}])

    def take() -> Dict[str, Snapshot]:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    world.patience(1).for_quiet(1, take)
    assert any(line.startswith("/z: ") for line in world.said)


def test_a_tree_that_comes_or_goes_is_a_change() -> None:
    assert unlike({}, {"output": listing()}) == "output"
    assert unlike({"output": listing()}, {}) == "output"
    assert unlike({"output": listing(a=1)}, {"output": listing(a=1)}) == ""
