"""One traffic, two engines: rules about some calls only fire for the same in both, for every kind."""

from dataclasses import dataclass
from typing import Any

import pytest

from mlobs.alerts.indicators import (
    Absence,
    BurnRate,
    Growth,
    Increase,
    Indicator,
    PerCallGrowth,
    Quantile,
    Ratio,
)
from mlobs.alerts.measured import Beyond, Where
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from tests.alerts.simulated import Calls, calls, prometheus_fires, series, store

pytestmark = pytest.mark.slow

ONLY_M1 = (Where(label=a.REQUEST_MODEL, values=("m1", "m.")),)
NOT_M2 = (
    Where(label=a.REQUEST_MODEL, values=("m2", "m3"), is_not=True),
    Where(label=a.SERVICE_NAME, values=("shop", "desk")),
)
SHOP, DESK = {"service_name": "shop"}, {"service_name": "desk"}
BY_SERVICE = (a.SERVICE_NAME,)


@dataclass
class Case:
    """What is measured of some calls, and for whom it is too much at the end of the traffic.

    Args:
        indicator: About some calls.
        above: Its limit.
        metrics: What Prometheus scrapes.
        traffic: In minutes before now.
        broken: The labels of the alerts.
    """

    indicator: Indicator
    above: float | None
    metrics: tuple[Metric, ...]
    traffic: list[Calls]
    broken: list[dict[str, str]]


