"""Which names of the source are copied at all: patterns, levels and limits of the policy. Pure."""

from __future__ import annotations

import fnmatch
import re
from functools import partial
from typing import Callable, List, Optional, Pattern, Sequence

from vdt.model import Entry, Kind, Links, Policy

PARTIAL_BEGINS = ".vdt-"
PARTIAL = re.compile(r"\.vdt-[0-9a-f]{16}\.partial\Z")


class Selection:
    """The names that a policy selects. Compiles the patterns once."""

    def __init__(self, policy: Policy, *, fold_case: bool = False) -> None:
        self._policy = policy
        matcher = _windows_matcher if policy.windows_names else partial(_matcher, fold_case=fold_case)
        self._include = matcher(policy.include_files)
        self._exclude = matcher(policy.exclude_files)
        self._exclude_folder = matcher(policy.exclude_folders)
        limits = (
            *(policy.max_size_bytes, policy.min_size_bytes, policy.oldest_mtime_ns, policy.newest_mtime_ns),
            *(self._include, self._exclude),
        )
        self.takes_every_file = all(limit is None for limit in limits)

    def deep_enough(self, path: str) -> bool:
        """True when a folder lies within the levels that are copied; "" is the root."""
        policy, depth = self._policy, path.count("/") + 2
        return not path or (policy.recurse and (policy.max_levels is None or depth <= policy.max_levels))

    def folder_excluded(self, path: str) -> bool:
        """True when a pattern keeps a folder out."""
        return self._exclude_folder is not None and self._exclude_folder(path)

    def included(self, path: str) -> bool:
        """True when a file matches the file specs (no specs: every file does)."""
        return self._include is None or self._include(path)

    def never_copied(self, entry: Entry) -> str:
        """Why a file is listed and not copied whatever the patterns say, in plain words; "" where it is copied."""
        if PARTIAL.match(entry.name):
            return "has the name of a partial file of this program"
        if entry.kind is Kind.OTHER:
            return "a socket, fifo or device"
        if entry.kind is Kind.LINK and self._policy.links is Links.SKIP:
            return "a link; links are skipped here"
        if entry.offline:
            return "lies offline or in the cloud; reading it would recall it"
        return ""

    def excluded(self, entry: Entry, path: str) -> str:
        """Robocopy's word for why a file is left out: "named", "large", "small", "too old", "too new"; or ""."""
        policy = self._policy
        if self.named(path):
            return "named"
        if policy.max_size_bytes is not None and entry.size_bytes > policy.max_size_bytes:
            return "large"
        if policy.min_size_bytes is not None and entry.size_bytes < policy.min_size_bytes:
            return "small"
        if policy.oldest_mtime_ns is not None and entry.mtime_ns < policy.oldest_mtime_ns:
            return "too old"
        if policy.newest_mtime_ns is not None and entry.mtime_ns > policy.newest_mtime_ns:
            return "too new"
        return ""

    def named(self, path: str) -> bool:
        """True when a pattern keeps a file out."""
        return self._exclude is not None and self._exclude(path)

    def leaves_out(self, path: str, entry: Entry) -> bool:
        """True for a name that a count of what is to be copied must not count."""
        if entry.kind is Kind.FOLDER:
            return not self.deep_enough(path) or self.folder_excluded(path)
        return not self.included(path) or bool(self.never_copied(entry) or self.excluded(entry, path))


def leaves_files_out(policy: Policy) -> bool:
    """True when a policy may keep files of the source out of the copy."""
    return bool(
        policy.include_files
        or policy.exclude_files
        or policy.exclude_folders
        or not policy.recurse
        or policy.max_levels is not None
        or policy.skip_newer
        or policy.skip_older
        or policy.skip_changed
        or policy.skip_lonely
        or policy.max_size_bytes is not None
        or policy.min_size_bytes is not None
        or policy.oldest_mtime_ns is not None
        or policy.newest_mtime_ns is not None
        or policy.skips_links
    )


Matcher = Callable[[str], bool]


def _windows_matcher(patterns: Sequence[str]) -> Optional[Matcher]:
    """The same for patterns as robocopy reads them: one regular expression for the names, one for the paths."""
    if not patterns:
        return None
    spelled = [pattern.replace("\\", "/").rstrip("/") for pattern in patterns]
    names = "|".join(_windows_pattern(text) for text in spelled if "/" not in text)
    paths = "|".join(_windows_pattern(text.lstrip("/")) for text in spelled if "/" in text)
    by_name = re.compile(names or "(?!)", re.IGNORECASE | re.DOTALL).fullmatch
    by_path = re.compile(paths or "(?!)", re.IGNORECASE | re.DOTALL).fullmatch
    return lambda path: bool(by_name(path.rpartition("/")[2]) or by_path(path))


def _windows_pattern(text: str) -> str:
    if text == "*.*":  # all names, dot or no dot
        text = "*"
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(letter) or re.escape(letter) for letter in text)


def _matcher(patterns: Sequence[str], *, fold_case: bool) -> Optional[Matcher]:
    """One test for all patterns on a relative path; None where there are none (the usual case costs nothing)."""
    if not patterns:
        return None
    flags = re.IGNORECASE if fold_case else 0
    names: List[Pattern[str]] = []
    paths: List[Pattern[str]] = []
    for text in patterns:
        pattern = text.replace("\\", "/")
        if pattern == "*.*":  # robocopy's way to say all, dot or no dot
            pattern = "*"
        if "/" in pattern:
            paths.append(re.compile(fnmatch.translate(pattern.strip("/")), flags))
        else:
            names.append(re.compile(fnmatch.translate(pattern), flags))

    def matches(path: str) -> bool:
        name = path.rpartition("/")[2]
        return any(p.match(name) for p in names) or any(p.match(path) for p in paths)

    return matches
