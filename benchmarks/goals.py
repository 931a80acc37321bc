"""`vdt copy`, which proves every file, beside its peers, which do not: ratios of medians in one run on one machine.

    python benchmarks/goals.py DIR [--rounds 5] [--row small --row large ...]

Writes below DIR/vdt_goals only and removes it. Contenders take turns; the clock is the whole process, its start
included, and stops when the process ends: for tmpfs (/dev/shm), where nothing is left to flush. A contender that is
not installed is said to be not measured. It informs, it does not gate: quote medians and ratios.

    small    20,000 files, log-normal around 4 KB, in 250 folders, to an empty destination
    large    3 files of 1 GiB, to an empty destination
    nothing  40,000 files that are all there already
    memory   peak memory with 20,000 and with 120,000 files, and with one file of 1.5 GiB
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from typing import Callable, Dict, List, NamedTuple

_MIB = 1 << 20
_OURS = [sys.executable, "-m", "vdt", "copy", "{source}", "{destination}", "--quiet"]
_RSYNC = ["rsync", "-a", "{source}/", "{destination}/"]
_CP = ["cp", "-a", "{source}/.", "{destination}/"]
_CP_AND_SUMS = ["sh", "-c", "cp -a {source}/. {destination}/ && xxhsum -H2 {source}/* {destination}/* >/dev/null"]
_RCLONE = ["rclone", "copy", "{source}", "{destination}"]


class Taken(NamedTuple):
    """One timed command."""

    seconds: float
    peak_kib: int


def timed(command: List[str], source: str, destination: str) -> Taken:
    """Run a command, its places filled in. Raises RuntimeError where it fails."""
    filled = [word.format(source=source, destination=destination) for word in command]
    began = time.monotonic()
    process = subprocess.Popen(filled, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode > 1 or (
        process.returncode and filled[0] != sys.executable
    ):  # robocopy's 1: files were copied
        raise RuntimeError(f"{' '.join(filled)} ended with {process.returncode}")
    return Taken(seconds, usage.ru_maxrss)


def write_small(folder: str, files: int) -> None:
    """Files of log-normal sizes around 4 KB, 80 in a folder, always the same."""
    dice = random.Random(7)
    data = dice.randbytes(_MIB)
    for number in range(files):
        parent = os.path.join(folder, f"d{number // 80:05}")
        if number % 80 == 0:
            os.makedirs(parent)
        size = min(_MIB, int(dice.lognormvariate(8.3, 1.0)))
        begin = dice.randrange(0, _MIB - size + 1)
        with open(os.path.join(parent, f"f{number:07}.bin"), "wb") as file:
            file.write(data[begin : begin + size])


def write_large(folder: str, files: int, size_bytes: int) -> None:
    """Files of random bytes."""
    os.makedirs(folder)
    for number in range(files):
        with open(os.path.join(folder, f"f{number}.bin"), "wb") as file:
            for _ in range(size_bytes // _MIB):
                file.write(os.urandom(_MIB))


def race(base: str, contenders: Dict[str, List[str]], rounds: int, *, empty: bool) -> None:
    """Let the contenders take turns from base/source to a destination each, and print the table."""
    source = os.path.join(base, "source")
    taken: Dict[str, List[float]] = {name: [] for name, command in contenders.items() if shutil.which(command[0])}
    for name in contenders.keys() - taken.keys():
        print(f"  {name:<36} not measured: it is not installed")
    for turn in range(rounds + 1):  # the first turn warms up, and fills the destinations of "nothing"
        for name, runs in taken.items():
            destination = os.path.join(base, f"to_{name.split()[0]}_{len(name)}")
            if empty:
                shutil.rmtree(destination, ignore_errors=True)
            os.makedirs(destination, exist_ok=True)
            seconds = timed(contenders[name], source, destination).seconds
            if turn:
                runs.append(seconds)
            if empty:
                shutil.rmtree(destination)
    ours = statistics.median(taken["vdt copy (proven)"])
    for name, runs in taken.items():
        median = statistics.median(runs)
        print(f"  {name:<36} {median:8.3f} s  [{min(runs):.3f} .. {max(runs):.3f}]   ours / this: {ours / median:.2f}")


def small(base: str, rounds: int) -> None:
    write_small(os.path.join(base, "source"), 20_000)
    race(base, {"vdt copy (proven)": _OURS, "rsync -a": _RSYNC, "cp -a": _CP}, rounds, empty=True)


def large(base: str, rounds: int) -> None:
    write_large(os.path.join(base, "source"), 3, 1 << 30)
    contenders = {"vdt copy (proven)": _OURS, "cp -a, then xxhsum of both sides": _CP_AND_SUMS, "rsync -a": _RSYNC}
    race(base, contenders, rounds, empty=True)


def nothing(base: str, rounds: int) -> None:
    write_small(os.path.join(base, "source"), 40_000)
    race(base, {"vdt copy (proven)": _OURS, "rsync -a": _RSYNC, "rclone copy": _RCLONE}, rounds, empty=False)


def memory(base: str, _rounds: int) -> None:
    source, destination = os.path.join(base, "source"), os.path.join(base, "to")
    peaks = []
    for files in (20_000, 120_000):
        write_small(source, files)
        peaks.append(timed(_OURS, source, destination).peak_kib)
        print(f"  {files} files: {peaks[-1] / 1024:.1f} MiB")
        shutil.rmtree(source)
        shutil.rmtree(destination)
    print(f"  {(peaks[1] - peaks[0]) * 1024 / 100_000:.0f} bytes a file over 20,000")
    write_large(source, 1, 1536 * _MIB)
    print(f"  one file of 1.5 GiB: {timed(_OURS, source, destination).peak_kib / 1024:.1f} MiB")


_ROWS: Dict[str, Callable[[str, int], None]] = {"small": small, "large": large, "nothing": nothing, "memory": memory}


def main() -> int:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5, help="turns of which medians are taken (memory: one)")
    parser.add_argument("--row", action="append", choices=list(_ROWS))
    options = parser.parse_args()
    base = os.path.join(os.path.abspath(options.folder), "vdt_goals")
    print(f"{os.cpu_count()} processors, {platform.platform()}, Python {platform.python_version()}")
    for name in options.row or _ROWS:
        os.makedirs(base)  # refuses a folder that is there: nothing of anybody else is removed below
        try:
            print(name, flush=True)
            _ROWS[name](base, options.rounds)
        finally:
            shutil.rmtree(base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
