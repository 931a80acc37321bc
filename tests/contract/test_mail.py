"""The mail at the end of a run, through a real server on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import signal

import pytest

from .conftest import DROP_IN, RUN_ID, TREES, Inbox, World, files_of, partials, plain_text, snapshot, wait_for

RULE = "-" * 88
HEADINGS = f"{'Status':<16}{'Total Files':<18}{'Total Folders':<18}{'Total Size (GB)':<18}{'Total Size (Bytes)':<18}"
GB = 1024**3


def row(label: str, files: int, folders: int, size: int) -> str:
    return f"{label:<16}{files:<18}{folders:<18}{f'{size / GB:.3f}':<18}{size:<18}"


def in_order(text: str, *parts: str) -> None:
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing or out of order in:\n{text}"
        at = found + len(part)


@pytest.fixture
def posted(world: World, inbox: Inbox) -> World:
    world.configure(port=inbox.port)
    return world


def test_mail_of_a_complete_run(posted: World, inbox: Inbox) -> None:
    result = posted.drop_in("--threads", "3", RUN_ID)
    assert result.code == 0, result
    mail = inbox.only()
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    subject = f"Vizgen data transfer completed for run: {RUN_ID}"
    assert mail["Subject"] == subject
    assert mail["From"] == "merscope@example.org"
    assert inbox.envelopes[0].rcpt_tos == ["first@example.org", "second@example.org"]
    text = plain_text(mail)
    assert text.startswith(subject + "\n")
    folders = ", ".join(str(posted.source(t)) for t in TREES)
    in_order(
        text,
        subject,
        f"May the source be deleted? YES: {folders}",
        "Data location(s):",
        f"- Raw directory: {posted.destination('raw_data')}",
        f"- Analysis directory: {posted.destination('analysis')}",
        f"- Output directory: {posted.destination('output')}",
        "Data summary:",
        "Data summary Python based counts:",
        "Raw_Data Transfer Summary",
        "SUCCESS: 'raw_data'",
        "Data summary Python based counts:",
        "Analysis Transfer Summary",
        "SUCCESS: 'analysis'",
        "Data summary Python based counts:",
        "Output Transfer Summary",
        "SUCCESS: 'output'",
        "Verification:",
        "Exit code(s):",
        "8",
        "- Raw directory: ",
        "robocopy exit code '1': ",
        "- Analysis directory: ",
        "- Output directory: ",
        "Log file status:",
        "- Raw directory: Complete log file",
        "Command executed:",
        RUN_ID,
        "Total execution time : ",
    )
    assert re.search(rf"^Total execution time : \d+:\d\d:\d\d, using 3 thread\(s\) for run: {RUN_ID}", text, re.M)
    assert "Robocopy based counts" not in text
    assert "this is one copy" in text.lower()
    for tree in TREES:
        assert hashlib.sha256((posted.run_folder() / f"{tree}.xxh128").read_bytes()).hexdigest() in text


def test_table_of_counts_to_the_letter(posted: World, inbox: Inbox) -> None:
    assert posted.drop_in(RUN_ID).code == 0
    text = plain_text(inbox.only())
    size = sum(p.stat().st_size for p in files_of(posted.source()).values())
    table = [
        "Raw_Data Transfer Summary", RULE, HEADINGS, RULE,
        row("Before Transfer", 10, 5, size), row("After Transfer", 10, 5, size), RULE,
    ]  # fmt: skip
    lines = text.splitlines()
    at = lines.index("Raw_Data Transfer Summary")
    assert [line.rstrip() for line in lines[at : at + 7]] == [line.rstrip() for line in table]
    assert lines[at + 7].startswith("SUCCESS: ")


def test_html_says_the_same(posted: World, inbox: Inbox) -> None:
    assert posted.drop_in(RUN_ID, "--copy_type", "output").code == 0
    body = inbox.only().get_body(("html",))
    assert body is not None
    html = body.get_content()
    assert "May the source be deleted?" in html and "After Transfer" in html and RUN_ID in html


def test_mail_of_a_missing_tree(posted: World, inbox: Inbox) -> None:
    posted.source("analysis").rename(posted.root / "away")
    result = posted.drop_in(RUN_ID)
    assert result.code == 16, result
    mail = inbox.only()
    assert mail["Subject"] == f"Vizgen data transfer failed for run: {RUN_ID}"
    text = plain_text(mail)
    in_order(
        text,
        f"Vizgen data transfer failed for run: {RUN_ID}",
        "May the source be deleted? NO: ",
        "Data location(s):",
        "Data summary:",
        "Verification:",
        "Exit code(s):",
        "Log file status:",
        "Command executed:",
        "Total execution time : ",
    )
    assert str(posted.source("analysis")) in text
    assert "'16'" in text


def test_mail_names_failed_files(posted: World, inbox: Inbox, bound_by_modes: list[str]) -> None:
    posted.prefix = bound_by_modes
    posted.configure(port=inbox.port, vdt="retries = 0")
    (posted.source("output") / "experiment.json").chmod(0)
    result = posted.drop_in(RUN_ID, "--copy_type", "output")
    assert result.code == 9, result
    text = plain_text(inbox.only())
    assert inbox.only()["Subject"].startswith("Vizgen data transfer failed")
    verification = text[text.index("Verification:") : text.index("Exit code(s):")]
    assert "experiment.json" in verification and "ermission denied" in verification
    assert "ERROR: 'output'" in text
    assert "robocopy exit code '9'" in text


def test_ctrl_c_sends_a_mail(posted: World, inbox: Inbox) -> None:
    process = posted.start([*DROP_IN, "--bwlimit", "2M", "--copy_type", "output", "--", RUN_ID])
    wait_for(lambda: partials(posted.destination("output")))
    process.send_signal(signal.SIGINT)
    result = posted.end(process, timeout_s=20)
    assert result.code & 8 and result.code < 16, result
    assert inbox.only()["Subject"] == f"Vizgen data transfer failed for run: {RUN_ID}"
    assert "May the source be deleted? NO" in plain_text(inbox.only())


def test_failed_run_without_a_run_folder_sends_a_mail(posted: World, inbox: Inbox) -> None:
    result = posted.drop_in("NO_SUCH_RUN")
    assert result.code == 16, result
    assert inbox.only()["Subject"] == "Vizgen data transfer failed for run: NO_SUCH_RUN"


@pytest.mark.slow
def test_mail_that_cannot_be_sent_is_kept_and_sent_by_the_next_run(posted: World, inbox: Inbox) -> None:
    inbox.close()
    result = posted.drop_in(RUN_ID)
    assert result.code == 0, "a mail that fails changes no verdict"
    (kept,) = posted.logs.glob("*.eml")
    assert re.fullmatch(rf"{RUN_ID}\.\d[\dT:_+-]*[^/]*\.eml", kept.name), kept.name
    assert b"Vizgen data transfer completed" in kept.read_bytes()
    assert "mail" in result.text.lower()
    assert kept.name in result.text or "eml" in (posted.logs / "vizgen_data_transfer.log").read_text("utf-8")
    inbox.open()
    assert posted.drop_in(RUN_ID).code == 0
    assert [m["Subject"] for m in inbox.mails] == [f"Vizgen data transfer completed for run: {RUN_ID}"] * 2
    assert list(posted.logs.glob("*.eml")) == []
    assert [p for p in posted.state.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("option", ["--dry_run", "--no_email"])
def test_no_mail(posted: World, inbox: Inbox, option: str) -> None:
    was = snapshot(posted.root)
    assert posted.drop_in(option, RUN_ID).code == 0
    assert inbox.mails == []
    assert (snapshot(posted.root) == was) == (option == "--dry_run")
    assert not list(posted.root.rglob("*.eml"))


def test_no_email_needs_no_mail_keys(world: World) -> None:
    world.configure(smtp_server="", sender_email="")
    assert world.drop_in("--no_email", RUN_ID, "--copy_type", "output").code == 0


def test_addressees_of_older_files(posted: World, inbox: Inbox) -> None:
    text = posted.config.read_text("utf-8")
    text = re.sub(r"\[(production|development)\]\naddressees = .*\n", "", text)
    posted.config.write_text('addressees = ["old@example.org"]\n' + text, "utf-8")
    assert posted.drop_in(RUN_ID, "--copy_type", "output").code == 0
    assert inbox.envelopes[0].rcpt_tos == ["old@example.org"]


def test_mail_without_control_characters(posted: World, inbox: Inbox) -> None:
    bad = posted.source("output") / "esc\x1b[31m\r\nSubject: x\udcff.txt"
    bad.write_bytes(b"x")
    (posted.destination("output") / bad.name).mkdir(parents=True)
    result = posted.drop_in(RUN_ID, "--copy_type", "output", "--json", "result.json")
    assert result.code & 8, result
    found = json.loads((posted.root / "result.json").read_text("ascii"))
    assert [e["path"] for e in found["trees"]["output"]["type_mismatch"]] == [bad.name]
    text = plain_text(inbox.only())
    assert "Subject: x" in text and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert b"\x1b" not in inbox.envelopes[0].content
    assert "\x1b" not in result.text
    log = (posted.run_folder() / "output.log").read_bytes() + (posted.logs / "vizgen_data_transfer.log").read_bytes()
    assert b"\x1b" not in log and b"\nSubject: x" not in log
