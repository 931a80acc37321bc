"""Source against destination, one name at a time: which of robocopy's classes is it? Pure, no disk.

Time is compared first; Changed, Tweaked and Same exist only where the times are equal. Contents never
enter: same size, same time and other bytes is Same (see plan.py for what is then asked for as proof).
"""

from __future__ import annotations

from typing import Optional, Tuple

from vdt.model import Entry, FileClass, Kind, Policy

_HOUR_NS = 3600 * 10**9


def times_equal(first_ns: int, second_ns: int, policy: Policy) -> bool:
    """True when two times count as one: within the window, or (with `dst_tolerance`) an hour apart within it."""
    apart = abs(first_ns - second_ns)
    if apart <= policy.modify_window_ns:
        return True
    return policy.dst_tolerance and abs(apart - _HOUR_NS) <= policy.modify_window_ns


def classify(source: Entry, dest: Optional[Entry], policy: Policy) -> FileClass:
    """The class of a source file or link, given what lies at the destination under its name."""
    if dest is None:
        return FileClass.LONELY
    if dest.kind is not source.kind:
        return FileClass.MISMATCH
    if source.kind is Kind.LINK:
        return FileClass.SAME if source.target == dest.target else FileClass.CHANGED
    if not times_equal(source.mtime_ns, dest.mtime_ns, policy):
        return FileClass.NEWER if source.mtime_ns > dest.mtime_ns else FileClass.OLDER
    if source.size_bytes != dest.size_bytes:
        return FileClass.CHANGED
    if policy.keep_modes and source.mode != dest.mode:
        return FileClass.TWEAKED
    return FileClass.SAME


def older_or_shorter(size_bytes: int, mtime_ns: int, proven: Tuple[int, int], policy: Policy) -> bool:
    """True for a source that must not replace a proven copy; `proven` is the size and time of what was copied then."""
    proven_bytes, proven_ns = proven
    if size_bytes < proven_bytes:
        return True
    return mtime_ns < proven_ns and not times_equal(mtime_ns, proven_ns, policy)


def conflict_words(size_bytes: int, proven_bytes: int) -> str:
    """What is said of such a source."""
    return (
        f"the source ({size_bytes} bytes) is older or shorter than the proven copy "
        f"({proven_bytes} bytes); kept. --replace_proven replaces it"
    )
