"""Finds files that are missing under one name and there under almost the same: another case, another Unicode form.

Pure. Says so only where it is plain: one missing and one extra name, and no other that could be meant.
"""

from __future__ import annotations

import unicodedata
from typing import Dict, Iterable, List, NamedTuple


class Namesake(NamedTuple):
    """A listed path, the path that is there instead, and in what way the two differ."""

    listed: str
    found: str
    difference: str  # "case", "Unicode form" or "case and Unicode form"


def namesakes(missing: Iterable[str], extra: Iterable[str]) -> List[Namesake]:
    """The plain pairs among relative paths, in the order of `missing`."""
    there, lost = _by_key(extra), _by_key(missing)
    pairs = []
    for key, listed in lost.items():
        found = there.get(key, [])
        if len(listed) == len(found) == 1 and listed[0] != found[0]:
            pairs.append(Namesake(listed[0], found[0], _difference(listed[0], found[0])))
    return pairs


def _by_key(paths: Iterable[str]) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = {}
    for path in paths:
        # composed both before and after: folding can take composed characters apart
        key = _composed(_composed(path).casefold())
        found.setdefault(key, []).append(path)
    return found


def _difference(one: str, other: str) -> str:
    if _composed(one) == _composed(other):
        return "Unicode form"
    return "case" if one.casefold() == other.casefold() else "case and Unicode form"


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)
