"""`vdt copy` as a function: where its state lies, when it refuses, what it leaves behind."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from vdt import copytree, fs, outage
from vdt.claim import claim
from vdt.copyjob import NoLimit
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import LockedError, LostOutputError, RefusedError
from vdt.evidence import host_name
from vdt.lock import Holder, TreeLock
from vdt.model import Evidence, Existing, Policy, TreeResult, Verify
from vdt.retry import RetryPlan
from vdt.stop import StopFlag

FILES = {"a.txt": b"alpha", "sub/b.bin": bytes(5000), "sub/deep/c.bin": b"c" * 70_000, "empty": b""}


class Place:
    def __init__(self, root: Path) -> None:
        self.root, self.source, self.destination = root, root / "source", root / "target"
        for name, data in FILES.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def copy(self, stop: Any = None, **changes: Any) -> TreeResult:
        values = {"retry": RetryPlan(1, 0.0), "threads": 2, **changes}
        return copy_tree(CopyRequest(str(self.source), str(self.destination), **values), stop=stop)

    def names(self, below: str = "") -> List[str]:
        root = self.root / below
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))

    def arrived(self) -> bool:
        return {
            path.relative_to(self.destination).as_posix(): path.read_bytes()
            for path in self.destination.rglob("*")
            if path.is_file()
        } == FILES


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_tree_is_copied_proven_and_nothing_else_is_left(place: Place) -> None:
    result = place.copy()
    assert result.exit_code == 1 and result.complete and result.proven and result.reached_end
    assert place.arrived()
    assert sorted(os.listdir(place.root)) == ["source", "target"]
    assert place.names("target") == place.names("source")
    for path in place.source.rglob("*"):
        twin = place.destination / path.relative_to(place.source)
        assert twin.stat().st_mtime_ns == path.stat().st_mtime_ns, path
        assert twin.stat().st_mode == path.stat().st_mode, path


def test_the_root_gets_its_time_and_mode_too(place: Place) -> None:
    place.source.chmod(0o750)
    os.utime(place.source, ns=(1_600_000_000_000_000_007,) * 2)
    place.copy()
    found = place.destination.stat()
    assert (found.st_mtime_ns, found.st_mode) == (1_600_000_000_000_000_007, place.source.stat().st_mode)


def test_a_second_run_trusts_size_and_time_and_says_so(place: Place) -> None:
    place.copy()
    result = place.copy()
    assert (result.exit_code, result.files.copied, result.files.skipped) == (0, 0, 4)
    assert result.files_by_evidence == {Evidence.PRESENT: 4}
    assert result.complete and not result.proven


def test_or_proves_where_it_is_asked_to(place: Place) -> None:
    place.copy()
    path = place.destination / "sub/b.bin"
    stat = path.stat()
    path.write_bytes(b"x" + bytes(4999))
    os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert place.copy().exit_code == 0, "size and time are the same: trust cannot see it"
    result = place.copy(existing=Existing.PROVE)
    assert (result.exit_code, result.files.copied, result.files.skipped) == (1, 1, 3)
    assert place.arrived() and result.proven


@pytest.mark.parametrize("level", list(Verify))
def test_each_level_is_recorded_as_what_it_was(place: Place, level: Verify) -> None:
    result = place.copy(verify=level)
    assert place.arrived()
    cold = fs.volume(str(place.root)).cold_reads
    wanted = Evidence(level.value)
    if not cold and level in (Verify.COLD, Verify.BOTH):
        wanted = Evidence.REREAD
    assert result.files_by_evidence == {wanted: 4}
    assert result.proven == (level in (Verify.REREAD, Verify.COLD, Verify.BOTH))


# -- refusals ------------------------------------------------------------------------------------------------------


def test_a_source_that_is_missing_or_a_file_is_refused_and_nothing_is_made(place: Place) -> None:
    (place.root / "file").write_bytes(b"x")
    before = place.names()
    for source, words in (("missing", "cannot be read"), ("file", "is not a folder")):
        with pytest.raises(RefusedError, match=words):
            copy_tree(CopyRequest(str(place.root / source), str(place.destination)))
    assert place.names() == before


@pytest.mark.parametrize("destination", ["source", "source/sub/new", "."])
def test_paths_that_overlap_are_refused_and_nothing_is_made(place: Place, destination: str) -> None:
    before = place.names()
    with pytest.raises(RefusedError, match=r"is the source itself|lies inside"):
        copy_tree(CopyRequest(str(place.source), str(place.root / destination)))
    assert place.names() == before


def test_a_destination_that_fails_the_probe_is_not_left_behind(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise PermissionError(13, "no")

    place.destination = place.root / "new/deeper/target"
    monkeypatch.setattr(fs.Folder, "replace", refused)
    with pytest.raises(RefusedError, match="renamed"):
        place.copy()
    assert sorted(os.listdir(place.root)) == ["source"]


def test_a_destination_that_is_locked_is_not_left_behind(place: Place) -> None:
    holder = TreeLock(str(place.root / ".target.vdt"), say=print, wait=StopFlag().wait)
    holder.acquire()
    with pytest.raises(LockedError):
        place.copy()
    holder.release()
    assert sorted(os.listdir(place.root)) == ["source"]


def test_the_folder_of_whoever_was_faster_is_not_taken_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found it missing. It would take its destination for a share that went away."""
    holder = TreeLock(str(place.root / ".target.vdt"), say=print, wait=StopFlag().wait)

    def slower(*words: Any) -> Any:
        holder.acquire()
        return claim(*words)

    monkeypatch.setattr(copytree, "claim", slower)
    with pytest.raises(LockedError):
        place.copy()
    assert place.destination.is_dir() and holder.held()
    holder.release()


