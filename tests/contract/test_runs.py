"""`vdt runs` from outside."""

from __future__ import annotations

import json
import shutil
from typing import Any, Dict

from contract.conftest import RUN_ID, TREES, Result, World, plain_sentences, write

OTHER = "202311020915_VZGEN1_VMSC10203"


def listed(world: World, *args: str) -> Result:
    target = world.root / "runs.json"
    result = world.vdt("runs", "--json", str(target), *args)
    return result._replace(json=json.loads(target.read_text("ascii")))


def by_name(result: Result) -> Dict[str, Any]:
    return {run["run"]: run for run in result.json["runs"]}


def test_all_runs_and_what_is_known_of_them(done: World) -> None:
    for tree in TREES:
        shutil.copytree(done.source(tree), done.source(tree, OTHER))
        shutil.copytree(done.source(tree), done.destination(tree, OTHER))
    write(done.isilon / "logs" / "vizgen_data_transfer.log", b"")
    write(done.isilon / "somebody's folder" / "file", b"x")
    write(done.isilon / "a file", b"x")
    before = {path: path.stat().st_mtime_ns for path in done.isilon.rglob("*")}
    result = listed(done)
    assert result.code == 0, result.text
    runs = by_name(result)
    assert set(runs) == {RUN_ID, OTHER}
    assert (runs[RUN_ID]["proof"], runs[RUN_ID]["evidence"], runs[RUN_ID]["objection"]) == ("proven", "cold", "")
    assert runs[RUN_ID]["files"] == 30 and runs[RUN_ID]["bytes"] == sum(
        path.stat().st_size for tree in TREES for path in done.source(tree).rglob("*") if path.is_file()
    )
    assert (runs[OTHER]["proof"], runs[OTHER]["bytes"]) == ("not proven", None)
    assert f"ask: vdt may-delete {RUN_ID}" in result.out and "no: raw_data: no manifest" in result.out
    assert {path: path.stat().st_mtime_ns for path in done.isilon.rglob("*")} == before
    counted = by_name(listed(done, "--count"))
    assert counted[OTHER]["files"] == 30 and counted[OTHER]["bytes"] == runs[RUN_ID]["bytes"]


def test_an_audit_is_named_and_a_first_record_is_no_proof(done: World) -> None:
    shutil.rmtree(done.run_folder() / "raw_data.evidence")
    (done.run_folder() / "raw_data.xxh128").unlink()
    shutil.rmtree(done.source())
    assert done.drop_in("--audit", "--no_email", RUN_ID).code == 0
    run = by_name(listed(done))[RUN_ID]
    assert run["proof"] == "partly proven" and run["objection"] == "raw_data: recorded, not proven"
    assert run["last_audit"] and run["source"] == "partly"


def test_sorted_by_size_and_for_a_script(done: World) -> None:
    shutil.copytree(done.run_folder(), done.run_folder(OTHER))
    shutil.rmtree(done.run_folder(OTHER) / "raw_data.evidence")
    names = [run["run"] for run in listed(done, "--sort", "size", "--reverse").json["runs"]]
    assert names == [RUN_ID, OTHER]
    result = done.vdt("runs", "--sort", "size", "--json", "-")
    assert [run["run"] for run in json.loads(result.out)["runs"]] == [OTHER, RUN_ID]
    assert "RUN" in result.err and "PROOF" in result.err


def test_a_run_that_cannot_be_listed_is_named(done: World) -> None:
    (done.isilon / OTHER).symlink_to("nowhere")
    result = listed(done)
    assert result.code == 8 and OTHER in result.out and "not known" in result.out


def test_names_are_escaped(done: World) -> None:
    done.run_folder().rename(done.isilon / "run\x1b[31m")
    result = listed(done)
    assert result.code == 0 and "\x1b" not in result.text and "run\\x1b[31m" in result.out


def test_bad_input(done: World) -> None:
    plain_sentences(done.vdt("runs", "--sort", "colour"), "colour")
    plain_sentences(done.vdt("runs", "extra"), "extra")
    done.isilon.rename(done.root / "away")
    plain_sentences(done.vdt("runs"), "Isilon drive", "cannot be listed")
