"""Is the run finished? `--require_finished`, `--wait_finished` and what is said where neither is given."""

from __future__ import annotations

import signal
import time

from .conftest import DROP_IN, MARKERS, RUN_ID, Inbox, World, plain_sentences, plain_text, snapshot


def test_an_unfinished_run_is_copied_and_named_and_its_source_stays(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    (world.source() / "MERLIN_FINISHED").unlink()
    result = world.drop_in("--json", "result.json", RUN_ID)
    assert result.code == 0, "what is there was copied"
    sentence = f"The run is not finished: MERLIN_FINISHED is missing in {world.source()}"
    lines = result.out.splitlines()
    assert any(sentence in line for line in lines[:4]), lines
    assert f"May the source be deleted? NO: {sentence}" in plain_text(inbox.only()).splitlines()[2]
    assert world.source("output").is_dir()


def test_the_mail_warns_where_the_answer_has_another_reason(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    (world.source() / "EXPERIMENT_FINISHED").unlink()
    result = world.drop_in("--existing", "trust", RUN_ID, "--robocopy_check", "off")
    assert result.code == 0
    extra = world.destination("output") / "data/nested/one.bin"
    extra.unlink()
    extra.mkdir()
    assert world.drop_in(RUN_ID).code & 8
    text = plain_text(inbox.mails[-1])
    assert "NO: 1 file of output is a file on one side" in text
    assert "\nWARNING: The run is not finished: EXPERIMENT_FINISHED is missing" in text[: text.index("Data location")]


def test_require_finished_refuses_before_anything_is_touched(world: World) -> None:
    (world.source() / "RAW_DATA_SYNC_FINISHED").unlink()
    was = snapshot(world.isilon), snapshot(world.analysis)
    result = world.drop_in("--no_email", "--require_finished", RUN_ID)
    plain_sentences(result, "RAW_DATA_SYNC_FINISHED", str(world.source()), "--wait_finished")
    logs = {key for key in snapshot(world.isilon) if key.startswith("logs")}
    assert {k: v for k, v in snapshot(world.isilon).items() if k not in logs} == was[0]
    assert snapshot(world.analysis) == was[1]
    world.finish()
    assert world.drop_in("--no_email", "--require_finished", RUN_ID).code == 0


def test_wait_finished_waits_for_the_flags_and_for_quiet(world: World) -> None:
    world.configure(vdt="settle_s = 0.5")
    (world.source() / "MERLIN_FINISHED").unlink()
    process = world.start([*DROP_IN, "--no_email", RUN_ID, "--wait_finished", "1"])
    assert process.stdout is not None
    first = b""
    while b"Waiting for MERLIN_FINISHED" not in first:
        first += process.stdout.readline()
    assert not world.run_folder().exists()
    world.finish()
    result = world.end(process)
    assert result.code == 0, result
    assert "May the source be deleted?" in result.out
    assert "lies still for 0.5 s" in result.out
    assert (world.destination() / "MERLIN_FINISHED").exists()


def test_wait_finished_gives_up_when_its_hours_are_over(world: World) -> None:
    (world.source() / "MERLIN_FINISHED").unlink()
    result = world.drop_in("--no_email", RUN_ID, "--wait_finished", "0.0001")
    plain_sentences(result, "MERLIN_FINISHED", "Nothing was copied")
    assert not world.run_folder().exists()


def test_ctrl_c_ends_the_wait(world: World) -> None:
    (world.source() / "MERLIN_FINISHED").unlink()
    process = world.start([*DROP_IN, "--no_email", RUN_ID, "--wait_finished"])
    assert process.stdout is not None
    while b"Waiting for" not in process.stdout.readline():
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = world.end(process)
    assert time.monotonic() - began < 15
    assert result.code == 8 and "nothing was copied" in result.text
    assert not world.run_folder().exists()


def test_a_run_that_is_not_there_is_not_waited_for(world: World) -> None:
    plain_sentences(world.drop_in("--no_email", "NO_SUCH_RUN", "--wait_finished"), "NO_SUCH_RUN", "Check the run id")


def test_the_run_id_behind_the_option_is_explained(world: World) -> None:
    plain_sentences(world.drop_in("--wait_finished", RUN_ID), RUN_ID, "put it before --wait_finished")
    assert world.drop_in("--no_email", "--wait_finished", "--", RUN_ID, "--nonsense").code == 16


def test_a_facility_may_say_which_flags_count(world: World) -> None:
    for name in MARKERS[:2]:
        (world.source() / name).unlink()
    world.configure(vdt='finished_markers = ["MERLIN_FINISHED"]')
    result = world.drop_in("--no_email", "--require_finished", RUN_ID)
    assert result.code == 0 and "not finished" not in result.text
    world.configure(vdt='finished_markers = ["DONE"]')
    plain_sentences(world.drop_in("--no_email", RUN_ID), "finished_markers", "MERLIN_FINISHED")


def test_an_audit_says_no_for_an_unfinished_run(world: World) -> None:
    assert world.drop_in("--no_email", RUN_ID).code == 0
    (world.source() / "EXPERIMENT_FINISHED").unlink()
    (world.destination() / "EXPERIMENT_FINISHED").unlink()
    result = world.drop_in("--no_email", "--audit", RUN_ID)
    assert result.code == 0, result
    assert "must be kept: the run is not finished" in result.out
