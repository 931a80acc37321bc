"""This computer itself fails: its clock jumps, its memory ends, its digests are wrong, it is stopped again."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import datetime, timedelta
from typing import Any, Callable, Iterator, Optional

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from test_journal import Large, large, small_chunks  # noqa: F401 (fixtures)

from vdt import copytree, later, lock, recorder, transfer, verifier
from vdt.cli.main import main
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import RefusedError
from vdt.evidence import load_records
from vdt.model import Existing, Status, Verify
from vdt.retry import RetryPlan

from .faultyfs import ALWAYS, contents
from .meanwhile import Meanwhile
from .rig.stage import scratch
from .smalltree import FILES, Trees, request, run


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    monkeypatch.setattr(later, "BREATH_S", 0.0)


@pytest.fixture
def trees() -> Iterator[Trees]:
    root = scratch()
    yield Trees(root)
    shutil.rmtree(root)


# -- the clock -----------------------------------------------------------------------------------------------------

HOUR, YEARS = 3600, 20 * 366 * 86400
_now = time.time


class Wall:
    """The clock on the wall of this computer, as far as the package asks for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s = 0
        wall = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + timedelta(seconds=wall.ahead_s)

        for module in (copytree, transfer, recorder, lock):
            monkeypatch.setattr(module, "datetime", Moved)
        monkeypatch.setattr(time, "time", lambda: _now() + wall.ahead_s)


def recorded(trees: Trees) -> CopyRequest:
    """A copy that keeps a record, beside the share."""
    return CopyRequest(
        str(trees.source),
        str(trees.destination),
        verify=Verify.REREAD,
        existing=Existing.PROVE,
        retry=RetryPlan(2, 0.0),
        threads=1,
        manifest=str(trees.root / "reports" / "m.xxh128"),
        log=str(trees.root / "reports" / "copy.log"),
    )


