"""Single files on Windows: locked, read-only, full disk, long paths, odd names, a process that is ended, signals."""

from __future__ import annotations

import ctypes
import os
import stat
import sys
import threading
import time
from ctypes import wintypes
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from vdt import fs
from vdt.copytree import CopyRequest, copy_tree
from vdt.fs import windows_folder
from windows import scene
from windows.scene import copy, write

OnDrive = Callable[[str], Path]
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.CreateFileW.restype = wintypes.HANDLE
kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
READ, WRITE, SHARE_NONE, SHARE_READ, SHARE_ALL = 0x80000000, 0x40000000, 0, 1, 7


class Held:
    """A file that another program holds open, until `let_go`."""

    def __init__(self, path: Path, access: int, share: int) -> None:
        self._handle = kernel32.CreateFileW(str(path), access, share, None, 3, 0, None)
        assert self._handle not in (None, ctypes.c_void_p(-1).value), ctypes.get_last_error()

    def let_go(self, after_s: float = 0.0) -> None:
        def close() -> None:
            time.sleep(after_s)
            kernel32.CloseHandle(self._handle)

        threading.Thread(target=close).start()


@pytest.fixture
def pair(on_drive: OnDrive) -> Iterator[List[Path]]:
    """A source with two files on Q:, a destination on L:, a folder for reports."""
    source, destination = on_drive("Q:") / "source", on_drive("L:") / "copy"
    write(source / "a.bin", b"a" * 5000)
    write(source / "b.bin", b"b" * 5000)
    yield [source, destination, source.parent]


def test_a_locked_source_is_named_and_the_others_arrive(pair: List[Path]) -> None:
    source, destination, here = pair
    held = Held(source / "a.bin", READ, SHARE_NONE)
    log = here / "copy.log"
    ran = copy(str(source), str(destination), here, "--retries", "1", "--retry-wait", "0.2", "--log", str(log))
    held.let_go()
    assert ran.code & 8, ran.out
    assert "a.bin: " in ran.out and "another program has it open" in ran.out
    assert (destination / "b.bin").read_bytes() == b"b" * 5000 and not (destination / "a.bin").exists()
    assert f"ERROR 32 (0x00000020) Copying File {source}\\a.bin" in log.read_text(encoding="utf-8")
    again = copy(str(source), str(destination), here)
    assert again.code == 1 and (destination / "a.bin").read_bytes() == b"a" * 5000


def test_a_source_that_is_locked_for_a_moment_arrives(pair: List[Path]) -> None:
    source, destination, here = pair
    Held(source / "a.bin", READ, SHARE_NONE).let_go(after_s=3)
    ran = copy(str(source), str(destination), here, "--retries", "20", "--retry-wait", "0.5")
    assert ran.code == 1 and (destination / "a.bin").read_bytes() == b"a" * 5000, ran.out


def test_a_source_that_the_instrument_holds_open_for_writing_is_read(pair: List[Path]) -> None:
    source, destination, here = pair
    held = Held(source / "a.bin", WRITE, SHARE_ALL)
    ran = copy(str(source), str(destination), here)
    held.let_go()
    assert ran.code == 1 and (destination / "a.bin").read_bytes() == b"a" * 5000, ran.out


def test_a_locked_destination_is_named_and_stays_as_it_was(pair: List[Path]) -> None:
    source, destination, here = pair
    write(destination / "a.bin", b"the old one")
    held = Held(destination / "a.bin", READ, SHARE_READ)
    ran = copy(str(source), str(destination), here, "--retries", "1", "--retry-wait", "0.1")
    assert ran.code & 8 and "a.bin: " in ran.out and "another program has it open" in ran.out, ran.out
    assert (destination / "a.bin").read_bytes() == b"the old one"
    held.let_go()
    again = copy(str(source), str(destination), here)
    assert not again.code & 8 and (destination / "a.bin").read_bytes() == b"a" * 5000, again.out


