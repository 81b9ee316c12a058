"""The overview."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlobs.server.ask import asked
from mlobs.server.engine import Value
from mlobs.server.minutes import BUCKETS_EACH_DOUBLING
from mlobs.server.pages.alerts.view import rows as alert_rows
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.beginning import basis, begun, earliest_ns, hours
from mlobs.server.pages.drift.view import where as drifted
from mlobs.server.pages.drift.watched import watched
from mlobs.server.pages.handling import page, parameters, told
from mlobs.server.pages.links import address, term
from mlobs.server.pages.overview import view
from mlobs.server.pages.period import NAMES, Period
from mlobs.server.pages.rendering import render
from mlobs.server.store import Store

PATH = "/"
KNOWN = (*NAMES, "service")
LIVE_SECONDS = 10
GROUPS_MAX = 5_000
ALERTS_SHOWN, DRIFT_SHOWN = 8, 5


def show(request: Request) -> Response:
    """GET /: how much there was, how it went, what it cost, and what is wrong now."""
    given = parameters(request, KNOWN)
    store: Store = request.app.state.store
    now_ns = time.time_ns()
    period = begun(store, given, now_ns)
    service = asked.checked("service", given.get("service", ""))
    question = term("service", service) if service else ""
    params: dict[str, Value] = {**view.window(period), "service": service, "limit": GROUPS_MAX}
    rows = store.named("page_totals", params)
    requests, predictions = view.requests_and_predictions(rows)
    steps = store.named("page_steps", {**params, "predictions": int(not predictions)})
    whole, all_spans = view.added_up(requests), view.added_up(rows)
    first_ns = earliest_ns(store, service)
    said = _said(request, "alerts")
    return render(
        request,
        "overview.html",
        section="overview",
        path=PATH,
        given=given,
        service=service,
        period=period,
        hours=hours(period, first_ns),
        basis=basis(hours(period, first_ns)),
        step_ms=period.step_ns / 1e6,
        live_s=LIVE_SECONDS,
        requests=whole,
        predictions=view.added_up(predictions) if predictions else None,
        predicting=address("/traces", period.given, q=f"{question} root:yes kind:{view.PREDICTION}".strip()),
        spans=all_spans,
        links=view.links(view.of_requests(question, predictions), whole, period),
        of_spans=view.links(question, all_spans, period),
        charts=view.pictures(steps, period, question, predictions),
        services=_top(view.services(rows, period)),
        agents=_top(view.agents(rows, period, question)),
        models=_top(view.models(rows, period, question)),
        tools=_top(_tools(store, period, service, question)),
        everywhere=address(PATH, {name: text for name, text in given.items() if name != "service"}),
        late_since=_late_since(store, period),
        alerts=_alerts(said, now_ns),
        drift=_drift(_said(request, "drift"), store, said),
    )


ROUTES = (page(PATH, show),)


def _top(groups: list[view.Group]) -> dict[str, Any]:
    return {"rows": groups[: view.GROUPS_SHOWN], "left": max(0, len(groups) - view.GROUPS_SHOWN)}


def _tools(store: Store, period: Period, service: str, question: str) -> list[view.Group]:
    """Return the tools of a service; of all services together they would take reading all spans."""
    if not service:
        return []
    params: dict[str, Value] = {
        **period.range.params(),
        "service": service,
        "limit": GROUPS_MAX,
        "buckets_each_doubling": BUCKETS_EACH_DOUBLING,
    }
    return view.tools(store.named("page_tools", params), period, question)


def _late_since(store: Store, period: Period) -> str:
    """Return from when on spans are counted, where those before are not: a cluster's are not read again."""
    if not store.sharded:
        return ""
    begins_ns = earliest_ns(store)
    return stamp(begins_ns) if begins_ns is not None and begins_ns > period.range.since_ns else ""


def _said(request: Request, about: str) -> Mapping[str, Any] | None:
    """Return what another part of the server says of itself; None where it is not there."""
    tell = told(request, about)
    return None if tell is None else tell()


def _alerts(said: Mapping[str, Any] | None, now_ns: int) -> Mapping[str, Any] | None:
    if said is None:
        return None
    causes = view.causes(said["firing"])
    return {
        "firing": alert_rows(causes[:ALERTS_SHOWN], {}, now_ns),  # Its values are not shown.
        "left": len(causes) - ALERTS_SHOWN,
        "count": len(said["firing"]),
        "pending": len(said["pending"]),
        "rules": len(said["rules"]),
        "elsewhere": said["elsewhere"],
    }


def _drift(
    said: Mapping[str, Any] | None, store: Store, alerts: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if said is None:
        return None
    watches = watched(store, said["watches"])
    alarms = [one for one in watches if one["alarm"]]
    # What an alert tells of already is not told twice.
    untold = view.by_feature(view.untold(alarms, alerts["firing"] if alerts is not None else []))
    return {
        "watched": len(watches),
        "alarms": [{**one, "address": drifted(one)} for one in untold[:DRIFT_SHOWN]],
        "left": len(untold) - DRIFT_SHOWN,
        "count": len(alarms),
        "failure": said["failure"],
    }
