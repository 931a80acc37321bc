"""What a watch remembers of runs that were tried and are not proven: when to try again, and what was mailed.

In a file of this computer. It only spaces tries out and spares a second mail that says the same, so nothing here
raises: where it is lost, a run is tried a little earlier.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Dict

from vdt import fs
from vdt.errors import LostOutputError
from vdt.jsonfile import write_text

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 900.0, 86400.0


@dataclass(frozen=True)
class Try:
    """What is remembered of a run that was tried and is not proven."""

    tries: int
    at_s: float  # this computer's clock, seconds since 1970
    outcome: str

    def due(self, now_s: float) -> bool:
        """True when it may be tried again; a clock that was set back makes it due."""
        return not 0 <= now_s - self.at_s < pause_s(self.tries)


def pause_s(tries: int) -> float:
    """How long after the last of so many tries the next one is due: 15 min, 30 min, 1 h ... a day at most."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20))


@dataclass
class Memory:
    """Tries of runs that are not proven yet, in a file of this computer. Never raises."""

    path: str
    tries: Dict[str, Try] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str) -> Memory:
        """What an earlier watch remembered; nothing where the file cannot be used."""
        memory = cls(path)
        try:
            with open(path, encoding="ascii") as file:
                found = json.load(file)
            for run_id, value in found["tries"].items():
                memory.tries[run_id] = Try(int(value["tries"]), float(value["at_s"]), str(value["outcome"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            memory.tries.clear()
        return memory

    def failed(self, run_id: str, outcome: str, now_s: float) -> None:
        """Remember one more try."""
        before = self.tries.get(run_id)
        self.tries[run_id] = Try((before.tries if before else 0) + 1, now_s, outcome)
        self._keep()

    def forget(self, run_id: str) -> None:
        """It is proven."""
        if self.tries.pop(run_id, None) is not None:
            self._keep()

    def _keep(self) -> None:
        value = {"tries": {run_id: asdict(known) for run_id, known in self.tries.items()}}
        try:
            fs.make_folder(os.path.dirname(self.path))
            write_text(self.path, json.dumps(value) + "\n", "memory of the watch", encoding="ascii")
        except (OSError, LostOutputError):
            pass


def outcome_text(code: int, reason: str) -> str:
    """What makes two failed tries the same to whoever gets the mail."""
    return f"{code} {reason}"
