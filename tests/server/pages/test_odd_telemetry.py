"""Pages hold whatever programs sent: depth that can be read and not written, and numbers that are none."""

import math
import os
import time

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.server.pages.documents import document
from mlobs.server.pages.previews import preview, words
from mlobs.server.pages.trace.detail import pretty
from tests.server.otlp import post, span

BROWSER = {"Accept": "text/html"}
FEATURE = {
    a.MODEL_NAME: "churn",
    a.MODEL_VERSION: "1",
    a.PROFILE_REF: "r",
    a.BIN: "03",
    a.DRIFT_METHOD: "psi",
}
TOLD: dict[Metric, float] = {
    m.DRIFT_ALARM: 1.0, m.DRIFT_LOG_E: 5.0, m.DRIFT_THRESHOLD: 4.0, m.DRIFT_TV_LOWER_BOUND: 0.1,
    m.DRIFT_FLOOR: 0.02, m.DRIFT_CHANGE_START: 1.7e9, m.DRIFT_DISTANCE: 0.1, m.DRIFT_REFERENCE_RATIO: 0.5,
}  # fmt: skip


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def status(served, path: str, **given: str) -> int:
    answer = requests.get(f"{served.url}{path}", params=given, headers=BROWSER, timeout=60)
    return answer.status_code


@pytest.mark.parametrize(
    "text", [nested(300), nested(1000), nested(100_000), '{"content":' * 300 + "1" + "}" * 300]
)
def test_what_is_nested_too_deeply_is_text(text):
    """The reader takes more than the writer does, and more than a function may call itself."""
    with pytest.raises(ValueError, match=r"."):
        document(text)
    assert pretty(text) == text
    assert preview(text) == text[:160]
    assert words(text) is None


@pytest.mark.parametrize("depth", [300, 1000])
def test_a_span_with_deep_json_takes_no_page_away(served, depth):
    """Neither its own, nor the list of all traces and that of its session."""
    deep, session = nested(depth), f"deep-{os.urandom(4).hex()}"
    request = ExportTraceServiceRequest()
    made = span(
        request, "execute_tool t", mlobs__kind="tool", gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="t", gen_ai__tool__call__arguments=deep, mlobs__input=deep, session__id=session,
        gen_ai__input__messages=f'[{{"role": "user", "parts": [{{"type": "x", "content": {deep}}}]}}]',
    )  # fmt: skip
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    trace, own = made.trace_id.hex(), made.span_id.hex()
    paths = (
        "/traces", "/sessions", f"/session?id={session}", f"/traces/{trace}", f"/traces/{trace}/spans/{own}",
        f"/traces/{trace}?view=conversation", f"/traces/{trace}/copy/test", f"/traces/{trace}/copy/dataset",
    )  # fmt: skip
    assert {path: status(served, path) for path in paths} == dict.fromkeys(paths, 200)


@pytest.mark.slow
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e308, -1e308])
def test_a_gauge_that_is_no_number_takes_no_page_away(served, monkeypatch, odd):
    """Of one process, which would have hidden the alarms of all features, on the first page as well."""
    service = f"odd-{os.urandom(4).hex()}"
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key=a.SERVICE_NAME.name).value.string_value = service
    scope = resource.scope_metrics.add()
    for wrong in TOLD:
        for metric, value in {**TOLD, wrong: odd}.items():
            point = scope.metrics.add(name=metric.name).gauge.data_points.add()
            point.as_double, point.time_unix_nano = value, time.time_ns()
            for row, text in {**FEATURE, a.FEATURE: wrong.name}.items():
                point.attributes.add(key=row.name).value.string_value = text
    counted = scope.metrics.add(name=m.DRIFT_OBSERVATIONS.name).sum
    counted.aggregation_temporality, counted.is_monotonic = 2, True
    point = counted.data_points.add(as_double=odd, time_unix_nano=time.time_ns())
    for row, text in {**FEATURE, a.FEATURE: m.DRIFT_ALARM.name}.items():
        point.attributes.add(key=row.name).value.string_value = text
    assert post(served.url, request.SerializeToString(), "metrics").status_code == 200
    served.drain()
    said = {"watches": [], "failure": None, "looked": "", "false_alarms_per_year": 1.0, "left_out": 0}
    monkeypatch.setitem(served.tells, "drift", lambda: said)
    key = {"service": service, "model": "churn", "version": "1", "ref": "r"}
    of_features = {wrong.name: status(served, "/drift/feature", feature=wrong.name, **key) for wrong in TOLD}
    assert of_features == dict.fromkeys(of_features, 200)
    assert (status(served, "/drift"), status(served, "/")) == (200, 200)
