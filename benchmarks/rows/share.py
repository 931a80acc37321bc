"""One large file from and to a Samba share some milliseconds away, beside what eight plain readers get there."""

from __future__ import annotations

import os
import sys
from typing import Dict, List

from rows import rigs
from rows.race import VDT, Place, Report, Taken, median, race
from rows.trees import write_large

_OURS = "vdt copy --threads 8"
_COPY = [*VDT, "--threads", "8"]
_DELAY_MS = 5.0
_OF_THE_RATE = 0.9
_MOST_MIB = 150
_EIGHTHS = os.path.join(os.path.dirname(__file__), "eighths.py")
_READ = [sys.executable, _EIGHTHS, "read"]
_WRITE = [sys.executable, _EIGHTHS, "write"]


def share(report: Report, base: str, size_bytes: int) -> None:
    """Both directions; the local side lies in DIR. No turn warms up: the mount keeps no data."""
    report.say(f"one file of {size_bytes / 2**30:g} GiB, {_DELAY_MS:g} ms each way")
    local = os.path.join(base, "local")
    with rigs.share(base, _DELAY_MS) as at:
        source = os.path.join(at["behind"], "source")
        write_large(source, 1, size_bytes)
        size_bytes = os.path.getsize(os.path.join(source, "f0.bin"))
        report.say("from the share:")
        os.makedirs(local)
        readers = {_OURS: _COPY, "8 readers": [*_READ, "{source}/f0.bin", "8"]}
        taken = race(
            report, Place(os.path.join(at["seen"], "source"), local, local), readers, ours=_OURS, warm_up=False
        )
        _rates(report, taken, size_bytes)
        part = median(taken["8 readers"]) / median(taken[_OURS])
        report.goal(f"{_OURS} >= {_OF_THE_RATE:g} x the rate of 8 readers ({part:.2f})", met=part >= _OF_THE_RATE)
        report.say("to the share, where what is written is read back as well:")
        os.rename(source, os.path.join(local, "source"))
        written = "{destination}/f0.bin"
        both = " && ".join(
            [" ".join([*_WRITE, written, "8", str(size_bytes)]), " ".join([*_READ, written, "8"])]
        )  # no word of it holds a blank
        writers = {_OURS: _COPY, "8 writers, then 8 readers": ["sh", "-c", both]}
        up = race(
            report, Place(os.path.join(local, "source"), at["seen"], at["behind"]), writers, ours=_OURS, warm_up=False
        )
        _rates(report, up, size_bytes)
        peak = max(one.peak_kib for one in [*taken[_OURS], *up[_OURS]]) / 1024
        report.measured(f"{_OURS}: peak memory", "", f"{peak:.0f} MiB")
        report.goal(f"peak memory < {_MOST_MIB} MiB ({peak:.0f})", met=peak < _MOST_MIB)


def _rates(report: Report, taken: Dict[str, List[Taken]], size_bytes: int) -> None:
    rates = (f"{name} {size_bytes / median(runs) / 1e6:.0f} MB/s" for name, runs in taken.items())
    report.say("rates: " + ", ".join(rates))
