"""What a person sees, and that nothing waits for it."""

from __future__ import annotations

import io
import re
import threading
import time
from typing import Any, Callable, Iterator, List, Optional

import pytest

from vdt import progress
from vdt.model import Count
from vdt.progress import Console, Eta, Recent, Silent
from vdt.watch import Watch

# -- the estimate --------------------------------------------------------------------------------------------------


def test_before_anything_was_seen_nothing_is_known() -> None:
    eta = Eta()
    assert eta.remaining_s(10, 10) is None
    eta.add(1.0, 0, 0)
    assert eta.remaining_s(10, 10) is None


def test_a_steady_run_is_foretold() -> None:
    eta = Eta()
    for _ in range(10):
        eta.add(2.0, 20, 40 << 20)
    assert eta.remaining_s(100, 200 << 20) == pytest.approx(10.0)
    assert eta.remaining_s(0, 0) == 0


def test_a_cost_per_file_and_a_cost_per_byte_are_told_apart() -> None:
    """1 ms a file and 100 MiB/s, learnt from windows of different mixes."""
    eta = Eta()
    for files, mib in ((1000, 0), (0, 100), (500, 50), (10, 99), (900, 10)):
        eta.add(files * 0.001 + mib * 0.01, files, mib << 20)
    assert eta.remaining_s(100_000, 0) == pytest.approx(100.0)
    assert eta.remaining_s(0, 10_000 << 20) == pytest.approx(100.0)
    assert eta.remaining_s(100_000, 10_000 << 20) == pytest.approx(200.0)


def test_small_files_behind_large_ones_are_not_zero_seconds() -> None:
    eta = Eta()
    for _ in range(5):
        eta.add(1.0, 1, 500 << 20)
    left = eta.remaining_s(100_000, 1 << 20)
    assert left is not None and left > 60


@pytest.mark.parametrize("windows", [[(1.0, 10, 1), (5.0, 5, 10), (1.0, 20, 2)], [(1.0, 0, 9), (9.0, 0, 1)]])
def test_noise_never_gives_a_negative_or_endless_answer(windows: List[Any]) -> None:
    eta = Eta()
    for seconds, files, mib in windows:
        eta.add(seconds, files, mib << 20)
        left = eta.remaining_s(50, 50 << 20)
        assert left is not None and 0 <= left < 1e6


# -- the console ---------------------------------------------------------------------------------------------------


