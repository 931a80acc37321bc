"""The other commands on Windows: the audit and its repair, `vdt robocopy`, a sample run by the installed program."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Callable

import pytest

from vdt.sample import DEFAULT_RUN_ID, write_run
from windows import scene
from windows.conftest import remove
from windows.scene import RUN, configure, contents, drop_in, make_run, write

OnDrive = Callable[[str], Path]
KEPT = Path("L:\\kept sample")  # run.sh lets xxhsum on Linux check the manifests that lie here


def damage(path: Path) -> None:
    """Other bytes under the same size and time."""
    found = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))


def test_an_audit_of_a_run_finds_what_was_damaged_and_mends_it(on_drive: OnDrive, tmp_path: Path) -> None:
    analysis, isilon = on_drive("Q:"), on_drive("L:")
    trees = make_run(analysis)
    config = configure(analysis, str(analysis), str(isilon))
    local = {"LOCALAPPDATA": str(tmp_path)}
    assert drop_in(config, **local).code == 0
    before = contents(isilon / RUN)
    ran = scene.audit(config, **local)
    assert ran.code == 0 and ran.report["verdict"]["may_delete_source"], ran.out
    damage(isilon / RUN / "raw_data" / "data" / "stack 0.dat")
    (isilon / RUN / "output" / "data" / "größe µm.csv").unlink()
    ran = scene.audit(config, **local)
    assert ran.code == 8, ran.out
    wrong = {(name, e["path"], e["verdict"]) for name, t in ran.report["trees"].items() for e in t["entries"]}
    assert wrong == {("raw_data", "data/stack 0.dat", "DIFFERENT"), ("output", "data/größe µm.csv", "MISSING")}
    ran = scene.audit(config, "--repair", **local)
    assert ran.code == 0, ran.out
    for kind, tree in trees.items():
        assert contents(isilon / RUN / kind) == contents(tree)
    assert {name for name in before if not name.count("/")} <= set(contents(isilon / RUN))


def test_a_copy_is_audited_against_a_manifest(on_drive: OnDrive) -> None:
    source, isilon, here = on_drive("Q:"), on_drive("L:"), on_drive("G:")
    scene.fill(source / "tree", "x")
    manifest, report = isilon / "m.xxh128", here / "audit.json"
    scene.copy(str(source / "tree"), str(isilon / "copy"), here, "--manifest", str(manifest))
    arguments = ["audit", str(isilon / "copy"), "--manifest", str(manifest), "--json", str(report)]
    ran = scene.vdt(*arguments, cwd=here, LOCALAPPDATA=str(here))
    assert ran.code == 0, ran.out
    damage(isilon / "copy" / "data" / "stack 0.dat")
    write(isilon / "copy" / "extra", b"")
    ran = scene.vdt(*arguments, cwd=here, LOCALAPPDATA=str(here))
    assert ran.code == 8 and "DIFFERENT" in ran.out, ran.out
    entries = {entry["path"]: entry["verdict"] for entry in json.loads(report.read_text("ascii"))["entries"]}
    assert entries == {"data/stack 0.dat": "DIFFERENT", "extra": "EXTRA"}


def test_the_demonstration_that_the_readme_begins_with(on_drive: OnDrive) -> None:
    here = on_drive("G:")
    ran = scene.vdt("demo", cwd=here, LOCALAPPDATA=str(here / "local"))
    assert ran.code == 0 and "May the source be deleted? YES" in ran.out, ran.out
    numbers = {}
    for kind, folder in scene.TREES.items():
        there = contents(here / "vdt_demo" / "analysis_drive" / folder / DEFAULT_RUN_ID)
        assert contents(here / "vdt_demo" / "isilon" / DEFAULT_RUN_ID / kind) == there
        numbers[kind] = sum(found is not None for found in there.values())
    said = re.findall(r"^ +(\w+): (\d+) right, 0 wrong$", ran.out, re.MULTILINE)
    assert {kind: int(right) for kind, right in said} == numbers, ran.out
    assert min(numbers.values()) > 10 and sum(numbers.values()) > 1500


def test_robocopys_own_words(on_drive: OnDrive) -> None:
    source, isilon, here = on_drive("Q:"), on_drive("L:"), on_drive("G:")
    scene.fill(source, "x")
    write(source / "left out.tmp", b"x")
    log = here / "the log.txt"
    arguments = ["robocopy", str(source), str(isilon / "copy"), "/E", "/XF", "*.TMP", "/R:1", "/W:1", f"/LOG+:{log}"]
    ran = scene.vdt(*arguments, cwd=here)
    assert ran.code == 1 and f"Log File : {log}" in ran.out, ran.out
    text = log.read_text(encoding="utf-8")
    for line in (f"Source : {source}\\", f"Dest : {isilon}\\copy\\", "New File", "experiment.json", "Files :"):
        assert line in text, text
    assert not (isilon / "copy" / "left out.tmp").exists() and (isilon / "copy" / "empty").is_dir()
    assert scene.vdt(*arguments, cwd=here).code == 0
    assert log.read_text(encoding="utf-8").count("ROBOCOPY") == 2, "appended to"
    write(isilon / "copy" / "more", b"x")
    assert scene.vdt(*arguments, "/L", cwd=here).code == 2
    for wrong in (["/MIR"], ["/NOSUCH"]):
        refused = scene.vdt("robocopy", str(source), str(isilon / "copy"), *wrong, cwd=here)
        assert refused.code == 16 and "ERROR" in refused.out, refused.out
    top = scene.vdt("robocopy", str(source), str(isilon / "top"), cwd=here)
    assert top.code == 1 and sorted(os.listdir(isilon / "top")) == ["experiment.json", "left out.tmp", "read only.txt"]


def test_a_sample_run_by_the_installed_program(tmp_path: Path) -> None:
    """From a disk whose name has blanks; run.sh has xxhsum on Linux check the manifests."""
    disk, isilon = Path("G:\\Vizgen data Z drive"), KEPT
    remove(disk)
    remove(isilon)
    isilon.mkdir(parents=True)
    remove(make_run(disk)["output"])
    write_run(str(disk), run_id=RUN, n_fov=1, byte_divisor=100_000, trees=["output"])  # names and folders of a real run
    config = configure(isilon, "Q:\\not there", str(isilon), disk=str(disk))
    program = str(scene.SCRIPTS / "vizgen_data_transfer.exe")
    command = [program, "--disk", "--robocopy_check", "off", "--json", "result.json", RUN]
    first = scene.finish(scene.start(command, config.parent, LOCALAPPDATA=str(tmp_path)), config.parent / "result.json")
    assert first.code == 0 and f"YES: {disk}\\merfish_raw_data\\{RUN}, " in first.out, first.out
    logs = isilon / "logs"
    (mail,) = logs.glob("*.eml")
    assert b"May the source be deleted? YES" in mail.read_bytes().replace(b"=\r\n", b"").replace(b"=\n", b"")
    assert b"Run " not in (logs / "vizgen_data_transfer.log").read_bytes()[:10]
    for kind in ("raw_data", "analysis", "output"):
        assert contents(isilon / RUN / kind) == contents(disk / f"merfish_{kind}" / RUN)
        assert (isilon / RUN / f"{kind}.xxh128").stat().st_size and (isilon / RUN / f"{kind}.log").stat().st_size
    again = scene.finish(
        scene.start([*command[:-1], "--no_email", RUN], config.parent, LOCALAPPDATA=str(tmp_path)),
        config.parent / "result.json",
    )
    assert again.code == 0, again.out
    assert all(tree["counts"]["files"]["copied"] == 0 for tree in again.report["trees"].values())
    remove(disk)


@pytest.mark.parametrize("name", [".profile.ps1", ".vizgen_config.toml"])
def test_what_the_guide_reads_from_the_installed_package(name: str, tmp_path: Path) -> None:
    """The line of the README that adds the profile: it must reach PowerShell 5 through a cp1252 pipe."""
    code = f"from vdt.etc import read_template; print(read_template('{name}'))"
    ran = scene.finish(scene.start([sys.executable, "-c", code], tmp_path, PYTHONPATH=""))
    assert ran.code == 0 and ran.out.isascii(), ran.out
