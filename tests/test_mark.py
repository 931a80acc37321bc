"""The mark of a run: what the next start says of one that had no report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vdt import fs
from vdt.vizgen.mark import Mark, unreported

DIES = "import os, sys; from vdt.vizgen.mark import Mark; Mark(*sys.argv[1:]).begin(); os._exit(1)"


def one_that_died(folder: Path, run_id: str, ended: str) -> Path:
    """A run that was begun by a process that is gone, and last seen alive at that local time."""
    folder.mkdir(exist_ok=True)
    before = set(folder.glob("*"))
    subprocess.run([sys.executable, "-c", DIES, str(folder), run_id], check=False, timeout=60)
    (path,) = set(folder.glob("*")) - before
    ended_s = datetime.strptime(ended, "%Y-%m-%d %H:%M").timestamp() + 25
    os.utime(path, (ended_s, ended_s))
    return path


def test_a_run_that_has_its_report_leaves_nothing(tmp_path: Path) -> None:
    mark = Mark(str(tmp_path / "state"), "RUN")
    mark.begin()
    assert len(list((tmp_path / "state").iterdir())) == 1
    assert unreported(str(tmp_path / "state"), take=True) == [], "it is alive"
    mark.end()
    assert list((tmp_path / "state").iterdir()) == []
    mark.end()


def test_runs_that_ended_without_a_report_are_said_once_the_oldest_first(tmp_path: Path) -> None:
    one_that_died(tmp_path, "RUN_2.b", "2026-03-02 03:10")
    one_that_died(tmp_path, "RUN_1", "2026-03-01 23:59")
    (tmp_path / "vizgen_data_transfer.log").write_text("")
    expected = [
        "Run RUN_1 ended without a report at about 2026-03-01 23:59. The same command goes on with it.",
        "Run RUN_2.b ended without a report at about 2026-03-02 03:10. The same command goes on with it.",
    ]
    assert unreported(str(tmp_path), take=False) == expected, "a dry run only says it"
    assert unreported(str(tmp_path), take=True) == expected
    assert unreported(str(tmp_path), take=True) == []
    assert [path.name for path in tmp_path.iterdir()] == ["vizgen_data_transfer.log"]


@pytest.mark.parametrize(
    "changed",
    [{"host": "another"}, {"machine": "another"}, {"process_id": os.getpid()}, None],
    ids=["another host", "another machine", "alive again", "torn"],
)
def test_what_is_not_known_to_have_ended_here_is_left(tmp_path: Path, changed: Any) -> None:
    path = one_that_died(tmp_path, "RUN", "2026-03-01 23:59")
    value = json.loads(path.read_text("ascii"))
    if changed and "process_id" in changed:
        changed = {**changed, "process_started": fs.process_started(os.getpid())}
    path.write_text(json.dumps({**value, **changed}) if changed else '{"host": "', encoding="ascii")
    assert unreported(str(tmp_path), take=True) == []
    assert path.exists()


def test_a_number_that_another_process_has_now_is_no_sign_of_life(tmp_path: Path) -> None:
    path = one_that_died(tmp_path, "RUN", "2026-03-01 23:59")
    value = {**json.loads(path.read_text("ascii")), "process_id": os.getpid(), "process_started": "1"}
    path.write_text(json.dumps(value), encoding="ascii")
    assert len(unreported(str(tmp_path), take=True)) == 1


def test_it_is_touched_while_the_run_lives(tmp_path: Path) -> None:
    mark = Mark(str(tmp_path), "RUN", beat_s=0.02)
    mark.begin()
    (path,) = tmp_path.iterdir()
    os.utime(path, (1, 1))
    until_s = time.monotonic() + 10
    while path.stat().st_mtime == 1 and time.monotonic() < until_s:
        time.sleep(0.01)
    assert path.stat().st_mtime > 1
    mark.end()
    time.sleep(0.1)
    assert not path.exists(), "a beat makes it not anew"


def test_where_the_state_folder_cannot_be_made_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    mark = Mark(str(tmp_path / "state"), "RUN")
    mark.begin()
    mark.end()
    assert unreported(str(tmp_path / "state"), take=True) == []
    assert unreported(str(tmp_path / "nothing"), take=True) == []
