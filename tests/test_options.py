"""Both dialects of the configured option strings: what is honoured, what is named, what is refused."""

from __future__ import annotations

import string
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.bwlimit import parse_bwlimit
from vdt.model import Links
from vdt.options import ParsedOptions, Word, split_words
from vdt.printable import printable
from vdt.robocopy.options import age_limit_ns, exclusion, is_known, parse_option_string
from vdt.robocopy.table import OPTIONS
from vdt.rsync_options import _KNOWN_LONG, parse_rsync_options, rate_text

NOW = datetime(2026, 7, 24, 11, 8, 15)


def read(text: str) -> ParsedOptions:
    return parse_option_string(text, now=NOW)


# ---- the splitter ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  /Z\t/E  ", (("/Z", False), ("/E", False))),
        (r'/XD "C:\my dir\" x', (("/XD", False), ("C:\\my dir\\", True), ("x", False))),
        ('/LOG:"a b"c', (("/LOG:a bc", False),)),
        ('""', (("", True),)),
    ],
)
def test_words_are_split_at_blanks_outside_of_quotes(text: str, words: tuple) -> None:
    assert split_words(text, '"') == (tuple(Word(*word) for word in words), True)


def test_an_open_quote_is_reported() -> None:
    assert split_words('a "b', '"') == ((Word("a", False), Word("b", True)), False)
    assert read('/E /XF "b').faults
    assert parse_rsync_options("-a --exclude='b").faults


# ---- robocopy ----------------------------------------------------------------------------------------------------


def test_the_default_of_version_1_needs_no_remark() -> None:
    options = read("/Z /E /J")
    assert (options.faults, options.remarks) == ((), ())
    policy = options.policy
    assert policy.recurse and policy.empty_folders and policy.keep_times and policy.keep_modes
    assert policy.links is Links.FOLLOW
    assert not policy.folder_times and not policy.keep_owner
    assert (options.retries, options.retry_wait_s, options.threads, options.bwlimit) == (None, None, None, None)


@pytest.mark.parametrize(
    ("text", "recurse", "empty"),
    [("", False, False), ("/Z", False, False), ("/S", True, False), ("/E", True, True), ("/e -s", True, True)],
)
def test_recursion(text: str, recurse: bool, empty: bool) -> None:
    policy = read(text).policy
    assert (policy.recurse, policy.empty_folders) == (recurse, empty)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("/LEV:3", "max_levels", 3),
        ("/XO", "skip_older", True),
        ("-xn", "skip_newer", True),
        ("/XC", "skip_changed", True),
        ("/XL", "skip_lonely", True),
        ("/XX", "hide_extras", True),
        ("/IS", "include_same", True),
        ("/IT", "include_tweaked", True),
        ("/MAX:100", "max_size_bytes", 100),
        ("/MIN:0", "min_size_bytes", 0),
        ("/FFT", "modify_window_ns", 2_000_000_000),
        ("/DST", "dst_tolerance", True),
        ("/SL", "links", Links.COPY),
        ("/XJ", "links", Links.FOLLOW),
        ("/XJ", "skip_folder_links", True),
        ("/XJ", "skip_file_links", True),
        ("/XJD", "skip_folder_links", True),
        ("/XJD", "skip_file_links", False),
        ("/XJF", "skip_folder_links", False),
        ("/XJF", "skip_file_links", True),
        ("/MAXAGE:20260701", "oldest_mtime_ns", int(datetime(2026, 7, 1).timestamp()) * 10**9),
        ("/MINAGE:2", "newest_mtime_ns", int(datetime(2026, 7, 22, 11, 8, 15).timestamp()) * 10**9),
        ("/DCOPY:D", "folder_modes", False),
        ("/SL /XJ", "links", Links.COPY),
        ("/SL /XJ", "skip_file_links", True),
        ("/XJD /XJF", "skip_file_links", True),
        ("/DCOPY:DAT", "folder_times", True),
        ("/DCOPY:DA", "folder_times", False),
        ("/copy:dat", "keep_times", True),
        ("/COPY:DT", "keep_modes", False),
        ("/XF *.tmp Thumbs.db /XD a b", "exclude_files", ("*.tmp", "Thumbs.db")),
        ("/XF *.tmp Thumbs.db /XD a b", "exclude_folders", ("a", "b")),
        ('/XD "my dir" /XD x', "exclude_folders", ("my dir", "x")),
        (r"/XF sub\*.tmp", "exclude_files", ("sub/*.tmp",)),
        (r"/XD sub\dir\ .\top", "exclude_folders", ("sub/dir", "top")),
        ("/XF *.* a[1].txt", "exclude_files", ("*.*", "a[1].txt")),
        ('/XF "-odd" "/E"', "exclude_files", ("-odd",)),
    ],
)
def test_what_a_policy_can_express(text: str, field: str, value: object) -> None:
    options = read(text)
    assert getattr(options.policy, field) == value
    assert not options.faults


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [("/R:3", "retries", 3), ("/W:0", "retry_wait_s", 0.0), ("/MT", "threads", 8), ("/mt:32", "threads", 32)],
)
def test_numbers_outside_of_the_policy(text: str, field: str, value: object) -> None:
    options = read(text)
    assert getattr(options, field) == value
    assert not options.faults


