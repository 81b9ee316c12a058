"""The routes of questions. Each row of OPERATIONS is a route and its description.

Handlers find the store in `request.app.state.store`. Questions run in a thread, so that a slow one does not
hold up what arrives.
"""

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlobs.errors import QueryError
from mlobs.server import access, answers
from mlobs.server.ask import asked, asking, listing, statements
from mlobs.server.ask import openapi as api
from mlobs.server.ask.asked import Given
from mlobs.server.ask.compiling import EVERYTHING, of_spans
from mlobs.server.ask.console import FORMATS
from mlobs.server.ask.cursors import read_cursor
from mlobs.server.ask.keys import KEYS
from mlobs.server.ask.ranges import Range, length_ns, read_range
from mlobs.server.ask.sql_routes import cancel_query, run_sql
from mlobs.server.ask.syntax import Term
from mlobs.server.costs.routes import OPERATIONS as COSTS
from mlobs.server.ledger.routes import OPERATION as LEDGER
from mlobs.server.replies import Reply
from mlobs.server.store import Store

SPANS_DEFAULT, SPANS_MAX = 10_000, 50_000
ROWS_DEFAULT, LISTED_MAX = 100, 1_000
STEPS_MAX = 2_000
RUNNING_SINCE, SESSION_SINCE = "1h", "30d"
RANGE = ("since", "since_s", "from", "to")
LIST = ("q", "service", "noun", "status", *RANGE, "cursor", "limit", "sort")
AGAINST = ("against_q", "against_since", "against_from", "against_to")
OTHER_SIDE = "against_"

Answer = Callable[[Store, Given], dict[str, Any]]


def newest(store: Store, given: Given) -> dict[str, Any]:
    """Return a page of traces; where it shows all there are, also how many spans are in none."""
    wanted = asked.listed(given, time.time_ns())
    found = listing.page(
        store.query,
        statements.TRACE,
        wanted.sort,
        wanted.where,
        wanted.range,
        wanted.limit,
        wanted.after,
        known=not store.sharded,
    )
    rows = listing.traces(partial(store.named, "trace_list"), found)
    whole = wanted.after is None and not found.cursor and wanted.where.any_of == EVERYTHING
    lost = store.named("spans_without_trace", wanted.range.params())[0] if whole else {}
    return {
        "traces": answers.traces(rows),
        "next": found.cursor or None,
        "spans_without_trace_id": lost.get("spans"),
        "spans_ahead_of_time": lost.get("ahead"),
    }


def sessions(store: Store, given: Given) -> dict[str, Any]:
    """Return a page of sessions."""
    wanted = asked.listed(given, time.time_ns(), sorts=("newest",))
    found = listing.page(
        store.query, statements.SESSION, wanted.sort, wanted.where, wanted.range, wanted.limit, wanted.after
    )
    rows = listing.sessions(store.query, found, wanted.range)
    return {"sessions": list(map(asking.session, rows)), "next": found.cursor or None}


def _aggregate(store: Store, given: Given) -> dict[str, Any]:
    within = read_range(given, time.time_ns())
    step_ns = length_ns("step", given["step"]) if given.get("step") else 0
    end_ns = min(within.until_ns, within.now_ns)
    if step_ns and (end_ns - within.since_ns) // step_ns > STEPS_MAX:
        raise QueryError(f"step={given['step']!r} makes more than {STEPS_MAX:,} steps; take longer ones.")
    groups, where = asked.groupings(given), asked.spans(given)
    order = asked.choice(given, "order", tuple(statements.ORDERS), "time" if step_ns else "spans")
    limit = asked.whole(
        given, "limit", asking.GROUPS_MAX if step_ns else ROWS_DEFAULT, 10 * asking.GROUPS_MAX
    )
    measures = asked.several(given, "measures", tuple(statements.MEASURES))
    rows = asking.aggregate(
        store.query, groups, where, within, order=order, limit=limit, step_ns=step_ns, measures=measures
    )
    return {"rows": rows, **_said(within)}


def _compare(store: Store, given: Given) -> dict[str, Any]:
    now_ns = time.time_ns()
    within = read_range(given, now_ns)
    ranged = any(given.get(f"{OTHER_SIDE}{name}") for name in ("since", "from", "to"))
    filtered = "against_q" in given
    other = (
        read_range(given, now_ns, prefix=OTHER_SIDE) if ranged else within if filtered else within.before()
    )
    groups, where = asked.groupings(given), asked.spans(given)
    against = asked.spans(given, "against_q") if filtered else where
    limit = asked.whole(given, "limit", ROWS_DEFAULT, asking.GROUPS_MAX)
    measures = asked.several(given, "measures", tuple(statements.MEASURES))
    sides = [
        asking.aggregate(
            store.query, groups, condition, side, order="spans", limit=asking.GROUPS_MAX, measures=measures
        )
        for condition, side in ((where, within), (against, other))
    ]
    return {"rows": asking.compared(*sides)[:limit], "now": _said(within), "then": _said(other)}


