"""The way to the mail server: one message handed over, within a bounded time.

`send` knows nothing of what a mail says and touches no file. Rule 1: it raises nothing, as a mail that fails changes
no verdict; the reason comes back as a sentence. Rule 2: no control character and no password in any sentence. Rule 3:
where encryption is asked for, neither mail nor password goes without. What is not promised: a server that took the
mail and whose answer was lost gets it a second time, under the same Message-ID.
"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
import threading
import time
from base64 import b64encode
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Callable, List, Mapping, NamedTuple, Optional, Tuple, Union

from vdt.printable import printable
from vdt.vizgen.config import Config


@dataclass(frozen=True)
class SmtpSettings:
    """How to reach the server. The password itself is never held: only the name of its environment variable."""

    server: str
    port: int = 0  # 0 is the usual one: 25, 587 for starttls, 465 for ssl
    security: str = "none"  # "none", "starttls", "ssl"
    user: str = ""  # "" is no login
    password_env: str = ""

    @classmethod
    def of(cls, config: Config) -> SmtpSettings:
        """Those of a configuration."""
        return cls(
            config.smtp_server,
            config.smtp_port,
            config.smtp_security,
            config.smtp_user or "",
            config.smtp_password_env or "",
        )

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


def no_one(_sentence: str) -> None:
    """The listener where nobody listens."""


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
    on_refused: Callable[[str], None] = no_one,
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
    return _try(
        message,
        settings,
        tries=tries,
        within_s=within_s,
        sleep=sleep,
        clock=clock,
        context=context,
        environ=environ,
        on_refused=on_refused,
    )


def log_in(
    settings: SmtpSettings,
    *,
    within_s: float = 20.0,
    context: Optional[ssl.SSLContext] = None,
    environ: Mapping[str, str] = os.environ,
) -> Optional[str]:
    """Go as far as the log-in and leave again, once; no mail is sent. None when the server would take one, else the
    reason, as for `send`."""
    return _try(
        None,
        settings,
        tries=1,
        within_s=within_s,
        sleep=time.sleep,
        clock=time.monotonic,
        context=context,
        environ=environ,
        on_refused=no_one,
    )


def _try(
    message: Optional[EmailMessage],
    settings: SmtpSettings,
    *,
    tries: int,
    within_s: float,
    sleep: Callable[[float], object],
    clock: Callable[[], float],
    context: Optional[ssl.SSLContext],
    environ: Mapping[str, str],
    on_refused: Callable[[str], None],
) -> Optional[str]:
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
        message: Optional[EmailMessage],  # None: leave after the log-in
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
        if self._message is None:
            client.ehlo_or_helo_if_needed()
        else:
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
