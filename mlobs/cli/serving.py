"""Where the server and the alerts meet: alerts ask the server's store and answer on its routes."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mlobs import assets
from mlobs.alerts.alerting import Alerting
from mlobs.server.access.routes import route
from mlobs.server.access.scopes import READ
from mlobs.server.serve import Server
from mlobs.settings import AlertSettings, ServerSettings


def server_with_alerts(settings: ServerSettings, alerts: AlertSettings) -> Server:
    """Return a server that, once started, evaluates the alert rules."""
    running: list[Alerting] = []

    def begin(server: Server) -> Callable[[], None]:
        alerting = Alerting(alerts, server.store.query, settings.data, server.url)
        server.samples = alerting.samples
        running.append(alerting)
        alerting.start()
        return alerting.stop

    def alerts_now(_: Request) -> Response:
        if not running:
            return JSONResponse({"error": "The server is starting; ask again.", "status": 503}, 503)
        return JSONResponse(running[0].snapshot())

    routes = [
        route("/api/alerts", alerts_now, scope=READ),
        route("/runbooks/{page}", _runbook, scope=READ),
    ]
    return Server(settings, routes=routes, background=[begin])


def _runbook(request: Request) -> Response:
    pages = {page.name: page for page in (assets.root() / "alerts" / "runbooks").iterdir()}
    page = pages.get(request.path_params["page"])
    if page is None:
        return PlainTextResponse(f"There is no such runbook. There are: {', '.join(sorted(pages))}\n", 404)
    return PlainTextResponse(page.read_text(encoding="utf-8"))
