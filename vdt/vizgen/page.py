"""The report of a run as one HTML page: what a person wants to know first stands first.

    the answer, and why -> the trees at a glance -> what is wrong and what to do about it -> each tree in full ->
    how it went (plots) -> where everything lies, command, versions, host

Pure; judges nothing, `verdict` is asked. Lists are cut, so that a page of many thousand failures can still be opened;
it says then how many more there are and where they stand.
"""

from __future__ import annotations

from datetime import datetime
from typing import Iterator, List, Sequence, Tuple, Union

from vdt.model import Evidence, Problem, TreeResult
from vdt.page import plots
from vdt.page.markup import bullets, document, table, tag, text
from vdt.robocopy.exitcode import exit_text
from vdt.version import __version__
from vdt.vizgen.counts import COLUMNS, PYTHON, ROBOCOPY, CountCheck, table_rows
from vdt.vizgen.glance import HEAD, KINDS, NUMBERS, TITLES, glance, troubles
from vdt.vizgen.mail import Items, Table
from vdt.vizgen.report import RunReport, TreeReport
from vdt.vizgen.verdict import python_check, robocopy_check, run_passed

MOST_IN_A_GROUP = 200  # files of one kind and one remedy
MOST_IN_ALL = 1000
_MOST_NOTES = 100
_EVIDENCE_ORDER = (
    Evidence.BOTH,
    Evidence.COLD,
    Evidence.REREAD,
    Evidence.ON_RECORD,
    Evidence.INFLIGHT,
    Evidence.PRESENT,
    Evidence.NONE,
)
_LINE_KINDS = {"SUCCESS": "good", "WARNING": "warn", "ERROR": "bad"}


def compose_page(report: RunReport, ended: datetime) -> str:
    """The page of a run, however it ended."""
    return document(
        f"{_title(report)}: {report.run_id}",
        [
            tag("h1", text(f"{_title(report)} for run {report.run_id}")),
            *_verdict(report),
            *_glance(report),
            *_troubles(report),
            *(line for tree in report.trees for line in _tree(tree)),
            *_plots(report),
            *_facts(report, ended),
        ],
    )


def compose_part_page(
    subject: str,
    verdict: Sequence[str],
    sections: Sequence[Tuple[str, Sequence[Union[Items, Table]]]],
    *,
    yes: bool,
    passed: bool,
) -> str:
    """A page of the parts that a mail is made of: sections of (heading, parts)."""
    first, *others = verdict
    question, mark, reason = first.partition("NO: ")
    answer = [f"{question}NO", reason, *others] if mark else [first, *others]
    body = [tag("h1", text(subject)), _answer(answer, "good" if yes else "warn" if passed else "bad")]
    for heading, parts in sections:
        body.append(tag("h2", text(heading.rstrip(":"))))
        for part in parts:
            title = part.title if isinstance(part, Items) else f"{part.title}. {part.heading}"
            body.append(tag("h3", text(title.rstrip(":"))) if title else "")
            if isinstance(part, Items):
                body.append(bullets(text(line) for line in _cut(part.lines, "the JSON report")))
            else:
                rows = [[text(cell) for cell in row] for row in part.rows]
                body.append(table([text(c) for c in part.columns], rows, "", range(1, len(part.columns))))
                body.extend(_line(line) for line in part.lines)
    return document(subject, body)


def _line(line: str) -> str:
    """A line that begins with SUCCESS:, WARNING: or ERROR:."""
    return tag("div", text(line), f"line {_LINE_KINDS.get(line.partition(':')[0], 'quiet')}")


def _title(report: RunReport) -> str:
    return f"Data transfer {'completed' if run_passed(report) else 'failed'}"


# -- what comes first ----------------------------------------------------------------------------------------------


