"""The Windows half of vdt.fs on any system, with a kernel32 that only writes down what it is told.

Shows what is asked of Windows and in which order. Cannot show that Windows heeds it, nor that the names and numbers are
those of a real kernel32: that needs Windows.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import mmap
import ntpath
import os
import re
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

import vdt.fs
from vdt import troubles

PARTS = tuple(path.stem for path in Path(vdt.fs.__file__).parent.glob("windows_*.py") if path.stem != "windows_errors")
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


def load(kernel32: Kernel32, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("O_BINARY", "O_NOINHERIT", "O_SEQUENTIAL"):
        monkeypatch.setattr(os, name, 0, raising=False)
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel32, raising=False)
    monkeypatch.setattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE, raising=False)
    for name in ("msvcrt", "winreg"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for part in PARTS:  # each test loads its own, over its own kernel32
        monkeypatch.delitem(sys.modules, f"vdt.fs.{part}", raising=False)
    path = Path(vdt.fs.__file__).with_name("windows.py")
    spec = importlib.util.spec_from_file_location("vdt_fs_windows_for_a_test", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "win32")
        spec.loader.exec_module(module)
    for part in PARTS:
        setattr(module, part[len("windows_") :], sys.modules[f"vdt.fs.{part}"])
    for part in PARTS:  # and leaves none of them to whoever imports them next
        monkeypatch.delitem(sys.modules, f"vdt.fs.{part}")
    return module


@pytest.fixture
def windows(kernel32: Kernel32, monkeypatch: pytest.MonkeyPatch) -> Any:
    return load(kernel32, monkeypatch)


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


# -- one file, several handles -------------------------------------------------------------------------------------

READ, WRITE, SHARE_ALL, NO_BUFFERING, SEQUENTIAL = 0x80000000, 0x40000000, 0x7, 0x20000000, 0x08000000  # winnt.h
END_OF_FILE, INVALID = 38, ctypes.c_void_p(-1).value


class Function:
    """A bound method takes no attributes; a function of ctypes does (`argtypes`)."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


class Disk(Kernel32):
    """A kernel32 with one file in it. A handle is a number; a descriptor is a real one, so that it can be closed."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self.data = bytearray(data)
        self.at_most = 1 << 30  # bytes that one call moves
        self.error = 0
        self.fail = 0  # the error that the next read or write gives
        self.handles: List[int] = []
        self.closed: List[int] = []
        self.ReOpenFile = Function(self._reopen)
        self.ReadFile = Function(self._read)
        self.WriteFile = Function(self._write)
        self.CloseHandle = Function(self.closed.append)
        self.FlushFileBuffers = Function(lambda handle: 1)

    def _reopen(self, *args: Any) -> Any:
        self.calls.append(("ReOpenFile", args, threading.get_ident()))
        self.handles.append(1000 + len(self.handles))
        return self.handles[-1]

    def _read(self, handle: int, address: int, count: int, got: Any, place: Any) -> int:
        if self.fail:
            self.error = self.fail
            return 0
        offset = place._obj.offset | place._obj.offset_high << 32
        self.calls.append(("ReadFile", (handle, offset, count), threading.get_ident()))
        if offset >= len(self.data):
            self.error = END_OF_FILE
            return 0
        piece = bytes(self.data[offset : offset + min(count, self.at_most)])
        ctypes.memmove(address, piece, len(piece))
        got._obj.value = len(piece)
        return 1

    def _write(self, handle: int, address: int, count: int, done: Any, place: Any) -> int:
        if self.fail:
            self.error = self.fail
            return 0
        offset = place._obj.offset | place._obj.offset_high << 32
        self.calls.append(("WriteFile", (handle, offset, count), threading.get_ident()))
        count = min(count, self.at_most)
        self.data.extend(bytes(max(0, offset + count - len(self.data))))
        self.data[offset : offset + count] = ctypes.string_at(address, count)
        done._obj.value = count
        return 1


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    one = Disk()
    monkeypatch.setattr(ctypes, "get_last_error", lambda: one.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, f"error {code}"), raising=False)
    return one


@pytest.fixture
def half(disk: Disk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The Windows half over `disk`; `half.first` is a descriptor of its file."""
    module = load(disk, monkeypatch)
    opened: Dict[int, int] = {}

    def open_osfhandle(handle: int, flags: int) -> int:
        fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
        opened[fd] = handle
        return fd

    module.handles.msvcrt.get_osfhandle = lambda fd: opened.get(fd, -fd)
    module.handles.msvcrt.open_osfhandle = open_osfhandle
    module.first = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    yield module
    os.close(module.first)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("write", "direct", "access", "flags"),
    [(False, False, READ, SEQUENTIAL), (False, True, READ, NO_BUFFERING), (True, False, WRITE, SEQUENTIAL)],
)
def test_each_worker_gets_a_handle_of_its_own_opened_from_the_first(
    half: Any, disk: Disk, write: bool, direct: bool, access: int, flags: int
) -> None:
    handles = half.Handles(half.first, write=write, direct=direct)
    with handles.one() as first:
        assert first == half.first and not disk.calls, "one worker needs no other handle"
        with handles.one() as second, handles.one() as third:
            assert len({first, second, third}) == 3
    assert [call[:2] for call in disk.calls] == [("ReOpenFile", (-half.first, access, SHARE_ALL, flags))] * 2
    with handles.one(), handles.one(), handles.one():
        assert len(disk.calls) == 2, "those that there are serve again"
    handles.close()
    assert is_open(half.first) and not is_open(second) and not is_open(third)
    handles.close()


