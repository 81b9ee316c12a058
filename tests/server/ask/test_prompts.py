"""Which version of a prompt: asked for, grouped by, and joined with what was said of its answers."""

import os
import re
from pathlib import Path

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span

README = Path(__file__).parents[3] / "README.md"
SCORES = re.compile(r"```sql\n(SELECT prompt, .*?)\n```", re.DOTALL)


@pytest.fixture(scope="module")
def service(served) -> str:
    """Two answers of version 1, which are bad, and one of version 2; and a row as it was once stored."""
    name = f"prompts-{os.urandom(4).hex()}"
    traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for version, score in (("1", 0.2), ("1", 0.4), ("2", 0.9)):
        prompt = {"gen_ai__prompt__name": name, "gen_ai__prompt__version": version}
        made = span(traces, "chat", gen_ai__operation__name="chat", **prompt)
        record = records.add(event_name="gen_ai.evaluation.result", time_unix_nano=made.start_time_unix_nano)
        record.trace_id, record.span_id = made.trace_id, made.span_id
        record.attributes.add(key="gen_ai.evaluation.name").value.string_value = "useful"
        record.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = score
    traces.resource_spans[0].resource.attributes[0].value.string_value = name
    assert post(served.url, traces.SerializeToString()).status_code == 200
    assert post(served.url, logs.SerializeToString(), "logs").status_code == 200
    served.drain()
    with served.store.writing() as connection:
        connection.run(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ServiceName, SpanAttributes, Content) "
            "VALUES (now64(9), 'old', 'old', {name:String}, map(), map('gen_ai.prompt.version', '1'))",
            {"name": name},
        )
    return name


def test_name_and_version_of_a_prompt_are_attributes_and_no_content(served, service):
    rows = served.store.query(
        "SELECT SpanAttributes['gen_ai.prompt.version'] AS version, length(Content) AS contents "
        "FROM otel_traces WHERE ServiceName = {name:String} AND TraceId != 'old' ORDER BY version",
        {"name": service},
    )
    assert [(row["version"], row["contents"]) for row in rows] == [("1", 0), ("1", 0), ("2", 0)]


def test_spans_that_an_earlier_release_stored_are_found_by_version_too(served, service):
    asked = {"q": f"service:{service} attr.gen_ai.prompt.version:1", "since": "1h"}
    found = requests.get(f"{served.url}/api/traces", params=asked, timeout=60).json()["traces"]
    assert len(found) == 3
    asked = {"q": f"service:{service}", "by": "attr.gen_ai.prompt.version", "since": "1h"}
    rows = requests.get(f"{served.url}/api/aggregate", params=asked, timeout=60).json()["rows"]
    counted = {row["group"]["attr.gen_ai.prompt.version"]: row["spans"] for row in rows}
    assert counted == {"1": 3, "2": 1}


def test_the_question_of_the_readme_tells_which_prompt_is_worse(served, service):
    [question] = SCORES.findall(README.read_text())
    answer = requests.post(f"{served.url}/api/sql", json={"query": question, "format": "json"}, timeout=60)
    assert answer.status_code == 200, answer.text
    rows = {row["prompt"]: row for row in answer.json()["data"] if row["prompt"].startswith(service)}
    assert {prompt: (row["scores"], row["mean"]) for prompt, row in rows.items()} == {
        f"{service} 1": (2, pytest.approx(0.3)),
        f"{service} 2": (1, 0.9),
    }
