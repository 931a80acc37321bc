"""Manifests on disk: whole or not at all, and a former one is never lost."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Dict

import pytest

from vdt import manifest_file
from vdt.errors import LostOutputError
from vdt.manifest import SortedLines
from vdt.manifest_file import Former, former_change, publish, remove, set_aside

D1, D2 = "1" * 32, "2" * 32
FORMER = f"{D1}  a\n"


def lines_of(items: Dict[str, str]) -> SortedLines:
    lines = SortedLines()
    for path, digest in items.items():
        lines.add(path, digest)
    return lines


def names(folder: Path):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw_data.xxh128"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "raw_data.20260412T181502.xxh128"


def failing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`os.<name>` answers "no space" from now on."""

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest_file.os, name, fail)


# --- publish ----------------------------------------------------------------------------------------------------------


def test_publish_writes_sorted_lines_and_returns_their_sha256(target: Path) -> None:
    seal = publish(lines_of({"b": D2, "a/x": D1}), str(target))
    assert target.read_bytes() == f"{D1}  a/x\n{D2}  b\n".encode()
    assert seal == hashlib.sha256(target.read_bytes()).hexdigest()
    assert names(target.parent) == [target.name]


def test_publish_of_an_empty_tree_is_an_empty_file(target: Path) -> None:
    assert publish(lines_of({}), str(target)) == hashlib.sha256(b"").hexdigest()
    assert target.read_bytes() == b""


def test_undecodable_names_are_written_as_their_bytes(target: Path) -> None:
    publish(lines_of({"caf\udce9": D1, "n\nl": D2}), str(target))
    assert target.read_bytes() == f"{D1}  caf".encode() + b"\xe9\n" + f"\\{D2}  n\\nl\n".encode()


def test_half_a_surrogate_pair_in_a_name_costs_no_manifest(target: Path) -> None:
    """NTFS takes such names; one of them must not keep all others from being listed."""
    publish(lines_of({"a": D1, "half\ud83d": D2}), str(target))
    assert target.read_bytes().startswith(FORMER.encode())
    assert target.read_bytes().count(b"\n") == 2


def test_publish_replaces_a_former_one(target: Path) -> None:
    target.write_text(FORMER)
    publish(lines_of({"a": D2}), str(target))
    assert target.read_text() == f"{D2}  a\n"
    assert names(target.parent) == [target.name]


def test_publish_passes_over_what_an_interrupted_run_left_beside(target: Path) -> None:
    Path(f"{target}.new").write_text("half a li" * 1000)
    publish(lines_of({"a": D1}), str(target))
    assert target.read_text() == FORMER
    assert names(target.parent) == [target.name]


@pytest.mark.parametrize(
    ("items", "stays"),
    [({"a": D1}, False), ({"a": D1, "b": D2}, False), ({"a": D2}, True), ({"b": D1}, True), ({}, True)],
    ids=["equal", "one more", "another digest", "listed no more", "nothing left"],
)
def test_a_former_manifest_that_says_something_else_is_kept(target: Path, kept: Path, items, stays: bool) -> None:
    target.write_text(FORMER)
    publish(lines_of(items), str(target), keep_as=str(kept))
    assert target.read_text() == "".join(f"{digest}  {path}\n" for path, digest in sorted(items.items()))
    assert kept.exists() is stays
    if stays:
        assert kept.read_text() == FORMER


def test_keep_as_without_a_former_manifest(target: Path, kept: Path) -> None:
    publish(lines_of({"a": D1}), str(target), keep_as=str(kept))
    assert names(target.parent) == [target.name]


