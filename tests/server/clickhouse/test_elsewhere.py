"""The tables in a ClickHouse elsewhere: the same answers, and every span once, whoever is killed."""

import collections
import contextlib
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import clickhouse_connect
import pytest
import requests
from clickhouse_connect.driver.exceptions import DatabaseError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import StoreError
from mlobs.semconv import attributes as a
from mlobs.server.clickhouse import store as remote_store
from mlobs.server.clickhouse.address import address
from mlobs.server.clickhouse.store import RemoteStore
from mlobs.server.filling import filled
from mlobs.server.migrations import ADDED_UP
from mlobs.server.store import SETTINGS
from tests.server.clickhouse.elsewhere import Elsewhere, elsewhere, ours
from tests.server.otlp import post, span, wait_until
from tests.server.senders import Sent, counters, sending, tool_calls

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TIMES = "SELECT SpanId, count() FROM {d}.otel_traces GROUP BY SpanId"


@pytest.fixture(params=["ours", "real"])
def there(request, tmp_path) -> Iterator[Elsewhere]:
    with elsewhere(request.param, tmp_path) as found:
        yield found


def test_what_is_sent_is_there_and_is_answered(there):
    """Spans, logs and metrics; attributes of every kind; the API, SQL and /metrics."""
    with there.server("one") as (url, _):
        traces = ExportTraceServiceRequest()
        for number in range(5):
            made = span(
                traces,
                "tool x",
                **{a.OPERATION_NAME.name: "execute_tool", "n": number, "r": 1e300, "odd": "\t'\\"},
            )
            pair = made.attributes.add(key="nested")
            pair.value.array_value.values.add().string_value = "a\n\nb;"
            pair.value.array_value.values.add().int_value = 2
        assert post(url, traces.SerializeToString()).status_code == 200
        logs = ExportLogsServiceRequest()
        record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
        record.body.kvlist_value.values.add(key="k").value.string_value = "ü\0"
        assert post(url, logs.SerializeToString(), "logs").status_code == 200
        points = ExportMetricsServiceRequest()
        metric = points.resource_metrics.add().scope_metrics.add().metrics.add(name="g")
        metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_double=1.5)
        assert post(url, points.SerializeToString(), "metrics").status_code == 200

        assert wait_until(lambda: tool_calls(counters(url)) == 5)
        assert wait_until(lambda: len(requests.get(f"{url}/api/traces", timeout=30).json()["traces"]) == 5)
        answer = requests.post(
            f"{url}/api/sql",
            json={"query": "SELECT SpanAttributes FROM otel_traces LIMIT 1", "format": "jsonl"},
            timeout=30,
        )
        assert answer.json()["SpanAttributes"] | {"n": "0"} == {
            a.OPERATION_NAME.name: "execute_tool",
            "n": "0",
            "r": "1e+300",
            "odd": "\t'\\",
            "nested": '["a\\n\\nb;",2]',
        }
        assert wait_until(lambda: there.ask("SELECT Value FROM {d}.otel_metrics_gauge") == [(1.5,)])
        assert wait_until(lambda: there.ask("SELECT Body FROM {d}.otel_logs") == [('{"k":"ü\\u0000"}',)])
        assert requests.get(f"{url}/readyz", timeout=60).json() == {"ready": True, "failures": {}}
        refused = requests.post(f"{url}/api/sql", json={"query": "DROP TABLE otel_traces"}, timeout=30)
        assert refused.status_code == 400


def test_a_server_that_is_killed_stores_every_acknowledged_span_once(there):
    """The promise of the acknowledgement, over the wire: the segment is sent again, with the same token."""
    sent = Sent()
    with contextlib.ExitStack() as stack:
        for number in range(4):
            with there.server("one") as (url, server):
                sent.url = url
                if number == 0:
                    stack.enter_context(sending(sent))
                enough = len(sent.acknowledged) + 25
                time.sleep(1.5 + 0.4 * number)
                assert wait_until(lambda enough=enough: len(sent.acknowledged) > enough)
                server.send_signal(signal.SIGKILL)
                server.wait()
    check(there, sent, servers=1)


def test_a_clickhouse_that_is_killed_loses_nothing(there):
    """What is acknowledged waits in the journal until somebody answers again."""
    if there.started is None:
        pytest.skip("a ClickHouse that is not ours is not killed")
    sent = Sent()

    def status() -> int:
        return requests.get(f"{sent.url}/readyz", timeout=120).status_code

    with there.server("one") as (url, _), contextlib.ExitStack() as senders:
        sent.url = url
        senders.enter_context(sending(sent))
        time.sleep(2)
        assert wait_until(lambda: len(sent.acknowledged) > 0)
        there.started.kill()
        there.started.wait()
        assert wait_until(lambda: status() == 503)
        with ours(there.folder, there.port):
            time.sleep(3)
            senders.close()  # Nothing is on its way any more.
            check(there, sent, url=url)
            assert wait_until(lambda: status() == 200)