@pytest.mark.parametrize("where", [".target.vdt", "target/.vdt"])
def test_a_tree_that_is_worked_on_is_refused(place: Place, where: str) -> None:
    place.destination.mkdir()
    holder = TreeLock(str(place.root / where), say=print, wait=StopFlag().wait)
    holder.acquire()
    with pytest.raises(LockedError, match=str(os.getpid())) as caught:
        place.copy()
    assert caught.value.exit_code == 16
    assert [name for name in place.names("target") if not name.startswith(".vdt")] == [], "nothing was copied"
    assert holder.held()
    holder.release()
    assert place.copy().exit_code == 1


def test_a_data_folder_named_as_our_state_does_not_hide_the_lock(place: Place) -> None:
    (place.destination / ".vdt").mkdir(parents=True)
    holder = TreeLock(str(place.root / ".target.vdt"), say=print, wait=StopFlag().wait)
    holder.acquire()
    try:
        with pytest.raises(LockedError):
            place.copy()
    finally:
        holder.release()


def test_a_dead_lock_is_taken_over_with_a_note_in_the_result(place: Place) -> None:
    state = place.root / ".target.vdt"
    state.mkdir()
    dead = Holder(host_name(), 2147483646, "1", "then", "t", 1)
    (state / "lock.json").write_text(json.dumps(asdict(dead)))
    result = place.copy()
    assert result.exit_code == 1
    assert any("died" in note for note in result.notes)
    assert not state.exists()


@pytest.mark.parametrize("inside", [False, True])
def test_dead_locks_in_both_places_are_gone_afterwards(place: Place, inside: bool) -> None:
    """A run that could not remove its lock beside the destination had gone on with one inside it."""
    states = [place.destination / ".vdt", place.destination.parent / f".{place.destination.name}.vdt"]
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    for state in states if inside else states[1:]:
        state.mkdir(parents=True)
        lock = {"host": host_name(), "process_id": child.pid, "process_started": "1", "since": "", "token": state.name}
        (state / "lock.json").write_text(json.dumps({**lock, "counter": 0}), encoding="ascii")
    result, _ = copy(place, NoLimit())
    assert result.complete and same(place)
    assert not any(state.exists() for state in states)


def test_the_lock_is_held_while_it_copies(place: Place) -> None:
    seen: List[bool] = []

    def sink(*args: Any) -> None:
        with pytest.raises(LockedError):
            TreeLock(str(place.root / ".target.vdt"), say=print, wait=StopFlag().wait).acquire()
        seen.append(True)

    copy_tree(CopyRequest(str(place.source), str(place.destination)), each_file=sink)
    assert len(seen) == 4


def test_a_lock_that_is_lost_stops_the_copy_before_a_name_is_taken(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TreeLock, "held", lambda self: False)
    result = place.copy()
    assert result.exit_code & 8 and not result.reached_end
    assert "lock" in result.stopped
    assert not any(path.is_file() for path in place.destination.rglob("*"))


