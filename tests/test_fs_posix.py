"""The POSIX half of vdt.fs: what a folder, a listing, a flush and a cold read really do."""

from __future__ import annotations

import ast
import ctypes
import errno
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

pytest.importorskip("fcntl")

import fcntl

from vdt import fs
from vdt.cli.terminal import guarded
from vdt.fs import closer, posix, posix_folder, posix_handles, posix_volumes
from vdt.fs.closer import MOST_OPEN
from vdt.model import Entry, Kind

MIB = 1 << 20
TIME_NS = 1_612_345_678_123_456_789


def can_read_cold(folder: Path) -> bool:
    return fs.volume(str(folder)).cold_reads


def read(views: Iterator[memoryview]) -> bytes:
    return b"".join(bytes(view) for view in views)


def file_entry(**changes: Any) -> Entry:
    return Entry("x", Kind.FOLDER, 0, TIME_NS, 0o750, (0, 0))._replace(**changes)


# -- Folder --------------------------------------------------------------------------------------------------------


def test_a_folder_lets_its_descriptor_go_once(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    folder = fs.Folder(str(tmp_path))
    folder.close()
    folder.close()
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(OSError):
        folder.stat("x")


def test_a_folder_that_is_a_file_or_missing_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        fs.Folder(str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError):
        fs.Folder(str(tmp_path / "missing"))


def test_create_takes_no_name_that_is_taken_not_even_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with fs.Folder(str(tmp_path)) as folder:
        for name in ("file", "link"):
            with pytest.raises(FileExistsError):
                folder.create(name, 0o644)
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "trap").mkdir()
    with fs.Folder(str(tmp_path / "real")) as folder:
        (tmp_path / "real").rename(tmp_path / "moved")
        (tmp_path / "real").symlink_to("trap")
        fs.close(folder.create("new", 0o644))
        folder.replace("new", "final")
    assert os.listdir(tmp_path / "moved") == ["final"]
    assert os.listdir(tmp_path / "trap") == []


def test_beneath_a_root_no_part_of_a_path_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    root = tmp_path / "root"
    (root / "real" / "deep").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "out")
    (root / "real" / "last").symlink_to(tmp_path / "out")
    (tmp_path / "named").symlink_to(root)
    source = fs.opened(str(root / "real"))._replace(mode=0o700, mtime_ns=1_500_000_000_000_000_000)
    before = look_at(tmp_path / "out")
    for top in (root, tmp_path / "named"):  # the root itself may be named by a link
        for good in (top, top / "real", top / "real" / "deep"):
            with fs.Folder(str(good), beneath=str(top)) as folder:
                assert folder.path == str(good)
        for bad in (top / "link", top / "link" / "deep", top / "real" / "last"):
            for act in (
                lambda bad=bad, top=top: fs.Folder(str(bad), beneath=str(top)),
                lambda bad=bad, top=top: fs.make_folder(str(bad / "new"), beneath=str(top)),
                lambda bad=bad, top=top: fs.set_folder(
                    str(bad / "deep"), source, times=True, mode=True, beneath=str(top)
                ),
            ):
                with pytest.raises(OSError) as caught:
                    act()
                assert caught.value.errno in (errno.ENOTDIR, errno.ELOOP)
    with pytest.raises(OSError):
        fs.set_folder(str(root / "link"), source, times=False, mode=True, beneath=str(root))
    fs.set_folder(str(root / "link"), source, times=True, mode=False, beneath=str(root))  # the link's own time
    assert look_at(tmp_path / "out") == before


def test_beneath_a_root_folders_are_made_with_their_parents_where_these_are_wanted(tmp_path: Path) -> None:
    root = str(tmp_path)
    with pytest.raises(FileNotFoundError):
        fs.make_folder(f"{root}/a/b/c", parents=False, beneath=root)
    assert os.listdir(root) == []
    for _ in range(2):  # one that exists is fine
        fs.make_folder(f"{root}/a/b/c", beneath=root)
    assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        fs.make_folder(f"{root}/file", beneath=root)
    with pytest.raises(FileNotFoundError):
        fs.make_folder(f"{root}/gone/x", beneath=f"{root}/gone")


def test_what_takes_the_place_of_a_root_once_it_was_looked_at_is_not_written_to(tmp_path: Path) -> None:
    """The look comes when the folder around is open: another volume that is there a moment later stays as it is."""
    root, away = tmp_path / "root", tmp_path / "away"
    source = fs.opened(str(tmp_path))._replace(mode=0o700)

    def swapped() -> None:
        if not away.exists():
            root.rename(away)
            (root / "a").mkdir(parents=True)

    for act in (
        lambda: fs.make_folder(f"{root}/a/b", beneath=str(root), ready=swapped),
        lambda: fs.set_folder(f"{root}/a", source, times=True, mode=True, beneath=str(root), ready=swapped),
    ):
        (root / "a").mkdir(parents=True)
        os.chmod(root / "a", 0o755)
        act()
        assert os.listdir(root / "a") == [] and stat.S_IMODE(os.stat(root / "a").st_mode) != 0o700
        assert os.listdir(away / "a") == ["b"] or stat.S_IMODE(os.stat(away / "a").st_mode) == 0o700
        shutil.rmtree(root)
        shutil.rmtree(away)


