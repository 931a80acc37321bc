"""POSIX: what an error number means: a Windows number for the log, plain words, and whether trying again can help.

Pure.
"""

from __future__ import annotations

import errno
from typing import Tuple

from vdt.fs.volume import Heal

_NEVER = frozenset(
    getattr(errno, name)
    for name in [
        "EACCES",
        "ESPIPE",
        "EPERM",
        "EROFS",
        "ENOENT",
        "ENOTDIR",
        "EISDIR",
        "ELOOP",
        "EFBIG",
        "ENAMETOOLONG",
        "EINVAL",
        "EEXIST",
        "EXDEV",
        "EILSEQ",
        "ENOTSUP",
        "ENOSYS",
        "EMLINK",
    ]
    if hasattr(errno, name)
)
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def heal(error: OSError) -> Heal:
    """What trying again can do about an error."""
    if error.errno in _FULL:
        return Heal.FULL
    return Heal.NEVER if error.errno in _NEVER else Heal.MAYBE


# errno -> the Windows error number that robocopy would print for the same trouble (winerror.h)
_WINDOWS_CODE = {
    errno.ENOENT: 2,
    errno.EACCES: 5,
    errno.EPERM: 5,
    errno.EROFS: 19,
    errno.EBUSY: 32,
    errno.ETXTBSY: 32,
    errno.ENOSPC: 112,
    errno.ENAMETOOLONG: 206,
    errno.EIO: 1117,
    errno.ETIMEDOUT: 121,
    errno.ENOTDIR: 267,
    errno.EEXIST: 183,
    errno.ESTALE: 59,
    errno.EFBIG: 223,
}
PLAIN = {
    errno.EACCES: "permission denied",
    errno.EPERM: "the system does not permit it",
    errno.EROFS: "it is read-only",
    errno.ENOENT: "it is not there (any more)",
    errno.ENOSPC: "the disk is full",
    errno.EIO: "the disk or the network gave an input/output error",
    errno.ENAMETOOLONG: "the name or path is too long for this file system",
    errno.ELOOP: "a link stands where a file or folder was expected",
    errno.ESTALE: "the share lost track of it (stale handle)",
}


def explain(error: OSError) -> Tuple[int, str]:
    """(Windows error number, plain words) for a log line or a message."""
    code = error.errno or 0
    words = PLAIN.get(code) or (error.strerror or str(error)).lower()
    return _WINDOWS_CODE.get(code, 31 if code not in (0,) else 0), words
