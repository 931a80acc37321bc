"""The JSON report: last, whole or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest

from vdt import jsonfile
from vdt.errors import LostOutputError
from vdt.jsonfile import write_json

VALUE: Dict[str, Any] = {"path": "caf\u00e9\udce9\n", "exit_code": 1, "counts": {"files": [1, 2]}, "none": None}


def test_what_is_written_is_read_back_and_is_plain_ascii(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(str(path), VALUE, io.StringIO())
    data = path.read_bytes()
    assert data.isascii() and data.endswith(b"}\n") and b"\\udce9" in data
    assert json.loads(data) == VALUE
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_dash_is_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = io.StringIO()
    write_json("-", VALUE, stream)
    assert json.loads(stream.getvalue()) == VALUE
    assert os.listdir(tmp_path) == []


def test_a_former_report_is_replaced_and_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    write_json(str(path), {"run": 1}, io.StringIO())
    seen = []
    real = os.replace

    def spy(source: str, target: str) -> None:
        seen.append((json.loads(Path(source).read_bytes()), json.loads(Path(target).read_bytes())))
        real(source, target)

    monkeypatch.setattr(jsonfile.os, "replace", spy)
    write_json(str(path), {"run": 2}, io.StringIO())
    assert seen == [({"run": 2}, {"run": 1})], "whole beside the old one, then one rename"
    assert json.loads(path.read_bytes()) == {"run": 2}


def test_it_is_flushed_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(jsonfile.os, name, lambda *a, _n=name, _r=real: (order.append(_n), _r(*a))[1])
    write_json(str(tmp_path / "r.json"), VALUE, io.StringIO())
    assert order == ["fsync", "replace"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_report_that_cannot_be_written_is_said_and_the_former_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "report.json"
    write_json(str(path), {"run": 1}, io.StringIO())

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(jsonfile.os, call, full)
    with pytest.raises(LostOutputError, match=r"report\.json could not be written: the disk is full") as caught:
        write_json(str(path), {"run": 2}, io.StringIO())
    assert caught.value.exit_code == 16
    assert json.loads(path.read_bytes()) == {"run": 1}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LostOutputError, match="not there"):
        write_json(str(tmp_path / "missing/report.json"), VALUE, io.StringIO())


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_pipe_that_nobody_reads_is_said() -> None:
    with pytest.raises(LostOutputError, match="broken pipe"):
        write_json("-", VALUE, Broken())


def test_a_report_that_could_not_take_its_name_is_not_left_beside(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(LostOutputError):
        write_json(str(tmp_path / "taken"), VALUE, io.StringIO())
    assert os.listdir(tmp_path) == ["taken"]


def test_a_closed_stream_is_said() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(LostOutputError):
        write_json("-", VALUE, stream)
