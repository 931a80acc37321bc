"""`--dry_run`: the exit code of several trees."""

from __future__ import annotations

from typing import Any, Sequence, Tuple
from unittest.mock import Mock

import pytest

from vdt.vizgen.dryrun import joined_code, process_code


def results(codes: Sequence[int]) -> Any:
    return [(Mock(), Mock(exit_code=code)) for code in codes]


@pytest.mark.parametrize(
    ("codes", "joined"),
    [
        ((), 0),
        ((0, 0, 0), 0),
        ((1, 0, 2), 3),
        ((1, 8, 4), 13),
        ((16, 1, 8), 16),
        ((1, 16), 16),
        ((16,), 16),
    ],
)
def test_the_bits_are_joined_and_a_fatal_one_stands_alone(codes: Tuple[int, ...], joined: int) -> None:
    assert joined_code(results(codes)) == joined


@pytest.mark.parametrize(
    ("code", "ends_with"), [(0, 0), (1, 0), (3, 0), (4, 12), (5, 13), (8, 8), (9, 9), (13, 13), (16, 16)]
)
def test_the_process_ends_well_unless_the_transfer_would_not(code: int, ends_with: int) -> None:
    assert process_code(code, robocopy_exit_code=False) == ends_with
    assert process_code(code, robocopy_exit_code=True) == code
