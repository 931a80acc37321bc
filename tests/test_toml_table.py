"""The file as a table: whatever keeps it from being read has its sentence, and values are handed out by type."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Callable

import pytest

from vdt.errors import ConfigError
from vdt.vizgen.toml_table import Checker, Table, read_toml, unknown_keys


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        path = tmp_path / ".vizgen_config.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


# ---- files that cannot be read -----------------------------------------------------------------------------------


def file_fault(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_toml(path, str(path))
    assert len(caught.value.faults) == 1
    assert caught.value.exit_code == 16
    return caught.value.faults[0]


def test_a_missing_file_names_path_and_remedy(tmp_path: Path) -> None:
    fault = file_fault(tmp_path / "none.toml")
    assert str(tmp_path / "none.toml") in fault and "--init_config" in fault


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "is a folder" in file_fault(tmp_path)


def test_an_unreadable_file(written: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("")

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    assert "cannot be read: Permission denied." in file_fault(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16(written: Callable[[Any], Path], encoding: str) -> None:
    assert "Save it as UTF-8" in file_fault(written('a = "Z"\n'.encode(encoding)))


def test_another_code_page(written: Callable[[Any], Path]) -> None:
    assert file_fault(written("a = 1\n# Müller".encode("cp1252"))).startswith("Line 2 is not UTF-8")


def test_a_huge_file(written: Callable[[Any], Path]) -> None:
    assert "larger than 1 MiB" in file_fault(written(b"#" * ((1 << 20) + 1)))


@pytest.mark.parametrize("line", [r'"Z:\data"', r'"Z:\"', r'"\\server\share"', r'"Z:\users"', r'"L:\logs"'])
def test_single_backslashes_get_the_remedy(written: Callable[[Any], Path], line: str) -> None:
    fault = file_fault(written(f"a = 1\n\nanalysis_drive_pc = {line}\n"))
    assert fault.startswith("Line 3 is not valid TOML") and r"'Z:\data'" in fault and r'"Z:\\data"' in fault


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[vdt]\nrobocopy_check = on\n", "stand in quotes"),
        ("a = \u201cx\u201d\n", "typographic"),
        ("a = 1\na = 2\n", "Line 2"),
        ("a = [1,\n", "not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = " + "[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_toml(written: Callable[[Any], Path], text: str, word: str) -> None:
    assert word in file_fault(written(text))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_that_can_be_read(written: Callable[[Any], Path], mark: bytes, ends: str) -> None:
    text = ends.join(["a = 'Z:\\data'", "[vdt]", "threads = 4", ""])
    assert read_toml(written(mark + text.encode()), "x") == {"a": "Z:\\data", "vdt": {"threads": 4}}


# ---- values by their type ----------------------------------------------------------------------------------------


def test_a_fault_names_its_table_and_the_value_reads_as_missing() -> None:
    checker = Checker(windows=False)
    data = {"tool": {"options": {"n": "4", "t": 4, "s": "4", "c": "x\x07", "l": ["a", 1], "w": 9}}}
    table = Table(data, "", checker).table("tool").table("options")
    assert (table.whole("n", 1, 8), table.text("t"), table.seconds("s")) == (None, None, None)
    assert (table.choice("c", ("on", "off")), table.texts("l"), table.whole("w", 1, 8)) == (None, (), None)
    assert [fault[:17] for fault in checker.faults] == [f"[tool.options] {key} " for key in "ntsclw"]
    assert all(fault.isprintable() for fault in checker.faults)
    assert checker.warnings == []


def test_what_is_missing_is_no_fault() -> None:
    checker = Checker(windows=False)
    table = Table({"empty": " "}, "vdt", checker)
    assert (table.text("empty"), table.text("none"), table.whole("none", 1, 2)) == (None, None, None)
    assert table.texts("none") == ()
    assert table.missing("empty") and table.missing("none") and "none" not in table.table("deeper")
    assert checker.faults == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true or false"),
        (1, "a whole number"),
        (1.5, "a number"),
        ([], "a list"),
        ({}, "a table"),
        (dt.date(2026, 4, 12), "a date or time"),
    ],
)
def test_a_wrong_type_is_named_in_plain_words(value: object, words: str) -> None:
    checker = Checker(windows=False)
    assert Table({"key": value}, "", checker).text("key") is None
    assert checker.faults == [f"key is {words}, but it has to be a text in quotes."]


def test_unknown_keys_come_with_the_nearest_known_one() -> None:
    found = unknown_keys({"threats": 1, "xyzzy": 2, "verify": 3}, ("threads", "verify"))
    assert found == [("threats", " Did you mean threads?"), ("xyzzy", "")]
