"""The run at a glance: where each tree stands, and which files need what; for the HTML report and the mail.

Pure; judges nothing, `verdict` is asked. Texts hold names as they are: whoever shows them escapes them.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from vdt.model import Grew, Problem, TreeResult
from vdt.page import plots
from vdt.page.remedies import remedy
from vdt.vizgen.report import RunReport, TreeReport
from vdt.vizgen.verdict import tree_passed

HEAD = ("Tree", "State", "Files", "Size", "How proven", "Copied in", "MiB/s")
NUMBERS = (2, 3, 5, 6)  # columns of HEAD
KINDS = {  # the worst first; good, warn, bad
    "failed": "bad",
    "unproven": "bad",
    "unstable": "bad",
    "conflict": "bad",
    "type mismatch": "bad",
    "changed since the copy": "warn",
    "leads out of the tree": "warn",
    "not copied": "warn",
    "grew": "good",
}
TITLES = {
    "failed": "could not be copied",
    "unproven": "could not be proven",
    "unstable": "changed while it was read",
    "conflict": "source older or shorter than the proven copy, which was kept",
    "type mismatch": "a file on one side, a folder on the other",
    "changed since the copy": "new or changed since the copy",
    "leads out of the tree": "links that lead out of the tree",
    "not copied": "listed, not copied",
    "grew": "grew between the count and the copy",
}


class Trouble(NamedTuple):
    """Files of one tree that share a kind of end and a remedy."""

    tree: str
    kind: str
    remedy: str
    problems: Tuple[Problem, ...]
    where: str  # the full list

    @property
    def amount(self) -> str:
        """How many files of which tree."""
        number = len(self.problems)
        return f"{number:,} file{'' if number == 1 else 's'} of {self.tree}"


class Glance(NamedTuple):
    """One row of the table; `cells` are those of HEAD, `kind` is good, warn or bad."""

    cells: Tuple[str, ...]
    kind: str


def glance(report: RunReport) -> List[Glance]:
    """A row for each tree."""
    rows = []
    for tree in report.trees:
        words, kind = state(tree)
        result, count = tree.result, tree.before
        seconds = result.copy_seconds if result is not None else 0.0
        copied = result.size_bytes.copied if result is not None else 0
        cells = (
            tree.copy_type.value,
            words,
            f"{count.files:,}" if count is not None else "-",
            plots.amount(count.size_bytes) if count is not None else "-",
            proof(result),
            plots.lasted(seconds) if seconds else "-",
            f"{copied / 2**20 / seconds:,.0f}" if seconds and copied else "-",
        )
        rows.append(Glance(cells, kind))
    return rows


def state(tree: TreeReport) -> Tuple[str, str]:
    result = tree.result
    if result is None:
        return ("not copied", "bad") if tree.error else ("not begun", "bad")
    if not result.complete or not tree_passed(tree):
        return ("not complete" if not result.complete else "checks failed"), "bad"
    if not result.proven:
        return "complete, not proven", "warn"
    return "complete, proven", "good"


def proof(result: Optional[TreeResult]) -> str:
    """The words of what is known of its files, the commonest first."""
    if result is None:
        return "-"
    found = sorted(
        ((number, level) for level, number in result.files_by_evidence.items() if number), key=lambda item: -item[0]
    )
    words = [f"{level.words} ({number:,})" if len(found) > 1 else level.words for number, level in found]
    return ", ".join(words) or "no file in it"


def troubles(report: RunReport) -> List[Trouble]:
    """Every file that did not end well, grouped by tree, kind and remedy; the worst first."""
    found: Dict[Tuple[str, str, str], List[Problem]] = {}
    where: Dict[str, str] = {}
    for tree in report.trees:
        if tree.result is None:
            continue
        name = tree.copy_type.value
        where[name] = tree.log or tree.evidence_file or "the master log"
        for kind, problems in _kinds(tree.result):
            for problem in problems:
                found.setdefault((name, kind, remedy(kind, problem.reason)), []).append(problem)
    order = list(KINDS)
    groups = [Trouble(name, kind, words, tuple(all_), where[name]) for (name, kind, words), all_ in found.items()]
    return sorted(groups, key=lambda group: order.index(group.kind))


def _kinds(result: TreeResult) -> Tuple[Tuple[str, Sequence[Problem]], ...]:
    return (
        ("failed", result.failed),
        ("unproven", result.unproven),
        ("unstable", result.unstable),
        ("conflict", result.conflict),
        ("type mismatch", result.type_mismatch),
        ("changed since the copy", result.changed_since),
        ("leads out of the tree", result.outward_links),
        ("not copied", result.special),
        ("grew", [_growth(item) for item in result.grew]),
    )


def _growth(item: Grew) -> Problem:
    return Problem(item.path, f"{item.before_bytes} -> {item.after_bytes} bytes")
