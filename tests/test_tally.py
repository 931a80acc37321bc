"""Counts of one tree: each kind of ending in its column, and the columns add up."""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.model import Action, Entry, Evidence, FileClass, Kind, Outcome, Problem, Row, Status, Verb
from vdt.plan import FolderPlan, Skipped
from vdt.records import Record
from vdt.tally import Tally, leads_out


def entry(name: str, size: int = 10, kind: Kind = Kind.FILE) -> Entry:
    return Entry(name, kind, size, 5, 0o644, (0, 0))


def record(evidence: Evidence) -> Record:
    return Record(10, 5, 5, "0" * 32, evidence)


def outcome(status: Status, size: int, evidence: Evidence = Evidence.COLD, listed: int = 10) -> Outcome:
    action = Action("d", entry("a", listed), Verb.COPY, FileClass.LONELY)
    return Outcome(action, status, size, evidence=evidence)


def rows(tally: Tally) -> List[Row]:
    return [tally.dirs.row(), tally.files.row(), tally.size_bytes.row()]


def planned(plan: FolderPlan, prefix: str = "d/") -> Tally:
    tally = Tally()
    tally.plan(plan, prefix)
    return tally


def test_nothing() -> None:
    assert rows(Tally()) == [Row(), Row(), Row()]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_folders() -> None:
    tally = Tally()
    tally.folder(created=True)
    tally.folder(created=False)
    tally.folder(created=False)
    assert tally.dirs.row() == Row(total=3, copied=1, skipped=2)


def test_folders_that_failed_are_named_and_the_root_is_a_dot() -> None:
    tally = Tally()
    tally.folder_failed("a/b", "no", 2)
    tally.folder_failed("", "never")
    assert tally.dirs.row() == Row(total=2, failed=2)
    assert tally.failed == [Problem("a/b", "no", 2), Problem(".", "never", 1)]


def test_excluded_folders_count_as_skipped() -> None:
    tally = planned(FolderPlan("d", False, excluded_folders=[entry("x", 0, Kind.FOLDER)] * 2))
    assert rows(tally) == [Row(total=2, skipped=2), Row(), Row()]


# --- what a plan decides ----------------------------------------------------------------------------------------------


def test_skipped_on_record() -> None:
    tally = planned(
        FolderPlan(
            "d",
            False,
            skipped=[
                Skipped(entry("a", 7), FileClass.SAME, Evidence.ON_RECORD, record(Evidence.COLD)),
                Skipped(entry("b", 8), FileClass.SAME, Evidence.ON_RECORD, record(Evidence.BOTH)),
            ],
        )
    )
    assert rows(tally)[1:] == [Row(total=2, skipped=2), Row(total=15, skipped=15)]
    assert tally.files_by_evidence == {Evidence.ON_RECORD: 2}
    assert tally.bytes_by_evidence == {Evidence.ON_RECORD: 15}
    assert tally.weak_files == 0


@pytest.mark.parametrize(
    "skipped",
    [
        Skipped(entry("a"), FileClass.SAME, Evidence.PRESENT),
        Skipped(entry("a"), FileClass.SAME, Evidence.ON_RECORD, record(Evidence.REREAD)),
        Skipped(entry("a"), FileClass.SAME, Evidence.ON_RECORD, record(Evidence.INFLIGHT)),
    ],
    ids=["size and time", "read through the cache", "hashed while sent"],
)
def test_skipped_but_weak(skipped: Skipped) -> None:
    tally = planned(FolderPlan("d", False, skipped=[skipped]))
    assert tally.files_by_evidence == {skipped.evidence: 1}
    assert tally.weak_files == 1


def linked(name: str, target: str) -> Entry:
    return Entry(name, Kind.LINK, len(target), 5, 0o777, (0, 0), target=target)


