"""The Windows suite: real Windows Python under Wine, started by run.sh. On Linux nothing here is collected.

Drives: Q: (a local disk, the instrument's), L: and N: (network drives; N: is \\\\nas\\share too), G: (an external
disk), E: (8 MiB), P: (this project), R: (the folders behind Q:, L:, G: and N:; one that is renamed there is away). Each
test gets folders of its own on them.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

if sys.platform != "win32":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def on_drive(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Path]]:
    """`on_drive("L:")` gives an empty folder there, named like the test and removed afterwards."""
    made = []

    def make(drive: str) -> Path:
        folder = Path(f"{drive}\\") / "".join(c if c.isalnum() else "_" for c in request.node.name)[:60]
        remove(folder)
        folder.mkdir()
        made.append(folder)
        return folder

    yield make
    for folder in made:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder, read-only files and long paths too."""

    def again(function: Callable[[str], object], path: str, _: object) -> None:
        os.chmod(path, 0o666)
        function(path)

    for _ in range(20):  # a process that was ended a moment ago may still hold a file
        if not folder.exists():
            return
        try:
            shutil.rmtree("\\\\?\\" + str(folder), onerror=again)
        except OSError:
            time.sleep(0.25)
    assert not folder.exists(), f"{folder} cannot be removed"
