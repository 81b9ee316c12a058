"""The pages of models and costs: sums, shares, other prices, what has no price."""

import re
from datetime import UTC, date, datetime

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import PayloadError
from mlobs.prices.book import Book
from mlobs.server.ask.ranges import DAY_NS, NS, Range
from mlobs.server.costs.month import month_of
from mlobs.server.pages.models import asking, spending, what_if
from mlobs.server.pages.models.view import legend, models, pictures
from mlobs.server.pages.overview.view import added_up
from mlobs.server.pages.overview.view import models as counted
from mlobs.server.pages.period import read_period
from tests.server.otlp import post, span

NOON = 1_780_000_000 // 86_400 * 86_400 + 43_200
DAY = date(2026, 6, 1)
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def minute(model: str, **given: object) -> dict[str, object]:
    row = {
        "model": model, "noun": "llm", "spans": 10, "errors": 0, "calls": 10, "counted": 10,
        "input_tokens": 1000, "output_tokens": 100, "cached_tokens": 250, "priced": 10, "failed_untold": 0,
        "cost_nanos": 10**9, "durations": {"160": 10}, "first_chunks": {},
    }  # fmt: skip
    return {**row, **given}


def period(hours: int = 1):
    return read_period({"since": f"{hours}h"}, NOON * NS)


def test_the_dearest_model_comes_first_with_what_a_thousand_calls_cost():
    rows = [minute("cheap"), minute("dear", cost_nanos=3 * 10**9), minute("free", priced=0, cost_nanos=0)]
    found = models(counted(rows, period(), ""), added_up(rows))
    assert [row.group.name for row in found] == ["dear", "cheap", "free"]
    assert [row.cost_share for row in found] == [0.75, 0.25, None]
    assert [row.per_thousand_usd for row in found] == [300.0, 100.0, None]
    assert found[0].cache_share == 0.25


def test_a_call_that_failed_before_anything_was_counted_lacks_no_price():
    limited = minute("m", spans=12, calls=12, counted=10, failed_untold=2)
    assert added_up([limited]).unpriced == 0
    assert added_up([{**limited, "failed_untold": 0}]).unpriced == 2
    [found] = models(counted([limited], period(), ""), added_up([limited]))
    assert found.per_thousand_usd == pytest.approx(1000 / 12)  # They cost nothing, as on the page of costs.


def test_models_beyond_the_named_ones_are_others():
    assert legend(["a", "b"], others=True) == [("s1", "a"), ("s2", "b"), ("quiet", "others")]
    steps = [minute("a", at_s=NOON - 600), minute("", at_s=NOON - 600, cost_nanos=5 * 10**8)]
    found = pictures(steps, ["a"], period(), "", others=True)
    assert "others: last" in str(found["cost"])
    assert "from a cache: last 25 %" in str(found["cached"])


def test_steps_of_a_chart_are_hours_then_days_and_none_for_minutes():
    def within(hours: float) -> Range:
        return Range(0, int(hours * 3600) * NS, int(hours * 3600) * NS)

    assert [asking.step(within(hours)) for hours in (1, 3, 72, 73)] == ["", "hour", "hour", "day"]


def test_costs_are_stacked_by_group_and_the_rest_is_others():
    names = [f"m{number}" for number in range(7)]
    rows = [{"group": {"day": "1970-01-02", "model": name}, "cost_usd": 1.0} for name in names]
    rows.append({"group": {"day": "1970-01-01", "model": None}, "cost_usd": None})
    within = Range(0, 5 * DAY_NS, 5 * DAY_NS)
    picture, marks = spending.over_time(rows, "model", names, "day", within)
    assert marks[-1] == ("quiet", "others")
    assert "others: last $0, at most $2.00" in str(picture)


def test_what_has_no_price_gets_a_row_to_fill_in():
    row = {
        "provider": None,
        "model": 'my "model"',
        "service_tier": "batch",
        "unknown": "service tier",
        "tokens": {},
    }
    [found] = spending.unpriced({"from": "2026-01-02T03:04:05Z", "unpriced": [row]})
    assert '"model": "my \\"model\\"", "valid_from": "2026-01-02"' in found["row"]
    assert '"tiers": {"batch": "FACTOR, SUCH AS 0.5"}' in found["row"]
    [nameless] = spending.unpriced({"from": "2026-01-02", "unpriced": [{**row, "unknown": "no model"}]})
    assert nameless["row"] == ""


def test_a_month_is_added_up_to_today_and_not_beyond():
    month = month_of(int(datetime(2026, 2, 3, 12, tzinfo=UTC).timestamp()) * NS)
    rows = [
        {"group": {"day": "2026-02-01"}, "cost_usd": 1.0},
        {"group": {"day": "2026-02-03"}, "cost_usd": 2.5},
    ]
    picture = str(spending.month_chart(rows, month, 10.0))
    assert "spent: last $3.50, at most $3.50" in picture
    assert 'class="limit"' in picture


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"as_model": "nobody/nothing"}, "no price of it is known"),
        ({"input": "much", "output": "1"}, "dollars per million tokens"),
        ({"input": "1"}, "output is missing"),
        ({"output": "1e9", "input": "1"}, "dollars per million tokens"),
    ],
)
def test_prices_that_are_none_are_refused_in_a_sentence(given, sentence):
    with pytest.raises(PayloadError, match=sentence):
        asking.other_prices(given, Book(), DAY)


