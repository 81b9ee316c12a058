"""One traffic, two engines: what the server's tables answer is what Prometheus fires, for every kind."""

from dataclasses import dataclass
from typing import Any

import pytest

from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from tests.alerts.scraped import stored_and_scraped
from tests.alerts.simulated import Calls, calls, prometheus_fires, series, store

SHOP_M1 = {"service_name": "shop", "gen_ai_request_model": "m1"}


@dataclass
class Case:
    """Traffic, and for whom a rule is broken at its end.

    Args:
        rule: Its name.
        metrics: What Prometheus scrapes of it.
        traffic: In minutes before now.
        broken: The labels of the alerts.
    """

    rule: str
    metrics: tuple[Metric, ...]
    traffic: list[Calls]
    broken: list[dict[str, str]]


INFERENCE = (m.INFERENCE_DURATION,)
CASES = {
    "a share of calls fails": Case(
        "MlobsErrorRatioHigh",
        INFERENCE,
        [calls(45, 20, model="m1"), calls(5, 20, model="m1", error="timeout"), calls(50, 20, model="fine")],
        [SHOP_M1],
    ),
    "a few calls fail": Case(
        "MlobsErrorRatioHigh",
        INFERENCE,
        [calls(2, 20, model="m1"), calls(1, 20, model="m1", error="timeout")],
        [],
    ),
    "each type of error has its own share": Case(
        "MlobsProviderErrors",
        INFERENCE,
        [
            calls(80, 20, provider="p"),
            calls(10, 20, provider="p", error="timeout"),
            calls(10, 20, provider="p", error="500"),
            calls(2, 20, provider="p", error="other"),
            calls(9, 20, provider="p", error="400"),
        ],
        [
            {"service_name": "shop", "gen_ai_provider_name": "p", "error_type": error}
            for error in ("timeout", "500")
        ],
    ),
    "one type of error of few calls": Case(
        "MlobsProviderErrors", INFERENCE, [calls(1, 20, provider="p", error="timeout")], []
    ),
    "calls are refused by a rate limit": Case(
        "MlobsRateLimited",
        INFERENCE,
        [
            calls(45, 20, model="m1", provider="p"),
            calls(5, 20, model="m1", provider="p", error="openai.RateLimitError"),
            calls(45, 20, model="m2", provider="p"),
            calls(5, 20, model="m2", provider="p", error="timeout"),
        ],
        [{**SHOP_M1, "gen_ai_provider_name": "p"}],
    ),
    "the slowest calls are slow": Case(
        "MlobsModelLatencyHigh",
        INFERENCE,
        [
            calls(9, 20, model="m1"),
            calls(1, 20, model="m1", seconds=45),
            calls(99, 20, model="m2"),
            calls(1, 20, model="m2", seconds=45),
            calls(1, 20, model="m3", seconds=45),
        ],
        [SHOP_M1],
    ),
    "calls are slower than any bucket": Case(
        "MlobsModelLatencyHigh", INFERENCE, [calls(9, 20, model="m1", seconds=300)], [SHOP_M1]
    ),
    "an objective burns fast": Case(
        "MlobsAvailabilityBurn1h",
        INFERENCE,
        [calls(7, 90, model="m1"), calls(3, 90, model="m1", error="500")],
        [SHOP_M1],
    ),
    "an objective burned an hour ago": Case(
        "MlobsAvailabilityBurn1h",
        INFERENCE,
        [calls(7, 90, model="m1"), calls(9, 90, 15, model="m1", error="500")],
        [],
    ),
    "an objective with little traffic": Case(
        "MlobsAvailabilityBurn1h",
        INFERENCE,
        [calls(1, 20, model="m1"), calls(1, 4, model="m1", error="500")],
        [],
    ),
    "an objective burns slowly for days": Case(
        "MlobsAvailabilityBurn3d",
        INFERENCE,
        [calls(19, 4500, model="m1"), calls(1, 4500, model="m1", error="500"), calls(20, 4500, model="m2")],
        [SHOP_M1],
    ),
    "streams begin late": Case(
        "MlobsFirstChunkBurn6h",
        (m.TIME_TO_FIRST_CHUNK,),
        [
            calls(1, 400, model="m1", chunk=1.0),
            calls(1, 400, model="m1", chunk=4.0),
            calls(5, 400, model="m2", chunk=2.56),
            calls(5, 400, model="m3", seconds=9),
        ],
        [SHOP_M1],
    ),
    "an hour costs more than usual": Case(
        "MlobsCostBurn",
        (m.COST,),
        [
            calls(1, 3000, 60, usd=0.1),
            calls(5, 60, usd=0.1),
            calls(5, 3000, service="steady", usd=0.1),
            calls(1, 300, 60, service="new", usd=0.01),
            calls(9, 60, service="new", usd=0.1),
            calls(1, 3000, 60, service="cheap", usd=0.0001),
            calls(9, 60, service="cheap", usd=0.0001),
        ],
        [{"service_name": "shop"}],
    ),
    "calls send more than they did": Case(
        "MlobsTokensPerCallHigh",
        (m.INPUT_TOKENS, m.INFERENCE_DURATION),
        [
            calls(3, 1500, 15, model="m1", input=100),
            calls(3, 15, model="m1", input=300),
            calls(3, 1500, 15, model="m2", input=100),
            calls(30, 15, model="m2", input=150),
            calls(3, 1500, 15, model="m3", input=100),
            calls(1, 15, model="m3", input=900),
        ],
        [SHOP_M1],
    ),
    "a busy service falls silent": Case(
        "MlobsTelemetryAbsent",
        (*INFERENCE, m.PREDICT_DURATION),
        [
            calls(9, 300, 20, model="m1"),
            calls(9, 300, service="alive", kind="predict", operation="", seconds=0.001),
            calls(1, 30, 20, service="quiet"),
        ],
        [{"service_name": "shop"}],
    ),
    "services fall silent that were busy for hours": Case(
        "MlobsTelemetryAbsent",
        INFERENCE,
        [
            calls(9, 275, 20),  # 51 times five minutes.
            calls(9, 270, 20, service="new"),
            # Each run is on both sides of a border of five minutes.
            *(calls(60, 21 + 15 * run, 19 + 15 * run, service="job") for run in range(28)),
            *(calls(60, 21 + 10 * run, 19 + 10 * run, service="often") for run in range(40)),
            calls(1, 445, 440, service="border"),  # So that now is at a border in Prometheus, too.
        ],
        [{"service_name": "shop"}, {"service_name": "often"}],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_both_engines_fire_for_the_same(name, tables, rules, tmp_path):
    """Whoever moves from one to the other is woken for the same things."""
    case = CASES[name]
    rule = rules[case.rule]
    store(tables, case.traffic)
    labels = [attribute.label for attribute in rule.indicator.by]
    answered = [{label: row[label] for label in labels} for row in tables.answer(rule)]
    assert sorted(answered, key=str) == sorted(case.broken, key=str)
    given: dict[str, Any] = {}
    minutes = max(one.begin for one in case.traffic) + 5
    for metric in case.metrics:
        given |= series(metric, case.traffic, minutes)
    assert prometheus_fires(tmp_path, rule, given, case.broken) == ""


OF_16 = "ot=th:f"  # A sampler kept one of sixteen.
SAMPLED = {
    "what failed was kept whole": Case(
        "MlobsErrorRatioHigh",
        INFERENCE,
        [
            calls(10, 20, model="m1", tracestate=OF_16),
            calls(5, 20, model="m1", error="timeout"),  # 3% of all, and a third of what is stored.
            calls(30, 20, model="m2"),
            calls(1, 20, model="m2", error="timeout", tracestate=OF_16),
            calls(1, 20, model="m3", error="timeout", tracestate=OF_16),  # Enough calls, of few spans.
        ],
        [{**SHOP_M1, "gen_ai_request_model": model} for model in ("m2", "m3")],
    ),
    "each type of error": Case(
        "MlobsProviderErrors",
        INFERENCE,
        [
            calls(10, 20, provider="p", tracestate=OF_16),
            calls(2, 20, provider="p", error="timeout", tracestate=OF_16),
            calls(2, 20, provider="p", error="500"),
        ],
        [{"service_name": "shop", "gen_ai_provider_name": "p", "error_type": "timeout"}],
    ),
    "slow calls": Case(
        "MlobsModelLatencyHigh",
        INFERENCE,
        [
            calls(10, 20, model="m1", tracestate=OF_16),
            calls(2, 20, model="m1", seconds=45),
            calls(40, 20, model="m2"),
            calls(1, 20, model="m2", seconds=45, tracestate=OF_16),
        ],
        [{**SHOP_M1, "gen_ai_request_model": "m2"}],
    ),
    "an objective burns": Case(
        "MlobsAvailabilityBurn1h",
        INFERENCE,
        [
            calls(20, 90, model="m1", tracestate=OF_16),
            calls(4, 90, model="m1", error="500"),
            calls(40, 90, model="m2"),
            calls(1, 90, model="m2", error="500", tracestate=OF_16),
        ],
        [{**SHOP_M1, "gen_ai_request_model": "m2"}],
    ),
    "money": Case(
        "MlobsCostBurn",
        (m.COST,),
        [
            calls(5, 3000, 60, usd=0.1),
            calls(5, 60, usd=0.1, tracestate=OF_16),
            calls(1, 3000, 60, service="steady", usd=0.1, tracestate=OF_16),
            calls(16, 60, service="steady", usd=0.1),
        ],
        [{"service_name": "shop"}],
    ),
    "tokens of a call": Case(
        "MlobsTokensPerCallHigh",
        (m.INPUT_TOKENS, m.INFERENCE_DURATION),
        [
            calls(3, 1500, 15, model="m1", input=100, tracestate=OF_16),
            calls(3, 15, model="m1", input=300, tracestate=OF_16),
            calls(30, 15, model="m1", input=100),
            calls(3, 1500, 15, model="m2", input=100),
            calls(9, 15, model="m2", input=300),
            calls(9, 15, model="m2", input=100, tracestate=OF_16),
        ],
        [SHOP_M1],
    ),
    "silence": Case(
        "MlobsTelemetryAbsent",
        (*INFERENCE, m.PREDICT_DURATION),
        [calls(1, 300, 20, tracestate=OF_16), calls(1, 30, 20, service="quiet")],
        [{"service_name": "shop"}],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLED)
def test_behind_a_sampler_both_engines_fire_for_the_calls_that_there_were(name, tables, rules, tmp_path):
    """Prometheus is given what /metrics says of the stored spans."""
    case = SAMPLED[name]
    rule = rules[case.rule]
    minutes = max(one.begin for one in case.traffic) + 5
    given = stored_and_scraped(tables, case.traffic, case.metrics, minutes)
    labels = [attribute.label for attribute in rule.indicator.by]
    answered = [{label: row[label] for label in labels} for row in tables.answer(rule)]
    assert sorted(answered, key=str) == sorted(case.broken, key=str)
    assert prometheus_fires(tmp_path, rule, given, case.broken) == ""
