"""POSIX: this process and others: who lives, what may be open, how one ends."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import contextmanager
from typing import Callable, Iterator, Optional

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows


def machine_identity() -> str:
    """Tells this boot and process name space from others of the same host name; "" where the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def process_started(pid: int) -> Optional[str]:
    """A text that names one life of a process (its start time), or None when no such process lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()  # killed, and not yet fetched by its parent
    except (OSError, IndexError):
        pass  # no such process, or /proc hides those of others
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has so large a number
        return None
    except OSError:
        pass
    return "unknown"


@contextmanager
def stay_awake() -> Iterator[None]:
    """Serves Windows: there is no call for it that every POSIX system has."""
    yield


@contextmanager
def steady_console(end: Callable[[str], None]) -> Iterator[None]:
    """Serves Windows: here a terminal that goes away is a signal (SIGHUP)."""
    yield


def allow_many_files() -> None:
    """Raise this process's own limit of open files as far as it may: 128 workers hold many folders open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536) if most > 0 else 65536, most))
    except (OSError, ValueError):
        pass


def terminate_now(code: int) -> None:
    """End at once; no join of threads that hang in the kernel."""
    os._exit(code)
