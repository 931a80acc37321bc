"""`vdt copy`, which proves every file, beside its peers, which do not: ratios of medians in one run on one machine.

    python benchmarks/goals.py DIR [--rounds 5] [--row small --row large ...] [--markdown FILE]

Writes below DIR/vdt_goals only and removes it, also after Ctrl-C. Contenders take turns; the clock is the whole
process, its start included, and stops when the process ends: DIR on tmpfs (/dev/shm), where nothing is left to flush,
but for `cold`. A contender that is not installed is said to be not measured. It informs, it does not gate: quote
medians and ratios. Linux only.

    small    20,000 files, log-normal around 4 KB, in 250 folders, to an empty destination
    large    3 files of 1 GiB, to an empty destination
    nothing  40,000 files that are all there already
    memory   peak memory with 20,000 and with 120,000 files, and with one file of 1.5 GiB
    latency  500 small files in 40 folders on a mount where each call takes 2 ms, then 10 ms (needs fuse3)
    share    one file of 4 GiB from and to a Samba share 5 ms away, 8 threads (needs samba, fuse3, pip's [rigs])
    threads  small, large and latency (2 ms) by default and with 1, 2, 4 and 8 threads as the most (needs fuse3)
    cold     8 GB of mixed sizes proven from the disk; DIR on a real disk, and only when asked for
    calls    system calls of one small file (needs strace)
    floor    what small cannot go below in Python: the bare verified loop, and the start of the process
    audit_small  20,000 small files held against their manifest; DIR and asking as for cold
    audit_large  4 files of 1 GiB, likewise
    disk     what cold cannot go below on this disk: three passes over 2 GiB at once; DIR and asking as for cold
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
from typing import Callable, Dict, List

from comparing.interrupt import end_once
from rows.audit import audit_large, audit_small
from rows.calls import calls
from rows.cold import cold
from rows.floors import disk, interpreter
from rows.latency import latency
from rows.local import large, memory, nothing, small
from rows.race import Report
from rows.rigs import NoRigError
from rows.share import share
from rows.threads import threads

_VERSIONS = {
    "rsync": ["rsync", "--version"],
    "rclone": ["rclone", "version"],
    "cp": ["cp", "--version"],
    "xxhsum": ["xxhsum", "--version"],
    "smbd": ["smbd", "--version"],
    "fuse": ["fusermount3", "--version"],
    "strace": ["strace", "--version"],
}
_Row = Callable[[Report, str, argparse.Namespace], None]


def _latency(report: Report, base: str, options: argparse.Namespace) -> None:
    for latency_ms in options.latency_ms or (2.0, 10.0):
        latency(report, os.path.join(base, f"{latency_ms:g}"), options.latency_files, latency_ms)


_ROWS: Dict[str, _Row] = {
    "small": lambda report, base, options: small(report, base, options.files),
    "large": lambda report, base, options: large(report, base, int(options.large_gib * 2**30)),
    "nothing": lambda report, base, options: nothing(report, base, options.files * 2),
    "memory": lambda report, base, options: memory(report, base),
    "latency": _latency,
    "share": lambda report, base, options: share(report, base, int(options.share_gib * 2**30)),
    "threads": lambda report, base, options: threads(
        report, base, options.files, int(options.large_gib * 2**30), options.latency_files
    ),
    "cold": lambda report, base, options: cold(report, base, int(options.cold_gb * 1e9)),
    "audit_small": lambda report, base, options: audit_small(report, base, options.files),
    "audit_large": lambda report, base, options: audit_large(report, base, int(options.large_gib * 2**30)),
    "calls": lambda report, base, options: calls(report, base),
    "floor": lambda report, base, options: interpreter(report, base, options.files),
    "disk": lambda report, base, options: disk(report, base, 2 << 30),
}
_UNASKED = [
    name for name in _ROWS if name not in ("cold", "disk", "audit_small", "audit_large")
]  # these want another DIR


def _heading() -> List[str]:
    """The machine, and the versions of whoever takes part."""
    lines = [f"{os.cpu_count()} processors, {platform.platform()}, Python {platform.python_version()}"]
    for name, command in _VERSIONS.items():
        if not shutil.which(command[0]):
            lines.append(f"{name}: not installed")
            continue
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        first = done.stdout.strip().splitlines()[0] if done.stdout.strip() else "?"
        lines.append(first if name in first else f"{name}: {first}")
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5, help="turns of which medians are taken (memory, calls: one)")
    parser.add_argument("--row", action="append", choices=list(_ROWS), help="may be repeated; default: all but two")
    parser.add_argument("--markdown", metavar="FILE", help="also write what was measured as a table")
    parser.add_argument("--files", type=int, default=20_000, help="of small; nothing takes twice as many")
    parser.add_argument("--large-gib", type=float, default=1.0, help="size of each of the three files of large")
    parser.add_argument("--latency-ms", type=float, action="append", help="default: 2, then 10")
    parser.add_argument("--latency-files", type=int, default=500)
    parser.add_argument("--share-gib", type=float, default=4.0, help="size of the one file of share")
    parser.add_argument("--cold-gb", type=float, default=8.0, help="size of the whole tree of cold")
    return parser.parse_args()


def _command(options: argparse.Namespace) -> str:
    words = ["DIR" if word == options.folder else word for word in sys.argv[1:]]
    return f"python benchmarks/goals.py {shlex.join(words)}"


def main() -> int:
    """Measure the rows that were asked for."""
    options = _options()
    base = os.path.join(os.path.abspath(options.folder), "vdt_goals")
    heading = _heading()
    print("\n".join(heading))
    report = Report(options.rounds)
    end_once()
    try:
        for name in options.row or _UNASKED:
            report.row = name
            os.makedirs(base)  # refuses a folder that is there: nothing of anybody else is removed below
            try:
                print(name, flush=True)
                _ROWS[name](report, base, options)
            except NoRigError as error:
                report.not_measured(name, str(error))
            finally:
                shutil.rmtree(base)
    except KeyboardInterrupt:
        print("interrupted; what was written is removed", file=sys.stderr)
        return 130
    finally:
        if options.markdown and report.lines:
            with open(options.markdown, "w", encoding="utf-8") as file:
                file.write(report.markdown([*heading, f"`{_command(options)}`, medians [min .. max]"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
