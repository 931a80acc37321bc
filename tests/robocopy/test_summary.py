"""The summary block, byte for byte, and the places where older readers look for it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.model import Row
from vdt.robocopy.log import LogFormat
from vdt.robocopy.read import read_log
from vdt.robocopy.summary import short_size, summary

from .golden import blocks, golden

WHEN = datetime(2026, 7, 24, 11, 8, 48)


BLOCKS = blocks(r"\r\n-{78}\r\n\r\n +Total +Copied.*?   Ended : [^\n]*\n(?:\r\n|$)")


def seconds(text: str) -> List[int]:
    """The five numbers of the Times row."""
    row = re.search(r"   Times : (.*)", text)
    assert row
    return [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in re.findall(r"(\d+):(\d\d):(\d\d)", row[1])]


@pytest.mark.parametrize(("name", "before", "block"), BLOCKS, ids=[name for name, _, _ in BLOCKS])
def test_blocks_read_and_written_again(name: str, before: str, block: str) -> None:
    (run,) = read_log(block)
    assert run.dirs
    assert run.files
    assert run.size_bytes
    plain = " /BYTES" in before.rpartition("Options : ")[2].partition("\r\n")[0]
    total, copy, wait, other = seconds(block)
    list_only = "Speed" not in block
    written = summary(run.dirs, run.files, run.size_bytes, copy, wait, other, WHEN, bytes_=plain, list_only=list_only)
    shown = f"{total // 3600}:{total // 60 % 60:02}:{total % 60:02}"  # under /MT no sum of the other times
    written = re.sub(r"(   Times : +)\d+:\d\d:\d\d", lambda match: match[1] + shown, written)
    if list_only:
        assert written == block.replace(run.ended, "Friday, July 24, 2026 11:08:48 AM")
    else:
        end = block.index("\r\n\r\n\r\n   Speed :")
        assert written[:end] == block[:end]
        assert seconds(written) == seconds(block)


@pytest.mark.parametrize(
    ("per_s", "first", "second"),
    [
        (4030000000, "           4030000000 Bytes/sec.", "           230598.450 MegaBytes/min."),
        (27413138, "            27413138 Bytes/sec.", "            1568.592 MegaBytes/min."),
        (9521090, "             9521090 Bytes/sec.", "             544.801 MegaBytes/min."),
        (99, "                  99 Bytes/sec.", "               0.006 MegaBytes/min."),
    ],
)
def test_speed(per_s: int, first: str, second: str) -> None:
    block = summary(Row(1), Row(1, 1), Row(per_s, per_s), 1, 0, 0, WHEN, bytes_=False, list_only=False)
    assert f":00\r\n\r\n\r\n   Speed :{first}\r\n   Speed :{second}\r\n   Ended : " in block


def test_whole_summary_of_a_log() -> None:
    sizes = Row(total=3_211_801_711, copied=2_686_451_711, failed=525_350_000, extras=916)
    dirs, files = Row(2, 1, 1, extras=1), Row(5, 4, 0, 0, 1, 1)
    block = summary(dirs, files, sizes, 2.0, 30.4, 1.5, WHEN, bytes_=False, list_only=False)
    assert golden("single_thread.log").endswith(block)


def test_columns_grow_with_bytes() -> None:
    def heading(total: int) -> str:
        sizes = Row(total=total, copied=total)
        return summary(Row(), Row(), sizes, 0, 0, 0, WHEN, bytes_=True, list_only=True).split("\r\n")[3]

    assert heading(999_999_999) == "               Total    Copied   Skipped  Mismatch    FAILED    Extras"
    assert heading(10**9) == "                Total     Copied   Skipped  Mismatch    FAILED    Extras"
    assert heading(10**11) == "                  Total       Copied   Skipped  Mismatch    FAILED    Extras"


@pytest.mark.parametrize("list_only", [False, True])
@pytest.mark.parametrize("bytes_", [False, True])
@pytest.mark.parametrize(("copied", "taken"), [(0, 5.0), (10, 0.0), (10, 2.0)])
def test_where_older_readers_look(copied: int, taken: float, bytes_: bool, list_only: bool) -> None:
    header = LogFormat(mt=False).header(WHEN, "C:\\a", "C:\\b")
    log = header + summary(
        Row(3), Row(2, 2), Row(copied, copied), taken, 0, 0, WHEN, bytes_=bytes_, list_only=list_only
    )
    lines = log.replace("\r\n", "\n").splitlines()
    place = -11 if copied and taken and not list_only else -7
    assert lines[2].strip() == "ROBOCOPY     ::     Robust File Copy for Windows"
    assert lines[place].strip() == "Total    Copied   Skipped  Mismatch    FAILED    Extras"
    assert [lines[place + row].split()[2] for row in (1, 2, 3)] == ["3", "2", str(copied)]
    assert lines[-2].startswith("   Ended : ")
    assert lines[-1] == ""


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0 k"),
        (138230, "134.9 k"),
        (215407, "210.3 k"),
        (181117, "176.8 k"),
        (38261, "37.3 k"),
        (1024**2 - 1, "1023.9 k"),
        (1024**2, "1.00 m"),
        (1024**3 - 1, "1023.99 m"),
        (1024**3, "1.000 g"),
        (1024**4 * 2033 // 1000, "2.032 t"),
        (5 * 1024**5, "5120.000 t"),
    ],
)
def test_units_are_cut_off(size_bytes: int, text: str) -> None:
    assert short_size(size_bytes) == text


def test_long_times() -> None:
    block = summary(Row(), Row(), Row(), 360_000.9, 59.9, 3600, WHEN, bytes_=False, list_only=False)
    assert "   Times : 101:01:00 100:00:00                       0:00:59   1:00:00\r\n" in block


numbers = st.integers(0, 10**15)
rows = st.builds(Row, numbers, numbers, numbers, numbers, numbers, numbers)


@given(rows, rows, rows, st.booleans(), st.booleans(), st.floats(0, 10**6))
def test_what_is_written_is_read(
    dirs: Row, files: Row, sizes: Row, bytes_: bool, list_only: bool, taken: float
) -> None:
    header = LogFormat(mt=False).header(WHEN, "/a", "/b")
    (run,) = read_log(header + summary(dirs, files, sizes, taken, 0, 1, WHEN, bytes_=bytes_, list_only=list_only))
    assert run.complete
    assert (run.dirs, run.files) == (dirs, files)
    assert run.size_bytes
    if bytes_:
        assert run.size_bytes == sizes
        assert not run.approximate
    else:
        for read, true in zip(vars(run.size_bytes).values(), vars(sizes).values()):
            assert read <= true
            assert short_size(read) == short_size(true)
