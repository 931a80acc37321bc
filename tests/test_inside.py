"""No link is followed below the root."""

from __future__ import annotations

from pathlib import Path

import pytest

from vdt.inside import open_inside


def test_a_folder_below_and_the_root_itself(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(b"1")
    with open_inside(str(tmp_path), "a/b") as folder:
        assert folder.stat("x").size_bytes == 1 and folder.path == str(tmp_path / "a" / "b")
    with open_inside(str(tmp_path), "") as folder:
        assert folder.path == str(tmp_path)


@pytest.mark.parametrize("folder", ["link", "a/link", "link/b"])
def test_a_link_in_any_part_is_refused(tmp_path: Path, folder: str) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    try:
        (tree / "link").symlink_to(outside, target_is_directory=True)
        (tree / "a" / "link").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("no links can be made here")
    with pytest.raises(OSError):
        open_inside(str(tree), folder)


@pytest.mark.parametrize("folder", ["..", "a/../..", "a//b", "/", "."])
def test_parts_that_lead_elsewhere(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError):
        open_inside(str(tmp_path), folder)
