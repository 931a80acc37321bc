"""The cross-check on Windows: a real command line, a real process, a fake robocopy as .exe and as .bat.

What the program is given is read back from the command line as Windows hands it over, so quoting is tested as it is.
"""

from __future__ import annotations

import io
import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest
from fake_robocopy import FakeRobocopy

from vdt import fs
from vdt.errors import VdtError
from vdt.model import Count
from vdt.progress import Silent
from vdt.stop import StopFlag
from vdt.vizgen import run as vizgen_run
from vdt.vizgen.config import DEFAULT_ROBOCOPY_LIST
from vdt.vizgen.crosscheck import CrossCheck, find_robocopy
from vdt.vizgen.layout import CopyType
from vdt.vizgen.request import Request, Surroundings
from vdt.vizgen.run import run

pytestmark = pytest.mark.skipif(not fs.WINDOWS, reason="needs the command lines and processes of Windows")

LIST = ["/L", "/E", "/BYTES", "/V", "/NP", "/FP"]


class Bench:
    """A fake robocopy, a folder for trees and logs, and what was said."""

    def __init__(self, folder: Path, *, exe: bool) -> None:
        (folder / "the bin").mkdir()
        self.fake = FakeRobocopy(folder / "the bin", windows=True, exe=exe)
        self.folder = folder
        self.log = folder / "the logs" / "run 1.raw_data.robocopy.list_before_transfer.log"
        self.log.parent.mkdir()
        self.said: List[str] = []
        self.stop = StopFlag()

    def tree(self, name: str = "my run") -> str:
        """Two files and a folder of its own, at a path of any length."""
        tree = os.path.join(str(self.folder), name)
        fs.make_folder(tree)
        fs.make_folder(os.path.join(tree, "sub"))
        for relative in ("one.dat", "sub/two.dat"):
            with open("\\\\?\\" + os.path.join(tree, relative.replace("/", "\\")), "wb") as file:
                file.write(b"12345")
        return tree

    def check(self, mode: str = "on", timeout_s: float = 60.0, options: str = DEFAULT_ROBOCOPY_LIST) -> CrossCheck:
        find: Callable[[], Optional[str]] = lambda: str(self.fake.program)  # noqa: E731
        return CrossCheck(mode, options, 8, self.said.append, self.stop, find, timeout_s=timeout_s)

    def count(self, tree: str, **rest: Any) -> Optional[Count]:
        return self.check(**rest).count(tree, str(self.log))


