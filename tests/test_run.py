"""The run of the drop-in as a function, where the commands seen from outside do not show it (tests/contract)."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Iterator, List, Optional

import pytest
from fake_robocopy import FakeRobocopy
from test_mark import one_that_died

from vdt import fs, outage
from vdt.errors import RefusedError
from vdt.lock import TreeLock
from vdt.model import Entry
from vdt.progress import Progress, Silent
from vdt.stop import StopFlag
from vdt.vizgen import run as vizgen_run
from vdt.vizgen.crosscheck import CrossCheck
from vdt.vizgen.layout import CopyType
from vdt.vizgen.request import Ended, Request, Surroundings
from vdt.vizgen.run import run


def transfer(
    place: Path,
    *,
    dry_run: bool = False,
    extra: str = "",
    said: Optional[List[str]] = None,
    progress: Progress = Silent(),  # noqa: B008  (it holds nothing)
) -> Ended:
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
    config.write_text("".join(f"{name} = '{path}'\n" for name, path in keys.items()) + extra, encoding="utf-8")
    request = Request("RUN", str(config), "test", (CopyType.OUTPUT,), mail=False, dry_run=dry_run)
    return run(request, Surroundings(StopFlag(), progress, ([] if said is None else said).append, io.StringIO()))


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


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_run_that_ended_without_a_report_is_what_the_next_start_says_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    state = tmp_path / "state"
    monkeypatch.setattr(fs, "state_home", lambda: str(state))
    left = one_that_died(state, "RUN 1", "2026-03-01 03:10")
    said: List[str] = []
    ended = transfer(tmp_path, said=said, dry_run=dry_run)
    assert said[0] == "Run RUN 1 ended without a report at about 2026-03-01 03:10. The same command goes on with it."
    assert left.exists() is dry_run and [path.name for path in state.glob("running.*")] == [left.name] * dry_run
    assert dry_run or (ended.mail is not None and "at about 2026-03-01 03:10" in ended.mail.plain)


def test_however_a_run_ends_its_report_takes_the_mark_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    monkeypatch.setattr(fs, "state_home", lambda: str(state))
    marks: List[int] = []

    def fail(_self: object) -> None:
        marks.append(len(list(state.glob("running.RUN.*.json"))))
        raise ZeroDivisionError

    monkeypatch.setattr(vizgen_run.Run, "_work", fail)
    assert transfer(tmp_path).exit_code == 16
    assert marks == [1] and list(state.glob("running.*")) == []


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


@pytest.mark.parametrize("other", ["", "raw_data", "output"])
def test_a_refused_run_takes_its_folders_back_unless_another_one_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """That one has all three folders in view, and a lock in the one whose turn it is."""
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "state"))
    isilon, refused = tmp_path / "isilon", []

    def no_room(*_words: object) -> None:
        if other:
            holder = TreeLock(str(isilon / "RUN/.vdt" / other), say=print, wait=StopFlag().wait)
            holder.acquire()
            refused.append(holder)
        raise RefusedError("There is no room.")

    monkeypatch.setattr(vizgen_run, "check_room", no_room)
    assert transfer(tmp_path).exit_code == 16
    assert (isilon / "RUN/output").is_dir() is bool(other)
    for holder in refused:
        assert holder.held()
        holder.release()


# -- a drive that goes away ----------------------------------------------------------------------------------------


class Drive:
    """A drive is renamed away just before listing number `at` of one of its folders, and maybe comes back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, drive: Path, *, at: int, back: bool) -> None:
        self.drive, self.at, self.comes_back, self.seen = drive, at, back, 0
        self.elsewhere = drive.with_name("elsewhere")
        self._list = fs.list_folder
        monkeypatch.setattr(fs, "list_folder", self.list_folder)
        monkeypatch.setattr(fs, "state_home", lambda: str(drive.with_name("state")))
        monkeypatch.setattr(outage, "LOOK_EVERY_S", 0.02)

    def list_folder(self, path: str, *, tolerant: bool = False) -> List[Entry]:
        self.seen += path.startswith(str(self.drive))
        if self.seen == self.at:
            self.seen += 1
            self.drive.rename(self.elsewhere)
            if self.comes_back:
                threading.Timer(0.1, lambda: self.elsewhere.rename(self.drive)).start()
        return self._list(path, tolerant=tolerant)


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("drive", ["analysis", "isilon"])
def test_counting_copying_and_the_last_look_wait_for_a_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drive: str, at: int
) -> None:
    away = Drive(monkeypatch, tmp_path / drive, at=at, back=True)
    said: List[str] = []
    ended = transfer(tmp_path, said=said)
    assert away.seen > at, "the last listing of this drive came later"
    assert ended.exit_code == 0 and ended.mail is not None and "FAILED" not in ended.mail.plain
    assert "waiting up to 4 h" in "".join(said) and "is back after" in "".join(said)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_drive_that_stays_away_is_16_and_nothing_is_written_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    isilon = tmp_path / "isilon"
    away = Drive(monkeypatch, isilon, at=at, back=False)

    original = outage.Outage._wait

    def bare(found: outage.Outage) -> None:
        isilon.mkdir(exist_ok=True)  # the empty folder that the share was mounted on
        original(found)

    monkeypatch.setattr(outage.Outage, "_wait", bare)
    ended = transfer(tmp_path, extra="[vdt]\nshare_wait_s = 0.1\n")
    assert ended.exit_code == 16 and ended.mail is not None
    assert "does not answer since" in ended.mail.plain and "for longer than 0.1 s" in ended.mail.plain
    assert list(isilon.iterdir()) == []
    assert list((tmp_path / "state").glob("*.log")), "the master log is kept here"
    isilon.rmdir()
    away.elsewhere.rename(isilon)
    for lock in isilon.rglob("lock.json"):
        lock.unlink()  # its process is this one: it would be taken for alive
    monkeypatch.setattr(outage.Outage, "_wait", original)
    request = Request("RUN", str(tmp_path / "config.toml"), "test", (CopyType.OUTPUT,), mail=False)
    again = run(request, Surroundings(StopFlag(), Silent(), lambda line: None, io.StringIO()))
    assert again.exit_code == 0 and (isilon / "RUN/output/f").read_bytes() == b"data"


