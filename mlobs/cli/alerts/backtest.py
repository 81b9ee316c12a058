"""`mlobs alerts backtest`: what rules would have done, before they ship."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from mlobs.cli.alerts.ages import age_s
from mlobs.cli.verbs import add_server, add_verb

EPILOG = """\
The server replays what it has stored through the rules, step by step as it evaluates them. An episode is
one alert: it would have been told once when it began, and once when it was over. Detected after is the
time from the beginning of the trouble to the alert, as far as the store knows when that was: from the
first bad call within the window, from a monitor's estimate, else from when the rule was first broken.

examples:
  mlobs alerts backtest --since 7d
  mlobs alerts backtest --since 30d --rules rules.yml
  mlobs alerts backtest --since 30d --rule MlobsErrorRatioHigh --json | jq '.rules[].episodes[].trace_url'

exit status: 0 replayed, 1 a rule could not be replayed, 2 nothing could be asked
"""
MISSING = "The server cannot replay rules: it is of an older release. Upgrade it."
SECONDS_MAX = 3600.0
WEEK_S = 7 * 86_400


def register(verbs: Any) -> None:
    """Add the verb."""
    about = "Replay what is stored through rules and print which alerts there would have been."
    backtest = add_verb(verbs, "backtest", _backtest, about, EPILOG)
    backtest.add_argument(
        "--since", metavar="AGE", default="7d", help="such as 24h, 30d, 2026-05-01 (default: 7d)"
    )
    backtest.add_argument("--rule", metavar="NAME", help="one rule only")
    backtest.add_argument("--rules", metavar="FILE", type=Path, help="the rules of this file only")
    add_server(backtest)
    backtest.add_argument("--json", action="store_true", help="print the server's whole answer as JSON")


def _backtest(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.catalogue import catalogue
    from mlobs.alerts.document import read_text
    from mlobs.alerts.rulefile import WHAT, parse_rules
    from mlobs.cli.alerts.backtest_route import BACKTEST
    from mlobs.cli.printing import console, print_json
    from mlobs.server.client import Client
    from mlobs.settings import AlertSettings, ClientSettings, from_flags, load

    wanted: dict[str, Any] = {"since_s": age_s(arguments.since), "rule": arguments.rule}
    own = None
    if arguments.rules is not None:
        text = read_text(arguments.rules, WHAT)
        own = parse_rules(text, str(arguments.rules), catalogue(load(AlertSettings)))  # A typo is told here.
        wanted |= {"rules": text, "name": str(arguments.rules)}
    server = from_flags(ClientSettings, server=arguments.server).server
    talk = console(stderr=True)
    with (
        Client(server, timeout_s=SECONDS_MAX) as client,
        talk.status("the server replays"),
    ):
        answer = client.post(BACKTEST, wanted, missing=MISSING)
    if arguments.json:
        print_json(answer)
    else:
        _print(answer)
        for rule in own.rules if own is not None and arguments.rule is None else ():
            if "server" not in rule.engines:
                talk.print(f"{rule.name} is evaluated by Prometheus only; it was not replayed.", markup=False)
    return 1 if any(rule["error"] for rule in answer["rules"]) else 0


def _print(answer: dict[str, Any]) -> None:
    from mlobs.alerts.words import duration
    from mlobs.cli.printing import console, print_rows, visible
    from mlobs.server.pages.amounts import plain

    good = [rule for rule in answer["rules"] if not rule["error"]]
    rows = [
        {
            "alert": rule["rule"],
            "severity": rule["severity"],
            "per week": rule["alerts_per_week"],
            "episodes": rule["alerts"],
            "detected after": None if rule["detect_s"] is None else duration(rule["detect_s"]),
            "looked every": duration(rule["step_s"]),
        }
        for rule in good
    ]
    if rows:
        print_rows(rows, as_json=False, spare=("looked every", "detected after"))
    episodes = [
        {
            "alert": rule["rule"],
            "started": one["started"].replace("T", " ")[:19],
            "resolved": None if one["resolved"] is None else one["resolved"].replace("T", " ")[:19],
            "detected after": duration(one["detect_s"]),
            "summary": one["summary"],
            "trace": one["trace_ids"][0] if one["trace_ids"] else None,
        }
        for rule in good
        for one in rule["episodes"]
    ]
    if episodes:
        print()
        print_rows(
            episodes,
            as_json=False,
            whole=("started", "resolved"),
            ids=("trace",),
            under=("summary",),
            spare=("detected after", "trace"),
        )
    talk = console(stderr=True)
    for rule in answer["rules"]:
        if rule["error"]:
            talk.print(visible(f"{rule['rule']} cannot be replayed: {rule['error']}"), markup=False)
    pages = sum(rule["alerts_per_week"] for rule in good if rule["severity"] == "critical")
    alerts = sum(rule["alerts"] for rule in good)
    talk.print(f"{plain(pages, 4)} critical alerts a week, {alerts} alerts in all")
    begin, end = (datetime.fromisoformat(answer[name]) for name in ("from", "to"))
    replayed_s = (end - begin).total_seconds()
    if alerts and 0 < replayed_s < WEEK_S:
        talk.print(
            f"What a week has is drawn from {duration(replayed_s)}: each alert counts "
            f"{plain(WEEK_S / replayed_s, 4)} times in it. --since 7d replays a whole week."
        )
