"""`vdt copy SRC DST` seen from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import xxhash

from .conftest import (
    LARGE_BYTES,
    LEVELS,
    VDT,
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

FILES, FOLDERS = 10, 5
OLD, NEW = 1690000000_000000000, 1699000000_000000000


def files(result: Result) -> dict[str, int]:
    found: dict[str, int] = result.json["counts"]["files"]
    return found


def levels(result: Result) -> dict[str, int]:
    return {k: v for k, v in result.json["files_by_evidence"].items() if v}


def small(world: World) -> tuple[Path, Path]:
    """A source of a few small files in the place of the usual one, and where it is copied to."""
    shutil.rmtree(world.root / "src")
    for name in ("a.txt", "b.txt", "c.tmp", "keep/d.txt", "skip/e.txt"):
        write(world.root / "src" / name, name.encode())
    return world.root / "src", world.root / "dst"


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


# ---- the plain copy ------------------------------------------------------------------------------------------------


def test_copy_and_its_codes(bare: World) -> None:
    src, dst = bare.root / "src", bare.root / "dst"
    was = snapshot(src)
    first = bare.copy()
    assert first.code == 1, first
    assert snapshot(src) == was
    assert snapshot(dst) == was
    assert dst.stat().st_mode == src.stat().st_mode
    assert files(first) == {"total": FILES, "copied": FILES, "skipped": 0, "mismatch": 0, "failed": 0, "extras": 0}
    second = bare.copy()
    assert second.code == 0, second
    assert files(second)["skipped"] == FILES
    assert levels(second) in ({"present": FILES}, {"on_record": FILES})
    write(dst / "extra.txt", b"mine")
    assert bare.copy().code == 2
    write(src / "new.txt", b"new")
    third = bare.copy()
    assert third.code == 3
    assert [e["path"] for e in third.json["extra"]] == ["extra.txt"]
    assert (dst / "extra.txt").read_bytes() == b"mine"
    assert bare.copy("--exit", "plain").code == 0


def test_root_folder_gets_its_time(bare: World) -> None:
    bare.copy()
    assert (bare.root / "dst").stat().st_mtime_ns == (bare.root / "src").stat().st_mtime_ns


def test_nothing_but_the_copy_is_left(bare: World) -> None:
    before = {p.name for p in bare.root.iterdir()}
    assert bare.vdt("copy", "src", "dst").code == 1
    assert {p.name for p in bare.root.iterdir()} - before <= {"dst", "state"}
    assert [p for p in bare.state.rglob("*") if p.is_file()] == []


def test_json_object(bare: World) -> None:
    found = bare.copy("--threads", "1").json
    for key in ("version", "command", "source", "destination", "started", "ended", "verdict", "bytes_by_evidence"):
        assert found[key], key
    assert found["complete"] is True and found["exit_code"] == 1
    assert found["source"].endswith("src") and found["destination"].endswith("dst")
    assert set(found["counts"]) == {"dirs", "files", "bytes"}
    assert found["counts"]["dirs"]["total"] == FOLDERS + 1
    assert set(found["files_by_evidence"]) == set(found["bytes_by_evidence"]) == set(LEVELS)
    assert found["resumed_bytes"] == 0
    assert [found[key] for key in ("failed", "unstable", "conflict", "type_mismatch", "extra")] == [[]] * 5


def test_json_to_standard_output_stands_alone(bare: World) -> None:
    result = bare.vdt("copy", "src", "dst", "--json", "-")
    assert json.loads(result.out)["exit_code"] == result.code == 1
    assert result.err


@pytest.mark.parametrize("kind", ["file here", "folder here"])
def test_type_mismatch(bare: World, kind: str) -> None:
    _, dst = small(bare)
    name = "a.txt" if kind == "file here" else "keep"
    write(dst / "a.txt/inside" if kind == "file here" else dst / "keep", b"stays")
    result = bare.copy()
    assert result.code & 4 and result.code < 8, result
    assert [e["path"] for e in result.json["type_mismatch"]] == [name]
    assert (dst / "a.txt/inside").exists() or (dst / "keep").read_bytes() == b"stays"
    assert files(result)["copied"] == 4
    plain = bare.copy("--exit", "plain")
    assert plain.code == 8, "a mismatch is not right"


@pytest.mark.parametrize("level", ["none", "inflight", "reread", "cold", "both"])
def test_levels_on_disk(bare: World, level: str) -> None:
    result = bare.copy("--verify", level, "--jsonl", "lines.jsonl")
    best = best_level(level, bare.root)
    assert result.code == 1, result
    assert levels(result) == {best: FILES}
    lines = json_lines(bare.root / "lines.jsonl")
    assert {e["evidence"] for e in lines} == {best}
    assert sorted(e["path"] for e in lines) == sorted(files_of(bare.root / "dst"))
    for entry in lines:
        data = (bare.root / "dst" / entry["path"]).read_bytes()
        assert entry["size"] == len(data)
        assert level == "none" or entry["xxh128"] == xxhash.xxh128_hexdigest(data)


@pytest.mark.parametrize("level", ["cold", "both"])
def test_levels_in_memory_are_not_rounded_up(memory_world: World, level: str) -> None:
    result = memory_world.copy("--verify", level)
    assert result.code == 1, result
    assert levels(result) == {"reread": FILES}
    assert "read back" in result.text and "past this client's cache:" not in result.text


# ---- which files ---------------------------------------------------------------------------------------------------


def test_exclude(bare: World) -> None:
    _, dst = small(bare)
    result = bare.copy("--exclude", "*.tmp", "--exclude", "b.*", "--exclude-dir", "skip")
    assert result.code == 1, result
    assert set(files_of(dst)) == {"a.txt", "keep/d.txt"}
    assert not (dst / "skip").exists()


def test_older_is_copied_and_newer_only_leaves_it(bare: World) -> None:
    src, dst = small(bare)
    write(dst / "a.txt", b"later", NEW)
    left = bare.copy("--newer-only")
    assert (dst / "a.txt").read_bytes() == b"later"
    assert files(left)["copied"] == 4 and files(left)["skipped"] == 1
    again = bare.copy()
    assert files(again)["copied"] == 1
    assert (dst / "a.txt").read_bytes() == b"a.txt"
    assert (dst / "a.txt").stat().st_mtime_ns == (src / "a.txt").stat().st_mtime_ns


def test_modify_window(bare: World) -> None:
    _, dst = small(bare)
    bare.copy()
    for path in files_of(dst).values():
        set_time(path, path.stat().st_mtime_ns - 1_900_000_000)
    assert bare.copy("--modify-window", "2", "--dry-run").code == 0
    assert files(bare.copy("--modify-window", "1"))["copied"] == 5


def test_checksum_compares_contents(bare: World) -> None:
    src, dst = small(bare)
    bare.copy()
    stamp = (dst / "a.txt").stat().st_mtime_ns
    write(dst / "a.txt", b"A.txt", stamp)
    set_time(dst / "b.txt", NEW)
    assert files(bare.copy("--newer-only"))["copied"] == 0, "same size, same time"
    result = bare.copy("--checksum")
    assert files(result)["copied"] == 1, result
    assert (dst / "a.txt").read_bytes() == b"a.txt"
    assert (dst / "b.txt").read_bytes() == (src / "b.txt").read_bytes()


def test_existing_prove_reads_and_heals(bare: World) -> None:
    _, dst = small(bare)
    bare.copy()
    write(dst / "a.txt", b"A.txt", (dst / "a.txt").stat().st_mtime_ns)
    trusting = bare.copy("--existing", "trust")
    assert trusting.code == 0 and levels(trusting) == {"present": 5}
    assert "not proven" in json.dumps(trusting.json) + trusting.text
    proving = bare.copy("--existing", "prove")
    assert proving.code == 1 and files(proving)["copied"] == 1
    assert set(levels(proving)) <= {"reread", "cold", "both"} and sum(levels(proving).values()) == 5
    assert (dst / "a.txt").read_bytes() == b"a.txt"


def test_manifest_is_the_record(bare: World) -> None:
    _, dst = small(bare)
    bare.copy("--manifest", "dst.xxh128")
    lines = (bare.root / "dst.xxh128").read_text("utf-8").splitlines()
    assert sorted(lines) == sorted(f"{xxhash.xxh128_hexdigest(p.read_bytes())}  {n}" for n, p in files_of(dst).items())
    if shutil.which("xxhsum"):
        assert subprocess.run(["xxhsum", "-c", "../dst.xxh128"], cwd=dst, capture_output=True).returncode == 0
    again = bare.copy("--manifest", "dst.xxh128", "--existing", "prove")
    assert again.code == 0 and levels(again) == {"on_record": 5}
    write(bare.root / "src/a.txt", b"old", OLD)
    conflict = bare.copy("--manifest", "dst.xxh128", "--existing", "prove")
    assert conflict.code & 8, conflict
    assert [e["path"] for e in conflict.json["conflict"]] == ["a.txt"]
    assert (dst / "a.txt").read_bytes() == b"a.txt"


def test_dry_run(bare: World) -> None:
    was = bare.snapshot()
    result = bare.vdt("copy", "src", "dst", "--dry-run", "--json", "-")
    assert result.code == 1, "as robocopy /L"
    assert bare.snapshot() == was
    assert json.loads(result.out)["counts"]["files"]["copied"] == FILES


def test_dry_run_names_what_it_would_copy(bare: World) -> None:
    assert "experiment.json" in bare.vdt("copy", "src", "dst", "--dry-run").text


@pytest.mark.parametrize("option", ["--dry_run", "--newer_only", "--retry_wait=1", "--modify_window=2"])
def test_both_spellings(bare: World, option: str) -> None:
    small(bare)
    assert bare.copy(option).code == 1


# ---- reports -------------------------------------------------------------------------------------------------------


def test_log_anew_and_appended(bare: World) -> None:
    small(bare)
    title = "ROBOCOPY     ::     Robust File Copy for Windows"
    for option in ("--append-log", "--append-log", "--log"):
        bare.vdt("copy", "src", "dst", option, "copy.log")
        log = (bare.root / "copy.log").read_text("utf-8")
        if option == "--append-log":
            assert log.count("New File") == 5
    assert log.count("New File") == 0
    assert log.count(title) == 1, "written anew"
    assert log.count("    Total    Copied   Skipped  Mismatch    FAILED    Extras") == 1
    bare.vdt("copy", "src", "dst", "--append-log", "copy.log")
    assert (bare.root / "copy.log").read_text("utf-8").count(title) == 2


def test_quiet_and_progress(bare: World) -> None:
    small(bare)
    assert bare.vdt("copy", "src", "dst", "--quiet").text == ""
    shutil.rmtree(bare.root / "dst")
    shown = bare.vdt("copy", "src", "dst", "--progress", "off")
    assert shown.text and "\r" not in shown.text


def test_progress_on_draws_a_bar(bare: World) -> None:
    assert "%" in bare.vdt("copy", "src", "dst", "--progress", "on", "--bwlimit", "8M").err


@pytest.mark.parametrize("threads", ["1", "16"])
def test_threads(bare: World, threads: str) -> None:
    assert bare.copy("--threads", threads).code == 1
    assert snapshot(bare.root / "src") == snapshot(bare.root / "dst")


def test_bwlimit_counts_both_sides(bare: World) -> None:
    """4 MiB are read twice under cold: at 4M that takes two seconds, less what a bucket holds at first."""
    began = time.monotonic()
    assert bare.copy("--bwlimit", "4M").code == 1
    assert 0.9 < time.monotonic() - began < 6


def test_retries_0_tries_once(bare: World, bound_by_modes: list[str]) -> None:
    bare.prefix = bound_by_modes
    src, dst = small(bare)
    (src / "a.txt").chmod(0)
    began = time.monotonic()
    result = bare.copy("--retries", "0")
    assert time.monotonic() - began < 5
    assert result.code == 9, result
    (failed,) = result.json["failed"]
    assert failed["path"] == "a.txt" and "ermission denied" in failed["reason"] and failed["attempts"] == 1
    assert set(files_of(dst)) == {"b.txt", "c.tmp", "keep/d.txt", "skip/e.txt"}
    assert "a.txt" in result.text and "Traceback" not in result.text
    assert bare.copy("--retries", "0", "--exit", "plain").code == 8


def test_what_cannot_heal_is_not_waited_for(bare: World, bound_by_modes: list[str]) -> None:
    """A missing permission stays: the default waits of 53 seconds would help nobody."""
    bare.prefix = bound_by_modes
    src, _ = small(bare)
    (src / "a.txt").chmod(0)
    began = time.monotonic()
    assert bare.copy("--retry-wait", "0").code == 9
    assert time.monotonic() - began < 10


# ---- links, special files, names -----------------------------------------------------------------------------------


@pytest.fixture
def linked(bare: World) -> World:
    src, _ = small(bare)
    (src / "to_file").symlink_to("a.txt")
    (src / "to_folder").symlink_to("keep")
    (src / "loop").symlink_to(".")
    (src / "keep/up").symlink_to("..")
    return bare


def test_links_are_copied_as_links(linked: World) -> None:
    (linked.root / "src/dangling").symlink_to("nowhere")
    result = linked.copy()
    assert result.code == 1, result
    assert snapshot(linked.root / "dst") == snapshot(linked.root / "src")
    again = linked.copy()
    assert again.code == 0, again


def test_links_skipped(linked: World) -> None:
    result = linked.copy("--links", "skip")
    assert result.code == 1, result
    assert set(files_of(linked.root / "dst")) == {"a.txt", "b.txt", "c.tmp", "keep/d.txt", "skip/e.txt"}
    assert not [p for p in (linked.root / "dst").rglob("*") if p.is_symlink()]
    assert not (linked.root / "dst/to_folder").exists()


def test_links_followed_and_loops_cut(linked: World) -> None:
    result = linked.run([*VDT, "copy", "src", "dst", "--links", "follow"], timeout_s=20)
    dst = linked.root / "dst"
    assert "Traceback" not in result.text
    assert not [p for p in dst.rglob("*") if p.is_symlink()]
    assert (dst / "to_file").read_bytes() == b"a.txt"
    assert (dst / "to_folder/d.txt").read_bytes() == b"keep/d.txt"
    assert not (dst / "loop/a.txt").exists() and not (dst / "keep/up/a.txt").exists()
    assert "loop" in result.text, "a loop that is cut is named"


def test_link_at_the_destination_is_not_written_through(bare: World) -> None:
    _, dst = small(bare)
    victim = write(bare.root / "victim.txt", b"precious")
    dst.mkdir()
    (dst / "a.txt").symlink_to(victim)
    bare.copy()
    assert victim.read_bytes() == b"precious"


def test_folder_link_at_the_destination_is_not_written_through(bare: World) -> None:
    _, dst = small(bare)
    (bare.root / "elsewhere").mkdir()
    dst.mkdir()
    (dst / "keep").symlink_to(bare.root / "elsewhere")
    bare.copy()
    assert list((bare.root / "elsewhere").iterdir()) == []


def test_fifo_and_socket_are_listed_as_special(bare: World) -> None:
    src, dst = small(bare)
    os.mkfifo(src / "pipe")
    result = bare.copy()
    assert result.code == 1, result
    assert "pipe" in [e["path"] for e in result.json["special"]]
    assert "pipe" in result.text
    assert not (dst / "pipe").exists()
    assert bare.copy().code == 0


ODD_NAMES = [
    b"new\nline.txt", b"esc\x1b[31mred.txt", b"bell\x07.txt", b"carriage\rreturn.txt", b"bad\xff\xfeutf.txt",
    b"back\\slash.txt", b"-dash.txt", b" blank ", b"dot.", b"quote\"'.txt", b"50% {done}.txt", b"con", b"a:b*?<>|.txt",
    "\u202egnp.exe".encode(), "e\u0301.txt".encode(), "\u00e9.txt".encode(), b"A.TXT", b"a.txt", b"\\\\server",
]  # fmt: skip


@pytest.fixture
def odd(bare: World) -> World:
    src, _ = small(bare)
    shutil.rmtree(src)
    (src / "folder\n\x1b").mkdir(parents=True)
    for name in ODD_NAMES:
        (src / os.fsdecode(name)).write_bytes(name)
        (src / "folder\n\x1b" / os.fsdecode(name)).write_bytes(name)
    return bare


def test_odd_names_arrive(odd: World) -> None:
    result = odd.copy("--log", "copy.log", "--jsonl", "lines.jsonl", "--manifest", "dst.xxh128")
    assert result.code == 1, result
    assert snapshot(odd.root / "src") == snapshot(odd.root / "dst")
    lines = json_lines(odd.root / "lines.jsonl")
    wanted = {os.fsdecode(n) for n in ODD_NAMES}
    assert {e["path"] for e in lines} == wanted | {"folder\n\x1b/" + n for n in wanted}
    log = (odd.root / "copy.log").read_bytes()
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", log)
    assert b"\nline.txt" not in log and b"carriage\rreturn" not in log
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.text)
    log.decode("utf-8")
    assert odd.copy().code == 0


def test_manifest_of_odd_names(odd: World) -> None:
    odd.copy("--manifest", "dst.xxh128")
    text = (odd.root / "dst.xxh128").read_bytes()
    found = {line.split(b"  ", 1)[1]: line for line in text.split(b"\n") if line}
    for name in ODD_NAMES:
        digest = xxhash.xxh128_hexdigest(name).encode()
        if b"\n" in name:
            assert b"\\" + digest + b"  " + name.replace(b"\n", b"\\n") in text.split(b"\n")
        elif b"\r" not in name:
            assert found[name] == digest + b"  " + name
    if shutil.which("xxhsum"):
        plain = [line for line in text.split(b"\n") if line and not line.startswith(b"\\") and b"\r" not in line]
        (odd.root / "plain.xxh128").write_bytes(b"\n".join(plain) + b"\n")
        done = subprocess.run(["xxhsum", "-c", "../plain.xxh128"], cwd=odd.root / "dst", capture_output=True)
        assert done.returncode == 0, done


def test_name_with_a_newline_is_reported_for_the_manifest(odd: World) -> None:
    """xxhsum cannot check such a line: that is said."""
    result = odd.copy("--manifest", "dst.xxh128")
    assert "xxhsum" in result.text


def test_failed_odd_names_are_escaped(bare: World) -> None:
    src, dst = small(bare)
    name = "esc\x1b[2J\nforged line\udcff.txt"
    (src / name).write_bytes(b"x")
    (dst / name).mkdir(parents=True)
    result = bare.copy()
    assert [e["path"] for e in result.json["type_mismatch"]] == [name]
    assert "\x1b" not in result.text and "\nforged" not in result.text


def test_deep_path(bare: World) -> None:
    src, dst = small(bare)
    deep = Path(*["f" * 60] * 6) / ("n" * 240 + ".txt")
    write(src / deep, b"deep")
    assert bare.copy().code == 1
    assert (dst / deep).read_bytes() == b"deep"


def test_path_longer_than_a_system_call_takes(bare: World) -> None:
    """Relative work makes paths over 4,096 bytes; robocopy and rsync copy them or name them, and do the rest."""
    src, dst = small(bare)
    here = os.open(src, os.O_RDONLY)
    for _ in range(22):
        os.mkdir("g" * 200, dir_fd=here)
        below = os.open("g" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    result = bare.run([*VDT, "copy", "src", "dst", "--retries", "0"], timeout_s=30)
    subprocess.run(["rm", "-rf", "src/" + "g" * 200, "dst/" + "g" * 200], cwd=bare.root)
    assert "Traceback" not in result.text
    assert set(files_of(dst)) >= {"a.txt", "b.txt", "c.tmp", "keep/d.txt", "skip/e.txt"}
    assert result.code == 1 or result.code & 8, result


def test_times_before_1970_and_modes(bare: World) -> None:
    src, dst = small(bare)
    set_time(src / "a.txt", -300_000_000_123456789)
    (src / "b.txt").chmod(0o640)
    (src / "keep").chmod(0o711)
    assert bare.copy().code == 1
    assert snapshot(dst) == snapshot(src)
    assert bare.copy().code == 0


def test_read_only_folder_and_file(bare: World, bound_by_modes: list[str]) -> None:
    bare.prefix = bound_by_modes
    src, dst = small(bare)
    (src / "keep/d.txt").chmod(0o444)
    (src / "keep").chmod(0o555)
    assert bare.copy().code == 1
    assert snapshot(dst) == snapshot(src)
    (src / "keep").chmod(0o755)
    (dst / "keep").chmod(0o755)
    (src / "keep/d.txt").chmod(0o644)
    write(src / "keep/d.txt", b"newer", NEW)
    (src / "keep/d.txt").chmod(0o444)
    assert bare.copy().code == 1
    assert snapshot(dst) == snapshot(src)


def test_hard_links_at_the_destination_are_not_written_through(bare: World) -> None:
    """An atomic replace leaves the other name of the old file alone."""
    src, dst = small(bare)
    bare.copy()
    os.link(dst / "a.txt", bare.root / "snapshot_of_a")
    write(src / "a.txt", b"newer", NEW)
    assert bare.copy().code == 1
    assert (bare.root / "snapshot_of_a").read_bytes() == b"a.txt"


# ---- interruptions -------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(bare: World) -> World:
    """An old copy at the destination, a newer large source, and a copy that takes some seconds."""
    src, dst = small(bare)
    write(dst / "large.dat", b"old copy", OLD)
    write(src / "large.dat", os.urandom(LARGE_BYTES) * 3, NEW)
    return bare


def test_kill_leaves_the_old_file_and_the_next_run_heals(slow: World) -> None:
    src, dst = slow.root / "src", slow.root / "dst"
    process = slow.start([*VDT, "copy", "src", "dst", "--bwlimit", "4M"])
    (partial,) = wait_for(lambda: partials(slow.root / "dst"))
    process.kill()
    slow.end(process)
    assert (dst / "large.dat").read_bytes() == b"old copy"
    assert (dst / "large.dat").stat().st_mtime_ns == OLD
    assert re.fullmatch(r"\.vdt-[0-9a-f]{16}\.partial", partial.name)
    healed = slow.copy()
    assert healed.code == 1, healed
    assert snapshot(dst) == snapshot(src)
    assert {p.name for p in slow.root.iterdir()} <= {
        "src", "dst", "isilon", "state", "copy.json", ".vizgen_config.toml"
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_soon_and_the_next_run_completes(slow: World, number: signal.Signals) -> None:
    src, dst = slow.root / "src", slow.root / "dst"
    for count in range(24):
        write(src / f"part_{count:02}.dat", bytes([count]) * 2**21)
    process = slow.start([*VDT, "copy", "src", "dst", "--threads", "2", "--bwlimit", "3M", "--json", "cut.json"])
    wait_for(lambda: partials(slow.root / "dst"))
    asked = time.monotonic()
    process.send_signal(number)
    result = slow.end(process)
    assert time.monotonic() - asked < 5
    assert result.code & 8 and result.code < 16, result
    assert "Traceback" not in result.text
    found = json.loads((slow.root / "cut.json").read_text("ascii"))
    assert found["complete"] is False and found["exit_code"] == result.code
    assert (dst / "large.dat").read_bytes() in (b"old copy", (src / "large.dat").read_bytes())
    assert slow.copy().code == 1
    assert snapshot(dst) == snapshot(src)
    assert not partials(slow.root / "dst")
    assert not (slow.root / ".dst.vdt").exists()


def test_interrupted_large_file_is_given_up_within_seconds(bare: World) -> None:
    """Neither is it finished first, nor does --bwlimit end with the interrupt."""
    src, dst = small(bare)
    with open(src / "huge.dat", "wb") as stream:
        stream.truncate(2**30)
    process = bare.start([*VDT, "copy", "src", "dst", "--bwlimit", "20M"])
    wait_for(lambda: partials(dst))
    process.send_signal(signal.SIGINT)
    try:
        result = bare.end(process, timeout_s=5)
    except subprocess.TimeoutExpired:
        pytest.fail("still copying five seconds after the interrupt")
    assert result.code & 8 and result.code < 16, result
    assert not (dst / "huge.dat").exists()


def test_second_copy_into_the_same_folder_is_refused(slow: World) -> None:
    process = slow.start([*VDT, "copy", "src", "dst", "--bwlimit", "3M"])
    try:
        wait_for(lambda: partials(slow.root / "dst"))
        second = slow.copy()
        plain_sentences(second, str(process.pid), os.uname().nodename)
    finally:
        process.kill()
        slow.end(process)
    assert slow.copy().code == 1


# ---- places --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["src", "src/data/inside", "src/../src", "link", "link/deep/er"])
def test_destination_in_or_at_the_source_is_refused(bare: World, target: str) -> None:
    (bare.root / "link").symlink_to("src")
    was = bare.snapshot()
    plain_sentences(bare.vdt("copy", "src", target))
    assert bare.snapshot() == was


def test_source_inside_the_destination_is_refused(bare: World) -> None:
    was = bare.snapshot()
    plain_sentences(bare.vdt("copy", "src/data", "src"))
    assert bare.snapshot() == was


def test_trailing_slashes_and_missing_parents(bare: World) -> None:
    small(bare)
    assert bare.vdt("copy", "src/", "new/parent/dst/").code == 1
    assert snapshot(bare.root / "new/parent/dst") == snapshot(bare.root / "src")


def test_read_only_parent_is_no_hindrance(bare: World, bound_by_modes: list[str]) -> None:
    """Then the state lies in DST, and is gone at the end."""
    bare.prefix = bound_by_modes
    small(bare)
    parent = bare.root / "parent"
    (parent / "dst").mkdir(parents=True)
    parent.chmod(0o555)
    result = bare.vdt("copy", "src", "parent/dst")
    parent.chmod(0o755)
    assert result.code == 1, result
    assert snapshot(parent / "dst") == snapshot(bare.root / "src")


def test_stray_partial_is_removed_and_one_of_the_source_is_named(bare: World) -> None:
    src, dst = small(bare)
    name = ".vdt-0123456789abcdef.partial"
    stray = write(dst / "keep" / name, b"?")
    write(src / name, b"?")
    result = bare.copy()
    assert not stray.exists()
    assert (src / name).exists() and not (dst / name).exists()
    assert name in result.text
