"""The run that is copied: how large to make it, the making, and what a folder holds.

A run is made smaller in both ways at once, so that the mean size of a file shrinks no faster than their number: fewer
fields of view, and each large file divided. Names, kinds and the mixture of sizes stay those of a MERSCOPE run.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from typing import Dict, NamedTuple, Tuple

from comparing import process
from vdt.errors import RefusedError, UsageError
from vdt.printable import printable
from vdt.sample import FULL_FOVS, TREES, plan_run
from vdt.sample.catalogue import catalogue
from vdt.sample.planner import LARGE_BYTES

PROFILES: Dict[str, Tuple[str, ...]] = {
    "raw": ("raw_data",),
    "analysis": ("analysis",),
    "output": ("output",),
    "mixed": TREES,
}
_STEPS = 40


class Fit(NamedTuple):
    """Arguments of the sample generator, and what they make."""

    n_fov: int
    byte_divisor: int
    files: int
    size_bytes: int


class Holdings(NamedTuple):
    """What lies below a folder: regular files only."""

    files: int
    folders: int
    size_bytes: int
    largest_bytes: int


@dataclass(frozen=True)
class Data:
    """What is copied.

    Attributes:
        source: the folder, as the contenders see it.
        words: where it comes from, for a reader.
        held: what it holds.
    """

    source: str
    words: str
    held: Holdings


def fit(profile: str, size_bytes: int) -> Fit:
    """The sample run of a profile that comes nearest to a size without being larger, where that can be.

    Raises:
        UsageError: not even the smallest run of this profile is that small.
    """
    trees = PROFILES[profile]
    full = sum(catalogue().trees[tree].totals.size_bytes for tree in trees)
    n_fov = max(1, min(FULL_FOVS, round(FULL_FOVS * math.sqrt(size_bytes / full))))
    while True:
        sizes = _planned(trees, n_fov)
        least = sum(min(size, LARGE_BYTES) for size in sizes)
        if least <= size_bytes:
            break
        if n_fov == 1:
            raise UsageError(
                f"--size-gb: the smallest run of the profile '{profile}' has {len(sizes)} files and "
                f"{least / 1e9:.3f} GB; give at least that."
            )
        n_fov = n_fov * 2 // 3
    low, high = 0.0, math.log(max(2.0, sum(sizes)))  # of the divisor's logarithm: at `high` every file is small
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _divided(sizes, round(math.exp(middle))) > size_bytes:
            low = middle
        else:
            high = middle
    divisor = 1 if sum(sizes) <= size_bytes else math.ceil(math.exp(high))
    made = [file.size_bytes for file in plan_run(n_fov=n_fov, byte_divisor=divisor, trees=trees)]
    return Fit(n_fov, divisor, len(made), sum(made))


def _planned(trees: Tuple[str, ...], n_fov: int) -> Tuple[int, ...]:
    return tuple(file.size_bytes for file in plan_run(n_fov=n_fov, trees=trees))


def _divided(sizes: Tuple[int, ...], divisor: int) -> int:
    return sum(size if size <= LARGE_BYTES else max(LARGE_BYTES, size // divisor) for size in sizes)


def make(folder: str, profile: str, size: Fit) -> str:
    """Write the run, in a process of its own, as a contender's memory is only seen where ours stays small.

    Returns:
        What was done, as a command.

    Raises:
        RefusedError: it could not be written; says why.
    """
    words = ["-m", "vdt.sample", folder, "--fov", str(size.n_fov), "--bytes-divided-by", str(size.byte_divisor)]
    words += [word for tree in PROFILES[profile] if profile != "mixed" for word in ("--tree", tree)]
    ended = process.run([sys.executable, *words])
    if ended.code:
        raise RefusedError(f"The data could not be made: {printable(ended.said)}")
    return f"sample run, profile {profile}: python {' '.join('SRC' if word == folder else word for word in words)}"


def holdings(root: str) -> Holdings:
    """Count what lies below a folder; links are not followed and not counted. Raises OSError."""
    files = folders = size_bytes = largest = 0
    open_folders = [root]
    while open_folders:
        with os.scandir(open_folders.pop()) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    folders += 1
                    open_folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    files += 1
                    size = entry.stat(follow_symlinks=False).st_size
                    size_bytes += size
                    largest = max(largest, size)
    return Holdings(files, folders, size_bytes, largest)
