"""Is the number of workers that is found while running the right one?

There is no switch that forces a number: `--threads N` is the most. So the default is held against 1, 2, 4 and 8 as
the most, of which the low ones are as good as forced.
"""

from __future__ import annotations

import os

from rows.race import VDT, Place, Report, median, race
from rows.rigs import NoRigError, slow_mount
from rows.trees import write_large, write_small

_DEFAULT = "vdt copy (default)"
_WITHIN = 1.15
_LATENCY_MS = 2.0


def threads(report: Report, base: str, small_files: int, large_bytes: int, latency_files: int) -> None:
    """Small files and large ones in DIR, small ones on a slow mount."""
    report.say("--threads N is the most, not a forced number")
    report.say(f"{small_files} small files:")
    place = Place.below(os.path.join(base, "small"))
    write_small(place.source, small_files)
    _among(report, place, warm_up=True)
    report.say(f"3 files of {large_bytes / 2**30:g} GiB:")
    place = Place.below(os.path.join(base, "large"))
    write_large(place.source, 3, large_bytes)
    _among(report, place, warm_up=True)
    report.say(f"{latency_files} small files at {_LATENCY_MS:g} ms a call:")
    slow = os.path.join(base, "slow")
    try:
        with slow_mount(slow, _LATENCY_MS) as at:
            write_small(os.path.join(at["behind"], "source"), latency_files, per_folder=-(-latency_files // 40))
            place = Place(os.path.join(at["seen"], "source"), at["seen"], at["behind"])
            _among(report, place, warm_up=False)
    except NoRigError as error:
        report.not_measured("at a latency", str(error))


def _among(report: Report, place: Place, *, warm_up: bool) -> None:
    contenders = {_DEFAULT: VDT}
    for most in (1, 2, 4, 8):
        contenders[f"vdt copy --threads {most}"] = [*VDT, "--threads", str(most)]
    taken = race(report, place, contenders, ours=_DEFAULT, warm_up=warm_up)
    best = min(taken, key=lambda name: median(taken[name]))
    ratio = median(taken[_DEFAULT]) / median(taken[best])
    report.goal(f"{_DEFAULT} <= {_WITHIN:g} x the best, {best} ({ratio:.2f})", met=ratio <= _WITHIN)
