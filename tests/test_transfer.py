"""One tree from the walk to the result: retries, second looks, early ends, and what is claimed."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from faults.faultyfs import contents, left_partials, look, tree_job, write_tree

from vdt import fs, later
from vdt.errors import LostOutputError
from vdt.evidence import EvidenceWriter, load_records
from vdt.listing import lister
from vdt.manifest import SortedLines
from vdt.model import Evidence, Existing, Grew, Links, Policy, TreeResult, Verify
from vdt.probe import Destination
from vdt.progress import Silent
from vdt.retry import DEFAULT_WAITS_S, RetryPlan
from vdt.scan import take_snapshot
from vdt.stop import StopFlag
from vdt.transfer import Reports, transfer_tree
from vdt.treejob import TreeJob
from vdt.watch import Watch

FILES = {
    "a.txt": b"alpha",
    "b.bin": bytes(range(256)) * 30,
    "sub/c.bin": b"c" * 70_000,
    "sub/deep/d.bin": b"d",
    "sub/empty": b"",
}


class Log:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Bar(Silent):
    """A Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.bytes = self.files = 0
        self.said: List[str] = []

    def moved(self, count: int) -> None:
        self.bytes += count

    def done(self, files: int) -> None:
        self.files += files

    def say(self, line: str) -> None:
        self.said.append(line)


class Place:
    def __init__(self, root: Path) -> None:
        self.root, self.source, self.destination = root, root / "source", root / "target"
        write_tree(self.source, FILES)
        self.destination.mkdir()
        self.log, self.bar, self.stop = Log(), Bar(), StopFlag()
        self.each: List[Tuple[Any, ...]] = []

    def job(self, **changes: Any) -> TreeJob:
        return tree_job(self.source, self.destination, **changes)

    def run(self, *, evidence: Optional[EvidenceWriter] = None, meter: Any = None, **changes: Any) -> TreeResult:
        reports = Reports(
            log=self.log,
            progress=self.bar,
            each_file=lambda *values: self.each.append(values),
            evidence=evidence,
            manifest=SortedLines(),
        )
        if meter is not None:
            changes["meter"] = meter
        holds = changes.pop("holds_lock", lambda: True)
        result = transfer_tree(self.job(**changes), reports, self.stop, holds_lock=holds)
        assert reports.manifest is not None
        self.manifest = dict(iter(reports.manifest))
        return result

    def arrived(self) -> bool:
        return contents(self.destination, partials=True) == contents(self.source)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Tap:
    """A meter that calls `act` each time bytes were read."""

    def __init__(self, act: Callable[[int], object]) -> None:
        self._act, self.calls = act, 0

    def take(self, count: int) -> None:
        self.calls += 1
        self._act(self.calls)


# -- a whole run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 4])
def test_a_tree_arrives_and_the_source_is_untouched(place: Place, threads: int) -> None:
    before = look(place.source)
    result = place.run(threads=threads)
    assert look(place.source) == before
    assert place.arrived()
    assert result.exit_code == 1 and result.complete and result.proven and not result.notes
    assert (result.files.total, result.files.copied, result.size_bytes.copied) == (5, 5, sum(map(len, FILES.values())))
    assert result.dirs.total == 3 and result.retries == 0 and result.stopped == ""
    assert set(place.manifest) == set(FILES)
    assert (place.bar.bytes, place.bar.files) == (result.size_bytes.copied, 5)
    assert sorted(row[0] for row in place.each) == sorted(FILES)
    assert {row[2] for row in place.each} == {"copied"}


def test_times_and_modes_of_files_and_folders_arrive(place: Place) -> None:
    (place.source / "sub/deep").chmod(0o555)
    (place.source / "sub").chmod(0o750)
    (place.source / "b.bin").chmod(0o444)
    for name in ("sub/deep", "sub"):
        os.utime(place.source / name, ns=(1_500_000_000_000_000_001,) * 2)
    assert place.run().exit_code == 1
    for path in place.source.rglob("*"):
        twin = place.destination / path.relative_to(place.source)
        assert twin.stat().st_mtime_ns == path.stat().st_mtime_ns, path
        assert twin.stat().st_mode == path.stat().st_mode, path


