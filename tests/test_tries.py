"""What a watch remembers of runs that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vdt.vizgen.tries import Memory, Try, pause_s

RUN = "202310261058_VZGEN1_VMSC10202"


def test_pauses_grow_to_a_day() -> None:
    assert [pause_s(n) for n in (1, 2, 3)] == [900, 1800, 3600]
    assert pause_s(8) == pause_s(10**6) == 86400


def test_tries_outlive_the_process(tmp_path: Path) -> None:
    path = str(tmp_path / "state/watch.json")
    memory = Memory.load(path)
    memory.failed(RUN, "8 x", 100.0)
    memory.failed(RUN, "8 y", 200.0)
    again = Memory.load(path)
    assert again.tries == memory.tries and again.tries[RUN].tries == 2 and again.tries[RUN].outcome == "8 y"
    again.forget(RUN)
    assert Memory.load(path).tries == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tries": 1}', '{"tries": {"a": {"tries": "x"}}}', "[" * 100_000])
def test_a_memory_that_cannot_be_read_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "w.json").write_text(text)
    assert Memory.load(str(tmp_path / "w.json")).tries == {}


def test_a_memory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(str(tmp_path / "file/watch.json"))
    memory.failed(RUN, "8", 1.0)
    assert memory.tries[RUN].tries == 1


def test_a_clock_that_was_set_back_makes_a_run_due() -> None:
    known = Try(3, 10_000.0, "8")
    assert not known.due(10_001.0) and not known.due(13_599.0)
    assert known.due(13_600.0) and known.due(9_999.0)
