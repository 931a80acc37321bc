"""May the source be deleted? And did the run succeed? Decided from `TreeReport`s alone.

Pure, and the only place where these two questions are answered: mail, screen, JSON and exit code ask here. Rule 1:
what is not known counts against the run. Rule 2: a YES needs everything below to hold; a NO names the first thing
that does not. Sentences hold names as they are: escape them (`vdt.printable`) where they are shown.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from vdt.model import Evidence, Problem, TreeResult
from vdt.vizgen.counts import PYTHON, ROBOCOPY, CountCheck, check_counts, check_witness
from vdt.vizgen.finished import Finished
from vdt.vizgen.layout import CopyType
from vdt.vizgen.report import COMPLETE_LOG, METRICS, RunReport, TreeReport, Verdict

FATAL = 16
FAILURES = 8
MISMATCHES = 4


def decide(
    trees: Sequence[TreeReport], *, left_out: str = "", error: str = "", finished: Optional[Finished] = None
) -> Verdict:
    """Say whether nothing of the run would be lost with its source.

    Args:
        trees: the selected trees of this run.
        left_out: a sentence, where exclusions or options kept files of the source out of the copy.
        error: why the run as a whole ended, where it did not reach its end.
        finished: what the run's flags said when its copy began; what was still to come then is in no copy.
    """
    reason = next(_objections(trees, left_out, error, finished), "")
    if reason:
        return Verdict(False, reason if reason.endswith((".", "!", "?")) else reason + ".")
    order = sorted(trees, key=lambda tree: list(CopyType).index(tree.copy_type))
    return Verdict(
        True,
        folders=tuple(tree.source for tree in order),
        manifests=tuple((tree.result.manifest, tree.result.manifest_sha256) for tree in order if tree.result),
    )


def verdict_lines(verdict: Verdict) -> Tuple[str, ...]:
    """The answer as it leads screen, mail and report; names as they are."""
    if not verdict.yes:
        return (f"May the source be deleted? NO: {verdict.reason}",)
    return (
        f"May the source be deleted? YES: {', '.join(verdict.folders)}",
        "This is one copy: once the source is gone, the files at the data location(s) below are all there is.",
        *(f"Manifest {path} (its own SHA-256: {digest})" for path, digest in verdict.manifests),
    )


def verdict_object(verdict: Verdict) -> Dict[str, Any]:
    """The same for a script."""
    return {
        "may_delete_source": verdict.yes,
        "reason": verdict.reason,
        "line": verdict_lines(verdict)[0],
        "folders": list(verdict.folders),
        "manifests": [{"path": path, "sha256": sha256} for path, sha256 in verdict.manifests],
    }


def process_exit_code(
    trees: Sequence[TreeReport], *, robocopy_exit_code: bool = False, stopped_early: bool = False
) -> int:
    """The exit code of the process, once every report of the run is on disk.

    Args:
        trees: the selected trees.
        robocopy_exit_code: the OR of the trees' plain codes instead of 0 or a failure.
        stopped_early: the run was asked to stop (Ctrl-C), or the destination is full. Trees that had not begun
            by then are no fatal error; bit 8 is set.
    """
    begun = [tree for tree in trees if not (stopped_early and _not_begun(tree))]
    codes = [tree.robocopy_code for tree in begun]
    if FATAL in codes or not (codes or stopped_early):
        return FATAL
    mask = FAILURES if stopped_early else 0
    for code in codes:
        mask |= code
    if robocopy_exit_code:
        return mask
    if not stopped_early and all(tree_passed(tree) for tree in trees):
        return 0
    return mask | FAILURES


def run_passed(report: RunReport) -> bool:
    """True when the subject may say "completed": every tree arrived, every enabled check passed, every log is whole.

    The number of the exit code decides only from 8 on: below that it may be robocopy's, where 1 is a success.
    """
    return (
        bool(report.trees)
        and not report.error
        and report.exit_code < FAILURES
        and all(tree_passed(tree) for tree in report.trees)
    )


def tree_passed(tree: TreeReport) -> bool:
    """True when the tree arrived, its enabled count checks passed and its log is complete."""
    return next(_shortcomings(tree), "") == ""


def python_check(tree: TreeReport) -> CountCheck:
    """Our own counts of source and destination, compared."""
    return check_counts(PYTHON, tree.copy_type, tree.before, tree.after, tree.ignored_python, extras=tree.extras)


def robocopy_check(tree: TreeReport) -> Optional[CountCheck]:
    """The cross-check: robocopy's two counts compared, and each with ours; None where robocopy did not run."""
    before, after = tree.robocopy_before, tree.robocopy_after
    if before is None and after is None:
        return None
    proven = tree.result is not None and tree.result.proven
    name, ignored = tree.copy_type, tree.ignored_robocopy
    checks = [check_counts(ROBOCOPY, name, before, after, ignored, content_proven=proven, extras=tree.extras)]
    if not tree.selective:
        for when, ours, theirs in (
            ("Before Transfer", tree.before, before),
            ("After Transfer", tree.after, after),
        ):
            checks.append(check_witness(name, when, ours, theirs, ignored, content_proven=proven))
    if tree.robocopy_error:
        checks.append(CountCheck(False, (f"ERROR: {tree.robocopy_error}",)))
    return CountCheck(all(check.passed for check in checks), tuple(line for check in checks for line in check.lines))


