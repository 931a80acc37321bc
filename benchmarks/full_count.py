"""One whole run, 131,872 files with divided sizes: our verified transfer beside `rsync -a`, which verifies nothing.

    python benchmarks/full_count.py DIR [--rounds 3] [--fov 398] [--bytes-divided-by 1500]

Writes below DIR only, and removes what it wrote. Both contenders copy the three trees of one sample run to the same
file system, in turn, and the clock stops after a `sync`. For Linux and macOS. It informs, it does not gate: quote
medians and the ratio.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from typing import Dict, List, NamedTuple, Tuple

from comparing import process
from vdt.sample import DEFAULT_RUN_ID

_CONFIG = """\
analysis_drive_nix = '{source}'
isilon_drive_nix = '{destination}'
"""


class Taken(NamedTuple):
    """One timed command."""

    seconds: float
    peak_mib: float


def timed(command: List[str]) -> Taken:
    """Run a command and flush what it wrote. Raises RuntimeError where it fails."""
    began = time.monotonic()
    ended = process.run(command)
    if ended.code:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.code}: {ended.said}")
    os.sync()
    return Taken(time.monotonic() - began, ended.peak_kib / 1024)


def main() -> int:
    """Make the run, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fov", type=int, default=398)
    parser.add_argument("--bytes-divided-by", type=int, default=1500)
    options = parser.parse_args()
    base = os.path.join(os.path.abspath(options.folder), "vdt_full_count")
    os.makedirs(base)  # refuses a folder that is there: nothing of anybody else is removed below
    try:
        source = os.path.join(base, "source")
        os.makedirs(source)
        # in a process of its own: a child's peak memory counts from its parent's
        size = ["--fov", str(options.fov), "--bytes-divided-by", str(options.bytes_divided_by)]
        subprocess.run([sys.executable, "-m", "vdt.sample", source, *size], check=True, stdout=subprocess.DEVNULL)
        files, mib = _count(source)
        os.sync()
        taken: Dict[str, List[Taken]] = {"rsync": [], "ours": []}
        for _ in range(options.rounds):
            for name, runs in taken.items():
                destination = os.path.join(base, name)
                os.makedirs(destination)
                runs.append(_one(name, source, destination, base))
                shutil.rmtree(destination)
        print(
            f"{platform.node()}: {os.cpu_count()} processors, {platform.platform()}, Python {platform.python_version()}"
        )
        print(f"{files} files, {mib:.0f} MiB, {options.rounds} rounds in turn, seconds to the end of a sync")
        print(f"{'':<34}{'median':>8}{'min':>8}{'max':>8}{'files/s':>9}{'MiB/s':>8}{'peak MiB':>10}")
        for name, title in (("rsync", "rsync -a (nothing verified)"), ("ours", "vizgen_data_transfer (cold proof)")):
            seconds = [t.seconds for t in taken[name]]
            median = statistics.median(seconds)
            print(
                f"{title:<34}{median:>8.1f}{min(seconds):>8.1f}{max(seconds):>8.1f}{files / median:>9.0f}"
                f"{mib / median:>8.0f}{max(t.peak_mib for t in taken[name]):>10.0f}"
            )
        ratios = [ours.seconds / theirs.seconds for ours, theirs in zip(taken["ours"], taken["rsync"])]
        middle = statistics.median(ratios)
        print(f"ours / rsync, pair by pair: median {middle:.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
    finally:
        shutil.rmtree(base)
    return 0


def _count(root: str) -> Tuple[int, float]:
    """(files, MiB) below a folder."""
    sizes = [os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(root) for name in names]
    return len(sizes), sum(sizes) / 2**20


def _one(name: str, source: str, destination: str, base: str) -> Taken:
    if name == "rsync":
        return timed(["rsync", "-a", source + "/", destination + "/"])
    config = os.path.join(base, "config.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(_CONFIG.format(source=source, destination=destination))
    state = f"XDG_STATE_HOME={os.path.join(base, 'state')}"
    command = [sys.executable, "-m", "vdt.cli.drop_in", "--no_email", "--vizgen_config", config, DEFAULT_RUN_ID]
    return timed(["env", state, *command])


if __name__ == "__main__":
    sys.exit(main())
