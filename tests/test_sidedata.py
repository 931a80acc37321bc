"""Alternate data streams: counted, carried over where asked, and never looked for where that costs a round trip."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from vdt import fs
from vdt.cli import copy as copy_command
from vdt.copytree import CopyRequest, copy_tree
from vdt.model import Policy, TreeResult
from vdt.outage import Outage

# Stands for NTFS: the streams of a file lie in one dict, and a descriptor of one is that of a plain file.
Streams = Dict[str, Dict[str, bytes]]


@pytest.fixture
def ntfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets up streams and returns (those there are, files that were asked, a way to break things)."""
    there: Streams = {}
    asked: List[str] = []
    broken: Dict[str, OSError] = {}
    kind: Dict[str, bool] = {"streams": True, "remote": False, "bent": False}
    real_volume, beside = fs.volume, tmp_path / "streams"
    beside.mkdir()

    def place(folder: Any, name: str, stream: str) -> Path:
        return beside / (folder.at(name).replace("/", "_").replace("\\", "_").replace(":", "_") + "_" + stream)

    def key(folder: Any, name: str) -> str:
        """Of a file its name; of a folder its path below the source and a slash."""
        return name or os.path.relpath(folder.path, tmp_path / "source").replace(os.sep, "/") + "/"

    def streams(folder: Any, name: str) -> List[Tuple[str, int]]:
        known = key(folder, name)
        if known.startswith("../copy"):  # a folder of the destination: what was written there
            begin = place(folder, name, "").name
            paths = [path for path in beside.iterdir() if path.name.startswith(begin)]
            return [(path.name[len(begin) :], path.stat().st_size) for path in paths]
        asked.append(known)
        if known in broken:
            raise broken[known]
        return [(stream, len(data)) for stream, data in there.get(known, {}).items()]

    def open_stream(folder: Any, name: str, stream: str, *, write: bool = False) -> int:
        path = place(folder, name, stream)
        known = key(folder, name)
        if stream in broken:
            raise broken[stream]
        if not write and known in there:
            path.write_bytes(there[known][stream])
        elif not write and kind["bent"]:
            path.write_bytes(b"bent")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if write else os.O_RDONLY
        return os.open(path, flags | getattr(os, "O_BINARY", 0))

    monkeypatch.setattr(fs.Folder, "streams", streams)
    monkeypatch.setattr(fs.Folder, "open_stream", open_stream)
    monkeypatch.setattr(
        fs, "volume", lambda path: replace(real_volume(path), streams=kind["streams"], remote=kind["remote"])
    )
    return there, asked, broken, kind, beside


def copied(tmp_path: Path, *, streams: bool = False, large: bool = False) -> TreeResult:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "a.txt").write_bytes(b"a" * (2_000_000 if large else 10))
    (source / "folder" / "b.txt").write_bytes(b"b")
    policy = Policy(streams=streams)
    return copy_tree(CopyRequest(str(source), str(tmp_path / "copy"), policy=policy))


def test_they_are_counted_and_not_copied(tmp_path: Path, ntfs: Any) -> None:
    there, _, _, _, beside = ntfs
    there.update({"a.txt": {"Zone.Identifier": b"[ZoneTransfer]", "x": b""}, "b.txt": {"y": b"12345"}})
    result = copied(tmp_path)
    assert result.proven and result.exit_code == 1
    (note,) = (note for note in result.notes if "alternate" in note)
    assert note.startswith("3 alternate data stream(s) of 2 file(s), 19 bytes (one is ")
    assert note.endswith("were not copied; vdt copy --streams does that.")
    assert list(beside.iterdir()) == []


@pytest.mark.parametrize("large", [False, True])
def test_they_are_copied_where_that_is_asked_for(tmp_path: Path, ntfs: Any, large: bool) -> None:
    there, _, _, _, beside = ntfs
    there["a.txt"] = {"Zone.Identifier": b"[ZoneTransfer]" * 100_000, "empty": b""}
    result = copied(tmp_path, streams=True, large=large)
    assert result.proven
    assert any("2 alternate data stream(s) of 1 file(s)" in n and "copied and read back" in n for n in result.notes)
    kept = {path.name.rpartition("_")[2]: path.read_bytes() for path in beside.iterdir() if ".vdt-" in path.name}
    assert kept == there["a.txt"]


@pytest.mark.parametrize(
    ("remote", "streams", "asked_for", "looks"),
    [
        (False, True, False, True),
        (True, True, False, False),  # a call for each file would be a round trip
        (True, True, True, True),
        (False, False, True, False),
    ],
)
def test_where_they_are_looked_for(
    tmp_path: Path, ntfs: Any, remote: bool, streams: bool, asked_for: bool, looks: bool
) -> None:
    _, asked, _, kind, _ = ntfs
    kind.update(remote=remote, streams=streams)
    result = copied(tmp_path, streams=asked_for)
    assert result.proven and sorted(asked) == (["./", "a.txt", "b.txt", "folder/"] if looks else [])
    assert any("has no alternate data streams" in note for note in result.notes) is not streams


