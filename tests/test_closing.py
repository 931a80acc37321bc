"""The last look: what came, went or changed at the source since it was copied."""

from __future__ import annotations

from typing import Dict, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.closing import bytes_left, changed_since, first_difference, only_there
from vdt.model import Count, Entry, Kind, Problem
from vdt.snapshot import Snapshot

Files = Dict[str, Tuple[int, int]]  # path -> (size, mtime)


def tree(files: Files) -> Snapshot:
    folders: Dict[str, list] = {"": []}
    for path, (size, mtime) in files.items():
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(Entry(name, Kind.FILE, size, mtime, 0o644, (0, 0)))
    snapshot = Snapshot()
    for folder, entries in folders.items():
        snapshot.add(folder, entries)
    return snapshot


def looked(source: Files, dest: Files, before: Files, **more):
    given_ = {
        "time_step_ns": 0,
        "times_kept": True,
        "known": frozenset(),
        **more,
    }
    return changed_since(tree(source), tree(dest), before=tree(before), **given_)


A: Files = {"a": (10, 1000), "d/b": (20, 2000)}


def test_all_as_it_was() -> None:
    assert looked(A, A, A) == ()


def test_extras_at_the_destination_say_nothing_of_the_source() -> None:
    assert looked(A, {**A, "more": (1, 1), "e/x": (1, 1)}, A) == ()


def test_new_in_the_source() -> None:
    (problem,) = looked({**A, "d/new": (1, 1)}, A, A)
    assert problem == Problem("d/new", "in the source, not at the destination")


def test_a_whole_new_folder() -> None:
    assert [p.path for p in looked({**A, "n/x": (1, 1), "n/y": (1, 1)}, A, A)] == ["n/x", "n/y"]


def test_a_rename_that_did_not_happen() -> None:
    """The share confirmed the rename of a file, and the file is not there."""
    assert [p.path for p in looked(A, {"a": A["a"]}, A)] == ["d/b"]


def test_grown() -> None:
    (problem,) = looked({**A, "d/b": (25, 2000)}, A, A)
    assert problem.path == "d/b"
    assert "20 -> 25 bytes" in problem.reason


def test_written_again_with_the_same_size() -> None:
    (problem,) = looked({**A, "a": (10, 1001)}, A, A)
    assert problem.path == "a" and "time" in problem.reason


def test_size_and_time_are_one_finding() -> None:
    assert len(looked({**A, "a": (11, 1001)}, A, A)) == 1


def test_gone() -> None:
    (problem,) = looked({"a": A["a"]}, A, A)
    assert problem == Problem("d/b", "gone from the source since it was counted")


def test_times_are_held_against_what_the_destination_can_keep() -> None:
    stored = {"a": (10, 900), "d/b": (20, 2100)}
    assert looked(A, stored, A, time_step_ns=100) == ()
    assert [p.path for p in looked(A, stored, A, time_step_ns=99)] == ["a", "d/b"]


def test_times_that_are_not_copied_are_not_compared() -> None:
    dest = {"a": (10, 7), "d/b": (21, 7)}
    assert [p.path for p in looked(A, dest, A, times_kept=False)] == ["d/b"]


def test_what_is_reported_already_is_not_named_twice() -> None:
    known = {"a", "d/b", "gone", "new"}
    assert looked({"a": (11, 1000), "d/b": (20, 1), "new": (1, 1)}, A, {**A, "gone": (1, 1)}, known=known) == ()


def test_bytes_left() -> None:
    assert bytes_left(tree(A), tree({})) == 30
    assert bytes_left(tree(A), tree(A)) == 0
    assert bytes_left(tree(A), tree({**A, "extra": (99, 1)})) == 0
    assert bytes_left(tree(A), tree({"a": (10, 5), "d/b": (19, 2000)})) == 20
    assert bytes_left(tree(A), tree({"d/a": (10, 1000), "b": (20, 2000)})) == 30
    assert bytes_left(tree({}), tree(A)) == 0


def with_folder(files: Files, folder: str) -> Snapshot:
    snapshot = tree(files)
    snapshot.add(folder, [])
    return snapshot


def test_first_difference() -> None:
    assert first_difference(tree(A), tree(A)) == ""
    for other, expected in (
        ({**A, "d/b": (21, 2000)}, "d/b"),
        ({**A, "d/b": (20, 2001)}, "d/b"),
        ({**A, "d/c": (1, 1)}, "d/c"),
        ({**A, "e/x": (1, 1)}, "e"),
        ({"a": A["a"]}, "d"),
    ):
        assert first_difference(tree(A), tree(other)) == expected
        assert first_difference(tree(other), tree(A)) == expected, "whichever was first"
    assert first_difference(tree(A), with_folder(A, "empty")) == "empty"
    assert first_difference(with_folder(A, "empty"), tree(A)) == "empty"


def linked(size: int, mtime: int, kind: Kind = Kind.LINK) -> Snapshot:
    snapshot = Snapshot()
    snapshot.add("", [Entry("l", kind, size, mtime, 0o777, (0, 0), target="x")])
    return snapshot


def test_times_and_lengths_of_links_are_no_change() -> None:
    """Not every system can set the time of a link; its text was compared."""
    rules = {"before": linked(3, 1), "time_step_ns": 0, "times_kept": True, "known": frozenset()}
    assert changed_since(linked(3, 1), linked(9, 2), **rules) == ()
    (problem,) = changed_since(linked(3, 1), linked(3, 1, Kind.FILE), **rules)
    assert problem.path == "l", "a file where a link is in the source"


def test_links_hold_no_bytes() -> None:
    assert bytes_left(linked(3, 1), tree({})) == 0
    assert only_there(tree({}), linked(3, 1)) == Count(1, 0, 0)


def test_only_there() -> None:
    assert only_there(tree(A), tree(A)) == Count()
    assert only_there(tree(A), tree({})) == Count()
    assert only_there(tree({}), tree(A)) == Count(2, 1, 30)
    more = {**A, "x": (3, 1), "d/y": (4, 1), "e/z": (5, 1), "f/a": (6, 1)}
    assert only_there(tree(A), tree(more)) == Count(files=4, folders=2, size_bytes=18)
    assert only_there(tree(A), tree({"a": (99, 1)})) == Count(), "another size is not another file"


paths = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"])
trees = st.dictionaries(paths, st.tuples(st.integers(0, 2), st.integers(0, 2)))


@settings(max_examples=100, deadline=None)
@given(trees, trees, trees, st.sets(paths), st.integers(0, 1), st.booleans())
def test_against_dictionaries(source: Files, dest: Files, before: Files, known, step: int, times: bool) -> None:
    expected = {
        path
        for path, (size, mtime) in source.items()
        if path not in dest or dest[path][0] != size or (times and abs(dest[path][1] - mtime) > step)
    }
    expected |= {path for path in before if path not in source}
    found = [p.path for p in looked(source, dest, before, known=known, time_step_ns=step, times_kept=times)]
    assert sorted(found) == sorted(expected - known)
    assert (first_difference(tree(source), tree(dest)) == "") is (source == dest)
    alone = [length for path, (length, _) in dest.items() if path not in source]
    count = only_there(tree(source), tree(dest))
    assert (count.files, count.size_bytes) == (len(alone), sum(alone))
    assert bytes_left(tree(source), tree(dest)) == sum(
        size for path, (size, _) in source.items() if dest.get(path, (None,))[0] != size
    )
