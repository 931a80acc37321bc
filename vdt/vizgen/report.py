"""The end of a run as one value: what the mail, the JSON and the exit code are made from.

Pure, and judges nothing; `run` fills it, `verdict` and `mail` read it. Names stand in it as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Optional, Tuple

from vdt.model import Count, TreeResult
from vdt.page.plots import SizeClass
from vdt.pulse import Curve, Spent
from vdt.vizgen.finished import Finished
from vdt.vizgen.layout import CopyType

METRICS = ("files", "folders", "bytes", "gigabytes")
COMPLETE_LOG = "Complete log file"  # as `vdt.robocopy.read` says it


@dataclass(frozen=True)
class TreeReport:
    """One selected tree of the run."""

    copy_type: CopyType
    source: str
    destination: str
    before: Optional[Count] = None  # Python's count of the source, corrected for files that grew
    after: Optional[Count] = None  # Python's count of the destination
    extras: Count = Count()  # of these, what only the destination holds; named in the log
    robocopy_before: Optional[Count] = None  # from robocopy /L, root folder included, corrected too; None: did not run
    robocopy_after: Optional[Count] = None
    robocopy_error: str = ""  # why robocopy did not count the destination, where its count was insisted on
    selective: bool = False  # the options may keep names out of the copy and of our counts, but not of robocopy's
    ignored_python: FrozenSet[str] = frozenset()  # metrics of METRICS that the user chose to ignore
    ignored_robocopy: FrozenSet[str] = frozenset()
    result: Optional[TreeResult] = None  # None where the tree never began
    log: str = ""
    log_status: str = ""  # COMPLETE_LOG, or what is wrong with it
    evidence_file: str = ""  # "" where this run proved nothing new
    manifest: str = ""
    error: str = ""  # the sentence, where the tree could not be done at all
    locked: bool = False  # because another transfer works on it

    @property
    def robocopy_code(self) -> int:
        """The plain robocopy code of this tree; 16 where it never began."""
        if self.error or self.result is None:
            return 16
        return self.result.exit_code


@dataclass(frozen=True)
class Verdict:
    """May the source be deleted? `reason` stands behind a NO, `folders` behind a YES."""

    yes: bool
    reason: str = ""
    folders: Tuple[str, ...] = ()  # exact source folders
    manifests: Tuple[Tuple[str, str], ...] = ()  # (manifest path, its SHA-256)


@dataclass(frozen=True)
class About:
    """On what a run ran; "" where it is not known."""

    began: str = ""
    host: str = ""
    system: str = ""
    python: str = ""
    config: str = ""
    volumes: str = ""


@dataclass(frozen=True)
class Course:
    """How a run went, for plots."""

    curves: Tuple[Curve, ...] = ()
    spent: Tuple[Spent, ...] = ()
    sizes: Tuple[Tuple[str, Tuple[SizeClass, ...]], ...] = ()  # by tree


@dataclass(frozen=True)
class RunReport:
    """Everything that is said about a run when it ends."""

    run_id: str
    trees: Tuple[TreeReport, ...]
    verdict: Verdict
    exit_code: int  # of the process, 0 when all is well
    command: str
    elapsed_s: float
    threads: int  # as given by --threads
    threads_used: float  # mean number of workers at work
    error: str = ""  # why the run as a whole ended: interrupted, source missing, an unexpected exception
    notes: Tuple[str, ...] = ()
    about: About = About()
    course: Course = Course()
    page: str = ""  # the HTML report, "" where none was written
    finished: Optional[Finished] = None  # what the run's flags said when it began; None: they were not looked for

    @property
    def unfinished(self) -> str:
        """The sentence, where the run was not finished when it was copied."""
        return self.finished.objection if self.finished is not None and self.finished.missing else ""
