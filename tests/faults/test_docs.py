"""docs/reliability.md tells the truth: the tests that it names exist, and no fault or mutant is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("fcntl")

from .scenarios import SCENARIOS
from .test_mutants import MUTANTS

HERE = Path(__file__).resolve().parents[2]
PAGE = (HERE / "docs" / "reliability.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[a-z_/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=str)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert re.search(rf"^(def|class) {name}\b", (HERE / file).read_text("utf-8"), re.M)


def test_every_fault_and_mutant_is_listed() -> None:
    assert len(NAMED) > 50
    for number in range(1, 18):
        assert f"| N{number:02} " in PAGE
    text = " ".join(PAGE.split())
    for protection in MUTANTS:
        assert protection in text, protection
    judged = [scenario for scenario in SCENARIOS if not scenario.information]
    assert f"{len(SCENARIOS)} faults, {len(judged)} of them judged" in text, (len(SCENARIOS), len(judged))


def test_the_rows_of_the_comparison_add_up() -> None:
    judged = sum(not scenario.information for scenario in SCENARIOS)
    rows = re.findall(r"^\| `[^|]*\|((?: \**\d+\** \|)+)$", PAGE, re.M)
    assert len(rows) == 10
    for row in rows:
        numbers = [int(number) for number in re.findall(r"\d+", row)]
        assert sum(numbers[:4]) == judged, row
