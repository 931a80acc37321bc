"""The first call of a kind fails, then the second, then the third, until a run passes clean. Sweeps, not samples.

Every kind of call, once and for good, with each error that a share is known for; then the copier is killed at each
call, and the power is cut at each call. After each of them: nothing wrong under a final name, the source as it was,
the old copy there, success only where it is true, and the next run heals everything and leaves nothing behind.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
from dataclasses import replace
from typing import Iterator, List, Optional, Tuple

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from vdt import fs, later, transfer
from vdt.copytree import copy_tree
from vdt.model import Existing, TreeResult, Verify

from .dice import Dice
from .faultyfs import (
    ALWAYS,
    LOST,
    SKIP,
    Call,
    Deed,
    FaultyFs,
    Rule,
    contents,
    partial_names,
    tree_job,
)
from .power import MODES, NAMES, Powered, in_a_child
from .rig.stage import scratch
from .smalltree import FILES, OLD, Trees, request, run

OPS = ("open", "create", "opendir", "read", "write", "flush", "close", "rename", "utime", "mkdir", "scandir", "stat")
ERRORS = {
    "EIO once": (errno.EIO, 1),
    "EIO for good": (errno.EIO, ALWAYS),
    "ENOSPC": (errno.ENOSPC, ALWAYS),
    "EACCES once": (errno.EACCES, 1),
    "EACCES for good": (errno.EACCES, ALWAYS),
    "ESTALE": (errno.ESTALE, 1),
}
FLUSHES = pytest.mark.parametrize(
    "flush",
    [
        pytest.param(fs.Flush.VOLUME, marks=pytest.mark.slow, id="one flush"),
        pytest.param(fs.Flush.FILE, id="a flush a file"),
    ],
)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    monkeypatch.setattr(later, "BREATH_S", 0.0)
    yield


@pytest.fixture
def trees() -> Iterator[Trees]:
    """In memory where there is room: thousands of runs follow."""
    root = scratch()
    yield Trees(root)
    shutil.rmtree(root)


def named(result: TreeResult) -> List[str]:
    lists = (result.failed, result.unstable, result.unproven, result.conflict, result.type_mismatch)
    return [problem.path for problems in lists for problem in problems]


def sweep(trees: Trees, op: str, code: int, times: int, side: str, flush: fs.Flush) -> int:
    """Number of the call behind the last one that could fail."""
    ops = ("fsync", "syncfs") if op == "flush" else (op,)
    number = 1
    while True:
        rules = [Rule(each, code, side=side, nth=number, times=times) for each in ops]
        result, faulty = run(trees, *rules, flush=flush)
        where = f"{op} {number} of the {side}: {faulty.hits[:1]}"
        try:
            trees.hold(result.exit_code)
            if not faulty.hits:
                assert result.exit_code == 1 and result.files.copied == len(FILES)
                trees.again()
                return number
            if result.exit_code & 8:
                assert named(result) or result.stopped or result.dirs.failed, "failed without a name"
                assert all(problem.reason for problem in result.failed)
            healed, _ = run(trees, flush=flush)
            trees.healed(healed.exit_code)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error
        trees.again()
        number += 1


@FLUSHES
@pytest.mark.parametrize(
    "error", [error if error == "EIO for good" else pytest.param(error, marks=pytest.mark.slow) for error in ERRORS]
)
@pytest.mark.parametrize("op", OPS)
def test_whichever_call_of_a_kind_fails(trees: Trees, op: str, error: str, flush: fs.Flush) -> None:
    code, times = ERRORS[error]
    met = sum(sweep(trees, op, code, times, side, flush) - 1 for side in ("source", "destination"))
    assert met > 1, f"hardly a {op} was seen"


@pytest.mark.parametrize("op", ["write", "rename", "utime", "mkdir", "fsync"])
def test_whichever_call_says_yes_and_does_nothing(trees: Trees, op: str) -> None:
    number = 1
    while True:
        result, faulty = run(trees, Rule(op, LOST if op == "write" else SKIP, side="destination", nth=number))
        trees.hold(result.exit_code)
        if not faulty.hits:
            break
        if op not in ("mkdir", "utime"):
            assert result.exit_code == 1, f"{op} {number}"
        healed, _ = run(trees)
        trees.healed(healed.exit_code)
        trees.again()
        number += 1
    assert number > 2


# -- killed, and power cut -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_whichever_call(trees: Trees) -> None:
    """The whole of `vdt copy`, lock and state folder included; the next run takes over from the dead one."""

    def kill(_: Call) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    class Counting(FaultyFs):
        def _deed(self, op: str, full: Optional[str]) -> Tuple[Optional[Deed], Optional[Call]]:
            deed, call = super()._deed(op, full)
            if call is not None and call.number == number:
                kill(call)
            return deed, call

    def copy() -> int:
        with Counting(str(trees.source), str(trees.share)):
            return copy_tree(request(trees)).exit_code

    number, killed = 1, 0
    while True:
        code = in_a_child(copy)
        trees.hold(code)
        if code != -signal.SIGKILL:
            assert code == 1
            break
        killed += 1
        with FaultyFs(str(trees.source), str(trees.share)):
            trees.healed(copy_tree(request(trees)).exit_code)
        trees.again()
        number += 1
    assert killed > 150, f"only {killed} calls were seen"


@FLUSHES
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_power_cut_at_whichever_call(trees: Trees, mode: str, flush: fs.Flush) -> None:
    job = tree_job(trees.source, trees.destination, flush=flush, cold=False, existing=Existing.TRUST)
    stash = trees.root / "stash"

    def copy() -> int:
        disk = Powered(job.source, job.destination)
        disk.last, disk.mode, disk.stash = number, mode, stash
        with disk:
            code = transfer.transfer_tree(job, transfer.Reports(), transfer.StopFlag()).exit_code
            disk.cut()  # behind the end: what was called success has to be stored
        return code

    number = 1
    while True:
        stash.mkdir()
        code = in_a_child(copy)
        shutil.rmtree(stash)
        try:
            trees.hold(None if code == 70 else code)
            assert code in (70, 1), code
            healed, _ = run(trees, flush=flush)
            trees.healed(healed.exit_code)
        except AssertionError as error:
            raise AssertionError(f"cut at call {number}: {error}") from error
        if code != 70:
            break
        trees.again()
        number += 1
    assert number > 100


def test_the_power_cut_shows_what_was_not_flushed(trees: Trees) -> None:
    """The rig is judged: without a flush the copy is called right, and is not."""
    job = tree_job(trees.source, trees.destination, flush=fs.Flush.NONE, cold=False)
    for mode in MODES:
        (trees.root / "stash").mkdir()

        def copy(mode: str = mode) -> int:
            disk = Powered(job.source, job.destination)
            disk.mode, disk.stash = mode, trees.root / "stash"
            with disk:
                code = transfer.transfer_tree(job, transfer.Reports(), transfer.StopFlag()).exit_code
                disk.cut()
            return code

        assert in_a_child(copy) == 1
        assert contents(trees.destination) != FILES
        assert (contents(trees.destination).get("a.bin") == OLD["a.bin"]) is (mode == NAMES)
        shutil.rmtree(trees.root / "stash")
        trees.again()


# -- at random, from one seed --------------------------------------------------------------------------------------


def roll(trees: Trees, seed: int) -> Tuple[object, int]:
    """(all that can be told of a run, faults that it met)."""
    flush = fs.Flush.FILE if seed % 2 else fs.Flush.VOLUME
    job = tree_job(trees.source, trees.destination, flush=flush, cold=False)
    job = replace(job, verify=Verify.BOTH if seed % 3 else Verify.REREAD, existing=Existing.PROVE)
    dice = Dice(job.source, job.destination, partials=partial_names(trees.source))
    dice.seed = seed
    with dice:
        result = transfer.transfer_tree(job, transfer.Reports(), transfer.StopFlag())
    trees.hold(result.exit_code)
    told: Tuple[object, ...] = (
        sorted(call[1:] for call in dice.calls),
        sorted(call[1:] for call in dice.hits),
        result.exit_code,
        sorted(result.failed),
        result.retries,
        contents(trees.destination, partials=True),
    )
    if result.stopped:
        told = (result.exit_code >= 8,)  # what a full disk still lets through depends on who came first
    healed, _ = run(trees, flush=flush)
    trees.healed(healed.exit_code)
    trees.again()
    return told, len(dice.hits)


def same_seeds_same_ends(trees: Trees, seeds: range) -> int:
    faults = 0
    for seed in seeds:
        try:
            told, hits = roll(trees, seed)
            assert roll(trees, seed)[0] == told, "the same seed gave another run"
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        faults += hits
    return faults


def test_a_seed_gives_one_run_and_every_run_is_honest(trees: Trees) -> None:
    assert same_seeds_same_ends(trees, range(1, 13)) > 30


@pytest.mark.long
def test_a_hundred_seeds(trees: Trees) -> None:
    assert same_seeds_same_ends(trees, range(1, 101)) > 200