def test_two_servers_in_front_of_one_clickhouse_add_up(there):
    """Each has its own journal; totals of spans are the same from both, and exact."""
    ones, others = Sent(), Sent()
    with there.server("one") as (one, killed), there.server("two") as (two, _):
        ones.url, others.url = one, two
        with sending(ones), sending(others):
            time.sleep(2.5)
            assert wait_until(lambda: ones.acknowledged and others.acknowledged)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            time.sleep(1)
    both = Sent(acknowledged=ones.acknowledged | others.acknowledged, unknown=ones.unknown | others.unknown)
    check(there, both, servers=2)


def test_sessions_keep_tables_and_forget_settings(there):
    """What loading needs of a ClickHouse, said to it alone."""
    where = address(there.store)
    given = {"host": where.host, "port": where.port, "username": where.user, "password": where.password}
    client = clickhouse_connect.get_client(**given, secure=where.secure, session_id="mine", compress=False)
    client.command("CREATE TEMPORARY TABLE t (a Int32, b String) ENGINE = Memory")
    client.insert("t", [[1, "x\n\n;"], [2, "ü\0"]], column_names=["a", "b"])
    client.raw_insert("t", ["a"], "3\n", fmt="TSV")
    rows = client.query("SELECT a, b FROM t ORDER BY a", settings={"max_threads": 1}).result_rows
    assert rows == [(1, "x\n\n;"), (2, "ü\0"), (3, "")]
    changed = "SELECT changed FROM system.settings WHERE name = 'max_threads'"
    assert client.query(changed).result_rows == [(0,)]
    client.close()
    other = clickhouse_connect.get_client(**given, secure=where.secure, autogenerate_session_id=False)
    with pytest.raises(DatabaseError) as missing:
        other.query("SELECT * FROM t")
    assert missing.value.code == 60
    other.close()


def test_a_reader_asks_the_database_of_the_store_and_no_other(there):
    """On a server that others use too: not its `default`, nor a `mlobs` that is somebody else's."""
    own, theirs = address(there.store).database, f"theirs_{address(there.store).database}"
    there.ask(f"CREATE DATABASE {theirs}")
    there.ask(f"CREATE TABLE {theirs}.secret (a UInt8) ENGINE = MergeTree ORDER BY a")
    try:
        with there.server("one") as (url, _):

            def asked(statement: str, **params: str) -> requests.Response:
                return requests.get(f"{url}/clickhouse/", {"query": statement, **params}, timeout=30)

            for database in ("", "default", own):
                assert asked("SELECT currentDatabase()", database=database).text == f"{own}\n"
            assert asked(f"SELECT count() FROM {own}.otel_traces").text == "0\n"
            for statement in (
                f"SELECT * FROM {theirs}.secret",
                f"SELECT 1 IN {theirs}.secret",
                "SELECT * FROM mlobs.otel_traces",
            ):
                assert asked(statement).status_code == 403, statement
            # The filters that Grafana puts behind a statement go along, and may read as little.
            kept, other = (
                "SELECT count() > 0 FROM schema_version\n"
                f"settings additional_table_filters={{'schema_version' : ' {condition} '}}"
                for condition in ("Version = \\'0\\'", f"1 IN {theirs}.secret")
            )
            assert asked(kept).text == "0\n"
            assert asked(kept.partition("\n")[0]).text == "1\n"
            assert asked(other).status_code == 403
            for database in ("mlobs", theirs, "system"):
                refused = asked("SELECT 1", database=database)
                assert (refused.status_code, own in refused.text) == (403, True)
    finally:
        there.ask(f"DROP DATABASE {theirs}")


def test_a_get_changes_nothing(there):
    """A link, or a picture in a page, is a GET."""
    if there.started is None:
        pytest.skip("only ours is asked by address")
    url = f"http://127.0.0.1:{there.port}/"
    refused = requests.get(url, params={"query": "CREATE DATABASE linked"}, timeout=30)
    assert refused.status_code == 403
    assert (
        requests.post(url, data="SELECT count() FROM system.databases WHERE name = 'linked'", timeout=30).text
        == "0\n"
    )


def test_servers_that_start_at_once_make_the_tables_once(there):
    """An orchestrator starts them together; each finds tables that are whole."""
    names = ("one", "two", "three")

    def version(name: str) -> str:
        with there.server(name) as (url, _):
            return requests.get(f"{url}/readyz", timeout=30).text

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(version, names)) == {'{"ready":true,"failures":{}}'}
    steps = there.ask("SELECT Version, count() FROM {d}.schema_version GROUP BY Version")
    assert {times for _, times in steps} == {1}
    assert there.ask("SELECT count() FROM {d}.canonical_columns") == [(1,)]
    assert there.ask("SELECT count() FROM system.tables WHERE database = '{d}' AND name = 'migrating'") == [
        (0,)
    ]


LIMITS = {"memory_bytes_max": 1 << 30, "query_seconds_max": 10}


