"""The pages of costs: divided by anything, with other prices, and over the month."""

import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import PayloadError, QueryError
from mlobs.prices.book import Book
from mlobs.server.ask import asked
from mlobs.server.costs.books import Books
from mlobs.server.costs.month import Month, expected_usd, forecast, month_of
from mlobs.server.costs.pricing import Pricing
from mlobs.server.costs.report import Also, Question, report
from mlobs.server.pages.beginning import basis, begun, earliest_ns, hours
from mlobs.server.pages.handling import View, is_busy, message, page, parameters
from mlobs.server.pages.links import address, term
from mlobs.server.pages.models import asking, spending, what_if
from mlobs.server.pages.models.view import NAMED
from mlobs.server.pages.period import NAMES
from mlobs.server.pages.rendering import render
from mlobs.server.store import Store
from mlobs.settings import PriceSettings, load
from mlobs.thresholds import Thresholds

COST, PRICES, MONTH = "/models/cost", "/models/prices", "/models/month"
SERVICES_MAX = 200
TIMEOUT = "TIMEOUT_EXCEEDED"
_books = Books()


def show_cost(request: Request) -> Response:
    """GET /models/cost: what calls cost by the list of prices, divided by anything."""
    given = parameters(request, ("q", "by", *NAMES))
    store = _store(request)
    period = begun(store, given, time.time_ns())
    by, pricing = asking.divided(given), Pricing(_book())
    within, covered = asking.whole_tens(period), hours(period, earliest_ns(store))
    step = asking.step(period.range)
    asked_for = asking.question(given, within, (by,), pricing, known=not store.sharded)
    by_time = Also((step, by), asking.TIME_ROWS, NAMED) if step else None
    found = report(store.query, asked_for, by_time)
    rows = spending.rows(found, by, period.given)
    chart: Markup | None = None
    legend: list[tuple[str, str]] = []
    if step and rows:
        names = [row["name"] for row in rows]
        chart, legend = spending.over_time(found["also_rows"], by, names, step, within)
    return render(
        request,
        "models_cost.html",
        section="models",
        tab="cost",
        path=COST,
        given=given,
        question=given.get("q", ""),
        by=given.get("by", "model"),
        divisions=asking.DIVISIONS,
        period=period,
        hours=covered,
        basis=basis(covered),
        report=found,
        total=found["total"],
        rows=rows,
        left=found["groups"] - len(rows),
        buckets=spending.buckets(found["total"]["tokens"]),
        unpriced=spending.unpriced(found),
        chart=chart,
        legend=legend,
        step=step,
    )


def show_prices(request: Request) -> Response:
    """GET /models/prices: what the calls of a range would have cost with other prices."""
    given = parameters(request, ("q", "model", "as_model", *asking.BUCKETS_ASKED, *NAMES))
    store, now_ns = _store(request), time.time_ns()
    period, book = begun(store, given, now_ns), _book()
    day, covered = asking.today(now_ns), hours(period, earliest_ns(store))
    model = asked.checked("model", given.get("model", ""))
    try:
        pricing, way = asking.other_prices(given, book, day)
        problem = ""
    except PayloadError as error:
        pricing, way, problem = Pricing(book, day), "today", str(error)
    filtered = {**given, "q": " ".join(filter(None, (given.get("q", ""), model and term("model", model))))}
    then = Pricing(book)
    asked_for = asking.question(
        filtered,
        asking.whole_tens(period),
        ("model",),
        pricing,
        known=not store.sharded,
        then=then,
        limit=200,
    )
    found = report(store.query, asked_for)
    listed = book.find(None, model, day) if model else None
    new = book.find(None, pricing.model, day) if way == "as" and pricing.model else None
    new = pricing.book.own[0] if way == "own" else new or listed
    return render(
        request,
        "models_prices.html",
        status=400 if problem else 200,
        section="models",
        tab="prices",
        path=PRICES,
        given=given,
        question=given.get("q", ""),
        model=model,
        way=way,
        problem=problem,
        period=period,
        models=[row["group"]["model"] for row in found["rows"] if row["group"]["model"]],
        every=address(PRICES, period.given, q=given.get("q", "")),
        offered=asking.offered(book, day),
        prices=asking.prices(listed),
        total=found["total"],
        changed=what_if.changed(found["total"]),
        partly=what_if.partly(found["total"]),
        rows=what_if.compared(found["rows"]),
        tokens=what_if.tokens(found["total"]["tokens"], listed, new) if model and way != "today" else [],
        monthly=_monthly(found["total"], covered),
        basis=basis(covered),
    )