def test_a_look_that_refuses_leaves_everything_as_it_is(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OSError(errno.ESTALE, "gone")

    (tmp_path / "there").mkdir()
    before = look_at(tmp_path)
    source = fs.opened(str(tmp_path))._replace(mode=0o700, mtime_ns=1)
    for root in (str(tmp_path), ""):
        for act in (
            lambda root=root: fs.make_folder(f"{tmp_path}/new", beneath=root, ready=refuse),
            lambda root=root: fs.make_folder(f"{tmp_path}/new/deep", beneath=root, ready=refuse),
            lambda root=root: fs.set_folder(
                f"{tmp_path}/there", source, times=True, mode=True, beneath=root, ready=refuse
            ),
        ):
            with pytest.raises(OSError):
                act()
    assert look_at(tmp_path) == before


def test_where_calls_wait_files_that_were_read_are_closed_by_others_before_settle_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (tmp_path / str(number)).write_bytes(b"x")
    closed: List[str] = []
    real = os.close

    def slow(fd: int) -> None:
        closed.append(threading.current_thread().name)
        time.sleep(0.005)
        real(fd)

    before = set(os.listdir("/proc/self/fd"))
    with fs.Folder(str(tmp_path), waits=True) as folder:
        monkeypatch.setattr(os, "close", slow)
        for number in range(40):
            assert bytes(folder.read_whole(str(number), 1)[1]) == b"x"
        assert len(set(os.listdir("/proc/self/fd")) - before) <= MOST_OPEN + 2, "they do not pile up"
        folder.settle()
        assert len(closed) == 40 and closed.count("closer") >= MOST_OPEN
        monkeypatch.setattr(os, "close", real)
    assert set(os.listdir("/proc/self/fd")) <= before | {str(folder._fd)}


def test_a_command_does_not_wait_for_threads_that_close_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are idle at its end, which looks like hanging; a process that would be ended for it is this one."""
    monkeypatch.setattr(closer, "_crew", closer._Crew())
    ended: List[int] = []
    monkeypatch.setattr(fs, "terminate_now", ended.append)
    (tmp_path / "x").write_bytes(b"x")

    def reads(arguments: List[str]) -> int:
        with fs.Folder(str(tmp_path), waits=True) as folder:
            folder.read_whole("x", 1)
            folder.settle()
        assert any("closer" in thread.name for thread in threading.enumerate())
        return 7

    assert guarded(reads, [], debug=False) == 7 and ended == []


def test_the_mode_of_a_folder_or_file_is_never_that_of_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    (tmp_path / "out").chmod(0o640)
    (tmp_path / "link").symlink_to("out")
    with fs.Folder(str(tmp_path)) as folder:
        with pytest.raises(OSError):
            folder.set_mode("link", 0o777)
        assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
        folder.set_mode("out", 0o600)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


def look_at(folder: Path) -> Dict[str, Tuple[int, int]]:
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in paths}


def test_a_source_that_became_a_link_is_only_opened_where_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"data")
    (tmp_path / "link").symlink_to("target")
    with fs.Folder(str(tmp_path)) as folder:
        with pytest.raises(OSError) as caught:
            folder.open_source("link", follow=False)
        assert caught.value.errno == errno.ELOOP
        with pytest.raises(OSError), folder.back("link", cold=False):
            pass
        fd = folder.open_source("link", follow=True)
        assert read(fs.read_views(fd, 4)) == b"data"
        fs.close(fd)
        with folder.back("link", cold=False, follow=True) as (found, views):
            assert found.size_bytes == 4 and read(views) == b"data"


def test_a_fifo_in_a_files_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with fs.Folder(str(tmp_path)) as folder:
        fd = folder.open_source("fifo", follow=False)
        assert not fs.fd_stat(fd).regular
        fs.close(fd)


def test_a_source_is_opened_for_reading_only(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with fs.Folder(str(tmp_path)) as folder:
        fd = folder.open_source("f", follow=False)
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        with pytest.raises(OSError):
            os.write(fd, b"y")
        fs.close(fd)


@pytest.mark.parametrize("how", ["open_source", "back"])
def test_reading_leaves_the_access_time_alone(tmp_path: Path, how: str) -> None:
    old = 1_500_000_000_000_000_000
    probe, path = tmp_path / "probe", tmp_path / "f"
    for item in (probe, path):
        item.write_bytes(b"data")
        os.utime(item, ns=(old, old + 10**9))
    probe.read_bytes()
    if probe.stat().st_atime_ns == old or not hasattr(os, "O_NOATIME"):
        pytest.skip("this file system keeps no access times")
    with fs.Folder(str(tmp_path)) as folder:
        if how == "back":
            with folder.back("f", cold=False) as (_, views):
                assert read(views) == b"data"
        else:
            fd = folder.open_source("f", follow=False)
            assert read(fs.read_views(fd, 4)) == b"data"
            fs.close(fd)
    assert path.stat().st_atime_ns == old


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="the system knows no O_NOATIME")
@pytest.mark.parametrize("how", ["open_source", "back"])
def test_where_the_access_time_may_not_be_spared_it_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A plain user who does not own the file: EPERM, once a folder and not once a file."""
    (tmp_path / "f").write_bytes(b"data")
    real, refused = os.open, []

    def fake(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_NOATIME:
            refused.append(path)
            raise PermissionError(errno.EPERM, "not permitted")
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", fake)
    with fs.Folder(str(tmp_path)) as folder:
        for _ in range(3):
            if how == "back":
                with folder.back("f", cold=False) as (_, views):
                    assert read(views) == b"data"
            else:
                fs.close(folder.open_source("f", follow=False))
    assert refused == ["f"]


def test_replace_takes_the_place_of_a_file_read_only_or_not(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "old").chmod(0o444)
    with fs.Folder(str(tmp_path)) as folder:
        folder.replace("new", "old")
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"new"


def test_replace_never_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").mkdir()
    with fs.Folder(str(tmp_path)) as folder, pytest.raises(IsADirectoryError):
        folder.replace("new", "old")
    assert (tmp_path / "old").is_dir()


def test_unlink_of_what_is_not_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with fs.Folder(str(tmp_path)) as folder:
        folder.unlink("f")
        folder.unlink("f")
    assert os.listdir(tmp_path) == []


def test_a_link_gets_its_text_and_its_time(tmp_path: Path) -> None:
    with fs.Folder(str(tmp_path)) as folder:
        folder.link("l", "some where/else", TIME_NS)
    assert os.readlink(tmp_path / "l") == "some where/else"
    assert (tmp_path / "l").lstat().st_mtime_ns == TIME_NS


def test_stat_speaks_of_the_link_and_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    path.chmod(0o640)
    os.utime(path, ns=(TIME_NS, TIME_NS))
    (tmp_path / "l").symlink_to("f")
    real = path.stat()
    with fs.Folder(str(tmp_path)) as folder:
        found = folder.stat("f")
        assert (found.regular, found.size_bytes, found.mtime_ns, found.mode) == (True, 5, TIME_NS, 0o640)
        assert found.file_id == (real.st_dev, real.st_ino) and found.owner == (real.st_uid, real.st_gid)
        assert not folder.stat("l").regular
        with pytest.raises(FileNotFoundError):
            folder.stat("missing")
        assert folder.at("f") == str(path)


def test_restamp_says_which_time_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"")
    with fs.Folder(str(tmp_path)) as folder:
        assert folder.restamp("f", TIME_NS) == TIME_NS
        real = os.utime
        rounded = TIME_NS // (2 * 10**9) * 2 * 10**9
        monkeypatch.setattr(os, "utime", lambda path, ns, **o: real(path, ns=(rounded, rounded), **o))
        assert folder.restamp("f", TIME_NS) == rounded


def test_set_mode(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with fs.Folder(str(tmp_path)) as folder:
        folder.set_mode("f", 0o440)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o440


# -- seal ----------------------------------------------------------------------------------------------------------


def sealed(
    folder: fs.Folder,
    name: str,
    made: int = 0o644,
    *,
    keep: Optional[int] = None,
    mtime_ns: Optional[int] = None,
    owner: Optional[Tuple[int, int]] = None,
    flush: bool = False,
) -> int:
    """Create with mode `made`, write, seal with mode `keep`; returns the descriptor that must be closed by now."""
    fd = folder.create(name, made)
    fs.write_all(fd, memoryview(b"data"))
    folder.seal(fd, name, mtime_ns=mtime_ns, mode=keep, owner=owner, flush=flush)
    return fd


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o644, 0o666, 0o700, 0o755, 0o777, 0o000])
def test_a_sealed_file_has_exactly_the_mode_and_the_time_asked_for(tmp_path: Path, mode: int) -> None:
    with fs.Folder(str(tmp_path)) as folder:
        fd = sealed(folder, "f", mode, mtime_ns=TIME_NS, keep=mode)
    found = (tmp_path / "f").stat()
    assert stat.S_IMODE(found.st_mode) == mode
    assert found.st_mtime_ns == TIME_NS
    assert not is_open(fd)


