"""The drop-in from end to end: Q: to L:, UNC paths, the external disk, log, mail, manifest, the second run."""

from __future__ import annotations

import email
import email.policy
import stat
from pathlib import Path
from typing import Callable

import pytest

from windows import scene
from windows.conftest import remove
from windows.scene import RUN, configure, contents, drop_in, make_run, start

OnDrive = Callable[[str], Path]
FILES = {"raw_data": 8, "analysis": 5, "output": 5}
KEPT = Path("L:\\kept")  # run.sh lets xxhsum on Linux check the manifests that lie here


def test_from_q_to_l(on_drive: OnDrive) -> None:
    analysis = on_drive("Q:")
    remove(KEPT)
    KEPT.mkdir()
    trees = make_run(analysis)
    before = {kind: contents(tree) for kind, tree in trees.items()}
    config = configure(analysis, str(analysis), str(KEPT))
    ran = drop_in(config)
    assert ran.code == 0, ran.out
    assert "May the source be deleted? YES" in ran.out
    for kind, tree in trees.items():
        copied = KEPT / RUN / kind
        assert contents(tree) == before[kind], "the source is as it was"
        assert contents(copied) == before[kind]
        assert (copied / "read only.txt").stat().st_file_attributes & stat.FILE_ATTRIBUTE_READONLY
        assert ran.report["trees"][kind]["files_by_evidence"]["cold"] == FILES[kind]
        manifest = (KEPT / RUN / f"{kind}.xxh128").read_bytes()
        assert b"\\" not in manifest and b"\r" not in manifest
        assert b"  data/stack 0.dat\n" in manifest and "data/größe µm.csv\n".encode() in manifest
        (log,) = (KEPT / RUN).glob(f"*{kind}*.log")
        text = log.read_bytes().decode("utf-8")
        assert f"Source : {tree}\\" in text and "\\\\?\\" not in text
    again = drop_in(config)
    assert again.code == 0, again.out
    for kind, tree in again.report["trees"].items():
        assert tree["counts"]["files"]["copied"] == 0 and tree["exit_code"] == 0
        assert tree["files_by_evidence"]["on_record"] == tree["counts"]["files"]["total"] == FILES[kind]


def test_from_a_share_by_its_unc_name(on_drive: OnDrive) -> None:
    folder, isilon = on_drive("N:"), on_drive("L:")
    trees = make_run(folder)
    share = Path("\\\\nas\\share") / folder.name
    config = configure(on_drive("Q:"), str(share), str(isilon))
    ran = drop_in(config)
    assert ran.code == 0, ran.out
    assert "UNC\\" not in ran.out and "\\\\?\\" not in ran.out
    for kind, tree in trees.items():
        assert contents(isilon / RUN / kind) == contents(tree)
    log = next((isilon / RUN).glob("*raw_data*.log")).read_text(encoding="utf-8")
    assert f"Source : {share}\\merfish_raw_data\\{RUN}\\" in log


def test_to_a_share_by_its_unc_name(on_drive: OnDrive) -> None:
    analysis, folder = on_drive("Q:"), on_drive("N:")
    trees = make_run(analysis)
    ran = drop_in(configure(analysis, str(analysis), str(Path("\\\\nas\\share") / folder.name)))
    assert ran.code == 0, ran.out
    assert contents(folder / RUN / "output") == contents(trees["output"])


def test_one_folder_by_letter_and_by_unc_name_is_refused(on_drive: OnDrive) -> None:
    folder = on_drive("N:")
    scene.fill(folder / "tree", "x")
    share = Path("\\\\nas\\share") / folder.name / "tree"
    for destination in (str(share), str(share / "inside")):
        refused = scene.copy(str(folder / "tree"), destination, on_drive("Q:"))
        assert refused.code == 16, refused.out
    assert not (folder / "tree" / "inside").exists()


def test_the_external_disk_with_blanks_in_its_name(on_drive: OnDrive) -> None:
    disk = Path("G:\\Vizgen data Z drive")
    remove(disk)
    isilon = on_drive("L:")
    trees = make_run(disk)
    ran = drop_in(configure(on_drive("Q:"), "Q:\\not there", str(isilon), disk=str(disk)), "--disk")
    assert ran.code == 0, ran.out
    assert contents(isilon / RUN / "raw_data") == contents(trees["raw_data"])
    remove(disk)


def test_the_mail_is_kept_as_a_file_where_no_server_answers(on_drive: OnDrive, tmp_path: Path) -> None:
    analysis, isilon = on_drive("Q:"), on_drive("L:")
    make_run(analysis)
    ran = drop_in(configure(analysis, str(analysis), str(isilon)), mail=True, LOCALAPPDATA=str(tmp_path))
    assert ran.code == 0, ran.out
    (kept,) = [*isilon.rglob("*.eml"), *tmp_path.rglob("*.eml")]
    message = email.message_from_bytes(kept.read_bytes(), policy=email.policy.default)
    assert RUN in message["Subject"]
    body = message.get_body(("plain",))
    assert body is not None and f"{isilon}\\{RUN}\\raw_data" in body.get_content().replace("\n", "")


def test_names_that_a_console_cannot_show_break_nothing(on_drive: OnDrive) -> None:
    analysis, isilon = on_drive("Q:"), on_drive("L:")
    trees = make_run(analysis)
    name = "細胞 \N{SNOWMAN} \u0416.tif"
    scene.write(trees["output"] / name, b"x")
    ran = drop_in(configure(analysis, str(analysis), str(isilon)), "--dry_run")
    assert ran.code == 0 and "\\u" in ran.out, ran.out
    ran = drop_in(configure(analysis, str(analysis), str(isilon)))
    assert ran.code == 0, ran.out
    assert (isilon / RUN / "output" / name).read_bytes() == b"x"
    assert name in (isilon / RUN / "output.xxh128").read_text(encoding="utf-8")


def test_a_drive_that_is_not_there_is_named(on_drive: OnDrive) -> None:
    folder = on_drive("Q:")
    make_run(folder)
    for analysis, isilon in (("X:", str(folder)), (str(folder), "X:")):
        ran = drop_in(configure(folder, analysis, isilon))
        assert ran.code == 16 and "X:\\" in ran.out, ran.out
        assert "this window runs as administrator" in ran.out.lower() or "does not see X:" in ran.out, ran.out


@pytest.mark.parametrize("name", ["vizgen_data_transfer.exe", "vdt.exe"])
def test_the_installed_programs_start(name: str, tmp_path: Path) -> None:
    program = scene.SCRIPTS / name
    assert program.exists(), "pip made it from the wheel"
    helped = scene.finish(start([str(program), "-h"], tmp_path, COLUMNS="80"))
    assert helped.code == 0 and helped.out.startswith("usage: ")
    assert max(map(len, helped.out.split("\n"))) <= 130 and helped.out.isascii()
    wrong = scene.finish(start([str(program), "--no_such_option"], tmp_path))
    assert wrong.code == 16


def test_the_template_is_written_and_read(tmp_path: Path) -> None:
    command = [str(scene.SCRIPTS / "vizgen_data_transfer.exe"), "--init_config"]
    assert scene.finish(start(command, tmp_path)).code == 0
    assert b"\r" not in (tmp_path / ".vizgen_config.toml").read_bytes()
    assert scene.finish(start(command, tmp_path)).code == 16, "one that is there stays"
