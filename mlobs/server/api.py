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
from starlette.responses import HTMLResponse, JSONResponse, Response

from mlobs.errors import PayloadError, QueryError
from mlobs.server import exposition
from mlobs.server.access.routes import route
from mlobs.server.access.scopes import OPEN, READ, allows
from mlobs.server.ask.asked import once
from mlobs.server.ask.routes import ROUTES as QUESTIONS
from mlobs.server.ask.routes import SPANS_DEFAULT, newest, stored_spans, trace_spans, unknown_trace
from mlobs.server.counts import Counts
from mlobs.server.page import list_page, message_page, trace_page
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
        yield from exposition.of_spans(self._store.named("metric_totals", limits))
        yield from exposition.of_programs(self._store.named("metric_latest", exposition.ASKED))
        yield from exposition.of_server(self._counts)


async def home(request: Request) -> Response:
    """GET /: the newest traces for people."""
    found = await run_in_threadpool(newest, _store(request), once(request.query_params.multi_items()))
    return HTMLResponse(list_page(found["traces"]))


async def trace_html(request: Request) -> Response:
    """GET /traces/{id}: one trace for people."""
    trace_id = request.path_params["trace_id"]
    store, limit = _store(request), SPANS_DEFAULT
    spans = await run_in_threadpool(trace_spans, store, trace_id, limit + 1)
    if not spans:
        return HTMLResponse(message_page(unknown_trace(trace_id)), 404)
    stored = await run_in_threadpool(stored_spans, store, trace_id, len(spans), limit)
    return HTMLResponse(trace_page(trace_id.lower(), spans[:limit], stored))


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
    route("/", home, scope=READ),
    route("/traces/{trace_id}", trace_html, scope=READ),
    route("/metrics", metrics, scope=READ),
    route("/healthz", healthz, scope=OPEN),
    route("/readyz", readyz, scope=OPEN),
    *QUESTIONS,
)


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def sentence(error: Exception) -> Response:
    """Return a deliberate error as the API shows it."""
    status = 400 if isinstance(error, PayloadError | QueryError) else 503
    return JSONResponse({"error": str(error), "status": status}, status)
