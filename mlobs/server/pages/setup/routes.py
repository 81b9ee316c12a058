"""The page of setup."""

import json
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlobs.semconv import attributes as a
from mlobs.server import exposition
from mlobs.server.ask import asked
from mlobs.server.engine import Value
from mlobs.server.minutes import TABLE
from mlobs.server.pages.beginning import begun
from mlobs.server.pages.handling import page, parameters
from mlobs.server.pages.overview.view import window
from mlobs.server.pages.period import NAMES, Period
from mlobs.server.pages.rendering import render
from mlobs.server.pages.setup import arrivals, refusals, snippets
from mlobs.server.store import Store

PATH = "/setup"
SERVICES_MAX, SAMPLE_SPANS = 200, 20_000
LIVE_SECONDS = 10
AHEAD_S = 60  # A clock may be so much ahead, and its spans are of now.
LANGUAGE_KEY = "telemetry.sdk.language"


def show(request: Request) -> Response:
    """GET /setup: what arrives and what does not, what to paste, and whether a span gets through."""
    given = parameters(request, ("for", *NAMES))
    chosen = asked.choice(given, "for", tuple(snippets.BY_NAME))
    period = begun(request.app.state.store, given, time.time_ns())
    asks = request.app.state.guard.asks
    endpoint = str(request.base_url).rstrip("/")
    counted = list(request.app.state.counts.series())
    snippet = snippets.BY_NAME[chosen]
    return render(
        request,
        "setup.html",
        section="setup",
        path=PATH,
        given=given,
        period=period,
        live_s=LIVE_SECONDS,
        failures=request.app.state.failures(),
        services=_services(request.app.state.store, period),
        received=refusals.received(counted),
        refused=refusals.refused(counted),
        odd=_odd(request.app.state.store, period),
        chosen=snippet,
        every=snippets.SNIPPETS,
        lines=snippets.filled(snippet, endpoint, asks=asks),
        prompt=snippets.prompt(endpoint, asks=asks),
        asks=asks,
        token_variable=snippets.HEADERS_VARIABLE,
        endpoint=endpoint,
        probe=_probe(),
    )


ROUTES = (page(PATH, show),)


def _services(store: Store, period: Period) -> list[dict[str, Any]]:
    now_s = time.time()
    sums = {name: value for name, value in window(period).items() if name != "step_s"}
    until_s = round(now_s) + AHEAD_S
    recent_s = until_s - AHEAD_S - arrivals.RECENT_MINUTES * 60
    recent: dict[str, Value] = {"table": TABLE, "since_s": recent_s, "until_s": until_s}
    within: dict[str, Value] = period.range.params()
    return arrivals.services(
        store.named("page_arrivals", {**sums, "limit": SERVICES_MAX}),
        store.named("page_arrivals", {**recent, "limit": SERVICES_MAX}),
        store.named("page_arrivals_others", {**within, "limit": 3 * SERVICES_MAX}),
        store.named(
            "page_arrivals_sample",
            {
                **within,
                "sample": SAMPLE_SPANS,
                "language_key": LANGUAGE_KEY,
                "version_key": a.SERVICE_VERSION.name,
            },
        ),
        store.named("metric_latest", exposition.ASKED),
        now_s,
        period.given,
    )


def _odd(store: Store, period: Period) -> dict[str, int]:
    """Return how many spans no list of traces shows, and why."""
    row = store.named("spans_without_trace", period.range.params())[0]
    return {"without_id": row["spans"], "ahead": row["ahead"]}


def _probe() -> str:
    """Return a request with one span, for the script to fill in: its ids and its time."""
    span = {"traceId": "", "spanId": "", "name": "doctor", "kind": 1}
    times = {"startTimeUnixNano": "0", "endTimeUnixNano": "0"}
    service = {"key": a.SERVICE_NAME.name, "value": {"stringValue": arrivals.DOCTOR}}
    scope = {"scope": {"name": arrivals.DOCTOR}, "spans": [{**span, **times}]}
    return json.dumps({"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [scope]}]})
