"""What must be there before a run makes anything: the two drives, the source of each tree, the logs folder."""

from __future__ import annotations

import os

from vdt import fs
from vdt.errors import RefusedError
from vdt.troubles import NO_DISK, NO_ISILON_DRIVE, NO_SOURCE_DRIVE, NO_SUCH_RUN, TREE_ELSEWHERE
from vdt.vizgen.config import Config
from vdt.vizgen.layout import TreePaths, source_folders
from vdt.vizgen.nearest import hint


def check_drives(config: Config, item: TreePaths) -> None:
    """The source of a tree and the Isilon drive must be there before anything is made.

    Raises:
        RefusedError: one is missing; the sentence names it and the way on.
    """
    if not os.path.isdir(config.analysis_drive):
        missing = NO_DISK if config.analysis_key.endswith("_disk") else NO_SOURCE_DRIVE
        raise RefusedError(
            missing.sentence(drive=config.analysis_drive, key=config.analysis_key, config=config.path)
            + fs.absence(config.analysis_drive)
        )
    if not os.path.isdir(item.source):
        if os.path.lexists(item.source):
            raise RefusedError(f"The source of {item.copy_type.value}, {item.source}, is not a folder.")
        raise RefusedError(_no_source(config, item))
    check_isilon(config)


def check_isilon(config: Config) -> None:
    """The Isilon drive must be there before anything is made. Raises RefusedError."""
    if not os.path.isdir(config.isilon_drive):
        raise RefusedError(
            NO_ISILON_DRIVE.sentence(drive=config.isilon_drive, config=config.path) + fs.absence(config.isilon_drive)
        )


def _no_source(config: Config, item: TreePaths) -> str:
    """Why the source of a tree is not there: the run has no such tree here, or there is no such run."""
    run_id = os.path.basename(item.source)
    if any(os.path.isdir(path) for path in source_folders(config.analysis_drive, run_id)):
        return TREE_ELSEWHERE.sentence(kind=item.copy_type.value, source=item.source)
    there = [os.path.dirname(path) for path in source_folders(config.analysis_drive, run_id)]
    said = NO_SUCH_RUN.sentence(run_id=run_id, drive=config.analysis_drive, source=item.source)
    return f"{said} {hint(run_id, there)}"


def make_logs(folder: str) -> None:
    try:
        fs.make_folder(folder)
    except OSError as error:
        raise RefusedError(f"The logs folder {folder} cannot be made: {fs.explain(error)[1]}.") from error
