"""What a Windows error number means: plain words, and whether trying again can help. Pure; read on any system.

Numbers are those of winerror.h; the waits are the caller's. Errors that the C library raises carry an errno alone,
which is another row of numbers (32 is a broken pipe there and a sharing violation here), so they have a table of their
own. Where a network is in question a number says little (outage.py looks at the roots instead): all of those may heal.
"""

from __future__ import annotations

import errno
from typing import Dict, Tuple

from vdt.fs.volume import Heal

_NOT_FOR_GOOD, _FOR_GOOD, _FULL = Heal.MAYBE, Heal.NEVER, Heal.FULL

ERRORS: Dict[int, Tuple[Heal, str]] = {
    2: (_FOR_GOOD, "it is not there (any more)"),
    3: (_FOR_GOOD, "the path is not there (any more)"),
    5: (_NOT_FOR_GOOD, "access is denied"),  # a virus scanner that holds a new file gives it too
    19: (_FOR_GOOD, "it is write-protected"),
    21: (_NOT_FOR_GOOD, "the drive is not ready"),
    23: (_NOT_FOR_GOOD, "the disk gave wrong data (CRC error)"),
    32: (_NOT_FOR_GOOD, "another program has it open"),
    33: (_NOT_FOR_GOOD, "another program has locked a part of it"),
    39: (_FULL, "the disk is full"),
    50: (_FOR_GOOD, "the drive or share does not support it"),
    51: (_NOT_FOR_GOOD, "the server does not answer"),
    53: (_NOT_FOR_GOOD, "the server or share was not found on the network"),
    54: (_NOT_FOR_GOOD, "the network is busy"),
    55: (_NOT_FOR_GOOD, "the share is no longer available"),
    59: (_NOT_FOR_GOOD, "an unexpected network error"),
    64: (_NOT_FOR_GOOD, "the network connection was dropped"),
    65: (_FOR_GOOD, "the share denies access"),
    67: (_NOT_FOR_GOOD, "the server has no share of this name (at the moment)"),
    71: (_NOT_FOR_GOOD, "the server takes no more connections at the moment"),
    80: (_FOR_GOOD, "a file of this name is there already"),
    86: (_FOR_GOOD, "the share refuses the password: connect the drive again"),
    87: (_FOR_GOOD, "Windows refuses the call (a parameter is wrong)"),
    112: (_FULL, "the disk is full"),
    121: (_NOT_FOR_GOOD, "the server took too long to answer"),
    123: (_FOR_GOOD, "Windows does not allow this name"),
    145: (_FOR_GOOD, "the folder is not empty"),
    161: (_FOR_GOOD, "Windows does not allow this path"),
    170: (_NOT_FOR_GOOD, "it is in use at the moment"),
    183: (_FOR_GOOD, "something of this name is there already"),
    206: (_FOR_GOOD, "the name or path is too long"),
    223: (_FOR_GOOD, "it is too large for this file system"),
    225: (_FOR_GOOD, "the virus scanner holds it for a virus and blocks it"),
    226: (_FOR_GOOD, "the virus scanner held it for a virus and removed it"),
    267: (_FOR_GOOD, "a file stands where a folder is needed"),
    362: (_NOT_FOR_GOOD, "the cloud provider of this folder does not run"),
    395: (_NOT_FOR_GOOD, "the cloud provider denies access: the file is only online"),
    483: (_NOT_FOR_GOOD, "the device gave a hardware error"),
    995: (_NOT_FOR_GOOD, "the call was given up"),
    1117: (_NOT_FOR_GOOD, "the disk or the network gave an input/output error"),
    1219: (_FOR_GOOD, "Windows is already connected to this server under another user name: disconnect that first"),
    1231: (_NOT_FOR_GOOD, "the network cannot be reached"),
    1236: (_NOT_FOR_GOOD, "the network connection was given up by this computer"),
    1295: (_FULL, "the quota of this disk or share is used up"),
    1314: (_FOR_GOOD, "making a link needs a privilege: turn on Windows developer mode or run as administrator"),
    1326: (_NOT_FOR_GOOD, "the share refuses the user name or password: connect the drive again"),
    1331: (_NOT_FOR_GOOD, "the account is disabled: ask who administers it"),
    1450: (_NOT_FOR_GOOD, "Windows is short of resources at the moment"),
    1907: (_NOT_FOR_GOOD, "the password must be changed: sign in again"),
    1909: (_NOT_FOR_GOOD, "the account is locked out at the moment"),
    2404: (_NOT_FOR_GOOD, "the connection is in use at the moment"),
}

# errno of the C library -> the Windows number that says the same
_OF_ERRNO: Dict[int, int] = {
    errno.ENOENT: 2,
    errno.EACCES: 5,
    errno.EPERM: 5,
    errno.EROFS: 19,
    errno.EBUSY: 170,
    errno.EEXIST: 183,
    errno.EFBIG: 223,
    errno.EIO: 1117,
    errno.EMFILE: 1450,
    errno.ENAMETOOLONG: 206,
    errno.ENOMEM: 1450,
    errno.ENOSPC: 112,
    errno.ENOTDIR: 267,
    errno.ENOTEMPTY: 145,
    errno.ESTALE: 59,
    errno.ETIMEDOUT: 121,
}
# those that no Windows number says, and whether they may heal
_ERRNO_FOR_GOOD = {
    errno.EISDIR: "a folder stands in its place",
    errno.EXDEV: "it lies on another disk",
    errno.EINVAL: "Windows refuses the call (a parameter is wrong)",
    errno.EPIPE: "nobody reads any more what is written",
    errno.ELOOP: "a link stands where a file or folder was expected",
}


def _number(error: OSError) -> int:
    """The Windows number of an error, 0 where it has none."""
    number = getattr(error, "winerror", None)
    return int(number) if number else _OF_ERRNO.get(error.errno or 0, 0)


def heal(error: OSError) -> Heal:
    """What trying again can do about an error; of one that nobody knows: perhaps."""
    number = _number(error)
    if not number and error.errno in _ERRNO_FOR_GOOD:
        return Heal.NEVER
    return ERRORS.get(number, (Heal.MAYBE, ""))[0]


def explain(error: OSError) -> Tuple[int, str]:
    """(Windows error number, plain words) for a log line or a message."""
    number = _number(error)
    if number in ERRORS:
        return number, ERRORS[number][1]
    if not number and error.errno in _ERRNO_FOR_GOOD:
        return 31, _ERRNO_FOR_GOOD[error.errno]  # ERROR_GEN_FAILURE
    return number or (31 if error.errno else 0), (error.strerror or str(error)).rstrip(". ").lower()
