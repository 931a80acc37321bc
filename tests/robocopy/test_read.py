"""Logs of any origin, cut anywhere: what is read, and what is called complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.model import Row
from vdt.robocopy.read import COMPLETE, LoggedRun, decode, log_status, read_log

from .golden import LOGS, REAL, golden

pieces = st.sampled_from(
    [*golden("single_thread.log").splitlines(True), *golden("appended.log").splitlines(True), "\n", " ", ":", "1"]
)


def test_single_run() -> None:
    (run,) = read_log(golden("single_thread.log"))
    assert run == LoggedRun(
        header=True,
        started="Friday, July 24, 2026 11:08:15 AM",
        source="D:\\merfish_raw_data\\run_1\\",
        dest="Z:\\run_1\\raw_data\\",
        options="*.* /S /E /DCOPY:DA /COPY:DAT /Z /NP /R:5 /W:30",
        dirs=Row(2, 1, 1, 0, 0, 1),
        files=Row(5, 4, 0, 0, 1, 1),
        size_bytes=Row(3211561796, 2685428302, 0, 0, 525347062, 916),
        approximate=True,
        ended="Friday, July 24, 2026 11:08:48 AM",
        complete=True,
    )


def test_appended_runs() -> None:
    first, last = read_log(golden("appended.log"))
    assert (first.files, first.options) == (Row(1, 1, 0, 0, 0, 1), "/S /E /DCOPY:DA /COPY:DAT /NP /MT:8 /R:5 /W:1")
    assert last.size_bytes == Row(164282499445, 164282499435, 10)
    assert (last.dirs, last.files) == (Row(3, 1, 1, 1), Row(4, 2, 2))
    assert (first.approximate, last.approximate) == (True, False)
    assert first.complete
    assert last.complete
    assert last.ended == "Saturday, January 3, 2026 12:10:01 PM"


def test_another_language_and_code_page() -> None:
    text = decode((LOGS / "spanish_progress.log").read_bytes())
    (run,) = read_log(text)
    assert log_status(text) == COMPLETE
    assert run.files == Row(3, 2, 1)
    assert run.size_bytes == Row(12373197, 12373197, 1741)
    assert run.ended == "lunes, 2 de febrero de 2026 9:01:03"
    assert run.options == "*.* /S /E /DCOPY:DA /COPY:DAT /R:1000000 /W:30"
    assert (run.source[:4], run.dest[:4]) == ("C:\\a", "D:\\a")


@pytest.mark.parametrize("eol", ["\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_line_ends(encoding: str, eol: str) -> None:
    text = golden("appended.log").replace("\r\n", eol)
    assert log_status(decode(text.encode(encoding))) == COMPLETE
    assert read_log(decode(text.encode(encoding))) == read_log(golden("appended.log"))


def test_every_cut_of_a_log() -> None:
    data = golden("single_thread.log").encode()
    last_needed = data.index(b"AM", data.index(b"Ended")) + len("AM\r\n")
    for cut in range(len(data) + 1):
        text = decode(data[:cut])
        runs = read_log(text)
        assert len(runs) <= 1
        assert (log_status(text) == COMPLETE) == (cut >= last_needed)
        for run in runs:
            assert run.files in (None, Row(5, 4, 0, 0, 1, 1))
            assert run.complete == (cut >= last_needed)


def test_every_cut_of_a_second_run() -> None:
    whole = golden("appended.log")
    first_ends = whole.index("\r\n-", whole.index("Ended"))
    for cut in range(first_ends, len(whole)):
        runs = read_log(whole[:cut])
        assert runs[0].complete
        assert (log_status(whole[:cut]) == COMPLETE) == runs[-1].complete


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("\r\n \r\n", "empty"),
        ("hello\nworld\n", "neither"),
        (golden("killed.log"), "did not reach its end"),
        (golden("single_thread.log") + golden("killed.log"), "did not reach its end"),
        (golden("single_thread.log")[800:], "header"),
        (golden("single_thread.log").partition("   Ended")[0], "cut off"),
    ],
)
def test_what_is_missing_is_said(text: str, word: str) -> None:
    status = log_status(text)
    assert status.startswith("Incomplete log file: ")
    assert word in status


def test_a_killed_run_before_a_whole_one() -> None:
    text = golden("killed.log") + "\r\n" + golden("single_thread.log")
    killed, whole = read_log(text)
    assert (killed.source, killed.dirs, killed.complete) == ("D:\\merfish_raw_data\\run_3\\", None, False)
    assert whole.complete
    assert log_status(text) == COMPLETE


def test_summaries_without_headers_are_runs() -> None:
    block = golden("appended.log").partition("\r\n\r\n---")[2]
    table = "\r\n" + block[block.index("               Total") : block.index("AM\r\n") + 4]
    runs = read_log(golden("single_thread.log") + table + table)
    assert [run.header for run in runs] == [True, False, False]
    assert log_status(golden("single_thread.log") + table) != COMPLETE


def test_names_cannot_forge_a_summary() -> None:
    forged = "\t    New File  \t\t       1\t   Dirs :         9         9         0         0         0         0\r\n"
    text = golden("single_thread.log").replace("\t    New File  \t\t       0\tempty.dat\r\n", forged * 4)
    assert read_log(text) == read_log(golden("single_thread.log"))


@given(st.one_of(st.text(), st.lists(pieces).map("".join)))
def test_any_text(text: str) -> None:
    complete = [run.complete for run in read_log(text)]
    assert (log_status(text) == COMPLETE) == (bool(complete) and complete[-1])


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    log_status(decode(data))
    log_status(decode(b"\xff\xfe" + data))


def test_digits_without_end() -> None:
    row = "x :" + " 9" * 5 + " " + "9" * 5000 + "\n"
    assert read_log("\n" + row * 3) == []


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_rows_of_real_logs(path: Path) -> None:
    """Every row of numbers that the log shows is in what was read, in order."""
    text = decode(path.read_bytes())
    cells = re.compile(r"[0-9]+(?:\.[0-9]+ [kmgt])?(?= |$)")
    shown = [cells.findall(row[1]) for row in re.finditer(r"(?m)^[^\t\r\n:]+:((?: +[0-9.]+(?: [kmgt])?){6})\r?$", text)]
    read = [row for run in read_log(text) for row in (run.dirs, run.files, run.size_bytes) if row]
    assert len(shown) == len(read)
    for texts, row in zip(shown, read):
        for cell, number in zip(texts, vars(row).values()):
            if cell.isdigit():
                assert number == int(cell)
            else:
                value, unit = cell.split()
                size = 1024 ** ("kmgt".index(unit) + 1)
                assert 0 <= number / size - float(value) < 0.001
    titles = text.count(" ROBOCOPY  ")
    assert sum(run.header for run in read_log(text)) == titles
    assert all(run.complete for run in read_log(text) if run.header)
