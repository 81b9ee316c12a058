"""`mlobs drift watch`: what the processes of a service saw, together and each alone, as the page /drift."""

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any

from mlobs.cli.verbs import add_server
from mlobs.errors import ServerError, SettingError

EPILOG = """\
examples:
  mlobs drift watch
  mlobs drift watch --once --model churn@7
  mlobs drift watch --json | jq '.watches[] | select(.alarm) | .feature'

Bins along an axis are counted from 00, the lowest.

exit status, with --once or --json:
  0  no alarm stands
  1  an alarm stands
  2  the server did not answer, or cannot judge
"""
SHOWN = 20
LEGEND = (
    "evidence: of what is needed for an alarm; tv: share of recent values in the wrong bin; "
    "at least: of those since the alarm, or the last one, with 99.9 % confidence"
)

FIRST = (
    "Where evidence is said to come with the next look, what was counted before the first one is what the "
    "detector learns from; with the next look's rows it bets on that."
)


def register(verbs: Any) -> None:
    """Add the verb."""
    watch = verbs.add_parser(
        "watch",
        help="what the processes of a service see, all together",
        description="Show what the server knows about the features that processes watch, until interrupted.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_server(watch)
    watch.add_argument("--model", metavar="NAME[@VERSION]", help="only this model")
    watch.add_argument(
        "--every", metavar="SECONDS", type=float, default=5.0, help="how often to look (default: 5)"
    )
    watch.add_argument("--all", action="store_true", help=f"every feature, not only the first {SHOWN}")
    watch.add_argument("--once", action="store_true", help="print once; so does a pipe")
    watch.add_argument("--json", action="store_true", help="print the server's whole answer once, as JSON")
    watch.set_defaults(handler=_watch)


def _watch(arguments: argparse.Namespace) -> int:
    if not arguments.every > 0:
        raise SettingError(f"--every {arguments.every} cannot be used: seconds above 0 were expected.")
    if arguments.once or arguments.json or not sys.stdout.isatty():
        return _once(arguments)
    from mlobs.cli.printing import console

    screen = console()
    try:
        while True:
            try:
                answer = _ask(arguments)
            except ServerError as error:  # it may be starting anew
                screen.print(f"mlobs: {error}", markup=False)
            else:
                screen.clear()
                _print(answer, every=arguments.all)
            time.sleep(arguments.every)
    except KeyboardInterrupt:
        return 0


def _once(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import print_json

    answer = _ask(arguments)
    if arguments.json:
        print_json(answer)
    else:
        _print(answer, every=arguments.all)
    if answer["failure"]:
        return 2
    return 1 if answer["alarms"] else 0


def _ask(arguments: argparse.Namespace) -> Any:
    from mlobs.cli.asking import ask

    return ask(
        arguments.server,
        "/api/drift",
        {"model": arguments.model},
        missing="This server is of an older release, which does not judge the drift of a fleet. Upgrade it.",
    )


def _print(answer: Mapping[str, Any], *, every: bool = False) -> None:
    from mlobs.cli.printing import console, print_rows, visible

    watches = answer["watches"] if every else answer["watches"][:SHOWN]
    rows = [_row(watch) for watch in watches]
    if not any(row["segment"] for row in rows):
        rows = [{name: cell for name, cell in row.items() if name != "segment"} for row in rows]
    if rows:
        print_rows(
            rows,
            as_json=False,
            whole=("since",),
            under=("what changed most",),
            spare=("psi", "processes", "rows", "tv", "service", "at least"),
        )
    talk = console(stderr=True)
    if left := len(answer["watches"]) - len(rows):
        talk.print(f"and {left} more with less evidence; --all prints them, too")
    if answer["failure"]:
        talk.print(visible(f"Drift is not judged now: {answer['failure']}"), markup=False)
    elif not rows:
        talk.print(_silence(answer), markup=False)
    else:
        alarms = answer["alarms"]
        talk.print(f"{alarms} {'alarm stands' if alarms == 1 else 'alarms stand'}. {LEGEND}.", markup=False)
        if any(_unjudged(watch) for watch in watches):
            talk.print(f"{FIRST} The server looks every {answer['interval_s']:g} s.", markup=False)
    if answer["left_out"]:
        talk.print(f"{answer['left_out']} features are too many and left out.")


def _row(watch: Mapping[str, Any]) -> dict[str, object]:
    moves = [
        f"{one['bin']}: {one['reference_ratio']:.1%} → {one['live_ratio']:.1%}" for one in watch["moves"]
    ]
    since = watch.get("since", watch["change_start"])
    return {
        "state": "ALARM" if watch["alarm"] else "",
        "feature": watch["feature"],
        "segment": watch["segment"],
        "model": f"{watch['model']}@{watch['version']}" if watch["version"] else watch["model"],
        "service": watch["service"],
        "evidence": _evidence(watch),
        "tv": _digits(watch["distances"].get("tv")),
        "at least": _digits(watch["tv_lower_bound"]),
        "psi": _digits(watch["distances"]["psi"]),
        "rows": watch["rows"],
        "processes": watch["processes"],
        "since": since and since.replace("T", " ")[:16],
        "what changed most": "; ".join(moves[:2]) if watch["alarm"] else "",
    }


def _evidence(watch: Mapping[str, Any]) -> str:
    return "next look" if _unjudged(watch) else f"{_reached(watch):.0%}"


def _unjudged(watch: Mapping[str, Any]) -> bool:
    """Return whether there can be no evidence yet of all processes together, and is none of one alone."""
    return watch["blocks"] < 2 and not _reached(watch)


def _reached(watch: Mapping[str, Any]) -> float:
    """Return the part of what is needed for an alarm; a server of an older release does not say it."""
    together = max(watch["log_e"], 0.0) / watch["threshold"] if watch["threshold"] else 0.0
    return float(watch.get("reached", together))


def _silence(answer: Mapping[str, Any]) -> str:
    """Return why there may be nothing to show."""
    every = f"{answer['interval_s']:g} s"
    if answer["looked"] is None:
        return f"The server has not looked yet at what processes counted. It does every {every}: ask then."
    at = answer["looked"].replace("T", " ")[:19]
    return (
        f"No process has told what it counted in the last minutes; the server looks every {every}, and did "
        f"at {at} UTC. One tells when its program has an mlobs.Monitor and exports OpenTelemetry metrics to "
        f"this server, which it does once a minute or so."
    )


def _digits(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
