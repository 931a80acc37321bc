"""Medians, rates, ratios and what may stand beside what."""

from __future__ import annotations

import pytest

from comparing.contenders import auditors, copiers
from comparing.figures import amount, by_evidence, by_level, by_threads, rows, sentences, spread, strength
from comparing.table import lines
from vdt.model import Evidence

from .values import HELD, names, run, some_rows


def row(name: str):  # type: ignore[no-untyped-def]
    (one,) = (one for one in some_rows() if one.name == name)
    return one


def test_a_row_has_median_range_rates_and_ratio() -> None:
    bare = row("vdt copy --verify none")
    assert (bare.total.median, bare.total.least, bare.total.most) == (2.0, 1.0, 3.0)
    assert bare.mb_per_s == pytest.approx(100) and bare.files_per_s == pytest.approx(50)
    assert bare.ratio == pytest.approx(0.5) and bare.peak_mib == 10
    assert spread([3.0, 1.0]).median == 2.0


def test_the_flush_counts_and_is_shown_by_itself() -> None:
    cold = row("vdt copy --verify cold")
    assert cold.total.median == 4.0 and cold.flush_seconds == 1.0 and cold.ratio == 1.0


def test_evidence_is_what_was_proven_and_a_weaker_one_is_marked() -> None:
    both = row("vdt copy --verify both")
    assert both.evidence is Evidence.REREAD and both.weaker and both.proves == "read back"
    assert not row("vdt copy --verify cold").weaker and not row("rsync -a").weaker
    mixed = rows(copiers([]), {"vdt copy --verify cold": [run(1, Evidence.COLD), run(1, Evidence.REREAD)]}, HELD)
    assert mixed[0].evidence is Evidence.REREAD, "the least proven turn decides"


def test_who_failed_once_has_no_figure() -> None:
    found = rows(copiers([]), {"cp -a": [run(1, Evidence.NONE), run(9, Evidence.NONE, fault="broke")]}, HELD)
    assert found[0].total is None and found[0].fault == "broke" and found[0].ratio is None


def test_like_stands_beside_like_the_strongest_first_and_the_fastest_first() -> None:
    groups = by_evidence(some_rows())
    assert list(groups) == [Evidence.COLD, Evidence.REREAD, Evidence.INFLIGHT, Evidence.NONE]
    assert names(groups[Evidence.NONE])[:2] == ["cp -a", "vdt copy --verify none"]
    assert sum(map(len, groups.values())) == len(some_rows())
    assert strength(Evidence.ON_RECORD) == 0, "what an earlier run proved is no work of this one"


def test_levels_and_threads_are_picked_out() -> None:
    assert [one.contender.verify for one in by_level(some_rows())] == ["none", "cold", "both"]
    assert [(count, one.name) for count, one in by_threads(some_rows())] == [
        (1, "vdt copy --threads 1"),
        (8, "vdt copy --verify cold"),
    ]


def test_each_job_has_its_own_ratio() -> None:
    runs = {
        "vdt copy --verify cold": [run(10, Evidence.COLD)],
        "vdt audit --source": [run(2, Evidence.COLD)],
        "xxhsum -c": [run(1, Evidence.REREAD)],
    }
    assert [one.ratio for one in rows([*copiers([]), *auditors()], runs, HELD)] == [1.0, 1.0, 0.5]


def test_the_sentences_compare_like_with_like() -> None:
    said = sentences(some_rows())
    assert said == [
        "Ours at its default: 50 MB/s and 25 files/s, read back past this client's cache.",
        "Whatever they prove, the fastest is cp -a, in 0.25 times that time (copied, not checked).",
        "Beside ours with --verify none, the default takes +100 % of time.",
    ], "nobody else read the copy back"
    assert sentences([]) == []
    close = {
        "vdt copy --verify none": [run(2, Evidence.NONE), run(4, Evidence.NONE)],
        "vdt copy --verify cold": [run(1, Evidence.COLD), run(3, Evidence.COLD)],
    }
    assert sentences(rows(copiers([]), close, HELD))[-1].endswith("the noise of these rounds.")


def test_amounts_are_whole_where_that_is_enough() -> None:
    assert [amount(value) for value in (1049.4, 10, 9.96, 0.746)] == ["1,049", "10", "10", "0.75"]


def test_the_table_has_a_line_each_and_reasons_for_those_without_figures() -> None:
    text = lines(some_rows())
    assert sum(line.startswith("  ") for line in text[1:]) == len(some_rows())
    (failed,) = (line for line in text if "failed" in line)
    assert failed.strip().startswith("rclone copy") and failed.endswith("failed: it said <success> & lied")
    (cold,) = (line for line in text if "--verify cold" in line)
    assert cold.split()[-7:] == ["4.000", "4.000", "4.000", "1.000", "50.0", "25", "1.00"]
    (both,) = (line for line in text if "--verify both" in line)
    assert both.endswith("asked for 'both'")
