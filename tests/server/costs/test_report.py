"""Costs as finance adds them up."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from mlobs.server.costs import statements
from tests.server.costs.conftest import CHAT, days_ago, noon

M = 1_000_000


def test_a_sum_of_many_small_amounts_is_exact(calls, prices):
    """Worked out with Decimal: floats would not add up to it."""
    prices({"model": "tiny", "input": 0.1, "output": 0.2})
    for _ in range(700):
        calls.chat("tiny", (3, 7))
    calls.send()
    total = calls.report()["total"]
    assert total["calls"] == 700
    assert Decimal(repr(total["cost_usd"])) == 700 * (3 * Decimal("0.1") + 7 * Decimal("0.2")) / M


def test_cached_and_reasoning_tokens_are_counted_once(calls, prices):
    """The totals on the wire hold them."""
    prices({"model": "m", "input": 10, "output": 100, "cached_read": 1, "cached_write": 12, "reasoning": 50})
    calls.chat(
        "m", (1_000, 200), gen_ai__usage__cache_read__input_tokens=600,
        gen_ai__usage__cache_write__input_tokens=100, gen_ai__usage__reasoning__output_tokens=50,
    )  # fmt: skip
    calls.send()
    total = calls.report()["total"]
    assert total["tokens"] == {
        "input": 300, "cached_read": 600, "cached_write": 100, "output": 150, "reasoning": 50,
    }  # fmt: skip
    assert total["cost_usd"] == (300 * 10 + 600 * 1 + 100 * 12 + 150 * 100 + 50 * 50) / M
    assert total["cache_share"] == 0.6
    assert total["cache_saved_usd"] == (600 * 9 - 100 * 2) / M


def test_a_cache_write_of_an_hour_has_its_own_price(calls):
    """Twice the input's for Claude, where one of minutes is a quarter more."""
    calls.chat(
        "claude-sonnet-4-5", (M // 10, 0), gen_ai__provider__name="anthropic",
        gen_ai__usage__cache_write__input_tokens=M // 10, mlobs__usage__cache_write_1h__input_tokens=M // 20,
    )  # fmt: skip
    calls.send()
    assert calls.report()["total"]["cost_usd"] == 0.4875  # .05 * 3.75 + .05 * 6


def test_a_price_holds_from_midnight_of_utc(calls, prices):
    """Not from that of the machine, nor of the browser."""
    day = days_ago(40)
    prices(
        {"model": "m", "input": 1, "output": 1},
        {"model": "m", "input": 3, "output": 3, "valid_from": day.isoformat()},
    )
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    calls.chat("m", (M, 0), at=midnight - timedelta(microseconds=1))
    calls.chat("m", (M, 0), at=midnight)
    calls.send()
    rows = calls.rows("day")
    assert [row["cost_usd"] for row in rows.values()] == [1, 3]
    assert list(rows) == [str(day - timedelta(days=1)), str(day)]
    assert calls.report()["total"]["cost_usd"] == 4
    assert calls.report(prices="today")["total"]["cost_usd"] == 6


@pytest.mark.slow
def test_the_day_after_its_last_a_price_is_unknown(calls, prices):
    """An old price for a new day is a guess."""
    day = days_ago(20)
    prices({"model": "m", "input": 1, "output": 1, "valid_until": day.isoformat()})
    calls.chat("m", (M, 0), at=noon(day))
    calls.chat("m", (M, 0), at=noon(day + timedelta(days=1)))
    calls.send()
    total = calls.report()["total"]
    assert (total["cost_usd"], total["calls_without_price"], total["tokens_without_price"]) == (1, 1, M)


def test_calls_above_a_size_have_that_size_s_price(calls, prices):
    """The whole call, and only from one token more."""
    prices(
        {"model": "m", "input": 1, "output": 1},
        {"model": "m", "input": 2, "output": 1, "above": 200_000},
    )
    calls.chat("m", (200_000, 0))
    calls.chat("m", (200_001, 0))
    calls.send()
    assert calls.report()["total"]["cost_usd"] == 0.2 + 0.400002


@pytest.mark.parametrize(
    ("attribute", "tier", "cost"),
    [
        ("openai__response__service_tier", "flex", 0.5),
        pytest.param("openai__request__service_tier", "auto", 1, marks=pytest.mark.slow),
        pytest.param("mlobs__service_tier", "Batch", 0.25, marks=pytest.mark.slow),
        ("openai__response__service_tier", "night", None),
    ],
)
def test_service_tiers_set_the_price(calls, prices, attribute, tier, cost):
    """A tier that has no price has none."""
    prices({"model": "m", "input": 1, "output": 1, "tiers": {"flex": 0.5, "batch": 0.25}})
    calls.chat("m", (M, 0), **{attribute: tier})
    calls.send()
    report = calls.report()
    assert report["total"]["cost_usd"] == cost
    if cost is None:
        assert [(row["service_tier"], row["unknown"]) for row in report["unpriced"]] == [
            ("night", "service tier")
        ]


def test_an_unknown_model_is_listed_with_its_tokens_and_is_not_free(calls):
    """Zero would look like a saving. What the program itself says it cost is told beside, in no sum."""
    calls.chat("gpt-4o", (M, 0))
    calls.chat("house-model", (500, 20), gen_ai__provider__name="local", mlobs__cost__usd=0.5)
    calls.chat("house-model", (500, 20), gen_ai__provider__name="local")
    calls.send()
    report = calls.report(by="model")
    assert report["total"]["cost_usd"] == 2.5
    assert report["total"]["calls_without_price"] == 2
    assert report["unpriced"] == [
        {
            "provider": "local", "model": "house-model", "service_tier": None, "unknown": "model", "calls": 2,
            "tokens": {"input": 1_000, "output": 40}, "told_usd": 0.5,
        }
    ]  # fmt: skip
    rows = {row["group"]["model"]: row["cost_usd"] for row in report["rows"]}
    assert rows == {"gpt-4o": 2.5, "house-model": None}


def test_agents_and_tools_are_not_counted_again(calls):
    """An agent repeats what its calls used."""
    agent = calls.add("invoke_agent a", gen_ai__operation__name="invoke_agent", gen_ai__agent__name="a",
        gen_ai__response__model="gpt-4o", gen_ai__usage__input_tokens=M)  # fmt: skip
    calls.chat("gpt-4o", (M, 0), parent=agent)
    calls.send()
    assert calls.report()["total"]["cost_usd"] == 2.5


def test_two_spans_of_one_request_count_once(calls):
    """A framework's and, below it, the client's: the inner one knows what was cached."""
    outer = calls.chat("gpt-4o", (M, 100))
    inner = calls.chat("gpt-4o", (M, 100), parent=outer)
    calls.chat("gpt-4o", (M, 100), parent=inner, gen_ai__usage__cache_read__input_tokens=M)
    other = calls.chat("gpt-4o", (50, 100))
    calls.chat("gpt-4o-mini", (50, 100), parent=other)
    calls.chat("gpt-4o", (51, 100), parent=other)
    calls.send()
    report = calls.report()
    assert (report["repeated_calls"], report["total"]["calls"]) == (2, 4)
    assert report["total"]["tokens"]["cached_read"] == M
    assert report["total"]["cost_usd"] == pytest.approx(
        1.25 + (101 * 2.5 + 300 * 10 + 50 * 0.15 + 100 * 0.6) / M, rel=1e-15
    )


@pytest.mark.slow
def test_a_wrapper_that_names_only_the_model_it_asked_for_is_a_wrapper(calls):
    """The answer names a snapshot."""
    outer = calls.chat("", (70, 5), gen_ai__request__model="gpt-4o")
    calls.chat("gpt-4o-2024-08-06", (70, 5), parent=outer, gen_ai__request__model="gpt-4o")
    calls.send()
    assert calls.report()["total"]["calls"] == 1


@pytest.mark.slow
def test_a_trace_that_failed_is_paid_for_by_those_that_did_not(calls):
    """What one good answer costs is all that was spent, by the good answers."""
    for failed in (False, False, True):
        root = calls.add("root", failed=failed)
        calls.chat("gpt-4o", (M, 0), parent=root)
        calls.chat("gpt-4o", (M, 0), parent=root, failed=True)
    calls.send()
    total = calls.report()["total"]
    assert (total["traces"], total["successful_traces"], total["cost_usd"]) == (3, 2, 15)
    assert (total["cost_per_trace_usd"], total["cost_per_successful_trace_usd"]) == (5, 7.5)
    [row] = calls.rows("service").values()
    assert (row["traces"], row["successful_traces"]) == (3, 2)


@pytest.mark.slow
def test_calls_that_told_no_tokens_are_counted_apart(calls):
    """Failed ones mostly; their cost is not known to be nothing."""
    outer = calls.add(**CHAT, gen_ai__request__model="gpt-4o", failed=True)
    calls.add(**CHAT, gen_ai__request__model="gpt-4o", failed=True, parent=outer)
    calls.add(**CHAT, gen_ai__request__model="gpt-4o", gen_ai__usage__input_tokens=M)
    calls.send()
    report = calls.report()
    total = report["total"]
    assert (total["calls"], total["calls_without_usage"], total["calls_without_price"]) == (3, 2, 0)
    assert (report["repeated_calls"], total["cost_usd"]) == (0, 2.5)


@pytest.mark.slow
def test_embeddings_cost_too(calls):
    """They have no output."""
    calls.add(
        gen_ai__operation__name="embeddings", gen_ai__provider__name="openai",
        gen_ai__request__model="text-embedding-3-small", gen_ai__usage__input_tokens=M,
    )  # fmt: skip
    calls.send()
    assert calls.report()["total"]["cost_usd"] == 0.02


@pytest.mark.slow
def test_embeddings_keep_their_price_where_calls_are_priced_as_a_model_that_does_not_embed(calls):
    """And the other way round: a model for embeddings answers nobody."""
    calls.chat("gpt-4o", (M, 0))
    calls.add(
        gen_ai__operation__name="embeddings", gen_ai__provider__name="openai",
        gen_ai__request__model="text-embedding-3-small", gen_ai__usage__input_tokens=M,
    )  # fmt: skip
    calls.send()
    assert calls.report()["total"]["cost_usd"] == 2.52
    as_mini = calls.report(by="model", as_model="openai/gpt-4o-mini")
    assert {row["group"]["model"]: row["cost_usd"] for row in as_mini["rows"]} == {
        "gpt-4o": 0.15, "text-embedding-3-small": 0.02,
    }  # fmt: skip
    as_large = calls.report(by="model", as_model="openai/text-embedding-3-large")
    assert {row["group"]["model"]: row["cost_usd"] for row in as_large["rows"]} == {
        "gpt-4o": 2.5, "text-embedding-3-small": 0.13,
    }  # fmt: skip


@pytest.mark.slow
def test_the_same_calls_at_other_prices(calls, prices, served):
    """History is priced anew: with a file, as today, as another model; beside what it cost."""
    prices({"model": "m", "input": 1, "output": 2}, {"model": "n", "input": 5, "output": 5})
    calls.chat("m", (M, M))
    calls.chat("unlisted", (M, 0))
    calls.send()
    then = calls.report()
    assert then["total"]["cost_usd"] == 3
    assert "then_usd" not in then["total"]
    other = json.dumps(
        [
            {
                "provider": "openai",
                "model": "m",
                "valid_from": "2020-01-01",
                "source": "s",
                "input": 2,
                "output": 2,
            }
        ]
    )
    answer = requests.post(
        f"{served.url}/api/cost",
        params={"q": f"service:{calls.service}", "by": "model"},
        data=other,
        timeout=30,
    ).json()
    assert answer["other_prices"] is True
    assert [answer["total"][name] for name in ("cost_usd", "then_usd", "change_usd")] == [4, 3, 1]
    assert {row["group"]["model"]: row["change_usd"] for row in answer["rows"]} == {"m": 1, "unlisted": None}
    as_n = calls.report(as_model="openai/n")["total"]
    assert (as_n["cost_usd"], as_n["calls_without_price"]) == (15, 0)
    assert (as_n["then_usd"], as_n["change_usd"]) == (3, 7), "a change is one of what had a price before"
    with pytest.raises(AssertionError, match="no price of it is known"):
        calls.report(as_model="nobody-knows")


@pytest.mark.slow
def test_a_changed_price_file_holds_at_the_next_question(calls, prices):
    """Without a restart."""
    calls.chat("m", (M, 0))
    calls.send()
    assert calls.report()["total"]["cost_usd"] is None
    prices({"model": "m", "input": 1, "output": 1})
    assert calls.report()["total"]["cost_usd"] == 1
    prices({"model": "m", "input": 1.25, "output": 1})
    assert calls.report()["total"]["cost_usd"] == 1.25


@pytest.mark.slow
def test_of_more_models_than_are_looked_up_the_rest_has_no_price(calls, monkeypatch):
    """Whoever sends a new name with each call must not make a report fail, nor hide what it cost."""
    monkeypatch.setattr(statements, "CLASSES_MAX", 1)
    for _ in range(2):
        calls.chat("gpt-4o", (M, 0))
    calls.chat("gpt-4o-mini", (500, 0))
    calls.send()
    report = calls.report(by="model")
    total = report["total"]
    assert (total["calls"], total["cost_usd"]) == (3, 5)
    assert (total["calls_without_price"], total["tokens_without_price"]) == (1, 500)
    rows = {row["group"]["model"]: row["cost_usd"] for row in report["rows"]}
    assert rows == {"gpt-4o": 5, "gpt-4o-mini": None}
