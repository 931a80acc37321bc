"""What a person sees while it runs: one tqdm bar on a terminal, a line every 30 s elsewhere.

Workers add to counters; one thread of its own draws. Nothing that copies ever waits for the console.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import IO, Any, Optional, Protocol

from vdt.model import Count
from vdt.printable import printable

_DRAW_S = 0.2
_LINE_S = 30.0


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


class Console:
    """Draws on a stream: a bar on a terminal, else a line every 30 s.

    Args:
        stream: usually stderr.
        mode: "auto" (a bar only on a terminal), "on", "off" (lines of `say` alone).
    """

    def __init__(self, stream: Optional[IO[str]] = None, mode: str = "auto") -> None:
        self._stream = stream or sys.stderr
        tty = bool(getattr(self._stream, "isatty", lambda: False)())
        self._bar_wanted = mode == "on" or (mode == "auto" and tty)
        self._lines_wanted = mode != "off"
        self._lock = threading.Lock()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._bytes = self._files = self._found_bytes = self._found_files = 0
        self._title = self._phase = ""
        self._total: Optional[Count] = None
        self._generation = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="vdt-progress", daemon=True)
        self._thread.start()

    def begin(self, title: str, total: Optional[Count]) -> None:
        """Start the bar of a tree; `total` is None where nothing was counted: then it grows by what is `found`."""
        with self._lock:
            self._title, self._total, self._phase = title, total, "copying"
            self._bytes = self._files = self._found_bytes = self._found_files = 0
            self._generation += 1

    def phase(self, text: str) -> None:
        self._phase = text

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
        tqdm: Any = None
        if self._bar_wanted:  # before the first byte: the program's own share may go away
            from tqdm import tqdm  # 55 ms; only where a bar is drawn

            tqdm.get_lock()  # else the first bar imports what this needs
        generation = 0
        eta = Eta()
        last = (time.monotonic(), 0, 0)
        next_line = time.monotonic() + _LINE_S
        try:
            while True:
                ending = self._end.wait(_DRAW_S)
                with self._lock:
                    now = (time.monotonic(), self._files, self._bytes)
                    title, phase, current = self._title, self._phase, self._generation
                    counted = self._total is not None
                    total = self._total or Count(self._found_files, 0, self._found_bytes)
                if current != generation:
                    if bar is not None:
                        bar.close()
                    bar, generation, eta = None, current, Eta()
                    last = (now[0], 0, 0)
                    if self._bar_wanted:
                        bar = tqdm(
                            total=total.size_bytes,
                            desc=title,
                            unit="B",
                            unit_scale=True,
                            unit_divisor=1024,
                            file=self._stream,
                            dynamic_ncols=True,
                            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {rate_fmt} {postfix}",
                        )
                if now[0] - last[0] >= 1:
                    eta.add(now[0] - last[0], now[1] - last[1], now[2] - last[2])
                    last = now
                self._print_lines(bar)
                if bar is not None:
                    left = eta.remaining_s(max(0, total.files - now[1]), max(0, total.size_bytes - now[2]))
                    bar.total, bar.n = max(1, total.size_bytes), min(now[2], total.size_bytes)
                    bar.set_postfix_str(f"{now[1]}/{total.files} files, {phase}, {_left(left)}", refresh=False)
                    bar.refresh()
                elif self._lines_wanted and generation and now[0] >= next_line:
                    next_line = now[0] + _LINE_S
                    of = f" of {total.files}" if counted else ""
                    left = eta.remaining_s(max(0, total.files - now[1]), max(0, total.size_bytes - now[2]))
                    self._write(f"{title}: {now[1]}{of} files, {now[2] / 2**30:.2f} GB, {phase}, {_left(left)}")
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


def _left(seconds: Optional[float]) -> str:
    if seconds is None:
        return "time left not known yet"
    whole = int(seconds + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} left"
