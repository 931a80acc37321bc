"""bench_scan.py: what a second run over a copy takes a file. python benchmarks/bench_scan.py --dir /dev/shm/b"""

from __future__ import annotations

import os
import shutil
import sys
from typing import List, Tuple

from comparing.stopwatch import Bench, Figure, each, main
from rows.trees import write_even
from vdt import fs
from vdt.compare import classify
from vdt.model import Entry, Existing, Links, Policy
from vdt.plan import Pair, Planner, Rules
from vdt.records import NO_RECORDS
from vdt.scan import walk


def _floor(root: str) -> int:
    """A listing with size and time of every file and nothing else."""
    count, folders = 0, [root]
    while folders:
        with os.scandir(folders.pop()) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def _listed(root: str) -> List[Tuple[str, List[Entry]]]:
    found = []
    for name in sorted(os.listdir(root)):
        found.append((name, sorted(fs.list_folder(os.path.join(root, name)), key=lambda entry: entry.name)))
    return found


def measure(bench: Bench) -> List[Figure]:
    """Listing, comparing, planning, and all of it as a walk over both sides."""
    source = os.path.join(bench.folder, "source")
    copy = os.path.join(bench.folder, "copy")
    write_even(source, bench.files, 100)
    shutil.copytree(source, copy)
    listings = _listed(source)
    entries = [entry for _, folder in listings for entry in folder]
    policy = Policy()

    def planned(*, there: bool) -> None:
        planner = Planner(Rules(policy, Existing.TRUST), NO_RECORDS)
        for folder, listing in listings:
            planner.plan(Pair(folder, listing, listing if there else None))

    def walked() -> None:
        planner = Planner(Rules(policy, Existing.TRUST), NO_RECORDS)
        seen = 0
        for one in walk(source, copy, planner, Links.COPY, fs.list_folder, dest_exists=True):
            assert one.plan is not None, one.error
            seen += one.plan.listed
        assert seen == bench.files, seen

    timed, count = bench.timed, bench.files
    return [
        each("floor: scandir and stat of a file", timed(lambda: _floor(source)), count),
        each("fs.list_folder, a file", timed(lambda: _listed(source)), count),
        each(
            "compare.classify, a file that is the same", timed(lambda: [classify(e, e, policy) for e in entries]), count
        ),
        each("plan, a file that is new", timed(lambda: planned(there=False)), count),
        each("plan, a file that is the same", timed(lambda: planned(there=True)), count),
        each("walk over both sides and plan, a file", timed(walked), count),
    ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", measure, sys.argv[1:]))
