"""Writes the pages and parts of pages that are made from the code: `python docs/make.py`.

tests/test_docs.py fails where a page is not what this would write.
"""

from __future__ import annotations

import inspect
import os
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Sequence

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

from capture import captures  # noqa: E402

from vdt import api  # noqa: E402
from vdt.cli import drop_in  # noqa: E402
from vdt.troubles import GROUPS, Trouble  # noqa: E402
from vdt.vizgen.config_keys import KEYS  # noqa: E402

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
        "Windows reads no scripts for this account, the profile neither",
        "nothing needs to be allowed: type [two lines](../README.md#the-powershell-profile) instead",
    ),
    (
        "`Actual environment location may have moved`",
        "the environment was made on `L:`, as for 1.0.0",
        "harmless; gone with an environment on the PC, see [install](../README.md#install-on-the-vizgen-windows-pc)",
    ),
    (
        "`python : The term 'python' is not recognized`, or the Microsoft Store opens",
        "Python is not on the `PATH`",
        "`py -3.9` in its place, or install Python 3.9 or newer from python.org",
    ),
    (
        "`Could not find a version that satisfies the requirement`",
        "pip has no internet, and no folder of wheels was named",
        "the way [without internet](../README.md#install-on-the-vizgen-windows-pc)",
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


def keys() -> str:
    """The table of the configuration's keys."""
    rows = [
        (
            f"`[{key.table}] {key.name}`" if key.table else f"`{key.name}`",
            key.values,
            key.default or "-",
            key.meaning,
        )
        for key in KEYS
    ]
    return _table(("key", "values", "without it", "meaning"), rows)


def reference() -> str:
    """Signatures and docstrings of what `vdt` gives to notebooks and pipelines."""
    parts = []
    for thing in (api.copy_tree, api.audit_tree):
        parts.append(f"### `vdt.{thing.__name__}`\n\n```text\n{_signature(thing)}\n\n{inspect.getdoc(thing)}\n```\n")
    for kind in (api.Copied, api.Audited, api.Wrong):
        parts.append(f"### `vdt.{kind.__name__}`\n\n```text\n{inspect.getdoc(kind)}\n```\n")
    return "\n".join(parts)


def _signature(function: Callable[..., Any]) -> str:
    """One parameter a line, with its default and no types: those stand in the text."""
    lines, star = [], False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            lines.append("*")
            star = True
        given = parameter.default
        shown = "" if given is parameter.empty else f"={'a function' if callable(given) else repr(given)}"
        lines.append(name + shown)
    return f"{function.__name__}(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def drop_in_help() -> str:
    """What `vizgen_data_transfer --help` prints on a terminal of 100 columns."""
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        return f"```text\n{drop_in.parser().format_help().rstrip()}\n```"
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def captured(name: str) -> str:
    """What a command prints."""
    return _captures()[name]


@cache
def _captures() -> Dict[str, str]:
    return captures()


_TROUBLES_END = """\
## How this page is held to the program

Page and errors are made from one table, `vdt/troubles.py`. Each row names a test that provokes its sentence.
"""

WHOLE: Dict[str, Callable[[], str]] = {"troubleshooting.md": troubleshooting}
PARTS: Dict[str, Dict[str, Callable[[], str]]] = {
    "admin.md": {"keys": keys},
    "api.md": {"reference": reference},
    "user.md": {"help": drop_in_help, **{name: partial(captured, name) for name in ("dry run", "mistyped", "audit")}},
}


def page(name: str) -> str:
    """A page that is made, wholly or in part, as it should be."""
    if name in WHOLE:
        return WHOLE[name]()
    text = (DOCS / name).read_text(encoding="utf-8")
    for part, make in PARTS[name].items():
        head, begin, rest = text.partition(BEGIN.format(part) + "\n")
        _, end, tail = rest.partition(END.format(part))
        if not (begin and end):
            raise ValueError(f"{name} has no place for {part}")
        text = f"{head}{begin}\n{make().strip()}\n\n{end}{tail}"
    return text


def main() -> None:
    """Write what changed."""
    for name in (*WHOLE, *PARTS):
        path, text = DOCS / name, page(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