def test_links_whose_text_was_compared_are_counted_apart() -> None:
    skipped = [Skipped(linked(n, t), FileClass.SAME, Evidence.ON_RECORD) for n, t in (("a", "x"), ("b", "/away"))]
    tally = planned(FolderPlan("d", False, skipped=skipped))
    assert rows(tally)[1:] == [Row(total=2, skipped=2), Row()]
    assert tally.links == 2
    assert [problem.path for problem in tally.outward_links] == ["d/b"]
    assert "/away" in tally.outward_links[0].reason
    assert tally.files_by_evidence == {} and tally.weak_files == 0


def test_a_link_that_was_left_out_is_not_there_as_a_link() -> None:
    skipped = Skipped(linked("a", "/x"), FileClass.LONELY, Evidence.NONE, None, "named")
    tally = planned(FolderPlan("d", False, skipped=[skipped]))
    assert tally.files.row() == Row(total=1, skipped=1)
    assert (tally.links, tally.outward_links) == (0, [])


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        ("a", "b", False),
        ("a", "./b/c", False),
        ("a", "", False),
        ("a", "..", True),
        ("a", "../b", True),
        ("d/a", "..", False),
        ("d/a", "../b", False),
        ("d/a", "../../b", True),
        ("d/a", "../e/../../b", True),
        ("d/a", "e/../../b", False),
        ("d/e/a", "../../x/..", False),
        ("d/a", "/etc", True),
        ("d/a", "C:\\data", True),
        ("d/a", "\\\\server\\share", True),
        ("d/a", "..\\..\\b", True),
        ("d/a", "..\\b", False),
        ("d/a", "..x/..y", False),
    ],
)
def test_links_that_lead_out_of_the_tree(path: str, target: str, out: bool) -> None:
    assert leads_out(path, target) is out


@pytest.mark.parametrize(
    ("word", "unverified"),
    [("named", 0), ("large", 0), ("small", 0), ("older", 1), ("newer", 1), ("changed", 1), ("lonely", 1)],
)
def test_what_was_left_out_is_skipped_without_evidence(word: str, unverified: int) -> None:
    """What the user chose to leave out is one thing, what lies there unlike the source another."""
    tally = planned(FolderPlan("d", False, skipped=[Skipped(entry("a"), FileClass.OLDER, Evidence.NONE, None, word)]))
    assert rows(tally)[1:] == [Row(total=1, skipped=1), Row(total=10, skipped=10)]
    assert tally.files_by_evidence == {} and tally.bytes_by_evidence == {}
    assert tally.weak_files == 0
    assert tally.unverified == unverified


def test_extras_stand_apart_from_the_total() -> None:
    folder = entry("c", 0, Kind.FOLDER)
    tally = planned(FolderPlan("d", False, extra_files=[entry("a", 3), entry("b", 4)], extra_folders=[folder]))
    assert rows(tally) == [Row(extras=1), Row(extras=2), Row(extras=7)]
    assert [problem.path for problem in tally.extra] == ["d/a", "d/b", "d/c"]


def test_mismatches_count_on_the_side_of_the_source() -> None:
    plan = FolderPlan(
        "",
        False,
        mismatches=[
            (entry("f", 10), entry("f", 4096, Kind.FOLDER)),
            (entry("d", 4096, Kind.FOLDER), entry("d", 77)),
            (entry("g", 20), entry("g", 3, Kind.LINK)),
        ],
    )
    tally = planned(plan, "")
    assert rows(tally) == [Row(total=1, mismatch=1), Row(total=2, mismatch=2), Row(total=30, mismatch=30)]
    assert tally.type_mismatch == [
        Problem("f", "a file in the source, a folder at the destination"),
        Problem("d", "a folder in the source, a file at the destination"),
        Problem("g", "a file in the source, a link at the destination"),
    ]


def test_conflicts_fail_with_their_bytes() -> None:
    problems = [Problem("d/a", "older"), Problem("d/b", "shorter")]
    tally = planned(FolderPlan("d", False, conflicts=list(zip(problems, (10, 20)))))
    assert rows(tally)[1:] == [Row(total=2, failed=2), Row(total=30, failed=30)]
    assert tally.conflict == problems
    assert tally.failed == []


