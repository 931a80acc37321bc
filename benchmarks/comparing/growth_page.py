"""scaling.html and the object of scaling.json: what grows, drawn. Pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from comparing import svg
from comparing.charts import NARROW, WIDE, Chart
from comparing.figures import Row
from comparing.growth import Growth, Point, megabytes_a_second, mib_of, micros_a_file, seconds_of, sentences
from comparing.page import e, facts, figure, whole

_Value = Callable[[Point, Row], float]
# colours that tell lines apart; they say no evidence here
_KINDS = {"vdt copy --verify cold": "cold", "vdt copy --verify none": "reread", "rsync -a": "inflight", "cp -a": "none"}
_AXES: Dict[str, Tuple[str, Tuple[Tuple[str, str, _Value], ...]]] = {
    "files": (
        "number of files",
        (
            ("Time over the number of files", "seconds", seconds_of),
            ("Time of one file", "microseconds a file", micros_a_file),
            ("Memory over the number of files", "MiB", mib_of),
        ),
    ),
    "size": (
        "bytes of the one file",
        (
            ("Time over the size of a file", "seconds", seconds_of),
            ("Rate over the size of a file", "MB/s", megabytes_a_second),
            ("Memory over the size of a file", "MiB", mib_of),
        ),
    ),
}


def charts(growth: Growth) -> List[Chart]:
    """Three pictures of one axis, both of their scales logarithmic."""
    x_name, wanted = _AXES[growth.axis]
    return [chart for title, y_name, value in wanted if (chart := _chart(growth, title, x_name, y_name, value))]


def _chart(growth: Growth, title: str, x_name: str, y_name: str, value: _Value) -> Any:
    found = [
        svg.Line(name, points, _KINDS.get(name, "both"))
        for name in growth.names()
        if (points := growth.line(name, value))
    ]
    if not found:
        return None
    places = [x for line in found for x, _ in line.points]
    marks = svg.decades(min(places), max(places))

    def draw(width: int, kind: str) -> str:
        return svg.lines(title, found, width, kind, x_name=x_name, y_name=y_name, x_marks=marks, y_log=True)

    return Chart(title, "Both scales are logarithmic.", draw(WIDE, "wide") + draw(NARROW, "narrow"))


def render(found: Sequence[Growth], about: Mapping[str, str]) -> str:
    """The page: what grows in words, the pictures, the figures, and what it was measured on."""
    body = ["<h1>What grows, and what does not</h1>"]
    for growth in found:
        heading = "With the number of files" if growth.axis == "files" else "With the size of one file"
        said = "".join(f"<p>{e(sentence)}</p>" for sentence in sentences(growth))
        body += [f"<h2>{heading}</h2>", f'<div class="said">{said}</div>' if said else ""]
        body += [*map(figure, charts(growth)), _table(growth)]
    body += ["<h2>What it was measured on</h2>", facts(tuple(about.items()))]
    return whole("What grows, and what does not", body)


def _table(growth: Growth) -> str:
    names = growth.names()
    head = "".join(f'<th class="n">{e(name)}</th>' for name in names)
    text = [f'<div class="scroll"><table><thead><tr><th class="n">{growth.axis}</th>{head}</tr></thead>']
    for point in growth.points:
        rows = {row.name: row for row in point.rows}
        cells = "".join(f'<td class="n">{_cell(rows.get(name))}</td>' for name in names)
        text.append(f'<tr><td class="n">{growth.at(point):,}</td>{cells}</tr>')
    return (
        "".join(text)
        + '</table></div><p class="soft">Median seconds and most memory, which is left out below some 10 MiB.</p>'
    )


def _cell(row: Any) -> str:
    if row is None:
        return ""
    if not row.total:
        return "failed"
    return f"{row.total.median:.3f} s" + (f", {row.peak_mib:.0f} MiB" if row.peak_mib else "")


def json_object(found: Sequence[Growth], about: Mapping[str, str], *, complete: bool) -> Dict[str, Any]:
    """What scaling.json holds."""
    return {
        "format": 1,
        "complete": complete,
        "about": dict(about),
        "axes": {growth.axis: [_point(point) for point in growth.points] for growth in found},
    }


def _point(point: Point) -> Dict[str, Any]:
    return {
        "files": point.files,
        "bytes_each": point.size_bytes,
        "contenders": [
            {
                "name": row.name,
                "evidence": row.evidence.value,
                "seconds": [run.seconds + run.flush_seconds for run in row.runs if not run.fault],
                "peak_mib": row.peak_mib,
                "fault": row.fault or None,
            }
            for row in point.rows
        ],
    }
