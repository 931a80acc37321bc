"""The mail at the end of a run: its text, the message, and the way to the server.

`compose` and `build_message` are pure. Below them stands the post: `send` talks SMTP for a bounded time and raises
nothing, `keep_unsent` and `resend_unsent` see to it that a mail outlives a server that is down. Rule 1: a mail that
fails changes no verdict. Rule 2: no control character and no password in any text. Rule 3: only a file that this
module wrote is ever sent again. What is not promised: a server that took the mail and whose answer was lost gets it
a second time, under the same Message-ID.
"""

from __future__ import annotations

import email.parser
import os
import re
import secrets
import smtplib
import socket
import ssl
import threading
import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html import escape
from typing import Callable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from vdt.model import Count, Evidence, Problem, TreeResult
from vdt.printable import printable
from vdt.robocopy.exitcode import exit_text
from vdt.version import __version__
from vdt.vizgen.counts import COLUMNS, PYTHON, ROBOCOPY, CountCheck, table_lines, table_rows, table_title
from vdt.vizgen.layout import stamp
from vdt.vizgen.report import RunReport, TreeReport
from vdt.vizgen.verdict import python_check, robocopy_check, run_passed

LONGEST_LIST = 50
MARK = "X-Vizgen-Data-Transfer"
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


class _Items(NamedTuple):
    title: str  # "" where the section's heading says enough
    lines: Tuple[str, ...]


class _Counts(NamedTuple):
    heading: str
    title: str
    before: Optional[Count]
    after: Optional[Count]
    lines: Tuple[str, ...]


_Part = Union[_Para, _Items, _Counts]


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
        _as_html(subject, verdict, sections, last, yes=report.verdict.yes, passed=run_passed(report)),
    )


def _verdict(report: RunReport) -> Tuple[str, ...]:
    verdict = report.verdict
    if verdict.yes:
        return (
            f"May the source be deleted? YES: {', '.join(verdict.folders)}",
            "This is one copy: once the source is gone, the files at the data location(s) below are all there is.",
            *(f"Manifest {path} (its own SHA-256: {digest})" for path, digest in verdict.manifests),
        )
    lines = [f"May the source be deleted? NO: {verdict.reason or report.error or 'the run was not judged.'}"]
    if report.error and report.error.rstrip(".") not in lines[0]:
        lines.append(f"What ended the run: {report.error}")
    return tuple(lines)


def _locations(report: RunReport) -> _Items:
    lines = tuple(f"{tree.copy_type.label}: {tree.destination}" for tree in report.trees)
    return _Items("", lines or ("none: the run ended before a tree was chosen",))


def _summary(report: RunReport) -> Iterator[_Part]:
    for tree in report.trees:
        yield _counts(PYTHON, tree, tree.before, tree.after, python_check(tree))
        cross_check = robocopy_check(tree)
        if cross_check is not None:
            yield _counts(ROBOCOPY, tree, tree.robocopy_before, tree.robocopy_after, cross_check)
    if not report.trees:
        yield _Para("Nothing was counted.")


def _counts(kind: str, tree: TreeReport, before: Optional[Count], after: Optional[Count], check: CountCheck) -> _Counts:
    return _Counts(f"Data summary {kind} based counts:", table_title(tree.copy_type), before, after, check.lines)


def _verification(report: RunReport) -> Iterator[_Part]:
    for tree in report.trees:
        name = tree.copy_type.value
        if tree.result is None:
            yield _Items(f"{name}: not copied", (tree.error or "not begun when the run ended",))
        else:
            yield _Items(f"{name}: {_state(tree.result)}", tuple(_evidence(tree, tree.result)))
    if not report.trees:
        yield _Para("Nothing was copied or verified.")
    if report.notes:
        yield _Items("Notes:", tuple(_cut(report.notes, "the master log")))


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
        ("unproven", result.unproven),
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


def _exit_codes(report: RunReport) -> _Items:
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
    return _Items("", tuple(lines) or ("none: no copy was begun",))


