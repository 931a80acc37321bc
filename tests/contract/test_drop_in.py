"""`vizgen_data_transfer RUN_ID` seen from outside: what lies where afterwards, and what it says about it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
import xxhash

from .conftest import (
    DROP_IN,
    LARGE_BYTES,
    LEVELS,
    LONG_NAME,
    RUN_ID,
    TREES,
    Result,
    World,
    best_level,
    files_of,
    partials,
    plain_sentences,
    set_time,
    snapshot,
    wait_for,
    write,
)

TITLE = "   ROBOCOPY     ::     Robust File Copy for Windows"
FILES, FOLDERS = 10, 5


class Finished:
    """One transfer, looked at by many tests; none of them may change it."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.world.make_run()
        self.before = {t: snapshot(self.world.source(t)) for t in TREES}
        for tree in TREES:
            for path in [*self.world.source(tree).rglob("*"), self.world.source(tree)]:
                set_time(path, path.stat().st_mtime_ns)
        self.atimes = self.access_times()
        self.result: Result = self.world.transfer()
        self.atimes_after = self.access_times()

    def access_times(self) -> dict[str, int]:
        root = self.world.analysis
        return {p.relative_to(root).as_posix(): p.stat().st_atime_ns for p in sorted(root.rglob("*"))}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("finished"))