def test_times_and_modes_that_nobody_asked_for_are_left(tmp_path: Path) -> None:
    with fs.Folder(str(tmp_path)) as folder:
        sealed(folder, "f")
    assert (tmp_path / "f").stat().st_mtime_ns > TIME_NS + 10**17


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_the_owner_asked_for_and_a_set_user_id_mode_survives(tmp_path: Path) -> None:
    with fs.Folder(str(tmp_path)) as folder:
        sealed(folder, "f", keep=0o4755, owner=(12345, 23456))
    found = (tmp_path / "f").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o4755)


def test_an_owner_that_may_not_be_given_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "fchown", refused)
    with fs.Folder(str(tmp_path)) as folder:
        sealed(folder, "f", owner=(12345, 23456), keep=0o640, mtime_ns=TIME_NS)
    assert (tmp_path / "f").stat().st_mtime_ns == TIME_NS


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_share_without_modes_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(*args: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fchmod", refused)
    with fs.Folder(str(tmp_path)) as folder:
        sealed(folder, "f", keep=0o511, mtime_ns=TIME_NS)
    assert (tmp_path / "f").stat().st_mtime_ns == TIME_NS


@pytest.mark.parametrize("call", ["fchmod", "utime", "fsync"])
def test_a_seal_that_fails_says_so_and_closes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError(errno.EIO, "no")

    with fs.Folder(str(tmp_path)) as folder:
        fd = folder.create("f", 0o644)
        monkeypatch.setattr(os, call, refused)
        with pytest.raises(OSError) as caught:
            folder.seal(fd, "f", mtime_ns=TIME_NS, mode=0o511, owner=None, flush=True)
    assert caught.value.errno == errno.EIO
    assert not is_open(fd)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.ENOTSUP])
def test_times_that_are_refused_for_good_do_not_cost_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "utime", refused)
    with fs.Folder(str(tmp_path)) as folder:
        fd = sealed(folder, "f", mtime_ns=TIME_NS)
    assert not is_open(fd)
    assert (tmp_path / "f").read_bytes() == b"data"


@pytest.mark.parametrize("flush", [True, False])
def test_a_seal_flushes_where_it_is_asked_to_and_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush: bool
) -> None:
    order: List[str] = []
    for name in ("utime", "fsync", "fchmod"):
        real = getattr(os, name)

        def spy(*args: Any, _name: str = name, _real: Any = real, **options: Any) -> Any:
            order.append(_name)
            return _real(*args, **options)

        monkeypatch.setattr(os, name, spy)
    with fs.Folder(str(tmp_path)) as folder:
        sealed(folder, "f", mtime_ns=TIME_NS, keep=0o511, flush=flush)
    assert order == ["fchmod", "utime"] + (["fsync"] if flush else [])


