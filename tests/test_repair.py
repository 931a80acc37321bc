"""What a repair may copy again, and how two audits become one result: decisions on plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Sequence, Tuple

import pytest

from vdt.findings import AuditResult, Finding
from vdt.model import Evidence, Judged, Side
from vdt.repair import choose, tell_apart, together

NOW = datetime(2026, 4, 12).astimezone()


def different(path: str, side: Side, *, newer: bool = False) -> Finding:
    return Finding(path, Judged.DIFFERENT, 5, side=side, mtime_ns=9 if newer else 5, stored_mtime_ns=5)


MISSING = Finding("m", Judged.MISSING, 7)


@pytest.mark.parametrize(
    ("entries", "accepted", "chosen", "refused"),
    [
        ([MISSING], (), ["m"], []),
        ([different("d", Side.DESTINATION)], (), ["d"], []),
        ([different("d", Side.SOURCE, newer=True)], (), [], ["d"]),
        ([different("d", Side.BOTH, newer=True)], (), [], ["d"]),
        ([different("d", Side.NO_RECORD)], (), [], ["d"]),
        ([different("d", Side.NO_RECORD, newer=True)], (), ["d"], []),
        ([different("d", Side.SOURCE), different("e", Side.BOTH)], ("d",), ["d"], ["e"]),
        ([different("d", Side.SOURCE), different("e", Side.BOTH)], ("all",), ["d", "e"], []),
        ([different("d", Side.SOURCE)], ("/d/",), ["d"], []),
        ([different("d", Side.SOURCE)], ("x",), [], ["d", "x"]),
        ([MISSING], ("m",), ["m"], []),
        (
            [Finding("t", Judged.TYPE), Finding("t/a/b", Judged.MISSING), Finding("tx", Judged.MISSING)],
            (),
            ["tx"],
            ["t/a/b"],
        ),
        (
            [Finding(word.value, word) for word in (Judged.EXTRA, Judged.TYPE, Judged.UNREADABLE, Judged.UNSTABLE)],
            ("all",),
            [],
            [],
        ),
    ],
)
def test_what_is_chosen(
    entries: Sequence[Finding], accepted: Tuple[str, ...], chosen: List[str], refused: List[str]
) -> None:
    taken, left = choose(entries, accepted)
    assert [finding.path for finding in taken] == chosen and [path for path, _ in left] == refused
    assert all(why for _, why in left)


def test_where_case_tells_no_names_apart_a_namesake_is_not_copied_over() -> None:
    gone = [Finding(path, Judged.MISSING) for path in ("a.txt", "sub/x", "sub/b/y", "z", "other")]
    there = [Finding("A.txt", Judged.EXTRA), Finding("SUB", Judged.EXTRA), Finding("Z", Judged.OK)]
    bent = different("A.TXT", Side.DESTINATION)
    left, refused = tell_apart((*gone, bent), (*gone, *there, bent))
    assert [finding.path for finding in left] == ["z", "other", "A.TXT"]
    assert [path for path, _ in refused] == ["a.txt", "sub/x", "sub/b/y"] and "'SUB'" in refused[1][1]


def result(entries: Sequence[Finding], files: Dict[Judged, int], **more: Any) -> AuditResult:
    sizes = {judged: sum(f.size_bytes for f in entries if f.judged is judged) for judged in files}
    return AuditResult(
        "/c", "source /s", "/s", "h", NOW, NOW, files, sizes, entries=tuple(entries), **{"reached_end": True, **more}
    )


def test_what_was_copied_counts_as_it_was_found_the_second_time() -> None:
    bent, extra = different("d", Side.DESTINATION), Finding("x", Judged.EXTRA, 3)
    first = result([bent, MISSING, extra], {Judged.OK: 4, Judged.DIFFERENT: 1, Judged.MISSING: 1, Judged.EXTRA: 1})
    again = Finding("d", Judged.UNREADABLE, 5)
    second = result([again], {Judged.OK: 1, Judged.UNREADABLE: 1}, by_evidence={Evidence.COLD: 1}, notes=("n",))
    both = together(first, second, (bent, MISSING), {"m"}, ("copied",))
    assert both.files == {Judged.OK: 5, Judged.EXTRA: 1, Judged.UNREADABLE: 1}
    assert both.size_bytes == {Judged.EXTRA: 3, Judged.UNREADABLE: 5}
    assert both.entries == (again, extra) and both.repaired == ("m",) and both.wrong_before == (bent, MISSING)
    assert both.notes == ("copied", "n") and both.exit_code == 8


def test_what_the_second_audit_did_not_see_is_not_called_repaired() -> None:
    """Its source went away meanwhile, or the second audit was stopped."""
    first = result([MISSING], {Judged.OK: 4, Judged.MISSING: 1})
    both = together(first, result([], {}), (MISSING,), set(), ())
    assert both.repaired == () and both.entries == (MISSING,) and both.files == {Judged.OK: 4, Judged.MISSING: 1}
    assert both.exit_code == 8 and both.wrong_before == ()
    stopped = together(first, result([], {}, reached_end=False, stopped="Ctrl-C"), (MISSING,), set(), ())
    assert stopped.stopped == "Ctrl-C" and not stopped.reached_end and stopped.repaired == ()
