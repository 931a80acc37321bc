"""Digests against published values and against the libraries used plainly."""

from __future__ import annotations

import hashlib

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.hashing import OTHER_DIGESTS, Digester, digest_views

EMPTY = "99aa06d3014798d86001c324468d497f"  # xxh128 of nothing, seed 0, as `xxhsum -H128` prints it


def pieces(data: bytes, cuts) -> list:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [memoryview(data)[a:b] for a, b in zip(edges, edges[1:])]


def test_nothing_seen() -> None:
    digester = Digester()
    assert (digester.digest, digester.also, digester.size_bytes) == (EMPTY, "", 0)
    assert digest_views([]) == (0, EMPTY)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_second_digest(name: str, expected: str) -> None:
    digester = Digester(name)
    digester.update(memoryview(b"a"))
    digester.update(memoryview(b"bc"))
    assert digester.also == expected
    assert digester.digest == xxhash.xxh3_128_hexdigest(b"abc")


def test_every_offered_digest_can_be_made() -> None:
    assert [len(Digester(name).also) for name in OTHER_DIGESTS] == [32, 64]


def test_an_unknown_second_digest_is_refused() -> None:
    with pytest.raises(ValueError):
        Digester("crc7")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=5))
def test_pieces_make_no_difference(data: bytes, cuts) -> None:
    digester = Digester("sha256")
    for view in pieces(data, cuts):
        digester.update(view)
    whole = xxhash.xxh3_128_hexdigest(data)
    assert (digester.size_bytes, digester.digest) == (len(data), whole)
    assert digester.also == hashlib.sha256(data).hexdigest()
    assert digest_views(iter(pieces(data, cuts))) == (len(data), whole)


def test_a_buffer_may_be_used_again_after_each_view() -> None:
    buffer = bytearray(4)

    def views():
        for text in (b"abcd", b"efgh", b"ij"):
            buffer[: len(text)] = text
            yield memoryview(buffer)[: len(text)]

    assert digest_views(views()) == (10, xxhash.xxh3_128_hexdigest(b"abcdefghij"))


def test_a_digest_can_be_asked_for_midway() -> None:
    digester = Digester()
    digester.update(memoryview(b"a"))
    assert digester.digest == xxhash.xxh3_128_hexdigest(b"a")
    digester.update(memoryview(b"b"))
    assert digester.digest == xxhash.xxh3_128_hexdigest(b"ab")
