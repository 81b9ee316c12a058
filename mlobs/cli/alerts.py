"""`mlobs alerts`: what fires, which rules there are, and the files for Prometheus."""

import argparse
from pathlib import Path
from typing import Any

from mlobs.errors import SettingError

LIST_EPILOG = """\
examples:
  mlobs alerts list
  mlobs alerts list --json | jq '.firing[].trace_ids'
"""
BUILD_EPILOG = """\
Thresholds come from MLOBS_ALERT_* variables, so this makes the rules of your house:
  MLOBS_ALERT_ERROR_RATIO_MAX=0.02 mlobs alerts build -o /etc/prometheus/mlobs
"""


def register(nouns: Any) -> None:
    """Add `alerts` and its verbs."""
    noun = nouns.add_parser(
        "alerts", help="alert rules and what fires", description="Alert rules and alerts."
    )
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)

    shown = _verb(verbs, "list", _list, "Print the alerts that fire or are about to.", LIST_EPILOG)
    shown.add_argument("--server", metavar="URL", help="the server to ask (default: the one on this machine)")
    shown.add_argument("--json", action="store_true", help="print the server's whole answer as JSON")

    rules = _verb(verbs, "rules", _rules, "Print the packaged rules.")
    rules.add_argument("--json", action="store_true", help="print rows as JSON")

    build = _verb(
        verbs, "build", _build, "Write the rule files for Prometheus and Alertmanager.", BUILD_EPILOG
    )
    build.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("alerts"), help="(default: alerts)"
    )


def _verb(verbs: Any, name: str, handler: Any, about: str, epilog: str = "") -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=about,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(handler=handler)
    return verb


def _list(arguments: argparse.Namespace) -> int:
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import console, print_json, print_rows, visible

    answer = ask(arguments.server, "/api/alerts")
    if arguments.json:
        print_json(answer)
        return 0
    rows = [
        {
            "alert": alert["rule"],
            "severity": alert["severity"],
            "state": alert["state"],
            "since": alert["since"].replace("T", " ")[:19],
            "summary": alert["summary"],
            "trace": alert["trace_ids"][-1] if alert["trace_ids"] else None,
        }
        for alert in (*answer["firing"], *answer["pending"])
    ]
    if rows:
        print_rows(rows, as_json=False, whole=("trace",), spare=("since", "severity", "state"))
    talk = console(stderr=True)
    firing, pending = len(answer["firing"]), len(answer["pending"])
    fire = "alert fires" if firing == 1 else "alerts fire"
    talk.print(f"{firing} {fire}, {pending} {'is' if pending == 1 else 'are'} about to")
    for rule in answer["rules"]:
        if rule["error"]:
            talk.print(visible(f"{rule['rule']} cannot be evaluated: {rule['error']}"), markup=False)
    return 0


def _rules(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.catalogue import catalogue
    from mlobs.alerts.words import duration, fires_when
    from mlobs.cli.printing import print_rows
    from mlobs.settings import AlertSettings, load

    rows = [
        {
            "alert": rule.name,
            "severity": rule.severity,
            "fires when": fires_when(rule),
            "for": duration(rule.hold_s),
            "one for each": ", ".join(attribute.name for attribute in rule.indicator.by) or None,
        }
        for rule in catalogue(load(AlertSettings))
    ]
    print_rows(rows, as_json=arguments.json)
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.catalogue import catalogue
    from mlobs.alerts.prometheus import files
    from mlobs.settings import AlertSettings, load

    settings = load(AlertSettings)
    rendered = files(catalogue(settings), runbook_base=settings.runbook_base or f"{_here()}/runbooks")
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        for name, text in rendered.items():
            (arguments.output / name).write_text(text, encoding="utf-8")
            print(arguments.output / name)
    except OSError as error:
        raise SettingError(
            f"The folder {str(arguments.output)!r} cannot be written: {error.strerror}. "
            f"Choose another with -o DIR."
        ) from None
    return 0


def _here() -> str:
    from mlobs.settings import ServerSettings, load

    settings = load(ServerSettings)
    return f"http://{settings.host}:{settings.port}"
