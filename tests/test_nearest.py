"""Run ids that somebody may have meant."""

from __future__ import annotations

from typing import Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.vizgen.nearest import did_you_mean, nearest_runs

RUN = "202310261058_VZGEN1_VMSC10202"
RUNS = (
    RUN,
    "202310271101_VZGEN1_VMSC10203",
    "202311020930_VZGEN1_VMSC10300",
    "202401150915_VZGEN2_VMSC20017",
    "logs",
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (RUN.lower(), (RUN,)),
        (RUN + " ", (RUN,)),
        (RUN.replace("10202", "10203"), (RUN,)),  # one letter wrong; the run of the next day is five away
        (RUN.replace("1058", "1508"), (RUN,)),  # swapped
        (RUN[1:], (RUN,)),
        (RUN + "2", (RUN,)),
        ("VMSC10300", ("202311020930_VZGEN1_VMSC10300",)),  # a part of the name
        ("202310271", ("202310271101_VZGEN1_VMSC10203",)),
        ("VZGEN1", ("202311020930_VZGEN1_VMSC10300", "202310271101_VZGEN1_VMSC10203", RUN)),  # the latest first
        ("log", ("logs",)),
        ("103", ()),  # three letters stand in many names
        ("NO_SUCH_RUN", ()),
        ("", ()),
    ],
)
def test_what_may_be_meant(typed: str, meant: Tuple[str, ...]) -> None:
    assert nearest_runs(typed, RUNS) == meant


def test_no_more_than_three_are_offered_and_the_nearest_first() -> None:
    many = [f"run_of_tuesday_{n:02}" for n in range(20)]
    assert nearest_runs("run_of_tuesday_07x", many)[0] == "run_of_tuesday_07"
    assert len(nearest_runs("run_of_tuesday_07x", many)) == 3


def test_the_question() -> None:
    assert did_you_mean(()) == ""
    assert did_you_mean(("a",)) == "Did you mean a?"
    assert did_you_mean(("a", "b", "c")) == "Did you mean a, b or c?"


@given(st.text("abcXYZ019_-.", min_size=8, max_size=40), st.integers(0, 39), st.sampled_from("aB9_"))
def test_any_name_with_one_letter_wrong_is_found(name: str, at: int, letter: str) -> None:
    at %= len(name)
    assert name in nearest_runs(name[:at] + letter + name[at + 1 :], [name])
