"""Writes the pages and parts of pages that are made from the code: `python docs/make.py`.

tests/test_docs.py fails where a page is not what this would write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Dict, Iterable, Sequence

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from vdt.troubles import GROUPS, Trouble  # noqa: E402

BEGIN, END = "<!-- made by docs/make.py: {} -->", "<!-- end of {} -->"

_TROUBLES_HEAD = """\
# When something goes wrong

Look for the words that were printed; `…` stands for names, paths and numbers. Nothing on this page deletes anything,
and in every case the same command may be given again: it copies what is missing and passes over what is proven.

The exit code says how far it came: 0 all is right; 8 to 15 something of the run is not, and the rest stands; 16 nothing
could be done, or a report is lost. The first lines of the mail and the last one of the screen say the same in words.

## What PowerShell and pip say

These come from other programs, before this one has begun.
"""

_BEFORE = (
    (
        "`vizgen_data_transfer : The term 'vizgen_data_transfer' is not recognized`",
        "the environment is not active in this window",
        '`start_eivdt`, or call `& "$env:LOCALAPPDATA\\eivdt\\Scripts\\vizgen_data_transfer.exe"`',
    ),
    (
        "`… cannot be loaded because running scripts is disabled on this system`",
        "Windows runs no scripts for this account, the profile too",
        "`Set-ExecutionPolicy -Scope CurrentUser RemoteSigned`; or the line above, which needs no script",
    ),
    (
        "`Actual environment location may have moved`",
        "the environment was made on `L:`, as for 1.0.0",
        "harmless; gone with an environment on the PC, see [install](user.md#install-on-the-vizgen-windows-pc)",
    ),
    (
        "`python : The term 'python' is not recognized`, or the Microsoft Store opens",
        "Python is not on the `PATH`",
        "`py -3.9` in its place, or install Python 3.9 or newer from python.org",
    ),
    (
        "`Could not find a version that satisfies the requirement`",
        "pip has no internet, and no folder of wheels was named",
        "the way [without internet](user.md#install-on-the-vizgen-windows-pc)",
    ),
)


def troubleshooting() -> str:
    """The whole of docs/troubleshooting.md."""
    parts = [_TROUBLES_HEAD, _table(("what is printed", "why", "what to do"), _BEFORE)]
    for title, rows in GROUPS:
        parts.append(f"## {title}\n")
        parts += [_entry(row) for row in rows]
    tests = [(row.when, f"`{row.shown_by.replace('::', '` `')}`") for _, rows in GROUPS for row in rows]
    parts += [_TROUBLES_END, _table(("situation", "test"), tests)]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _entry(row: Trouble) -> str:
    return f"### {row.when}\n\n> {_quoted(row.shown)}\n\n* Why: {row.cause}\n* What to do: {row.step}\n"


def _quoted(sentence: str) -> str:
    """A sentence of the program as code, whatever quotes it holds."""
    return f"`{sentence}`" if "`" not in sentence else f"`` {sentence} ``"


_TROUBLES_END = """\
## How this page is held to the program

Page and errors are made from one table, `vdt/troubles.py`. Each row names a test that provokes its sentence.
"""

WHOLE: Dict[str, Callable[[], str]] = {"troubleshooting.md": troubleshooting}
PARTS: Dict[str, Dict[str, Callable[[], str]]] = {}


def pages() -> Dict[Path, str]:
    """Each page that is made, wholly or in part, as it should be."""
    made = {DOCS / name: make() for name, make in WHOLE.items()}
    for name, parts in PARTS.items():
        text = (DOCS / name).read_text(encoding="utf-8")
        for part, make in parts.items():
            head, _, rest = text.partition(BEGIN.format(part) + "\n")
            _, end, tail = rest.partition(END.format(part))
            if not end:
                raise ValueError(f"{name} has no place for {part}")
            text = f"{head}{BEGIN.format(part)}\n\n{make().strip()}\n\n{end}{tail}"
        made[DOCS / name] = text
    return made


def main() -> None:
    """Write what changed."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