class AwayBeforeTheLastCount(Silent):
    """The destination is renamed away when robocopy is about to count it, and maybe comes back."""

    def __init__(self, isilon: Path, *, back: bool) -> None:
        self.isilon, self.elsewhere, self.back, self.gone = isilon, isilon.with_name("elsewhere"), back, False

    def phase(self, text: str) -> None:
        if text == "robocopy counts" and not self.gone:
            self.gone = True
            self.isilon.rename(self.elsewhere)
            if self.back:
                threading.Timer(0.2, lambda: self.elsewhere.rename(self.isilon)).start()


@pytest.mark.parametrize("back", [True, False])
def test_robocopy_waits_for_a_share_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool) -> None:
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "state"))
    monkeypatch.setattr(outage, "LOOK_EVERY_S", 0.02)
    (tmp_path / "bin").mkdir()
    fake = FakeRobocopy(tmp_path / "bin", windows=fs.WINDOWS)
    monkeypatch.setattr(vizgen_run, "CrossCheck", partial(CrossCheck, find=lambda: str(fake.program)))
    leaving = AwayBeforeTheLastCount(tmp_path / "isilon", back=back)
    said: List[str] = []
    wait = "" if back else "[vdt]\nshare_wait_s = 0.1\n"
    ended = transfer(tmp_path, extra=wait, said=said, progress=leaving)
    assert ended.mail is not None
    if back:
        assert (ended.exit_code, len(fake.calls())) == (0, 2)
        assert "is back after" in "".join(said)
        assert "SUCCESS: 'output': the Robocopy based counts agree" in ended.mail.plain
    else:
        assert (ended.exit_code, len(fake.calls())) == (16, 1)
        assert f"\nERROR: {tmp_path}" in ended.mail.plain and "does not answer since" in ended.mail.plain
        assert not (tmp_path / "isilon").exists()
