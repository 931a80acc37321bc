"""The two ends of a file, whatever lies between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vdt.log_ends import PIECE_BYTES, read_ends


@pytest.mark.parametrize("begins", [0, 1, 7, 1000])
@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES - 1, 2 * PIECE_BYTES])
def test_a_short_log_is_read_whole(tmp_path: Path, length: int, begins: int) -> None:
    path = tmp_path / "log"
    data = (bytes(range(251)) * (length // 251 + 1))[:length]
    path.write_bytes(b"x" * begins + data)
    assert read_ends(str(path), begins) == data


@pytest.mark.parametrize("more", [1, 2, 3, 5_000_001])
def test_of_a_long_one_only_the_ends(tmp_path: Path, more: int) -> None:
    path = tmp_path / "log"
    head, tail = b"\x01\x02" * (PIECE_BYTES // 2), b"\x03\x04" * (PIECE_BYTES // 2)
    path.write_bytes(b"xyz" + head + bytes(more) + tail)
    odd = more % 2  # a tail that begins at the same half of a UTF-16 unit as the head
    assert read_ends(str(path), 3) == head + tail[odd:]


def test_a_log_shorter_than_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"short")
    assert read_ends(str(path), 1000) == b""


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_ends(str(tmp_path / "log"))
