"""What somebody asks to be deleted goes, and nothing else."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from textwrap import dedent
from threading import Thread

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import StoreError
from mlobs.server.client import Client
from mlobs.server.upkeep.deletion import delete
from mlobs.server.upkeep.removing import remove
from tests.server.otlp import post, span


def send(served, *, user: str = "", session: str = "", spans: int = 2, trace: str = "") -> str:
    """Send a trace, only one span of which says whose it is, with a score; return its id."""
    request = ExportTraceServiceRequest()
    facts = {"user__id": user, "session__id": session}
    given = {key: value for key, value in facts.items() if value}
    made = span(request, "first", trace=bytes.fromhex(trace), **given)
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
    return requests.post(f"{served.url}/api/delete", json=asked, timeout=180)


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


@pytest.fixture(scope="module")
def kept(served):
    return send(served, user="kept")


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
        '{"user": "\\ud800"}',
        "[" * 9_000,
        "x" * 20_000,
    ],
)
def test_a_wrong_request_is_a_sentence_and_deletes_nothing(served, kept, body):
    answer = requests.post(f"{served.url}/api/delete", data=body, timeout=180)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"] or "can be deleted" in answer.json()["error"]
    assert left(served, kept) == [2, 1, 1]


def test_an_id_is_text_and_never_sql(served, kept):
    assert set(ask(served, user="' OR 1=1 --").json()["deleted"].values()) == {0}
    assert left(served, kept) == [2, 1, 1]


@pytest.mark.slow
@pytest.mark.timeout(900)
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


def sums_of(served, user: str) -> dict[str, int]:
    """Return how many rows of sums name a user."""
    served.drain()
    counted = "SELECT count() AS n FROM {} WHERE UserId = {{user:String}}"
    return {
        table: served.store.query(counted.format(table), {"user": user})[0]["n"]
        for table in ("turns", "call_sums")
    }


MANY_DAYS = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.store import Store
    from mlobs.server.upkeep.deletion import delete

    folder = Path(sys.argv[0]).parent / "store"
    folder.mkdir()
    store = Store(folder, memory_bytes_max=1 << 30, query_seconds_max=10)
    with store.writing() as connection:
        connection.run("SET max_partitions_per_insert_block = 0")
        connection.run(
            "INSERT INTO otel_traces "
            "(Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration) SELECT "
            "now() - toIntervalDay(number % 101), if(number < 202, toString(number), ''), toString(number), "
            "'chat', 'app', map('gen_ai.operation.name', 'chat', 'gen_ai.usage.input_tokens', '5', "
            "'user.id', if(number % 202 < 101, 'gone', 'stays')), 1000 FROM numbers(404)"
        )
    with store.writing() as connection:
        report = delete(connection, "user", "gone")
    sums = [
        store.query(f"SELECT sum({column}) AS n FROM {table} WHERE {whose}")[0]["n"]
        for table, column in (("turns", "Spans"), ("call_sums", "Calls"))
        for whose in ("UserId = 'gone'", "UserId = 'stays'")
    ]
    minutes = store.query("SELECT sum(Spans) AS n FROM minutes")[0]["n"]
    store.close()
    print(json.dumps([report["otel_traces"], sums, minutes]))
    """
)


@pytest.mark.slow
def test_a_user_of_more_days_than_one_insert_may_touch_goes_and_others_keep_their_sums(run_program):
    """Also the calls of others that are of no trace."""
    ended = run_program(MANY_DAYS, timeout_s=300)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [202, [0, 101, 0, 202], 202]


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_spans_that_come_while_others_are_deleted_leave_nothing_behind(served, monkeypatch, known):
    """Whether they are of a trace that is being deleted, or of one that nobody has heard of."""
    user = os.urandom(8).hex()
    traces = [send(served, user=user)]
    served.drain()
    with served.store.writing() as connection:
        run = connection.run

        def meanwhile(statement, params=None):
            if statement.startswith("ALTER TABLE otel_traces DELETE") and len(traces) == 1:
                traces.append(send(served, user=user, trace=traces[0] if known else ""))
                served.drain()
            return run(statement, params)

        monkeypatch.setattr(connection, "run", meanwhile)
        report = delete(connection, "user", user)
    assert len(traces) == 2
    assert report["scores"] == report["otel_logs"] == 2
    assert [left(served, trace) for trace in traces] == [[0, 0, 0]] * 2
    assert sums_of(served, user) == {"turns": 0, "call_sums": 0}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["user", "session"])
