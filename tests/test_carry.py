"""The last lines of `vdt copy`: every file that is not well, by one of the five words, with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from vdt.cli.carry import summary_lines
from vdt.model import Evidence, Problem, TreeResult

WHEN = datetime(2026, 4, 12, 18, 15, tzinfo=timezone.utc)
RESULT = TreeResult(source="/s", destination="/d", started=WHEN, ended=WHEN, reached_end=True)


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("failed", "failed"),
        ("unproven", "failed"),  # it is there, and could not be read to be proven
        ("unstable", "unstable"),
        ("conflict", "conflict"),
        ("type_mismatch", "type mismatch"),
        ("special", "not copied"),
    ],
)
def test_a_file_that_is_not_well_is_named_with_its_reason(field: str, word: str) -> None:
    result = replace(RESULT, **{field: (Problem("d/a\x1b", "because"),)})
    assert f"{word}: d/a\\x1b: because" in summary_lines(result, dry_run=False)


def test_a_list_is_cut_and_says_where_the_rest_is() -> None:
    many = tuple(Problem(f"f{n}", "why") for n in range(40))
    lines = summary_lines(replace(RESULT, failed=many, unproven=many), dry_run=False)
    assert len([line for line in lines if line.startswith("failed: f")]) == 50
    assert "failed: 30 more; --json or --jsonl names them all" in lines


def test_levels_stand_in_plain_words() -> None:
    counts = dict.fromkeys(Evidence, 1)
    text = "\n".join(summary_lines(replace(RESULT, files_by_evidence=counts), dry_run=False))
    assert all(f"  {level.words}: 1 files" in text for level in Evidence)
    for level in ("inflight", "reread", "cold", "on_record"):
        assert level not in text
