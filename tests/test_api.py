"""`vdt.copy_tree` and `vdt.audit_tree`: plain values, errors that are raised, nothing printed, no handler installed."""

from __future__ import annotations

import doctest
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict, List, Mapping

import pytest

import vdt
from vdt import api, copytree, fs, supervise
from vdt.errors import AbandonedError, AwayError, LockedError, ManifestError, RefusedError, UsageError
from vdt.lock import TreeLock
from vdt.model import TreeResult

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run1" / "deep").mkdir(parents=True)
    for name, data in (("a.txt", b"1"), ("b.txt", b"22"), ("deep/c.bin", b"333")):
        (tmp_path / "run1" / name).write_bytes(data)
    for variable in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_of_the_page_run_as_printed(place: Path) -> None:
    found = doctest.testfile(str(ROOT / "docs" / "api.md"), module_relative=False, encoding="utf-8")
    assert found.attempted >= 20 and found.failed == 0


def test_importing_vdt_imports_nothing_of_it() -> None:
    code = "import sys, vdt; print(sorted(name for name in sys.modules if name.startswith('vdt'))); vdt.copy_tree"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['vdt', 'vdt.version']"


def test_all_names_that_are_promised_are_there_and_no_others() -> None:
    assert {name: getattr(vdt, name) for name in vdt.__all__ if name != "__version__"} == {
        "Audited": api.Audited,
        "Copied": api.Copied,
        "StopFlag": vdt.StopFlag,
        "VdtError": vdt.VdtError,
        "Wrong": api.Wrong,
        "audit_tree": api.audit_tree,
        "copy_tree": api.copy_tree,
    }
    assert set(vdt.__all__) <= set(dir(vdt))
    with pytest.raises(AttributeError, match="no attribute 'delete_tree'"):
        vdt.delete_tree  # noqa: B018


def test_nothing_is_printed_and_no_handler_is_installed(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    vdt.copy_tree("run1", "copy", manifest="copy.xxh128")
    vdt.audit_tree("copy", source="run1")
    assert capfd.readouterr() == ("", "")
    assert {number: signal.getsignal(number) for number in before} == before
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("vdt")]


def test_paths_may_be_path_objects_and_the_report_is_json(place: Path) -> None:
    copied = vdt.copy_tree(place / "run1", place / "copy", verify="reread", threads=1)
    assert copied.evidence == {"read back": 3} and copied.destination == str(place / "copy")
    assert json.loads(json.dumps(copied.report))["counts"]["files"]["copied"] == 3
    audited = vdt.audit_tree(place / "copy", source=place / "run1", state=place / "state")
    assert json.loads(json.dumps(audited.report))["verdict"] == "right"
    assert audited.against == f"source {place / 'run1'}"
    assert audited.may_delete_source == audited.why.startswith("As far as this tree goes the source may be deleted")


def test_options_reach_the_engine(place: Path) -> None:
    vdt.copy_tree("run1", "copy", exclude=["*.txt"])
    assert [p.name for p in Path("copy").rglob("*") if p.is_file()] == ["c.bin"]
    vdt.copy_tree("run1", "other", exclude_dirs=["deep"], log="log.txt", links="skip")
    assert sorted(os.listdir("other")) == ["a.txt", "b.txt"]
    assert "ROBOCOPY" in Path("log.txt").read_text(encoding="utf-8")
    tried = vdt.copy_tree("run1", "never", dry_run=True)
    assert tried.files_copied == 3 and not Path("never").exists()
    os.utime("copy/deep/c.bin", (1, 1))
    Path("copy/deep/c.bin").write_bytes(b"newer")
    assert vdt.copy_tree("run1", "copy", newer_only=True).files_skipped == 1
    assert Path("copy/deep/c.bin").read_bytes() == b"newer"


def test_extras_count_only_where_that_is_asked_for(place: Path) -> None:
    vdt.copy_tree("run1", "copy")
    Path("copy/stray").write_text("")
    audited = vdt.audit_tree("copy", source="run1")
    assert audited.right and audited.verdict == "right, but for extras"
    assert [(wrong.path, wrong.verdict) for wrong in audited.wrong] == [("stray", "EXTRA")]
    assert not vdt.audit_tree("copy", source="run1", strict=True).right


def test_each_file_is_told_of_as_jsonl_would(place: Path) -> None:
    told: List[Mapping[str, Any]] = []
    vdt.copy_tree("run1", "copy", each_file=told.append)
    assert {file["path"] for file in told} == {"a.txt", "b.txt", "deep/c.bin"}
    assert set(told[0]) == {"path", "size", "state", "evidence", "xxh128", "reason"}
    told.clear()
    vdt.audit_tree("copy", source="run1", each_file=told.append)
    assert {file["verdict"] for file in told} == {"OK"} and len(told) == 3


