"""`mlobs traces`: lists, one trace as a tree, a search through what was said, and files of spans."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlobs.cli.filters import FilterParser, small_word, split
from mlobs.cli.verbs import add_server
from mlobs.errors import QueryError

LIST_EPILOG = """\
examples:
  mlobs traces list "service:support-bot status:error" --since 24h
  mlobs traces list "tool:refund duration>5s" --sort slowest
  mlobs traces list '{tool:refund} -{status:error} "where is my money"'

A filter asks about one span of a trace: terms side by side hold for the same one. Words, sessions, users
and what is in {braces} hold anywhere in the trace. - is not, OR and (brackets) work, * stands for anything.
"""
SHOW_EPILOG = """\
examples:
  mlobs traces show latest
  mlobs traces show 4bf92f
  mlobs traces show 4bf92f3577b34da6a3ce929d0e0e4736 --json
"""
GREP_EPILOG = """\
examples:
  mlobs traces grep "where is my money"
  mlobs traces grep refund service:support-bot status:error --since 7d
"""
EXPORT_EPILOG = """\
examples:
  mlobs traces export "session:abc" --out session.jsonl
  mlobs traces export "model:gpt-4o" --since 7d --limit 100000 --out calls.parquet
  mlobs traces export "status:error" --out errors.otlp
  curl --data-binary @errors.otlp -H 'Content-Type: application/x-protobuf' http://127.0.0.1:4318/v1/traces
