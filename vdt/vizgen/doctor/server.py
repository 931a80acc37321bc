"""The mail server: as far as the log-in, and one mail where that is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import List

from vdt.evidence import host_name
from vdt.vizgen.config import Config
from vdt.vizgen.doctor.check import Tell, ok, warning
from vdt.vizgen.mail import Items, build_message, compose_parts
from vdt.vizgen.post import SmtpSettings, log_in, send

_WITHIN_S = 20.0
_REMEDY = (
    "Check smtp_server, [vdt] smtp_port and smtp_security with whoever runs the mail, and that no firewall is between. "
    "A transfer goes on without; its mail is then kept as .eml in the logs folder."
)


def look_at_server(tell: Tell, config: Config, *, send_mail: bool) -> None:
    """Log in, or send a mail to every addressee."""
    settings = SmtpSettings.of(config)
    where = f"{config.smtp_server}, port {config.smtp_port}, {_security(config.smtp_security)}"
    if not send_mail:
        reason = log_in(settings, within_s=_WITHIN_S)
        if reason is not None:
            tell(warning("Mail server", f"{where}: {reason}", _REMEDY))
        else:
            logged = f"log-in of {config.smtp_user} taken" if config.smtp_user else "no log-in is set"
            tell(ok("Mail server", f"{where}: it answers, {logged}; no mail was sent (--send-test-mail sends one)"))
        return
    refused: List[str] = []
    text = compose_parts(
        "Vizgen data transfer: test mail",
        ["This is a test of the mail settings, sent by vdt doctor --send-test-mail. No data was transferred."],
        [("Sent from:", [Items("", (f"host {host_name()}, configuration {config.path}",))])],
        "Nothing needs to be done.",
        yes=True,
        passed=True,
    )
    message = build_message(text, config.sender, config.addressees, datetime.now().astimezone(), host_name())
    reason = send(message, settings, within_s=_WITHIN_S, on_refused=refused.append)
    if reason is not None:
        tell(warning("Mail server", f"{where}: the test mail was not sent: {reason}", _REMEDY))
    elif refused:
        tell(warning("Mail server", f"{where}: {'; '.join(refused)}", "Correct these addressees in the configuration."))
    else:
        tell(ok("Mail server", f"{where}: it took a test mail for {', '.join(config.addressees)}; see that it arrived"))


def _security(name: str) -> str:
    return {"none": "not encrypted", "starttls": "STARTTLS", "ssl": "TLS"}.get(name, name)
