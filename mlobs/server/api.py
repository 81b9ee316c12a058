"""The routes that answer: /, /api/traces, /traces/{id}, /metrics, /healthz, /readyz.

Handlers find the server's parts in `request.app.state` (set by `app.create_app`). Questions
run in a thread, so that a slow one does not hold up what arrives.
"""

import re
from collections.abc import Callable
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from mlobs.errors import PayloadError, QueryError
from mlobs.semconv.metrics import INFERENCE_OPERATIONS
from mlobs.server import answers, exposition
from mlobs.server.counts import Counts
from mlobs.server.page import list_page, message_page, trace_page
from mlobs.server.store import Store

TRACES_MAX = 1_000
SPANS_MAX = 10_000
SINCE_SECONDS = 86_400
SINCE_SECONDS_MAX = 10 * 366 * 86_400
STATUSES = ("", "ok", "error")
TEXT_MAX = 1_000


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
        stale = {"stale_s": exposition.STALE_SECONDS}
        yield from exposition.of_programs(self._store.named("metric_latest", {**limits, **stale}))
        yield from exposition.of_server(self._counts)


async def home(request: Request) -> Response:
    """GET /: the newest traces for people."""
    return HTMLResponse(list_page(await _newest(request)))


async def list_traces(request: Request) -> Response:
    """GET /api/traces: the newest traces."""
    params = {"since_s": _whole(request, "since_s", SINCE_SECONDS, SINCE_SECONDS_MAX)}
    traces = await _newest(request)
    lost = await run_in_threadpool(_store(request).named, "spans_without_trace", params)
    return JSONResponse({"traces": traces, "spans_without_trace_id": lost[0]["spans"]})


async def _newest(request: Request) -> list[dict[str, Any]]:
    asked = request.query_params
    status = asked.get("status", "")
    if status not in STATUSES:
        raise PayloadError(f"status={status!r} came; ok or error is what can be asked for.")
    params: dict[str, str | int | float] = {
        "limit": _whole(request, "limit", 50, TRACES_MAX),
        "since_s": _whole(request, "since_s", SINCE_SECONDS, SINCE_SECONDS_MAX),
        "service": asked.get("service", "")[:TEXT_MAX],
        "noun": asked.get("noun", "")[:TEXT_MAX],
        "status": status,
        "operations": ",".join((*INFERENCE_OPERATIONS, "embeddings")),
    }
    rows = await run_in_threadpool(_store(request).named, "trace_list", params)
    return answers.traces(rows)


async def show_trace(request: Request) -> Response:
    """GET /api/traces/{id}: every span of one trace, up to a limit."""
    trace_id = request.path_params["trace_id"]
    spans = await run_in_threadpool(_spans, _store(request), trace_id)
    if not spans:
        return JSONResponse({"error": _unknown(trace_id), "status": 404}, 404)
    cut = len(spans) > SPANS_MAX
    return JSONResponse({"trace_id": trace_id.lower(), "truncated": cut, "spans": spans[:SPANS_MAX]})


async def trace_html(request: Request) -> Response:
    """GET /traces/{id}: one trace for people."""
    trace_id = request.path_params["trace_id"]
    spans = await run_in_threadpool(_spans, _store(request), trace_id)
    if not spans:
        return HTMLResponse(message_page(_unknown(trace_id)), 404)
    return HTMLResponse(trace_page(trace_id.lower(), spans[:SPANS_MAX]))


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
    return JSONResponse({"ready": not failures, "failures": failures}, 503 if failures else 200)


ROUTES = (
    Route("/", home),
    Route("/api/traces", list_traces),
    Route("/api/traces/{trace_id}", show_trace),
    Route("/traces/{trace_id}", trace_html),
    Route("/metrics", metrics),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
)


def _spans(store: Store, trace_id: str) -> list[dict[str, Any]]:
    if not re.fullmatch(r"[0-9a-fA-F]{1,64}", trace_id):
        return []
    rows = store.named("trace_spans", {"trace_id": trace_id.lower(), "limit": SPANS_MAX + 1})
    return answers.spans(rows)


def _unknown(trace_id: str) -> str:
    return f"No trace {trace_id[:64]!r} is stored. The newest ones: mlobs traces list"


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _whole(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,20}", text) or not 1 <= int(text) <= most:
        raise PayloadError(f"{name}={text[:40]!r} came; a whole number from 1 to {most} was expected.")
    return int(text)


def sentence(error: Exception) -> Response:
    """Return a deliberate error as the API shows it."""
    status = 400 if isinstance(error, PayloadError | QueryError) else 503
    return JSONResponse({"error": str(error), "status": status}, status)