def test_refused_files_fail_by_name() -> None:
    tally = planned(FolderPlan("d", False, refused=[(entry("a"), "clash")]))
    assert rows(tally)[1:] == [Row(total=1, failed=1), Row(total=10, failed=10)]
    assert tally.failed == [Problem("d/a", "clash", 1)]


def test_refused_folders_fail_as_folders() -> None:
    tally = planned(FolderPlan("d", False, refused=[(entry("x", 4096, Kind.FOLDER), "clash")]))
    assert rows(tally) == [Row(total=1, failed=1), Row(), Row()]
    assert tally.failed == [Problem("d/x", "clash", 1)]


def test_special_entries_are_skipped_and_named() -> None:
    tally = planned(FolderPlan("d", False, special=[(entry("p", 0, Kind.OTHER), "a fifo"), (entry("q", 9), "offline")]))
    assert rows(tally)[1:] == [Row(total=2, skipped=2), Row(total=9, skipped=9)]
    assert tally.special == [Problem("d/p", "a fifo"), Problem("d/q", "offline")]
    assert tally.unverified == 1, "a fifo holds no data, an offline file does"
    assert tally.failed == []


def test_what_is_still_to_be_done_is_not_counted() -> None:
    action = Action("d", entry("a"), Verb.COPY, FileClass.LONELY)
    plan = FolderPlan("d", True, 1, actions=[action], retouch=[action], descend=[(entry("s", 0, Kind.FOLDER), False)])
    assert rows(planned(plan)) == [Row(), Row(), Row()]


# --- what became of the actions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "weak"),
    [
        (Evidence.NONE, 1),
        (Evidence.INFLIGHT, 1),
        (Evidence.REREAD, 1),
        (Evidence.COLD, 0),
        (Evidence.BOTH, 0),
    ],
)
def test_copied_counts_the_bytes_of_the_open_file(evidence: Evidence, weak: int) -> None:
    tally = Tally()
    tally.outcome(outcome(Status.COPIED, 12, evidence, listed=10))
    assert rows(tally) == [Row(), Row(total=1, copied=1), Row(total=12, copied=12)]
    assert (tally.files_by_evidence, tally.bytes_by_evidence) == ({evidence: 1}, {evidence: 12})
    assert tally.weak_files == weak


def test_proven_is_skipped_with_evidence() -> None:
    tally = Tally()
    tally.outcome(outcome(Status.PROVEN, 10))
    assert rows(tally)[1:] == [Row(total=1, skipped=1), Row(total=10, skipped=10)]
    assert tally.files_by_evidence == {Evidence.COLD: 1}


def test_linked_holds_no_data_that_could_be_weak() -> None:
    tally = Tally()
    for target in ("x", "../../away"):
        action = Action("d", linked("a", target), Verb.LINK, FileClass.LONELY)
        tally.outcome(Outcome(action, Status.LINKED))
    assert rows(tally)[1:] == [Row(total=2, copied=2), Row()]
    assert tally.links == 2
    assert [problem.path for problem in tally.outward_links] == ["d/a"]
    assert tally.files_by_evidence == {} and tally.bytes_by_evidence == {}
    assert tally.weak_files == 0


def test_failed_and_unstable_count_their_full_size() -> None:
    tally = Tally()
    tally.file_failed("d/a", 538, "no access", 6)
    tally.file_unstable("d/b", 2, "it grew", 2)
    tally.file_unproven("d/c", 3, "unread", 4)
    assert rows(tally)[1:] == [Row(total=3, failed=3), Row(total=543, failed=543)]
    assert tally.unproven == [Problem("d/c", "unread", 4)]
    assert tally.failed == [Problem("d/a", "no access", 6)]
    assert tally.unstable == [Problem("d/b", "it grew", 2)]
    assert tally.files_by_evidence == {}


