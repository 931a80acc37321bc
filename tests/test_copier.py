"""One batch of files: how each attempt ends, what lies at the destination then, and what is claimed of it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest
import xxhash

from vdt import fs, partial, stream, verifier
from vdt.copier import Copier
from vdt.copyjob import FLUSH_ALONE_BYTES, Batch, CopyJob, Part
from vdt.desk import Desk
from vdt.model import Action, Entry, Evidence, FileClass, Links, Outcome, Policy, Status, Verb, Verify
from vdt.partial import partial_name
from vdt.stop import StopFlag

TOKEN = "0123456789abcdef"
STEP_NS = 100 if fs.WINDOWS else 1  # NTFS keeps no less
TIME_NS = 1_612_345_678_123_456_789 // STEP_NS * STEP_NS


class Tap:
    """A meter that may do something at a given number of bytes."""

    def __init__(self, act: Optional[Callable[[int], object]] = None) -> None:
        self.total, self.calls, self._act = 0, 0, act

    def take(self, count: int) -> None:
        self.total += count
        self.calls += 1
        if self._act is not None:
            self._act(self.calls)


class Place:
    def __init__(self, root: Path) -> None:
        self.source, self.destination = root / "source", root / "target"
        self.source.mkdir()
        self.destination.mkdir()
        self.moved: List[int] = []

    def put(self, name: str, data: bytes, *, mode: int = 0o644, mtime_ns: int = TIME_NS) -> Entry:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        path.chmod(mode)
        return self.entry(name)

    def entry(self, name: str) -> Entry:
        folder, _, bare = name.rpartition("/")
        (found,) = [e for e in fs.list_folder(str(self.source / folder)) if e.name == bare]
        return found

    def job(self, **changes: Any) -> CopyJob:
        job = CopyJob(
            source=str(self.source),
            destination=str(self.destination),
            policy=Policy(),
            verify=Verify.COLD,
            source_volume=fs.volume(str(self.source)),
            destination_volume=fs.volume(str(self.destination)),
            token=TOKEN,
            stop=StopFlag(),
            meter=Tap(),
            moved=self.moved.append,
        )
        return replace(job, **changes)

    def do(self, *actions: Action, job: Optional[CopyJob] = None, **changes: Any) -> List[Outcome]:
        folders: Dict[str, List[Action]] = {}
        for action in actions:
            folders.setdefault(action.folder, []).append(action)
        parts = tuple(Part(folder, items) for folder, items in folders.items())
        return list(Copier(job or self.job(**changes))(Batch(parts, 0)))

    def left(self) -> List[str]:
        return sorted(path.relative_to(self.destination).as_posix() for path in self.destination.rglob("*"))


def kept(mode: int) -> int:
    """A mode as the system keeps it: Windows knows read-only, and no more."""
    return mode if not fs.WINDOWS else 0o666 if mode & 0o200 else 0o444


def copy_of(entry: Entry, folder: str = "", **changes: Any) -> Action:
    return Action(folder, entry, Verb.COPY, FileClass.LONELY)._replace(**changes)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def level(place: Place, wanted: Evidence) -> Evidence:
    """What this disk allows of it."""
    if not fs.volume(str(place.destination)).cold_reads and wanted in (Evidence.COLD, Evidence.BOTH):
        return Evidence.REREAD
    return wanted


# -- copied --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 70_001, (1 << 20) + 1, FLUSH_ALONE_BYTES - 1, FLUSH_ALONE_BYTES + 3])
@pytest.mark.parametrize("verify", list(Verify))
def test_a_file_arrives_with_its_bytes_time_and_mode(place: Place, size: int, verify: Verify) -> None:
    data = os.urandom(size)
    (outcome,) = place.do(copy_of(place.put("f.bin", data, mode=0o640)), verify=verify)
    assert outcome.status is Status.COPIED and outcome.failure is None
    assert place.left() == ["f.bin"]
    found = place.destination / "f.bin"
    assert found.read_bytes() == data
    assert found.stat().st_mtime_ns == TIME_NS
    assert stat.S_IMODE(found.stat().st_mode) == kept(0o640)
    assert (outcome.size_bytes, outcome.mtime_ns, outcome.stored_mtime_ns) == (size, TIME_NS, TIME_NS)
    assert outcome.evidence is level(place, Evidence(verify.value))
    assert outcome.digest == ("" if verify is Verify.NONE else xxhash.xxh3_128(data).hexdigest())
    assert sum(place.moved) == size


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o500, 0o644, 0o666, 0o777])
def test_read_only_files_and_odd_modes_arrive_as_they_are(place: Place, mode: int) -> None:
    (outcome,) = place.do(copy_of(place.put("f", b"data", mode=mode)))
    assert outcome.status is Status.COPIED
    assert stat.S_IMODE((place.destination / "f").stat().st_mode) == kept(mode)


@pytest.mark.parametrize(
    ("listed", "now"),
    [
        pytest.param(0o600, 0o644),
        pytest.param(0o644, 0o600),
        pytest.param(0o777, 0o600),
        (0o644, 0o444),
    ],
)
def test_a_mode_that_changed_since_the_listing_arrives_as_it_is_now(place: Place, listed: int, now: int) -> None:
    entry = place.put("f", b"data", mode=listed)
    (place.source / "f").chmod(now)
    (outcome,) = place.do(copy_of(entry))
    assert outcome.status is Status.COPIED
    assert stat.S_IMODE((place.destination / "f").stat().st_mode) == kept(now)


def test_a_read_only_file_is_replaced(place: Place) -> None:
    (place.destination / "f").write_bytes(b"old")
    (place.destination / "f").chmod(0o444)
    (outcome,) = place.do(copy_of(place.put("f", b"new", mode=0o444)))
    assert outcome.status is Status.COPIED
    assert (place.destination / "f").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("keep", [True, False])
def test_root_keeps_the_owner_where_that_is_asked_for(place: Place, keep: bool) -> None:
    entry = place.put("f", b"x")
    os.chown(place.source / "f", 12345, 23456)
    place.do(copy_of(entry), policy=Policy(keep_owner=keep))
    found = (place.destination / "f").stat()
    assert (found.st_uid, found.st_gid) == ((12345, 23456) if keep else (0, found.st_gid))


def test_times_and_modes_are_only_kept_where_that_is_asked_for(place: Place) -> None:
    entry = place.put("f", b"x", mode=0o600)
    (outcome,) = place.do(copy_of(entry), policy=Policy(keep_times=False, keep_modes=False))
    found = (place.destination / "f").stat()
    assert found.st_mtime_ns > TIME_NS + 10**17
    assert outcome.stored_mtime_ns == found.st_mtime_ns


def test_outcomes_come_in_the_order_of_the_batch(place: Place) -> None:
    entries = [place.put(f"f{n}", b"x" * n) for n in range(5)]
    actions = [copy_of(entry) for entry in entries]
    actions[2] = copy_of(entries[2]._replace(name="missing"))
    outcomes = place.do(*actions)
    assert [outcome.action.source.name for outcome in outcomes] == ["f0", "f1", "missing", "f3", "f4"]
    assert [outcome.status is Status.COPIED for outcome in outcomes] == [True, True, False, True, True]


def test_a_batch_of_several_folders(place: Place) -> None:
    actions = []
    for folder in ("", "one", "two/three"):
        (place.destination / folder).mkdir(parents=True, exist_ok=True)
        actions.append(copy_of(place.put(f"{folder}/f" if folder else "f", folder.encode()), folder))
    assert all(outcome.status is Status.COPIED for outcome in place.do(*actions))
    for folder in ("", "one", "two/three"):
        assert (place.destination / folder / "f").read_bytes() == folder.encode()


def test_a_second_digest_is_given_where_it_is_asked_for(place: Place) -> None:
    (outcome,) = place.do(copy_of(place.put("f", b"abc")), also="md5")
    assert outcome.also == "900150983cd24fb0d6963f7d28e17f72"
    (outcome,) = place.do(copy_of(place.entry("f")), also="md5", verify=Verify.NONE)
    assert outcome.also == "900150983cd24fb0d6963f7d28e17f72"


def test_a_partial_of_an_earlier_try_is_no_hindrance(place: Place) -> None:
    entry = place.put("f", b"data")
    name = partial_name("f", entry.size_bytes, entry.mtime_ns, TOKEN)
    (place.destination / name).write_bytes(b"left here, longer than the file")
    (outcome,) = place.do(copy_of(entry))
    assert outcome.status is Status.COPIED and place.left() == ["f"]
    assert (place.destination / "f").read_bytes() == b"data"


def test_a_link_in_the_partials_place_is_not_written_through(place: Place, tmp_path: Path) -> None:
    entry = place.put("f", b"data")
    (tmp_path / "victim").write_bytes(b"precious")
    name = partial_name("f", entry.size_bytes, entry.mtime_ns, TOKEN)
    (place.destination / name).symlink_to(tmp_path / "victim")
    (outcome,) = place.do(copy_of(entry))
    assert outcome.status is Status.COPIED
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_link_in_the_finals_place_is_replaced_and_not_written_through(place: Place, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (place.destination / "f").symlink_to(tmp_path / "victim")
    place.do(copy_of(place.put("f", b"data")))
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (place.destination / "f").is_symlink() and (place.destination / "f").read_bytes() == b"data"


def test_the_name_of_a_partial_tells_file_and_run_apart() -> None:
    names = {
        partial_name(path, size, mtime, token)
        for path in ("a", "b", "a/b")
        for size in (1, 2)
        for mtime in (1, 2)
        for token in ("x", "y")
    }
    assert len(names) == 24
    assert all(name.startswith(".vdt-") and name.endswith(".partial") and len(name) == 29 for name in names)
    assert partial_name("caf\udce9", 1, 1, "x") == partial_name("caf\udce9", 1, 1, "x")


def test_every_byte_that_is_read_is_metered(place: Place) -> None:
    size = 100_000
    for verify, times in ((Verify.NONE, 1), (Verify.INFLIGHT, 1), (Verify.REREAD, 2), (Verify.BOTH, 3)):
        tap = Tap()
        place.do(copy_of(place.put("f", bytes(size))), verify=verify, meter=tap)
        assert tap.total == size * times, verify


# -- evidence is never rounded up ----------------------------------------------------------------------------------

NO_COLD: Dict[str, Any] = {"cold_reads": False, "why_not_cold": "it lives in memory"}


@pytest.mark.parametrize(
    ("verify", "cold_dest", "cold_source", "wanted"),
    [
        (Verify.COLD, False, True, Evidence.REREAD),
        (Verify.BOTH, False, True, Evidence.REREAD),
        (Verify.BOTH, False, False, Evidence.REREAD),
        (Verify.BOTH, True, False, Evidence.COLD),
        (Verify.BOTH, True, True, Evidence.BOTH),
        (Verify.COLD, True, False, Evidence.COLD),
        (Verify.REREAD, True, True, Evidence.REREAD),
        (Verify.INFLIGHT, True, True, Evidence.INFLIGHT),
        (Verify.NONE, True, True, Evidence.NONE),
    ],
)
@pytest.mark.parametrize("verb", [Verb.COPY, Verb.PROVE])
def test_the_level_is_what_was_done(
    place: Place, verify: Verify, cold_dest: bool, cold_source: bool, wanted: Evidence, verb: Verb
) -> None:
    if (cold_dest or cold_source) and not fs.volume(str(place.source)).cold_reads:
        pytest.skip("no read past the cache on this file system")
    job = place.job(verify=verify)
    job = replace(
        job,
        source_volume=job.source_volume if cold_source else replace(job.source_volume, **NO_COLD),
        destination_volume=job.destination_volume if cold_dest else replace(job.destination_volume, **NO_COLD),
    )
    entry = place.put("f", b"data" * 1000)
    if verb is Verb.PROVE:
        place.do(copy_of(entry))
        if verify.rank < Verify.REREAD.rank:
            wanted = Evidence.REREAD  # both sides are read whatever was asked for
    (outcome,) = place.do(copy_of(entry, verb=verb), job=job)
    assert outcome.status is (Status.PROVEN if verb is Verb.PROVE else Status.COPIED)
    assert outcome.evidence is wanted


@pytest.mark.parametrize("size", [4, fs.WHOLE_BYTES + 1])
@pytest.mark.parametrize("verify", list(Verify))
def test_reads_go_past_the_cache_exactly_where_that_is_claimed(
    place: Place, monkeypatch: pytest.MonkeyPatch, verify: Verify, size: int
) -> None:
    if not fs.volume(str(place.source)).cold_reads:
        pytest.skip("no read past the cache on this file system")
    reads: List[Any] = []

    def spied(real: Any) -> Any:
        def spy(folder: fs.Folder, name: str, *size: int, cold: bool = False, follow: bool = False) -> Any:
            reads.append(("source" if folder.path == str(place.source) else "destination", cold))
            return real(folder, name, *size, cold=cold, follow=follow)

        return spy

    monkeypatch.setattr(fs.Folder, "open_back", spied(fs.Folder.open_back))
    monkeypatch.setattr(fs.Folder, "read_whole", spied(fs.Folder.read_whole))
    (outcome,) = place.do(copy_of(place.put("f", bytes(size))), verify=verify)
    assert (("destination", True) in reads) == outcome.evidence.past_cache
    assert (("source", True) in reads) == (outcome.evidence is Evidence.BOTH)


# -- the source moves ----------------------------------------------------------------------------------------------


def test_a_source_that_changed_since_the_listing_is_copied_as_it_is_now(place: Place) -> None:
    entry = place.put("f", b"as listed")
    place.put("f", b"grown a good deal since then", mtime_ns=TIME_NS + 10**9)
    (outcome,) = place.do(copy_of(entry))
    assert outcome.status is Status.COPIED
    assert (outcome.size_bytes, outcome.mtime_ns) == (28, TIME_NS + 10**9)
    assert (place.destination / "f").read_bytes() == b"grown a good deal since then"
    assert (place.destination / "f").stat().st_mtime_ns == TIME_NS + 10**9
    assert place.left() == ["f"]


def test_a_small_file_that_became_a_large_one_and_the_other_way_round(place: Place) -> None:
    for was, now in ((10, FLUSH_ALONE_BYTES + 5), (FLUSH_ALONE_BYTES + 5, 10)):
        entry = place.put("f", bytes(was))
        data = os.urandom(now)
        place.put("f", data, mtime_ns=TIME_NS + 1)
        (outcome,) = place.do(copy_of(entry))
        assert outcome.status is Status.COPIED and outcome.size_bytes == now
        assert (place.destination / "f").read_bytes() == data


def grows(place: Place, *, keep_time: bool = False) -> Callable[[int], None]:
    def act(call: int) -> None:
        path = place.source / "f"
        with open(path, "ab") as file:
            file.write(b"more")
        if keep_time:
            os.utime(path, ns=(TIME_NS, TIME_NS))

    return act


def test_a_source_that_keeps_growing_is_unstable_and_leaves_the_old_copy(place: Place) -> None:
    (place.destination / "f").write_bytes(b"old")
    (outcome,) = place.do(copy_of(place.put("f", bytes(1000))), meter=Tap(grows(place)))
    assert outcome.status is Status.UNSTABLE
    assert outcome.failure is not None and "changed while it was read" in outcome.failure.reason
    assert outcome.failure.path == str(place.source / "f")
    assert place.left() == ["f"] and (place.destination / "f").read_bytes() == b"old"
    assert outcome.evidence is Evidence.NONE and outcome.digest == ""


def test_growth_that_hides_behind_an_old_time_is_seen_by_the_size(place: Place) -> None:
    (outcome,) = place.do(copy_of(place.put("f", bytes(1000))), meter=Tap(grows(place, keep_time=True)))
    assert outcome.status is Status.UNSTABLE


def test_a_change_in_place_is_seen_by_the_time(place: Place) -> None:
    def act(call: int) -> None:
        with open(place.source / "f", "r+b") as file:
            file.write(bytes([call]))

    (outcome,) = place.do(copy_of(place.put("f", bytes(1000))), meter=Tap(act))
    assert outcome.status is Status.UNSTABLE
    assert outcome.failure is not None and "its time moved" in outcome.failure.reason
    assert place.left() == []


def test_a_source_that_moves_once_and_then_stands_still_is_copied(place: Place) -> None:
    def act(call: int) -> None:
        if call == 1:
            place.put("f", b"final words", mtime_ns=TIME_NS + 77 * STEP_NS)

    (outcome,) = place.do(copy_of(place.put("f", bytes(1000))), meter=Tap(act))
    assert outcome.status is Status.COPIED
    assert (place.destination / "f").read_bytes() == b"final words"
    assert outcome.mtime_ns == TIME_NS + 77 * STEP_NS


def test_a_source_that_shrinks_while_it_is_read_is_never_padded(place: Place) -> None:
    entry = place.put("f", os.urandom(3 << 20))

    def act(call: int) -> None:
        os.truncate(place.source / "f", (1 << 20) + min(call, 3))

    (outcome,) = place.do(copy_of(entry), meter=Tap(act))
    assert outcome.status is Status.UNSTABLE
    assert place.left() == []


@pytest.mark.parametrize("size", [1000, fs.WHOLE_BYTES + 1])
def test_an_append_after_the_last_read_is_seen(place: Place, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    real, real_whole = fs.read_views, sys.modules[fs.Folder.__module__].read_whole

    def append() -> None:
        with open(place.source / "f", "ab") as file:
            file.write(b"!")

    def late(fd: int, size: int, *, start: int = 0) -> Any:
        yield from real(fd, size, start=start)
        append()

    def late_whole(fd: int, size: int, *, direct: bool = False) -> Any:
        view = real_whole(fd, size, direct=direct)
        append()
        return view

    monkeypatch.setattr(fs, "read_views", late)
    monkeypatch.setattr(sys.modules[fs.Folder.__module__], "read_whole", late_whole)
    entry = place.put("f", bytes(size))
    (outcome,) = place.do(copy_of(entry), verify=Verify.INFLIGHT)
    assert outcome.status is Status.UNSTABLE and place.left() == []


@pytest.mark.parametrize("now", ["folder", "link", "fifo"])
def test_a_source_that_became_something_else_is_reported(place: Place, now: str, tmp_path: Path) -> None:
    entry = place.put("f", b"data")
    path = place.source / "f"
    path.unlink()
    if now == "folder":
        path.mkdir()
    elif now == "link":
        (tmp_path / "else").write_bytes(b"data")
        path.symlink_to(tmp_path / "else")
    else:
        os.mkfifo(path)
    (outcome,) = place.do(copy_of(entry))
    assert outcome.status in (Status.FAILED, Status.UNSTABLE)
    assert outcome.failure is not None and outcome.failure.path == str(path)
    assert place.left() == []


def test_a_source_that_vanished_is_failed_and_not_tried_for_ever(place: Place) -> None:
    entry = place.put("f", b"data")
    (place.source / "f").unlink()
    (outcome,) = place.do(copy_of(entry))
    assert outcome.status is Status.FAILED
    assert outcome.failure == (
        "Copying File",
        str(place.source / "f"),
        2,
        "it is not there (any more)",
    )


# -- what the folders do -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_folder_that_is_gone_fails_each_of_its_files_and_no_other(place: Place, side: str) -> None:
    (place.destination / "gone").mkdir()
    actions = [
        copy_of(place.put("a", b"a")),
        copy_of(place.put("gone/b", b"b"), "gone"),
        copy_of(place.put("gone/c", b"c"), "gone"),
    ]
    root = place.source if side == "source" else place.destination
    for path in (root / "gone").iterdir():
        path.unlink()
    (root / "gone").rmdir()
    outcomes = place.do(*actions)
    assert [outcome.status for outcome in outcomes] == [Status.COPIED, Status.FAILED, Status.FAILED]
    assert all(o.failure is not None and o.failure.path == str(root / "gone") for o in outcomes[1:])


def test_a_folder_in_the_finals_place_is_reported_and_stays(place: Place) -> None:
    (place.destination / "f/keep").mkdir(parents=True)
    (outcome,) = place.do(copy_of(place.put("f", b"data")))
    assert outcome.status is Status.FAILED
    assert place.left() == ["f", "f/keep"]


# -- already there -------------------------------------------------------------------------------------------------


def there(place: Place, data: bytes, old: bytes) -> Action:
    entry = place.put("f", data)
    path = place.destination / "f"
    path.write_bytes(old)
    os.utime(path, ns=(TIME_NS, TIME_NS))
    return copy_of(entry, verb=Verb.PROVE, file_class=FileClass.SAME)


@pytest.mark.parametrize("size", [0, 1, 4096, (2 << 20) + 1])
def test_equal_files_are_proven_and_not_written(place: Place, size: int) -> None:
    data = os.urandom(size)
    action = there(place, data, data)
    before = (place.destination / "f").stat()
    (outcome,) = place.do(action)
    after = (place.destination / "f").stat()
    assert outcome.status is Status.PROVEN
    assert outcome.digest == xxhash.xxh3_128(data).hexdigest()
    assert outcome.evidence is level(place, Evidence.COLD)
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_ino,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def test_files_that_differ_behind_equal_size_and_time_are_copied_again(place: Place) -> None:
    data = os.urandom(100_000)
    wrong = bytearray(data)
    wrong[77_777] ^= 4
    (outcome,) = place.do(there(place, data, bytes(wrong)))
    assert outcome.status is Status.COPIED
    assert outcome.action.file_class is FileClass.CHANGED
    assert (place.destination / "f").read_bytes() == data


def test_a_source_that_changed_since_the_listing_is_not_proven_but_copied(place: Place) -> None:
    action = there(place, b"data", b"data")
    place.put("f", b"newer data", mtime_ns=TIME_NS + 5 * STEP_NS)
    (outcome,) = place.do(action)
    assert outcome.status is Status.COPIED and outcome.size_bytes == 10
    assert (place.destination / "f").read_bytes() == b"newer data"


def test_a_source_that_was_only_touched_since_the_listing_gets_its_new_time(place: Place) -> None:
    action = there(place, b"data", b"data")
    place.put("f", b"data", mtime_ns=TIME_NS + 5 * STEP_NS)
    (outcome,) = place.do(action)
    assert outcome.mtime_ns == outcome.stored_mtime_ns == TIME_NS + 5 * STEP_NS
    assert (place.destination / "f").stat().st_mtime_ns == TIME_NS + 5 * STEP_NS


# -- what is proven is not replaced by less ------------------------------------------------------------------------

PROVEN_NS = TIME_NS - 10**9  # of the source that was copied and proven


@pytest.mark.parametrize("size", [3000, (1 << 20) + 3000])
@pytest.mark.parametrize(
    ("shorter", "mtime_ns", "changes", "kept"),
    [
        (1, TIME_NS, {}, True),
        (0, PROVEN_NS - 1, {}, True),
        (0, PROVEN_NS + 1, {}, False),  # older than the listing said, not older than what was proven
        (0, TIME_NS + 1, {}, False),
        (1, PROVEN_NS - 1, {"replace_proven": True}, False),
        (0, PROVEN_NS - 1, {"policy": Policy(modify_window_ns=2 * 10**9)}, False),
    ],
)
def test_a_source_that_shrank_or_got_older_since_the_listing_does_not_replace_a_proven_copy(
    place: Place, size: int, shorter: int, mtime_ns: int, changes: Dict[str, Any], kept: bool
) -> None:
    listed = place.put("f", b"n" * size)
    proven = place.destination / "f"
    proven.write_bytes(b"p" * size)
    (there,) = fs.list_folder(str(place.destination))
    place.put("f", b"m" * (size - shorter), mtime_ns=mtime_ns)
    action = copy_of(listed, dest=there, proven_digest="0" * 32, proven_mtime_ns=PROVEN_NS)
    (outcome,) = place.do(action, **changes)
    assert place.left() == ["f"]
    if kept:
        assert outcome.status is Status.CONFLICT and proven.read_bytes() == b"p" * size
        assert outcome.failure is not None
        assert outcome.failure.reason == (
            f"the source ({size - shorter} bytes) is older or shorter than the proven copy ({size} bytes); kept. "
            "--replace_proven replaces it"
        )
    else:
        assert outcome.status is Status.COPIED and proven.read_bytes() == b"m" * (size - shorter)


def test_what_is_not_proven_is_replaced_by_a_source_that_shrank(place: Place) -> None:
    listed = place.put("f", b"longer")
    (place.destination / "f").write_bytes(b"copied")
    (there,) = fs.list_folder(str(place.destination))
    place.put("f", b"short")
    (outcome,) = place.do(copy_of(listed, dest=there))
    assert outcome.status is Status.COPIED and (place.destination / "f").read_bytes() == b"short"


# -- links ---------------------------------------------------------------------------------------------------------


def test_a_link_stays_a_link(place: Place) -> None:
    (place.source / "l").symlink_to("some where")
    os.utime(place.source / "l", ns=(TIME_NS, TIME_NS), follow_symlinks=False)
    (place.destination / "l").write_bytes(b"old")
    action = copy_of(place.entry("l"), verb=Verb.LINK)
    (outcome,) = place.do(action)
    assert outcome.status is Status.LINKED
    assert os.readlink(place.destination / "l") == "some where"
    assert (place.destination / "l").lstat().st_mtime_ns == TIME_NS
    assert place.left() == ["l"]


def test_a_link_that_is_followed_gives_the_files_bytes_at_every_level(place: Place, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"data")
    os.utime(tmp_path / "real", ns=(TIME_NS, TIME_NS))
    (place.source / "l").symlink_to(tmp_path / "real")
    entry = fs.opened(str(place.source / "l"))
    (outcome,) = place.do(copy_of(entry), policy=Policy(links=Links.FOLLOW), verify=Verify.BOTH)
    assert outcome.status is Status.COPIED
    assert outcome.evidence is level(place, Evidence.BOTH)
    assert not (place.destination / "l").is_symlink()
    assert (place.destination / "l").read_bytes() == b"data"


def test_a_link_that_cannot_be_made_is_failed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(fs.Folder, "link", refused)
    (place.source / "l").symlink_to("x")
    (outcome,) = place.do(copy_of(place.entry("l"), verb=Verb.LINK))
    assert outcome.status is Status.FAILED and outcome.failure is not None
    assert place.left() == []


def test_a_link_whose_rename_was_said_to_be_done_and_was_not_is_no_success(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fs.Folder, "replace", lambda *args: None)
    (place.source / "l").symlink_to("x")
    (place.destination / "l").write_bytes(b"old")
    (outcome,) = place.do(copy_of(place.entry("l"), verb=Verb.LINK))
    assert outcome.status is Status.RETRY and outcome.failure is not None and "rename" in outcome.failure.reason
    assert place.left() == ["l"] and (place.destination / "l").read_bytes() == b"old"


# -- stopping ------------------------------------------------------------------------------------------------------


def test_after_a_stop_nothing_is_begun(place: Place) -> None:
    stop = StopFlag()
    stop.set("Ctrl-C")
    tap = Tap()
    outcomes = place.do(*[copy_of(place.put(f"f{n}", b"x")) for n in range(3)], stop=stop, meter=tap)
    assert [outcome.status for outcome in outcomes] == [Status.STOPPED] * 3
    assert place.left() == [] and tap.total == 0


def test_a_stop_in_the_middle_of_a_large_file_leaves_no_wrong_name(place: Place) -> None:
    stop = StopFlag()

    def act(call: int) -> None:
        if call == 2:
            stop.set("Ctrl-C")

    tap = Tap(act)
    (outcome,) = place.do(copy_of(place.put("f", bytes(32 << 20))), stop=stop, meter=tap)
    assert outcome.status is Status.STOPPED
    assert not (place.destination / "f").exists()
    assert tap.total < 16 << 20


def test_a_stop_while_existing_files_are_proven(place: Place) -> None:
    stop = StopFlag()
    data = bytes(32 << 20)
    action = there(place, data, data)
    (outcome,) = place.do(action, stop=stop, meter=Tap(lambda call: stop.set("Ctrl-C")))
    assert outcome.status is Status.STOPPED
    assert (place.destination / "f").read_bytes() == data


def test_a_lock_that_is_lost_stops_before_a_name_is_taken(place: Place) -> None:
    stop = StopFlag()
    (place.destination / "f").write_bytes(b"old")
    (outcome,) = place.do(copy_of(place.put("f", b"new")), stop=stop, holds_lock=lambda: False)
    assert outcome.status is Status.STOPPED
    assert stop and "lock" in stop.reason
    assert place.left() == ["f"] and (place.destination / "f").read_bytes() == b"old"


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_a_lock_that_is_lost_during_the_read_back_stops_before_a_name_is_taken(place: Place, size: int) -> None:
    """The process may have been suspended since the batch was asked for: one file is renamed, the next no more."""
    stop, answers = StopFlag(), [True, True, False]
    (place.destination / "g").write_bytes(b"old")
    actions = [copy_of(place.put(name, bytes(size))) for name in ("f", "g", "h")]
    outcomes = place.do(*actions, stop=stop, holds_lock=lambda: bool(answers) and answers.pop(0))
    assert [outcome.status for outcome in outcomes] == [Status.COPIED, Status.STOPPED, Status.STOPPED]
    assert stop and "lock" in stop.reason
    assert place.left() == ["f", "g"] and (place.destination / "g").read_bytes() == b"old"


def test_a_lock_that_is_lost_stops_before_a_link_is_made(place: Place) -> None:
    stop = StopFlag()
    (place.source / "l").symlink_to("f")
    (outcome,) = place.do(copy_of(place.entry("l"), verb=Verb.LINK), stop=stop, holds_lock=lambda: False)
    assert outcome.status is Status.STOPPED
    assert stop and place.left() == []


def test_no_descriptor_is_left_open(place: Place) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    entries = [place.put(f"f{n}", bytes(1000 * n)) for n in range(20)]
    place.do(copy_of(entries[0]))  # libraries open what they need
    before = len(os.listdir("/proc/self/fd"))
    place.do(*[copy_of(entry) for entry in entries], copy_of(entries[0]._replace(name="missing")))
    assert len(os.listdir("/proc/self/fd")) == before


# -- a large file, by several workers ------------------------------------------------------------------------------

SLOT = 64 << 10
TOGETHER = 5 << 20  # above what is shared out here


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dict[str, Any]]:
    """What a job needs to be helped by three real workers with every file above 4 MiB."""
    monkeypatch.setattr(stream, "SLOT_BYTES", SLOT)
    monkeypatch.setattr(stream, "LEAST_BYTES", 4 << 20)
    monkeypatch.setattr(partial, "LEAST_BYTES", 4 << 20)
    monkeypatch.setattr(verifier, "_STOP_CHECK_BYTES", 4 << 20)
    desk: Desk[Any] = Desk()
    desk.allow(3)
    workers = [threading.Thread(target=desk.work, args=(lambda task: None,), daemon=True) for _ in range(3)]
    for worker in workers:
        worker.start()
    yield {"crew": desk, "helpers": 3}
    desk.close()
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def of_helpers_only(real: Any, act: Callable[[], None]) -> Any:
    """A call of the system that is preceded by `act` where a helper makes it; the worker itself comes late."""
    owner = threading.get_ident()

    def call(*values: Any, **named: Any) -> Any:
        if threading.get_ident() != owner:
            act()
        else:
            time.sleep(0.001)
        return real(*values, **named)

    return call


@pytest.mark.parametrize("size", [TOGETHER - 1, TOGETHER, TOGETHER + 1])
@pytest.mark.parametrize("verify", list(Verify))
def test_a_file_that_several_work_on_arrives_like_any_other(
    place: Place, helped: Dict[str, Any], verify: Verify, size: int
) -> None:
    data = os.urandom(size)
    tap = Tap()
    (outcome,) = place.do(copy_of(place.put("f", data)), verify=verify, also="md5", meter=tap, **helped)
    assert outcome.status is Status.COPIED and place.left() == ["f"]
    assert (place.destination / "f").read_bytes() == data
    assert (place.destination / "f").stat().st_mtime_ns == TIME_NS
    assert outcome.digest == ("" if verify is Verify.NONE else xxhash.xxh3_128_hexdigest(data))
    assert outcome.also == hashlib.md5(data).hexdigest()
    assert outcome.evidence is level(place, Evidence(verify.value))
    assert sum(place.moved) == size
    reads = {Verify.NONE: 1, Verify.INFLIGHT: 1, Verify.BOTH: 3}.get(verify, 2)
    assert tap.total == size * reads


def test_without_help_a_large_file_goes_its_own_way(
    place: Place, helped: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "Stream", None)
    monkeypatch.setattr(stream, "Stream", None)
    (outcome,) = place.do(copy_of(place.put("f", bytes(TOGETHER))))
    assert outcome.status is Status.COPIED


@pytest.mark.parametrize(
    ("call", "error", "status", "side"),
    [
        ("read_at", OSError(errno.EIO, "bad"), Status.RETRY, "source"),
        ("read_at", OSError(errno.ENOSPC, "odd"), Status.FULL, "source"),
        ("write_at", OSError(errno.EIO, "bad"), Status.RETRY, "destination"),
        ("write_at", OSError(errno.ENOSPC, "full"), Status.FULL, "destination"),
    ],
)
def test_an_error_that_a_helper_met_is_told_of_the_side_that_gave_it(
    place: Place,
    helped: Dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    error: OSError,
    status: Status,
    side: str,
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(fs, call, of_helpers_only(getattr(fs, call), fails))
    (outcome,) = place.do(copy_of(place.put("f", bytes(TOGETHER))), verify=Verify.NONE, **helped)
    assert outcome.status is status and outcome.failure is not None
    root, operation = (
        (place.source, "Copying File") if side == "source" else (place.destination, "Creating Destination File")
    )
    assert (outcome.failure.path, outcome.failure.operation) == (str(root / "f"), operation)
    assert place.left() == []


def test_a_defect_in_a_helper_is_a_defect_and_hangs_nobody(
    place: Place, helped: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise ZeroDivisionError("defect")

    monkeypatch.setattr(fs, "write_at", of_helpers_only(fs.write_at, fails))
    with pytest.raises(ZeroDivisionError, match="defect"):
        place.do(copy_of(place.put("f", bytes(TOGETHER))), **helped)
    assert not (place.destination / "f").exists()


def test_a_flush_of_the_helpers_handles_that_fails_is_told_of_the_destination(
    place: Place, helped: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(fs.Handles):
        def __init__(self, fd: int, *, write: bool = False, direct: bool = False) -> None:
            super().__init__(fd, write=write, direct=direct)
            self._fails = write

        def close(self) -> None:
            super().close()
            if self._fails:
                raise OSError(errno.EIO, "flush")

    monkeypatch.setattr(fs, "Handles", Failing)
    (outcome,) = place.do(copy_of(place.put("f", bytes(TOGETHER))), **helped)
    assert outcome.status is Status.RETRY and outcome.failure is not None
    assert outcome.failure.path == str(place.destination / "f") and place.left() == []


def test_a_stop_while_several_are_at_work_leaves_no_wrong_name(place: Place, helped: Dict[str, Any]) -> None:
    stop = StopFlag()
    tap = Tap(lambda calls: stop.set("Ctrl-C") if calls == 10 else None)
    (outcome,) = place.do(copy_of(place.put("f", bytes(TOGETHER))), stop=stop, meter=tap, **helped)
    assert outcome.status is Status.STOPPED and place.left() == []
    assert tap.total < TOGETHER


@pytest.mark.parametrize("change", [-SLOT * 3 - 5, 7])
def test_a_source_that_changes_its_length_under_several_workers_is_unstable(
    place: Place, helped: Dict[str, Any], change: int
) -> None:
    entry = place.put("f", os.urandom(TOGETHER))

    def act(calls: int) -> None:  # several workers may come here at once, and often
        os.truncate(place.source / "f", max(0, (place.source / "f").stat().st_size + change))
        os.utime(place.source / "f", ns=(TIME_NS, TIME_NS))

    (outcome,) = place.do(copy_of(entry), meter=Tap(act), **helped)
    assert outcome.status is Status.UNSTABLE and place.left() == []


def test_a_small_file_that_became_a_large_one_is_shared_out_too(place: Place, helped: Dict[str, Any]) -> None:
    entry = place.put("f", bytes(10))
    data = os.urandom(TOGETHER)
    place.put("f", data, mtime_ns=TIME_NS + 1)
    (outcome,) = place.do(copy_of(entry), **helped)
    assert outcome.status is Status.COPIED and (place.destination / "f").read_bytes() == data


def test_wrong_bytes_of_a_helper_do_not_pass_the_read_back(
    place: Place, helped: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, spoiled = fs.write_at, []  # type: Any, List[int]

    def write(fd: int, view: memoryview, offset: int) -> None:
        real(fd, view, offset + (SLOT if offset == 2 * SLOT else 0))  # one slot lands in the place of the next
        spoiled.append(offset)

    monkeypatch.setattr(fs, "write_at", write)
    (outcome,) = place.do(copy_of(place.put("f", os.urandom(TOGETHER))), **helped)
    assert outcome.status is Status.RETRY and outcome.failure is not None
    assert "not what was sent" in outcome.failure.reason and place.left() == [] and spoiled


def test_equal_large_files_are_proven_together(place: Place, helped: Dict[str, Any]) -> None:
    data = os.urandom(TOGETHER)
    (outcome,) = place.do(there(place, data, data), **helped)
    assert outcome.status is Status.PROVEN and outcome.digest == xxhash.xxh3_128_hexdigest(data)


@pytest.mark.parametrize("at", [0, SLOT, TOGETHER - 1])
def test_one_wrong_byte_of_a_large_file_is_found_together(place: Place, helped: Dict[str, Any], at: int) -> None:
    data = os.urandom(TOGETHER)
    wrong = bytearray(data)
    wrong[at] ^= 1
    (outcome,) = place.do(there(place, data, bytes(wrong)), **helped)
    assert outcome.status is Status.COPIED and (place.destination / "f").read_bytes() == data


@pytest.mark.parametrize("links", [Links.COPY, Links.FOLLOW])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_file_that_grows_while_it_is_proven_is_not_proven(
    place: Place, helped: Dict[str, Any], side: str, links: Links
) -> None:
    data = os.urandom(TOGETHER)
    action = there(place, data, data)
    path = (place.source if side == "source" else place.destination) / "f"

    def act(calls: int) -> None:
        if calls == (TOGETHER // SLOT if side == "source" else 2 * TOGETHER // SLOT):
            with open(path, "ab") as file:
                file.write(b"more")
            os.utime(path, ns=(TIME_NS, TIME_NS))

    (outcome,) = place.do(action, meter=Tap(act), policy=Policy(links=links), **helped)
    assert outcome.status is not Status.PROVEN
    if outcome.status is Status.COPIED:
        assert (place.destination / "f").read_bytes() == (place.source / "f").read_bytes()
