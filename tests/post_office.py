"""What the tests of the post share: one mail, and a mail server on loopback that notes what it was given."""

import socket
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from html import escape
from pathlib import Path

from aiosmtpd.controller import Controller

from vdt.vizgen.mail import MailText, build_message
from vdt.vizgen.post import SmtpSettings

RUN = "202310261058_VZGEN1_VMSC10202"
WHEN = datetime(2026, 4, 12, 18, 15, 2, tzinfo=timezone(timedelta(hours=1)))
PLAIN = (Path(__file__).parent / "golden" / "mail_success.txt").read_text(encoding="utf-8")
TEXT = MailText(f"Vizgen data transfer completed for run: {RUN}", PLAIN, f"<html><pre>{escape(PLAIN)}</pre></html>\n")


def message_of(addressees=("lab@example.org", "Core <core@example.org>")):
    return build_message(TEXT, "merscope@example.org", addressees, WHEN, "pc 3")


class Box:
    """A mailbox that notes what it was given."""

    def __init__(self, refuse=()):
        self.mails = []
        self.refuse = dict(refuse)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content, session.ssl is not None))
        return "250 taken"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def servers():
    """Gives start(box, ssl_context=..., tls_context=..., ...) -> port; all are stopped at the end."""
    running = []

    def start(box, port=0, **options):
        controller = Controller(box, hostname="127.0.0.1", port=port or free_port(), **options)
        controller.start()
        running.append(controller)
        return controller.port

    try:
        yield start
    finally:
        for controller in running:
            controller.stop()


def local(port, **options):
    return SmtpSettings("127.0.0.1", port, **options)
