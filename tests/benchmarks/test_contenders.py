"""Who is called how, and what is credited to whom: pure values, for Windows too."""

from __future__ import annotations

import string
from typing import Optional

import pytest

from comparing.contenders import Contender, Job, Step, System, absent, auditors, chosen, copiers, families
from vdt.errors import UsageError
from vdt.model import Evidence

EVERYBODY = [*copiers([1, 4, 8, 16]), *auditors()]
PLACES = {"source": r"Z:\be nch\from", "destination": r"L:\to", "scratch": r"C:\tmp"}


def named(name: str) -> Contender:
    (one,) = (one for one in EVERYBODY if one.name == name)
    return one


def everything(program: str) -> Optional[str]:
    return f"/bin/{program}"


def test_names_are_unique_and_all_places_are_known() -> None:
    assert len({one.name for one in EVERYBODY}) == len(EVERYBODY)
    fields = {field for one in EVERYBODY for step in (*one.steps, *one.prepared) for w in (*step.words, step.folder)
              for _, field, _, _ in string.Formatter().parse(w) if field}  # fmt: skip
    assert fields == {"source", "destination", "scratch"}


def test_robocopy_and_xcopy_are_called_as_windows_reads_them() -> None:
    (step,) = named("robocopy /E /MT:32").steps
    assert step.filled(PLACES).words == (
        *("robocopy", r"Z:\be nch\from", r"L:\to", "/E", "/MT:32"),
        *("/R:1", "/W:1", "/NP", "/NFL", "/NDL"),
    )
    assert step.good == (0, 1, 2, 3, 4, 5, 6, 7)
    assert [one.name for one in EVERYBODY if one.family == "robocopy"] == [
        "robocopy /E /Z",
        "robocopy /E /J",
        "robocopy /E /MT:8",
        "robocopy /E /MT:32",
    ]
    (step,) = named("xcopy /E").steps
    assert step.filled(PLACES).words[:4] == ("xcopy", r"Z:\be nch\from", r"L:\to", "/E")
    assert step.good == (0,)


def test_on_windows_no_posix_tool_takes_part_and_the_other_way_round() -> None:
    there, _ = chosen(EVERYBODY, (), everything, windows=True)
    assert {one.family for one in there} == {"ours", "robocopy", "xcopy", "rclone", "shutil", "xxhsum", "hashdeep"}
    assert not any(word == "sh" for one in there for step in one.steps for word in step.words)
    there, missing = chosen(EVERYBODY, (), everything, windows=False)
    assert not {one.family for one in there} & {"robocopy", "xcopy"}
    assert missing["xcopy /E"] == "runs on Windows only"


def test_only_ours_is_ever_past_the_cache_and_who_checks_nothing_is_credited_nothing() -> None:
    for one in EVERYBODY:
        if one.family != "ours":
            assert one.evidence in (Evidence.NONE, Evidence.INFLIGHT, Evidence.REREAD), one.name
            assert one.proves, one.name
    assert {one.name for one in EVERYBODY if one.evidence is Evidence.NONE} == {
        *("vdt copy --verify none", "cp -a", "shutil.copytree", "xcopy /E"),
        *("robocopy /E /Z", "robocopy /E /J", "robocopy /E /MT:8", "robocopy /E /MT:32"),
    }
    assert all(one.reports == (one.family == "ours") for one in EVERYBODY)


def test_ours_stands_there_once_for_each_level_and_number() -> None:
    ours = [one for one in EVERYBODY if one.family == "ours" and one.job is Job.COPY]
    assert [(one.verify, one.threads) for one in ours] == [
        *(("none", 8), ("inflight", 8), ("reread", 8), ("cold", 8), ("both", 8)),
        *(("cold", 1), ("cold", 4), ("cold", 16)),
    ]
    assert "--threads" not in ours[3].steps[0].words, "the default is what is measured as the default"


def test_a_command_is_shown_as_a_reader_types_it() -> None:
    assert named("rsync -a, then -c").shown() == "rsync -a SRC/ DST/; then rsync -anc --out-format=%n SRC/ DST/"
    assert named("vdt copy --threads 4").shown().startswith("python -m vdt copy SRC DST --exit plain --verify cold ")
    assert named("hashdeep -a").shown() == "(in DST) hashdeep -c md5 -k TMP/hashdeep.txt -a -r -l ."
    assert Step(("a",), output="{scratch}/x").shown() == "a > TMP/x"


def test_paths_with_braces_are_not_taken_for_places() -> None:
    step = Step(("cp", "{source}/.", "{destination}"))
    filled = step.filled({"source": "/a{destination}b", "destination": "/{x}", "scratch": ""})
    assert filled.words == ("cp", "/a{destination}b/.", "/{x}")


def test_who_is_asked_for_and_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--tools rclone: rclone not found\. Install it, or leave it out\.$"):
        chosen(EVERYBODY, ("rclone", "cp"), lambda name: None if name == "rclone" else "/x", windows=False)
    there, missing = chosen(EVERYBODY, ("cp",), lambda name: None if name == "xxhsum" else "/x", windows=False)
    assert [one.name for one in there] == ["cp -a"]
    assert missing == {"cp -a, then xxhsum of both": "xxhsum not found"}
    assert absent(named("fpsync -n 8"), lambda _: None, windows=False) == "fpsync and fpart and rsync not found"
    assert named("fpsync -n 8").system is System.POSIX


def test_families_are_the_words_of_tools() -> None:
    wanted = ["ours", "robocopy", "xcopy", "rsync", "fpsync", "rclone", "cp", "shutil", "xxhsum", "hashdeep"]
    assert families() == wanted