def test_no_two_workers_hold_one_handle(half: Any, disk: Disk) -> None:
    handles, held, twice = half.Handles(half.first), set(), []  # type: Any, Any, List[int]
    lock = threading.Lock()

    def work() -> None:
        for _ in range(200):
            with handles.one() as fd:
                with lock:
                    if fd in held:
                        twice.append(fd)
                    held.add(fd)
                with lock:
                    held.discard(fd)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    handles.close()
    assert not twice and len(disk.handles) <= 3


@pytest.mark.parametrize("answer", [INVALID, None])
def test_where_no_more_can_be_had_the_first_handle_serves_all(half: Any, disk: Disk, answer: Any) -> None:
    disk.ReOpenFile = Function(lambda *_: answer)
    handles = half.Handles(half.first)
    for _ in range(2):
        with handles.one() as first, handles.one() as second, handles.one() as third:
            assert {first, second, third} == {half.first}
    assert handles._free == [half.first], "it is not handed out twice to those that need one alone"
    handles.close()
    assert is_open(half.first)


def test_a_handle_that_gets_no_descriptor_is_closed(half: Any, disk: Disk) -> None:
    def none_left(handle: int, flags: int) -> int:
        raise OSError(24, "too many open files")

    half.handles.msvcrt.open_osfhandle = none_left
    handles = half.Handles(half.first)
    with handles.one(), handles.one() as second:
        assert second == half.first
    assert disk.closed == disk.handles != []


@pytest.mark.parametrize("write", [True, False])
def test_handles_are_flushed_where_they_wrote_and_all_are_closed_whatever_fails(
    half: Any, disk: Disk, write: bool
) -> None:
    flushed: List[int] = []

    def flush(handle: int) -> int:
        flushed.append(handle)
        disk.error = 64
        return 0

    handles = half.Handles(half.first, write=write)
    with handles.one(), handles.one() as second, handles.one() as third:
        pass
    disk.FlushFileBuffers = Function(flush)
    if write:
        with pytest.raises(OSError, match="error 64"):
            handles.close()
    else:
        handles.close()
    assert flushed == (disk.handles if write else [])
    assert not is_open(second) and not is_open(third) and is_open(half.first)


