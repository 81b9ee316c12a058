"""Grafana's ad hoc filters: a condition for a table beside the statement, as its data source sends it."""

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span

ODD = "o'brien\\"
COUNT = "SELECT count() FROM otel_traces WHERE SpanName = 'filtered'"


@pytest.fixture(scope="module")
def url(served):
    request = ExportTraceServiceRequest()
    for number in range(6):
        span(request, "filtered", number=number % 3, who=ODD if number == 5 else "ann")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return f"{served.url}/clickhouse/"


def condition(key, operator, *values):
    """Return a condition as the plugin writes it into the setting, where it stands in quotes."""
    texts = [value.replace("\\", "\\\\\\\\").replace("'", "\\\\\\'") for value in values]
    quoted = ", ".join(f"\\'{text}\\'" for text in texts)
    return f" {key} {operator} {f'({quoted})' if operator.endswith('IN') else quoted} "


def sent(table, *conditions):
    return f"{{'{table}' : '{'AND'.join(conditions)}'}}"


def ask(url, statement, **params):
    return requests.get(url, params={"query": statement, **params}, timeout=30)


FIRST = condition("SpanAttributes[\\'number\\']", "=", "0")
SENT = [
    (sent("otel_traces", FIRST), 2),
    (sent("mlobs.otel_traces", FIRST), 2),
    (sent("otel_traces", condition("SpanAttributes[\\'who\\']", "=", ODD)), 1),
    (sent("otel_traces", condition("SpanAttributes[\\'who\\']", "!=", ODD)), 5),
    (sent("otel_traces", condition("SpanAttributes[\\'who\\']", "IN", ODD, "ann")), 6),
    (sent("otel_traces", condition("SpanAttributes[\\'number\\']", "NOT IN", "0", "1")), 2),
    (sent("otel_traces", condition("SpanAttributes[\\'who\\']", "REGEXP", "^an+$")), 5),
    (sent("otel_traces", FIRST, condition("SpanAttributes[\\'who\\']", "LIKE", "a%")), 2),
    (sent("otel_traces", condition("Duration", "<", "0")), 0),
    (sent("otel_logs", condition("SeverityText", "=", "never")), 6),
    ("{'otel_traces' : 'TraceId IN (SELECT TraceId FROM otel_logs)', 'otel_logs' : '0'}", 0),
    ("{}", 6),
    ("{ }", 6),
]


@pytest.mark.parametrize(("setting", "expected"), SENT)
def test_a_filter_behind_a_statement_is_kept_to(url, setting, expected):
    for statement in (
        f"{COUNT}\nsettings additional_table_filters={setting}",
        f"{COUNT} settings additional_table_filters={setting}",
        f"SELECT * FROM ({COUNT}) settings additional_table_filters={setting}, max_threads=1 FORMAT TSV",
    ):
        assert ask(url, statement).text == f"{expected}\n"


@pytest.mark.parametrize(("setting", "expected"), SENT)
def test_a_filter_in_the_address_is_kept_to(url, setting, expected):
    assert ask(url, COUNT, additional_table_filters=setting).text == f"{expected}\n"


def test_what_the_plugin_asks_for_its_list_of_filters_is_answered(url):
    assert ask(url, "SELECT version()").text > "22.7"
    asked = (
        "SELECT name, type, table FROM system.columns WHERE database IN ('mlobs') AND table = 'otel_traces'"
    )
    assert "ServiceName\t" in ask(url, asked).text
    assert "filtered\n" in ask(url, "SELECT DISTINCT SpanName FROM mlobs.otel_traces LIMIT 1000").text


@pytest.mark.parametrize(
    "setting",
    [
        "{'otel_traces' : 'TraceId IN (SELECT line FROM file(\\'/etc/passwd\\', \\'LineAsString\\'))'}",
        "{'otel_traces' : '1) UNION ALL SELECT * FROM file(\\'/etc/passwd\\', \\'LineAsString\\') -- '}",
        "{'otel_traces' : '1 IN system.users'}",
        "{'otel_traces' : 'sleep(3)'}",
        "{'otel_traces' : '1; DROP TABLE otel_traces'}",
        "{'otel_traces' : '1 INTO OUTFILE \\'x\\''}",
        "{'otel_traces' : '1 SETTINGS readonly = 0'}",
        "{'otel_traces' : '{x:String} = 1'}",
        "{'otel_traces' : '1 /* '}",
        "{'otel_traces' : ''}",
        "{'otel_traces' : '\\0'}",
        "{'otel_traces' : '\\xff'}",
        "{'otel_traces' : 'nothing.like = 1 AND'}",
        "{'system.processes' : '1'}",
        "{'other.otel_traces' : '1'}",
        "{'otel_traces' : '1',}",
        "{'otel_traces' : '1' 'otel_logs' : '1'}",
        "{'otel_traces' : '1', 'otel_logs'}",
        "{'otel_traces' : 1}",
        "{otel_traces : '1'}",
        "{'otel_traces' : (SELECT '1')}",
        "{'otel_traces' : '1', 'otel_traces' : '0'}",
        "{'otel_traces' : '1', 'mlobs.otel_traces' : '0'}",
        "{'otel_traces' : '1'} FORMAT CSV",
        "{'a' : '1'}}",
        "'1'",
        "x",
        "{",
    ],
)
def test_a_filter_that_does_more_is_refused_with_a_sentence(url, setting):
    for answer in (
        ask(url, COUNT, additional_table_filters=setting),
        ask(url, f"{COUNT} settings additional_table_filters = {setting} , max_threads = 1"),
    ):
        assert answer.status_code in {400, 403, 404, 500}, answer.text
        assert answer.text.startswith("Code: ")
        assert "root:" not in answer.text
    assert ask(url, COUNT).text == "6\n"


@pytest.mark.parametrize(
    "setting",
    [
        sent("otel_traces", condition("Duration", "IN", *map(str, range(30_000)))),
        "{" + ", ".join(f"'t{number}' : '1'" for number in range(20)) + "}",
    ],
    ids=["long", "many"],
)
def test_a_filter_that_is_too_large_is_refused(url, setting):
    asked = f"{COUNT} SETTINGS additional_table_filters = {setting}"
    answer = requests.post(url, data=asked, timeout=30)
    assert answer.status_code in {400, 413}
    assert "characters" in answer.text or "8 are taken" in answer.text


def test_no_filter_is_no_filter(url):
    """ClickHouse's own value for none, and a field of a form that was left empty."""
    for setting in ("", " ", "{}", " { } "):
        assert ask(url, COUNT, additional_table_filters=setting).text == "6\n"


def test_a_filter_that_is_no_text_is_refused_with_a_sentence(url):
    """A form can send any bytes."""
    form = {"query": (None, COUNT), "additional_table_filters": (None, b"{'otel_traces' : '\xff'}")}
    answer = requests.post(url, files=form, timeout=30)
    assert answer.status_code == 400
    assert "additional_table_filters' came with bytes that are no text. Send it as UTF-8." in answer.text


def test_a_filter_within_a_statement_is_refused(url):
    within = f"SELECT * FROM ({COUNT} SETTINGS additional_table_filters = {{'otel_traces' : '1'}})"
    assert "SETTINGS came" in ask(url, within).text
