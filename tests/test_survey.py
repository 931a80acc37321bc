"""Where each run of the source stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_lookout import RUN, config_of, make, prove

from vdt.errors import UsageError
from vdt.model import Existing, Verify
from vdt.vizgen.finished import MARKERS
from vdt.vizgen.survey import Seen, Standing, check_can_prove, standing, survey


def test_each_standing(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    make(tmp_path)
    assert standing(config, RUN) == Seen(RUN, Standing.READY)
    prove(tmp_path)
    assert standing(config, RUN) == Seen(RUN, Standing.PROVEN)
    make(tmp_path, "B", MARKERS[:2])
    assert standing(config, "B") == Seen("B", Standing.UNFINISHED, "MERLIN_FINISHED")
    make(tmp_path, "C", trees="raw_data")
    assert standing(config, "C") == Seen("C", Standing.LACKING, "analysis, output")


@pytest.mark.parametrize("spoil", ["manifest", "incomplete", "flag", "analysed again"])
def test_what_ends_a_proof(tmp_path: Path, spoil: str) -> None:
    make(tmp_path)
    prove(tmp_path)
    run = tmp_path / "isilon_drive" / RUN
    if spoil == "manifest":
        (run / "output.xxh128").unlink()
    elif spoil == "incomplete":
        (run / "output.incomplete.xxh128").write_text("")
    elif spoil == "flag":
        (run / "raw_data/MERLIN_FINISHED").unlink()
    else:
        os.utime(tmp_path / "analysis_drive/merfish_raw_data" / RUN / "MERLIN_FINISHED", (1, 1))
    assert standing(config_of(tmp_path), RUN).standing is Standing.READY


def test_a_survey_is_in_the_order_of_the_names_and_knows_patterns(tmp_path: Path) -> None:
    for name in ("2026B", "2025C", "2026A"):
        make(tmp_path, name)
    (tmp_path / "analysis_drive/merfish_raw_data/2026Z").write_text("a file")
    found = [run.run_id for run in survey(config_of(tmp_path))]
    assert found == ["2025C", "2026A", "2026B"]
    assert [run.run_id for run in survey(config_of(tmp_path), ("2026*", "*C"))] == found
    assert [run.run_id for run in survey(config_of(tmp_path), ("2026*",))] == found[1:]


@pytest.mark.parametrize("gone", ["isilon_drive", "analysis_drive"])
def test_a_drive_that_is_away_is_no_empty_survey(tmp_path: Path, gone: str) -> None:
    make(tmp_path)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        survey(config_of(tmp_path))


def test_settings_that_never_prove_are_refused(tmp_path: Path) -> None:
    check_can_prove(config_of(tmp_path, verify=Verify.REREAD))
    for wrong in ({"existing": Existing.TRUST}, {"verify": Verify.NONE}, {"verify": Verify.INFLIGHT}):
        with pytest.raises(UsageError, match="no run is ever proven"):
            check_can_prove(config_of(tmp_path, **wrong))
