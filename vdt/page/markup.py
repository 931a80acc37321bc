"""HTML from text: every name is escaped here, and no control character gets through.

Pure. Rule 1: text enters by `text` only; what else is handed to these functions is markup made by them.
"""

from __future__ import annotations

from html import escape
from typing import Iterable, Sequence

from vdt.page.style import STYLE
from vdt.printable import printable


def text(words: str) -> str:
    """Words as they are shown: safe in an element and in an attribute."""
    return escape(printable(words))


def tag(name: str, inside: str, kind: str = "") -> str:
    """One element; `kind` is its class."""
    return f'<{name} class="{kind}">{inside}</{name}>' if kind else f"<{name}>{inside}</{name}>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", numbers: Sequence[int] = ()) -> str:
    """A table that scrolls by itself where the page is narrow. Cells are markup; `numbers` are columns set right."""

    def row(cells: Sequence[str], name: str) -> str:
        marked = (
            f'<{name} class="number">{cell}</{name}>' if index in numbers else f"<{name}>{cell}</{name}>"
            for index, cell in enumerate(cells)
        )
        return f"<tr>{''.join(marked)}</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    top = f"<thead>{row(head, 'th')}</thead>\n" if head else ""
    return f'<div class="scroll"><table class="{kind}">\n{top}<tbody>\n{body}\n</tbody></table></div>'


def bullets(lines: Iterable[str]) -> str:
    """A list; lines are markup."""
    items = "\n".join(f"<li>{line}</li>" for line in lines)
    return f"<ul>\n{items}\n</ul>" if items else ""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page; `title` is text."""
    inside = "\n".join(body)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{inside}\n</main>\n</body>\n"
        "</html>\n"
    )
