"""May the source be deleted, and which exit code: each condition broken alone."""

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from vdt.model import Count, Evidence, Problem, Row, TreeResult
from vdt.vizgen.layout import CopyType
from vdt.vizgen.report import RunReport, TreeReport, Verdict
from vdt.vizgen.verdict import decide, process_exit_code, robocopy_check, run_passed, tree_passed

WHEN = datetime(2026, 4, 12, 18, 15, 2, tzinfo=timezone.utc)
COUNT = Count(3, 1, 30)
P = (Problem("a/b.dat", "Access is denied"),)


def result(**changes):
    good = TreeResult(
        source="Z:\\s",
        destination="L:\\d",
        started=WHEN,
        ended=WHEN,
        files=Row(total=3, copied=2, skipped=1),
        files_by_evidence={Evidence.COLD: 2, Evidence.ON_RECORD: 1},
        bytes_by_evidence={Evidence.COLD: 20, Evidence.ON_RECORD: 10},
        reached_end=True,
        manifest="L:\\d.xxh128",
        manifest_sha256="5" * 64,
    )
    return replace(good, **changes)


def tree(kind=CopyType.RAW_DATA, *, tree_result=None, **changes):
    good = TreeReport(
        copy_type=kind,
        source=f"Z:\\{kind.source_folder}\\R",
        destination=f"L:\\R\\{kind.value}",
        before=COUNT,
        after=COUNT,
        result=tree_result or result(),
        log_status="Complete log file",
    )
    return replace(good, **changes)


def three(**changes):
    """All three trees; the changes go to the analysis."""
    return [tree(CopyType.RAW_DATA), tree(CopyType.ANALYSIS, **changes), tree(CopyType.OUTPUT)]


def test_yes_names_folders_and_manifests_in_the_fixed_order():
    verdict = decide(list(reversed(three())))
    assert verdict.yes
    assert verdict.reason == ""
    assert verdict.folders == (
        "Z:\\merfish_raw_data\\R",
        "Z:\\merfish_analysis\\R",
        "Z:\\merfish_output\\R",
    )
    assert verdict.manifests == (("L:\\d.xxh128", "5" * 64),) * 3


def test_extras_at_the_destination_do_not_forbid_it():
    assert decide(three(tree_result=result(files=Row(total=3, copied=3, extras=2), extra=P))).yes


def test_evidence_of_a_second_host_is_enough():
    """`weak_files` is 0 where an audit elsewhere read what this client could only reread."""
    assert decide(three(tree_result=result(files_by_evidence={Evidence.REREAD: 3}))).yes


