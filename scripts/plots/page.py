"""One self-contained HTML page: the figures as embedded PNG, the numbers as tables."""

import base64
import html

CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 1200px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
p.caption { color: #444; max-width: 80ch; }
img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap; }
th { background: #f4f4f4; } th.text, td.text { text-align: left; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0.1rem 1rem; } dt { color: #555; } dd { margin: 0; }
nav a { margin-right: 1.2rem; }
"""


def number(value):
    """Five digits that matter; empty for what is not known."""
    if value is None or value != value:
        return ""
    if isinstance(value, int) or float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:.5g}"


def table(frame):
    """HTML of a pandas table; text columns to the left, numbers to the right."""
    kinds = ["text" if frame[column].dtype == object else "" for column in frame.columns]
    head = "".join(f'<th class="{kind}">{html.escape(str(c))}</th>' for c, kind in zip(frame.columns, kinds))
    rows = []
    for row in frame.itertuples(index=False):
        cells = (f'<td class="{kind}">{html.escape(str(v)) if kind else number(v)}</td>' for v, kind in zip(row, kinds))
        rows.append("<tr>" + "".join(cells) + "</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def render(title, facts, plots, tables):
    """`facts`: {name: text}; `plots`: [(Plot, path of its PNG)]; `tables`: [(heading, DataFrame)]."""
    tables = [(heading, frame) for heading, frame in tables if not frame.empty]
    anchors = [(plot.name, plot.title) for plot, _ in plots]
    anchors += [(f"table-{i}", heading) for i, (heading, _) in enumerate(tables)]
    parts = [f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
             f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{CSS}</style></head><body>',
             f"<h1>{html.escape(title)}</h1><dl>"]
    parts += [f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts.items() if v]
    parts.append("</dl><nav>" + " ".join(f'<a href="#{a}">{html.escape(t)}</a>' for a, t in anchors) + "</nav>")
    for plot, path in plots:
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(f'<h2 id="{plot.name}">{html.escape(plot.title)}</h2>'
                     f'<p class="caption">{html.escape(plot.caption)}</p>'
                     f'<img alt="{html.escape(plot.title)}" src="data:image/png;base64,{data}">')
    for i, (heading, frame) in enumerate(tables):
        parts.append(f'<h2 id="table-{i}">{html.escape(heading)}</h2>{table(frame)}')
    parts.append("</body></html>\n")
    return "\n".join(parts)
