"""The algorithms of manifests against published values."""

from __future__ import annotations

import pytest

from vdt.checksums import ALGORITHMS, by_digits, by_file_name, by_name, digest, new, reversed_bytes

ABC = {  # of "abc", as xxhsum 0.8.1 and the coreutils print them
    "xxh32": "32d153ff",
    "xxh64": "44bc2cf5ad770999",
    "xxh3": "78af5f94892f3950",
    "xxh128": "06b05ab6733a618578af5f94892f3950",
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha224": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384": "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
}


def test_every_algorithm_has_a_published_value() -> None:
    assert set(ABC) == set(ALGORITHMS)


@pytest.mark.parametrize("name", ABC)
def test_whole_and_in_blocks(name: str) -> None:
    assert digest(name, memoryview(b"abc")) == ABC[name]
    running = new(name)
    running.update(memoryview(b"a"))
    running.update(memoryview(b"bc"))
    assert running.hexdigest() == ABC[name]
    assert len(ABC[name]) == ALGORITHMS[name].digits


def test_little_endian_as_xxhsum_prints_it() -> None:
    assert reversed_bytes(ABC["xxh128"]) == "50392f89945faf7885613a73b65ab006"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("MD5", ("md5", False)),
        ("SHA2-256", ("sha256", False)),
        ("sha-1", ("sha1", False)),
        ("XXH3", ("xxh3", False)),
        ("XXH128_LE", ("xxh128", True)),
        ("xxh3_128", ("xxh128", False)),
        ("BLAKE2b", None),
        ("SHA512/256", None),
        ("SHA3-256", None),
        ("CRC32", None),
        ("md5_le", None),
    ],
)
def test_names(word: str, expected) -> None:
    assert by_name(word) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw_data.xxh128", "xxh128"),
        ("raw_data.incomplete.xxh128", "xxh128"),
        ("a.md5", "md5"),
        ("MD5SUMS", "md5"),
        ("SHA256SUMS.txt", "sha256"),
        ("checksums.sha512", "sha512"),
        ("sha1sum.txt", "sha1"),
        ("manifest-sha-256.txt", "sha256"),
        ("md5_and_sha1.txt", None),
        ("md5-sha1.txt", None),
        ("checksums.txt", None),
        ("xmd5x", None),
    ],
)
def test_file_names(name: str, expected) -> None:
    assert by_file_name(name) == expected


def test_lengths() -> None:
    assert [by_digits(n) for n in (8, 16, 32, 40, 31)] == [
        ("xxh32",),
        ("xxh64", "xxh3"),
        ("xxh128", "md5"),
        ("sha1",),
        (),
    ]
