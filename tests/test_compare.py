"""The decision table, row by row, and the whole of it against a plain model of robocopy's rules."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.compare import classify, times_equal
from vdt.model import Entry, FileClass, Kind, Policy

S = 10**9
HOUR = 3600 * S
T = 1_700_000_000 * S


def file(size: int = 100, mtime: int = T, mode: int = 0o644, **more) -> Entry:
    return Entry("a.dat", Kind.FILE, size, mtime, mode, (1, 2), **more)


def link(target: str, mtime: int = T, size: int = 3) -> Entry:
    return Entry("a.dat", Kind.LINK, size, mtime, 0o777, (0, 0), target=target)


TABLE = [
    ("lonely", None, FileClass.LONELY),
    ("same", file(), FileClass.SAME),
    ("source one nanosecond later", file(mtime=T - 1), FileClass.NEWER),
    ("source one nanosecond earlier", file(mtime=T + 1), FileClass.OLDER),
    ("size alone, shorter", file(size=99), FileClass.CHANGED),
    ("size alone, longer", file(size=101), FileClass.CHANGED),
    ("mode alone", file(mode=0o600), FileClass.TWEAKED),
    ("time goes before size: newer", file(size=7, mtime=T - S), FileClass.NEWER),
    ("time goes before size: older", file(size=7, mtime=T + S), FileClass.OLDER),
    ("size goes before mode", file(size=7, mode=0o600), FileClass.CHANGED),
    ("time goes before mode", file(mtime=T - S, mode=0o600), FileClass.NEWER),
    ("a folder there", file()._replace(kind=Kind.FOLDER), FileClass.MISMATCH),
    ("a link there", link("x"), FileClass.MISMATCH),
    ("a fifo there", file()._replace(kind=Kind.OTHER), FileClass.MISMATCH),
]


@pytest.mark.parametrize(("dest", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_decision_table(dest: Optional[Entry], expected: FileClass) -> None:
    assert classify(file(), dest, Policy()) is expected


@pytest.mark.parametrize(
    "change", [{"file_id": (9, 9)}, {"offline": True}, {"name": "A.DAT"}], ids=["file id", "offline", "spelling"]
)
def test_what_does_not_enter(change) -> None:
    assert classify(file(), file()._replace(**change), Policy()) is FileClass.SAME


@pytest.mark.parametrize(("apart", "equal"), [(0, True), (S, True), (2 * S, True), (2 * S + 1, False), (HOUR, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_modify_window(apart: int, equal: bool, sign: int) -> None:
    policy = Policy(modify_window_ns=2 * S)
    expected = FileClass.SAME if equal else (FileClass.NEWER if sign > 0 else FileClass.OLDER)
    assert times_equal(T + sign * apart, T, policy) is equal
    assert classify(file(mtime=T + sign * apart), file(), policy) is expected


def test_size_counts_inside_the_window() -> None:
    assert classify(file(mtime=T + S), file(size=1), Policy(modify_window_ns=2 * S)) is FileClass.CHANGED


@pytest.mark.parametrize(
    ("apart", "window", "equal"),
    [
        (HOUR, 0, True),
        (0, 0, True),
        (HOUR - 1, 0, False),
        (HOUR + 1, 0, False),
        (2 * HOUR, 0, False),
        (HOUR // 2, 0, False),
        (HOUR - 2 * S, 2 * S, True),
        (HOUR + 2 * S, 2 * S, True),
        (HOUR + 2 * S + 1, 2 * S, False),
        (HOUR - 2 * S - 1, 2 * S, False),
        (2 * S, 2 * S, True),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_daylight_saving(apart: int, window: int, equal: bool, sign: int) -> None:
    policy = Policy(dst_tolerance=True, modify_window_ns=window)
    assert times_equal(T, T + sign * apart, policy) is equal


def test_an_hour_apart_is_not_equal_unless_asked_for() -> None:
    assert classify(file(mtime=T + HOUR), file(), Policy()) is FileClass.NEWER


def test_modes_that_are_not_kept_are_not_compared() -> None:
    assert classify(file(), file(mode=0), Policy(keep_modes=False)) is FileClass.SAME


def test_checksum_does_not_enter_the_class() -> None:
    policy = Policy(checksum=True)
    assert classify(file(), file(), policy) is FileClass.SAME
    assert classify(file(mtime=T + 1), file(), policy) is FileClass.NEWER


@pytest.mark.parametrize(
    ("dest", "expected"),
    [
        (link("x"), FileClass.SAME),
        (link("x", mtime=T + 99 * S, size=77), FileClass.SAME),
        (link("y"), FileClass.CHANGED),
        (file(), FileClass.MISMATCH),
        (None, FileClass.LONELY),
    ],
)
def test_links_are_compared_by_their_text_alone(dest: Optional[Entry], expected: FileClass) -> None:
    assert classify(link("x"), dest, Policy()) is expected


def model(source: Entry, dest: Entry, policy: Policy) -> FileClass:
    """Robocopy's rules for two files, written from their description: a difference and the gaps that count as none."""
    difference = source.mtime_ns - dest.mtime_ns
    centres = [0, HOUR, -HOUR] if policy.dst_tolerance else [0]
    window = policy.modify_window_ns
    if not any(centre - window <= difference <= centre + window for centre in centres):
        return FileClass.NEWER if difference > 0 else FileClass.OLDER
    if source.size_bytes != dest.size_bytes:
        return FileClass.CHANGED
    if source.mode != dest.mode and policy.keep_modes:
        return FileClass.TWEAKED
    return FileClass.SAME


near = st.sampled_from([0, 1, S, 2 * S, HOUR - 2 * S, HOUR - 1, HOUR, HOUR + 1, HOUR + 2 * S, 2 * HOUR, 10**17])
shifts = st.tuples(near, st.sampled_from([-1, 1]), st.integers(-1, 1)).map(lambda t: t[0] * t[1] + t[2])
policies = st.builds(
    Policy,
    modify_window_ns=st.sampled_from([0, 1, 2 * S]),
    dst_tolerance=st.booleans(),
    keep_modes=st.booleans(),
    checksum=st.booleans(),
)


@settings(max_examples=120, deadline=None)
@given(shifts, st.integers(0, 2), st.integers(0, 2), st.sampled_from([0o644, 0o600]), policies)
def test_agrees_with_the_plain_model(shift: int, size: int, other: int, mode: int, policy: Policy) -> None:
    source, dest = file(size, T + shift), file(other, T, mode)
    assert classify(source, dest, policy) is model(source, dest, policy)


@settings(max_examples=100, deadline=None)
@given(shifts, policies)
def test_equality_of_times_has_no_direction(shift: int, policy: Policy) -> None:
    assert times_equal(T, T + shift, policy) is times_equal(T + shift, T, policy)
