"""`vdt may-delete`: YES only where everything is on record, and every way to get it wrongly."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from contract.conftest import RUN_ID, TREES, Result, World, files_of, plain_sentences, set_time, write


def ask(world: World, *args: str, run_id: str = RUN_ID) -> Result:
    target = world.root / "answer.json"
    target.unlink(missing_ok=True)
    result = world.vdt("may-delete", run_id, "--json", str(target), *args)
    return result._replace(json=json.loads(target.read_text("ascii")) if target.exists() else None)


def test_yes_names_the_exact_folders_first(done: World) -> None:
    before = done.snapshot()
    result = ask(done)
    assert result.code == 0, result.text
    folders = ", ".join(str(done.source(tree)) for tree in TREES)
    assert result.out.split("\n")[0] == f"May the source be deleted? YES: {folders}"
    assert "This is one copy" in result.out
    assert result.json["verdict"]["folders"] == folders.split(", ")
    manifest = done.run_folder() / "raw_data.xxh128"
    assert result.json["verdict"]["manifests"][0]["path"] == str(manifest)
    (done.root / "answer.json").unlink()
    assert done.snapshot() == before, "nothing is written, not even on this machine"


def test_no_file_of_a_tree_is_read(done: World) -> None:
    """Access times would move: each lies an hour before the time of change."""
    files = [path for root in (done.analysis, done.run_folder()) for path in root.rglob("*") if path.is_file()]
    trees = [path for path in files if not path.name.endswith((".xxh128", ".log", ".jsonl"))]
    for path in trees:
        set_time(path, path.stat().st_mtime_ns)
    before = {path: path.stat().st_atime_ns for path in trees}
    assert ask(done).code == 0
    assert {path: path.stat().st_atime_ns for path in trees} == before and len(trees) >= 60


def _touch(path: Path) -> None:
    set_time(path, path.stat().st_mtime_ns + 10**9)


def _same_size(path: Path) -> None:
    """Other bytes under the same time: the time has to move too, or nobody could see it."""
    path.write_bytes(path.read_bytes()[::-1])


def _lines(world: World, change: Callable[[Dict[str, Any]], Any], *, name: str = "experiment.json") -> None:
    """Rewrite the evidence of raw_data."""
    for path in (world.run_folder() / "raw_data.evidence").iterdir():
        kept = []
        for line in map(json.loads, path.read_text("ascii").splitlines()):
            kept.append(change(line) if line["path"] == name else line)
        path.write_text("".join(json.dumps(line) + "\n" for line in kept if line), "ascii")


def _more(world: World, **changes: Any) -> None:
    """A later line of evidence, of another host."""
    folder = world.run_folder() / "raw_data.evidence"
    line = json.loads(next(folder.iterdir()).read_text("ascii").splitlines()[0])
    changes = {key: value(line) if callable(value) else value for key, value in changes.items()}
    name = "29990101T000000-elsewhere-audit.jsonl"
    (folder / name).write_text(json.dumps({**line, **changes}) + "\n", "ascii")


def _incomplete(world: World) -> None:
    manifest = world.run_folder() / "raw_data.xxh128"
    manifest.rename(world.run_folder() / "raw_data.incomplete.xxh128")


def _both_manifests(world: World) -> None:
    shutil.copy(world.run_folder() / "raw_data.xxh128", world.run_folder() / "raw_data.incomplete.xxh128")


def _manifest_line(world: World, *, drop: bool) -> None:
    manifest = world.run_folder() / "raw_data.xxh128"
    lines = manifest.read_text("utf-8").splitlines(keepends=True)
    manifest.write_text("".join(lines[1:] if drop else ["f" * 32 + lines[0][32:], *lines[1:]]), "utf-8")


def _locked(world: World) -> None:
    state = world.run_folder() / ".vdt" / "raw_data"
    state.mkdir(parents=True)
    (state / "lock.json").write_text("{}")


def _half_a_log(world: World) -> None:
    log = world.run_folder() / "raw_data.log"
    with log.open("ab") as file:
        file.write(log.read_bytes()[:700])


ATTACKS: Dict[str, Callable[[World], object]] = {
    "a new file at the source": lambda w: write(w.source() / "data" / "late.dat", b"new"),
    "a new empty file": lambda w: write(w.source() / "empty" / "nothing", b""),
    "a new empty folder": lambda w: (w.source() / "data" / "fresh").mkdir(),
    "the source was changed": lambda w: _same_size(w.source() / "experiment.json"),
    "the source was touched": lambda w: _touch(w.source() / "settings/größe_µm.csv"),
    "the run is not finished": lambda w: [
        (tree / "MERLIN_FINISHED").unlink() for tree in (w.source(), w.destination())
    ],
    "the source grew": lambda w: (w.source() / "experiment.json").open("ab").write(b"more"),
    "a file of the copy is gone": lambda w: (w.destination() / "data/nested/one.bin").unlink(),
    "a file of the copy was touched": lambda w: _touch(w.destination() / "data/nested/one.bin"),
    "a file of the copy was cut": lambda w: os.truncate(w.destination() / "data/nested/one.bin", 7),
    "a file became a folder": lambda w: [
        (w.destination() / "settings/größe_µm.csv").unlink(),
        (w.destination() / "settings/größe_µm.csv").mkdir(),
    ],
    "an empty folder of the copy is gone": lambda w: (w.destination() / "empty").rmdir(),
    "a tree of the copy is gone": lambda w: shutil.rmtree(w.destination("output")),
    "a tree of the source is gone": lambda w: shutil.rmtree(w.source("analysis")),
    "a fifo": lambda w: os.mkfifo(w.source() / "pipe"),
    "a link that leads out": lambda w: (w.source() / "out").symlink_to("/etc/hostname"),
    "a link that leads out on both sides": lambda w: [
        (side / "out").symlink_to("/etc/hostname") for side in (w.source(), w.destination())
    ],
    "a link that leads elsewhere": lambda w: [
        (w.source() / "in").symlink_to("experiment.json"),
        (w.destination() / "in").symlink_to("data"),
    ],
    "no evidence": lambda w: shutil.rmtree(w.run_folder() / "raw_data.evidence"),
    "a line less": lambda w: _lines(w, lambda line: None),
    "an older record": lambda w: _lines(w, lambda line: {**line, "mtime_ns": line["mtime_ns"] - 1}),
    "only recorded": lambda w: _lines(w, lambda line: {**line, "evidence": "recorded"}),
    "only hashed in flight": lambda w: _lines(w, lambda line: {**line, "evidence": "inflight"}),
    "only read back": lambda w: _lines(w, lambda line: {**line, "evidence": "reread"}),
    "present is no evidence": lambda w: _lines(w, lambda line: {**line, "evidence": "present"}),
    "on record of nothing": lambda w: _lines(w, lambda line: {**line, "evidence": "on_record"}),
    "another size on record": lambda w: _lines(w, lambda line: {**line, "size": line["size"] + 1}),
    "an audit found it wrong": lambda w: _more(w, evidence="none"),
    "two hosts disagree": lambda w: _more(w, xxh128="0" * 32),
    "an incomplete manifest": _incomplete,
    "an incomplete manifest beside": _both_manifests,
    "no manifest": lambda w: (w.run_folder() / "raw_data.xxh128").unlink(),
    "a manifest of less": lambda w: _manifest_line(w, drop=True),
    "a manifest of others": lambda w: _manifest_line(w, drop=False),
    "a transfer at work": _locked,
    "a log without its end": _half_a_log,
}


REASONS = {
    "a new empty folder": "data/fresh (the folder is in the source, not at the destination)",
    "an empty folder of the copy is gone": "empty (the folder",
    "a file of the copy is gone": "data/nested/one.bin (it is in the source, not at the destination)",
    "a tree of the copy is gone": "There is no copy of output",
    "a fifo": "pipe (a socket, fifo or device)",
    "no evidence": "10 files of raw_data could not be proven",
    "only read back": "1 file of raw_data was not read back past this client's cache",
    "a transfer at work": "A transfer of raw_data is at work, or did not reach its end",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_a_no_with_a_reason(done: World, name: str) -> None:
    ATTACKS[name](done)
    result = ask(done)
    assert result.code == 8, result.text
    first = result.out.split("\n")[0]
    assert first.startswith("May the source be deleted? NO: ") and first.endswith(".")
    assert result.json["verdict"] == {
        "may_delete_source": False,
        "reason": first.partition("NO: ")[2],
        "line": first,
        "folders": [],
        "manifests": [],
    }
    assert any(word in first for word in ("raw_data", "analysis", "output")), first
    assert REASONS.get(name, "") in first


@pytest.mark.parametrize(
    "options", [["--verify", "none"], ["--verify", "reread"], ["--copy_type", "raw_data", "analysis"]], ids=str
)
def test_a_transfer_that_said_no_is_not_overruled(world: World, options: list) -> None:
    assert not world.transfer(*options).json["verdict"]["may_delete_source"]
    assert ask(world).code == 8


def test_files_that_were_trusted_are_not_proven(world: World) -> None:
    for tree in TREES:
        shutil.copytree(world.source(tree), world.destination(tree), copy_function=shutil.copy2)
    assert not world.transfer("--existing", "trust").json["verdict"]["may_delete_source"]
    result = ask(world)
    assert result.code == 8 and "no digest is on record" in result.out


def test_what_an_option_leaves_out_is_a_no(done: World) -> None:
    done.configure(rsync="-av --exclude=*.bin")
    result = ask(done)
    assert result.code == 8 and "may keep files of the source out" in result.out


def test_an_audit_makes_it_a_yes(world: World) -> None:
    """A copy that nobody proved, read by an audit: the evidence of whoever read it counts."""
    for tree in TREES:
        shutil.copytree(world.source(tree), world.destination(tree), copy_function=shutil.copy2)
    assert ask(world).code == 8
    assert any(world.drop_in("--audit", "--no_email", RUN_ID).code == 0 and ask(world).code == 0 for _ in range(6))


def test_what_only_the_destination_holds_is_no_reason(done: World) -> None:
    write(done.destination() / "notes.txt", b"of the lab")
    result = ask(done)
    assert result.code == 0 and "only at the destination: 1" in result.out


def test_a_source_that_lost_files_holds_nothing_unproven(done: World) -> None:
    (done.source() / "experiment.json").unlink()
    assert ask(done).code == 0


def test_it_says_what_a_transfer_says_next(done: World) -> None:
    write(done.source() / "late.dat", b"new")
    assert ask(done).code == 8
    assert any(done.transfer().json["verdict"]["may_delete_source"] for _ in range(6))
    assert ask(done).code == 0


def test_names_are_escaped(done: World) -> None:
    write(done.source() / "a\x1b[31mred", b"x")
    result = ask(done)
    assert result.code == 8 and "\x1b" not in result.text and "\\x1b[31mred" in result.out


def test_what_cannot_be_looked_at_is_16(done: World) -> None:
    other = "202310261058_VZGEN1_VMSC10209"
    plain_sentences(done.vdt("may-delete", other), f"There is no run {other}", f"Did you mean {RUN_ID}?")
    plain_sentences(done.vdt("may-delete", "../etc"), "path separator")
    plain_sentences(done.vdt("may-delete"), "RUN_ID", "vdt may-delete --help")
    plain_sentences(done.vdt("may-delete", RUN_ID, "--vizgen_config", "nowhere.toml"), "nowhere.toml")
    inside = str(done.source() / "answer.json")
    plain_sentences(done.vdt("may-delete", RUN_ID, "--json", inside), "never written")
    assert not os.path.exists(inside)
    done.isilon.rename(done.root / "away")
    plain_sentences(done.vdt("may-delete", RUN_ID), "Isilon drive")


def test_an_empty_run_is_what_a_transfer_says_of_it(empty_world: World) -> None:
    for tree in TREES:
        empty_world.source(tree).mkdir(parents=True)
    said = empty_world.transfer().json["verdict"]["may_delete_source"]
    assert (ask(empty_world).code == 0) == said


CHANGES: List[Callable[[World, random.Random], object]] = [
    lambda w, dice: write(w.source(dice.choice(list(TREES))) / f"new{dice.random()}", b"new"),
    lambda w, dice: write(w.destination(dice.choice(list(TREES))) / f"extra{dice.random()}", b"extra"),
    lambda w, dice: dice.choice(sorted(files_of(w.source()).values())).unlink(),
    lambda w, dice: dice.choice(sorted(files_of(w.destination()).values())).unlink(),
    lambda w, dice: _touch(dice.choice(sorted(files_of(w.source()).values()))),
    lambda w, dice: _touch(dice.choice(sorted(files_of(w.destination()).values()))),
    lambda w, dice: _more(w, evidence=dice.choice(["none", "cold", "reread", "recorded", "both"])),
    lambda w, dice: (w.source() / f"link{dice.random()}").symlink_to(dice.choice(["experiment.json", "/etc/hostname"])),
    lambda w, dice: (w.run_folder() / "raw_data.xxh128").unlink(missing_ok=True),
    lambda w, dice: None,
]


@pytest.mark.parametrize("seed", range(12))
def test_a_yes_is_what_a_transfer_says_then_and_it_copies_nothing(done: World, seed: int) -> None:
    """Work at random. Where the answer is yes, a transfer agrees without a byte; what it says no to is no here too."""
    dice = random.Random(seed)
    for change in dice.choices(CHANGES, k=dice.randint(1, 3)):
        change(done, dice)
    answer = ask(done)
    assert answer.code in (0, 8), answer.text
    result = done.transfer()
    said = result.json["verdict"]["may_delete_source"]
    copied = sum(tree["counts"]["files"]["copied"] for tree in result.json["trees"].values())
    if answer.code == 0:
        assert said and not copied, (answer.out, result.json["verdict"])
    if said:  # and a transfer that said yes leaves a yes
        assert ask(done).code == 0
