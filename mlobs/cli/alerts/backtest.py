"""`mlobs alerts backtest`: what rules would have done, before they ship."""

import argparse
import re
from pathlib import Path
from typing import Any

from mlobs.cli.alerts.verbs import add_verb
from mlobs.errors import SettingError

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
UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
MISSING = "The server cannot replay rules: it is of an older release. Upgrade it."
SECONDS_MAX = 3600.0


def register(verbs: Any) -> None:
    """Add the verb."""
    about = "Replay what is stored through rules and print which alerts there would have been."
    backtest = add_verb(verbs, "backtest", _backtest, about, EPILOG)
    backtest.add_argument("--since", metavar="AGE", default="7d", help="such as 24h, 7d, 30d (default: 7d)")
    backtest.add_argument("--rule", metavar="NAME", help="one rule only")
    backtest.add_argument("--rules", metavar="FILE", type=Path, help="the rules of this file only")
    backtest.add_argument(
        "--server", metavar="URL", help="the server to ask (default: the one on this machine)"
    )
    backtest.add_argument("--json", action="store_true", help="print the server's whole answer as JSON")


def seconds(text: str) -> int:
    """Return how long `text` is.

    Raises:
        SettingError: It is no such length.

    >>> seconds("30d"), seconds("90m")
    (2592000, 5400)
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if found is None:
        raise SettingError(f"--since {text!r} came; a number with m, h, d or w was expected, such as 30d.")
    return int(found[1]) * UNITS_S[found[2]]


def _backtest(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.catalogue import catalogue
    from mlobs.alerts.document import read_text
    from mlobs.alerts.rulefile import WHAT, parse_rules
    from mlobs.cli.alerts.backtest_route import BACKTEST
    from mlobs.cli.printing import print_json
    from mlobs.server.client import Client
    from mlobs.settings import AlertSettings, ClientSettings, from_flags, load

    wanted: dict[str, Any] = {"since_s": seconds(arguments.since), "rule": arguments.rule}
    if arguments.rules is not None:
        text = read_text(arguments.rules, WHAT)
        parse_rules(text, str(arguments.rules), catalogue(load(AlertSettings)))  # A typo is told from here.
        wanted |= {"rules": text, "name": str(arguments.rules)}
    server = from_flags(ClientSettings, server=arguments.server).server
    with Client(server, timeout_s=SECONDS_MAX) as client:
        answer = client.post(BACKTEST, wanted, missing=MISSING)
    if arguments.json:
        print_json(answer)
    else:
        _print(answer)
    return 1 if any(rule["error"] for rule in answer["rules"]) else 0


def _print(answer: dict[str, Any]) -> None:
    from mlobs.alerts.words import duration
    from mlobs.cli.printing import console, print_rows, visible

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
        print_rows(rows, as_json=False, spare=("looked every", "severity"))
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
        print_rows(episodes, as_json=False, whole=("trace",), spare=("detected after", "resolved"))
    talk = console(stderr=True)
    for rule in answer["rules"]:
        if rule["error"]:
            talk.print(visible(f"{rule['rule']} cannot be replayed: {rule['error']}"), markup=False)
    pages = sum(rule["alerts_per_week"] for rule in good if rule["severity"] == "critical")
    talk.print(f"{pages:.4g} critical alerts a week, {sum(rule['alerts'] for rule in good)} alerts in all")
