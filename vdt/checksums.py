"""The algorithms that manifests use: their names, how many digits they have, and a running digest of each.

Pure. None of them but the sha2 family withstands somebody who means harm; all of them find accidents.
"""

from __future__ import annotations

import hashlib
import re
from typing import Callable, Dict, NamedTuple, Optional, Protocol, Tuple

import xxhash

from vdt.hashing import digest_of

LITTLE_ENDIAN = "_le"  # behind a name of xxhsum's: the same digest, its bytes in the other order


class Hash(Protocol):
    """A running digest of any algorithm."""

    def update(self, view: memoryview, /) -> object: ...
    def hexdigest(self) -> str: ...


def _standard(name: str) -> Callable[[], Hash]:
    return lambda: hashlib.new(name, usedforsecurity=False)


class Algorithm(NamedTuple):
    """One algorithm and the length of its digests."""

    name: str
    digits: int
    make: Callable[[], Hash]


ALGORITHMS: Dict[str, Algorithm] = {
    item.name: item
    for item in (
        Algorithm("xxh32", 8, xxhash.xxh32),
        Algorithm("xxh64", 16, xxhash.xxh64),
        Algorithm("xxh3", 16, xxhash.xxh3_64),
        Algorithm("xxh128", 32, xxhash.xxh3_128),
        Algorithm("md5", 32, _standard("md5")),
        Algorithm("sha1", 40, _standard("sha1")),
        Algorithm("sha224", 56, _standard("sha224")),
        Algorithm("sha256", 64, _standard("sha256")),
        Algorithm("sha384", 96, _standard("sha384")),
        Algorithm("sha512", 128, _standard("sha512")),
    )
}
_ALSO_CALLED = {"xxh3_64": "xxh3", "xxh3_128": "xxh128", "xxhash32": "xxh32", "xxhash64": "xxh64"}
# as a word of a file name: raw_data.md5, MD5SUMS, checksums.sha256, sha256sum.txt, manifest-sha512.txt
_IN_FILE_NAME = re.compile(
    r"(?<![a-z0-9])(xxh3_128|xxh3_64|xxh(?:32|64|128|3)|md5|sha-?(?:1|224|256|384|512))(?:sums?)?(?![a-z0-9])"
)


def new(algorithm: str) -> Hash:
    """A running digest, for files fed in blocks. Raises KeyError for an unknown name."""
    return ALGORITHMS[algorithm].make()


def digest(algorithm: str, view: memoryview) -> str:
    """The digest of bytes that lie in memory as a whole. Raises KeyError for an unknown name."""
    if algorithm == "xxh128":
        return digest_of(view)
    one = new(algorithm)
    one.update(view)
    return one.hexdigest()


def by_name(word: str) -> Optional[Tuple[str, bool]]:
    """(algorithm, whether its digests are little-endian) of a tag or of what a person typed; None where unknown."""
    name = word.lower()
    little = name.startswith("xxh") and name.endswith(LITTLE_ENDIAN)
    if little:
        name = name[: -len(LITTLE_ENDIAN)]
    name = re.sub(r"^sha(?:2-|-)(?=\d+$)", "sha", name)
    name = _ALSO_CALLED.get(name, name)
    return (name, little) if name in ALGORITHMS else None


def by_file_name(name: str) -> Optional[str]:
    """The algorithm that a manifest's file name names; None where it names none, or several."""
    found = {by_name(word) for word in _IN_FILE_NAME.findall(name.lower())}
    (only,) = found if len(found) == 1 else (None,)
    return only[0] if only else None


def by_digits(digits: int) -> Tuple[str, ...]:
    """Every algorithm with digests of that many hex digits."""
    return tuple(item.name for item in ALGORITHMS.values() if item.digits == digits)


def reversed_bytes(digits: str) -> str:
    """A little-endian digest as the big-endian one, and the other way round."""
    return bytes.fromhex(digits)[::-1].hex()
