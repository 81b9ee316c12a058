"""The page of alerts, and that of one. What they show is told by another part of the server."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import QueryError
from mlobs.server.access.scopes import ADMIN, allows
from mlobs.server.ask.ranges import DAY_NS
from mlobs.server.pages import prose
from mlobs.server.pages.alerts import episode, leads, view
from mlobs.server.pages.amounts import NONE
from mlobs.server.pages.examples import examples
from mlobs.server.pages.handling import message, page, parameters, told
from mlobs.server.pages.period import NAMES, read_period
from mlobs.server.pages.rendering import render

VIEWS = ("now", "history", "deliveries", "silences", "rules")
STATES = ("waiting", "delivered", "dead", "demoted", "muted")
LIVE_SECONDS, ONE_LIVE_SECONDS = 10, 30
VALUES_NS_MAX = 8 * DAY_NS  # A longer range is not asked for values: each costs the whole of it.
TRACES_SHOWN = 8
NOT_HERE = "This server evaluates no alerts: it was started without them, or is still starting."


def show(request: Request) -> Response:
    """GET /alerts: what fires and has fired, who was told, and who is spared for a while."""
    given = parameters(request, ("view", "state", "sink"))
    chosen = _one_of("view", given.get("view", "now"), VIEWS)
    state = _one_of("state", given["state"], STATES) if "state" in given else ""
    tell, past = told(request, "alerts"), told(request, "alerts_past")
    if tell is None or past is None:
        return message(request, 503, "No alerts", NOT_HERE, again_s=5)
    now, known, now_ns = tell(), past(), time.time_ns()
    units = {one["rule"]: view.unit_of(one) for one in now["rules"]}
    sinks = now["sinks"]
    holding = [one for one in known["silences"] if one["state"] == "holds"]
    asks = {name: given[name] for name in ("state", "sink") if name in given}
    deliveries = told(request, "deliveries")
    return render(
        request,
        "alerts.html",
        section="alerts",
        given=given,
        view=chosen,
        tabs=view.tabs(
            chosen, {"now": len(now["firing"]), "silences": len(holding), "rules": len(now["rules"])}
        ),
        live_s=LIVE_SECONDS,
        firing=view.rows(now["firing"], units, now_ns),
        pending=view.rows(now["pending"], units, now_ns),
        episodes=view.rows(known["episodes"], units, now_ns) if chosen == "history" else [],
        rules=view.rules(now),
        elsewhere=now["elsewhere"],
        failing=sum(one["state"] == "error" for one in now["rules"]),
        problems=[text for text in (now["rules_error"], now["routes_error"]) if text],
        sinks=sinks,
        waiting=sum(one["waiting"] for one in sinks),
        dead=sum(one["dead"] for one in sinks),
        state=state,
        states=STATES,
        deliveries=deliveries(asks)["deliveries"] if deliveries and chosen == "deliveries" else [],
        silences=known["silences"],
        hushed=known["hushed"],
        lengths=view.LENGTHS,
        may_change=allows(request.state.caller.scopes, ADMIN),
        back=str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
    )


def show_one(request: Request) -> Response:
    """GET /alerts/{source}/{fingerprint}: one alert, its values, traces, runbook, past and deliveries."""
    given = parameters(request, NAMES)
    now_ns = time.time_ns()
    look = told(request, "alert")
    if look is None:
        return message(request, 503, "No alerts", NOT_HERE, again_s=5)
    source, fingerprint = (request.path_params[name] for name in ("source", "fingerprint"))
    if not given:
        known = look(source, fingerprint, 0.0, now_ns / 1e9, with_values=False)
        given = episode.around(known["alert"], now_ns) if known is not None else {}
    period = read_period(given, now_ns)
    length_ns = period.end_ns - period.range.since_ns
    until_s, long = period.end_ns / 1e9, length_ns > VALUES_NS_MAX
    found = look(source, fingerprint, period.range.since_ns / 1e9, until_s, with_values=not long)
    if found is None:
        return _nothing(request)
    unit = view.unit_of(found["rule"]) if found["rule"] else "number"
    alert = view.row(found["alert"], unit, now_ns)
    return render(
        request,
        "alert.html",
        section="alerts",
        path=request.url.path,
        given=given,
        period=period,
        live_s=ONE_LIVE_SECONDS if alert["state"] != "over" else 0,
        alert=alert,
        rule=found["rule"],
        limit=_limit(found["rule"]),
        chart=view.picture(found, period.axis()),
        values_error=found["values_error"],
        too_long=long,
        traces=examples(
            request.app.state.store,
            alert["trace_ids"][:TRACES_SHOWN],
            min(period.range.since_ns, now_ns - 30 * DAY_NS),
            now_ns,
        ),
        all_traces=leads.traces(alert, found["rule"]),
        feature=leads.feature(alert),
        runbook=_runbook(found["runbook"], alert),
        server=leads.server(str(request.base_url)),
        runbook_page=found["runbook"]["page"] if found["runbook"] else "",
        episodes=view.rows(found["episodes"], {alert["rule"]: unit}, now_ns),
        deliveries=found["deliveries"],
        matchers=view.matchers(found["alert"]),
        lengths=view.LENGTHS,
        may_change=allows(request.state.caller.scopes, ADMIN),
        back=request.url.path,
    )


ROUTES = (page(view.PATH, show), page(f"{view.PATH}/{{source}}/{{fingerprint}}", show_one))


def _limit(rule: Mapping[str, Any] | None) -> str:
    """Return a rule's limit, none of whose digits may be left out, with percent as pages write them."""
    text = (rule or {}).get("limit_text") or NONE
    return text.replace("%", " %") if rule is not None and rule["unit"] == "ratio" else text


def _runbook(found: Mapping[str, Any] | None, alert: Mapping[str, Any]) -> list[prose.Block] | None:
    """Return a runbook without its title, for this alert; None where there is none."""
    if found is None:
        return None
    return prose.blocks(leads.filled(found["text"], alert["labels"], alert["trace_ids"]))[1:]


def _one_of(name: str, came: str, known: tuple[str, ...]) -> str:
    if came not in known:
        raise QueryError(f"{name}={came[:40]!r} came; one of {', '.join(known)} was wanted.")
    return came


def _nothing(request: Request) -> Response:
    return message(
        request,
        404,
        "There is no such alert",
        "Nothing fires here, and nothing that is remembered has fired.",
        checks=(
            "The address has the alert's source and its fingerprint, as /api/alerts and webhooks have them.",
            "The history keeps the last 5,000 alerts; an older one is forgotten.",
            "An alert whose labels changed has another fingerprint.",
        ),
    )
