"""Names that differ by case or Unicode form only."""

from __future__ import annotations

import pytest

from vdt.namesakes import namesakes

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("missing", "extra", "expected"),
    [
        (["d/A.txt"], ["d/a.txt"], [("d/A.txt", "d/a.txt", "case")]),
        ([NFD], [NFC, "other"], [(NFD, NFC, "Unicode form")]),
        ([NFD.upper()], [NFC], [(NFD.upper(), NFC, "case and Unicode form")]),
        (["D/a", "x"], ["d/a", "y"], [("D/a", "d/a", "case")]),
        (["A"], ["a", "\uff21"], [("A", "a", "case")]),
        (["A", "a"], ["\u00e5"], []),
        (["AB", "aB"], ["ab"], []),  # either could be meant
        (["AB"], ["ab", "Ab"], []),
        (["a"], ["b"], []),
        (["bad\udcff"], ["BAD\udcff"], [("bad\udcff", "BAD\udcff", "case")]),
        ([], ["a"], []),
    ],
)
def test_plain_pairs(missing, extra, expected) -> None:
    assert namesakes(missing, extra) == expected
