"""All errors that this package raises on purpose. None of them knows the command line.

VdtError                     something a person can act on: one or two plain sentences
+-- UsageError               a bad argument, option or run id                        exit 16
+-- ConfigError              all faults of a configuration file together             exit 16
+-- RefusedError             nothing was touched: paths overlap, a probe failed ...  exit 16
|   +-- LockedError          another transfer works on this tree                     exit 16
+-- ManifestError            a manifest to check with is none, or is hostile          exit 16
+-- LostOutputError          the log, manifest or evidence could not be written      exit 16
+-- AwayError                a share went away and did not come back in time         exit 16
+-- StoppedError             somebody asked for the end (Ctrl-C, SIGTERM)            exit 8
    +-- AbandonedError       and what was at work did not come back from the system  exit 8

A failure of one file is no exception here: it is an Outcome (see model.py).
"""

from __future__ import annotations

from typing import Sequence


class VdtError(Exception):
    """Base of all; ``str(error)`` is what a person reads."""

    exit_code = 16


class UsageError(VdtError):
    """An argument that cannot be honoured."""


class ConfigError(VdtError):
    """Every fault found in one configuration file.

    Attributes:
        path: the file, as the user named it.
        faults: one sentence each, in the order of the file where known.
    """

    def __init__(self, path: str, faults: Sequence[str]) -> None:
        self.path = path
        self.faults = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in self.faults)
        super().__init__(f"The configuration {path} cannot be used:\n{lines}")


class RefusedError(VdtError):
    """The work would be unsafe or cannot begin; nothing was changed."""


class LockedError(RefusedError):
    """Another transfer holds the lock of this tree."""


class ManifestError(VdtError):
    """A manifest that cannot be used; nothing was checked with it.

    Attributes:
        path: the manifest, as it was named.
        line: number of the line at fault, from 1; 0 where it is none in particular.
        fault: a sentence, safe to print.
    """

    def __init__(self, path: str, line: int, fault: str) -> None:
        self.path, self.line, self.fault = path, line, fault
        where = f", line {line}" if line else ""
        super().__init__(f"The manifest {path}{where}: {fault}")


class LostOutputError(VdtError):
    """A report that the user relies on could not be written."""


class AwayError(VdtError):
    """Source or destination stopped answering and was waited for in vain; the same command goes on later."""


class StoppedError(VdtError):
    """The run was asked to stop before it reached its end; what was copied stays and is not copied again."""

    exit_code = 8


class AbandonedError(StoppedError):
    """Work that hangs in the system is not waited for any more; nothing is known of it but what it reported before."""