@pytest.mark.parametrize("at_most", [1 << 30, 4096])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(
    ("offset", "want"), [(0, 16384), (4096, 4096), (8192, 100), (16384, 9000), (20480, 4096), (24576, 10), (40960, 10)]
)
def test_a_read_names_its_place(half: Any, disk: Disk, offset: int, want: int, direct: bool, at_most: int) -> None:
    disk.data[:] = os.urandom(24576 + 100)
    disk.at_most = at_most
    buffer = bytearray(16384)
    got = half.read_at(half.first, memoryview(buffer), offset, want, direct=direct)
    wanted = disk.data[offset : offset + want]
    assert got == len(wanted) and buffer[:got] == wanted
    if direct:
        assert all(count % 4096 == 0 for _, (_, _, count), _ in disk.calls), "whole sectors are asked for"
    else:
        assert sum(call[1][2] for call in disk.calls[:1]) <= want


def test_a_read_at_the_end_is_no_error_and_any_other_is(half: Any, disk: Disk) -> None:
    disk.data[:] = b"x" * 10
    view = memoryview(bytearray(100))
    assert half.read_at(half.first, view, 10, 50) == 0
    assert half.read_at(half.first, view, 5, 50) == 5
    disk.fail = END_OF_FILE
    assert half.read_at(half.first, view, 0, 50) == 0
    disk.fail = 64
    with pytest.raises(OSError) as caught:
        half.read_at(half.first, view, 0, 50)
    assert caught.value.errno == 64


def test_a_place_behind_four_gigabytes_is_named_in_two_halves(half: Any, disk: Disk) -> None:
    for offset in (0, (1 << 32) - 1, 1 << 32, (5 << 32) + 7):
        place = half.handles.overlapped(offset)
        assert (place.offset_high << 32 | place.offset, place.event) == (offset, None)
    half.read_at(half.first, memoryview(bytearray(10)), (3 << 32) + 5, 10)
    assert disk.calls[-1][1][1] == (3 << 32) + 5


@pytest.mark.parametrize("at_most", [1 << 30, 7])
def test_a_write_names_its_place_and_goes_on_where_it_stopped(half: Any, disk: Disk, at_most: int) -> None:
    disk.at_most = at_most
    data = os.urandom(60)
    for offset, piece in ((30, data[30:]), (0, data[:30])):
        half.write_at(half.first, memoryview(bytearray(piece)), offset)
    assert disk.data == data
    disk.fail = 112
    with pytest.raises(OSError) as caught:
        half.write_at(half.first, memoryview(bytearray(b"x")), 0)
    assert caught.value.errno == 112


# -- the console window --------------------------------------------------------------------------------------------

CTRL_C, CTRL_BREAK, CLOSE, LOGOFF, SHUTDOWN = 0, 1, 2, 5, 6  # wincon.h
QUICK_EDIT, EXTENDED = 0x40, 0x80


