"""POSIX: paths, listings, folders made and finished; what is done with the files of one folder is in posix_folder.

May: open, read, write, rename, list. May not: decide, retry, print. Every function raises OSError as the system gave
it; `heal` and `explain` say what it means. Relative paths inside a tree use "/".
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from functools import partial
from typing import Callable, List, Tuple

from vdt.fs.posix_errors import PLAIN, explain, heal
from vdt.fs.posix_folder import Folder
from vdt.fs.posix_handles import (
    NOATIME,
    WHOLE_BYTES,
    Handles,
    close,
    cut,
    drop_cache,
    fd_stat,
    flush,
    read_at,
    read_views,
    read_whole,
    write_all,
    write_at,
)
from vdt.fs.posix_process import (
    allow_many_files,
    machine_identity,
    process_started,
    stay_awake,
    steady_console,
    terminate_now,
)
from vdt.fs.posix_volumes import (
    FOLDER_FLAGS,
    answer,
    inside,
    is_link,
    is_mount,
    mount_point,
    numbers_stay,
    real_id,
    volume,
)
from vdt.fs.volume import EntryError
from vdt.model import NO_TIMES, Entry, Kind

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

assert sys.platform != "win32"  # lets mypy leave this file out when it checks for Windows

WINDOWS = False
MODE_WORD = "mode"
DIRECT_MAY_BUFFER = True  # O_DIRECT is a wish: ext4 with data=journal, inline_data or encryption reads from the cache
PROBE_MODE = 0o640  # to try a destination with
PROBE_MODE_BITS = 0o777  # those that must come back

# made for every file, twice: a third of the price of the constructor
_make_entry: Callable[[Tuple[object, ...]], Entry] = partial(tuple.__new__, Entry)


def absolute(path: str) -> str:
    """The absolute form of a path that a person typed; links are kept."""
    return os.path.abspath(path)


def typed_fault(path: str) -> str:
    """What is wrong with a path that a person typed; every name is one here."""
    return ""


def absence(path: str) -> str:
    """Why a folder that is missing may be missing, with a blank before; POSIX knows no drives of one user alone."""
    return ""


def full_path(root: str, relative: str) -> str:
    """Path of a "/"-separated relative path below `root`."""
    return f"{root}/{relative}" if relative and root != "/" else root + relative


def state_home() -> str:
    """Folder for what must survive a share that fails: master log and unsent mail."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "vdt")


def list_folder(path: str, *, tolerant: bool = False) -> List[Entry]:
    """Everything in a folder, unsorted, links not followed. Names that vanish meanwhile are left out.

    `tolerant` gives names that cannot be looked at as Kind.UNKNOWN, with the reason as their target, where an
    OSError would be raised otherwise.
    """
    entries = []
    vanished: List[str] = []
    try:
        fd = os.open(path, FOLDER_FLAGS | NOATIME)
    except PermissionError:
        fd = os.open(path, FOLDER_FLAGS)
    try:
        with os.scandir(fd) as names:  # by descriptor: the path is walked once, not once a name
            for item in names:
                try:
                    found = item.stat(follow_symlinks=False)
                    mode = found.st_mode
                    if mode & 0o170000 == stat.S_IFREG:
                        ids = (found.st_dev, found.st_ino)
                        entries.append(
                            _make_entry(
                                (
                                    item.name,
                                    Kind.FILE,
                                    found.st_size,
                                    found.st_mtime_ns,
                                    mode & 0o7777,
                                    ids,
                                    False,
                                    "",
                                    NO_TIMES,
                                )
                            )
                        )
                    else:
                        entries.append(_entry(item.name, found, f"{path}/{item.name}"))
                except FileNotFoundError:
                    vanished.append(item.name)
                except OSError as error:
                    if not tolerant:
                        raise EntryError(error.errno, error.strerror, f"{path}/{item.name}") from error
                    entries.append(Entry(item.name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, explain(error)[1]))
    except OSError as error:
        if error.filename is None or isinstance(error.filename, int):
            error.filename = path
        raise
    finally:
        os.close(fd)
    for name in _still_listed(path, vanished):
        if not tolerant:
            raise EntryError(errno.ENOENT, os.strerror(errno.ENOENT), f"{path}/{name}")
        entries.append(Entry(name, Kind.UNKNOWN, 0, 0, 0, (0, 0), False, PLAIN[errno.ENOENT]))
    return entries


