"""Windows paths as a person types them, on any system, held against ntpath."""

from __future__ import annotations

import ntpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.fs.typed import windows_absolute, windows_fault


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Z:", "Z:\\"),
        ("Z:\\", "Z:\\"),
        ("Z:/", "Z:\\"),
        ("z:/x", "z:\\x"),
        ("z:\\x\\", "z:\\x"),
        ("L:\\a\\..\\b\\.", "L:\\b"),
        ("\\\\nas\\share\\x", "\\\\nas\\share\\x"),
        ("//nas/share/x/", "\\\\nas\\share\\x"),
        ("\\\\?\\C:\\x", "C:\\x"),
        ("\\\\?\\UNC\\nas\\share\\x", "\\\\nas\\share\\x"),
        ("x", "D:\\here\\x"),
        (".", "D:\\here"),
        ("G:\\Vizgen data Z drive", "G:\\Vizgen data Z drive"),
    ],
)
def test_what_is_typed_is_what_is_meant(typed: str, meant: str) -> None:
    assert windows_absolute(typed, "D:\\here") == meant
    assert windows_absolute(meant, "D:\\here") == meant, "a path that is whole stays"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('C:\\dir" --log x', "leave the last backslash out"),
        ('C:\\dir"', "leave the last backslash out"),
        ("%USERPROFILE%\\data", "not expanded"),
        ("C:\\%TEMP%", "not expanded"),
        ("$env:TEMP\\x", "not expanded"),
        ("\\\\nas", "without a share"),
        ("//nas/", "without a share"),
        ("\\\\.\\PhysicalDrive0", "a device"),
        ("C:\\a?b", "allows in no name"),
        ("C:\\a*", "allows in no name"),
        ("C:\\a:b", "colon"),
        ("Z:data", "Write Z:\\data"),
    ],
)
def test_a_trap_is_named_with_its_remedy(typed: str, words: str) -> None:
    assert words in windows_fault(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "Z:",
        "Z:\\",
        "z:/x",
        "\\\\nas\\share",
        "\\\\nas\\share\\x\\",
        "x",
        "..\\x",
        "C:\\100 % sure",
        "C:\\a%b",
        "\\\\?\\C:\\x",
    ],
)
def test_what_is_right_is_left_alone(typed: str) -> None:
    assert windows_fault(typed) == ""


@given(st.text(alphabet='CZ:\\/.%" $env?*ab', max_size=20))
def test_any_text_gives_a_whole_path_or_a_sentence(typed: str) -> None:
    fault = windows_fault(typed)
    if fault:
        assert fault.endswith(".") and typed in fault
    else:
        whole = windows_absolute(typed, "D:\\here")
        assert ntpath.isabs(whole) and "/" not in whole and '"' not in whole
