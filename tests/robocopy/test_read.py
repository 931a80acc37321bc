"""Logs of any origin, cut anywhere: what is read, and what is called complete."""

from __future__ import annotations

import re
import time
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.model import Row
from vdt.robocopy.read import COMPLETE, LoggedRun, decode, log_status, read_log
from vdt.robocopy.summary import short_size, summary

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
        size_bytes_most=Row(3212635537, 2686502043, 0, 0, 525357547, 916),
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


# -- every language, by shape ------------------------------------------------------------------------------------------

# code page, title, header labels, headings (some run together), row labels, speed unit, label of the end
LANGUAGES = {
    "English": (
        "ascii",
        "   ROBOCOPY     ::     Robust File Copy for Windows",
        "  Started : |   Source : |     Dest : |    Files : |  Options : ",
        "               Total    Copied   Skipped  Mismatch    FAILED    Extras",
        "    Dirs :|   Files :|   Bytes :|   Times :",
        "   Speed :              937106 Bytes/sec.|   Speed :               53.622 MegaBytes/min.",
        "   Ended : Friday, July 24, 2026 11:08:48 AM",
    ),
    "German": (
        "cp850",
        "   ROBOCOPY     ::     Robustes Dateikopieren für Windows",
        "  Gestartet: |   Quelle : |     Ziel : |    Dateien: |  Optionen: ",
        "           Insgesamt   KopiertÜbersprungenKeine Übereinstimmung    FEHLER    Extras",
        "Verzeich.:|  Dateien:|    Bytes:|   Zeiten:",
        "Geschwindigkeit:             937.106 Bytes/Sek.|Geschwindigkeit:              53,622 MB/min.",
        "   Beendet: Freitag, 24. Juli 2026 11:08:48",
    ),
    "French": (
        "cp850",
        "   ROBOCOPY   ::   Copie de fichiers robuste pour Windows",
        "  Démarré : |   Source : |     Dest : |    Fichiers : |  Options : ",
        "               Total    Copié    Ignoré Discordance     ÉCHEC    Extras",
        "   Rép. : |Fichiers : |  Octets : |  Heures : ",
        "   Débit :             937 106 Octets/s.|   Débit :              53,622 Mega-octets/min.",
        "   Fin : vendredi 24 juillet 2026 11:08:48",
    ),
    "Russian": (
        "cp866",
        "   ROBOCOPY     ::     Надежное копирование файлов для Windows",
        "  Начало: |   Источник : |     Назначение : |    Файлы : |  Параметры: ",
        "               ВсегоСкопированоПропущеноНесоответствие        СБОЙ    Дополнения",
        "  Каталогов:|     Файлов:|       Байт:|     Время:",
        "   Скорость:             937 106 байт/с|   Скорость:              53,622 МБ/мин.",
        "   Окончание : 24 июля 2026 г. 11:08:48",
    ),
    "Japanese": (
        "cp932",
        "   ROBOCOPY     ::     Windows の堅牢性の高いファイル コピー",
        "  開始: |   コピー元 : |     コピー先 : |    ファイル: |  オプション: ",
        "                  合計     コピー済み      スキップ       不一致        失敗    Extras",
        "   ディレクトリ:|     ファイル:|       バイト:|       時刻:",
        "   速度:              937106 バイト/秒|   速度:              53.622 MB/分",
        "   終了: 2026年7月24日 11:08:48",
    ),
    "Chinese": (
        "gbk",
        "   ROBOCOPY     ::     Windows 的可靠文件复制",
        "  开始时间: |        源: |      目标: |      文件: |      选项: ",
        "                  总数        复制        跳过       不匹配        失败        其他",
        "       目录:|       文件:|       字节:|       时间:",
        "       速度:              937106 字节/秒。|       速度:              53.622 MB/分钟。",
        "   已结束: 2026年7月24日 11:08:48",
    ),
}


