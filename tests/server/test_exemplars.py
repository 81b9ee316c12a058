"""Buckets of derived histograms name a call that fell into them, and Prometheus keeps it."""

import time
from bisect import bisect_left

import pytest
import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from mlobs.semconv import metrics as m
from mlobs.server import exemplars
from tests.parts import require
from tests.processes import free_port, process, wait_for
from tests.server.otlp import post, span, wait_until

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def buckets(server, metric, **labels: str):
    """Return the buckets of one series with their exemplars, the lowest first."""
    server.drain()
    text = requests.get(f"{server.url}/metrics", headers=OPENMETRICS, timeout=30).text
    return [
        sample
        for family in parse_openmetrics(text)
        if family.name == metric.prometheus
        for sample in family.samples
        if sample.name.endswith("_bucket") and labels.items() <= sample.labels.items()
    ]


def tool(name: str, *seconds: float, failed: bool = False, ago_s: float = 0.0, **attributes) -> tuple:
    """Return a request with calls of a tool, and their ids."""
    request = ExportTraceServiceRequest()
    made = []
    for one in seconds:
        call = span(
            request,
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name=name,
            failed=failed,
            **attributes,
        )
        call.end_time_unix_nano = time.time_ns() - round(ago_s * 1e9)
        call.start_time_unix_nano = call.end_time_unix_nano - round(one * 1e9)
        made.append((call.trace_id.hex(), call.span_id.hex()))
    return request.SerializeToString(), made


def test_every_bucket_that_was_hit_has_its_call(served):
    """The value in it, and ids that lead to the trace."""
    seconds = [0.005, 0.015, 0.3, 0.31, 7.0, 100.0]
    body, made = tool("dots", *seconds)
    assert post(served.url, body).status_code == 200
    shown = {
        place: one.exemplar
        for place, one in enumerate(buckets(served, m.TOOL_DURATION, gen_ai_tool_name="dots"))
        if one.exemplar
    }
    assert shown.keys() == {bisect_left(m.CALL_SECONDS, value) for value in seconds}
    ids = dict(zip(made, seconds, strict=True))
    for exemplar in shown.values():
        told = exemplar.labels["trace_id"], exemplar.labels["span_id"]
        assert exemplar.value == pytest.approx(ids[told])
        assert float(exemplar.timestamp) == pytest.approx(time.time(), abs=60)


def test_the_newest_call_of_a_bucket_is_shown(served):
    for _ in range(3):
        body, made = tool("newest", 0.5)
        post(served.url, body)
        [one] = [
            b.exemplar for b in buckets(served, m.TOOL_DURATION, gen_ai_tool_name="newest") if b.exemplar
        ]
        assert (one.labels["trace_id"], one.labels["span_id"]) == made[0]


@pytest.mark.slow
def test_failed_calls_have_exemplars_of_their_own(served):
    """However many good ones come after them."""
    body, [failed] = tool("failing", 0.5, failed=True)
    post(served.url, body)
    post(served.url, tool("failing", *[0.5] * 50)[0])
    series = buckets(served, m.TOOL_DURATION, gen_ai_tool_name="failing", error_type="_OTHER")
    [one] = [bucket.exemplar for bucket in series if bucket.exemplar]
    assert (one.labels["trace_id"], one.labels["span_id"]) == failed


@pytest.mark.slow
def test_first_chunks_have_exemplars(served):
    request = ExportTraceServiceRequest()
    model = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "streaming"}
    for first_s in (0.03, 0.5, 3.0):
        span(request, **model, gen_ai__response__time_to_first_chunk=first_s, took_ns=4 * 10**9)
    post(served.url, request.SerializeToString())
    series = buckets(served, m.TIME_TO_FIRST_CHUNK, gen_ai_request_model="streaming")
    assert [one.exemplar.value for one in series if one.exemplar] == [0.03, 0.5, 3.0]


