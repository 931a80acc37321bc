"""`--dry_run`: the exit code of several trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Sequence, Tuple
from unittest.mock import Mock

import pytest

from vdt.errors import RefusedError
from vdt.model import Existing, Policy, Verify
from vdt.records import NO_RECORDS
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.treejob import TreeJob
from vdt.vizgen import dryrun
from vdt.vizgen.dryrun import dry_tree, joined_code, process_code
from vdt.vizgen.layout import CopyType, tree_paths
from vdt.vizgen.tree import Settings


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


POLICY = Policy(exclude_files=("*.tmp",))
SETTINGS = Settings(
    policy=POLICY,
    verify=Verify.BOTH,
    existing=Existing.TRUST,
    replace_proven=True,
    threads=3,
    retry=RetryPlan(),
    share_wait_s=1.0,
    also="md5",
)


def test_a_dry_run_decides_as_the_transfer_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive, isilon = tmp_path / "analysis", tmp_path / "isilon"
    item = tree_paths(CopyType.OUTPUT, "RUN", str(drive), str(isilon), str(isilon / "logs"))
    jobs: List[TreeJob] = []
    records = Mock()
    monkeypatch.setattr(dryrun, "transfer_tree", lambda job, *rest: jobs.append(job) or Mock())
    monkeypatch.setattr(
        dryrun, "load_records", lambda folder: (records if folder == item.evidence_folder else None, [])
    )
    with pytest.raises(RefusedError):
        dry_tree(item, SETTINGS, print, StopFlag())
    Path(item.source).mkdir(parents=True)
    isilon.mkdir()
    dry_tree(item, SETTINGS, print, StopFlag())
    (job,) = jobs
    assert job.dry_run and job.policy == POLICY and job.verify is Verify.BOTH and job.existing is Existing.TRUST
    assert job.replace_proven and job.also == "md5" and job.records is records is not NO_RECORDS
    assert (job.source, job.destination) == (item.source, item.destination)


def test_a_dry_run_refuses_what_lies_within_itself(tmp_path: Path) -> None:
    inside = tmp_path / "merfish_output" / "RUN"
    item = tree_paths(CopyType.OUTPUT, "RUN", str(tmp_path), str(inside), str(inside / "logs"))
    Path(item.source).mkdir(parents=True)
    with pytest.raises(RefusedError):
        dry_tree(item, SETTINGS, print, StopFlag())