# -- flushing a volume and names -----------------------------------------------------------------------------------


REAL_LIBC = ctypes.CDLL(None)


class FakeLibc:
    """syncfs and statfs as a script."""

    def __init__(self, code: int = 0, magic: int = 0) -> None:
        self.code, self.magic = code, magic

    def syncfs(self, fd: int) -> int:
        os.fstat(fd)
        ctypes.set_errno(self.code)
        return -1 if self.code else 0

    def statfs(self, path: bytes, raw: Any) -> int:
        assert REAL_LIBC.statfs(path, raw) == 0
        struct.pack_into("@l", raw, 0, self.magic)
        return 0


def test_a_volume_is_flushed_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fs.Folder(str(tmp_path)) as folder:
        folder.flush_volume()
        monkeypatch.setattr(posix_folder, "libc", FakeLibc(errno.EIO))
        with pytest.raises(OSError) as caught:
            folder.flush_volume()
    assert caught.value.errno == errno.EIO
    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_names_that_cannot_be_flushed_here_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(fd: int) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(os, "fsync", refused)
    with fs.Folder(str(tmp_path)) as folder:
        folder.flush_names()


def test_names_whose_flush_fails_are_not_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fsync", refused)
    with fs.Folder(str(tmp_path)) as folder, pytest.raises(OSError):
        folder.flush_names()


# -- inside ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "ancestor", "found"),
    [
        ("alias", "src", True),
        ("alias/new", "src", True),
        ("alias/new/deeper", "src/sub dir", True),
        ("src", "alias", False),
        ("src/sub dir/x", "alias", True),
        ("alias", "src/sub dir/x", False),
        ("alias/new", "src/sub", False),
        ("elsewhere", "src", False),
    ],
)
def test_a_folder_that_is_mounted_a_second_time_is_known_by_its_place_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, ancestor: str, found: bool
) -> None:
    """`mount --bind src/sub\\ dir alias`, as /proc tells of it; the ids of the two real folders differ here."""
    for folder in ("src/sub dir/x", "src/sub", "alias", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        f"99 25 254:0 {tmp_path}/src/sub\\040dir {tmp_path}/alias rw,relatime shared:1 - ext4 /dev/root rw\n"
    )
    monkeypatch.setattr(posix_volumes, "_MOUNTINFO", str(mounts))
    assert fs.inside(str(tmp_path / path), str(tmp_path / ancestor)) is found


@pytest.mark.parametrize("text", ["", "torn", "25 1 254:0\n"])
def test_a_system_that_does_not_tell_of_its_mounts_leaves_the_file_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "mountinfo").write_text(text)
    for mounts in ("mountinfo", "missing"):
        monkeypatch.setattr(posix_volumes, "_MOUNTINFO", str(tmp_path / mounts))
        assert fs.inside(str(tmp_path / "a/b/new"), str(tmp_path / "a"))
        assert not fs.inside(str(tmp_path / "a"), str(tmp_path / "a/b"))


# -- the volume ----------------------------------------------------------------------------------------------------

MAGIC = [
    (0xEF53, "ext4", fs.Flush.VOLUME, True, False),
    (0x58465342, "xfs", fs.Flush.VOLUME, True, False),
    (0x9123683E, "btrfs", fs.Flush.VOLUME, False, False),
    (0x01021994, "tmpfs", fs.Flush.NONE, False, False),
    (0x6969, "nfs", fs.Flush.FILE, False, True),
    (0xFF534D42, "cifs", fs.Flush.FILE, False, True),
    (0xFE534D42, "smb2", fs.Flush.FILE, False, True),
    (0x65735546, "fuse", fs.Flush.FILE, False, False),
    (0x794C7630, "overlay", fs.Flush.FILE, False, False),
    (0x12345678, "type 0x12345678", fs.Flush.FILE, False, False),
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="statfs numbers of Linux")
@pytest.mark.parametrize(("magic", "kind", "flush", "cold", "remote"), MAGIC, ids=[row[1] for row in MAGIC])
def test_a_volume_is_known_by_its_number_and_nothing_is_promised_of_a_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: int, kind: str, flush: fs.Flush, cold: bool, remote: bool
) -> None:
    monkeypatch.setattr(posix_volumes, "libc", FakeLibc(magic=magic))
    found = fs.volume(str(tmp_path))
    assert (found.kind, found.flush, found.cold_reads, found.remote) == (kind, flush, cold, remote)
    assert found.free_bytes > 0
    assert (found.why_not_cold == "") == cold
    assert cold or kind in found.why_not_cold


def test_a_volume_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fs.volume(str(tmp_path / "missing"))


# -- what lies in the cache ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the system does not tell")
def test_what_was_just_read_lies_in_the_cache_and_what_was_dropped_does_not(tmp_path: Path) -> None:
    if not can_read_cold(tmp_path):
        pytest.skip("no file system here that tells")
    (tmp_path / "f").write_bytes(os.urandom(1 << 16))
    with fs.Folder(str(tmp_path)) as folder:
        folder.flush_volume()
        (tmp_path / "f").read_bytes()
        assert folder.cached("f") is True
        for pause_s in (0.0, 0.02, 0.1, 0.4, 1.0):  # now and then a page is held by somebody for a moment
            time.sleep(pause_s)
            folder.forget("f")
            dropped = folder.cached("f")
            if dropped is False:
                break
        assert dropped is False


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.EINVAL, errno.ENOSYS])
def test_a_system_that_does_not_tell_says_neither_yes_nor_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def refuses(*_: Any) -> int:
        raise OSError(code, "no")

    monkeypatch.setattr(os, "preadv", refuses, raising=False)
    with fs.Folder(str(tmp_path)) as folder:
        assert folder.cached("f") is None
        monkeypatch.setattr(posix_folder, "_NOWAIT", 0)
        assert folder.cached("f") is None


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the system does not tell")
def test_an_unreadable_file_is_an_error_and_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def breaks(*_: Any) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "preadv", breaks)
    with fs.Folder(str(tmp_path)) as folder, pytest.raises(OSError):
        folder.cached("f")


