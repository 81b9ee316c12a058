"""The page of one trace, of one of its spans, and what belongs to them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mlobs.semconv import attributes as a
from mlobs.semconv.events import EVALUATION_RESULT, HANDOFF
from mlobs.server.ask import asked, statements
from mlobs.server.ask.ranges import NS
from mlobs.server.ask.routes import stored_spans, unknown_trace
from mlobs.server.engine import Value
from mlobs.server.pages import links
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.handling import message, page
from mlobs.server.pages.headers import STORED_HEADERS
from mlobs.server.pages.rendering import render
from mlobs.server.pages.trace import columns, copies, detail, graph, talk
from mlobs.server.pages.trace.digest import digest
from mlobs.server.pages.trace.fold import Folded, fold
from mlobs.server.pages.trace.messages import said
from mlobs.server.pages.traces.view import QUIET_SECONDS
from mlobs.server.store import Store
from mlobs.server.tree import cut

SPANS_MAX = 50_000
FIRST_ROWS = 150
VIEWS = {"tree": "Tree", "conversation": "Conversation", "agents": "Agents", "logs": "Logs and scores"}
CONTENTS_MAX, CONTENT_CHARACTERS = 200, 200_000
HANDOFFS_MAX = 200
RUNNING_LIVE_SECONDS = 3
TEXT_TYPE = "text/plain; charset=utf-8"


def show(request: Request) -> Response:
    """GET /traces/{trace_id}: one trace: its tree, the conversation, the agents, logs and scores."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, ("view", "span", "row"))
    store, trace_id = _store(request), _id(request.path_params["trace_id"])
    spans = _spans(store, trace_id)
    if not spans:
        return unknown(request, request.path_params["trace_id"])
    stored = stored_spans(store, trace_id, len(spans), SPANS_MAX)
    view = given.get("view", "")
    view = view if view in VIEWS else "tree"
    folded = fold(spans[:SPANS_MAX])
    handoffs = _handoffs(store, trace_id)
    chosen = given.get("span", "")
    return render(
        request,
        "trace.html",
        section="traces",
        trace_id=trace_id,
        view=view,
        views=VIEWS,
        summary=_summary(folded, stored),
        cut=cut(trace_id, min(len(spans), SPANS_MAX), stored),
        points=digest(folded, handoffs),
        span=_shaped_span(store, trace_id, chosen) if chosen and view == "tree" else None,
        chosen=chosen,
        live_s=RUNNING_LIVE_SECONDS if _runs(folded) else 0,
        curl=copies.curl(trace_id, token=request.app.state.guard.asks),
        **_of_view(store, trace_id, view, folded, handoffs, given),
    )


def show_span(request: Request) -> Response:
    """GET /traces/{trace_id}/spans/{span_id}: one span, with everything it holds."""
    store, trace_id = _store(request), _id(request.path_params["trace_id"])
    span = _shaped_span(store, trace_id, request.path_params["span_id"])
    if span is None:
        return unknown(request, request.path_params["trace_id"], request.path_params["span_id"])
    return render(request, "span.html", section="traces", trace_id=trace_id, span=span)


def show_text(request: Request) -> Response:
    """GET /traces/{trace_id}/spans/{span_id}/text: the whole text of one attribute, as it is."""
    store, trace_id = _store(request), _id(request.path_params["trace_id"])
    key = asked.checked("key", request.query_params.get("key", ""))
    params: dict[str, Value] = {
        "trace_id": trace_id,
        "span_id": _id(request.path_params["span_id"]),
        "key": key,
    }
    rows = store.named("page_text", params)
    if not rows:
        return PlainTextResponse(
            f"That span has no attribute {key[:80]!r}.\n", 404, headers=dict(STORED_HEADERS)
        )
    return Response(rows[0]["text"], media_type=TEXT_TYPE, headers=dict(STORED_HEADERS))


def show_medium(request: Request) -> Response:
    """GET /traces/{trace_id}/spans/{span_id}/media/{number}: a picture or sound that came with a span."""
    store, trace_id = _store(request), _id(request.path_params["trace_id"])
    row = _span(store, trace_id, request.path_params["span_id"])
    wanted = request.path_params["number"]
    told = said([tuple(one) for one in row["content"]]) if row else None
    for one in (*told.before, *told.after) if told else ():
        for part in one.parts:
            if part.medium is not None and part.medium.number == wanted and part.medium.shown:
                body = part.medium.decoded()
                if body is not None:
                    return Response(body, media_type=part.medium.type, headers=dict(STORED_HEADERS))
    return PlainTextResponse("There is no such picture or sound.\n", 404, headers=dict(STORED_HEADERS))


