"""What is wrong with a file whose bytes are not those of its source, and which of the two sides left what was proven.

Pure: views of bytes, digests and records in, values out. Zeros are only spoken of where a run of them stands in the
place of other bytes; one byte that became a zero is no sign of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Set, Tuple

from vdt.model import Entry, Side
from vdt.records import Record

CHUNK_BYTES = 64 << 20  # as the journals of partials count
_LEAST_ZEROS = 512  # a sector
_BLOCK = 4096

ZEROS, TRUNCATED, OLDER, OTHER = "zeros", "truncated", "older", "other"


@dataclass(frozen=True)
class Diagnosis:
    """How a destination differs from its source.

    Attributes:
        first_difference: byte offset; -1 where it is not known (there is no source to look at).
        bad_chunks: numbers of the chunks of 64 MiB that hold a wrong, missing or surplus byte.
        chunks: chunks of the longer of the two.
        damage: zeros, truncated, older (the bytes of an earlier version that is on record), other; "" is not known.
    """

    first_difference: int
    bad_chunks: Tuple[int, ...]
    chunks: int
    damage: str

    @property
    def words(self) -> str:
        """For a person."""
        parts = []
        if self.first_difference >= 0:
            parts.append(f"first difference at byte {self.first_difference}")
            parts.append(f"{len(self.bad_chunks)} of {self.chunks} chunks of 64 MiB are wrong")
        if self.damage:
            parts.append(_DAMAGE_WORDS[self.damage])
        return ", ".join(parts)


_DAMAGE_WORDS = {
    ZEROS: "zeros stand where data should be",
    TRUNCATED: "its end is missing",
    OLDER: "it holds the bytes of an older version",
    OTHER: "other bytes",
}


class Comparison:
    """Shown both sides of a file block by block, in order; keeps what is wrong."""

    def __init__(self, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._chunk_bytes = chunk_bytes
        self._at = 0  # bytes that both sides have shown
        self._first = self._last = -1
        self._bad: Set[int] = set()
        self._zeros = True

    @property
    def equal(self) -> bool:
        """True while no byte differed."""
        return self._first < 0

    def compare(self, source: bytes, dest: bytes) -> None:
        """Take the next bytes of both sides, as many of each."""
        if source != dest:
            for begin in range(0, len(source), _BLOCK):
                right, found = source[begin : begin + _BLOCK], dest[begin : begin + _BLOCK]
                if right != found:
                    self._block(self._at + begin, right, found)
        self._at += len(source)

    def _block(self, offset: int, right: bytes, found: bytes) -> None:
        differing = [at for at, pair in enumerate(zip(right, found)) if pair[0] != pair[1]]
        first, last = offset + differing[0], offset + differing[-1]
        if self._first < 0:
            self._first = first
        self._last = last
        self._bad.update(range(first // self._chunk_bytes, last // self._chunk_bytes + 1))
        self._zeros = self._zeros and not any(found[at] for at in differing)

    def diagnose(self, source_bytes: int, dest_bytes: int) -> Optional[Diagnosis]:
        """What it comes to, given the whole sizes of both; None where both are equal."""
        longer, shorter = max(source_bytes, dest_bytes), min(source_bytes, dest_bytes)
        chunks = -(-longer // self._chunk_bytes)
        bad = set(self._bad)
        if longer > shorter:
            bad.update(range(shorter // self._chunk_bytes, chunks))
        if not bad:
            return None
        first = shorter if self.equal else self._first
        if self.equal and dest_bytes < source_bytes:
            damage = TRUNCATED
        elif not self.equal and longer == shorter and self._zeros and self._last - self._first + 1 >= _LEAST_ZEROS:
            damage = ZEROS
        else:
            damage = OTHER
        return Diagnosis(first, tuple(sorted(bad)), chunks, damage)


def which_side(
    records: Sequence[Record], source_digest: str, dest_digest: str, source: Optional[Entry] = None
) -> Tuple[Side, bool]:
    """(the side that left what is on record, True where the destination holds an older version that is on record).

    Only proofs count. Where both sides hold something that was proven once, they are two versions: the times that the
    source had then, all given by one machine, say which is the older. Where that does not decide either, both count as
    changed, as nothing may be overwritten by a guess.

    Args:
        source_digest: of the source now, or what a manifest says.
        source: the source file now, where there is one.
    """
    proven = [record for record in records if record.evidence.proves]
    if not proven:
        return Side.NO_RECORD, False
    of_source = [record for record in proven if record.digest == source_digest]
    of_dest = [record for record in proven if record.digest == dest_digest]
    if of_source and of_dest:
        newest_source = max(record.mtime_ns for record in of_source)
        newest_dest = max(record.mtime_ns for record in of_dest)
        if source is not None and not any(record.matches_source(source) for record in of_source):
            return Side.BOTH, False
        if newest_source > newest_dest:
            return Side.DESTINATION, True
        return (Side.SOURCE if newest_source < newest_dest else Side.BOTH), False
    if of_source:
        return Side.DESTINATION, False
    return (Side.SOURCE if of_dest else Side.BOTH), False


def may_repair(side: Side, *, source_newer: bool) -> str:
    """Why a DIFFERENT file is not copied again unless its path is named; "" where it may be."""
    if side is Side.DESTINATION or (side is Side.NO_RECORD and source_newer):
        return ""
    if side is Side.SOURCE:
        return "the copy is still what was proven and the source is not; the source was not accepted"
    if side is Side.BOTH:
        return "both sides left what is on record; the source was not accepted"
    return "nothing is on record and the source is not newer; the source was not accepted"
