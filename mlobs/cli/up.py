"""`mlobs up`: the server, until it is told to stop."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mlobs.cli.addresses import public, reached
from mlobs.settings import AlertSettings, ClientSettings, PriceSettings, ServerSettings, from_flags, load

if TYPE_CHECKING:
    from mlobs.alerts.alerting import Alerting

EPILOG = """\
Each flag has a variable too, such as MLOBS_HOST and MLOBS_DATA, and what has no flag is told by a variable:
the README lists them.

exit status: 0 stopped, 2 could not start (port taken, folder held or unwritable)
"""


def register(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = nouns.add_parser(
        "up",
        help="start the server; it listens on this machine only, unless there are tokens",
        description="Start the server and run it until it is interrupted.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--host", help="the address to listen on, beyond loopback with --tokens (default: 127.0.0.1)"
    )
    command.add_argument("--port", type=int, help="the port to listen on; 0 takes a free one (default: 4318)")
    command.add_argument("--grpc-port", type=int, help="the port for gRPC (default: 4317)")
    command.add_argument(
        "--tokens", type=Path, help="the file of who may send, read and change (default: none)"
    )
    command.add_argument("--data", type=Path, help="the folder that holds everything (default: mlobs-data)")
    command.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(handler=up)


def up(arguments: argparse.Namespace) -> int:
    """Run the server until SIGINT or SIGTERM."""
    from mlobs._extras import installed

    for package in ("chdb", "uvicorn", "starlette", "httptools", "prometheus_client", "grpc"):
        installed(package, extra="server", feature="The server")
    from mlobs.cli.serving import server_with_alerts
    from mlobs.cli.surroundings import misspelt
    from mlobs.prices.file import load_prices

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = from_flags(
        ServerSettings,
        host=arguments.host,
        port=arguments.port,
        grpc_port=arguments.grpc_port,
        tokens=arguments.tokens,
        data=arguments.data,
    )
    for remark in misspelt(os.environ):
        print(f"mlobs: {remark}", file=sys.stderr)
    if (prices := load(PriceSettings).prices) is not None:
        load_prices(prices)  # Read when costs are asked for; what is wrong with it is to be known now.
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if arguments.until_stdin_closes:
        threading.Thread(target=_follow, args=(stopping,), name="stdin", daemon=True).start()
    with server_with_alerts(settings, load(AlertSettings), _heed_hangups) as server:
        address, for_people = reached(server.url), public(settings, server.url)
        print(f"OTLP      {address}  (POST /v1/traces /v1/metrics /v1/logs)")
        print(f"OTLP gRPC {reached(server.grpc_url)}")
        print(f"pages     {for_people}/")
        print(f"traces    {for_people}/api/traces  (or: mlobs traces list --server {for_people})")
        print(f"metrics   {address}/metrics")
        if server.clickhouse_url:
            print(f"ClickHouse {reached(server.clickhouse_url)}  (its HTTP interface)")
        print(f"alerts    {for_people}/api/alerts")
        print(f"drift     {for_people}/api/drift  (or: mlobs drift watch --server {for_people})")
        print(f"data      {settings.data.absolute()}")
        if settings.tokens is not None or server.url != str(ClientSettings.model_fields["server"].default):
            print("\nWhere programs and commands are to find it, paste this line:")
            print(f"export OTEL_EXPORTER_OTLP_ENDPOINT={address} MLOBS_SERVER={for_people}")
        if settings.tokens is not None:  # of which only sums are kept, so that none can be shown
            print("and this one, with a token for ingest and one for read in place of TOKEN:")
            print('export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20TOKEN" MLOBS_TOKEN=TOKEN')
        sys.stdout.flush()
        stopping.wait()
    return 0


def _heed_hangups(alerting: "Alerting") -> None:
    """Read rules and routes again on SIGHUP; where there is a terminal, its end still ends the server."""
    has_files = alerting.watch.path is not None or alerting.telling.watch.path is not None
    if has_files and not sys.stdin.isatty():
        signal.signal(signal.SIGHUP, lambda *_: alerting.read_again())


def _follow(stopping: threading.Event) -> None:
    """Stop when whoever started the server ends, which closes the pipe to it."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopping.set()
