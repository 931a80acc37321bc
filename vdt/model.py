"""The values that flow through the rooms: Entry -> Pair -> Action -> Outcome -> TreeResult.

Nothing here touches a disk, a clock or a thread. Values that exist once a file are
NamedTuples (a frozen dataclass costs three times as much to make); all others are
frozen dataclasses. Paths inside a tree are relative with "/" on every platform; the
root of a tree is "". Sizes are bytes, times are nanoseconds since 1970 UTC.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Dict, NamedTuple, Optional, Tuple


class Kind(enum.Enum):
    """What a name in a folder is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    UNKNOWN = "unknown"  # the listing names it, and it cannot be looked at; the reason stands in `target`
    OTHER = "other"  # socket, fifo, device: listed as skipped, never opened


NO_TIMES = (0, 0)


class Entry(NamedTuple):
    """One name of a folder listing, as the system gave it."""

    name: str
    kind: Kind
    size_bytes: int
    mtime_ns: int
    mode: int  # POSIX: permission bits (stat.S_IMODE). Windows: file attributes.
    file_id: Tuple[int, int]  # (device, inode); (0, 0) where unknown. Trust it within one run only.
    offline: bool = False  # Windows attributes OFFLINE, RECALL_*: reading it would fetch it from elsewhere
    target: str = ""  # text of a link
    other_times: Tuple[int, int] = NO_TIMES  # Windows: of its making and its last reading, ns; 0 is not known


class FileClass(enum.Enum):
    """Robocopy's file classes; the value is the word in its log (see robocopy/classes.py)."""

    LONELY = "New File"
    NEWER = "Newer"
    OLDER = "Older"
    CHANGED = "Changed"
    TWEAKED = "Tweaked"
    MODIFIED = "Modified"  # looked for under /IM only: size, time and attributes are equal, the bytes are not
    SAME = "Same"
    EXTRA = "*EXTRA File"
    MISMATCH = "*MISMATCH"


class Verify(enum.Enum):
    """How a copy is proven, weak to strong; `rank` orders them."""

    NONE = "none"
    INFLIGHT = "inflight"
    REREAD = "reread"
    COLD = "cold"
    BOTH = "both"

    @property
    def rank(self) -> int:
        return _VERIFY_ORDER.index(self)


_VERIFY_ORDER = [Verify.NONE, Verify.INFLIGHT, Verify.REREAD, Verify.COLD, Verify.BOTH]


class Evidence(enum.Enum):
    """What is known of a file at the destination. Never rounded up."""

    __hash__ = object.__hash__  # members are counted in dicts once a file; Enum's own hash is a Python call

    NONE = "none"
    INFLIGHT = "inflight"
    REREAD = "reread"
    COLD = "cold"
    BOTH = "both"
    ON_RECORD = "on_record"  # skipped; a digest is on record for this size and time
    PRESENT = "present"  # skipped on size and time alone

    @property
    def words(self) -> str:
        """The plain words that a person reads beside the level."""
        return _EVIDENCE_WORDS[self]

    @property
    def proves(self) -> bool:
        """True when the destination's bytes were read back, now or on record."""
        return self in _PROVING

    @property
    def past_cache(self) -> bool:
        """True when that read went past this client's cache in this run."""
        return self in (Evidence.COLD, Evidence.BOTH)


_EVIDENCE_WORDS = {
    Evidence.NONE: "copied, not checked",
    Evidence.INFLIGHT: "hashed while sent",
    Evidence.REREAD: "read back",
    Evidence.COLD: "read back past this client's cache",
    Evidence.BOTH: "both ends read back",
    Evidence.ON_RECORD: "already there, digest on record",
    Evidence.PRESENT: "present (size and time only)",
}
_PROVING = frozenset({Evidence.REREAD, Evidence.COLD, Evidence.BOTH, Evidence.ON_RECORD})


class Existing(enum.Enum):
    """What a file that is already there with the source's size and time needs to count."""

    PROVE = "prove"
    TRUST = "trust"


class Links(enum.Enum):
    """What happens to a symbolic link of the source."""

    COPY = "copy"
    FOLLOW = "follow"
    SKIP = "skip"


