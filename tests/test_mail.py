"""The mail: whole texts against golden files, and what survives on the way into a message.

`VDT_WRITE_GOLDEN=1` writes the golden files anew: look at the difference before it is kept.
"""

import email
import html
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.policy import SMTP
from pathlib import Path

import pytest

from vdt.model import Count, Evidence, Grew, Problem, Row, TreeResult
from vdt.vizgen.layout import CopyType
from vdt.vizgen.mail import build_message, compose
from vdt.vizgen.report import RunReport, TreeReport, Verdict
from vdt.vizgen.verdict import decide

GOLDEN = Path(__file__).parent / "golden"
RUN = "202310261058_VZGEN1_VMSC10202"
WHEN = datetime(2026, 4, 12, 18, 15, 2, tzinfo=timezone(timedelta(hours=1)))
SAMPLE = {
    CopyType.RAW_DATA: Count(8042, 11, 900719884237),
    CopyType.ANALYSIS: Count(123787, 1567, 908034287581),
    CopyType.OUTPUT: Count(43, 4, 116555448991),
}

# ---------------------------------------------------------------------------------------------------- what it says


def good_tree(kind, **changes):
    count, destination = SAMPLE[kind], f"L:\\{RUN}\\{kind.value}"
    result = TreeResult(
        source=f"Z:\\{kind.source_folder}\\{RUN}",
        destination=destination,
        started=WHEN,
        ended=WHEN,
        dirs=Row(total=count.folders + 1, copied=count.folders + 1),
        files=Row(total=count.files, copied=count.files),
        size_bytes=Row(total=count.size_bytes, copied=count.size_bytes),
        files_by_evidence={Evidence.COLD: count.files},
        bytes_by_evidence={Evidence.COLD: count.size_bytes},
        threads_used=3.2,
        reached_end=True,
        manifest=destination + ".xxh128",
        manifest_sha256=f"{len(kind.value):02x}" * 32,
    )
    listed = replace(count, folders=count.folders + 1)
    tree = TreeReport(
        copy_type=kind,
        source=result.source,
        destination=destination,
        before=count,
        after=count,
        robocopy_before=listed,
        robocopy_after=listed,
        result=result,
        log=destination + ".log",
        log_status="Complete log file",
        evidence_file=destination + ".evidence\\20260412T181502-MERSCOPE3-transfer.jsonl",
        manifest=result.manifest,
    )
    return replace(tree, **changes)


def report_of(trees, **changes):
    base = RunReport(
        run_id=RUN,
        trees=tuple(trees),
        verdict=decide(trees, error=changes.get("error", "")),
        exit_code=0,
        command=f"L:\\eivdt\\Scripts\\vizgen_data_transfer.exe {RUN}",
        elapsed_s=83228.4,
        threads=8,
        threads_used=3.2,
    )
    return replace(base, **changes)


def success():
    return report_of([good_tree(kind) for kind in CopyType])


def failure():
    raw = good_tree(CopyType.RAW_DATA)
    raw = replace(
        raw,
        after=replace(raw.after, files=8000, size_bytes=raw.after.size_bytes - 2401),
        robocopy_after=None,
        ignored_python=frozenset({"gigabytes"}),
        log_status="Incomplete log file: the summary is missing",
        manifest=raw.destination + ".incomplete.xxh128",
        result=replace(
            raw.result,
            files=Row(total=8042, copied=7900, skipped=90, failed=52, extras=2),
            files_by_evidence={
                Evidence.COLD: 7800,
                Evidence.REREAD: 99,
                Evidence.INFLIGHT: 1,
                Evidence.ON_RECORD: 80,
                Evidence.PRESENT: 10,
            },
            bytes_by_evidence={Evidence.COLD: 900000000000, Evidence.REREAD: 5, Evidence.ON_RECORD: 719000000},
            failed=tuple(Problem(f"data/stack_{n:03d}.dat", "Access is denied", 6) for n in range(52)),
            unstable=(Problem("settings/é<&>.json", "size changed while it was read", 3),),
            conflict=(Problem("old.tif", "the proven copy is newer"),),
            type_mismatch=(Problem("seg", "a file here, a folder there"),),
            unproven=(Problem("x\x1b[31m\udcff.png", "unreadable"),),
            grew=(Grew("logs/run.log", 118004, 120405),),
            changed_since=(Problem("late.csv", "new"),),
            special=(Problem("pipe", "a fifo"),),
            notes=("The share did not keep times below 2 s.",),
            retries=312,
            resumed_bytes=1073741824,
            weak_files=110,
            manifest="",
        ),
    )
    analysis = good_tree(
        CopyType.ANALYSIS, before=None, after=None, robocopy_before=None, robocopy_after=None,
        result=None, log_status="", evidence_file="", manifest="",
        error=f"The source Z:\\merfish_analysis\\{RUN} does not exist. Is the run id right?",
    )  # fmt: skip
    output = replace(analysis, copy_type=CopyType.OUTPUT, destination=f"L:\\{RUN}\\output", error="")
    return report_of([raw, analysis, output], exit_code=16, notes=("robocopy.exe was stopped after 60 s.",))


