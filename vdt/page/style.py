"""How pages look: light and dark as the reader's system asks, narrow and wide, on paper."""

from __future__ import annotations

STYLE = """\
:root { color-scheme: light dark;
  --text: #1f2328; --quiet: #59636e; --page: #ffffff; --box: #f6f8fa; --line: #d1d9e0;
  --good: #116329; --good-box: #dafbe1; --warn: #7d4e00; --warn-box: #fff8c5; --bad: #a40e26; --bad-box: #ffebe9;
  --one: #0969da; --two: #bf5c00; --three: #1a7f37; --four: #8250df; --five: #6e7781; }
@media (prefers-color-scheme: dark) { :root {
  --text: #e6edf3; --quiet: #9198a1; --page: #0d1117; --box: #161b22; --line: #3d444d;
  --good: #56d364; --good-box: #12261e; --warn: #e3b341; --warn-box: #272115; --bad: #ff7b72; --bad-box: #2d1517;
  --one: #4493f8; --two: #f0883e; --three: #3fb950; --four: #ab7df8; --five: #8b949e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 "Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 20px 16px 48px; overflow-wrap: anywhere; }
h1 { font-size: 20px; margin: 0 0 12px; font-weight: 600; }
h2 { font-size: 18px; margin: 32px 0 8px; padding-bottom: 4px; border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 6px 0; }
ul { margin: 4px 0 8px; padding-left: 22px; }
.verdict { border-left: 8px solid; border-radius: 4px; padding: 14px 18px; margin: 0 0 16px; }
.verdict .answer { font-size: 24px; font-weight: 650; line-height: 1.3; margin: 0 0 6px; }
.verdict p { color: var(--text); }
.good { color: var(--good); background: var(--good-box); border-color: var(--good); }
.warn { color: var(--warn); background: var(--warn-box); border-color: var(--warn); }
.bad { color: var(--bad); background: var(--bad-box); border-color: var(--bad); }
.badge { display: inline-block; padding: 0 8px; border-radius: 10px; font-weight: 600; white-space: nowrap; }
.line { border-left: 4px solid; padding: 2px 10px; margin: 4px 0; border-radius: 2px; }
.remedy { background: var(--box); border-left: 4px solid var(--one); padding: 4px 10px; margin: 4px 0 6px; }
.name { white-space: nowrap; }
.long { min-width: 14em; }
ul.files { columns: 22em; list-style: none; padding-left: 4px; font-family: Consolas, "DejaVu Sans Mono", monospace;
  font-size: 13px; }
.quiet { color: var(--quiet); }
code, .path { font-family: Consolas, "SF Mono", "DejaVu Sans Mono", monospace; font-size: 13px; }
.command { display: block; background: var(--box); padding: 8px 12px; border-radius: 4px; white-space: pre-wrap; }
.scroll { overflow-x: auto; margin: 6px 0 10px; }
table { border-collapse: collapse; font-size: 14px; overflow-wrap: normal; }
th, td { border: 1px solid var(--line); padding: 4px 10px; text-align: left; vertical-align: top; }
th { background: var(--box); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.wide { width: 100%; }
table.wide td { overflow-wrap: anywhere; min-width: 6em; }
table.wide td.number { min-width: 0; }
figure { margin: 12px 0 20px; }
figcaption { font-weight: 600; margin-bottom: 4px; }
svg { width: 100%; height: auto; max-width: 1048px; display: block; overflow: visible; }
svg text { fill: var(--quiet); font-size: 12px; }
svg .axis { stroke: var(--line); stroke-width: 1; }
svg .c0 { fill: var(--one); } svg .c1 { fill: var(--two); } svg .c2 { fill: var(--three); }
svg .c3 { fill: var(--four); } svg .c4 { fill: var(--five); }
svg .soft { fill-opacity: 0.75; }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 6px 0 0; }
.k0 { background: var(--one); } .k1 { background: var(--two); } .k2 { background: var(--three); }
.k3 { background: var(--four); } .k4 { background: var(--five); }
.legend span.item { margin-right: 18px; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 8px 0; }
dt { color: var(--quiet); } dd { margin: 0; min-width: 0; }
@media (max-width: 560px) {
  main { padding: 12px 10px 32px; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  .verdict .answer { font-size: 20px; } th, td { padding: 4px 6px; } svg text { font-size: 22px; } }
@media print {
  :root { --text: #000; --quiet: #444; --page: #fff; --box: #f3f3f3; --line: #bbb;
    --good: #116329; --good-box: #fff; --warn: #7d4e00; --warn-box: #fff; --bad: #a40e26; --bad-box: #fff;
    --one: #0969da; --two: #bf5c00; --three: #1a7f37; --four: #8250df; --five: #6e7781; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  h2, h3, figcaption { break-after: avoid; } figure, tr, .verdict { break-inside: avoid; }
  .scroll { overflow: visible; } .key, svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
@page { margin: 14mm; }
"""
