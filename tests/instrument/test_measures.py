"""Metrics derived in the process: the same as the server's."""

import logging
from datetime import date

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import mlobs
from mlobs.instrument import encode, measures
from mlobs.instrument.content.policy import Defaults, policy_of
from mlobs.instrument.measures import Measures
from mlobs.instrument.outbox import Outbox
from mlobs.instrument.recorders import OwnRecorder, TracerRecorder, active
from mlobs.instrument.shells import wrap
from mlobs.instrument.sites import Site
from mlobs.semconv import attributes as a
from mlobs.semconv import spans
from mlobs.semconv.metrics import DERIVED
from tests.processes import free_port


@pytest.fixture
def calls(monkeypatch):
    """The calls that are made, not yet exported."""
    outbox = Outbox(10_000)
    monkeypatch.setattr(active, "recorder", OwnRecorder(outbox))
    return outbox


def points(reader):
    """Return name, attributes and value of each point."""
    found = {}
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    value = point.value if hasattr(point, "value") else (point.count, point.sum)
                    found[metric.name, tuple(sorted(point.attributes.items()))] = value
    return found


def measured(calls):
    reader = InMemoryMetricReader()
    measure = Measures(MeterProvider([reader]).get_meter("test"))
    measure.record(calls.take(10_000))
    return points(reader)


def work():
    @mlobs.llm(model="gpt-4o-mini", provider="openai")
    def ask():
        mlobs.usage(
            {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 200}}
        )
        yield "a"

    @mlobs.tool
    def lookup(fail):
        if fail:
            raise KeyError("x")

    @mlobs.predict(model="churn@7")
    def churn():
        return 0.5

    @mlobs.agent
    def desk():
        list(ask())
        list(ask())
        lookup(fail=False)
        with pytest.raises(KeyError):
            lookup(fail=True)
        churn()

    desk()


def test_every_kind_of_call_is_measured_with_its_labels(calls):
    """A program without a server has its dashboards all the same."""
    work()
    found = measured(calls)
    model = (
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-4o-mini"),
    )
    tokens = (*model, ("gen_ai.token.modality", "unknown"))
    assert found["gen_ai.client.inference.duration", model][0] == 2
    assert found["gen_ai.client.inference.time_to_first_chunk", model][0] == 2
    assert found["gen_ai.client.inference.usage.input_tokens", tokens] == 2000
    assert found["gen_ai.client.inference.usage.cache_read.input_tokens", tokens] == 400
    cost = next(value for (name, _), value in found.items() if name == "mlobs.cost.usd")
    assert cost == pytest.approx(2 * (800 * 0.15 + 200 * 0.075 + 10 * 0.6) / 1e6)
    tool = {
        labels: value for (name, labels), value in found.items() if name == "gen_ai.execute_tool.duration"
    }
    assert {dict(labels).get("error.type"): value[0] for labels, value in tool.items()} == {
        None: 1,
        "KeyError": 1,
    }
    assert any(name == "mlobs.predict.duration" for name, _ in found)
    agent = (("gen_ai.agent.name", "desk"),)
    assert found["gen_ai.invoke_agent.inference_calls", agent] == (1, 2)
    assert found["gen_ai.invoke_agent.tool_calls", agent] == (1, 2)


def test_names_units_and_labels_are_those_of_the_vocabulary(calls):
    """So that nobody can tell who derived them."""
    work()
    rows = {
        metric.name: metric
        for metric in (*DERIVED, measures.AGENT_INFERENCE_CALLS, measures.AGENT_TOOL_CALLS)
    }
    for name, labels in measured(calls):
        assert {label for label, _ in labels} <= {label.name for label in rows[name].labels}


def test_an_explosion_of_labels_ends_in_one_series_and_one_warning(calls, caplog, monkeypatch):
    """A user's id as a model's name must not take the metrics store down."""
    monkeypatch.setattr(measures, "SERIES_MAX", 5)
    for number in range(20):
        mlobs.tool(len, name=f"user-{number}")("x")
    with caplog.at_level(logging.WARNING, "mlobs"):
        found = measured(calls)
    series = [dict(labels) for name, labels in found if name == "gen_ai.execute_tool.duration"]
    assert len(series) == 6
    assert sum(one["gen_ai.tool.name"] == "__overflow__" for one in series) == 1
    [record] = caplog.records
    assert "gen_ai.tool.name has 5 values, is it an id?" in record.getMessage()


