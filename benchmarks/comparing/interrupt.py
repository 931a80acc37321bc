"""Ctrl-C and SIGTERM end the work once; a second one does not keep us from clearing up.

What must not be cut in two (a process that is started and not yet known, a folder that is being removed) is done under
`held()`: an interruption then waits for its end.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import Iterator, List


class _State:
    depth = 0
    waits = False


def _once(*_: object) -> None:
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)
    if _State.depth:
        _State.waits = True
    else:
        raise KeyboardInterrupt


def _signals() -> List[int]:
    """SIGINT, SIGTERM, and on Windows Ctrl-Break."""
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


def end_once() -> None:
    """Let the first of these signals raise KeyboardInterrupt in the main thread, and ignore all that follow."""
    for number in _signals():
        signal.signal(number, _once)


@contextmanager
def held() -> Iterator[None]:
    """Let an interruption wait until the block has ended (main thread).

    Raises:
        KeyboardInterrupt: behind the block, where one came in it. An error of the block goes first; the interruption
            is then raised by the next block.
    """
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    if _State.waits and not _State.depth:
        _State.waits = False
        raise KeyboardInterrupt