def manifest_lines(path: Path) -> dict[str, str]:
    """Path to digest; checks the form of every line."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        match = re.fullmatch(r"([0-9a-f]{32})  (.+)", line)
        assert match, line
        found[match[2]] = match[1]
    return found


def evidence_of(world: World, tree: str = "raw_data") -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for path in sorted(world.run_folder().joinpath(f"{tree}.evidence").iterdir()):
        lines += [json.loads(line) for line in path.read_text("ascii").splitlines()]
    return lines


def log_of(world: World, tree: str = "raw_data") -> str:
    with open(world.run_folder() / f"{tree}.log", encoding="utf-8", errors="replace") as stream:
        return stream.read()


def master_log(world: World) -> str:
    return (world.logs / "vizgen_data_transfer.log").read_text("utf-8")


def counts(result: Result, tree: str = "raw_data") -> dict[str, int]:
    found: dict[str, int] = result.json["trees"][tree]["counts"]["files"]
    return found


def evidence_counts(result: Result, tree: str = "raw_data") -> dict[str, int]:
    """The evidence levels that occur."""
    return {k: v for k, v in result.json["trees"][tree]["files_by_evidence"].items() if v}


def paths(entries: list[dict[str, Any]]) -> list[str]:
    return sorted(e["path"] for e in entries)


def inodes(root: Path) -> dict[str, tuple[int, int]]:
    return {name: (p.stat().st_ino, p.stat().st_mtime_ns) for name, p in files_of(root).items()}


def shared_verdict(result: Result) -> bool:
    found: bool = result.json["verdict"]["may_delete_source"]
    return found


# ---- one transfer from nothing -------------------------------------------------------------------------------------


def test_first_run_ends_with_0_and_trees_with_robocopys_1(finished: Finished) -> None:
    assert finished.result.code == 0, finished.result
    assert {t: v["exit_code"] for t, v in finished.result.json["trees"].items()} == dict.fromkeys(TREES, 1)


def test_first_run_is_proven(finished: Finished) -> None:
    assert shared_verdict(finished.result) is True
    assert "May the source be deleted? YES" in finished.result.text
    for tree in TREES:
        assert str(finished.world.source(tree)) in finished.result.text


def test_exactly_these_entries_lie_beside_the_trees(finished: Finished) -> None:
    world = finished.world
    assert {p.name for p in world.isilon.iterdir()} == {RUN_ID, "logs"}
    beside = {t + suffix for t in TREES for suffix in ("", ".log", ".xxh128", ".evidence")}
    assert {p.name for p in world.run_folder().iterdir()} == beside
    page, log = sorted(p.name for p in world.logs.iterdir())
    assert re.fullmatch(RUN_ID + r"\.\d{8}T\d{6}\.html", page) and log == "vizgen_data_transfer.log"
    assert [p for p in world.state.rglob("*") if p.is_file()] == []
    assert {p.name for p in world.root.iterdir()} <= {
        "analysis", "isilon", "state", ".vizgen_config.toml", "result.json",
    }  # fmt: skip


@pytest.mark.parametrize("tree", TREES)
def test_destination_is_the_tree_and_nothing_else(finished: Finished, tree: str) -> None:
    """Names, kinds, sizes, bytes, modes and times, of folders too (rsync -a)."""
    assert snapshot(finished.world.destination(tree)) == finished.before[tree]
    assert finished.world.destination(tree).stat().st_mode == finished.world.source(tree).stat().st_mode


def test_root_folders_have_the_times_of_the_source(finished: Finished) -> None:
    """As rsync -a source/ destination/ gives them."""
    world = finished.world
    here = {t: world.destination(t).stat().st_mtime_ns for t in TREES}
    assert here == {t: world.source(t).stat().st_mtime_ns for t in TREES}


def test_source_is_not_written(finished: Finished) -> None:
    assert {t: snapshot(finished.world.source(t)) for t in TREES} == finished.before


@pytest.mark.parametrize("kind", ["files", "folders"])
def test_source_access_times_stay_where_the_system_allows(finished: Finished, tmp_path: Path, kind: str) -> None:
    if not hasattr(os, "O_NOATIME"):
        pytest.skip("no O_NOATIME")
    probe = write(tmp_path / "probe", b"1")
    before = probe.stat().st_atime_ns
    os.close(os.open(probe, os.O_RDONLY | os.O_NOATIME))
    probe.read_bytes()
    if probe.stat().st_atime_ns == before:
        pytest.skip("mounted with noatime")
    wanted = {
        name: stamp
        for name, stamp in finished.atimes.items()
        if "/" in name and (finished.world.analysis / name).is_dir() == (kind == "folders")
    }
    assert {name: finished.atimes_after[name] for name in wanted} == wanted


@pytest.mark.parametrize("tree", TREES)
def test_manifest_lists_every_file_with_its_digest(finished: Finished, tree: str) -> None:
    root = finished.world.destination(tree)
    wanted = {name: xxhash.xxh128_hexdigest(p.read_bytes()) for name, p in files_of(root).items()}
    assert manifest_lines(finished.world.run_folder() / f"{tree}.xxh128") == wanted
    assert len(wanted) == FILES


@pytest.mark.parametrize("tree", TREES)
def test_xxhsum_accepts_the_manifest(finished: Finished, tree: str) -> None:
    if not shutil.which("xxhsum"):
        pytest.skip("no xxhsum")
    done = subprocess.run(
        ["xxhsum", "-c", f"../{tree}.xxh128"], cwd=finished.world.destination(tree), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_evidence_has_a_line_for_each_file(finished: Finished) -> None:
    lines = evidence_of(finished.world)
    root = finished.world.destination()
    assert sorted(e["path"] for e in lines) == sorted(files_of(root))
    for entry in lines:
        path = root / entry["path"]
        assert set(entry) >= {"path", "size", "mtime_ns", "xxh128", "evidence", "when"}
        assert entry["size"] == path.stat().st_size
        assert entry["mtime_ns"] == path.stat().st_mtime_ns
        assert entry["xxh128"] == xxhash.xxh128_hexdigest(path.read_bytes())
        assert entry["evidence"] == best_level("cold", root)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", entry["when"])


def test_evidence_file_is_named_by_date_host_and_kind(finished: Finished) -> None:
    for tree in TREES:
        (name,) = [p.name for p in (finished.world.run_folder() / f"{tree}.evidence").iterdir()]
        assert re.fullmatch(r"\d[\dT:_-]{13,}[^/]*-[^/]+-transfer\.jsonl", name), name


@pytest.mark.parametrize("tree", TREES)
def test_log_is_in_robocopys_form(finished: Finished, tree: str) -> None:
    lines = log_of(finished.world, tree).splitlines()
    assert lines[0] == ""
    assert lines[1] == "-" * 79 and lines[3] == "-" * 79
    assert lines[2].startswith(TITLE)
    assert any(re.match(r"  Started : \S", line) for line in lines)
    assert f"   Source : {finished.world.source(tree)}/" in lines
    assert f"     Dest : {finished.world.destination(tree)}/" in lines
    assert "               Total    Copied   Skipped  Mismatch    FAILED    Extras" in lines
    table = {line.split(":")[0].strip(): line.split(":", 1)[1].split() for line in lines if re.match(r" *\w+ :", line)}
    assert table["Dirs"] == [str(FOLDERS + 1), str(FOLDERS + 1), "0", "0", "0", "0"]
    assert table["Files"] == [str(FILES), str(FILES), "0", "0", "0", "0"]
    assert any(re.match(r"   Ended : \S", line) for line in lines)


def test_log_names_every_copied_file_once(finished: Finished) -> None:
    new = [line for line in log_of(finished.world).splitlines() if "New File" in line]
    assert len(new) == FILES
    for name in files_of(finished.world.source()):
        assert sum(line.endswith(name) for line in new) == 1, name


def test_log_lines_end_as_robocopys_do(finished: Finished) -> None:
    data = (finished.world.run_folder() / "raw_data.log").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n")


def test_json_shape(finished: Finished) -> None:
    found = finished.result.json
    assert set(found) >= {"version", "command", "started", "ended", "complete", "exit_code", "verdict", "trees"}
    assert found["version"].startswith("2.")
    assert found["complete"] is True
    assert found["exit_code"] == 0
    assert list(found["trees"]) == list(TREES)
    for name, tree in found["trees"].items():
        assert tree["source"] == str(finished.world.source(name))
        assert tree["destination"] == str(finished.world.destination(name))
        assert tree["complete"] is True
        for row in ("dirs", "files", "bytes"):
            assert set(tree["counts"][row]) == {"total", "copied", "skipped", "mismatch", "failed", "extras"}
        total = sum(p.stat().st_size for p in files_of(finished.world.source(name)).values())
        level = best_level("cold", finished.world.root)
        assert tree["counts"]["bytes"] == {
            "total": total, "copied": total, "skipped": 0, "mismatch": 0, "failed": 0, "extras": 0,
        }  # fmt: skip
        assert tree["files_by_evidence"] == {**dict.fromkeys(LEVELS, 0), level: FILES}
        assert tree["bytes_by_evidence"] == {**dict.fromkeys(LEVELS, 0), level: total}
        assert tree["resumed_bytes"] == 0
        for row in ("failed", "unstable", "conflict", "type_mismatch", "extra"):
            assert tree[row] == []


def test_master_log_dates_are_local_with_offset(finished: Finished) -> None:
    lines = (finished.world.logs / "vizgen_data_transfer.log").read_text("utf-8").splitlines()
    assert lines
    assert all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)? ?(Z|[+-]\d\d:?\d\d)", line) for line in lines)
    assert any(RUN_ID in line for line in lines)


def test_no_bar_and_no_control_characters_off_a_terminal(finished: Finished) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", finished.result.text)


# ---- the second and the third run ----------------------------------------------------------------------------------


def test_second_run_copies_and_reads_nothing(world: World) -> None:
    assert world.transfer().code == 0
    manifest = (world.run_folder() / "raw_data.xxh128").read_bytes()
    was = {t: inodes(world.destination(t)) for t in TREES}
    everything = [p for t in TREES for p in files_of(world.destination(t)).values()]
    everything += [p for t in TREES for p in files_of(world.source(t)).values()]
    for path in everything:
        set_time(path, path.stat().st_mtime_ns)
    read_at = {p: p.stat().st_atime_ns for p in everything}
    second = world.transfer()
    assert {p: p.stat().st_atime_ns for p in everything} == read_at, "a proven file was read again"
    assert second.code == 0
    assert shared_verdict(second) is True
    for tree in TREES:
        assert second.json["trees"][tree]["exit_code"] == 0
        assert counts(second, tree)["copied"] == 0
        assert counts(second, tree)["skipped"] == FILES
        assert evidence_counts(second, tree) == {"on_record": FILES}
        assert inodes(world.destination(tree)) == was[tree]
        assert log_of(world, tree).count(TITLE) == 2
    assert (world.run_folder() / "raw_data.xxh128").read_bytes() == manifest
    assert len(list(world.run_folder().glob("raw_data*.xxh128"))) == 1
    assert "robocopy exit code '0'" in second.text or "robocopy exit code 0" in second.text


def test_third_run_copies_exactly_the_deleted_and_the_truncated(world: World) -> None:
    assert world.transfer().code == 0
    root = world.destination()
    (root / "data/nested/one.bin").unlink()
    with open(root / "data/stack_000.dat", "r+b") as stream:
        stream.truncate(1000)
    was = inodes(root)
    third = world.transfer()
    assert third.code == 0, third
    assert third.json["trees"]["raw_data"]["exit_code"] == 1
    assert counts(third)["copied"] == 2
    assert counts(third)["skipped"] == FILES - 2
    assert third.json["trees"]["raw_data"]["counts"]["bytes"]["copied"] == LARGE_BYTES + 2200 * 32
    assert evidence_counts(third) == {"on_record": FILES - 2, best_level("cold", root): 2}
    assert shared_verdict(third) is True
    now = inodes(root)
    assert {n for n in now if now[n] != was.get(n)} == {"data/nested/one.bin", "data/stack_000.dat"}
    assert snapshot(root) == snapshot(world.source())


def test_truncated_file_with_its_old_time_is_found(world: World) -> None:
    assert world.transfer("--copy_type", "output").code == 0
    path = world.destination("output") / "data/nested/one.bin"
    stamp = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1])
    set_time(path, stamp)
    again = world.transfer("--copy_type", "output")
    assert again.code == 0, again
    assert counts(again, "output")["copied"] == 1
    assert snapshot(world.destination("output")) == snapshot(world.source("output"))


def test_new_and_changed_source_files_are_copied(world: World) -> None:
    assert world.transfer("--copy_type", "output").code == 0
    first = (world.run_folder() / "output.xxh128").read_text("utf-8")
    write(world.source("output") / "late.csv", b"late", 1698400000_000000000)
    write(world.source("output") / "experiment.json", b'{"changed": true, "longer": 1}', 1698400000_000000000)
    again = world.transfer("--copy_type", "output")
    assert again.code == 0, again
    assert counts(again, "output")["copied"] == 2
    kept = [p for p in world.run_folder().glob("output.*.xxh128") if "incomplete" not in p.name]
    assert len(kept) == 1 and re.search(r"\.\d[^/]*\.xxh128$", kept[0].name)
    assert kept[0].read_text("utf-8") == first
    digests = {e["xxh128"] for e in evidence_of(world, "output") if e["path"] == "experiment.json"}
    assert len(digests) == 2, "both digests stay on record"
    assert manifest_lines(world.run_folder() / "output.xxh128")["late.csv"] == xxhash.xxh128_hexdigest(b"late")


# ---- files that were already there ---------------------------------------------------------------------------------


@pytest.fixture
def half_copied(world: World) -> World:
    """Somebody else copied the run; one file has its size and time but other bytes."""
    for tree in TREES:
        shutil.copytree(world.source(tree), world.destination(tree), symlinks=True)
    bad = world.destination() / "data/nested/two.bin"
    data = bytearray(bad.read_bytes())
    stamp = bad.stat().st_mtime_ns
    data[40_000] ^= 1
    bad.write_bytes(data)
    set_time(bad, stamp)
    return world


def test_prove_reads_both_sides_and_heals(half_copied: World) -> None:
    result = half_copied.transfer("--existing", "prove")
    assert result.code == 0, result
    assert counts(result)["copied"] == 1
    assert counts(result, "output")["copied"] == 0
    found = evidence_counts(result)
    assert set(found) <= {"reread", "cold", "both"} and sum(found.values()) == FILES
    assert snapshot(half_copied.destination()) == snapshot(half_copied.source())
    assert set(manifest_lines(half_copied.run_folder() / "raw_data.xxh128")) == set(files_of(half_copied.source()))


def test_prove_is_the_default(half_copied: World) -> None:
    assert counts(half_copied.transfer("--copy_type", "raw_data"))["copied"] == 1


def test_trust_says_present_and_not_proven(half_copied: World) -> None:
    was = snapshot(half_copied.destination())
    result = half_copied.transfer("--existing", "trust")
    assert result.code == 0, result
    assert counts(result)["copied"] == 0
    assert evidence_counts(result) == {"present": FILES}
    assert snapshot(half_copied.destination()) == was
    assert shared_verdict(result) is False
    assert "complete, not proven" in json.dumps(result.json["trees"]["raw_data"])
    names = {p.name for p in half_copied.run_folder().iterdir()}
    assert "raw_data.xxh128" not in names
    assert "raw_data.incomplete.xxh128" in names


def test_after_trust_a_run_under_prove_still_finds_it(half_copied: World) -> None:
    half_copied.transfer("--existing", "trust", "--copy_type", "raw_data")
    result = half_copied.transfer("--copy_type", "raw_data")
    assert result.code == 0
    assert counts(result)["copied"] == 1
    names = {p.name for p in half_copied.run_folder().iterdir()}
    assert "raw_data.xxh128" in names and "raw_data.incomplete.xxh128" not in names


def test_extras_are_reported_and_stay(world: World) -> None:
    extra = write(world.destination() / "notes.txt", b"mine")
    write(world.destination() / "old/one.txt", b"1")
    result = world.transfer("--copy_type", "raw_data")
    tree = result.json["trees"]["raw_data"]
    assert tree["exit_code"] == 3
    assert tree["counts"]["files"]["extras"] >= 1
    assert tree["counts"]["dirs"]["extras"] == 1
    assert "notes.txt" in paths(tree["extra"])
    assert any(p.startswith("old") for p in paths(tree["extra"]))
    assert extra.read_bytes() == b"mine"
    assert "*EXTRA File" in log_of(world) and "*EXTRA Dir" in log_of(world)
    assert "notes.txt" not in (world.run_folder() / "raw_data.xxh128").read_text("utf-8")


def test_extras_alone_do_not_fail_the_run(world: World) -> None:
    """robocopy and rsync users: what lies at the destination besides is no failure of the transfer."""
    write(world.destination() / "notes.txt", b"mine")
    assert world.transfer("--copy_type", "raw_data").code == 0


@pytest.mark.parametrize("here", ["file", "folder"])
def test_type_mismatch_is_named_and_left(world: World, here: str) -> None:
    name = "experiment.json" if here == "file" else "settings"
    target = world.destination() / name
    if here == "file":
        write(target / "inside.txt", b"stays")
    else:
        write(target, b"stays")
    was = snapshot(target.parent)[name]
    result = world.transfer("--copy_type", "raw_data")
    tree = result.json["trees"]["raw_data"]
    assert tree["exit_code"] & 4, tree["exit_code"]
    assert paths(tree["type_mismatch"]) == [name]
    assert result.code & 8 and result.code < 16
    assert result.code == (tree["exit_code"] | 1 | 8)
    assert snapshot(target.parent)[name][0] == was[0]
    assert shared_verdict(result) is False
    assert (world.run_folder() / "raw_data.incomplete.xxh128").exists()
    assert "*MISMATCH" in log_of(world)


# ---- conflicts, changes, growth ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, mtime_s",
    [(b"short", 1698300000), (b"short", 1698900000), (b'{"seed": older and longer}', 1600000000)],
    ids=["older and shorter", "newer and shorter", "older and longer"],
)
def test_proven_copy_is_not_replaced(world: World, data: bytes, mtime_s: int) -> None:
    args = ("--copy_type", "analysis")
    assert world.transfer(*args).code == 0
    good = (world.destination("analysis") / "experiment.json").read_bytes()
    stamp = mtime_s * 10**9 - (10**9 if data == b"short" and mtime_s == 1698300000 else 0)
    write(world.source("analysis") / "experiment.json", data, stamp)
    refused = world.transfer(*args)
    assert refused.code & 8 and refused.code < 16, refused
    assert paths(refused.json["trees"]["analysis"]["conflict"]) == ["experiment.json"]
    assert (world.destination("analysis") / "experiment.json").read_bytes() == good
    assert shared_verdict(refused) is False
    replaced = world.transfer(*args, "--replace_proven")
    assert replaced.code == 0, replaced
    assert (world.destination("analysis") / "experiment.json").read_bytes() == data
    assert replaced.json["trees"]["analysis"]["conflict"] == []


class Fidget(threading.Thread):
    """Gives a file new times as fast as it can."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.over = threading.Event()

    def run(self) -> None:
        tick = 1698300000_000000000
        while not self.over.wait(0.0005):
            tick += 1000
            os.utime(self.path, ns=(tick, tick))