def test_one_that_cannot_be_looked_at_is_said_and_costs_no_copy(tmp_path: Path, ntfs: Any) -> None:
    _, _, broken, _, _ = ntfs
    broken["b.txt"] = PermissionError(13, "no")
    result = copied(tmp_path)
    assert result.proven
    assert "Of 1 file(s) or folder(s) it could not be seen whether they have alternate data streams." in result.notes


@pytest.mark.parametrize("how", ["look", "open", "bent"])
@pytest.mark.parametrize("large", [False, True])
def test_where_they_are_asked_for_a_stream_that_fails_fails_its_file(
    tmp_path: Path, ntfs: Any, how: str, large: bool
) -> None:
    there, _, broken, kind, _ = ntfs
    there["a.txt"] = {"x": b"data"}
    if how == "bent":
        kind["bent"] = True
    else:
        broken["a.txt" if how == "look" else "x"] = NotADirectoryError(20, "no")  # one that cannot heal
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_bytes(b"a" * (2_000_000 if large else 10))
    from vdt.retry import RetryPlan

    request = CopyRequest(str(source), str(tmp_path / "copy"), policy=Policy(streams=True), retry=RetryPlan(0))
    result = copy_tree(request)
    assert [problem.path for problem in result.failed] == ["a.txt"] and result.exit_code & 8
    assert list((tmp_path / "copy").iterdir()) == []
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 1, "nothing stays open"


def kept(beside: Path) -> Dict[str, bytes]:
    """Streams of folders of the copy, by the name of the folder and of the stream."""
    found = {path.name.split("_copy_", 1)[1]: path.read_bytes() for path in beside.iterdir() if "_copy_" in path.name}
    return {name: data for name, data in found.items() if ".vdt-" not in name}


def test_streams_of_folders_are_counted_and_not_copied(tmp_path: Path, ntfs: Any) -> None:
    there, _, _, _, beside = ntfs
    there.update({"folder/": {"x": b"12"}, "a.txt": {"y": b"345"}})
    result = copied(tmp_path)
    assert result.proven and kept(beside) == {}
    assert any("2 alternate data stream(s) of 1 file(s) and 1 folder(s), 5 bytes" in note for note in result.notes)


def test_streams_of_folders_are_copied_once_and_mended(tmp_path: Path, ntfs: Any) -> None:
    there, _, _, _, beside = ntfs
    there.update({"folder/": {"x": b"12"}, "./": {"root": b"345"}})
    wanted = {"_root": b"345", "folder__x": b"12"}
    result = copied(tmp_path, streams=True)
    assert result.proven and kept(beside) == wanted
    assert any("2 alternate data stream(s) of 2 folder(s), 5 bytes" in note for note in result.notes)
    (times,) = {path.stat().st_mtime_ns for path in beside.iterdir() if path.name.endswith("copy_folder__x")}
    request = CopyRequest(str(tmp_path / "source"), str(tmp_path / "copy"), policy=Policy(streams=True))
    assert copy_tree(request).exit_code == 0
    (stream,) = (path for path in beside.iterdir() if path.name.endswith("copy_folder__x"))
    assert stream.stat().st_mtime_ns == times, "what is right is not written again"
    stream.write_bytes(b"21")
    assert copy_tree(request).exit_code == 0
    assert kept(beside) == wanted


@pytest.mark.parametrize("error", [NotADirectoryError(20, "no"), FileNotFoundError(2, "no")], ids=["error", "gone"])
@pytest.mark.parametrize("how", ["look", "open", "bent"])
def test_a_stream_of_a_folder_that_fails_fails_its_folder(tmp_path: Path, ntfs: Any, how: str, error: OSError) -> None:
    there, _, broken, kind, _ = ntfs
    there["folder/"] = {"x": b"data"}
    if how == "bent":
        kind["bent"] = True
    else:
        broken["folder/" if how == "look" else "x"] = error
    result = copied(tmp_path, streams=True)
    assert [problem.path for problem in result.failed] == ["folder"] and result.exit_code & 8
    assert result.dirs.failed == 1
    assert not result.proven and not any("alternate" in note for note in result.notes)


