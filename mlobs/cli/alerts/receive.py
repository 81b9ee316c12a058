"""`mlobs alerts receive`: take webhooks of Alertmanager and Grafana, and tell whom the routes say."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from mlobs.cli.verbs import add_verb

EPILOG = """\
Alertmanager:
  receivers: [{name: mlobs, webhook_configs: [{url: 'http://127.0.0.1:4321/api/alerts/receive'}]}]
Grafana: a contact point of type webhook with this URL, an HMAC secret and the timestamp header
  X-Grafana-Alerting-Timestamp.

examples:
  MLOBS_ALERT_ROUTES=routes.yml mlobs alerts receive
  MLOBS_ALERT_RECEIVE_SECRET=$(cat secret) mlobs alerts receive --routes routes.yml --host 0.0.0.0

The file of routes is read again when it changes, and on SIGHUP.
exit status: 0 stopped, 2 could not start (port taken, a mistake in the routes, no secret beyond loopback)
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    about = "Take webhooks of Alertmanager and Grafana and tell the sinks of each change once."
    receive = add_verb(verbs, "receive", _receive, about, EPILOG)
    receive.add_argument("--host", help="the address to listen on (default: 127.0.0.1)")
    receive.add_argument("--port", type=int, help="the port to listen on; 0 takes a free one (default: 4321)")
    receive.add_argument(
        "--data", type=Path, help="the folder that holds what it knows (default: mlobs-data)"
    )
    receive.add_argument(
        "--routes", type=Path, help="the file of sinks and routes (default: $MLOBS_ALERT_ROUTES)"
    )


def _receive(arguments: argparse.Namespace) -> int:
    from mlobs._extras import require

    for package in ("uvicorn", "starlette", "httptools", "prometheus_client"):
        require(package, extra="server", feature="The receiver")
    from mlobs.cli.alerts.mounted import PATH
    from mlobs.cli.alerts.receiver import Receiver
    from mlobs.settings import AlertSettings, ReceiveSettings, ServerSettings, from_flags

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = from_flags(ReceiveSettings, host=arguments.host, port=arguments.port)
    alerts = from_flags(AlertSettings, routes=arguments.routes)
    data = from_flags(ServerSettings, data=arguments.data).data
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with Receiver(settings, alerts, data) as receiver:
        if alerts.routes is not None and not sys.stdin.isatty():  # a terminal's end still ends the receiver
            signal.signal(signal.SIGHUP, lambda *_: receiver.read_routes())
        print(f"webhooks  {receiver.url}{PATH}  (POST)")
        print(f"health    {receiver.url}/-/healthy  {receiver.url}/-/ready")
        print(f"metrics   {receiver.url}/metrics")
        print(f"data      {data.absolute()}")
        sys.stdout.flush()
        stopping.wait()
    return 0