class Stream(io.StringIO):
    """Not a terminal unless it is told so."""

    def __init__(self, *, tty: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty, self._encoding = tty, encoding

    def isatty(self) -> bool:
        return self._tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_DRAW_S", 0.01)


def took(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_lines_come_in_their_order_and_all_of_them() -> None:
    stream = Stream()
    console = Console(stream)
    console.begin("raw_data", Count(3, 1, 30))
    for number in range(50):
        console.say(f"line {number}")
    console.end()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(50)]


def test_what_is_no_terminal_gets_no_control_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_S", 0.02)
    stream = Stream()
    console = Console(stream)
    console.begin("raw_data", Count(4, 1, 8 << 30))
    console.moved(2 << 30)
    console.done(1)
    deadline = time.monotonic() + 5
    while "raw_data" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    console.end()
    text = stream.getvalue()
    assert "\r" not in text and "\x1b" not in text
    assert "raw_data: 1 of 4 files, 2.00 GB, copying" in text


def test_a_quiet_stream_says_nothing_before_its_time() -> None:
    stream = Stream()
    console = Console(stream)
    console.begin("raw_data", Count(4, 1, 8))
    time.sleep(0.05)
    console.end()
    assert stream.getvalue() == ""


def test_off_still_shows_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_S", 0.0)
    stream = Stream(tty=True)
    console = Console(stream, "off")
    console.begin("raw_data", Count(4, 1, 8))
    console.say("FAILED a: reason")
    time.sleep(0.05)
    console.end()
    assert stream.getvalue() == "FAILED a: reason\n"


@pytest.mark.parametrize(("mode", "tty"), [("on", False), ("auto", True)])
def test_a_bar_is_drawn_where_it_is_wanted(mode: str, tty: bool) -> None:
    stream = Stream(tty=tty)
    console = Console(stream, mode)
    console.begin("analysis", Count(2, 1, 1000))
    console.phase("reading back")
    console.moved(500)
    console.done(1)
    console.say("a line")
    deadline = time.monotonic() + 10
    while "1/2 files" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    console.end()
    text = stream.getvalue()
    assert "analysis" in text and "50%" in text and "reading back, " in text and "1/2 files" in text
    assert "a line\n" in text


def test_a_bar_grows_by_what_is_found_where_nothing_was_counted() -> None:
    stream = Stream(tty=True)
    console = Console(stream)
    console.begin("copy", None)
    console.found(3, 1000)
    console.found(1, 1000)
    console.moved(500)
    console.done(1)
    deadline = time.monotonic() + 10
    while "1/4 files" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    console.end()
    assert "25%" in stream.getvalue() and "1/4 files" in stream.getvalue()


def test_the_speed_is_that_of_the_last_seconds() -> None:
    recent = Recent()
    assert recent.rates(0.0, 0, 0) == (0.0, 0.0)
    for second in range(100):
        recent.add(float(second), second * 1000, second * 10)
    for second in range(100, 120):  # ten times slower from here on
        recent.add(float(second), 100_000 + (second - 100) * 100, 1000 + second - 100)
    files_s, bytes_s = recent.rates(120.0, 102_000, 1020)
    assert files_s == pytest.approx(100) and bytes_s == pytest.approx(1)


def shown(stream: Stream, words: str, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while words not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    return words in stream.getvalue()


def test_a_bar_tells_files_and_bytes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(tty=True)
    console = Console(stream)
    console.begin("analysis", Count(10_000_000, 1, 1 << 50))
    for _ in range(40):
        console.moved(50 << 20)
        console.done(10)
        time.sleep(0.01)
    assert shown(stream, " MiB/s, ") and shown(stream, " files/s")
    console.end()
    assert max(int(n) for n in re.findall(r"(\d+) MiB/s", stream.getvalue())) > 10
    assert max(int(n) for n in re.findall(r"(\d+) files/s", stream.getvalue())) > 1


def test_what_comes_before_the_first_tree_is_shown_too() -> None:
    stream = Stream(tty=True)
    console = Console(stream)
    console.phase("counting")
    assert shown(stream, "counting")
    console.begin("analysis", Count(2, 1, 1000))
    assert shown(stream, "analysis")
    console.end()


def test_a_drive_that_is_waited_for_is_shown_with_its_seconds() -> None:
    stream = Stream(tty=True)
    console = Console(stream)
    console.begin("analysis", Count(2, 1, 1000))
    console.phase("waiting for L:\\")
    assert shown(stream, "waiting for L:\\ since 0 s") and shown(stream, "waiting for L:\\ since 1 s")
    console.phase("copying")
    assert shown(stream, "copying, ")
    console.end()


def test_a_share_that_stalls_is_no_frozen_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves and a call does not come back: the screen says who is waited for, and stops when it moves again."""
    monkeypatch.setattr(progress, "STALLED_S", 0.1)
    stream, watch, back = Stream(tty=True), Watch(), threading.Event()
    watch.roots = ("/mnt/isilon",)

    def write_at() -> None:
        watch.at("Copying File", "/mnt/z/run", "x.dax", "/mnt/isilon/run")
        while not back.is_set():
            time.sleep(0.01)
        watch.idle()

    worker = threading.Thread(target=write_at)
    worker.start()
    console = Console(stream, watch=watch)
    console.begin("analysis", Count(2, 1, 1000))
    assert shown(stream, "waiting for /mnt/isilon since ")
    back.set()
    worker.join()
    stream.truncate(0)
    time.sleep(0.1)
    console.moved(10)
    assert shown(stream, "copying, ")
    console.end()


def test_the_console_keeps_the_course_for_the_report() -> None:
    console = Console(Stream())
    console.phase("counting")
    console.begin("raw_data", Count(1, 1, 1000))
    console.moved(700)
    console.done(1)
    console.phase("looking once more")
    console.begin("output", Count(1, 1, 5))
    console.moved(5)
    console.end()
    raw, output = console.pulse.curves()
    assert raw.title == "raw_data" and raw.points[-1][1:] == (1, 700)
    assert output.title == "output" and output.points[0][1:] == (0, 0)
    names = [(item.title, item.phase) for item in console.pulse.spent(time.monotonic())]
    assert names[:4] == [
        ("", "preparing"),
        ("", "counting"),
        ("raw_data", "copying"),
        ("raw_data", "looking once more"),
    ]


def test_names_are_made_safe_and_a_narrow_encoding_stops_nothing() -> None:
    stream = Stream(encoding="ascii")
    console = Console(stream)
    console.say("caf\u00e9 \x1b[31m \udce9")
    console.end()
    assert stream.getvalue() == "caf\\xe9 \\x1b[31m \\udce9\n"


class Blocks(Stream):
    """A console that takes nothing any more (a selection in a Windows console, a full pipe)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.released.wait(20)
        return len(text)


@pytest.fixture
def blocked() -> Iterator[Blocks]:
    stream = Blocks()
    yield stream
    stream.released.set()


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_console_that_blocks_stops_nobody(blocked: Blocks, mode: str) -> None:
    console = Console(blocked, mode)
    console.begin("raw_data", Count(1, 1, 1))
    console.say("first")
    time.sleep(0.1)

    def work() -> None:
        for number in range(2000):
            console.moved(1)
            console.done(1)
            console.say(f"line {number}")
            console.phase("copying")
        console.begin("analysis", None)

    assert took(work) < 1.0
    assert took(console.end) < 2.5


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [BrokenPipeError(32, "gone"), OSError(5, "gone"), ValueError("closed file")])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_console_that_goes_away_stops_nobody(error: Exception, mode: str) -> None:
    class Raises(Stream):
        def write(self, text: str) -> int:
            raise error

    console = Console(Raises(), mode)
    console.begin("raw_data", Count(1, 1, 1))
    console.say("line")
    time.sleep(0.05)
    console.moved(1)
    console.say("line")
    assert took(console.end) < 1.0
    assert took(console.end) < 1.0


def test_the_stream_may_have_no_encoding_and_no_isatty() -> None:
    class Plain:
        text = ""

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None: ...

    stream: Any = Plain()
    console = Console(stream)
    console.say("caf\u00e9")
    console.end()
    assert stream.text == "caf\\xe9\n"


def test_counting_from_many_threads_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    console = Console(stream)
    console.begin("t", Count(8000, 1, 8000))

    def work() -> None:
        for _ in range(1000):
            console.moved(1)
            console.done(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(progress, "_LINE_S", 0.0)
    console.end()
    assert (console._files, console._bytes) == (8000, 8000)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "not known"), (0.0, "0:00:00"), (59.6, "0:01:00"), (3661.0, "1:01:01"), (360_000.0, "100:00:00")],
)
def test_the_time_that_is_left_in_words(seconds: Optional[float], words: str) -> None:
    assert words in progress._left(seconds)


def test_silent_is_a_progress_too() -> None:
    silent = Silent()
    silent.begin("t", None)
    silent.moved(1)
    silent.done(1)
    silent.say("x")
    silent.phase("x")
    silent.end()
