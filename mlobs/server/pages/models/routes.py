"""The page of models: how each works, and what its spans say it cost."""

import time

from starlette.requests import Request
from starlette.responses import Response

from mlobs.server.ask import asked
from mlobs.server.engine import Value
from mlobs.server.pages.beginning import basis, begun, earliest_ns, hours
from mlobs.server.pages.handling import page, parameters
from mlobs.server.pages.links import address, term
from mlobs.server.pages.models import view
from mlobs.server.pages.overview.view import CALLS, PREDICTION, added_up, links, window
from mlobs.server.pages.overview.view import models as counted
from mlobs.server.pages.period import NAMES
from mlobs.server.pages.rendering import render
from mlobs.server.pages.sessions.view import ids
from mlobs.server.store import Store

PATH = "/models"
KNOWN = (*NAMES, "service")
GROUPS_MAX = 5_000
MODELS_SHOWN = 100
LIVE_SECONDS = 10


def show(request: Request) -> Response:
    """GET /models: each model: calls, failures, latency, tokens, cache, cost."""
    given = parameters(request, KNOWN)
    store: Store = request.app.state.store
    period = begun(store, given, time.time_ns())
    service = asked.checked("service", given.get("service", ""))
    question = term("service", service) if service else ""
    params: dict[str, Value] = {**window(period), "service": service}
    rows = store.named("page_totals", {**params, "limit": GROUPS_MAX})
    calls = [row for row in rows if row["calls"] or row["noun"] == PREDICTION]
    of_models, predictions = ([row for row in calls if bool(row["calls"]) == told] for told in (True, False))
    whole, covered = added_up(of_models), hours(period, earliest_ns(store, service))
    listed = view.models(counted(rows, period, question), whole)
    names = view.named(listed)
    others = len(listed) > len(names) or any(not row["model"] for row in calls)
    steps = store.named("page_models", {**params, "models": ids(names)})
    return render(
        request,
        "models.html",
        section="models",
        tab="models",
        path=PATH,
        given=given,
        service=service,
        services=sorted({row["service"] for row in calls}),
        everywhere=address(PATH, {name: text for name, text in given.items() if name != "service"}),
        period=period,
        hours=covered,
        basis=basis(covered),
        step_ms=period.step_ns / 1e6,
        live_s=LIVE_SECONDS,
        whole=whole,
        predictions=added_up(predictions) if predictions else None,
        predicting=address("/traces", period.given, q=f"{question} kind:{PREDICTION}".strip()),
        cache_share=view.cache_share(whole),
        per_thousand=view.per_thousand(whole),
        links=links(f"{CALLS} {question}".strip(), whole, period),
        rows=listed[:MODELS_SHOWN],
        left=len(listed) - MODELS_SHOWN,
        nameless=sum(row["calls"] for row in calls if not row["model"]),
        legend=view.legend(names, others=others),
        charts=view.pictures(steps, names, period, f"{CALLS} {question}".strip(), others=others),
    )


ROUTES = (page(PATH, show),)
