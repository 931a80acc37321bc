"""A copy read once more and held against its manifest: ours, past the cache, beside `xxhsum -c`.

What xxhsum reads is dropped from memory before each turn, since a proof from memory proves nothing of the disk; ours
would read past the cache anyway. DIR has to lie on a disk for that. On tmpfs both read memory, and the price of
starting Python decides: figures from there are printed too, and say little of an audit. The bare loop, which only reads
and hashes, shows what no audit in Python goes below, and whether several readers get more out of the disk than one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from rows.forget import forget
from rows.race import Goal, Place, Report, race
from rows.trees import write_large, write_small

_OURS = "vdt audit --manifest"
_RIVAL = "xxhsum -c"
_BARE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bare_audit.py")


def audit_small(report: Report, base: str, files: int = 20_000) -> None:
    """Small files."""
    write_small(os.path.join(base, "source"), files)
    _audit(report, base)


def audit_large(report: Report, base: str, size_bytes: int = 1 << 30) -> None:
    """Four large files."""
    write_large(os.path.join(base, "source"), 4, size_bytes)
    _audit(report, base)


def _audit(report: Report, base: str) -> None:
    if not shutil.which("xxhsum"):
        report.not_measured(_RIVAL, "xxhsum is not installed")
        return
    place = Place.below(base)
    manifest, state = os.path.join(base, "source.xxh128"), os.path.join(base, "state")
    sums = "find . -type f -print0 | sort -z | xargs -0 xxhsum -H2"
    with open(manifest, "wb") as file:
        subprocess.run(["sh", "-c", sums], cwd=place.source, stdout=file, check=True)
    ours = [sys.executable, "-m", "vdt", "audit", place.source, "--manifest", manifest, "--state", state, "--quiet"]
    bare = {
        f"a bare loop past the cache, {threads} thread(s)": [
            sys.executable,
            _BARE,
            place.source,
            manifest,
            str(threads),
        ]
        for threads in (1, 4)
    }
    rival = ["sh", "-c", f"cd {place.source} && xxhsum -c --quiet {manifest}"]

    def before() -> None:
        shutil.rmtree(f"{place.source}.evidence", ignore_errors=True)  # each turn is a first audit
        forget(place.source)

    race(report, place, {_OURS: ours, _RIVAL: rival, **bare}, [Goal(0.7, _RIVAL)], ours=_OURS, before=before)
