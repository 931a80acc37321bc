"""Before the first byte: two paths that stand apart, and a destination that does what a copy needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List

import pytest

from vdt import fs
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copyjob import NoLimit
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import RefusedError
from vdt.preflight import check_apart, check_apart_by_marker, check_room, check_typed, make_missing
from vdt.progress import Silent
from vdt.scrub import ScrubRequest, scrub
from vdt.stop import StopFlag


def listing(root: Path) -> List[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


# -- apart ---------------------------------------------------------------------------------------------------------


def refused(source: Path, destination: Path) -> str:
    with pytest.raises(RefusedError) as caught:
        check_apart(str(source), str(destination))
    return str(caught.value)


def test_two_folders_side_by_side_stand_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    for destination in ("ab", "b", "ab/new/deeper", "../elsewhere"):
        check_apart(str(tmp_path / "a"), str(tmp_path / destination))
    check_apart(str(tmp_path / "ab"), str(tmp_path / "a"))


def test_the_source_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for same in (tmp_path / "a", tmp_path / "a/.", tmp_path / "a/../a"):
        assert "is the source itself" in refused(tmp_path / "a", same)


@pytest.mark.parametrize("below", ["sub", "sub/not/yet", "new", "new/deeper"])
def test_a_destination_in_the_source_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "a/sub").mkdir(parents=True)
    text = refused(tmp_path / "a", tmp_path / "a" / below)
    assert "lies inside the source" in text and str(tmp_path / "a") in text
    assert listing(tmp_path) == ["a", "a/sub"], "nothing is made to find out"


def test_a_destination_around_the_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a/sub").mkdir(parents=True)
    assert "lies inside the destination" in refused(tmp_path / "a/sub", tmp_path / "a")
    assert "lies inside the destination" in refused(tmp_path / "a/sub", tmp_path)


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("a", "link"),
        ("link", "a"),
        ("a", "link/new"),
        ("link", "a/new"),
        ("a/sub", "link"),
        ("link/sub", "a"),
        ("a", "chain/x"),
        ("a", "deep/x"),
    ],
)
def test_links_hide_nothing(tmp_path: Path, source: str, destination: str) -> None:
    (tmp_path / "a/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "chain").symlink_to(tmp_path / "link")
    (tmp_path / "deep").symlink_to("a/sub")
    refused(tmp_path / source, tmp_path / destination)


def test_a_link_that_leads_out_of_the_source_is_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/out").symlink_to(tmp_path / "b")
    check_apart(str(tmp_path / "a"), str(tmp_path / "a/out"))


@pytest.mark.parametrize(
    ("source", "destination", "state"),
    [
        ("share/tree", "other/tree", "other/.tree.vdt"),
        ("share/tree", "other/tree", "other/tree/.vdt"),
        ("share/tree", "other/tree/out", "other/tree/.out.vdt"),
        ("share/tree", "other/tree/deep/out", "other/tree/deep/.out.vdt"),
        ("share/tree/sub", "other/tree", "other/.tree.vdt"),
    ],
)
def test_one_share_by_two_names_is_seen_by_our_own_lock(
    tmp_path: Path, source: str, destination: str, state: str
) -> None:
    """A link stands for the second mount; file ids are not asked here."""
    for folder in ("share/tree/sub/raw_data", "share/tree/deep/out", "share/tree/out"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "other").symlink_to("share")
    (tmp_path / state).mkdir(parents=True)
    (tmp_path / state / "ours").write_bytes(b"")

    def ours(folder: str) -> bool:
        return (Path(folder) / "ours").exists()

    with pytest.raises(RefusedError, match="by another name"):
        check_apart_by_marker(str(tmp_path / source), str(tmp_path / destination), str(tmp_path / state), ours)
    (tmp_path / state / "ours").unlink()
    check_apart_by_marker(str(tmp_path / source), str(tmp_path / destination), str(tmp_path / state), ours)


@pytest.mark.parametrize(
    ("source", "destination", "state"),
    [
        ("run/raw_data", "run/copy/raw_data", "run/copy/.vdt/raw_data"),
        ("a/b/tree", "a/tree", "a/.tree.vdt"),
        ("a/b", "a/tree", "a/.tree.vdt"),
        ("a/tree", "b/tree", "b/.tree.vdt"),
    ],
)
def test_neighbours_of_the_state_folder_are_apart_from_it(
    tmp_path: Path, source: str, destination: str, state: str
) -> None:
    for folder in (source, destination, state):
        (tmp_path / folder).mkdir(parents=True)
    place = str(tmp_path / state)
    check_apart_by_marker(str(tmp_path / source), str(tmp_path / destination), place, lambda folder: folder == place)


# -- room and folders ----------------------------------------------------------------------------------------------


def test_too_little_room_is_refused_and_an_unknown_amount_is_not(tmp_path: Path) -> None:
    volume = replace(fs.volume(str(tmp_path)), free_bytes=10 << 30)
    check_room(volume, 10 << 30, "/share")
    with pytest.raises(RefusedError, match=r"/share has 10\.0 GB free, 20\.0 GB are left") as caught:
        check_room(volume, 20 << 30, "/share")
    assert "--ignore_space" in str(caught.value)
    check_room(replace(volume, free_bytes=0), 20 << 30, "/share")


def test_missing_folders_are_made_and_named_outermost_first(tmp_path: Path) -> None:
    made = make_missing(str(tmp_path / "a/b/c"))
    assert made == [str(tmp_path / name) for name in ("a", "a/b", "a/b/c")]
    assert make_missing(str(tmp_path / "a/b/c")) == []
    assert make_missing(str(tmp_path / "a/b/d")) == [str(tmp_path / "a/b/d")]


@pytest.mark.parametrize("place", ["file", "file/below", "dangling"])
def test_a_folder_that_cannot_be_made_is_refused_in_plain_words(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to("no where")
    with pytest.raises(RefusedError, match="cannot be made"):
        make_missing(str(tmp_path / place))
    assert listing(tmp_path) == ["dangling", "file"]


def test_a_path_that_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "typed_fault", lambda path: f"{path} is wrong." if "%" in path else "")
    tools = AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None)
    check_typed("", "a")
    with pytest.raises(RefusedError, match=r"^%TEMP% is wrong\.$"):
        check_typed("a", "", "%TEMP%")
    for request in (
        CopyRequest("%a", "b"),
        CopyRequest("a", "%b"),
        CopyRequest("a", "b", log="%c"),
        CopyRequest("a", "b", manifest="%d"),
    ):
        with pytest.raises(RefusedError, match="is wrong"):
            copy_tree(request)
    for audit in ({"destination": "%a"}, {"source": "%b"}, {"manifest": "%c"}, {"write_manifest": "%d"}):
        with pytest.raises(RefusedError, match="is wrong"):
            audit_tree(AuditRequest(**{"destination": "a", **audit}), tools)
    with pytest.raises(RefusedError, match="is wrong"):
        scrub(ScrubRequest("%a"), tools, lambda line: None)
