"""Journals of large partials: what they say, and that a run which goes on never trusts them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from test_copier import TIME_NS, Place, Tap, copy_of

from vdt import fs, journal, partial, stream
from vdt.copier import Copier
from vdt.copyjob import Batch, NoLimit, Part
from vdt.copytree import CopyRequest, copy_tree
from vdt.desk import Desk
from vdt.hashing import ChunkDigester
from vdt.journal import Journal, Journals
from vdt.model import Entry, Existing, Outcome, Policy, Status, TreeResult, Verify
from vdt.probe import unprobed
from vdt.progress import Silent
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.vizgen.crosscheck import CrossCheck
from vdt.vizgen.layout import CopyType, tree_paths
from vdt.vizgen.tree import Settings, Tools, Tree

CHUNK = 256 << 10
SIZE = 5 * CHUNK + 1000  # above what is copied in one read, so that it is a "large" file once chunks are this small
PARTIAL = ".vdt-0123456789abcdef.partial"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(journal, "CHUNK_BYTES", CHUNK)
    yield


class Large(Place):
    """One file that is large, a state folder, and runs that may end in the middle."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.state = root / "state"
        self.state.mkdir()
        self.data = os.urandom(SIZE)
        self.file: Entry = self.put("f", self.data)

    def attempt(self, *, stop_after: Optional[int] = None, tries: int = 1, **changes: Any) -> Outcome:
        """One try at the file; the run is stopped once so many bytes were read."""
        self.journals = Journals.load(str(self.state))
        stop = StopFlag()
        tap = Tap()

        def act(_call: int) -> None:
            if stop_after is not None and tap.total >= stop_after:
                stop.set("by the test")

        tap._act = act
        self.read = tap
        self.moved.clear()
        job = self.job(stop=stop, meter=tap, **changes)
        batch = Batch((Part("", [copy_of(self.file, attempt=tries)]),), SIZE)
        (outcome,) = Copier(job, self.journals)(batch)
        return outcome

    def arrived(self) -> bool:
        return (self.destination / "f").read_bytes() == self.data and self.left() == ["f"] and not self.journal_files()

    def journal_files(self) -> List[str]:
        return sorted(os.listdir(self.state))

    def partial(self) -> Path:
        (name,) = self.left()
        return self.destination / name


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Large:
    monkeypatch.setattr(fs.posix_handles, "_BUFFER_BYTES", 64 << 10)  # several reads a chunk, as a chunk of 64 MiB has
    monkeypatch.setattr(fs.posix_handles._buffers, "view", memoryview(fs.posix_handles.mmap.mmap(-1, 64 << 10)))
    return Large(tmp_path)


# -- going on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", range(5))
@pytest.mark.parametrize("verify", list(Verify))
def test_a_copy_that_was_stopped_goes_on_behind_the_chunks_that_landed(
    large: Large, chunks: int, verify: Verify
) -> None:
    stopped = large.attempt(stop_after=chunks * CHUNK + 100, verify=verify)
    assert stopped.status is Status.STOPPED and not (large.destination / "f").exists()
    assert len(large.journal_files()) == (1 if chunks else 0)
    done = large.attempt(verify=verify)
    assert done.status is Status.COPIED and large.arrived()
    assert chunks * CHUNK <= done.resumed_bytes <= (chunks + 1) * CHUNK
    assert done.digest == ("" if verify is Verify.NONE else xxhash.xxh3_128_hexdigest(large.data))
    assert sum(large.moved) == SIZE, "the bar hears of every byte once"
    assert (large.destination / "f").stat().st_mtime_ns == TIME_NS


def test_what_was_resumed_is_read_from_the_disk_and_the_rest_from_the_source(large: Large) -> None:
    large.attempt(stop_after=3 * CHUNK + 100)
    done = large.attempt(verify=Verify.INFLIGHT)
    assert large.read.total == SIZE, "the prefix once from the partial, the rest once from the source"
    assert done.resumed_bytes >= 3 * CHUNK


