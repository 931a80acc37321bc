"""Names as safe text: what is escaped, what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.printable import printable


@pytest.mark.parametrize(
    "name",
    ["", "a.dat", "C:\\data\\x.tif", "two words", "M\u00fcller", "\u65e5\u672c", "no\u00a0break", "\u2695\u200d\u2695"],
)
def test_plain_names_stay(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\x0ab"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\x7f", "a\\x09b\\x7f"),
        ("c1\x9b", "c1\\x9b"),
        ("bad\udcff", "bad\\udcff"),
        ("half\ud83d", "half\\ud83d"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("line\u2028end", "line\\u2028end"),
    ],
)
def test_escapes(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_always_one_line_that_can_be_encoded(name: str) -> None:
    shown = printable(name)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert printable(shown) == shown