# -- reading back --------------------------------------------------------------------------------------------------

SIZES = [0, 1, 511, 512, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 3 * MIB + 7]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cold", [False, True], ids=["cached", "cold"])
def test_every_byte_comes_back(tmp_path: Path, size: int, cold: bool) -> None:
    if cold and not can_read_cold(tmp_path):
        pytest.skip("no read past the cache on this file system")
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    with fs.Folder(str(tmp_path)) as folder, folder.back("f", cold=cold) as (found, views):
        assert found.size_bytes == size and found.regular
        assert read(views) == data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("expected", [0, 1, 4096, MIB, 5 * MIB])
def test_every_byte_comes_back_whatever_size_was_expected(tmp_path: Path, size: int, expected: int) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    assert read(fs.read_views(fd, expected)) == data
    os.close(fd)


@pytest.mark.parametrize("cold", [False, True], ids=["cached", "cold"])
def test_a_cold_read_is_opened_to_go_past_the_cache_and_only_that_one(tmp_path: Path, cold: bool) -> None:
    if not can_read_cold(tmp_path) or not os.path.isdir("/proc/self/fd"):
        pytest.skip("no read past the cache on this file system")
    path = tmp_path / "f"
    path.write_bytes(b"data")

    def flags() -> Iterator[int]:
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{name}") == str(path.resolve()):
                    yield fcntl.fcntl(int(name), fcntl.F_GETFL)
            except OSError:
                continue

    with fs.Folder(str(tmp_path)) as folder, folder.back("f", cold=cold):
        (found,) = flags()
        assert bool(found & os.O_DIRECT) == cold
    assert list(flags()) == [], "the descriptor was left open"


def test_an_error_in_the_reader_closes_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    with fs.Folder(str(tmp_path)) as folder:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ZeroDivisionError), folder.back("f", cold=False):
            raise ZeroDivisionError
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("cold", [False, True], ids=["cached", "cold"])
@pytest.mark.parametrize("now", [0, 700, MIB, 3 * MIB + 5])
def test_a_file_that_changes_its_length_while_open_is_read_to_its_real_end(
    tmp_path: Path, cold: bool, now: int
) -> None:
    if cold and not can_read_cold(tmp_path):
        pytest.skip("no read past the cache on this file system")
    path = tmp_path / "f"
    data = os.urandom(2 * MIB + 3)
    path.write_bytes(data)
    with fs.Folder(str(tmp_path)) as folder, folder.back("f", cold=cold) as (found, views):
        with open(path, "r+b") as file:
            file.truncate(now)
        got = read(views)
    assert found.size_bytes == len(data)
    assert got == (data + bytes(MIB * 2))[:now]


def test_a_file_that_is_cut_between_two_reads_ends_there(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(3 * MIB))
    with fs.Folder(str(tmp_path)) as folder, folder.back("f", cold=False) as (_, views):
        first = len(next(views))
        with open(path, "r+b") as file:
            file.truncate(first)
        assert read(views) == b""


def test_short_reads_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(10_000)
    (tmp_path / "f").write_bytes(data)
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, views, at: real(fd, [memoryview(views[0])[:777]], at))
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    got = read(fs.read_views(fd, len(data)))
    os.close(fd)
    assert got == data


def test_a_view_is_good_until_the_next_one_and_memory_does_not_grow(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(5 * MIB))
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    assert max(len(view) for view in fs.read_views(fd, 5 * MIB)) <= 8 * MIB
    os.close(fd)