def _objections(trees: Sequence[TreeReport], left_out: str, error: str, finished: Optional[Finished]) -> Iterator[str]:
    """Everything that stands against a YES, the weightiest first."""
    if error:
        yield error
    for tree in trees:
        yield from _shortcomings(tree)
    if finished is not None and finished.missing:
        yield finished.objection
    missing = [kind.value for kind in CopyType if kind not in {tree.copy_type for tree in trees}]
    if missing:
        was = "was" if len(missing) == 1 else "were"
        yield f"{_list(missing)} {was} not part of this run, and only a run over all three trees can say yes."
    if finished is not None and finished.unknown:
        yield finished.objection
    if left_out:
        yield left_out
    for tree in trees:
        if tree.result is not None:
            yield from _doubts(tree.copy_type.value, tree.result)
    for tree in trees:
        chosen = [metric for metric in METRICS if metric in tree.ignored_python | tree.ignored_robocopy]
        if chosen:
            yield f"The count check of {_list(chosen)} was switched off for {tree.copy_type.value}."


def _shortcomings(tree: TreeReport) -> Iterator[str]:
    """Why the tree did not arrive, or which enabled check of it did not pass."""
    name, result = tree.copy_type.value, tree.result
    if tree.error:
        yield tree.error
    if result is None:
        yield f"The copy of {name} was not begun."
        return
    if result.fatal:
        yield result.fatal
    if result.stopped:
        yield f"The copy of {name} ended early: {result.stopped}."
    yield from _named(result.failed, name, "could not be copied", "could not be copied")
    yield from _named(result.unstable, name, "changed while it was read", "changed while they were read")
    yield from _named(
        result.conflict,
        name,
        "is older or shorter than its proven copy, which was kept",
        "are older or shorter than their proven copies, which were kept",
    )
    yield from _named(
        result.type_mismatch,
        name,
        "is a file on one side and a folder on the other",
        "are files on one side and folders on the other",
    )
    yield from _named(result.unproven, name, "could not be proven", "could not be proven")
    if result.exit_code & (FATAL | FAILURES | MISMATCHES):
        yield f"Not everything of {name} arrived: its robocopy exit code is {result.exit_code}."
    if not result.reached_end:
        yield f"The copy of {name} did not reach its end."
    if not python_check(tree).passed:
        yield f"The Python based counts of {name} before and after the transfer do not agree."
    cross_check = robocopy_check(tree)
    if cross_check is not None and not cross_check.passed:
        yield tree.robocopy_error or f"The Robocopy based counts of {name} do not agree."
    if tree.log_status != COMPLETE_LOG:
        yield f"The log of {name} is not complete" + (f": {tree.log_status}" if tree.log_status else ".")


def _doubts(name: str, result: TreeResult) -> Iterator[str]:
    """What an arrived tree still lacks before its source may go."""
    yield from _named(result.special, name, "was listed but not copied", "were listed but not copied")
    trusted = result.files_by_evidence.get(Evidence.PRESENT, 0)
    if trusted:
        yield f"{_count(trusted, name)} {_was(trusted)} taken as the same on size and time alone."
    yield from _named(
        result.outward_links, name, "is a link that leads out of the tree", "are links that lead out of the tree"
    )
    known = sum(result.files_by_evidence.values()) + result.links
    expected = result.files.copied + result.files.skipped
    if known < expected:
        yield f"{_count(expected - known, name)} {_was(expected - known)} not verified at all."
    if not result.proven:
        yield f"Not every file of {name} was read back."
    if result.weak_files:
        count = _count(result.weak_files, name)
        yield f"{count} {_was(result.weak_files)} not read back past this client's cache."
    yield from _named(
        result.changed_since,
        name,
        "is new or changed since it was copied",
        "are new or changed since they were copied",
    )
    if not (result.manifest and result.manifest_sha256):
        yield f"The manifest of {name} was not written."


def _named(problems: Tuple[Problem, ...], name: str, one: str, many: str) -> Iterator[str]:
    if problems:
        first = problems[0]
        words = one if len(problems) == 1 else many + ", the first of them"
        yield f"{_count(len(problems), name)} {words}: {first.path or '.'}" + (
            f" ({first.reason.rstrip('.')})." if first.reason else "."
        )


def _not_begun(tree: TreeReport) -> bool:
    return tree.result is None and not tree.error


def _count(number: int, name: str) -> str:
    return f"{number} file{'' if number == 1 else 's'} of {name}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
