"""What the doctor is asked to look at, and what is learnt on the way. Values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from vdt.vizgen.config import Config
from vdt.vizgen.layout import CopyType, TreePaths, tree_paths


@dataclass(frozen=True)
class Wanted:
    """What to look at."""

    config: str
    run_id: str = ""  # "" looks at the drives alone
    disk: bool = False
    mail: bool = True
    send_mail: bool = False
    quick: bool = False  # measure nothing
    report: str = ""  # a file that will be written; it must not lie in a source


@dataclass
class Known:
    """What was learnt on the way."""

    files: int = 0
    size_bytes: int = 0
    left_bytes: Optional[int] = None
    source_bytes_per_s: float = 0.0


def paths_of(wanted: Wanted, config: Config, kind: CopyType) -> TreePaths:
    """Where a tree of the run lies."""
    return tree_paths(kind, wanted.run_id, config.analysis_drive, config.isilon_drive, config.logs)