def _log_status(report: RunReport) -> _Items:
    lines = tuple(f"{tree.copy_type.label}: {tree.log_status or 'No log file'}" for tree in report.trees)
    return _Items("", lines or ("none: no copy was begun",))


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
    if isinstance(part, _Items):
        title = [printable(part.title)] if part.title else []
        return "\n".join([*title, *(f"- {printable(line)}" for line in part.lines)])
    table = () if _uncounted(part) else table_lines(part.before, part.after)
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
    subject: str, verdict: Sequence[str], sections: Sequence[_Section], last: str, *, yes: bool, passed: bool
) -> str:
    """Tables and inline styles only, as Outlook draws with Word; nothing is loaded from elsewhere."""
    text, back = _COLOURS["SUCCESS" if yes else "WARNING" if passed else "ERROR"]
    first, *others = map(_shown, verdict)
    body = [
        f'<table role="presentation" width="100%" cellspacing="0" cellpadding="12" style="border-collapse:collapse">'
        f'<tr><td bgcolor="{back}" style="background:{back};color:{text};border-left:6px solid {text};{_WRAP}">'
        f'<b style="font-size:17px">{first}</b>{"".join(f"<br>{line}" for line in others)}</td></tr></table>',
        f"<p><b>{_shown(subject)}</b></p>",
    ]
    for section in sections:
        body.append(f'<h3 style="{_HEADING}">{_shown(section.heading)}</h3>')
        body.extend(_html_part(part) for part in section.parts)
    body.append(f"<p>{_shown(last)}</p>")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_shown(subject)}</title></head>\n'
        f'<body style="{_FONT}">\n' + "\n".join(body) + "\n</body></html>\n"
    )


_WRAP = "word-break:break-word"


def _html_part(part: _Part) -> str:
    if isinstance(part, _Para):
        return f'<p style="{_WRAP}">{_shown(part.text)}</p>'
    if isinstance(part, _Items):
        title = f'<p style="margin:10px 0 2px 0"><b>{_shown(part.title)}</b></p>\n' if part.title else ""
        items = "\n".join(f"<li>{_shown(line)}</li>" for line in part.lines)
        return f'{title}<ul style="margin:2px 0 10px 0;{_WRAP}">\n{items}\n</ul>'
    lines = "\n".join(_html_line(line) for line in part.lines)
    head = f'<p style="margin:14px 0 4px 0"><b>{_shown(part.heading)}</b><br>{_shown(part.title)}</p>\n'
    if _uncounted(part):
        return head + lines
    rows = [_html_row("th", COLUMNS), *(_html_row("td", row) for row in table_rows(part.before, part.after))]
    table = '<table cellspacing="0" style="border-collapse:collapse">\n' + "\n".join(rows) + "\n</table>\n"
    return head + table + lines


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{_shown(cell)}</{tag}>' for cell in cells) + "</tr>"


def _html_line(line: str) -> str:
    text, back = _COLOURS.get(line.partition(":")[0], ("#1f2328", "#ffffff"))
    return f'<p style="margin:4px 0;padding:4px 8px;color:{text};background:{back};{_WRAP}">{_shown(line)}</p>'


def _shown(text: str) -> str:
    return escape(printable(text))


def _uncounted(part: _Counts) -> bool:
    return part.before is None and part.after is None


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


# ---------------------------------------------------------------------------------------------------------- the post


@dataclass(frozen=True)
class SmtpSettings:
    """How to reach the server. The password itself is never held: only the name of its environment variable."""

    server: str
    port: int = 0  # 0 is the usual one: 25, 587 for starttls, 465 for ssl
    security: str = "none"  # "none", "starttls", "ssl"
    user: str = ""  # "" is no login
    password_env: str = ""

    @property
    def address(self) -> Tuple[str, int]:
        """(host, port); a port in `server`, as in mail.example.org:2525, counts where `port` is 0."""
        host, colon, port = self.server.partition(":")
        if colon and port.isdigit() and not self.port:
            return host, int(port)
        return self.server, self.port or {"starttls": 587, "ssl": 465}.get(self.security, 25)

    @property
    def shown(self) -> str:
        return "{}, port {},".format(*self.address)


class _Trouble(NamedTuple):
    reason: str
    heals: bool  # another try may do better


_WAITS_S = (1.0, 3.0)


def _no_one(_sentence: str) -> None:
    """Default listener."""


def send(
    message: EmailMessage,
    settings: SmtpSettings,
    *,
    tries: int = 3,
    within_s: float = 20.0,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    context: Optional[ssl.SSLContext] = None,
    environ: Mapping[str, str] = os.environ,
    on_refused: Callable[[str], None] = _no_one,
) -> Optional[str]:
    """Hand the message to the server; None when it took it for at least one addressee, else the reason in plain words.

    Never raises, and comes back within `within_s` whatever name service or server do: each try runs in a daemon
    thread that is left behind, and its connection cut, when the time is over. A refused login, address or certificate
    is not tried again. With starttls or ssl nothing is ever sent unencrypted.

    Args:
        message: as made by `build_message`.
        settings: the server.
        tries: at most so many.
        within_s: for all tries and the waits between them.
        sleep: waits between two tries.
        clock: seconds, monotonic.
        context: trust other than the system's.
        environ: where the password is looked up.
        on_refused: told one sentence for each addressee whom the server refused while it took the mail for others.
    """
    deadline = clock() + within_s
    password, lacking = _password(settings, environ)
    if lacking:
        return lacking
    trouble = _Trouble(f"no time was left to reach {settings.server}", False)
    for attempt in range(1, tries + 1):
        left_s = deadline - clock()
        if left_s <= 0:
            break
        call = _Call(message, settings, password, context, left_s)
        result = call.within(left_s)
        if result is None:
            for sentence in call.refused:
                on_refused(_without(password, settings.user, sentence))
            return None
        trouble = result
        if not trouble.heals or attempt == tries:
            break
        sleep(max(0.0, min(_WAITS_S[min(attempt, len(_WAITS_S)) - 1], deadline - clock())))
    return _without(password, settings.user, trouble.reason)


