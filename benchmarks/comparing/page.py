"""results.html: one file that can be mailed around. No script, nothing fetched, light and dark, narrow and wide. Pure.

Whatever comes from outside (paths, versions, what a program said) is made printable and escaped.
"""

from __future__ import annotations

from html import escape
from typing import Iterable, List, Sequence, Tuple

from comparing import charts
from comparing.charts import Chart
from comparing.contenders import Job
from comparing.figures import LEVELS, Row, by_evidence, by_level, by_threads, of_job, sentences
from comparing.result import Result, Side
from vdt.printable import printable

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1d2329; --soft: #59636e; --line: #d8dde3; --panel: #f6f8fa;
  --none: #8a929b; --inflight: #c77f00; --reread: #3a9bd9; --cold: #0b5cad; --both: #b0508a; --fail: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #14181d; --text: #e4e8ec; --soft: #9aa5b1; --line: #333b44;
  --panel: #1c2229; --none: #8d96a0; --inflight: #e0a030; --reread: #74c3f2; --cold: #3f8fe0; --both: #d98bb8;
  --fail: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 908px; margin: 0 auto; padding: 24px 24px 60px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 8px; }
h3 { font-size: 16px; margin: 28px 0 0; } p { margin: 8px 0; } .soft { color: var(--soft); }
.warn { border-left: 4px solid var(--fail); padding: 4px 12px; background: var(--panel); }
.said { border-left: 4px solid var(--cold); padding: 4px 14px; background: var(--panel); }
.scroll { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } thead th { color: var(--soft); font-weight: 500; } td.n, th.n { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; } tr.level td { padding-top: 14px; font-weight: 600; }
.tight td { white-space: nowrap; } td.fault { color: var(--fail); }
dt { font-weight: 600; font-size: 14px; margin-top: 10px; } dd { margin: 0; font-size: 14px; }
.facts th { width: 130px; } .facts td { overflow-wrap: anywhere; }
code { font: 13px/1.45 ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; padding: 0; margin: 12px 0; list-style: none;
  font-size: 14px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 6px; }
figure { margin: 0 0 8px; } figure p { margin: 2px 0 12px; font-size: 14px; color: var(--soft); }
svg { display: block; max-width: 100%; height: auto; font: 13px system-ui, "Segoe UI", sans-serif; overflow: visible; }
svg.narrow { display: none; } .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 32px; }
@media (max-width: 700px) { main { padding: 16px 14px 40px; } svg.wide { display: none; } svg.narrow { display: block; }
  .pair { display: block; }
  .facts th { width: 96px; } th, td { padding-right: 10px; } }