@pytest.fixture
def fidget(world: World) -> Iterator[Fidget]:
    thread = Fidget(world.source("output") / "data/stack_000.dat")
    thread.start()
    yield thread
    thread.over.set()
    thread.join()


def test_unstable_source_is_named_and_not_called_verified(world: World, fidget: Fidget) -> None:
    world.configure(vdt="retries = 1\nretry_wait_s = 0")
    result = world.transfer("--copy_type", "output", "--bwlimit", "20M")
    tree = result.json["trees"]["output"]
    assert paths(tree["unstable"]) == ["data/stack_000.dat"]
    assert result.code & 8 and result.code < 16, result
    assert tree["unstable"][0]["reason"] and tree["unstable"][0]["attempts"] >= 1
    assert counts(result, "output")["copied"] == FILES - 1
    assert sum(tree["files_by_evidence"].values()) == FILES - 1
    assert shared_verdict(result) is False
    assert not list(world.isilon.rglob(".vdt-*"))
    fidget.over.set()
    fidget.join()
    healed = world.transfer("--copy_type", "output")
    assert healed.code == 0, healed
    assert snapshot(world.destination("output")) == snapshot(world.source("output"))


def test_file_that_grew_while_its_tree_was_copied_is_named(world: World) -> None:
    world.configure(vdt="retries = 3\nretry_wait_s = 0")
    names = {"data/stack_000.dat", "zzz.dat"}
    write(world.source("output") / "zzz.dat", bytes(LARGE_BYTES))
    command = [*DROP_IN, "--no_email", "--json", "result.json", "--threads", "1", "--bwlimit", "8M"]
    process = world.start([*command, "--copy_type", "output", "--", RUN_ID])
    wait_for(lambda: partials(world.destination("output")))
    for name in names:
        with open(world.source("output") / name, "ab") as stream:
            stream.write(bytes(2401))
    result = world.end(process)
    assert result.code == 0, result
    assert snapshot(world.destination("output")) == snapshot(world.source("output"))
    tree = json.loads((world.root / "result.json").read_text("ascii"))["trees"]["output"]
    assert set(paths(tree["grew"])) == names
    assert tree["python_counts"]["before"] == tree["python_counts"]["after"]
    assert f"grew: zzz.dat, {LARGE_BYTES} -> {LARGE_BYTES + 2401} bytes" in master_log(world)


