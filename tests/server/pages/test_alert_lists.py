"""The list that an alert's page leads to has just the traces that its rule counts: both are asked."""

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.alerts import clauses as c
from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.counted import counted
from mlobs.alerts.indicators import BurnRate, Ratio
from mlobs.alerts.measured import FROM_RUNS, Where
from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import TENANT
from mlobs.server.ask.parsing import parse
from mlobs.server.pages.alerts import leads
from mlobs.settings import AlertSettings
from tests.server.otlp import post, span

RULES = {one.name: one for one in catalogue(AlertSettings()) if "server" in one.engines}
LABELS = {
    a.SERVICE_NAME: "counted", a.REQUEST_MODEL: "m1", a.PROVIDER_NAME: "p1", a.AGENT_NAME: "ag",
    a.TOOL_NAME: "t1", a.MODEL_NAME: "churn", a.MODEL_VERSION: "7", a.ERROR_TYPE: "timeout",
    a.USER_ID: "dora", TENANT: "acme",
}  # fmt: skip
CHAT = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m1", "gen_ai__provider__name": "p1"}
TOOL = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "t1"}
AGENT = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": "ag", "mlobs__kind": "agent"}
PREDICT = {"mlobs__kind": "predict", "mlobs__model__name": "churn", "mlobs__model__version": "7"}
TTFC = "gen_ai__response__time_to_first_chunk"
# One trace each; None begins the next call of the same trace.
TRACES = (
    [CHAT],
    [{**CHAT, "error__type": "timeout"}],
    [{**CHAT, "error__type": "timeout", "mlobs__call__state": "cancelled"}],
    [{**CHAT, "error__type": "400"}],
    [{**CHAT, "error__type": "429"}],
    [{**CHAT, "gen_ai__request__model": "m2", "gen_ai__response__model": "m1", "error__type": "timeout"}],
    [CHAT, {**TOOL, "error__type": "timeout"}],
    [{**CHAT, "user__id": "dora", "mlobs__tag__tenant": "acme", "mlobs__cost__usd": 1.0}],
    [{**CHAT, "mlobs__cost__usd": 2.0}, {**TOOL, "user__id": "dora", "mlobs__tag__tenant": "acme"}],
    [{**CHAT, TTFC: 9.0}],
    [{**CHAT, TTFC: 0.1}],
    [{**CHAT, "gen_ai__operation__name": "embeddings", "error__type": "timeout"}],
    [TOOL],
    [{**TOOL, "gen_ai__tool__name": "b c", "error__type": "timeout"}],
    [{**AGENT, "took_ns": 300_000_000_000}],
    [{**AGENT, "error__type": "timeout"}],
    [PREDICT],
    [{**PREDICT, "mlobs__model__version": "8"}],
)


@pytest.fixture(scope="module")
def told(served):
    """A server that has them, of two deployments."""
    for environment in ("prod", "test"):
        request = ExportTraceServiceRequest()
        for number, spans in enumerate(TRACES):
            trace = bytes([number + 1, environment == "prod"]) * 8
            for one in spans:
                span(request, "call", trace=trace, **one)
        resource = request.resource_spans[0].resource
        resource.attributes[0].value.string_value = "counted"
        # The older name is as good where the newer one says nothing.
        name = "deployment.environment.name" if environment == "prod" else "deployment.environment"
        resource.attributes.add(key=name).value.string_value = environment
        assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return served


def listed(told, rule):
    """Return the traces of the list, and what it is said to have besides."""
    found = counted(rule, {one.label: LABELS[one] for one in rule.indicator.by if one in LABELS})
    asked = leads.counted(found["conditions"])
    given = {"q": asked, "since": "1h", "limit": "1000"}
    answer = requests.get(f"{told.url}/api/traces", params=given, timeout=120)
    assert answer.status_code == 200, answer.text
    return {one["trace_id"] for one in answer.json()["traces"]}, found["also"]


def counts(told, rule):
    """Return the traces of the calls that the rule's own question counts as its trouble."""
    of = rule.indicator
    bad = f" AND {c.bad(of.metric, of.bad)}" if isinstance(of, Ratio | BurnRate) else ""
    by = "".join(f" AND {one.column} = {c.text(LABELS[one])}" for one in of.by)
    rows = told.store.query(
        f"SELECT DISTINCT TraceId AS trace FROM {c.calls(of.metric, 'from_ms', of.where)}{bad}{by}",
        {"from_ms": 0, "now_ms": 4_000_000_000_000, **c.given(of.where)},
    )
    return {row["trace"] for row in rows}


CALLS = [
    name
    for name, one in RULES.items()
    if getattr(getattr(one.indicator, "metric", None), "operations", ())
    and one.indicator.metric not in FROM_RUNS
    and one.indicator.kind != "gauge"
]


@pytest.mark.parametrize("name", CALLS)
def test_of_each_packaged_rule_about_calls(told, name):
    rule = RULES[name]
    found, also = listed(told, rule)
    assert found == counts(told, rule)
    assert found
    assert also == []


@pytest.mark.parametrize(
    "where",
    [
        Where(label=a.DEPLOYMENT_ENVIRONMENT, values=("test",)),
        Where(label=a.DEPLOYMENT_ENVIRONMENT, values=("prod",), is_not=True),
        Where(label=a.DEPLOYMENT_ENVIRONMENT, values=("",), is_not=True),
        Where(label=a.REQUEST_MODEL, values=("m1",)),
        Where(label=a.REQUEST_MODEL, values=("m2",), is_not=True),
        Where(label=a.REQUEST_MODEL, values=("m2", "m3")),
        Where(label=a.USER_ID, values=("dora",)),
        Where(label=a.USER_ID, values=("dora",), is_not=True),
        Where(label=TENANT, values=("acme", "")),
        Where(label=a.TOOL_NAME, values=("",)),
        Where(label=a.ERROR_TYPE, values=("timeout", "429")),
        Where(label=a.CALL_STATE, values=("cancelled",), is_not=True),
        Where(label=a.KIND, values=("no noun", "")),
        Where(label=a.SERVICE_VERSION, values=("",)),
    ],
    ids=lambda one: f"{one.label.name} {'not ' if one.is_not else ''}{one.values}",
)
@pytest.mark.parametrize("name", ["MlobsErrorRatioHigh", "MlobsCostBurn"])
def test_of_a_rule_about_some_calls_only(told, name, where):
    rule = RULES[name]
    rule = rule.model_copy(update={"indicator": rule.indicator.model_copy(update={"where": (where,)})})
    assert listed(told, rule)[0] == counts(told, rule)


def test_what_no_question_can_tell_apart_is_said_beside_the_list(told):
    """Which are those with a rule of whose own words there is no key."""
    found = {}
    for name, rule in RULES.items():
        counts = counted(rule, {one.label: "x" for one in rule.indicator.by})
        if counts is not None:
            assert counts["conditions"] == [] or parse(leads.counted(counts["conditions"])) is not None
            found[name] = counts["also"]
    assert {name: also[0] for name, also in found.items() if also} == {
        "MlobsAgentLoop": "runs that called fewer tools",
        "MlobsEmptyOutputs": "answers that ended in other ways",
        "MlobsTruncatedOutputs": "answers that ended in other ways",
        "MlobsRefusals": "answers that ended in other ways",
        "MlobsEvaluationScoreDrop": "traces that nobody has scored",
        "MlobsDataQuality": "predictions without the finding",
        "MlobsTelemetryAbsent": "traces without any of these calls",
    }
    assert set(RULES) - set(found) == {"MlobsTelemetryDropped"}
    assert listed(told, RULES["MlobsFeatureDrift"])[0], "predictions of that version"
