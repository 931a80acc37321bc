"""Run ids that somebody may have meant: decided from names alone; `hint` lists the folders that hold runs.

Run ids look alike (a date, an instrument, a number), so what is nearest is told by single letters, not by likeness.
"""

from __future__ import annotations

from typing import Iterable, List, Sequence, Tuple

from vdt import fs
from vdt.model import Kind

MOST_OFFERED = 3
_SHORTEST_PART = 4  # letters of a run id that are enough to mean a run


def hint(wanted: str, folders: Sequence[str]) -> str:
    """What to do about a run id that is not there: the nearest folders in `folders`, or a look at what was typed."""
    return did_you_mean(nearest_runs(wanted, _folders_in(folders))) or "Check the run id."


def _folders_in(places: Sequence[str]) -> List[str]:
    """Names of the folders in `places`; a place that cannot be listed holds none."""
    found: List[str] = []
    for place in places:
        try:
            found += [entry.name for entry in fs.list_folder(place, tolerant=True) if entry.kind is Kind.FOLDER]
        except OSError:
            continue
    return found


def nearest_runs(wanted: str, names: Iterable[str]) -> Tuple[str, ...]:
    """At most three of `names` that `wanted` may stand for, the nearest first; of equals the latest run first.

    Near is: another case, a part of the name (from four letters on), or a few letters wrong, left out, too many or
    swapped: one in eight, at most four. Beside a near one those that are two letters further off are not offered.
    """
    asked = wanted.strip().casefold()
    most = min(4, max(1, len(asked) // 8))
    found: List[Tuple[int, str]] = []
    for name in sorted(set(names), reverse=True):
        there = name.casefold()
        if there == asked:
            found.append((0, name))
        elif len(asked) >= _SHORTEST_PART and asked in there:
            found.append((1, name))
        else:
            distance = _distance(asked, there, most)
            if distance <= most:
                found.append((distance, name))
    found.sort(key=lambda item: item[0])  # stable: the latest stays first
    return tuple(name for distance, name in found[:MOST_OFFERED] if distance <= found[0][0] + 1)


def did_you_mean(names: Sequence[str]) -> str:
    """The names as a question, "" where there is none."""
    if not names:
        return ""
    listed = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return f"Did you mean {listed}?"


def _distance(one: str, other: str, most: int) -> int:
    """How many letters must be changed, added, taken out or swapped with a neighbour; above `most` is `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: List[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        next_row = [i]
        for j, there in enumerate(other, 1):
            cost = min(row[j] + 1, next_row[j - 1] + 1, row[j - 1] + (letter != there))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == there:
                cost = min(cost, before[j - 2] + 1)
            next_row.append(cost)
        if min(next_row) > most:
            return most + 1
        before, row = row, next_row
    return row[-1]
