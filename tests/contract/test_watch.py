"""`vdt watch` seen from outside."""

from __future__ import annotations

import signal
from typing import Iterator

import pytest

from .conftest import MARKERS, RUN_ID, VDT, Inbox, World, plain_sentences, plain_text, snapshot, wait_for

SECOND = "202401261424_20240126M134UWA7648CX22PuS6_VMSC10102"
UNFINISHED = "202506221112_BICAN-4x1-MGM1-E-03_VMSC31910"
SMALL = 5000


@pytest.fixture
def many(empty_world: World, inbox: Inbox) -> Iterator[World]:
    """Two finished runs and one that is not."""
    world = empty_world
    for run_id in (RUN_ID, SECOND):
        world.make_run(run_id, large_bytes=SMALL)
    world.make_run(UNFINISHED, large_bytes=SMALL, markers=False)
    world.finish(UNFINISHED, markers=MARKERS[:2])
    world.configure(port=inbox.port, vdt="settle_s = 0.1")
    yield world


def test_once_transfers_each_finished_run_with_a_mail_each(many: World, inbox: Inbox) -> None:
    was = snapshot(many.analysis)
    result = many.vdt("watch", "--once")
    assert result.code == 0, result
    assert [mail["Subject"] for mail in inbox.mails] == [
        f"Vizgen data transfer completed for run: {run_id}" for run_id in (RUN_ID, SECOND)
    ]
    assert all("May the source be deleted? YES" in plain_text(mail) for mail in inbox.mails)
    assert "vdt watch --once" in plain_text(inbox.mails[0])
    assert snapshot(many.analysis) == was
    assert not many.run_folder(UNFINISHED).exists()
    assert f"1 not finished ({UNFINISHED}: MERLIN_FINISHED)" in result.out.splitlines()[-1]
    again = many.vdt("watch", "--once")
    assert again.code == 0 and len(inbox.mails) == 2 and "3 run(s), 2 proven" in again.out


def test_a_run_that_becomes_finished_follows_and_ctrl_c_ends_it(many: World, inbox: Inbox) -> None:
    first = many.vdt("watch", "--once")
    assert first.code == 0 and first.out.count("lies still for 0.1 s") == 2, "once a run"
    process = many.start([*VDT, "watch", "--interval", "1"])
    assert process.stdout is not None
    while b"next look in 1 s" not in process.stdout.readline():
        pass
    many.finish(UNFINISHED)
    wait_for(lambda: len(inbox.mails) == 3, 40)
    while b"3 proven" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    assert many.end(process).code == 0
    assert UNFINISHED in inbox.mails[-1]["Subject"]


def test_a_run_that_fails_is_mailed_once_and_spares_no_other(many: World, inbox: Inbox) -> None:
    target = many.destination("output") / "experiment.json"
    target.mkdir(parents=True)
    assert many.vdt("watch", "--once").code & 8
    assert [mail["Subject"].split()[3] for mail in inbox.mails] == ["failed", "completed"]
    again = many.vdt("watch", "--once")
    assert again.code == 8 and len(inbox.mails) == 2
    assert f"{RUN_ID}: tried 1 time(s), again after " in again.out


def test_only_the_runs_that_are_named(many: World) -> None:
    result = many.vdt("watch", "--once", "--no-email", "--runs", "2024*")
    assert result.code == 0 and many.run_folder(SECOND).exists() and not many.run_folder().exists()


def test_never_two_watches_at_once(many: World) -> None:
    first = many.start([*VDT, "watch", "--no-email", "--interval", "60", "--runs", "none"])
    assert first.stdout is not None
    while b"next look" not in first.stdout.readline():
        pass
    plain_sentences(many.vdt("watch", "--once", "--no-email"), "the watch over", "process")
    first.send_signal(signal.SIGINT)
    assert many.end(first).code == 0


def test_drives_that_are_away_are_said_and_looked_at_again(many: World) -> None:
    many.isilon.rename(many.root / "elsewhere")
    process = many.start([*VDT, "watch", "--no-email", "--interval", "1"])
    assert process.stdout is not None
    line = process.stdout.readline()
    assert str(many.isilon).encode() in line and b"looked at again in the next round" in line
    (many.root / "elsewhere").rename(many.isilon)
    while b"2 proven" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert many.end(process).code == 0


def test_what_cannot_be_watched_is_refused(many: World) -> None:
    many.configure(vdt='existing = "trust"')
    plain_sentences(many.vdt("watch", "--once", "--no-email"), 'existing = "trust"', "no run is ever proven")
    plain_sentences(many.vdt("watch", "--interval", "0"), "interval")
    plain_sentences(many.vdt("watch", "--vizgen-config", "none.toml"), "none.toml")
