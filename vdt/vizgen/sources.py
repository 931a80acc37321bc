"""The folders that hold the sources of all runs: nothing of ours is written there."""

from __future__ import annotations

import os

from vdt.preflight import check_report
from vdt.vizgen.config import Config
from vdt.vizgen.layout import CopyType


def refuse_in_sources(report: str, config: Config) -> None:
    """Refuse a report ("" is none, "-" is standard output) that would lie where the instrument's data lie.

    Raises:
        RefusedError: it would.
    """
    for kind in CopyType:
        check_report("" if report == "-" else report, os.path.join(config.analysis_drive, kind.source_folder))