@pytest.mark.parametrize(
    ("target", "theirs"),
    [
        ("target", "target/.sub.vdt"),  # they copy into target/sub, we into target
        ("target", "target/sub/.vdt"),
        ("target/sub", ".target.vdt"),  # the other way round
    ],
)
def test_partials_of_a_transfer_inside_or_around_are_left_while_it_may_be_alive(
    place: Place, target: str, theirs: str
) -> None:
    partial = place.root / "target/sub/deep/.vdt-0123456789abcdef.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"under way")
    source = place.source / "sub" if target == "target/sub" else place.source
    holder = TreeLock(str(place.root / theirs), say=print, wait=StopFlag().wait)
    holder.acquire()
    request = CopyRequest(str(source), str(place.root / target))
    assert copy_tree(request).complete and partial.exists()
    holder.release()
    assert copy_tree(request).complete and not partial.exists()


# -- where the state lies ------------------------------------------------------------------------------------------


def test_where_nothing_can_lie_beside_the_state_lies_inside_and_is_never_data(place: Place) -> None:
    (place.root / ".target.vdt").write_bytes(b"a file in the folder's place")
    seen: List[List[str]] = []

    def sink(*args: Any) -> None:
        seen.append(os.listdir(place.destination / ".vdt"))

    result = copy_tree(CopyRequest(str(place.source), str(place.destination), existing=Existing.TRUST), each_file=sink)
    assert all("lock.json" in names for names in seen) and len(seen) == 4
    assert result.exit_code == 1 and not result.extra
    assert place.arrived(), "the state is gone when the copy is complete"