def test_flushed_before_it_is_renamed(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(manifest_file.os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(manifest_file.os, "replace", lambda a, b: (calls.append("replace"), replace(a, b))[1])
    publish(lines_of({"a": D1}), str(target))
    assert calls[:2] == ["fsync", "replace"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_former_one_intact(target: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target.write_text(FORMER)
    with monkeypatch.context() as patch:
        failing(patch, step)
        with pytest.raises(LostOutputError) as caught:
            publish(lines_of({"a": D2}), str(target))
    assert str(target) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert target.read_text() == FORMER
    assert names(target.parent) == [target.name], "nothing half-written stays"
    publish(lines_of({"a": D2}), str(target))
    assert target.read_text() == f"{D2}  a\n"


@pytest.mark.parametrize(
    "step",
    [
        "fsync",
        "rename",
        "replace",
    ],
)
def test_a_failure_leaves_the_former_one_under_its_name(
    target: Path, kept: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the former one was to be kept under another name."""
    target.write_text(FORMER)
    with monkeypatch.context() as patch:
        failing(patch, step)
        with pytest.raises(LostOutputError):
            publish(lines_of({"a": D2}), str(target), keep_as=str(kept))
    assert target.exists(), names(target.parent)
    assert target.read_text() == FORMER
    assert f"{target.name}.new" not in names(target.parent)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LostOutputError, match="could not be written"):
        publish(lines_of({"a": D1}), str(tmp_path / "none" / "x.xxh128"))


# --- former_change ----------------------------------------------------------------------------------------------------


def test_former_change(target: Path) -> None:
    assert former_change(str(target), lines_of({"a": D1})) is None
    target.write_bytes(f"{D1}  a\n{D1}  caf".encode() + b"\xe9\n" + f"\\{D1}  n\\rl\n".encode())
    same = {"a": D1, "caf\udce9": D1, "n\rl": D1}
    assert former_change(str(target), lines_of(same)) is None
    assert former_change(str(target), lines_of({**same, "caf\udce9": D2})) == "caf\udce9"


# --- set_aside --------------------------------------------------------------------------------------------------------


def test_set_aside(target: Path, kept: Path) -> None:
    target.write_text(FORMER)
    set_aside(str(target), str(kept))
    assert names(target.parent) == [kept.name]
    assert kept.read_text() == FORMER


def test_set_aside_of_nothing(target: Path, kept: Path) -> None:
    set_aside(str(target), str(kept))
    assert names(target.parent) == []


def test_set_aside_numbers_what_would_be_overwritten(target: Path, kept: Path) -> None:
    for turn in range(3):
        target.write_text(str(turn))
        set_aside(str(target), str(kept))
    stem = "raw_data.20260412T181502"
    assert names(target.parent) == [f"{stem}-1.xxh128", f"{stem}-2.xxh128", f"{stem}.xxh128"]
    assert [(target.parent / f"{stem}{n}.xxh128").read_text() for n in ("", "-1", "-2")] == ["0", "1", "2"]


def test_set_aside_numbers_a_name_without_an_ending(tmp_path: Path) -> None:
    folder = tmp_path / "run.2026"
    folder.mkdir()
    for turn in range(2):
        (folder / "sums").write_text(str(turn))
        set_aside(str(folder / "sums"), str(folder / "sums-former"))
    assert "sums" not in names(folder)
    assert sorted((folder / name).read_text() for name in names(folder)) == ["0", "1"]


# --- remove -----------------------------------------------------------------------------------------------------------


def test_remove(target: Path) -> None:
    target.write_text(FORMER)
    remove(str(target))
    remove(str(target))
    assert names(target.parent) == []


def test_what_cannot_be_removed_is_lost_output(target: Path) -> None:
    target.mkdir()
    with pytest.raises(LostOutputError, match="could not be removed"):
        remove(str(target))


def test_a_manifest_on_a_share_that_does_not_answer_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(path: object) -> None:
        raise OSError(errno.EHOSTDOWN, "host is down")

    monkeypatch.setattr(os, "lstat", away)
    with pytest.raises(LostOutputError, match="cannot be seen"):
        set_aside(str(tmp_path / "x.xxh128"), str(tmp_path / "y.xxh128"))


# --- Former -----------------------------------------------------------------------------------------------------------


def test_former_is_set_aside_by_the_first_change_alone(target: Path, kept: Path) -> None:
    target.write_text(FORMER)
    former = Former([(str(target), str(kept))])
    assert names(target.parent) == [target.name] and not former.changed
    assert former.allows(lambda: True) and former.changed
    assert names(target.parent) == [kept.name] and former.kept(str(target)) == str(kept)
    target.write_text("of this run")
    assert former.allows(lambda: True)
    assert target.read_text() == "of this run"


def test_former_stays_where_the_lock_is_lost(target: Path, kept: Path) -> None:
    target.write_text(FORMER)
    former = Former([(str(target), str(kept))])
    assert not former.allows(lambda: False)
    assert names(target.parent) == [target.name] and not former.changed


def test_nothing_may_change_where_the_former_cannot_be_set_aside(
    target: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.write_text(FORMER)
    former = Former([(str(target), str(kept))])
    with monkeypatch.context() as patch:
        failing(patch, "rename")
        with pytest.raises(LostOutputError, match="cannot be kept"):
            former.allows(lambda: True)
    assert names(target.parent) == [target.name] and not former.changed


@pytest.mark.parametrize(
    ("items", "stays"),
    [({"a": D1, "b": D2}, False), ({"a": D2}, True), ({"b": D2}, True)],
    ids=["more", "else", "gone"],
)
def test_one_that_was_set_aside_goes_where_the_new_one_says_all(
    target: Path, kept: Path, items: Dict[str, str], stays: bool
) -> None:
    kept.write_text(FORMER)
    publish(lines_of(items), str(target), keep_as=str(kept), aside=str(kept))
    assert kept.exists() == stays and target.exists()


def test_remove_takes_what_a_killed_process_left_of_it(target: Path) -> None:
    target.write_text(FORMER)
    Path(f"{target}.new").write_text("half")
    remove(str(target))
    assert names(target.parent) == []
