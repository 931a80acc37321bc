"""What a person sees while it runs: one tqdm bar on a terminal, a line every 30 s elsewhere.

Workers add to counters; one thread of its own draws. Nothing that copies ever waits for the console.
"""

from __future__ import annotations

import collections
import queue
import sys
import threading
import time
from typing import IO, Any, Deque, NamedTuple, Optional, Protocol, Tuple

from vdt.model import Count
from vdt.printable import printable
from vdt.pulse import Pulse
from vdt.watch import Watch

_DRAW_S = 0.2
_LINE_S = 30.0
_RECENT_S = 10
STALLED_S = 10.0  # so long nothing moved and nobody answered: then the screen says who is waited for
_WAITING = "waiting for"


class Progress(Protocol):
    """Told what happens; every method returns at once and may be called from any thread."""

    def begin(self, title: str, total: Optional[Count]) -> None: ...
    def phase(self, text: str) -> None: ...
    def found(self, files: int, size_bytes: int) -> None: ...
    def moved(self, count: int) -> None: ...
    def done(self, files: int) -> None: ...
    def say(self, line: str) -> None: ...
    def end(self) -> None: ...


class Silent:
    """A Progress that shows nothing."""

    def begin(self, title: str, total: Optional[Count]) -> None: ...
    def phase(self, text: str) -> None: ...
    def found(self, files: int, size_bytes: int) -> None: ...
    def moved(self, count: int) -> None: ...
    def done(self, files: int) -> None: ...
    def say(self, line: str) -> None: ...
    def end(self) -> None: ...


class Eta:
    """Remaining seconds from a cost per file and a cost per byte, learnt from what was seen.

    Least squares over windows of (seconds, files, bytes) with a little weight on the plain mean, so that 100,000 small
    files behind a few large ones do not read as "0 s left".
    """

    def __init__(self) -> None:
        self._ff = self._fb = self._bb = self._ft = self._bt = 0.0
        self._files = self._mib = self._seconds = 0.0

    def add(self, seconds: float, files: int, size_bytes: int) -> None:
        mib = size_bytes / 2**20
        self._files += files
        self._mib += mib
        self._seconds += seconds
        self._ff += files * files
        self._fb += files * mib
        self._bb += mib * mib
        self._ft += files * seconds
        self._bt += mib * seconds

    def remaining_s(self, files: int, size_bytes: int) -> Optional[float]:
        """Seconds for so much more; None before anything was seen."""
        mib = size_bytes / 2**20
        if not self._seconds or not (self._files or self._mib):
            return None
        determinant = self._ff * self._bb - self._fb * self._fb
        if determinant > 1e-6 * self._ff * self._bb:
            per_file = (self._ft * self._bb - self._bt * self._fb) / determinant
            per_mib = (self._bt * self._ff - self._ft * self._fb) / determinant
            if per_file >= 0 and per_mib >= 0:
                return files * per_file + mib * per_mib
        shares = [left / seen for left, seen in ((files, self._files), (mib, self._mib)) if seen]
        return self._seconds * max(shares)


class Recent:
    """Files and bytes a second, over the last seconds: what a person takes for the speed now."""

    def __init__(self) -> None:
        self._seen: Deque[Tuple[float, int, int]] = collections.deque(maxlen=_RECENT_S + 1)

    def add(self, now_s: float, files: int, size_bytes: int) -> None:
        """Sums at a moment; those of one second count once."""
        if not self._seen or now_s - self._seen[-1][0] >= 1:
            self._seen.append((now_s, files, size_bytes))

    def rates(self, now_s: float, files: int, size_bytes: int) -> Tuple[float, float]:
        """(files/s, bytes/s) up to these sums."""
        if not self._seen or now_s - self._seen[0][0] < 0.1:
            return 0.0, 0.0
        then_s, then_files, then_bytes = self._seen[0]
        return (files - then_files) / (now_s - then_s), (size_bytes - then_bytes) / (now_s - then_s)