def disputed():
    """A cross-check that differs in a proven tree, one that differs in a trusted tree, and one that broke off."""
    raw, analysis, output = (good_tree(kind) for kind in CopyType)
    raw = replace(raw, robocopy_after=Count(8041, 12, 900719874237))
    analysis = replace(
        analysis,
        robocopy_after=Count(123787, 1568, 908034287000),
        ignored_robocopy=frozenset({"files"}),
        result=replace(analysis.result, files_by_evidence={Evidence.PRESENT: 123787}, manifest=""),
        manifest="",
    )
    log = f"L:\\logs\\{RUN}.output.robocopy.list_after_transfer.log"
    output = replace(
        output,
        robocopy_after=None,
        robocopy_error=f"The cross-check of {output.destination} failed: robocopy could not list everything (exit code "
        f"8). Its log is {log}. Repair that and run again, or use --robocopy_check auto or off to do without it.",
    )
    return report_of([raw, analysis, output], exit_code=9)


def assert_golden(name, text):
    path = GOLDEN / name
    if os.environ.get("VDT_WRITE_GOLDEN"):
        path.write_bytes(text.encode("utf-8"))
    assert text == path.read_text(encoding="utf-8")


def test_success_whole():
    text = compose(success())
    assert text.subject == f"Vizgen data transfer completed for run: {RUN}"
    assert_golden("mail_success.txt", text.plain)


def test_cross_check_whole():
    text = compose(disputed())
    assert text.subject == f"Vizgen data transfer failed for run: {RUN}"
    assert_golden("mail_cross_check.txt", text.plain)


def test_failure_whole():
    text = compose(failure())
    assert text.subject == f"Vizgen data transfer failed for run: {RUN}"
    assert_golden("mail_failure.txt", text.plain)


def test_the_order_is_the_promised_one():
    plain = compose(success()).plain
    marks = [
        f"Vizgen data transfer completed for run: {RUN}\n",
        "May the source be deleted? YES: Z:\\merfish_raw_data",
        "\nData location(s):\n",
        "\nData summary:\n",
        "\nData summary Python based counts:\n",
        "\nData summary Robocopy based counts:\n",
        "\nVerification:\n",
        "\nExit code(s):\n",
        "\nNote:",
        "\n- Raw directory: Copied raw_data",
        "\nLog file status:\n",
        "\nCommand executed:\n",
        f"\nTotal execution time : 23:07:08, using 8 thread(s) for run: {RUN}",
    ]
    places = [plain.index(mark) for mark in marks]
    assert places == sorted(places)
    assert plain.startswith(marks[0])


@pytest.mark.parametrize("make", [success, failure])
def test_html_says_the_same(make):
    text = compose(make())
    assert "<script" not in text.html and "http" not in text.html and "src=" not in text.html
    words = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.html)))
    for line in text.plain.splitlines():
        for cell in re.split(r"\s{2,}", line.strip()):
            if set(cell) - {"-"}:
                assert re.sub(r"^- ", "", cell) in words, cell
    assert text.html.index("May the source be deleted?") < text.html.index("Data location(s):")


def test_markup_in_names_is_escaped():
    text = compose(failure())
    assert "settings/é&lt;&amp;&gt;.json" in text.html
    assert "<&>" in text.plain


@pytest.mark.parametrize("make", [success, failure])
def test_no_control_character_and_nothing_that_cannot_be_encoded(make):
    text = compose(make())
    for form in (text.subject, text.plain, text.html):
        form.encode("utf-8")
        assert all(c.isprintable() or c == "\n" for c in form)
    if make is failure:
        assert "failed: x\\x1b[31m\\udcff.png, unreadable" in text.plain


def test_a_list_is_cut_at_fifty_and_says_where_the_rest_is():
    plain = compose(failure()).plain
    assert plain.count("- failed: data/") == 50 and plain.count("- failed: ") == 52  # one is there and was not read
    assert "data/stack_049.dat" in plain and "data/stack_050.dat" not in plain
    assert f"- failed: and 2 more; the full list is in L:\\{RUN}\\raw_data.log" in plain


def test_a_run_that_ended_before_any_tree():
    text = compose(report_of([], error="Interrupted by Ctrl-C.", exit_code=8, elapsed_s=3.0))
    assert text.subject.startswith("Vizgen data transfer failed")
    assert "May the source be deleted? NO: Interrupted by Ctrl-C.\n" in text.plain
    assert "Total execution time : 0:00:03" in text.plain
    for heading in ("Data location(s):", "Verification:", "Exit code(s):", "Log file status:", "Command executed:"):
        assert heading in text.plain


def test_an_error_that_is_not_the_verdict_is_told_too():
    report = report_of([], error="Disk on fire.", verdict=Verdict(False, "1 file failed."), exit_code=16)
    assert "What ended the run: Disk on fire." in compose(report).plain


def test_robocopys_own_number_makes_no_failure():
    assert " completed " in compose(replace(success(), exit_code=3)).subject


# ------------------------------------------------------------------------------------------------------ the message


def message_of(text):
    addressees = ("lab@example.org", "Core <core@example.org>")
    return build_message(text, "merscope@example.org", addressees, WHEN, "pc 3")


def test_message_is_alternative_plain_first_and_survives_the_wire():
    text = compose(failure())
    message = email.message_from_bytes(message_of(text).as_bytes(policy=SMTP), policy=SMTP)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert plain.get_content().replace("\r\n", "\n") == text.plain
    assert rich.get_content().replace("\r\n", "\n") == text.html
    assert message["Date"] == "Sun, 12 Apr 2026 18:15:02 +0100"
    assert message["To"] == "lab@example.org, Core <core@example.org>"
    assert message["Message-ID"].endswith("@pc-3>")


def test_no_header_can_be_injected():
    text = compose(replace(success(), run_id="R\r\nBcc: evil@example.org"))
    message = message_of(text)
    assert message["Bcc"] is None
    assert "\\x0d\\x0aBcc" in message["Subject"]
    assert b"\nBcc:" not in message.as_bytes()