@dataclass(frozen=True)
class Policy:
    """Which names are copied and what of them is kept, whatever dialect asked for it.

    Names in `include_files`, `exclude_files`, `exclude_folders` are patterns with `*`, `?` and `[...]`. One that
    holds a "/" is matched against the path relative to the root, any other against the bare name. With
    `windows_names` only `*` and `?` are special, they stop at a "/", `*.*` is all, and case does not count.
    """

    recurse: bool = True  # robocopy /S or /E, rsync -r
    empty_folders: bool = True  # /E; without it folders that hold no file are not made
    max_levels: Optional[int] = None  # /LEV:n; 1 is the top folder alone
    include_files: Tuple[str, ...] = ()  # file specs; () is all
    exclude_files: Tuple[str, ...] = ()  # /XF, --exclude
    exclude_folders: Tuple[str, ...] = ()  # /XD, --exclude-dir
    skip_newer: bool = False  # /XN
    skip_older: bool = False  # /XO, rsync -u
    skip_changed: bool = False  # /XC
    skip_lonely: bool = False  # /XL
    hide_extras: bool = False  # /XX
    all_extras: bool = False  # /X: those that match no file spec too, and all that lies in extra folders
    excluded_extras: bool = True  # an extra that an exclusion matches is one; robocopy passes over it
    include_same: bool = False  # /IS
    include_tweaked: bool = False  # /IT
    include_modified: bool = False  # /IM
    max_size_bytes: Optional[int] = None  # /MAX
    min_size_bytes: Optional[int] = None  # /MIN
    oldest_mtime_ns: Optional[int] = None  # /MAXAGE: files older than this are left out
    newest_mtime_ns: Optional[int] = None  # /MINAGE: files newer than this are left out
    modify_window_ns: int = 0  # /FFT is 2 s
    dst_tolerance: bool = False  # /DST: exactly one hour apart is equal
    checksum: bool = False  # compare contents instead of size and time
    links: Links = Links.COPY
    skip_folder_links: bool = False  # /XJD, whatever `links` says
    skip_file_links: bool = False  # /XJF
    windows_names: bool = False
    keep_times: bool = True
    keep_modes: bool = True
    fix_modes: bool = False  # rsync -p: a mode that alone differs is set; robocopy leaves it (Tweaked)
    keep_owner: bool = False  # only where the system allows it (root)
    streams: bool = False  # alternate data streams of NTFS are copied too; else they are counted
    folder_times: bool = True  # rsync -a, robocopy /DCOPY:T
    folder_modes: bool = True  # rsync -p, robocopy /DCOPY:A

    @property
    def skips_links(self) -> bool:
        """True when links are left out by what they lead to."""
        return self.skip_folder_links or self.skip_file_links


class Verb(enum.Enum):
    """What the engine is to do with one file."""

    COPY = "copy"
    PROVE = "prove"  # already there by size and time: read both sides, copy again where they differ
    LINK = "link"  # make a symbolic link


class Action(NamedTuple):
    """One file that the engine works on."""

    folder: str  # relative folder, "" is the root
    source: Entry
    verb: Verb
    file_class: FileClass
    attempt: int = 1  # counts from 1
    dest: Optional[Entry] = None  # what lies there now
    proven_digest: str = ""  # on record for what lies there now, "" where nothing is
    proven_mtime_ns: int = 0  # of the source that it was copied from

    @property
    def path(self) -> str:
        return join(self.folder, self.source.name)


class Status(enum.Enum):
    """How one attempt at one file ended."""

    COPIED = "copied"
    PROVEN = "proven"  # was there; both sides were read and are equal
    LINKED = "linked"
    RETRY = "retry"  # failed in a way that may heal
    CONFLICT = "conflict"  # the copy is still what was proven, the source is not
    UNSTABLE = "unstable"  # the source changed while it was read
    FAILED = "failed"
    FULL = "full"  # the destination has no room: the run stops
    STOPPED = "stopped"  # not tried, or given up, because the run was asked to stop


class Failure(NamedTuple):
    """Why a file failed: which operation, on which path, and the system's words."""

    operation: str  # robocopy's words: "Copying File", "Creating Destination File", ...
    path: str  # full path as the user would write it
    code: int  # Windows error number, as robocopy prints it
    reason: str


class Outcome(NamedTuple):
    """What one attempt at one action gave."""

    action: Action
    status: Status
    size_bytes: int = 0  # bytes of the open file, not of the listing
    mtime_ns: int = 0  # of the open source file
    digest: str = ""  # xxh128, 32 hex digits; "" where nothing was hashed
    evidence: Evidence = Evidence.NONE
    stored_mtime_ns: int = 0  # what the destination really keeps
    also: str = ""  # the second digest (md5, sha256) where one was asked for
    failure: Optional[Failure] = None
    note: str = ""
    resumed_bytes: int = 0  # of these, so many lay in the partial of an earlier try and were read again


class Judged(enum.Enum):
    """What an audit says of one name."""

    __hash__ = object.__hash__  # members are counted once a file

    OK = "OK"
    DIFFERENT = "DIFFERENT"
    MISSING = "MISSING"
    EXTRA = "EXTRA"
    UNREADABLE = "UNREADABLE"
    UNSTABLE = "UNSTABLE"
    TYPE = "TYPE"


