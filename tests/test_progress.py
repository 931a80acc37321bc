"""What a person sees, and that nothing waits for it."""

from __future__ import annotations

import io
import threading
import time
from typing import Any, Callable, Iterator, List, Optional

import pytest

from vdt import progress
from vdt.model import Count
from vdt.progress import Console, Eta, Silent

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
    assert "analysis" in text and "50%" in text and "1/2 files, reading back" in text
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