class Window(Kernel32):
    """A kernel32 with a console window whose mode has QuickEdit on."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = 0x1F7
        self.handlers: List[Any] = []
        self.GetStdHandle = Function(lambda number: 7 if number == 0xFFFFFFF6 else 0)
        self.GetConsoleMode = Function(self._get)
        self.SetConsoleMode = Function(self._set)
        self.SetConsoleCtrlHandler = Function(self._handler)

    def _get(self, console: int, mode: Any) -> int:
        mode._obj.value = self.mode
        return int(console == 7)

    def _set(self, console: int, mode: int) -> int:
        self.mode = mode
        return 1

    def _handler(self, handler: Any, add: bool) -> int:
        self.handlers.append(handler) if add else self.handlers.remove(handler)
        return 1


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Any:
    kernel = Window()
    module = load(kernel, monkeypatch).console
    module.kernel = kernel
    return module


def test_a_click_stops_nothing_while_the_command_runs_and_may_again_afterwards(window: Any) -> None:
    before = window.kernel.mode
    with window.steady_console(lambda reason: None):
        assert not window.kernel.mode & QUICK_EDIT and window.kernel.mode & EXTENDED
        assert window.kernel.mode | QUICK_EDIT == before | EXTENDED, "nothing else is changed"
    assert window.kernel.mode == before | EXTENDED and window.kernel.handlers == []


def test_a_process_that_is_ended_at_once_gives_the_window_back_too(window: Any) -> None:
    with window.steady_console(lambda reason: None):
        window.restore_console()
        assert window.kernel.mode & QUICK_EDIT


def test_a_process_without_a_console_goes_on(window: Any) -> None:
    window.kernel.GetStdHandle = Function(lambda number: None)
    before = window.kernel.mode
    with window.steady_console(lambda reason: None):
        assert window.kernel.mode == before
    assert window.kernel.mode == before


@pytest.mark.parametrize(("event", "word"), [(CLOSE, "closed"), (LOGOFF, "signed out"), (SHUTDOWN, "shut down")])
def test_the_end_of_the_window_asks_for_the_stop_and_is_held_off(
    window: Any, monkeypatch: pytest.MonkeyPatch, event: int, word: str
) -> None:
    reasons: List[str] = []
    monkeypatch.setattr(window, "_HOLD_OFF_S", 0.3)
    with window.steady_console(reasons.append):
        (handler,) = window.kernel.handlers
        began = time.monotonic()
        assert handler(event) == 1
        assert 0.25 < time.monotonic() - began < 2, "Windows is held off, and not for ever"
    (reason,) = reasons
    assert word in reason


def test_windows_is_not_held_off_once_the_command_has_ended(window: Any) -> None:
    entered = threading.Event()
    with window.steady_console(lambda reason: entered.set()):
        (handler,) = window.kernel.handlers
        thread = threading.Thread(target=handler, args=(CLOSE,))
        thread.start()
        assert entered.wait(2)
    began = time.monotonic()
    thread.join(5)
    assert not thread.is_alive() and time.monotonic() - began < 1


@pytest.mark.parametrize("event", [CTRL_C, CTRL_BREAK])
def test_ctrl_c_and_ctrl_break_are_left_to_python(window: Any, event: int) -> None:
    reasons: List[str] = []
    with window.steady_console(reasons.append):
        assert window.kernel.handlers[0](event) == 0
    assert reasons == []


# -- Offline Files, drives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("active", "remote", "cold"), [(1, True, False), (0, True, True), (1, False, True)])
def test_offline_files_lower_what_is_promised_of_a_share(
    monkeypatch: pytest.MonkeyPatch, active: int, remote: bool, cold: bool
) -> None:
    kernel = Kernel32()
    kernel.GetDriveTypeW = Function(lambda drive: 4 if remote else 3)
    module = load(kernel, monkeypatch)

    def query(is_active: Any, is_enabled: Any) -> int:
        is_active._obj.value = active
        return 0

    library = types.SimpleNamespace(OfflineFilesQueryStatus=query)
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, **_: library)
    found = module.volume("C:\\somewhere")
    assert (found.remote, found.cold_reads) == (remote, cold)
    assert bool(found.why_not_cold) is not cold


# -- times and attributes ------------------------------------------------------------------------------------------

_1601_S = 11_644_473_600  # from then to 1970


class Clockwork(Kernel32):
    """A kernel32 that keeps the times of one file: (made, last read, last written) in steps of 100 ns since 1601."""

    def __init__(self) -> None:
        super().__init__()
        self.times = [1, 2, 3]
        self.opened: List[Any] = []
        self.refuse = 0
        self.CreateFileW = Function(lambda *args: self.opened.append(args) or 77)
        self.SetFileTime = Function(self._set)

    def _set(self, handle: int, *times: Any) -> int:
        assert handle == 77
        if self.refuse:
            return 0
        for place, time_ in enumerate(times):
            if time_ is not None:
                self.times[place] = time_._obj.dwHighDateTime << 32 | time_._obj.dwLowDateTime
        return 1


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Any:
    kernel = Clockwork()
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.refuse, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, f"error {code}"), raising=False)
    module = load(kernel, monkeypatch).files
    module.kernel = kernel
    return module


def test_the_three_times_are_set_in_one_call_cut_to_100_ns(clockwork: Any) -> None:
    written, made, read = 1698300000_123456789, 1698200000_999999999, 1698400000_000000099
    clockwork.set_times("f", written, (made, read))
    assert clockwork.kernel.times == [(t // 100) + _1601_S * 10**7 for t in (made, read, written)]
    ((_, access, share, _, disposition, flags, _),) = clockwork.kernel.opened
    assert (access, share, disposition) == (0x100, SHARE_ALL, 3), "nobody else is kept out"
    assert flags == 0x02000000, "without it no folder is opened"
    assert [call[0] for call in clockwork.kernel.calls] == ["CloseHandle"]


@pytest.mark.parametrize("others", [(0, 0), (-_1601_S * 10**9, -_1601_S * 10**9 - 1)])
def test_a_time_that_is_not_known_or_before_1601_is_left_as_it_is(clockwork: Any, others: Tuple[int, int]) -> None:
    clockwork.set_times("f", 0, others)
    assert clockwork.kernel.times == [1, 2, _1601_S * 10**7]


def test_a_refused_time_is_an_error_and_the_handle_is_closed(clockwork: Any) -> None:
    clockwork.kernel.refuse = 5
    with pytest.raises(OSError, match="error 5"):
        clockwork.set_times("f", 1, (1, 1))
    assert [call[0] for call in clockwork.kernel.calls] == ["CloseHandle"]
    clockwork.kernel.CreateFileW = Function(lambda *args: INVALID)
    with pytest.raises(OSError, match="error 5"):
        clockwork.set_times("f", 1)


# -- alternate data streams ----------------------------------------------------------------------------------------


class Beside(Kernel32):
    """A kernel32 that knows the streams of one file, or answers with an error."""

    def __init__(self) -> None:
        super().__init__()
        self.found: List[Tuple[str, int]] = []
        self.error, self.fail_at = 0, -1
        self.closed: List[int] = []
        self.at = 0
        self.FindFirstStreamW = Function(self._first)
        self.FindNextStreamW = Function(lambda handle, data: self._give(data))
        self.FindClose = Function(self.closed.append)

    def _first(self, path: str, level: int, data: Any, flags: int) -> Any:
        assert (level, flags) == (0, 0)
        self.at = 0
        return 88 if self._give(data) else INVALID

    def _give(self, data: Any) -> int:
        if self.at == self.fail_at or self.at >= len(self.found):
            self.error = self.error if self.at == self.fail_at else END_OF_FILE
            return 0
        data._obj.name, data._obj.size_bytes = self.found[self.at]
        self.at += 1
        return 1


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Any:
    kernel = Beside()
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, f"error {code}"), raising=False)
    module = load(kernel, monkeypatch).streams
    module.kernel = kernel
    return module


def test_the_streams_of_a_file_without_its_own_data(beside: Any) -> None:
    beside.kernel.found = [("::$DATA", 5), (":Zone.Identifier:$DATA", 1 << 33), (":ü b:$DATA", 0), (":i:$INDEX", 1)]
    assert beside.streams_of("f") == [("Zone.Identifier", 1 << 33), ("ü b", 0)]
    assert beside.kernel.closed == [88]
    beside.kernel.found = [("::$DATA", 5)]
    assert beside.streams_of("f") == []


@pytest.mark.parametrize(("error", "raises"), [(END_OF_FILE, False), (87, False), (1, False), (50, False), (5, True)])
@pytest.mark.parametrize("at", [0, 1])
def test_a_file_system_without_streams_has_none_and_a_refusal_is_an_error(
    beside: Any, error: int, raises: bool, at: int
) -> None:
    beside.kernel.found = [("::$DATA", 5), (":x:$DATA", 1)]
    beside.kernel.error, beside.kernel.fail_at = error, at
    if raises:
        with pytest.raises(OSError, match=f"error {error}"):
            beside.streams_of("f")
    else:
        assert beside.streams_of("f") == []
    assert beside.kernel.closed == [88] * at, "what was begun is ended"


class AsWindows:
    """`os` with paths of Windows; every folder is there, and none can be made."""

    path = types.SimpleNamespace(abspath=ntpath.abspath, isdir=lambda path: True)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def mkdir(self, path: str) -> None:
        raise PermissionError(5, "Access is denied", path)


@pytest.fixture
def beside_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The Windows half over a `Beside` that opens one file for whatever it is asked for; `kernel.asked`, `.opened`."""
    kernel = Beside()
    kernel.found = [(":Zone.Identifier:$DATA", 7)]  # a folder has no data of its own
    asked: List[str] = []
    opened: List[Any] = []
    kernel.FindFirstStreamW = Function(lambda path, *args: asked.append(path) or kernel._first(path, *args))
    kernel.CreateFileW = Function(lambda *args: opened.append(args) or 77)
    kernel.asked, kernel.opened = asked, opened
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, f"error {code}"), raising=False)
    module = load(kernel, monkeypatch)
    for part in (module.handles, module.folder, module.files):
        monkeypatch.setattr(part, "os", AsWindows())
    kept = tmp_path / "stream"
    kept.write_bytes(b"of an earlier run")
    module.handles.msvcrt.open_osfhandle = lambda handle, flags: os.open(kept, os.O_RDWR)
    module.kernel, module.kept = kernel, kept
    return module


