"""What is to be done with one folder, read as a list: every switch, every bucket, and what holds for all plans."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.model import Entry, Evidence, Existing, FileClass, Kind, Links, Policy, Verb
from vdt.plan import FolderPlan, Pair, Planner, Rules
from vdt.records import NO_RECORDS, Record, Records
from vdt.selection import PARTIAL, Selection, leaves_files_out

S = 10**9
HOUR = 3600 * S
T = 1_700_000_000 * S
DIGEST = "00112233445566778899aabbccddeeff"
OURS = ".vdt-0123456789abcdef.partial"


def file(name: str = "a", size: int = 100, mtime: int = T, mode: int = 0o644, **more) -> Entry:
    return Entry(name, Kind.FILE, size, mtime, mode, (0, 0), **more)


def folder(name: str) -> Entry:
    return Entry(name, Kind.FOLDER, 4096, T, 0o755, (0, 0))


def link(name: str, target: str = "x") -> Entry:
    return Entry(name, Kind.LINK, len(target), T, 0o777, (0, 0), target=target)


def other(name: str) -> Entry:
    return Entry(name, Kind.OTHER, 0, T, 0o644, (0, 0))


def recorded(
    *entries: Entry,
    where: str = "",
    stored: Optional[int] = None,
    also: str = "",
    evidence: Evidence = Evidence.COLD,
) -> Records:
    """Records that hold the entries as copied; the destination keeps `stored` as their time."""
    records = Records()
    for entry in entries:
        kept = entry.mtime_ns if stored is None else stored
        path = f"{where}/{entry.name}" if where else entry.name
        records.add(path, Record(entry.size_bytes, entry.mtime_ns, kept, DIGEST, evidence, also))
    return records


def plan(
    source: Iterable[Entry],
    dest: Optional[Iterable[Entry]] = (),
    *,
    records: Records = NO_RECORDS,
    where: str = "",
    existing: Existing = Existing.TRUST,
    replace_proven: bool = False,
    also: Optional[str] = None,
    past_cache: bool = False,
    fold_case: bool = False,
    time_step_ns: int = 0,
    **policy,
) -> FolderPlan:
    rules = Rules(
        policy=Policy(**policy),
        existing=existing,
        replace_proven=replace_proven,
        also=also,
        past_cache=past_cache,
        fold_case=fold_case,
        time_step_ns=time_step_ns,
    )
    there = None if dest is None else list(dest)
    return Planner(rules, records).plan(Pair(where, sorted(source), there))


def buckets(found: FolderPlan) -> Dict[str, str]:
    """path or name -> where it landed; a name that landed twice is an error."""
    landed: List[Tuple[str, str]] = []
    landed += [(action.source.name, action.verb.value) for action in found.actions]
    landed += [(skipped.entry.name, skipped.word or f"skipped:{skipped.evidence.value}") for skipped in found.skipped]
    landed += [(entry.name, "there" if exists else "new") for entry, exists in found.descend]
    landed += [(entry.name, "excluded") for entry in found.excluded_folders]
    landed += [(source.name, "mismatch") for source, _ in found.mismatches]
    landed += [(problem.path.rpartition("/")[2], "conflict") for problem, _ in found.conflicts]
    landed += [(entry.name, "refused") for entry, _ in found.refused]
    landed += [(entry.name, "special") for entry, _ in found.special]
    assert len(dict(landed)) == len(landed), landed
    return dict(landed)


# One destination file of each class, against the source file "a".
CLASSES = {
    FileClass.LONELY: None,
    FileClass.NEWER: file(mtime=T - S),
    FileClass.OLDER: file(mtime=T + S),
    FileClass.CHANGED: file(size=99),
    FileClass.TWEAKED: file(mode=0o600),
    FileClass.SAME: file(),
}


def one(file_class: FileClass, **rules) -> FolderPlan:
    dest = CLASSES[file_class]
    return plan([file()], [dest] if dest else [], **rules)


# --- classes and the switches that choose among them ------------------------------------------------------------------


@pytest.mark.parametrize("file_class", [FileClass.LONELY, FileClass.NEWER, FileClass.OLDER, FileClass.CHANGED])
def test_copied_by_default(file_class: FileClass) -> None:
    found = one(file_class)
    (action,) = found.actions
    assert (action.path, action.verb, action.file_class, action.attempt) == ("a", Verb.COPY, file_class, 1)
    assert action.source == file()
    assert action.dest == CLASSES[file_class]
    assert found.skipped == []


@pytest.mark.parametrize("file_class", [FileClass.SAME, FileClass.TWEAKED])
def test_skipped_by_default_on_size_and_time(file_class: FileClass) -> None:
    found = one(file_class)
    (skipped,) = found.skipped
    assert (skipped.file_class, skipped.evidence, skipped.word) == (file_class, Evidence.PRESENT, "")
    assert found.actions == [] and found.retouch == []


SWITCHES = {
    "skip_newer": FileClass.NEWER,
    "skip_older": FileClass.OLDER,
    "skip_changed": FileClass.CHANGED,
    "skip_lonely": FileClass.LONELY,
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_skip_switch_skips_its_class_alone(switch: str) -> None:
    for file_class in CLASSES:
        found = one(file_class, **{switch: True})
        if file_class is SWITCHES[switch]:
            (skipped,) = found.skipped
            assert (skipped.file_class, skipped.word) == (file_class, file_class.name.lower())
            assert skipped.evidence is Evidence.NONE, "nothing is known of what lies there"
            assert found.actions == []
        else:
            assert buckets(found) == buckets(one(file_class))


@pytest.mark.parametrize(
    ("switch", "wanted"), [("include_same", FileClass.SAME), ("include_tweaked", FileClass.TWEAKED)]
)
def test_an_include_switch_copies_its_class_alone(switch: str, wanted: FileClass) -> None:
    for file_class in CLASSES:
        found = one(file_class, **{switch: True})
        if file_class is wanted:
            assert [(a.verb, a.file_class) for a in found.actions] == [(Verb.COPY, wanted)]
        else:
            assert buckets(found) == buckets(one(file_class))


def test_modify_window_and_daylight_saving() -> None:
    assert buckets(plan([file()], [file(mtime=T - S)], modify_window_ns=2 * S)) == {"a": "skipped:present"}
    assert buckets(plan([file()], [file(mtime=T - HOUR)], dst_tolerance=True)) == {"a": "skipped:present"}


@pytest.mark.parametrize("keep", [True, False])
def test_modes_that_are_not_kept_make_no_tweaked(keep: bool) -> None:
    (skipped,) = one(FileClass.TWEAKED, keep_modes=keep).skipped
    assert skipped.file_class is (FileClass.TWEAKED if keep else FileClass.SAME)


@pytest.mark.parametrize(("size", "word"), [(9, "small"), (10, None), (20, None), (21, "large")])
def test_sizes_at_the_limits(size: int, word: Optional[str]) -> None:
    found = plan([file(size=size)], min_size_bytes=10, max_size_bytes=20)
    assert buckets(found) == {"a": word or "copy"}
    assert found.listed == 1


def test_a_limit_of_zero_is_a_limit() -> None:
    assert buckets(plan([file("a", 0), file("b", 1)], max_size_bytes=0)) == {"a": "copy", "b": "large"}
    assert buckets(plan([file("a", 0)], min_size_bytes=0)) == {"a": "copy"}


def test_the_lower_limit_holds_alone() -> None:
    assert buckets(plan([file("a", 9), file("b", 10)], min_size_bytes=10)) == {"a": "small", "b": "copy"}


# --- what is asked of files that are already there --------------------------------------------------------------------


@pytest.mark.parametrize("file_class", [FileClass.SAME, FileClass.TWEAKED])
@pytest.mark.parametrize("rules", [{"existing": Existing.PROVE}, {"checksum": True}], ids=["prove", "checksum"])
def test_without_a_record_both_sides_are_read(file_class: FileClass, rules) -> None:
    found = one(file_class, **rules)
    (action,) = found.actions
    assert (action.verb, action.file_class, action.dest) == (Verb.PROVE, file_class, CLASSES[file_class])


@pytest.mark.parametrize("existing", Existing)
def test_a_record_of_this_size_and_time_is_enough(existing: Existing) -> None:
    found = one(FileClass.SAME, existing=existing, records=recorded(file()))
    (skipped,) = found.skipped
    assert (skipped.evidence, skipped.file_class, skipped.word) == (Evidence.ON_RECORD, FileClass.SAME, "")
    assert skipped.record is not None and skipped.record.digest == DIGEST


@pytest.mark.parametrize(
    "former", [file(size=99), file(mtime=T - S), file(mtime=T + S), file("b")], ids=["size", "older", "newer", "name"]
)
def test_a_record_of_something_else_is_none(former: Entry) -> None:
    assert buckets(one(FileClass.SAME, existing=Existing.PROVE, records=recorded(former))) == {"a": "prove"}


@pytest.mark.parametrize("existing", Existing)
def test_checksum_reads_what_is_on_record_too(existing: Existing) -> None:
    """A record speaks for a size and a time; who asks for contents does not want to rely on these."""
    assert buckets(one(FileClass.SAME, checksum=True, existing=existing, records=recorded(file()))) == {"a": "prove"}


@pytest.mark.parametrize(
    ("file_class", "verb"),
    [
        (FileClass.LONELY, Verb.COPY),
        (FileClass.CHANGED, Verb.COPY),
        (FileClass.NEWER, Verb.PROVE),
        (FileClass.OLDER, Verb.PROVE),
    ],
)
def test_checksum_reads_whatever_could_be_equal(file_class: FileClass, verb: Verb) -> None:
    (action,) = one(file_class, checksum=True).actions
    assert (action.verb, action.file_class) == (verb, file_class)


def test_checksum_copies_another_size_whatever_its_time() -> None:
    for mtime in (T - S, T, T + S):
        assert buckets(plan([file()], [file(size=99, mtime=mtime)], checksum=True)) == {"a": "copy"}


def test_checksum_makes_links_as_ever() -> None:
    assert buckets(plan([link("a", "y")], [link("a", "x")], checksum=True)) == {"a": "link"}


def test_checksum_obeys_the_skip_switches() -> None:
    assert buckets(one(FileClass.OLDER, checksum=True, skip_older=True)) == {"a": "older"}


def test_an_action_carries_the_digest_of_what_lies_there() -> None:
    """With it a source that rotted is told from a copy that did."""
    records = recorded(file())
    rules = {"records": records, "existing": Existing.PROVE}
    for source, more in ((file(), {"also": "md5"}), (file(), {"checksum": True}), (file(mtime=T + S), {})):
        (action,) = plan([source], [file()], **rules, **more).actions
        assert (action.proven_digest, action.proven_mtime_ns) == (DIGEST, T)
    for there in (file(mtime=T + S), file(size=99)):
        (action,) = plan([file(mtime=T + 9 * S)], [there], **rules).actions
        assert action.proven_digest == "", "the record is of something else"
    assert one(FileClass.SAME, existing=Existing.PROVE).actions[0].proven_digest == ""
    assert plan([file()], [], **rules).actions[0].proven_digest == ""


@pytest.mark.parametrize("stored", [T - S, T + S], ids=["down", "up"])
def test_a_rounded_time_needs_no_new_copy_where_the_second_digest_is_missing(stored: int) -> None:
    rules = {"records": recorded(file(), stored=stored), "existing": Existing.PROVE, "also": "md5"}
    (action,) = plan([file()], [file(mtime=stored)], **rules).actions
    assert (action.verb, action.file_class) == (Verb.PROVE, FileClass.SAME)


def test_a_rounded_time_does_not_hide_another_mode() -> None:
    found = plan([file()], [file(mtime=T - S, mode=0o600)], records=recorded(file(), stored=T - S), fix_modes=True)
    assert buckets(found) == {"a": "skipped:on_record"}
    assert [action.source.mode for action in found.retouch] == [0o644]


def test_a_record_belongs_to_its_folder() -> None:
    rules = {"existing": Existing.PROVE}
    assert buckets(plan([file()], [file()], where="d", records=recorded(file()), **rules)) == {"a": "prove"}
    assert buckets(plan([file()], [file()], where="d", records=recorded(file(), where="d"), **rules)) == {
        "a": "skipped:on_record"
    }


def test_a_record_does_not_bring_a_missing_file_back() -> None:
    assert buckets(plan([file()], [], records=recorded(file()))) == {"a": "copy"}


def test_a_destination_that_changed_since_is_copied_again() -> None:
    for there in (file(mtime=T + S), file(mtime=T - S), file(size=5)):
        assert buckets(plan([file()], [there], records=recorded(file()))) == {"a": "copy"}


@pytest.mark.parametrize("stored", [T - S, T + S], ids=["down", "up"])
def test_a_time_that_the_share_rounded_counts_as_kept(stored: int) -> None:
    records = recorded(file(), stored=stored)
    found = plan([file()], [file(mtime=stored)], records=records, existing=Existing.PROVE)
    (skipped,) = found.skipped
    assert (skipped.file_class, skipped.evidence) == (FileClass.SAME, Evidence.ON_RECORD)


def test_a_rounded_time_goes_before_the_skip_switches() -> None:
    records = recorded(file(), stored=T - S)
    assert buckets(plan([file()], [file(mtime=T - S)], records=records, skip_newer=True)) == {"a": "skipped:on_record"}


def test_a_second_digest_must_be_on_record_too() -> None:
    def found(also: str) -> Dict[str, str]:
        rules = {"records": recorded(file(), also=also), "existing": Existing.PROVE}
        return buckets(plan([file()], [file()], also="md5", **rules))

    assert found("md5:" + "0" * 32) == {"a": "skipped:on_record"}
    assert found("") == {"a": "prove"}
    assert found("sha256:" + "0" * 64) == {"a": "prove"}
    assert found("md4:" + "0" * 32) == {"a": "prove"}


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [(Evidence.REREAD, "prove"), (Evidence.COLD, "skipped:on_record"), (Evidence.BOTH, "skipped:on_record")],
)
def test_a_record_of_a_read_through_the_cache_is_proven_again_where_more_is_asked(evidence, expected: str) -> None:
    rules = {"records": recorded(file(), evidence=evidence), "existing": Existing.PROVE}
    assert buckets(plan([file()], [file()], past_cache=True, **rules)) == {"a": expected}
    assert buckets(plan([file()], [file()], past_cache=False, **rules)) == {"a": "skipped:on_record"}


def test_a_weak_record_still_guards_its_copy() -> None:
    records = recorded(file(), evidence=Evidence.REREAD)
    assert buckets(plan([file(size=9)], [file()], records=records, past_cache=True)) == {"a": "conflict"}


def test_a_second_digest_on_record_does_no_harm() -> None:
    assert buckets(plan([file()], [file()], records=recorded(file(), also="md5:00"))) == {"a": "skipped:on_record"}


def test_include_same_copies_what_is_on_record_too() -> None:
    assert buckets(plan([file()], [file()], records=recorded(file()), include_same=True)) == {"a": "copy"}


def test_include_tweaked_copies_what_is_on_record_too() -> None:
    found = plan([file()], [file(mode=0o600)], records=recorded(file()), include_tweaked=True)
    assert buckets(found) == {"a": "copy"}


def test_include_same_leaves_tweaked_files_on_record_alone() -> None:
    found = plan([file()], [file(mode=0o600)], records=recorded(file()), include_same=True, existing=Existing.PROVE)
    assert buckets(found) == {"a": "skipped:on_record"}


# --- only the mode differs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("records", [NO_RECORDS, recorded(file())], ids=["trusted", "on record"])
def test_retouch(records: Records) -> None:
    found = one(FileClass.TWEAKED, records=records, fix_modes=True)
    assert [s.file_class for s in found.skipped] == [FileClass.TWEAKED]
    (action,) = found.retouch
    assert (action.path, action.source.mode, action.dest) == ("a", 0o644, file(mode=0o600))
    assert found.actions == []


def test_no_retouch_where_nothing_differs_or_nobody_asked() -> None:
    assert one(FileClass.SAME, fix_modes=True).retouch == []
    assert one(FileClass.TWEAKED, fix_modes=False).retouch == []
    assert one(FileClass.TWEAKED, fix_modes=True, keep_modes=False).retouch == []


def test_what_is_read_or_copied_anyway_is_not_retouched() -> None:
    assert one(FileClass.TWEAKED, fix_modes=True, existing=Existing.PROVE).retouch == []
    assert one(FileClass.TWEAKED, fix_modes=True, include_tweaked=True).retouch == []


# --- a proven copy is never replaced by an older or shorter source ----------------------------------------------------

CONFLICTS = [
    ("older", file(mtime=T - S)),
    ("shorter", file(size=99)),
    ("newer but shorter", file(size=99, mtime=T + S)),
    ("older but longer", file(size=101, mtime=T - S)),
    ("empty", file(size=0, mtime=T + S)),
]


@pytest.mark.parametrize("source", [row[1] for row in CONFLICTS], ids=[row[0] for row in CONFLICTS])
@pytest.mark.parametrize("existing", Existing)
def test_conflict(source: Entry, existing: Existing) -> None:
    rules = {"where": "d", "records": recorded(file(), where="d"), "existing": existing}
    found = plan([source], [file()], **rules)
    ((problem, size),) = found.conflicts
    assert problem.path == "d/a"
    assert f"{source.size_bytes} bytes" in problem.reason and "100 bytes" in problem.reason
    assert size == source.size_bytes
    assert found.actions == [] and found.skipped == []
    assert found.listed == 1
    assert buckets(plan([source], [file()], replace_proven=True, **rules)) == {"a": "copy"}


@pytest.mark.parametrize(
    "source", [file(mtime=T + S), file(size=101), file(size=101, mtime=T + S)], ids=["newer", "longer", "both"]
)
def test_a_newer_or_longer_source_replaces_a_proven_copy(source: Entry) -> None:
    assert buckets(plan([source], [file()], records=recorded(file()))) == {"a": "copy"}


@pytest.mark.parametrize(
    ("there", "expected"),
    [(file(mtime=T + S), "copy"), (file(size=101), "copy"), (None, "copy"), (folder("a"), "mismatch")],
    ids=["time", "size", "gone", "folder"],
)
def test_a_copy_that_is_proven_no_more_is_no_conflict(there: Optional[Entry], expected: str) -> None:
    found = plan([file(mtime=T - S, size=9)], [there] if there else [], records=recorded(file()))
    assert buckets(found) == {"a": expected}


@pytest.mark.parametrize("away", [-2 * S + 1, -1, 1, 2 * S - 1])
def test_times_that_the_share_rounds_are_equal_within_its_step(away: int) -> None:
    step = {"time_step_ns": 2 * S - 1}
    there = [file(mtime=T + away)]
    assert buckets(plan([file()], there, **step)) == {"a": "skipped:present"}
    assert buckets(plan([file()], there, existing=Existing.PROVE, **step)) == {"a": "prove"}, "both sides are read"
    assert buckets(plan([file()], there)) == {"a": "copy"}, "one that keeps times exactly"
    assert buckets(plan([file(size=99)], there, **step)) == {"a": "copy"}


def test_behind_the_step_of_the_share_times_differ() -> None:
    for away in (-2 * S, 2 * S):
        assert buckets(plan([file()], [file(mtime=T + away)], time_step_ns=2 * S - 1)) == {"a": "copy"}


def test_a_wider_window_of_the_user_stays() -> None:
    found = plan([file()], [file(mtime=T - S)], modify_window_ns=2 * S, time_step_ns=1000)
    assert buckets(found) == {"a": "skipped:present"}


@pytest.mark.parametrize("existing", Existing)
def test_a_record_of_the_source_s_own_time_is_finer_than_the_share_s(existing: Existing) -> None:
    """A source that changed within the step, same size: copied as newer, in conflict as older; never called equal."""
    rules = {"records": recorded(file(), stored=T - S), "existing": existing, "time_step_ns": 2 * S - 1}
    there = [file(mtime=T - S)]
    assert buckets(plan([file()], there, **rules)) == {"a": "skipped:on_record"}
    (action,) = plan([file(mtime=T + 1)], there, **rules).actions
    assert (action.verb, action.file_class) == (Verb.COPY, FileClass.NEWER)
    assert buckets(plan([file(mtime=T - 1)], there, **rules)) == {"a": "conflict"}


def test_a_conflict_is_seen_through_rounded_times() -> None:
    """The source's age is held against the source's former time, not against what the share made of it."""
    records = recorded(file(), stored=T - 5 * S)
    there = file(mtime=T - 5 * S)
    assert buckets(plan([file(mtime=T - S)], [there], records=records)) == {"a": "conflict"}
    assert buckets(plan([file(mtime=T + S)], [there], records=records)) == {"a": "copy"}


def test_older_within_the_window_is_no_conflict() -> None:
    found = plan([file(mtime=T - S)], [file()], records=recorded(file()), modify_window_ns=2 * S)
    assert buckets(found) == {"a": "skipped:present"}


def test_a_lost_second_digest_is_no_conflict() -> None:
    found = plan([file()], [file()], records=recorded(file()), also="md5", existing=Existing.PROVE)
    assert buckets(found) == {"a": "prove"}


# --- names that are left out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "where", "out"),
    [
        ("a.tmp", "", {"a.tmp"}),
        ("a.tmp", "d/e", {"a.tmp"}),
        ("*.tmp", "d", {"a.tmp", "b.tmp"}),
        ("?.dat", "", {"c.dat"}),
        ("[ab].tmp", "", {"a.tmp", "b.tmp"}),
        ("*", "", {"a.tmp", "b.tmp", "c.dat", "noend"}),
        ("*.*", "", {"a.tmp", "b.tmp", "c.dat", "noend"}),
        ("tmp", "", set()),
        ("A.TMP", "", set()),
        ("d/a.tmp", "d", {"a.tmp"}),
        ("d\\a.tmp", "d", {"a.tmp"}),
        ("/d/a.tmp", "d", {"a.tmp"}),
        ("d/a.tmp", "", set()),
        ("d/a.tmp", "x/d", set()),
        ("d/*.tmp", "d", {"a.tmp", "b.tmp"}),
        ("a.tm", "", set()),
        (".tmp", "", set()),
    ],
)
def test_exclude_files(pattern: str, where: str, out: Set[str]) -> None:
    names = ["a.tmp", "b.tmp", "c.dat", "noend"]
    found = plan([file(name) for name in names], where=where, exclude_files=(pattern,))
    assert buckets(found) == {name: "named" if name in out else "copy" for name in names}
    assert found.listed == 4, "robocopy counts what /XF leaves out as skipped"


def test_several_excludes() -> None:
    found = plan([file("a"), file("b"), file("c")], where="d", exclude_files=("a", "d/b"))
    assert buckets(found) == {"a": "named", "b": "named", "c": "copy"}


def test_an_exclude_goes_before_the_class_and_the_record() -> None:
    for there in ([], [file()], [file(size=1)], [folder("a")]):
        found = plan([file()], there, exclude_files=("a",), records=recorded(file()), existing=Existing.PROVE)
        assert buckets(found) == {"a": "named"}
        assert found.extra_files == [] and found.extra_folders == [], "its copy is no extra"


def test_excludes_of_files_spare_folders_and_the_other_way_round() -> None:
    source = [file("f"), folder("d")]
    assert buckets(plan(source, exclude_files=("*",))) == {"f": "named", "d": "new"}
    assert buckets(plan(source, exclude_folders=("*",))) == {"f": "copy", "d": "excluded"}


@pytest.mark.parametrize(
    ("pattern", "where", "out"),
    [("tmp", "", True), ("tmp", "d", True), ("t*", "d", True), ("d/tmp", "d", True), ("d\\tmp\\", "d", True),
     ("d/tmp", "", False), ("tm", "", False)],
)  # fmt: skip
def test_exclude_folders(pattern: str, where: str, out: bool) -> None:
    for there, landed in (([], "new"), ([folder("tmp")], "there")):
        found = plan([folder("tmp")], there, where=where, exclude_folders=(pattern,))
        assert buckets(found) == {"tmp": "excluded" if out else landed}
        assert found.extra_folders == []


def test_file_specs_choose_files_and_count_only_them() -> None:
    found = plan([file("a.dat"), file("b.tif"), folder("d")], include_files=("*.dat", "x"))
    assert buckets(found) == {"a.dat": "copy", "d": "new"}
    assert found.listed == 1


def test_a_file_outside_the_specs_is_no_extra_where_it_lies() -> None:
    found = plan([file("b.tif")], [file("b.tif")], include_files=("*.dat",))
    assert (buckets(found), found.extra_files) == ({}, [])


def test_extras_outside_the_specs_are_not_reported() -> None:
    found = plan([], [file("a.dat"), file("b.tif")], include_files=("*.dat",))
    assert [entry.name for entry in found.extra_files] == ["a.dat"]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_descend_knows_which_folders_are_there() -> None:
    source = [folder("a"), folder("b")]
    found = plan(source, [folder("b")])
    assert found.descend == [(source[0], False), (source[1], True)]
    assert found.listed == 0
    assert plan(source, None).descend == [(source[0], False), (source[1], False)]


def test_a_new_folder_is_called_new() -> None:
    assert plan([file()], None).is_new and plan([file()], None).folder == ""
    assert not plan([file()], [], where="d").is_new and plan([], [], where="d").folder == "d"


def test_without_recursion_folders_are_no_matter() -> None:
    found = plan([file(), folder("d"), folder("e")], [folder("d"), file("e")], recurse=False)
    assert buckets(found) == {"a": "copy"}
    assert found.extra_folders == [] and found.extra_files == []


@pytest.mark.parametrize(
    ("levels", "where", "goes"),
    [(1, "", False), (2, "", True), (2, "a", False), (3, "a", True), (3, "a/b", False), (4, "a/b", True)],
)
def test_levels(levels: int, where: str, goes: bool) -> None:
    """One level is the top folder alone."""
    found = plan([file(), folder("d")], max_levels=levels, where=where)
    assert buckets(found) == ({"a": "copy", "d": "new"} if goes else {"a": "copy"})


def test_extras_are_sorted_and_told_apart() -> None:
    extras = [file("z"), folder("y"), link("x"), other("w"), folder("b")]
    found = plan([file()], extras)
    assert [entry.name for entry in found.extra_files] == ["w", "x", "z"]
    assert [entry.name for entry in found.extra_folders] == ["b", "y"]
    assert found.listed == 1


def test_mismatches_both_ways() -> None:
    source = [file("a"), folder("b"), link("c"), folder("d"), file("e")]
    dest = [folder("a"), file("b"), file("c"), link("d"), link("e")]
    found = plan(source, dest, existing=Existing.PROVE)
    assert found.mismatches == list(zip(source, dest))
    assert found.actions == [] and found.descend == []
    assert found.extra_files == [] and found.extra_folders == []
    assert found.listed == 3


# --- links and special entries ----------------------------------------------------------------------------------------


def test_links_are_made_where_they_differ() -> None:
    source = [link("new"), link("other", "y"), link("same")]
    found = plan(source, [link("other", "x"), link("same")], existing=Existing.PROVE)
    assert buckets(found) == {"new": "link", "other": "link", "same": "skipped:on_record"}
    assert [a.file_class for a in found.actions] == [FileClass.LONELY, FileClass.CHANGED]


def test_links_obey_the_switches() -> None:
    assert buckets(plan([link("a")], skip_lonely=True)) == {"a": "lonely"}
    assert buckets(plan([link("a")], [link("a", "y")], skip_changed=True)) == {"a": "changed"}
    assert buckets(plan([link("a")], [link("a")], include_same=True)) == {"a": "link"}
    assert buckets(plan([link("a")], exclude_files=("a",))) == {"a": "named"}


def test_a_link_has_no_digest_on_record() -> None:
    there = link("a", "y")
    records = Records()
    records.add("a", Record(there.size_bytes, there.mtime_ns, there.mtime_ns, DIGEST, Evidence.COLD))
    assert buckets(plan([link("a", "x")], [there], records=records)) == {"a": "link"}


@pytest.mark.parametrize("links", Links)
def test_links_that_are_skipped_are_named(links: Links) -> None:
    expected = "special" if links is Links.SKIP else "link"
    assert buckets(plan([link("a")], links=links)) == {"a": expected}


@pytest.mark.parametrize(
    ("entry", "word"),
    [(other("a"), "socket"), (file(offline=True), "offline"), (file(OURS), "partial"), (link("a"), "link")],
)
def test_special_entries_are_listed_with_a_reason(entry: Entry, word: str) -> None:
    found = plan([entry], links=Links.SKIP)
    ((named, reason),) = found.special
    assert named == entry and word in reason
    assert found.listed == 1
    assert found.actions == [] and found.skipped == []


def test_what_cannot_be_looked_at_fails_with_the_reason() -> None:
    """The listing names it; what it is, nobody knows."""
    entry = Entry("a", Kind.UNKNOWN, 0, 0, 0, (0, 0), target="Input/output error")
    for there in ([], [file()], [folder("a")]):
        found = plan([entry], there, records=recorded(file()))
        ((named, reason),) = found.refused
        assert named == entry and "Input/output error" in reason
        assert found.listed == 1
        assert buckets(found) == {"a": "refused"}
        assert found.extra_files == [] and found.extra_folders == []


def test_special_entries_go_before_excludes_and_records() -> None:
    """Never read, whatever else is known of it."""
    entry = file(offline=True)
    found = plan([entry], [file()], records=recorded(entry), exclude_files=("a",), existing=Existing.PROVE)
    assert buckets(found) == {"a": "special"}


# --- partial files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (OURS, True),
        (OURS + "x", False),
        ("x" + OURS, False),
        (".vdt-0123456789ABCDEF.partial", False),
        (".vdt-0123456789abcde.partial", False),
        (".vdt-0123456789abcdef0.partial", False),
        (OURS + "\n", False),
    ],
)
def test_names_of_partials(name: str, ours: bool) -> None:
    assert bool(PARTIAL.match(name)) is ours
    found = plan([], [file(name)])
    assert found.stale_partials == ([name] if ours else [])
    assert [entry.name for entry in found.extra_files] == ([] if ours else [name])


def test_partials_on_both_sides() -> None:
    found = plan([file(OURS), file("a")], [file(OURS), file("a")])
    assert buckets(found) == {OURS: "special", "a": "skipped:present"}
    assert found.stale_partials == [OURS]


def test_a_link_with_the_name_of_a_partial_is_left_and_named() -> None:
    """Copied, it would be removed as a left-over by the next run, and made again."""
    assert buckets(plan([link(OURS)])) == {OURS: "special"}


def test_a_folder_is_no_partial() -> None:
    """Its name may look like one; it is not removed as a left-over, and it is there."""
    found = plan([folder(OURS)], [folder(OURS)])
    assert found.stale_partials == []
    assert buckets(found) == {OURS: "there"}


# --- names that differ by case only -----------------------------------------------------------------------------------


def test_without_folding_case_tells_names_apart() -> None:
    found = plan([file("A"), file("a")], [file("a")])
    assert buckets(found) == {"A": "copy", "a": "skipped:present"}


def test_with_folding_a_name_finds_its_copy() -> None:
    found = plan([file("Data.DAX"), folder("Sub")], [file("data.dax"), folder("SUB")], fold_case=True)
    assert buckets(found) == {"Data.DAX": "skipped:present", "Sub": "there"}
    assert found.extra_files == [] and found.extra_folders == []


def test_a_clash_is_refused_by_name_and_never_merged() -> None:
    found = plan([file("A"), file("a"), file("b")], [], fold_case=True)
    assert buckets(found) == {"A": "copy", "a": "refused", "b": "copy"}
    ((entry, reason),) = found.refused
    assert entry.name == "a" and "'A'" in reason


def test_a_clash_against_what_is_there() -> None:
    found = plan([file("A", 1), file("a", 2)], [file("a", 2)], fold_case=True)
    assert buckets(found) == {"A": "copy", "a": "refused"}
    assert found.extra_files == []


def test_a_clash_of_folders_and_of_unlike_kinds() -> None:
    found = plan([folder("D"), folder("d"), file("e"), folder("E")], fold_case=True)
    assert buckets(found) == {"D": "new", "E": "new", "d": "refused", "e": "refused"}


def test_a_clash_is_among_the_listed_files() -> None:
    assert plan([file("A"), file("a")], fold_case=True).listed == 2


@pytest.mark.parametrize("rules", [{"exclude_files": ("*.tmp",)}, {"include_files": ("*.dat",)}, {"max_size_bytes": 1}])
def test_names_that_are_left_out_anyway_do_not_clash(rules) -> None:
    assert plan([file("A.tmp"), file("a.tmp")], fold_case=True, **rules).refused == []


def test_a_left_out_name_does_not_hide_the_copy_of_the_other() -> None:
    """Else a proven copy would be replaced by an older source, as if nothing lay there."""
    source = [file("A", 100), file("a", 1)]
    rules = {"fold_case": True, "max_size_bytes": 1}
    assert buckets(plan(source, [file("a", 1)], **rules)) == {"A": "large", "a": "skipped:present"}
    proven = file("a", 1, T + S)
    found = plan(source, [proven], records=recorded(proven), **rules)
    assert buckets(found) == {"A": "large", "a": "conflict"}
    assert found.extra_files == []


def test_folders_that_are_left_out_anyway_do_not_clash() -> None:
    assert plan([folder("D"), folder("d")], fold_case=True, recurse=False).refused == []
    assert plan([folder("D"), folder("d")], fold_case=True, exclude_folders=("d",)).refused == []


def test_only_letters_fold_not_spellings() -> None:
    """No file system takes a sharp s for a double one: these are two names, there and here."""
    names = ["stra\u00dfe", "strasse"]
    assert buckets(plan([file(n) for n in names], fold_case=True)) == dict.fromkeys(names, "copy")
    assert buckets(plan([file("strasse")], [file("stra\u00dfe")], fold_case=True)) == {"strasse": "copy"}


def test_patterns_fold_with_the_destination() -> None:
    rules = {"exclude_files": ("*.TMP",), "exclude_folders": ("Cache",)}
    source = [file("a.tmp"), folder("cache")]
    assert buckets(plan(source, fold_case=True, **rules)) == {"a.tmp": "named", "cache": "excluded"}
    assert buckets(plan(source, fold_case=False, **rules)) == {"a.tmp": "copy", "cache": "new"}
    assert plan(source, fold_case=True, include_files=("*.TMP",)).listed == 1


# --- what a policy selects, as the count before the copy asks for it --------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "out", "kept"),
    [
        ({}, [], ["a", "d/a"]),
        ({"exclude_files": ("*.tmp",)}, ["a.tmp", "d/a.tmp"], ["a", "a.tmp/b"]),
        ({"exclude_files": ("d/a",)}, ["d/a"], ["a", "e/d/a"]),
        ({"include_files": ("*.dat",)}, ["a", "d/a.tif"], ["a.dat", "d/a.dat"]),
        ({"max_size_bytes": 99}, ["a"], []),
        ({"max_size_bytes": 100, "min_size_bytes": 100}, [], ["a"]),
        ({"min_size_bytes": 101}, ["a"], []),
    ],
)
def test_files_left_out(policy, out: List[str], kept: List[str]) -> None:
    selection = Selection(Policy(**policy))
    assert [path for path in (*out, *kept) if selection.leaves_out(path, file(path.rpartition("/")[2]))] == out


@pytest.mark.parametrize(
    ("policy", "out", "kept"),
    [
        ({}, [], ["d", "d/e"]),
        ({"exclude_folders": ("d",)}, ["d", "e/d"], ["dd", "d/e"]),
        ({"exclude_folders": ("e/d",)}, ["e/d"], ["d", "x/e/d"]),
        ({"exclude_files": ("*",), "include_files": ("x",), "max_size_bytes": 0}, [], ["d"]),
        ({"recurse": False}, ["d", "d/e"], []),
        ({"max_levels": 1}, ["d"], []),
        ({"max_levels": 2}, ["d/e"], ["d"]),
    ],
)
def test_folders_left_out(policy, out: List[str], kept: List[str]) -> None:
    selection = Selection(Policy(**policy))
    assert [path for path in (*out, *kept) if selection.leaves_out(path, folder("x"))] == out


def test_the_root_is_always_deep_enough() -> None:
    assert Selection(Policy(recurse=False, max_levels=1)).deep_enough("")


def test_what_is_never_copied_is_left_out() -> None:
    for entry in (other("a"), file("b", offline=True), file(OURS), link("c")):
        assert Selection(Policy(links=Links.SKIP)).leaves_out(entry.name, entry)
    assert not Selection(Policy()).leaves_out("a", link("a"))
    assert Selection(Policy()).leaves_out("a", link("a")._replace(offline=True))


def test_selection_folds_case_where_it_is_told_to() -> None:
    policy = Policy(exclude_files=("*.TMP",))
    assert Selection(policy, fold_case=True).leaves_out("a.tmp", file("a.tmp"))
    assert not Selection(policy).leaves_out("a.tmp", file("a.tmp"))


def walked(files: Iterable[str], selection: Optional[Selection] = None, **rules) -> Set[str]:
    """The paths that plans, folder by folder, would copy into an empty destination, or that a selection leaves."""
    tree: Dict[str, Dict[str, Entry]] = {"": {}}
    for path in files:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above, name = "/".join(parts[: depth - 1]), parts[depth - 1]
            tree[above][name] = folder(name)
            tree.setdefault("/".join(parts[:depth]), {})
        tree["/".join(parts[:-1])][parts[-1]] = file(parts[-1], size=len(path))
    copied, todo = set(), [""]
    while todo:
        place = todo.pop()
        if selection is not None:
            paths = {f"{place}/{name}" if place else name: entry for name, entry in tree[place].items()}
            left = [path for path, entry in paths.items() if not selection.leaves_out(path, entry)]
            copied |= {path for path in left if paths[path].kind is Kind.FILE}
            todo += [path for path in left if paths[path].kind is Kind.FOLDER]
        else:
            found = plan(tree[place].values(), None, where=place, **rules)
            copied |= {action.path for action in found.actions}
            todo += [f"{place}/{entry.name}" if place else entry.name for entry, _ in found.descend]
    return copied


patterns = st.lists(st.sampled_from(["f", "g.x", "*.x", "d", "e", "d/e", "d/f", "D", "d/*", "?"]), max_size=2).map(
    tuple
)
files = st.lists(st.sampled_from("dDe"), max_size=3).flatmap(
    lambda above: st.sampled_from(["f", "g.x", OURS]).map(lambda name: "/".join([*above, name]))
)


@settings(max_examples=70, deadline=None)
@given(st.sets(files, max_size=5), patterns, patterns, patterns, st.sampled_from([None, 1, 2, 3]), st.booleans())
def test_what_is_counted_is_what_is_planned(tree, include, exclude, folders, levels, recurse) -> None:
    policy = {
        "include_files": include,
        "exclude_files": exclude,
        "exclude_folders": folders,
        "max_levels": levels,
        "recurse": recurse,
        "max_size_bytes": 5 if levels else None,
    }
    assert walked(tree, Selection(Policy(**policy))) == walked(tree, **policy)
    if not leaves_files_out(Policy(**policy)):
        assert walked(tree, **policy) == {path for path in tree if not path.endswith(OURS)}


def test_leaves_files_out() -> None:
    assert not leaves_files_out(Policy())
    harmless = {
        "include_same": True,
        "include_tweaked": True,
        "hide_extras": True,
        "empty_folders": False,
        "keep_times": False,
        "checksum": True,
        "modify_window_ns": 2 * S,
    }
    assert not leaves_files_out(Policy(**harmless))
    for change in (
        *({name: ("x",)} for name in ("include_files", "exclude_files", "exclude_folders")),
        *({name: True} for name in SWITCHES),
        *({name: number} for name in ("min_size_bytes", "max_size_bytes") for number in (0, 1)),
        {"max_levels": 1},
        {"recurse": False},
    ):
        assert leaves_files_out(Policy(**change)), change


# --- what holds for every plan ----------------------------------------------------------------------------------------

some_names = st.sampled_from(["a", "A", "b", "B.tmp", "b.tmp", "c", OURS, "z\udcff"])
times = st.sampled_from([T - HOUR, T - S, T, T + S])
entries = st.builds(
    Entry,
    name=some_names,
    kind=st.sampled_from([Kind.FILE, Kind.FILE, Kind.FILE, Kind.FOLDER, Kind.LINK, Kind.OTHER, Kind.UNKNOWN]),
    size_bytes=st.sampled_from([0, 1, 100]),
    mtime_ns=times,
    mode=st.sampled_from([0o644, 0o600]),
    file_id=st.just((0, 0)),
    offline=st.sampled_from([False, False, False, True]),
    target=st.sampled_from(["", "x"]),
)
ordinary = entries.filter(lambda entry: entry.kind is Kind.FILE or entry.name != OURS)
listings = st.lists(ordinary, max_size=8, unique_by=lambda entry: entry.name)
flags = st.booleans()
policies = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys((*SWITCHES, "include_same", "include_tweaked", "recurse", "checksum", "fix_modes"), flags),
        **dict.fromkeys(("keep_modes", "dst_tolerance", "empty_folders", "keep_times"), flags),
        "exclude_files": st.sampled_from([("*.tmp",), ("d/a",)]),
        "exclude_folders": st.sampled_from([("a",), ("*",)]),
        "include_files": st.sampled_from([("a", "b*"), ("*.*",)]),
        "max_levels": st.integers(1, 3),
        "max_size_bytes": st.sampled_from([0, 1]),
        "min_size_bytes": st.sampled_from([0, 1]),
        "modify_window_ns": st.just(2 * S),
        "links": st.sampled_from(list(Links)),
    },
)
more_rules = st.fixed_dictionaries(
    {
        "existing": st.sampled_from(list(Existing)),
        "replace_proven": flags,
        "also": st.sampled_from([None, "md5"]),
        "past_cache": flags,
        "time_step_ns": st.sampled_from([0, 2 * S - 1]),
    }
)


def some_records(entries_: Iterable[Entry]) -> Records:
    return recorded(*(entry for entry in entries_ if entry.kind is Kind.FILE), where="d")


@settings(max_examples=100, deadline=None)
@given(listings, st.none() | listings, listings, policies, more_rules, flags)
def test_every_name_lands_in_exactly_one_place(source, dest, known, policy, rules, fold: bool) -> None:
    found = plan(source, dest, where="d", records=some_records(known), fold_case=fold, **rules, **policy)
    landed = buckets(found)  # fails where a name landed twice
    full = Policy(**policy)
    goes_on = full.recurse and (full.max_levels is None or full.max_levels > 2)
    for entry in source:
        if entry.name in landed:
            continue
        if entry.kind is Kind.FOLDER:
            assert not goes_on, entry
        else:
            assert full.include_files, entry
    assert set(landed) <= {entry.name for entry in source}

    extras = [entry.name for entry in (*found.extra_files, *found.extra_folders)]
    assert all(PARTIAL.match(name) for name in found.stale_partials)
    assert len(set(extras)) == len(extras)
    assert not {entry.name for entry in source} & set(extras)
    assert {*extras, *found.stale_partials} <= {entry.name for entry in dest or ()}
    assert {action.source.name for action in found.retouch} <= {skipped.entry.name for skipped in found.skipped}
    assert found.is_new is (dest is None)


@settings(max_examples=100, deadline=None)
@given(listings, st.none() | listings, listings, policies, more_rules)
def test_files_add_up_to_the_listed_ones(source, dest, known, policy, rules) -> None:
    found = plan(source, dest, where="d", records=some_records(known), **rules, **policy)
    mismatched = [one for one, _ in found.mismatches if one.kind is not Kind.FOLDER]
    parts = (found.actions, found.skipped, mismatched, found.refused, found.conflicts, found.special)
    assert sum(map(len, parts)) == found.listed
    if "include_files" not in policy:
        assert found.listed == sum(entry.kind is not Kind.FOLDER for entry in source)


@settings(max_examples=70, deadline=None)
@given(listings, st.none() | listings, listings, policies, more_rules, flags)
def test_actions_fit_what_lies_there(source, dest, known, policy, rules, fold: bool) -> None:
    found = plan(source, dest, where="d", records=some_records(known), fold_case=fold, **rules, **policy)
    there = {entry.name.lower() if fold else entry.name: entry for entry in dest or ()}
    for action in (*found.actions, *found.retouch):
        name = action.source.name
        lies = there.get(name.lower() if fold else name)
        assert action.folder == "d" and action.attempt == 1
        assert (action.file_class is FileClass.LONELY) is (lies is None)
        assert action.dest is None or action.dest.kind is action.source.kind
        assert (action.verb is Verb.LINK) is (action.source.kind is Kind.LINK and action in found.actions)
        if action.verb is Verb.PROVE:
            assert lies is not None and lies.size_bytes == action.source.size_bytes
            assert action.file_class in (FileClass.SAME, FileClass.TWEAKED) or policy.get("checksum")
        if action.proven_digest:
            proofs = {(one.name, one.size_bytes, one.mtime_ns) for one in known if one.kind is Kind.FILE}
            assert lies is not None and (name, lies.size_bytes, lies.mtime_ns) in proofs


@settings(max_examples=70, deadline=None)
@given(listings, policies, more_rules)
def test_a_synchronised_folder_with_records_needs_no_work(source, policy, rules) -> None:
    """Nor is anything of it extra, in conflict or of another kind."""
    policy = {**policy, "include_same": False, "include_tweaked": False, "checksum": False}
    there = [entry for entry in source if not PARTIAL.match(entry.name)]
    records = some_records(there) if rules["also"] is None else recorded(
        *(entry for entry in there if entry.kind is Kind.FILE), where="d", also="md5:00"
    )  # fmt: skip
    found = plan(source, there, where="d", records=records, **rules, **policy)
    assert found.actions == [] and found.retouch == []
    assert found.conflicts == [] and found.mismatches == []
    assert all(entry.kind is Kind.UNKNOWN for entry, _ in found.refused)
    assert found.extra_files == [] and found.extra_folders == [] and found.stale_partials == []
    assert all(exists for _, exists in found.descend)
    assert all(s.word or s.evidence is Evidence.ON_RECORD for s in found.skipped)


@settings(max_examples=100, deadline=None)
@given(listings, listings, policies)
def test_without_records_nothing_is_called_proven(source, dest, policy) -> None:
    found = plan(source, dest, where="d", existing=Existing.TRUST, **policy)
    for skipped in found.skipped:
        assert skipped.record is None
        assert not skipped.evidence.proves or skipped.entry.kind is Kind.LINK
    assert found.conflicts == []


@settings(max_examples=60, deadline=None)
@given(listings, listings, policies, more_rules)
def test_the_order_of_the_destination_does_not_matter(source, dest, policy, rules) -> None:
    first = plan(source, dest, where="d", records=some_records(source), **rules, **policy)
    second = plan(source, reversed(dest), where="d", records=some_records(source), **rules, **policy)
    first.stale_partials.sort()
    second.stale_partials.sort()
    assert first == second
