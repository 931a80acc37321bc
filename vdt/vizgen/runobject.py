"""The JSON object of a run. Pure; judges nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Optional

from vdt.model import Count, TreeResult
from vdt.report import tree_object
from vdt.version import __version__
from vdt.vizgen.finished import Finished
from vdt.vizgen.report import RunReport
from vdt.vizgen.verdict import verdict_object


def _counts_object(before: Optional[Count], after: Optional[Count]) -> Dict[str, Any]:
    return {name: None if count is None else vars(count) for name, count in (("before", before), ("after", after))}


def _finished_object(finished: Optional[Finished]) -> Optional[Dict[str, Any]]:
    if finished is None:
        return None
    told = None if finished.unknown else finished.sure
    return {"is_finished": told, "missing": list(finished.missing), "unknown": finished.unknown}


def run_object(report: RunReport, started: datetime) -> Dict[str, Any]:
    """What `--json` writes at the end of a run."""
    trees: Dict[str, Any] = {}
    results: List[TreeResult] = []
    for tree in report.trees:
        if tree.result is not None:
            results.append(tree.result)
            trees[tree.copy_type.value] = {**tree_object(tree.result), "log_status": tree.log_status}
        else:
            trees[tree.copy_type.value] = {"source": tree.source, "destination": tree.destination, "complete": False}
        trees[tree.copy_type.value]["python_counts"] = _counts_object(tree.before, tree.after)
        trees[tree.copy_type.value]["robocopy_counts"] = _counts_object(tree.robocopy_before, tree.robocopy_after)
        trees[tree.copy_type.value]["exit_code"] = tree.robocopy_code
        trees[tree.copy_type.value]["error"] = tree.error
    return {
        "version": __version__,
        "command": report.command,
        "run_id": report.run_id,
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now().astimezone().isoformat(timespec="seconds"),
        "complete": 0 < len(results) == len(report.trees) and all(result.reached_end for result in results),
        "exit_code": report.exit_code,
        "verdict": verdict_object(report.verdict),
        "error": report.error,
        "finished": _finished_object(report.finished),
        "trees": trees,
    }
