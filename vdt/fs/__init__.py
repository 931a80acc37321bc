"""The only place that knows which operating system runs. Both modules give the same names; one is chosen here, once."""

from __future__ import annotations

import sys

from vdt.fs.volume import Flush, Heal, Volume

if sys.platform == "win32":
    from vdt.fs.windows import (
        MODE_WORD,
        WINDOWS,
        Folder,
        Stat,
        absolute,
        close,
        drop_cache,
        explain,
        fd_stat,
        full_path,
        heal,
        inside,
        list_folder,
        make_folder,
        opened,
        process_started,
        read_views,
        real_id,
        set_folder,
        state_home,
        terminate_now,
        volume,
        write_all,
    )
else:
    from vdt.fs.posix import (
        MODE_WORD,
        WINDOWS,
        Folder,
        Stat,
        absolute,
        close,
        drop_cache,
        explain,
        fd_stat,
        full_path,
        heal,
        inside,
        list_folder,
        make_folder,
        opened,
        process_started,
        read_views,
        real_id,
        set_folder,
        state_home,
        terminate_now,
        volume,
        write_all,
    )

__all__ = [
    "MODE_WORD",
    "WINDOWS",
    "Flush",
    "Folder",
    "Heal",
    "Stat",
    "Volume",
    "absolute",
    "close",
    "drop_cache",
    "explain",
    "fd_stat",
    "full_path",
    "heal",
    "inside",
    "list_folder",
    "make_folder",
    "opened",
    "process_started",
    "read_views",
    "real_id",
    "set_folder",
    "state_home",
    "terminate_now",
    "volume",
    "write_all",
]