def _errors(store: Store, given: Given) -> dict[str, Any]:
    within, where = read_range(given, time.time_ns()), asked.spans(given)
    limit = asked.whole(given, "limit", ROWS_DEFAULT, LISTED_MAX)
    return {"errors": asking.errors(store.query, where, within, limit)}


def _running(store: Store, given: Given) -> dict[str, Any]:
    within = read_range(given, time.time_ns(), default=RUNNING_SINCE)
    limit = asked.whole(given, "limit", ROWS_DEFAULT, LISTED_MAX)
    where = asked.in_trace(given)
    return {"traces": asking.running(store.query, where, within, limit)}


def _attributes(store: Store, given: Given) -> dict[str, Any]:
    within = read_range(given, time.time_ns())
    limit = asked.whole(given, "limit", ROWS_DEFAULT, LISTED_MAX)
    beginning = asked.checked("beginning", given.get("beginning", ""))
    if given.get("key"):
        key = asked.checked("key", given["key"])
        return {"key": key, "values": asking.attribute_values(store.query, key, beginning, within, limit)}
    known = [{"key": key.name, "meaning": key.meaning} for key in KEYS if key.name.startswith(beginning)]
    return {"keys": known, "attributes": asking.attribute_keys(store.query, beginning, within, limit)}


def _said(within: Range) -> dict[str, str]:
    return {
        "from": answers.moment(within.since_ns),
        "to": answers.moment(min(within.until_ns, within.now_ns)),
    }


def _question(answer: Answer, allowed: tuple[str, ...]) -> api.Handler:
    """Return a handler that answers in a thread."""

    async def handler(request: Request) -> Response:
        given = asked.once(request.query_params.multi_items())
        asked.known(given, allowed)
        return Reply(await run_in_threadpool(answer, request.app.state.store, given))

    return handler


async def show_trace(request: Request) -> Response:
    """GET /api/traces/{trace_id}: every span of one trace, up to a limit."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, ("limit",))
    trace_id = request.path_params["trace_id"]
    limit = asked.whole(given, "limit", SPANS_DEFAULT, SPANS_MAX)
    spans = await run_in_threadpool(trace_spans, request.app.state.store, trace_id, limit + 1)
    if not spans:
        return Reply({"error": unknown_trace(trace_id), "status": 404}, 404)
    stored = await run_in_threadpool(stored_spans, request.app.state.store, trace_id, len(spans), limit)
    shown = {
        "trace_id": trace_id.lower(),
        "truncated": stored > limit,
        "spans_stored": stored,
        "spans": spans[:limit],
    }
    return await run_in_threadpool(Reply, shown)


def trace_spans(store: Store, trace_id: str, limit: int) -> list[dict[str, Any]]:
    """Return the spans of a trace, none if it is unknown or no id."""
    if not trace_id.isalnum() or not trace_id.isascii() or len(trace_id) > 64:
        return []
    return answers.spans(store.named("trace_spans", {"trace_id": trace_id.lower(), "limit": limit}))


def stored_spans(store: Store, trace_id: str, read: int, limit: int) -> int:
    """Return how many spans a trace has; they are counted only if more than `limit` were `read`."""
    if read <= limit:
        return read
    return int(store.query(statements.TRACE_SPANS, {"trace_id": trace_id.lower()})[0]["spans"])


def unknown_trace(trace_id: str) -> str:
    """Return the sentence for a trace that is not there."""
    return f"No trace {trace_id[:64]!r} is stored. The newest ones: mlobs traces list"


async def show_session(request: Request) -> Response:
    """GET /api/sessions/{session_id}: one session over all its traces, the newest first."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, (*RANGE, "cursor", "limit"))
    name = asked.checked("session_id", request.path_params["session_id"])
    shown = await run_in_threadpool(_session, request.app.state.store, name, given)
    if shown is None:
        sentence = f"No session {name[:64]!r} is stored in that time. The newest ones: GET /api/sessions"
        return Reply({"error": sentence, "status": 404}, 404)
    return Reply(shown)


