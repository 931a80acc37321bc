"""One step of work on one file that may fail, and how its failure becomes an Outcome."""

from __future__ import annotations

from typing import NamedTuple, Union

from vdt import fs
from vdt.model import Action, Failure, Outcome, Status

MISMATCH_CODE = 23  # ERROR_CRC, the Windows number for data that reads back wrong
TAKEN_CODE = 183  # ERROR_ALREADY_EXISTS, for a name that must not be replaced

_STATUS = {fs.Heal.MAYBE: Status.RETRY, fs.Heal.NEVER: Status.FAILED, fs.Heal.FULL: Status.FULL}


class Step(NamedTuple):
    """An operation, in robocopy's words, on a name. Made for every step of every file, so the path is joined only when
    it is needed."""

    operation: str
    place: Union[str, fs.Folder]
    name: str = ""

    @property
    def path(self) -> str:
        """Full path of what the operation works on."""
        return self.place if isinstance(self.place, str) else self.place.at(self.name)

    def failed(self, error: OSError, action: Action) -> Outcome:
        """The outcome of an action that this step ended."""
        if isinstance(error, SidedError):
            return error.step.failed(error.error, action)
        code, reason = fs.explain(error)
        return Outcome(action, _STATUS[fs.heal(error)], failure=Failure(self.operation, self.path, code, reason))

    def wrong(self, action: Action, reason: str) -> Outcome:
        """The outcome where the bytes are not what they should be: worth another try."""
        return Outcome(action, Status.RETRY, failure=Failure(self.operation, self.path, MISMATCH_CODE, reason))


class SidedError(OSError):
    """An error while bytes flowed, with the step of the side that gave it."""

    def __init__(self, step: Step, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.step = step
        self.error = error


class StoppedReadingError(Exception):
    """A long read was given up because the run was asked to stop."""
