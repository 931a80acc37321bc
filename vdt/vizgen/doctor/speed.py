"""How fast a destination is: 64 MB in one stream, small files one after the other, each with its proof."""

from __future__ import annotations

import os
import time
from typing import Iterable, Iterator, Tuple

from vdt import fs
from vdt.errors import StoppedError
from vdt.hashing import digest_views
from vdt.listing import answer_s
from vdt.probe import Destination
from vdt.stop import StopFlag
from vdt.tuning import workers_at_first
from vdt.vizgen.doctor.check import Tell, ok, problem
from vdt.vizgen.doctor.estimate import Speed

PROBE_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20
_SMALL_BYTES = 16 << 10
_SMALL_FILES = 24
_MODE = 0o644
_TIME_NS = 10**18


def go_on(stop: StopFlag) -> None:
    """Raises StoppedError once the stop was asked for."""
    if stop:
        raise StoppedError(f"Stopped ({stop.reason}); nothing was left behind.")


def put_file(folder: fs.Folder, name: str, data: memoryview, *, flush: bool) -> None:
    """Write one file as a transfer would."""
    fd = folder.write_whole(name, data, _MODE)
    folder.seal(fd, name, mtime_ns=_TIME_NS, mode=None, owner=None, flush=flush)


def measure(tell: Tell, path: str, found: Destination, stop: StopFlag, threads: int) -> Speed:
    """Tell both rates, and give them back. Raises StoppedError and OSError."""
    cold = found.volume.cold_reads
    flush = found.volume.flush is not fs.Flush.NONE
    call_s, file_s = _small_files(path, cold=cold, flush=found.volume.flush, stop=stop)
    write, read, right = _large_file(path, cold=cold, flush=flush, stop=stop)
    if not right:
        remedy = "Do not use this storage before it is checked."
        tell(problem("Throughput", "other bytes came back than were written", remedy))
        return Speed()
    tell(ok("Latency", f"{call_s * 1000:.2f} ms a call, {file_s * 1000:.1f} ms for a small file with its proof"))
    back = "past the cache" if cold else "maybe from this computer's cache"
    tell(ok("Throughput", f"64 MB: written with {write / 1e6:.0f} MB/s, read back with {read / 1e6:.0f} MB/s ({back})"))
    workers = workers_at_first(answer_s(path), threads, flushes=flush)
    return Speed(write, read, 0.0, file_s, workers)


def _small_files(path: str, *, cold: bool, flush: fs.Flush, stop: StopFlag) -> Tuple[float, float]:
    """(seconds a call, seconds a file), one after the other, flushed as a transfer would."""
    data = memoryview(os.urandom(_SMALL_BYTES))
    names = [f"small-{number}" for number in range(_SMALL_FILES)]
    with fs.Folder(path) as folder:
        began = time.perf_counter()
        for name in names:
            go_on(stop)
            put_file(folder, f"{name}.new", data, flush=flush is fs.Flush.FILE)
        if flush is fs.Flush.VOLUME:
            folder.flush_volume()
        for name in names:
            go_on(stop)
            folder.read_whole(f"{name}.new", _SMALL_BYTES, cold=cold)
            folder.settle()
            folder.replace(f"{name}.new", name)
        file_s = (time.perf_counter() - began) / _SMALL_FILES
        began = time.perf_counter()
        for name in names:
            folder.unlink(name)
        return (time.perf_counter() - began) / _SMALL_FILES, file_s


def _large_file(path: str, *, cold: bool, flush: bool, stop: StopFlag) -> Tuple[float, float, bool]:
    """(bytes a second written, read back, whether they are the same)."""
    piece = memoryview(os.urandom(_PIECE_BYTES))
    pieces = PROBE_BYTES // _PIECE_BYTES
    with fs.Folder(path) as folder:
        began = time.perf_counter()
        fd = folder.create("large", _MODE)
        try:
            for _ in range(pieces):
                go_on(stop)
                fs.write_all(fd, piece)
        except BaseException:
            fs.close(fd)
            raise
        folder.seal(fd, "large", mtime_ns=None, mode=None, owner=None, flush=flush)
        written_s = time.perf_counter() - began
        folder.forget("large")
        began = time.perf_counter()
        with folder.back("large", cold=cold) as (_, views):
            right = digest_views(_watched(views, stop)) == digest_views(piece for _ in range(pieces))
        read_s = time.perf_counter() - began
        folder.unlink("large")
    return PROBE_BYTES / max(written_s, 1e-6), PROBE_BYTES / max(read_s, 1e-6), right


def _watched(views: Iterable[memoryview], stop: StopFlag) -> Iterator[memoryview]:
    for view in views:
        go_on(stop)
        yield view
