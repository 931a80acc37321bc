"""Plots as inline SVG: throughput over time, file sizes, time by phase.

Pure. Colours are classes of `style.py`, so that they follow light and dark; words are escaped by `markup.text`.
The number of shapes does not grow with the run: a curve has at most `pulse.MOST_POINTS` points.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from vdt.page.markup import text
from vdt.pulse import Curve, Spent

_WIDTH, _LEFT, _RIGHT = 1000, 64, 8
_COLOURS = 5
_MIB = 1024 * 1024


class SizeClass(NamedTuple):
    """Files up to a size, and what they hold."""

    words: str
    files: int
    size_bytes: int


def throughput(curves: Sequence[Curve]) -> str:
    """MiB/s and files/s over time, one colour a tree; "" where nothing was sampled."""
    curves = [curve for curve in curves if len(curve.points) > 1]
    if not curves:
        return ""
    begins, ends = curves[0].points[0].at_s, max(curve.points[-1].at_s for curve in curves)
    span = max(ends - begins, 1e-3)
    panels = []
    for number, (unit, of) in enumerate((("MiB/s", _bytes_rate), ("files/s", _files_rate))):
        steps = [(index, of(curve)) for index, curve in enumerate(curves)]
        top = nice_top(max((rate for _, rates in steps for _, _, rate in rates), default=0.0))
        panels.append(_panel(steps, unit, top, begins, span, y=24 + number * 176))
    marks = []
    for at in ticks(span):
        x = _x(at, span)
        marks.append(f'<text x="{x:.1f}" y="368" text-anchor="middle">{text(clock(at, span))}</text>')
    body = "\n".join([*panels, *marks])
    names = [curve.title for curve in curves]
    return figure(
        "Throughput over time",
        f'<svg viewBox="0 0 {_WIDTH} 376" role="img" aria-label="Throughput">{body}</svg>',
        names,
    )


def _panel(
    steps: Sequence[Tuple[int, List[Tuple[float, float, float]]]],
    unit: str,
    top: float,
    begins: float,
    span: float,
    *,
    y: int,
) -> str:
    height = 140
    shapes = [f'<text x="{_LEFT}" y="{y - 8}">{text(unit)}</text>']
    for part in (0.0, 0.5, 1.0):
        at = y + height * (1 - part)
        shapes.append(f'<line class="axis" x1="{_LEFT}" y1="{at:.1f}" x2="{_WIDTH - _RIGHT}" y2="{at:.1f}"/>')
        label = f"{top * part:g}"
        shapes.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    for index, rates in steps:
        path = []
        for since, until, rate in rates:
            level = y + height * (1 - (rate / top if top else 0))
            path.append(f"{_x(since - begins, span):.1f},{level:.1f} {_x(until - begins, span):.1f},{level:.1f}")
        if path:
            first, last = _x(rates[0][0] - begins, span), _x(rates[-1][1] - begins, span)
            points = f"{first:.1f},{y + height} {' '.join(path)} {last:.1f},{y + height}"
            shapes.append(f'<polygon class="c{index % _COLOURS} soft" points="{points}"/>')
    return "\n".join(shapes)


def _bytes_rate(curve: Curve) -> List[Tuple[float, float, float]]:
    return [
        (a.at_s, b.at_s, max(0, b.size_bytes - a.size_bytes) / _MIB / max(b.at_s - a.at_s, 1e-3))
        for a, b in zip(curve.points, curve.points[1:])
    ]


def _files_rate(curve: Curve) -> List[Tuple[float, float, float]]:
    return [
        (a.at_s, b.at_s, max(0, b.files - a.files) / max(b.at_s - a.at_s, 1e-3))
        for a, b in zip(curve.points, curve.points[1:])
    ]


def _x(at: float, span: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / span


def sizes(classes: Sequence[SizeClass]) -> str:
    """How many files and how many bytes lie in each class of sizes; "" where there is no file."""
    classes = [item for item in classes if item.files]
    files, size_bytes = sum(c.files for c in classes), sum(c.size_bytes for c in classes)
    if not files:
        return ""
    shapes, y, room = [], 4, 560
    for item in classes:
        shapes.append(f'<text x="168" y="{y + 18}" text-anchor="end">{text(item.words)}</text>')
        for number, (value, whole, words) in enumerate(
            ((item.files, files, f"{item.files:,} files"), (item.size_bytes, size_bytes, amount(item.size_bytes)))
        ):
            width = room * value / whole if whole else 0
            at = y + number * 15
            shapes.append(f'<rect class="c{number}" x="176" y="{at}" width="{width:.1f}" height="13" rx="2"/>')
            percent = f"{100 * value / whole:.0f} %" if whole else "0 %"
            shapes.append(f'<text x="{184 + width:.1f}" y="{at + 11}">{text(words)}, {percent}</text>')
        y += 40
    body = "\n".join(shapes)
    return figure(
        "File sizes",
        f'<svg viewBox="0 0 {_WIDTH} {y}" role="img" aria-label="File sizes">{body}</svg>',
        ["files", "bytes"],
    )


def phases(spent: Sequence[Spent]) -> str:
    """One bar a tree, its time by phase; "" where nothing lasted."""
    rows: Dict[str, List[Spent]] = {}
    for item in spent:
        if item.seconds > 0:
            rows.setdefault(item.title, []).append(item)
    longest = max((sum(item.seconds for item in row) for row in rows.values()), default=0.0)
    if not longest:
        return ""
    names = list(dict.fromkeys(item.phase for row in rows.values() for item in row))
    shapes, y = [], 4
    for title, row in rows.items():
        shapes.append(f'<text x="168" y="{y + 16}" text-anchor="end">{text(title or "before the copy")}</text>')
        x = 176.0
        for item in row:
            width = 690 * item.seconds / longest
            colour = names.index(item.phase) % _COLOURS
            shapes.append(f'<rect class="c{colour}" x="{x:.1f}" y="{y}" width="{max(width, 0.5):.1f}" height="22"/>')
            x += width
        whole = sum(item.seconds for item in row)
        shapes.append(f'<text x="{x + 8:.1f}" y="{y + 16}">{text(lasted(whole))}</text>')
        y += 32
    sums = {name: sum(s.seconds for s in spent if s.phase == name) for name in names}
    keys = [f"{name}: {lasted(sums[name])}" for name in names]
    body = "\n".join(shapes)
    return figure(
        "Time by phase", f'<svg viewBox="0 0 {_WIDTH} {y}" role="img" aria-label="Time by phase">{body}</svg>', keys
    )


def figure(caption: str, svg: str, keys: Sequence[str]) -> str:
    """A plot with its caption and the meaning of its colours."""
    items = "".join(
        f'<span class="item"><span class="key k{index % _COLOURS}"></span>{text(key)}</span>'
        for index, key in enumerate(keys)
    )
    legend = f'<div class="legend quiet">{items}</div>'
    return f"<figure><figcaption>{text(caption)}</figcaption>\n{svg}\n{legend}</figure>"


def nice_top(value: float) -> float:
    """The next round number above a value: 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def ticks(span: float, most: int = 8) -> List[float]:
    """Round times from 0 to `span`, at most so many."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
    step = next((s for s in steps if span / s <= most), 86400.0 * (int(span / 86400 / most) + 1))
    if span < 1:
        return [0.0, span]
    return [n * step for n in range(int(span / step) + 1)]


def clock(seconds: float, span: float) -> str:
    """A time on the axis: seconds, minutes or hours, as the whole span asks."""
    if span < 120:
        return f"{seconds:.1f} s" if span < 1 and seconds else f"{seconds:.0f} s"
    if span < 7200:
        return f"{seconds / 60:g} min"
    return f"{seconds / 3600:g} h"


def lasted(seconds: float) -> str:
    """How long something took: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole // 60 % 60} min"


def amount(size_bytes: int) -> str:
    """A size in binary units: 512 B, 1.5 MiB."""
    value, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
