"""The tables of counts, byte for byte as users know them, and the lines below them."""

import pytest

from vdt.errors import UsageError
from vdt.model import Count
from vdt.vizgen.counts import (
    PYTHON,
    ROBOCOPY,
    CountCheck,
    check_counts,
    check_witness,
    parse_ignore_patterns,
    table_lines,
    table_rows,
    table_title,
)
from vdt.vizgen.layout import CopyType
from vdt.vizgen.report import METRICS

RAW = CopyType.RAW_DATA
FULL = Count(8042, 11, 900719884237)


def test_the_table_is_the_one_of_the_sample_mail():
    assert table_title(RAW) == "Raw_Data Transfer Summary"
    assert table_lines(FULL, FULL) == (
        "-" * 88,
        "Status          Total Files       Total Folders     Total Size (GB)   Total Size (Bytes)",
        "-" * 88,
        "Before Transfer 8042              11                838.861           900719884237     ",
        "After Transfer  8042              11                838.861           900719884237     ",
        "-" * 88,
    )


def test_a_count_that_was_not_taken_is_a_dash():
    assert table_rows(FULL, None)[1] == ("After Transfer", "-", "-", "-", "-")


def test_equal_counts_are_one_success_line():
    check = check_counts(PYTHON, RAW, FULL, FULL)
    assert check.passed
    (line,) = check.lines
    assert line.startswith("SUCCESS: ")
    assert "'raw_data'" in line
    assert line.count("'") == 2


def test_a_growing_file_of_the_users_story_is_one_error_with_the_ways_to_go_on():
    """2,401 bytes: not enough for the third decimal of a GB, so only one check fails."""
    before, after = Count(61583, 9, 77609211017), Count(61583, 9, 77609213418)
    check = check_counts(PYTHON, RAW, before, after)
    assert not check.passed
    (line,) = check.lines
    assert line.startswith("ERROR: ")
    assert "'raw_data'" in line and "'bytes'" in line
    assert "Before: '77609211017', After: '77609213418'" in line
    resume = line.index("Run the same command again")
    ways = [line.index(way) for way in ("raw_data:bytes", "raw_data:all", "all:bytes", "all:all")]
    assert resume < line.index("--ignore_python_counts") < ways[0] < ways[1] < ways[2] < ways[3]


def test_the_robocopy_check_names_its_own_option():
    (line, *_) = check_counts(ROBOCOPY, RAW, FULL, Count(8041, 11, 900719884237)).lines
    assert "--ignore_robocopy_counts" in line
    assert "--ignore_python_counts" not in line


def test_an_interrupted_run_fails_in_every_metric_that_differs():
    check = check_counts(PYTHON, RAW, Count(61583, 9, 2**40), Count(12540, 9, 2**38))
    assert [line.split("'")[3] for line in check.lines] == ["files", "bytes", "gigabytes"]
    assert "Before: '1024.000', After: '256.000'" in check.lines[2]


def test_gigabytes_compares_three_decimals_only():
    other = Count(8042, 11, 900719884237 + 1)
    assert not check_counts(PYTHON, RAW, FULL, other).passed
    assert check_counts(PYTHON, RAW, FULL, other, frozenset({"bytes"})).passed


def test_each_ignored_check_is_a_warning_even_where_it_agrees():
    check = check_counts(PYTHON, RAW, FULL, Count(8042, 11, 1), frozenset({"files", "bytes", "gigabytes"}))
    assert check.passed
    assert [line.split(":")[0] for line in check.lines] == ["WARNING", "WARNING", "WARNING", "SUCCESS"]
    assert "'bytes'" in check.lines[1]
    assert "Before: '900719884237', After: '1'" in check.lines[1]


def test_nothing_enabled_is_never_called_a_success():
    check = check_counts(PYTHON, RAW, FULL, None, frozenset(METRICS))
    assert check.passed
    assert all(line.startswith("WARNING: ") for line in check.lines)