def log_in(language: str, *, speed: bool = True, wide: bool = False) -> str:
    """A log in that language: labels as long as they are there, numbers where robocopy puts them."""
    _, title, header, headings, rows, speeds, ended = LANGUAGES[language]
    started, source, dest, files, options = header.split("|")
    size = f"{164282499072:>13}" if wide else f"{1893:>10}"
    cells = (
        f"{3:>10}{1:>10}{2:>10}{0:>10}{0:>10}{7:>10}",
        f"{12:>10}{9:>10}{2:>10}{0:>10}{1:>10}{4:>10}",
        f"{size}{'1.7 k':>10}{'113':>10}{0:>10}{'3.19 m':>10}{'0':>10}",
        f"{'0:00:01':>10}{'0:00:00':>10}{'':20}{'0:00:00':>10}{'0:00:01':>10}",
    )
    lines = [
        *("", "-" * 79, title.ljust(81), "-" * 79, "", started + "x", source + "C:\\a\\", dest + "D:\\b\\", ""),
        *(
            files + "*.*",
            "\t    ",
            options + "*.* /S /E /R:1 ",
            "",
            "-" * 78,
            "",
            "\t    New File  \t\t     363\ta.dat",
            "",
        ),
        *("-" * 78, "", headings, *(label + row for label, row in zip(rows.split("|"), cells))),
        *(["", "", *speeds.split("|")] if speed else []),
        *(ended, "", ""),
    ]
    return "\r\n".join(lines)


@pytest.mark.parametrize("speed", [True, False])
@pytest.mark.parametrize("form", ["OEM", "utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_and_code_pages(language: str, form: str, speed: bool) -> None:
    text = log_in(language, speed=speed, wide=True)
    data = text.encode(LANGUAGES[language][0] if form == "OEM" else form)
    first, second = read_log(decode(data + data))
    assert first == second
    assert (first.dirs, first.files) == (Row(3, 1, 2, 0, 0, 7), Row(12, 9, 2, 0, 1, 4))
    assert first.size_bytes == Row(164282499072, 1741, 113, 0, 3344958, 0)
    assert first.size_bytes_most == Row(164282499072, 1843, 113, 0, 3355443, 0)
    assert (first.header, first.complete, first.approximate) == (True, True, True)
    assert log_status(decode(data)) == COMPLETE
    assert (first.source, first.dest, first.options) == ("C:\\a\\", "D:\\b\\", "*.* /S /E /R:1")
    if form != "OEM":
        assert f": {first.ended}" in LANGUAGES[language][-1] and "2026" in first.ended


@pytest.mark.parametrize("language", ["Japanese", "German"])
def test_every_cut_in_another_code_page(language: str) -> None:
    data = log_in(language).encode(LANGUAGES[language][0])
    for form in (data, log_in(language).encode("utf-16")):
        for cut in range(len(form)):
            for run in read_log(decode(form[:cut])):
                assert run.files in (None, Row(12, 9, 2, 0, 1, 4))


def test_a_log_that_changes_its_encoding() -> None:
    """Somebody used /LOG+ after /UNILOG+: what can be read of it is read, nothing is made up."""
    text = log_in("English")
    for data in (text.encode("utf-16") + text.encode(), text.encode() + text.encode("utf-16")):
        for run in read_log(decode(data)):
            assert run.files in (None, Row(12, 9, 2, 0, 1, 4))


def test_wide_colons() -> None:
    text = re.sub("(目录|文件|字节|时间|速度|已结束):", "\\1\uff1a", log_in("Chinese"))
    (run,) = read_log(text)
    assert (run.files, run.ended) == (Row(12, 9, 2, 0, 1, 4), "2026年7月24日 11:08:48")


# -- what a number means -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**60), min_size=6, max_size=6), st.booleans())
def test_the_number_lies_in_the_range_that_is_read(numbers: List[int], plain: bool) -> None:
    row = Row(*numbers)
    text = summary(Row(), Row(), row, 0, 0, 0, datetime(2026, 7, 24), bytes_=plain, list_only=True)
    (run,) = read_log(text)
    assert run.size_bytes is not None and run.size_bytes_most is not None
    for number, least, most in zip(*(vars(each).values() for each in (row, run.size_bytes, run.size_bytes_most))):
        assert least <= number <= most
        assert short_size(least) == short_size(number) == short_size(most) or plain
        assert least == most == number if plain or number < 1024 else short_size(most + 1) != short_size(number)
    assert run.approximate == (not plain and max(numbers) >= 1024)


# -- hostile logs ------------------------------------------------------------------------------------------------------

WHOLE = (golden("single_thread.log") + golden("appended.log")).encode()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 40), st.binary(max_size=8)), max_size=6))
def test_mutated_logs(changes: List[Tuple[int, int, bytes]]) -> None:
    data = WHOLE
    for at, gone, new in changes:
        data = data[:at] + new + data[at + gone :]
    runs = read_log(decode(data))
    assert log_status(decode(data)) == COMPLETE or not runs or not runs[-1].complete
    for run in runs:
        assert (run.dirs is None) == (run.files is None) == (run.size_bytes is None)
        if run.size_bytes and run.size_bytes_most:
            for least, most in zip(vars(run.size_bytes).values(), vars(run.size_bytes_most).values()):
                assert 0 <= least <= most


