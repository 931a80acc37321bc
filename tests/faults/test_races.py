"""Somebody else works in the trees at the same moment: whatever they do, nothing outside the destination is written.

At each call of a run, one after another, a folder or file is swapped: for a link that leads out of the tree, for
another one, for nothing.
"""

from __future__ import annotations

import os
import shutil
import threading
from typing import Callable, Iterator, List

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from vdt import later
from vdt.copytree import copy_tree
from vdt.errors import RefusedError

from .faultyfs import contents, look, write_tree
from .meanwhile import Act, Meanwhile, at_every_call, with_outside
from .rig.stage import scratch
from .smalltree import FILES, OLD, Trees, request


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    monkeypatch.setattr(later, "BREATH_S", 0.0)


@pytest.fixture
def trees() -> Iterator[Trees]:
    root = scratch()
    yield with_outside(root)
    shutil.rmtree(root)


def swapped(folder: str) -> Act:
    def act(trees: Trees) -> None:
        place = trees.destination / folder
        if place.is_dir() and not place.is_symlink():
            place.rename(trees.share / "moved away")
        if place.parent.exists() and not place.is_symlink():
            place.symlink_to(trees.root / "outside")

    return act


@pytest.mark.slow
@pytest.mark.parametrize("with_deep", [False, True], ids=["new folders", "folders that are there"])
@pytest.mark.parametrize("folder", ["new", "old", "new/deep"])
def test_a_folder_swapped_for_a_link_lets_nothing_out(trees: Trees, folder: str, with_deep: bool) -> None:
    before = look(trees.root / "outside")
    of_folder = (trees.root / "outside").stat()
    number = 0
    for number, disk, _ in at_every_call(trees, swapped(folder), with_deep=with_deep):
        now, of_folder_now = look(trees.root / "outside"), (trees.root / "outside").stat()
        assert now == before, f"call {number}, {disk.done}: {sorted(set(now.items()) ^ set(before.items()))}"
        assert of_folder_now.st_mtime_ns == of_folder.st_mtime_ns, f"call {number}, {disk.done}"
        assert of_folder_now.st_mode == of_folder.st_mode, f"call {number}, {disk.done}"
        assert look(trees.source) == trees.before
    assert number > 100


@pytest.mark.slow
def test_a_file_swapped_for_a_link_is_replaced_and_never_written_through(trees: Trees) -> None:
    def swap(trees: Trees) -> None:
        place = trees.destination / "a.bin"
        place.unlink()
        place.symlink_to(trees.root / "outside" / "a.bin")

    before, number = look(trees.root / "outside"), 0
    for number, disk, _ in at_every_call(trees, swap):
        assert look(trees.root / "outside") == before, f"call {number}, {disk.done}"
        assert look(trees.source) == trees.before
    assert number > 100


# -- the source ----------------------------------------------------------------------------------------------------


def restored(trees: Trees) -> None:
    shutil.rmtree(trees.source)
    write_tree(trees.source, FILES)


def folder_becomes_a_link(trees: Trees) -> None:
    (trees.source / "new").rename(trees.root / f"moved {os.urandom(4).hex()}")
    (trees.source / "new").symlink_to(trees.root / "outside")


def file_becomes_a_link(trees: Trees) -> None:
    (trees.source / "new/deep/d.bin").unlink()
    (trees.source / "new/deep/d.bin").symlink_to(trees.root / "outside/deep/d.bin")


def file_is_replaced(trees: Trees) -> None:
    (trees.source / "beside").write_bytes(b"another one")
    (trees.source / "beside").rename(trees.source / "new/c.bin")


def file_is_renamed(trees: Trees) -> None:
    (trees.source / "new/c.bin").rename(trees.source / "new/renamed.bin")


def folder_is_renamed(trees: Trees) -> None:
    (trees.source / "new/deep").rename(trees.source / "deeper")


def file_becomes_a_fifo(trees: Trees) -> None:
    (trees.source / "new/c.bin").unlink()
    os.mkfifo(trees.source / "new/c.bin")


CHANGES: List[Act] = [
    folder_becomes_a_link,
    file_becomes_a_link,
    file_is_replaced,
    file_is_renamed,
    folder_is_renamed,
    file_becomes_a_fifo,
]


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_source_that_changes_meanwhile_gives_its_own_bytes_or_is_named(trees: Trees, change: Act) -> None:
    """No byte of what a link leads to arrives; a file that is not as it was listed is right, as it is now, or named.

    What moves from a folder that is listed later to one that was listed before is seen by no listing.
    """
    number, allowed = 0, {*FILES.values(), *OLD.values(), b"another one"}
    for number, disk, result in at_every_call(trees, change):
        where = f"call {number}, {disk.done}"
        links = [path for path in trees.destination.rglob("*") if path.is_symlink()]
        for path in links:  # a link stays a link
            assert path.name in ("d.bin", "new"), where
            path.unlink()
        for name, data in contents(trees.destination).items():
            assert data in allowed, f"{where}: {name} holds {data[:20]!r}"
        if result.exit_code < 8 and not links and change in (folder_becomes_a_link, file_is_replaced, file_is_renamed):
            assert len(contents(trees.destination)) == len(FILES), where
        restored(trees)
    assert number > 100


# -- two at once ---------------------------------------------------------------------------------------------------


def alone(act: Callable[[], None]) -> None:
    """In a thread of its own: a thread that copies has one buffer."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


@pytest.mark.slow
def test_the_second_of_two_is_refused_whenever_it_comes(trees: Trees) -> None:
    """At every call of the first one, from taking the lock on: refused, and the first ends as if alone."""
    number, refused, ran = 1, 0, 0
    while True:
        ends: List[str] = []

        def second(ends: List[str] = ends) -> None:
            try:
                ends.append(str(copy_tree(request(trees)).exit_code))
            except RefusedError as error:
                ends.append(str(error))

        disk = Meanwhile(str(trees.source), str(trees.share))
        disk.at = number
        disk.act = lambda second=second: alone(second)  # type: ignore[misc]
        with disk:
            try:
                code = copy_tree(request(trees)).exit_code
            except RefusedError:
                code = 16
        try:
            trees.hold(code)
        except AssertionError as error:
            raise AssertionError(f"call {number}, {disk.done}, {ends}: {error}") from error
        if disk.done is None:
            break
        (end,) = ends
        refused, ran = refused + (str(os.getpid()) in end), ran + (end in "01")
        assert end in "01" or str(os.getpid()) in end or code < 8, f"call {number}, {disk.done}: {end}"
        assert code < 8 or end in "01", f"call {number}, {disk.done}: neither ended well"
        assert contents(trees.destination, partials=True) == FILES, f"call {number}, {disk.done}"
        trees.again()
        number += 1
    assert refused > 100, f"{refused} refused, {ran} ran"


@pytest.mark.slow
def test_many_copies_of_one_tree_at_once_end_right(trees: Trees) -> None:
    """Whoever gets the lock copies; the others are refused; nobody is hurt."""
    for _ in range(15):
        ends: List[int] = []

        def copy(ends: List[int] = ends) -> None:
            try:
                ends.append(copy_tree(request(trees)).exit_code)
            except RefusedError:
                ends.append(16)

        threads = [threading.Thread(target=copy) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ends) == 6 and set(ends) <= {0, 1, 16} and set(ends) & {0, 1}, ends
        trees.healed(0)
        trees.again()
