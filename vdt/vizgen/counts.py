"""The count before beside the count after: one table a tree, and what is said about it.

Pure: two `Count`s in, lines of text out. A count that was not taken is a failed check, never a passed one. Counts
say how much lies there, not what: whether the bytes are right is the evidence of `TreeResult`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Optional, Sequence, Set, Tuple

from vdt.errors import UsageError
from vdt.model import Count
from vdt.printable import printable
from vdt.vizgen.layout import CopyType
from vdt.vizgen.report import METRICS

PYTHON = "Python"
ROBOCOPY = "Robocopy"
IGNORE_OPTIONS = {PYTHON: "--ignore_python_counts", ROBOCOPY: "--ignore_robocopy_counts"}
COLUMNS = ("Status", "Total Files", "Total Folders", "Total Size (GB)", "Total Size (Bytes)")
RULE = "-" * 88

_WIDTHS = (15, 17, 17, 17, 17)  # and a blank between two cells; the last heading is one longer than its column
_RESUME = "Run the same command again first: it resumes and copies only what is missing or different."
_PROVEN = "Every file was proven by its content, so this alone is no failure."


@dataclass(frozen=True)
class CountCheck:
    """What a comparison of two counts gave; `lines` begin with SUCCESS:, WARNING: or ERROR:."""

    passed: bool
    lines: Tuple[str, ...]


def table_title(copy_type: CopyType) -> str:
    """The line over the table: Raw_Data Transfer Summary."""
    return f"{copy_type.title} Transfer Summary"


def table_rows(before: Optional[Count], after: Optional[Count]) -> Tuple[Tuple[str, ...], ...]:
    """The two rows below `COLUMNS`; a dash stands for a count that was not taken."""
    return tuple(
        (status, *(("-",) * 4 if count is None else (*_plain(count), count.gigabytes, str(count.size_bytes))))
        for status, count in (("Before Transfer", before), ("After Transfer", after))
    )


def table_lines(before: Optional[Count], after: Optional[Count]) -> Tuple[str, ...]:
    """The table as plain text, without its title."""
    return ruled(COLUMNS, table_rows(before, after))


def ruled(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Tuple[str, ...]:
    """Any table of a mail as plain text: a rule over and under the headings, and at the end."""
    return (RULE, _line(columns), RULE, *map(_line, rows), RULE)


def check_counts(
    kind: str,
    copy_type: CopyType,
    before: Optional[Count],
    after: Optional[Count],
    ignored: FrozenSet[str] = frozenset(),
    *,
    content_proven: bool = False,
    extras: Count = Count(),
) -> CountCheck:
    """Compare every metric that is not in `ignored`.

    Args:
        kind: `PYTHON` or `ROBOCOPY`; it decides which option is named.
        ignored: members of METRICS. Each of them gives a WARNING line, whether it differs or not.
        content_proven: True only for a cross-check whose tree is proven file by file: a difference is then a
            WARNING that names both counts, and the check has passed.
        extras: what `after` counts and only the destination holds; each is named elsewhere, so it is said here once
            and is no difference.
    """
    name, option = copy_type.value, IGNORE_OPTIONS[kind]
    different: List[str] = []
    missing: List[str] = []
    lines: List[str] = []
    kept = after
    if after is not None and extras != Count():
        kept = Count(after.files - extras.files, after.folders - extras.folders, after.size_bytes - extras.size_bytes)
        lines.append(
            f"WARNING: '{name}': the destination also holds {extras.files} file(s), {extras.folders} folder(s), "
            f"{extras.size_bytes} byte(s) that the source does not have. The log names them; they are not compared."
        )
    for metric in METRICS:
        first, last = _value(before, metric), _value(after, metric)
        figures = f"Before: '{first}', After: '{last}'"
        if metric in ignored:
            lines.append(f"WARNING: '{name}': the {kind} based check of '{metric}' is off ({option}). {figures}")
            continue
        if before is None or after is None:
            missing.append(metric)
            continue
        if first == _value(kept, metric):
            continue
        different.append(metric)
        if content_proven:
            lines.append(f"WARNING: '{name}': the {kind} based counts of '{metric}' differ. {figures}. {_PROVEN}")
        else:
            lines.append(
                f"ERROR: '{name}': the {kind} based counts of '{metric}' differ. {figures}. {_RESUME} "
                f"Where the difference is understood, {option} leaves this check out with one of: "
                f"{', '.join(_patterns(name, metric))}."
            )
    if missing:
        first, last = ("not counted" if count is None else "counted" for count in (before, after))
        names = ", ".join(f"'{metric}'" for metric in missing)
        lines.append(
            f"{'WARNING' if content_proven else 'ERROR'}: '{name}': the {kind} based counts of {names} cannot be "
            f"compared. Before: '{first}', After: '{last}'. " + (_PROVEN if content_proven else _RESUME)
        )
    elif not different and not ignored.issuperset(METRICS):
        lines.append(f"SUCCESS: '{name}': the {kind} based counts agree in every check that is on.")
    return CountCheck(content_proven or not (different or missing), tuple(lines))


def check_witness(
    copy_type: CopyType,
    when: str,
    ours: Optional[Count],
    theirs: Optional[Count],
    ignored: FrozenSet[str] = frozenset(),
    *,
    content_proven: bool = False,
) -> CountCheck:
    """Hold robocopy's count of one side against our own; robocopy counts the root folder too, which is allowed for.

    Args:
        when: "Before Transfer" or "After Transfer".
        ours: None, like `theirs`, where it was not taken: then there is nothing to compare, and nothing is said.
        ignored: members of METRICS that are not compared.
        content_proven: as for `check_counts`.
    """
    if ours is None or theirs is None:
        return CountCheck(True, ())
    rootless = Count(theirs.files, theirs.folders - 1, theirs.size_bytes)
    different = [
        f"'{metric}' (Robocopy: '{_value(rootless, metric)}', Python: '{_value(ours, metric)}')"
        for metric in METRICS
        if metric not in ignored and _value(rootless, metric) != _value(ours, metric)
    ]
    if not different:
        return CountCheck(True, ())
    what = f"'{copy_type.value}': Robocopy and Python do not count the same {when}: {', '.join(different)}."
    if content_proven:
        return CountCheck(True, (f"WARNING: {what} {_PROVEN}",))
    leave_out = f"{IGNORE_OPTIONS[ROBOCOPY]} leaves this check out."
    return CountCheck(False, (f"ERROR: {what} {_RESUME} Where the difference is understood, {leave_out}",))


def parse_ignore_patterns(values: Sequence[str], option_name: str) -> Dict[CopyType, FrozenSet[str]]:
    """Read `TYPE:METRIC` patterns; `all` stands for every type or every metric.

    Returns:
        A set for each of the three types, empty where nothing is ignored.

    Raises:
        UsageError: naming every pattern that is wrong and what is allowed.
    """
    types = {copy_type.value: [copy_type] for copy_type in CopyType}
    types["all"] = list(CopyType)
    metrics: Dict[str, Tuple[str, ...]] = {metric: (metric,) for metric in METRICS}
    metrics["all"] = METRICS
    ignored: Dict[CopyType, Set[str]] = {copy_type: set() for copy_type in CopyType}
    wrong = []
    for value in values:
        left, colon, right = (part.strip().lower() for part in value.partition(":"))
        if not colon or left not in types or right not in metrics:
            wrong.append(f"'{printable(value)}'")
            continue
        for copy_type in types[left]:
            ignored[copy_type].update(metrics[right])
    if wrong:
        raise UsageError(
            f"{option_name} cannot use {', '.join(wrong)}. Give TYPE:METRIC, for example raw_data:bytes, "
            f"with TYPE one of {', '.join(types)} and METRIC one of {', '.join(metrics)}."
        )
    return {copy_type: frozenset(chosen) for copy_type, chosen in ignored.items()}


def _line(cells: Sequence[str]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS))


def _plain(count: Count) -> Tuple[str, str]:
    return str(count.files), str(count.folders)


def _value(count: Optional[Count], metric: str) -> str:
    if count is None:
        return "not counted"
    files, folders = _plain(count)
    return {"files": files, "folders": folders, "bytes": str(count.size_bytes), "gigabytes": count.gigabytes}[metric]


def _patterns(name: str, metric: str) -> Tuple[str, ...]:
    return f"{name}:{metric}", f"{name}:all", f"all:{metric}", "all:all"