FAILING = [  # Of m1 half fail in the shop, and none at the desk; of m2 it is the other way round.
    calls(5, 20, model="m1"),
    calls(5, 20, model="m1", error="500"),
    calls(10, 20, model="m2"),
    calls(10, 20, model="m1", service="desk"),
    calls(5, 20, model="m2", service="desk"),
    calls(5, 20, model="m2", service="desk", error="500"),
]
CASES = {
    "a share of the calls of one model": Case(
        Ratio(metric=m.INFERENCE_DURATION, by=BY_SERVICE, where=ONLY_M1, window_s=600, calls_min=20),
        0.4,
        (m.INFERENCE_DURATION,),
        FAILING,
        [SHOP],
    ),
    "a share of the calls of all models but one": Case(
        Ratio(metric=m.INFERENCE_DURATION, by=BY_SERVICE, where=NOT_M2, window_s=600, calls_min=20),
        0.4,
        (m.INFERENCE_DURATION,),
        FAILING,
        [SHOP],
    ),
    "a share of the calls that name no model": Case(
        Ratio(
            metric=m.INFERENCE_DURATION,
            by=BY_SERVICE,
            where=(Where(label=a.REQUEST_MODEL, values=("",)),),
            window_s=600,
            calls_min=20,
        ),
        0.4,
        (m.INFERENCE_DURATION,),
        [calls(5, 20), calls(5, 20, error="500"), *FAILING[2:]],
        [SHOP],
    ),
    "types of error of one model": Case(
        Ratio(
            metric=m.INFERENCE_DURATION,
            by=(a.SERVICE_NAME, a.ERROR_TYPE),
            where=ONLY_M1,
            window_s=600,
            calls_min=20,
        ),
        0.4,
        (m.INFERENCE_DURATION,),
        FAILING,
        [{**SHOP, "error_type": "500"}],
    ),
    "an objective of one model": Case(
        BurnRate(
            objective_name="small_calls",
            metric=m.INFERENCE_DURATION,
            by=BY_SERVICE,
            where=NOT_M2,
            objective=0.9,
            long_s=900,
            short_s=300,
            calls_min=20,
        ),
        2,
        (m.INFERENCE_DURATION,),
        FAILING,
        [SHOP],
    ),
    "an objective of time": Case(
        BurnRate(
            objective_name="quick_calls",
            metric=m.INFERENCE_DURATION,
            bad=Beyond(bound=2.56),
            by=BY_SERVICE,
            where=ONLY_M1,
            objective=0.9,
            long_s=900,
            short_s=300,
            calls_min=20,
        ),
        2,
        (m.INFERENCE_DURATION,),
        [
            calls(5, 20, model="m1"),
            calls(5, 20, model="m1", seconds=5),
            calls(9, 20, model="m1", service="desk"),
            calls(9, 20, model="m2", service="desk", seconds=5),
        ],
        [SHOP],
    ),
    "slow calls of one model": Case(
        Quantile(
            metric=m.INFERENCE_DURATION, quantile=0.9, by=BY_SERVICE, where=NOT_M2, window_s=600, calls_min=20
        ),
        3,
        (m.INFERENCE_DURATION,),
        [
            calls(5, 20, model="m1", seconds=5),
            calls(90, 20, model="m2"),
            calls(5, 20, model="m1", service="desk"),
            calls(90, 20, model="m2", service="desk", seconds=5),
        ],
        [SHOP],
    ),
    "money for one model": Case(
        Increase(metric=m.COST, by=BY_SERVICE, where=ONLY_M1, window_s=600),
        5,
        (m.COST,),
        [
            calls(1, 20, model="m1", usd=1.0),
            calls(1, 20, model="m1", service="desk", usd=0.1),
            calls(1, 20, model="m2", service="desk", usd=9.0),
        ],
        [SHOP],
    ),
    "money that grew for one model": Case(
        Growth(
            metric=m.COST,
            by=BY_SERVICE,
            where=NOT_M2,
            window_s=600,
            memory_s=7200,
            history_s=1800,
            amount_min=1,
        ),
        3,
        (m.COST,),
        [
            calls(1, 180, 10, model="m1", usd=0.1),
            calls(5, 10, model="m1", usd=0.2),
            calls(1, 180, model="m1", service="desk", usd=0.2),
            calls(1, 180, 10, model="m2", service="desk", usd=0.1),
            calls(9, 10, model="m2", service="desk", usd=1.0),
        ],
        [SHOP],
    ),
    "tokens of calls of one model": Case(
        PerCallGrowth(
            metric=m.INPUT_TOKENS,
            per=m.INFERENCE_DURATION,
            by=BY_SERVICE,
            where=ONLY_M1,
            window_s=600,
            memory_s=7200,
            calls_min=20,
        ),
        2,
        (m.INPUT_TOKENS, m.INFERENCE_DURATION),
        [
            calls(3, 180, 10, model="m1", input=100),
            calls(3, 10, model="m1", input=300),
            calls(3, 180, model="m1", service="desk", input=100),
            calls(3, 180, 10, model="m2", service="desk", input=100),
            calls(3, 10, model="m2", service="desk", input=900),
        ],
        [SHOP],
    ),
    "silence about one model": Case(
        Absence(metrics=(m.INFERENCE_DURATION,), where=ONLY_M1, window_s=600, memory_s=7200, calls_min=20),
        None,
        (m.INFERENCE_DURATION,),
        [
            calls(9, 180, 20, model="m1"),
            calls(9, 180, model="m2"),
            calls(9, 180, model="m1", service="desk"),
            calls(9, 180, 20, model="m2", service="desk"),
        ],
        [SHOP],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_engines_fire_for_the_same_of_the_calls_that_count(name, tables, tmp_path):
    """Without where each of these would fire for others, too, or for nobody."""
    case = CASES[name]
    rule = Rule(
        name="ShopSome",
        indicator=case.indicator,
        above=case.above,
        severity="warning",
        component="shop",
        summary="x",
        description="y",
    )
    assert rule.engines == ("prometheus", "server")
    store(tables, case.traffic)
    labels = [attribute.label for attribute in rule.indicator.by]
    assert [{label: row[label] for label in labels} for row in tables.answer(rule)] == case.broken
    all_calls = rule.model_copy(update={"indicator": case.indicator.model_copy(update={"where": ()})})
    without = [{label: row[label] for label in labels} for row in tables.answer(all_calls)]
    assert without != case.broken
    given: dict[str, Any] = {}
    minutes = max(one.begin for one in case.traffic) + 5
    for metric in case.metrics:
        given |= series(metric, case.traffic, minutes)
    assert prometheus_fires(tmp_path, rule, given, case.broken) == ""
    assert prometheus_fires(tmp_path, rule, given, [DESK]) != ""