def test_a_folder_is_failed_once_whatever_fails_of_it(
    tmp_path: Path, ntfs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _, broken, _, _ = ntfs
    there["./"], broken["x"] = {"x": b"data"}, NotADirectoryError(20, "no")
    with_streams = fs.volume
    monkeypatch.setattr(fs, "volume", lambda path: replace(with_streams(path), flush=fs.Flush.FILE))

    def flush_names(self: fs.Folder) -> None:
        raise NotADirectoryError(20, "no")

    monkeypatch.setattr(fs.Folder, "flush_names", flush_names)
    result = copied(tmp_path, streams=True)
    assert [problem.path for problem in result.failed].count(".") == 1 and result.dirs.failed == 1


def test_streams_of_an_empty_folder_that_is_left_out_are_left_out(tmp_path: Path, ntfs: Any) -> None:
    there, asked, _, _, beside = ntfs
    there["empty/"] = {"x": b"data"}
    (tmp_path / "source" / "empty").mkdir(parents=True)
    (tmp_path / "source" / "a.txt").write_bytes(b"a")
    policy = Policy(streams=True, empty_folders=False)
    result = copy_tree(CopyRequest(str(tmp_path / "source"), str(tmp_path / "copy"), policy=policy))
    assert result.exit_code == 1 and not (tmp_path / "copy" / "empty").exists()
    assert "empty/" in asked and kept(beside) == {} and not any("alternate" in note for note in result.notes)


def test_one_stream_that_is_right_does_not_hide_one_that_is_not(tmp_path: Path, ntfs: Any) -> None:
    there, _, _, _, beside = ntfs
    there["folder/"] = {"x": b"12", "y": b"34", "z": b"56"}
    copied(tmp_path, streams=True)
    by_name = {path.name[-1]: path for path in beside.iterdir()}
    by_name["y"].write_bytes(b"345")
    by_name["z"].unlink()
    request = CopyRequest(str(tmp_path / "source"), str(tmp_path / "copy"), policy=Policy(streams=True))
    assert copy_tree(request).exit_code == 0
    assert kept(beside) == {"folder__x": b"12", "folder__y": b"34", "folder__z": b"56"}


def test_no_stream_is_written_into_a_folder_that_stands_in_the_place_of_the_destination(
    tmp_path: Path, ntfs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _, _, _, beside = ntfs
    there["folder/"] = {"x": b"12"}

    def guard(self: Outage) -> None:
        if (tmp_path / "copy" / "folder" / "b.txt").exists():
            raise PermissionError(13, "another folder stands in its place")

    monkeypatch.setattr(Outage, "guard", guard)
    result = copied(tmp_path, streams=True)
    assert "folder" in [problem.path for problem in result.failed] and kept(beside) == {}


def test_a_folder_that_cannot_be_looked_at_is_said_and_costs_no_copy(tmp_path: Path, ntfs: Any) -> None:
    _, _, broken, _, _ = ntfs
    broken["folder/"] = PermissionError(13, "no")
    result = copied(tmp_path)
    assert result.proven
    assert "Of 1 file(s) or folder(s) it could not be seen whether they have alternate data streams." in result.notes


def test_an_outage_that_falls_into_a_stream_of_a_folder_costs_nothing(
    tmp_path: Path, ntfs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _, broken, _, beside = ntfs
    there["folder/"], broken["x"] = {"x": b"12"}, FileNotFoundError(2, "away")

    def struck(self: Outage, mark: int) -> bool:
        return bool(broken.pop("x", None))  # and it has ended

    monkeypatch.setattr(Outage, "struck", struck)
    assert copied(tmp_path, streams=True).proven and kept(beside) == {"folder__x": b"12"}


@pytest.mark.parametrize("flush", [fs.Flush.NONE, fs.Flush.FILE])
def test_a_stream_is_flushed_where_files_are(
    tmp_path: Path, ntfs: Any, monkeypatch: pytest.MonkeyPatch, flush: fs.Flush
) -> None:
    there, _, _, _, _ = ntfs
    there.update({"folder/": {"x": b"12"}, "./": {"y": b"3"}})
    with_streams, flushed, real = fs.volume, [], fs.flush
    monkeypatch.setattr(fs, "volume", lambda path: replace(with_streams(path), flush=flush))
    monkeypatch.setattr(fs, "flush", lambda fd: flushed.append(os.fstat(fd).st_size) or real(fd))
    assert copied(tmp_path, streams=True).proven
    assert sorted(flushed) == ([] if flush is fs.Flush.NONE else [1, 2])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not tell what is open")
def test_streams_that_are_compared_do_not_stay_open(tmp_path: Path, ntfs: Any) -> None:
    there, _, _, _, _ = ntfs
    there["folder/"] = {str(number): b"12" for number in range(30)}
    copied(tmp_path, streams=True)
    before = len(os.listdir("/proc/self/fd"))
    request = CopyRequest(str(tmp_path / "source"), str(tmp_path / "copy"), policy=Policy(streams=True))
    assert copy_tree(request).exit_code == 0
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_the_first_one_is_named_and_the_root_has_a_name(tmp_path: Path, ntfs: Any) -> None:
    there, _, _, kind, _ = ntfs
    there.update({"folder/": {"x": b"12"}, "a.txt": {"first": b"3"}})
    (note,) = (note for note in copied(tmp_path).notes if "alternate" in note)
    assert "(one is a.txt:first)" in note
    there.clear()
    there["./"] = {"x": b"1"}
    request = CopyRequest(str(tmp_path / "source"), str(tmp_path / "copy"))
    (note,) = (note for note in copy_tree(request).notes if "alternate" in note)
    assert "1 alternate data stream(s) of 1 folder(s), 1 bytes (one is .:x)" in note
    kind["streams"] = False
    assert not any("alternate" in note for note in copy_tree(request).notes), "nobody asked for them"


def test_the_option(tmp_path: Path) -> None:
    for given, wanted in (([], False), (["--streams"], True)):
        options = copy_command.parser().parse(["a", "b", *given])
        assert copy_command._request(options).policy.streams is wanted
