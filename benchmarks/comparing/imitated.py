"""A slow mount or a Samba share in place of a real one. They stand on rigs that are in a checkout only."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import Iterator, NamedTuple

from comparing.interrupt import held
from rows.rigs import NoRigError, share, slow_mount
from vdt.errors import RefusedError


class Stage(NamedTuple):
    """Folders in which destinations are made.

    Attributes:
        seen: as the contenders see it.
        behind: the same without what slows it down.
        words: what it imitates, "" where nothing is imitated.
    """

    seen: str
    behind: str
    words: str


@contextmanager
def stage(own: str, *, latency_ms: float = 0.0, samba_ms: float = -1.0) -> Iterator[Stage]:
    """The destination in a folder of ours: plain, behind a latency, or on a share of this computer; down at the end.

    Raises:
        RefusedError: what it needs is not there; says what.
    """
    words = ""
    with ExitStack() as stack:
        try:
            with held():
                at = {"seen": own, "behind": own}
                if latency_ms:
                    words = f"imitated: a FUSE mount on which every call takes {latency_ms:g} ms"
                    at = stack.enter_context(slow_mount(own, latency_ms))
                elif samba_ms >= 0:
                    words = f"imitated: a Samba share on loopback, {samba_ms:g} ms away each way"
                    at = stack.enter_context(share(own, samba_ms))
        except NoRigError as error:
            raise RefusedError(f"The share cannot be imitated: {error}.") from error
        try:
            yield Stage(at["seen"], at["behind"], words)
        finally:
            with held():  # a mount that stays up would keep everything below it
                stack.close()
