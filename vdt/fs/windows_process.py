"""This process on Windows, and others: their lives, the sleep of the system, the end."""

from __future__ import annotations

import ctypes
import ntpath
import os
import sys
from contextlib import contextmanager
from ctypes import wintypes
from typing import Iterator, Optional

from vdt.fs.windows_console import restore_console
from vdt.fs.windows_kernel import kernel32

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

_STILL_ACTIVE = 259
_ES_CONTINUOUS, _ES_SYSTEM_REQUIRED = 0x80000000, 0x1


def state_home() -> str:
    """Folder for what must survive a share that fails: master log and unsent mail."""
    base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    return ntpath.join(base, "vdt")


def machine_identity() -> str:
    """Windows has one process name space; the host name tells machines apart."""
    return ""


def process_started(pid: int) -> Optional[str]:
    """A text that names one life of a process (its start time), or None when no such process lives."""
    handle = kernel32.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION; os.kill(pid, 0) would kill
    if not handle:
        return "unknown" if ctypes.get_last_error() == 5 else None
    try:
        code = wintypes.DWORD(0)
        if kernel32.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value != _STILL_ACTIVE:
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        if not kernel32.GetProcessTimes(handle, *(ctypes.byref(t) for t in times)):
            return "unknown"
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
    finally:
        kernel32.CloseHandle(handle)


@contextmanager
def stay_awake() -> Iterator[None]:
    """Keep the system from sleeping while the calling thread is in here; the screen may go dark.

    Windows keeps the wish by thread and drops it when that thread ends: enter and leave in the thread that drives the
    transfer. A system that refuses goes on without.
    """
    kernel32.SetThreadExecutionState(_ES_CONTINUOUS | _ES_SYSTEM_REQUIRED)
    try:
        yield
    finally:
        kernel32.SetThreadExecutionState(_ES_CONTINUOUS)


def allow_many_files() -> None:
    """Windows has no such limit for the handles that we hold."""


def terminate_now(code: int) -> None:
    """End at once; no join of threads that hang in the kernel."""
    restore_console()
    os._exit(code)
