"""Classes and switches: the table row by row, and the whole decision against a plain model of robocopy's rules."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.decision import Decision, Fate, decisions
from vdt.model import Entry, Existing, FileClass, Kind, Policy
from vdt.plan import FolderPlan, Pair, Planner, Rules
from vdt.records import NO_RECORDS

COPY = Decision(Fate.COPY)
PLAIN = {
    FileClass.LONELY: COPY,
    FileClass.NEWER: COPY,
    FileClass.OLDER: COPY,
    FileClass.CHANGED: COPY,
    FileClass.TWEAKED: Decision(Fate.KEEP, "same"),
    FileClass.MODIFIED: Decision(Fate.KEEP, "same"),
    FileClass.SAME: Decision(Fate.KEEP, "same"),
    FileClass.EXTRA: Decision(Fate.REPORT),
    FileClass.MISMATCH: Decision(Fate.REPORT),
}


def test_without_switches() -> None:
    assert decisions(Policy()) == PLAIN
    assert set(PLAIN) == set(FileClass), "every class has its row"


@pytest.mark.parametrize(
    ("switch", "file_class", "decision"),
    [
        ("skip_lonely", FileClass.LONELY, Decision(Fate.LEAVE, "lonely")),
        ("skip_newer", FileClass.NEWER, Decision(Fate.LEAVE, "newer")),
        ("skip_older", FileClass.OLDER, Decision(Fate.LEAVE, "older")),
        ("skip_changed", FileClass.CHANGED, Decision(Fate.LEAVE, "changed")),
        ("include_same", FileClass.SAME, COPY),
        ("include_tweaked", FileClass.TWEAKED, COPY),
        ("include_modified", FileClass.MODIFIED, COPY),
        ("hide_extras", FileClass.EXTRA, Decision(Fate.HIDE)),
    ],
)
def test_each_switch_moves_one_row(switch: str, file_class: FileClass, decision: Decision) -> None:
    assert decisions(Policy(**{switch: True})) == {**PLAIN, file_class: decision}


# ---- a plain model, written from the description of robocopy alone ------------------------------------------------


class Side(NamedTuple):
    folder: bool
    size: int
    seconds: int
    attributes: int


class Switches(NamedTuple):
    xo: bool
    xn: bool
    xc: bool
    xl: bool
    xx: bool
    is_: bool
    it: bool
    fft: bool
    dst: bool
    max_: Optional[int]
    min_: Optional[int]
    maxage: Optional[int]  # files of an earlier second are too old
    minage: Optional[int]  # files of a later second are too new


def model(source: Optional[Side], dest: Optional[Side], use: Switches) -> Tuple[str, str]:
    """(column of the summary, word of the log) of one name; ("", "") where nothing is said of it."""
    if source is None:
        assert dest is not None
        if use.xx:
            return "", ""
        return "extra", "*EXTRA Dir" if dest.folder else "*EXTRA File"
    if not source.folder:
        if use.max_ is not None and source.size > use.max_:
            return "skipped", "large"
        if use.min_ is not None and source.size < use.min_:
            return "skipped", "small"
        if use.maxage is not None and source.seconds < use.maxage:
            return "skipped", "too old"
        if use.minage is not None and source.seconds > use.minage:
            return "skipped", "too new"
    if dest is not None and dest.folder != source.folder:
        return "mismatch", "*MISMATCH"
    if source.folder:
        return "folder", "" if dest is not None else "New Dir"
    if dest is None:
        return ("skipped", "lonely") if use.xl else ("copied", "New File")
    slack = 2 if use.fft else 0
    apart = abs(source.seconds - dest.seconds)
    equal = apart <= slack or (use.dst and 3600 - slack <= apart <= 3600 + slack)
    if not equal and source.seconds > dest.seconds:
        return ("skipped", "newer") if use.xn else ("copied", "Newer")
    if not equal:
        return ("skipped", "older") if use.xo else ("copied", "Older")
    if source.size != dest.size:
        return ("skipped", "changed") if use.xc else ("copied", "Changed")
    if source.attributes != dest.attributes:
        return ("copied", "Tweaked") if use.it else ("skipped", "same")
    return ("copied", "Same") if use.is_ else ("skipped", "same")


SIDES = st.builds(
    Side,
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from([0, 1, 2, 3, 3598, 3600, 3602, 3603, 7200]),
    st.integers(0, 1),
)
LIMITS = st.none() | st.integers(0, 3)
AGES = st.none() | st.sampled_from([0, 2, 3600])
SWITCHES = st.builds(Switches, *[st.booleans()] * 9, LIMITS, LIMITS, AGES, AGES)


def entry(name: str, side: Side) -> Entry:
    kind = Kind.FOLDER if side.folder else Kind.FILE
    return Entry(name, kind, 0 if side.folder else side.size, side.seconds * 10**9, side.attributes, (0, 0))


def found(plan: FolderPlan) -> Dict[str, Tuple[str, str]]:
    """What the planner decided, in the words of the model."""
    words: Dict[str, Tuple[str, str]] = {}
    for action in plan.actions:
        words[action.source.name] = ("copied", action.file_class.value)
    for skipped in plan.skipped:
        same = skipped.file_class in (FileClass.SAME, FileClass.TWEAKED)
        words[skipped.entry.name] = ("skipped", skipped.word or ("same" if same else "?"))
    for item, there in plan.descend:
        words[item.name] = ("folder", "" if there else "New Dir")
    words.update({item.name: ("extra", "*EXTRA Dir") for item in plan.extra_folders})
    words.update({item.name: ("extra", "*EXTRA File") for item in plan.extra_files})
    words.update({item.name: ("mismatch", "*MISMATCH") for item, _ in plan.mismatches})
    return words


def ns(seconds: Optional[int]) -> Optional[int]:
    return None if seconds is None else seconds * 10**9


@given(st.lists(st.tuples(SIDES | st.none(), SIDES | st.none()), min_size=1, max_size=12), SWITCHES)
@settings(max_examples=600, deadline=None)
def test_the_planner_decides_as_the_description_says(
    pairs: list[tuple[Optional[Side], Optional[Side]]], use: Switches
) -> None:
    pairs = [pair for pair in pairs if pair != (None, None)]
    policy = Policy(
        skip_older=use.xo,
        skip_newer=use.xn,
        skip_changed=use.xc,
        skip_lonely=use.xl,
        hide_extras=use.xx,
        include_same=use.is_,
        include_tweaked=use.it,
        modify_window_ns=2 * 10**9 if use.fft else 0,
        dst_tolerance=use.dst,
        max_size_bytes=use.max_,
        min_size_bytes=use.min_,
        oldest_mtime_ns=ns(use.maxage),
        newest_mtime_ns=ns(use.minage),
    )
    source = [entry(f"{n:02}", one) for n, (one, _) in enumerate(pairs) if one is not None]
    dest = [entry(f"{n:02}", other) for n, (_, other) in enumerate(pairs) if other is not None]
    plan = Planner(Rules(policy, Existing.TRUST), NO_RECORDS).plan(Pair("", source, dest))
    expected = {f"{n:02}": model(one, other, use) for n, (one, other) in enumerate(pairs)}
    assert found(plan) == {name: words for name, words in expected.items() if words != ("", "")}
