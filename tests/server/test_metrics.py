"""/metrics says what the spans say: compared with the definition, span by span."""

import random

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from mlobs.semconv import metrics as m
from mlobs.server.receive.refusals import LOSING
from tests.server.otlp import post, span
from tests.server.samples import grown, samples, series


def test_refusals_that_lose_data_are_counted_from_nought_on(served):
    """Else the first of them, perhaps all at once, would be no growth to Prometheus."""
    found = samples(served)
    for signal in ("traces", "metrics", "logs"):
        for reason in LOSING:
            labels = (("mlobs_reason", reason), ("mlobs_signal", signal))
            assert (m.SERVER_REFUSED.prometheus, labels) in found


def test_durations_fall_into_the_buckets_of_the_vocabulary(served):
    """Bounds included, as Prometheus has them."""
    rng = random.Random(3)
    before, request = samples(served), ExportTraceServiceRequest()
    durations = [rng.choice([*m.CALL_SECONDS, rng.expovariate(1.0), 500.0]) for _ in range(200)]
    for seconds in durations:
        span(
            request,
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="t",
            took_ns=round(seconds * 1e9),
        )
    assert post(served.url, request.SerializeToString()).status_code == 200
    more = grown(served, before)
    name, labels = m.TOOL_DURATION.prometheus, {"gen_ai_tool_name": "t", "error_type": ""}
    for bound in m.CALL_SECONDS:
        expected = sum(round(seconds * 1e9) <= round(bound * 1e9) for seconds in durations)
        assert more[series(f"{name}_bucket", le=str(bound), **labels)] == expected
    assert (
        more[series(f"{name}_bucket", le="+Inf", **labels)] == more[series(f"{name}_count", **labels)] == 200
    )
    assert more[series(f"{name}_sum", **labels)] == pytest.approx(sum(durations))


def test_tokens_and_cost_are_counted_by_model(served):
    """Calls without usage count as calls and as no tokens."""
    before, request = samples(served), ExportTraceServiceRequest()
    model = {"gen_ai__operation__name": "chat", "gen_ai__provider__name": "p", "gen_ai__request__model": "m"}
    for number in range(10):
        span(
            request,
            **model,
            gen_ai__usage__input_tokens=number,
            gen_ai__usage__output_tokens=2,
            mlobs__cost__usd=0.125,
        )
    span(request, **model, failed=True)
    assert post(served.url, request.SerializeToString()).status_code == 200
    more = grown(served, before)
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "p", "gen_ai_request_model": "m"}
    tokens = {**labels, "gen_ai_token_modality": "unknown"}
    assert more[series(m.INPUT_TOKENS.prometheus, **tokens)] == 45
    assert more[series(m.OUTPUT_TOKENS.prometheus, **tokens)] == 20
    assert more[series(m.COST.prometheus, **labels)] == 1.25
    count = f"{m.INFERENCE_DURATION.prometheus}_count"
    assert more[series(count, error_type="", **labels)] == 10
    assert more[series(count, error_type="_OTHER", **labels)] == 1


@pytest.mark.slow
def test_predictions_are_counted_by_model_and_version(served):
    """The conventions have no operation for them; the noun says it."""
    before, request = samples(served), ExportTraceServiceRequest()
    for _ in range(3):
        span(request, mlobs__kind="predict", mlobs__model__name="churn", mlobs__model__version="7")
    post(served.url, request.SerializeToString())
    labels = {"mlobs_model_name": "churn", "mlobs_model_version": "7", "error_type": ""}
    assert grown(served, before)[series(f"{m.PREDICT_DURATION.prometheus}_count", **labels)] == 3


def sent(server, instance: str, start_s: int, value: int, row=m.SDK_DROPPED) -> None:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, text in (("service.name", "tests"), ("service.instance.id", instance)):
        resource.resource.attributes.add(key=key).value.string_value = text
    metric = resource.scope_metrics.add().metrics.add(name=row.name)
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    point = metric.sum.data_points.add(as_int=value)
    point.start_time_unix_nano, point.time_unix_nano = start_s * 10**9, (start_s + value) * 10**9
    point.attributes.add(key="mlobs.dropped.reason").value.string_value = "queue_full"
    assert post(server.url, request.SerializeToString(), "metrics").status_code == 200


@pytest.mark.slow
def test_counters_of_programs_add_up_over_processes_and_restarts(served):
    """A program that starts anew begins at nought; the sum must not go back."""
    key, before = series(m.SDK_DROPPED.prometheus, mlobs_dropped_reason="queue_full"), samples(served)
    seen = []
    for instance, start_s, value in (
        ("a", 100, 5),
        ("b", 100, 7),
        ("a", 100, 6),
        ("c", 200, 1),
        ("a", 100, 6),
    ):
        sent(served, instance, start_s, value)
        seen.append(grown(served, before)[key])
    assert seen == [5, 12, 13, 14, 14]


def test_openmetrics_is_spoken_to_whoever_asks(served):
    """Prometheus asks for it."""
    answer = requests.get(
        f"{served.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}, timeout=30
    )
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(answer.text)}
    assert m.AGENT_DURATION.prometheus in names
