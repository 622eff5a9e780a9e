# SPDX-License-Identifier: Apache-2.0
"""Looks of the scorecard's page: one style sheet, for phones and wide screens, light and dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff;
  --panel: #f5f7fa; --blue: #1f6feb; --band: #b9d3f8; --good: #1a7f37; --bad: #c62828;
  --miss: #b58900; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #333c48;
  --paper: #12171e; --panel: #1b222c; --blue: #6ea8fe; --band: #2b4a78; --good: #56d364;
  --bad: #ff7b72; --miss: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
main { max-width: 1120px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.5rem; margin: 8px 0 2px; } h2 { font-size: 1.15rem; margin: 28px 0 8px; }
h3 { font-size: 1rem; margin: 16px 0 6px; }
p { margin: 6px 0; } .soft { color: var(--soft); font-size: .87rem; }
.cards { display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.card { background: var(--panel); border-radius: 8px; padding: 10px 12px; }
.card b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere;
  min-width: 6em; }
@media (max-width: 480px) { th, td { white-space: normal; padding: 4px 5px; } }
th { font-weight: 600; color: var(--soft); font-size: .83rem; vertical-align: bottom; }
.pairs { display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
.shots { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
figure { margin: 0; background: var(--panel); border-radius: 8px; overflow: hidden; }
figure svg { display: block; width: 100%; height: auto; max-height: 420px; }
figcaption { padding: 6px 10px 10px; font-size: .83rem; overflow-wrap: anywhere; }
svg.chart { display: block; width: 100%; height: auto; max-width: 400px;
  font: 12px system-ui, sans-serif; }
svg.chart text { fill: var(--ink); } svg.chart .dim { fill: var(--soft); }
svg.chart .axis { stroke: var(--line); }
.row { display: grid; grid-template-columns: minmax(110px, 11.5em) 1fr 3.2em; gap: 10px;
  align-items: center; font-size: .87rem; padding: 3px 0; border-bottom: 1px solid var(--line); }
.row > span:first-child { text-align: right; overflow-wrap: anywhere; }
.row b { font-variant-numeric: tabular-nums; font-weight: 500; }
.bar { position: relative; height: 12px;
  background: linear-gradient(90deg, var(--panel), var(--panel));
  border-radius: 3px; }
.bar .band { position: absolute; top: 0; height: 12px; background: var(--band);
  border-radius: 3px; }
.bar .dot { position: absolute; top: 1px; width: 10px; height: 10px; margin-left: -5px;
  border-radius: 50%; background: var(--blue); }
svg.chart .mark { fill: var(--blue); } svg.chart .line { stroke: var(--blue); fill: none; }
.box { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.found { stroke: #34d058; } .missed { stroke: #ffd33d; stroke-dasharray: 6 4; stroke-width: 3; }
.right { stroke: #58a6ff; } .wrong { stroke: #ff5c5c; stroke-width: 3; }
.uncounted { stroke: #d0d7de; stroke-dasharray: 2 4; }
.tag { font: 600 1px system-ui, sans-serif; fill: #fff; paint-order: stroke; stroke: #000; }
#truth:not(:checked) ~ main .truth, #answer:not(:checked) ~ main .answer { display: none; }
.toggle { position: absolute; opacity: 0; }
.keys { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; margin: 8px 0; }
.keys label { cursor: pointer; border: 1px solid var(--line); border-radius: 99px;
  padding: 2px 12px; }
#truth:checked ~ main label[for=truth], #answer:checked ~ main label[for=answer]
  { background: var(--band); }
#truth:focus-visible ~ main label[for=truth], #answer:focus-visible ~ main label[for=answer]
  { outline: 2px solid var(--blue); }
.swatch { display: inline-block; width: 22px; height: 0; border-top: 3px solid;
  vertical-align: middle;
  margin-right: 6px; }
.better { color: var(--good); font-weight: 600; } .worse, .failed { color: var(--bad);
  font-weight: 600; }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--blue); }
@media print { .keys label { display: none; } }
"""
"""No font, image or script comes from elsewhere; the page's own policy forbids it."""
