"""Tests of `vdt.probe`: what a destination refuses, rounds or cannot show, and that a probe leaves nothing."""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Iterator, List, Optional

import pytest

from vdt import fs
from vdt.errors import RefusedError
from vdt.model import Policy
from vdt.probe import lowered, past_cache, probe, see_source, unprobed


def listing(root: Path) -> List[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


# -- the probe -----------------------------------------------------------------------------------------------------


def test_a_probe_leaves_nothing_behind_and_says_what_it_found(tmp_path: Path) -> None:
    found = probe(str(tmp_path))
    assert listing(tmp_path) == []
    real = fs.volume(str(tmp_path))
    assert (found.volume.kind, found.volume.flush) == (real.kind, real.flush)
    assert found.time_step_ns == (99 if fs.WINDOWS else 0), "NTFS keeps steps of 100 ns"
    (tmp_path / "x").touch()
    assert found.fold_case == (tmp_path / "X").exists()


def test_a_probe_touches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"data")
    before = (tmp_path / "data").stat()
    probe(str(tmp_path))
    after = (tmp_path / "data").stat()
    assert listing(tmp_path) == ["data"]
    assert (before.st_mtime_ns, before.st_ino, before.st_size) == (after.st_mtime_ns, after.st_ino, after.st_size)


def test_a_probe_that_is_left_has_the_name_of_a_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: List[str] = []
    real = fs.Folder.create

    def spy(folder: fs.Folder, name: str, mode: int) -> int:
        names.append(name)
        return real(folder, name, mode)

    monkeypatch.setattr(fs.Folder, "create", spy)
    probe(str(tmp_path))
    assert names and all(re.fullmatch(r"\.vdt-[0-9a-f]{16}\.partial", name) for name in names)


def failing(real: Callable[..., Any], times: int, code: int = errno.EACCES) -> Callable[..., Any]:
    left = [times]

    def fails(*args: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(code, os.strerror(code))
        return real(*args, **options)

    return fails


MUST = [
    ("create", "written to"),
    ("write_all", "written to"),
    ("back", "read back from"),
    ("replace", "renamed in"),
    ("unlink", "deleted from"),
]


# what sets a time or mode and flushes, as `seal` finds it
SEAL = {"time": (os, "utime"), "mode": (os, "fchmod"), "flush": (os, "fsync")}
if fs.WINDOWS:
    part = sys.modules["vdt.fs.windows_folder"]
    SEAL = {"time": (part, "set_times"), "mode": (part, "set_attributes"), "flush": (part, "flush_file")}


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, fake: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    owner: Any = fs if name in ("write_all", "volume") else fs.Folder
    if name in SEAL:
        owner, name = SEAL[name]
    monkeypatch.setattr(owner, name, fake(getattr(owner, name)))


@pytest.mark.parametrize(("name", "words"), MUST)
def test_what_a_copy_cannot_do_without_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    spoil(monkeypatch, name, lambda real: failing(real, 1 << 30))
    with pytest.raises(RefusedError) as caught:
        probe(str(tmp_path))
    text = str(caught.value)
    assert words in text
    assert str(tmp_path) in text and fs.explain(PermissionError(errno.EACCES, ""))[1] in text
    monkeypatch.undo()
    assert name == "unlink" or listing(tmp_path) == []


def test_a_read_only_destination_is_said_to_refuse_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("create", "unlink"):
        spoil(monkeypatch, name, lambda real: failing(real, 1 << 30, errno.EROFS))
    words = "write-protected" if fs.WINDOWS else "read-only"
    with pytest.raises(RefusedError, match=f"cannot be written to: it is {words}"):
        probe(str(tmp_path))


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", [name for name, _ in MUST])
def test_a_refusal_counts_only_when_it_comes_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, times: int
) -> None:
    spoil(monkeypatch, name, lambda real: failing(real, times, errno.EIO))
    probe(str(tmp_path))
    assert listing(tmp_path) == []


def late(real: Callable[..., Any]) -> Callable[..., Any]:
    """The first call is done and then says that it failed."""
    left = [1]

    def does(*args: Any) -> Any:
        done = real(*args)
        if left:
            left.clear()
            if isinstance(done, int):
                os.close(done)
            raise OSError(errno.ETIMEDOUT, "no answer")
        return done

    return does


@pytest.mark.parametrize("name", ["create", "replace", "unlink"])
def test_what_was_done_before_it_was_said_to_have_failed_is_seen_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spoil(monkeypatch, name, late)
    probe(str(tmp_path))
    assert listing(tmp_path) == []


