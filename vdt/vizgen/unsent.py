"""Mails that outlive a server that is down: kept as files beside the logs, sent by a later run.

Rule 1: only a file that this program wrote is ever sent again: name, size and the mark of `build_message` say so, and
no link is followed. As everybody who may write into the logs folder could write such a file, it goes to nobody but
those whom the configuration of this run writes to, and in the name of its sender.
Rule 2: no file is overwritten, and none is deleted before the server took its mail.
Rule 3: `resend_unsent` raises nothing; `keep_unsent` does where a disk fails, and leaves no half file.
What is not promised: a mail goes out twice, under the same Message-ID, where two runs send from one folder at the same
moment, or where its file could be renamed but not deleted.
"""

from __future__ import annotations

import email.parser
import os
import re
import secrets
import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from typing import Callable, List, Mapping, Optional, Sequence, Set, Tuple

from vdt.vizgen.layout import stamp
from vdt.vizgen.mail import MARK
from vdt.vizgen.post import SmtpSettings, no_one, send

_NAME = re.compile(r"[^\x00-\x1f/\\:]+\.\d{8}T\d{6}(?:-\d+)?\.eml\Z")
_CLAIMED = ".sending"
_NEVER_OURS = ("Cc", "Bcc", "Sender", "Resent-Date", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Bcc")
_LARGEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Resent:
    """What became of the mails that earlier runs could not send."""

    sent: Tuple[str, ...] = ()  # paths, deleted by now
    failed: Tuple[Tuple[str, str], ...] = ()  # (path, reason), still there
    foreign: Tuple[str, ...] = ()  # paths, still there: of another sender, or for others


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
    sender: str,
    addressees: Sequence[str],
    within_s: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
    context: Optional[ssl.SSLContext] = None,
    environ: Mapping[str, str] = os.environ,
    on_refused: Callable[[str], None] = no_one,
) -> Resent:
    """Try each waiting mail of `sender` to some of `addressees` once and delete those that are out.

    Never raises, never longer than `within_s`.

    A mail is renamed before it is sent and back where that fails: what cannot be renamed cannot be deleted either,
    and would go out again with every run.
    """
    deadline = clock() + within_s
    sent: List[str] = []
    failed: List[Tuple[str, str]] = []
    foreign: List[str] = []
    for path in dict.fromkeys(path for folder in folders for path in unsent(folder)):
        read = _read(path)
        if read is None:
            continue
        message, of, to = read
        if of != _bare([sender]) or not to or not to <= _bare(addressees):
            foreign.append(path)
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
    return Resent(tuple(sent), tuple(failed), tuple(foreign))


def _mailboxes(message: EmailMessage, header: str) -> Set[str]:
    return _bare([str(value) for value in message.get_all(header, [])])


def _bare(addresses: Sequence[str]) -> Set[str]:
    """The addresses without names, as they are compared."""
    return {address.lower() for _, address in getaddresses(list(addresses)) if address}


def _unclaimed(path: str) -> str:
    return path[: -len(_CLAIMED)] if path.endswith(_CLAIMED) else path


def _read(path: str) -> Optional[Tuple[EmailMessage, Set[str], Set[str]]]:
    """The mail in `path`, of whom and for whom it is; None for a file that this program did not write."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
        if len(raw) > _LARGEST_BYTES:
            return None
        message = email.parser.BytesParser(EmailMessage, policy=SMTP).parsebytes(raw)
        ours = message[MARK] and message["From"] and message["To"] and not message.defects
        if not ours or any(header in message for header in _NEVER_OURS):
            return None
        return message, _mailboxes(message, "From"), _mailboxes(message, "To")
    except Exception:  # the parser of headers stumbles over malformed ones in more ways than can be listed
        return None
