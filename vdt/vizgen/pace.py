"""How far one tree is, as the values that its lock shows to whoever looks at it, and those values read again.

The holder writes them with each beat of the lock, by its own clock, as spans; nobody compares the clocks of two
machines. Read from a file that anybody may have written: what makes no sense is taken for not known.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from vdt.model import Count, TreeResult

_LONGEST = 200


class Pace:
    """Gives the values of this moment. Called by one thread at a time.

    Args:
        total: what the count before found.
        so_far: the result at this moment; None before the first file.
        doing: the phase in words.
    """

    def __init__(
        self,
        total: Count,
        so_far: Callable[[], Optional[TreeResult]],
        doing: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._so_far, self._doing, self._clock = total, so_far, doing, clock
        self._began_s = clock()
        self._last: Tuple[float, int, int] = (self._began_s, 0, 0)

    def __call__(self) -> Dict[str, Any]:
        now_s, result = self._clock(), self._so_far()
        files = size_bytes = failed = copied = 0
        if result is not None:
            files = result.files.copied + result.files.skipped
            size_bytes = result.size_bytes.copied + result.size_bytes.skipped
            copied, failed = result.size_bytes.copied, result.files.failed
        then_s, files_then, bytes_then = self._last
        self._last = (now_s, files, size_bytes)
        span_s = max(1e-3, now_s - then_s)
        return {
            "phase": self._doing(),
            "files": files,
            "bytes": size_bytes,
            "copied_bytes": copied,
            "failed": failed,
            "of_files": self._total.files,
            "of_bytes": self._total.size_bytes,
            "elapsed_s": round(now_s - self._began_s, 1),
            "files_per_s": round(max(0, files - files_then) / span_s, 2),
            "bytes_per_s": round(max(0, size_bytes - bytes_then) / span_s),
        }


@dataclass(frozen=True)
class Seen:
    """The same as somebody else reads it."""

    phase: str
    files: int
    size_bytes: int
    failed: int
    of_files: int
    of_bytes: int
    elapsed_s: float
    files_per_s: float  # over the last beat
    bytes_per_s: float

    @classmethod
    def read(cls, values: Dict[str, Any]) -> Optional[Seen]:
        """None where a value is missing or of another kind."""
        names = ("files", "bytes", "failed", "of_files", "of_bytes", "elapsed_s", "files_per_s", "bytes_per_s")
        numbers = [values.get(name) for name in names]
        phase = values.get("phase")
        if not isinstance(phase, str) or not all(type(n) in (int, float) and 0 <= n < 2**63 for n in numbers):  # type: ignore[operator]
            return None
        whole = [int(n) for n in numbers[:5]]  # type: ignore[arg-type]
        spans = [float(n) for n in numbers[5:]]  # type: ignore[arg-type]
        return cls(phase[:_LONGEST], *whole, *spans)

    def left(self, landed_bytes: int = 0) -> Count:
        """What is still to be done; `landed_bytes` lie in partials of large files."""
        left = self.of_bytes - self.size_bytes - landed_bytes
        return Count(max(0, self.of_files - self.files - self.failed), 0, max(0, left))

    def left_s(self, landed_bytes: int = 0) -> Optional[float]:
        """Seconds at the mean pace so far, by files or by bytes, whichever takes longer; None before there is one."""
        left = self.left(landed_bytes)
        known = []
        for more, done in ((left.files, self.files), (left.size_bytes, self.size_bytes + landed_bytes)):
            if more and not done:
                return None
            if more:
                known.append(self.elapsed_s * more / done)
        return max(known, default=0.0)