FOLDERS = [
    ("D:\\data\\run", "\\\\?\\D:\\data\\run", "\\\\?\\D:\\data\\run\\"),
    ("D:\\data\\run\\", "\\\\?\\D:\\data\\run", "\\\\?\\D:\\data\\run\\"),
    ("D:\\", "\\\\?\\D:\\", "\\\\?\\D:\\"),
    ("\\\\nas\\share\\run", "\\\\?\\UNC\\nas\\share\\run", "\\\\?\\UNC\\nas\\share\\run\\"),
    ("\\\\nas\\share", "\\\\?\\UNC\\nas\\share\\", "\\\\?\\UNC\\nas\\share\\"),
    ("\\\\nas\\share\\", "\\\\?\\UNC\\nas\\share\\", "\\\\?\\UNC\\nas\\share\\"),
]


@pytest.mark.parametrize(("path", "itself", "within"), FOLDERS)
def test_the_streams_of_a_folder_are_asked_for_by_its_own_path(
    beside_folder: Any, path: str, itself: str, within: str
) -> None:
    """`\\\\?\\` takes a path as it stands: a backslash that is missing or doubled makes it another one."""
    with beside_folder.Folder(path) as folder:
        assert folder.streams("") == folder.streams("f") == [("Zone.Identifier", 7)]
    assert beside_folder.kernel.asked == [itself, within + "f"]


