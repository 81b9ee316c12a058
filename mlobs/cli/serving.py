"""Where the server meets the other rooms, which ask its store and answer on its routes.

Alerts are evaluated, sent on and received; the drift of fleets is judged; the figures that no span has,
such as what of a budget is spent, are worked out once a minute.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.runbooks import pages
from mlobs.cli.addresses import public
from mlobs.cli.alerts.backtest_route import backtest_route
from mlobs.cli.alerts.desk_routes import desk_routes
from mlobs.cli.alerts.form_routes import form_routes
from mlobs.cli.alerts.mounted import Mounted
from mlobs.cli.alerts.shown import now, past
from mlobs.cli.alerts.silence_routes import silence_routes
from mlobs.cli.figures import Figures
from mlobs.cli.fleet import FleetDrift
from mlobs.cli.refusals import Counted, Refusals, of_webhooks
from mlobs.semconv import metrics as m
from mlobs.server.access.routes import route
from mlobs.server.access.scopes import READ
from mlobs.server.serve import Server
from mlobs.settings import AlertSettings, DriftSettings, ReceiveSettings, ServerSettings, load


def server_with_alerts(
    settings: ServerSettings, alerts: AlertSettings, started: Callable[[Alerting], None] = lambda _: None
) -> Server:
    """Return a server that, once started, evaluates the alert rules.

    Args:
        settings: Of the server.
        alerts: Of the alerts.
        started: Is given the alerts when they are evaluated.
    """
    running: list[Alerting] = []
    fleet = FleetDrift(load(DriftSettings))
    received = Mounted(settings, load(ReceiveSettings))

    def begin(server: Server) -> Callable[[], None]:
        alerting = Alerting(alerts, server.store.query, settings.data, public(settings, server.url))
        server.samples = lambda: [*alerting.samples(), *received.samples()]
        server.tells |= {
            "alerts": partial(now, alerting),
            "alerts_past": partial(past, alerting),
            "alert": alerting.close_up,
            "deliveries": alerting.desk.deliveries,
            "alert_traces": alerting.traces,
            "forget_alerts": alerting.forget,
        }
        running.append(alerting)
        alerting.start()
        started(alerting)
        received.start(alerting)

        def end() -> None:
            received.stop()
            alerting.stop()

        return end

    def alerts_now(_: Request) -> Response:
        if not running:
            return JSONResponse({"error": "The server is starting; ask again.", "status": 503}, 503)
        return JSONResponse(running[0].snapshot())

    def runbook(request: Request) -> Response:
        return _runbook(request, alerts.rules)

    routes = [
        route("/api/alerts", alerts_now, scope=READ),
        route("/runbooks/{page}", runbook, scope=READ),
        received.route(),
        backtest_route(lambda: running[0] if running else None),
        *desk_routes(lambda: running[0].desk if running else None),
        *silence_routes(lambda: running[0] if running else None),
        *form_routes(lambda: running[0] if running else None),
        *fleet.routes(),
    ]

    def refusals(server: Server) -> Callable[[], None]:
        def counted() -> Counted:
            own = {(one[0], one[1]): n for row, one, n in server.counts.series() if row is m.SERVER_REFUSED}
            return own | of_webhooks(received.samples())

        return Refusals(counted).begin()

    background = [begin, fleet.begin, Figures(alerts).begin, refusals]
    return Server(settings, routes=routes, background=background)


def _runbook(request: Request, rules: Path | None) -> Response:
    found = pages(rules)
    page = found.get(request.path_params["page"])
    if page is None:
        return PlainTextResponse(f"There is no such runbook. There are: {', '.join(sorted(found))}\n", 404)
    return PlainTextResponse(page.read_text(encoding="utf-8"))
