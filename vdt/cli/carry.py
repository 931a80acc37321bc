"""Carries out one request to copy a tree for a command: supervised, with its reports, and words for the person."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Any, Callable, Dict, List, Optional, Sequence, Tuple

from vdt.bwlimit import BandwidthPlan, TokenBucket
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import AbandonedError, LostOutputError, VdtError
from vdt.jsonfile import check_place
from vdt.model import Evidence, TreeResult
from vdt.own import get_ready
from vdt.preflight import check_report
from vdt.printable import printable
from vdt.progress import Progress
from vdt.recorder import FileSink, no_sink
from vdt.report import file_object, tree_object, verdict_words
from vdt.stop import StopFlag
from vdt.supervise import supervised
from vdt.treelog import LogSink, NoLog
from vdt.version import __version__
from vdt.watch import Watch


def carry_out(
    request: CopyRequest,
    *,
    stop: StopFlag,
    watch: Watch,
    progress: Progress,
    bwlimit: Optional[BandwidthPlan],
    reports: Sequence[Optional[str]],
    jsonl: str = "",
    listing: LogSink = NoLog(),
    console: LogSink = NoLog(),
) -> Tuple[Optional[TreeResult], Optional[VdtError]]:
    """Copy, in a thread of its own: where the system does not answer after a Ctrl-C, what is known so far is given
    back and the copy is left where it hangs.

    Args:
        reports: files that must not lie in the source.
        jsonl: takes a line a file; "" is none.
        listing: takes the log of a dry run that writes no log file.
        console: takes the log of every run.

    Returns:
        What is known of the copy, or why there is none.

    Raises:
        VdtError: a report may lie in the source: nothing may be written there.
    """

    watch.roots = (os.path.abspath(request.source), os.path.abspath(request.destination))

    def check() -> None:
        for report in reports:
            check_report("" if report == "-" else report or "", request.source)
            check_place(report or "")

    def work() -> TreeResult:
        with ExitStack() as stack:
            return copy_tree(
                request,
                stop=stop,
                progress=progress,
                meter=TokenBucket(bwlimit, wait=stop.wait) if bwlimit is not None else None,
                say=progress.say,
                each_file=_line_sink(jsonl, stack),
                listing=listing,
                console=console,
                watch=watch,
            )

    said = get_ready()
    if said:
        progress.say(said)
    try:
        supervised(check, stop)
    except BaseException:  # a report that may lie in the source is not written
        progress.end()
        raise
    try:
        return supervised(work, stop), None
    except AbandonedError as gone:
        return _abandoned(watch, stop, gone)
    except VdtError as refused:
        return None, refused
    finally:
        progress.end()


def _abandoned(watch: Watch, stop: StopFlag, gone: AbandonedError) -> Tuple[Optional[TreeResult], Optional[VdtError]]:
    """What is known of a copy that hangs, with the names of what does not answer."""
    watch.abandoned = True
    hanging = watch.hanging()
    result = watch.so_far()
    if result is None:
        return None, AbandonedError(" ".join([str(gone), *hanging]))
    stopped = result.stopped or stop.reason
    return replace(result, reached_end=False, stopped=stopped, notes=(*result.notes, *hanging)), None


def _line_sink(path: Optional[str], stack: ExitStack) -> FileSink:
    if not path:
        return no_sink
    try:
        file: IO[str] = stack.enter_context(open(path, "w", encoding="ascii", newline="\n"))
    except OSError as error:
        raise LostOutputError(f"The file {path} cannot be written: {error.strerror}.") from error
    write: Callable[[str], Any] = file.write

    def sink(path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None:
        try:
            write(json.dumps(file_object(path, size_bytes, state, evidence, digest, reason)) + "\n")
        except OSError as error:
            raise LostOutputError(f"The file {file.name} cannot be written: {error.strerror}.") from error

    return sink


def json_object(
    request: CopyRequest,
    command: str,
    arguments: Sequence[str],
    result: Optional[TreeResult],
    error: Optional[VdtError],
    code: int,
) -> Dict[str, Any]:
    """The object that --json writes."""
    head = {"version": __version__, "command": subprocess.list2cmdline(["vdt", command, *arguments])}
    if result is None:
        return {
            **head,
            "source": request.source,
            "destination": request.destination,
            "complete": False,
            "exit_code": code,
            "verdict": "fatal" if code == 16 else "stopped",
            "error": str(error),
        }
    return {**head, **tree_object(result), "exit_code": code}


def summary_lines(result: TreeResult, *, dry_run: bool) -> List[str]:
    """The end of a copy in words: every file that did not end well, the counts, the evidence, the verdict."""
    lines = []
    for title, problems in (
        ("failed", (*result.failed, *result.unproven)),
        ("unstable", result.unstable),
        ("conflict", result.conflict),
        ("type mismatch", result.type_mismatch),
        ("not copied", result.special),
    ):
        lines += [f"{title}: {printable(p.path)}: {printable(p.reason)}" for p in problems[:50]]
        if len(problems) > 50:
            lines.append(f"{title}: {len(problems) - 50} more; --json or --jsonl names them all")
    lines += [f"note: {printable(note)}" for note in result.notes]
    files, size = result.files, result.size_bytes
    elapsed = max(0.001, (result.ended - result.started).total_seconds())
    would = "would be " if dry_run else ""
    lines.append(
        f"{files.copied} files ({size.copied / 1024**2:.1f} MiB) {would}copied, {files.skipped} skipped, "
        f"{files.mismatch} mismatched, {files.failed} failed, {files.extras} extra, in {elapsed:.1f} s"
    )
    if not dry_run:
        for level in Evidence:
            count = result.files_by_evidence.get(level, 0)
            if count:
                lines.append(f"  {level.words}: {count} files")
        lines.append(f"Verdict: {verdict_words(result)}" + (f" ({result.stopped})" if result.stopped else ""))
    return lines
