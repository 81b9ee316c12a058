"""`mlobs alerts redrive`: put dead letters back, once their sink works again."""

import argparse
import time
from typing import Any

from mlobs.cli.alerts.ages import age_s
from mlobs.cli.alerts.asked_desk import add_whom, redrive
from mlobs.cli.verbs import add_verb

EPILOG = """\
examples:
  mlobs alerts redrive --sink pager --since 6h
  mlobs alerts redrive 4be1f0c2d3

Ids are those of mlobs alerts deliveries, and may be cut to their first six characters or more.
exit status: 0 some were put back, 1 none was found, 2 could not be done
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "redrive", _redrive, "Put dead letters back, to be delivered again.", EPILOG)
    verb.add_argument("ids", nargs="*", metavar="ID", help="which; all that the rest fits if none is given")
    verb.add_argument("--sink", metavar="NAME", help="only this sink's")
    verb.add_argument("--since", metavar="WHEN", help="only those that died since: 15m, 24h, 7d, or a time")
    verb.add_argument(
        "--overtaken",
        action="store_true",
        help="also those about an alert of which the sink has had newer news",
    )
    verb.add_argument("--json", action="store_true", help="print the answer as JSON")
    add_whom(verb)


def _redrive(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import console, print_json
    from mlobs.errors import QueryError

    if not (arguments.ids or arguments.sink or arguments.since):
        raise QueryError("Nothing says which dead letters to put back; give ids, --sink NAME or --since 24h.")
    short = next((one for one in arguments.ids if len(one) < 6), None)
    if short is not None:
        raise QueryError(f"The id {short!r} is too short to be meant; give its first six characters or more.")
    wanted: dict[str, Any] = {"overtaken": arguments.overtaken}
    if arguments.ids:
        wanted["ids"] = arguments.ids
    if arguments.sink:
        wanted["sink"] = arguments.sink
    if arguments.since:
        wanted["since_s"] = time.time() - age_s(arguments.since)
    answer = redrive(arguments, wanted)
    if arguments.json:
        print_json(answer)
    else:
        for one in answer["redriven"]:
            print(one)
    count, late = len(answer["redriven"]), answer["overtaken"]
    talk = console(stderr=True)
    talk.print(f"{count} dead {'letter was' if count == 1 else 'letters were'} put back")
    if not count and not late:
        talk.print("mlobs alerts deliveries --state dead lists those there are")
    if late:
        talk.print(
            f"{late} left, for their sink has newer news of the same alert; --overtaken puts them back, too"
        )
    return 0 if count else 1
