"""The error table of Windows, on any system: plain words and what trying again can do."""

from __future__ import annotations

import errno
import re
from typing import Optional

import pytest

from vdt.fs.volume import Heal
from vdt.fs.windows_errors import ERRORS, explain, heal


class GivenError(OSError):
    """An OSError as Windows raises it: `winerror` counts, errno is what the C library makes of it."""

    def __init__(self, number: Optional[int], code: int = errno.EINVAL) -> None:
        super().__init__(code, "Some Text.")
        self.winerror = number


@pytest.mark.parametrize(
    ("number", "can", "words"),
    [
        (5, Heal.MAYBE, "access is denied"),
        (32, Heal.MAYBE, "another program has it open"),
        (33, Heal.MAYBE, "another program has locked"),
        (53, Heal.MAYBE, "not found on the network"),
        (55, Heal.MAYBE, "no longer available"),
        (59, Heal.MAYBE, "unexpected network error"),
        (64, Heal.MAYBE, "connection was dropped"),
        (67, Heal.MAYBE, "no share of this name"),
        (71, Heal.MAYBE, "no more connections"),
        (86, Heal.NEVER, "refuses the password"),
        (112, Heal.FULL, "disk is full"),
        (121, Heal.MAYBE, "too long to answer"),
        (225, Heal.NEVER, "virus"),
        (226, Heal.NEVER, "virus"),
        (395, Heal.MAYBE, "only online"),
        (1117, Heal.MAYBE, "input/output error"),
        (1219, Heal.NEVER, "another user name"),
        (1231, Heal.MAYBE, "cannot be reached"),
        (1295, Heal.FULL, "quota"),
        (1314, Heal.NEVER, "developer mode"),
        (1326, Heal.MAYBE, "user name or password"),
        (1331, Heal.MAYBE, "disabled"),
        (1450, Heal.MAYBE, "short of resources"),
        (1907, Heal.MAYBE, "password must be changed"),
        (1909, Heal.MAYBE, "locked out"),
        (2404, Heal.MAYBE, "in use"),
        (2, Heal.NEVER, "not there"),
        (19, Heal.NEVER, "write-protected"),
        (39, Heal.FULL, "disk is full"),
        (123, Heal.NEVER, "does not allow this name"),
        (206, Heal.NEVER, "too long"),
    ],
)
def test_each_number_has_its_words_and_its_hope(number: int, can: Heal, words: str) -> None:
    error = GivenError(number)
    assert heal(error) is can
    code, said = explain(error)
    assert code == number and words in said


def test_words_are_parts_of_a_sentence() -> None:
    for number, (_, words) in ERRORS.items():
        assert words == words.strip(" .") and "\n" not in words and words.isascii(), number
        assert re.match(r"[a-z]|Windows|NTFS", words), words


@pytest.mark.parametrize(
    ("code", "number", "can"),
    [
        (errno.ENOSPC, 112, Heal.FULL),
        (errno.EACCES, 5, Heal.MAYBE),
        (errno.ENOENT, 2, Heal.NEVER),
        (errno.EEXIST, 183, Heal.NEVER),
        (errno.EIO, 1117, Heal.MAYBE),
        (errno.EMFILE, 1450, Heal.MAYBE),
        (errno.ESTALE, 59, Heal.MAYBE),
    ],
)
def test_an_error_of_the_c_library_is_the_windows_error_that_says_the_same(code: int, number: int, can: Heal) -> None:
    for error in (OSError(code, "x"), GivenError(None, code)):
        assert (explain(error)[0], heal(error)) == (number, can)


def test_an_errno_is_never_read_as_a_windows_number() -> None:
    assert explain(OSError(errno.EPIPE, "Broken pipe")) == (31, "nobody reads any more what is written")
    assert explain(OSError(errno.EIO, "I/O"))[1] != ERRORS[5][1]
    assert heal(OSError(errno.EISDIR, "x")) is Heal.NEVER


def test_what_nobody_knows_keeps_its_own_words_and_may_heal() -> None:
    assert explain(GivenError(4711)) == (4711, "some text")
    assert heal(GivenError(4711)) is Heal.MAYBE
    assert explain(OSError(9999, "Odd.")) == (31, "odd")
    assert explain(OSError("just words")) == (0, "just words")
