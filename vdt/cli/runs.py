"""The command `vdt runs`."""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional, Tuple

from vdt import fs
from vdt.cli.reply import add_config, add_reports, reply
from vdt.cli.terminal import Parser, stop_on_signals
from vdt.progress import Console
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.vizgen.config import load_config
from vdt.vizgen.onrecord import Beside
from vdt.vizgen.runs import SORTS, Run, in_order, list_runs
from vdt.vizgen.sources import refuse_in_sources

_EPILOG = """\
examples:
  vdt runs --vizgen_config L:\\config_files\\.vizgen_config.toml
  vdt runs --sort size --reverse
  vdt runs --json runs.json

The columns come from what lies beside the trees: the evidence files (size, files, date, evidence, last audit), the
names of the manifests (proof) and, where no evidence is there, the end of the log (size, files). No tree is listed
without --count, so a file that somebody deleted since is not seen: ask vdt may-delete RUN_ID before anything goes.

exit code: 0 every run was looked at; 8 some could not be read; 16 nothing could be looked at.
"""
_HEADS = ("RUN", "DATE", "SIZE", "FILES", "PROOF", "EVIDENCE", "LAST AUDIT", "SOURCE", "MAY IT BE DELETED?")


def parser() -> Parser:
    """The options of `vdt runs`."""
    p = Parser(
        prog="vdt runs",
        description="Lists all runs below the Isilon drive: size, date, what is proven and by which evidence.",
        epilog=_EPILOG,
    )
    add_config(p)
    how = p.add_argument_group("what is shown")
    how.add_argument("--sort", choices=SORTS, default="run", help="order of the lines (default: run)")
    how.add_argument("--reverse", action="store_true", help="the other way round")
    how.add_argument("--count", action="store_true", help="list the trees and count what lies there now; takes long")
    how.add_argument(
        "--fresh", action="store_true", help="read all evidence again, whatever was kept of it on this computer"
    )
    how.add_argument("--state", metavar="DIR", default="", help="folder of this computer where sums are kept")
    add_reports(p)
    return p


def command(arguments: List[str]) -> int:
    """Look, list. Raises VdtError."""
    options = parser().parse(arguments)
    stop, progress = StopFlag(), Console(sys.stderr)
    stop_on_signals(stop, progress.say)

    def work() -> List[Run]:
        config = load_config(options.vizgen_config, windows=fs.WINDOWS, disk=options.disk, need_mail=False)
        refuse_in_sources(options.json or "", config)
        return list_runs(
            config,
            stop=stop,
            count=options.count,
            fresh=options.fresh,
            state=fs.absolute(options.state) if options.state else "",
            told=progress.phase,
        )

    try:
        runs = in_order(supervised(work, stop), options.sort, reverse=options.reverse)
    finally:
        progress.end()
    code = 8 if any(run.trouble or any(tree.trouble for tree in run.trees.values()) for run in runs) else 0
    value = {"exit_code": code, "counted": options.count, "runs": [run_object(run) for run in runs]}
    reply("runs", arguments, table(runs), value, options.json, stop)
    return code


def table(runs: List[Run]) -> List[str]:
    """A line a run below the heads of the columns, and the sum. Pure."""
    rows = [_HEADS, *(_cells(run) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    right = (2, 3)  # numbers
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    total = sum(run.size_bytes or 0 for run in runs)
    proven = sum(run.proof == "proven" for run in runs)
    lines.append("")
    lines.append(f"{len(runs)} runs, {_size(total)}; {proven} proven. Made from the records beside the trees.")
    return lines


def _cells(run: Run) -> Tuple[str, ...]:
    objection = run.objection
    return (
        run.run_id,
        run.date or "-",
        _size(run.size_bytes),
        "-" if run.files is None else str(run.files),
        run.proof,
        run.evidence,
        run.audited or "never",
        run.source,
        f"no: {objection}" if objection else f"ask: vdt may-delete {run.run_id}",
    )


def _size(size_bytes: Optional[int]) -> str:
    return "-" if size_bytes is None else f"{size_bytes / 1024**3:.1f} GB"


def run_object(run: Run) -> Dict[str, Any]:
    """The same for a script."""
    return {
        "run": run.run_id,
        "date": run.date,
        "bytes": run.size_bytes,
        "files": run.files,
        "proof": run.proof,
        "evidence": run.weakest,
        "last_audit": run.audited,
        "source": run.source,
        "objection": run.objection,
        "trouble": run.trouble,
        "trees": {kind.value: _tree_object(tree) for kind, tree in run.trees.items()},
    }


def _tree_object(tree: Beside) -> Dict[str, Any]:
    return {
        "there": tree.there,
        "complete_manifest": tree.manifest and not tree.incomplete,
        "proven": tree.proven,
        "at_work": tree.at_work,
        "files_by_evidence": tree.evidence.files,
        "bytes": tree.size_bytes,
        "files": tree.number,
        "transferred": tree.transferred,
        "audited": tree.audited,
        "audited_by": tree.audited_by,
        "audit_findings": tree.evidence.findings,
        "trouble": tree.trouble,
    }
