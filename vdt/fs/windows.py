"""Windows: the same names as posix.py, each from the part that it belongs to.

The parts: windows_kernel (the calls), windows_handles (open files), windows_folder (a folder and its files),
windows_files (one name), windows_streams (what NTFS keeps beside a file), windows_names (paths and listings),
windows_volumes (drives and shares), windows_console (the window), windows_process (processes and sleep), windows_errors
(what numbers mean), typed (paths as they are typed).
"""

from __future__ import annotations

import sys

from vdt.fs.typed import windows_fault
from vdt.fs.windows_console import steady_console
from vdt.fs.windows_errors import explain, heal
from vdt.fs.windows_files import is_link, make_folder, remove_folder, set_folder
from vdt.fs.windows_folder import Folder, close, drop_cache, fd_stat
from vdt.fs.windows_handles import (
    BUFFER_BYTES,
    Handles,
    cut,
    flush,
    read_at,
    read_views,
    read_whole,
    write_all,
    write_at,
)
from vdt.fs.windows_names import (
    absolute,
    answer,
    full_path,
    inside,
    is_mount,
    list_folder,
    mount_point,
    numbers_stay,
    opened,
    real_id,
)
from vdt.fs.windows_process import (
    allow_many_files,
    machine_identity,
    process_started,
    state_home,
    stay_awake,
    terminate_now,
)
from vdt.fs.windows_volumes import absence, volume

__all__ = [
    "DIRECT_MAY_BUFFER",
    "MODE_WORD",
    "PROBE_MODE",
    "PROBE_MODE_BITS",
    "WHOLE_BYTES",
    "WINDOWS",
    "Folder",
    "Handles",
    "absence",
    "absolute",
    "allow_many_files",
    "answer",
    "close",
    "cut",
    "drop_cache",
    "explain",
    "fd_stat",
    "flush",
    "full_path",
    "heal",
    "inside",
    "is_link",
    "is_mount",
    "list_folder",
    "machine_identity",
    "make_folder",
    "mount_point",
    "numbers_stay",
    "opened",
    "process_started",
    "read_at",
    "read_views",
    "read_whole",
    "real_id",
    "remove_folder",
    "set_folder",
    "state_home",
    "stay_awake",
    "steady_console",
    "terminate_now",
    "typed_fault",
    "volume",
    "write_all",
    "write_at",
]

assert sys.platform == "win32"  # lets mypy read this file for Windows alone

WINDOWS = True
MODE_WORD = "attributes"
DIRECT_MAY_BUFFER = False  # FILE_FLAG_NO_BUFFERING is an order: where it cannot be kept the handle does not open
PROBE_MODE = 0x2  # hidden: to try a destination with
PROBE_MODE_BITS = 0x7  # those that must come back; archive comes and goes by itself
WHOLE_BYTES = BUFFER_BYTES - 1  # the largest file that `Folder.read_whole` takes: one byte short of the buffer
typed_fault = windows_fault