@pytest.mark.parametrize(("path", "itself", "within"), FOLDERS)
def test_a_stream_of_a_folder_is_opened_behind_its_path(
    beside_folder: Any, path: str, itself: str, within: str
) -> None:
    with beside_folder.Folder(path) as folder:
        for name, place in (("", itself), ("f", within + "f")):
            os.close(folder.open_stream(name, "Zone.Identifier"))
            assert beside_folder.kept.read_bytes() == b"of an earlier run"
            kept = folder.open_stream(name, "Zone.Identifier", write=True)
            os.write(kept, b"new")
            os.close(kept)
            assert beside_folder.kept.read_bytes() == b"new", "what was there is gone"
            beside_folder.kept.write_bytes(b"of an earlier run")
            assert [call[:5] for call in beside_folder.kernel.opened[-2:]] == [
                (f"{place}:Zone.Identifier", READ, SHARE_ALL, None, 3),
                # OPEN_ALWAYS: CREATE_ALWAYS refuses what is hidden, as the root of each drive is
                (f"{place}:Zone.Identifier", WRITE, SHARE_ALL, None, 4),
            ]


def test_a_folder_whose_streams_are_refused_is_not_said_to_stand_in_a_files_place(beside_folder: Any) -> None:
    kernel = beside_folder.kernel
    kernel.error, kernel.fail_at = 5, 0
    kernel.CreateFileW = Function(lambda *args: INVALID)
    with beside_folder.Folder("D:\\run") as folder:
        for act in (lambda: folder.streams(""), lambda: folder.open_stream("", "x")):
            with pytest.raises(OSError, match="error 5") as caught:
                act()
            assert not isinstance(caught.value, IsADirectoryError)
        with pytest.raises(IsADirectoryError):
            folder.open_source("a folder by now", follow=False)


