"""The command `vdt may-delete RUN_ID`."""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Tuple

from vdt import fs
from vdt.cli.reply import add_config, add_reports, reply
from vdt.cli.terminal import Parser, stop_on_signals
from vdt.errors import AbandonedError
from vdt.model import Evidence, Problem
from vdt.progress import Console
from vdt.report import tree_object
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.vizgen.config import load_config
from vdt.vizgen.layout import check_run_id
from vdt.vizgen.maydelete import Answer, may_delete
from vdt.vizgen.report import TreeReport
from vdt.vizgen.sources import refuse_in_sources
from vdt.vizgen.verdict import verdict_lines, verdict_object
from vdt.watch import Watch

_MOST_NAMED = 20

_EPILOG = """\
example:
  vdt may-delete 202310261058_VZGEN1_VMSC10202 --vizgen_config L:\\config_files\\.vizgen_config.toml

Both sides are listed now and held against the evidence, the manifests and the locks beside the trees. No file of a tree
is read and nothing is written. The answer is YES only where a transfer begun now would copy and read nothing and say
YES; --audit of vizgen_data_transfer reads the copies again.

exit code: 0 YES; 8 NO; 16 it could not be looked at.
"""


def parser() -> Parser:
    """The options of `vdt may-delete`."""
    p = Parser(
        prog="vdt may-delete",
        description="Says whether the source of a run may be deleted, and if not why.",
        epilog=_EPILOG,
    )
    p.add_argument("run_id", metavar="RUN_ID", help="run folder name, for example 202310261058_VZGEN1_VMSC10202")
    add_config(p)
    add_reports(p)
    return p


def command(arguments: List[str]) -> int:
    """Look, answer. Raises VdtError."""
    options = parser().parse(arguments)
    run_id = check_run_id(options.run_id)
    stop, watch, progress = StopFlag(), Watch(), Console(sys.stderr)
    stop_on_signals(stop, progress.say)

    def work() -> Answer:
        config = load_config(options.vizgen_config, windows=fs.WINDOWS, disk=options.disk, need_mail=False)
        refuse_in_sources(options.json or "", config)
        return may_delete(run_id, config, stop=stop, progress=progress, say=progress.say, watch=watch)

    try:
        answer = supervised(work, stop)
    except AbandonedError as gone:
        raise AbandonedError(" ".join([str(gone), *watch.hanging()])) from gone
    finally:
        progress.end()
    reply("may-delete", arguments, answer_lines(answer), answer_object(answer), options.json, stop)
    return answer.exit_code


def answer_lines(answer: Answer) -> List[str]:
    """The answer first, then what it was made from."""
    lines = list(verdict_lines(answer.verdict))
    lines.append(f"Looked at {answer.looked_at:%Y-%m-%d %H:%M:%S}, by size, time and evidence; no file was read.")
    for tree in answer.trees:
        lines += _tree_lines(tree)
    if not answer.verdict.yes:
        lines.append(
            f"What is missing is copied and proven by: vizgen_data_transfer {answer.run_id}. What is on record is not "
            "copied again."
        )
    return lines


def _tree_lines(tree: TreeReport) -> List[str]:
    name, result = tree.copy_type.value, tree.result
    lines = [f"{name}: {tree.source} -> {tree.destination}"]
    if tree.error:
        lines.append(f"  {tree.error}")
    if result is None:
        return lines
    proven = result.files_by_evidence.get(Evidence.ON_RECORD, 0) - result.weak_files
    total = tree.before.files if tree.before is not None else result.files.total
    lines.append(f"  {max(0, proven)} of {total} files were read back past this client's cache and are unchanged")
    if result.weak_files:
        lines.append(f"  {result.weak_files} were only read back")
    for word, problems in (
        ("not proven", result.unproven),
        ("failed", result.failed),
        ("conflict", result.conflict),
        ("type mismatch", result.type_mismatch),
        ("leads out of the tree", result.outward_links),
        ("not copied", result.special),
        ("new or changed", result.changed_since),
    ):
        lines += _named(word, problems)
    if result.files.extras or result.dirs.extras:
        lines.append(f"  only at the destination: {result.files.extras + result.dirs.extras}, no reason against it")
    return lines + [f"  note: {note}" for note in result.notes]


def _named(word: str, problems: Tuple[Problem, ...]) -> List[str]:
    lines = [f"  {word}: {problem.path or '.'}: {problem.reason}" for problem in problems[:_MOST_NAMED]]
    if len(problems) > _MOST_NAMED:
        lines.append(f"  {word}: {len(problems) - _MOST_NAMED} more; --json names them all")
    return lines


def answer_object(answer: Answer) -> Dict[str, Any]:
    """The same for a script."""
    trees: Dict[str, Any] = {}
    for tree in answer.trees:
        known = {"source": tree.source, "destination": tree.destination, "complete": False}
        if tree.result is not None:
            known = tree_object(tree.result)
        counts = {name: None if count is None else vars(count) for name, count in _counts(tree)}
        trees[tree.copy_type.value] = {**known, "python_counts": counts, "error": tree.error}
    return {
        "run_id": answer.run_id,
        "looked_at": answer.looked_at.isoformat(timespec="seconds"),
        "exit_code": answer.exit_code,
        "verdict": verdict_object(answer.verdict),
        "trees": trees,
    }


def _counts(tree: TreeReport) -> List[Tuple[str, Any]]:
    return [("before", tree.before), ("after", tree.after)]
