"""`mlobs traces`: the newest traces as a table, one trace as a tree."""

import argparse
from typing import TYPE_CHECKING, Any

from mlobs.errors import QueryError

if TYPE_CHECKING:
    from rich.tree import Tree

SHOW_EPILOG = """\
examples:
  mlobs traces show latest
  mlobs traces show 4bf92f3577b34da6a3ce929d0e0e4736 --json
"""


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
    shown.add_argument("trace_id", metavar="TRACE_ID", help="32 hex digits, or 'latest'")
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
        print_rows(rows, as_json=False)
    else:
        console(stderr=True).print("No traces. Is a program sending to this server?")
    return 0


def show_trace(arguments: argparse.Namespace) -> int:
    """Print one trace."""
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import console, print_json

    trace_id = arguments.trace_id
    if trace_id == "latest":
        newest = ask(arguments.server, "/api/traces", {"limit": 1})["traces"]
        if not newest:
            raise QueryError("There is no trace yet. Is a program sending to this server?")
        trace_id = newest[0]["trace_id"]
    trace = ask(arguments.server, f"/api/traces/{trace_id}", {})
    if arguments.json:
        print_json(trace)
    else:
        console().print(drawn(trace))
    return 0


def drawn(trace: dict[str, Any]) -> "Tree":
    """Return a trace as a tree for the terminal."""
    from rich.text import Text
    from rich.tree import Tree

    from mlobs.server.tree import facts, title, tree, walk

    top = Tree(Text(f"trace {trace['trace_id']}", style="bold"))
    branches = [top]
    for depth, node in walk(tree(trace["spans"])):
        span = node.span
        line = Text(title(span), style="red" if span["status"] == "Error" else "")
        line.append(f"  {'  '.join(facts(span))}", style="dim")
        if node.orphan:
            line.append("  its parent is missing", style="yellow")
        del branches[depth + 1 :]
        branches.append(branches[depth].add(line))
    return top
