"""The timetable of rates, and the bucket under a clock that only moves when somebody waits."""

from __future__ import annotations

import threading
import time
from typing import List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.bwlimit import BURST_S, UNLIMITED, TokenBucket, local_minute_of_day, parse_bwlimit
from vdt.errors import UsageError

MIB = 1024**2


class Clock:
    """Seconds that pass while somebody waits."""

    def __init__(self, start: float = 1e6) -> None:
        self.seconds = start
        self.waits: List[float] = []
        self.stop = False

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.seconds += seconds
        return self.stop


def bucket(text: str, clock: Clock, midnight: float = 0.0) -> TokenBucket:
    return TokenBucket(
        parse_bwlimit(text), now=clock.now, wait=clock.wait, minute_of_day=lambda: (clock.seconds - midnight) / 60
    )


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100M", 100 * MIB),
        ("100m", 100 * MIB),
        ("1.5K", 1536),
        ("2GiB/s", 2 * 1024**3),
        ("3MB", 3 * MIB),
        ("500B", 500),
        (" 1K ", 1024),
        ("off", None),
        ("OFF", None),
        ("0", None),
    ],
)
def test_one_rate(text: str, rate: Optional[float]) -> None:
    plan = parse_bwlimit(text)
    assert plan.rate_at(0) == plan.rate_at(1439) == rate
    assert plan.unlimited == (rate is None)
    assert not plan.changes


def test_a_timetable_counts_past_midnight() -> None:
    plan = parse_bwlimit("19:00,off 08:00,100M 12:30,10M")
    minutes = [0, 479, 480, 749, 750, 1139, 1140, 1439, 1440]
    rates = [None, None, 100 * MIB, 100 * MIB, 10 * MIB, 10 * MIB, None, None, None]
    assert [plan.rate_at(minute) for minute in minutes] == rates
    assert plan.changes and not plan.unlimited
    assert parse_bwlimit("08:00,1M").rate_at(0) == MIB
    assert parse_bwlimit("08:00,off 09:00,off").unlimited


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("100", "unit"),
        ("1.5", "unit"),
        ("fast", "no bandwidth limit"),
        ("-1M", "no bandwidth limit"),
        ("0.0000001K", "no bandwidth limit"),
        ("nan", "no bandwidth limit"),
        ("1e9M", "no bandwidth limit"),
        ("100M 200M", "HH:MM,RATE"),
        ("08:00", "no bandwidth limit"),
        ("08:00,", "HH:MM,RATE"),
        ("24:00,1M", "time of day"),
        ("08:60,1M", "time of day"),
        ("8:00,1M 08:00,2M", "twice"),
        ("Mon-08:00,1M", "HH:MM,RATE"),
        ("08:00,1M,2M", "no bandwidth limit"),
        ("08:00,5", "unit"),
    ],
)
def test_what_is_refused(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse_bwlimit(text)


@given(st.text(alphabet="0123456789:, .KMGoffB-\0", max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_plan_or_a_usage_error(text: str) -> None:
    try:
        plan = parse_bwlimit(text)
    except UsageError:
        return
    assert all(rate is None or rate >= 1 for rate in map(plan.rate_at, range(0, 1440, 60)))


@pytest.mark.parametrize("piece", [1, 4096, 256 * 1024, 64 * MIB])
def test_the_rate_is_held_whatever_the_piece(piece: int) -> None:
    clock = Clock()
    taps = bucket("10M", clock)
    start, taken = clock.seconds, 0
    for _ in range(max(1, min(2000, 40 * MIB // piece))):
        assert taps.take(piece)
        taken += piece
        assert taken <= 10 * MIB * (clock.seconds - start + BURST_S) + 1
    ideal = taken / (10 * MIB)
    assert clock.seconds - start <= ideal + 0.01


def test_an_idle_bucket_saves_up_a_quarter_of_a_second_and_no_more() -> None:
    clock = Clock()
    taps = bucket("10M", clock)
    clock.seconds += 3600
    start = clock.seconds
    assert taps.take(20 * MIB)
    assert clock.seconds - start == pytest.approx(2 - BURST_S, abs=0.01)


def test_no_limit_costs_no_wait() -> None:
    clock = Clock()
    assert TokenBucket(UNLIMITED, now=clock.now, wait=clock.wait).take(10**15)
    assert bucket("off", clock).take(10**15)
    assert bucket("1K", clock).take(0)
    assert clock.waits == []


def test_a_new_rate_counts_while_a_worker_waits() -> None:
    clock = Clock(start=18 * 3600 + 59 * 60.0)  # 18:59
    taps = bucket("08:00,1K 19:00,off", clock)
    assert taps.rate == 1024
    assert taps.take(100 * MIB)  # would last a day at 1 KiB/s
    assert 60 <= clock.seconds - (18 * 3600 + 59 * 60) <= 60 + BURST_S + 0.01
    assert taps.rate is None


def test_a_limit_that_begins_gives_no_burst() -> None:
    clock = Clock(start=7 * 3600 + 59 * 60.0)  # 07:59
    taps = bucket("08:00,1M 19:00,off", clock)
    assert taps.take(10**12) and clock.waits == []
    clock.seconds += 60
    start = clock.seconds
    assert taps.take(2 * MIB)
    assert clock.seconds - start >= 2 - BURST_S - 0.01


def test_waiting_ends_at_once_when_the_run_is_to_stop() -> None:
    clock = Clock()
    clock.stop = True
    taps = bucket("1K", clock)
    assert not taps.take(MIB)
    assert len(clock.waits) == 1
    clock.stop = False
    assert taps.take(10)  # and the line is free again


def test_an_exception_while_waiting_frees_the_line() -> None:
    clock = Clock()

    def broken(seconds: float) -> bool:
        raise KeyboardInterrupt

    taps = TokenBucket(parse_bwlimit("1K"), now=clock.now, wait=broken)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            taps.take(100)


def test_small_files_get_through_beside_a_large_one() -> None:
    taps = TokenBucket(parse_bwlimit("8M"))  # burst: 2 MiB
    ends: List[Tuple[str, float]] = []
    start = time.monotonic()

    def work(name: str, n_bytes: int) -> None:
        assert taps.take(n_bytes)
        ends.append((name, time.monotonic() - start))

    workers = [threading.Thread(target=work, args=("large", 8 * MIB))]
    workers += [threading.Thread(target=work, args=("small", 1024)) for _ in range(3)]
    for worker in workers:
        worker.start()
        time.sleep(0.01)
    for worker in workers:
        worker.join(timeout=10)
    assert [name for name, _ in ends] == ["small"] * 3 + ["large"]
    assert 0.75 <= dict(ends)["large"] < 5


def test_workers_share_one_rate() -> None:
    taps = TokenBucket(parse_bwlimit("40M"))
    start = time.monotonic()
    workers = [threading.Thread(target=lambda: [taps.take(256 * 1024) for _ in range(10)]) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=10)
    assert not any(worker.is_alive() for worker in workers)
    assert time.monotonic() - start >= 20 / 40 - BURST_S


def test_the_time_of_day() -> None:
    assert 0 <= local_minute_of_day() < 1440
