"""The run of the drop-in as a function, where the commands seen from outside do not show it (tests/contract)."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List

import pytest

from vdt import fs
from vdt.lock import TreeLock
from vdt.progress import Silent
from vdt.stop import StopFlag
from vdt.vizgen.layout import CopyType
from vdt.vizgen.run import Ended, Request, Surroundings, run


def transfer(place: Path, *, dry_run: bool = False) -> Ended:
    source = place / "analysis/merfish_output/RUN"
    source.mkdir(parents=True)
    (source / "f").write_bytes(b"data")
    (place / "isilon").mkdir()
    keys = {
        name: place / folder
        for system in ("nix", "pc")
        for name, folder in ((f"analysis_drive_{system}", "analysis"), (f"isilon_drive_{system}", "isilon"))
    }
    config = place / "config.toml"
    config.write_text("".join(f"{name} = '{path}'\n" for name, path in keys.items()), encoding="utf-8")
    request = Request("RUN", str(config), "test", (CopyType.OUTPUT,), mail=False, dry_run=dry_run)
    return run(request, Surroundings(StopFlag(), Silent(), lambda line: None, io.StringIO()))


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_machine_stays_awake_during_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool) -> None:
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "state"))
    copy = tmp_path / "isilon/RUN/output/f"
    seen: List[str] = []

    @contextmanager
    def awake() -> Iterator[None]:
        seen.append("too late" if copy.exists() else "awake")
        yield
        seen.append("may sleep" if copy.exists() else "too early")

    monkeypatch.setattr(fs, "stay_awake", awake)
    assert transfer(tmp_path, dry_run=dry_run).exit_code == 0
    assert seen == ([] if dry_run else ["awake", "may sleep"])


def test_a_run_that_lost_the_lock_leaves_the_manifest_of_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "state"))
    manifest, copy = tmp_path / "isilon/RUN/output.xxh128", tmp_path / "isilon/RUN/output/f"

    def held(lock: TreeLock) -> bool:
        if copy.exists() and not manifest.exists():
            manifest.write_text("what the successor proved\n")
        return not copy.exists()

    monkeypatch.setattr(TreeLock, "held", held)
    ended = transfer(tmp_path)
    assert ended.exit_code & 8
    assert ended.mail is not None and "the lock of this tree was lost" in ended.mail.plain
    assert manifest.read_text() == "what the successor proved\n"
    assert not (tmp_path / "isilon/RUN/output.incomplete.xxh128").exists()
