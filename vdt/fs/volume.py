"""What a file system can do for us and what it says of a file, as values that both platforms give."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Tuple


class Flush(enum.Enum):
    """How written bytes are forced to the medium."""

    VOLUME = "volume"  # one call flushes everything written so far (syncfs)
    FILE = "file"  # each file by itself, before its handle is closed (fsync, FlushFileBuffers)
    NONE = "none"  # lives in memory: there is nothing to flush to


class Heal(enum.Enum):
    """What trying again can do about an error."""

    MAYBE = "maybe"
    NEVER = "never"
    FULL = "full"  # no room: the run stops and can be resumed


class EntryError(OSError):
    """One name of a listing could not be looked at; the folder itself could be listed."""


class Stat(NamedTuple):
    """What an open file says of itself."""

    regular: bool
    size_bytes: int
    mtime_ns: int
    mode: int
    file_id: Tuple[int, int]
    owner: Tuple[int, int] = (-1, -1)  # user and group; not copied on Windows


@dataclass(frozen=True)
class Volume:
    """One mounted file system.

    Attributes:
        kind: its name, as a person knows it: ext4, tmpfs, cifs, NTFS ...
        flush: how it is flushed.
        cold_reads: a read can go past this client's cache. `fs.volume` says so by the type of the file system alone;
            what a transfer works with was shown (preflight.py).
        why_not_cold: the reason in plain words where `cold_reads` is False.
        remote: lies on another machine.
        free_bytes: advisory; 0 where unknown.
        streams: files can have alternate data streams.
    """

    kind: str
    flush: Flush
    cold_reads: bool
    why_not_cold: str = ""
    remote: bool = False
    free_bytes: int = 0
    streams: bool = False