@pytest.mark.parametrize("jump_s", [HOUR, -HOUR, YEARS, -YEARS])
def test_a_clock_that_jumps_during_a_run_changes_nothing_but_the_dates(
    trees: Trees, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    """Summer time, a computer that slept, a battery that is empty; before each twentieth call."""
    wall, asked, number = Wall(monkeypatch), recorded(trees), 1
    while True:
        wall.ahead_s = 0
        (trees.root / "reports").mkdir()
        disk = Meanwhile(str(trees.source), str(trees.destination))
        disk.at, disk.act = number, lambda: setattr(wall, "ahead_s", jump_s)
        with disk:
            result = copy_tree(asked)
        if disk.done is None:
            break
        assert result.exit_code == 1 and contents(trees.destination) == FILES, f"call {number}, {disk.done}"
        assert result.copy_seconds >= 0 and result.retries == 0
        records, notes = load_records(str(trees.root / "reports" / "m.evidence"))
        assert records.count == len(FILES) and not notes
        wall.ahead_s = 0
        again = copy_tree(asked)
        assert again.exit_code == 0 and again.files.copied == 0, "what was proven before the jump is on record"
        trees.again()
        shutil.rmtree(trees.root / "reports")
        number += 20
    assert number > 60


def test_records_of_a_clock_that_was_set_back_do_not_vouch_for_an_older_copy(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the later run sorts before that of the earlier one."""
    wall, asked = Wall(monkeypatch), recorded(trees)
    (trees.root / "reports").mkdir()
    assert copy_tree(asked).exit_code == 1
    wall.ahead_s = -HOUR
    (trees.source / "a.bin").write_bytes(b"A" * 3000)
    os.utime(trees.source / "a.bin", ns=(1_650_000_000_000_000_000,) * 2)
    assert copy_tree(asked).files.copied == 1
    assert (trees.destination / "a.bin").read_bytes() == b"A" * 3000
    wall.ahead_s = -2 * HOUR
    (trees.destination / "a.bin").write_bytes(b"a" * 3000)
    os.utime(trees.destination / "a.bin", ns=(1_650_000_000_000_000_001,) * 2)
    assert copy_tree(asked).files.copied == 1, "an older proof of other bytes counted"
    assert (trees.destination / "a.bin").read_bytes() == b"A" * 3000


# -- memory --------------------------------------------------------------------------------------------------------


def test_memory_that_ends_at_whichever_call_leaves_nothing_wrong(trees: Trees) -> None:
    number = 1
    while True:
        disk = Meanwhile(str(trees.source), str(trees.share))

        def none_left(disk: Meanwhile = disk) -> None:
            if disk.done is not None and disk.done.op not in ("close", "closedir"):  # these need none
                raise MemoryError

        disk.at, disk.act = number, none_left
        code: Optional[int] = None
        with disk:
            try:
                code = copy_tree(request(trees)).exit_code
            except (MemoryError, RefusedError):
                pass
        trees.hold(code)
        if disk.done is None:
            break
        trees.healed(copy_tree(request(trees)).exit_code)
        trees.again()
        number += 7
    assert number > 200


DRIVER = ("scan", "plan", "compare", "selection", "decision", "snapshot", "batches", "tally", "recorder", "records")


def test_memory_that_ends_wherever_a_tree_is_listed_planned_or_counted(trees: Trees) -> None:
    """At each function that is entered there: whatever is kept of millions of files may be one too many."""
    files = tuple(os.path.join("vdt", f"{name}.py") for name in DRIVER)
    calls = 0

    def traced(limit: int) -> Callable[..., Any]:
        def entered(frame: Any, event: str, arg: Any) -> None:
            nonlocal calls
            if event == "call" and frame.f_code.co_filename.endswith(files):
                calls += 1
                if calls == limit:
                    raise MemoryError

        return entered

    limit = 1
    while True:
        calls, code = 0, None
        sys.settrace(traced(limit))
        try:
            code = copy_tree(request(trees)).exit_code
        except MemoryError:
            pass
        finally:
            sys.settrace(None)
        trees.hold(code)
        if calls < limit:
            break
        trees.healed(copy_tree(request(trees)).exit_code)
        trees.again()
        limit += 13
    assert limit > 100


def test_a_command_whose_memory_ends_says_so_in_plain_words(
    trees: Trees, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def none_left(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("vdt.plan.Planner.plan", none_left)
    assert main(["copy", str(trees.source), str(trees.destination), "--progress", "off"]) == 16
    said = capfd.readouterr().err
    assert "memory was not enough" in said and "Traceback" not in said and len(said.splitlines()) <= 2
    assert os.listdir(trees.share) == [trees.destination.name], "the lock was given back"


# -- the digest ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [Verify.REREAD, Verify.COLD, Verify.BOTH])
@pytest.mark.parametrize("name", ["a.bin", "old/big.bin"])
def test_a_verifier_that_computes_a_wrong_digest_calls_it_a_mismatch(
    trees: Trees, monkeypatch: pytest.MonkeyPatch, level: Verify, name: str
) -> None:
    """Nothing is mended by believing it: the file is reported, the old copy stays."""
    size, real, wrong = len(FILES[name]), verifier.digest_of, "0" * 32

    class Wrong(verifier.Digester):
        @property
        def digest(self) -> str:
            return wrong if self.size_bytes == size else super().digest

    monkeypatch.setattr(verifier, "digest_of", lambda view: wrong if len(view) == size else real(view))
    monkeypatch.setattr(verifier, "Digester", Wrong)
    result, _ = run(trees, verify=level)
    trees.hold(result.exit_code)
    assert result.exit_code & 8 and [problem.path for problem in result.failed] == [name]
    assert "not what was sent" in result.failed[0].reason
    monkeypatch.undo()
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    healed, _ = run(trees)
    trees.healed(healed.exit_code)


@pytest.mark.parametrize("wrong_reads", [1, 2, 4, ALWAYS])
def test_a_digest_that_is_wrong_some_times_ends_right_or_named(
    trees: Trees, monkeypatch: pytest.MonkeyPatch, wrong_reads: int
) -> None:
    real, left = verifier.digest_of, [wrong_reads]

    def now_and_then(view: memoryview) -> str:
        if len(view) == 3000 and left[0] > 0:
            left[0] -= 1
            return "f" * 32
        return real(view)

    monkeypatch.setattr(verifier, "digest_of", now_and_then)
    result, _ = run(trees)
    trees.hold(result.exit_code)
    assert (result.exit_code == 1) is (wrong_reads < ALWAYS), result.failed


# -- stopped again and again ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stopped_and_taken_up_at_each_percent_of_a_large_file(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A file of a hundred chunks: each run adds one and is stopped. At the end it is right, and hardly anything was
    read twice."""
    from vdt import journal

    piece = 64 << 10
    monkeypatch.setattr(journal, "CHUNK_BYTES", piece)
    large.data = os.urandom(100 * piece + 77)
    large.file = large.put("f", large.data)
    stops, came = 0, 0
    for _ in range(150):
        done = large.attempt(stop_after=came + piece + 100)
        assert not (large.destination / "f").exists() or done.status is Status.COPIED
        if done.status is Status.COPIED:
            break
        stops += 1
        came = sum(found.landed_bytes for found in large.journals._all())
    assert done.status is Status.COPIED and large.arrived()
    assert 45 <= stops <= 110, stops