@pytest.fixture(params=["exe", "bat"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, exe=request.param == "exe")


@pytest.fixture
def exe(tmp_path: Path) -> Bench:
    return Bench(tmp_path, exe=True)


def test_the_exact_call(bench: Bench) -> None:
    tree = bench.tree()
    assert bench.count(tree) == Count(2, 2, 10)
    (call,) = bench.fake.calls()
    assert call["argv"] == [tree, "NULL", *LIST, "/MT:8", f"/LOG+:{bench.log}"]
    assert (call["stdin"], call["cwd_holds"]) == ("", [])
    assert not os.path.exists(call["cwd"])
    assert bench.log.read_bytes().endswith(b"11:08:15 AM\r\n\r\n")


@pytest.mark.parametrize("name", ["plain", "a  b", "a&b ^c", "100%PATH%", "größe µm", "(1) x,y;z=!", "it's", "日本"])
def test_names_arrive_as_they_are(exe: Bench, name: str) -> None:
    tree = exe.tree(name)
    for written in (tree, tree + "\\", tree.replace("\\", "/") + "/"):  # "C:\a b\" would swallow what stands behind it
        assert exe.count(written) == Count(2, 2, 10)
        assert exe.fake.calls()[-1]["argv"][:2] == [tree, "NULL"]
        assert len(exe.fake.calls()[-1]["argv"]) == 2 + len(LIST) + 2


def test_a_quoted_option_with_a_backslash_at_its_end(exe: Bench) -> None:
    exe.count(exe.tree(), options='/L /E /BYTES /XD "C:\\a b\\" /V')
    argv = exe.fake.calls()[-1]["argv"]
    assert argv[2:8] == ["/L", "/E", "/BYTES", "/XD", "C:\\a b\\", "/V"]


def test_the_root_of_a_drive(exe: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`C:` means `C:\\`; what the fake would list is not asked for."""
    exe.fake.plan(log=b"", code=16)
    exe.check("auto").count("C:", str(exe.log))
    assert exe.fake.calls()[-1]["argv"][0] == "C:\\"


def test_a_path_of_more_than_260_characters(exe: Bench) -> None:
    exe.fake.plan(log=b"", code=16)
    tree = exe.tree("\\".join(["n" * 100] * 3))
    exe.check("auto").count(tree, str(exe.log))
    assert exe.fake.calls()[-1]["argv"][0] == tree and len(tree) > 300


@pytest.mark.parametrize("code", [0, 1, 7, 8, 16])
def test_exit_codes(exe: Bench, code: int) -> None:
    exe.fake.plan(code=code)
    tree = exe.tree()
    if code < 8:
        assert exe.count(tree) == Count(2, 2, 10)
        return
    with pytest.raises(VdtError) as error:
        exe.count(tree)
    assert f"(exit code {code})" in str(error.value) and str(exe.log) in str(error.value)
    check = exe.check("auto")
    assert check.count(tree, str(exe.log)) is None
    assert f"(exit code {code})" in check.notes[0]


def test_the_exit_code_of_a_bat(bench: Bench) -> None:
    bench.fake.plan(code=9, complained="Access is denied.\n")
    with pytest.raises(VdtError, match=r"\(exit code 9\), and it said: Access is denied\."):
        bench.count(bench.tree())


@pytest.mark.parametrize(("encoding", "language"), [("utf-16", "Russian"), ("cp866", "Russian"), ("utf-8", "English")])
def test_encodings(exe: Bench, encoding: str, language: str) -> None:
    exe.fake.plan(encoding=encoding, language=language)
    assert exe.count(exe.tree()) == Count(2, 2, 10)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"log": b""}, "wrote nothing to its log"),
        ({"cut": True}, "has no summary"),
        ({"log": bytes(range(256)) * 20}, "is no robocopy log"),
    ],
)
def test_logs_that_give_no_count(exe: Bench, plan: dict[str, Any], words: str) -> None:
    exe.fake.plan(**plan)
    with pytest.raises(VdtError, match=words):
        exe.count(exe.tree())


def test_much_is_printed_and_nothing_blocks(exe: Bench) -> None:
    exe.fake.plan(chatter=3_000_000, complained="y" * 100_000)
    assert exe.count(exe.tree()) == Count(2, 2, 10)


def test_one_that_hangs_is_ended(exe: Bench) -> None:
    exe.fake.plan(sleep_s=100)
    began = time.monotonic()
    with pytest.raises(VdtError, match="did not end within 5 s and was ended"):
        exe.count(exe.tree(), timeout_s=5.0)
    assert time.monotonic() - began < 30
    assert _is_gone(exe.fake.calls()[-1]["pid"])


def test_a_stop_ends_it(exe: Bench) -> None:
    exe.fake.plan(sleep_s=100)
    timer = threading.Timer(5, exe.stop.set, ["interrupted"])
    timer.start()
    began = time.monotonic()
    check = exe.check()
    assert check.count(exe.tree(), str(exe.log)) is None
    assert time.monotonic() - began < 30
    assert check.notes == []
    assert all(_is_gone(call["pid"]) for call in exe.fake.calls())


def test_found_in_the_system_folder_first(exe: Bench, tmp_path: Path) -> None:
    environ = {"SystemRoot": str(tmp_path), "PATH": str(exe.fake.folder)}
    found = find_robocopy(environ)
    assert found is not None and os.path.normcase(found) == os.path.normcase(str(exe.fake.program))
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "robocopy.exe").touch()
    assert find_robocopy(environ) == str(tmp_path / "System32" / "robocopy.exe")
    own = find_robocopy()
    assert own is None or own.lower().endswith("\\system32\\robocopy.exe")


def test_the_robocopy_of_this_system(exe: Bench) -> None:
    own = find_robocopy()
    if own is None:
        pytest.skip("there is no robocopy on this system")
    check = CrossCheck("auto", DEFAULT_ROBOCOPY_LIST, 8, exe.said.append, exe.stop)
    found = check.count(exe.tree(), str(exe.log))
    if found is None and "exit code 16" in check.notes[0] and not exe.log.exists():
        pytest.skip("the robocopy of this system is a stub that writes no log")
    assert found == Count(2, 2, 10)


def test_a_whole_run(exe: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the configuration to the mail, with the fake in the place of the system's own."""
    source, isilon = tmp_path / "Z drive" / "merfish_output" / "RUN 1", tmp_path / "L drive"
    isilon.mkdir()
    exe.tree(str(source))
    config = tmp_path / "config.toml"
    config.write_text(
        f"analysis_drive_pc = '{tmp_path / 'Z drive'}'\nisilon_drive_pc = '{isilon}\\'\n", encoding="utf-8"
    )
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "state"))
    monkeypatch.setattr(vizgen_run, "CrossCheck", partial(CrossCheck, find=lambda: str(exe.fake.program)))
    request = Request("RUN 1", str(config), "test", (CopyType.OUTPUT,), mail=False, robocopy_check="on")
    ended = run(request, Surroundings(StopFlag(), Silent(), exe.said.append, io.StringIO()))
    assert ended.exit_code == 0, exe.said
    assert ended.mail is not None
    assert "SUCCESS: 'output': the Robocopy based counts agree in every check that is on." in ended.mail.plain
    assert [call["argv"][0] for call in exe.fake.calls()] == [str(source), str(isilon / "RUN 1" / "output")]
    logs = sorted(path.name for path in (isilon / "logs").glob("*.robocopy.*"))
    assert logs == [f"RUN 1.output.robocopy.list_{when}_transfer.log" for when in ("after", "before")]


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; a moment is given to it."""
    import ctypes

    kernel = ctypes.WinDLL("kernel32")
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
    if not handle:
        return True
    try:
        return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 5000) == 0)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
