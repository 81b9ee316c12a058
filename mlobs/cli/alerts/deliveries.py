"""`mlobs alerts deliveries`: who was told of what, and how the sinks are."""

import argparse
from collections.abc import Mapping
from typing import Any

from mlobs.alerts.letters import STATES
from mlobs.cli.alerts.asked_desk import add_whom, deliveries
from mlobs.cli.verbs import add_verb

EPILOG = """\
examples:
  mlobs alerts deliveries
  mlobs alerts deliveries --state dead --sink pager --json | jq -r '.deliveries[].id'

With --json a sink is closed while messages are attempted at once, open when it failed so often that it is
left alone for a while, probing when the next message will show, gone when messages wait for one that is no
longer configured.
"""
# How a sink is, in words.
IN_WORDS = {
    "closed": "well",
    "open": "fails, and is left alone for a while",
    "probing": "failed, and is tried again with the next message",
    "gone": "not configured any more",
}


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "deliveries", _deliveries, "Print who was told of what, and how it went.", EPILOG)
    verb.add_argument("--sink", metavar="NAME", help="only this sink's")
    verb.add_argument("--state", choices=STATES, help="only those")
    verb.add_argument("--limit", metavar="N", type=int, help="at most so many (default: 50)")
    verb.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    add_whom(verb)


def _deliveries(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import console, print_json, print_rows, visible

    query = {"sink": arguments.sink, "state": arguments.state, "limit": arguments.limit}
    answer = deliveries(arguments, query)
    if arguments.json:
        print_json(answer)
        return 0
    rows = [
        {
            "made": one["made"].replace("T", " ")[:19],
            "sink": one["sink"],
            "alert": one["rule"],
            "status": one["status"],
            "state": one["state"],
            "attempts": one["attempts"],
            "answer": one["answer"] or None,
            "id": one["id"],
        }
        for one in answer["deliveries"]
    ]
    if rows:
        print_rows(rows, as_json=False, whole=("made",), ids=("id",), spare=("attempts", "answer", "id"))
    talk = console(stderr=True)
    for sink in answer["sinks"]:
        where = f" ({sink['type']}, {sink['address']})" if sink.get("type") else ""
        waits = f"{sink['waiting']} waiting, {sink['dead']} dead"
        talk.print(visible(f"{sink['sink']}{where}: {_how_it_is(sink)}; {waits}"), markup=False)
    if not rows:
        talk.print("no deliveries")
    return 0


def _how_it_is(sink: Mapping[str, Any]) -> str:
    """Return how a sink is, in words; what failed since something arrived is no small thing."""
    words = str(IN_WORDS.get(sink["state"], sink["state"]))
    failures = sink.get("failures")
    if not failures or sink["state"] == "gone":
        return words
    tried = f"{failures} attempt{'s' if failures > 1 else ''} failed"
    following = f", the next is due at {sink['next'].replace('T', ' ')[:19]}" if sink.get("next") else ""
    return f"{tried}{following}" if sink["state"] == "closed" else f"{words}; {tried}{following}"