def _verdict(report: RunReport) -> Iterator[str]:
    verdict = report.verdict
    kind = "good" if verdict.yes else "warn" if run_passed(report) else "bad"
    if verdict.yes:
        lines = ["May the source be deleted? YES", "These folders, and nothing else:"]
        more = bullets(tag("span", text(folder), "path") for folder in verdict.folders)
        more += tag("p", "This is one copy: once the source is gone, the files below are all there is.")
    else:
        lines = ["May the source be deleted? NO", verdict.reason or report.error or "The run was not judged."]
        more = ""
        if run_passed(report):
            more = tag(
                "p", "Everything that was asked for arrived and passed its checks; the source has to stay all the same."
            )
        if report.error and report.error.rstrip(".") not in lines[1]:
            more += tag("p", "What ended the run: " + text(report.error))
    yield _answer(lines, kind, more)
    if report.unfinished and report.unfinished.rstrip(".") not in lines[1]:
        yield tag("div", text(report.unfinished), "line warn")


def _answer(lines: Sequence[str], kind: str, more: str = "") -> str:
    first, *others = lines
    inside = tag("p", text(first), "answer") + "".join(tag("p", text(line)) for line in others) + more
    return tag("section", inside, f"verdict {kind}")


def _troubles(report: RunReport) -> Iterator[str]:
    groups = troubles(report)
    errors = [tree for tree in report.trees if tree.error]
    if not groups and not errors:
        return
    bad = errors or any(KINDS[group.kind] != "good" for group in groups)
    yield tag("h2", "What is wrong, and what to do" if bad else "What was noticed")
    for tree in errors:
        yield tag("div", f"<b>{text(tree.copy_type.value)}</b>: {text(tree.error)}", "line bad")
    left = MOST_IN_ALL
    for group in groups:
        shown = group.problems[: min(MOST_IN_A_GROUP, left)]
        left -= len(shown)
        yield tag(
            "h3", f'<span class="badge {KINDS[group.kind]}">{text(group.amount)}</span> {text(TITLES[group.kind])}'
        )
        yield tag("div", text(group.remedy), "remedy")
        yield from _named(shown)
        if len(group.problems) > len(shown):
            more = len(group.problems) - len(shown)
            yield tag("p", text(f"And {more:,} more; the full list is in {group.where}"))


def _named(problems: Sequence[Problem]) -> Iterator[str]:
    """The files of one group; a reason that all of them share is said once."""
    reasons = {(problem.reason, problem.attempts) for problem in problems}
    if len(problems) > 1 and len(reasons) == 1:
        reason, attempts = reasons.pop()
        tried = f" ({attempts} tries each)" if attempts > 1 else ""
        yield tag("p", text(f"{reason}{tried}:"))
        yield tag("ul", "".join(f"<li>{text(problem.path or '.')}</li>" for problem in problems), "files")
    elif problems:
        rows = [[tag("span", text(p.path or "."), "path"), text(p.reason), str(p.attempts)] for p in problems]
        yield table(["File", "Reason", "Tries"], rows, "wide", (2,))


def _glance(report: RunReport) -> Iterator[str]:
    yield tag("h2", "The trees at a glance")
    if not report.trees:
        yield tag("p", "Nothing was copied: the run ended before a tree was chosen.")
        return
    rows = []
    for row in glance(report):
        name, words, files, size, how, *others = map(text, row.cells)
        state = f'<span class="badge {row.kind}">{words}</span>'
        rows.append([f'<b class="name">{name}</b>', state, files, size, tag("div", how, "long"), *others])
    yield table(HEAD, rows, "wide", NUMBERS)


# -- each tree -----------------------------------------------------------------------------------------------------


def _tree(tree: TreeReport) -> Iterator[str]:
    name = tree.copy_type.value
    yield tag("h2", text(name))
    yield tag(
        "p", f'<span class="path">{text(tree.source)}</span> &rarr; <span class="path">{text(tree.destination)}</span>'
    )
    if tree.error:
        yield tag("div", text(tree.error), "line bad")
    yield from _counts(PYTHON, tree, python_check(tree))
    cross_check = robocopy_check(tree)
    if cross_check is not None:
        yield from _counts(ROBOCOPY, tree, cross_check)
    result = tree.result
    if result is None:
        return
    rows = [
        [
            text(level.words),
            f"{result.files_by_evidence[level]:,}",
            text(plots.amount(result.bytes_by_evidence.get(level, 0))),
        ]
        for level in _EVIDENCE_ORDER
        if result.files_by_evidence.get(level)
    ]
    if rows:
        yield tag("h3", "How the files are known to be right")
        yield table(["What was done", "Files", "Size"], rows, "", (1, 2))
    yield bullets(text(line) for line in _remarks(tree, result))


