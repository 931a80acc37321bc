"""What is said of an audited run: the verdict over its trees, and the mail. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

from vdt.auditreport import cut, detail_lines
from vdt.findings import AuditResult, confirming_hosts, objection_to_deleting, verdict_words
from vdt.model import Count, Judged
from vdt.version import __version__
from vdt.vizgen.layout import CopyType, TreePaths
from vdt.vizgen.mail import Items, MailText, Table, compose_parts
from vdt.vizgen.page import compose_part_page
from vdt.vizgen.report import About, Verdict
from vdt.vizgen.verdict import verdict_lines

FATAL = 16
_COLUMNS = ("Verdict", "Total Files", "Total Size (GB)", "Total Size (Bytes)")


@dataclass(frozen=True)
class AuditedTree:
    """One selected tree and what came of it."""

    paths: TreePaths
    result: Optional[AuditResult] = None
    error: str = ""

    @property
    def exit_code(self) -> int:
        return FATAL if self.error or self.result is None else self.result.exit_code


def audit_verdict(trees: Tuple[AuditedTree, ...], reason: str) -> Verdict:
    """The verdict of a transfer in the audit's words; `reason` as `objection` gives it."""
    if reason:
        return Verdict(False, f"{reason[:1].upper()}{reason[1:]}.")
    return Verdict(True, folders=tuple(tree.paths.source for tree in trees))


class Said(NamedTuple):
    """What is said of an audited run, before it is a mail or a page."""

    subject: str
    verdict: Tuple[str, ...]
    sections: Tuple[Tuple[str, Tuple[Union[Items, Table], ...]], ...]
    last: str
    yes: bool
    passed: bool


def audit_said(
    run_id: str,
    trees: Tuple[AuditedTree, ...],
    error: str,
    *,
    passed: bool,
    reason: str,
    notes: Sequence[str],
    command: str,
    threads: int,
    elapsed_s: float,
) -> Said:
    """Everything that is said of an audited run, however it ended.

    Args:
        error: what ended the run, "" where it reached its end.
        reason: why the source must be kept, see `objection`; "" where it may be deleted.
    """
    verdict = verdict_lines(audit_verdict(trees, reason))
    subject = f"Vizgen data audit {'completed' if passed else 'failed'} for run: {run_id}"
    if reason:
        last = f"The source of run {run_id} must be kept: {reason}."
    else:
        last = (
            f"The source of run {run_id} may be deleted: every file of it was read back from the destination past "
            f"this client's cache and is identical{_witness(trees)}."
        )
    seconds = int(elapsed_s)
    span = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    locations = [f"{tree.paths.copy_type.label}: {tree.paths.destination}" for tree in trees]
    ended = [f"What ended the audit: {error}"] if error else []
    sections: List[Tuple[str, List[Union[Items, Table]]]] = [
        ("Data location(s):", [_items("", locations or ["none: the audit ended before a tree was read"])]),
        ("Audit summary:", [_table(tree) for tree in trees]),
        ("Findings:", [_items(tree.paths.copy_type.value, _details(tree)) for tree in trees]),
        ("Notes:", [_items("", [*cut(notes), *ended])]),
        ("Command executed:", [_items("", [command or "unknown"])]),
        ("Total execution time:", [_items("", [f"{span}, using {threads} thread(s) for run: {run_id}"])]),
    ]
    shown = ((heading, tuple(part for part in parts if part.lines)) for heading, parts in sections)
    kept = tuple(item for item in shown if item[1])
    return Said(subject, tuple(verdict), kept, last, not reason, passed)


def audit_mail(said: Said, page: str = "") -> MailText:
    """The mail; `page` is the HTML report, "" where there is none."""
    report = [("Report:", (_items("", [page]),))] if page else []
    sections = [*said.sections[:-2], *report, *said.sections[-2:]]  # before command and time
    return compose_parts(said.subject, said.verdict, sections, said.last, yes=said.yes, passed=said.passed)


def audit_page(said: Said, about: About) -> str:
    """The HTML report."""
    words = [f"vizgen_data_transfer {__version__}", f"Python {about.python}", about.system]
    words += [f"host {about.host}", f"configuration {about.config}", f"began {about.began}"]
    sections = [*said.sections, ("Versions and host:", (_items("", words),))]
    return compose_part_page(said.subject, said.verdict, sections, yes=said.yes, passed=said.passed)


def _witness(trees: Tuple[AuditedTree, ...]) -> str:
    hosts = min((confirming_hosts(tree.result) for tree in trees if tree.result is not None), default=1)
    return f" (confirmed by {hosts} hosts)" if hosts > 1 else ""


def objection(trees: Tuple[AuditedTree, ...], error: str) -> str:
    """The first reason to keep the source of the run, without its full stop; "" where there is none."""
    if error:
        return error.rstrip(".")
    for tree in trees:
        name = tree.paths.copy_type.value
        if tree.error or tree.result is None:
            return f"{name} could not be audited: {tree.error.rstrip('.')}"
        reason = objection_to_deleting(tree.result)
        if reason:
            return f"{name}: {reason}"
    missing = [kind.value for kind in CopyType if kind not in {tree.paths.copy_type for tree in trees}]
    if missing:
        return f"only an audit of all three trees can say yes, and {', '.join(missing)} took no part in this one"
    return ""


def _items(title: str, lines: Sequence[str]) -> Items:
    return Items(title, tuple(lines))


def _table(tree: AuditedTree) -> Table:
    """The verdicts of one tree, and in a line whether they are what they should be."""
    title, name, result = f"{tree.paths.copy_type.title} Audit Summary", tree.paths.copy_type.value, tree.result
    if result is None:
        return Table(f"{name} could not be audited:", title, _COLUMNS, (), (f"ERROR: '{name}': {tree.error}",))
    rows = []
    for judged in Judged:
        files, size_bytes = result.files.get(judged, 0), result.size_bytes.get(judged, 0)
        if files or judged is Judged.OK:
            gigabytes = Count(size_bytes=size_bytes).gigabytes
            rows.append((judged.value, str(files), gigabytes, str(size_bytes)))
    words = verdict_words(result)
    state = f"'{name}': {words}{f' ({result.stopped})' if result.stopped else ''}."
    colour = "ERROR" if result.exit_code else "WARNING" if result.files.get(Judged.EXTRA) else "SUCCESS"
    return Table(f"Held against {result.against}:", title, _COLUMNS, tuple(rows), (f"{colour}: {state}",))


def _details(tree: AuditedTree) -> List[str]:
    return detail_lines(tree.result) if tree.result is not None else []
