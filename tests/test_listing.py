"""Tests of `vdt.listing`: how long a side takes to answer. That a listing is tried again is in test_transfer.py."""

from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

import pytest

from vdt import fs, listing
from vdt.listing import answer_s
from vdt.tuning import CALL_WAITS_S, workers_at_first

Call = Tuple[float, float]  # how long it took, and how much of that the processor worked for it


class Clock:
    """Stands for `time`; each call of `fs.volume` takes what the list says, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *calls: Call) -> None:
        self._calls = calls
        self._now_s = self._worked_s = 100.0
        self.asked = 0
        monkeypatch.setattr(listing, "time", self)
        monkeypatch.setattr(fs, "volume", self._volume)

    def _volume(self, path: str) -> None:
        took_s, worked_s = self._calls[min(self.asked, len(self._calls) - 1)]
        self.asked += 1
        self._now_s += took_s
        self._worked_s += worked_s

    def perf_counter(self) -> float:
        return self._now_s

    def thread_time(self) -> float:
        return self._worked_s


MS = 1e-3


@pytest.mark.parametrize(
    ("calls", "answer", "asked"),
    [
        ([(20 * MS, 0.1 * MS)], 19.9 * MS, 2),  # a share: asked twice, as each may be a round trip
        ([(20 * MS, 0.0), (12 * MS, 0.0)], 12 * MS, 2),
        ([(20 * MS, 0.0), (0.01 * MS, 0.0)], 0.01 * MS, 3),  # a moment without the processor makes no share
        ([(0.01 * MS, 0.0), (20 * MS, 0.0)], 0.01 * MS, 3),
        ([(3 * MS, 3 * MS)], 0.0, 3),  # what the processor worked is no waiting
        ([(0.12 * MS, 0.02 * MS), (0.01 * MS, 0.01 * MS)], 0.0, 3),  # the first call of a process
        ([(0.3 * MS, 0.0), (0.2 * MS, 0.0), (0.25 * MS, 0.0)], 0.2 * MS, 3),  # the shortest counts
        ([(1 * MS, 16 * MS)], 0.0, 3),  # a clock of the processor that ticks coarsely
    ],
)
def test_what_was_waited_for_counts(
    monkeypatch: pytest.MonkeyPatch, calls: List[Call], answer: float, asked: int
) -> None:
    clock = Clock(monkeypatch, *calls)
    assert answer_s("x") == pytest.approx(answer, abs=1e-9)
    assert clock.asked == asked


def test_a_side_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: str) -> None:
        raise OSError("away")

    monkeypatch.setattr(fs, "volume", gone)
    assert answer_s("x") == 0.0


@pytest.mark.skipif(fs.WINDOWS, reason="under Wine another process answers, which is waiting")
def test_a_disk_of_this_computer_is_no_share(tmp_path: Path) -> None:
    answer = min(answer_s(str(tmp_path)) for _ in range(5))
    assert answer < CALL_WAITS_S and workers_at_first(answer, 128, flushes=False) == 1