def test_an_empty_tree_and_empty_folders_arrive(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for name in sorted(FILES, reverse=True):
        (place.source / name).unlink()
    assert place.run().exit_code in (0, 1)
    assert sorted(p.name for p in place.destination.rglob("*")) == ["deep", "sub"]
    assert place.manifest == {}


def test_names_of_every_kind_arrive(place: Place) -> None:
    raw = os.fsencode(place.source)
    names = [b"caf\xe9", b"new\nline", b"\x1b[31m", b" leading", b"trailing ", b"x" * 255, b"-rf", b"a\\b", b"*?"]
    try:
        for name in names:
            with open(os.path.join(raw, name), "wb") as file:
                file.write(name)
    except OSError:
        pytest.skip("this file system does not take every name")
    assert place.run().exit_code == 1
    for name in names:
        with open(os.path.join(os.fsencode(place.destination), name), "rb") as file:
            assert file.read() == name
    assert "\x1b" not in place.log.text and "caf\udce9" not in place.log.text


def test_a_second_run_proves_what_is_there_and_writes_nothing(place: Place) -> None:
    place.run()
    before = {path: path.stat().st_ino for path in place.destination.rglob("*")}
    result = place.run()
    assert (result.exit_code, result.files.skipped, result.files.copied) == (0, 5, 0)
    assert result.proven and set(place.manifest) == set(FILES)
    assert {path: path.stat().st_ino for path in place.destination.rglob("*")} == before


def test_with_evidence_the_second_run_reads_nothing(place: Place) -> None:
    folder = str(place.root / "e")
    writer = EvidenceWriter(folder, datetime.now())
    place.run(evidence=writer)
    writer.close()
    records, notes = load_records(folder)
    assert records.count == 5 and notes == []
    tap = Tap(lambda call: None)
    result = place.run(records=records, meter=tap)
    assert result.files_by_evidence == {Evidence.ON_RECORD: 5}
    assert result.proven and tap.calls == 0
    assert set(place.manifest) == set(FILES)


@pytest.mark.parametrize("weak", [Verify.NONE, Verify.INFLIGHT])
def test_a_copy_that_was_not_read_back_ends_what_was_proven_before(place: Place, weak: Verify) -> None:
    """Otherwise old evidence would vouch for bytes that nobody looked at."""
    folder = str(place.root / "e")

    def run(verify: Verify, seconds: int) -> TreeResult:
        writer = EvidenceWriter(folder, datetime(2026, 1, 1, 12, 0, seconds))
        records, notes = load_records(folder)
        assert notes == []
        result = place.run(evidence=writer, verify=verify, records=records)
        writer.close()
        return result

    assert run(Verify.REREAD, 0).proven
    assert run(Verify.REREAD, 1).files_by_evidence == {Evidence.ON_RECORD: 5}
    for path in sorted(p for p in place.destination.rglob("*") if p.is_file()):
        path.unlink()
    again = run(weak, 2)
    assert again.files.copied == 5 and not again.proven
    proven = run(Verify.REREAD, 3)
    assert proven.files.copied == 0 and proven.files_by_evidence == {Evidence.REREAD: 5}, "they were read now"
    assert run(Verify.REREAD, 4).files_by_evidence == {Evidence.ON_RECORD: 5}


def test_a_level_that_the_disk_does_not_allow_is_recorded_lower_and_noted(place: Place) -> None:
    real = fs.volume(str(place.destination))
    memory = replace(real, kind="tmpfs", flush=fs.Flush.NONE, cold_reads=False, why_not_cold="it lives in memory")
    for level in (Verify.COLD, Verify.BOTH):
        result = place.run(
            verify=level, policy=Policy(include_same=True), target=Destination(memory, False, 0, ("a note",))
        )
        assert result.files_by_evidence == {Evidence.REREAD: 5}
        assert result.weak_files == 5 and "a note" in result.notes


def test_trust_is_no_proof(place: Place) -> None:
    place.run()
    result = place.run(existing=Existing.TRUST)
    assert result.files_by_evidence == {Evidence.PRESENT: 5}
    assert result.complete and not result.proven and result.weak_files == 5
    assert place.manifest == {}


def test_old_files_are_replaced_and_extra_ones_stay(place: Place) -> None:
    write_tree(place.destination, {"a.txt": b"old", "mine/only.txt": b"extra", "x": b"extra"}, mtime_ns=10**18)
    result = place.run()
    assert result.exit_code == 3
    assert contents(place.destination) == {**contents(place.source), "mine/only.txt": b"extra", "x": b"extra"}
    assert sorted(problem.path for problem in result.extra) == ["mine", "x"]


def test_a_folder_where_a_file_should_be_is_a_mismatch_and_stays(place: Place) -> None:
    (place.destination / "a.txt/keep").mkdir(parents=True)
    (place.destination / "sub").write_bytes(b"a file")
    result = place.run()
    assert result.exit_code & 4 and not result.complete
    assert sorted(problem.path for problem in result.type_mismatch) == ["a.txt", "sub"]
    assert (place.destination / "a.txt/keep").is_dir() and (place.destination / "sub").read_bytes() == b"a file"
    assert (place.destination / "b.bin").read_bytes() == FILES["b.bin"]


def test_what_is_no_file_is_named_and_not_opened(place: Place) -> None:
    os.mkfifo(place.source / "fifo")
    result = place.run()
    assert result.exit_code == 1
    assert [problem.path for problem in result.special] == ["fifo"]
    assert not (place.destination / "fifo").exists()


def test_links_stay_links(place: Place) -> None:
    (place.source / "l").symlink_to("a.txt")
    (place.source / "dangling").symlink_to("no where")
    (place.source / "up").symlink_to("..")
    assert place.run().exit_code == 1
    assert [os.readlink(place.destination / name) for name in ("l", "dangling", "up")] == ["a.txt", "no where", ".."]
    assert place.run().exit_code == 0


def test_links_that_are_followed_end_and_broken_ones_are_reported(place: Place) -> None:
    (place.source / "l").symlink_to("a.txt")
    (place.source / "sub/up").symlink_to("..")
    (place.source / "dangling").symlink_to("no where")
    result = place.run(policy=Policy(links=Links.FOLLOW))
    assert result.exit_code & 8
    assert sorted(problem.path for problem in result.failed) == ["dangling", "sub/up"]
    there = contents(place.destination)
    assert there == {**FILES, "l": FILES["a.txt"]}


def test_partials_that_nobody_knows_are_removed_and_those_of_the_source_left(place: Place) -> None:
    stray = ".vdt-00000000deadbeef.partial"
    write_tree(place.destination, {stray: b"x", f"sub/{stray}": b"y"})
    (place.source / ".vdt-1111111111111111.partial").write_bytes(b"not ours")
    result = place.run()
    assert result.exit_code == 1
    assert left_partials(place.destination) == []
    assert (place.source / ".vdt-1111111111111111.partial").read_bytes() == b"not ours"
    assert [problem.path for problem in result.special] == [".vdt-1111111111111111.partial"]


def test_a_snapshot_folder_at_the_root_is_never_entered(place: Place) -> None:
    for name in (".snapshot", "~snapshot", "$RECYCLE.BIN", "System Volume Information"):
        (place.source / name).mkdir()
        (place.source / name / "x").write_bytes(b"x")
    (place.source / "sub/.snapshot").mkdir()
    assert place.run().exit_code == 1
    assert set(os.listdir(place.destination)) == {"a.txt", "b.bin", "sub"}
    assert (place.destination / "sub/.snapshot").is_dir()


# -- a source that moves -------------------------------------------------------------------------------------------


def appender(path: Path, times: int) -> Callable[[int], None]:
    def act(call: int) -> None:
        if call <= times:
            with open(path, "ab") as file:
                file.write(b"+")

    return act


def only_a(place: Place) -> Path:
    """A tree of one file, so that the calls can be counted."""
    for name in FILES:
        if name != "a.txt":
            (place.source / name).unlink()
    return place.source / "a.txt"


def test_a_file_that_moves_and_then_rests_is_looked_at_again_at_the_end(place: Place) -> None:
    path = only_a(place)
    result = place.run(meter=Tap(appender(path, 2)))
    assert result.exit_code == 1 and not result.unstable
    assert contents(place.destination)["a.txt"] == b"alpha++"
    assert (place.destination / "a.txt").stat().st_mtime_ns == path.stat().st_mtime_ns
    assert any("looked at again at the end" in line for line in place.bar.said)


def test_a_file_that_keeps_moving_is_unstable_by_name_and_the_rest_arrives(place: Place) -> None:
    (place.destination / "a.txt").write_bytes(b"old")
    path = place.source / "a.txt"

    class Restless:
        def take(self, count: int) -> None:
            with open(path, "ab") as file:
                file.write(b"+")

    result = place.run(meter=Restless())
    assert result.exit_code & 8 and not result.complete and not result.proven
    (problem,) = result.unstable
    assert problem.path == "a.txt" and "changed while it was read" in problem.reason and problem.attempts == 2
    assert not result.failed and "a.txt" not in place.manifest
    assert contents(place.destination)["a.txt"] == b"old", "the old copy stands"
    there = contents(place.destination, partials=True)
    assert {name: there[name] for name in FILES if name != "a.txt"} == {n: FILES[n] for n in FILES if n != "a.txt"}
    assert sorted(there) == sorted(FILES)


def test_the_second_look_waits_and_a_stop_ends_that_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 30.0)
    path = only_a(place)

    class Restless:
        def take(self, count: int) -> None:
            with open(path, "ab") as file:
                file.write(b"+")

    began = time.monotonic()
    threading.Timer(0.4, place.stop.set, ["Ctrl-C"]).start()
    result = place.run(meter=Restless())
    assert time.monotonic() - began < 5
    assert result.exit_code & 8 and result.stopped == "Ctrl-C" and not result.reached_end


