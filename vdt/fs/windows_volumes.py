"""Drives and shares on Windows: what they are, and why a drive letter may be missing."""

from __future__ import annotations

import ctypes
import ntpath
import os
import sys
import winreg
from ctypes import wintypes
from typing import Optional

from vdt.fs.volume import Flush, Volume
from vdt.fs.windows_errors import explain
from vdt.fs.windows_handles import long_path
from vdt.fs.windows_kernel import kernel32

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

_DRIVE_REMOTE = 4
_NOT_THERE = frozenset({2, 3, 15, 21})  # no such file, path, drive; not ready
_NAMED_STREAMS = 0x40000  # FILE_NAMED_STREAMS


def volume(path: str) -> Volume:
    """Describe the volume that holds an existing path."""
    full = os.path.abspath(path)
    drive = ntpath.splitdrive(full)[0] + "\\"
    name = ctypes.create_unicode_buffer(64)
    flags = wintypes.DWORD(0)
    kind = "unknown"
    if kernel32.GetVolumeInformationW(drive, None, 0, None, None, ctypes.byref(flags), name, 64):
        kind = name.value
    remote = full.startswith("\\\\") or kernel32.GetDriveTypeW(drive) == _DRIVE_REMOTE
    kept_offline = remote and _offline_files_are_on()
    free = ctypes.c_ulonglong(0)
    kernel32.GetDiskFreeSpaceExW(ctypes.c_wchar_p(long_path(full)), ctypes.byref(free), None, None)
    return Volume(
        kind=kind,
        flush=Flush.FILE,
        cold_reads=not kept_offline,
        why_not_cold="Windows Offline Files may answer from this computer" if kept_offline else "",
        remote=remote,
        free_bytes=free.value,
        streams=bool(flags.value & _NAMED_STREAMS),
    )


def _offline_files_are_on() -> bool:
    """True where Windows keeps copies of shares (Offline Files): what is read may then come from this computer."""
    active, enabled = wintypes.BOOL(0), wintypes.BOOL(0)
    try:
        status = ctypes.WinDLL("cscapi").OfflineFilesQueryStatus(ctypes.byref(active), ctypes.byref(enabled))
    except (OSError, AttributeError):  # an edition without it
        return False
    return status == 0 and bool(active.value)


def absence(path: str) -> str:
    """Why a drive or share that is missing may be missing, as sentences with a blank before; "" where nothing is known.

    A drive that a user mapped is not seen by a window that runs as administrator, nor by a scheduled task. A share may
    be there and refuse: a password that has expired, an account that is locked.
    """
    drive = ntpath.splitdrive(path)[0]
    refused = _refusal(drive + "\\") if drive else ""
    if refused is None:
        return ""
    said = f" Windows says: {refused}." if refused else ""
    if not drive.endswith(":"):
        return said
    share = _mapped_share(drive[0])
    known = (
        f" {drive} is mapped to {share} for this user, and not connected now: open it in File Explorer."
        if share
        else ""
    )
    if _is_elevated():
        return (
            f"{said}{known} This window runs as administrator, and drives that were mapped without that are not seen "
            "in it: start again in an ordinary window."
        )
    return (
        said
        or known
        or (
            f" Drives are mapped for one user at a time: a scheduled task or another account does not see {drive}; "
            "map it there, or write the share as \\\\server\\share."
        )
    )


def _refusal(root: str) -> Optional[str]:
    """What Windows says of a drive or share, in plain words; "" where it is only not there, None where it answers."""
    try:
        os.stat(root)
    except OSError as error:
        number, words = explain(error)
        return "" if number in _NOT_THERE else words
    return None


def _mapped_share(letter: str) -> str:
    """The share that this user mapped to a letter, with "reconnect at sign-in"; "" where there is none."""
    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, f"Network\\{letter}") as key:
            return str(winreg.QueryValueEx(key, "RemotePath")[0])
    except OSError:
        return ""


def _is_elevated() -> bool:
    try:
        return bool(ctypes.WinDLL("shell32").IsUserAnAdmin())
    except (OSError, AttributeError):
        return False