def test_file_that_grew_between_count_and_copy_is_named(world: World) -> None:
    """All trees are counted before the first is copied."""
    growing = world.source("output") / "experiment.json"
    was = growing.stat().st_size
    process = world.start([*DROP_IN, "--no_email", "--json", "result.json", "--bwlimit", "8M", RUN_ID])
    wait_for(lambda: partials(world.destination()))
    with open(growing, "ab") as stream:
        stream.write(b"x" * 2401)
    result = world.end(process)
    found = json.loads((world.root / "result.json").read_text("ascii"))
    assert result.code == 0, result
    assert f"grew: experiment.json, {was} -> {was + 2401} bytes" in master_log(world)
    tree = found["trees"]["output"]
    assert tree["python_counts"]["before"] == tree["python_counts"]["after"], "the row Before Transfer is corrected"
    assert (world.destination("output") / "experiment.json").stat().st_size == was + 2401


# ---- options -------------------------------------------------------------------------------------------------------


def test_copy_type_any_case_and_blanks(world: World) -> None:
    result = world.transfer("--copy_type", " RAW_data ", "Output")
    assert result.code == 0, result
    assert set(result.json["trees"]) == {"raw_data", "output"}
    assert {p.name.split(".")[0] for p in world.run_folder().iterdir()} == {"raw_data", "output"}
    assert shared_verdict(result) is False, "YES needs all three trees"


