"""What leaves a run that is over: JSON, HTML report, mail and master log, none of which may hold its end up.

Each of them may lie on the very share that hangs, or with a server that does not answer. So each has its time, is given
up after it and said so, and what could not be handed over is kept on this machine for the next run.
"""

from __future__ import annotations

import os
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Callable, Dict

from vdt import fs
from vdt.errors import AbandonedError, LostOutputError
from vdt.evidence import host_name
from vdt.jsonfile import write_beside, write_json
from vdt.supervise import supervised
from vdt.vizgen.config import Config
from vdt.vizgen.layout import page_name
from vdt.vizgen.mail import MailText, build_message
from vdt.vizgen.masterlog import MasterLog
from vdt.vizgen.post import SmtpSettings, send
from vdt.vizgen.request import Surroundings
from vdt.vizgen.unsent import eml_name, keep_somewhere, keep_unsent, resend_unsent

_MAIL_WITHIN_S = 20.0
_MAIL_AFTER_STOP_S = 10.0
_LOGS_WITHIN_S = 60.0  # a share that hangs at the very end is not waited for longer: what it lacks is kept here


class Delivery:
    """The way out of one run.

    `tell` says a line on the screen and in the master log; `share_lost` is True once the Isilon was given up, as what
    stands in its place may be another volume.
    """

    def __init__(
        self,
        run_id: str,
        config: Config,
        around: Surroundings,
        *,
        started: datetime,
        tell: Callable[..., None],
        share_lost: Callable[[], bool],
    ) -> None:
        self._run_id, self._config, self._around = run_id, config, around
        self._started, self._tell, self._share_lost = started, tell, share_lost

    def json(self, path: str, value: Dict[str, Any]) -> bool:
        """Write the report for machines; False where it could not be written, which is said."""
        try:
            supervised(lambda: write_json(path, value, self._around.stdout), self._around.stop)
        except (LostOutputError, AbandonedError) as error:
            lost = f"The JSON report {path} was given up." if isinstance(error, AbandonedError) else str(error)
            self._tell(f"ERROR: {lost}", level="error")
            return False
        return True

    def page(self, page: str) -> str:
        """Put the HTML report into the logs folder.

        Returns its path, "" where it could not be written, which is said and changes nothing else.
        """
        config = self._config

        def write() -> str:
            if not os.path.isdir(config.isilon_drive) or self._share_lost():
                raise LostOutputError(f"The HTML report could not be written: {config.isilon_drive} is not there.")
            fs.make_folder(config.logs)
            return write_beside(config.logs, page_name(self._run_id, self._started), page, "HTML report")

        try:
            if self._around.watch.abandoned:
                raise AbandonedError
            path = self._bounded(write)
        except AbandonedError:
            lost = f"The HTML report was given up: {config.logs} does not answer."
        except OSError as error:
            lost = f"The HTML report could not be written: {config.logs}: {fs.explain(error)[1]}."
        except LostOutputError as error:
            lost = str(error)
        else:
            self._tell(f"Report: {path}")
            return path
        self._tell(lost, level="warning")
        return ""

    def mail(self, text: MailText) -> None:
        """Send the mail of the run, then those of earlier runs; one that is not out is kept."""
        config = self._config
        settings = SmtpSettings.of(config)
        message = build_message(text, config.sender, config.addressees, datetime.now().astimezone(), host_name())
        stop = self._around.stop
        within_s = _MAIL_AFTER_STOP_S if stop else _MAIL_WITHIN_S
        try:
            reason = supervised(
                lambda: send(message, settings, within_s=within_s, on_refused=self._tell),
                stop,
                grace_s=_MAIL_AFTER_STOP_S,
            )
        except AbandonedError:
            reason = "the server did not answer before the run was stopped"
        if reason is not None:
            self._keep(message, reason)
            return
        self._tell(f"Mail sent to {', '.join(config.addressees)}.")
        if not stop:
            self._resend(settings, within_s)

    def master_log(self, master: MasterLog) -> str:
        """Carry the master log to the share; returns what is to be said of it."""
        kept = f"The master log is kept in {fs.state_home()} for the next run: {self._config.logs} does not answer."
        if self._around.watch.abandoned:
            return kept
        try:
            return self._bounded(
                lambda: master.deliver(self._config.logs, self._config.isilon_drive, away=self._share_lost())
            )
        except AbandonedError:
            return kept

    def _bounded(self, work: Callable[[], str]) -> str:
        return supervised(work, self._around.stop, within_s=_LOGS_WITHIN_S)

    def _resend(self, settings: SmtpSettings, within_s: float) -> None:
        folders = (fs.state_home(),) if self._share_lost() else (self._config.logs, fs.state_home())
        try:
            resent = supervised(
                lambda: resend_unsent(
                    folders,
                    settings,
                    sender=self._config.sender,
                    addressees=self._config.addressees,
                    within_s=within_s,
                ),
                self._around.stop,
                within_s=_LOGS_WITHIN_S,
            )
        except AbandonedError:
            return  # the next run looks for them again
        for path in resent.sent:
            self._tell(f"A mail of an earlier run was sent now: {path}")
        for path in resent.foreign:
            self._tell(f"A mail waits that is of others or for others than this configuration names; not sent: {path}")

    def _keep(self, message: EmailMessage, reason: str) -> None:
        """Keep a mail that is not out in the logs folder, or on this machine where the share fails or hangs."""
        config, state, name = self._config, fs.state_home(), eml_name(self._run_id, self._started)

        def in_logs() -> str:
            logs = config.logs if os.path.isdir(config.isilon_drive) and not self._share_lost() else state
            return keep_somewhere(message, name, logs, state)

        try:
            try:
                if self._around.watch.abandoned:
                    raise AbandonedError
                kept = self._bounded(in_logs)
            except AbandonedError:
                kept = keep_unsent(message, state, name, private=True)
            self._tell(f"The mail could not be sent ({reason}). It is kept as {kept}; the next run tries again.")
        except OSError as error:
            self._tell(f"The mail could not be sent ({reason}) nor kept ({fs.explain(error)[1]}).", level="error")