def test_a_scanner_that_holds_the_new_file_for_a_moment_costs_no_copy(
    on_drive: OnDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stub: the rename is refused with 5 and 32 for a moment, as Windows does while a scanner reads the new file."""
    folder = on_drive("L:")
    write(folder / "new", b"new")
    real, refused = os.replace, [5, 32, 32]

    def replace(name: str, final: str) -> None:
        if refused:
            raise ctypes.WinError(refused.pop(0))
        real(name, final)

    monkeypatch.setattr(os, "replace", replace)
    with fs.Folder(str(folder)) as opened:
        opened.replace("new", "final")
    assert (folder / "final").read_bytes() == b"new" and refused == []


def test_a_scanner_that_does_not_let_go_is_an_error_soon(on_drive: OnDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_drive("L:")
    write(folder / "new", b"new")

    def replace(name: str, final: str) -> None:
        raise ctypes.WinError(32)

    monkeypatch.setattr(os, "replace", replace)
    began = time.monotonic()
    with fs.Folder(str(folder)) as opened, pytest.raises(PermissionError) as caught:
        opened.replace("new", "final")
    assert fs.explain(caught.value)[0] == 32 and fs.heal(caught.value) is fs.Heal.MAYBE
    assert time.monotonic() - began < 5


def test_a_read_only_file_is_replaced_though_windows_refuses_that(
    on_drive: OnDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stub: Wine replaces a read-only file, Windows answers 5 until the attribute is gone."""
    folder = on_drive("L:")
    write(folder / "new", b"new")
    write(folder / "final", b"old").chmod(0o444)
    real = os.replace

    def replace(name: str, final: str) -> None:
        if os.lstat(final).st_file_attributes & stat.FILE_ATTRIBUTE_READONLY:
            raise ctypes.WinError(5)
        real(name, final)

    monkeypatch.setattr(os, "replace", replace)
    began = time.monotonic()
    with fs.Folder(str(folder)) as opened:
        opened.replace("new", "final", stat.FILE_ATTRIBUTE_READONLY)
    assert (folder / "final").read_bytes() == b"new"
    assert (folder / "final").stat().st_file_attributes & stat.FILE_ATTRIBUTE_READONLY
    assert time.monotonic() - began < 1, "what refuses for good is not waited for"


def test_a_replace_that_fails_gives_the_old_file_its_attribute_back(
    on_drive: OnDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = on_drive("L:")
    write(folder / "new", b"new")
    write(folder / "final", b"old").chmod(0o444)

    def replace(name: str, final: str) -> None:
        raise ctypes.WinError(5)

    monkeypatch.setattr(os, "replace", replace)
    with fs.Folder(str(folder)) as opened, pytest.raises(PermissionError):
        opened.replace("new", "final")
    assert (folder / "final").read_bytes() == b"old"
    assert (folder / "final").stat().st_file_attributes & stat.FILE_ATTRIBUTE_READONLY


def test_a_folder_in_a_files_place_is_said_and_not_tried_again(on_drive: OnDrive) -> None:
    folder = on_drive("L:")
    write(folder / "new", b"new")
    (folder / "final").mkdir()
    with fs.Folder(str(folder)) as opened:
        with pytest.raises(IsADirectoryError) as caught:
            opened.replace("new", "final")
        assert fs.heal(caught.value) is fs.Heal.NEVER and "a folder" in fs.explain(caught.value)[1]
        with pytest.raises(IsADirectoryError):
            opened.open_source("final", follow=False)


def test_read_only_and_times_arrive(pair: List[Path]) -> None:
    source, destination, here = pair
    (source / "a.bin").chmod(0o444)
    ran = copy(str(source), str(destination), here)
    assert ran.code == 1, ran.out
    found = (destination / "a.bin").stat()
    assert found.st_file_attributes & stat.FILE_ATTRIBUTE_READONLY
    assert found.st_mtime_ns == 1698300000_123456700, "100 ns are kept"


@pytest.mark.parametrize("number", [50, 1])
def test_a_share_that_refuses_times_is_copied_to_all_the_same(
    pair: List[Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    source, destination, _ = pair

    def refuse(*_: object) -> None:
        raise ctypes.WinError(number)

    monkeypatch.setattr(windows_folder, "set_times", refuse)
    result = copy_tree(CopyRequest(str(source), str(destination)))
    assert result.exit_code == 1 and result.files.failed == 0
    assert any("setting a file's time was refused" in note for note in result.notes), result.notes
    assert (destination / "a.bin").read_bytes() == b"a" * 5000


def test_hidden_and_system_are_set_and_seen(pair: List[Path]) -> None:
    """On a name without a dot in front: Wine keeps no attributes of the others, so a partial shows none there."""
    source, _, _ = pair
    wanted = stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM
    with fs.Folder(str(source)) as folder:
        folder.set_mode("a.bin", wanted)
        assert folder.stat("a.bin").mode & wanted == wanted
    (entry,) = (entry for entry in fs.list_folder(str(source)) if entry.name == "a.bin")
    assert entry.mode & wanted == wanted


def test_a_destination_folder_cannot_be_swapped_while_files_are_put_into_it(on_drive: OnDrive) -> None:
    root = on_drive("L:") / "copy"
    write(root / "folder" / "f", b"data")
    with fs.Folder(str(root / "folder"), beneath=str(root), hold=True) as held:
        with pytest.raises(PermissionError):
            (root / "folder").rename(root / "elsewhere")
        with pytest.raises(OSError):
            (root / "folder").rmdir()
        held.replace("f", "g")
        fs.set_folder(str(root / "folder"), fs.opened(str(root / "folder")), times=True, mode=True)
        assert [entry.name for entry in fs.list_folder(str(root / "folder"))] == ["g"]
    (root / "folder").rename(root / "elsewhere")
    with fs.Folder(str(root / "elsewhere"), beneath=str(root)):  # a source is not held
        (root / "elsewhere").rename(root / "folder")
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            fs.Folder(str(root / "nothing"), hold=True)


def test_a_full_disk_ends_the_copy_early_and_the_next_one_goes_on(on_drive: OnDrive) -> None:
    source, small = on_drive("Q:") / "source", on_drive("E:")
    for number in range(4):
        write(source / f"{number}.bin", bytes([number]) * 3_000_000)
    ran = copy(str(source), str(small / "copy"), source.parent)
    assert ran.code & 8 and "disk is full" in ran.out, ran.out
    for path in (small / "copy").glob("*.bin"):
        assert path.read_bytes() == (source / path.name).read_bytes(), "what has its name is whole"
    for number in (2, 3):
        (source / f"{number}.bin").unlink()
    for path in (small / "copy").iterdir():
        if path.name[0] in "23.":
            path.unlink()
    again = copy(str(source), str(small / "copy"), source.parent)
    assert not again.code & 8, again.out


def test_paths_over_400_characters(on_drive: OnDrive) -> None:
    source, isilon = on_drive("Q:"), on_drive("L:")
    deep = "\\\\?\\" + str(source / "\\".join(["d" * 60] * 7))
    os.makedirs(deep)
    with open(deep + "\\f.bin", "wb") as file:
        file.write(b"deep")
    log = isilon / "copy.log"
    manifest = isilon / "m.xxh128"
    ran = copy(str(source), str(isilon / "copy"), on_drive("G:"), "--log", str(log), "--manifest", str(manifest))
    assert ran.code == 1, ran.out
    with open("\\\\?\\" + str(isilon / "copy" / "\\".join(["d" * 60] * 7)) + "\\f.bin", "rb") as file:
        assert file.read() == b"deep"
    for text in (ran.out, log.read_text(encoding="utf-8"), manifest.read_text(encoding="utf-8")):
        assert "\\\\?\\" not in text
    assert not copy(str(source), str(isilon / "copy"), on_drive("G:")).code & 1


@pytest.mark.parametrize("name", ["con", "nul.txt", "COM1", "ends with a dot.", "ends with a blank ", "aux.tar.gz"])
def test_names_that_only_long_paths_can_hold(on_drive: OnDrive, name: str) -> None:
    source, isilon = on_drive("Q:"), on_drive("L:")
    try:
        with open(f"\\\\?\\{source}\\{name}", "wb") as file:
            file.write(b"odd")
    except OSError as error:
        pytest.skip(f"such a file cannot be made here: {error}")
    write(source / "plain", b"plain")
    ran = copy(str(source), str(isilon / "copy"), on_drive("G:"))
    assert ran.code == 1, ran.out
    assert sorted(os.listdir(f"\\\\?\\{isilon}\\copy")) == sorted([name, "plain"])
    with open(f"\\\\?\\{isilon}\\copy\\{name}", "rb") as file:
        assert file.read() == b"odd"
    for folder in (str(source), f"{isilon}\\copy"):
        os.unlink(f"\\\\?\\{folder}\\{name}")


@pytest.mark.parametrize("name", ["a:b", "what?", "a|b", "a<b>", 'a"b', "tab\tname"])
def test_a_name_that_windows_cannot_hold_is_refused_and_not_bent(on_drive: OnDrive, name: str) -> None:
    folder = on_drive("L:")
    with fs.Folder(str(folder)) as opened:
        with pytest.raises(OSError) as caught:
            opened.create(name, 0)
    assert fs.heal(caught.value) is fs.Heal.NEVER, caught.value
    assert os.listdir(folder) == []


def test_a_large_file_with_several_workers(on_drive: OnDrive) -> None:
    source, isilon = on_drive("Q:"), on_drive("L:")
    data = os.urandom(1 << 20) * 40 + b"odd end"
    write(source / "large.dat", data)
    ran = copy(str(source), str(isilon / "copy"), on_drive("G:"), "--threads", "4", "--verify", "both")
    assert ran.code == 1 and ran.report["files_by_evidence"]["both"] == 1, ran.out
    assert (isilon / "copy" / "large.dat").read_bytes() == data


def test_a_process_that_is_ended_goes_on_where_it_was(on_drive: OnDrive) -> None:
    source, isilon, here = on_drive("Q:"), on_drive("L:"), on_drive("G:")
    write(source / "large.dat", os.urandom(1 << 20) * 200)
    command = [sys.executable, "-m", "vdt", "copy", str(source), str(isilon / "copy"), "--bwlimit", "60M"]
    process = scene.start([*command, "--progress", "off"], here)
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and not any(p.stat().st_size > 100 << 20 for p in isilon.rglob("*.partial")):
        time.sleep(0.1)
    process.kill()  # TerminateProcess: nothing in it runs any more
    process.communicate()
    assert not (isilon / "copy" / "large.dat").exists() and list(isilon.rglob("*.partial"))
    ran = copy(str(source), str(isilon / "copy"), here)
    assert not ran.code & 8, ran.out
    assert ran.report["resumed_bytes"] >= 64 << 20
    assert (isilon / "copy" / "large.dat").read_bytes() == (source / "large.dat").read_bytes()
    assert not list(isilon.rglob("*.partial"))


STOPPED = """
import signal, sys, threading, time
from pathlib import Path
from vdt.cli.main import main

began = Path(sys.argv[1]).parent / "stopped"

def stop():
    while not any(Path(sys.argv[2]).parent.rglob("*.partial")):
        time.sleep(0.05)
    time.sleep(0.5)
    began.write_text("")
    signal.raise_signal(signal.{name})

threading.Thread(target=stop, daemon=True).start()
sys.exit(main(["copy", *sys.argv[1:], "--bwlimit", "5M", "--progress", "off"]))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGBREAK"])
def test_ctrl_c_and_ctrl_break_stop_within_seconds_and_the_next_run_goes_on(on_drive: OnDrive, name: str) -> None:
    """Wine sends no console events to another process: the signal is raised in the process itself."""
    source, isilon, here = on_drive("Q:") / "source", on_drive("L:"), on_drive("G:")
    for number in range(3):
        write(source / f"{number}.dat", bytes([number]) * 30_000_000)
    report = here / "copy.json"
    program = [sys.executable, "-c", STOPPED.format(name=name), str(source), str(isilon / "copy")]
    ran = scene.finish(scene.start([*program, "--json", str(report)], here), report)
    took_s = time.time() - (source.parent / "stopped").stat().st_mtime
    assert ran.code & 8 and not ran.report["complete"], ran.out
    assert "Stopping" in ran.out and took_s < 15
    again = copy(str(source), str(isilon / "copy"), here)
    assert not again.code & 8 and again.report["complete"], again.out


def test_two_copies_into_one_place_do_not_run_at_once(on_drive: OnDrive) -> None:
    source, isilon, here = on_drive("Q:"), on_drive("L:"), on_drive("G:")
    write(source / "large.dat", bytes(60 << 20))
    command = [sys.executable, "-m", "vdt", "copy", str(source), str(isilon / "copy"), "--bwlimit", "10M"]
    first = scene.start([*command, "--progress", "off"], here)
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s and not list(isilon.rglob("*.partial")):
        time.sleep(0.1)
    second = copy(str(source), str(isilon / "copy"), here)
    first.kill()
    first.communicate()
    assert second.code == 16 and str(first.pid) in second.out, second.out
    third = copy(str(source), str(isilon / "copy"), here)
    assert not third.code & 8, "a process that is gone holds nothing: " + third.out
