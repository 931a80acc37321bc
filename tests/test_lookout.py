"""Which runs are transferred, in which order, what a failure leads to, and what a share that is away costs."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import pytest

from vdt.errors import RefusedError
from vdt.stop import StopFlag
from vdt.vizgen.config import Config, read_config
from vdt.vizgen.finished import MARKERS
from vdt.vizgen.lookout import Ending, Lookout
from vdt.vizgen.survey import Seen, Standing, survey
from vdt.vizgen.tries import Memory, outcome_text

RUN = "202310261058_VZGEN1_VMSC10202"


def config_of(place: Path, **changes: object) -> Config:
    keys = {
        f"{name}_{kind}": str(place / name) for name in ("analysis_drive", "isilon_drive") for kind in ("nix", "pc")
    }
    config = read_config(keys, "test.toml", windows=os.name == "nt", need_mail=False)
    return replace(config, **changes)  # type: ignore[arg-type]


def make(
    place: Path, run_id: str = RUN, markers: Sequence[str] = MARKERS, trees: str = "raw_data analysis output"
) -> None:
    (place / "isilon_drive").mkdir(exist_ok=True)
    for kind in trees.split():
        (place / f"analysis_drive/merfish_{kind}" / run_id).mkdir(parents=True)
    for name in markers:
        (place / "analysis_drive/merfish_raw_data" / run_id / name).write_text(name)


def prove(place: Path, run_id: str = RUN) -> None:
    """What a proven transfer leaves."""
    source, run = place / "analysis_drive/merfish_raw_data" / run_id, place / "isilon_drive" / run_id
    (run / "raw_data").mkdir(parents=True)
    for kind in ("raw_data", "analysis", "output"):
        (run / f"{kind}.xxh128").write_text("")
    for name in MARKERS:
        (run / "raw_data" / name).write_text(name)
        info = (source / name).stat()
        os.utime(run / "raw_data" / name, ns=(info.st_atime_ns, info.st_mtime_ns))


# -- rounds --------------------------------------------------------------------------------------------------------


class Bench:
    """A lookout over made-up runs; what is transferred is listed."""

    def __init__(self, place: Path) -> None:
        self.stop, self.said, self.done = StopFlag(), [], []
        self.said: List[str]
        self.done: List[str]
        self.now = 1_000_000.0
        self.endings: Dict[str, object] = {}
        self.place = place
        self.moved: Callable[[str], str] = lambda run_id: ""
        self.see: Optional[Callable[[Config, Sequence[str]], Tuple[Seen, ...]]] = None
        self.memory = Memory.load(str(place / "watch.json"))

    def transfer(self, run_id: str) -> Ending:
        self.done.append(run_id)
        ending = self.endings.get(run_id, Ending(0))
        if isinstance(ending, Exception):
            raise ending
        assert isinstance(ending, Ending)
        if ending.stopped:
            self.stop.set("interrupted")
        elif not ending.code:
            prove(self.place, run_id)
        return ending

    def lookout(self, within_s: float = 5.0) -> Lookout:
        return Lookout(
            config_of(self.place),
            patterns=("*",),
            memory=self.memory,
            transfer=self.transfer,
            stop=self.stop,
            say=self.said.append,
            see=self.see or survey,
            quiet=self.moved,
            now_s=lambda: self.now,
            within_s=within_s,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("A", "B"):
        make(tmp_path, name)
    make(tmp_path, "C", MARKERS[:1])
    return Bench(tmp_path)


def test_every_finished_run_once_and_then_nothing(bench: Bench) -> None:
    watch = bench.lookout()
    assert watch.round() == 0 and bench.done == ["A", "B"]
    assert "3 run(s), 2 proven, 1 not finished (C: RAW_DATA_SYNC_FINISHED, MERLIN_FINISHED)" in bench.said[-1]
    assert watch.round() == 0 and bench.done == ["A", "B"]


def test_one_that_fails_stops_no_other_and_is_tried_later(bench: Bench) -> None:
    bench.endings["A"] = Ending(8, "1 file of output could not be copied: x.")
    watch = bench.lookout()
    assert watch.round() == 8 and bench.done == ["A", "B"]
    assert "1 to be tried again (A)" in bench.said[-1]
    assert watch.round() == 8 and bench.done == ["A", "B"]
    assert any(line.startswith("A: tried 1 time(s), again after ") for line in bench.said)
    bench.now += 900
    assert watch.round() == 8 and bench.done == ["A", "B", "A"]
    bench.now += 1000
    assert watch.round() == 8 and bench.done == ["A", "B", "A"]
    del bench.endings["A"]
    bench.now += 1000
    assert watch.round() == 0 and bench.memory.tries == {}


def test_a_transfer_that_cannot_begin_is_a_failure_with_its_sentence(bench: Bench) -> None:
    bench.endings["B"] = RefusedError("The disk is on fire.")
    assert bench.lookout().round() == 16
    assert "B: The disk is on fire." in bench.said
    assert bench.memory.tries["B"].outcome == outcome_text(16, "The disk is on fire.")


def test_a_success_that_left_no_proof_is_not_believed(bench: Bench) -> None:
    bench.endings["A"] = Ending(1, "not proven.")
    assert bench.lookout().round() == 8
    assert bench.memory.tries["A"].tries == 1


def test_a_run_that_moves_is_left_for_the_next_round(bench: Bench) -> None:
    bench.moved = lambda run_id: "raw_data/x" if run_id == "A" else ""
    assert bench.lookout().round() == 8
    assert bench.done == ["B"] and bench.memory.tries == {}
    assert "A: still changes (raw_data/x); looked at again in the next round." in bench.said


def test_a_stop_ends_the_round_and_is_no_failure(bench: Bench) -> None:
    bench.endings["A"] = Ending(8, "interrupted", stopped=True)
    assert bench.lookout().watch(600) == 8
    assert bench.done == ["A"] and bench.memory.tries == {}


def test_drives_that_are_away_cost_a_sentence_and_a_round(bench: Bench) -> None:
    (bench.place / "isilon_drive").rename(bench.place / "elsewhere")
    watch = bench.lookout()
    assert watch.round() == 16 and "looked at again in the next round" in bench.said[-1]
    (bench.place / "elsewhere").rename(bench.place / "isilon_drive")
    assert watch.round() == 0 and bench.done == ["A", "B"]


def test_a_look_that_hangs_is_not_joined_by_a_second(bench: Bench) -> None:
    release, looks = threading.Event(), []

    def see(config: Config, patterns: Sequence[str]) -> Tuple[Seen, ...]:
        looks.append(1)
        release.wait(20)
        return ()

    bench.see = see
    watch = bench.lookout(within_s=0.05)
    assert watch.round() == 16 and "no answer within 0.05 s" in bench.said[-1]
    assert watch.round() == 16 and bench.said[-1].endswith("still no answer.")
    assert len(looks) == 1
    release.set()


def test_the_heartbeat_stays_short(bench: Bench) -> None:
    bench.see = lambda config, patterns: tuple(Seen(f"R{n:03d}", Standing.UNFINISHED, "X") for n in range(400))
    bench.lookout().round("; next look in 600 s")
    assert "400 not finished (R395: X" in bench.said[-1] and "and 395 more" in bench.said[-1]
    assert bench.said[-1].endswith("; next look in 600 s") and len(bench.said[-1]) < 400


def test_what_is_remembered_is_plain_json(bench: Bench) -> None:
    bench.endings["A"] = Ending(16, "x")
    bench.lookout().round()
    found = json.loads((bench.place / "watch.json").read_text())
    assert found == {"tries": {"A": {"tries": 1, "at_s": 1_000_000.0, "outcome": "16 x"}}}
