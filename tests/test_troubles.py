"""The table of what goes wrong: whole rows, sentences that the sources say, tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator

import pytest

from vdt import troubles
from vdt.troubles import GROUPS, TROUBLES, Trouble

ROOT = Path(__file__).resolve().parent.parent
HERE = "tests/contract/test_troubles.py::"

# Rows that a facility's guide has to have, by a word of their situation.
EXPECTED = (
    *("Python is too old", "No configuration", "1.0.0", "mistyped", "`Z:` is not mapped", "`L:` is not mapped", "VPN"),
    *("plugged in", "administrator", "No right", "Too little room", "fills up", "SMTP is blocked", "too long"),
    *("Another program has", "virus scanner", "still writes", "Somebody else copies", "goes away", "hangs"),
)
NAMES = {value: name for name, value in vars(troubles).items() if isinstance(value, Trouble)}


def test_the_table_has_what_goes_wrong_on_such_a_computer() -> None:
    assert len(TROUBLES) >= 30
    situations = "\n".join(trouble.when for trouble in TROUBLES)
    assert not [words for words in EXPECTED if words not in situations]


def test_every_row_is_in_one_group_and_whole() -> None:
    assert set(NAMES) == set(TROUBLES) and len(set(TROUBLES)) == len(TROUBLES)
    assert len({trouble.when for trouble in TROUBLES}) == len(TROUBLES)
    for trouble in TROUBLES:
        for words in trouble[1:4]:
            assert words and words == words.strip() and "\n" not in words and "  " not in words, trouble.when
        assert trouble.step[-1] in ".`)", trouble.when
        assert not re.search(r"traceback|errno|exception", " ".join(trouble[:4]), re.IGNORECASE), trouble.when
    assert all(title for title, _ in GROUPS)


def test_a_row_gives_its_sentence_and_asks_for_each_name() -> None:
    row = Trouble("when", "{path} has {free} GB free.", "", "", "")
    assert row.sentence(path="a{free}b", free=3) == "a{free}b has 3 GB free."
    assert row.shown == "… has … GB free."
    assert re.search(row.pattern, "so L:\\ has 12 GB free.") and not re.search(row.pattern, "L:\\ has 12 GB free!")
    with pytest.raises(KeyError):
        row.sentence(path="L:\\")


@pytest.mark.parametrize("trouble", TROUBLES, ids=NAMES.get)
def test_the_test_that_provokes_it_exists(trouble: Trouble) -> None:
    """And names the row, where it is one of those written for the table."""
    file, _, name = trouble.shown_by.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert len(found) == 1, trouble.shown_by
    if trouble.shown_by.startswith(HERE):
        used = {node.attr for node in ast.walk(found[0]) if isinstance(node, ast.Attribute)}
        assert NAMES[trouble] in used, f"{name} does not look for {NAMES[trouble]}"


def texts_of(path: Path) -> Iterator[str]:
    """Every text of a module as it is at run time; what is filled in is an ellipsis."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def test_sentences_that_are_provoked_elsewhere_stand_in_the_sources() -> None:
    """Word for word; the others are looked for in what was printed."""
    said = "\n".join(t for p in sorted((ROOT / "vdt").rglob("*.py")) if p.name != "troubles.py" for t in texts_of(p))
    elsewhere = [trouble for trouble in TROUBLES if not trouble.shown_by.startswith(HERE)]
    assert 8 <= len(elsewhere) <= 14
    for trouble in elsewhere:
        for part in re.split(r"\{\w+\}", trouble.said):
            words = part.strip(" .:;,()'")
            assert words in said, (trouble.when, words)
