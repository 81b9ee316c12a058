"""What `push` and `diff` bring, and to which Grafana: their common options, and what follows from them."""

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlobs.errors import SettingError

if TYPE_CHECKING:
    from mlobs.dashboards.grafana.address import Address
    from mlobs.dashboards.grafana.client import Grafana
    from mlobs.dashboards.grafana.contact import Contact
    from mlobs.dashboards.grafana.push import Wanted
    from mlobs.dashboards.grafana.rules import Group
    from mlobs.dashboards.grafana.sources import Source

SCRAPE_INTERVAL, PROMETHEUS_UID = "15s", "mlobs-prometheus"
NEEDS = {"scrape_interval": "prometheus", "clickhouse_token": "clickhouse", "prometheus_uid": "alerts"}
EPILOG = """\
Dashboards are brought always; data sources, alert rules and the contact point only where they are asked for:
  mlobs dashboards push --prometheus http://prometheus:9090 --alerts --webhook https://mlobs/api/alerts/receive
Alert rules are those that Grafana evaluates itself, with your thresholds (MLOBS_ALERT_...). Who loads
alerts/mlobs.rules.yml into Prometheus with an Alertmanager hears everything twice with --alerts; the
recording rules of that file are needed either way.
A secret should be random, as `openssl rand -hex 32` makes one: Grafana shows a mark of it to those who may
read its settings, and a word can be guessed from that.

exit status: 0 done, 1 something would change (diff only), 2 could not be done
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both verbs."""
    parser.add_argument(
        "--url", default=os.environ.get("GRAFANA_URL", ""), help="where Grafana is (default: $GRAFANA_URL)"
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("GRAFANA_TOKEN", ""),
        help="of a service account with the role Editor, or Admin for data sources (default: $GRAFANA_TOKEN)",
    )
    parser.add_argument(
        "--folder", metavar="UID", default="mlobs", help="the folder of the dashboards (default: mlobs)"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="how long each answer may take (default: 10)",
    )
    sources = parser.add_argument_group("data sources, as Grafana reaches them")
    sources.add_argument("--prometheus", metavar="URL", default="", help="a data source for metrics")
    sources.add_argument(
        "--scrape-interval",
        metavar="TIME",
        help=f"how often that Prometheus scrapes (default: {SCRAPE_INTERVAL})",
    )
    sources.add_argument("--tempo", metavar="URL", default="", help="a data source for traces")
    sources.add_argument(
        "--clickhouse",
        metavar="URL",
        default="",
        help="a data source for SQL: the port of MLOBS_CLICKHOUSE_PORT, or a cluster",
    )
    sources.add_argument(
        "--clickhouse-token",
        metavar="TOKEN",
        default="",
        help="what it is asked with (default: $MLOBS_TOKEN)",
    )
    sources.add_argument(
        "--traces",
        metavar="URL",
        default="",
        help="the mlobs server as people open it, for exemplars and runs to lead to",
    )
    alerts = parser.add_argument_group("alerts")
    alerts.add_argument("--alerts", action="store_true", help="bring the alert rules too")
    alerts.add_argument(
        "--prometheus-uid",
        metavar="UID",
        help=f"of the data source that the rules ask (default: {PROMETHEUS_UID})",
    )
    alerts.add_argument(
        "--webhook",
        metavar="URL",
        default="",
        help="make a contact point for this receiver, signed with $MLOBS_ALERT_RECEIVE_SECRET",
    )
    parser.add_argument("--prune", action="store_true", help="remove what we brought once and no longer ship")
    parser.add_argument("--json", action="store_true", help="print changes as JSON")


def grafana(arguments: argparse.Namespace) -> "Grafana":
    """Return the Grafana that the arguments name."""
    from mlobs.dashboards.grafana.client import Grafana

    return Grafana(arguments.url, arguments.token, timeout_s=arguments.timeout)


def wanted(arguments: argparse.Namespace) -> "Wanted":
    """Return what should be in Grafana.

    Raises:
        SettingError: An option cannot be used, or would do nothing.
    """
    from mlobs.dashboards.build import classic
    from mlobs.dashboards.grafana.address import check_folder
    from mlobs.dashboards.grafana.push import Wanted
    from mlobs.settings import AlertSettings, load

    _check(arguments)
    pages = _address(arguments, "traces")
    return Wanted(
        classic(load(AlertSettings), pages.text if pages else ""),
        check_folder(arguments.folder),
        _sources(arguments),
        _groups(arguments.prometheus_uid or PROMETHEUS_UID) if arguments.alerts else (),
        _contact(arguments.webhook) if arguments.webhook else None,
        prune=arguments.prune,
    )


def _check(arguments: argparse.Namespace) -> None:
    for option, needed in NEEDS.items():
        if getattr(arguments, option) and not getattr(arguments, needed):
            flag = f"--{option.replace('_', '-')}"
            raise SettingError(f"{flag} does nothing without --{needed}. Give both, or leave {flag} out.")


def _address(arguments: argparse.Namespace, name: str) -> "Address | None":
    from mlobs.dashboards.grafana.address import read_address

    text = getattr(arguments, name)
    return read_address(text, option=f"--{name}") if text else None


def _sources(arguments: argparse.Namespace) -> "list[Source]":
    from mlobs.dashboards.grafana import sources

    found = []
    if url := _address(arguments, "prometheus"):
        given = arguments.scrape_interval
        interval = sources.check_interval(SCRAPE_INTERVAL if given is None else given)
        traces = _address(arguments, "traces")
        found.append(sources.prometheus(url, interval=interval, tempo=bool(arguments.tempo), traces=traces))
    if url := _address(arguments, "tempo"):
        found.append(sources.tempo(url))
    if url := _address(arguments, "clickhouse"):
        found.append(sources.clickhouse(url, arguments.clickhouse_token or _token()))
    return found


def _token() -> str:
    from mlobs.settings import ClientSettings, load

    return load(ClientSettings).token.get_secret_value()


def _groups(source: str) -> "Sequence[Group]":
    from mlobs.alerts.grafana import grafana_file
    from mlobs.alerts.rulefile import all_rules
    from mlobs.cli.alerts.build import runbooks
    from mlobs.dashboards.grafana.rules import read_groups
    from mlobs.settings import AlertSettings, load

    settings = load(AlertSettings)
    text = grafana_file(
        all_rules(settings), runbook_base=runbooks(settings), source=source, own=settings.rules
    )
    return read_groups(text)


def _contact(url: str) -> "Contact":
    from mlobs.alerts.receive.authentication import GRAFANA_SIGNATURE_HEADER, GRAFANA_TIMESTAMP_HEADER
    from mlobs.dashboards.grafana.address import read_address
    from mlobs.dashboards.grafana.contact import Contact
    from mlobs.settings import ReceiveSettings, load

    return Contact(
        read_address(url, option="--webhook"),
        load(ReceiveSettings).secret.get_secret_value(),
        GRAFANA_SIGNATURE_HEADER,
        GRAFANA_TIMESTAMP_HEADER,
    )
