"""One trace as a plain page: the tree as escaped text. Works without scripts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mlobs.server.tree import Span, duration, facts, tree, walk

_STYLE = "body{font:14px/1.5 monospace;margin:2em} .error{color:#b00020} ul{list-style:none;padding-left:0}"


def trace_page(trace_id: str, spans: Sequence[Span]) -> str:
    """Return the page of one trace."""
    lines = []
    for depth, node in walk(tree(spans)):
        css = ' class="error"' if node.span["status"] == "Error" else ""
        orphan = " (its parent is missing)" if node.orphan else ""
        text = f"{node.span['name']}  {'  '.join(facts(node.span))}  {node.span['service']}{orphan}"
        lines.append(f'<li{css} style="padding-left:{min(depth, 60) * 2}em">{escape(text)}</li>')
    title = escape(f"trace {trace_id}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><ul>{''.join(lines)}</ul></body></html>"
    )


def list_page(traces: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of the newest traces."""
    lines = []
    for row in traces:
        css = ' class="error"' if row["errors"] else ""
        text = f"{row['name']}  {duration(row['duration_ms'])}  {row['spans']} spans  {row['service']}"
        link = f'<a href="/traces/{escape(row["trace_id"])}">{escape(text)}</a>'
        lines.append(f"<li{css}>{escape(row['started'])} {link}</li>")
    body = f"<ul>{''.join(lines)}</ul>" if lines else "<p>Nothing has arrived yet.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mlobs</title>'
        f"<style>{_STYLE}</style></head><body><h1>newest traces</h1>{body}</body></html>"
    )


def message_page(message: str) -> str:
    """Return a page with one sentence."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mlobs</title>'
        f"<style>{_STYLE}</style></head><body><p>{escape(message)}</p></body></html>"
    )
