"""Writes a planned run to a disk: the only module of this room that touches one.

It makes new trees and never writes into one that is there. Nothing is flushed to the disk. A run that was broken off
leaves what it has written; remove it before the next try. Long paths are the caller's: with the longest run ids seen
paths reach 323 characters below `root`, and on Windows `root` must then begin with the long-path prefix.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, Sequence

from vdt.errors import RefusedError
from vdt.model import Count
from vdt.sample.catalogue import DEFAULT_RUN_ID, FULL_FOVS, TREES
from vdt.sample.content import Contents
from vdt.sample.planner import PlannedFile, check_arguments, plan_folders, plan_run, tree_root


def _silent(file: PlannedFile) -> None:
    """Progress that nobody watches."""


def write_run(
    root: str,
    *,
    run_id: str = DEFAULT_RUN_ID,
    n_fov: int = FULL_FOVS,
    byte_divisor: int = 1,
    seed: int = 1,
    trees: Sequence[str] = TREES,
    progress: Callable[[PlannedFile], None] = _silent,
) -> Dict[str, Count]:
    """Write a run below `root` as it lies on the analysis drive. The defaults need 1.93 TB: see DEMO and COMPACT.

    Names, sizes, contents and times follow from the arguments alone. A folder's time is that of the newest file
    directly in it, or of the tree's oldest file where it holds none.

    Args:
        root: a folder, made if it is missing; the trees become merfish_raw_data/<run id> and so on in it.
        run_id: as in plan_run, and so are `n_fov`, `byte_divisor`, `seed` and `trees`.
        progress: called with each file after it was written.

    Returns:
        What was written, by tree; folders are counted without the tree's root.

    Raises:
        UsageError: an argument is out of range.
        RefusedError: one of the trees is there already; nothing was written.
        OSError: from the system: disk full, path too long ...
    """
    check_arguments(run_id=run_id, n_fov=n_fov, byte_divisor=byte_divisor, trees=trees)
    tops = {tree: os.path.join(root, *tree_root(tree, run_id).split("/")) for tree in trees}
    for top in tops.values():
        if os.path.lexists(top):
            raise RefusedError(f"{top} is there already; remove it or choose another folder.")
    contents = Contents(run_id=run_id, seed=seed)
    counts = {}
    for tree, top in tops.items():
        folders = ["", *(path for _, path in plan_folders(run_id=run_id, n_fov=n_fov, trees=[tree]))]
        files = list(plan_run(run_id=run_id, n_fov=n_fov, byte_divisor=byte_divisor, seed=seed, trees=[tree]))
        _write_tree(top, folders, files, contents, progress)
        counts[tree] = Count(len(files), len(folders) - 1, sum(file.size_bytes for file in files))
    return counts


def _write_tree(
    top: str,
    folders: Sequence[str],
    files: Sequence[PlannedFile],
    contents: Contents,
    progress: Callable[[PlannedFile], None],
) -> None:
    newest_ns = dict.fromkeys(folders, min(file.mtime_ns for file in files))
    full_paths = {folder: os.path.join(top, *folder.split("/")) for folder in folders}
    for full_path in full_paths.values():
        os.makedirs(full_path, exist_ok=True)
    for file in files:
        folder, _, name = file.path.rpartition("/")
        _write_file(os.path.join(full_paths[folder], name), file, contents)
        newest_ns[folder] = max(newest_ns[folder], file.mtime_ns)
        progress(file)
    for folder, mtime_ns in newest_ns.items():
        os.utime(full_paths[folder], ns=(mtime_ns, mtime_ns))


def _write_file(full_path: str, file: PlannedFile, contents: Contents) -> None:
    with open(full_path, "xb", buffering=0) as stream:
        for piece in contents.pieces(file):
            written = stream.write(piece)
            while written < len(piece):  # a disk that fills up takes a part first and reports the next
                written += stream.write(piece[written:])
    os.utime(full_path, ns=(file.mtime_ns, file.mtime_ns))
