"""What somebody asks to be deleted goes, and nothing else."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span


def send(served, *, user: str = "", session: str = "", spans: int = 2) -> str:
    """Send a trace, only one span of which says whose it is, with a score; return its id."""
    request = ExportTraceServiceRequest()
    facts = {"user__id": user, "session__id": session}
    made = span(request, "first", **{key: value for key, value in facts.items() if value})
    for _ in range(spans - 1):
        span(request, "more").trace_id = made.trace_id
    assert post(served.url, request.SerializeToString()).status_code == 200
    logs = ExportLogsServiceRequest()
    record = (
        logs.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            time_unix_nano=time.time_ns(), event_name="gen_ai.evaluation.result", trace_id=made.trace_id
        )
    )
    record.attributes.add(key="gen_ai.evaluation.name").value.string_value = "helpful"
    assert post(served.url, logs.SerializeToString(), signal="logs").status_code == 200
    return made.trace_id.hex()


def left(served, trace_id: str) -> list[int]:
    """Return how many spans, records and scores there are of a trace."""
    served.drain()
    return [
        served.store.query(
            f"SELECT count() AS n FROM {table} WHERE TraceId = {{id:String}}", {"id": trace_id}
        )[0]["n"]
        for table in ("otel_traces", "otel_logs", "scores")
    ]


def ask(served, **asked: str) -> requests.Response:
    return requests.post(f"{served.url}/api/delete", json=asked, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["trace", "session", "user"])
def test_whole_traces_go_with_their_records_and_scores(served, what):
    """Without waiting for what was acknowledged a moment ago to be stored."""
    name = os.urandom(8).hex()
    wanted = [send(served, **({what: name} if what != "trace" else {})) for _ in range(2)]
    other = send(served, user="another", session="another")
    value = wanted[0] if what == "trace" else name
    answer = ask(served, **{what: value})
    went = wanted[:1] if what == "trace" else wanted
    assert answer.json() == {
        "deleted": {
            "traces": len(went),
            "scores": len(went),
            "otel_logs": len(went),
            "otel_traces": 2 * len(went),
        },
        "segments_set_aside": 0,
    }
    assert [left(served, one) for one in went] == [[0, 0, 0]] * len(went)
    assert left(served, other) == [2, 1, 1]


def test_deleting_what_is_not_there_says_so(served):
    assert set(ask(served, user="nobody").json()["deleted"].values()) == {0}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"user": 3}',
        '{"user": "a", "session": "b"}',
        '{"all": "x"}',
        '{"trace": "12"}',
        "x" * 20_000,
    ],
)
def test_a_wrong_request_is_a_sentence_and_deletes_nothing(served, body):
    kept = send(served, user="kept")
    answer = requests.post(f"{served.url}/api/delete", data=body, timeout=60)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"] or "can be deleted" in answer.json()["error"]
    assert left(served, kept) == [2, 1, 1]


def test_an_id_is_text_and_never_sql(served):
    kept = send(served, user="kept")
    assert set(ask(served, user="' OR 1=1 --").json()["deleted"].values()) == {0}
    assert left(served, kept) == [2, 1, 1]


@pytest.mark.slow
def test_deletions_at_once_do_not_touch_each_other(served):
    """Each has a list of its own."""
    names = [os.urandom(8).hex() for _ in range(4)]
    traces = {name: send(served, user=name) for name in names}
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda name: ask(served, user=name), names))
    assert [answer.json()["deleted"]["otel_traces"] for answer in answers] == [2] * 4
    assert [left(served, trace) for trace in traces.values()] == [[0, 0, 0]] * 4


@pytest.mark.slow
def test_the_id_of_who_asked_stays_nowhere(served):
    """Not even in what the engine was told to delete."""
    name = f"ana-{os.urandom(8).hex()}@example.com"
    send(served, user=name)
    assert ask(served, user=name).json()["deleted"]["traces"] == 1
    files = [path for path in served.store.folder.rglob("mutation_*.txt") if path.is_file()]
    assert all(name not in path.read_text(errors="replace") for path in files)
