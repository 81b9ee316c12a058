"""What one call, score or process says that cannot be takes nothing away from what the others say."""

import math
import os
import re
import time

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import attributes as a
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.semconv.events import EVALUATION_RESULT
from mlobs.semconv.rows import Metric
from mlobs.server import tree
from mlobs.server.derived import UNITS_MAX
from mlobs.server.exposition import ASKED
from mlobs.server.figures import figures
from mlobs.server.pages.amounts import duration
from mlobs.server.queries import statement
from tests.server.otlp import post, span

pytestmark = pytest.mark.slow

BROWSER = {"Accept": "text/html"}
CALL = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "odd", "mlobs__kind": "llm"}


def send(server, service: str, *calls: dict) -> str:
    """Send a trace of calls and return its id."""
    request = ExportTraceServiceRequest()
    root = span(request, "ask", mlobs__kind="agent", gen_ai__operation__name="invoke_agent")
    for one in calls:
        span(request, "chat", trace=root.trace_id, parent=root.span_id, **CALL, **one)
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(server.url, request.SerializeToString()).status_code == 200
    server.drain()
    return root.trace_id.hex()


def say(server, service: str, instance: str, metric: Metric, value: float, temporality: int = 2) -> None:
    """Send a point of a process."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, text in ((a.SERVICE_NAME, service), (a.SERVICE_INSTANCE_ID, instance)):
        resource.resource.attributes.add(key=key.name).value.string_value = text
    row = resource.scope_metrics.add().metrics.add(name=metric.name)
    if metric.kind == "counter":
        row.sum.aggregation_temporality, row.sum.is_monotonic = temporality, True
    point = (row.sum if metric.kind == "counter" else row.gauge).data_points.add(as_double=value)
    point.time_unix_nano = time.time_ns()
    point.start_time_unix_nano = point.time_unix_nano - 10**9
    assert post(server.url, request.SerializeToString(), "metrics").status_code == 200
    server.drain()


def page(server, path: str, **given: str) -> requests.Response:
    return requests.get(f"{server.url}{path}", params=given, headers=BROWSER, timeout=60)


@pytest.fixture
def service() -> str:
    return f"odd-{os.urandom(4).hex()}"


def test_costs_beyond_all_numbers_leave_the_figures_of_others(served):
    """Of two calls that add up to more than there are numbers for, budgets once knew nothing of anybody."""
    calls = (
        "(SELECT now64(9) AS Timestamp, 'chat' AS Operation, 1 AS Weight, * FROM values("
        "'ServiceName String, CostUsd Float64', ('huge', 1.7e308), ('huge', 1.7e308), ('shop', 2.5)))"
    )

    def named(name: str, params: dict) -> list[dict]:
        if name != "figures_budget":
            return []
        return served.store.query(statement(name).replace("otel_traces", calls), params)

    found = [*figures(named, time.time() + 1, calls_min=1, budget_usd=10)]
    spent = {one.service: one.value for one in found if one.metric is m.BUDGET_SPENT}
    assert spent == {"huge": 2 * UNITS_MAX / 10, "shop": 0.25}


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan, -5.0, 1.7e308])
def test_a_count_that_cannot_be_hides_those_of_other_processes_no_more(served, service, odd):
    """Neither sent whole nor as an increase."""
    metric = m.SDK_DROPPED
    say(served, service, "well", metric, 3)
    say(served, service, "odd", metric, odd)
    say(served, service, "added", metric, odd, temporality=1)
    rows = served.store.named("metric_latest", ASKED)
    assert [row["counter"] for row in rows if row["service"] == service] == [3]


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_a_gauge_that_is_no_number_hides_those_of_other_processes_no_more(served, service, odd):
    for instance, value in (("odd", odd), ("well", 2.0), ("worse", odd)):
        say(served, service, instance, m.DRIFT_LOG_E, value)
    rows = served.store.named("metric_latest", ASKED)
    assert [row["gauge"] for row in rows if row["service"] == service] == [2]


@pytest.mark.parametrize("odd", [math.inf, math.nan, 1.7e308, -5.0])
def test_the_ledger_answers_whatever_a_program_has_counted(served, service, odd):
    """It could not be asked at all while one said that it made infinitely many spans."""
    say(served, service, "well", loss.SDK_MADE, 7)
    say(served, service, "odd", loss.SDK_MADE, odd)
    for asked in ({}, {"from": "-1h"}):
        answer = requests.get(f"{served.url}/api/ledger", params=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        came = [one["came"] for one in answer.json()["entries"] if one["place"].startswith(service)]
        assert came == [7]


@pytest.mark.parametrize("odd", ["inf", "nan"])
def test_a_cost_that_is_no_number_leaves_a_turn_and_a_session_their_costs(served, service, odd):
    """On the page of the session, where an alert shows its traces, and in the order of the dearest."""
    facts = {"session__id": service}
    dear = send(served, service, {"mlobs__cost__usd": odd, **facts}, {"mlobs__cost__usd": 987.25, **facts})
    cheap = f"{service}-cheap"
    send(served, service, {"mlobs__cost__usd": 1.5, "session__id": cheap})
    assert page(served, "/session", id=service).text.count("$987.25") >= 2  # In the whole, and of the turn.
    asked = {"since_ns": 0, "until_ns": 2**63 - 1, "keys": "", "characters": 1, "operations": "chat"}
    [row] = served.store.named("page_examples", {**asked, "ids": f'["{dear}"]'})
    assert row["cost_usd"] == 987.25
    text = page(served, "/sessions", sort="dearest", q=f"service:{service}").text
    assert text.index(f'id={service}"') < text.index(f'id={cheap}"')


def test_a_score_that_is_no_number_leaves_a_session_the_mean_of_the_rest(served, service):
    send(served, service, {"session__id": service})
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for value in ("0.25", "nan", "inf", "0.75"):
        record = records.add(time_unix_nano=time.time_ns(), event_name=EVALUATION_RESULT.name)
        given = {a.EVALUATION_NAME: "helpful", a.EVALUATION_SCORE: value, a.SESSION_ID: service}
        for key, text in given.items():
            record.attributes.add(key=key.name).value.string_value = text
    assert post(served.url, logs.SerializeToString(), "logs").status_code == 200
    served.drain()
    assert re.search(r"helpful</span>\s*0\.50\b", page(served, "/session", id=service).text)


@pytest.mark.parametrize("odd", ["inf", "nan"])
def test_a_cost_that_is_no_number_leaves_the_rest_that_calls_without_a_price_told(served, service, odd):
    used = {"gen_ai__usage__input_tokens": 5}
    send(served, service, {"mlobs__cost__usd": odd, **used})
    send(served, service, {"mlobs__cost__usd": 0.5, **used}, {"mlobs__cost__usd": 0.25, **used})
    asked = {"q": f"service:{service}", "since": "1h"}
    answer = requests.get(f"{served.url}/api/cost", params=asked, timeout=60).json()
    assert [(one["model"], one["told_usd"]) for one in answer["unpriced"]] == [("odd", 0.75)]


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_a_duration_that_is_no_number_is_not_known(odd):
    """What an alert from elsewhere measures is any number, and a thousand times that may be none."""
    assert duration(odd) == duration(None)
    assert tree.duration(odd) == "unknown"
