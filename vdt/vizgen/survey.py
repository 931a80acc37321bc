"""Where each run of the source stands: proven, to be transferred, not finished, or without all three trees.

May: look at names, sizes and times on both drives; lists no tree and writes nothing. What is proven is told by what
lies at the destination: its manifests, and the same flags as the source.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import List, Sequence, Tuple

from vdt import fs
from vdt.errors import UsageError
from vdt.model import Evidence, Existing, Kind, Verify
from vdt.vizgen.config import Config
from vdt.vizgen.finished import look
from vdt.vizgen.layout import CopyType, TreePaths, check_run_id, tree_paths

_SAME_TIME_NS = 2_000_000_000  # the coarsest times that a share keeps


class Standing(enum.Enum):
    """Where one run stands; the value is the word of the heartbeat."""

    PROVEN = "proven"
    READY = "to be transferred"
    UNFINISHED = "not finished"
    LACKING = "without all three trees"


@dataclass(frozen=True)
class Seen:
    """One run of the source and where it stands."""

    run_id: str
    standing: Standing
    words: str = ""  # what it lacks


def check_can_prove(config: Config) -> None:
    """Refuse a configuration under which no run is ever proven: each would be transferred for ever.

    Raises:
        UsageError: it names the setting.
    """
    if config.existing is Existing.TRUST:
        raise UsageError(f'{config.path}: with existing = "trust" no run is ever proven. Set "prove" to watch.')
    if config.verify in (Verify.NONE, Verify.INFLIGHT):
        asked = f'verify = "{config.verify.value}" ({Evidence(config.verify.value).words})'
        raise UsageError(
            f"{config.path}: with {asked} no run is ever proven. "
            'Set "cold" (read back past this computer\'s cache) to watch.'
        )


def survey(config: Config, patterns: Sequence[str] = ("*",)) -> Tuple[Seen, ...]:
    """Every run of the source whose name fits one of the patterns, oldest name first. Raises OSError."""
    for drive in (config.isilon_drive, config.analysis_drive):
        os.stat(drive)  # an empty answer would mean: no run
    folder = os.path.dirname(trees_of(config, "x")[0].source)
    names = sorted(entry.name for entry in fs.list_folder(folder, tolerant=True) if entry.kind is Kind.FOLDER)
    return tuple(
        standing(config, name)
        for name in names
        if _is_run_id(name) and any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def standing(config: Config, run_id: str) -> Seen:
    """Where one run stands; a handful of calls, no listing."""
    paths = trees_of(config, run_id)
    raw = paths[0]
    flags = look(raw.source, config.finished_markers)
    if not flags.sure:
        return Seen(run_id, Standing.UNFINISHED, ", ".join(flags.missing) or flags.unknown)
    missing = [item.copy_type.value for item in paths if not os.path.isdir(item.source)]
    proven = all(os.path.isfile(item.manifest) and not os.path.lexists(item.incomplete_manifest) for item in paths)
    if proven and all(_alike(raw, name) for name in config.finished_markers):
        return Seen(run_id, Standing.PROVEN)
    if missing:
        return Seen(run_id, Standing.LACKING, ", ".join(missing))
    return Seen(run_id, Standing.READY)


def _alike(raw: TreePaths, name: str) -> bool:
    """Whether a flag is still the one that was copied: a run that was analysed again has a newer one."""
    try:
        ours, theirs = os.stat(os.path.join(raw.source, name)), os.stat(os.path.join(raw.destination, name))
    except OSError:
        return False
    return ours.st_size == theirs.st_size and abs(ours.st_mtime_ns - theirs.st_mtime_ns) <= _SAME_TIME_NS


def trees_of(config: Config, run_id: str) -> List[TreePaths]:
    """The three trees of one run, raw data first."""
    return [tree_paths(k, run_id, config.analysis_drive, config.isilon_drive, config.logs) for k in CopyType]


def _is_run_id(name: str) -> bool:
    try:
        return check_run_id(name) == name
    except UsageError:
        return False
