"""`--audit` and `vdt audit` from outside: exit codes, mail, JSON, refusals."""

from __future__ import annotations

import json
from pathlib import Path

from contract.conftest import RUN_ID, Inbox, World, best_level, plain_sentences, plain_text, snapshot


def test_a_right_run_may_lose_its_source(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    assert world.transfer().code == 0
    sources = {tree: snapshot(world.source(tree)) for tree in ("raw_data", "analysis", "output")}
    copies = snapshot(world.destination())
    result = world.drop_in("--audit", "--json", str(world.root / "a.json"), RUN_ID)
    assert result.code == 0, result.text
    mail = inbox.only()
    assert mail["Subject"] == f"Vizgen data audit completed for run: {RUN_ID}"
    said = "may be deleted" if best_level("cold", world.root) == "cold" else "must be kept"
    assert said in plain_text(mail).strip().splitlines()[-1]
    value = json.loads((world.root / "a.json").read_text("ascii"))
    assert value["exit_code"] == 0 and set(value["trees"]) == {"raw_data", "analysis", "output"}
    assert all(tree["entries"] == [] and tree["verdict"] == "right" for tree in value["trees"].values())
    assert {tree: snapshot(world.source(tree)) for tree in sources} == sources
    assert snapshot(world.destination()) == copies


def test_a_spoilt_run_fails_and_repair_heals_it(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    assert world.transfer().code == 0
    (world.destination() / "experiment.json").unlink()
    target = world.root / "a.json"
    result = world.drop_in("--audit", "--json", str(target), RUN_ID)
    assert result.code == 8
    mail = inbox.only()
    assert mail["Subject"] == f"Vizgen data audit failed for run: {RUN_ID}"
    assert "MISSING experiment.json" in plain_text(mail)
    rules = [line for line in plain_text(mail).splitlines() if line == "-" * 88]
    assert len(rules) == 9, "a ruled table for each tree"
    assert "ERROR: 'raw_data': not right." in plain_text(mail) and "SUCCESS: 'output': right." in plain_text(mail)
    assert "must be kept" in plain_text(mail).strip().splitlines()[-1]
    (entry,) = json.loads(target.read_text("ascii"))["trees"]["raw_data"]["entries"]
    assert (entry["path"], entry["verdict"]) == ("experiment.json", "MISSING")
    assert world.drop_in("--audit", "--repair", "--no_email", RUN_ID).code == 0
    assert world.drop_in("--audit", "--no_email", RUN_ID).code == 0


def test_a_run_without_source_and_manifest_gets_its_first_manifest(world: World) -> None:
    import shutil

    for tree in ("raw_data", "analysis", "output"):
        shutil.copytree(world.source(tree), world.destination(tree))
        shutil.rmtree(world.source(tree))
    result = world.drop_in("--audit", "--no_email", RUN_ID)
    assert result.code == 0 and "Verdict: recorded" in result.text
    lines = Path(f"{world.destination()}.xxh128").read_text("utf-8").splitlines()
    assert len(lines) == 10
    assert world.drop_in("--audit", "--no_email", RUN_ID).code == 0
    plain_sentences(world.drop_in("--audit", "--repair", "--no_email", RUN_ID), "--repair")


def test_wrong_input_is_refused_in_plain_sentences(bare: World) -> None:
    assert bare.copy("--manifest", "dst.xxh128", "--exit", "plain").code == 0
    plain_sentences(bare.vdt("audit", "nowhere", "--source", "src"), "nowhere")
    plain_sentences(bare.vdt("audit", "dst", "--source", "dst"), "dst")
    plain_sentences(bare.vdt("audit", "dst", "--source", "src", "--manifest", "dst.xxh128"), "--manifest")
    plain_sentences(bare.vdt("audit", "dst", "--shard", "1/2"), "--shard")
    plain_sentences(bare.vdt("audit", ".", "--runs", "--for", "soon"), "soon")
    plain_sentences(bare.vdt("audit", "dst", "--source", "src", "--accept-source", "all"), "--repair")
    plain_sentences(
        bare.vdt("audit", "dst", "--source", "src", "--json", "dst/a.json"), "dst/a.json", "inside the copy"
    )
    plain_sentences(bare.vdt("audit", "dst", "--source", "src", "--json", "src/a.json"), "src/a.json", "the source")
    plain_sentences(
        bare.vdt("audit", "dst", "--manifest", "dst.xxh128", "--jsonl", "dst/a"), "dst/a", "inside the copy"
    )
    plain_sentences(bare.vdt("audit", ".", "--runs", "--json", "dst/a.json"), "dst/a.json", "of the runs")
    assert not (bare.root / "dst" / "a.json").exists()
    (bare.root / "bad.md5").write_text("0123456789abcdef0123456789abcdef  ../../etc/passwd\n")
    plain_sentences(bare.vdt("audit", "dst", "--manifest", "bad.md5"), "line 1", "..")
    plain_sentences(bare.drop_in("--audit", "--dry_run", RUN_ID), "--dry_run")
    plain_sentences(bare.drop_in("--repair", RUN_ID), "--audit")