def show_copy(request: Request) -> Response:
    """GET /traces/{trace_id}/copy/{form}: a trace as a test or as a row of a dataset."""
    store, trace_id = _store(request), _id(request.path_params["trace_id"])
    folded = fold(_spans(store, trace_id)[:SPANS_MAX])
    form = request.path_params["form"]
    if not folded.nodes or form not in {"test", "dataset"}:
        return PlainTextResponse(f"{unknown_trace(trace_id)}\n", 404, headers=dict(STORED_HEADERS))
    root = folded.nodes[0][1].span
    row = _span(store, trace_id, root["span_id"])
    content = [tuple(one) for one in row["content"]] if row else []
    text = (
        copies.case(trace_id, folded, copies.given(content))
        if form == "test"
        else copies.dataset_row(trace_id, root, content)
    )
    return Response(text, media_type=TEXT_TYPE, headers=dict(STORED_HEADERS))


def unknown(request: Request, trace_id: str, span_id: str = "") -> Response:
    """Return the page for a trace or span that is not there, with what to look at."""
    what = f"span {span_id[:32]!r} of trace {trace_id[:64]!r}" if span_id else f"trace {trace_id[:64]!r}"
    checks = (
        "Ids are hexadecimal digits: 32 for a trace, 16 for a span.",
        "What was sent within the last second may still be on its way; try again.",
        "A sampler may have left it out, or it is older than MLOBS_TRACES_DAYS keeps traces.",
        "mlobs doctor says whether anything arrives here.",
    )
    return message(request, 404, "Not stored here", f"No {what} is stored.", checks=checks)


ROUTES = (
    page("/traces/{trace_id}", show),
    page("/traces/{trace_id}/spans/{span_id}", show_span),
    page("/traces/{trace_id}/spans/{span_id}/text", show_text),
    page("/traces/{trace_id}/spans/{span_id}/media/{number:int}", show_medium),
    page("/traces/{trace_id}/copy/{form}", show_copy),
)


def _of_view(
    store: Store,
    trace_id: str,
    view: str,
    folded: Folded,
    handoffs: list[dict[str, Any]],
    given: Mapping[str, str],
) -> dict[str, Any]:
    """Return what one view shows beside what all show."""
    if view == "conversation":
        asked_for: dict[str, Value] = {
            "trace_id": trace_id,
            "limit": CONTENTS_MAX + 1,
            "characters": CONTENT_CHARACTERS,
            "call_id_key": a.TOOL_CALL_ID.name,
        }
        rows = store.named("page_contents", asked_for)
        turns = talk.conversation(
            [{**row, "content": [tuple(one) for one in row["content"]]} for row in rows[:CONTENTS_MAX]]
        )
        return {
            "turns": turns,
            "turns_left": len(rows) > CONTENTS_MAX or len(turns) >= talk.SHOWN_MAX,
            "stamp": stamp,
        }
    if view == "agents":
        found = graph.graph(folded, handoffs)
        return {"drawing": graph.drawing(found) if found.things else "", "graph": found}
    if view == "logs":
        return {"logs": _logs(store, trace_id, ""), "scores": _scores(store, trace_id)}
    lines = columns.shown(folded.lines)
    first = asked.whole(given, "row", 1, 10 * SPANS_MAX) - 1
    rows_shown = lines[first : first + FIRST_ROWS]
    return {
        "rows": rows_shown,
        "first_row": first,
        "rows_left": max(0, len(lines) - first - FIRST_ROWS),
        "page_rows": FIRST_ROWS,
        "embedded": columns.embedded(folded),
        "length_ms": max((folded.last_ns - folded.first_ns) / 1e6, 1e-6),
    }