def test_trees_copied_one_after_the_other_end_in_yes(world: World) -> None:
    assert world.transfer("--copy_type", "raw_data").code == 0
    assert world.transfer("--copy_type", "analysis", "output").code == 0
    assert shared_verdict(world.transfer()) is True


def test_disk_takes_the_external_disk(world: World) -> None:
    disk = world.root / "Vizgen data Z drive"
    world.make_run("ON_DISK", disk)
    world.configure(top=f'analysis_drive_nix_disk = "{disk}"')
    result = world.transfer("--disk", "--copy_type", "output", run_id="ON_DISK")
    assert result.code == 0, result
    source = disk / TREES["output"] / "ON_DISK"
    assert result.json["trees"]["output"]["source"] == str(source)
    assert snapshot(world.destination("output", "ON_DISK")) == snapshot(source)


@pytest.mark.parametrize("again", [False, True])
def test_dry_run_changes_nothing(world: World, again: bool) -> None:
    if again:
        assert world.transfer("--copy_type", "output").code == 0
        (world.destination("output") / "experiment.json").unlink()
    was = world.snapshot()
    result = world.drop_in("--dry_run", "--json", "-", RUN_ID, "--copy_type", "output")
    assert world.snapshot() == was
    assert result.code < 8, result
    found = json.loads(result.out)["trees"]["output"]["counts"]["files"]
    assert found["copied"] == (1 if again else FILES), "as robocopy /L counts"