@pytest.mark.parametrize("together", [True, False])
def test_a_call_without_a_first_chunk_is_behind_no_bucket_of_them(served, together):
    """The newest call of all once had the first chunk of an older one."""
    model = {"gen_ai__operation__name": "chat", "gen_ai__request__model": f"mixed-{together}"}
    streamed, whole = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    made = span(streamed, **model, gen_ai__response__time_to_first_chunk=0.001, took_ns=4 * 10**9)
    span(streamed if together else whole, **model, took_ns=4 * 10**9)
    for request in (streamed, whole):
        post(served.url, request.SerializeToString())
        served.drain()
    series = buckets(served, m.TIME_TO_FIRST_CHUNK, gen_ai_request_model=f"mixed-{together}")
    shown = [(one.exemplar.value, one.exemplar.labels["trace_id"]) for one in series if one.exemplar]
    assert shown == [(0.001, made.trace_id.hex())]


@pytest.mark.slow
def test_what_is_long_past_and_what_has_no_ids_is_not_shown(served):
    """Old spans that come late are nothing to look at now."""
    post(served.url, tool("past", 0.5, ago_s=exemplars.RECENT_S + 60)[0])
    body, _ = tool("nobody", 0.5)
    request = ExportTraceServiceRequest.FromString(body)
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    post(served.url, request.SerializeToString())
    for name in ("past", "nobody"):
        series = buckets(served, m.TOOL_DURATION, gen_ai_tool_name=name)
        assert series
        assert not [one for one in series if one.exemplar]


@pytest.mark.slow
def test_a_clock_that_is_ahead_does_not_stay_the_newest(served):
    post(served.url, tool("ahead", 0.5, ago_s=-3600)[0])
    buckets(served, m.TOOL_DURATION, gen_ai_tool_name="ahead")
    body, [newest] = tool("ahead", 0.5)
    post(served.url, body)
    [one] = [b.exemplar for b in buckets(served, m.TOOL_DURATION, gen_ai_tool_name="ahead") if b.exemplar]
    assert (one.labels["trace_id"], one.labels["span_id"]) == newest
    assert float(one.timestamp) <= time.time() + 1


def test_plain_text_has_none(served):
    """Its readers know no exemplars."""
    post(served.url, tool("plain", 0.5)[0])
    served.drain()
    assert "trace_id" not in requests.get(f"{served.url}/metrics", timeout=30).text


@pytest.mark.slow
def test_prometheus_returns_the_calls_behind_a_percentile(served, tmp_path):
    """As Grafana asks for them: by the query that is drawn."""
    program = require("prometheus")
    address = f"127.0.0.1:{free_port()}"
    scraping = {"job_name": "mlobs", "static_configs": [{"targets": [served.url.removeprefix("http://")]}]}
    # As long as it waits for an answer, too.
    told = {"global": {"scrape_interval": "5s"}, "scrape_configs": [scraping]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(told))
    command = [
        program,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
    ]
    body, made = tool("drawn", 0.3, 7.0)
    bad, failed = tool("drawn", 0.3, failed=True)
    with process(*command, log=tmp_path / "prometheus.log"):
        wait_for(f"http://{address}/-/ready", tmp_path / "prometheus.log")
        for one in (body, bad):
            post(served.url, one)
        name = f"{m.TOOL_DURATION.prometheus}_bucket"
        drawn = f'histogram_quantile(0.95, sum by (le) (rate({name}{{gen_ai_tool_name="drawn"}}[1m])))'

        def found() -> set[tuple[str, str]]:
            asked = {"query": drawn, "start": time.time() - 300, "end": time.time() + 60}
            answer = requests.get(f"http://{address}/api/v1/query_exemplars", params=asked, timeout=60).json()
            return {
                (one["labels"]["trace_id"], one["labels"]["span_id"])
                for series in answer["data"]
                for one in series["exemplars"]
            }

        assert wait_until(lambda: found() == {*made, *failed}), found()
        assert "Error on ingesting" not in (tmp_path / "prometheus.log").read_text()
