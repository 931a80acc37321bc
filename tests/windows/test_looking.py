"""The commands that only look, on Windows: the later verdict, all runs, the status, and the doctor's real probes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

from windows.scene import RUN, configure, contents, drop_in, make_run, vdt, write

OnDrive = Callable[[str], Path]


def test_what_was_transferred_may_be_deleted_until_something_changes(on_drive: OnDrive) -> None:
    analysis, isilon = on_drive("Q:"), on_drive("L:")
    trees = make_run(analysis)
    config = str(configure(analysis, str(analysis), str(isilon)))
    assert drop_in(Path(config)).code == 0
    before = contents(isilon)
    answer = vdt("may-delete", RUN, "--vizgen_config", config, cwd=analysis)
    assert answer.code == 0, answer.out
    folders = ", ".join(str(tree) for tree in trees.values())
    assert answer.out.startswith(f"May the source be deleted? YES: {folders}")
    status = vdt("status", RUN, "--vizgen_config", config, cwd=analysis)
    assert status.code == 0 and "All three trees are proven" in status.out, status.out
    listed = vdt("runs", "--vizgen_config", config, "--json", str(analysis / "runs.json"), cwd=analysis)
    assert listed.code == 0, listed.out
    (run,) = json.loads((analysis / "runs.json").read_text("ascii"))["runs"]
    files = sum(path.is_file() for tree in trees.values() for path in tree.rglob("*"))
    assert (run["run"], run["proof"], run["evidence"], run["files"]) == (RUN, "proven", "cold", files)
    assert contents(isilon) == before, "nothing was written"
    write(trees["output"] / "late.csv", b"late")
    answer = vdt("may-delete", RUN, "--vizgen_config", config, cwd=analysis)
    assert answer.code == 8 and "late.csv" in answer.out.split("\n")[0], answer.out


def test_the_doctor_tries_the_drive_and_leaves_nothing(on_drive: OnDrive) -> None:
    analysis, isilon = on_drive("Q:"), on_drive("L:")
    make_run(analysis)
    config = str(configure(analysis, str(analysis), str(isilon)))
    ran = vdt("doctor", RUN, "--no-email", "--vizgen_config", config, cwd=analysis)
    assert ran.code in (0, 1), ran.out
    for name in ("Lock", "Long paths", "Rename", "Evidence", "Throughput"):
        assert f"\nOK       {name}: " in ran.out, ran.out
    assert list(isilon.iterdir()) == []