@pytest.mark.parametrize(
    "text",
    [
        "/V", "/TS", "/FP", "/BYTES", "/NS", "/NC", "/NFL", "/NDL", "/NP", "/NJH", "/NJS", "/ETA", "/TEE", "/UNICODE",
        r"/LOG:C:\a.log", r"/LOG+:C:\a.log", "/UNILOG:x", "/UNILOG+:x", "/IM", "/X",
        "/NOOFFLOAD", "/COMPRESS", "/REG", "/TBD", "/NODCOPY", "/SPARSE", "/256", "/COPY:DATS", "/COPY:DATO",
        "/COPY:DATU", r"/XD Z:\raw\tmp", "/XD /data/tmp",
    ],
)  # fmt: skip
def test_known_and_without_effect_is_named_with_a_reason(text: str) -> None:
    options = read("/E " + text)
    assert options.faults == ()
    assert len(options.not_honoured) == 1
    assert options.not_honoured[0].startswith(text.split(maxsplit=1)[0])
    assert ": " in options.not_honoured[0]


def test_a_gap_between_packets_is_a_rate() -> None:
    assert read("/E /IPG:1000").bwlimit == "65536B" and parse_bwlimit("65536B").rate_at(0) == 65536
    assert read("/E").bwlimit is None
    assert "Choose one" in read("/IPG:10 /MT:8").faults[0]


@pytest.mark.parametrize("age", ["", "x", "1900", "20261301", "202607", "123456789", "-1"])
def test_what_is_no_age(age: str) -> None:
    for name in ("MAXAGE", "MINAGE"):
        assert len(read(f"/{name}:{age}").faults) == 1


def test_ages_before_1970_have_a_limit_too() -> None:
    limit = age_limit_ns("19500101", NOW)
    assert limit is not None and -641 * 10**15 < limit < -630 * 10**15  # 20 years of 31.5 million seconds
    assert age_limit_ns("1899", NOW) == int((NOW - timedelta(days=1899)).timestamp()) * 10**9


def test_times_that_are_not_kept_have_a_price() -> None:
    assert "copy all files again" in read("/E /COPY:DA").notes[0]
    assert "copy all files again" in parse_rsync_options("-r").notes[0]


@pytest.mark.parametrize("text", ["/MIR", "-purge", "/Move", "/MOV"])
def test_deleting_is_refused(text: str) -> None:
    options = read(f"/E {text}")
    assert len(options.faults) == 1
    assert "would delete" in options.faults[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("/L", "copy nothing"),
        ("/PURG", "not an option"),
        ("/COPYALL", "not an option"),
        ("/XF", "at least one name"),
        ("/XF /E", "at least one name"),
        ("/XF:a", "behind a blank"),
        ("/XF a /PURG", "not an option"),
        ("/XF a -odd", "not an option"),
        ("/MT:0", "1 to 128"),
        ("/MT:129", "1 to 128"),
        ("/MT:", "1 to 128"),
        ("/MT 8", "no option"),
        ("/R", "whole number"),
        ("/R:-1", "whole number"),
        ("/R:x", "whole number"),
        ("/W:99999999999", "whole number"),
        ("/R:" + "9" * 5000, "whole number"),
        ("/LEV:0", "whole number"),
        ("/COPY:", "letters"),
        ("/COPY:DQ", "letters"),
        ("/COPY:AT", "no data"),
        ("/DCOPY:S", "letters"),
        ("/E:1", "no value"),
        ("*.tif", "no option"),
        ("/", "not an option"),
    ],
)
def test_faults(text: str, word: str) -> None:
    faults = read(text).faults
    assert len(faults) == 1
    assert word in faults[0]


def test_a_mistyped_option_gets_the_nearest_one_but_never_a_deleting_one() -> None:
    assert "Did you mean /DCOPY?" in read("/DCOPI:T").faults[0]
    assert "/PURGE" not in read("/PURG").faults[0]


def test_all_faults_are_gathered() -> None:
    assert len(read("/MIR /FOO /R:x /L word").faults) == 5


@pytest.mark.parametrize("value", ["C:\\x", "C:x", "\\\\server\\share", "/x", "\\x", ".\\", ""])
def test_what_no_pattern_can_hold(value: str) -> None:
    assert exclusion(value) is None


def test_known_options() -> None:
    assert is_known("-e") and is_known("/log+:x") and not is_known("/data") and not is_known("e")


# ---- rsync -------------------------------------------------------------------------------------------------------


