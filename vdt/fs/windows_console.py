"""The console window: a click must not stop the copy, and closing it must not lose what was done.

Ctrl-C and Ctrl-Break stay with Python's own signals. The three events that Windows only announces (the window is
closed, the user signs out, the computer is shut down) end the process a few seconds later, whatever it does: the
handler asks for the stop and holds Windows off for as long as it may, while the run saves its journal and its report.
"""

from __future__ import annotations

import ctypes
import sys
import time
from contextlib import contextmanager
from ctypes import wintypes
from typing import Callable, Iterator, List, Tuple

from vdt.fs.windows_kernel import INVALID_HANDLE, kernel32

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

_STD_INPUT = 0xFFFFFFF6  # (DWORD)-10
_QUICK_EDIT, _EXTENDED_FLAGS = 0x40, 0x80
_ENDINGS = {
    2: "the console window was closed",
    5: "the user signed out",
    6: "the computer is being shut down",
}
_HOLD_OFF_S = 4.0  # Windows itself waits 5 s at most
_SLICE_S = 0.05
_Handler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)


@contextmanager
def steady_console(end: Callable[[str], None]) -> Iterator[None]:
    """While in here a click into the window selects nothing, and `end` is called with the reason when the window is
    closed, the user signs out or the computer is shut down. All is as before afterwards.

    `end` is called in a thread of the system. A process without a console goes on without.
    """
    inside = [True]

    def handle(event: int) -> bool:
        if event not in _ENDINGS:
            return False  # Ctrl-C and Ctrl-Break: the next handler is Python's
        end(_ENDINGS[event])
        until_s = time.monotonic() + _HOLD_OFF_S
        while inside[0] and time.monotonic() < until_s:
            time.sleep(_SLICE_S)
        return True

    handler = _Handler(handle)  # a reference is kept as long as Windows may call it
    _take_quick_edit()
    listens = bool(kernel32.SetConsoleCtrlHandler(handler, True))
    try:
        yield
    finally:
        inside[0] = False
        if listens:
            kernel32.SetConsoleCtrlHandler(handler, False)
        restore_console()


_taken: List[Tuple[int, int]] = []  # the console and its mode as it was


def _take_quick_edit() -> None:
    console = kernel32.GetStdHandle(_STD_INPUT)
    mode = wintypes.DWORD(0)
    if console in (None, 0, INVALID_HANDLE) or not kernel32.GetConsoleMode(console, ctypes.byref(mode)):
        return
    if kernel32.SetConsoleMode(console, mode.value & ~_QUICK_EDIT | _EXTENDED_FLAGS):
        _taken.append((console, mode.value))


def restore_console() -> None:
    """Give the window its mode back; also where the process is ended at once. The second call does nothing."""
    while _taken:
        console, mode = _taken.pop()
        kernel32.SetConsoleMode(console, mode | _EXTENDED_FLAGS)
