"""How often and after what wait a failed file is tried again. Pure: the waiting is done by whoever runs the engine,
so that no worker sleeps while other files could be copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

DEFAULT_WAITS_S = (1.0, 2.0, 5.0, 15.0, 30.0)


@dataclass(frozen=True)
class RetryPlan:
    """`retries` tries after the first one.

    Attributes:
        retries: how many; 0 is never.
        wait_s: one fixed wait for all (robocopy /W), or None for 1, 2, 5, 15, 30, 30 ... seconds.
    """

    retries: int = 5
    wait_s: Optional[float] = None

    def wait_before(self, attempt: int) -> Optional[float]:
        """Seconds to wait before the try that follows try number `attempt` (from 1); None when there is none."""
        if attempt > self.retries:
            return None
        if self.wait_s is not None:
            return self.wait_s
        return DEFAULT_WAITS_S[min(attempt, len(DEFAULT_WAITS_S)) - 1]

    @property
    def waits(self) -> Tuple[float, ...]:
        """All the waits of one file, for reports."""
        return tuple(w for w in (self.wait_before(n) for n in range(1, self.retries + 1)) if w is not None)
