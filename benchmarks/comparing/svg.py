"""Inline SVG from numbers: bars with a range, and lines on logarithmic axes. Pure; no script, no outside reference.

Every picture is made for a width in pixels and says so in its viewBox; letters are as large as on the page.
Colours are classes of the page's style sheet, so that one picture serves light and dark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Callable, List, Sequence, Tuple

_BAR, _GAP, _LABEL, _HEADING = 18, 12, 18, 26  # pixels
_LETTER = 7.2  # width of one at 13 px, on the large side


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        low, high: the range behind it; both equal to `value` where there is none.
        kind: class of its colour.
        note: text at its end.
        group: heading above it, where it differs from that of the bar before.
    """

    label: str
    value: float
    low: float
    high: float
    kind: str
    note: str
    bold: bool = False
    group: str = ""


@dataclass(frozen=True)
class Line:
    """Points that belong together: (x, y), x rising."""

    label: str
    points: Tuple[Tuple[float, float], ...]
    kind: str


def ticks(top: float, most: int = 5) -> List[float]:
    """Round numbers from 0 to at least `top`, at most `most` steps: 1, 2, 2.5 or 5 times a power of ten apart."""
    if not top > 0 or math.isinf(top):
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(top / most))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10, 20) if power * factor * most >= top * (1 - 1e-9))
    count = math.ceil(top / step - 1e-9)
    return [round(step * number, 12) for number in range(count + 1)]


def decades(low: float, high: float) -> List[float]:
    """Powers of ten around a range of positive numbers."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def number(value: float) -> str:
    """A number as an axis shows it."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.4g}{unit}"
    return f"{value:.4g}"


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    classed = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{classed}>{escape(words)}</text>'


def _whole(width: int, height: float, title: str, parts: Sequence[str], kind: str) -> str:
    head = f'<svg class="{kind}" viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}" role="img"'
    return f'{head} aria-label="{escape(title, quote=True)}">{"".join(parts)}</svg>'


def bars(title: str, found: Sequence[Bar], width: int, kind: str, *, unit: str) -> str:
    """Horizontal bars from nought, each below its label, so that a label may be as long as the picture is wide."""
    marks = ticks(max((bar.high for bar in found), default=1.0), 5 if width > 500 else 3)
    last = f"{number(marks[-1])} {unit}"
    room = max((len(text) for text in (*(bar.note for bar in found), last)), default=0) * _LETTER + 8
    scale = max(width * 0.4, width - room) / marks[-1]
    tops, floor = _tops(found)
    parts = []
    for mark in marks:
        x = mark * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{floor:.1f}"/>')
        shown = last if mark == marks[-1] else number(mark)
        parts.append(_text(x, floor + 16, shown, anchor="start" if mark == 0 else "middle", kind="tick"))
    group = ""
    for top, bar in zip(tops, found):
        if bar.group != group:
            group = bar.group
            parts.append(_text(0, top - 8, group, kind="group"))
        parts += _bar(bar, top, scale)
    return _whole(width, floor + 22, title, parts, kind)


def _tops(found: Sequence[Bar]) -> Tuple[List[float], float]:
    """Where each bar begins, room for its heading left above it, and where the last one ends."""
    tops, at, group = [], 2.0, ""
    for bar in found:
        at += _HEADING if bar.group != group else 0
        group = bar.group
        tops.append(at)
        at += _LABEL + _BAR + _GAP
    return tops, at


def _bar(bar: Bar, top: float, scale: float) -> List[str]:
    middle = top + _LABEL + _BAR / 2
    shape = f'x="0" y="{top + _LABEL:.1f}" width="{max(1.0, bar.value * scale):.1f}" height="{_BAR}"'
    parts = [
        _text(0, top + 13, bar.label, kind="bold" if bar.bold else ""),
        f'<rect class="{bar.kind}" {shape} rx="2"/>',
    ]
    if bar.high > bar.low:
        low, high = bar.low * scale, bar.high * scale
        parts.append(f'<line class="range" x1="{low:.1f}" y1="{middle:.1f}" x2="{high:.1f}" y2="{middle:.1f}"/>')
        for x in (low, high):
            ends = f'y1="{middle - 4:.1f}" x2="{x:.1f}" y2="{middle + 4:.1f}"'
            parts.append(f'<line class="range" x1="{x:.1f}" {ends}/>')
    parts.append(_text(max(bar.value, bar.high) * scale + 6, middle + 4.5, bar.note, kind="note"))
    return parts


def lines(
    title: str,
    found: Sequence[Line],
    width: int,
    kind: str,
    *,
    x_name: str,
    y_name: str,
    x_marks: Sequence[float],
    y_log: bool,
    show_x: Callable[[float], str] = number,
    show_y: Callable[[float], str] = number,
) -> str:
    """Lines over a logarithmic x axis. Their names stand in a list below, each beside a piece of its line."""
    ys = [y for line in found for _, y in line.points]
    y_marks = decades(min(ys), max(ys)) if y_log else ticks(max(ys))
    left, top, height = max(len(show_y(mark)) for mark in y_marks) * _LETTER + 12, 26.0, 260.0
    right = width - 14.0
    floor = top + height

    def across(x: float) -> float:
        span = math.log(x_marks[-1] / x_marks[0]) or 1.0
        return left + (right - left) * math.log(x / x_marks[0]) / span

    def up(y: float) -> float:
        if y_log:
            return floor - height * math.log(y / y_marks[0]) / math.log(y_marks[-1] / y_marks[0])
        return floor - height * y / y_marks[-1]

    parts = [_text(0, 13, y_name, kind="tick")]
    for mark in y_marks:
        y = up(mark)
        parts.append(f'<line class="grid" x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 6, y + 4.5, show_y(mark), anchor="end", kind="tick"))
    for place, mark in enumerate(x_marks):
        x = across(mark)
        anchor = "end" if place and place == len(x_marks) - 1 else "middle"
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{floor:.1f}" x2="{x:.1f}" y2="{floor + 4:.1f}"/>')
        parts.append(_text(min(x, right), floor + 18, show_x(mark), anchor=anchor, kind="tick"))
    parts.append(_text(right, floor + 36, x_name, anchor="end", kind="tick"))
    for index, line in enumerate(found):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="stroke {line.kind}" points="{path}"/>')
        places = [(across(x), up(y)) for x, y in line.points]
        parts += [f'<circle class="{line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places]
        y = floor + 58 + 20 * index
        parts.append(f'<line class="stroke {line.kind}" x1="0" y1="{y - 4:.1f}" x2="22" y2="{y - 4:.1f}"/>')
        parts.append(f'<circle class="{line.kind}" cx="11" cy="{y - 4:.1f}" r="3.5"/>')
        parts.append(_text(30, y, line.label))
    return _whole(width, floor + 50 + 20 * len(found), title, parts, kind)
