"""One call of the disk fails or lies: what is said, what is left, and that the next run heals it."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from vdt import fs, later
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import RefusedError
from vdt.model import Evidence, Existing, TreeResult, Verify
from vdt.retry import RetryPlan

from .faultyfs import (
    ALWAYS,
    FLIP,
    LOST,
    SHORT,
    SKIP,
    ZEROS,
    Call,
    FaultyFs,
    Late,
    Rule,
    contents,
    left_partials,
    look,
    run_broken,
    tree_job,
    write_tree,
)

BIG = "two/big.bin"
BIG_BYTES = (5 << 20) + 7
FILES = {
    "top.txt": b"top\n",
    "one/a.bin": os.urandom(3000),
    "one/b.bin": b"",
    "one/c.bin": os.urandom(70_001),
    "two/d.bin": os.urandom(4096),
    "two/e.bin": os.urandom(513),
    BIG: os.urandom(BIG_BYTES),
}
OLD = {"one/a.bin": b"the copy of last week", BIG: b"an older big one"}
SPARED: Tuple[str, ...] = ("closedir",)


class Trees(NamedTuple):
    source: Path
    destination: Path
    before: Dict[str, Tuple[bytes, int, int]]


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return fresh_trees(tmp_path)


def fresh_trees(folder: Path, files: Dict[str, bytes] = FILES) -> Trees:
    source, destination = folder / "source", folder / "destination"
    write_tree(source, files)
    destination.mkdir()
    write_tree(destination, {k: v for k, v in OLD.items() if k in files}, mtime_ns=1_500_000_000_000_000_000)
    return Trees(source, destination, look(source))


def broken(trees: Trees, *rules: Rule, **changes: Any) -> Tuple[TreeResult, FaultyFs]:
    """Run with these faults; whatever they are, the invariants hold."""
    result, faulty = run_broken(tree_job(trees.source, trees.destination, **changes), rules)
    check_invariants(trees, result.exit_code)
    return result, faulty


def check_invariants(trees: Trees, exit_code: int) -> None:
    assert look(trees.source) == trees.before, "the source was touched"
    wanted = contents(trees.source)
    there = contents(trees.destination)
    for name, data in there.items():
        assert data == wanted.get(name) or data == OLD.get(name), f"{name}: wrong bytes under the final name"
    for name in OLD:
        assert name not in wanted or name in there, f"{name}: the old copy is lost"
    if exit_code < 8:
        assert there == wanted, "success was said over a wrong or missing file"


def heals(trees: Trees, **changes: Any) -> None:
    """A second run without faults ends right and leaves nothing behind."""
    result, _ = run_broken(tree_job(trees.source, trees.destination, **changes))
    assert result.exit_code < 8, result.failed
    assert contents(trees.destination, partials=True) == contents(trees.source)
    assert left_partials(trees.destination) == []
    for name in FILES:
        if (trees.source / name).exists():
            assert (trees.destination / name).stat().st_mtime_ns == (trees.source / name).stat().st_mtime_ns


def failed_names(result: TreeResult) -> List[str]:
    return sorted(problem.path for problem in result.failed)


def all_arrived(trees: Trees, result: TreeResult) -> None:
    assert result.exit_code == 1, (result.failed, result.unstable, result.stopped)
    assert result.files.copied == len(FILES)
    assert contents(trees.destination, partials=True) == contents(trees.source)


def only_failed(trees: Trees, result: TreeResult, name: str, words: str) -> None:
    """One file is reported with a reason, its old copy stands, all others are right."""
    assert result.exit_code & 8
    assert failed_names(result) == [name]
    assert words in result.failed[0].reason
    assert name in result.failed[0].reason
    there = contents(trees.destination, partials=True)
    assert there.pop(name, None) == OLD.get(name)
    wanted = contents(trees.source)
    wanted.pop(name)
    assert there == wanted, "one bad file stopped others, or a partial was left"


def test_without_a_fault_the_double_changes_nothing(trees: Trees) -> None:
    result, faulty = broken(trees)
    all_arrived(trees, result)
    assert not faulty.hits
    assert {call.op for call in faulty.calls} >= {"open", "create", "read", "write", "utime", "rename", "close"}
    assert {call.name for call in faulty.calls if call.op == "write"} == {n for n in FILES if n != "one/b.bin"}


# -- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one/a.bin", BIG])
def test_a_write_that_fails_once_is_healed(trees: Trees, name: str) -> None:
    result, faulty = broken(trees, Rule("write", errno.EIO, name))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)
    assert result.retries == 1


def test_an_interruption_that_goes_away_is_healed(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("write", errno.EAGAIN, "one/a.bin", times=2))
    assert len(faulty.hits) == 2
    all_arrived(trees, result)


@pytest.mark.parametrize("name", ["one/a.bin", "two/d.bin", BIG])
def test_a_write_that_always_fails_costs_one_file_after_bounded_tries(trees: Trees, name: str) -> None:
    result, faulty = broken(trees, Rule("write", errno.EIO, name, times=ALWAYS))
    only_failed(trees, result, name, "input/output error")
    assert len(faulty.hits) == 3, "the first try and two more"
    assert result.failed[0].attempts == 3
    heals(trees)


def test_short_writes_go_unnoticed(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("write", SHORT, nth=2, times=40))
    assert len(faulty.hits) == 40
    all_arrived(trees, result)
    assert result.retries == 0


@pytest.mark.parametrize("name", ["one/c.bin", BIG])
@pytest.mark.parametrize("deed", [FLIP, ZEROS, LOST])
def test_a_bad_write_is_seen_by_the_read_back_and_written_again(trees: Trees, name: str, deed: str) -> None:
    result, faulty = broken(trees, Rule("write", deed, name))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)
    assert result.retries == 1


@pytest.mark.parametrize("level", [Verify.REREAD, Verify.COLD, Verify.BOTH])
@pytest.mark.parametrize("deed", [FLIP, LOST])
def test_writes_that_are_always_bad_are_reported_and_the_old_copy_stands(
    trees: Trees, deed: str, level: Verify
) -> None:
    result, _ = broken(trees, Rule("write", deed, "one/a.bin", times=ALWAYS), verify=level)
    only_failed(trees, result, "one/a.bin", "what was read back is not what was sent")
    heals(trees)


@pytest.mark.parametrize("level", [Verify.NONE, Verify.INFLIGHT])
def test_without_read_back_a_file_stored_too_short_is_still_seen(trees: Trees, level: Verify) -> None:
    result, _ = broken(trees, Rule("write", LOST, "one/a.bin", times=ALWAYS), verify=level)
    only_failed(trees, result, "one/a.bin", "stored")


def test_a_write_that_is_lost_in_the_middle_of_a_large_file_is_seen(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("write", LOST, BIG, nth=2))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)


def test_a_full_disk_stops_the_run_early_and_the_next_run_goes_on(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("write", errno.ENOSPC, nth=3, times=ALWAYS))
    assert result.exit_code & 8
    assert "full" in result.stopped
    assert not result.reached_end
    assert any("full" in problem.reason for problem in result.failed)
    assert left_partials(trees.destination) == []
    assert result.retries == 0, "a full disk is not hammered"
    assert max(sum(hit.name == name for hit in faulty.hits) for name in FILES) == 1
    heals(trees)


def test_a_quota_counts_as_full(trees: Trees) -> None:
    result, _ = broken(trees, Rule("write", errno.EDQUOT, "one/c.bin", times=ALWAYS))
    assert "full" in result.stopped and result.exit_code & 8
    heals(trees)


@pytest.mark.parametrize("op", ["create", "rename"])
def test_a_disk_that_is_full_for_new_names_stops_the_run_too(trees: Trees, op: str) -> None:
    result, _ = broken(trees, Rule(op, errno.ENOSPC, side="destination", times=ALWAYS))
    assert "full" in result.stopped and result.exit_code & 8
    assert left_partials(trees.destination) == []
    heals(trees)


def test_a_disk_that_has_no_room_for_a_folder_stops_the_run(tmp_path: Path) -> None:
    trees = fresh_trees(tmp_path, {"a/x.bin": b"x", "b/y.bin": b"y", "c/z.bin": b"z"})
    result, faulty = broken(trees, Rule("mkdir", errno.ENOSPC, side="destination", times=ALWAYS))
    assert "full" in result.stopped and result.exit_code & 8
    assert len(faulty.hits) == 1
    heals(trees)


def test_creating_a_file_that_is_refused_for_good_is_not_hammered(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("create", errno.EACCES, "one/c.bin", times=ALWAYS))
    only_failed(trees, result, "one/c.bin", "permission denied")
    assert len(faulty.hits) == 1


def test_creating_a_file_that_is_refused_once_is_healed(trees: Trees) -> None:
    result, _ = broken(trees, Rule("create", errno.EIO, "one/c.bin"))
    all_arrived(trees, result)


# -- flushing, closing ---------------------------------------------------------------------------------------------


def test_after_a_failed_flush_of_the_volume_the_whole_batch_is_written_again(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("syncfs", errno.EIO), flush=fs.Flush.VOLUME)
    all_arrived(trees, result)
    failed_at = faulty.hits[0].number
    for name in ("top.txt", "one/a.bin", "one/c.bin", "two/d.bin", "two/e.bin"):
        writes = [call.number for call in faulty.calls if call.op == "write" and call.name == name]
        assert any(number > failed_at for number in writes), f"{name} was only flushed again"
        renames = [call.number for call in faulty.calls if call.op == "rename" and call.name == name]
        assert min(renames) > failed_at


def test_a_flush_of_the_volume_that_always_fails_is_never_success(trees: Trees) -> None:
    result, _ = broken(trees, Rule("syncfs", errno.EIO, times=ALWAYS), flush=fs.Flush.VOLUME)
    assert result.exit_code & 8
    assert {"top.txt", "one/a.bin", "two/e.bin"} <= set(failed_names(result))
    assert left_partials(trees.destination) == []
    heals(trees)


def test_small_files_are_flushed_before_the_first_of_them_is_renamed(trees: Trees) -> None:
    _, faulty = broken(trees, flush=fs.Flush.VOLUME)
    written: Dict[str, int] = {}
    flushed: List[int] = [call.number for call in faulty.calls if call.op == "syncfs"]
    own: Dict[str, List[int]] = {}
    for call in faulty.calls:
        if call.op == "write":
            written[call.name] = call.number
        elif call.op == "fsync":
            own.setdefault(call.name, []).append(call.number)
        elif call.op == "rename" and call.name in written:
            between = [n for n in flushed + own.get(call.name, []) if written[call.name] < n < call.number]
            assert between, f"{call.name} was renamed before it was flushed"
    assert flushed and flushed[-1] > max(call.number for call in faulty.calls if call.op == "rename")


def test_where_each_file_is_flushed_by_itself_so_are_its_name_and_every_file(trees: Trees) -> None:
    _, faulty = broken(trees, flush=fs.Flush.FILE)
    for name in FILES:
        own = {call.op: call.number for call in faulty.calls if call.name == name and call.op in ("fsync", "rename")}
        assert own["fsync"] < own["rename"], name
        folder = name.rpartition("/")[0]
        assert any(
            call.op == "fsync" and call.name == folder and call.number > own["rename"] for call in faulty.calls
        ), f"the name {name} was not flushed"


@pytest.mark.parametrize("flush", [fs.Flush.VOLUME, fs.Flush.FILE])
@pytest.mark.parametrize("op", ["fsync", "close"])
def test_a_large_file_whose_flush_or_close_fails_is_written_again(trees: Trees, op: str, flush: fs.Flush) -> None:
    result, faulty = broken(trees, Rule(op, errno.EIO, BIG, "destination", partial=True), flush=flush)
    all_arrived(trees, result)
    failed_at = faulty.hits[0].number
    creates = [call.number for call in faulty.calls if call.op == "create" and call.name == BIG]
    assert any(number > failed_at for number in creates), "the same partial was flushed again"
    again = sum(call.op == "write" and call.name == BIG and call.number > failed_at for call in faulty.calls)
    before = sum(call.op == "write" and call.name == BIG and call.number < failed_at for call in faulty.calls)
    assert again == before, "it was not written again from its beginning"


@pytest.mark.parametrize("op", ["fsync", "close"])
def test_a_flush_or_close_that_always_fails_is_reported(trees: Trees, op: str) -> None:
    result, _ = broken(
        trees, Rule(op, errno.EIO, "one/c.bin", "destination", times=ALWAYS, partial=True), flush=fs.Flush.FILE
    )
    only_failed(trees, result, "one/c.bin", "input/output error")
    heals(trees)


def test_names_that_cannot_be_flushed_are_never_success(trees: Trees) -> None:
    result, _ = broken(
        trees, Rule("fsync", errno.EIO, "one", "destination", times=ALWAYS, partial=False), flush=fs.Flush.FILE
    )
    assert result.exit_code & 8
    assert {"one/a.bin", "one/b.bin", "one/c.bin"} <= set(failed_names(result))
    heals(trees)


def test_names_that_cannot_be_flushed_once_are_healed(trees: Trees) -> None:
    result, _ = broken(trees, Rule("fsync", errno.EIO, "one", "destination", partial=False), flush=fs.Flush.FILE)
    all_arrived(trees, result)


# -- renaming, times -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one/a.bin", BIG])
def test_a_rename_that_is_refused_once_is_healed(trees: Trees, name: str) -> None:
    result, _ = broken(trees, Rule("rename", errno.EBUSY, name))
    all_arrived(trees, result)


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EACCES, errno.EIO])
def test_a_rename_that_is_always_refused_leaves_the_old_copy(trees: Trees, code: int) -> None:
    result, _ = broken(trees, Rule("rename", code, "one/a.bin", times=ALWAYS))
    only_failed(trees, result, "one/a.bin", "Creating Destination File")
    heals(trees)


def test_a_file_that_somebody_holds_is_tried_again_at_the_end(trees: Trees) -> None:
    """EBUSY speaks of somebody else: after all retries the file gets one more try when everything else is done."""
    result, faulty = broken(trees, Rule("rename", errno.EBUSY, "one/a.bin", times=3))
    all_arrived(trees, result)
    assert [call.name for call in faulty.calls if call.op == "rename"][-1] == "one/a.bin"


def test_a_rename_that_was_done_and_said_to_have_failed_ends_right(trees: Trees) -> None:
    result, _ = broken(trees, Rule("rename", Late(errno.ETIMEDOUT), "one/a.bin"))
    all_arrived(trees, result)


def test_a_rename_that_was_said_ok_and_not_done_is_never_success(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("rename", SKIP, "one/a.bin", times=ALWAYS))
    assert faulty.hits
    assert failed_names(result) == ["one/a.bin"]


def test_a_folder_that_was_said_to_be_made_and_was_not_is_made_again(trees: Trees) -> None:
    shutil.rmtree(trees.destination / "one")
    result, faulty = broken(trees, Rule("mkdir", SKIP, "one"))
    assert faulty.hits
    all_arrived(trees, result)


@pytest.mark.parametrize("name", ["one/a.bin", BIG])
def test_a_rename_to_a_new_name_that_was_said_ok_and_not_done_is_done_again(trees: Trees, name: str) -> None:
    (trees.destination / name).unlink(missing_ok=True)
    result, faulty = broken(trees, Rule("rename", SKIP, name))
    assert faulty.hits and result.retries == 1
    all_arrived(trees, result)


@pytest.mark.parametrize("times", [1, ALWAYS])
def test_refused_times_never_put_a_file_with_wrong_times_in_place(trees: Trees, times: int) -> None:
    result, _ = broken(trees, Rule("utime", errno.EIO, "one/a.bin", times=times))
    if times == 1:
        all_arrived(trees, result)
    else:
        only_failed(trees, result, "one/a.bin", "Time-Stamping Destination File")
    heals(trees)


def test_times_that_were_said_set_and_were_not_are_set_again(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("utime", SKIP, "one/*.bin"))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)
    for name in FILES:
        assert (trees.destination / name).stat().st_mtime_ns == (trees.source / name).stat().st_mtime_ns


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_times_that_are_refused_for_good_do_not_cost_the_data(trees: Trees, code: int) -> None:
    result, _ = broken(trees, Rule("utime", code, "one/*.bin", "destination", times=ALWAYS))
    all_arrived(trees, result)
    assert any("time" in note for note in result.notes)


def test_refused_folder_times_are_a_note_and_no_failure(trees: Trees) -> None:
    result, _ = broken(trees, Rule("utime", errno.EPERM, "two", "destination", times=ALWAYS))
    all_arrived(trees, result)
    assert any("folder" in note for note in result.notes)


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one/a.bin", BIG])
def test_a_source_read_that_fails_once_is_healed(trees: Trees, name: str) -> None:
    result, _ = broken(trees, Rule("read", errno.EIO, name, "source"))
    all_arrived(trees, result)


@pytest.mark.parametrize("op", ["read", "open"])
@pytest.mark.parametrize("name", ["one/a.bin", BIG])
def test_a_source_that_cannot_be_read_is_reported_and_the_rest_done(trees: Trees, name: str, op: str) -> None:
    result, _ = broken(trees, Rule(op, errno.EIO, name, "source", times=ALWAYS))
    only_failed(trees, result, name, "input/output error")
    assert str(trees.source) in result.failed[0].reason, "the side that failed is named"
    heals(trees)


def test_a_bad_sector_in_the_middle_of_a_large_file_leaves_no_final(trees: Trees) -> None:
    result, _ = broken(trees, Rule("read", errno.EIO, BIG, "source", nth=3, times=ALWAYS))
    only_failed(trees, result, BIG, "input/output error")


@pytest.mark.parametrize("nth", [1, 3])
def test_a_source_that_seems_to_end_too_early_once_is_read_again(trees: Trees, nth: int) -> None:
    result, faulty = broken(trees, Rule("read", LOST, BIG, "source", nth=nth))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)


@pytest.mark.parametrize("level", list(Verify))
def test_a_source_that_ends_before_its_size_is_never_a_success(trees: Trees, level: Verify) -> None:
    result, _ = broken(trees, Rule("read", LOST, "one/c.bin", "source", times=ALWAYS), verify=level)
    assert result.exit_code & 8
    assert [problem.path for problem in result.unstable] == ["one/c.bin"]
    assert "one/c.bin" not in contents(trees.destination, partials=True)
    heals(trees)


@pytest.mark.parametrize("code", [errno.EACCES, errno.ESTALE])
def test_a_source_that_cannot_be_opened_is_reported(trees: Trees, code: int) -> None:
    result, _ = broken(trees, Rule("open", code, "one/c.bin", "source", times=ALWAYS))
    only_failed(trees, result, "one/c.bin", "Copying File")
    heals(trees)


def test_a_stale_handle_is_opened_again(trees: Trees) -> None:
    result, _ = broken(trees, Rule("read", errno.ESTALE, "one/c.bin", "source"))
    all_arrived(trees, result)


@pytest.mark.parametrize("name", ["one/c.bin", BIG])
def test_a_wrong_read_of_the_source_shows_under_both(trees: Trees, name: str) -> None:
    result, faulty = broken(trees, Rule("read", FLIP, name, "source"), verify=Verify.BOTH)
    assert len(faulty.hits) == 1
    all_arrived(trees, result)
    assert result.retries == 1


def test_a_source_whose_second_read_is_wrong_is_read_a_third_time(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("read", FLIP, "one/c.bin", "source", nth=2), verify=Verify.BOTH)
    assert len(faulty.hits) == 1
    all_arrived(trees, result)


def test_a_source_that_never_reads_the_same_twice_is_reported_under_both(trees: Trees) -> None:
    rules = [Rule("read", FLIP, "one/c.bin", "source", nth=n) for n in (1, 3, 5, 7, 9)]
    result, _ = broken(trees, *rules, verify=Verify.BOTH)
    only_failed(trees, result, "one/c.bin", "two reads of the source gave different bytes")
    heals(trees)


def test_a_failing_second_read_of_the_source_is_blamed_on_the_source(trees: Trees) -> None:
    rules = [Rule("read", errno.EIO, "one/c.bin", "source", nth=n) for n in (2, 4, 6, 8)]
    result, _ = broken(trees, *rules, verify=Verify.BOTH)
    only_failed(trees, result, "one/c.bin", str(trees.source))


def test_a_read_back_that_is_wrong_once_is_noted_and_no_failure(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("read", FLIP, "one/c.bin", "destination"))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)
    assert result.retries == 0
    (note,) = [note for note in result.notes if "one/c.bin" in note]
    assert "wrong once" in note


def test_a_read_back_that_fails_once_is_healed(trees: Trees) -> None:
    result, _ = broken(trees, Rule("read", errno.EIO, "one/c.bin", "destination"))
    all_arrived(trees, result)


def test_a_read_back_that_always_fails_is_reported(trees: Trees) -> None:
    result, _ = broken(trees, Rule("read", errno.EIO, "one/a.bin", "destination", times=ALWAYS))
    only_failed(trees, result, "one/a.bin", "input/output error")
    heals(trees)


def test_short_reads_of_the_source_go_unnoticed(trees: Trees) -> None:
    result, faulty = broken(trees, Rule("read", SHORT, "one/c.bin", "source", times=4))
    assert len(faulty.hits) == 4
    all_arrived(trees, result)
    assert result.retries == 0


# -- names that vanish, listings, folders --------------------------------------------------------------------------


def test_a_file_that_vanishes_between_listing_and_open_is_reported(trees: Trees) -> None:
    gone = trees.source / "one/c.bin"

    def vanish(call: Call) -> None:
        gone.unlink()

    result, _ = run_broken(tree_job(trees.source, trees.destination), [Rule("open", vanish, "one/c.bin", "source")])
    assert result.exit_code & 8
    assert failed_names(result) == ["one/c.bin"]
    assert "not there" in result.failed[0].reason
    assert contents(trees.destination, partials=True) == contents(trees.source)


def test_a_file_that_is_deleted_while_it_is_read_is_still_copied_whole_or_reported(trees: Trees) -> None:
    """POSIX keeps an open file alive: its bytes are all there, and they are what was promised."""
    result, _ = run_broken(
        tree_job(trees.source, trees.destination),
        [Rule("read", lambda call: (trees.source / BIG).unlink(), BIG, "source", nth=2)],
    )
    there = contents(trees.destination, partials=True)
    assert there[BIG] in (FILES[BIG], OLD[BIG])
    assert there[BIG] == FILES[BIG] or result.exit_code & 8


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("name", ["", "one"])
def test_a_folder_whose_listing_fails_once_is_healed(trees: Trees, name: str, side: str) -> None:
    result, faulty = broken(trees, Rule("scandir", errno.EIO, name, side))
    assert len(faulty.hits) == 1
    all_arrived(trees, result)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_folder_that_cannot_be_listed_is_reported_and_the_rest_done(trees: Trees, side: str, code: int) -> None:
    result, faulty = broken(trees, Rule("scandir", code, "one", side, times=ALWAYS))
    assert result.exit_code & 8
    assert result.dirs.failed == 1
    (problem,) = result.failed
    assert problem.path == "one" and side.capitalize() in problem.reason
    assert len(faulty.hits) == (3 if code == errno.EIO else 1), "what cannot heal is not hammered"
    there = contents(trees.destination)
    for name in ("top.txt", "two/d.bin", "two/e.bin", BIG):
        assert there[name] == FILES[name]
    heals(trees)


def test_a_source_root_that_cannot_be_listed_is_no_empty_success(trees: Trees) -> None:
    result, _ = broken(trees, Rule("scandir", errno.EIO, "", "source", times=ALWAYS))
    assert result.exit_code & 8 and not result.complete and not result.proven


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_made_is_reported_with_its_files(tmp_path: Path, code: int) -> None:
    files = {"top.txt": b"t", "new/a.bin": b"a", "new/deeper/b.bin": b"b", "other/c.bin": b"c"}
    trees = fresh_trees(tmp_path, files)
    result, _ = broken(trees, Rule("mkdir", code, "new", "destination", times=ALWAYS))
    assert result.exit_code & 8
    assert {"new", "new/a.bin"} <= set(failed_names(result))
    assert contents(trees.destination) == {"top.txt": b"t", "other/c.bin": b"c"}
    heals(trees)


def test_a_folder_that_cannot_be_made_once_is_healed(tmp_path: Path) -> None:
    trees = fresh_trees(tmp_path, {"new/a.bin": b"a"})
    result, faulty = broken(trees, Rule("mkdir", errno.EIO, "new", "destination"))
    assert faulty.hits and result.exit_code == 1


def test_a_destination_folder_that_cannot_be_opened_is_reported(trees: Trees) -> None:
    result, _ = broken(trees, Rule("opendir", errno.EACCES, "one", "destination", nth=2, times=ALWAYS))
    assert result.exit_code & 8
    assert failed_names(result) == ["one/a.bin", "one/b.bin", "one/c.bin"]
    heals(trees)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_letting_go_of_a_folder_that_says_it_failed_costs_nothing(trees: Trees, side: str) -> None:
    result, faulty = broken(trees, Rule("closedir", errno.EIO, "one", side))
    assert faulty.hits
    all_arrived(trees, result)


# -- files that are already there ----------------------------------------------------------------------------------


def same_time_and_size(trees: Trees, name: str, data: bytes) -> None:
    path, source = trees.destination / name, trees.source / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(source.stat().st_mtime_ns,) * 2)


def test_an_older_copy_of_the_same_size_and_time_that_differs_is_found_and_replaced(trees: Trees) -> None:
    same_time_and_size(trees, "two/d.bin", bytes(4096))
    result, _ = broken_with_old(trees, "two/d.bin", bytes(4096))
    assert result.exit_code == 1
    assert contents(trees.destination) == contents(trees.source)


def broken_with_old(trees: Trees, name: str, old: bytes, *rules: Rule, **changes: Any) -> Tuple[TreeResult, FaultyFs]:
    result, faulty = run_broken(tree_job(trees.source, trees.destination, **changes), rules)
    assert look(trees.source) == trees.before
    assert contents(trees.destination)[name] in (old, FILES[name])
    return result, faulty


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_copy_that_is_there_and_reads_wrong_once_is_no_false_alarm(trees: Trees, side: str) -> None:
    same_time_and_size(trees, "two/d.bin", FILES["two/d.bin"])
    result, faulty = broken(trees, Rule("read", FLIP, "two/d.bin", side))
    assert faulty.hits
    assert result.exit_code == 1
    assert not result.failed


def test_a_copy_that_is_there_and_cannot_be_read_is_reported(trees: Trees) -> None:
    same_time_and_size(trees, "two/d.bin", FILES["two/d.bin"])
    result, _ = broken(trees, Rule("read", errno.EIO, "two/d.bin", "destination", times=ALWAYS))
    assert failed_names(result) == [] and [problem.path for problem in result.unproven] == ["two/d.bin"]
    assert result.exit_code & 8 and not result.proven
    assert contents(trees.destination)["two/d.bin"] == FILES["two/d.bin"], "a good final was lost"


# -- sweeps --------------------------------------------------------------------------------------------------------


def settle_trees(trees: Trees) -> None:
    """Back to the beginning without making the source again."""
    for path in sorted(trees.destination.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    write_tree(trees.destination, OLD, mtime_ns=1_500_000_000_000_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("flush", [fs.Flush.VOLUME, fs.Flush.FILE])
def test_whichever_call_fails_nothing_is_wrong_and_the_next_run_heals(trees: Trees, flush: fs.Flush) -> None:
    job = tree_job(trees.source, trees.destination, flush=flush, cold=False)  # a cold read waits for the real disk
    number = 1
    while True:
        result, faulty = run_broken(job, fail_call=number, spared=SPARED)
        try:
            check_invariants(trees, result.exit_code)
            if not faulty.hits:
                break
            heals(trees, flush=flush, cold=False, existing=Existing.TRUST)
        except AssertionError as error:
            call = faulty.hits[0] if faulty.hits else None
            raise AssertionError(f"call {number}, {call}: {error}") from error
        settle_trees(trees)
        number += 1
    assert number > 100, "the sweep ended too soon to have seen every call"
    assert result.exit_code == 1 and result.files.copied == len(FILES)


def test_whichever_call_is_the_last_that_works_success_is_never_said(trees: Trees) -> None:
    job = tree_job(trees.source, trees.destination, flush=fs.Flush.VOLUME, cold=False)
    _, whole = run_broken(job)
    last_rename = max(call.number for call in whole.calls if call.op == "rename")
    for number in range(1, len(whole.calls), 7):
        settle_trees(trees)
        result, faulty = run_broken(job, fail_call=number, and_all_later=True, spared=SPARED)
        if not faulty.hits:
            break
        check_invariants(trees, result.exit_code)
        assert number > last_rename or result.exit_code & 8, f"dead from call {number} on, and success was said"
        heals(trees, cold=False, existing=Existing.TRUST)


@pytest.mark.slow
def test_whichever_call_fails_in_vdt_copy_the_next_one_ends_right(tmp_path: Path) -> None:
    small = {name: data for name, data in FILES.items() if name != BIG}
    trees = fresh_trees(tmp_path, small)
    request = CopyRequest(
        str(trees.source), str(trees.destination), verify=Verify.REREAD, retry=RetryPlan(2, 0.0), threads=1
    )
    number, said = 1, 0
    while True:
        faulty = FaultyFs(str(trees.source), str(trees.destination), fail_call=number, spared=SPARED)
        with faulty:
            try:
                code = copy_tree(request).exit_code
            except RefusedError:
                code = 16
        check_invariants(trees, code)
        said += code < 8
        if not faulty.hits:
            break
        with FaultyFs(str(trees.source), str(trees.destination)):
            assert copy_tree(replace(request, threads=2)).exit_code < 8
        assert contents(trees.destination, partials=True) == contents(trees.source)
        assert not (tmp_path / ".destination.vdt").exists(), "the lock was left"
        for path in sorted(trees.destination.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        write_tree(trees.destination, {"one/a.bin": OLD["one/a.bin"]}, mtime_ns=1_500_000_000_000_000_000)
        number += 1
    assert number > 60 and said > number * 0.8


def test_the_level_is_never_above_what_the_disk_allows(trees: Trees) -> None:
    volume = replace(fs.volume(str(trees.destination)), cold_reads=False, why_not_cold="no")
    job = tree_job(trees.source, trees.destination, verify=Verify.BOTH)
    result, _ = run_broken(replace(job, target=replace(job.target, volume=volume)))
    assert set(result.files_by_evidence) == {Evidence.REREAD}
