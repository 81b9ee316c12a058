"""`mlobs alerts build`: the rule files for Prometheus, its operator, Alertmanager and Grafana."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlobs.cli.verbs import add_verb
from mlobs.errors import SettingError

if TYPE_CHECKING:
    from mlobs.settings import AlertSettings

EPILOG = """\
Thresholds come from MLOBS_ALERT_* variables and your own rules from MLOBS_ALERT_RULES, so this makes the
rules of your house:
  MLOBS_ALERT_ERROR_RATIO_MAX=0.02 mlobs alerts build -o /etc/prometheus/mlobs
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    build = add_verb(
        verbs,
        "build",
        _build,
        "Write the rule files for Prometheus, its operator, Alertmanager and Grafana.",
        EPILOG,
    )
    build.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("alerts"),
        help="where to write (default: alerts)",
    )
    build.add_argument(
        "--datasource",
        metavar="UID",
        default="mlobs-prometheus",
        help="of Grafana's data source for Prometheus (default: mlobs-prometheus)",
    )


def _build(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.grafana import FILE, grafana_file
    from mlobs.alerts.kubernetes import FILE as OBJECT_FILE
    from mlobs.alerts.kubernetes import rule_object
    from mlobs.alerts.prometheus import RULES_FILE, files
    from mlobs.alerts.rulefile import all_rules
    from mlobs.cli.printing import console
    from mlobs.settings import AlertSettings, load

    settings = load(AlertSettings)
    base = runbooks(settings)
    rules = all_rules(settings)
    rendered = files(rules, runbook_base=base, own=settings.rules)
    rendered[FILE] = grafana_file(rules, runbook_base=base, source=arguments.datasource, own=settings.rules)
    rendered[OBJECT_FILE] = rule_object(rendered[RULES_FILE])
    try:
        for name, text in rendered.items():
            (arguments.output / name).parent.mkdir(parents=True, exist_ok=True)
            (arguments.output / name).write_text(text, encoding="utf-8")
            print(arguments.output / name)
    except OSError as error:
        raise SettingError(
            f"The folder {str(arguments.output)!r} cannot be written: {error.strerror}. "
            f"Choose another with -o DIR."
        ) from None
    own = [rule.name for rule in rules if "prometheus" not in rule.engines]
    if own:
        console(stderr=True).print(f"In none of them, for only the server evaluates them: {', '.join(own)}.")
    return 0


def runbooks(settings: "AlertSettings") -> str:
    """Return what the address of a runbook begins with: as it is set, or where people reach the server."""
    from mlobs.cli.addresses import public
    from mlobs.settings import ServerSettings, load

    server = load(ServerSettings)
    scheme = "http" if server.tls_certificate is None else "https"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return settings.runbook_base or f"{public(server, f'{scheme}://{host}:{server.port}')}/runbooks"