@pytest.mark.parametrize("times", [1, 3])
def test_a_rename_that_is_said_to_be_done_and_is_not_is_tried_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left = [times]
    real = fs.Folder.replace

    def lies(folder: fs.Folder, name: str, final: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            real(folder, name, final)

    monkeypatch.setattr(fs.Folder, "replace", lies)
    if times == 1:
        probe(str(tmp_path))
    else:
        with pytest.raises(RefusedError, match="renamed in: a rename was said to be done and was not"):
            probe(str(tmp_path))
    assert listing(tmp_path) == []


def test_a_destination_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be"):
        probe(str(tmp_path / "missing"))


def test_a_destination_that_gives_back_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda fd, view: real(fd, memoryview(bytes(len(view))))

    spoil(monkeypatch, "write_all", wrong)
    with pytest.raises(RefusedError, match="other bytes than were written"):
        probe(str(tmp_path))
    assert listing(tmp_path) == []


@pytest.mark.parametrize("step_ns", [100, 1_000, 10**9, 2 * 10**9])
def test_times_that_are_rounded_are_noted_with_their_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_ns: int
) -> None:
    def rounding(real: Callable[..., Any]) -> Callable[..., Any]:
        def rounds(folder: fs.Folder, fd: int, name: str, *, mtime_ns: Optional[int], **options: Any) -> None:
            real(folder, fd, name, mtime_ns=mtime_ns and mtime_ns // step_ns * step_ns, **options)

        return rounds

    spoil(monkeypatch, "seal", rounding)
    found = probe(str(tmp_path))
    assert 0 <= found.time_step_ns < step_ns
    assert found.time_step_ns == step_ns - 1, "the probe's time shows the whole step"
    noted = any("keeps times only to about" in note for note in found.notes)
    assert noted == (step_ns > 100), "100 ns is what NTFS keeps: not worth a word"


@pytest.mark.parametrize("code", [errno.EIO, errno.EPERM])
@pytest.mark.parametrize("what", ["time", "flush"])
def test_times_or_a_flush_that_are_refused_are_noted_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, code: int
) -> None:
    volume = replace(fs.volume(str(tmp_path)), flush=fs.Flush.FILE)
    monkeypatch.setattr(fs, "volume", lambda path: volume)
    spoil(monkeypatch, what, lambda real: failing(real, 1 << 30, code))
    found = probe(str(tmp_path))
    assert any(f"{what} was refused" in note for note in found.notes)
    assert listing(tmp_path) == []


def test_a_refused_flush_is_not_asked_of_each_file_and_nothing_is_called_cold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = replace(fs.volume("/"), flush=fs.Flush.FILE, cold_reads=True)
    monkeypatch.setattr(fs, "volume", lambda path: volume)
    spoil(monkeypatch, "flush", lambda real: failing(real, 1 << 30, errno.EINVAL))
    found = probe(str(tmp_path))
    assert found.volume.flush is fs.Flush.NONE
    assert not found.volume.cold_reads and "flushed" in found.volume.why_not_cold


@pytest.mark.parametrize("code", [errno.EIO, errno.EPERM])
def test_times_that_are_refused_are_not_set_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    spoil(monkeypatch, "time", lambda real: failing(real, 1 << 30, code))
    found = probe(str(tmp_path))
    assert not found.keeps_times
    assert found.time_step_ns == 0, "a time of today is no rounding"
    assert not lowered(Policy(), found).keep_times and Policy().keep_times