def test_a_second_digest_is_of_the_whole_file_too(large: Large) -> None:
    import hashlib

    large.attempt(stop_after=2 * CHUNK + 100, also="sha256")
    done = large.attempt(also="sha256")
    assert done.resumed_bytes and done.also == hashlib.sha256(large.data).hexdigest()


def test_it_can_be_stopped_many_times(large: Large) -> None:
    for chunks in (1, 2, 3):  # the prefix is read again, and one chunk more is copied
        assert large.attempt(stop_after=chunks * CHUNK + 100).status is Status.STOPPED
    assert large.attempt().status is Status.COPIED and large.arrived()


def test_a_stop_while_the_prefix_is_read_again_keeps_everything(large: Large) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    before = large.partial().read_bytes()[: 4 * CHUNK]
    assert large.attempt(stop_after=CHUNK).status is Status.STOPPED
    assert large.partial().read_bytes()[: 4 * CHUNK] == before and len(large.journal_files()) == 1
    assert large.attempt().resumed_bytes >= 4 * CHUNK and large.arrived()


# -- the disk is the truth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, CHUNK - 1, CHUNK, 3 * CHUNK + 5])
def test_a_damaged_partial_counts_up_to_the_damage(large: Large, at: int) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    data = bytearray(large.partial().read_bytes())
    data[at] ^= 1
    large.partial().write_bytes(data)
    done = large.attempt()
    assert done.status is Status.COPIED and large.arrived()
    assert done.resumed_bytes == at // CHUNK * CHUNK
    assert large.journals.notes, "it is said"
    assert done.digest == xxhash.xxh3_128_hexdigest(large.data)


@pytest.mark.parametrize("length", [0, 10, CHUNK, 2 * CHUNK + 7, 20 * CHUNK])
def test_a_partial_of_another_length_counts_as_far_as_it_is_right(large: Large, length: int) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    os.truncate(large.partial(), length)
    done = large.attempt()
    assert done.status is Status.COPIED and large.arrived()
    assert done.resumed_bytes <= length // CHUNK * CHUNK


def test_a_partial_that_is_gone_costs_a_new_copy(large: Large) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    large.partial().unlink()
    done = large.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, 0) and large.arrived()


def test_a_link_in_the_place_of_a_partial_is_never_written_through(large: Large) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    partial = large.partial()
    other = large.source.parent / "precious"
    other.write_bytes(partial.read_bytes())
    partial.unlink()
    partial.symlink_to(other)
    kept = other.read_bytes()
    done = large.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, 0) and large.arrived()
    assert other.read_bytes() == kept


@pytest.mark.parametrize("change", ["bytes and time", "size"])
def test_a_source_that_changed_starts_afresh(large: Large, change: str) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    large.data = os.urandom(SIZE if change != "size" else SIZE + 7)
    large.file = large.put("f", large.data, mtime_ns=TIME_NS + (change != "size"))
    done = large.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, 0) and large.arrived()
    assert large.journals.notes


def test_a_prefix_of_another_source_with_its_size_and_time_does_not_pass_the_proof(large: Large) -> None:
    """The journal cannot know: same size, same time. The digest of the whole is then of a file that never was."""
    large.attempt(stop_after=4 * CHUNK + 100)
    first = large.data
    large.data = os.urandom(SIZE)
    large.file = large.put("f", large.data)
    done = large.attempt(verify=Verify.BOTH)
    assert done.status is Status.RETRY and not (large.destination / "f").exists(), "the second read of the source shows"
    assert large.left() == [] and large.journal_files() == []
    assert first != large.data


# -- lies ----------------------------------------------------------------------------------------------------------


def lines_of(large: Large) -> List[str]:
    (name,) = large.journal_files()
    return (large.state / name).read_text().split("\n")[:-1]


