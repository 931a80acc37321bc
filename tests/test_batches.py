"""Batches: the limits that close one, large files alone, nothing lost and nothing twice."""

from __future__ import annotations

from collections import Counter
from typing import List, Sequence, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from vdt import fs
from vdt.batches import MOST_BYTES, MOST_FILES, MOST_FOLDERS, Batcher, files_in_a_batch
from vdt.copyjob import FLUSH_ALONE_BYTES, Batch
from vdt.model import Action, Entry, FileClass, Kind, Verb


def actions(folder: str, *sizes: int) -> List[Action]:
    return [
        Action(folder, Entry(f"f{n:03}", Kind.FILE, size, 0, 0, (0, 0)), Verb.COPY, FileClass.LONELY)
        for n, size in enumerate(sizes)
    ]


def shape(batch: Batch) -> List[Tuple[str, List[str]]]:
    return [(part.folder, [action.source.name for action in part.actions]) for part in batch.parts]


def taken(batch: Batch) -> List[Action]:
    found = [action for part in batch.parts for action in part.actions]
    assert batch.count == len(found)
    return found


def batched(tree: Sequence[Tuple[str, Sequence[int]]], batcher: Batcher) -> List[Batch]:
    found: List[Batch] = []
    for folder, sizes in tree:
        found += batcher.add(folder, actions(folder, *sizes))
    return found + list(batcher.rest())


def test_nothing_gives_nothing() -> None:
    batcher = Batcher()
    assert list(batcher.add("a", [])) == []
    assert list(batcher.rest()) == []


def test_neighbouring_folders_share_a_batch() -> None:
    (batch,) = batched([("", [1, 2]), ("a", [3]), ("b", []), ("a/c", [4])], Batcher())
    assert shape(batch) == [("", ["f000", "f001"]), ("a", ["f000"]), ("a/c", ["f000"])]
    assert batch.total_bytes == 10


def test_full_by_number_of_files() -> None:
    batcher = Batcher(most_files=3)
    assert [shape(b) for b in batcher.add("a", actions("a", 1, 1))] == []
    (full,) = batcher.add("b", actions("b", 1, 1))
    assert shape(full) == [("a", ["f000", "f001"]), ("b", ["f000"])]
    assert full.total_bytes == 3
    (rest,) = batcher.rest()
    assert shape(rest) == [("b", ["f001"])]
    assert rest.total_bytes == 1


def test_full_by_bytes() -> None:
    first, second = batched([("a", [60, 39, 1, 5])], Batcher(most_bytes=100))
    assert (first.total_bytes, second.total_bytes) == (100, 5)
    assert [b.count for b in (first, second)] == [3, 1]


def test_full_by_folders() -> None:
    """Each folder of a batch holds descriptors open: that many folders close it, however small their files."""
    found = batched([(f"d{n:02}", [1]) for n in range(MOST_FOLDERS + 1)], Batcher())
    assert [len(b.parts) for b in found] == [MOST_FOLDERS, 1]


def test_the_default_limits() -> None:
    assert [b.count for b in batched([("a", [1] * (MOST_FILES + 1))], Batcher())] == [MOST_FILES, 1]
    size = FLUSH_ALONE_BYTES - 1
    fit = -(-MOST_BYTES // size)
    assert [b.count for b in batched([("a", [size] * (fit + 1))], Batcher())] == [fit, 1]


def test_batches_are_smaller_where_no_flush_is_shared() -> None:
    assert files_in_a_batch(fs.Flush.VOLUME) == MOST_FILES
    assert all(1 <= files_in_a_batch(flush) < MOST_FILES for flush in fs.Flush if flush is not fs.Flush.VOLUME)


def test_large_files_go_alone_and_at_once() -> None:
    batcher = Batcher()
    (large,) = batcher.add("a", actions("a", 1, FLUSH_ALONE_BYTES, FLUSH_ALONE_BYTES - 1))
    assert shape(large) == [("a", ["f001"])]
    assert large.total_bytes == FLUSH_ALONE_BYTES
    (rest,) = batcher.rest()
    assert shape(rest) == [("a", ["f000", "f002"])]
    assert rest.total_bytes == FLUSH_ALONE_BYTES


def test_the_rest_comes_once() -> None:
    batcher = Batcher()
    list(batcher.add("a", actions("a", 1)))
    assert len(list(batcher.rest())) == 1
    assert list(batcher.rest()) == []


large = st.sampled_from([FLUSH_ALONE_BYTES - 1, FLUSH_ALONE_BYTES, FLUSH_ALONE_BYTES * 9])
sizes = st.one_of(st.integers(0, 50), large)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(sizes, max_size=9), max_size=40), st.integers(1, 6), st.integers(1, 120))
def test_every_action_once_in_order_within_the_limits(folders, most_files: int, most_bytes: int) -> None:
    tree = [(f"d{n:02}", files) for n, files in enumerate(folders)]
    given_ = [action for folder, files in tree for action in actions(folder, *files)]
    found = batched(tree, Batcher(most_files, most_bytes))

    assert Counter(a.path for b in found for a in taken(b)) == Counter(a.path for a in given_)
    small = [a.path for b in found for a in taken(b) if a.source.size_bytes < FLUSH_ALONE_BYTES]
    assert small == [a.path for a in given_ if a.source.size_bytes < FLUSH_ALONE_BYTES]
    for batch in found:
        held = [action.source.size_bytes for action in taken(batch)]
        assert held and batch.total_bytes == sum(held)
        assert all(part.actions for part in batch.parts)
        assert all(action.folder == part.folder for part in batch.parts for action in part.actions)
        if max(held) >= FLUSH_ALONE_BYTES:
            assert len(held) == 1
        else:
            assert len(held) <= most_files and len(batch.parts) <= MOST_FOLDERS
            assert sum(held[:-1]) < most_bytes  # it was not full before its last file