HOSTILE = {
    "a line of rules": "-" * 1000,
    "rules": ("-" * 79 + "\n") * 12,
    "titles": ("-" * 79 + "\n   ROBOCOPY     ::     x\n" + "-" * 79 + "\n") * 6,
    "a line of blanks": " " * 1000,
    "rows": ("    Dirs :" + "         1" * 6 + "\n") * 14,
    "rows with one cell too few": ("a" * 59 + ":" + (" " * 99 + "9" * 24) * 5 + " x\n") * 2,
    "colons": ":" * 1000,
    "a line of numbers": "x :" + " 1" * 500,
    "speeds": "    Dirs :" + "  1" * 6 + "\n" + "x: 1" + " a/" * 320,
    "labels": "  a : b\n" * 120,
    "carriage returns": "\r" * 1000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear(name: str) -> None:
    """Ten times the length in far less than a hundred times the time (best of three, so that a busy machine does not
    decide)."""

    def best(times: int) -> float:
        text = golden("single_thread.log")[:700] + HOSTILE[name] * times
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            read_log(text)
            taken.append(time.perf_counter() - began)
        return min(taken)

    assert best(1000) < 30 * best(100) + 0.05


def test_a_long_log_is_not_held_twice() -> None:
    """124,000 files: beside the text itself less than a tenth of it is taken."""
    name = "\t    New File  \t\t 9437184\tC:\\merfish_raw_data\\run\\data\\stack_prestain_{:06}.dat\r\n"
    before, after = golden("single_thread.log").split("\t    New File  \t\t       0\tempty.dat\r\n")
    text = before + "".join(map(name.format, range(124_000))) + after
    tracemalloc.start()
    (run,) = read_log(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.complete
    assert peak < len(text) / 10


# -- logs of the real tool ---------------------------------------------------------------------------------------------

# Read from the logs by eye: for each summary its rows Dirs, Files and Bytes as they stand there.
_SYNCED = ("2 0 2 0 0 0", "19 0 19 0 0 0", "476.65m 0 476.65m 0 0 0")
SHOWN = {
    "03_win10_en-GB_mir_tee_7runs_appended_2024.log": [
        ("2 1 1 0 0 0", "19 19 0 0 0 0", "476.65m 476.65m 0 0 0 0"),
        *[_SYNCED] * 6,
    ],
    "06_win10_en-US_filespec_nothing_copied_2024.log": [("1 0 1 0 0 0", "11 0 11 0 0 0", "7.39m 0 7.39m 0 0 0")],
    "07_win11_en-US_older_newdir_2026.log": [("5 4 1 0 0 0", "40 40 0 0 0 0", "210.3k 210.3k 0 0 0 0")],
    "10_win11_en-US-ui_id-locale_mt8_progress_2026.log": [("31 31 0 0 0 0", "35 35 0 0 0 0", "59.26m 59.26m 0 0 0 0")],
    "12_win11_mt8_empty_source_new_root_2026.log": [("1 1 0 0 0 0", "0 0 0 0 0 0", "0 0 0 0 0 0")],
    "15_win10_pt-BR_extras_not_purged_xf_xd_2026.log": [
        ("7 2 5 0 0 15", "16 12 4 0 0 21", "108.6k 102.2k 6.3k 0 0 3.19m")
    ],
    "16_win10_pt-BR_is_it_newer_older_zero-byte_2025.log": [("1 0 1 0 0 0", "46 46 0 0 0 0", "134.9k 134.9k 0 0 0 0")],
    "25_win11_en_mt32_dirs_30066_30066_30066_2026.log": [
        ("30066 30066 30066 0 0 0", "157149 0 157149 0 0 0", "11.057g 0 11.057g 0 0 0")
    ],
    "30_win11_en_mt8_large_dest_eq_2026.log": [("6 6 0 0 0 0", "23 23 0 0 0 0", "1.996g 1.996g 0 0 0 0")],
    "32_win11_en-IN_z_np_mt8_tee_extras_2025.log": [("5 5 5 0 0 0", "41 1 40 0 0 22", "3.60m 41.3k 3.55m 0 0 401.0k")],
    "p4_win11_2025_azurefiles_e_xf_star_then_sec.txt": [("4 1 3 0 0 0", "101 0 101 0 0 0", "4.7k 0 4.7k 0 0 0")],
    "p6_win11_2025_retry_limit_exceeded_create_dir.txt": [],  # cut out of the middle: no title, no summary
    "p8_win11_2026_polish-locale_BYTES_wide_columns.txt": [
        ("1 1 0 0 0 0", "4 2 1 0 1 3", "164282499072 164282499072 0 0 3002 6")
    ],
}
PASTED = {name: 0 if name.startswith(("p6", "p8")) else len(rows) for name, rows in SHOWN.items()}  # titles


@pytest.mark.parametrize("name", SHOWN)
def test_the_numbers_of_every_known_log_in_one_of_our_own(name: str) -> None:
    """The summaries that the real tool wrote, typed again into a log without anything else of theirs."""
    rows = "    Dirs :{}\n   Files :{}\n   Bytes :{}\n"
    rows += "   Times :   0:00:00   0:00:00                       0:00:00   0:00:00\n"
    header, _, _ = golden("single_thread.log").replace("\r\n", "\n").partition("\n\t ")
    text = ""
    for shown in SHOWN[name]:
        text += header + "\n" + rows.format(*map(_aligned, shown)) + "   Ended : Friday, July 24, 2026 11:08:48 AM\n\n"
    _agree(read_log(text), SHOWN[name])


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_logs(path: Path) -> None:
    """Each of them is known, and gives the numbers that stand in it."""
    text = decode(path.read_bytes())
    runs = read_log(text)
    _agree([run for run in runs if run.dirs], SHOWN[path.name])
    assert sum(run.header for run in runs) == PASTED[path.name] == text.count(" ROBOCOPY  ")
    for run in runs:
        assert run.ended and run.complete == run.header
        if run.header:
            assert run.started and "\\" in run.source and "\\" in run.dest and "/COPY:DAT" in run.options
    for eol in ("\n", "\r\n"):
        same = re.sub("\r?\n", eol, text)
        assert read_log(same) == runs
        assert read_log(decode(same.encode("utf-16"))) == runs


def test_no_real_log_is_left_out() -> None:
    if not REAL:
        pytest.skip("VDT_ROBOCOPY_LOGS names no folder with logs of the real tool")
    assert {path.name for path in REAL} == set(SHOWN)


def _aligned(row: str) -> str:
    return "".join(f"{_spaced(cell):>13}" for cell in row.split())


def _spaced(cell: str) -> str:
    return re.sub("([kmg])", r" \1", cell)


def _agree(runs: List[LoggedRun], shown: List[Tuple[str, str, str]]) -> None:
    """Whole numbers are equal; of a number with a unit, least and most are the ends of what is written so."""
    assert len(runs) == len(shown)
    for run, (dirs, files, sizes) in zip(runs, shown):
        assert run.dirs == Row(*map(int, dirs.split())) and run.files == Row(*map(int, files.split()))
        assert run.size_bytes is not None and run.size_bytes_most is not None
        for cell, least, most in zip(sizes.split(), vars(run.size_bytes).values(), vars(run.size_bytes_most).values()):
            text = _spaced(cell)
            written = [str(number) if cell.isdigit() else short_size(number) for number in (least, most)]
            assert written == [text, text]
            assert cell.isdigit() or (short_size(least - 1) != text and short_size(most + 1) != text)
