"""A packed listing gives back what was put in, and counts as a walk would."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.model import Count, Entry, Kind
from vdt.snapshot import LINK_SIZE, Snapshot, clamped


def entry(name: str, kind: Kind = Kind.FILE, size: int = 10, mtime: int = 5) -> Entry:
    return Entry(name, kind, size, mtime, 0o644, (0, 0))


def test_empty() -> None:
    snapshot = Snapshot()
    assert snapshot.count == Count(0, 0, 0)
    assert list(snapshot.folders()) == []
    assert snapshot.folder("") == {}
    assert "" not in snapshot
    assert snapshot.unreadable == []


def test_an_empty_root() -> None:
    snapshot = Snapshot()
    snapshot.add("", [])
    assert snapshot.count == Count(0, 0, 0)
    assert "" in snapshot and snapshot.folder("") == {}


def test_counts_files_folders_bytes() -> None:
    snapshot = Snapshot()
    snapshot.add("", [entry("a", size=3), entry("sub", Kind.FOLDER, size=4096), entry("b", size=4)])
    snapshot.add("sub", [entry("c", size=5)])
    snapshot.add("sub/empty", [])
    assert snapshot.count == Count(files=3, folders=2, size_bytes=12)
    assert snapshot.folder("") == {"a": (3, 5), "b": (4, 5)}
    assert snapshot.folder("sub") == {"c": (5, 5)}
    assert list(snapshot.folders()) == ["", "sub", "sub/empty"]
    assert "sub/empty" in snapshot and "c" not in snapshot


def test_links_are_files_without_bytes() -> None:
    snapshot = Snapshot()
    snapshot.add("", [entry("link", Kind.LINK, size=7, mtime=8), entry("file", size=9, mtime=6)])
    assert snapshot.count == Count(2, 0, 9)
    assert snapshot.folder("") == {"link": (LINK_SIZE, 8), "file": (9, 6)}


def test_a_link_is_told_from_an_empty_file() -> None:
    assert LINK_SIZE < 0


def test_what_cannot_be_looked_at_is_no_file() -> None:
    snapshot = Snapshot()
    snapshot.add("", [entry("x", Kind.UNKNOWN, size=9)])
    assert snapshot.count == Count(0, 0, 0)


def test_times_beyond_64_bits_are_cut() -> None:
    far = 2**63 - 1
    times = {0: 0, -5: -5, far: far, -far: -far, far + 1: far, -(far + 2): -far, 10**30: far, -(10**30): -far}
    assert {time: clamped(time) for time in times} == times
    snapshot = Snapshot()
    snapshot.add("", [entry("late", mtime=10**20), entry("early", mtime=-(10**20))])
    assert snapshot.folder("") == {"late": (10, far), "early": (10, -far)}


def test_count_without_empty_folders() -> None:
    snapshot = Snapshot()
    assert snapshot.count_without_empty_folders == Count(0, 0, 0)
    for folder, names in (("", "r"), ("a", ""), ("a/b", "x"), ("a/b/c", ""), ("d", ""), ("d/e", ""), ("ab", "y")):
        snapshot.add(folder, [entry(name) for name in names])
    assert snapshot.count == Count(files=3, folders=6, size_bytes=30)
    assert snapshot.count_without_empty_folders == Count(files=3, folders=3, size_bytes=30), "a, a/b and ab"


def test_a_root_that_holds_only_folders_is_no_folder_below_itself() -> None:
    snapshot = Snapshot()
    snapshot.add("", [])
    snapshot.add("a", [entry("x")])
    assert snapshot.count_without_empty_folders == Count(1, 1, 10)


def test_sockets_fifos_and_devices_are_no_files() -> None:
    snapshot = Snapshot()
    snapshot.add("", [entry("pipe", Kind.OTHER, size=9), entry("file", size=1)])
    assert snapshot.count == Count(1, 0, 1)
    assert list(snapshot.folder("")) == ["file"]


def test_a_generator_is_read_once() -> None:
    snapshot = Snapshot()
    snapshot.add("", (entry(name) for name in "abc"))
    assert list(snapshot.folder("")) == ["a", "b", "c"]


names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=()), min_size=1, max_size=8)
numbers = st.tuples(st.integers(0, 2**62), st.integers(-(2**62), 2**62))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(names, st.dictionaries(names, numbers, max_size=5), max_size=4))
def test_gives_back_what_was_put_in(tree) -> None:
    snapshot = Snapshot()
    snapshot.add("", [])
    for folder, files in tree.items():
        snapshot.add(folder, [entry(name, size=size, mtime=mtime) for name, (size, mtime) in files.items()])
    assert {folder: snapshot.folder(folder) for folder in snapshot.folders() if folder} == tree
    sizes = [size for files in tree.values() for size, _ in files.values()]
    assert snapshot.count == Count(len(sizes), len(tree), sum(sizes))