def show_month(request: Request) -> Response:
    """GET /models/month: what this month has cost, will if it goes on as in the last day, and the budgets."""
    given = parameters(request, ("q", "budget"))
    store, month, pricing = _store(request), month_of(time.time_ns()), Pricing(_book())
    budget = asking.amount(given, "budget") if given.get("budget") else None
    each = load(Thresholds).budget_usd or None
    where = asked.spans(given)

    known = not store.sharded
    services = Question(where, month.range, ("service",), SERVICES_MAX, pricing, known=known)
    found = report(store.query, services, Also(("day",), SERVICES_MAX))
    sums = found["total"]
    day = report(store.query, replace(services, within=month.last_day))
    lately = {row["group"]["service"]: row["cost_usd"] or 0.0 for row in day["rows"]}
    spent = forecast(month, _usd(sums), _usd(day["total"]), None)
    return render(
        request,
        "models_month.html",
        section="models",
        tab="month",
        path=MONTH,
        given=given,
        question=given.get("q", ""),
        spent=spent,
        budget=budget,
        each=each,
        calls_without_price=sums["calls_without_price"],
        chart=spending.month_chart(found["also_rows"], month, budget),
        services=[_service(row, month, lately, each) for row in found["rows"]],
        cost_address=address(COST, {"from": f"{month.begins:%Y-%m-%d}", "q": given.get("q", "")}),
    )


def _in_time(view: View) -> View:
    """Return a view that says so when its range has too many calls, where asking again would not help."""

    @wraps(view)
    def shown(request: Request) -> Response:
        try:
            return view(request)
        except QueryError as error:
            if not is_busy(error) or TIMEOUT not in str(error):
                raise
            return message(
                request,
                503,
                "Too many calls to add up in time",
                "Every call of the range is priced, and the store gave up after MLOBS_QUERY_SECONDS_MAX.",
                checks=(
                    "A shorter range, or a question such as service:x, has fewer.",
                    "Costs by model, provider, service or agent are added up as calls come: these are fast.",
                    "The page Models adds up minutes and answers for any range.",
                    "A larger MLOBS_QUERY_SECONDS_MAX gives the store more time.",
                ),
            )

    return shown


ROUTES = tuple(
    page(path, _in_time(view))
    for path, view in ((COST, show_cost), (PRICES, show_prices), (MONTH, show_month))
)


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _book() -> Book:
    return _books.current(load(PriceSettings).prices)


def _monthly(figures: Mapping[str, Any], hours: float) -> float | None:
    """Return the change over 30 days, if they are as the range was."""
    change = figures["change_usd"]
    return None if change is None else change / hours * 24 * 30


def _usd(figures: Mapping[str, Any]) -> Decimal:
    return Decimal(repr(figures["cost_usd"] or 0.0))


def _service(
    row: Mapping[str, Any], month: Month, lately: Mapping[str | None, float], budget: float | None
) -> dict[str, Any]:
    cost = row["cost_usd"]
    expected = None if cost is None else expected_usd(month, cost, lately.get(row["group"]["service"], 0.0))
    return {
        "name": row["group"]["service"],
        "calls": row["calls"],
        "cost_usd": cost,
        "forecast_usd": expected,
        "spent": cost / budget if cost is not None and budget else None,
        "over": bool(budget and expected is not None and expected > budget),
        "calls_without_price": row["calls_without_price"],
        "traces": address(
            "/traces", {"since": "30d"}, q=f"{term('service', row['group']['service'] or '')} cost>0"
        ),
    }
