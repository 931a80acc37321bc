"""A file that grows at its end while the share under it fails: nothing is lost, no line is torn for its reader."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Callable, List

import pytest

from vdt import appender
from vdt.appender import Appender


class Disk:
    """Stands before `os.write`: each call writes so many bytes, or fails; behind the script all goes well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *script: Any) -> None:
        self.script: List[Any] = list(script)
        self._write: Callable[[int, bytes], int] = os.write
        monkeypatch.setattr(appender.os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        step = self.script.pop(0) if self.script else len(data)
        if step == "lie":  # half of it lands, and the call says that it failed
            self._write(fd, data[: len(data) // 2])
        if not isinstance(step, int):
            raise OSError(errno.EIO, "away")
        return self._write(fd, data[:step])


def write_all(file: Appender, *blocks: bytes) -> int:
    """Write blocks, each again until it is taken; returns how often that failed."""
    failed = 0
    for block in blocks:
        try:
            file.write(block)
        except OSError:
            failed += 1
            file.write()
    file.finish()
    return failed


def test_it_appends_and_empties_and_refuses_as_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_all(Appender(str(path)), b"one\n")
    write_all(Appender(str(path)), b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    with pytest.raises(FileExistsError):
        Appender(str(path), flags=os.O_CREAT | os.O_EXCL)
    write_all(Appender(str(path), flags=os.O_CREAT | os.O_TRUNC), b"three\n")
    assert path.read_bytes() == b"three\n"


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Appender(str(tmp_path / "x"))
    Disk(monkeypatch, 1, 2, 1)
    assert write_all(file, b"one\ntwo\n") == 0
    assert (tmp_path / "x").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("before", range(9))
def test_a_write_that_fails_goes_on_at_the_byte_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    file = Appender(str(tmp_path / "x"))
    Disk(monkeypatch, before, "fail") if before else Disk(monkeypatch, "fail")
    failed = write_all(file, b"one\ntwo\n", b"three\n")
    assert failed == 1 and (tmp_path / "x").read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("before", range(8))
def test_a_write_that_lied_leaves_a_torn_line_and_then_whole_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    file = Appender(str(tmp_path / "x"))
    Disk(monkeypatch, before, "lie") if before else Disk(monkeypatch, "lie")
    write_all(file, b"one\ntwo\n", b"three\n")
    lines = (tmp_path / "x").read_bytes().split(b"\n")
    assert [line for line in lines if line in (b"one", b"two", b"three")][-2:] == [b"two", b"three"]
    assert b"one" in lines and lines[-1] == b""


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    file = Appender(str(path))
    file.write(b"one\n")
    Disk(monkeypatch, "fail")
    with pytest.raises(OSError, match="away"):
        file.write(b"two\n")
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        file.write()
    assert not path.exists()
    (tmp_path / "elsewhere").rename(path)
    file.finish()
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_flush_that_failed_is_done_again_by_another_handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: List[int] = []

    def fsync(fd: int) -> None:
        flushed.append(fd)
        if len(flushed) == 1:
            raise OSError(errno.EIO, "away")

    monkeypatch.setattr(appender.os, "fsync", fsync)
    file = Appender(str(tmp_path / "x"))
    with pytest.raises(OSError, match="away"):
        file.sync(b"one\n")
    file.finish()
    assert len(flushed) == 2 and (tmp_path / "x").read_bytes() == b"one\n"