class _Seen(NamedTuple):
    """What is drawn at one moment."""

    now_s: float
    files: int
    size_bytes: int
    title: str
    phase: str
    total: Count
    counted: bool
    generation: int


class Console:
    """Draws on a stream: a bar on a terminal, else a line every 30 s.

    Args:
        stream: usually stderr.
        mode: "auto" (a bar only on a terminal), "on", "off" (lines of `say` alone).
        watch: asked whose answer is waited for, where nothing moves.
    """

    def __init__(self, stream: Optional[IO[str]] = None, mode: str = "auto", watch: Optional[Watch] = None) -> None:
        self._stream = stream or sys.stderr
        tty = bool(getattr(self._stream, "isatty", lambda: False)())
        self._bar_wanted = mode == "on" or (mode == "auto" and tty)
        self._tqdm = _tqdm() if self._bar_wanted else None
        self._lines_wanted = mode != "off"
        self._watch = watch if watch is not None else Watch()
        self._lock = threading.Lock()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._bytes = self._files = self._found_bytes = self._found_files = 0
        self._title = self._phase = ""
        self._phase_since_s = self._moved_at_s = time.monotonic()
        self._drawn = (0, 0)
        self.pulse = Pulse(time.monotonic())  # how it went, for the report
        self._total: Optional[Count] = None
        self._generation = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="vdt-progress", daemon=True)
        self._thread.start()

    def begin(self, title: str, total: Optional[Count]) -> None:
        """Start the bar of a tree; `total` is None where nothing was counted: then it grows by what is `found`."""
        with self._lock:
            now_s = time.monotonic()
            self.pulse.sample(self._files, self._bytes, now_s, last=True)
            self.pulse.tree(title, "copying", now_s)
            self._title, self._total, self._phase, self._phase_since_s = title, total, "copying", now_s
            self._bytes = self._files = self._found_bytes = self._found_files = 0
            self._generation += 1

    def phase(self, text: str) -> None:
        """What is done now; one that begins with "waiting for" is shown with the time since."""
        now_s = time.monotonic()
        with self._lock:
            self.pulse.sample(self._files, self._bytes, now_s, last=True)
            self.pulse.phase(text, now_s)
            if text != self._phase:
                self._phase, self._phase_since_s = text, now_s

    def found(self, files: int, size_bytes: int) -> None:
        with self._lock:
            self._found_files += files
            self._found_bytes += size_bytes

    def moved(self, count: int) -> None:
        with self._lock:
            self._bytes += count

    def done(self, files: int) -> None:
        with self._lock:
            self._files += files

    def say(self, line: str) -> None:
        """Queue a line; names in it must already be printable."""
        self._lines.put(line)

    def end(self) -> None:
        """Draw what is left and stop; waits at most two seconds for a console that does not take its text."""
        self._end.set()
        self._thread.join(timeout=2)

    def _draw(self) -> None:
        bar: Any = None
        generation = -1
        eta, recent = Eta(), Recent()
        last = (time.monotonic(), 0, 0)
        next_line = time.monotonic() + _LINE_S
        try:
            while True:
                ending = self._end.wait(_DRAW_S)
                seen = self._look()
                if seen.generation != generation:
                    if bar is not None:
                        bar.close()
                    bar, generation, eta, recent = None, seen.generation, Eta(), Recent()
                    last = (seen.now_s, 0, 0)
                if seen.now_s - last[0] >= 1:
                    eta.add(seen.now_s - last[0], seen.files - last[1], seen.size_bytes - last[2])
                    last = (seen.now_s, seen.files, seen.size_bytes)
                recent.add(seen.now_s, seen.files, seen.size_bytes)
                self._print_lines(bar)
                if (
                    self._bar_wanted
                    and (seen.generation or seen.phase)
                    and not (ending and bar is None and not generation)
                ):
                    bar = bar if bar is not None else self._bar(seen)
                    bar.total, bar.n = max(1, seen.total.size_bytes), min(seen.size_bytes, seen.total.size_bytes)
                    bar.set_postfix_str(self._words(seen, eta, recent), refresh=False)
                    bar.refresh()
                elif (
                    self._lines_wanted
                    and not self._bar_wanted
                    and (generation or seen.phase)
                    and seen.now_s >= next_line
                ):
                    next_line = seen.now_s + _LINE_S
                    self._write(self._line(seen, eta, recent))
                if ending:
                    break
        except (OSError, ValueError):  # the console went away: the copy goes on
            return
        finally:
            if bar is not None:
                try:
                    bar.close()
                except (OSError, ValueError):
                    pass

    def _look(self) -> _Seen:
        """What there is to draw; also what goes into the report's curves."""
        with self._lock:
            now_s = time.monotonic()
            self.pulse.sample(self._files, self._bytes, now_s)
            if (self._files, self._bytes) != self._drawn:
                self._drawn, self._moved_at_s = (self._files, self._bytes), now_s
            total = self._total or Count(self._found_files, 0, self._found_bytes)
            phase = self._phase
            if phase.startswith(_WAITING):
                phase = f"{phase} since {now_s - self._phase_since_s:.0f} s"
            elif now_s - self._moved_at_s >= STALLED_S:
                silent = self._watch.silent(STALLED_S)
                if silent is not None:
                    phase = f"{_WAITING} {printable(silent[0])} since {silent[1]:.0f} s"
            counted = self._total is not None
            return _Seen(now_s, self._files, self._bytes, self._title, phase, total, counted, self._generation)

    def _bar(self, seen: _Seen) -> Any:
        assert self._tqdm is not None
        form = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}" if seen.generation else "{desc}{postfix}"
        return self._tqdm(
            total=seen.total.size_bytes,
            desc=seen.title,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=self._stream,
            dynamic_ncols=True,
            leave=bool(seen.generation),
            bar_format=form,
        )

    def _words(self, seen: _Seen, eta: Eta, recent: Recent) -> str:
        """What stands behind the bar, the weightiest first, as a narrow terminal cuts it."""
        if not seen.generation:
            return seen.phase
        files_s, bytes_s = recent.rates(*seen[:3])
        of = f"{seen.files}/{seen.total.files} files"
        return f"{seen.phase}, {_time_left(seen, eta)}, {of}, {bytes_s / 2**20:.0f} MiB/s, {files_s:.0f} files/s"

    def _line(self, seen: _Seen, eta: Eta, recent: Recent) -> str:
        if not seen.generation:
            return seen.phase
        of = f" of {seen.total.files}" if seen.counted else ""
        files_s, bytes_s = recent.rates(*seen[:3])
        return (
            f"{seen.title}: {seen.files}{of} files, {seen.size_bytes / 2**30:.2f} GB, {seen.phase}, "
            f"{bytes_s / 2**20:.0f} MiB/s, {files_s:.0f} files/s, {_time_left(seen, eta)}"
        )

    def _print_lines(self, bar: Any) -> None:
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return
            if bar is not None:
                bar.clear()
            self._write(line)

    def _write(self, line: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        self._stream.write(printable(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._stream.flush()


def _time_left(seen: _Seen, eta: Eta) -> str:
    """Nobody knows while somebody is waited for."""
    if seen.phase.startswith(_WAITING):
        return _left(None)
    return _left(
        eta.remaining_s(max(0, seen.total.files - seen.files), max(0, seen.total.size_bytes - seen.size_bytes))
    )


def _tqdm() -> Any:
    """The class of the bars. Now and not when the first is drawn: by then the program's own share may be away."""
    from tqdm import tqdm  # 55 ms; only where bars are drawn

    bars: Any = tqdm
    bars.get_lock()  # else the first bar imports what this needs
    return bars


def _left(seconds: Optional[float]) -> str:
    if seconds is None:
        return "time left not known"
    whole = int(seconds + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} left"
