"""`mlobs traces`: the newest traces as a table, one trace as a tree."""

import argparse
import re
from typing import Any

from mlobs.errors import QueryError

SHOW_EPILOG = """\
examples:
  mlobs traces show latest
  mlobs traces show 4bf92f
  mlobs traces show 4bf92f3577b34da6a3ce929d0e0e4736 --json
"""
SPARE = ("started", "cost", "tokens", "service", "spans", "errors")
PREFIX_DIGITS_MIN = 6
NEWEST_MAX = 1_000


def register(nouns: Any) -> None:
    """Add `mlobs traces`."""
    noun = nouns.add_parser("traces", help="what happened", description="Ask a server for traces.")
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = verbs.add_parser("list", help="the newest traces", description="Print the newest traces.")
    listed.add_argument("--limit", type=int, default=20, help="how many (default: 20)")
    listed.add_argument("--service", help="only those a service took part in")
    listed.add_argument("--noun", help="only those with a call of this noun: agent, tool, llm, predict ...")
    listed.add_argument(
        "--status", choices=("ok", "error"), help="only those without, or with, a failed span"
    )
    listed.set_defaults(handler=list_traces)
    shown = verbs.add_parser(
        "show",
        help="one trace as a tree",
        description="Print one trace as a tree.",
        epilog=SHOW_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shown.add_argument(
        "trace_id", metavar="TRACE_ID", help="32 hex digits, the first 6 or more of them, or 'latest'"
    )
    shown.set_defaults(handler=show_trace)
    for verb in (listed, shown):
        verb.add_argument(
            "--server", help="the server's address (default: http://127.0.0.1:4318, MLOBS_SERVER)"
        )
        verb.add_argument("--json", action="store_true", help="print JSON")


def list_traces(arguments: argparse.Namespace) -> int:
    """Print the newest traces."""
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import console, print_json, print_rows
    from mlobs.server.tree import cost, duration

    wanted = {
        "limit": arguments.limit,
        "service": arguments.service,
        "noun": arguments.noun,
        "status": arguments.status,
    }
    traces = ask(arguments.server, "/api/traces", wanted)["traces"]
    if arguments.json:
        print_json(traces)
        return 0
    rows = [
        {
            "started": trace["started"].replace("T", " ")[:19],
            "trace": trace["trace_id"],
            "name": trace["name"],
            "service": trace["service"],
            "took": duration(trace["duration_ms"]),
            "spans": trace["spans"],
            "errors": trace["errors"] or None,
            "tokens": None
            if trace["input_tokens"] is None
            else trace["input_tokens"] + (trace["output_tokens"] or 0),
            "cost": None if trace["cost_usd"] is None else cost(trace["cost_usd"]),
        }
        for trace in traces
    ]
    if rows:
        print_rows(rows, as_json=False, whole=("trace",), spare=SPARE)
    else:
        console(stderr=True).print("No traces. Is a program sending to this server?")
    return 0


def show_trace(arguments: argparse.Namespace) -> int:
    """Print one trace."""
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import print_json

    trace_id = _named(arguments.trace_id, arguments.server)
    missing = f"No trace {trace_id!r} is stored. {_hint(arguments.server)}"
    trace = ask(arguments.server, f"/api/traces/{trace_id}", missing=missing)
    if arguments.json:
        print_json(trace)
    else:
        draw(trace)
    return 0


def _named(words: str, server: str | None) -> str:
    """Return the whole id of the trace that was asked for."""
    from mlobs.cli.asking import ask

    if words == "latest":
        newest = ask(server, "/api/traces", {"limit": 1})["traces"]
        if not newest:
            raise QueryError("There is no trace yet. Is a program sending to this server?")
        return str(newest[0]["trace_id"])
    if not re.fullmatch(rf"[0-9a-fA-F]{{{PREFIX_DIGITS_MIN},32}}", words):
        raise QueryError(
            f"{words[:64]!r} is not a trace id. Wanted: 32 hex digits, the first {PREFIX_DIGITS_MIN} or more "
            f"of them, or 'latest'. {_hint(server)}"
        )
    if len(words) == 32:
        return words.lower()
    newest = ask(server, "/api/traces", {"limit": NEWEST_MAX})["traces"]
    found = [str(trace["trace_id"]) for trace in newest if trace["trace_id"].startswith(words.lower())]
    if not found:
        raise QueryError(
            f"None of the newest {NEWEST_MAX:,} traces begins with {words!r}. Older ones are found by all 32 "
            f"digits. {_hint(server)}"
        )
    if len(found) > 1:
        raise QueryError(
            f"{len(found)} traces begin with {words!r}: {', '.join(found[:3])}{' ...' if found[3:] else ''}. "
            f"Give more digits."
        )
    return found[0]


def _hint(server: str | None) -> str:
    return f"The newest ones: mlobs traces list{f' --server {server}' if server else ''}"


def draw(trace: dict[str, Any]) -> None:
    """Print a trace as a tree."""
    from rich.text import Text
    from rich.tree import Tree

    from mlobs.cli.printing import print_tree, visible
    from mlobs.server.tree import facts, title, tree, walk

    top = Tree(Text(f"trace {visible(trace['trace_id'])}", style="bold"))
    branches, deepest = [top], 0
    for depth, node in walk(tree(trace["spans"])):
        span = node.span
        line = Text(visible(title(span)), style="red" if span["status"] == "Error" else "")
        line.append(f"  {'  '.join(map(visible, facts(span)))}", style="dim")
        if node.orphan:
            line.append("  its parent is missing", style="yellow")
        del branches[depth + 1 :]
        branches.append(branches[depth].add(line))
        deepest = max(deepest, depth + 1)
    print_tree(top, deepest)
