"""How long a run may take, from what a probe showed. Pure; a guess that says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """What the probe measured; a rate of 0 is not known."""

    write_bytes_per_s: float = 0.0  # written and flushed
    read_bytes_per_s: float = 0.0  # read back
    source_bytes_per_s: float = 0.0
    file_s: float = 0.0  # a small file: written, read back, renamed, one after the other
    workers: int = 1  # that may do small files at a time


@dataclass(frozen=True)
class Estimate:
    """Seconds, with and without the proof."""

    copy_s: float
    proven_s: float

    @property
    def words(self) -> str:
        return f"about {span(self.proven_s)} with every file read back, {span(self.copy_s)} of it for the copy alone"


def estimate(files: int, size_bytes: int, speed: Speed) -> Estimate:
    """One stream for the bytes, and the calls of each file beside it."""
    sides = [rate for rate in (speed.write_bytes_per_s, speed.source_bytes_per_s) if rate > 0]
    copy_s = size_bytes / min(sides) if sides else 0.0
    back_s = size_bytes / speed.read_bytes_per_s if speed.read_bytes_per_s > 0 else 0.0
    calls_s = files * speed.file_s / max(1, speed.workers)
    return Estimate(copy_s + calls_s * 2 / 3, copy_s + back_s + calls_s)


def span(seconds: float) -> str:
    """40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, most, name in ((1, 120, "s"), (60, 120, "min"), (3600, 48, "h")):
        if seconds < unit * most:
            return f"{seconds / unit:.0f} {name}" if unit < 3600 else f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400:.1f} days"
