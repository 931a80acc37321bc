"""A MERSCOPE run for tests, benchmarks and demonstrations: real names and shapes, made-up contents."""

from vdt.sample.catalogue import DEFAULT_RUN_ID, FULL_FOVS, TREES
from vdt.sample.generator import write_run
from vdt.sample.planner import COMPACT, DEMO, FULL, PlannedFile, RunSize, plan_folders, plan_run, tree_root

__all__ = [
    "COMPACT",
    "DEFAULT_RUN_ID",
    "DEMO",
    "FULL",
    "FULL_FOVS",
    "TREES",
    "PlannedFile",
    "RunSize",
    "plan_folders",
    "plan_run",
    "tree_root",
    "write_run",
]