class Side(enum.Enum):
    """Which side of a file that is DIFFERENT left what is on record."""

    DESTINATION = "destination changed"
    SOURCE = "source changed"
    BOTH = "both changed"
    NO_RECORD = "no record"


class Problem(NamedTuple):
    """One file that did not end well, for reports."""

    path: str
    reason: str
    attempts: int = 1


class Grew(NamedTuple):
    """A file whose size when it was copied is not the one of the count before."""

    path: str
    before_bytes: int
    after_bytes: int


@dataclass(frozen=True)
class Count:
    """A plain count of a tree: files, folders below the root, bytes."""

    files: int = 0
    folders: int = 0
    size_bytes: int = 0

    @property
    def gigabytes(self) -> str:
        """GB of 1024^3 bytes with three decimals, as the mail prints it."""
        return f"{self.size_bytes / 1024**3:.3f}"


@dataclass(frozen=True)
class Row:
    """One row of robocopy's summary table. total = copied + skipped + mismatch + failed; extras stand apart."""

    total: int = 0
    copied: int = 0
    skipped: int = 0
    mismatch: int = 0
    failed: int = 0
    extras: int = 0


@dataclass(frozen=True)
class TreeResult:
    """All that one tree's transfer gave; the source of log, table, manifest, mail and JSON."""

    source: str
    destination: str
    started: datetime  # local, with offset
    ended: datetime
    dirs: Row = Row()  # counts the root, as robocopy does
    files: Row = Row()
    size_bytes: Row = Row()
    files_by_evidence: Dict[Evidence, int] = field(default_factory=dict)
    bytes_by_evidence: Dict[Evidence, int] = field(default_factory=dict)
    failed: Tuple[Problem, ...] = ()
    unstable: Tuple[Problem, ...] = ()
    conflict: Tuple[Problem, ...] = ()
    type_mismatch: Tuple[Problem, ...] = ()
    extra: Tuple[Problem, ...] = ()
    special: Tuple[Problem, ...] = ()  # sockets, devices, offline files, foreign partials: listed, not copied
    unproven: Tuple[Problem, ...] = ()  # there by size and time, asked to be proven, and could not be read
    outward_links: Tuple[Problem, ...] = ()  # links that lead out of the tree: their data was not copied
    links: int = 0  # files that are links; their text was compared, they hold no data
    unverified: int = 0  # files of the source that were left as they lie: older or newer ones, special ones
    grew: Tuple[Grew, ...] = ()
    changed_since: Tuple[Problem, ...] = ()  # the last listing of the source shows these new, changed or gone
    notes: Tuple[str, ...] = ()
    retries: int = 0
    copy_seconds: float = 0.0
    threads_used: float = 0.0  # mean number of workers at work
    resumed_bytes: int = 0
    reached_end: bool = False  # every name of the source was considered
    weak_files: int = 0  # files without a read past this client's cache, now or on record
    fatal: str = ""  # the sentence, where the tree ended with 16
    stopped: str = ""  # why the run ended early: "interrupted", "destination full"
    manifest: str = ""  # full path, "" where none was written
    manifest_sha256: str = ""

    @property
    def exit_code(self) -> int:
        """Robocopy's bit mask: 1 files copied, 2 extras, 4 mismatches, 8 failures; 16 alone is fatal."""
        if self.fatal:
            return 16
        bad = self.failed or self.unstable or self.conflict or self.unproven or self.stopped
        return (
            (1 if self.files.copied else 0)
            | (2 if self.files.extras or self.dirs.extras else 0)
            | (4 if self.files.mismatch or self.dirs.mismatch else 0)
            | (8 if bad or self.files.failed or self.dirs.failed else 0)
        )

    @property
    def complete(self) -> bool:
        """True when everything that the source holds (less what was excluded) arrived."""
        return self.reached_end and not self.fatal and self.exit_code < 8 and not self.type_mismatch

    @property
    def proven(self) -> bool:
        """True when the tree is complete and each file's bytes were read back, now or on record."""
        weak = (Evidence.NONE, Evidence.INFLIGHT, Evidence.PRESENT)
        return self.complete and not self.unverified and not any(self.files_by_evidence.get(level) for level in weak)


def join(folder: str, name: str) -> str:
    """Relative path of `name` in `folder` ("" is the root)."""
    return f"{folder}/{name}" if folder else name


def stays_inside(path: str) -> bool:
    """True for a relative path with "/" that cannot lead out of its tree, as it came from a file that others write."""
    return bool(path) and "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))