def test_scores_that_name_no_trace_go_with_their_session_or_user(served, what):
    """A person's thumb comes after the call, and is stored with whose it is."""
    name = os.urandom(8).hex()
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for whose in (name, f"{name}-another"):
        record = records.add(time_unix_nano=time.time_ns(), event_name="gen_ai.evaluation.result")
        record.attributes.add(key=f"{what}.id").value.string_value = whose
        record.attributes.add(key="gen_ai.evaluation.name").value.string_value = name
    assert post(served.url, logs.SerializeToString(), signal="logs").status_code == 200
    gone = ask(served, **{what: name}).json()["deleted"]
    assert (gone["traces"], gone["scores"], gone["otel_logs"]) == (0, 1, 1)
    kept = served.store.query(
        f"SELECT Attributes['{what}.id'] AS whose FROM scores WHERE Name = {{name:String}}", {"name": name}
    )
    assert [row["whose"] for row in kept] == [f"{name}-another"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["user", "session"])
def test_sums_that_have_lost_their_spans_go_as_well(served, what):
    name, trace = os.urandom(8).hex(), send(served)
    turns = {"user": "UserId", "session": "Session"}[what]
    calls = {"user": "UserId", "session": "ConversationId"}[what]
    held = (
        f"SELECT (SELECT count() FROM turns WHERE {turns} = {{n:String}}) + "
        f"(SELECT count() FROM call_sums WHERE {calls} = {{n:String}}) AS rows"
    )
    with served.store.writing() as connection:
        given = {"n": name, "trace": trace}
        row = "now(), {n:String}, {trace:String}, 1"
        connection.run(f"INSERT INTO turns (Minute, {turns}, TraceId, Spans) SELECT {row}", given)
        connection.run(f"INSERT INTO call_sums (Ten, {calls}, Calls) SELECT now(), {{n:String}}, 1", given)
    assert served.store.query(held, {"n": name}) == [{"rows": 2}]
    assert ask(served, **{what: name}).status_code == 200
    assert served.store.query(held, {"n": name}) == [{"rows": 0}]


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [False, True])
def test_what_cannot_be_removed_is_an_error_and_is_not_tried_for_ever(served, monkeypatch, stopped):
    """Whether the engine fails, or somebody stops it."""
    table = f"removing_{os.urandom(4).hex()}"
    condition = "1" if stopped else "throwIf(Name = 'x', 'broken')"
    unfinished = f"SELECT count() AS n FROM system.mutations WHERE table = '{table}' AND NOT is_done"
    with served.store.writing() as connection:
        connection.run(f"CREATE TABLE {table} (Name String) ENGINE = MergeTree ORDER BY Name")
        try:
            connection.run(f"INSERT INTO {table} SELECT 'x'")
            if stopped:
                connection.run(f"SYSTEM STOP MERGES {table}")
                run = connection.run

                def stopping(statement, params=None):
                    answer = run(statement, params)
                    if statement.startswith("ALTER"):
                        run(f"KILL MUTATION WHERE table = '{table}'")
                    return answer

                monkeypatch.setattr(connection, "run", stopping)
            with pytest.raises(StoreError, match="stopped" if stopped else "broken"):
                remove(connection, {table: f"({condition}) AND '{table}' != ''"}, table)
            assert connection.run(unfinished) == [{"n": 0}]
            assert connection.run(f"SELECT count() AS n FROM {table}") == [{"n": 1}]
        finally:
            connection.run(f"DROP TABLE {table} SYNC")


@pytest.mark.slow
def test_a_client_waits_for_a_deletion_longer_than_for_an_answer():
    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            time.sleep(1)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"deleted": {}, "segments_set_aside": 0}')

    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.handle_request, daemon=True).start()
        with Client(f"http://127.0.0.1:{server.server_port}", timeout_s=0.5) as client:
            assert client.delete(user="ana")["segments_set_aside"] == 0