@media print { body { font-size: 12px; } figure { break-inside: avoid; } }
svg text { fill: var(--text); } svg .tick { fill: var(--soft); font-size: 12px; } svg .bold { font-weight: 600; }
svg .group { fill: var(--soft); font-size: 12.5px; font-weight: 600; }
svg .note { font-size: 12.5px; } svg .grid { stroke: var(--line); }
svg .range { stroke: var(--text); stroke-width: 1.5; }
svg polyline { fill: none; } svg .stroke { stroke-width: 2; }
"""
_KINDS = ("none", "inflight", "reread", "cold", "both")


def _colours() -> str:
    rules = (
        f".{kind} {{ fill: var(--{kind}); }} .stroke.{kind} {{ stroke: var(--{kind}); fill: none; }} "
        f"i.{kind} {{ background: var(--{kind}); }}"
        for kind in _KINDS
    )
    return "\n".join(rules)


def e(text: object) -> str:
    """Text as it may stand in HTML, in quotes too."""
    return escape(printable(str(text)), quote=True)


def whole(title: str, body: Iterable[str]) -> str:
    """A page around its parts."""
    style = f"<style>{_STYLE}{_colours()}</style>"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{style}'
    parts = "\n".join(body)
    head += f"<title>{e(title)}</title>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{parts}\n</main></body></html>\n'


def figure(chart: Chart) -> str:
    """A picture with its heading and how to read it."""
    return f"<figure><h3>{e(chart.title)}</h3><p>{e(chart.reading)}</p>{chart.drawn}</figure>"


def facts(pairs: Sequence[Tuple[str, str]]) -> str:
    """A table of two columns; pairs without a value are left out."""
    rows = "".join(f"<tr><th>{e(name)}</th><td>{e(value)}</td></tr>" for name, value in pairs if value)
    return f'<table class="facts">{rows}</table>'


def render(result: Result) -> str:
    """The whole page."""
    held = result.data.held
    body: List[str] = [
        "<h1>How long a copy takes, and what it proves</h1>",
        f'<p class="soft">{held.files:,} files, {held.size_bytes / 1e9:.3f} GB, to {e(result.destination.kind)}'
        f"{e(', ' + result.destination.words if result.destination.words else '')}. {e(result.made)}.</p>",
    ]
    if not result.complete:
        body.append('<p class="warn">Interrupted: these are the turns that had ended by then.</p>')
    said = "".join(f"<p>{e(sentence)}</p>" for sentence in sentences(result.rows))
    body += [f'<div class="said">{said}</div>'] if said else []
    for job, name in ((Job.COPY, "Copying"), (Job.AUDIT, "Auditing a copy that is there")):
        rows = of_job(result.rows, job)
        if rows:
            body += [f"<h2>{name}</h2>", legend(rows), *_figures(rows, job), rows_table(rows)]
    body += ["<h2>What it was measured on</h2>", facts(_facts(result))]
    body += ["<h2>How to read it</h2>", *(f"<p>{e(line)}</p>" for line in notes(result))]
    body += ["<h2>How each was called, and what it proves</h2>", _commands(result.rows)]
    if result.missing:
        body += ["<h2>Not measured</h2>", facts(tuple(result.missing.items()))]
    return whole("How long a copy takes, and what it proves", body)


def _figures(rows: Sequence[Row], job: Job) -> List[str]:
    if not any(row.total for row in rows):
        return []
    if job is Job.AUDIT:
        return [figure(charts.times("Time of an audit", rows))]
    pair = (
        charts.rates("Megabytes a second", rows, files=False),
        charts.rates("Files a second", rows, files=True),
    )
    drawn = [figure(charts.times("Time by tool", rows)), f'<div class="pair">{"".join(map(figure, pair))}</div>']
    if len(by_level(rows)) > 1:
        drawn.append(figure(charts.levels("What each level of proof costs", rows)))
    if len(by_threads(rows)) > 1:
        drawn.append(figure(charts.threads("Ours over the number of threads", rows)))
    return drawn


def legend(rows: Sequence[Row]) -> str:
    """The colours that occur, in words."""
    used = [level for level in LEVELS if any(row.evidence is level for row in rows)]
    items = "".join(f'<li><i class="{level.value}"></i>{e(level.words)}</li>' for level in used)
    return f'<ul class="legend">{items}</ul>'


def rows_table(rows: Sequence[Row]) -> str:
    """All figures, like beside like."""
    names = ("median s", "min", "max", "of it flush", "MB/s", "files/s", "to ours", "MiB")
    head = "<tr><th></th>" + "".join(f'<th class="n">{name}</th>' for name in names)
    text = [f'<div class="scroll"><table class="tight"><thead>{head}<th></th></tr></thead>']
    for level, group in by_evidence(rows).items():
        text.append(f'<tr class="level"><td colspan="10">{e(level.words)}</td></tr>')
        text += map(_row, group)
    return "".join(text) + "</table></div>"


def _row(row: Row) -> str:
    if row.total is None:
        return f'<tr><td>{e(row.name)}</td><td class="fault" colspan="9">failed: {e(row.fault)}</td></tr>'
    total = row.total
    flush = f"{row.flush_seconds:.3f}" if row.contender.job is Job.COPY else ""
    cells = [f"{total.median:.3f}", f"{total.least:.3f}", f"{total.most:.3f}", flush]
    cells += [f"{row.mb_per_s:,.1f}", f"{row.files_per_s:,.0f}"]
    cells += [f"{row.ratio:.2f}" if row.ratio is not None else "", f"{row.peak_mib:.0f}" if row.peak_mib else ""]
    weaker = f"asked for &#x27;{row.contender.evidence.value}&#x27;" if row.weaker else ""
    figures = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f"<tr><td>{e(row.name)}</td>{figures}<td>{weaker}</td></tr>"


def _side(side: Side) -> str:
    parts = [side.path, side.kind, side.options and f"mounted {side.options}", side.words, side.cache]
    parts.append(f"reads past the cache: {side.cold_reads}")
    parts.append(side.flush and f"flush: {side.flush}")
    return "; ".join(part for part in parts if part)


def _facts(result: Result) -> List[Tuple[str, str]]:
    machine, held = result.machine, result.data.held
    mean = held.size_bytes / held.files / 1e6 if held.files else 0.0
    memory = f", {machine['memory_bytes'] / 2**30:.1f} GiB of memory" if machine["memory_bytes"] else ""
    return [
        ("Machine", f"{machine['processors']} processors ({machine['processor']}){memory}"),
        ("System", f"{machine['system']}, {machine['python']}"),
        ("Source", _side(result.source)),
        ("Destination", _side(result.destination)),
        ("Data", f"{result.data.words}; {held.files:,} files in {held.folders:,} folders, {held.size_bytes:,} bytes, "
                 f"{mean:.3f} MB each in the mean, the largest {held.largest_bytes / 1e6:.1f} MB"),
        ("Rounds", f"{result.rounds}, in turn, every second one in reverse; "
                   f"median spread (max - min) / median: {100 * charts.spread_of_rounds(result.rows):.0f} %"),
        ("Versions", "; ".join(result.versions.values())),
        ("Command", result.command),
    ]  # fmt: skip


def notes(result: Result) -> List[str]:
    """What a reader has to know to read the figures rightly."""
    size = "larger than" if result.larger_than_memory else "not larger than"
    return [
        "A time runs from the start of the program to the end of a flush of what it wrote; the part of the flush is "
        f"shown. The data is {size} the memory of this computer; source: {result.source.cache or 'as it was'}. "
        "Megabytes and files are those of the payload, counted once, whatever was read or written beside it.",
        "What is proven decides what may be compared: a copy that nobody read back is no rival of one that was. "
        "'Hashed while sent' says that the bytes were right on their way, 'read back' that the copy was read again, "
        "perhaps from this computer's memory, 'past the cache' that it was not. What ours proved stands in its report.",
        "'To ours' is a time over that of ours at its default: below 1 is faster than ours. 'Asked for' says that the "
        "level could not be reached here, and that what was reached is what counts. MiB is the most memory of one "
        "process, left out below some 10.",
        "No figure speaks of what the storage server does behind its own cache, of other users' load, of names, access "
        "rights and streams that were not in the data, or of a copy that is interrupted.",
    ]


def _commands(rows: Sequence[Row]) -> str:
    """A list: each contender, its command, and what that proves at the most."""
    text = ['<p class="soft">SRC and DST are both sides, TMP is a scratch folder.</p><dl>']
    for row in rows:
        text.append(f"<dt>{e(row.name)}</dt><dd><code>{e(row.contender.shown())}</code></dd>")
        text.append(f'<dd class="soft">{e(row.contender.proves)}</dd>')
    return "".join(text) + "</dl>"
