"""The log's header and body, byte for byte."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Tuple

import pytest

from vdt.model import FileClass, Links, Policy
from vdt.robocopy.classes import SELECTED, SKIPPED, WIDTH, FolderKind, Skip, skip_field
from vdt.robocopy.log import LogFormat, folder_text, long_date, options_line
from vdt.robocopy.read import read_log

from .golden import blocks, golden

HEADERS = blocks(r"\r\n-{79}\r\n   ROBOCOPY [^\n]*? for Windows +\r\n.*?\r\n-{78}\r\n\r\n")
FILES = blocks(r"\n\t  [^\r\n\t]{12}\t\t[^\t\n]{8,}\t[^\r\n]+")
FOLDERS = blocks(r"\n\t[^\r\n\t]{20}\t[^\r\n]+")
PLAIN = LogFormat(mt=False)
MT = LogFormat(mt=True)
LIST = LogFormat(mt=False, full_paths=True, bytes_=True, verbose=True)


def test_body_of_a_single_threaded_log() -> None:
    root, log = "D:\\merfish_raw_data\\run_1", golden("single_thread.log")
    failed = PLAIN.file_line(FileClass.CHANGED, True, 525_350_000, "zstack_0001.dat")
    reason = "The process cannot access the file because it is being used by another process."
    path = f"{root}\\zstack_0001.dat"
    lines = [
        PLAIN.header(
            datetime(2026, 7, 24, 11, 8, 15),
            root,
            "Z:\\run_1\\raw_data\\",
            (),
            ("*.tmp", "Thumbs.db"),
            ("scratch",),
            options_line(Policy(folder_times=False, links=Links.FOLLOW), PLAIN, retries=5, wait_s=30, restartable=True),
        ),
        PLAIN.folder_line(FolderKind.EXISTING, 4, root),
        PLAIN.extra_folder("Z:\\run_1\\raw_data\\old"),
        PLAIN.extra_file(916, "notes.txt"),
        PLAIN.file_line(FileClass.LONELY, True, 0, "empty.dat"),
        PLAIN.file_line(FileClass.SAME, False, 77, "not listed without /V"),
        PLAIN.file_line(FileClass.NEWER, True, 1048575, "just_below.dat"),
        PLAIN.file_line(FileClass.OLDER, True, 1048576, "one_mib.dat"),
        failed,
        PLAIN.error(datetime(2026, 7, 24, 11, 8, 16), 32, "Copying File", path, reason),
        PLAIN.retry_wait(30),
        failed,
        PLAIN.error(datetime(2026, 7, 24, 11, 8, 46), 32, "Copying File", path, reason + "\r\n"),
        PLAIN.retry_limit(),
        PLAIN.folder_line(FolderKind.NEW, 1, f"{root}\\settings"),
        PLAIN.file_line(FileClass.LONELY, True, 2_684_354_560, "big.json"),
    ]
    body = "".join(lines)
    assert log[: len(body)] == body
    assert log[len(body) :].startswith("\r\n" + "-" * 78 + "\r\n\r\n               Total")


def test_bodies_of_a_threaded_and_a_listing_run() -> None:
    source, dest, log = "D:\\merfish_output\\run_2", "Z:\\run_2\\output", golden("appended.log")
    links = Links.FOLLOW
    options = options_line(
        Policy(include_files=("*.dat",), folder_times=False, links=links), MT, retries=5, wait_s=1.0, threads=8
    )
    threaded = [
        MT.header(datetime(2026, 1, 3, 0, 0, 5), source, dest, ("*.dat", "*.json"), options=options),
        MT.folder_line(FolderKind.EXISTING, 1, source),
        MT.file_line(FileClass.LONELY, True, 363, f"{source}\\region_0\\a.json"),
        MT.extra_folder(f"{dest}\\region_9"),
        MT.extra_file(13_207_024_436, f"{dest}\\left.dat"),
    ]
    assert log.startswith("".join(threaded) + "\r\n-----")
    options = options_line(Policy(folder_times=False, links=links), LIST, retries=1_000_000, wait_s=30, list_only=True)
    listing = [
        LIST.header(datetime(2026, 1, 3, 12, 10), source, "D:\\work\\NULL", options=options),
        LIST.folder_line(FolderKind.NEW, 2, source),
        LIST.file_line(FileClass.LONELY, True, 363, f"{source}\\a.json"),
        LIST.file_line(FileClass.LONELY, True, 164282499072, f"{source}\\b.dat"),
        LIST.file_line(FileClass.SAME, False, 5, f"{source}\\c.dat"),
        LIST.skip_line(Skip.TOO_OLD, 5, f"{source}\\d.dat"),
        LIST.folder_line(FolderKind.NAMED, 1, f"{source}\\scratch"),
        LIST.mismatch_folder(3, f"{source}\\mixed"),
    ]
    assert "".join(listing) + "\r\n-----" in log


@pytest.mark.parametrize(("name", "before", "header"), HEADERS, ids=[name for name, _, _ in HEADERS])
def test_headers_read_and_written_again(name: str, before: str, header: str) -> None:
    (run,) = read_log(header)

    def names(label: str) -> Tuple[str, ...]:
        found = re.search(rf"\r\n{label} : (.*(?:\r\n\t    .+)*)\r\n\t    \r\n", header)
        return tuple(found[1].split("\r\n\t    ")) if found else ()

    lists = (names("    Files"), names("Exc Files"), names(" Exc Dirs"))
    written = PLAIN.header(datetime(2026, 1, 1), run.source, run.dest, *lists, run.options + " ")
    expected = header.replace(run.started, "Thursday, January 1, 2026 12:00:00 AM")
    assert written == re.sub(r"(Source|Dest) =", r"\1 :", expected)


def test_file_lines_read_and_written_again() -> None:
    classes = {text: kind for kind, text in SELECTED.items()}
    units = {"m": 1024**2, "g": 1024**3}
    count = 0
    for _, before, line in FILES:
        _, word, _, size, name = line[1:].split("\t", 4)
        file_class = classes.get(word[2:])
        if file_class:
            number, _, unit = size.strip().partition(" ")
            size_bytes = -(-int(number.replace(".", "")) * units[unit] // 10) if unit else int(number)
            layout = LIST if " /BYTES " in before.rpartition("Options :")[2] else PLAIN
            assert layout.file_line(file_class, True, size_bytes, name) == line[1:] + "\r\n"
            count += 1
    assert count >= 10


def test_folder_lines_read_and_written_again() -> None:
    kinds = {kind.value: kind for kind in FolderKind}
    count = 0
    for _, _, line in FOLDERS:
        _, head, path = line[1:].split("\t")
        if head[:WIDTH] in kinds:
            assert LIST.folder_line(kinds[head[:WIDTH]], int(head[WIDTH:]), path[:-1]) == line[1:] + "\r\n"
            count += 1
    assert count >= 5


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (LogFormat(mt=False, no_size=True), "\t    New File  \t\t\tname\r\n"),
        (LogFormat(mt=False, no_class=True), "\t  \t\t   1.9 m\tname\r\n"),
        (LogFormat(mt=False, timestamps=True), "\t    New File  \t\t   1.9 m 2008/02/06 09:15:49\tname\r\n"),
        (LogFormat(mt=False, timestamps=True, no_size=True), "\t    New File  \t\t 2008/02/06 09:15:49\tname\r\n"),
        (LogFormat(mt=False, bytes_=True), "\t    New File  \t\t 2000000\tname\r\n"),
        (LogFormat(mt=False, no_file_list=True), ""),
    ],
)
def test_switches_of_a_file_line(layout: LogFormat, line: str) -> None:
    assert layout.file_line(FileClass.LONELY, True, 2_000_000, "name", datetime(2008, 2, 6, 9, 15, 49)) == line


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (1024**3 - 1, "1023.9 m"),
        (1024**3, "   1.0 g"),
        (1024**4 - 1, "1023.9 g"),
        (1024**4, "   1.0 t"),
        (3 * 1024**5, "3072.0 t"),
    ],
)
def test_large_sizes(size_bytes: int, text: str) -> None:
    assert PLAIN.file_line(FileClass.SAME, True, size_bytes, "x") == f"\t    Same      \t\t{text}\tx\r\n"


def test_what_each_switch_leaves_out() -> None:
    quiet = LogFormat(mt=False, no_dir_list=True, no_file_list=True, no_header=True)
    assert quiet.header(datetime(2026, 1, 1), "a", "b") == ""
    assert quiet.folder_line(FolderKind.NEW, 1, "C:\\a") == ""
    assert quiet.extra_file(1, "x") == ""
    assert quiet.extra_folder("Z:\\a") == "\t*EXTRA Dir        -1\tZ:\\a\\\r\n"
    assert LogFormat(mt=False, no_size=True).extra_folder("Z:\\a") == "\t*EXTRA Dir  \tZ:\\a\\\r\n"
    assert MT.folder_line(FolderKind.NEW, 1, "C:\\a") == ""
    assert PLAIN.folder_line(FolderKind.NAMED, 1, "C:\\a") == ""
    assert PLAIN.skip_line(Skip.NAMED, 1, "x") == ""
    for file_class in FileClass:
        shown = PLAIN.file_line(file_class, False, 1, "x")
        assert bool(shown) == (file_class in (FileClass.EXTRA, FileClass.MISMATCH))
    assert PLAIN.mismatch_file(7, "x") == "\t  *MISMATCH   \t\t       7\tx\r\n"


def test_fields_are_twelve_characters() -> None:
    fields = [*SELECTED.values(), *SKIPPED.values(), *map(skip_field, Skip), *(kind.value for kind in FolderKind)]
    assert {len(text) for text in fields} == {WIDTH}
    assert set(SELECTED) == set(SKIPPED) == set(FileClass)
    assert all(SELECTED[kind].strip() == kind.value for kind in FileClass)


def test_no_raw_control_character() -> None:
    bad = "x\r\n\x1b[2J\udcff"
    texts = [
        PLAIN.header(datetime(2026, 1, 1), bad, bad, (bad,), (bad,), (bad,), bad),
        PLAIN.file_line(FileClass.LONELY, True, 1, bad),
        PLAIN.file_line(FileClass.LONELY, True, 1024**2, bad),
        PLAIN.folder_line(FolderKind.NEW, 1, bad),
        LIST.skip_line(Skip.NAMED, 1, bad),
        PLAIN.error(datetime(2026, 1, 1), -1, "Copying File", bad, bad),
        PLAIN.invalid_parameter(3, bad),
    ]
    for text in texts:
        text.encode("utf-8")
        assert "\x1b" not in text
        assert not re.search(r"x\r\n", text)
    assert texts[1].endswith("\tx\\x0d\\x0a\\x1b[2J\\udcff\r\n")
    assert "ERROR -1 (0xFFFFFFFF) " in texts[5]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("D:\\a", "D:\\a\\"),
        ("D:\\", "D:\\"),
        ("\\\\server\\share", "\\\\server\\share\\"),
        ("/data/run", "/data/run/"),
        ("/", "/"),
        ("/odd\\", "/odd\\/"),
    ],
)
def test_folders_end_with_their_separator(path: str, text: str) -> None:
    assert folder_text(path) == text


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (datetime(2026, 7, 24, 11, 8, 15), "Friday, July 24, 2026 11:08:15 AM"),
        (datetime(2024, 5, 30, 0, 30, 18), "Thursday, May 30, 2024 12:30:18 AM"),
        (datetime(2026, 6, 3, 22, 46, 28), "Wednesday, June 3, 2026 10:46:28 PM"),
        (datetime(2025, 10, 25, 13, 2, 9), "Saturday, October 25, 2025 1:02:09 PM"),
        (datetime(2023, 12, 31, 12, 0, 0), "Sunday, December 31, 2023 12:00:00 PM"),
    ],
)
def test_dates(when: datetime, text: str) -> None:
    assert long_date(when) == text


def test_options_in_robocopys_order() -> None:
    policy = Policy(include_same=True, include_tweaked=True, skip_older=True, skip_newer=True, links=Links.SKIP)
    layout = LogFormat(mt=True, verbose=True, timestamps=True, full_paths=True, bytes_=True, no_dir_list=True)
    text = options_line(policy, layout, retries=3, wait_s=5, threads=16, list_only=True, restartable=True)
    assert text == (
        "*.* /V /TS /FP /BYTES /NDL /L /S /E /DCOPY:DAT /COPY:DAT /Z /IS /IT /NP /XO /XN /XJ /MT:16 /R:3 /W:5 "
    )
    top = Policy(recurse=False, max_levels=1, keep_times=False, keep_modes=False, max_size_bytes=9, links=Links.COPY)
    assert options_line(top, LogFormat(mt=False, no_progress=False), retries=0, wait_s=0.5) == (
        "*.* /LEV:1 /DCOPY:DAT /COPY:D /SL /MAX:9 /R:0 /W:0.5 "
    )
