"""`vdt status` from outside: before, while, after and instead of a transfer."""

from __future__ import annotations

import json
import signal

from contract.conftest import DROP_IN, RUN_ID, World, plain_sentences, wait_for


def lock(world: World, tree: str = "raw_data"):
    return world.run_folder() / ".vdt" / tree / "lock.json"


def test_while_it_runs_and_after_it_was_killed(world: World) -> None:
    process = world.start([*DROP_IN, "--no_email", "--bwlimit", "500K", RUN_ID])
    try:
        wait_for(lock(world).exists)
        before = {path for path in world.root.rglob("*") if ".partial" not in path.name and "lock" not in path.name}
        target = world.root / "status.json"
        result = world.vdt("status", RUN_ID, "--json", str(target))
        assert result.code == 1, result.text
        assert result.out.startswith(f"{RUN_ID}: a transfer is under way.")
        assert f"process {process.pid}" in result.out and "its process runs on this computer" in result.out
        assert f"Process {process.pid} of this computer works on it: " in result.out
        status = json.loads(target.read_text("ascii"))
        progress = status["trees"]["raw_data"]["at_work"]["progress"]
        assert progress["of_files"] == 10 and progress["of_bytes"] > 4 * 2**20
        assert status["trees"]["output"]["state"] == "nothing on record"
        target.unlink()
        after = {path for path in world.root.rglob("*") if ".partial" not in path.name and "lock" not in path.name}
        assert {path for path in before - after if "raw_data" not in str(path)} == set()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    result = world.vdt("status", RUN_ID)
    assert result.code == 8 and "a transfer broke off" in result.out and "is gone" in result.out


def test_after_a_transfer(done: World) -> None:
    before = done.snapshot()
    result = done.vdt("status", RUN_ID)
    assert result.code == 0, result.text
    assert "no transfer is under way; the last one ended" in result.out and "All three trees are proven" in result.out
    assert "raw_data: proven, 10 files on record" in result.out
    assert done.snapshot() == before, "it writes nothing"
    manifest = done.run_folder() / "analysis.xxh128"
    manifest.rename(done.run_folder() / "analysis.incomplete.xxh128")
    result = done.vdt("status", RUN_ID)
    assert result.code == 8 and "analysis: not proven" in result.out


def test_bad_input(world: World) -> None:
    plain_sentences(world.vdt("status", RUN_ID), RUN_ID, "Check the run id")
    plain_sentences(world.vdt("status", "a/b"), "path separator")
    plain_sentences(world.vdt("status", RUN_ID, "--wait", "-1"), "number of seconds")
