"""Plain pages: the newest traces, and one trace as its tree. Everything shown is escaped text.

They work without scripts and fetch nothing; the one style is in the page.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mlobs.server.tree import Span, cost, duration, facts, title, tree, walk

_STYLE = (
    ":root{color-scheme:light dark} body{font:14px/1.6 system-ui,sans-serif;margin:2em} "
    "table{border-collapse:collapse} td,th{text-align:left;padding:.1em 1.2em .1em 0} "
    ".error{color:#d33} small{opacity:.7} ul{list-style:none;padding-left:0} nav a{margin-right:1em}"
)
_LINKS = '<nav><a href="/">traces</a><a href="/api/alerts">alerts</a><a href="/metrics">metrics</a></nav>'


def list_page(traces: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of the newest traces."""
    rows = "".join(map(_row, traces))
    names = "".join(
        f"<th>{name}</th>" for name in ("UTC", "trace", "service", "took", "spans", "errors", "cost")
    )
    table = f"<table><tr>{names}</tr>{rows}</table>" if traces else "<p>Nothing has arrived yet.</p>"
    return _page("newest traces", table)


def trace_page(trace_id: str, spans: Sequence[Span], stored: int) -> str:
    """Return the page of one trace, of which `stored` spans are there and `spans` are shown."""
    lines = []
    for depth, node in walk(tree(spans)):
        orphan = " (its parent is missing)" if node.orphan else ""
        lines.append(
            f'<li{_mark(node.span["status"] == "Error")} style="padding-left:{min(depth, 60) * 2}em">'
            f"{escape(title(node.span))} <small>{escape('  '.join(facts(node.span)) + orphan)}</small></li>"
        )
    left_out = cut(trace_id, len(spans), stored)
    notice = f"<p>{escape(left_out)}</p>" if left_out else ""
    return _page(f"trace {trace_id}", f"{notice}<ul>{''.join(lines)}</ul>")


def cut(trace_id: str, shown: int, stored: int) -> str:
    """Return what to say of a trace that is shown in part; nothing if it is whole.

    >>> cut("4bf92f", 10_000, 30_001)
    "10,000 of 30,001 spans are shown; all: mlobs traces export 'trace:4bf92f' --since 3650d --out FILE"
    """
    if stored <= shown:
        return ""
    return (
        f"{shown:,} of {stored:,} spans are shown; "
        f"all: mlobs traces export 'trace:{trace_id}' --since 3650d --out FILE"
    )


def message_page(message: str) -> str:
    """Return a page with one sentence."""
    return _page("mlobs", f"<p>{escape(message)}</p>")


def _row(trace: Mapping[str, Any]) -> str:
    cells = (
        escape(trace["started"][:19].replace("T", " ")),
        f'<a href="/traces/{escape(trace["trace_id"])}">{escape(trace["name"])}</a>',
        escape(trace["service"]),
        duration(trace["duration_ms"]),
        str(trace["spans"]),
        str(trace["errors"] or ""),
        "" if trace["cost_usd"] is None else cost(trace["cost_usd"]),
    )
    return f"<tr{_mark(trace['errors'])}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _mark(failed: object) -> str:
    return ' class="error"' if failed else ""


def _page(name: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{_LINKS}<h1>{escape(name)}</h1>{body}</body></html>"
    )
