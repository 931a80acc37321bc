"""Digests on record: what earlier runs proved, kept folder by folder in as little memory as it takes.

Pure. A record says that source and destination held the same bytes while the source had this size and time and the
destination kept `stored_mtime_ns`. It counts only while both still have them. Packed, a record costs about its name
and 50 bytes more (a dict of tuples: 307 bytes a file).
"""

from __future__ import annotations

import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from vdt.model import Entry, Evidence

_HEAD = struct.Struct("<HBBqqq16s")  # name length, evidence, length of the second digest, size, times, xxh128
_ROOM_BYTES = 4 << 10  # so much of one folder is held before repetitions are looked for
_LEVELS = [Evidence.NONE, Evidence.INFLIGHT, Evidence.REREAD, Evidence.COLD, Evidence.BOTH]
_NUMBER = {level: number for number, level in enumerate(_LEVELS)}


class Record(NamedTuple):
    """One file's proof."""

    size_bytes: int
    mtime_ns: int
    stored_mtime_ns: int
    digest: str
    evidence: Evidence  # how it was proven then
    also: str = ""  # second digest, with its name: "md5:900150983c..."

    def covers(self, entry: Entry) -> bool:
        """True when `entry`, at the destination, is still what was proven."""
        return entry.size_bytes == self.size_bytes and entry.mtime_ns == self.stored_mtime_ns

    def matches_source(self, entry: Entry) -> bool:
        """True when `entry`, at the source, is still what was copied."""
        return entry.size_bytes == self.size_bytes and entry.mtime_ns == self.mtime_ns


class History(List[Record]):
    """All records of one file, oldest first as far as the file names of their runs tell."""

    def of(self, dest: Entry) -> Optional[Record]:
        """What is proven of `dest` as it lies there, or None.

        The clocks of the machines that wrote the records are not trusted: only records of the very state that lies
        there count, and where they name different digests none does. The latest must be a proof.
        """
        covering = [record for record in self if record.covers(dest)]
        if not covering or not covering[-1].evidence.proves:
            return None
        digests = {record.digest for record in covering if record.evidence.proves}
        return covering[-1] if len(digests) == 1 else None


class Records:
    """All records of one tree; a later one of the same path replaces an earlier one.

    What further runs say again of a file, word for word, is held once: years of audits cost no more than the first.
    """

    def __init__(self) -> None:
        self._folders: Dict[str, bytearray] = {}
        self._room: Dict[str, int] = {}  # of large folders: how far each may grow before it is packed anew
        self.count = 0

    def add(self, path: str, record: Record) -> None:
        """Take a record of a relative path. Raises ValueError where it does not fit (a torn or forged line)."""
        folder, _, name = path.rpartition("/")
        raw = name.encode("utf-8", "surrogatepass")
        also = record.also.encode("ascii")
        digest = bytes.fromhex(record.digest)
        if len(digest) != 16 or not raw or len(raw) > 0xFFFF or len(also) > 0xFF:
            raise ValueError("not a record")
        try:
            head = _HEAD.pack(
                len(raw),
                _NUMBER[record.evidence],
                len(also),
                record.size_bytes,
                record.mtime_ns,
                record.stored_mtime_ns,
                digest,
            )
        except (struct.error, KeyError) as error:
            raise ValueError("not a record") from error
        packed = self._folders.setdefault(folder, bytearray())
        packed.extend(head + raw + also)
        self.count += 1
        if len(packed) > _ROOM_BYTES and len(packed) > self._room.get(folder, 0):
            self._repack(folder)

    def _repack(self, folder: str) -> None:
        """Leave out each record that only repeats the one of the same name before it."""
        packed, kept = self._folders[folder], bytearray()
        last: Dict[bytes, bytes] = {}
        at = 0
        while at < len(packed):
            name_length, _, also_length, *_ = _HEAD.unpack_from(packed, at)
            name_at = at + _HEAD.size
            end = name_at + name_length + also_length
            name, whole = bytes(packed[name_at : name_at + name_length]), bytes(packed[at:end])
            if last.get(name) == whole:
                self.count -= 1
            else:
                last[name] = whole
                kept += whole
            at = end
        self._folders[folder] = kept
        self._room[folder] = 2 * len(kept)

    def folder(self, folder: str) -> Dict[str, Record]:
        """The latest record of each name of one folder."""
        return dict(self._unpack(folder))

    def _unpack(self, folder: str) -> Iterator[Tuple[str, Record]]:
        packed = self._folders.get(folder)
        if not packed:
            return
        at = 0
        while at < len(packed):
            name_length, level, also_length, size, mtime, stored, digest = _HEAD.unpack_from(packed, at)
            at += _HEAD.size
            name = packed[at : at + name_length].decode("utf-8", "surrogatepass")
            at += name_length
            also = packed[at : at + also_length].decode("ascii")
            at += also_length
            yield name, Record(size, mtime, stored, digest.hex(), _LEVELS[level], also)

    def of_folder(self, folder: str) -> Dict[str, History]:
        """All records of one folder by name, oldest first."""
        found: Dict[str, History] = {}
        for name, record in self._unpack(folder):
            found.setdefault(name, History()).append(record)
        return found

    def time_step_ns(self) -> int:
        """How far the times that the destination keeps lie from those of the source, at most: what a share that rounds
        them made of them."""
        proofs = (record for folder in self._folders for _, record in self._unpack(folder) if record.evidence.proves)
        return max((abs(record.stored_mtime_ns - record.mtime_ns) for record in proofs), default=0)

    def folders(self) -> Tuple[str, ...]:
        """Every folder that has records."""
        return tuple(self._folders)


NO_RECORDS = Records()
