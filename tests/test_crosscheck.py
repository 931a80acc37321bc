"""A robocopy that is none: what it is called with, what is read from its log, and every way in which it can fail."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest
from fake_robocopy import FakeRobocopy

from vdt import fs
from vdt.errors import RefusedError, VdtError
from vdt.model import Count, Row
from vdt.robocopy.log import LogFormat
from vdt.robocopy.summary import summary
from vdt.stop import StopFlag
from vdt.vizgen.config import DEFAULT_ROBOCOPY_LIST
from vdt.vizgen.crosscheck import CrossCheck, find_robocopy

LOGS = Path(__file__).parent / "robocopy" / "logs"
WHEN = datetime(2026, 4, 12, 18, 15, 2)
LIST = ["/L", "/E", "/BYTES", "/V", "/NP", "/FP"]


def find_on_path() -> Optional[str]:
    """The fake even where Windows has the real one."""
    return find_robocopy({"PATH": os.environ["PATH"]})


class Bench:
    """The fake on the PATH, a tree, a folder for logs, and what was said."""

    def __init__(self, tmp_path: Path) -> None:
        for name in ("bin", "my tree", "logs"):
            (tmp_path / name).mkdir()
        self.fake = FakeRobocopy(tmp_path / "bin", windows=fs.WINDOWS)
        self.fake.plan(log=listing())
        self.tree = str(tmp_path / "my tree")
        self.log = tmp_path / "logs" / "run_1.raw_data.robocopy.list_before_transfer.log"
        self.said: List[str] = []
        self.stop = StopFlag()

    def check(self, mode: str = "auto", options: str = DEFAULT_ROBOCOPY_LIST, **rest: Any) -> CrossCheck:
        rest = {"threads": 8, "find": find_on_path, **rest}
        return CrossCheck(mode, options, say=self.said.append, stop=self.stop, **rest)

    def count(self, mode: str = "auto", **rest: Any) -> Optional[Count]:
        return self.check(mode, **rest).count(self.tree, str(self.log))

    def fails(self, words: str, **rest: Any) -> None:
        """`words` are the reason in the note of "auto" and in the error of "on"."""
        check = self.check("auto", **rest)
        assert check.count(self.tree, str(self.log)) is None
        (note,) = check.notes
        assert words in note and str(self.log) in note and self.tree in note
        assert f"NOTE: {note}" in self.said
        with pytest.raises(VdtError) as error:
            self.check("on", **rest).count(self.tree, str(self.log))
        assert words in str(error.value) and str(self.log) in str(error.value)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + os.pathsep + os.environ["PATH"])
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Any:
    """No folder NULL anywhere, and the temporary folder is empty again."""
    yield
    assert [path for path in tmp_path.rglob("*") if path.name == "NULL"] == []
    plan = tmp_path / "bin" / "plan.json"
    if fs.WINDOWS and plan.exists() and json.loads(plan.read_text())["sleep_s"][""]:
        return  # the interpreter below a .bat outlives it; robocopy.exe is no .bat
    assert not (tmp_path / "temp").exists() or os.listdir(tmp_path / "temp") == []


def listing(
    files: int = 3, folders: int = 2, size_bytes: int = 118004, *, bytes_: bool = True, body: str = ""
) -> bytes:
    """The log of one run of robocopy under /L."""
    rows = [Row(number, number) for number in (folders, files, size_bytes)]
    head = LogFormat(mt=True, bytes_=bytes_).header(WHEN, "C:\\run", "C:\\temp\\NULL", options="*.* /V /L /S /E ")
    text = head + body + summary(*rows, 0.0, 0.0, 0.1, WHEN, bytes_=bytes_, list_only=True)
    return text.encode("utf-8")


# -- what it is called with --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_totals_and_the_exact_call(bench: Bench, mode: str) -> None:
    bench.fake.plan(log=listing(3, 2, 118004))
    check = bench.check(mode)
    assert check.enabled
    assert check.count(bench.tree, str(bench.log)) == Count(3, 2, 118004)
    assert check.notes == []
    (call,) = bench.fake.calls()
    assert call["argv"] == [bench.tree, "NULL", *LIST, "/MT:8", f"/LOG+:{bench.log}"]
    assert call["stdin"] == ""
    assert call["cwd_holds"] == []
    assert os.path.dirname(os.path.realpath(call["cwd"])) == os.path.realpath(tempfile.gettempdir())
    assert not os.path.exists(call["cwd"])
    assert bench.log.read_bytes() == listing(3, 2, 118004)
    assert "exit code 1" in bench.said[-1] and "118004 bytes" in bench.said[-1]


def test_relative_paths_are_made_full(bench: Bench) -> None:
    count = bench.check().count("my tree", os.path.relpath(bench.log))
    assert count == Count(3, 2, 118004)
    (call,) = bench.fake.calls()
    assert (call["argv"][0], call["argv"][-1]) == (bench.tree, f"/LOG+:{bench.log}")


@pytest.mark.parametrize(
    ("options", "threads", "expected"),
    [
        ("/l -e /bytes", 1, ["/l", "-e", "/bytes", "/MT:1"]),
        ("-L", 500, ["-L", "/MT:128"]),
        ("/L /MT:4", 8, ["/L", "/MT:4"]),
        ("/L /mt", 8, ["/L", "/mt"]),
        ('/L /XD "System Volume Information"', 8, ["/L", "/XD", "System Volume Information", "/MT:8"]),
    ],
)
def test_options(bench: Bench, options: str, threads: int, expected: List[str]) -> None:
    assert bench.count(options=options, threads=threads) is not None
    assert bench.fake.calls()[0]["argv"][2:-1] == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("/E /BYTES", "/L"),
        ("", "/L"),
        ("/LEV:2 /LOG:x", "/L"),
        ("/L /MIR", "/MIR, which deletes"),
        ("/L -purge", "/PURGE, which deletes"),
        ("/L /mov", "/MOV, which deletes"),
        ("/L /MON:1", "for hours or for ever"),
        ("/L /RH:0100-0200", "for hours or for ever"),
        ("/L /LOG:C:/x", "names a log"),
        ("/L /NJS", "leaves out the totals"),
        ("/L /JOB:other", "cannot be seen"),
        ('/L "/E', "not closed"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_options_that_are_refused(bench: Bench, mode: str, options: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        bench.check(mode, options)
    bench.check("off", options)
    assert bench.fake.calls() == []


# -- which program, and when -------------------------------------------------------------------------------------------


def test_off_looks_for_nothing(bench: Bench) -> None:
    check = bench.check("off", find=lambda: pytest.fail("looked"))
    assert not check.enabled
    assert check.count(bench.tree, str(bench.log)) is None
    assert (check.notes, bench.said, bench.fake.calls()) == ([], [], [])


def test_no_robocopy(bench: Bench) -> None:
    check = bench.check("auto", find=lambda: None)
    assert not check.enabled
    assert check.count(bench.tree, str(bench.log)) is None
    assert (check.notes, bench.said) == ([], [])
    with pytest.raises(RefusedError, match=r"no robocopy on this computer.* --robocopy_check auto or off"):
        bench.check("on", find=lambda: None)


def test_an_unknown_mode_is_a_defect(bench: Bench) -> None:
    with pytest.raises(ValueError, match="maybe"):
        bench.check("maybe")


def test_found_in_the_system_folder_first(tmp_path: Path, bench: Bench) -> None:
    on_path = shutil.which("robocopy", path=str(tmp_path / "bin"))
    environ = {"SystemRoot": str(tmp_path), "PATH": str(tmp_path / "bin")}
    assert find_robocopy(environ, windows=True) == on_path
    (tmp_path / "System32").mkdir()
    own = tmp_path / "System32" / "robocopy.exe"
    own.touch()
    assert find_robocopy(environ, windows=True) == str(own)
    assert find_robocopy(environ, windows=False) == on_path


def test_not_found(tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_robocopy({"PATH": str(tmp_path / "logs")}, windows=False) is None
    assert find_robocopy({}, windows=True) is None
    monkeypatch.chdir(tmp_path)
    assert find_robocopy({"PATH": "bin"}, windows=False) is None  # not by a relative folder


# -- what is read ------------------------------------------------------------------------------------------------------


def test_only_this_calls_part_of_the_log_counts(bench: Bench) -> None:
    bench.log.write_bytes(listing(9, 9, 9))
    assert bench.count() == Count(3, 2, 118004)
    assert bench.log.read_bytes() == listing(9, 9, 9) + listing()
    bench.fake.plan(log=b"")
    bench.fails("wrote nothing to its log")


@pytest.mark.parametrize("code", range(8))
def test_codes_that_are_no_failure(bench: Bench, code: int) -> None:
    bench.fake.plan(log=listing(), code=code)
    assert bench.count() == Count(3, 2, 118004)


def test_another_language(bench: Bench) -> None:
    text = (LOGS / "spanish_progress.log").read_bytes().decode("cp1252")
    text = text.replace("11.80 m   11.80 m     1.7 k", " 164282499445 164282499445         0")
    bench.fake.plan(log=text.encode("cp1252"))
    assert bench.count() == Count(3, 1, 164282499445)


def test_the_last_of_several_runs(bench: Bench) -> None:
    bench.fake.plan(log=(LOGS / "appended.log").read_bytes())
    assert bench.count() == Count(4, 3, 164282499445)


def test_wide_numbers_and_a_long_body(bench: Bench) -> None:
    body = "".join(f"\t    New File  \t\t{n:>8}\tC:\\run\\Bildgröße_{n:06}.dat\r\n" for n in range(5000))
    bench.fake.plan(log=listing(1234567, 54321, 9876543210987, body=body))
    assert bench.count() == Count(1234567, 54321, 9876543210987)


@pytest.mark.parametrize("language", ["English", "Russian"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp866"])
def test_a_tree_that_is_really_listed(bench: Bench, language: str, encoding: str) -> None:
    for name in ("a b", "ä", "empty"):
        (Path(bench.tree) / name / "deeper").mkdir(parents=True)
    for name in ("a b/x.dat", "ä/deeper/ß.dat", "z"):
        (Path(bench.tree) / name).write_bytes(b"12345")
    bench.fake.plan(language=language, encoding=encoding)
    assert bench.count("on") == Count(3, 7, 15)
    bench.fake.plan(language=language, encoding=encoding, cut=True)
    bench.log.unlink()
    bench.fails("the log has no summary")


@pytest.mark.parametrize("name", ["with two  blanks", "ends in a bracket)", "a;b,c=d", "100%", "' \" '", "x" * 200])
def test_paths_arrive_as_they_are(bench: Bench, tmp_path: Path, name: str) -> None:
    if fs.WINDOWS and set(name) & set('%;,="'):
        pytest.skip("no name on Windows, or none that a .bat can be given")
    tree = tmp_path / name / "sub"
    tree.mkdir(parents=True)
    (tree / "f").write_bytes(b"1")
    log = tmp_path / name / "the log.log"
    bench.fake.plan()
    assert bench.check("on").count(str(tree) + os.sep, str(log)) == Count(1, 1, 1)
    (call,) = bench.fake.calls()
    assert call["argv"] == [str(tree), "NULL", *LIST, "/MT:8", f"/LOG+:{log}"]


def test_much_is_printed_and_nothing_blocks(bench: Bench) -> None:
    bench.fake.plan(log=listing(), chatter=30_000_000)
    assert bench.count("on") == Count(3, 2, 118004)


def test_what_it_says_on_standard_error_is_told(bench: Bench) -> None:
    bench.fake.plan(log=b"", code=16, complained="Access is denied.\n")
    bench.fails("and it said: Access is denied..")


def test_an_empty_tree(bench: Bench) -> None:
    bench.fake.plan(log=listing(0, 1, 0), code=0)
    assert bench.count() == Count(0, 1, 0)


# -- every way to fail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (8, "could not list everything (exit code 8)"),
        (9, "could not list everything (exit code 9)"),
        (16, "could not begin (exit code 16)"),
        (77, "ended with 77, which is no exit code"),
    ],
)
def test_codes_of_failure(bench: Bench, code: int, words: str) -> None:
    bench.fake.plan(log=listing(), code=code)
    bench.fails(words)


def test_what_it_said_is_told(bench: Bench) -> None:
    bench.fake.plan(log=b"", code=16, said='ERROR : Invalid Parameter #3 : "/Q\x1b"\n\n')
    bench.fails('and it said: ERROR : Invalid Parameter #3 : "/Q\\x1b".')
    bench.fake.plan(log=b"", code=16)
    bench.fails("cannot be reached. Its log")  # where the log lies is no news


def test_nothing_written(bench: Bench) -> None:
    bench.fake.plan(log=b"")
    bench.fails("wrote nothing to its log")
    bench.fake.plan(log=b"\r\n\r\n")
    bench.fails("wrote nothing to its log")


def test_garbage(bench: Bench) -> None:
    bench.fake.plan(log=bytes(range(256)) * 40)
    bench.fails("is no robocopy log")


def test_no_summary(bench: Bench) -> None:
    text = listing()
    bench.fake.plan(log=text[: text.index(b"   Bytes :")])
    bench.fails("has no summary")
    bench.fake.plan(log=(LOGS / "killed.log").read_bytes())
    bench.fails("has no summary")


def test_every_cut_gives_the_right_count_or_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = listing()
    for cut in range(len(whole) - 300, len(whole) + 1):
        check = bench.check(find=lambda: "robocopy")
        monkeypatch.setattr(check, "_run", lambda *_, cut=cut: bench.log.write_bytes(whole[:cut]) and 1)
        bench.log.unlink(missing_ok=True)
        count = check.count(bench.tree, str(bench.log))
        assert count == Count(3, 2, 118004) if count else len(check.notes) == 1
    assert count is not None


def test_rounded_sizes(bench: Bench) -> None:
    bench.fake.plan(log=listing(bytes_=False))
    bench.fails("/BYTES")
    bench.fake.plan(log=listing(size_bytes=1023, bytes_=False))  # too small to be rounded
    assert bench.count() == Count(3, 2, 1023)


def test_one_that_writes_in_its_folder_leaves_nothing(bench: Bench) -> None:
    bench.fake.plan(log=listing(), make_null=True)
    assert bench.count() == Count(3, 2, 118004)


def test_a_program_that_cannot_be_started(bench: Bench, tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "broken"
    bench.fails("could not be started", find=lambda: str(broken))


@pytest.mark.skipif(fs.WINDOWS, reason="needs the limit of POSIX for one argument")
def test_an_argument_that_is_too_long(bench: Bench) -> None:
    bench.fails("could not be started (", options="/L " + "x" * 200_000)


def test_a_log_that_cannot_be_read(bench: Bench) -> None:
    bench.log.mkdir()
    bench.fake.plan(log=b"")
    check = bench.check()
    assert check.count(bench.tree, str(bench.log)) is None
    (note,) = check.notes
    assert "its log or the temporary folder cannot be used" in note


def test_one_that_hangs_is_ended(bench: Bench) -> None:
    bench.fake.plan(log=listing(), sleep_s=20)
    began = time.monotonic()
    bench.fails("did not end within 0.6 s", timeout_s=0.6)
    assert time.monotonic() - began < 10


# -- a stop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_stop_ends_it(bench: Bench, mode: str) -> None:
    bench.fake.plan(log=listing(), sleep_s=20)
    check = bench.check(mode)
    timer = threading.Timer(0.7, bench.stop.set, ["interrupted"])
    began = time.monotonic()
    timer.start()
    assert check.count(bench.tree, str(bench.log)) is None
    assert time.monotonic() - began < 5
    assert check.notes == []  # a stop is no failure of the cross-check
    assert check.count(bench.tree, str(bench.log)) is None
    assert len(bench.fake.calls()) == 1  # and nothing new begins


@pytest.mark.skipif(fs.WINDOWS, reason="asks for a process by a signal that does nothing")
@pytest.mark.parametrize("way", ["hangs", "stop", "defect"])
def test_no_process_is_left(bench: Bench, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = tmp_path / "bin" / "stubborn"
    program.write_text(f'#!/bin/sh\ntrap "" TERM\necho $$ > "{note}"\nwhile :; do sleep 0.05; done\n')
    program.chmod(0o755)
    ends: Dict[str, Callable[[], object]] = {
        "hangs": lambda: None,
        "stop": lambda: bench.stop.set("interrupted"),
        "defect": lambda: monkeypatch.setattr(StopFlag, "__bool__", lambda self: 1 / 0),
    }
    timer = threading.Timer(0.6, ends[way])
    timer.start()
    check = bench.check(find=lambda: str(program), timeout_s=0.8)
    if way == "defect":
        with pytest.raises(ZeroDivisionError):
            check.count(bench.tree, str(bench.log))
    else:
        assert check.count(bench.tree, str(bench.log)) is None
    timer.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
