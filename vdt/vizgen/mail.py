"""The mail at the end of a run: what it says, as plain text and HTML, and the message made of it.

Pure but for the Message-ID, which is new each time: no server and no file is touched; `post` sends a message and
`unsent` keeps it. Rule 1: nothing is judged here, `verdict` is asked. Rule 2: no control character in any text, and
no name acts as markup in the HTML; the report holds names as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html import escape
from typing import Iterator, NamedTuple, Optional, Sequence, Tuple, Union

from vdt.model import Count, Evidence, Problem, TreeResult
from vdt.printable import printable
from vdt.robocopy.exitcode import exit_text
from vdt.version import __version__
from vdt.vizgen.counts import COLUMNS, PYTHON, ROBOCOPY, CountCheck, ruled, table_rows, table_title
from vdt.vizgen.glance import HEAD, TITLES, glance, troubles
from vdt.vizgen.report import RunReport, TreeReport
from vdt.vizgen.verdict import python_check, robocopy_check, run_passed, verdict_lines

LONGEST_LIST = 50
MARK = "X-Vizgen-Data-Transfer"  # the header that says who wrote a mail; `unsent` looks for it
NOTE = "Note: a robocopy exit code of 8 or more says that at least one file or folder could not be copied and proven."
_STRONG_TO_WEAK = (
    Evidence.BOTH,
    Evidence.COLD,
    Evidence.REREAD,
    Evidence.ON_RECORD,
    Evidence.INFLIGHT,
    Evidence.PRESENT,
    Evidence.NONE,
)


@dataclass(frozen=True)
class MailText:
    """One mail in its two forms; both say the same."""

    subject: str
    plain: str
    html: str


class _Para(NamedTuple):
    text: str


class Items(NamedTuple):
    """A list."""

    title: str  # "" where the section's heading says enough
    lines: Tuple[str, ...]


class Table(NamedTuple):
    """A ruled table and the lines behind it; without rows only these stand there."""

    heading: str
    title: str
    columns: Tuple[str, ...]
    rows: Tuple[Tuple[str, ...], ...]
    lines: Tuple[str, ...]  # that begin with SUCCESS:, WARNING: or ERROR:


_Part = Union[_Para, Items, Table]


class _Section(NamedTuple):
    heading: str
    parts: Tuple[_Part, ...]


# ---------------------------------------------------------------------------------------------------- what it says


def compose(report: RunReport) -> MailText:
    """The mail of a run, however it ended. Names are escaped here; the report holds them as they are."""
    subject = printable(
        f"Vizgen data transfer {'completed' if run_passed(report) else 'failed'} for run: {report.run_id}"
    )
    verdict = _verdict(report)
    sections = (
        _Section("Data location(s):", (_locations(report),)),
        _Section("Data summary:", tuple(_summary(report))),
        _Section("Verification:", tuple(_verification(report))),
        _Section("Exit code(s):", (_Para(NOTE), _exit_codes(report))),
        _Section("Log file status:", (_log_status(report),)),
        _Section("Command executed:", (_Para(report.command or "unknown"),)),
    )
    last = _last_line(report)
    return MailText(
        subject,
        _as_plain(subject, verdict, sections, last),
        _as_html(
            subject,
            verdict,
            sections,
            last,
            yes=report.verdict.yes,
            passed=run_passed(report),
            first=tuple(_first(report)),
        ),
    )


def compose_parts(
    subject: str,
    verdict: Sequence[str],
    sections: Sequence[Tuple[str, Sequence[Union[Items, Table]]]],
    last: str,
    *,
    yes: bool,
    passed: bool,
) -> MailText:
    """A mail of other sections: (heading, parts) each. Names are escaped here; long lists were cut before."""
    made = tuple(_Section(heading, tuple(parts)) for heading, parts in sections)
    subject = printable(subject)
    return MailText(
        subject,
        _as_plain(subject, verdict, made, last),
        _as_html(subject, verdict, made, last, yes=yes, passed=passed),
    )


def _verdict(report: RunReport) -> Tuple[str, ...]:
    verdict = report.verdict
    if verdict.yes:
        return verdict_lines(verdict)
    reason = verdict.reason or report.error or "the run was not judged."
    lines = list(verdict_lines(replace(verdict, reason=reason)))
    if report.unfinished and report.unfinished.rstrip(".") not in lines[0]:
        lines.append(f"WARNING: {report.unfinished}")
    if report.error and report.error.rstrip(".") not in lines[0]:
        lines.append(f"What ended the run: {report.error}")
    return tuple(lines)


def _locations(report: RunReport) -> Items:
    lines = tuple(f"{tree.copy_type.label}: {tree.destination}" for tree in report.trees)
    return Items("", lines or ("none: the run ended before a tree was chosen",))


def _summary(report: RunReport) -> Iterator[_Part]:
    for tree in report.trees:
        yield _counts(PYTHON, tree, tree.before, tree.after, python_check(tree))
        cross_check = robocopy_check(tree)
        if cross_check is not None:
            yield _counts(ROBOCOPY, tree, tree.robocopy_before, tree.robocopy_after, cross_check)
    if not report.trees:
        yield _Para("Nothing was counted.")


def _counts(kind: str, tree: TreeReport, before: Optional[Count], after: Optional[Count], check: CountCheck) -> Table:
    rows = () if before is None and after is None else table_rows(before, after)
    return Table(f"Data summary {kind} based counts:", table_title(tree.copy_type), COLUMNS, rows, check.lines)


def _verification(report: RunReport) -> Iterator[_Part]:
    for tree in report.trees:
        name = tree.copy_type.value
        if tree.result is None:
            yield Items(f"{name}: not copied", (tree.error or "not begun when the run ended",))
        else:
            yield Items(f"{name}: {_state(tree.result)}", tuple(_evidence(tree, tree.result)))
    if not report.trees:
        yield _Para("Nothing was copied or verified.")
    if report.notes:
        yield Items("Notes:", tuple(_cut(report.notes, "the master log")))


def _state(result: TreeResult) -> str:
    if result.proven:
        return "complete, every file read back"
    return "complete, not proven" if result.complete else "NOT complete"


def _evidence(tree: TreeReport, result: TreeResult) -> Iterator[str]:
    """The lines of one tree: what is known of its files, what went wrong, where to read on."""
    levels = [level for level in _STRONG_TO_WEAK if result.files_by_evidence.get(level)]
    for level in levels:
        yield f"{level.words}: {_amount(result.files_by_evidence[level], result.bytes_by_evidence.get(level, 0))}"
    if not levels:
        yield "no file was verified" if result.files.total else "no file in it"
    if result.weak_files:
        yield f"not read back past this client's cache, now or before: {_files(result.weak_files)}"
    if result.resumed_bytes:
        yield f"resumed: {result.resumed_bytes} bytes of partly copied files were kept and checked"
    if result.retries:
        yield f"tried again: {result.retries} time{'' if result.retries == 1 else 's'}"
    if tree.error:
        yield f"error: {tree.error}"
    if result.fatal:
        yield f"ended by: {result.fatal}"
    if result.stopped:
        yield f"ended early: {result.stopped}"
    where = tree.log or tree.evidence_file or "the master log"
    for word, problems in (
        ("failed", result.failed),
        ("unstable", result.unstable),
        ("conflict", result.conflict),
        ("type mismatch", result.type_mismatch),
        ("failed", result.unproven),  # there by size and time, and could not be read to be proven
        ("leads out of the tree", result.outward_links),
    ):
        yield from _cut([_problem(word, problem) for problem in problems], where, word)
    grew = [f"grew: {item.path}, {item.before_bytes} -> {item.after_bytes} bytes" for item in result.grew]
    yield from _cut(grew, where, "grew")
    for word, problems in (
        ("changed since the copy", result.changed_since),
        ("not copied", result.special),
    ):
        yield from _cut([_problem(word, problem) for problem in problems], where, word)
    extras = result.files.extras + result.dirs.extras
    if extras:
        yield f"only at the destination: {extras}, left as they are and named in {where}"
    yield from _cut([f"note: {note}" for note in result.notes], where, "note")
    for word, path in (("manifest", tree.manifest or result.manifest), ("evidence", tree.evidence_file)):
        if path:
            yield f"{word}: {path}"


def _problem(word: str, problem: Problem) -> str:
    attempts = f" ({problem.attempts} attempts)" if problem.attempts > 1 else ""
    return f"{word}: {problem.path or '.'}{', ' if problem.reason else ''}{problem.reason}{attempts}"


def _cut(lines: Sequence[str], where: str, word: str = "") -> Iterator[str]:
    yield from lines[:LONGEST_LIST]
    if len(lines) > LONGEST_LIST:
        yield f"{word}{': ' if word else ''}and {len(lines) - LONGEST_LIST} more; the full list is in {where}"


def _amount(files: int, size_bytes: int) -> str:
    return f"{_files(files)}, {size_bytes} bytes ({Count(size_bytes=size_bytes).gigabytes} GB)"


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _exit_codes(report: RunReport) -> Items:
    lines = []
    for tree in report.trees:
        name, code, run = tree.copy_type.value, tree.robocopy_code, report.run_id
        if tree.result is None and not tree.error:
            lines.append(f"{tree.copy_type.label}: The copy of {name} for run: {run} was not begun")
            continue
        if tree.result is None:
            done = f"Did not copy {name}"
        else:
            done = f"Copied {name}" if code < 8 else f"Did not copy all of {name}"
        text = f"{done} for run: {run} with robocopy exit code '{code}': {exit_text(code)}"
        lines.append(f"{tree.copy_type.label}: {text}")
    return Items("", tuple(lines) or ("none: no copy was begun",))


def _log_status(report: RunReport) -> Items:
    lines = [f"{tree.copy_type.label}: {tree.log_status or 'No log file'}" for tree in report.trees]
    if report.page:
        lines.append(f"Report: {report.page}")
    return Items("", tuple(lines) or ("none: no copy was begun",))


def _last_line(report: RunReport) -> str:
    minutes, seconds = divmod(int(report.elapsed_s), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"Total execution time : {hours}:{minutes:02d}:{seconds:02d}, using {report.threads} thread(s) "
        f"for run: {report.run_id} (on average {report.threads_used:.1f} at work)"
    )


# ------------------------------------------------------------------------------------------------- the two renderings


def _as_plain(subject: str, verdict: Sequence[str], sections: Sequence[_Section], last: str) -> str:
    blocks = [subject, "\n".join(map(printable, verdict))]
    for section in sections:
        blocks.append(section.heading)
        blocks.extend(_plain_part(part) for part in section.parts)
    return "\n\n".join([*blocks, printable(last)]) + "\n"


def _plain_part(part: _Part) -> str:
    if isinstance(part, _Para):
        return printable(part.text)
    if isinstance(part, Items):
        title = [printable(part.title)] if part.title else []
        return "\n".join([*title, *(f"- {printable(line)}" for line in part.lines)])
    table = ruled(part.columns, part.rows) if part.rows else ()
    return "\n".join([part.heading, "", part.title, *table, *map(printable, part.lines), ""])


_FONT = "font-family:Segoe UI,Arial,sans-serif;font-size:14px;color:#1f2328"
_HEADING = "font-size:16px;margin:22px 0 6px 0;color:#1f2328"
_CELL = "border:1px solid #d0d7de;padding:4px 10px;text-align:left;font-family:Consolas,monospace;font-size:13px"
_COLOURS = {  # (text, background)
    "SUCCESS": ("#116329", "#dafbe1"),
    "WARNING": ("#7d4e00", "#fff8c5"),
    "ERROR": ("#a40e26", "#ffebe9"),
}


def _as_html(
    subject: str,
    verdict: Sequence[str],
    sections: Sequence[_Section],
    last: str,
    *,
    yes: bool,
    passed: bool,
    first: Sequence[str] = (),
) -> str:
    """Tables and inline styles only, as Outlook draws with Word; nothing is loaded from elsewhere."""
    text, back = _COLOURS["SUCCESS" if yes else "WARNING" if passed else "ERROR"]
    answer, *others = map(_shown, verdict)
    body = [
        f'<table role="presentation" width="100%" cellspacing="0" cellpadding="12" style="border-collapse:collapse">'
        f'<tr><td bgcolor="{back}" style="background:{back};color:{text};border-left:6px solid {text};{_WRAP}">'
        f'<b style="font-size:17px">{answer}</b>{"".join(f"<br>{line}" for line in others)}</td></tr></table>',
        f"<p><b>{_shown(subject)}</b></p>",
        *first,
    ]
    for section in sections:
        body.append(f'<h3 style="{_HEADING}">{_shown(section.heading)}</h3>')
        body.extend(_html_part(part) for part in section.parts)
    body.append(f"<p>{_shown(last)}</p>")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_shown(subject)}</title></head>\n'
        f'<body style="{_FONT}">\n' + "\n".join(body) + "\n</body></html>\n"
    )


def _first(report: RunReport) -> Iterator[str]:
    """What the HTML part has before the sections of the plain text: the trees at a glance, and what to do."""
    if report.trees:
        rows = [_html_row("th", HEAD)]
        for row in glance(report):
            name, words, *others = map(_shown, row.cells)
            text, back = _COLOURS[_WORD_OF[row.kind]]
            state = f'<b style="color:{text};background:{back};white-space:nowrap">&nbsp;{words}&nbsp;</b>'
            cells = [f"<b>{name}</b>", state, *others]
            rows.append("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>")
        yield '<table cellspacing="0" style="border-collapse:collapse">\n' + "\n".join(rows) + "\n</table>"
    lines = [f"{group.amount}: {TITLES[group.kind]}. {group.remedy}" for group in troubles(report)]
    if lines:
        items = "\n".join(f"<li>{_shown(line)}</li>" for line in _cut(lines, report.page or "the report"))
        yield f'<h3 style="{_HEADING}">What to do</h3>\n<ul style="margin:2px 0 10px 0;{_WRAP}">\n{items}\n</ul>'
    if report.page:
        yield f'<p style="{_WRAP}">The whole report, with plots and every file: <b>{_shown(report.page)}</b></p>'


_WORD_OF = {"good": "SUCCESS", "warn": "WARNING", "bad": "ERROR"}
_WRAP = "word-break:break-word"


def _html_part(part: _Part) -> str:
    if isinstance(part, _Para):
        return f'<p style="{_WRAP}">{_shown(part.text)}</p>'
    if isinstance(part, Items):
        title = f'<p style="margin:10px 0 2px 0"><b>{_shown(part.title)}</b></p>\n' if part.title else ""
        items = "\n".join(f"<li>{_shown(line)}</li>" for line in part.lines)
        return f'{title}<ul style="margin:2px 0 10px 0;{_WRAP}">\n{items}\n</ul>'
    lines = "\n".join(_html_line(line) for line in part.lines)
    head = f'<p style="margin:14px 0 4px 0"><b>{_shown(part.heading)}</b><br>{_shown(part.title)}</p>\n'
    if not part.rows:
        return head + lines
    rows = [_html_row("th", part.columns), *(_html_row("td", row) for row in part.rows)]
    table = '<table cellspacing="0" style="border-collapse:collapse">\n' + "\n".join(rows) + "\n</table>\n"
    return head + table + lines


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{_shown(cell)}</{tag}>' for cell in cells) + "</tr>"


def _html_line(line: str) -> str:
    text, back = _COLOURS.get(line.partition(":")[0], ("#1f2328", "#ffffff"))
    return f'<p style="margin:4px 0;padding:4px 8px;color:{text};background:{back};{_WRAP}">{_shown(line)}</p>'


def _shown(text: str) -> str:
    return escape(printable(text))


# ------------------------------------------------------------------------------------------------------- the message


def build_message(
    text: MailText, sender: str, addressees: Sequence[str], date: datetime, message_id_host: str
) -> EmailMessage:
    """`multipart/alternative`: plain text first, HTML second, both quoted-printable so that any server takes them.

    Raises:
        ValueError: an address that cannot stand in a header; the configuration has checked them.
    """
    message = EmailMessage(policy=SMTP)
    message["Subject"] = printable(text.subject)
    message["From"] = printable(sender)
    message["To"] = ", ".join(printable(addressee) for addressee in addressees)
    message["Date"] = format_datetime(date)
    message["Message-ID"] = make_msgid("vdt", re.sub(r"[^A-Za-z0-9.-]", "-", message_id_host) or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message[MARK] = __version__
    message.set_content(text.plain, charset="utf-8", cte="quoted-printable")
    message.add_alternative(text.html, subtype="html", charset="utf-8", cte="quoted-printable")
    return message
