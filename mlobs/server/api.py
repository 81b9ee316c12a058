"""The routes that answer: pages, /metrics, /healthz, /readyz, and the questions of `ask`.

Handlers find the server's parts in `request.app.state` (set by `app.create_app`). Questions
run in a thread, so that a slow one does not hold up what arrives.
"""

from collections.abc import Callable
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.errors import PayloadError, QueryError
from mlobs.server import exposition
from mlobs.server.access.routes import route
from mlobs.server.access.scopes import OPEN, READ, allows
from mlobs.server.ask.routes import ROUTES as QUESTIONS
from mlobs.server.counts import Counts
from mlobs.server.pages.routes import ROUTES as PAGES
from mlobs.server.store import Store


class Families(Collector):
    """Everything /metrics shows, gathered when asked."""

    def __init__(self, store: Store, counts: Counts, refresh: Callable[[], None]) -> None:
        self._store = store
        self._counts = counts
        self._refresh = refresh

    def collect(self) -> Any:
        """Yield the families."""
        self._refresh()
        limits = {"series_max": exposition.SERIES_MAX}
        newest = self._store.named("metric_exemplars", exposition.RECENT)
        yield from exposition.of_spans(self._store.named("metric_totals", limits), newest)
        yield from exposition.of_programs(self._store.named("metric_latest", exposition.ASKED))
        yield from exposition.of_server(self._counts)


async def metrics(request: Request) -> Response:
    """GET /metrics, as Prometheus text or OpenMetrics, whichever the client prefers."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    registry: CollectorRegistry = request.app.state.registry
    text = await run_in_threadpool(encode, registry)
    return Response(text, media_type=None, headers={"Content-Type": content_type})


async def healthz(_request: Request) -> Response:
    """GET /healthz: the process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: whether data is taken and loaded, and if not, why."""
    failures: dict[str, str] = request.app.state.failures()
    if not allows(request.state.caller.scopes, READ):  # The reasons name folders and files.
        failures = dict.fromkeys(failures, "Ask with a token to read why.")
    return JSONResponse({"ready": not failures, "failures": failures}, 503 if failures else 200)


ROUTES = (
    route("/metrics", metrics, scope=READ),
    route("/healthz", healthz, scope=OPEN),
    route("/readyz", readyz, scope=OPEN),
    *PAGES,
    *QUESTIONS,
)


def sentence(error: Exception) -> Response:
    """Return a deliberate error as the API shows it."""
    status = 400 if isinstance(error, PayloadError | QueryError) else 503
    return JSONResponse({"error": str(error), "status": status}, status)