def test_a_journal_cut_at_any_byte_costs_time_and_nothing_else(large: Large) -> None:
    large.attempt(stop_after=3 * CHUNK + 100)
    (name,) = large.journal_files()
    whole = (large.state / name).read_bytes()
    partial = large.partial().read_bytes()
    partial_name = large.partial().name
    for cut in [*range(0, len(whole), 7), len(whole) - 1]:
        (large.state / name).write_bytes(whole[:cut])
        found = Journals.load(str(large.state), tidy=False).of("f")
        complete = whole[:cut].count(b"\n") - 1
        assert (len(found.digests) if found else -1) == complete
    (large.state / name).write_bytes(whole[:-9])
    (large.destination / partial_name).write_bytes(partial)
    done = large.attempt()
    assert done.status is Status.COPIED and done.resumed_bytes >= 2 * CHUNK and large.arrived()


def test_a_journal_that_lies_about_every_chunk_is_found_out(large: Large) -> None:
    large.attempt(stop_after=3 * CHUNK + 100)
    (name,) = large.journal_files()
    text = (large.state / name).read_text().split("\n")
    lies = [text[0]] + [f'{{"chunk": {n}, "xxh128": "{"0" * 32}"}}' for n in range(5)]
    (large.state / name).write_text("\n".join(lies) + "\n")
    done = large.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, 0) and large.arrived()
    assert large.journals.notes


HEAD = {"version": 1, "path": "f", "partial": PARTIAL, "size": SIZE, "mtime_ns": 5, "chunk_bytes": CHUNK}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"path": "../f"},
        {"path": "/etc/passwd"},
        {"path": "a//b"},
        {"path": ""},
        {"path": 7},
        {"partial": "f"},
        {"partial": "../" + PARTIAL},
        {"partial": None},
        {"size": "5"},
        {"size": -1},
        {"size": True},
        {"mtime_ns": 1.5},
        {"chunk_bytes": CHUNK * 2},
        {"chunk_bytes": 0},
    ],
)
def test_a_foreign_head_is_ignored_with_a_note_and_removed(tmp_path: Path, change: Any) -> None:
    path = tmp_path / ".vdt-0123456789abcdef.journal"
    path.write_text(json.dumps({**HEAD, **change}) + "\n")
    found = Journals.load(str(tmp_path), tidy=False)
    assert len(found) == 0 and len(found.notes) == 1 and path.exists()
    assert len(Journals.load(str(tmp_path))) == 0 and not path.exists()


def test_a_sound_head_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / ".vdt-0123456789abcdef.journal").write_text(json.dumps(HEAD) + "\n")
    assert len(Journals.load(str(tmp_path))) == 1


def test_a_head_under_another_name_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / ".vdt-ffffffffffffffff.journal").write_text(json.dumps(HEAD) + "\n")
    assert len(Journals.load(str(tmp_path))) == 0


@given(st.binary(max_size=400))
def test_garbage_is_no_journal(data: bytes) -> None:
    text = data.decode("ascii", "replace")
    assert Journal.parse("state", ".vdt-0123456789abcdef.journal", text) is None


@given(st.lists(st.binary(max_size=50)), st.integers(1, 40))
def test_chunks_are_digested_whatever_the_pieces(pieces: List[bytes], chunk: int) -> None:
    digester = ChunkDigester(chunk)
    got = [digest for piece in pieces for digest in digester.update(memoryview(piece))]
    whole = b"".join(pieces)
    count = len(whole) // chunk
    assert got == [xxhash.xxh3_128_hexdigest(whole[n * chunk : (n + 1) * chunk]) for n in range(count)]