def test_the_root_of_a_drive_is_there_though_windows_refuses_to_make_it(beside_folder: Any) -> None:
    beside_folder.make_folder("D:\\")
    beside_folder.files.os.path = types.SimpleNamespace(abspath=ntpath.abspath, isdir=lambda path: False)
    with pytest.raises(PermissionError):
        beside_folder.make_folder("D:\\run")


@pytest.mark.parametrize(("flags", "streams"), [(0x40000, True), (0x1, False), (0x3E706FF, True)])
def test_a_volume_says_whether_it_has_named_streams(monkeypatch: pytest.MonkeyPatch, flags: int, streams: bool) -> None:
    kernel = Kernel32()

    def information(drive: str, _n: Any, _s: int, _serial: Any, _length: Any, found: Any, name: Any, size: int) -> int:
        found._obj.value = flags
        name.value = "NTFS"
        return 1

    kernel.GetVolumeInformationW = Function(information)
    kernel.GetDriveTypeW = Function(lambda drive: 3)
    module = load(kernel, monkeypatch)
    found = module.volume("C:\\somewhere")
    assert (found.kind, found.streams) == ("NTFS", streams)


# -- unbuffered reads: whole sectors, at whole sectors, into memory that is aligned ---------------------------------

SECTOR = 4096


class Strict(Disk):
    """A Disk that answers a handle opened with FILE_FLAG_NO_BUFFERING as Windows is documented to: error 87 for a
    place, a count or an address that is no multiple of a sector; the last sector of a file comes as short as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0
        self.ReadFile = Function(self._strictly)

    def _strictly(self, handle: int, address: int, count: int, got: Any, place: Any) -> int:
        offset = self.at if place is None else place._obj.offset | place._obj.offset_high << 32
        if offset % SECTOR or count % SECTOR or address % SECTOR:
            self.error = 87
            return 0
        piece = bytes(self.data[offset : offset + count])[: self.at_most]
        if not piece and place is not None:
            self.error = END_OF_FILE
            return 0
        ctypes.memmove(address, piece, len(piece))
        got._obj.value = len(piece)
        if place is None:
            self.at += len(piece)
        return 1


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    kernel = Strict()
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, f"error {code}"), raising=False)
    module = load(kernel, monkeypatch)
    module.handles.msvcrt.get_osfhandle = lambda fd: fd
    module.kernel = kernel
    module.first = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)

    def seek(fd: int, place: int, how: int) -> int:
        kernel.at = place
        return place

    monkeypatch.setattr(os, "lseek", seek)
    yield module
    os.close(module.first)


SIZES = [0, 1, SECTOR - 1, SECTOR, SECTOR + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 17]


@pytest.mark.parametrize("at_most", [1 << 30, 3 * SECTOR])
@pytest.mark.parametrize("size", SIZES)
def test_a_cold_read_asks_for_whole_sectors_whatever_the_size(strict: Any, size: int, at_most: int) -> None:
    data = os.urandom(size)
    strict.kernel.data[:] = data
    strict.kernel.at_most = at_most
    assert b"".join(map(bytes, strict.read_views(strict.first, size, direct=True))) == data
    if size <= strict.WHOLE_BYTES:
        strict.kernel.at = 0
        assert bytes(strict.read_whole(strict.first, size, direct=True)) == data


@pytest.mark.parametrize("size", SIZES)
def test_a_cold_read_with_a_place_does_so_too(strict: Any, size: int) -> None:
    from vdt.stream import SLOT_BYTES

    data = os.urandom(size)
    strict.kernel.data[:] = data
    block = mmap.mmap(-1, SLOT_BYTES)
    view, seen = memoryview(block), b""
    while len(seen) < size:
        want = min(SLOT_BYTES, size - len(seen))
        got = strict.read_at(strict.first, view, len(seen), want, direct=True)
        assert got == want
        seen += bytes(view[:got])
    assert seen == data
    view.release()


def test_the_stub_refuses_what_windows_refuses(strict: Any) -> None:
    """Else the tests above could not fail."""
    strict.kernel.data[:] = bytes(2 * SECTOR)
    block = memoryview(mmap.mmap(-1, 2 * SECTOR))
    for view, offset in ((block, 7), (block[1:], 0), (block[: SECTOR + 1], 0)):
        with pytest.raises(OSError, match="error 87"):
            strict.read_at(strict.first, view, offset, len(view), direct=True)


# -- why a drive is not there ----------------------------------------------------------------------------------------


@pytest.fixture
def drives(monkeypatch: pytest.MonkeyPatch) -> Any:
    """absence(path, error, mapped, elevated): what is said of a drive that answers so."""
    module = load(Kernel32(), monkeypatch).volumes

    def said(path: str, number: int, *, mapped: str = "", elevated: bool = False) -> str:
        def refuse(root: str) -> Any:
            if not number:
                return types.SimpleNamespace()
            error = OSError(22, "no")
            error.winerror = number  # type: ignore[attr-defined]
            raise error

        def open_key(hive: Any, key: str) -> Any:
            if not mapped:
                raise FileNotFoundError(key)
            assert key == f"Network\\{path[0]}"
            return contextlib.nullcontext("key")

        own_os = types.SimpleNamespace(stat=refuse, path=os.path)
        monkeypatch.setattr(module, "os", own_os)
        registry = types.SimpleNamespace(
            HKEY_CURRENT_USER=1, OpenKey=open_key, QueryValueEx=lambda key, name: (mapped, 1)
        )
        monkeypatch.setattr(module, "winreg", registry)
        shell = types.SimpleNamespace(IsUserAnAdmin=lambda: int(elevated))
        monkeypatch.setattr(ctypes, "WinDLL", lambda name, **_: shell, raising=False)
        return str(module.absence(path))

    return said


@pytest.mark.parametrize("path", ["L:\\x", "\\\\nas\\share\\x"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (5, "access is denied"),
        (53, "the server or share was not found"),
        (67, "the server has no share of this name"),
        (86, "refuses the password"),
        (1219, "already connected to this server under another user name"),
        (1326, "refuses the user name or password: connect the drive again"),
        (1331, "the account is disabled"),
        (1907, "the password must be changed: sign in again"),
        (1909, "the account is locked out"),
    ],
)
def test_a_share_that_refuses_says_why(drives: Any, path: str, number: int, words: str) -> None:
    said = drives(path, number)
    assert said.startswith(" Windows says: ") and words in said and said.endswith(".")


def test_a_drive_that_is_not_seen_here_says_where_it_is(drives: Any) -> None:
    assert drives("L:\\x", 0) == "" and drives("\\\\nas\\share", 3) == ""
    assert "does not see L:; map it there, or write the share as \\\\server\\share" in drives("L:\\x", 3)
    mapped = drives("L:\\x", 3, mapped="\\\\nas\\share")
    assert mapped == " L: is mapped to \\\\nas\\share for this user, and not connected now: open it in File Explorer."
    elevated = drives("L:\\x", 3, elevated=True)
    assert "runs as administrator" in elevated and "start again in an ordinary window" in elevated
    both = drives("L:\\x", 1326, mapped="\\\\nas\\share", elevated=True)
    assert both.index("user name or password") < both.index("is mapped to") < both.index("administrator")


@pytest.mark.parametrize(
    ("share", "elevated", "said"),
    [
        (r"\\nas\merscope", False, [troubles.NOT_CONNECTED]),
        (r"\\nas\merscope", True, [troubles.NOT_CONNECTED, troubles.AS_ADMINISTRATOR]),
        ("", True, [troubles.AS_ADMINISTRATOR]),
        ("", False, []),
    ],
)
def test_why_a_drive_is_missing(drives: Any, share: str, elevated: bool, said: List[troubles.Trouble]) -> None:
    """In the words of the guide."""
    sentence = drives("L:\\runs", 3, mapped=share, elevated=elevated)
    for trouble in (troubles.NOT_CONNECTED, troubles.AS_ADMINISTRATOR):
        assert bool(re.search(trouble.pattern, sentence)) == (trouble in said), sentence
    assert ("does not see L:" in sentence) == (not said)
