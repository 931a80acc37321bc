"""The log file of one tree: appended to, safe from names, and never lost without a word."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Callable

import pytest

from vdt import treelog
from vdt.errors import LostOutputError
from vdt.treelog import NoLog, TreeLog


def test_each_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "raw_data.log"
    for text in ("first\r\n", "second\r\n"):
        log = TreeLog(str(path))
        log.write(text)
        log.close()
    assert path.read_bytes() == b"first\r\nsecond\r\n"


def test_or_begins_anew_where_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"old")
    log = TreeLog(str(path), append=False)
    log.write("new\r\n")
    log.close()
    assert path.read_bytes() == b"new\r\n"


def test_pieces_keep_their_order_and_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = TreeLog(str(path))
    pieces = [f"{number}\t\u00e9\u20ac\r\n" * 50 for number in range(800)]
    for piece in pieces:
        log.write(piece)
    log.close()
    assert path.read_bytes() == "".join(pieces).encode()


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = TreeLog(str(path))
    for _ in range(3000):
        log.write("x" * 100)
    assert path.stat().st_size >= 200_000
    log.close()


def test_a_name_that_no_encoder_takes_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = TreeLog(str(path))
    log.write("caf\udce9 \ud800\r\n")
    log.close()
    assert path.read_bytes() == b"caf\\udce9 \\ud800\r\n"


def test_what_was_flushed_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = TreeLog(str(path))
    log.write("a")
    log.flush()
    log.flush()
    assert path.read_bytes() == b"a"
    log.close()


def test_it_is_on_the_medium_when_it_is_closed_and_closes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(treelog.os, "fsync", flushed.append)
    log = TreeLog(str(tmp_path / "x.log"))
    log.write("a")
    log.close()
    log.close()
    log.flush()
    assert len(flushed) == 1


def test_a_log_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(LostOutputError, match=r"x\.log cannot be opened: it is not there") as caught:
        TreeLog(str(tmp_path / "missing/x.log"))
    assert caught.value.exit_code == 16


def test_a_log_that_cannot_be_flushed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(treelog.os, "fsync", refused)
    log = TreeLog(str(tmp_path / "x.log"))
    log.write("a")
    with pytest.raises(LostOutputError, match="cannot be written"):
        log.close()
    log.close()


FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason="no disk here that is always full")


@needs_full
def test_a_full_disk_is_said_while_it_is_written() -> None:
    log = TreeLog(FULL)
    with pytest.raises(LostOutputError, match="the disk is full"):
        for _ in range(10):
            log.write("x" * 20_000)


@needs_full
def test_a_full_disk_is_said_at_the_end() -> None:
    log = TreeLog(FULL)
    log.write("x")
    with pytest.raises(LostOutputError, match="/dev/full cannot be written: the disk is full"):
        log.close()


@needs_full
def test_after_it_was_said_closing_says_it_in_the_same_words() -> None:
    log = TreeLog(FULL)
    log.write("x")
    with pytest.raises(LostOutputError):
        log.flush()
    with pytest.raises(LostOutputError):
        log.close()


def test_no_log_takes_everything() -> None:
    log: Any = NoLog()
    log.write("x")
    log.close()


def patient(act: Callable[[], None]) -> None:
    """Tries up to three times, as a run does that waits for a share."""
    for _ in range(2):
        try:
            return act()
        except OSError:
            pass
    return act()


def test_a_log_whose_share_was_away_has_every_piece_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = TreeLog(str(tmp_path / "x.log"), patiently=patient)
    real, calls = os.write, [0]

    def write(fd: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] % 3:
            raise OSError(errno.EHOSTDOWN, "away")
        return real(fd, data)

    monkeypatch.setattr(treelog.os, "write", write)
    pieces = [f"line {number}\r\n" * 40 for number in range(600)]
    for piece in pieces:
        log.write(piece)
    log.close()
    assert calls[0] >= 6 and (tmp_path / "x.log").read_bytes() == "".join(pieces).encode()
