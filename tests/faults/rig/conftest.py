"""The rig as fixtures. Where nothing can be mounted the suite is skipped with the reason; with CI=true it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional

import pytest

from .stage import BIG, MIB, SIZES, SMALL, Rig, environment, scratch, why_not, write_tree

MakeRig = Callable[..., Rig]


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """Where sources lie and byte code is kept, once there is something to mount with."""
    reason = why_not()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    folder = scratch()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def tree(ground: Path) -> Path:
    """The usual source; nobody changes it."""
    write_tree(ground / "usual" / "tree", SIZES)
    return ground / "usual" / "tree"


@pytest.fixture
def make_rig(ground: Path, tree: Path) -> Iterator[MakeRig]:
    """`make_rig()` over the usual source; `sizes={...}` makes one that may change, `truth=...` takes a given one."""
    made: List[Rig] = []
    roots: List[Path] = []

    def make(*, sizes: Optional[Dict[str, int]] = None, truth: Optional[Path] = None) -> Rig:
        root = scratch()
        roots.append(root)
        if sizes is not None:
            truth = root / "own" / "tree"
            write_tree(truth, sizes)
        made.append(Rig(root, truth or tree, environment(ground)))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    """The usual source, nothing mounted yet, and older files under the names of the two victims."""
    made = make_rig()
    made.lay_old(SMALL, BIG)
    return made


@pytest.fixture(scope="session")
def many(ground: Path) -> Path:
    """Many small files, some empty."""
    sizes = {f"folder_{number % 6}/{number // 6}.bin": number * 97 % 21_000 for number in range(240)}
    write_tree(ground / "many" / "tree", sizes)
    return ground / "many" / "tree"


@pytest.fixture(scope="session")
def large(ground: Path) -> Path:
    """Three files that are longer than a chunk of 64 MiB."""
    write_tree(ground / "large" / "tree", {f"large/{number}.bin": 66 * MIB + number for number in range(3)})
    return ground / "large" / "tree"
