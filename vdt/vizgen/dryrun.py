"""`--dry_run`: list what a run would do. No probe, lock, log, mail or folder."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import IO, Any, Callable, Dict, List, Tuple

from vdt.evidence import load_records
from vdt.jsonfile import write_json
from vdt.model import TreeResult
from vdt.preflight import check_apart, check_source
from vdt.probe import unprobed
from vdt.recorder import Reports
from vdt.report import tree_object
from vdt.stop import StopFlag
from vdt.transfer import transfer_tree
from vdt.treejob import TreeJob
from vdt.treelog import Listing
from vdt.version import __version__
from vdt.vizgen.layout import TreePaths
from vdt.vizgen.tree import Settings


def dry_tree(item: TreePaths, settings: Settings, tell: Callable[[str], None], stop: StopFlag) -> TreeResult:
    """List what a transfer of one tree would do.

    Raises:
        RefusedError: the source is not there, or the two lie within each other.
    """
    check_source(item.source)
    check_apart(item.source, item.destination)
    records, _ = load_records(item.evidence_folder)
    job = TreeJob(
        source=item.source,
        destination=item.destination,
        target=unprobed(item.destination),
        policy=settings.policy,
        verify=settings.verify,
        existing=settings.existing,
        replace_proven=settings.replace_proven,
        also=settings.also,
        records=records,
        dry_run=True,
    )
    result = transfer_tree(job, Reports(log=Listing(tell)), stop)
    tell(
        f"{item.copy_type.value}: would copy {result.files.copied} files ({result.size_bytes.copied} bytes), "
        f"skip {result.files.skipped}, extras {result.files.extras}, mismatches {result.files.mismatch}, "
        f"failures {result.files.failed}"
    )
    return result


def joined_code(results: List[Tuple[TreePaths, TreeResult]]) -> int:
    """The bits of all trees; a fatal one stands alone."""
    codes = [result.exit_code for _, result in results]
    return 16 if 16 in codes else reduce(or_, codes, 0)


def process_code(code: int, *, robocopy_exit_code: bool) -> int:
    """What the process ends with: 0 where the transfer would have nothing to report, with bit 8 where it would."""
    if robocopy_exit_code or code >= 8:
        return code
    return code | 8 if code & 4 else 0  # what is a file here and a folder there does not arrive


def write_object(
    path: str, stdout: IO[str], command: str, results: List[Tuple[TreePaths, TreeResult]], code: int
) -> None:
    """The report for machines. Raises LostOutputError."""
    trees: Dict[str, Any] = {item.copy_type.value: tree_object(result) for item, result in results}
    value = {"version": __version__, "command": command, "dry_run": True, "trees": trees}
    write_json(path, {**value, "exit_code": code}, stdout)