def test_own_prices_hold_for_every_model_and_day_and_keep_the_shares_of_tiers():
    pricing, way = asking.other_prices({"input": "$1", "output": "4", "model": "gpt-4o"}, Book(), DAY)
    assert way == "own"
    found = pricing.book.find(None, str(pricing.model), date(2020, 1, 1))
    assert (found.input, found.output, found.cached_read) == (1.0, 4.0, None)
    assert found.tiers == Book().find(None, "gpt-4o", DAY).tiers


def test_without_other_prices_those_of_today_are_compared():
    pricing, way = asking.other_prices({}, Book(), DAY)
    assert (way, pricing.day, pricing.model) == ("today", DAY, None)


def test_tokens_have_the_price_before_and_after():
    before, after = (Book().find(None, name, DAY) for name in ("gpt-4o", "gpt-4o-mini"))
    [row] = what_if.tokens({"input": 5, "output": 0}, before, after)
    assert (row["count"], row["before"], row["after"]) == (5, before.input, after.input)


@pytest.fixture(scope="module")
def called(served) -> str:
    """A service with calls of a model that has a price, and of one that has none."""
    request = ExportTraceServiceRequest()
    for model in ("gpt-4o", "gpt-4o", "unheard-of"):
        span(
            request, "chat", mlobs__kind="llm", gen_ai__operation__name="chat",
            gen_ai__provider__name="openai", gen_ai__request__model=model,
            gen_ai__usage__input_tokens=1_000_000, gen_ai__usage__output_tokens=0, user__id="user-of-costs",
        )  # fmt: skip
    request.resource_spans[0].resource.attributes[0].value.string_value = "spender"
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return "service:spender"


def get(served, path: str, **params: str) -> requests.Response:
    return requests.get(f"{served.url}{path}", params=params, headers=BROWSER, timeout=60)


def cells(page: str, row: str) -> list[str]:
    found = re.search(rf'<tr data-row="{row}".*?</tr>', page, re.DOTALL)[0]
    return [
        " ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in re.findall(r"<td.*?</td>", found, re.DOTALL)
    ]


def test_costs_come_from_tokens_and_what_has_no_price_is_in_no_sum(served, called):
    page = get(served, "/models/cost", q=called).text
    price = 2 * Book().find("openai", "gpt-4o", datetime.now(UTC).date()).input
    assert cells(page, "gpt-4o")[0] == f"${price:,.2f}"
    assert cells(page, "unheard-of")[0] == "\N{EN DASH} 1 unpriced"
    assert cells(page, "unpriced 1")[:2] == ["openai", "model"]
    assert "&#34;model&#34;: &#34;unheard-of&#34;" in page


@pytest.mark.parametrize(
    "by", ["attr.mlobs.kind", *(pytest.param(by, marks=pytest.mark.slow) for by in asking.DIVISIONS)]
)
def test_costs_are_divided_by_anything(served, called, by):
    assert get(served, "/models/cost", q=called, by=by).status_code == 200


def test_a_price_change_is_worked_out_over_the_range(served, called):
    page = get(served, "/models/prices", q=called, model="gpt-4o", input="1", output="2").text
    was = 2 * Book().find("openai", "gpt-4o", datetime.now(UTC).date()).input
    assert cells(page, "gpt-4o")[:4] == ["2", f"${was:,.2f}", "$2.00", f"-${was - 2:,.2f}"]
    as_other = get(served, "/models/prices", q=called, as_model="gpt-4o-mini").text
    assert "As gpt-4o-mini" in as_other
    assert cells(as_other, "unheard-of")[1:4] == ["\N{EN DASH}", "$0.15", "\N{EN DASH}"]
    assert "of calls with both prices" in as_other


def test_the_month_shows_its_budget(served, called):
    page = get(served, "/models/month", q=called, budget="10").text
    assert "of $10.00" in page
    assert cells(page, "spender")[0] == "3"


def test_models_are_shown_of_one_service(served, called):
    page = get(served, "/models", service="spender").text
    assert cells(page, "gpt-4o")[0] == "2"
    assert 'data-row="nobody"' not in page


@pytest.mark.parametrize(
    ("path", "params", "sentence"),
    [
        ("/models/cost", {"by": "duration"}, "groups are made of text"),
        ("/models/cost", {"by": "model,user"}, "one name was expected"),
        ("/models/cost", {"q": "sttus:error"}, "did you mean status?"),
        ("/models/prices", {"as_model": "nobody"}, "no price of it is known"),
        ("/models/month", {"budget": "much"}, "dollars"),
        ("/models", {"colour": "red"}, "is not known here"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(served, path, params, sentence):
    answer = get(served, path, **params)
    assert answer.status_code == 400
    assert sentence in answer.text
