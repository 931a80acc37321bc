"""The functions of kernel32 that we call, with their types, and the numbers of winnt.h and winbase.h that go in.

Every one is documented in the Windows API reference; nothing here decides.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

GENERIC_READ = 0x80000000
GENERIC_WRITE = 0x40000000
LIST_DIRECTORY = 0x1  # FILE_LIST_DIRECTORY
WRITE_ATTRIBUTES = 0x100  # FILE_WRITE_ATTRIBUTES
SHARE_ALL = 0x7  # others may read, write and delete meanwhile
SHARE_READ_WRITE = 0x3  # and not delete, nor rename
CREATE_NEW = 1
OPEN_EXISTING = 3
OPEN_ALWAYS = 4
NORMAL = 0x80
NO_BUFFERING = 0x20000000
SEQUENTIAL_SCAN = 0x08000000
OPEN_REPARSE_POINT = 0x00200000
BACKUP_SEMANTICS = 0x02000000  # without it no folder is opened
SYMLINK_TAG, JUNCTION_TAG = 0xA000000C, 0xA0000003  # IO_REPARSE_TAG_SYMLINK, IO_REPARSE_TAG_MOUNT_POINT
END_OF_FILE = 38  # ERROR_HANDLE_EOF: a read that names its place says so with an error
ACCESS_DENIED = 5
SHARING_VIOLATION = 32
INVALID_HANDLE = ctypes.c_void_p(-1).value

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.CreateFileW.restype = wintypes.HANDLE
kernel32.CreateFileW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
]
kernel32.ReadFile.argtypes = [
    wintypes.HANDLE,
    wintypes.LPVOID,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
    wintypes.LPVOID,
]
kernel32.WriteFile.argtypes = kernel32.ReadFile.argtypes
kernel32.ReOpenFile.restype = wintypes.HANDLE
kernel32.ReOpenFile.argtypes = [wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD]
kernel32.FlushFileBuffers.argtypes = [wintypes.HANDLE]
kernel32.SetFileAttributesW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD]
kernel32.SetFileTime.argtypes = [wintypes.HANDLE] + [ctypes.POINTER(wintypes.FILETIME)] * 3
kernel32.OpenProcess.restype = wintypes.HANDLE
kernel32.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
kernel32.GetProcessTimes.argtypes = [wintypes.HANDLE] + [ctypes.POINTER(wintypes.FILETIME)] * 4
kernel32.GetExitCodeProcess.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
kernel32.SetThreadExecutionState.restype = wintypes.DWORD
kernel32.SetThreadExecutionState.argtypes = [wintypes.DWORD]
kernel32.GetDriveTypeW.argtypes = [wintypes.LPCWSTR]
kernel32.GetStdHandle.restype = wintypes.HANDLE
kernel32.GetStdHandle.argtypes = [wintypes.DWORD]
kernel32.GetConsoleMode.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
kernel32.SetConsoleMode.argtypes = [wintypes.HANDLE, wintypes.DWORD]
kernel32.SetConsoleCtrlHandler.argtypes = [wintypes.LPVOID, wintypes.BOOL]
kernel32.GetVolumeInformationW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.LPWSTR,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.LPWSTR,
    wintypes.DWORD,
]


class FindStreamData(ctypes.Structure):
    """WIN32_FIND_STREAM_DATA: one stream of a file; the name is like `:Zone.Identifier:$DATA`."""

    _fields_ = (("size_bytes", ctypes.c_longlong), ("name", ctypes.c_wchar * 296))


kernel32.FindFirstStreamW.restype = wintypes.HANDLE
kernel32.FindFirstStreamW.argtypes = [wintypes.LPCWSTR, ctypes.c_int, ctypes.POINTER(FindStreamData), wintypes.DWORD]
kernel32.FindNextStreamW.argtypes = [wintypes.HANDLE, ctypes.POINTER(FindStreamData)]
kernel32.FindClose.argtypes = [wintypes.HANDLE]


class Overlapped(ctypes.Structure):
    """OVERLAPPED: names the place of a read or write."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )
