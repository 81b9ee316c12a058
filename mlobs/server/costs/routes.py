"""The routes of cost questions."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.errors import PayloadError, QueryError
from mlobs.prices.book import Book
from mlobs.prices.buckets import BUCKETS
from mlobs.prices.models import NAME_CHARACTERS_MAX
from mlobs.prices.rows import Price
from mlobs.server.ask import asked
from mlobs.server.ask import openapi as api
from mlobs.server.ask.asked import Given
from mlobs.server.ask.ranges import NS, read_range
from mlobs.server.costs.books import Books, sent
from mlobs.server.costs.figures import usd
from mlobs.server.costs.month import forecast, month_of
from mlobs.server.costs.pricing import Pricing, embeds
from mlobs.server.costs.report import Question, report, total
from mlobs.server.store import Store
from mlobs.settings import PriceSettings, load

ROWS_DEFAULT, ROWS_MAX = 100, 10_000
HOURS_MAX = 31 * 24
BODY_BYTES_MAX = 4 << 20
SINCE = "30d"
RANGE = ("since", "since_s", "from", "to")
PARAMS = ("q", "by", *RANGE, "prices", "as_model", "limit")
MONTH_PARAMS = ("q", "budget")
_books = Books()


def _report(store: Store, given: Given, other: Book | None) -> dict[str, Any]:
    now_ns = time.time_ns()
    book = _books.current(load(PriceSettings).prices)
    when = asked.choice(given, "prices", ("then", "today"))
    model = asked.checked("as_model", given.get("as_model", "").strip()) or None
    if model is not None and len(model) > NAME_CHARACTERS_MAX:
        raise PayloadError(f"as_model has {len(model)} characters; the name of a model was expected.")
    today = datetime.fromtimestamp(now_ns // NS, UTC).date() if when == "today" else None
    pricing = Pricing(other or book, today, model)
    if model is not None:
        pricing = replace(pricing, embeds=embeds(_known_model(pricing, model, now_ns)))
    repriced = other is not None or today is not None or model is not None
    by = asked.groupings(given)
    question = Question(
        where=asked.spans(given),
        within=read_range(given, now_ns, default=SINCE),
        by=by,
        limit=asked.whole(given, "limit", ROWS_DEFAULT, ROWS_MAX),
        pricing=pricing,
        then=Pricing(book) if repriced else None,
        known=not store.sharded,
    )
    found = report(store.query, question)
    return {**found, "prices": when, "as_model": model, "other_prices": other is not None}


def _known_model(pricing: Pricing, model: str, now_ns: int) -> Price:
    """Return a price of a model; refuse one that has none at all: every call would be in no sum."""
    today = datetime.fromtimestamp(now_ns // NS, UTC).date()
    days = [today, *(day for day in pricing.book.days() if day <= today)]
    listed = next(filter(None, (pricing.book.find(None, model, day) for day in days)), None)
    if listed is None:
        raise QueryError(
            f"as_model={model[:60]!r} came, and no price of it is known; a model of the price file was "
            "expected, such as openai/gpt-4o-mini. MLOBS_PRICES of the server names a file with more."
        )
    return listed


def _month(store: Store, given: Given) -> dict[str, Any]:
    month = month_of(time.time_ns())
    budget = _amount(given, "budget")
    pricing = Pricing(_books.current(load(PriceSettings).prices))
    question = Question(asked.spans(given), month.range, (), 1, pricing, known=not store.sharded)
    found = total(store.query, question)
    spent = usd(found.cost_units)
    day = usd(total(store.query, replace(question, within=month.last_day)).cost_units)
    hours: list[tuple[datetime, float]] = []
    if budget is not None and spent >= budget:
        rows = report(store.query, replace(question, by=("hour",), limit=HOURS_MAX))["rows"]
        hours = [
            (datetime.fromisoformat(row["group"]["hour"]).replace(tzinfo=UTC), row["cost_usd"] or 0.0)
            for row in rows
        ]
    return {
        **forecast(month, spent, day, budget, hours),
        "calls_without_price": found.calls_without_price,
    }


def _amount(given: Given, name: str) -> Decimal | None:
    text = given.get(name, "").removeprefix("$")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text) or not Decimal(text):
        raise PayloadError(f"{name}={text[:40]!r} came; US dollars such as 250 or 99.50 were expected.")
    return Decimal(text)


async def show_costs(request: Request) -> Response:
    """GET /api/cost: what model calls cost."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, PARAMS)
    return JSONResponse(await run_in_threadpool(_report, request.app.state.store, given, None))


async def reprice(request: Request) -> Response:
    """POST /api/cost: what the same calls cost with the prices that are sent."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, PARAMS)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise PayloadError(
                f"The body is larger than {BODY_BYTES_MAX >> 20} MiB; send the rows that differ only."
            )
    book = await run_in_threadpool(sent, body)
    return JSONResponse(await run_in_threadpool(_report, request.app.state.store, given, book))


async def show_month(request: Request) -> Response:
    """GET /api/cost/month: what this month has cost, and will if it goes on as in the last day."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, MONTH_PARAMS)
    return JSONResponse(await run_in_threadpool(_month, request.app.state.store, given))


_FIGURES: dict[str, str | api.Schema] = {
    "calls": "integer", "calls_without_usage": "integer", "calls_without_price": "integer",
    "tokens_without_price": "integer", "traces": "integer", "successful_traces": "integer",
    "tokens": {"type": "object", "properties": {name: {"type": "integer"} for name in BUCKETS}},
    "cost_usd": "number?", "cost_per_trace_usd": "number?", "cost_per_successful_trace_usd": "number?",
    "cache_share": "number?", "cache_saved_usd": "number?",
}  # fmt: skip
_UNPRICED = api.objects(
    provider="string?", model="string?", service_tier="string?", unknown="string", calls="integer",
    tokens="object", told_usd="number?",
)  # fmt: skip
_REPORT = api.objects(
    total=api.objects(**_FIGURES), rows=api.many(api.objects(group="object", **_FIGURES)), groups="integer",
    rest_usd="number", repeated_calls="integer", unpriced=api.many(_UNPRICED), prices="string",
    as_model="string?", other_prices="boolean", **{"from": "string", "to": "string"},
)  # fmt: skip
_MONTH = api.objects(
    month="string", spent_usd="number", day_usd="number", days_past="number", days="integer",
    forecast_usd="number", calls_without_price="integer",
)  # fmt: skip
OPERATIONS = (
    api.Operation(
        "GET", "/api/cost", show_costs, "What model calls cost, by group, and what has no price.", PARAMS,
        _REPORT,
    ),
    api.Operation(
        "POST", "/api/cost", reprice, "The same with other prices: rows of a price file.", PARAMS, _REPORT,
        body={"type": "array", "items": {"type": "object"}},
    ),
    api.Operation(
        "GET", "/api/cost/month", show_month,
        "This month's cost, and its end if it goes on as in the last day.", MONTH_PARAMS, _MONTH,
    ),
)  # fmt: skip