@pytest.mark.parametrize("what", ["time", "mode"])
def test_a_time_or_mode_that_is_not_kept_once_is_set_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    left = [1]

    def once(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: left.clear() if left else real(*args, **options)

    spoil(monkeypatch, what, once)
    found = probe(str(tmp_path))
    assert not left and found.keeps_times and not any("refused" in note for note in found.notes)


def test_times_that_are_kept_leave_the_policy_as_it_is(tmp_path: Path) -> None:
    found = probe(str(tmp_path))
    assert found.keeps_times and lowered(Policy(), found) == Policy()


@pytest.mark.parametrize("way", ["refused", "ignored"])
def test_a_mode_that_is_not_kept_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    ignored = way == "ignored"
    spoil(monkeypatch, "mode", lambda real: (lambda *_: None) if ignored else failing(real, 1 << 30, errno.EPERM))
    found = probe(str(tmp_path))
    assert any(f"{fs.MODE_WORD} was refused" in note for note in found.notes)
    assert listing(tmp_path) == []


def test_a_cold_read_that_is_refused_lowers_what_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = replace(fs.volume(str(tmp_path)), cold_reads=True, why_not_cold="")
    monkeypatch.setattr(fs, "volume", lambda path: volume)
    real = fs.Folder.back

    def back(folder: fs.Folder, name: str, *, cold: bool, follow: bool = False) -> Any:
        if cold:
            raise OSError(errno.EINVAL, "no")
        return real(folder, name, cold=False, follow=follow)

    monkeypatch.setattr(fs.Folder, "back", back)
    found = probe(str(tmp_path))
    assert not found.volume.cold_reads
    assert (found.volume.kind, found.volume.flush) == (volume.kind, volume.flush)
    assert any("past this client's cache was refused" in note for note in found.notes)


def watched(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> List[str]:
    """A volume that may read cold; asked what lies in its cache, the system answers so, the last answer for ever."""
    volume = replace(fs.volume("/"), flush=fs.Flush.NONE, cold_reads=True, why_not_cold="")
    left = list(answers)
    asked: List[str] = []

    def cached(folder: fs.Folder, name: str) -> Any:
        asked.append(name)
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(fs, "volume", lambda path: volume)
    monkeypatch.setattr(fs, "DIRECT_MAY_BUFFER", True)
    monkeypatch.setattr(fs.Folder, "cached", cached)
    real = fs.Folder.back
    monkeypatch.setattr(fs.Folder, "back", lambda folder, name, *, cold: real(folder, name, cold=False))
    return asked


SHOWN = (True, False)


def test_a_cold_read_counts_once_it_was_seen_to_leave_the_cache_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = watched(monkeypatch, *SHOWN, *SHOWN)
    found = probe(str(tmp_path))
    assert found.volume.cold_reads and found.notes == ()
    assert len(asked) == 4 and len(set(asked)) == 2, "a large file and one that may lie beside its name"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((True, True), "served from it"),
        ((*SHOWN, True, True), "served from it"),  # large files past the cache, small ones not: ext4 with inline_data
        ((False, False), "served from it"),  # a no that says nothing: it was no yes when it should have been
        ((None, None), "does not tell"),
        ((True, None), "does not tell"),
    ],
)
def test_a_cold_read_that_was_not_seen_to_go_past_the_cache_is_not_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Any, words: str
) -> None:
    watched(monkeypatch, *answers)
    found = probe(str(tmp_path))
    assert not found.volume.cold_reads and words in found.volume.why_not_cold
    assert any(words in note and "read back, no more" in note for note in found.notes)


def test_pages_that_were_not_dropped_at_once_are_dropped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch, True, True, True, True, *SHOWN, *SHOWN)
    assert probe(str(tmp_path)).volume.cold_reads


def test_other_bytes_past_the_cache_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch, *SHOWN)
    real = fs.Folder.back

    @contextmanager
    def back(folder: fs.Folder, name: str, *, cold: bool) -> Iterator[Any]:
        with real(folder, name, cold=False) as (found, views):
            yield found, (memoryview(bytes(len(view))) for view in views) if cold else views

    monkeypatch.setattr(fs.Folder, "back", back)
    with pytest.raises(RefusedError, match="other bytes than were written"):
        probe(str(tmp_path))
    assert listing(tmp_path) == []


