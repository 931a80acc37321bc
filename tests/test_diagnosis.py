"""What is wrong with a file, and which side of it changed: decisions on plain values."""

from __future__ import annotations

from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.diagnosis import Comparison, Diagnosis, may_repair, which_side
from vdt.model import Entry, Evidence, Kind, Side
from vdt.records import Record

CHUNK = 1 << 14


def diagnose(source: bytes, dest: bytes, step: int = 5000) -> Diagnosis | None:
    comparison = Comparison(chunk_bytes=CHUNK)
    both = min(len(source), len(dest))
    for at in range(0, both, step):
        comparison.compare(source[at : min(both, at + step)], dest[at : min(both, at + step)])
    return comparison.diagnose(len(source), len(dest))


DATA = bytes(range(1, 256)) * 400


@pytest.mark.parametrize(
    ("dest", "expected"),
    [
        (DATA, None),
        (DATA[:-1], Diagnosis(len(DATA) - 1, (6,), 7, "truncated")),
        (b"", Diagnosis(0, tuple(range(7)), 7, "truncated")),
        (DATA[:20_000] + bytes(4096) + DATA[24_096:], Diagnosis(20_000, (1,), 7, "zeros")),
        (DATA[:20_000] + b"\0" + DATA[20_001:], Diagnosis(20_000, (1,), 7, "other")),
        (DATA[:5] + b"!" + DATA[6:-1] + b"!", Diagnosis(5, (0, 6), 7, "other")),
        (DATA + b"more", Diagnosis(len(DATA), (6,), 7, "other")),
        (bytes(len(DATA)), Diagnosis(0, tuple(range(7)), 7, "zeros")),
    ],
)
def test_damage(dest: bytes, expected: Diagnosis | None) -> None:
    assert diagnose(DATA, dest) == expected


@given(
    st.binary(max_size=60_000), st.lists(st.tuples(st.integers(0, 59_999), st.integers(1, 255)), max_size=4), st.data()
)
def test_first_difference_and_bad_chunks_are_those_of_a_plain_look(
    source: bytes, changes: List[Tuple[int, int]], data: st.DataObject
) -> None:
    spoilt = bytearray(source)
    for at, bits in changes:
        if at < len(spoilt):
            spoilt[at] ^= bits
    wrong = [at for at, pair in enumerate(zip(source, spoilt)) if pair[0] != pair[1]]
    found = diagnose(source, bytes(spoilt), data.draw(st.integers(1, 70_000)))
    if not wrong:
        assert found is None
    else:
        assert found is not None and found.first_difference == wrong[0]
        chunks = {at // CHUNK for at in wrong}
        assert chunks <= set(found.bad_chunks) <= set(range(min(chunks), max(chunks) + 1))


def record(digest: str, mtime_ns: int = 5, evidence: Evidence = Evidence.COLD) -> Record:
    return Record(10, mtime_ns, mtime_ns, digest * 32, evidence)


def source(mtime_ns: int) -> Entry:
    return Entry("a", Kind.FILE, 10, mtime_ns, 0o644, (1, 1))


@pytest.mark.parametrize(
    ("records", "sent", "kept", "time", "expected"),
    [
        ([], "1", "2", 5, (Side.NO_RECORD, False)),
        ([record("1", evidence=Evidence.NONE)], "1", "2", 5, (Side.NO_RECORD, False)),
        ([record("1")], "1", "2", 5, (Side.DESTINATION, False)),
        ([record("1")], "2", "1", 5, (Side.SOURCE, False)),
        ([record("1")], "2", "3", 5, (Side.BOTH, False)),
        ([record("1", 5), record("2", 9)], "2", "1", 9, (Side.DESTINATION, True)),
        ([record("1", 5), record("2", 9)], "1", "2", 5, (Side.SOURCE, False)),
        ([record("1", 5), record("2", 9)], "2", "1", 7, (Side.BOTH, False)),
        ([record("1", 5), record("2", 5)], "2", "1", 5, (Side.BOTH, False)),
    ],
)
def test_which_side(records: List[Record], sent: str, kept: str, time: int, expected: Tuple[Side, bool]) -> None:
    assert which_side(records, sent * 32, kept * 32, source(time)) == expected


def test_a_repair_needs_consent_wherever_the_copy_may_be_the_better_one() -> None:
    assert may_repair(Side.DESTINATION, source_newer=False) == ""
    assert may_repair(Side.NO_RECORD, source_newer=True) == ""
    for side, newer in ((Side.NO_RECORD, False), (Side.SOURCE, True), (Side.BOTH, True)):
        assert "not accepted" in may_repair(side, source_newer=newer)
