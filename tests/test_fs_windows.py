"""The Windows half of vdt.fs on any system, with a kernel32 that only writes down what it is told.

Shows what is asked of Windows and in which order. Cannot show that Windows heeds it, nor that the names and numbers are
those of a real kernel32: that needs Windows.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import threading
import types
from pathlib import Path
from typing import Any, List, Tuple

import pytest

import vdt.fs

Call = Tuple[str, Tuple[Any, ...], int]
CONTINUOUS, SYSTEM_REQUIRED = 0x80000000, 0x00000001  # winbase.h


class Kernel32:
    """Every function exists, writes its call down and answers 0, which is a failure to most of them."""

    def __init__(self) -> None:
        self.calls: List[Call] = []

    def __getattr__(self, name: str) -> Any:
        def function(*args: Any) -> int:
            self.calls.append((name, args, threading.get_ident()))
            return 0

        setattr(self, name, function)
        return function


@pytest.fixture
def kernel32() -> Kernel32:
    return Kernel32()


@pytest.fixture
def windows(kernel32: Kernel32, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("O_BINARY", "O_NOINHERIT", "O_SEQUENTIAL"):
        monkeypatch.setattr(os, name, 0, raising=False)
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel32, raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", types.ModuleType("msvcrt"))
    path = Path(vdt.fs.__file__).with_name("windows.py")
    spec = importlib.util.spec_from_file_location("vdt_fs_windows_for_a_test", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "win32")
        spec.loader.exec_module(module)
    return module


def test_windows_is_told_to_stay_awake_and_then_that_it_may_sleep_again(windows: Any, kernel32: Kernel32) -> None:
    with windows.stay_awake():
        (call,) = kernel32.calls
        assert call[:2] == ("SetThreadExecutionState", (CONTINUOUS | SYSTEM_REQUIRED,))
    assert [each[:2] for each in kernel32.calls[1:]] == [("SetThreadExecutionState", (CONTINUOUS,))]
    assert {each[2] for each in kernel32.calls} == {threading.get_ident()}, "the wish belongs to a thread"


def test_windows_may_sleep_again_after_an_error_too(windows: Any, kernel32: Kernel32) -> None:
    with pytest.raises(ZeroDivisionError), windows.stay_awake():
        raise ZeroDivisionError
    assert kernel32.calls[-1][1] == (CONTINUOUS,)


def test_windows_tells_nothing_of_its_cache_and_needs_not(windows: Any) -> None:
    assert windows.Folder.cached(object(), "name") is None
    assert not windows.DIRECT_MAY_BUFFER