DOUBTS = {
    "not begun": ({"result": None}, "not begun"),
    "error": ({"result": None, "error": "The folder Z:\\x is missing."}, "Z:\\x is missing"),
    "fatal": ({"tree_result": result(fatal="The lock is held by PC7.")}, "PC7"),
    "stopped": ({"tree_result": result(stopped="interrupted")}, "interrupted"),
    "failed": ({"tree_result": result(failed=P)}, "1 file of analysis could not be copied: a/b.dat (Access is denied)"),
    "many failed": ({"tree_result": result(failed=P * 2)}, "2 files of analysis could not be copied, the first of"),
    "unstable": ({"tree_result": result(unstable=P)}, "changed while it was read"),
    "conflict": ({"tree_result": result(conflict=P)}, "proven copy"),
    "type": ({"tree_result": result(type_mismatch=P)}, "a folder on the other"),
    "unproven": ({"tree_result": result(unproven=P)}, "could not be proven"),
    "a folder failed": ({"tree_result": result(dirs=Row(failed=1))}, "exit code is 9"),
    "a mismatch": ({"tree_result": result(files=Row(3, 2, 1, mismatch=1))}, "exit code is 5"),
    "not at the end": ({"tree_result": result(reached_end=False)}, "did not reach its end"),
    "python counts": ({"after": Count(2, 1, 30)}, "Python based counts of analysis"),
    "no count": ({"after": None}, "Python based counts of analysis"),
    "log": ({"log_status": "Incomplete: no summary"}, "log of analysis is not complete: Incomplete: no summary"),
    "no log": ({"log_status": ""}, "log of analysis is not complete"),
    "special": ({"tree_result": result(special=P)}, "listed but not copied"),
    "trusted": (
        {"tree_result": result(files_by_evidence={Evidence.PRESENT: 1, Evidence.COLD: 2})},
        "size and time alone",
    ),
    "no evidence": ({"tree_result": result(files_by_evidence={})}, "3 files of analysis were not verified at all"),
    "in flight": ({"tree_result": result(files_by_evidence={Evidence.INFLIGHT: 3})}, "Not every file of analysis was"),
    "weak": ({"tree_result": result(weak_files=1)}, "1 file of analysis was not read back past this client's cache"),
    "changed": ({"tree_result": result(changed_since=P)}, "is new or changed since it was copied"),
    "no manifest": ({"tree_result": result(manifest="")}, "manifest of analysis was not written"),
    "no digest": ({"tree_result": result(manifest_sha256="")}, "manifest of analysis was not written"),
    "ignored": ({"ignored_python": frozenset({"bytes"})}, "count check of bytes was switched off for analysis"),
    "ignored robocopy": ({"ignored_robocopy": frozenset({"files", "bytes"})}, "files and bytes was switched off"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_each_doubt_alone_is_a_no_with_its_reason(name):
    changes, words = DOUBTS[name]
    verdict = decide(three(**changes))
    assert not verdict.yes
    assert words in verdict.reason
    assert verdict.reason.endswith(".")
    assert verdict.folders == () == verdict.manifests


def test_two_trees_are_not_enough():
    verdict = decide([tree(CopyType.ANALYSIS)])
    assert verdict.reason.startswith("raw_data and output were not part of this run")
    assert not decide([]).yes


def test_what_failed_comes_before_what_was_not_selected():
    assert "could not be copied" in decide([tree(tree_result=result(failed=P))]).reason


def test_left_out_and_a_run_that_ended():
    assert decide(three(), left_out="/XF *.tmp left files out").reason == "/XF *.tmp left files out."
    assert decide(three(), error="Interrupted by Ctrl-C.").reason == "Interrupted by Ctrl-C."


def test_a_cross_check_that_differs_while_all_is_proven_changes_neither_verdict_nor_code():
    trees = three(robocopy_before=Count(3, 2, 29), robocopy_after=Count(3, 2, 30))
    assert decide(trees).yes
    assert process_exit_code(trees) == 0


def test_a_cross_check_that_differs_without_proof_fails():
    trees = three(
        robocopy_before=Count(3, 2, 29),
        robocopy_after=Count(3, 2, 30),
        tree_result=result(files_by_evidence={Evidence.PRESENT: 3}),
    )
    assert process_exit_code(trees) == 9
    assert "Robocopy based counts" in decide(trees).reason


PRESENT = {Evidence.PRESENT: 3}


def test_a_cross_check_that_was_insisted_on_and_broke_off_fails_though_all_is_proven():
    trees = three(robocopy_before=Count(3, 2, 30), robocopy_error="The cross-check of D failed: it hung.")
    assert process_exit_code(trees) == 9
    assert process_exit_code(trees, robocopy_exit_code=True) == 1
    assert decide(trees).reason == "The cross-check of D failed: it hung."


def test_what_only_the_destination_holds_is_no_difference_of_the_cross_check():
    extras = {"extras": Count(1, 1, 7), "after": Count(4, 2, 37)}
    listed = {"robocopy_before": Count(3, 2, 30), "robocopy_after": Count(4, 3, 37)}
    changes = {**extras, **listed, "tree_result": result(files_by_evidence=PRESENT)}
    assert process_exit_code(three(**changes)) == 0
    assert process_exit_code(three(**{**changes, "extras": Count()})) == 9


def test_two_counts_that_agree_with_each_other_and_not_with_ours():
    listed = {"robocopy_before": Count(4, 2, 30), "robocopy_after": Count(4, 2, 30)}
    check = robocopy_check(tree(**listed))
    assert check is not None and check.passed
    assert [line.split(":")[0] for line in check.lines] == ["SUCCESS", "WARNING", "WARNING"]
    trusted = {**listed, "tree_result": result(files_by_evidence=PRESENT)}
    assert process_exit_code(three(**trusted)) == 9
    assert process_exit_code(three(**trusted, selective=True)) == 0  # we left names out, robocopy did not
    assert process_exit_code(three(**trusted, ignored_robocopy=frozenset({"files"}))) == 0


CODES = {
    "all well": ({}, 0, 1),
    "extras": ({"tree_result": result(files=Row(3, 3, extras=1))}, 0, 3),
    "a failed file": ({"tree_result": result(failed=P)}, 9, 9),
    "type mismatch": ({"tree_result": result(type_mismatch=P, files=Row(3, 2, mismatch=1))}, 13, 5),
    "unproven": ({"tree_result": result(unproven=P)}, 9, 9),
    "count check": ({"after": Count(2, 1, 30)}, 9, 1),
    "count check ignored": ({"after": Count(2, 1, 30), "ignored_python": frozenset({"files"})}, 0, 1),
    "log": ({"log_status": "Incomplete"}, 9, 1),
    "fatal": ({"tree_result": result(fatal="The share is away.")}, 16, 16),
    "never began": ({"result": None, "error": "The source is missing."}, 16, 16),
}


@pytest.mark.parametrize("name", CODES)
def test_exit_codes(name):
    changes, ours, robocopys = CODES[name]
    trees = three(**changes)
    assert process_exit_code(trees) == ours
    assert process_exit_code(trees, robocopy_exit_code=True) == robocopys
    assert tree_passed(trees[1]) == (ours == 0)


def test_ctrl_c_is_8_and_the_bits_so_far_not_16():
    trees = [tree(), tree(CopyType.ANALYSIS, result=None), tree(CopyType.OUTPUT, result=None)]
    assert process_exit_code(trees, stopped_early=True) == 9
    assert process_exit_code(trees, stopped_early=True, robocopy_exit_code=True) == 9
    assert process_exit_code([], stopped_early=True) == 8
    assert process_exit_code(trees) == 16
    assert process_exit_code([]) == 16
    assert process_exit_code(three(result=None, error="x"), stopped_early=True) == 16


def run(trees, **changes):
    base = RunReport("R", tuple(trees), Verdict(False, "x"), 0, "cmd", 1.0, 8, 2.0)
    return replace(base, **changes)


def test_a_run_is_judged_by_its_trees_not_by_the_number_robocopy_gives():
    assert run_passed(run(three(), exit_code=1))
    assert not run_passed(run(three(after=Count(2, 1, 30)), exit_code=1))
    assert not run_passed(run(three(), exit_code=16))
    assert not run_passed(run(three(), error="Interrupted."))
    assert not run_passed(run([]))