def test_dry_run_of_several_trees(world: World) -> None:
    """Nothing to do, one to copy, a file where a folder has to go, and a source that is missing."""
    assert world.transfer("--copy_type", "output").code == 0
    for option, code in (((), 0), (("--robocopy_exit_code",), 1)):
        result = world.drop_in("--dry_run", "--json", "-", *option, RUN_ID)
        found = json.loads(result.out)
        assert found["dry_run"] is True, result
        assert [tree["exit_code"] for tree in found["trees"].values()] == [1, 1, 0], result
        assert found["exit_code"] == result.code == code, result
    folder = next(path.name for path in world.source("analysis").iterdir() if path.is_dir())
    write(world.destination("analysis") / folder, b"no folder")
    result = world.drop_in("--dry_run", "--json", "-", RUN_ID)
    found = json.loads(result.out)
    assert found["trees"]["analysis"]["exit_code"] & 4, result
    assert found["exit_code"] == result.code == found["trees"]["analysis"]["exit_code"] | 9, result
    shutil.rmtree(world.source("output"))
    was = world.snapshot()
    result = world.drop_in("--dry_run", "--json", "-", RUN_ID)
    found = json.loads(result.out)
    assert found["exit_code"] == result.code == 16 and found["complete"] is False, result
    assert "source of output is not there" in found["error"], result
    assert world.snapshot() == was


def test_dry_run_says_what_would_be_copied(world: World) -> None:
    result = world.drop_in(RUN_ID, "--dry_run", "--copy_type", "output")
    assert "experiment.json" in result.text


def test_json_to_standard_output_stands_alone(world: World) -> None:
    result = world.drop_in("--no_email", "--json", "-", "--copy_type", "output", "--", RUN_ID)
    assert json.loads(result.out)["exit_code"] == result.code == 0
    assert "May the source be deleted?" in result.err
    assert result.out.isascii()


def test_robocopy_exit_code(world: World) -> None:
    args = ("--robocopy_exit_code", "--copy_type", "output")
    assert world.transfer(*args).code == 1
    second = world.transfer(*args)
    assert second.code == 0 and second.json["exit_code"] == 0
    write(world.destination("output") / "extra.txt", b"")
    assert world.transfer(*args).code == 2


@pytest.mark.parametrize(
    "patterns, metrics",
    [
        (["raw_data:files"], ["files"]),
        (["RAW_DATA:bytes", "raw_data:gigabytes"], ["bytes", "gigabytes"]),
        (["all:all"], ["files", "folders", "bytes", "gigabytes"]),
    ],
)
def test_ignored_counts_are_warnings_and_forbid_deleting(world: World, patterns: list[str], metrics: list[str]) -> None:
    result = world.transfer("--ignore_python_counts", *patterns)
    assert result.code == 0, result
    text = result.text + master_log(world)
    warnings = [line for line in text.splitlines() if "WARNING" in line and "'raw_data'" in line]
    for metric in metrics:
        assert any(f"'{metric}'" in line for line in warnings), (metric, warnings)
    assert shared_verdict(result) is False
    assert "May the source be deleted? NO" in text


def test_failed_count_check_sets_bit_8_and_is_silenced_by_its_pattern(world: World, bound_by_modes: list[str]) -> None:
    """A file that cannot be read is missing after the transfer; the line names both counts and the ways to go on."""
    world.prefix = bound_by_modes
    world.configure(vdt="retries = 0")
    (world.source() / "experiment.json").chmod(0)
    result = world.transfer("--copy_type", "raw_data")
    assert result.code == 9, result
    text = master_log(world)
    (error,) = [line for line in text.splitlines() if "ERROR: 'raw_data'" in line and "'files'" in line]
    assert "Before: '10'" in error and "After: '9'" in error
    for pattern in ("raw_data:files", "raw_data:all", "all:files", "all:all"):
        assert pattern in error