@pytest.mark.parametrize(("before", "after"), [(None, None), (FULL, None), (None, FULL)])
def test_a_missing_count_is_a_failure(before, after):
    check = check_counts(PYTHON, RAW, before, after)
    assert not check.passed
    (line,) = check.lines
    assert line.startswith("ERROR: 'raw_data'")
    assert "'bytes'" in line and "'not counted'" in line


def test_a_missing_count_beside_an_ignored_check():
    check = check_counts(PYTHON, RAW, FULL, None, frozenset({"bytes"}))
    assert not check.passed
    assert [line.partition(":")[0] for line in check.lines] == ["WARNING", "ERROR"]
    assert "'bytes'" not in check.lines[1]


def test_a_cross_check_that_broke_off_while_all_is_proven_is_a_warning():
    check = check_counts(ROBOCOPY, RAW, FULL, None, content_proven=True)
    assert check.passed
    assert check.lines[0].startswith("WARNING: ")
    assert len(check.lines) == 1


def test_a_cross_check_that_differs_while_all_is_proven_is_a_warning_with_both_counts():
    check = check_counts(ROBOCOPY, RAW, FULL, Count(8042, 11, 1), content_proven=True)
    assert check.passed
    assert [line.split(":")[0] for line in check.lines] == ["WARNING", "WARNING"]
    assert "Before: '900719884237', After: '1'" in check.lines[0]


def test_robocopys_root_folder_is_no_difference():
    for proven in (True, False):
        check = check_witness(RAW, "After Transfer", FULL, Count(8042, 12, 900719884237), content_proven=proven)
        assert (check.passed, check.lines) == (True, ())
    (line,) = check_witness(RAW, "After Transfer", FULL, FULL).lines  # and one folder too few is one
    assert "'folders' (Robocopy: '10', Python: '11')" in line


def test_a_witness_that_disagrees_names_both_counts():
    theirs = Count(8041, 12, 900719884237 - 2**30)
    for proven, word in ((True, "WARNING: "), (False, "ERROR: ")):
        check = check_witness(RAW, "Before Transfer", FULL, theirs, content_proven=proven)
        assert check.passed == proven
        (line,) = check.lines
        assert line.startswith(f"{word}'raw_data': Robocopy and Python do not count the same Before Transfer: ")
        assert "'files' (Robocopy: '8041', Python: '8042')" in line
        assert "'gigabytes' (Robocopy: '837.861', Python: '838.861')" in line and "'folders'" not in line
        assert ("--ignore_robocopy_counts" in line) != proven


def test_a_witness_is_not_asked_for_what_is_ignored():
    theirs = Count(1, 12, 900719884237)
    assert check_witness(RAW, "Before Transfer", FULL, theirs, frozenset({"files"})) == CountCheck(True, ())


@pytest.mark.parametrize(("ours", "theirs"), [(None, FULL), (FULL, None), (None, None)])
def test_without_two_counts_nothing_is_held_against_each_other(ours, theirs):
    assert check_witness(RAW, "Before Transfer", ours, theirs) == CountCheck(True, ())


def test_patterns_in_any_case_with_blanks():
    ignored = parse_ignore_patterns([" Raw_Data : BYTES ", "all:files"], "--ignore_python_counts")
    assert ignored == {
        CopyType.RAW_DATA: {"bytes", "files"},
        CopyType.ANALYSIS: {"files"},
        CopyType.OUTPUT: {"files"},
    }


def test_all_metrics_and_none():
    assert parse_ignore_patterns(["output:all"], "--x")[CopyType.OUTPUT] == set(METRICS)
    assert parse_ignore_patterns([], "--x")[CopyType.OUTPUT] == frozenset()


def test_every_bad_pattern_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        parse_ignore_patterns(["raw:bytes", "raw_data:bytes", "output", "all:sizes", ":", "a:\x1b"], "--ignore_x")
    text = str(caught.value)
    for part in ("--ignore_x", "'raw:bytes'", "'output'", "'all:sizes'", "':'", "'a:\\x1b'", "gigabytes", "analysis"):
        assert part in text
    assert "'raw_data:bytes'" not in text
