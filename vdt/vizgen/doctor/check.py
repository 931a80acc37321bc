"""One thing that was looked at: how it is, what was found, what to do. Values alone."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Callable, Iterable


class State(enum.Enum):
    """How something is."""

    OK = "OK"
    WARNING = "WARNING"  # a transfer works, and gives less than it could
    PROBLEM = "PROBLEM"  # a transfer would be refused, or fail


@dataclass(frozen=True)
class Check:
    """One line of the report. Texts hold names as they are: escape them where they are shown."""

    state: State
    what: str
    found: str
    remedy: str = ""  # the next step; "" only where all is well


Tell = Callable[[Check], None]


def ok(what: str, found: str) -> Check:
    return Check(State.OK, what, found)


def warning(what: str, found: str, remedy: str) -> Check:
    return Check(State.WARNING, what, found, remedy)


def problem(what: str, found: str, remedy: str) -> Check:
    return Check(State.PROBLEM, what, found, remedy)


def exit_code(checks: Iterable[Check]) -> int:
    """0 all is well, 1 with warnings, 16 with problems."""
    states = {check.state for check in checks}
    return 16 if State.PROBLEM in states else 1 if State.WARNING in states else 0