def _session(store: Store, name: str, given: Given) -> dict[str, Any] | None:
    word = given.get("cursor", "")
    after = read_cursor(word, "newest") if word else None
    within = after.range if after else read_range(given, time.time_ns(), default=SESSION_SINCE)
    where = of_spans(Term("session", ":", asked.literal(name)))
    limit = asked.whole(given, "limit", ROWS_DEFAULT, LISTED_MAX)
    found = listing.page(store.query, statements.TRACE, "newest", where, within, limit, after)
    rows = listing.sessions(store.query, listing.Found((name,)), within)
    if not rows:
        return None
    traces = listing.traces(partial(store.named, "trace_list"), found)
    return {
        "session": asking.session(rows[0]),
        "traces": answers.traces(traces),
        "next": found.cursor or None,
    }


async def describe(request: Request) -> Response:
    """GET /openapi.json: this description."""
    described = {operation.path for operation in OPERATIONS}
    others: dict[str, dict[str, str]] = {}
    for one in request.app.routes:
        if isinstance(one, Route) and one.path not in described:
            first_line = (one.endpoint.__doc__ or "").strip().partition("\n")[0] or one.name
            methods = (one.methods or {"GET"}) - {"HEAD"}
            others.setdefault(one.path, {}).update(dict.fromkeys(sorted(methods), first_line))
    return Reply(api.document(OPERATIONS, others, version("mlobs")))


def _get(
    path: str, answer: Answer, params: tuple[str, ...], summary: str, shape: api.Schema
) -> api.Operation:
    return api.Operation("GET", path, _question(answer, params), summary, params, shape)


_NEXT = {"next": "string?"}
OPERATIONS = (
    _get(
        "/api/traces", newest, LIST, "A page of traces: the newest, slowest or dearest.",
        api.objects(traces=api.many(api.TRACE), spans_without_trace_id="integer?",
            spans_ahead_of_time="integer?", **_NEXT),
    ),
    api.Operation(
        "GET", "/api/traces/{trace_id}", show_trace, "The spans of one trace.", ("limit",),
        api.objects(trace_id="string", truncated="boolean", spans_stored="integer", spans=api.many(api.SPAN)),
    ),
    _get(
        "/api/sessions", sessions, tuple(name for name in LIST if name != "sort"),
        "A page of sessions, the newest first.",
        api.objects(sessions=api.many(api.SESSION), **_NEXT),
    ),
    api.Operation(
        "GET", "/api/sessions/{session_id}", show_session, "One session and a page of its traces.",
        (*RANGE, "cursor", "limit"), api.objects(session=api.SESSION, traces=api.many(api.TRACE), **_NEXT),
    ),
    _get(
        "/api/aggregate", _aggregate, ("q", "by", "step", "order", "measures", *RANGE, "limit"),
        "Counts, error ratios, quantiles, tokens and cost of spans, by group and by step of time.",
        api.objects(rows=api.many(api.GROUP), **{"from": "string", "to": "string"}),
    ),
    _get(
        "/api/compare", _compare, ("q", "by", "measures", *RANGE, "limit", *AGAINST),
        "Two ranges or two filters side by side, with what changed.",
        api.objects(rows=api.many(api.CHANGE), now="object", then="object"),
    ),
    _get(
        "/api/errors", _errors, ("q", *RANGE, "limit"),
        "Types of error, the most frequent first, with an example.",
        api.objects(errors=api.many(api.FAILURE)),
    ),
    _get(
        "/api/running", _running, ("q", *RANGE, "limit"), "Traces whose root span has not arrived.",
        api.objects(traces=api.many(api.RUNNING)),
    ),
    _get(
        "/api/attributes", _attributes, ("key", "beginning", *RANGE, "limit"),
        "What can be asked for: keys, attributes, and the most frequent values of a key.", {"type": "object"},
    ),
    api.Operation(
        "POST", "/api/sql", run_sql, "One SQL statement that reads; JSON, or the statement as text.",
        ("format", "rows_max", "seconds_max", "id"), {}, body=api.SQL,
        forms=tuple(form.partition(";")[0] for _, form in FORMATS.values()),
    ),
    api.Operation(
        "DELETE", "/api/queries/{query_id}", cancel_query, "Stop a statement that runs.",
        answer=api.objects(cancelled="string"), scope="admin",
    ),
    *COSTS,
    LEDGER,
    api.Operation("GET", "/openapi.json", describe, "This description.", answer={"type": "object"}),
)  # fmt: skip
ROUTES = tuple(
    access.route(one.path, one.handler, scope=one.scope, methods=[one.method]) for one in OPERATIONS
)
