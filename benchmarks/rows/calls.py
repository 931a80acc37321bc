"""System calls of one small file that is copied and proven: those of 2,000 less those of 1,000, so start-up cancels."""

from __future__ import annotations

import os
import shutil
from typing import Dict

from rows.race import VDT, Report, shown, timed
from rows.trees import write_small

_STRACE = ["strace", "-f", "-c", "-U", "calls,name", "-o"]


def calls(report: Report, base: str, files: int = 1000) -> None:
    """A table, call by call. Eighty files share a folder; what the folder takes is divided among them.

    Futexes are shown and not summed: how often threads wait for each other under strace is chance.
    """
    if not shutil.which("strace"):
        report.not_measured("calls", "strace is not installed")
        return
    each = each_call(base, files)
    for name in sorted(each, key=lambda name: -each[name]):
        if abs(each[name]) >= 0.01:
            report.measured(name, "", f"{each[name]:8.2f}")
    command = shown([*_STRACE, "FILE", *VDT])
    report.measured("calls of a small file, no futex", command, f"{total(each):8.2f}")


def each_call(base: str, files: int) -> Dict[str, float]:
    """Calls of one file, by name: those of twice as many files less those of `files`. Needs strace."""
    fewer, more = _counted(base, files), _counted(base, 2 * files)
    return {name: (more.get(name, 0) - fewer.get(name, 0)) / files for name in more.keys() | fewer.keys()}


def total(each: Dict[str, float]) -> float:
    """All but futexes."""
    return sum(count for name, count in each.items() if name != "futex")


def _counted(base: str, files: int) -> Dict[str, int]:
    own = os.path.join(base, str(files))
    source, counts = os.path.join(own, "source"), os.path.join(own, "counts")
    write_small(source, files)
    timed([*_STRACE, counts, *VDT], source, os.path.join(own, "copy"))
    found: Dict[str, int] = {}
    with open(counts, encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if len(words) == 2 and words[0].isdigit() and words[1] != "total":
                found[words[1]] = int(words[0])
    return found