def test_a_file_that_grew_since_the_count_is_named_with_both_sizes(place: Place) -> None:
    counted = take_snapshot(
        str(place.source),
        lister(RetryPlan(0), place.stop),
        links=Links.COPY,
        ignore=lambda path, entry: False,
        stop=lambda: False,
    )
    (place.source / "sub/c.bin").write_bytes(b"c" * 70_100)
    result = place.run(before=counted)
    assert result.grew == (Grew("sub/c.bin", 70_000, 70_100),)
    assert result.size_bytes.copied == sum(map(len, FILES.values())) + 100


# -- retries -------------------------------------------------------------------------------------------------------


class Refuser:
    """Folder.create that refuses some names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: str = "replace") -> None:
        self.errors: Dict[str, List[int]] = {}
        self.when: List[Tuple[float, str]] = []
        real = getattr(fs.Folder, call)

        def double(folder: fs.Folder, name: str, *args: Any, **options: Any) -> Any:
            final = args[0] if call == "replace" else name
            self.when.append((time.monotonic(), final))
            left = self.errors.get(final)
            if left:
                code = left.pop(0)
                raise OSError(code, os.strerror(code))
            return real(folder, name, *args, **options)

        monkeypatch.setattr(fs.Folder, call, double)


def test_each_retry_waits_its_time_while_other_files_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuser = Refuser(monkeypatch)
    refuser.errors["a.txt"] = [errno.EIO] * 2
    result = place.run(retry=RetryPlan(3, 0.3))
    assert result.exit_code == 1 and result.retries == 2 and place.arrived()
    times = [when for when, name in refuser.when if name == "a.txt"]
    assert len(times) == 3
    assert all(0.3 <= later - earlier < 2 for earlier, later in zip(times, times[1:]))
    others = [when for when, name in refuser.when if name != "a.txt"]
    assert max(others) < times[1], "nobody slept on it"


def test_the_default_waits_grow(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that runs 200 times too fast: 1, 2, 5, 15, 30 s, then it is failed after six tries."""
    refuser = Refuser(monkeypatch)
    refuser.errors["a.txt"] = [errno.EIO] * 99
    real = time.monotonic
    began = real()
    monkeypatch.setattr(time, "monotonic", lambda: began + (real() - began) * 200)
    result = place.run(retry=RetryPlan())
    times = [when for when, name in refuser.when if name == "a.txt"]
    waited = [later - earlier for earlier, later in zip(times, times[1:])]
    assert len(waited) == len(DEFAULT_WAITS_S)
    assert all(wait <= took < wait + 40 for wait, took in zip(DEFAULT_WAITS_S, waited)), waited
    assert [f"in {wait:g} s" in " ".join(place.bar.said) for wait in DEFAULT_WAITS_S] == [True] * 5
    assert result.failed[0].attempts == 6 and result.retries == 5


