"""bench_copy.py: what a small file costs, what chunks and late proof save. python benchmarks/bench_copy.py --dir DIR

DIR on tmpfs shows the interpreter's part; on a disk what flushing and reading back cost. Everything in this process.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from typing import Dict, Iterator, List
from unittest import mock

from comparing.stopwatch import Bench, Figure, each, fresh, main, rate
from rows import calls
from rows.bare_loop import copy as bare_copy
from rows.trees import write_even, write_large
from vdt import batches, fs, stream
from vdt.copytree import CopyRequest, copy_tree
from vdt.model import Verify

_SLOTS = (256 << 10, 1 << 20, 4 << 20)
_BATCHES = (1, 8, 64, 256)


def _copy(source: str, destination: str, verify: Verify = Verify.COLD, threads: int = 8) -> None:
    result = copy_tree(CopyRequest(source, destination, verify=verify, threads=threads))
    assert result.exit_code == 1, result


def _into_new(bench: Bench, source: str, made: List[int], verify: Verify) -> None:
    _copy(source, fresh(bench.folder, made), verify)


def measure(bench: Bench) -> List[Figure]:
    """Small files by level and by size of a batch, a large one by size of its chunks, and system calls."""
    small, large = os.path.join(bench.folder, "small"), os.path.join(bench.folder, "large")
    write_even(small, bench.files, 4000, per_folder=80)
    write_large(large, 1, bench.size_bytes)
    return [*_small_files(bench, small), *_batches(bench, small), *_chunks(bench, large), *_calls(bench)]


def _small_files(bench: Bench, small: str) -> Iterator[Figure]:
    made: List[int] = []

    def bare() -> None:
        to = fresh(bench.folder, made)
        os.mkdir(to)
        bare_copy(small, to)

    yield each("floor: bare verified loop, a file", bench.timed(bare), bench.files)
    plain = bench.timed(lambda: shutil.copytree(small, fresh(bench.folder, made)))
    yield each("floor: shutil.copytree, a file", plain, bench.files)
    for level in Verify:
        seconds = bench.timed(partial(_into_new, bench, small, made, level))
        yield each(f"copy_tree --verify {level.value}, a file", seconds, bench.files)
    _clear(bench, made)


def _batches(bench: Bench, small: str) -> Iterator[Figure]:
    """How many files are written before they are flushed together and read back."""
    made: List[int] = []
    for files in _BATCHES:
        most: Dict[fs.Flush, int] = dict.fromkeys(fs.Flush, files)
        with mock.patch.object(batches, "_MOST_FILES", most):
            seconds = bench.timed(lambda: _copy(small, fresh(bench.folder, made), threads=1))
        yield each(f"proof after {files} files, a file", seconds, bench.files)
    _clear(bench, made)


def _chunks(bench: Bench, large: str) -> Iterator[Figure]:
    """How much of a large file one worker reads or writes at a time."""
    made: List[int] = []
    for size in _SLOTS:
        with mock.patch.object(stream, "SLOT_BYTES", size):
            seconds = bench.timed(lambda: _copy(large, fresh(bench.folder, made)), before=lambda: _clear(bench, made))
        yield rate(f"a large file in slots of {size >> 10} KiB", seconds, bench.size_bytes)
    _clear(bench, made)


def _calls(bench: Bench) -> Iterator[Figure]:
    """System calls of a small file (Linux with strace), those of futexes left out."""
    if not shutil.which("strace"):
        return
    files = max(50, min(bench.files, 500))
    base = os.path.join(bench.folder, "calls")
    total = calls.total(calls.each_call(base, files))
    yield Figure("system calls, a file", total, total, total, "calls")


def _clear(bench: Bench, made: List[int]) -> None:
    for name in os.listdir(bench.folder):
        if name.startswith("to_"):
            shutil.rmtree(os.path.join(bench.folder, name))
    made.clear()


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", measure, sys.argv[1:]))
