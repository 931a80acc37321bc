"""Rows that need nothing but a folder, best on tmpfs (/dev/shm), where nothing is left to flush."""

from __future__ import annotations

import os
import shutil

from rows.race import CP, OURS, RSYNC, VDT, Goal, Place, Report, race, timed
from rows.trees import MIB, write_large, write_small

_SUMS = "cp -a, then xxhsum of both sides"
_CP_AND_SUMS = ["sh", "-c", "cp -a {source}/. {destination}/ && xxhsum -H2 {source}/* {destination}/* >/dev/null"]
_RCLONE = ["rclone", "copy", "{source}", "{destination}"]


def small(report: Report, base: str, files: int = 20_000) -> None:
    """Small files to an empty destination."""
    place = Place.below(base)
    write_small(place.source, files)
    race(report, place, {OURS: VDT, "rsync -a": RSYNC, "cp -a": CP}, [Goal(0.8, "rsync -a")])


def large(report: Report, base: str, size_bytes: int = 1 << 30) -> None:
    """Three large files to an empty destination."""
    place = Place.below(base)
    write_large(place.source, 3, size_bytes)
    contenders = {OURS: VDT, "rsync -a": RSYNC}
    if shutil.which("xxhsum"):
        contenders[_SUMS] = _CP_AND_SUMS
    else:
        report.not_measured(_SUMS, "xxhsum is not installed")
    race(report, place, contenders, [Goal(1.0, _SUMS), Goal(0.5, "rsync -a")])


def nothing(report: Report, base: str, files: int = 40_000) -> None:
    """Files that are all there already: the first turn brings them, and does not count."""
    place = Place.below(base)
    write_small(place.source, files)
    contenders = {OURS: VDT, "rsync -a": RSYNC, "rclone copy": _RCLONE}
    race(report, place, contenders, [Goal(1.5, "rsync -a"), Goal(0.8, "rclone copy")], keep=True)


def memory(report: Report, base: str) -> None:
    """Peak memory; one turn, it hardly varies."""
    source, destination = os.path.join(base, "source"), os.path.join(base, "to")
    peaks = []
    for files in (20_000, 120_000):
        write_small(source, files)
        peaks.append(timed(VDT, source, destination).peak_kib)
        report.measured(f"{files} files", "", f"{peaks[-1] / 1024:.1f} MiB")
        shutil.rmtree(source)
        shutil.rmtree(destination)
    if not all(peaks):
        report.not_measured("a file over 20,000", "this script itself takes more memory than the copy")
        return
    each = (peaks[1] - peaks[0]) * 1024 / 100_000
    report.measured("a file over 20,000", "", f"{each:.0f} bytes")
    report.goal("at most 200 bytes a file over 20,000", met=each <= 200)
    write_large(source, 1, 1536 * MIB)
    peak = timed(VDT, source, destination).peak_kib / 1024
    report.measured("one file of 1.5 GiB", "", f"{peak:.1f} MiB")
    report.goal("one file of 1.5 GiB in at most 150 MiB", met=peak <= 150)
