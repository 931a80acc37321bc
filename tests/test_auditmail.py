"""The mail of an audited run: whole texts against golden files, and the sentence that answers the question.

`VDT_WRITE_GOLDEN=1` writes the golden files anew: look at the difference before it is kept.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Tuple

import pytest

from vdt.diagnosis import Diagnosis
from vdt.findings import AuditResult, Finding, closing_sentence
from vdt.model import Evidence, Judged, Side
from vdt.vizgen.auditmail import AuditedTree, Said, audit_mail, audit_page, audit_said, objection
from vdt.vizgen.layout import CopyType, TreePaths
from vdt.vizgen.mail import MailText
from vdt.vizgen.report import About

RUN = "202310261058_VZGEN1_VMSC10202"
WHEN = datetime(2026, 4, 12, 18, 15, 2, tzinfo=timezone(timedelta(hours=1)))
GOLDEN = Path(__file__).parent / "golden"
SIZES = {CopyType.RAW_DATA: (8042, 900719884237), CopyType.ANALYSIS: (123787, 908034287581), CopyType.OUTPUT: (43, 4)}


def audited(kind: CopyType, **changes: Any) -> AuditedTree:
    place = f"L:\\{RUN}\\{kind.value}"
    rest = ("", f"{place}.xxh128", "", "", "", "", "")
    paths = TreePaths(kind, f"Z:\\{kind.source_folder}\\{RUN}", place, *rest)
    files, size_bytes = SIZES[kind]
    result = AuditResult(
        place,
        f"source {paths.source}",
        paths.source,
        "merscope3",
        WHEN,
        WHEN,
        files={Judged.OK: files},
        size_bytes={Judged.OK: size_bytes},
        by_evidence={Evidence.COLD: files},
        reached_end=True,
        evidence_file=f"{place}.evidence\\20260412T181502-merscope3-audit.jsonl",
    )
    return AuditedTree(paths, replace(result, **changes))


def right(**changes: Any) -> Tuple[AuditedTree, ...]:
    return tuple(audited(kind, **changes) for kind in CopyType)


def said(trees: Tuple[AuditedTree, ...], error: str = "") -> Said:
    reason = objection(trees, error)
    passed = not error and not any(tree.exit_code for tree in trees)
    return audit_said(
        RUN, trees, error, passed=passed, reason=reason, notes=(), command="vdt", threads=8, elapsed_s=3725
    )


def mail(trees: Tuple[AuditedTree, ...], error: str = "") -> MailText:
    return audit_mail(said(trees, error))


def golden(name: str, text: MailText) -> None:
    path = GOLDEN / name
    if os.environ.get("VDT_WRITE_GOLDEN"):
        path.write_bytes(text.plain.encode("utf-8"))
    assert text.plain == path.read_text(encoding="utf-8")
    for cell in ("Total Files", "DIFFERENT" if "DIFFERENT" in text.plain else "OK"):
        assert f">{cell}</t" in text.html, "the HTML has the same table"


def test_a_run_that_is_right() -> None:
    text = mail(right())
    assert text.subject == f"Vizgen data audit completed for run: {RUN}"
    golden("audit_mail_right.txt", text)


def test_a_run_with_everything_wrong() -> None:
    bent = Finding(
        "a/<b>\x1b.dax",
        Judged.DIFFERENT,
        5,
        "other bytes than the source",
        side=Side.DESTINATION,
        diagnosis=Diagnosis(70, (0,), 2, "zeros"),
    )
    wrong = audited(
        CopyType.RAW_DATA,
        files={Judged.OK: 8040, Judged.DIFFERENT: 1, Judged.MISSING: 1, Judged.EXTRA: 1},
        size_bytes={Judged.OK: 900719884000, Judged.DIFFERENT: 5, Judged.MISSING: 232, Judged.EXTRA: 9},
        entries=(
            bent,
            Finding("gone", Judged.MISSING, 232, "it is not there"),
            Finding("notes.txt", Judged.EXTRA, 9, "only at the destination"),
        ),
        repaired=("mended.dax",),
        wrong_before=(Finding("mended.dax", Judged.MISSING, 3, "it is not there"),),
        refused=(("a/<b>\x1b.dax", "the source was not accepted"),),
    )
    early = audited(CopyType.ANALYSIS, reached_end=False, stopped="Ctrl-C")
    failed = replace(audited(CopyType.OUTPUT), result=None, error="The copy L:\\output cannot be read: gone.")
    text = mail((wrong, early, failed))
    assert text.subject == f"Vizgen data audit failed for run: {RUN}"
    assert "<b>" not in text.html.split("<body")[1].split("</b>")[0].split("a/")[-1], "names are no markup"
    golden("audit_mail_wrong.txt", text)


def test_extras_are_a_warning_and_a_long_list_is_cut() -> None:
    entries = tuple(Finding(f"x{n:03}", Judged.EXTRA, 1, "only at the destination") for n in range(70))
    text = mail((audited(CopyType.RAW_DATA, files={Judged.OK: 1, Judged.EXTRA: 70}, entries=entries),))
    assert "WARNING: 'raw_data': right, but for extras." in text.plain and "x049" in text.plain
    assert "EXTRA x050" not in text.plain and "and 20 more of these" in text.plain
    assert "- evidence: " in text.plain, "what stands behind a long list is not lost"


def test_a_second_host_is_named_where_every_file_has_one() -> None:
    everywhere = right(hosts={2: 43})
    assert mail(everywhere).plain.rstrip().endswith("is identical (confirmed by 2 hosts).")
    assert "confirmed by 2 hosts: 43 file(s)" in mail(everywhere).plain
    assert "confirmed by 2 hosts)" not in mail((*everywhere[:2], audited(CopyType.OUTPUT))).plain


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"hosts": {2: 3, 3: 9}}, ""),
        ({"fatal": "L: did not answer"}, "L: did not answer"),
        ({"reached_end": False, "stopped": "Ctrl-C"}, "ended early (Ctrl-C)"),
        ({"reached_end": False}, "ended early (interrupted)"),
        ({"files": {Judged.OK: 3, Judged.UNREADABLE: 2, Judged.EXTRA: 1}}, "not every file is there and right (2 UN"),
        ({"source": ""}, "did not read the source"),
        ({"whole": False}, "the options left files"),
        ({"doubts": ("a: a socket",)}, "not everything in the source is data that was compared (a: a socket)"),
        ({"record_only": 2}, "2 file(s) were not read"),
        ({"by_evidence": {Evidence.REREAD: 1, Evidence.COLD: 8041}}, "not every file was read back past"),
        ({"by_evidence": {Evidence.COLD: 8041}}, "not every file was read back past"),
        ({"files": {Judged.OK: 8045}, "links": 3, "by_evidence": {Evidence.COLD: 8042, Evidence.NONE: 3}}, ""),
        ({"files": {Judged.OK: 8042, Judged.EXTRA: 1}}, ""),
    ],
)
def test_the_last_sentence_says_whether_the_source_may_go_and_why(changes: Any, words: str) -> None:
    result = audited(CopyType.RAW_DATA, **changes).result
    assert result is not None
    said = closing_sentence(result)
    if words:
        assert said.startswith("The source must be kept: ") and words in said and said.endswith(".")
    else:
        assert "the source may be deleted: every file of the source was read back from the destination past" in said
        assert ("(confirmed by 2 hosts)" in said) == ("hosts" in changes)


def test_only_all_three_trees_can_say_yes() -> None:
    assert objection(right(), "") == ""
    assert "output took no part" in objection(right()[:2], "")
    assert objection(right(), "The drive is gone.") == "The drive is gone"


def test_the_report_is_named_before_the_command_and_says_the_same() -> None:
    plain = audit_mail(said(right()), "L:\\logs\\R.html").plain
    assert plain.index("Report:") < plain.index("- L:\\logs\\R.html") < plain.index("Command executed:")
    page = audit_page(said(right()), About(host="MERSCOPE3", python="3.11.7", system="Windows-10", config="c.toml"))
    assert page.index("May the source be deleted? YES") < page.index("Audit Summary") < page.index("MERSCOPE3")
    assert page.count("<table") == 3 and "SUCCESS: " in page and "<script" not in page
    assert "May the source be deleted? NO</p>" in audit_page(said((), "It broke."), About())