def test_the_rsync_default() -> None:
    options = parse_rsync_options("-av")
    policy = options.policy
    assert options.faults == ()
    assert policy.recurse and policy.empty_folders and policy.folder_times
    assert policy.keep_times and policy.keep_modes and policy.keep_owner and policy.fix_modes
    assert policy.links is Links.COPY
    assert any("devices" in remark for remark in options.remarks)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("-rt", "links", Links.SKIP),
        ("-rlt", "links", Links.COPY),
        ("-rt", "keep_modes", False),
        ("-rt", "keep_owner", False),
        ("-rt", "folder_times", True),
        ("-r", "keep_times", False),
        ("-lt", "recurse", False),
        ("-lt", "empty_folders", False),
        ("-au", "skip_older", True),
        ("-a --checksum", "checksum", True),
        ("--archive", "recurse", True),
        ("-a --modify-window=2", "modify_window_ns", 2_000_000_000),
        ("-a --modify-window 1", "modify_window_ns", 1_000_000_000),
        ("-a --modify-window=-1", "modify_window_ns", 0),
        ("-a --exclude=*.tmp", "exclude_files", ("*.tmp",)),
        ("-a --exclude=*.tmp", "exclude_folders", ("*.tmp",)),
        ("-a --exclude 'a b' --exclude=c/", "exclude_files", ("a b",)),
        ("-a --exclude 'a b' --exclude=c/", "exclude_folders", ("a b", "c")),
        ("-a --exclude=/top", "exclude_files", ("/top",)),
        ("-a --exclude=x/y", "exclude_files", ("x/y", "*/x/y")),
        ("-a --exclude=[^a]x", "exclude_files", ("[!a]x",)),
    ],
)
def test_what_rsync_asks_for(text: str, field: str, value: object) -> None:
    options = parse_rsync_options(text)
    assert options.faults == ()
    assert getattr(options.policy, field) == value


@pytest.mark.parametrize(
    "option",
    ["-v", "-q", "-W", "-z", "-h", "-P", "-D", "--partial", "--inplace", "--progress", "--stats", "--verbose"],
)
def test_rsync_options_without_effect_are_named(option: str) -> None:
    options = parse_rsync_options(f"-rlt {option}")
    assert options.faults == ()
    assert [text for text in options.not_honoured if text.startswith(f"{option}: ")]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("-an", "copies nothing"),
        ("-a --dry-run", "copies nothing"),
        ("-a --delete", "delete"),
        ("-a --delete-after", "delete"),
        ("-a --del", "delete"),
        ("-a --delete=x", "delete"),
        ("-a --remove-source-files", "delete"),
        ("-aL", "-L in -aL"),
        ("-a --copy-links", "not an option"),
        ("-a --log-file=x", "not an option"),
        ("-a --v", "not an option"),
        ("-a --checksum=1", "no value"),
        ("-a --modify-window=x", "seconds"),
        ("-a --bwlimit", "KiB"),
        ("-a --exclude", "understood"),
        ("-a --exclude=**/x", "understood"),
        ("-a --exclude=/*.txt", "understood"),
        ("-a --exclude='- x'", "understood"),
        ("-a --", "no option"),
        ("-a -", "no option"),
        ("-a x", "no option"),
        ("/Z", "no option"),
    ],
)
def test_rsync_faults(text: str, word: str) -> None:
    faults = parse_rsync_options(text).faults
    assert len(faults) == 1
    assert word in faults[0]


@pytest.mark.parametrize(
    ("value", "bytes_per_s"),
    [
        ("100", 102400.0),
        ("1.5", 1536.0),
        ("2K", 2048.0),
        ("2kib", 2048.0),
        ("2KB", 2000.0),
        ("3m", 3 * 1024.0**2),
        ("1G", 1024.0**3),
        ("1T", 1024.0**4),
        ("0", None),
    ],
)
def test_rsync_rates_become_ours(value: str, bytes_per_s: object) -> None:
    text = parse_rsync_options(f"-a --bwlimit={value}").bwlimit
    assert text is not None
    assert parse_bwlimit(text).rate_at(0) == bytes_per_s


def test_what_is_no_rate() -> None:
    assert [rate_text(value) for value in ("", "x", "-1", "1X", "1 M")] == [None] * 5


# ---- whatever somebody writes --------------------------------------------------------------------------------------

ROBOCOPY_WORDS = [f"/{name}" for name in sorted(OPTIONS)] + [
    "/R:1",
    "/MT:9",
    "/COPY:DT",
    "a",
    '"',
    ":",
    "\\",
    "-",
    "\0",
]
RSYNC_WORDS = [f"--{name}" for name in _KNOWN_LONG] + [
    "-av",
    "-rlt",
    "=",
    "'",
    '"',
    "x/",
    "*",
    "--bwlimit=1M",
    "\ud800",
]


@given(st.one_of(st.text(), st.text(string.printable), st.lists(st.sampled_from(ROBOCOPY_WORDS)).map(" ".join)))
@settings(max_examples=300, deadline=None)
def test_robocopy_never_raises(text: str) -> None:
    options = read(text)
    for sentence in (*options.faults, *options.remarks):
        assert sentence == printable(sentence)


@given(st.one_of(st.text(), st.text(string.printable), st.lists(st.sampled_from(RSYNC_WORDS)).map(" ".join)))
@settings(max_examples=300, deadline=None)
def test_rsync_never_raises(text: str) -> None:
    options = parse_rsync_options(text)
    for sentence in (*options.faults, *options.remarks):
        assert sentence == printable(sentence)
    if options.bwlimit is not None and not options.faults:
        parse_bwlimit(options.bwlimit)
