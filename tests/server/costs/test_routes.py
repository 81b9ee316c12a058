"""The routes: what they refuse, and the month."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from mlobs.server.ask.ranges import NS
from mlobs.server.costs.month import forecast, month_of

ROW = {"provider": "p", "model": "m", "valid_from": "2025-01-01", "input": 1, "output": 1, "source": "s"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"by": "modle"}, "by='modle' came; wanted is one of hour, day, month, tenant, experiment"),
        ({"by": "tokens"}, "tokens is an amount"),
        ({"by": "a,b,c,d"}, "at most 3 can be grouped by"),
        ({"prices": "tomorrow"}, "prices='tomorrow' came; one of then, today was expected."),
        ({"as_model": "x" * 300}, "as_model has 300 characters; the name of a model was expected."),
        ({"modle": "x"}, "The parameter 'modle' is not known here"),
        ({"q": "(("}, ""),
        ({"since": "yesterday"}, "since='yesterday' came"),
        ({"limit": "0"}, "limit='0' came"),
    ],
)
def test_a_question_that_cannot_be_answered_gets_400_and_a_sentence(served, query, sentence):
    """What came, what was wanted."""
    answer = requests.get(f"{served.url}/api/cost", params=query, timeout=30)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The body is no JSON"),
        (b"\xff", "The body is no text in UTF-8"),
        (b"{}", "The body: a list of rows was expected, not dict."),
        (
            json.dumps([{**ROW, "inputs": 1}]).encode(),
            "The body, row 1: 'inputs' is not known (did you mean 'input'?).",
        ),
        (b"[" * 100_000, "The body is no JSON"),
        (b" " * (5 << 20), "The body is larger than 4 MiB"),
    ],
)
def test_prices_that_cannot_be_used_get_400_and_a_sentence(served, body, sentence):
    """And are not half used."""
    answer = requests.post(f"{served.url}/api/cost", data=body, timeout=30)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_a_price_file_with_a_mistake_stops_reports_and_nothing_else(served, tmp_path, monkeypatch):
    """Costs that are half right are worse than none."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps([{**ROW, "input": "cheap"}]))
    monkeypatch.setenv("MLOBS_PRICES", str(path))
    answer = requests.get(f"{served.url}/api/cost", timeout=30)
    assert answer.status_code == 503
    assert f"MLOBS_PRICES={str(path)!r}, row 1: input='cheap'" in answer.json()["error"]
    assert requests.get(f"{served.url}/healthz", timeout=30).status_code == 200


def test_a_range_without_calls_has_no_rows_and_no_cost(served):
    """None, not zero: nothing is known to be free."""
    answer = requests.get(
        f"{served.url}/api/cost", params={"q": "service:nobody", "by": "model"}, timeout=30
    ).json()
    assert (answer["rows"], answer["unpriced"], answer["total"]["calls"]) == ([], [], 0)
    assert answer["total"]["cost_usd"] is None


def test_the_description_has_the_routes(served):
    """As it has every other."""
    paths = requests.get(f"{served.url}/openapi.json", timeout=30).json()["paths"]
    assert set(paths["/api/cost"]) == {"get", "post"}
    assert {one["name"] for one in paths["/api/cost"]["get"]["parameters"]} >= {"by", "prices", "as_model"}
    assert "get" in paths["/api/cost/month"]


def test_the_answer_has_every_field_of_the_description(served, calls):
    """Clients are written from it."""
    calls.chat()
    calls.chat("nobody-knows")
    calls.send()
    shape = requests.get(f"{served.url}/openapi.json", timeout=30).json()["paths"]["/api/cost"]["get"]
    schema = shape["responses"]["200"]["content"]["application/json"]["schema"]
    report = calls.report(by="model")
    assert report.keys() == set(schema["required"])
    for name in ("rows", "unpriced"):
        assert report[name][0].keys() == set(schema["properties"][name]["items"]["required"])
    assert report["total"].keys() == set(schema["properties"]["total"]["required"])