def _summary(folded: Folded, stored: int) -> dict[str, Any]:
    spans = [node.span for _, node in folded.nodes]
    root = next((span for span in spans if not span["parent_span_id"]), None)
    calls = [span for span in spans if span["operation"] in statements.CALLS]
    tokens = [
        sum(span[name] for span in calls if span[name] is not None)
        if any(span[name] is not None for span in calls)
        else None
        for name in ("input_tokens", "output_tokens")
    ]
    costs = [span["cost_usd"] for span in calls if span["cost_usd"] is not None]
    return {
        "root": root,
        "name": (root or spans[0])["name"],
        "started": stamp(folded.first_ns),
        "took_ms": (folded.last_ns - folded.first_ns) / 1e6,
        "spans": stored,
        "errors": sum(bool(span["failed"]) for span in spans),
        "failing": folded.failing.span["span_id"] if folded.failing else "",
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost_usd": sum(costs) if costs else None,
        "running": _runs(folded),
        **{
            name: sorted({span[name] for span in spans if span[name]})[:5]
            for name in ("service", "agent", "user")
        },
        "counted": _models(calls, "input_tokens", "output_tokens"),
        "priced": _models(calls, "cost_usd"),
        "session": next(
            (
                span["session"] or span["conversation"]
                for span in spans
                if span["session"] or span["conversation"]
            ),
            "",
        ),
    }


def _models(calls: Sequence[Mapping[str, Any]], *facts: str) -> list[str]:
    """Return the models whose calls tell one of some facts: those that a sum of them is of."""
    told = (span for span in calls if any(span[name] for name in facts))
    return sorted({span["model"] for span in told if span["model"]})[:5]


def _runs(folded: Folded) -> bool:
    """Return whether a trace is in progress: its root has not come, and something came not long ago."""
    rootless = all(node.span["parent_span_id"] for _, node in folded.nodes)
    return rootless and time.time_ns() - folded.last_ns < QUIET_SECONDS * NS


def _spans(store: Store, trace_id: str) -> list[dict[str, Any]]:
    asked_for: dict[str, Value] = {
        "trace_id": trace_id,
        "limit": SPANS_MAX + 1,
        "name_key": a.NAME.name,
        "operations": ",".join(statements.CALLS),
    }
    return store.named("page_spans", asked_for) if trace_id else []


def _span(store: Store, trace_id: str, span_id: str) -> dict[str, Any] | None:
    asked_for: dict[str, Value] = {
        "trace_id": trace_id,
        "span_id": _id(span_id),
        "name_key": a.NAME.name,
        "pairs": detail.PAIRS_MAX,
        "characters": detail.READ_CHARACTERS,
        "events": detail.EVENTS_MAX,
    }
    rows = store.named("page_span", asked_for)
    return rows[0] if rows else None


def _shaped_span(store: Store, trace_id: str, span_id: str) -> dict[str, Any] | None:
    row = _span(store, trace_id, span_id)
    if row is None:
        return None
    return {
        **detail.shaped(row),
        "base": links.span(trace_id, row["span_id"]),
        "logs": _logs(store, trace_id, row["span_id"]),
        "scores": [one for one in _scores(store, trace_id) if one["span_id"] == row["span_id"]],
    }


def _logs(store: Store, trace_id: str, span_id: str) -> list[dict[str, Any]]:
    asked_for: dict[str, Value] = {
        "trace_id": trace_id,
        "span_id": span_id,
        "score_event": EVALUATION_RESULT.name,
        "characters": detail.SHOWN_CHARACTERS,
        "pairs": detail.PAIRS_MAX,
        "limit": detail.LOGS_MAX,
    }
    return [detail.log(row) for row in store.named("page_logs", asked_for)]


def _scores(store: Store, trace_id: str) -> list[dict[str, Any]]:
    return [
        detail.score(row)
        for row in store.named("page_scores", {"trace_id": trace_id, "limit": detail.SCORES_MAX})
    ]


def _handoffs(store: Store, trace_id: str) -> list[dict[str, Any]]:
    asked_for: dict[str, Value] = {
        "trace_id": trace_id,
        "event": HANDOFF.name,
        "from_key": a.HANDOFF_FROM.name,
        "to_key": a.HANDOFF_TO.name,
        "reason_key": a.HANDOFF_REASON.name,
        "limit": HANDOFFS_MAX,
    }
    return store.named("page_handoffs", asked_for)


def _id(text: str) -> str:
    """Return an id as it is stored; empty for what is none."""
    return text.lower() if text.isalnum() and text.isascii() and len(text) <= 64 else ""


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store
