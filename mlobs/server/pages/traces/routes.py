"""The page of traces."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import PayloadError, QueryError
from mlobs.server.ask import asked
from mlobs.server.ask.asked import Given
from mlobs.server.ask.parsing import parse
from mlobs.server.ask.routes import newest
from mlobs.server.pages.beginning import begun
from mlobs.server.pages.handling import is_busy, page
from mlobs.server.pages.links import address
from mlobs.server.pages.period import NAMES, Period
from mlobs.server.pages.rendering import render
from mlobs.server.pages.traces import view
from mlobs.server.pages.traces.columns import COLUMNS, chosen
from mlobs.server.store import Store

PATH = "/traces"
ASKED = ("q", *NAMES, "sort", "cursor", "limit")
KNOWN = (*ASKED, "columns", "tail")
LIVE_SECONDS, TAIL_SECONDS = 10, 2


def show(request: Request) -> Response:
    """GET /traces: what happened, by question and range, a page at a time."""
    given = {name: text for name, text in asked.once(request.query_params.multi_items()).items() if text}
    store: Store = request.app.state.store
    try:
        asked.known(given, KNOWN)
        period = begun(store, given, time.time_ns())
        found, problem = _found(store, {**given, **period.given}), ""
    except (QueryError, PayloadError) as error:
        if is_busy(error):
            raise
        found, problem = {"rows": [], "next": None, "alone": None}, str(error)
        period = _period(store, given)
    kept = {name: text for name, text in given.items() if name in KNOWN and name != "cursor"}
    tail = "tail" in given and "cursor" not in given and given.get("sort", "newest") == "newest"
    question = given.get("q", "")
    return render(
        request,
        "traces.html",
        status=400 if problem else 200,
        section="traces",
        path=PATH,
        given=kept,
        question=question,
        filtered=not problem and _filters(question),
        quick=view.quick(question, kept) if not problem else [],
        problem=problem,
        marked=view.marked(question, problem) if problem else None,
        period=period,
        columns=chosen(given.get("columns", "")),
        every=COLUMNS,
        sort=given.get("sort", "newest"),
        tail=tail,
        tail_address=address(PATH, {**kept, "tail": "" if tail else "1", "sort": ""}),
        live_s=0 if "cursor" in given or problem else TAIL_SECONDS if tail else LIVE_SECONDS,
        first_address=address(PATH, kept) if "cursor" in given else "",
        next_address=address(PATH, {**kept, "tail": "", "cursor": found["next"]}) if found["next"] else "",
        **{name: found[name] for name in ("rows", "alone")},
    )


def _period(store: Store, given: Given) -> Period:
    """Return the range to be shown beside what cannot be asked: that which was asked, if it can be read."""
    try:
        return begun(store, given, time.time_ns())
    except QueryError:
        return begun(store, {}, time.time_ns())


def _found(store: Store, given: Given) -> Mapping[str, Any]:
    answer = newest(store, {name: text for name, text in given.items() if name in ASKED})
    traces = answer["traces"]
    facts = store.named("page_traces", view.asked_facts(traces)) if traces else []
    return {
        "rows": view.rows(traces, facts, time.time_ns()),
        "next": answer["next"],
        "alone": answer["spans_without_trace_id"],
    }


def _filters(question: str) -> bool:
    return parse(question) is not None


ROUTES = (page(PATH, show),)
