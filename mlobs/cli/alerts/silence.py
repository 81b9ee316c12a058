"""`mlobs alerts silence`: for a while, nobody is told of some alerts."""

import argparse
from typing import Any

from mlobs.cli.alerts.asked_desk import add_whom, silence, silences
from mlobs.cli.alerts.author import who
from mlobs.cli.verbs import add_verb

EPILOG = """\
examples:
  mlobs alerts silence service_name=shop severity=warning --for 2h --why "deploy of release 4.2"
  mlobs alerts silence 'alertname=~"MlobsCost.*"' --until 2026-05-01T18:00Z --why "load test"
  mlobs alerts silence
  mlobs alerts silence --end 4be1f0c2d3aa

Without labels the silences are listed. An alert that still fires when its silence ends is told then; who
was told that one began before is told that it ended.
exit status: 0 done, 2 could not be done
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs, "silence", _silence, "For a while, tell nobody of alerts with some labels.", EPILOG
    )
    verb.add_argument(
        "matchers",
        nargs="*",
        metavar="LABEL=VALUE",
        help="which alerts: conditions on labels with = != =~ or !~, all of which must hold",
    )
    how_long = verb.add_mutually_exclusive_group()
    how_long.add_argument("--for", dest="length", metavar="LENGTH", help="how long: 30m, 2h, 3d, 1w")
    how_long.add_argument("--until", metavar="TIME", help="until when, such as 2026-05-01T18:00Z")
    how_long.add_argument("--end", metavar="ID", help="end this silence now")
    verb.add_argument("--why", metavar="TEXT", help="the reason, for whoever looks at the list")
    verb.add_argument("--who", metavar="NAME", help="who makes or ends it (default: the user's name)")
    verb.add_argument("--json", action="store_true", help="print the answer as JSON")
    add_whom(verb)


def _silence(arguments: argparse.Namespace) -> int:
    from mlobs.errors import QueryError

    if arguments.end:
        if arguments.matchers or arguments.why:
            raise QueryError("--end came with labels or --why; an ended silence needs only its id.")
        return _said(arguments, silence(arguments, {"who": who(arguments)}, arguments.end), "ended")
    if not arguments.matchers:
        if arguments.length or arguments.until or arguments.why:
            raise QueryError(
                "Nothing says which alerts to silence; give labels and values, such as service_name=shop."
            )
        return _list(arguments)
    if not arguments.why:
        raise QueryError("--why is missing: whoever finds the silence wants to know the reason.")
    if not (arguments.length or arguments.until):
        raise QueryError("Nothing says how long it is to hold; give --for 2h or --until with a time.")
    wanted: dict[str, Any] = {
        "matchers": arguments.matchers,
        **({"for": arguments.length} if arguments.length else {"until": arguments.until}),
        "who": who(arguments),
        "why": arguments.why,
    }
    return _said(arguments, silence(arguments, wanted), "made")


def _said(arguments: argparse.Namespace, made: dict[str, Any], what: str) -> int:
    from mlobs.cli.printing import console, print_json, visible

    if arguments.json:
        print_json(made)
        return 0
    print(made["id"])
    until = f", until {made['until'].replace('T', ' ')[:16]} UTC" if what == "made" else ""
    # A server of an older release, and a file without a server, do not say what a silence fits.
    fits = f", fits {made['fits']} now" if made.get("fits") is not None else ""
    text = f"silence {what}: {', '.join(made['matchers'])}{until}{fits}"
    talk = console(stderr=True)
    talk.print(visible(text), markup=False)
    if made.get("doubt"):
        talk.print(visible(made["doubt"]), markup=False)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import console, print_json, print_rows

    answer = silences(arguments)
    if arguments.json:
        print_json(answer)
        return 0
    rows = [
        {
            "state": one["state"],
            "alerts": ", ".join(one["matchers"]),
            "until": one["until"].replace("T", " ")[:16],
            "who": one["who"],
            "why": one["why"],
            "id": one["id"],
        }
        for one in answer["silences"]
    ]
    if rows:
        print_rows(rows, as_json=False, whole=("until", "id"), under=("why", "alerts"), spare=("who",))
    else:
        console(stderr=True).print("no silences")
    return 0
