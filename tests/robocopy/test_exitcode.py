"""A sentence for every exit code, and what each must say."""

from __future__ import annotations

import pytest

from vdt.robocopy.exitcode import exit_text


def test_every_code_has_its_own_sentence() -> None:
    texts = [exit_text(code) for code in range(17)]
    assert len(set(texts)) == 17
    assert all(text[0].isupper() and text.endswith(".") and "\n" not in text for text in texts)


@pytest.mark.parametrize("code", range(1, 16))
def test_each_bit_is_told(code: int) -> None:
    text = exit_text(code).lower()
    assert ("no file was copied" not in text) == bool(code & 1)
    assert ("source does not have" in text) == bool(code & 2)
    assert ("folder on the other" in text) == bool(code & 4)
    assert ("nothing failed" not in text) == bool(code & 8)


@pytest.mark.parametrize("code", [-1, 17, 3221225786])
def test_foreign_codes(code: int) -> None:
    assert str(code) in exit_text(code)
    assert "no exit code of robocopy" in exit_text(code)