def test_where_an_unbuffered_handle_is_an_order_it_needs_no_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows. Shows the decision, not that Windows keeps to it."""
    watched(monkeypatch, None)
    monkeypatch.setattr(fs, "DIRECT_MAY_BUFFER", False)
    assert probe(str(tmp_path)).volume.cold_reads


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the system does not tell what lies in its cache")
def test_memory_is_never_called_past_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """tmpfs opens with O_DIRECT and reads from memory; even if its type promised more, it would not be claimed."""
    if not os.path.isdir("/dev/shm") or fs.volume("/dev/shm").kind != "tmpfs":
        pytest.skip("no tmpfs here")
    real = fs.volume
    monkeypatch.setattr(fs, "volume", lambda path: replace(real(path), cold_reads=True, why_not_cold=""))
    with TemporaryDirectory(dir="/dev/shm") as place:
        found = probe(place)
        assert listing(Path(place)) == []
    assert not found.volume.cold_reads and found.volume.why_not_cold


def test_the_type_alone_claims_nothing_that_the_probe_did_not_see(tmp_path: Path) -> None:
    """On a real folder: the same answer as watching it by hand."""
    found = probe(str(tmp_path)).volume
    if not fs.volume(str(tmp_path)).cold_reads:
        assert not found.cold_reads
        return
    (tmp_path / "x").write_bytes(os.urandom(1 << 16))
    (tmp_path / "y").write_bytes(b"small")
    with fs.Folder(str(tmp_path)) as folder:
        folder.flush_volume()
        assert found.cold_reads == (past_cache(folder, "x") == past_cache(folder, "y") == "")


# -- the source, without a probe -----------------------------------------------------------------------------------

COLD = fs.Volume("ext4", fs.Flush.VOLUME, True)


def test_a_source_shows_its_cold_reads_on_files_that_lie_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    for name, size in (("empty", 0), ("small", 1), ("middle", 10), ("large", 100)):
        (tmp_path / "deep/er" / name).write_bytes(bytes(size))
    asked = watched(monkeypatch, *SHOWN, *SHOWN)
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    assert see_source(str(tmp_path), COLD, asked=True).cold_reads
    assert set(asked) == {"small", "large"}
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {p: (s.st_mtime_ns, s.st_ctime_ns) for p, s in before.items()} == {
        p: (s.st_mtime_ns, s.st_ctime_ns) for p, s in after.items()
    }, "the source is never written"


@pytest.mark.parametrize("answers", [(True, True), (None, None), (*SHOWN, True, True)])
def test_a_source_that_shows_nothing_is_promised_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Any
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"bb")
    watched(monkeypatch, *answers)
    found = see_source(str(tmp_path), COLD, asked=True)
    assert not found.cold_reads and found.why_not_cold


def test_a_source_without_a_file_or_that_cannot_be_listed_is_promised_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fs, "DIRECT_MAY_BUFFER", True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/empty").write_bytes(b"")
    assert "no file" in see_source(str(tmp_path), COLD, asked=True).why_not_cold
    assert not see_source(str(tmp_path / "missing"), COLD, asked=True).cold_reads


def test_a_source_is_only_looked_at_where_a_proof_needs_it(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert see_source(missing, COLD, asked=False) == COLD
    memory = fs.Volume("tmpfs", fs.Flush.NONE, False, "memory")
    assert see_source(missing, memory, asked=True) == memory


# -- what a destination refuses ------------------------------------------------------------------------------------


def test_a_volume_without_cold_reads_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = replace(fs.volume(str(tmp_path)), cold_reads=False, why_not_cold="it cannot be shown here")
    monkeypatch.setattr(fs, "volume", lambda path: volume)
    found = probe(str(tmp_path))
    assert any("it cannot be shown here" in note and "read back" in note for note in found.notes)


@pytest.mark.skipif(not hasattr(os, "sync"), reason="no volume is flushed at once here")
def test_a_volume_whose_flush_fails_is_never_promised_to_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = replace(fs.volume(str(tmp_path)), flush=fs.Flush.VOLUME)
    monkeypatch.setattr(fs, "volume", lambda path: volume)
    spoil(monkeypatch, "flush_volume", lambda real: failing(real, 1 << 30, errno.EIO))
    try:
        found = probe(str(tmp_path))
    except RefusedError as error:
        assert "flushed" in str(error)
    else:
        assert found.volume.flush is not fs.Flush.VOLUME and found.notes
    assert listing(tmp_path) == []


def test_case_is_found_to_be_folded_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fs.Folder.stat
    monkeypatch.setattr(fs.Folder, "stat", lambda folder, name: real(folder, name.lower()))
    assert probe(str(tmp_path)).fold_case


# -- without a probe -----------------------------------------------------------------------------------------------


def test_a_dry_run_asks_the_nearest_folder_that_is_there_and_makes_none(tmp_path: Path) -> None:
    found = unprobed(str(tmp_path / "not/yet/there"))
    assert found.volume.kind == fs.volume(str(tmp_path)).kind
    assert listing(tmp_path) == []


def test_a_file_system_that_does_not_answer_at_first_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fs.volume(str(tmp_path)).kind
    monkeypatch.setattr(fs, "volume", failing(fs.volume, 2, errno.EIO))
    assert unprobed(str(tmp_path)).volume.kind == kind


def test_a_dry_run_into_what_cannot_be_reached_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "volume", failing(fs.volume, 1 << 30, errno.EIO))
    with pytest.raises(RefusedError, match="cannot be reached"):
        unprobed(str(tmp_path))
