"""Rows as text for a terminal: strongest evidence first, like beside like. Pure."""

from __future__ import annotations

from typing import List, Sequence

from comparing.figures import Row, by_evidence
from vdt.printable import printable

_HEAD = f"{'':<36}{'median s':>10}{'min':>9}{'max':>9}{'of it flush':>12}{'MB/s':>9}{'files/s':>10}{'to ours':>9}"


def lines(found: Sequence[Row]) -> List[str]:
    """The table of one job; a contender without figures has its reason."""
    text = [_HEAD, "-" * len(_HEAD)]
    for level, group in by_evidence(found).items():
        text.append(f"{level.words}:")
        text += [_line(row) for row in group]
    return text


def _line(row: Row) -> str:
    name = f"  {row.name:<34}"
    if row.total is None:
        return f"{name}  failed: {printable(row.fault)}"
    figures = f"{row.total.median:>10.3f}{row.total.least:>9.3f}{row.total.most:>9.3f}{row.flush_seconds:>12.3f}"
    rates = f"{row.mb_per_s:>9.1f}{row.files_per_s:>10.0f}"
    ratio = f"{row.ratio:>9.2f}" if row.ratio is not None else f"{'-':>9}"
    weaker = f"  asked for '{row.contender.evidence.value}'" if row.weaker else ""
    return name + figures + rates + ratio + weaker
