"""`mlobs alerts routes`: check a file of routes, and where an alert would go."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlobs.cli.verbs import add_verb
from mlobs.errors import SettingError

if TYPE_CHECKING:
    from mlobs.alerts.routing.config import Route

EPILOG = """\
examples:
  mlobs alerts routes routes.yml
  mlobs alerts routes routes.yml --label severity=critical --label service_name=shop

Sinks that the server would refuse if it ran here are told below, each with why: an address that is private
and not allowed, a secret that is not set. That depends on where it runs, so the status stays 0.
exit status: 0 the file is right, 1 no route takes the alert, 2 the file cannot be used
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    about = "Check a file of sinks and routes and print who is told; nothing is sent."
    routes = add_verb(verbs, "routes", _routes, about, EPILOG)
    routes.add_argument("file", metavar="FILE", type=Path, help="the file of sinks and routes")
    routes.add_argument(
        "--label",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a label of an alert; may be repeated",
    )
    routes.add_argument("--json", action="store_true", help="print rows as JSON")


def _routes(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.routing.file import read_routes
    from mlobs.alerts.routing.router import Router
    from mlobs.alerts.sinks.refusals import refusal
    from mlobs.alerts.sinks.roster import allowed
    from mlobs.cli.printing import console, print_rows, visible
    from mlobs.settings import AlertSettings, load

    file = read_routes(arguments.file)
    router = Router(file.routes)
    routes = list(file.routes)
    if arguments.label:
        labels = dict(_label(text) for text in arguments.label)
        told = {name: labels.get(name, "") for name in ("severity", "component", "source")}
        routes = router.matching({"labels": labels, "rule": labels.get("alertname", ""), **told})
        if not routes:
            console(stderr=True).print("No route takes it; only a receipt would be left.")
            return 1
    rows = [
        {
            "route": route.name,
            "if": ", ".join(str(condition) for condition in route.match) or None,
            "sinks": ", ".join(f"{sink} ({file.sinks[sink].type})" for sink in route.sinks) or "nobody",
            "how": how(route) or None,
        }
        for route in routes
    ]
    print_rows(rows, as_json=arguments.json)
    allow = allowed(load(AlertSettings))
    for sink in dict.fromkeys(sink for route in routes for sink in route.sinks):
        refused = refusal(sink, file.sinks[sink], allow=allow)
        if refused is not None:
            print(visible(f"Would be refused here: {refused}"), file=sys.stderr)
    return 0


def how(route: "Route") -> str:
    """Return in words what a route does besides sending."""
    parts = []
    if route.group_wait_s:
        by = f" by {', '.join(route.group_by)}" if route.group_by else ""
        parts.append(f"grouped{by}, waits {route.group_wait_s:g} s")
    parts += [
        f"quiet {', '.join(hours.days)} {hours.begin:%H:%M} to {hours.end:%H:%M} {hours.time_zone}"
        for hours in route.quiet
    ]
    if route.flap is not None:
        parts.append(f"damped after {route.flap.changes} changes in {route.flap.within_s:g} s")
    if route.pages_per_week is not None:
        parts.append(f"{route.pages_per_week} pages a week, then {route.demote_to}")
    if route.goes_on:
        parts.append("goes on")
    return "; ".join(parts)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingError(f"--label {text!r} came; NAME=VALUE was expected, such as severity=critical.")
    return name, value
