"""`mlobs alerts list`: what fires or is about to."""

import argparse
from typing import Any

from mlobs.cli.verbs import add_server, add_verb

EPILOG = """\
examples:
  mlobs alerts list
  mlobs alerts list --json | jq '.firing[].trace_ids'
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    shown = add_verb(verbs, "list", _list, "Print the alerts that fire or are about to.", EPILOG)
    add_server(shown)
    shown.add_argument("--json", action="store_true", help="print the server's whole answer as JSON")


def _list(arguments: argparse.Namespace) -> int:
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import console, print_json, print_rows, visible

    answer = ask(arguments.server, "/api/alerts")
    if arguments.json:
        print_json(answer)
        return 0
    # Of what fires it is known since when; of what is about to, only since when it is bad.
    waits = ("bad since",) if answer["pending"] else ()
    if rows := _rows(answer):
        print_rows(
            rows,
            as_json=False,
            whole=("severity", "state", "fires since", "bad since", "heard of", "silenced until"),
            ids=("trace", "fingerprint"),
            under=("summary", "of", "taken by", "silenced until", "heard of", *waits),
            spare=("bad since",),
        )
    talk = console(stderr=True)
    firing, pending = len(answer["firing"]), len(answer["pending"])
    fire = "alert fires" if firing == 1 else "alerts fire"
    talk.print(f"{firing} {fire}, {pending} {'is' if pending == 1 else 'are'} about to")
    for what, problem in (
        ("The former rules are evaluated", answer.get("rules_error")),
        ("The former routes are used", answer.get("routes_error")),
    ):
        for line in f"{what}: {problem}".splitlines() if problem else ():
            talk.print(visible(line), markup=False)
    for sink in answer.get("sinks", ()):
        if sink["dead"]:
            what = "dead letter" if sink["dead"] == 1 else "dead letters"
            why = f"mlobs alerts deliveries --state dead --sink {sink['sink']} says why"
            talk.print(visible(f"{sink['sink']} has {sink['dead']} {what}; {why}"), markup=False)
    for rule in answer["rules"]:
        if rule["error"]:
            talk.print(visible(f"{rule['rule']} cannot be evaluated: {rule['error']}"), markup=False)
        if rule.get("cut"):  # a server of an older release does not say
            talk.print(f"{rule['rule']} is broken for more than one answer holds; some alerts are not shown.")
    return 0


def _rows(answer: dict[str, Any]) -> list[dict[str, object]]:
    """Return rows of the table, with columns that some alert has."""
    # A server of an older release says no source.
    foreign = any(alert.get("source", "mlobs") != "mlobs" for alert in answer["firing"])
    shown = [*answer["firing"], *answer["pending"]]
    heard = any(alert.get("heard") for alert in shown)  # What mlobs alerts end can end.
    silenced = any(alert.get("silence") for alert in shown)
    taken = any(alert.get("taken") for alert in shown)
    told = any(_labels(alert) for alert in shown)
    return [
        {
            "alert": alert["rule"],
            **({"from": alert["source"]} if foreign else {}),
            "severity": alert["severity"],
            "state": alert["state"],
            "fires since": _moment(alert.get("started")),
            "bad since": _moment(alert["since"]),
            **(
                {
                    "heard of": _moment(alert.get("heard")),
                    "fingerprint": alert["fingerprint"] if alert.get("heard") else None,
                }
                if heard
                else {}
            ),
            **({"of": _labels(alert)} if told else {}),
            **({"silenced until": _until(alert)} if silenced else {}),
            **({"taken by": (alert.get("taken") or {}).get("who")} if taken else {}),
            "summary": alert["summary"],
            "trace": alert["trace_ids"][-1] if alert["trace_ids"] else None,
        }
        for alert in shown
    ]


def _labels(alert: dict[str, Any]) -> str:
    """Return what tells an alert from others of its rule."""
    return ", ".join(f"{name}={text}" for name, text in (alert.get("labels") or {}).items() if text)


def _moment(text: str | None) -> str | None:
    return text and text.replace("T", " ")[:19]


def _until(alert: dict[str, Any]) -> str | None:
    silence = alert.get("silence")
    return None if silence is None else str(silence["until"]).replace("T", " ")[:16]