"""
SPARE = ("spans", "tokens", "errors", "cost", "service")
PREFIX_DIGITS_MIN = 6
PREFIX_SINCE = "30d"
SNIPPET_CHARACTERS = 40
MATCHES_MAX = 3  # Of one trace.


def register(nouns: Any) -> None:
    """Add `mlobs traces`."""
    noun = nouns.add_parser("traces", help="what happened", description="Ask a server for traces.")
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=FilterParser)
    listed = _verb(
        verbs, "list", list_traces, "the newest traces", "Print traces, the newest first.", LIST_EPILOG
    )
    _add_filter(listed, limit=20)
    listed.add_argument(
        "--sort", choices=("newest", "slowest", "dearest"), help="default: newest, by a trace's last span"
    )
    listed.add_argument("--cursor", help="go on after the page that gave this word")
    listed.add_argument("--service", help="only those a service took part in")
    listed.add_argument("--noun", help="only those with a call of this noun: agent, tool, llm, predict ...")
    listed.add_argument(
        "--status", choices=("ok", "error"), help="only those without, or with, a failed span"
    )
    shown = _verb(verbs, "show", show_trace, "one trace as a tree", "Print one trace as a tree.", SHOW_EPILOG)
    shown.add_argument(
        "trace_id", metavar="TRACE_ID", help="32 hex digits, the first 6 or more of them, or 'latest'"
    )
    searched = _verb(
        verbs,
        "grep",
        grep_traces,
        "find words in what was said",
        "Print where some words are: in content (whole words), names and error messages.",
        GREP_EPILOG,
    )
    searched.add_argument(
        "words",
        metavar="TEXT",
        nargs="+",
        help="the words, as they are typed; after the first, terms such as service:x are a filter",
    )
    _add_range(searched, limit=20)
    written = _verb(
        verbs, "export", export_traces, "write spans to a file", "Write the spans of traces.", EXPORT_EPILOG
    )
    _add_filter(written, limit=1_000)
    written.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    written.add_argument(
        "--format", choices=("parquet", "otlp", "jsonl"), help="default: what FILE ends in, else parquet"
    )
    for verb in (listed, shown, searched, written):
        add_server(verb)
        if verb is not written:
            verb.add_argument("--json", action="store_true", help="print JSON")


def list_traces(arguments: argparse.Namespace) -> int:
    """Print traces."""
    from mlobs.cli.asking import client
    from mlobs.cli.printing import console, print_json, print_rows, visible

    names = ("limit", "sort", "cursor", "service", "noun", "status")
    wanted = {**_asked(arguments), **{name: getattr(arguments, name) for name in names}}
    with client(arguments.server) as asked:
        answer = asked.page("/api/traces", "traces", wanted)
    traces = answer["traces"]
    if arguments.json:
        print_json(traces)
    elif traces:
        print_rows(_rows(traces), as_json=False, whole=("started",), ids=("trace",), spare=SPARE)
    else:
        console(stderr=True).print(_nothing(arguments))
    if answer["next"]:
        short = console().is_terminal and not arguments.json
        more = _more(visible(answer["next"]), arguments.limit, short=short)
        console(stderr=True).print(more, markup=False)
    return 0


def _more(word: str, limit: int, *, short: bool) -> str:
    """Return how to see more of a list; a person is spared the word for programs, of some 180 characters."""
    if short:
        return f"There are more: --limit {2 * limit} prints them too. --json comes with a word for --cursor."
    return f"more: the same with --cursor {word}"


def show_trace(arguments: argparse.Namespace) -> int:
    """Print one trace."""
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import console, print_json
    from mlobs.server.tree import cut

    trace_id = _named(arguments.trace_id, arguments.server)
    missing = f"No trace {trace_id!r} is stored. {_hint(arguments.server)}"
    trace = ask(arguments.server, f"/api/traces/{trace_id}", missing=missing)
    if arguments.json:
        print_json(trace)
    else:
        draw(trace)
    shown = len(trace["spans"])
    if left_out := cut(trace_id, shown, trace.get("spans_stored", shown)):
        console(stderr=True).print(left_out, markup=False, soft_wrap=True)
    return 0


def grep_traces(arguments: argparse.Namespace) -> int:
    """Print where some words are."""
    from mlobs.cli.asking import client
    from mlobs.cli.printing import console, print_json, print_rows
    from mlobs.server.ask.syntax import quoted

    arguments.text, arguments.filter = split(arguments.words)
    words = " ".join(part for part in (quoted(arguments.text), f"({arguments.filter})") if part != "()")
    rows: list[dict[str, object]] = []
    with client(arguments.server) as asked:
        wanted = {**_asked(arguments), "q": words, "limit": arguments.limit}
        for trace in asked.get("/api/traces", wanted)["traces"]:
            rows += _matches(asked.get(f"/api/traces/{trace['trace_id']}"), arguments.text)
    if arguments.json:
        print_json(rows)
    elif rows:
        print_rows(rows, as_json=False, ids=("trace",), spare=("where",))
    else:
        console(stderr=True).print(_nothing(arguments))
    return 0 if rows else 1


def export_traces(arguments: argparse.Namespace) -> int:
    """Write the spans of traces to a file."""
    from mlobs.cli.asking import client
    from mlobs.cli.exporting import export, form_of
    from mlobs.cli.printing import console

    with client(arguments.server) as asked:
        given = {name: text for name, text in _asked(arguments).items() if text is not None and name != "q"}
        traces = asked.traces(arguments.filter, limit=arguments.limit, **given)
        if not traces:
            raise QueryError(f"Nothing to write. {_nothing(arguments)}")
        spans = export(asked, traces, arguments.out, form_of(arguments.out, arguments.format))
    told = (
        f"{spans:,} {'span' if spans == 1 else 'spans'} of "
        f"{len(traces):,} {'trace' if len(traces) == 1 else 'traces'} in {arguments.out}"
    )
    if len(traces) == arguments.limit:
        told += f"; there may be more, --limit is {arguments.limit:,}"
    console(stderr=True).print(told, markup=False)
    return 0


def _verb(verbs: Any, name: str, handler: Any, brief: str, about: str, epilog: str = "") -> Any:
    made = verbs.add_parser(
        name,
        help=brief,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(handler=handler)
    return made


def _add_filter(verb: Any, *, limit: int) -> None:
    verb.add_argument(
        "filter", metavar="FILTER", nargs="*", help='such as: service:x status:error -tool:y "text"'
    )
    _add_range(verb, limit=limit)


def _add_range(verb: Any, *, limit: int) -> None:
    verb.add_argument("--since", help="how far back: 15m, 24h, 7d, or a time (default: 24h)")
    verb.add_argument("--from", dest="from_", metavar="TIME", help="where the range begins")
    verb.add_argument("--to", metavar="TIME", help="where the range ends (default: now)")
    verb.add_argument("--limit", type=int, default=limit, help=f"how many traces (default: {limit})")


def _asked(arguments: argparse.Namespace) -> dict[str, str | None]:
    return {
        "q": arguments.filter or None,
        "since": arguments.since,
        "from": arguments.from_,
        "to": arguments.to,
    }


def _nothing(arguments: argparse.Namespace) -> str:
    """Return what to say and to try when nothing was found."""
    if any((arguments.filter, getattr(arguments, "service", None), getattr(arguments, "text", None))):
        word = small_word(arguments.filter)
        hint = f" {word} is a word to look for here; {word.upper()} in capitals joins terms." if word else ""
        what = "such trace tells a cost" if getattr(arguments, "sort", None) == "dearest" else "trace fits"
        return f"No {what} in {_range_of(arguments)}. Look further back with --since 7d.{hint}"
    return "No traces. Is a program sending to this server?"


def _range_of(arguments: argparse.Namespace) -> str:
    """Return the range that was asked for, in words."""
    if arguments.from_ or arguments.to:
        return f"the range from {arguments.from_ or arguments.since or '24h'} to {arguments.to or 'now'}"
    since = arguments.since or "24h"
    return f"the last {since}" if re.fullmatch(r"[0-9]+[a-z]+", since) else f"the time since {since}"


def _rows(traces: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Return traces as rows of the table; those in progress or without a first span say so."""
    import time

    from mlobs.server.pages.traces.view import state

    words = {"": None, "running": "in progress", "rootless": "no root"}
    now_ns = time.time_ns()
    # A server of an older release does not say which are finished.
    states = [words[state(one, now_ns)] if "finished" in one else None for one in traces]
    return [
        _row(one, {"state": said} if any(states) else {}) for one, said in zip(traces, states, strict=True)
    ]