def test_a_state_folder_that_cannot_be_written_costs_the_chance_and_not_the_copy(large: Large) -> None:
    large.state.rmdir()
    large.journals = Journals(str(large.state))
    (outcome,) = Copier(large.job(), large.journals)(Batch((Part("", [copy_of(large.file)]),), SIZE))
    assert outcome.status is Status.COPIED and large.left() == ["f"]


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_chunks_that_landed(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    real, room = fs.write_all, [3 * CHUNK + 10]

    def full(fd: int, view: memoryview) -> None:
        room[0] -= len(view)
        if room[0] < 0:
            raise OSError(28, "full")
        real(fd, view)

    monkeypatch.setattr(fs, "write_all", full)
    assert large.attempt().status is Status.FULL
    assert len(large.journal_files()) == 1
    room[0] = 1 << 40
    done = large.attempt()
    assert done.resumed_bytes == 3 * CHUNK and large.arrived()


def test_after_a_flush_that_failed_nothing_is_kept(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fs.Folder.seal

    def failing(folder: fs.Folder, fd: int, name: str, **values: Any) -> None:
        real(folder, fd, name, **values)
        raise OSError(5, "flush")

    monkeypatch.setattr(fs.Folder, "seal", failing)
    assert large.attempt().status is Status.RETRY
    assert large.left() == [] and large.journal_files() == []


def test_bytes_that_read_back_wrong_are_not_kept(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fs.Folder.seal

    def spoiling(folder: fs.Folder, fd: int, name: str, **values: Any) -> None:
        os.pwrite(fd, b"spoiled", 3)
        real(folder, fd, name, **values)

    monkeypatch.setattr(fs.Folder, "seal", spoiling)
    assert large.attempt().status is Status.RETRY
    assert large.left() == [] and large.journal_files() == []


# -- whole runs ----------------------------------------------------------------------------------------------------


def copied(large: Large, **changes: Any) -> TreeResult:
    return copy_tree(CopyRequest(str(large.source), str(large.destination), **changes))


def test_a_run_goes_on_where_a_killed_one_ended_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source, destination = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    data = os.urandom(24 << 20)
    (source / "f").write_bytes(data)
    code = "import vdt.journal; vdt.journal.CHUNK_BYTES = 1 << 20; from vdt.cli.main import main; import sys; "
    command = [sys.executable, "-c", code + "sys.exit(main())", "copy", str(source), str(destination)]
    process = subprocess.Popen([*command, "--bwlimit", "12M", "--quiet"])
    state = tmp_path / ".target.vdt"
    until = time.monotonic() + 20
    while time.monotonic() < until and not list(state.glob("*.journal")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (destination / "f").exists() and list(state.glob("*.journal"))
    report = tmp_path / "report.json"
    done = subprocess.run([*command, "--json", str(report)], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert (destination / "f").read_bytes() == data
    assert json.loads(report.read_text())["resumed_bytes"] >= 1 << 20
    assert os.listdir(destination) == ["f"] and not state.exists()


def left_by_an_earlier_run(large: Large) -> Path:
    """A partial and its journal, as `vdt copy` finds them."""
    large.state.rmdir()
    large.state = large.destination.parent / ".target.vdt"
    large.state.mkdir()
    large.attempt(stop_after=3 * CHUNK + 100)
    return large.partial()


def test_the_next_run_takes_up_what_it_finds(large: Large) -> None:
    left_by_an_earlier_run(large)
    result = copied(large)
    assert result.exit_code == 1 and result.resumed_bytes >= 3 * CHUNK and result.proven
    assert large.left() == ["f"] and not large.state.exists()


def test_a_partial_whose_source_is_gone_is_removed_with_its_journal(large: Large) -> None:
    left_by_an_earlier_run(large)
    (large.source / "f").unlink()
    assert copied(large).exit_code == 0
    assert large.left() == [] and not large.state.exists()


def test_a_file_that_was_completed_by_other_means_leaves_no_partial(large: Large) -> None:
    left_by_an_earlier_run(large)
    (large.destination / "f").write_bytes(large.data)
    os.utime(large.destination / "f", ns=(TIME_NS, TIME_NS))
    assert copied(large).exit_code == 0
    assert large.left() == ["f"] and not large.state.exists()


def test_a_run_that_does_not_get_there_keeps_it(large: Large) -> None:
    partial = left_by_an_earlier_run(large)
    stop = StopFlag()
    stop.set("at once")
    copy_tree(CopyRequest(str(large.source), str(large.destination)), stop=stop)
    assert partial.exists() and large.journal_files()
    assert copied(large).resumed_bytes >= 3 * CHUNK


def test_a_partial_that_cannot_be_read_back_twice_is_written_anew(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*values: Any, **named: Any) -> Any:
        raise OSError(5, "bad sector")

    with monkeypatch.context() as broken:
        broken.setattr(fs.Folder, "open_back", unreadable)
        broken.setattr(fs.Folder, "read_whole", unreadable)
        assert large.attempt().status is Status.RETRY
        assert len(large.journal_files()) == 1, "a connection may have been cut: the chunks are kept"
        assert large.attempt(tries=2).status is Status.RETRY
        assert large.left() == [] and large.journal_files() == []
    done = large.attempt(tries=3)
    assert (done.status, done.resumed_bytes) == (Status.COPIED, 0) and large.arrived()


def test_the_mode_of_a_resumed_file_is_the_sources(large: Large) -> None:
    large.attempt(stop_after=2 * CHUNK + 100)
    (large.source / "f").chmod(0o604)
    os.utime(large.source / "f", ns=(TIME_NS, TIME_NS))
    large.file = large.entry("f")
    assert large.attempt().resumed_bytes
    assert (large.destination / "f").stat().st_mode & 0o777 == 0o604


def test_the_driver_may_ask_while_workers_begin_and_end(tmp_path: Path) -> None:
    journals = Journals(str(tmp_path))
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    ended = threading.Event()

    def work(name: str) -> None:
        while not ended.is_set():
            begun = [journals.begin(f"{name}{n}", PARTIAL, SIZE, 5) for n in range(50)]
            for one in begun:
                assert one is not None
                journals.drop(one)

    workers = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    try:
        for worker in workers:
            worker.start()
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            assert not journals.knows("elsewhere/" + PARTIAL)
            assert journals.landed_bytes == 0
            assert [one for one in journals.untouched() if not one.touched] == []
    finally:
        ended.set()
        for worker in workers:
            worker.join()
        sys.setswitchinterval(switch)


def test_a_run_that_could_not_list_a_folder_keeps_what_may_belong_there(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = left_by_an_earlier_run(large)
    (large.source / "sub").mkdir()
    (large.source / "f").rename(large.source.parent / "aside")
    real = fs.list_folder

    def listed(path: str, **values: Any) -> Any:
        if path.endswith("sub"):
            raise PermissionError(13, "no")
        return real(path, **values)

    with monkeypatch.context() as broken:
        broken.setattr(fs, "list_folder", listed)
        assert copied(large).exit_code & 8
    assert partial.exists() and large.journal_files()
    (large.source.parent / "aside").rename(large.source / "f")
    os.utime(large.source / "f", ns=(TIME_NS, TIME_NS))
    assert copied(large).resumed_bytes >= 3 * CHUNK


# -- what a damaged copy could hide behind -------------------------------------------------------------------------


def test_a_wrong_chunk_counts_no_more_though_the_next_ones_look_like_it(large: Large) -> None:
    """Chunks of one content (zeros) have one digest: a right one must not be taken for the wrong one before it."""
    large.data = bytes(SIZE)
    large.file = large.put("f", large.data)
    large.attempt(stop_after=4 * CHUNK + 100)
    with open(large.partial(), "r+b") as file:
        file.seek(CHUNK + 10)
        file.write(b"wrong")
    done = large.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, CHUNK) and large.arrived()


def test_a_wrong_chunk_counts_no_more_when_one_read_holds_many(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "CHUNK_BYTES", 16 << 10)
    large.data = bytes(SIZE)
    large.file = large.put("f", large.data)
    large.attempt(stop_after=4 * CHUNK + 100)
    with open(large.partial(), "r+b") as file:
        file.seek(20 << 10)
        file.write(b"wrong")
    done = large.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, 16 << 10) and large.arrived()


def test_a_journal_in_which_a_line_is_missing_ends_there(large: Large) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    lines = lines_of(large)
    (name,) = large.journal_files()
    del lines[2]
    (large.state / name).write_text("\n".join(lines) + "\n")
    found = Journals.load(str(large.state)).of("f")
    assert found is not None and len(found.digests) == 1


def test_after_a_damaged_partial_the_journal_on_disk_is_true_again(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one run: the second try goes on behind the first chunk, and is stopped in its turn."""
    large.attempt(stop_after=4 * CHUNK + 100)
    with open(large.partial(), "r+b") as file:
        file.seek(CHUNK + 10)
        file.write(b"wrong")
    loaded = large.journals
    monkeypatch.setattr(Journals, "load", classmethod(lambda cls, folder: loaded))
    large.attempt(stop_after=5 * CHUNK + 100)  # two read again, the right one once more, two sent
    monkeypatch.undo()
    monkeypatch.setattr(journal, "CHUNK_BYTES", CHUNK)
    text = lines_of(large)
    wanted = [xxhash.xxh3_128_hexdigest(large.data[n * CHUNK : (n + 1) * CHUNK]) for n in range(len(text) - 1)]
    assert len(text) > 2
    assert [json.loads(line) for line in text[1:]] == [{"chunk": n, "xxh128": d} for n, d in enumerate(wanted)]


def test_a_stop_is_not_kept_waiting_by_a_long_prefix(large: Large) -> None:
    large.attempt(stop_after=4 * CHUNK + 100)
    assert large.attempt(stop_after=1).status is Status.STOPPED
    assert large.read.total < CHUNK


def test_a_file_that_fails_for_good_is_taken_up_by_the_next_run(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    left_by_an_earlier_run(large)

    def refused(*values: Any, **named: Any) -> None:
        raise PermissionError(13, "no")

    with monkeypatch.context() as broken:
        broken.setattr("vdt.claim.probe", unprobed)  # which would be refused, too
        broken.setattr(fs, "write_all", refused)
        assert copied(large).exit_code & 8
    assert large.journal_files()
    assert copied(large).resumed_bytes >= 3 * CHUNK


def loses_the_lock(large: Large) -> Callable[[], bool]:
    """A lock that is taken over when the last chunk has passed."""
    return lambda: sum(large.moved) < SIZE


def test_a_lost_lock_leaves_the_partial_to_whoever_holds_it_now(large: Large) -> None:
    assert large.attempt(holds_lock=loses_the_lock(large)).status is Status.STOPPED
    assert len(large.left()) == 1 and len(large.journal_files()) == 1


@pytest.mark.parametrize("helpers", [0, 1])
def test_who_lost_the_lock_in_a_large_file_stops_at_the_next_chunk_and_leaves_its_journal(
    large: Large, monkeypatch: pytest.MonkeyPatch, helpers: int
) -> None:
    """A process that stood still, and whose partial was taken up by another one meanwhile."""
    monkeypatch.setattr(partial, "LEAST_BYTES", 0)
    monkeypatch.setattr(stream, "SLOT_BYTES", 64 << 10)
    large.attempt(stop_after=2 * CHUNK + 100)
    (journal_file,) = large.state.iterdir()
    recorded, size = journal_file.read_bytes(), large.partial().stat().st_size
    assert large.attempt(holds_lock=lambda: False, helpers=helpers).status is Status.STOPPED
    assert sum(large.moved) <= size + CHUNK
    assert journal_file.read_bytes() == recorded
    assert large.attempt().resumed_bytes >= 2 * CHUNK and large.arrived()


def test_who_lost_the_lock_throws_nothing_away_that_another_may_go_on_with(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush fails, so the partial does not count any more for who wrote it; but it is no longer his."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "no flush")

    with monkeypatch.context() as broken:
        broken.setattr(fs.Folder, "seal", fails)
        large.attempt(holds_lock=loses_the_lock(large))
    assert len(large.left()) == 1 and len(large.journal_files()) == 1


# -- a run's tree --------------------------------------------------------------------------------------------------


def test_the_drop_in_goes_on_and_asks_for_no_more_room_than_is_left(large: Large, tmp_path: Path) -> None:
    paths = tree_paths(CopyType.OUTPUT, "RUN", str(tmp_path / "Z"), str(tmp_path / "L"), str(tmp_path / "logs"))
    source, destination = Path(paths.source), Path(paths.destination)
    source.parent.mkdir(parents=True)
    destination.parent.mkdir(parents=True)
    large.source.rename(source)
    large.destination.rename(destination)
    large.source, large.destination, large.state = source, destination, Path(paths.state_folder)
    large.state.mkdir(parents=True)
    large.attempt(stop_after=3 * CHUNK + 100)
    landed = (len(lines_of(large)) - 1) * CHUNK
    stop = StopFlag()
    tools = Tools(stop, Silent(), NoLimit(), lambda line: None, CrossCheck("off", "", 1, lambda line: None, stop))
    settings = Settings(Policy(), Verify.COLD, Existing.PROVE, False, 2, RetryPlan(), None)
    tree = Tree(paths, settings, tools, frozenset(), frozenset())
    tree.prepare()
    assert landed >= 3 * CHUNK and tree.count() == SIZE - landed
    result = tree.transfer().result
    assert result is not None and result.resumed_bytes == landed and result.proven
    assert large.left() == ["f"] and not large.state.parent.exists()


# -- several workers on one partial --------------------------------------------------------------------------------

SLOT = 64 << 10


class Together(Large):
    """The same, with a desk of three workers that help, and a look at the disk before each write."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.desk: Desk[Any] = Desk()
        self.desk.allow(3)
        self.workers = [
            threading.Thread(target=self.desk.work, args=(lambda task: None,), daemon=True) for _ in range(3)
        ]
        for worker in self.workers:
            worker.start()

    def attempt(self, **values: Any) -> Outcome:
        return super().attempt(crew=self.desk, helpers=3, **values)

    def end(self) -> None:
        self.desk.close()
        for worker in self.workers:
            worker.join(10)
            assert not worker.is_alive()

    def on_record(self) -> List[str]:
        """The digests that a run after a kill at this moment would find."""
        for name in self.journal_files():
            if name.endswith(".journal"):
                found = Journal.parse(str(self.state), name, (self.state / name).read_text())
                if found is not None:
                    return found.digests
        return []

    def true_on_disk(self) -> int:
        """Number of chunks on record; each of them must lie in the partial as a whole."""
        digests = self.on_record()
        if digests:
            held = self.partial().read_bytes()
            for number, digest in enumerate(digests):
                assert digest == xxhash.xxh3_128_hexdigest(held[number * CHUNK : (number + 1) * CHUNK]), number
        return len(digests)


@pytest.fixture
def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Together]:
    monkeypatch.setattr(stream, "SLOT_BYTES", SLOT)
    monkeypatch.setattr(stream, "LEAST_BYTES", SLOT)
    monkeypatch.setattr(partial, "LEAST_BYTES", SLOT)
    one = Together(tmp_path)
    yield one
    one.end()


@pytest.mark.parametrize("late", [0, 1, 2, 5, 7])
def test_a_chunk_is_on_record_when_it_has_landed_without_a_gap_and_not_before(
    together: Together, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """One slot lands long after those behind it. At every write the disk is looked at, as if a kill came then."""
    real, real_read, lock, owner = fs.write_at, fs.read_at, threading.Lock(), threading.get_ident()
    written: List[int] = []

    def write(fd: int, view: memoryview, offset: int) -> None:
        with lock:
            together.true_on_disk()
        if offset == late * SLOT:
            until = time.monotonic() + 5
            while threading.get_ident() != owner and len(written) < late + 3 and time.monotonic() < until:
                time.sleep(0.001)
            assert len(together.on_record()) <= late * SLOT // CHUNK, "what lies behind the gap does not count"
        real(fd, view, offset)
        with lock:
            written.append(offset)
            together.true_on_disk()

    def read(*values: Any, **named: Any) -> int:
        if threading.get_ident() == owner:
            time.sleep(0.003)  # let the others do the writing
        return real_read(*values, **named)

    monkeypatch.setattr(fs, "read_at", read)
    monkeypatch.setattr(fs, "write_at", write)
    done = together.attempt(verify=Verify.INFLIGHT)
    assert done.status is Status.COPIED and together.arrived()
    assert len(written) == -(-SIZE // SLOT)


@pytest.mark.parametrize("stop_after", [CHUNK + 100, 2 * CHUNK + SLOT, 4 * CHUNK + 100])
@pytest.mark.parametrize("verify", [Verify.NONE, Verify.COLD])
def test_what_several_began_several_go_on_with(together: Together, stop_after: int, verify: Verify) -> None:
    assert together.attempt(stop_after=stop_after, verify=verify).status is Status.STOPPED
    landed = together.true_on_disk()
    done = together.attempt(verify=verify)
    assert done.status is Status.COPIED and together.arrived()
    assert done.resumed_bytes == landed * CHUNK
    assert done.digest == ("" if verify is Verify.NONE else xxhash.xxh3_128_hexdigest(together.data))
    assert sum(together.moved) == SIZE


@pytest.mark.parametrize("call", ["read_at", "write_at"])
@pytest.mark.parametrize("fails_at", [0, 3 * SLOT, 9 * SLOT, 20 * SLOT])
def test_after_an_error_of_any_slot_the_record_is_true_and_the_next_try_heals_it(
    together: Together, monkeypatch: pytest.MonkeyPatch, call: str, fails_at: int
) -> None:
    real = getattr(fs, call)

    def failing(fd: int, view: memoryview, offset: int, *rest: Any, **named: Any) -> Any:
        if offset == fails_at:
            raise OSError(5, "broken")
        return real(fd, view, offset, *rest, **named)

    with monkeypatch.context() as broken:
        broken.setattr(fs, call, failing)
        assert together.attempt().status is Status.RETRY
    landed = together.true_on_disk()
    assert landed <= fails_at // CHUNK
    assert bool(together.left()) == bool(landed), "a partial without a chunk on record is not kept"
    done = together.attempt()
    assert done.status is Status.COPIED and together.arrived() and done.resumed_bytes == landed * CHUNK


def test_after_a_flush_of_a_helpers_handle_that_failed_nothing_is_kept(
    together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(fs.Handles):
        def __init__(self, fd: int, *, write: bool = False, direct: bool = False) -> None:
            super().__init__(fd, write=write, direct=direct)
            self._fails = write

        def close(self) -> None:
            if self._fails:
                raise OSError(5, "flush")

    with monkeypatch.context() as broken:
        broken.setattr(fs, "Handles", Failing)
        assert together.attempt().status is Status.RETRY
        assert together.left() == [] and together.journal_files() == []
        assert together.attempt(stop_after=3 * CHUNK).status is Status.RETRY, "after a stop too"
        assert together.left() == [] and together.journal_files() == []
    assert together.attempt().status is Status.COPIED and together.arrived()


def test_a_hole_in_a_partial_is_never_taken_for_what_was_sent(together: Together) -> None:
    """A file system that forgets a write after a power cut leaves zeros where the journal knows of bytes."""
    together.attempt(stop_after=4 * CHUNK + 100)
    landed = together.true_on_disk()
    assert landed >= 2
    with open(together.partial(), "r+b") as file:
        file.seek(CHUNK + SLOT)
        file.write(bytes(SLOT))
    done = together.attempt()
    assert (done.status, done.resumed_bytes) == (Status.COPIED, CHUNK) and together.arrived()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20), st.integers(1, 8), st.integers(0, 3))
def test_landed_never_runs_ahead_of_what_is_told(steps: List[int], chunk: int, good: int) -> None:
    """Bytes pass in order, land later; whatever the steps, the record ends with the last whole chunk that landed."""
    size = 200
    data = os.urandom(size)
    record = Journal("", "f", PARTIAL, size, 5, chunk_bytes=chunk)
    record._written = -1  # no file
    record.digests = [xxhash.xxh3_128_hexdigest(data[n * chunk : (n + 1) * chunk]) for n in range(good + 1)]
    record.goes_on(good)
    passed = landed = good * chunk
    for step in steps:
        before = passed
        passed = min(size, passed + step)
        record.passed(memoryview(data)[before:passed])
        landed = max(landed, min(passed, landed + step // 2))
        record.landed(landed)
        assert len(record.digests) == max(good, landed // chunk)
        assert record.landed_bytes <= max(landed, good * chunk)
    record.landed(passed)
    assert record.digests == [
        xxhash.xxh3_128_hexdigest(data[n * chunk : (n + 1) * chunk]) for n in range(max(good, passed // chunk))
    ]