def test_calls_that_are_not_sampled_fail_as_well(telemetry, monkeypatch):
    """Metrics count all calls; the ratio of errors is not that of the sampler."""
    reader = InMemoryMetricReader()
    provider = TracerProvider(sampler=ALWAYS_OFF)
    measure = Measures(MeterProvider([reader]).get_meter("test"))
    monkeypatch.setattr(active, "recorder", TracerRecorder(provider.get_tracer("test"), measure.record))
    work()
    found = points(reader)
    tool = {
        dict(labels).get("error.type") for name, labels in found if name == "gen_ai.execute_tool.duration"
    }
    assert tool == {None, "KeyError"}
    data = reader.get_metrics_data()
    assert data is None or not any(
        point.exemplars
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    )  # nobody can follow one to a trace that is not there


@pytest.mark.slow
def test_a_program_can_ask_for_them(run_program, tmp_path):
    """With mlobs exporting, and in a provider of the program."""
    program = """
import os, mlobs
from tests import sink as sinks
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
PROVIDER
sink = sinks.start()
mlobs.init("measured", endpoint=sink.url, metrics="process")
mlobs.tool(len, name="size")("abc")
assert mlobs.flush()
names = set()
for path, body in sink.bodies:
    if path == "/v1/metrics":
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            names |= {m.name for scope in resource.scope_metrics for m in scope.metrics}
assert "gen_ai.execute_tool.duration" in names, names
print("ok")
"""
    provider = (
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider; "
        "trace.set_tracer_provider(TracerProvider())"
    )
    for code in ("", provider):
        done = run_program(program.replace("PROVIDER", code))
        assert done.stdout == "ok\n", done.stderr


@pytest.mark.slow
def test_prometheus_can_scrape_a_program(run_program):
    """Under the names that dashboards and rules ask for."""
    done = run_program(
        """
import urllib.request, mlobs, os
from mlobs.semconv.metrics import TOOL_DURATION
mlobs.init("scraped", endpoint="http://127.0.0.1:9", metrics="process")
mlobs.tool(len, name="size")("abc")
mlobs.flush(1)
text = urllib.request.urlopen(f"http://127.0.0.1:{os.environ['MLOBS_METRICS_PORT']}/metrics").read().decode()
assert f'{TOOL_DURATION.prometheus}_count{{gen_ai_tool_name="size"}} 1.0' in text, text
print("ok")
""",
        MLOBS_METRICS_PORT=str(free_port()),
    )
    assert done.stdout == "ok\n", done.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_switched_on(run_program):
    """Two programs with one port are a mistake in a deployment, to be seen at its start."""
    done = run_program(
        """
import os, socket, mlobs
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    os.environ["MLOBS_METRICS_PORT"] = str(taken.getsockname()[1])
    mlobs.init("scraped")
"""
    )
    assert "cannot be used: Address already in use." in done.stderr


def test_content_is_rendered_once_however_many_look_at_a_call(monkeypatch):
    """A completion hook uploads what it is told; twice the content would be twice the conversations."""
    told = []

    class Hook:
        def on_completion(self, **given):
            told.append(given)

    outbox = Outbox(10)
    monkeypatch.setattr(active, "recorder", OwnRecorder(outbox))

    def ask(prompt):
        return "yes"

    policy = policy_of(spans.LLM, ask, capture=None, redact=(), reduce=None)
    site = Site(spans.LLM, "chat m", {a.OPERATION_NAME.name: "chat"}, policy)
    site.capture = policy.resolved(Defaults(hook=Hook()))
    wrap(ask, site, None)("hello")
    [call] = outbox.take(1)
    Measures(MeterProvider([InMemoryMetricReader()]).get_meter("test")).record([call])
    assert told == []
    assert encode.span(call, 0, date(2026, 1, 1))
    assert len(told) == 1