def test_what_cannot_heal_is_not_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuser = Refuser(monkeypatch)
    refuser.errors["a.txt"] = [errno.EACCES] * 99
    result = place.run(retry=RetryPlan())
    assert len([name for _, name in refuser.when if name == "a.txt"]) == 1
    assert result.retries == 0 and [problem.path for problem in result.failed] == ["a.txt"]
    assert place.each[-1][2] == "failed" or any(row[0] == "a.txt" and row[2] == "failed" for row in place.each)


def test_no_retries_means_one_try(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuser = Refuser(monkeypatch)
    refuser.errors["a.txt"] = [errno.EIO] * 99
    result = place.run(retry=RetryPlan(0))
    assert len([name for _, name in refuser.when if name == "a.txt"]) == 1
    assert result.failed[0].attempts == 1


def test_a_stop_ends_the_wait_for_a_retry(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuser = Refuser(monkeypatch)
    refuser.errors["a.txt"] = [errno.EIO] * 99
    threading.Timer(0.5, place.stop.set, ["Ctrl-C"]).start()
    began = time.monotonic()
    result = place.run(retry=RetryPlan(5, 60.0))
    assert time.monotonic() - began < 5
    assert result.exit_code & 8 and result.stopped == "Ctrl-C"
    assert left_partials(place.destination) == []


def test_errors_are_logged_as_robocopy_does(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuser = Refuser(monkeypatch)
    refuser.errors["b.bin"] = [errno.EIO] * 99
    place.run(retry=RetryPlan(1, 0.0))
    text = place.log.text
    assert text.count("ERROR 1117 (0x0000045D)") == 2
    assert str(place.destination / "b.bin") in text
    assert "RETRY LIMIT EXCEEDED" in text


# -- folders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_made_is_reported_and_the_rest_arrives(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real, tries = fs.make_folder, []

    def refused(path: str, **how: Any) -> None:
        if path.endswith("sub"):
            tries.append(path)
            raise OSError(code, os.strerror(code))
        real(path, **how)

    monkeypatch.setattr(fs, "make_folder", refused)
    result = place.run()
    assert result.exit_code & 8
    failed = {problem.path for problem in result.failed}
    assert {"sub", "sub/c.bin", "sub/empty"} <= failed
    assert contents(place.destination) == {name: FILES[name] for name in ("a.txt", "b.bin")}
    assert len(tries) == (1 if code == errno.EACCES else 3)


@pytest.mark.parametrize("empty_folders", [True, False])
def test_parents_are_only_made_along_where_the_policy_left_them_out_before(
    place: Place, monkeypatch: pytest.MonkeyPatch, empty_folders: bool
) -> None:
    """Else they are there already, unless the share just went: nothing is made in its place then."""
    real, asked = fs.make_folder, []

    def seen(path: str, **how: Any) -> None:
        asked.append(how["parents"])
        real(path, **how)

    monkeypatch.setattr(fs, "make_folder", seen)
    place.run(policy=Policy(empty_folders=empty_folders))
    assert asked and set(asked) == {not empty_folders}


def test_all_files_below_a_folder_that_cannot_be_made_are_accounted_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fs.make_folder

    def refused(path: str, **how: Any) -> None:
        if path.endswith("sub"):
            raise OSError(errno.EACCES, "no")
        real(path, **how)

    monkeypatch.setattr(fs, "make_folder", refused)
    result = place.run()
    assert result.files.total == 5
    assert any(problem.path.startswith("sub/deep") for problem in result.failed)


def test_a_listing_is_tried_again_and_a_stop_ends_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop, tries = StopFlag(), []

    def refused(path: str) -> List[Any]:
        tries.append(path)
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(fs, "list_folder", refused)
    with pytest.raises(OSError):
        lister(RetryPlan(3, 0.0), stop)(str(tmp_path))
    assert len(tries) == 4
    stop.set("Ctrl-C")
    tries.clear()
    with pytest.raises(OSError):
        lister(RetryPlan(3, 60.0), stop)(str(tmp_path))
    assert len(tries) == 1


def test_a_folder_that_vanishes_between_listing_and_look_is_no_crash(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fs.real_id

    def gone(path: str) -> Tuple[int, int]:
        if path.endswith("sub"):
            raise OSError(errno.ESTALE, "stale")
        return real(path)

    monkeypatch.setattr(fs, "real_id", gone)
    result = place.run(policy=Policy(links=Links.FOLLOW))
    assert result.exit_code & 8


# -- early ends ----------------------------------------------------------------------------------------------------


def test_a_full_disk_ends_the_run_early_and_cleanly(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = fs.write_all, [2]

    def full(fd: int, view: memoryview) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.write(fd, view[: len(view) // 2])
            raise OSError(errno.ENOSPC, "no space")
        real(fd, view)

    for room in (fs, sys.modules[fs.Folder.__module__]):
        monkeypatch.setattr(room, "write_all", full)
    result = place.run()
    monkeypatch.undo()
    assert result.exit_code & 8 and "full" in result.stopped and not result.reached_end
    assert left_partials(place.destination) == []
    assert all(FILES[name] == data for name, data in contents(place.destination).items())
    assert result.retries == 0
    place.stop = StopFlag()
    assert place.run().exit_code < 8 and place.arrived()


def test_a_stop_in_the_middle_leaves_only_whole_files(place: Place) -> None:
    def act(call: int) -> None:
        if call == 2:
            place.stop.set("Ctrl-C")

    result = place.run(meter=Tap(act))
    assert result.exit_code & 8 and result.stopped == "Ctrl-C" and not result.complete and not result.proven
    assert all(FILES[name] == data for name, data in contents(place.destination).items())
    place.stop = StopFlag()
    assert place.run().exit_code < 8 and place.arrived()


def test_a_lost_lock_ends_the_run_before_a_name_is_taken(place: Place) -> None:
    result = place.run(holds_lock=lambda: False)
    assert result.exit_code & 8 and "lock" in result.stopped
    assert contents(place.destination, partials=True) == {}


def test_a_report_that_is_lost_ends_the_run_with_that_error(place: Place) -> None:
    class Broken(Log):
        def write(self, text: str) -> None:
            super().write(text)
            if "New File" in text:
                raise LostOutputError("The log is lost.")

    place.log = Broken()
    with pytest.raises(LostOutputError):
        place.run(threads=3)
    assert place.stop, "workers were told"
    assert all(FILES[name] == data for name, data in contents(place.destination).items())


def test_a_defect_in_the_copier_is_no_success(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    for room in (fs, sys.modules[fs.Folder.__module__]):
        monkeypatch.setattr(room, "write_all", defect)
    with pytest.raises(ZeroDivisionError):
        place.run()
    assert place.stop
    assert contents(place.destination) == {}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(place: Place) -> None:
    place.run()
    (place.source / "a.txt").write_bytes(b"newer")
    (place.source / "new").mkdir()
    (place.source / "new/n.txt").write_bytes(b"n")
    before = look(place.destination)
    result = place.run(dry_run=True)
    assert look(place.destination) == before
    assert (result.files.copied, result.files.skipped) == (2, 4)
    assert not (place.destination / "new").exists()


def test_counts_always_add_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuser = Refuser(monkeypatch)
    refuser.errors["b.bin"] = [errno.EACCES]
    write_tree(place.destination, {"sub/c.bin": FILES["sub/c.bin"], "extra": b"e"})
    source = place.source / "sub/c.bin"
    os.utime(place.destination / "sub/c.bin", ns=(source.stat().st_mtime_ns,) * 2)
    (place.destination / "a.txt").mkdir()
    result = place.run()
    row = result.files
    assert (row.total, row.copied, row.skipped, row.mismatch, row.failed, row.extras) == (5, 2, 1, 1, 1, 1)
    assert row.total == row.copied + row.skipped + row.mismatch + row.failed
    assert sum(result.files_by_evidence.values()) == row.copied + row.skipped
    assert result.size_bytes.total == sum(map(len, FILES.values()))
    assert len(place.each) >= 4


# -- a stop ----------------------------------------------------------------------------------------------------------


def test_a_stop_leaves_folder_times_to_the_next_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of folders over a slow share do not fit into the two seconds of a stop."""
    real, done = fs.set_folder, []

    def set_folder(path: str, *args: Any, **kwargs: Any) -> None:
        done.append(path)
        real(path, *args, **kwargs)

    monkeypatch.setattr(fs, "set_folder", set_folder)
    result = place.run(meter=Tap(lambda calls: place.stop.set("interrupted")))
    assert result.stopped == "interrupted" and not done
    place.stop = StopFlag()
    assert place.run().complete and done


def test_result_so_far_can_be_asked_while_it_runs(place: Place) -> None:
    watch, seen = Watch(), []
    meter = Tap(lambda calls: seen.append(watch.so_far()))
    transfer_tree(place.job(meter=meter), Reports(watch=watch), place.stop)
    assert seen and all(not result.reached_end and result.source == str(place.source) for result in seen)