def test_a_conflict_that_was_found_while_reading() -> None:
    tally = Tally()
    tally.file_conflict("d/a", 30, "the source is not what it was")
    assert rows(tally)[1:] == [Row(total=1, failed=1), Row(total=30, failed=30)]
    assert tally.conflict == [Problem("d/a", "the source is not what it was", 1)]
    assert tally.failed == []


# --- all of it together -----------------------------------------------------------------------------------------------

sizes = st.integers(0, 1000)
entries = st.builds(entry, st.sampled_from("abc"), sizes)
folders = st.builds(entry, st.sampled_from("xyz"), st.just(0), st.just(Kind.FOLDER))
levels = st.sampled_from([Evidence.NONE, Evidence.INFLIGHT, Evidence.REREAD, Evidence.COLD, Evidence.BOTH])
skips = st.one_of(
    st.builds(Skipped, entries, st.just(FileClass.SAME), st.just(Evidence.ON_RECORD), st.builds(record, levels)),
    st.builds(Skipped, entries, st.just(FileClass.SAME), st.just(Evidence.PRESENT)),
    st.builds(Skipped, entries, st.just(FileClass.SAME), st.just(Evidence.NONE), st.none(), st.just("named")),
)


def some(items):
    return st.lists(items, max_size=3)


plans = st.builds(
    FolderPlan,
    folder=st.just("d"),
    is_new=st.booleans(),
    skipped=some(skips),
    excluded_folders=some(folders),
    extra_files=some(entries),
    extra_folders=some(folders),
    mismatches=some(st.one_of(st.tuples(entries, folders), st.tuples(folders, entries))),
    refused=some(st.tuples(entries, st.just("clash"))),
    special=some(st.tuples(entries, st.just("offline"))),
)
endings = st.one_of(
    st.builds(outcome, st.sampled_from([Status.COPIED, Status.PROVEN]), sizes, levels),
    st.tuples(st.sampled_from(["file_failed", "file_unstable", "file_unproven", "file_conflict"]), sizes),
)


@settings(max_examples=35, deadline=None)
@given(st.lists(st.tuples(plans, st.lists(sizes, max_size=2), st.lists(endings, max_size=4)), max_size=4))
def test_the_columns_add_up(tree) -> None:
    tally = Tally()
    files = size = arrived = 0
    for plan, conflicts, ends in tree:
        plan.conflicts = [(Problem("d/c", "older"), length) for length in conflicts]
        tally.folder(created=plan.is_new)
        tally.plan(plan, "d/")
        mismatched = [source for source, _ in plan.mismatches if source.kind is Kind.FILE]
        decided = [s.entry for s in plan.skipped] + mismatched + [e for e, _ in (*plan.refused, *plan.special)]
        files += len(decided) + len(conflicts) + len(ends)
        size += sum(one.size_bytes for one in decided) + sum(conflicts)
        arrived += sum(not s.word for s in plan.skipped)
        for end in ends:
            if isinstance(end, Outcome):
                tally.outcome(end)
                size += end.size_bytes
                arrived += 1
            else:
                attempts = () if end[0] == "file_conflict" else (1,)
                getattr(tally, end[0])("d/f", end[1], "no", *attempts)
                size += end[1]
    for row in rows(tally):
        assert row.total == row.copied + row.skipped + row.mismatch + row.failed
    assert (tally.files.row().total, tally.size_bytes.row().total) == (files, size)
    excluded = sum(len(plan.excluded_folders) for plan, _, _ in tree)
    mismatched_folders = sum(one.kind is Kind.FOLDER for plan, _, _ in tree for one, _ in plan.mismatches)
    assert tally.dirs.row().total == len(tree) + excluded + mismatched_folders
    assert tally.files.failed == sum(map(len, (tally.failed, tally.unstable, tally.unproven, tally.conflict)))
    assert tally.files.mismatch + tally.dirs.mismatch == len(tally.type_mismatch)
    assert tally.files.extras + tally.dirs.extras == len(tally.extra)
    assert sum(tally.files_by_evidence.values()) == arrived
    assert tally.weak_files <= arrived