def test_what_a_listener_raises_comes_out_and_gives_the_lock_back(place: Path) -> None:
    def listener(file: Mapping[str, Any]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        vdt.copy_tree("run1", "copy", each_file=listener)
    assert vdt.copy_tree("run1", "copy").complete


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verify": "sure"}, "verify is 'sure'. Choose from: none, inflight, reread, cold, both."),
        ({"existing": None}, "existing is None. Choose from: prove, trust."),
        ({"links": "chew"}, "links is 'chew'"),
        ({"threads": 0}, "threads is 0, not a whole number from 1 to 128."),
        ({"threads": True}, "threads is True"),
        ({"retries": -1}, "retries is -1"),
        ({"retry_wait_s": "x"}, "retry_wait_s is 'x'"),
        ({"share_wait_s": float("nan")}, "share_wait_s is nan"),
        ({"modify_window_s": -1}, "modify_window_s is -1"),
        ({"exclude": "*.tmp"}, "exclude has to be a list of texts"),
        ({"exclude_dirs": [1]}, "exclude_dirs has to be a list of texts"),
        ({"bwlimit": "fast"}, "fast"),
        ({"manifest": b"m"}, "manifest has to be a path as text"),
        ({"log": 3}, "log has to be a path, not int."),
    ],
)
def test_a_bad_option_is_a_sentence_and_nothing_is_made(place: Path, options: Dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        vdt.copy_tree("run1", "copy", **options)
    assert words in str(raised.value) and isinstance(raised.value, vdt.VdtError)
    assert os.listdir(place) == ["run1"]


def test_what_cannot_be_done_is_raised(place: Path) -> None:
    for source, destination in (("away", "copy"), ("run1", "run1"), ("run1/a.txt", "copy")):
        with pytest.raises(RefusedError):
            vdt.copy_tree(source, destination)
    with pytest.raises(UsageError):
        vdt.copy_tree("", "copy")
    with pytest.raises(RefusedError, match="Nothing is on record"):
        vdt.audit_tree("run1")
    for options, words in (
        ({"repair": True}, "give source too"),
        ({"accept_source": ["all"], "source": "run1"}, "give repair=True too"),
        ({"source": "run1", "manifest": "m"}, "source and manifest cannot both"),
    ):
        with pytest.raises(UsageError, match=words):
            vdt.audit_tree("run1", **options)
    with pytest.raises(UsageError, match=r"Choose from: copy, follow\."):
        vdt.audit_tree("run1", source="run1", links="skip")
    Path("m").write_text("no manifest\n")
    with pytest.raises(ManifestError):
        vdt.audit_tree("run1", manifest="m")
    lock = TreeLock(str(place / ".copy.vdt"), str(place / "copy"), say=print, wait=vdt.StopFlag().wait)
    lock.acquire()
    with pytest.raises(LockedError):
        vdt.copy_tree("run1", "copy")
    lock.release()
    assert vdt.copy_tree("run1", "copy").proven


def test_a_side_that_stays_away_is_raised(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = copytree.copy_tree

    def away(*arguments: Any, **named: Any) -> TreeResult:
        from dataclasses import replace

        return replace(whole(*arguments, **named), fatal="L:\\ does not answer")

    monkeypatch.setattr(copytree, "copy_tree", away)
    with pytest.raises(AwayError, match="does not answer"):
        vdt.copy_tree("run1", "copy")


def test_ctrl_c_ends_the_work_and_is_raised_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it comes: a KeyboardInterrupt in the thread that waits."""
    begun = threading.Event()
    Path("run1/large").write_bytes(bytes(4 << 20))

    def came_back(done: threading.Event, stop: vdt.StopFlag) -> bool:
        if begun.is_set() and not stop:
            stop.set(supervise.INTERRUPTED)  # what `_came_back` does with it
        return done.wait(0.01)

    monkeypatch.setattr(supervise, "_came_back", came_back)
    with pytest.raises(KeyboardInterrupt):
        vdt.copy_tree("run1", "copy", bwlimit="1M", each_file=lambda file: begun.set())
    assert not Path(".copy.vdt/lock.json").exists()
    monkeypatch.undo()
    os.chdir(place)
    assert vdt.copy_tree("run1", "copy").complete


@pytest.mark.skipif(os.name == "nt", reason="Windows sends SIGINT to no single process")
def test_a_real_ctrl_c_in_a_script(place: Path) -> None:
    Path("run1/large").write_bytes(bytes(8 << 20))
    code = (
        "import vdt\n"
        "try: vdt.copy_tree('run1', 'copy', bwlimit='1M', each_file=lambda file: print('file', flush=True))\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "file\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and out.splitlines()[-1] == "interrupted"


def test_work_that_hangs_after_a_stop_is_named_and_abandoned(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over, hangs, stop = threading.Event(), threading.Event(), vdt.StopFlag()
    listing = fs.list_folder

    def list_folder(path: str, **more: Any) -> Any:
        if path.endswith("deep"):
            hangs.set()
            over.wait(30)
        return listing(path, **more)

    monkeypatch.setattr(fs, "list_folder", list_folder)
    monkeypatch.setattr(supervise.supervised, "__kwdefaults__", {"grace_s": 0.2, "within_s": supervise.FOREVER_S})
    threading.Thread(target=lambda: (hangs.wait(30), stop.set("enough"))).start()
    try:
        with pytest.raises(AbandonedError, match="Abandoned, the system did not answer: Listing"):
            vdt.copy_tree("run1", "copy", stop=stop)
    finally:
        over.set()