def test_who_makes_the_tables_is_waited_for_while_it_gets_on(there, monkeypatch, tmp_path):
    """However long it takes; who does not get on is named, and nothing is advised that destroys its work."""
    monkeypatch.setattr(remote_store, "LOCK_SECONDS", 10.0)
    there.ask("CREATE DATABASE {d}")
    there.ask("CREATE TABLE {d}.migrating (Nothing UInt8) ENGINE = MergeTree ORDER BY Nothing COMMENT 'x'")
    there.ask("CREATE TABLE {d}.turns_2 (Minute UInt32) ENGINE = MergeTree ORDER BY Minute")

    def fill() -> None:
        until = time.monotonic() + 22
        while time.monotonic() < until:
            there.ask("INSERT INTO {d}.turns_2 VALUES (1)")
            time.sleep(1)
        there.ask("DROP TABLE {d}.turns_2")

    with ThreadPoolExecutor() as pool:
        filling = pool.submit(fill)
        with pytest.raises(StoreError, match=r"Start that server again: it goes on where it ended\."):
            RemoteStore(address(there.store), tmp_path, **LIMITS)
        assert filling.done(), "it was not waited for"
        filling.result()


def test_long_parameters_and_the_settings_that_every_statement_needs_arrive(there, tmp_path):
    """A ClickHouse refuses fields of more than 128 KiB; answers must not leave rows out."""
    store = RemoteStore(address(there.store), tmp_path, **LIMITS)
    try:
        ids = f"[{','.join(map(str, range(10**18, 10**18 + 20_000)))}]"
        asked = "SELECT length({ids:Array(UInt64)}) AS held, {odd:String} AS odd, {end:UInt8} AS end"
        odd = "'\\\n\0ü{end:UInt8}" * 5_000
        assert store.query(asked, {"ids": ids, "odd": odd, "end": 7}) == [
            {"held": 20_000, "odd": odd, "end": 7}
        ]
        changed = store.query("SELECT name, value FROM system.settings WHERE name LIKE '%top_k%' AND changed")
        assert changed == [
            {"name": name, "value": "0"} for name in sorted(SETTINGS) if name != "session_timezone"
        ]
    finally:
        store.close()


def test_filling_elsewhere_goes_on_and_stops_what_a_killed_server_asked_for(there, tmp_path):
    """Its INSERT goes on without it, and would come on top."""
    store = RemoteStore(address(there.store), tmp_path, **LIMITS)
    [sums] = [one for one in ADDED_UP if one.table == "turns"]
    try:
        with store.writing() as connection, ThreadPoolExecutor() as pool:
            connection.run("DROP TABLE turns_view")
            connection.run(
                "INSERT INTO otel_traces (Timestamp, TraceId, SpanId) "
                "SELECT now() - toIntervalDay(number), toString(number), '1' FROM numbers(20)"
            )
            connection.run("CREATE TABLE turns_2 AS turns")
            slow = f"INSERT INTO turns_2 ({', '.join(sums.columns)}) {sums.selected('NOT sleepEachRow(3)')}"
            left = pool.submit(store.connection().run, slow)
            assert wait_until(lambda: _running(there, "INSERT INTO turns_2 "))
            assert filled(connection, sums)
            with pytest.raises(StoreError):
                left.result()
            assert connection.run("SELECT sum(Spans) AS held FROM turns_2") == [{"held": 20}]
    finally:
        store.close()


def _running(there: Elsewhere, beginning: str) -> bool:
    return there.ask(f"SELECT count() FROM system.processes WHERE startsWith(query, '{beginning}')") != [(0,)]


def test_a_copy_of_tables_elsewhere_is_refused_and_deletion_works(there):
    with there.server("one") as (url, _):
        request = ExportTraceServiceRequest()
        trace = span(request, "tool", **{a.OPERATION_NAME.name: "execute_tool"}).trace_id.hex()
        assert post(url, request.SerializeToString()).status_code == 200
        assert wait_until(lambda: len(there.ask(TIMES)) == 1)
        refused = requests.post(f"{url}/api/backup", timeout=60)
        assert "Use ClickHouse's own BACKUP and RESTORE." in refused.text
        gone = requests.post(f"{url}/api/delete", json={"trace": trace}, timeout=180)
        assert gone.status_code == 200, gone.text
        assert there.ask(TIMES) == []


def check(there: Elsewhere, sent: Sent, *, servers: int = 0, url: str = "") -> None:
    """Assert that what was acknowledged is there, once, and counted once, when the servers have caught up."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(there.server(name))[0] for name in ("one", "two")[:servers]]
        urls = [url] if url else started

        def is_there() -> bool:
            return sent.acknowledged <= {row[0] for row in there.ask(TIMES)}

        assert wait_until(is_there), "acknowledged and lost"
        found = dict(there.ask(TIMES))
        assert found.keys() - sent.acknowledged - sent.unknown == set(), "stored and never sent"
        assert collections.Counter(found.values()).keys() == {1}, "stored more than once"
        for each in urls:
            assert wait_until(lambda each=each: tool_calls(counters(each)) == len(dict(there.ask(TIMES))))
        print(f"{len(sent.acknowledged)} spans acknowledged, {len(found)} stored")
