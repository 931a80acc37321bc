"""README, guides and their code blocks, for the tests that hold them to the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)


class Block(NamedTuple):
    language: str
    text: str
    heading: str


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> List[Block]:
    """The fenced blocks of a text, each with the heading that it stands under."""
    found: List[Block] = []
    heading = ""
    for match in re.finditer(r"^(#+ [^\n]*)$|^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1].lstrip("# ")
        else:
            found.append(Block(match[2], match[3], heading))
    return found


def section(title: str, page: str) -> str:
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#+ [A-Z]|\Z)", page, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[2]


def without_blocks(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