def _still_listed(path: str, vanished: List[str]) -> List[str]:
    """Those of these names that a folder still lists: a share that is going away gives names and says of each that it
    is not there. Raises OSError where the folder itself is gone."""
    if not vanished:
        return []
    names = set(os.listdir(path))
    return [name for name in vanished if name in names]


def opened(path: str) -> Entry:
    """The entry that a path leads to, links followed. Raises FileNotFoundError and others."""
    return _entry(os.path.basename(path), os.stat(path), path)


def _entry(name: str, found: os.stat_result, path: str) -> Entry:
    form = found.st_mode & 0o170000
    target = ""
    if form == stat.S_IFREG:
        kind = Kind.FILE
    elif form == stat.S_IFDIR:
        kind = Kind.FOLDER
    elif form == stat.S_IFLNK:
        kind = Kind.LINK
        target = os.readlink(path)
    else:
        kind = Kind.OTHER
    mode = found.st_mode & 0o7777
    return Entry(name, kind, found.st_size, found.st_mtime_ns, mode, (found.st_dev, found.st_ino), False, target)


def make_folder(
    path: str, *, parents: bool = True, beneath: str = "", ready: Callable[[], None] = lambda: None
) -> None:
    """Make a folder, and its missing parents where these are wanted; one that exists is fine. A share that says that it
    made one and did not is an error that may heal. `beneath`: as for `Folder`. `ready` is called before each is made,
    with `beneath` once the folder around it is open: what takes that one's place from then on is not written to."""
    if beneath:
        _make_beneath(path, beneath, parents, ready)
        return
    ready()
    try:
        os.mkdir(path)
    except (FileExistsError, FileNotFoundError) as error:  # it is there already, or its parent is not
        if not parents and isinstance(error, FileNotFoundError):
            raise
        os.makedirs(path, exist_ok=True)
    if not os.path.isdir(path):  # the answer to mkdir holds it: where the share does not lie this asks nobody
        raise OSError(errno.EIO, "it was said to be made and was not", path)


def remove_folder(path: str) -> None:
    """Remove an empty folder; one that is not there is fine."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass


def _make_beneath(path: str, beneath: str, parents: bool, ready: Callable[[], None]) -> None:
    parent, name = os.path.split(path)
    try:
        around = Folder(parent, beneath=beneath)
    except FileNotFoundError:
        if not parents or len(parent) <= len(beneath):
            raise
        _make_beneath(parent, beneath, True, ready)
        around = Folder(parent, beneath=beneath)
    with around:
        ready()
        try:
            around.make(name)
        except FileExistsError:
            if not around.holds_folder(name):
                raise
        if not around.holds_folder(name):
            raise OSError(errno.EIO, "it was said to be made and was not", path)


def set_folder(
    path: str,
    source: Entry,
    *,
    times: bool,
    mode: bool,
    beneath: str = "",
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Give a folder the source folder's mode and times; called last, when nothing is written in it any more.
    `beneath`: as for `Folder`; `ready`: as for `make_folder`."""
    if beneath and len(path) > len(beneath):
        parent, name = os.path.split(path)
        with Folder(parent, beneath=beneath) as around:
            ready()
            if mode:
                around.set_mode(name, source.mode)
            if times:
                around.set_time(name, source.mtime_ns)
        return
    fd = os.open(path, FOLDER_FLAGS)
    try:
        ready()
        if mode:
            os.fchmod(fd, source.mode)
        if times:
            os.utime(fd, ns=(source.mtime_ns, source.mtime_ns))
    finally:
        os.close(fd)
