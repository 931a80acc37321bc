"""The HTML report of a run, seen from outside."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from .conftest import DROP_IN, RUN_ID, TREES, Inbox, World, partials, plain_text, wait_for


def page_of(world: World) -> Path:
    (found,) = world.logs.glob("*.html")
    assert re.fullmatch(rf"{RUN_ID}\.\d{{8}}T\d{{6}}\.html", found.name), found.name
    return found


def test_each_run_leaves_a_report_that_needs_nothing_else(world: World, inbox: Inbox) -> None:
    world.configure(port=inbox.port)
    result = world.drop_in(RUN_ID)
    assert result.code == 0, result
    path = page_of(world)
    assert f"Report: {path}" in result.out
    text = path.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    assert text.index("May the source be deleted? YES") < text.index("The trees at a glance")
    assert "<script" not in text and "http" not in text and "<svg" in text
    for tree in TREES:
        assert str(world.source(tree)) in text and f"{world.destination(tree)}.xxh128" in text
    for words in ("prefers-color-scheme: dark", "@media print", "read back past this client", RUN_ID, "Python"):
        assert words in text
    mail = inbox.only()
    assert f"- Report: {path}" in plain_text(mail)
    html = mail.get_body(("html",))
    assert html is not None
    body = html.get_content()
    assert str(path) in body and "complete, proven" in body and "<svg" not in body and "<style" not in body


def test_a_failure_is_there_with_its_reason_and_remedy(world: World) -> None:
    name = "a<b>&\x1b[1m.txt"
    (world.source("output") / name).write_bytes(b"x")
    (world.destination("output") / name).mkdir(parents=True)
    assert world.drop_in("--no_email", RUN_ID, "--copy_type", "output").code & 8
    text = page_of(world).read_text("utf-8")
    assert "a&lt;b&gt;&amp;\\x1b[1m.txt" in text and "\x1b" not in text
    assert "move the one at the destination away" in text


def test_a_run_that_was_stopped_has_one_too(world: World) -> None:
    process = world.start([*DROP_IN, "--no_email", "--bwlimit", "2M", "--copy_type", "output", "--", RUN_ID])
    wait_for(lambda: partials(world.destination("output")))
    process.send_signal(signal.SIGINT)
    assert world.end(process, timeout_s=20).code & 8
    assert "May the source be deleted? NO" in page_of(world).read_text("utf-8")


def test_a_run_that_was_refused_leaves_none(world: World) -> None:
    world.source("analysis").rename(world.root / "away")
    assert world.drop_in("--no_email", RUN_ID).code == 16
    assert not list(world.root.rglob("*.html"))


def test_an_audit_has_one(world: World) -> None:
    assert world.drop_in("--no_email", RUN_ID).code == 0
    page_of(world).unlink()
    (world.destination("output") / "experiment.json").write_bytes(b"spoiled")
    result = world.drop_in("--no_email", "--audit", RUN_ID)
    assert result.code == 8, result
    path = page_of(world)
    text = path.read_text("utf-8")
    assert "May the source be deleted? NO" in text and "experiment.json" in text and "DIFFERENT" in text
    assert f"- {path}" in (world.logs / "vizgen_data_transfer.log").read_text("utf-8")
    assert result.out.rstrip().split("\n")[-1].startswith("The source of run")


def test_a_report_that_cannot_be_written_changes_nothing_and_is_said(world: World, bound_by_modes: list[str]) -> None:
    world.prefix = bound_by_modes
    world.logs.mkdir()
    world.logs.chmod(0o555)
    result = world.drop_in("--no_email", RUN_ID)
    world.logs.chmod(0o755)
    assert result.code == 0, result
    assert "The HTML report" in result.text and "could not be written" in result.text
    assert "May the source be deleted? YES" in result.out
    assert list(world.logs.glob("*.html*")) == [] and os.listdir(world.logs) == []


def test_a_dry_run_leaves_none(world: World) -> None:
    assert world.drop_in("--no_email", "--dry_run", RUN_ID).code == 0
    assert not world.logs.exists()