def test_also_hash_md5(world: World) -> None:
    result = world.transfer("--also_hash", "md5", "--copy_type", "output")
    assert result.code == 0, result
    lines = (world.run_folder() / "output.md5").read_text("utf-8").splitlines()
    wanted = {hashlib.md5(p.read_bytes()).hexdigest(): n for n, p in files_of(world.source("output")).items()}
    assert {line[:32]: line[34:] for line in lines} == wanted
    if shutil.which("md5sum"):
        done = subprocess.run(
            ["md5sum", "--strict", "-c", "../output.md5"], cwd=world.destination("output"), capture_output=True
        )
        assert done.returncode == 0, done
    assert (world.run_folder() / "output.xxh128").exists()


def test_also_hash_of_files_that_were_already_proven(world: World) -> None:
    assert world.transfer("--copy_type", "output").code == 0
    again = world.transfer("--also_hash", "sha256", "--copy_type", "output")
    assert again.code == 0, again
    assert counts(again, "output")["copied"] == 0
    lines = (world.run_folder() / "output.sha256").read_text("utf-8").splitlines()
    wanted = {hashlib.sha256(p.read_bytes()).hexdigest(): n for n, p in files_of(world.source("output")).items()}
    assert {line[:64]: line[66:] for line in lines} == wanted


def test_also_hash_in_the_configuration(world: World) -> None:
    world.configure(vdt='also_hash = "md5"')
    assert world.transfer("--copy_type", "output").code == 0
    assert (world.run_folder() / "output.md5").exists()


@pytest.mark.parametrize("level", ["none", "inflight", "reread", "cold", "both"])
def test_verify_level_is_what_the_record_says(world: World, level: str) -> None:
    result = world.transfer("--copy_type", "output", "--verify", level)
    assert result.code == 0, result
    assert evidence_counts(result, "output") == {best_level(level, world.root): FILES}
    assert shared_verdict(result) is False, "one tree of three"
    proven = (world.run_folder() / "output.xxh128").exists()
    assert proven == (level in ("reread", "cold", "both"))


def test_deleting_needs_more_than_a_cached_read(world: World) -> None:
    assert shared_verdict(world.transfer("--verify", "reread")) is False


