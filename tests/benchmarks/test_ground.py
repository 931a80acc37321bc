"""What was there is never touched; what was made is gone, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from comparing import flushing, ground, interrupt
from comparing.ground import claimed
from comparing.machine import machine, mount_options, versions
from vdt.errors import RefusedError


def test_a_missing_folder_is_made_and_gone_again(tmp_path: Path) -> None:
    with claimed(str(tmp_path / "new")) as own:
        assert os.path.dirname(own) == str(tmp_path / "new")
        (Path(own) / "deep").mkdir()
        (Path(own) / "deep" / "file").write_bytes(b"x")
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_stays(tmp_path: Path) -> None:
    with claimed(str(tmp_path)):
        pass
    assert tmp_path.exists() and os.listdir(tmp_path) == []


def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"years")
    with pytest.raises(RefusedError, match=r"holds thesis\.doc; nothing is measured where anything else lies\. Name"):
        with claimed(str(tmp_path)):
            pytest.fail("it was claimed")
    assert os.listdir(tmp_path) == ["thesis.doc"]


def test_what_a_killed_run_left_is_named(tmp_path: Path) -> None:
    (tmp_path / ground.OWN).mkdir()
    with pytest.raises(RefusedError, match=rf"A broken-off run leaves {ground.OWN}; remove that\."):
        with claimed(str(tmp_path)):
            pytest.fail("it was claimed")
    assert os.listdir(tmp_path) == [ground.OWN]


def test_a_file_or_a_missing_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name, words in (("file", "cannot be used"), ("no/where", "cannot be made")):
        with pytest.raises(RefusedError, match=words):
            with claimed(str(tmp_path / name)):
                pytest.fail("it was claimed")


def test_what_somebody_puts_beside_ours_stays(tmp_path: Path) -> None:
    with claimed(str(tmp_path / "new")):
        (tmp_path / "new" / "other").write_bytes(b"x")
    assert os.listdir(tmp_path / "new") == ["other"]


def test_an_interruption_even_of_the_clearing_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.rmtree

    def interrupted(path: str, *more: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        real(path, *more)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interrupt.end_once()
    try:
        with pytest.raises(KeyboardInterrupt):
            with claimed(str(tmp_path / "new")), ground.scratch_folder() as scratch:
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert os.listdir(tmp_path) == [] and not os.path.exists(scratch)


def test_a_folder_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.setattr(shutil, "rmtree", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(RefusedError, match=r"x could not be removed: .*\. Remove it by hand\."):
        ground.remove(str(tmp_path / "x"))


def test_folders_in_each_other_and_too_little_room_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for source, destination in ((tmp_path, tmp_path / "in"), (tmp_path / "in", tmp_path), (tmp_path, tmp_path)):
        with pytest.raises(RefusedError, match="lie in each other"):
            ground.check_apart(str(source), str(destination))
    ground.check_room(str(tmp_path), 1, "a copy")
    with pytest.raises(RefusedError, match=r"GB free, and a copy needs 1000000000\.000 GB"):
        ground.check_room(str(tmp_path), 10**18, "a copy")


def test_flush_and_read_once_go_over_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_bytes(b"x" * 3_000_000)
    (tmp_path / "link").symlink_to("nowhere")
    flushing.read_once(str(tmp_path))
    flushing.flush(str(tmp_path))
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    each = type("V", (), {"flush": flushing.fs.Flush.FILE})
    monkeypatch.setattr(flushing.fs, "volume", lambda _: each)
    flushing.flush(str(tmp_path))
    assert len(flushed) == 1 and flushing.how(str(tmp_path)) == "each file by itself, 16 at once"


def test_mount_options_name_nobody() -> None:
    text = (
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro\n"
        "90 22 0:50 / /mnt/my\\040share rw,nosuid - cifs //server/share "
        "rw,vers=3.1.1,cache=strict,username=ada,domain=LAB,addr=192.0.2.7,actimeo=1\n"
    )
    assert mount_options(text, "/mnt/my share") == "rw,nosuid,vers=3.1.1,cache=strict,actimeo=1"
    assert mount_options(text, "/") == "rw,relatime,errors=remount-ro"
    assert mount_options(text, "/elsewhere") == "" and mount_options("", "/") == ""


def test_the_machine_tells_no_host_name() -> None:
    import platform

    found = machine()
    assert found["processors"] >= 1 and found["memory_bytes"] > 10**8
    assert platform.node() == "" or platform.node() not in str({**found, "system": ""})
    assert versions(["no-such-program", "sh"]).keys() == {"vdt", "python"}


def test_without_the_package_it_says_what_to_do(tmp_path: Path) -> None:
    import subprocess

    script = Path(ground.__file__).parent.parent / "compare.py"
    done = subprocess.run([sys.executable, "-S", "-E", str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 16 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("The package vizgen_data_transfer is not installed for ")