def _row(trace: dict[str, Any], marks: dict[str, object]) -> dict[str, object]:
    """Return a trace as a row of the table."""
    from mlobs.server.tree import cost, duration

    return {
        "started": trace["started"].replace("T", " ")[:19],
        "trace": trace["trace_id"],
        "name": trace["name"],
        **marks,
        "service": trace["service"],
        "took": duration(trace["duration_ms"]),
        "spans": trace["spans"],
        "errors": trace["errors"] or None,
        "tokens": None
        if trace["input_tokens"] is None
        else trace["input_tokens"] + (trace["output_tokens"] or 0),
        "cost": None if trace["cost_usd"] is None else cost(trace["cost_usd"]),
    }


def _matches(trace: dict[str, Any], text: str) -> Iterator[dict[str, object]]:
    """Yield the first places of a trace that have a text."""
    found = 0
    for span in trace["spans"]:
        places = {"name": span["name"], "status_message": span["status_message"] or "", **span["attributes"]}
        for event in span["events"]:
            places |= {f"{event['name']}: {key}": value for key, value in event["attributes"].items()}
        for where, value in places.items():
            at = value.casefold().find(text.casefold())
            if at >= 0 and found < MATCHES_MAX:
                found += 1
                start, end = max(0, at - SNIPPET_CHARACTERS), at + len(text) + SNIPPET_CHARACTERS
                yield {
                    "trace": trace["trace_id"],
                    "span": span["name"],
                    "where": where,
                    "text": f"{'...' if start else ''}{value[start:end]}{'...' if end < len(value) else ''}",
                }


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
    wanted = {"q": f"trace:{words.lower()}*", "since": PREFIX_SINCE, "limit": 4}
    found = [str(trace["trace_id"]) for trace in ask(server, "/api/traces", wanted)["traces"]]
    if not found:
        raise QueryError(
            f"No trace of the last {PREFIX_SINCE.rstrip('d')} days begins with {words!r}. Older ones are "
            f"found by all 32 digits. {_hint(server)}"
        )
    if len(found) > 1:
        raise QueryError(
            f"{'More than 3' if found[3:] else len(found)} traces begin with {words!r}: "
            f"{', '.join(found[:3])}{' ...' if found[3:] else ''}. Give more digits."
        )
    return found[0]


def _hint(server: str | None) -> str:
    return f"The newest ones: mlobs traces list{f' --server {server}' if server else ''}"


def draw(trace: dict[str, Any]) -> None:
    """Print a trace as a tree."""
    from mlobs.cli.printing import print_tree, rich, visible
    from mlobs.server.tree import facts, title, tree, walk

    tree_of, text = rich("tree").Tree, rich("text").Text
    top = tree_of(text(f"trace {visible(trace['trace_id'])}", style="bold"))
    branches, deepest = [top], 0
    for depth, node in walk(tree(trace["spans"])):
        span = node.span
        line = text(visible(title(span)), style="red" if span["status"] == "Error" else "")
        line.append(f"  {'  '.join(map(visible, facts(span)))}", style="dim")
        if node.orphan:
            line.append("  its parent is missing", style="yellow")
        del branches[depth + 1 :]
        branches.append(branches[depth].add(line))
        deepest = max(deepest, depth + 1)
    print_tree(top, deepest)