def test_short_writes_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(10_000)
    real, lengths = os.write, []

    def short(fd: int, view: memoryview) -> int:
        lengths.append(len(view))
        return real(fd, view[: max(1, len(view) // 3)])

    monkeypatch.setattr(os, "write", short)
    with fs.Folder(str(tmp_path)) as folder:
        fd = folder.create("f", 0o644)
        fs.write_all(fd, memoryview(data))
        fs.write_all(fd, memoryview(b""))
        fs.close(fd)
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == data
    assert len(lengths) > 3


def test_dropping_the_cache_changes_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"data")
    fd = os.open(path, os.O_RDONLY)
    fs.drop_cache(fd)
    os.close(fd)
    assert path.read_bytes() == b"data"


# -- listings ------------------------------------------------------------------------------------------------------


def test_a_listing_says_what_each_name_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    (tmp_path / "file").chmod(0o640)
    os.utime(tmp_path / "file", ns=(TIME_NS, TIME_NS))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("no where")
    (tmp_path / "folder link").symlink_to("folder")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path has 108 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    found = {entry.name: entry for entry in fs.list_folder(str(tmp_path))}
    kinds = {name: entry.kind for name, entry in found.items()}
    assert kinds == {
        "file": Kind.FILE,
        "folder": Kind.FOLDER,
        "link": Kind.LINK,
        "folder link": Kind.LINK,
        "fifo": Kind.OTHER,
        "socket": Kind.OTHER,
    }
    entry, real = found["file"], (tmp_path / "file").stat()
    assert entry == Entry("file", Kind.FILE, 3, TIME_NS, 0o640, (real.st_dev, real.st_ino), False, "")
    assert found["link"].target == "no where"


def test_names_that_are_no_text_are_listed_and_can_be_opened(tmp_path: Path) -> None:
    raw = os.path.join(os.fsencode(tmp_path), b"caf\xe9\n\x1b.bin")
    try:
        with open(raw, "wb") as file:
            file.write(b"data")
    except OSError:
        pytest.skip("this file system takes no such name")
    (entry,) = fs.list_folder(str(tmp_path))
    assert os.fsencode(entry.name) == b"caf\xe9\n\x1b.bin"
    with fs.Folder(str(tmp_path)) as folder, folder.back(entry.name, cold=False) as (_, views):
        assert read(views) == b"data"


class FakeName:
    def __init__(self, name: str, error: Optional[OSError]) -> None:
        self.name, self.path, self.error = name, name, error

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        assert not follow_symlinks
        if self.error is not None:
            raise self.error
        return os.stat(".")


class FakeScan:
    def __init__(self, names: List[FakeName]) -> None:
        self._names = names

    def __enter__(self) -> Iterator[FakeName]:
        return iter(self._names)

    def __exit__(self, *_: object) -> None: ...


def test_a_name_that_vanishes_while_it_is_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [FakeName("a", None), FakeName("gone", FileNotFoundError(errno.ENOENT, "gone")), FakeName("b", None)]
    monkeypatch.setattr(os, "scandir", lambda path: FakeScan(names))
    assert [entry.name for entry in fs.list_folder(str(tmp_path))] == ["a", "b"]


def test_a_name_that_cannot_be_looked_at_is_never_left_out_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [FakeName("a", None), FakeName("stale", OSError(errno.ESTALE, "stale"))]
    monkeypatch.setattr(os, "scandir", lambda path: FakeScan(names))
    with pytest.raises(OSError, match="stale"):
        fs.list_folder(str(tmp_path))


def test_a_name_that_is_listed_and_said_to_be_gone_is_never_left_out_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").write_bytes(b"1")
    names = [FakeName("a", None), FakeName("there", FileNotFoundError(errno.ENOENT, "gone"))]
    monkeypatch.setattr(os, "scandir", lambda path: FakeScan(names))
    with pytest.raises(fs.EntryError, match="there"):
        fs.list_folder(str(tmp_path))
    entries = fs.list_folder(str(tmp_path), tolerant=True)
    assert [(entry.name, entry.kind) for entry in entries] == [("a", Kind.FOLDER), ("there", Kind.UNKNOWN)]
    with pytest.raises(FileNotFoundError):
        fs.list_folder(str(tmp_path / "missing"))


def test_a_folder_that_vanishes_under_its_listing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "name").write_bytes(b"1")

    class Last(FakeScan):
        def __exit__(self, *_: object) -> None:
            (folder / "name").unlink()
            folder.rmdir()

    monkeypatch.setattr(os, "scandir", lambda path: Last([FakeName("name", FileNotFoundError(errno.ENOENT, "gone"))]))
    with pytest.raises(FileNotFoundError):
        fs.list_folder(str(folder))


def test_a_folder_that_is_not_there_is_an_error_and_no_empty_listing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fs.list_folder(str(tmp_path / "missing"))


def test_opened_follows_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    (tmp_path / "link").symlink_to("file")
    found = fs.opened(str(tmp_path / "link"))
    assert (found.kind, found.size_bytes, found.name) == (Kind.FILE, 3, "link")
    assert found.file_id == fs.real_id(str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError):
        fs.opened(str(tmp_path / "missing"))


# -- paths ---------------------------------------------------------------------------------------------------------


def test_inside_looks_through_links_and_past_what_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    (tmp_path / "link").symlink_to("a/b")

    def inside(path: str, ancestor: str) -> bool:
        return fs.inside(str(tmp_path / path), str(tmp_path / ancestor))

    assert inside("a", "a") and inside("a/b", "a") and inside("a/b/not/yet", "a") and inside("link/x", "a")
    assert inside("a/b", "link") and inside("a/../a/b", "a")
    assert not inside("a", "a/b") and not inside("ab", "a") and not inside("link/../x", "a/b")
    assert not inside("a", "missing"), "nothing lies in what is not there"


def test_full_path(tmp_path: Path) -> None:
    assert fs.full_path("/root", "") == "/root"
    assert fs.full_path("/root", "a/b") == "/root/a/b"


def test_absolute_keeps_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert fs.absolute("link/x") == str(tmp_path / "link/x")


def test_make_folder_makes_parents_and_does_not_mind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c"
    fs.make_folder(str(path))
    fs.make_folder(str(path))
    assert path.is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        fs.make_folder(str(tmp_path / "file"))


@pytest.mark.parametrize(("times", "mode"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_folder_gets_what_is_asked_for(tmp_path: Path, times: bool, mode: bool) -> None:
    path = tmp_path / "folder"
    path.mkdir(mode=0o700)
    before = path.stat()
    fs.set_folder(str(path), file_entry(), times=times, mode=mode)
    assert path.stat().st_mtime_ns == (TIME_NS if times else before.st_mtime_ns)
    assert stat.S_IMODE(path.stat().st_mode) == (0o750 if mode else 0o700)


def test_the_state_folder_is_where_the_system_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert fs.state_home() == str(tmp_path / "vdt")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert fs.state_home() == "/home/somebody/.local/state/vdt"


# -- processes -----------------------------------------------------------------------------------------------------


def test_a_process_is_known_by_one_life_of_its_number() -> None:
    mine = fs.process_started(os.getpid())
    assert mine and mine == fs.process_started(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        its = fs.process_started(child.pid)
        assert its is not None
        assert its == "unknown" or its != mine
        child.communicate(b"\n")
    assert fs.process_started(child.pid) is None


def test_terminate_now_ends_with_the_code_and_runs_nothing_more() -> None:
    code = "import atexit; from vdt import fs; atexit.register(print, 'late'); fs.terminate_now(9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stdout) == (9, b"")


# -- what errors mean ----------------------------------------------------------------------------------------------

NEVER = "EACCES EPERM EROFS ENOENT ENOTDIR EISDIR ELOOP EFBIG ENAMETOOLONG EINVAL EEXIST EXDEV EILSEQ ENOTSUP"
MAYBE = "EIO EBUSY ETIMEDOUT ESTALE EAGAIN EINTR ENOTCONN EHOSTDOWN ECONNRESET ETXTBSY EMFILE ENOMEM"


@pytest.mark.parametrize(
    ("name", "means"),
    [(n, fs.Heal.NEVER) for n in NEVER.split()]
    + [(n, fs.Heal.MAYBE) for n in MAYBE.split()]
    + [("ENOSPC", fs.Heal.FULL), ("EDQUOT", fs.Heal.FULL)],
)
def test_what_trying_again_can_do(name: str, means: fs.Heal) -> None:
    assert fs.heal(OSError(getattr(errno, name), "words")) is means


def test_an_error_without_a_number_may_heal() -> None:
    assert fs.heal(OSError("strange")) is fs.Heal.MAYBE


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("ENOENT", 2, "not there"),
        ("EACCES", 5, "permission denied"),
        ("EPERM", 5, "not permit"),
        ("EROFS", 19, "read-only"),
        ("EBUSY", 32, "busy"),
        ("ENOSPC", 112, "full"),
        ("ETIMEDOUT", 121, "timed out"),
        ("EEXIST", 183, "exists"),
        ("ENAMETOOLONG", 206, "too long"),
        ("EFBIG", 223, "large"),
        ("ENOTDIR", 267, "not a directory"),
        ("EIO", 1117, "input/output error"),
        ("ESTALE", 59, "stale"),
        ("ECONNRESET", 31, "reset"),
    ],
)
def test_errors_are_told_in_plain_words_with_the_number_that_robocopy_prints(name: str, code: int, words: str) -> None:
    number = getattr(errno, name)
    found, text = fs.explain(OSError(number, os.strerror(number)))
    assert found == code
    assert words in text
    assert text[0].islower() and not text.endswith(".")


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert fs.explain(OSError("Strange Thing")) == (0, "strange thing")


def test_both_halves_offer_the_same_names() -> None:
    """Windows's cannot be imported here: its list is read, and each of its names is made somewhere in its rooms."""
    parts = sorted(Path(posix.__file__).parent.glob("windows*.py"))
    source = "\n".join(part.read_text(encoding="utf-8") for part in parts)
    (listed,) = (part for part in parts if part.name == "windows.py")
    (offered,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(listed.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert offered == posix.__all__
    for name in offered:
        assert any(mark in source for mark in (f"def {name}(", f"class {name}(", f"class {name}:", f"\n{name} =")), name
    assert all(hasattr(fs, name) for name in fs.__all__)


def test_a_forked_child_has_closers_of_its_own(tmp_path: Path) -> None:
    """Threads do not follow into a child; it would wait for ever for those of its parent to close something."""
    (tmp_path / "x").write_bytes(b"x")

    def read(times: int) -> None:
        with fs.Folder(str(tmp_path), waits=True) as folder:
            for _ in range(times):
                folder.read_whole("x", 1)
            folder.settle()

    read(40)
    child = os.fork()
    if not child:
        signal.alarm(10)  # ends the child where it hangs
        read(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    read(1)


def test_a_killed_process_that_nobody_fetched_is_dead() -> None:
    """It keeps its number and start time until its parent asks; a lock of its must not look alive."""
    child = os.fork()
    if not child:
        os._exit(0)
    try:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert posix.process_started(child) is None
    finally:
        os.waitpid(child, 0)


def test_a_listing_leaves_the_folders_access_time_alone(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    os.utime(tmp_path, ns=(10**18, 2 * 10**18))  # older than its change: even relatime would set it
    assert [entry.name for entry in fs.list_folder(str(tmp_path))] == ["f"]
    assert tmp_path.stat().st_atime_ns == 10**18


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_small_file_that_is_given_in_pieces_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: real(fd, [views[0][:piece]], offset))
    (tmp_path / "f").write_bytes(b"in several pieces")
    with fs.Folder(str(tmp_path)) as folder:
        found, view = folder.read_whole("f", 17)
        assert bytes(view) == b"in several pieces" and found.size_bytes == 17


def test_a_folder_whose_parents_are_not_wanted_is_not_made_without_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fs.make_folder(str(tmp_path / "gone" / "new"), parents=False)
    assert not (tmp_path / "gone").exists()
    for _ in range(2):
        fs.make_folder(str(tmp_path / "new"), parents=False)
    assert (tmp_path / "new").is_dir()


def test_a_folder_that_was_said_to_be_made_and_was_not_may_heal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "new")
    with monkeypatch.context() as lying:
        lying.setattr(os, "mkdir", lambda *_: None)
        with pytest.raises(OSError) as caught:
            fs.make_folder(place)
    assert fs.heal(caught.value) is fs.Heal.MAYBE and not os.path.exists(place)
    fs.make_folder(place)
    fs.make_folder(place)
    assert os.path.isdir(place)


# -- named places in an open file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "want"), [(0, 100), (7, 100), (990, 10), (990, 100), (1000, 5), (5000, 5), (3, 0)])
def test_a_read_names_its_place_and_gives_what_there_is(tmp_path: Path, offset: int, want: int) -> None:
    data = os.urandom(1000)
    (tmp_path / "f").write_bytes(data)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    buffer = bytearray(b"\xee" * 200)
    got = fs.read_at(fd, memoryview(buffer), offset, want)
    assert got == len(data[offset : offset + want])
    assert buffer[:got] == data[offset : offset + want]
    assert buffer[want:] == b"\xee" * (200 - want), "no byte more than was asked for"
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    os.close(fd)


def test_reads_and_writes_that_are_given_in_pieces_go_on_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.preadv, os.pwrite
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: read(fd, [views[0][:7]], offset))
    monkeypatch.setattr(os, "pwrite", lambda fd, view, offset: write(fd, view[:5], offset))
    data = os.urandom(100)
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    fs.write_at(fd, memoryview(data)[50:], 50)
    fs.write_at(fd, memoryview(data)[:50], 0)
    fs.write_at(fd, memoryview(b""), 3)
    assert (tmp_path / "f").read_bytes() == data
    buffer = bytearray(100)
    assert fs.read_at(fd, memoryview(buffer), 10, 90) == 90 and buffer[:90] == data[10:]
    os.close(fd)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4095, 4096, 4097, 8192])
@pytest.mark.parametrize("more", [0, 1, 512, 4096])
def test_past_the_cache_the_tail_is_read_and_no_more_is_said_than_was_asked_for(
    tmp_path: Path, size: int, more: int
) -> None:
    if not can_read_cold(tmp_path):
        pytest.skip("no read past the cache on this file system")
    data = os.urandom(size + more)
    (tmp_path / "f").write_bytes(data)
    view = memoryview(posix_handles.mmap.mmap(-1, 16384))
    with fs.Folder(str(tmp_path)) as folder, folder.open_back("f", cold=True) as (found, fd):
        assert found.size_bytes == size + more
        assert fs.read_at(fd, view, 0, size, direct=True) == size
        assert view[:size] == data[:size]


def test_a_short_read_past_the_cache_that_ends_at_an_odd_place_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: List[int] = []

    def read(fd: int, views: List[memoryview], offset: int) -> int:
        asked.append(offset)
        assert len(views[0]) % 512 == 0, "whole blocks are asked for"
        return {0: 1024, 1024: 100}[offset]

    monkeypatch.setattr(os, "preadv", read)
    assert fs.read_at(3, memoryview(bytearray(4096)), 0, 3000, direct=True) == 1124
    assert asked == [0, 1024]


def test_one_descriptor_serves_all_workers_and_is_left_open(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    handles = fs.Handles(fd, write=True)
    with handles.one() as first, handles.one() as second:
        assert first == second == fd
    handles.close()
    os.fstat(fd)
    os.close(fd)


def test_errors_of_named_places_are_the_systems(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError) as caught:
        fs.read_at(fd, memoryview(bytearray(10)), 0, 10)
    assert caught.value.errno == errno.EBADF
    os.close(fd)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    with pytest.raises(OSError) as caught:
        fs.write_at(fd, memoryview(b"x"), 0)
    assert caught.value.errno == errno.EBADF
    os.close(fd)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="statfs of Linux")
def test_the_room_of_a_volume_is_that_of_statvfs(tmp_path: Path) -> None:
    for path in (str(tmp_path), "/dev/shm", "/proc"):
        if not os.path.isdir(path):
            continue
        for _ in range(20):  # others write too: until nothing changed between the two looks
            before, found, after = os.statvfs(path), fs.volume(path).free_bytes, os.statvfs(path)
            if before == after:
                break
        assert found == after.f_bavail * after.f_frsize, path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="statfs of Linux")
