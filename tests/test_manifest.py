"""Manifest lines, their sorting and their comparison."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import List, Optional, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vdt import manifest
from vdt.manifest import SortedLines, first_change, parse, render

D1, D2 = "1" * 32, "2" * 32

# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a/b.dat", f"{D1}  a/b.dat"),
        ("two words ", f"{D1}  two words "),
        (" begins with a blank", f"{D1}   begins with a blank"),
        ("*star", f"{D1}  *star"),
        ("back\\slash", f"{D1}  back\\slash"),
        ("back\\nslash", f"{D1}  back\\nslash"),
        ("\\begins", f"{D1}  \\begins"),
        ("new\nline", f"\\{D1}  new\\nline"),
        ("carriage\rreturn", f"\\{D1}  carriage\\rreturn"),
        ("both\\n\n", f"\\{D1}  both\\\\n\\n"),
        ("bad\udcff", f"{D1}  bad\udcff"),
    ],
)
def test_form_of_a_line(path: str, line: str) -> None:
    assert render(D1, path) == line
    assert parse(line + "\n") == (D1, path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{'AB' * 16}  a", ("ab" * 16, "a")),
        (f"{D1} *a.bin\n", (D1, "a.bin")),
        (f"{D1}  a\r\n", (D1, "a")),
        (f"{'0' * 40}  sha1", ("0" * 40, "sha1")),
        (f"{'0' * 64}  sha256", ("0" * 64, "sha256")),
        (f"{'0' * 128}  sha512", ("0" * 128, "sha512")),
        (f"\\{D1}  a\\\\b", (D1, "a\\b")),
    ],
)
def test_what_other_tools_write(line: str, expected: Tuple[str, str]) -> None:
    assert parse(line) == expected


@pytest.mark.parametrize(
    "line",
    ["", "\n", "# comment", f"{D1}", f"{D1}  ", f"{D1} a", f"{D1}\ta", f"{D1[:-1]}  a", f"{'g' * 32}  a", f"x{D1}  a"],
)
def test_what_is_no_line(line: str) -> None:
    assert parse(line) is None


digests = st.text("0123456789abcdef", min_size=32, max_size=32)
paths = st.text(
    st.one_of(st.sampled_from("\\nr\n\r *ab/\t\x85\u2028\udcff"), st.characters(blacklist_characters="\0")),
    min_size=1,
    max_size=10,
)


@settings(max_examples=100, deadline=None)
@given(digests, paths, st.sampled_from(["", "\n", "\r\n"]))
def test_round_trip(digest: str, path: str, end: str) -> None:
    line = render(digest, path)
    assert "\n" not in line and "\r" not in line
    assert parse(line + end) == (digest, path)


def test_a_line_cut_anywhere_never_gives_another_digest() -> None:
    line = render(D1, "a/\n\\b.dat") + "\n"
    for at in range(len(line)):
        found = parse(line[:at])
        assert found is None or (found[0] == D1 and found[1]), line[:at]
        parse(line[at:])  # and no half of it is an error


# --- sorting ----------------------------------------------------------------------------------------------------------


def collected(items) -> SortedLines:
    lines = SortedLines()
    for path, digest in items:
        lines.add(path, digest)
    return lines


def test_sorted_in_memory() -> None:
    lines = collected([("b", D1), ("a/c", D2), ("a", D1)])
    assert list(lines) == [("a", D1), ("a/c", D2), ("b", D1)]
    lines.close()


def test_escaped_names_are_noted_with_their_number() -> None:
    """Whoever checks with xxhsum must know that it cannot read these lines."""
    lines = collected([("a", D1), ("back\\slash", D1)])
    assert lines.notes == ()
    for path in ("n\nl", "c\rr", "both\r\n"):
        lines.add(path, D1)
    (note,) = lines.notes
    assert note.startswith("3 ") and "xxhsum" in note
    lines.close()


def test_beyond_one_run_the_lines_wait_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_RUN_LINES", 10)
    made = []
    real = tempfile.TemporaryFile

    def spy(*args, **kwargs):
        made.append(real(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", spy)
    items = [(f"d{n * 7919 % 43:02}/f\n{n}\udcff\u00e9", f"{n:032x}") for n in range(43)]
    lines = collected(items)
    assert len(made) == 4
    assert list(lines) == sorted(items)
    assert list(lines) == sorted(items), "it can be read a second time"
    lines.add("zzz", D1)
    assert list(lines)[-1] == ("zzz", D1), "and added to after that"
    assert len(list(lines)) == 44
    lines.close()
    assert all(file.closed for file in made)


def test_a_run_larger_than_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_RUN_LINES", 900)
    items = [(f"{n:04}" + "x" * 200, f"{n:032x}") for n in range(2000)]
    lines = collected(reversed(items))
    assert list(lines) == items
    lines.close()


def test_exactly_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_RUN_LINES", 2)
    lines = collected([("b", D1), ("a", D2)])
    assert list(lines) == [("a", D2), ("b", D1)]
    lines.close()


def test_half_a_surrogate_pair_beyond_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """NTFS takes such names, and os.scandir gives them so."""
    monkeypatch.setattr(manifest, "_RUN_LINES", 1)
    lines = SortedLines()
    try:
        lines.add("half\ud83d", D1)
        assert list(lines) == [("half\ud83d", D1)]
    finally:
        lines.close()


def test_closed_lines_are_empty() -> None:
    lines = collected([("a", D1)])
    lines.close()
    assert list(lines) == []
    lines.close()


def as_decoded(path: str) -> str:
    """As POSIX gives a name: broken bytes only as U+DC80 to U+DCFF, and none that would be valid together."""
    return path.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(paths.map(as_decoded), digests, max_size=25), st.integers(1, 8))
def test_any_run_length_gives_the_same_order(monkeypatch: pytest.MonkeyPatch, items, run: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "_RUN_LINES", run)
        lines = collected(items.items())
        assert list(lines) == sorted(items.items())
        lines.close()


# --- a former manifest against the lines of now -----------------------------------------------------------------------


def text(*items: Tuple[str, str]) -> List[str]:
    return [render(digest, path) + "\n" for path, digest in items]


@pytest.mark.parametrize(
    ("former", "current", "expected"),
    [
        ([], [], None),
        ([], [("a", D1)], None),
        ([("a", D1)], [("a", D1)], None),
        ([("b", D1)], [("a", D1), ("b", D1), ("c", D1)], None),
        ([("a", D1)], [("a", D2)], "a"),
        ([("a", D1)], [], "a"),
        ([("a", D1), ("b", D1), ("c", D1)], [("a", D1), ("c", D1)], "b"),
        ([("a", D1), ("b", D1)], [("a", D1)], "b"),
        ([("a", D1), ("b", D1)], [("a", D2), ("b", D2)], "a"),
        ([("a", D1), ("c", D1)], [("a", D1), ("b", D2), ("c", D2)], "c"),
        ([("n\nl", D1)], [("n\nl", D1)], None),
        ([("n\nl", D1)], [("n\nl", D2)], "n\nl"),
    ],
)
def test_first_change(former, current, expected: Optional[str]) -> None:
    assert first_change(text(*former), current) == expected


def test_lines_that_do_not_parse_are_passed_over() -> None:
    former = ["# a comment\n", *text(("a", D1)), "\n", *text(("b", D1)), "torn"]
    assert first_change(former, [("a", D1), ("b", D1)]) is None
    assert first_change(former, [("a", D1), ("b", D2)]) == "b"


def test_case_of_the_former_digest_is_no_change() -> None:
    assert first_change([f"{'AB' * 16}  a\n"], [("a", "ab" * 16)]) is None


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(paths, st.sampled_from([D1, D2])), st.dictionaries(paths, st.sampled_from([D1, D2])))
def test_first_change_against_dictionaries(former, current) -> None:
    current = {**{path: former[path] for path in list(former)[::2]}, **current}
    changed = [path for path in sorted(former) if current.get(path) != former[path]]
    assert first_change(text(*sorted(former.items())), sorted(current.items())) == (changed[0] if changed else None)


def test_nothing_of_this_leaves_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_RUN_LINES", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lines = collected([("a", D1), ("b", D1)])
    list(lines)
    lines.close()
    assert list(tmp_path.iterdir()) == []
