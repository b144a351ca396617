"""A scoreboard's table: HTML that a click or a key sorts where scripts run, a plain table elsewhere, and text."""

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

from emotion_utils.plots.figures import PALETTE

COLUMNS = ("design", "parameters", "multiply-adds", "seconds", "accuracy", "95 % interval", "change", "curve")
# Without a script the headers are words; the script makes buttons of them, so nothing dead is left where there is none.
SCRIPT = """
for (const table of document.querySelectorAll("table.emotion-scores:not([data-live])")) {
  table.dataset.live = "1";
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!body.rows.length || !("sort" in body.rows[0].cells[column].dataset)) return;
    const button = document.createElement("button");
    button.textContent = head.textContent;
    button.title = "sort";
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells[column].dataset.sort, sign = up ? 1 : -1;
      [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const text = isNaN(x) || isNaN(y);
        return sign * (text ? x.localeCompare(y) : x - y);
      }).forEach(row => body.append(row));
    };
    head.replaceChildren(button);
  });
}
"""
STYLE = """
.emotion-scores{border-collapse:collapse;font:13px sans-serif}
.emotion-scores td,.emotion-scores th{padding:4px 8px;text-align:right;vertical-align:middle;white-space:nowrap}
.emotion-scores td:first-child,.emotion-scores th:first-child{text-align:left;white-space:normal;min-width:9em}
.emotion-scores small{opacity:.75}
.emotion-scores thead{border-bottom:1px solid currentColor}
.emotion-scores button{font:inherit;font-weight:bold;color:inherit;background:none;border:0;padding:2px;cursor:pointer}
.emotion-scores button:focus-visible{outline:2px solid currentColor}
.emotion-scores th[aria-sort=ascending] button::after{content:" ▲"}
.emotion-scores th[aria-sort=descending] button::after{content:" ▼"}
"""


def as_html(rows: Sequence[Any], path: str) -> str:
    """Return the table of `Standing`s as HTML, in their order; `path` says where they are kept."""
    if not rows:
        return "<p><em>The scoreboard is empty: add a design with board.add(label, …).</em></p>"
    best = " aria-sort='descending'"
    heads = "".join(f"<th scope='col'{best if name == 'accuracy' else ''}>{name}</th>" for name in COLUMNS)
    body = "".join(_row(one) for one in rows)
    return (
        f"<style>{STYLE}</style><div style='overflow-x:auto'><table class='emotion-scores'>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f"<p><em>{html.escape(sentence(rows))} Kept in {html.escape(path)}.</em></p><script>{SCRIPT}</script>"
    )


def sentence(rows: Sequence[Any]) -> str:
    """Say what the table shows."""
    best = next((one for one in rows if one.note != "other faces"), rows[0]).score
    others = sum(one.note == "other faces" for one in rows)
    told = f"{len(rows)} design{'s' * (len(rows) != 1)}, best first: {best.label} with {best.accuracy:.1%}."
    seeds = max((len(one.score.runs) for one in rows if one.note == "baseline"), default=0)
    if seeds:
        told += f" Changes are held against {seeds} seeds of the baseline: ± is what luck does, in 95 of 100 cases."
    else:
        told += " Changes are paired over the same faces, with 95 % intervals; they leave out the luck of the seed."
    return told + (f" {others} met other faces and cannot be compared." if others else "")


def _row(one: Any) -> str:
    score = one.score
    low_high = "–" if one.interval is None else f"{100 * one.interval[0]:.1f} to {100 * one.interval[1]:.1f}"
    cells = [
        (f"<b>{html.escape(score.label)}</b><br><small>{html.escape(score.design)}</small>", score.label),
        (f"{score.parameters:,}", score.parameters),
        (f"{score.multiply_adds:,}", score.multiply_adds),
        (_seconds(score.seconds), "" if math.isnan(score.seconds) else score.seconds),
        (f"<b>{score.accuracy:.1%}</b>", score.accuracy),
        (low_high, None),
        (html.escape(_change(one)), "" if one.change is None else one.change),
        (_sparkline(score.curve), None),
    ]
    return f"<tr>{''.join(_cell(shown, key) for shown, key in cells)}</tr>"


def _cell(shown: str, key: object) -> str:
    mark = "" if key is None else f" data-sort='{html.escape(str(key), quote=True)}'"
    return f"<td{mark}>{shown}</td>"


def _seconds(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _change(one: Any) -> str:
    if one.change is None:
        return one.note
    margin = "" if one.margin is None else f" ± {100 * one.margin:.1f}"
    return f"{100 * one.change:+.1f}{margin} points, {one.note}"


def _sparkline(curve: Sequence[float], width: int = 90, height: int = 22) -> str:
    """Draw a curve as a small picture, from 0 to 100 %, with the numbers of both ends as alt text."""
    if not curve:
        return "–"
    across = max(len(curve) - 1, 1)
    places = [(3 + (width - 6) * i / across, 3 + (height - 6) * (1 - value)) for i, value in enumerate(curve)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'>"
        f"<path d='M0 {height - 3}H{width}M0 3H{width}' stroke='#888' stroke-opacity='.35'/>"
        f"<polyline points='{line}' fill='none' stroke='{PALETTE['vermilion']}' stroke-width='1.8'/>"
        f"<circle cx='{places[-1][0]:.1f}' cy='{places[-1][1]:.1f}' r='2.4' fill='{PALETTE['vermilion']}'/></svg>"
    )
    told = f"accuracy from {curve[0]:.0%} to {curve[-1]:.0%} in {len(curve)} epochs"
    return (
        f"<img alt='{told}' title='{told}' src='data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}'>"
    )


def as_text(rows: Sequence[Any]) -> str:
    """Return the table as text."""
    if not rows:
        return "The scoreboard is empty: add a design with board.add(label, …)."
    lines = [("design", "parameters", "multiply-adds", "seconds", "accuracy", "change")]
    for one in rows:
        score = one.score
        lines.append(
            (
                score.label,
                f"{score.parameters:,}",
                f"{score.multiply_adds:,}",
                _seconds(score.seconds),
                f"{score.accuracy:.1%}",
                _change(one),
            )
        )
    wide = [max(len(line[i]) for line in lines) for i in range(6)]
    adjust = (str.ljust, str.rjust, str.rjust, str.rjust, str.rjust, str.ljust)
    made = ["  ".join(f(text, w) for f, text, w in zip(adjust, line, wide, strict=True)).rstrip() for line in lines]
    return "\n".join([*made, sentence(rows)])