@pytest.mark.parametrize(("fragment", "room"), [(512, 512 * 70), (0, 4096 * 70)])
@pytest.mark.parametrize("in_one_call", [True, False])
def test_the_room_is_counted_in_fragments_and_left_to_root_what_is_his(
    monkeypatch: pytest.MonkeyPatch, fragment: int, room: int, in_one_call: bool
) -> None:
    """One call tells kind and room where its answer is known; else the second one is asked."""
    asked: List[str] = []

    class Lib:
        @staticmethod
        def statfs(path: bytes, raw: Any) -> int:
            figures = (0xEF53, 4096, 1000, 90, 70, 50, 40, 1, 2, 255, fragment)  # 90 blocks are free, 70 of them for us
            posix_volumes._STATFS.pack_into(raw, 0, *figures)
            return 0

    def statvfs(path: str) -> Any:
        asked.append(path)
        return SimpleNamespace(f_bsize=4096, f_frsize=fragment or 4096, f_bfree=90, f_bavail=70)

    monkeypatch.setattr(posix_volumes, "libc", Lib)
    monkeypatch.setattr(posix_volumes, "_LONGS_ARE_64_BITS", in_one_call)
    monkeypatch.setattr(os, "statvfs", statvfs)
    found = fs.volume("/somewhere")
    assert (found.kind, found.free_bytes) == ("ext4", room)
    assert asked == ([] if in_one_call else ["/somewhere"])


@pytest.mark.skipif(struct.calcsize("l") != 8, reason="long has 32 bits here")
def test_one_call_is_enough_where_long_has_64_bits() -> None:
    assert posix_volumes._LONGS_ARE_64_BITS


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="statfs of Linux")
def test_nothing_is_promised_where_the_system_knows_no_direct_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AnyNumber(Dict[int, Any]):
        def get(self, number: int, default: Any = None) -> Any:
            return ("ext4", fs.Flush.VOLUME, True)

    monkeypatch.setattr(posix_volumes, "_MAGIC", AnyNumber())
    for direct in (0, 0o40000):
        monkeypatch.setattr(posix_volumes, "DIRECT", direct)
        found = fs.volume(str(tmp_path))
        assert found.cold_reads is bool(direct)
        assert found.why_not_cold == ("" if direct else "a read past this client's cache cannot be shown on ext4")
