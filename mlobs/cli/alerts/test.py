"""`mlobs alerts test`: send one message to a sink and print what it answers."""

import argparse
import time
from pathlib import Path
from typing import Any

from mlobs.cli.verbs import add_verb

EPILOG = """\
examples:
  mlobs alerts test --sink team
  mlobs alerts test --sink pager && mlobs alerts test --sink pager --status resolved

Nothing is kept and nothing is tried again. A pager opens an incident of severity info; the second line
closes it.
exit status: 0 delivered, 1 not delivered, 2 could not be tried
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "test", _test, "Send one message to a sink and print what it answers.", EPILOG)
    verb.add_argument("--sink", metavar="NAME", help="which; not needed where there is one")
    verb.add_argument(
        "--status",
        choices=("firing", "resolved"),
        default="firing",
        help="what the message says (default: firing)",
    )
    verb.add_argument(
        "--routes", metavar="FILE", type=Path, help="the file of sinks (default: $MLOBS_ALERT_ROUTES)"
    )


def _test(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.message import encode
    from mlobs.alerts.routing.file import read_routes
    from mlobs.alerts.sinks.roster import roster
    from mlobs.alerts.sinks.trial import trial
    from mlobs.cli.printing import visible
    from mlobs.errors import SettingError
    from mlobs.settings import AlertSettings, from_flags, variable

    settings = from_flags(AlertSettings, routes=arguments.routes)
    configs = None if settings.routes is None else read_routes(settings.routes).sinks
    names = list(roster(settings, None) if configs is None else configs)
    name = arguments.sink or (names[0] if len(names) == 1 else None)
    if name not in names:
        came = "No sink was named" if name is None else f"There is no sink {name!r}"
        there = f"there are {', '.join(names)}"
        routes, url, secret = (
            variable(AlertSettings, field) for field in ("routes", "webhook_url", "webhook_secret")
        )
        none = (
            "there is none here, whatever a server has. Name its file of sinks with --routes or "
            f"{routes}, or its webhook with {url} and {secret}"
        )
        raise SettingError(f"{came}; {there if names else none}.")
    # Only this one is made: what is wrong with others is no matter here.
    sink = roster(settings, None if configs is None else {name: configs[name]})[name]
    now_s = time.time()
    delivery, message = trial(arguments.status, now_s=now_s)
    answer = sink.send(delivery, encode(message), now_s=now_s)
    print(visible(f"{name}: {answer.outcome}: {answer.text}"))
    return 0 if answer.outcome == "delivered" else 1