def test_the_root_of_a_disk_keeps_its_state_inside(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent of a mount point is another file system."""
    place.destination.mkdir()
    real = fs.real_id
    other = str(place.root)
    monkeypatch.setattr(fs, "real_id", lambda path: (1, 2) if path == other else real(path))
    seen: List[bool] = []

    def sink(*args: Any) -> None:
        seen.append((place.destination / ".vdt/lock.json").exists() and not (place.root / ".target.vdt").exists())

    copy_tree(CopyRequest(str(place.source), str(place.destination)), each_file=sink)
    assert seen == [True] * 4
    assert place.arrived()


@pytest.mark.parametrize("times", [2, 3])
def test_a_disk_that_fails_under_the_lock_moves_no_state_inside(
    place: Place, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    real, left = TreeLock._write_beside, [times]

    def fails(lock: TreeLock, holder: Holder) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.EIO, "no flush")
        return real(lock, holder)

    monkeypatch.setattr(TreeLock, "_write_beside", fails)
    if times < 3:
        assert place.copy().exit_code == 1 and place.arrived()
    else:
        with pytest.raises(RefusedError, match=r"lock\.json cannot be written"):
            place.copy()
    assert sorted(os.listdir(place.root)) == (["source", "target"] if times < 3 else ["source"])


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG])
def test_a_parent_that_refuses_the_state_has_it_inside(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = fs.make_folder

    def refuses(path: str, **how: Any) -> None:
        if path.endswith(".target.vdt"):
            raise OSError(code, os.strerror(code))
        real(path, **how)

    monkeypatch.setattr(fs, "make_folder", refuses)
    result = place.copy()
    assert result.exit_code == 1 and place.arrived()
    assert place.names("target") == place.names("source")


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_empty_state_folder_that_was_left_inside_is_no_extra_and_goes(place: Place, dry_run: bool) -> None:
    place.copy()
    (place.destination / ".vdt").mkdir()
    result = place.copy(dry_run=dry_run)
    assert (result.exit_code, result.dirs.extras) == (0, 0)
    assert (place.destination / ".vdt").exists() == dry_run


@pytest.mark.parametrize("where", ["source", "target"])
def test_a_folder_of_that_name_that_is_data_stays(place: Place, where: str) -> None:
    """Of the source, or with something in it."""
    place.copy()
    (place.root / where / ".vdt").mkdir()
    if where == "source":
        (place.destination / ".vdt").mkdir()
    else:
        (place.destination / ".vdt/notes").write_bytes(b"x")
    result = place.copy()
    assert (place.destination / ".vdt").exists()
    assert result.dirs.extras == (where == "target")


# -- a dry run -----------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_at_all(place: Place) -> None:
    before = [(path, path.lstat().st_mtime_ns) for path in sorted(place.root.rglob("*"))]
    result = place.copy(
        dry_run=True, log=str(place.root / "x.log"), manifest=str(place.root / "x.xxh128"), existing=Existing.PROVE
    )
    assert [(path, path.lstat().st_mtime_ns) for path in sorted(place.root.rglob("*"))] == before
    assert result.files.copied == 4 and result.size_bytes.copied == sum(map(len, FILES.values()))


def test_a_dry_run_changes_nothing_that_is_there(place: Place) -> None:
    place.copy()
    (place.source / "a.txt").write_bytes(b"longer than before")
    (place.destination / ".vdt-0123456789abcdef.partial").write_bytes(b"left by somebody")
    before = [(path, path.lstat().st_mtime_ns) for path in sorted(place.destination.rglob("*"))]
    result = place.copy(dry_run=True)
    assert [(path, path.lstat().st_mtime_ns) for path in sorted(place.destination.rglob("*"))] == before
    assert (result.files.copied, result.files.skipped) == (1, 3)


def test_a_dry_run_does_not_mind_a_lock(place: Place) -> None:
    holder = TreeLock(str(place.root / ".target.vdt"), say=print, wait=StopFlag().wait)
    holder.acquire()
    assert place.copy(dry_run=True).files.copied == 4
    assert holder.held()
    holder.release()


# -- reports -------------------------------------------------------------------------------------------------------


def test_a_manifest_is_written_and_the_next_run_knows_what_is_proven(place: Place) -> None:
    path = place.root / "t.xxh128"
    first = place.copy(manifest=str(path))
    lines = path.read_text().splitlines()
    assert [line.partition("  ")[2] for line in lines] == sorted(FILES)
    assert first.manifest == str(path) and len(first.manifest_sha256) == 64
    assert (place.root / "t.evidence").is_dir()
    again = place.copy(manifest=str(path))
    assert again.files_by_evidence == {Evidence.ON_RECORD: 4}
    assert again.proven and path.read_text().splitlines() == lines


def test_a_log_is_written_anew_or_appended_to(place: Place) -> None:
    path = place.root / "x.log"
    place.copy(log=str(path))
    size = path.stat().st_size
    assert size > 500
    place.copy(log=str(path), append_log=True)
    assert path.stat().st_size > size * 1.3
    place.copy(log=str(path))
    assert path.stat().st_size < size * 1.3


def test_a_log_that_cannot_be_opened_gives_the_lock_back(place: Place) -> None:
    with pytest.raises(LostOutputError):
        place.copy(log=str(place.root / "missing/x.log"))
    assert not (place.root / ".target.vdt").exists()
    assert place.copy().exit_code == 1


def test_a_stop_before_the_first_file_is_no_success(place: Place) -> None:
    stop = StopFlag()
    stop.set("Ctrl-C")
    result = place.copy(stop=stop)
    assert result.exit_code == 8 and result.stopped == "Ctrl-C" and not result.complete
    assert not any(path.is_file() for path in place.destination.rglob("*"))
    assert place.copy().exit_code == 1 and place.arrived()


# -- what the probe found is kept to, and the machine is kept awake ------------------------------------------------


def test_a_share_that_refuses_times_is_copied_to_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/f").write_bytes(b"data")

    def refuses(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "refused")

    monkeypatch.setattr(os, "utime", refuses)
    result = copy_tree(CopyRequest(str(tmp_path / "s"), str(tmp_path / "d"), policy=Policy(folder_times=False)))
    assert result.exit_code == 1 and (tmp_path / "d/f").read_bytes() == b"data"
    assert result.retries == 0
    assert [note for note in result.notes if "time was refused" in note]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that keeps times to 2 s."""
    real, step = os.utime, 2 * 10**9

    def utime(path: Any, ns: Any, **options: Any) -> None:
        real(path, ns=tuple(value // step * step for value in ns), **options)

    monkeypatch.setattr(os, "utime", utime)


ODD_NS = 1_700_000_001_123_456_789


def stamp(path: Path, mtime_ns: int) -> None:
    """Give a time as it is, whatever the share makes of it."""
    subprocess.run(
        [sys.executable, "-c", f"import os; os.utime({str(path)!r}, ns=({mtime_ns}, {mtime_ns}))"], check=True
    )


def test_a_share_that_rounds_times_is_not_copied_to_twice(place: Place, rounds: None) -> None:
    for name in FILES:
        stamp(place.source / name, ODD_NS)
    first, second = place.copy(), place.copy()
    assert (first.files.copied, second.files.copied, second.exit_code) == (4, 0, 0)
    assert [note for note in second.notes if "about 2 s; closer ones count as equal" in note]
    assert second.files_by_evidence == {Evidence.PRESENT: 4} and not second.proven


@pytest.mark.parametrize("records", [False, True], ids=["without records", "with records"])
def test_a_change_within_the_step_of_a_share_is_found_by_who_asks_for_proof(
    place: Place, rounds: None, records: bool
) -> None:
    manifest = str(place.root / "t.xxh128") if records else ""
    stamp(place.source / "a.txt", ODD_NS)
    place.copy(existing=Existing.PROVE, manifest=manifest)
    (place.source / "a.txt").write_bytes(b"ALPHA")
    stamp(place.source / "a.txt", ODD_NS + 7)
    result = place.copy(existing=Existing.PROVE, manifest=manifest)
    assert (result.exit_code, result.files.copied, result.proven) == (1, 1, True)
    assert (place.destination / "a.txt").read_bytes() == b"ALPHA"


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_machine_stays_awake_from_the_probe_to_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/f").write_bytes(b"data")
    seen: List[str] = []

    @contextmanager
    def awake() -> Iterator[None]:
        seen.append("awake")
        yield
        seen.append("may sleep" if (tmp_path / "d/f").exists() and not list(tmp_path.glob(".*")) else "too early")

    monkeypatch.setattr(fs, "stay_awake", awake)
    copy_tree(CopyRequest(str(tmp_path / "s"), str(tmp_path / "d"), dry_run=dry_run))
    assert seen == ([] if dry_run else ["awake", "may sleep"])


def test_who_lost_the_lock_says_nothing_more_of_the_tree(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is lost behind the last rename: the manifest of whoever took the tree over stays as it is."""
    manifest = place.root / "target.xxh128"
    arrived = place.destination

    def held(_lock: TreeLock) -> bool:
        lost = all((arrived / name).exists() for name in FILES)
        if lost:
            manifest.write_text("what another transfer proved\n")
        return not lost

    monkeypatch.setattr(TreeLock, "held", held)
    result = place.copy(manifest=str(manifest), threads=1)
    assert manifest.read_text() == "what another transfer proved\n"
    assert "lock" in result.stopped and not result.complete and result.exit_code & 8
    assert [name for name in place.names() if "xxh128" in name] == ["target.xxh128"]


@pytest.mark.parametrize(("source", "target"), [("tree", "tree"), ("tree", "tree/out"), ("tree/sub", "tree")])
def test_one_share_under_two_mounts_is_refused_though_no_file_id_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str
) -> None:
    (tmp_path / "share/tree/sub").mkdir(parents=True)
    (tmp_path / "share/tree/sub/f").write_bytes(b"data")
    (tmp_path / "other").symlink_to("share")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(fs, "inside", lambda path, ancestor: False)
    with pytest.raises(RefusedError, match="by another name"):
        copy_tree(CopyRequest(str(tmp_path / "share" / source), str(tmp_path / "other" / target)))
    assert sorted(tmp_path.rglob("*")) == before, "neither lock nor folder is left"


def test_a_refused_copy_leaves_no_folder_where_the_state_lay_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share/tree/sub").mkdir(parents=True)
    (tmp_path / "share/tree/.out.vdt").write_bytes(b"a file in the place of the state folder")
    (tmp_path / "other").symlink_to("share")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(fs, "inside", lambda path, ancestor: False)
    with pytest.raises(RefusedError, match="by another name"):
        copy_tree(CopyRequest(str(tmp_path / "share/tree"), str(tmp_path / "other/tree/out")))
    assert sorted(tmp_path.rglob("*")) == before


# -- a share that goes away ----------------------------------------------------------------------------------------


class Share:
    """The folder above the destination is renamed away when so many reads were done, and maybe comes back."""

    def __init__(self, place: Place, *, at: int, back_after_s: float = 0.0, instead: bool = False) -> None:
        place.destination = place.root / "share" / "target"
        place.destination.parent.mkdir()
        for number in range(40):
            path = place.source / f"many{number}" / "f"
            path.parent.mkdir()
            path.write_bytes(bytes(100 + number))
        self._share, self._elsewhere = place.root / "share", place.root / "elsewhere"
        self._at, self._back_after_s, self._instead = at, back_after_s, instead

    def take(self, count: int) -> None:
        self._at -= 1
        if self._at:
            return
        self._share.rename(self._elsewhere)
        if self._instead:
            (self._share / "target").mkdir(parents=True)
            (self._share / "target" / "other").write_bytes(b"of another volume")
        if self._back_after_s:
            threading.Timer(self._back_after_s, self.back).start()

    def back(self) -> None:
        self._elsewhere.rename(self._share)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(outage, "SURE_AFTER_S", 0.1)


def copy(place: Place, share: Any, **changes: Any) -> Tuple[TreeResult, List[str]]:
    said: List[str] = []
    request = CopyRequest(str(place.source), str(place.destination), threads=2, **changes)
    return copy_tree(request, meter=share, say=said.append), said


def same(place: Place) -> bool:
    return [p.read_bytes() for p in sorted(place.source.rglob("*")) if p.is_file()] == [
        p.read_bytes() for p in sorted(place.destination.rglob("*")) if p.is_file()
    ]


def test_a_destination_that_comes_back_is_waited_for(place: Place, quick: None) -> None:
    share = Share(place, at=20, back_after_s=0.2)
    manifest = place.root / "share" / "m.xxh128"
    result, said = copy(place, share, manifest=str(manifest), log=str(place.root / "share" / "x.log"))
    assert result.proven and result.exit_code == 1 and result.retries == 0 and same(place)
    assert [line.partition("target ")[2][:8] for line in said] == ["does not", "is back "]
    assert any("the run waited for it" in note for note in result.notes)
    assert manifest.exists() and sorted(os.listdir(place.root / "share")) == [
        "m.evidence",
        "m.xxh128",
        "target",
        "x.log",
    ]


@pytest.mark.parametrize("instead", [False, True])
def test_one_that_does_not_is_16_and_nothing_is_written_in_its_place(place: Place, quick: None, instead: bool) -> None:
    share = Share(place, at=20, instead=instead)
    local = place.root / "x.log"
    result, _ = copy(
        place, share, share_wait_s=60 if instead else 0.2, manifest=str(place.root / "share/m.xxh128"), log=str(local)
    )
    assert result.exit_code == 16 and result.failed == () and not result.reached_end
    assert ("another volume" if instead else "does not answer") in result.fatal
    assert "ERROR" not in local.read_text() and "Ended" in local.read_text(), "the log lies elsewhere and is whole"
    found = sorted(p.relative_to(place.root).as_posix() for p in (place.root / "share").rglob("*"))
    assert found == (["share/target", "share/target/other"] if instead else [])
    if instead:
        (place.root / "share/target/other").unlink()
        (place.root / "share/target").rmdir()
        (place.root / "share").rmdir()
    share.back()
    (place.root / "share/.target.vdt/lock.json").unlink()  # its process is this one: it would be taken for alive
    again, _ = copy(place, NoLimit())
    assert again.complete and same(place)
    assert set(os.listdir(place.root / "share")) <= {"target", "m.evidence"}, "no state is left"


def test_a_source_that_goes_away_is_waited_for(place: Place, quick: None) -> None:
    share = Share(place, at=20, back_after_s=0.2)
    share._share, share._elsewhere = place.source, place.root / "elsewhere"
    result, said = copy(place, share)
    assert result.proven and same(place) and len(said) == 2 and str(place.source) in said[0]


def test_under_checksum_the_mode_of_a_file_that_is_right_but_for_mode_and_time_is_set_too(tmp_path: Path) -> None:
    for folder, mode, seconds in (("source", 0o600, 2), ("target", 0o644, 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "f").write_bytes(b"same")
        (tmp_path / folder / "f").chmod(mode)
        os.utime(tmp_path / folder / "f", (seconds, seconds))
    policy = Policy(checksum=True, fix_modes=True)
    result = copy_tree(CopyRequest(str(tmp_path / "source"), str(tmp_path / "target"), policy=policy))
    assert result.exit_code == 0 and result.files.copied == 0
    found = (tmp_path / "target" / "f").stat()
    assert (found.st_mode & 0o777, found.st_mtime) == (0o600, 2)
