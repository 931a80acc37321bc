"""A side goes away at one call and comes back: nothing fails for it, whichever call it was.

The share is back after two waits of the run; no real time passes.
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Tuple

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from vdt import fs, later
from vdt.evidence import EvidenceWriter
from vdt.model import Existing, TreeResult
from vdt.outage import Outage
from vdt.recorder import Reports
from vdt.stop import StopFlag
from vdt.transfer import transfer_tree
from vdt.treelog import TreeLog

from .faultyfs import Call, Deed, FaultyFs, Rule, contents, left_partials, look, partial_names, tree_job, write_tree

FILES = {
    "top.txt": b"top\n",
    "one/a.bin": b"a" * 3000,
    "one/b.bin": b"",
    "two/deep/c.bin": b"c" * 70_001,
    "two/big.bin": bytes(range(256)) * 20_000,
}
HERE = {"one/a.bin": FILES["one/a.bin"]}  # lies there already, and is proven
CODES = [errno.EHOSTDOWN, errno.ENOENT, errno.ENOTCONN]
COUNTED = 140  # calls that a run makes, about: each of them is the first that fails
STEP = 9


class Share(FaultyFs):
    """One side answers with `code` from its call number `begins` on, until `back` is set."""

    begins, code, side = 1 << 60, errno.EHOSTDOWN, "destination"
    back = False
    seen = 0

    def _deed(self, op: str, full: Optional[str]) -> Tuple[Optional[Deed], Optional[Call]]:
        deed, call = super()._deed(op, full)
        if call is None or call.side != self.side or op == "closedir":
            return deed, call
        with self._lock:
            self.seen += 1
            if self.seen >= self.begins and not self.back:
                self.hits.append(call)
                return self.code, call
        return deed, call


class Run:
    def __init__(self, root: Path) -> None:
        self.root, self.source, self.destination = root, root / "source", root / "target"
        write_tree(self.source, FILES)
        self.destination.mkdir()
        write_tree(self.destination, HERE)
        for name in HERE:
            shutil.copystat(self.source / name, self.destination / name)
        self.before = look(self.source)
        self.now_s = 0.0
        self.waits = 0
        self.said: List[str] = []
        self.on_wait: Callable[[], object] = lambda: None
        self.holds_lock: Callable[[], bool] = lambda: True

    def go(
        self,
        *,
        back_after: int = 2,
        stop_after: int = 1 << 60,
        wait_s: float = 60.0,
        flush: fs.Flush = fs.Flush.FILE,
        **share: Any,
    ) -> TreeResult:
        job = tree_job(self.source, self.destination, existing=Existing.PROVE, flush=flush)
        job = replace(job, policy=replace(job.policy, folder_times=True))
        stop = StopFlag()
        faulty = Share(job.source, job.destination, partials=partial_names(self.source))
        for name, value in share.items():
            setattr(faulty, name, value)

        def wait(seconds: float) -> bool:
            self.waits += 1
            self.now_s += seconds
            self.on_wait()
            faulty.back = faulty.back or self.waits >= back_after
            if self.waits >= stop_after:
                stop.set("interrupted")
            return bool(stop)

        self.outage = Outage(
            job.source,
            job.destination,
            wait_s,
            stop=stop,
            say=self.said.append,
            clock=lambda: self.now_s,
            wait=wait,
        )
        log = TreeLog(str(self.root / "x.log"), patiently=self.outage.again)
        evidence = EvidenceWriter(
            str(self.root / "x.evidence"),
            datetime(2026, 1, 2, 3, 4, 5),
            patiently=self.outage.again,
            guard=self.outage.guard,
        )
        self.faulty = faulty
        with faulty:
            result = transfer_tree(
                job, Reports(log=log, evidence=evidence), stop, outage=self.outage, holds_lock=self.holds_lock
            )
        self.outage.forgive(log.close)
        self.outage.forgive(evidence.close)
        self.log = (self.root / "x.log").read_text()
        return result


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    monkeypatch.setattr(later, "BREATH_S", 0.0)
    yield


def test_the_sweep_below_reaches_the_last_call(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.go().proven
    for side in ("source", "destination"):
        assert sum(call.side == side for call in run.faulty.calls) < COUNTED


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("code", [CODES[0], *(pytest.param(code, marks=pytest.mark.slow) for code in CODES[1:])])
@pytest.mark.parametrize("begins", range(1, COUNTED, STEP))
def test_nothing_fails_for_a_share_that_comes_back(tmp_path: Path, side: str, code: int, begins: int) -> None:
    run = Run(tmp_path)
    flush = fs.Flush.FILE if begins % 2 else fs.Flush.VOLUME
    result = run.go(side=side, code=code, begins=begins, flush=flush)
    assert (result.failed, result.unstable, result.conflict, result.unproven) == ((), (), (), ()), run.faulty.hits[:1]
    assert result.proven and result.retries == 0 and result.dirs.failed == 0
    assert contents(run.destination) == contents(run.source) and not left_partials(run.destination)
    assert look(run.source) == run.before
    assert "ERROR" not in run.log
    for path in run.source.rglob("*"):
        if path.is_dir():
            assert (run.destination / path.relative_to(run.source)).stat().st_mtime_ns == path.stat().st_mtime_ns
    if run.said:
        assert [("does not answer since" in line, "is back after" in line) for line in run.said] == [
            (True, False),
            (False, True),
        ]


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("begins", range(1, COUNTED, 11))
def test_a_share_that_stays_away_ends_the_run_with_16_and_the_next_one_goes_on(
    tmp_path: Path, side: str, begins: int
) -> None:
    run = Run(tmp_path)
    result = run.go(side=side, begins=begins, wait_s=3.0, back_after=1 << 60)
    if not run.faulty.hits or result.proven:
        assert begins > 20, "it has to be noticed"
        return
    assert result.exit_code == 16 and not result.reached_end
    assert "does not answer since" in result.fatal and "for longer than 3 s" in result.fatal
    assert (result.failed, result.unstable, result.unproven) == ((), (), ())
    assert "ERROR" not in run.log
    again = Run.__new__(Run)
    again.__dict__.update(run.__dict__, waits=0)
    assert again.go().complete
    assert contents(run.destination) == contents(run.source)


@pytest.mark.parametrize("begins", range(20, COUNTED, 11))
def test_a_stop_ends_the_waiting(tmp_path: Path, begins: int) -> None:
    run = Run(tmp_path)
    result = run.go(begins=begins, stop_after=1)
    if not run.waits:
        return
    assert run.waits <= 2, "nobody waits after the stop"
    assert result.stopped == "interrupted" and result.exit_code & 8 and result.exit_code != 16
    assert result.failed == () and "ERROR" not in run.log


def test_a_former_manifest_is_looked_for_again_where_the_share_was_away(tmp_path: Path) -> None:
    run = Run(tmp_path)
    asked: List[bool] = []

    def holds_lock() -> bool:
        asked.append(run.destination.exists())
        return True

    run.holds_lock = holds_lock
    elsewhere = tmp_path / "elsewhere"
    began: List[int] = []

    def away(call: Call) -> None:
        if not began:
            began.append(1)
            run.destination.rename(elsewhere)
            run.on_wait = lambda: elsewhere.rename(run.destination) if elsewhere.exists() else None

    rules = (Rule("write", away, side="destination"),)
    assert run.go(rules=rules).proven
    assert began and asked and all(asked)