@pytest.mark.parametrize("budget", ["none", "0", "-1", "1e9", "1.1234567"])
def test_a_budget_is_dollars(served, budget):
    """Or a sentence."""
    answer = requests.get(f"{served.url}/api/cost/month", params={"budget": budget}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"] == f"budget={budget!r} came; US dollars such as 250 or 99.50 were expected."


def test_the_month_counts_this_month_s_calls(served, calls):
    """And none of the month before."""
    begins = month_of(int(datetime.now(UTC).timestamp()) * NS).begins
    calls.chat("gpt-4o", (1_000_000, 0))
    calls.chat("gpt-4o", (1_000_000, 0), at=begins - timedelta(seconds=1))
    calls.chat("nobody-knows")
    calls.send()
    asked = {"q": f"service:{calls.service}", "budget": "$2"}
    month = requests.get(f"{served.url}/api/cost/month", params=asked, timeout=30).json()
    assert month["month"] == f"{begins:%Y-%m}"
    assert (month["spent_usd"], month["calls_without_price"], month["budget_spent"]) == (2.5, 1, 1.25)
    assert month["forecast_usd"] >= 2.5
    assert month["budget_is_used_up"] is True
    assert begins.isoformat()[:19] <= month["budget_used_up"]


def test_a_forecast_is_what_was_spent_and_the_last_day_for_every_day_that_is_left():
    """Twenty days are left at 10 each: 300, and the 200 are used up after ten of them."""
    month = month_of(int(datetime(2026, 11, 11, tzinfo=UTC).timestamp()) * NS)
    found = forecast(month, Decimal(100), Decimal(10), Decimal(200))
    assert (found["days_past"], found["days"], found["budget_spent"]) == (10, 30, 0.5)
    assert found["forecast_usd"] == pytest.approx(300)
    assert (found["budget_is_used_up"], found["budget_used_up"]) == (False, "2026-11-21T00:00:00Z")
    assert forecast(month, Decimal(100), Decimal(10), Decimal(400))["budget_used_up"] is None
    assert forecast(month, Decimal(100), Decimal(0), Decimal(200))["budget_used_up"] is None


def test_a_budget_that_is_used_up_was_so_when_the_money_was_spent():
    """Not before the first call, however large the bill of a store of some minutes."""
    month = month_of(int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()) * NS)
    hours = [(datetime(2026, 11, 26, 11, tzinfo=UTC), 5.0), (datetime(2026, 11, 25, 9, tzinfo=UTC), 1.0)]
    found = forecast(month, Decimal(6), Decimal(5), Decimal(3), hours)
    assert (found["budget_is_used_up"], found["budget_used_up"]) == (True, "2026-11-26T11:00:00Z")


def test_at_its_first_moment_a_month_goes_on_as_the_day_before():
    month = month_of(int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * NS)
    assert forecast(month, Decimal(0), Decimal(2), None)["forecast_usd"] == 62
    assert month.ends == datetime(2027, 1, 1, tzinfo=UTC)
    assert month.range.since_ns < month.range.until_ns


@pytest.mark.slow
def test_on_a_cluster_calls_of_before_the_sums_are_counted(served, calls, monkeypatch):
    """Where rows are spread over several servers, spans that were there before were not added up."""
    at = datetime.now(UTC) - timedelta(hours=3)
    calls.chat("gpt-4o", at=at)
    calls.chat("gpt-4o", at=at)
    calls.send()
    with served.store.writing() as connection:
        connection.run(
            "ALTER TABLE call_sums DELETE WHERE ServiceName = {service:String} SETTINGS mutations_sync = 2",
            {"service": calls.service},
        )
    monkeypatch.setattr(type(served.store), "sharded", property(lambda _: True))
    assert calls.report()["total"]["calls"] == 2
    assert calls.rows("model")["gpt-4o"]["calls"] == 2
    page = requests.get(
        f"{served.url}/models/cost",
        {"q": f"service:{calls.service}", "since": "1d"},
        headers={"Accept": "text/html"},
        timeout=30,
    )
    assert re.search(r"gpt-4o.*?<td[^>]*>\s*2\s*<", page.text, re.DOTALL), page.text