def _counts(kind: str, tree: TreeReport, check: CountCheck) -> Iterator[str]:
    robocopy = kind == ROBOCOPY
    before, after = (tree.robocopy_before, tree.robocopy_after) if robocopy else (tree.before, tree.after)
    yield tag("h3", text(f"{kind} based counts"))
    if before is not None or after is not None:
        yield table(
            [text(c) for c in COLUMNS],
            [[text(cell) for cell in row] for row in table_rows(before, after)],
            "",
            (1, 2, 3, 4),
        )
    for line in check.lines:
        yield _line(line)


def _remarks(tree: TreeReport, result: TreeResult) -> Iterator[str]:
    code = tree.robocopy_code
    yield f"robocopy exit code {code}: {exit_text(code)}"
    yield f"log file: {tree.log_status or 'no log file'}"
    if result.fatal:
        yield f"ended by: {result.fatal}"
    if result.stopped:
        yield f"ended early: {result.stopped}"
    if result.weak_files:
        yield f"not read back past this client's cache, now or before: {result.weak_files:,} file(s)"
    if result.resumed_bytes:
        yield f"resumed: {plots.amount(result.resumed_bytes)} of partly copied files were kept and checked"
    if result.retries:
        yield f"tried again: {result.retries:,} time(s)"
    extras = result.files.extras + result.dirs.extras
    if extras:
        yield f"only at the destination: {extras:,}, left as they are and named in the log"
    yield from (f"note: {note}" for note in _cut(result.notes, tree.log or "the master log"))


# -- how it went, and where everything lies ------------------------------------------------------------------------


def _plots(report: RunReport) -> Iterator[str]:
    course = report.course
    drawn = [
        plots.throughput(course.curves),
        plots.phases(course.spent),
        *(plots.sizes(classes).replace("File sizes", f"File sizes of {text(name)}") for name, classes in course.sizes),
    ]
    shown = [plot for plot in drawn if plot]
    if shown:
        yield tag("h2", "How it went")
        yield from shown


def _facts(report: RunReport, ended: datetime) -> Iterator[str]:
    yield tag("h2", "Where everything lies")
    items: List[Tuple[str, str]] = []
    for tree in report.trees:
        items.append((f"{tree.copy_type.value}", tree.destination))
        manifest = tree.manifest or (tree.result.manifest if tree.result is not None else "")
        for word, path in (("log", tree.log), ("manifest", manifest), ("evidence", tree.evidence_file)):
            if path:
                items.append((f"{tree.copy_type.value}: {word}", path))
    yield _list(items, "path")
    if report.verdict.manifests:
        yield tag("h3", "SHA-256 of the manifests")
        rows = [[tag("span", text(value), "path") for value in row] for row in report.verdict.manifests]
        yield table(["Manifest", "SHA-256"], rows, "wide")
    if report.notes:
        yield tag("h2", "Notes")
        yield bullets(text(note) for note in _cut(report.notes, "the master log"))
    yield tag("h2", "Command, versions, host")
    yield f'<code class="command">{text(report.command or "unknown")}</code>'
    about = report.about
    facts = [
        ("exit code", str(report.exit_code)),
        ("began", about.began),
        ("ended", ended.isoformat(timespec="seconds")),
        ("lasted", plots.lasted(report.elapsed_s)),
        ("threads", f"{report.threads} at most, {report.threads_used:.1f} at work on average"),
        ("program", f"vizgen_data_transfer {__version__}"),
        ("Python", about.python),
        ("system", about.system),
        ("host", about.host),
        ("configuration", about.config),
        ("file systems", about.volumes),
    ]
    yield _list([(word, value) for word, value in facts if value])


def _list(items: Sequence[Tuple[str, str]], kind: str = "") -> str:
    inside = "\n".join(f"<dt>{text(word)}</dt>{tag('dd', text(value), kind)}" for word, value in items)
    return f"<dl>\n{inside}\n</dl>" if items else ""


def _cut(lines: Sequence[str], where: str) -> Iterator[str]:
    yield from lines[:_MOST_NOTES]
    if len(lines) > _MOST_NOTES:
        yield f"and {len(lines) - _MOST_NOTES:,} more; the full list is in {where}"
