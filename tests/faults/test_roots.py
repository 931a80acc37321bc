"""The destination itself is another folder from some call on, or an audit reads what is being copied.

Whatever takes the destination's place, a link that leads elsewhere, another folder, nothing at all: not a byte, a name,
a time or a mode is changed there, and the run says no success that is not true.
"""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from typing import Callable, Dict, Iterator, List, Optional

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from vdt import later, outage
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copyjob import NoLimit
from vdt.copytree import copy_tree
from vdt.errors import RefusedError
from vdt.findings import AuditResult, Finding
from vdt.model import Judged
from vdt.progress import Silent
from vdt.retry import RetryPlan
from vdt.stop import StopFlag

from .faultyfs import contents, left_partials, look
from .meanwhile import OUTSIDE, Act, Meanwhile, with_outside
from .rig.stage import scratch
from .smalltree import FILES, Trees, request

STEPS = pytest.mark.parametrize(
    "step", [37, pytest.param(5, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.long)]
)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((later, "SECOND_LOOK_S"), (later, "BREATH_S")):
        monkeypatch.setattr(module, name, 0.0)
    for name in ("LOOK_EVERY_S", "SURE_AFTER_S"):
        monkeypatch.setattr(outage, name, 0.0)


@pytest.fixture
def trees() -> Iterator[Trees]:
    root = scratch()
    yield with_outside(root)
    shutil.rmtree(root)


def root_becomes_a_link(trees: Trees) -> None:
    trees.destination.rename(trees.share / "moved away")
    trees.destination.symlink_to(trees.root / "outside")


def root_becomes_another_folder(trees: Trees) -> None:
    trees.destination.rename(trees.share / "moved away")
    shutil.copytree(trees.root / "outside", trees.destination)
    for folder in ("deep", "."):
        os.utime(trees.destination / folder, ns=(1_400_000_000_000_000_000,) * 2)


def root_goes_away(trees: Trees) -> None:
    trees.destination.rename(trees.share / "moved away")


def locked(trees: Trees) -> int:
    """Number of the first call behind taking the lock: what lay there before is what the run was given."""
    disk = Meanwhile(str(trees.source), str(trees.share))
    with disk:
        assert copy_tree(request(trees)).exit_code == 1
    trees.again()
    return next(call.number for call in disk.calls if call.name.endswith("lock.json") and call.op == "link") + 1


@STEPS
@pytest.mark.parametrize("swap", [root_becomes_a_link, root_becomes_another_folder, root_goes_away])
def test_nothing_is_written_in_what_takes_the_place_of_the_destination(trees: Trees, swap: Act, step: int) -> None:
    outside, number = trees.root / "outside", locked(trees)
    before, of_folder = look(outside), outside.stat()
    while True:
        disk = Meanwhile(str(trees.source), str(trees.share))
        disk.at, disk.act = number, lambda: swap(trees)
        with disk:
            try:
                code = copy_tree(replace(request(trees), share_wait_s=0.01)).exit_code
            except RefusedError:
                code = 16
        if disk.done is None:
            break
        where = f"call {number}, {disk.done}"
        assert look(trees.source) == trees.before, where
        now = outside.stat()
        assert look(outside) == before, where
        assert (now.st_mtime_ns, now.st_mode) == (of_folder.st_mtime_ns, of_folder.st_mode), where
        if swap is root_becomes_another_folder:
            assert contents(trees.destination, partials=True) == OUTSIDE, where
            assert trees.destination.stat().st_mtime_ns == of_folder.st_mtime_ns, where
        if swap is root_goes_away:
            assert not trees.destination.exists(), where
        if code < 8:  # it came behind the last look: what is called right is what was moved away
            assert contents(trees.share / "moved away") == FILES, where
        trees.again_without_a_link()
        number += step
    assert number > 150


# -- an audit at the same moment ---------------------------------------------------------------------------------------


class Audited:
    """An audit of the destination from the source, in a thread of its own: a thread that reads has one buffer."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.result: Optional[AuditResult] = None
        self.right: Dict[str, bytes] = {}  # what each file held that was found right
        self.error: List[BaseException] = []

    def __call__(self) -> None:
        thread = threading.Thread(target=self._audit)
        thread.start()
        thread.join()
        assert not self.error, self.error

    def run(self) -> None:
        trees = self.trees
        asked = AuditRequest(
            str(trees.destination),
            str(trees.source),
            state=str(trees.root / "state"),
            threads=1,
            retry=RetryPlan(1, 0.0),
            evidence_beside=False,
        )
        tools = AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None, self._found)
        self.result = audit_tree(asked, tools)

    def _audit(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.error.append(error)

    def _found(self, finding: Finding) -> None:
        if finding.judged is Judged.OK:
            self.right[finding.path] = (self.trees.destination / finding.path).read_bytes()


def honest(audited: Audited, where: str) -> None:
    assert audited.result is not None
    for name, data in audited.right.items():
        assert data == FILES[name], f"{where}: {name} was called right"
    if audited.result.exit_code == 0:
        assert set(audited.right) == set(FILES), f"{where}: right as a whole, and not all was there"


@STEPS
def test_an_audit_of_what_is_being_copied_is_honest_and_does_no_harm(trees: Trees, step: int) -> None:
    number, whole = 1, 0
    while True:
        audited, disk = Audited(trees), Meanwhile(str(trees.source), str(trees.destination))
        disk.at, disk.act = number, audited
        with disk:
            code = copy_tree(request(trees)).exit_code
        trees.hold(code)
        if disk.done is None:
            break
        where = f"call {number}, {disk.done}"
        assert code == 1, where
        honest(audited, where)
        assert audited.result is not None
        whole += audited.result.exit_code == 0
        assert contents(trees.destination, partials=True) == FILES and not left_partials(trees.share), where
        trees.again()
        shutil.rmtree(trees.root / "state")
        number += step
    assert number > 100 and whole < number // step, "it was right before all was there"


@STEPS
def test_a_copy_that_runs_while_an_audit_reads_makes_nothing_right_that_was_not(trees: Trees, step: int) -> None:
    number = 1
    while True:
        ends: List[int] = []

        def copy(ends: List[int] = ends) -> None:
            ends.append(copy_tree(request(trees)).exit_code)

        audited, disk = Audited(trees), Meanwhile(str(trees.source), str(trees.destination))
        disk.at, disk.act = number, lambda act=copy: alone(act)  # type: ignore[misc]
        with disk:
            audited.run()
        if disk.done is None:
            break
        honest(audited, f"call {number}, {disk.done}")
        assert ends == [1] and contents(trees.destination) == FILES
        trees.again()
        shutil.rmtree(trees.root / "state", ignore_errors=True)
        number += step
    assert number > 20


def alone(act: Callable[[], None]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
