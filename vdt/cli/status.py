"""The command `vdt status RUN_ID`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any, Dict, List

from vdt import fs
from vdt.cli.reply import add_config, add_reports, reply
from vdt.cli.terminal import Parser, seconds, stop_on_signals
from vdt.errors import StoppedError
from vdt.progress import Console
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.vizgen.config import load_config
from vdt.vizgen.layout import check_run_id
from vdt.vizgen.pace import Seen
from vdt.vizgen.sources import refuse_in_sources
from vdt.vizgen.status import SURE_AFTER_S, Status, TreeStatus, Worker, look

_EPILOG = f"""\
example:
  vdt status 202310261058_VZGEN1_VMSC10202 --vizgen_config L:\\config_files\\.vizgen_config.toml

Who is at work, what is done and left and how fast are written into the lock beside each tree by the transfer itself,
every 30 seconds; the rate is that of the last 30 seconds, the time left that of the whole tree so far. A transfer on
another computer is known to be alive when its counter moves, which is waited for ({SURE_AFTER_S:g} s at most; --wait).
While a run is still being counted, nothing is on the share yet: then only the computer it runs on can tell. Nothing is
written and no lock is taken.

exit code: 0 no transfer is under way and all three trees are proven; 1 one is under way; 8 none is, and not all is
proven; 16 it could not be looked at.
"""


def parser() -> Parser:
    """The options of `vdt status`."""
    p = Parser(
        prog="vdt status",
        description="Shows how far the transfer of a run is, from any terminal or computer that sees the storage.",
        epilog=_EPILOG,
    )
    p.add_argument("run_id", metavar="RUN_ID", help="run folder name, for example 202310261058_VZGEN1_VMSC10202")
    add_config(p)
    how = p.add_argument_group("how")
    how.add_argument(
        "--wait",
        type=seconds,
        default=SURE_AFTER_S,
        metavar="S",
        help=f"watch the counter of another computer for so long at most (default {SURE_AFTER_S:g} seconds); with less "
        "it may stay unknown whether that transfer is alive",
    )
    add_reports(p)
    return p


def command(arguments: List[str]) -> int:
    """Look, show. Raises VdtError."""
    options = parser().parse(arguments)
    run_id = check_run_id(options.run_id)
    stop, progress = StopFlag(), Console(sys.stderr)
    stop_on_signals(stop, progress.say)

    def work() -> Status:
        config = load_config(options.vizgen_config, windows=fs.WINDOWS, disk=options.disk, need_mail=False)
        refuse_in_sources(options.json or "", config)
        return look(run_id, config, wait_s=options.wait, wait=stop.wait, told=progress.say)

    try:
        status = supervised(work, stop)
    finally:
        progress.end()
    if stop:
        raise StoppedError(f"Stopped ({stop.reason}).")
    reply("status", arguments, status_lines(status), status_object(status), options.json, stop)
    return status.exit_code


def status_lines(status: Status) -> List[str]:
    """The answer first, then tree by tree. Pure."""
    lines = [f"{status.run_id}: {_headline(status)}"]
    lines += [f"Process {process} of this computer works on it: {last}" for process, last in status.here]
    for tree in status.trees:
        lines += _tree_lines(tree)
    return lines


def _headline(status: Status) -> str:
    ended = next((tree.log_ended for tree in reversed(status.trees) if tree.log_ended), "")
    when = f"the last one ended {ended}" if ended else "none is known to have reached its end"
    return {
        "under way": "a transfer is under way.",
        "broken off": "a transfer broke off. The same command goes on with it.",
        "proven": f"no transfer is under way; {when}. All three trees are proven.",
    }.get(status.state, f"no transfer is under way; {when}. Not all is proven.")


def _tree_lines(tree: TreeStatus) -> List[str]:
    name, worker, records = tree.copy_type.value, tree.worker, tree.records
    if worker is None:
        files = f", {records.evidence.total} files on record" if records.evidence.total else ""
        lines = [f"{name}: {tree.state}{files}"]
        if tree.state == "not proven" and tree.log_status:
            lines.append(f"  log: {tree.log_status}")
    else:
        lines = [f"{name}: {_who(worker, tree.state)}"]
        if worker.seen is not None:
            lines += _pace_lines(worker.seen, tree.landed_bytes)
        elif worker.holder is not None:
            lines.append(f"  how far it is does not stand in its lock; {records.evidence.total} files are on record")
    if tree.partials:
        lines.append(f"  {tree.partials} partly copied large files hold {_size(tree.landed_bytes)}")
    if records.trouble:
        lines.append(f"  {records.trouble}")
    return lines


def _who(worker: Worker, state: str) -> str:
    if worker.holder is None:
        return f"a transfer may be under way: {worker.why}"
    phase = worker.seen.phase if worker.seen is not None and state == "under way" else state
    return f"{phase}, by {worker.holder.words} ({worker.why})"


def _pace_lines(seen: Seen, landed_bytes: int) -> List[str]:
    done = min(seen.of_bytes, seen.size_bytes + landed_bytes)
    share = f" ({100 * done / seen.of_bytes:.1f} %)" if seen.of_bytes else ""
    left, left_s = seen.left(landed_bytes), seen.left_s(landed_bytes)
    lines = [
        f"  done: {seen.files} of {seen.of_files} files, {_size(done)} of {_size(seen.of_bytes)}{share}",
        f"  left: {left.files} files, {_size(left.size_bytes)}"
        + (f", about {_span(left_s)} at the pace so far" if left_s is not None else ", for how long is not known yet"),
        f"  rate: {seen.files_per_s:g} files/s, {seen.bytes_per_s / 1024**2:.1f} MB/s",
        f"  at work on this tree for {_span(seen.elapsed_s)}",
    ]
    if seen.failed:
        lines.append(f"  {seen.failed} files failed so far; the log beside the tree names them")
    return lines


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.2f} GB"


def _span(seconds_: float) -> str:
    whole = int(min(seconds_, 1e9) + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def status_object(status: Status) -> Dict[str, Any]:
    """The same for a script."""
    return {
        "run_id": status.run_id,
        "state": status.state,
        "exit_code": status.exit_code,
        "here": [{"process": process, "last": last} for process, last in status.here],
        "trees": {tree.copy_type.value: _tree_object(tree) for tree in status.trees},
    }


def _tree_object(tree: TreeStatus) -> Dict[str, Any]:
    worker = tree.worker
    at_work = None
    if worker is not None:
        holder, seen = worker.holder, worker.seen
        at_work = {
            "host": None if holder is None else holder.host,
            "process": None if holder is None else holder.process_id,
            "since": None if holder is None else holder.since,
            "alive": worker.alive,
            "why": worker.why,
            "progress": None if seen is None else asdict(seen),
            "left_s": None if seen is None else seen.left_s(tree.landed_bytes),
        }
    return {
        "state": tree.state,
        "at_work": at_work,
        "files_by_evidence": tree.records.evidence.files,
        "partials": tree.partials,
        "landed_bytes": tree.landed_bytes,
        "log_ended": tree.log_ended,
        "log_status": tree.log_status,
        "trouble": tree.records.trouble,
    }