def test_init_config_writes_once(empty_world: World) -> None:
    world = empty_world
    world.config.unlink()
    first = world.drop_in("--init_config")
    assert first.code == 0, first
    made = world.config.read_text("utf-8")
    try:
        import tomllib as toml  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        import tomli as toml  # type: ignore[no-redef,unused-ignore]
    keys = set(toml.loads(made))
    assert keys >= {"analysis_drive_pc", "isilon_drive_pc", "analysis_drive_nix", "isilon_drive_nix", "smtp_server"}
    assert "#" in made
    world.config.write_text(made + "# mine\n", "utf-8")
    second = world.drop_in("--init_config")
    plain_sentences(second, ".vizgen_config.toml")
    assert world.config.read_text("utf-8") == made + "# mine\n"


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_need_nothing(tmp_path: Path, option: str) -> None:
    done = subprocess.run([*DROP_IN, option], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert ("2.0" if option == "--version" else "--copy_type") in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_options_may_be_spelled_with_dashes(world: World) -> None:
    result = world.run(
        [*DROP_IN, "--copy-type", "output", "--no-email", "--vizgen-config", str(world.config), "--also-hash", "md5",
         "--ignore-python-counts", "all:bytes", "--robocopy-exit-code", "--", RUN_ID]
    )  # fmt: skip
    assert result.code == 1, result


def test_configuration_elsewhere(world: World) -> None:
    world.config.rename(world.root / "other.toml")
    assert world.transfer("--vizgen_config", "other.toml", "--copy_type", "output").code == 0


def test_run_id_that_begins_with_a_dash(world: World) -> None:
    world.make_run("-x")
    result = world.transfer("--copy_type", "output", run_id="-x")
    assert result.code == 0, result
    assert snapshot(world.destination("output", "-x")) == snapshot(world.source("output", "-x"))


def test_logs_key_is_honoured(world: World) -> None:
    world.configure(isilon_drive_logs_nix=str(world.root / "elsewhere"))
    assert world.transfer("--copy_type", "output").code == 0
    assert (world.root / "elsewhere" / "vizgen_data_transfer.log").exists()
    assert not world.logs.exists()


def test_unknown_key_outside_vdt_is_a_warning(world: World) -> None:
    world.configure(top='favourite_colour = "red"')
    result = world.transfer("--copy_type", "output")
    assert result.code == 0
    assert "favourite_colour" in result.text


def test_option_without_effect_is_named(world: World) -> None:
    world.configure(rsync="-avz --inplace")
    result = world.transfer("--copy_type", "output")
    assert result.code == 0, result
    assert "--inplace" in result.text and "-z" in result.text


def test_symbolic_links_stay_links(world: World) -> None:
    root = world.source("output")
    (root / "to_file").symlink_to("experiment.json")
    (root / "to_folder").symlink_to("settings")
    (root / "dangling").symlink_to("nowhere/at/all")
    (root / "data/up").symlink_to("..")
    result = world.transfer("--copy_type", "output")
    assert result.code == 0, result
    target = world.destination("output")
    links = {p.relative_to(target).as_posix(): os.readlink(p) for p in target.rglob("*") if p.is_symlink()}
    wanted = {"to_file": "experiment.json", "to_folder": "settings", "dangling": "nowhere/at/all", "data/up": ".."}
    assert links == wanted
    again = world.transfer("--copy_type", "output")
    assert again.code == 0 and again.json["trees"]["output"]["exit_code"] == 0, again
    if shutil.which("xxhsum"):
        done = subprocess.run(["xxhsum", "-c", "../output.xxh128"], cwd=target, capture_output=True)
        assert done.returncode == 0, done


def test_excluded_by_the_rsync_string(world: World) -> None:
    write(world.source("output") / "scratch.tmp", b"scratch")
    world.configure(rsync="-av --exclude=*.tmp")
    result = world.transfer("--copy_type", "output")
    assert not (world.destination("output") / "scratch.tmp").exists()
    assert len(files_of(world.destination("output"))) == FILES
    assert result.code == 0, result
    assert shared_verdict(result) is False


def test_fifo_is_listed_and_forbids_deleting(world: World) -> None:
    os.mkfifo(world.source("output") / "pipe")
    result = world.transfer()
    assert result.code == 0, result
    assert "pipe" in result.text + master_log(world)
    assert not (world.destination("output") / "pipe").exists()
    assert shared_verdict(result) is False


def test_source_file_with_the_name_of_a_partial_is_left_and_named(world: World) -> None:
    name = ".vdt-0123456789abcdef.partial"
    write(world.source("output") / name, b"?")
    result = world.transfer()
    assert name in result.text + master_log(world)
    assert not (world.destination("output") / name).exists()
    assert (world.source("output") / name).read_bytes() == b"?"
    assert shared_verdict(result) is False


def test_forgotten_partial_is_removed(world: World) -> None:
    stray = write(world.destination("output") / "data/.vdt-0123456789abcdef.partial", b"?")
    assert world.transfer("--copy_type", "output").code == 0
    assert not stray.exists()


def test_empty_trees(empty_world: World) -> None:
    for tree in TREES:
        empty_world.source(tree).mkdir(parents=True)
    result = empty_world.transfer()
    assert result.code == 0, result
    assert {t["exit_code"] for t in result.json["trees"].values()} <= {0, 1}
    assert (empty_world.run_folder() / "raw_data.xxh128").read_bytes() == b""
    assert empty_world.destination().is_dir()


def test_long_name_arrives(finished: Finished) -> None:
    assert (finished.world.destination() / "data" / LONG_NAME).stat().st_size == 320


def test_two_at_once_the_second_says_who_holds_the_lock(world: World) -> None:
    first = world.start([*DROP_IN, "--no_email", "--bwlimit", "3M", "--copy_type", "output", "--", RUN_ID])
    try:
        wait_for(lambda: partials(world.destination("output")))
        second = world.transfer("--copy_type", "output")
        assert second.code == 16, second
        assert str(first.pid) in second.text and os.uname().nodename in second.text
    finally:
        if first.poll() is None:
            first.terminate()
        world.end(first)
    assert world.transfer("--copy_type", "output").code == 0


def test_interrupted_run_says_so_and_the_next_completes(world: World) -> None:
    process = world.start([*DROP_IN, "--no_email", "--json", "result.json", "--bwlimit", "3M", RUN_ID])
    wait_for(lambda: partials(world.destination()))
    asked = time.monotonic()
    process.terminate()
    result = world.end(process)
    assert time.monotonic() - asked < 8
    assert result.code & 8 and result.code < 16, result
    found = json.loads((world.root / "result.json").read_text("ascii"))
    assert found["complete"] is False
    assert "May the source be deleted? NO" in result.text
    assert not (world.run_folder() / "raw_data.xxh128").exists()
    done = world.transfer()
    assert done.code == 0, done
    assert shared_verdict(done) is True
    assert {t: snapshot(world.destination(t)) for t in TREES} == {t: snapshot(world.source(t)) for t in TREES}
    assert not (world.run_folder() / ".vdt").exists()


@pytest.mark.parametrize("command", ["vizgen_data_transfer", "vdt"])
def test_commands_lie_beside_the_interpreter(world: World, command: str) -> None:
    script = Path(sys.executable).parent / command
    if not script.exists():
        pytest.skip("not installed")
    assert world.run([str(script), "--help"]).code == 0


def test_examples_of_the_help_run_as_printed(world: World) -> None:
    """Only the run id and the disk are taken from here."""
    world.configure(top=f'analysis_drive_nix_disk = "{world.analysis}"', vdt="threads = 2")
    shown = world.drop_in("--help").out
    examples = [line.split()[1:] for line in shown.splitlines() if line.startswith("  vizgen_data_transfer ")]
    assert examples
    failed = [words for words in examples if world.drop_in("--no_email", *words).code != 0]
    assert failed == []
