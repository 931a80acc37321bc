"""Reads merscope_model.json: which kinds of file a MERSCOPE run holds, how many, how large, how late.

Pure but for reading that one file. It knows the run at full scale only; planner.py makes it smaller.
The names, counts and sizes are those of a published run where they are public, and estimates that
meet its published totals where they are not: good for loads and shapes, not for a claim about a file.
"""

from __future__ import annotations

import enum
import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Dict, Mapping, Tuple

from vdt.model import Count

TREES = ("raw_data", "analysis", "output")


class Content(enum.Enum):
    """What the bytes of a file look like; content.py makes them."""

    DAX = "dax"  # 16-bit camera frames: noise over a dark level
    IMAGE = "image"  # 16-bit picture with an empty border
    BINARY = "binary"  # does not compress: HDF5, parquet, JPEG, pickles
    CSV = "csv"
    JSON = "json"
    TOML = "toml"
    INF = "inf"  # "key = value" lines beside a .dax
    LOG = "log"
    STAMP = "stamp"  # the time of the event as text, 18 bytes
    FLAG = "flag"  # "<run id> <name of the flag>"


class Scaling(enum.Enum):
    """How the numbers of a variable shrink with the fields of view (FOVs) of the run."""

    NONE = ""
    FOV = "fov"  # in proportion
    EDGE = "edge"  # rows and columns of picture tiles: as the square root, as they cover the FOVs' area
    FRAGMENT = "fragment"  # MERlin optimises on 50 FOVs, or on all where there are fewer


@dataclass(frozen=True)
class Variable:
    """One field of a name pattern: either words or the numbers 0 to `count` - 1."""

    name: str
    words: Tuple[str, ...]
    count: int
    scaling: Scaling


@dataclass(frozen=True)
class FileShape:
    """Files that share a pattern of names and a distribution of sizes (bytes)."""

    id: str
    folder: str
    pattern: str
    content: Content
    count: int
    min_bytes: int
    median_bytes: int
    max_bytes: int
    total_bytes: int
    from_hours: float  # after the start of the run
    to_hours: float
    variables: Tuple[Variable, ...]


@dataclass(frozen=True)
class FolderShape:
    """Folders that share a pattern of paths; parents come before their children."""

    pattern: str
    variables: Tuple[Variable, ...]


@dataclass(frozen=True)
class Tree:
    """One of the three trees of a run at full scale; `root` is a pattern that holds {RUN}."""

    root: str
    totals: Count
    files: Tuple[FileShape, ...]
    folders: Tuple[FolderShape, ...]


@dataclass(frozen=True)
class Catalogue:
    """The whole run at full scale."""

    run_id: str
    n_fov: int
    trees: Mapping[str, Tree]


@functools.lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The catalogue that is shipped with the package, read once."""
    text = resources.files("vdt.sample").joinpath("merscope_model.json").read_text(encoding="utf-8")
    raw: Dict[str, Any] = json.loads(text)
    trees = {name: _tree(raw["trees"][name], raw["groups"]) for name in TREES}
    return Catalogue(run_id=raw["run_id"], n_fov=raw["parameters"]["n_fov"], trees=trees)


def _tree(raw: Dict[str, Any], groups: Dict[str, Any]) -> Tree:
    totals = raw["totals"]
    return Tree(
        root=raw["root"],
        totals=Count(files=totals["files"], folders=totals["folders"], size_bytes=totals["bytes"]),
        files=tuple(_file_shape(item, groups) for item in raw["files"]),
        folders=tuple(FolderShape(item["pattern"], _variables(item, groups)) for item in raw["folders"]),
    )


def _file_shape(raw: Dict[str, Any], groups: Dict[str, Any]) -> FileShape:
    size = raw["size"]
    low, median, high = size if isinstance(size, list) else (size, size, size)
    return FileShape(
        id=raw["id"],
        folder=raw["folder"],
        pattern=raw["pattern"],
        content=Content(raw["content"]),
        count=raw["count"],
        min_bytes=low,
        median_bytes=median,
        max_bytes=high,
        total_bytes=raw["bytes"],
        from_hours=raw["hours"][0],
        to_hours=raw["hours"][1],
        variables=_variables(raw, groups),
    )


def _variables(raw: Dict[str, Any], groups: Dict[str, Any]) -> Tuple[Variable, ...]:
    return tuple(_variable(name, item, groups) for name, item in raw.get("vars", {}).items())


def _variable(name: str, raw: Dict[str, Any], groups: Dict[str, Any]) -> Variable:
    words = tuple(groups[raw["group"]] if "group" in raw else raw.get("values", ()))
    count = len(words) if words else raw["range"][1] + 1
    return Variable(name, words, count, Scaling(raw.get("scales_with", "")))


DEFAULT_RUN_ID = "202310261058_VZGEN1_VMSC10202"
FULL_FOVS = 398