def _password(settings: SmtpSettings, environ: Mapping[str, str]) -> Tuple[str, str]:
    """(password, what is lacking)."""
    if not settings.user:
        return "", ""
    if not settings.password_env:
        return "", "smtp_user is set, but smtp_password_env does not name the variable that holds its password."
    password = environ.get(settings.password_env, "")
    if not password:
        name = printable(settings.password_env)
        return "", f"The environment variable {name}, which smtp_password_env names, is not set or empty."
    if not (password + settings.user).isascii():
        return "", "smtp_user or its password holds characters beyond ASCII, which this login cannot send."
    return password, ""


def _without(password: str, user: str, text: str) -> str:
    """`text` printable, and without the password should the server have echoed it, plain or as it was sent."""
    if password:
        sent = (password, f"\0{user}\0{password}")
        for secret in (password, *(b64encode(word.encode()).decode() for word in sent)):
            text = text.replace(secret, "***")
    return printable(text)


class _Call:
    """One try to deliver, in a thread of its own, that can be given up."""

    def __init__(
        self,
        message: EmailMessage,
        settings: SmtpSettings,
        password: str,
        context: Optional[ssl.SSLContext],
        timeout_s: float,
    ) -> None:
        self.refused: List[str] = []
        self._message = message
        self._settings = settings
        self._password = password
        self._context = context
        self._timeout_s = timeout_s
        self._client: Optional[smtplib.SMTP] = None
        self._given_up = threading.Event()
        self._trouble: Optional[_Trouble] = _Trouble("the mail was not tried", True)

    def within(self, left_s: float) -> Optional[_Trouble]:
        """Run it; None when the mail is out."""
        thread = threading.Thread(target=self._run, name="mail", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            return _Trouble(f"no thread could be started for the mail: {error}", False)
        thread.join(left_s)
        if thread.is_alive():
            self._given_up.set()
            self._hang_up()
            return _Trouble(f"{self._settings.shown} did not answer in time", True)
        return self._trouble

    def _run(self) -> None:
        try:
            self._deliver()
            self._trouble = None
        except Exception as error:  # a mail must never end a run
            self._trouble = _explain(error, self._settings)
        finally:
            self._hang_up()

    def _deliver(self) -> None:
        settings = self._settings
        host, port = settings.address
        client: smtplib.SMTP
        if settings.security == "ssl":
            client = smtplib.SMTP_SSL(host, port, timeout=self._timeout_s, context=self._trust())
        else:
            client = smtplib.SMTP(host, port, timeout=self._timeout_s)
        self._client = client
        if settings.security == "starttls":
            client.starttls(context=self._trust())
        if settings.user:
            client.login(settings.user, self._password)
        if self._given_up.is_set():
            return
        refused = client.send_message(self._message)
        self.refused = [_refusal(who, answer) for who, answer in refused.items()]
        try:
            client.quit()
        except (smtplib.SMTPException, OSError):
            pass  # it has the mail already

    def _trust(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()

    def _hang_up(self) -> None:
        """Cut the connection. Called from the waiting thread too: the shutdown wakes a worker that still reads."""
        client = self._client
        try:
            if client is not None and client.sock is not None:
                client.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            if client is not None:
                client.close()
        except OSError:
            pass


def _explain(error: Exception, settings: SmtpSettings) -> _Trouble:
    """What went wrong with the server, in one sentence, and whether another try may do better."""
    where = settings.shown
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = error.recipients.items()
        heals = any(400 <= answer[0] < 500 for _, answer in answers)
        return _Trouble("; ".join(_refusal(who, answer) for who, answer in answers), heals)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _Trouble(f"{where} refused the login of {settings.user}: {_words(error.smtp_error)}", False)
    if isinstance(error, smtplib.SMTPResponseException):
        heals = 400 <= error.smtp_code < 500 or error.smtp_code < 0
        return _Trouble(f"{where} refused the mail: {error.smtp_code} {_words(error.smtp_error)}", heals)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return _Trouble(f"{where} does not offer what the settings ask for: {error}", False)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _Trouble(f"{where} has a certificate that is not trusted: {error.verify_message}", False)
    if isinstance(error, smtplib.SMTPServerDisconnected) or (
        isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)
    ):
        return _Trouble(f"{where} could not be reached: {getattr(error, 'strerror', '') or error}", True)
    return _Trouble(f"the mail could not be sent: {type(error).__name__}: {error}", False)


def _refusal(who: str, answer: Tuple[int, bytes]) -> str:
    return f"the server refused {who}: {answer[0]} {_words(answer[1])}"


def _words(answer: Union[bytes, str]) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------------------ unsent mails

_NAME = re.compile(r"[^\x00-\x1f/\\:]+\.\d{8}T\d{6}(?:-\d+)?\.eml\Z")
_CLAIMED = ".sending"
_LARGEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Resent:
    """What became of the mails that earlier runs could not send."""

    sent: Tuple[str, ...] = ()  # paths, deleted by now
    failed: Tuple[Tuple[str, str], ...] = ()  # (path, reason), still there


def eml_name(run_id: str, when: datetime) -> str:
    """File name of an unsent mail."""
    return f"{run_id}.{stamp(when)}.eml"


def keep_unsent(message: EmailMessage, folder: str, name: str, *, private: bool = False) -> str:
    """Write `message` as `folder`/`name` and return the path; a name in use gets a number, nothing is overwritten.

    Args:
        message: as made by `build_message`.
        folder: made where it is missing.
        name: from `eml_name`.
        private: only this user may read it (local state folder); else the folder's usual permissions.

    Raises:
        OSError: it could not be written; nothing is left behind then.
    """
    os.makedirs(folder, mode=0o700 if private else 0o777, exist_ok=True)
    root = name[: -len(".eml")] if name.endswith(".eml") else name
    path, number = os.path.join(folder, f"{root}.eml"), 1
    while os.path.lexists(path) or os.path.lexists(path + _CLAIMED):
        number += 1
        path = os.path.join(folder, f"{root}-{number}.eml")
    partial = os.path.join(folder, f".{root}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(partial, flags, 0o600 if private else 0o666), "wb") as file:
            file.write(message.as_bytes(policy=SMTP))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        try:
            os.unlink(partial)
        except OSError:
            pass
        raise
    return path


def keep_somewhere(message: EmailMessage, name: str, logs: str, state: str) -> str:
    """Keep an unsent mail in `logs`, or in the local `state` folder where the share has failed; return its path.

    Raises:
        OSError: neither could be written.
    """
    try:
        return keep_unsent(message, logs, name)
    except OSError:
        return keep_unsent(message, state, name, private=True)


def unsent(folder: str) -> List[str]:
    """Paths of the mails in `folder` that wait to be sent, by name; [] where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names) if _NAME.match(_unclaimed(name))]


def resend_unsent(
    folders: Sequence[str],
    settings: SmtpSettings,
    *,
    within_s: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
    context: Optional[ssl.SSLContext] = None,
    environ: Mapping[str, str] = os.environ,
    on_refused: Callable[[str], None] = _no_one,
) -> Resent:
    """Try each waiting mail once and delete those that are out. Never raises, never longer than `within_s`.

    A mail is renamed before it is sent and back where that fails: what cannot be renamed cannot be deleted either,
    and would go out again with every run.
    """
    deadline = clock() + within_s
    sent: List[str] = []
    failed: List[Tuple[str, str]] = []
    for path in dict.fromkeys(path for folder in folders for path in unsent(folder)):
        message = _read(path)
        if message is None:
            continue
        original = _unclaimed(path)
        claimed = original + _CLAIMED
        left_s = deadline - clock()
        if left_s <= 0:
            failed.append((path, "no time was left"))
            continue
        try:
            if path != original:
                os.rename(path, original)
            os.rename(original, claimed)
        except OSError as error:
            failed.append((path, f"it cannot be renamed here, so it was not sent: {error.strerror}"))
            continue
        reason = send(
            message,
            settings,
            tries=1,
            within_s=left_s,
            clock=clock,
            context=context,
            environ=environ,
            on_refused=on_refused,
        )
        try:
            if reason is None:
                os.unlink(claimed)
                sent.append(original)
            else:
                failed.append((original, reason))
                os.rename(claimed, original)
        except OSError as error:
            failed.append((claimed, f"it cannot be deleted or renamed: {error.strerror}"))
    return Resent(tuple(sent), tuple(failed))


def _unclaimed(path: str) -> str:
    return path[: -len(_CLAIMED)] if path.endswith(_CLAIMED) else path


def _read(path: str) -> Optional[EmailMessage]:
    """The mail in `path`, or None for a file that this module did not write."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
        if len(raw) > _LARGEST_BYTES:
            return None
        message = email.parser.BytesParser(EmailMessage, policy=SMTP).parsebytes(raw)
        return message if message[MARK] and message["From"] and message["To"] and not message.defects else None
    except (OSError, ValueError, LookupError, AttributeError, TypeError, IndexError):
        return None  # the parser of headers stumbles over some malformed ones
