"""Robocopy's command line: what it means, and what is said of a word that means nothing."""

from __future__ import annotations

from datetime import datetime
from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.options import ParsedOptions
from vdt.robocopy.command import CommandLine, parse_command_line
from vdt.robocopy.options import parse_option_string
from vdt.robocopy.table import OPTIONS, Status, Takes

NOW = datetime(2026, 7, 24, 11, 8, 15)
SOURCE = "/data/run1"


def parse(*words: str, source: str = SOURCE) -> CommandLine:
    return parse_command_line(list(enumerate(words, 3)), source=source, now=NOW)


def options_of(*words: str) -> str:
    line = parse(*words)
    assert not line.faults, line.faults
    return line.told(retries=5, wait_s=1.0).options


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "*.* /DCOPY:DA /COPY:DAT /R:5 /W:1 "),
        ("/E", "*.* /S /E /DCOPY:DA /COPY:DAT /R:5 /W:1 "),
        ("/e -z -Np", "*.* /S /E /DCOPY:DA /COPY:DAT /Z /NP /R:5 /W:1 "),
        ("*.tif /S", "/S /DCOPY:DA /COPY:DAT /R:5 /W:1 "),
        ("*.tif *.* /S", "*.* /S /DCOPY:DA /COPY:DAT /R:5 /W:1 "),
        ("/MT /XO /IT /IS /E", "*.* /S /E /DCOPY:DA /COPY:DAT /IS /IT /XO /MT:8 /R:5 /W:1 "),
        ("/LOG:x.log /TEE /E /XJ", "*.* /TEE /S /E /DCOPY:DA /COPY:DAT /XJ /R:5 /W:1 "),
        ("/COPY:TAD /DCOPY:T /LEV:2 /MAX:9", "*.* /LEV:2 /DCOPY:T /COPY:DAT /MAX:9 /R:5 /W:1 "),
        ("/COMPRESS /256", "*.* /DCOPY:DA /COPY:DAT /R:5 /W:1 "),
        (
            "/NFL /NDL /NC /NS /BYTES /FP /TS /V /X /L",
            "*.* /X /V /TS /FP /BYTES /NS /NC /NDL /NFL /L /DCOPY:DA /COPY:DAT /R:5 /W:1 ",
        ),
    ],
)
def test_options_are_spelled_in_robocopys_order(words: str, text: str) -> None:
    assert options_of(*words.split()) == text


def test_what_a_log_is_made_like() -> None:
    line = parse("/V", "/NP", "/MT:4", "/UNILOG+:a b.log", "/TEE", "/L", "/UNICODE")
    layout = line.layout
    assert layout.verbose and layout.no_progress and layout.mt and not layout.full_paths
    assert (line.log, line.append_log, line.utf16, line.tee) == ("a b.log", True, True, True)
    assert line.list_only and line.unicode_console and line.options.threads == 4
    plain = parse()
    assert (plain.log, plain.append_log, plain.utf16, plain.layout.mt) == ("", False, False, False)
    assert not plain.layout.no_progress
    assert parse("/LOG:a", "/LOG+:b").log == "b", "the last one counts"
    assert parse("/LOG+:b", "/LOG:a").append_log is False


def test_names_and_paths() -> None:
    line = parse(
        "*.tif",
        "/XF",
        "a*.tmp",
        "/data/run1/sub/x.dat",
        "/data/run1/top.dat",
        "/else/y",
        "/XD",
        "c",
        "b\\d",
        "/E",
        "z.txt",
    )
    assert line.faults == ()
    assert line.file_specs == line.options.policy.include_files == ("*.tif", "z.txt")
    assert line.exclude_files == ("a*.tmp", "/data/run1/sub/x.dat", "/data/run1/top.dat", "/else/y"), "as written"
    assert line.options.policy.exclude_files == ("a*.tmp", "sub/x.dat", "/top.dat")
    assert line.options.policy.exclude_folders == ("c", "b/d")
    windows = parse("/XD", "c:\\RUN1\\A*", "D:\\x", source="C:\\run1\\")
    assert windows.options.policy.exclude_folders == ("/A*",)


@pytest.mark.parametrize("name", sorted(name for name, option in OPTIONS.items() if option.status is Status.REFUSED))
def test_what_deletes_is_refused_in_both_places(name: str) -> None:
    for word in (f"/{name}", f"-{name.lower()}"):
        line = parse("/E", word)
        assert [(fault.number, fault.refused) for fault in line.faults] == [(4, True)]
        assert "never deletes" in line.faults[0].sentence
        assert "never deletes" in read(f"/E {word}").faults[0]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["/FOO"], 3),
        (["/E", "/COPYALL"], 4),
        (["*.tif", "/E", "-purg"], 5),
        (["/R:x"], 3),
        (["/XF", "/E"], 3),
        (["a/b"], 3),
        ([""], 3),
        (["/XF", "a", "/LOGG:x"], 5),
        (["/LOG"], 3),
        (["/E:1"], 3),
        (["/COPY:T"], 3),
        (["--frobnicate"], 3),
    ],
)
def test_what_means_nothing_is_named_by_its_number(words: List[str], number: int) -> None:
    (fault,) = parse(*words).faults
    assert fault.number == number and not fault.refused and fault.sentence[-1] in ".?"


def test_only_a_configuration_refuses_a_mere_list() -> None:
    assert parse("/L").list_only and not parse("/L").faults
    assert "only lists" in read("/L").faults[0]


def read(text: str) -> ParsedOptions:
    return parse_option_string(text, now=NOW)


VALUES = {
    Takes.NOTHING: "",
    Takes.NUMBER: ":1",
    Takes.THREADS: ":2",
    Takes.FLAGS: ":DAT",
    Takes.NAMES: " odd",
    Takes.AGE: ":7",
    Takes.FILE: ":x.log",
    Takes.ANYTHING: ":Y",
}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_option_is_honoured_named_or_refused_in_both_places(name: str) -> None:
    """The table against what its two readers really do."""
    option = OPTIONS[name]
    word = f"/{name}{VALUES[option.takes]}"
    line, text = parse(*word.split()), read(word)
    if option.status is Status.REFUSED:
        assert line.faults and text.faults
        return
    assert line.faults == ()
    named = [sentence.partition(":")[0] == f"/{name}" for sentence in line.options.not_honoured]
    assert named == ([True] if option.status is Status.NO_EFFECT else [])
    assert (name in line.switches) == (option.status is Status.HONOURED)
    if name == "L":
        assert len(text.faults) == 1
        return
    assert text.faults == ()
    passed_over = bool(option.configured) or option.status is Status.NO_EFFECT
    assert len(text.not_honoured) == passed_over
    assert all(sentence.startswith(f"/{name}") for sentence in text.remarks if "Without T" not in sentence)


@pytest.mark.parametrize("name", ["/COMPRESS", "/COPY:DATS", "/NODCOPY"])
def test_what_is_not_honoured_is_named_once(name: str) -> None:
    assert len(parse(name, name).options.not_honoured) == len(read(f"{name} {name}").not_honoured) == 1


WORDS = [f"/{name}{VALUES[option.takes]}" for name, option in OPTIONS.items()] + ["a", "/", "-", ":", "/x/y", "\0", ""]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=8))
@settings(max_examples=300, deadline=None)
def test_never_raises_and_numbers_point_to_the_words(words: List[str]) -> None:
    line = parse(*words)
    assert line.told(retries=0, wait_s=0).options.endswith(" /R:0 /W:0 ")
    for fault in line.faults:
        assert 3 <= fault.number < 3 + len(words)
        assert fault.word == words[fault.number - 3] or fault.word == "/IPG"
