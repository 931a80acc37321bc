"""Where the three trees of a run lie, and every file that is written beside them.

Pure: strings in, strings out. `pathlib` and the running system are left out on purpose, so that Windows paths are
tested anywhere by passing `ntpath` as `flavour`.
"""

from __future__ import annotations

import enum
import os.path
import re
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Optional, Sequence, Tuple

from vdt.errors import UsageError

CONFIG_NAME = ".vizgen_config.toml"  # looked for in the working directory


class CopyType(enum.Enum):
    """The three trees, in the order in which they are copied and reported."""

    RAW_DATA = "raw_data"
    ANALYSIS = "analysis"
    OUTPUT = "output"

    @property
    def source_folder(self) -> str:
        """Folder on the analysis drive that holds this tree of every run."""
        return {"raw_data": "merfish_raw_data", "analysis": "merfish_analysis", "output": "merfish_output"}[self.value]

    @property
    def title(self) -> str:
        """As it stands over the tables: Raw_Data, Analysis, Output."""
        return self.value.title()

    @property
    def label(self) -> str:
        """As it stands in the lists of the mail: Raw directory, Analysis directory, Output directory."""
        return self.value.split("_")[0].capitalize() + " directory"


@dataclass(frozen=True)
class TreePaths:
    """Every path that belongs to one tree of one run."""

    copy_type: CopyType
    source: str
    destination: str
    log: str
    manifest: str
    incomplete_manifest: str
    evidence_folder: str
    state_folder: str
    list_before: str
    list_after: str

    def former_manifest(self, when: datetime) -> str:
        """Name under which a manifest stays when one of its digests has changed."""
        return f"{self.destination}.{stamp(when)}.xxh128"


def stamp(when: datetime) -> str:
    """Date and time as they stand in file names: 20260412T181502."""
    return when.strftime("%Y%m%dT%H%M%S")


def page_name(run_id: str, when: datetime) -> str:
    """File name of the HTML report, in the logs folder."""
    return f"{run_id}.{stamp(when)}.html"


def tree_paths(
    copy_type: CopyType,
    run_id: str,
    analysis_drive: str,
    isilon_drive: str,
    logs: str,
    flavour: Optional[ModuleType] = None,
) -> TreePaths:
    """Lay out one tree. `flavour` is `posixpath` or `ntpath`; default the running system's."""
    path = flavour or os.path
    run_folder = path.join(isilon_drive, run_id)
    destination = path.join(run_folder, copy_type.value)
    return TreePaths(
        copy_type=copy_type,
        source=path.join(analysis_drive, copy_type.source_folder, run_id),
        destination=destination,
        log=destination + ".log",
        manifest=destination + ".xxh128",
        incomplete_manifest=destination + ".incomplete.xxh128",
        evidence_folder=destination + ".evidence",
        state_folder=path.join(run_folder, ".vdt", copy_type.value),
        list_before=path.join(logs, f"{run_id}.{copy_type.value}.robocopy.list_before_transfer.log"),
        list_after=path.join(logs, f"{run_id}.{copy_type.value}.robocopy.list_after_transfer.log"),
    )


def source_folders(analysis_drive: str, run_id: str, flavour: Optional[ModuleType] = None) -> Tuple[str, ...]:
    """Where the trees of a run lie on an analysis drive, in the fixed order."""
    path = flavour or os.path
    return tuple(path.join(analysis_drive, kind.source_folder, run_id) for kind in CopyType)


_RESERVED = re.compile(
    r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])(?:\..*)?\Z", re.IGNORECASE
)


def check_run_id(run_id: str) -> str:
    """Return `run_id` when it is one plain path component on every platform.

    Raises:
        UsageError: it is empty, `.` or `..`, or holds what no run id holds.
    """
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in run_id)
    if not run_id.strip():
        raise UsageError("The run id is empty. Give the run's folder name, for example 202310261058_VZGEN1_VMSC10202.")
    fault = ""
    if run_id in (".", ".."):
        fault = "it names a folder above or around the run"
    elif any(c in run_id for c in "/\\"):
        fault = "it holds a path separator"
    elif ":" in run_id:
        fault = "it holds a colon"
    elif any(ord(c) < 32 or 127 <= ord(c) < 160 for c in run_id):
        fault = "it holds a control character"
    elif run_id[-1] in ". ":
        fault = "it ends with a dot or a blank, which Windows drops"
    elif _RESERVED.match(run_id):
        fault = "Windows reserves this name"
    elif any(c in run_id for c in '<>"|?*'):
        fault = "it holds a character that Windows does not allow in names"
    if fault:
        raise UsageError(
            f"'{shown}' cannot be a run id: {fault}. "
            "Give the run's folder name alone, for example 202310261058_VZGEN1_VMSC10202."
        )
    return run_id


def parse_copy_types(values: Sequence[str]) -> Tuple[CopyType, ...]:
    """Read `--copy_type`: any case, blanks trimmed, each once, in the fixed order.

    Raises:
        UsageError: an unknown one, or none at all.
    """
    known = {member.value: member for member in CopyType}
    wanted = set()
    for value in values:
        name = value.strip().lower()
        if name not in known:
            raise UsageError(f"'{value}' is no copy type. Choose from: {', '.join(known)}.")
        wanted.add(known[name])
    if not wanted:
        raise UsageError(f"--copy_type needs at least one of: {', '.join(known)}.")
    return tuple(member for member in CopyType if member in wanted)
