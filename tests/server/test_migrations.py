"""A store of an older release is brought to this one's tables with everything it holds."""

import json
from textwrap import dedent

import pytest

from mlobs.server.migrations import newest_version, statements

OLD = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.store import Store

    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("store")
    folder.mkdir()
    limits = {"memory_bytes_max": 1 << 30, "query_seconds_max": 10}
    old = Store(folder, schema=1, **limits)
    with old.writing() as connection:
        connection.run(
            "INSERT INTO otel_traces "
            "(Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration) SELECT "
            "now() - toIntervalDay(number), lower(hex(number)), toString(number), 'old', 'app', "
            "map('gen_ai.operation.name', 'chat', 'gen_ai.input.messages', 'hello', 'http.route', '/', "
            "'gen_ai.usage.input_tokens', toString(number)), 5 FROM numbers(100)"
        )
        connection.run(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanName) "
            "SELECT toDateTime64(toUnixTimestamp('2020-01-01 00:00:00') + number * 864000, 9), "
            "'wrong', 'wrong clock' FROM numbers(150)"
        )
        connection.run("INSERT INTO otel_logs (Timestamp, Body, EventName) VALUES (now(), 'kept', 'x')")
        connection.run("INSERT INTO otel_metrics_sum (TimeUnix, MetricName, Value) VALUES (now(), 'kept', 7)")
        if CRASH:
            # A migration that was interrupted after its first statements.
            connection.run("CREATE TABLE otel_traces_2 (Other UInt8) ENGINE = MergeTree ORDER BY Other")
    old.close()
    new = Store(folder, **limits)
    asked = {
        "spans": "SELECT count() AS n, sum(InputTokens) AS tokens, uniqExact(Operation) AS operations, "
        "countIf(Content['gen_ai.input.messages'] = 'hello') AS content, "
        "countIf(mapContains(SpanAttributes, 'gen_ai.input.messages')) AS left_behind, "
        "countIf(SpanAttributes['http.route'] = '/') AS facts FROM otel_traces WHERE SpanName = 'old'",
        "clocks": "SELECT count() AS n, countIf(ClockKnown) AS known FROM otel_traces "
        "WHERE SpanName != 'old'",
        "logs": "SELECT Body AS body FROM otel_logs",
        "sums": "SELECT Value AS value FROM otel_metrics_sum WHERE MetricName = 'kept'",
        "version": "SELECT max(Version) AS n FROM schema_version",
        "parts": "SELECT uniqExact(partition) AS n FROM system.parts WHERE table = 'otel_traces' AND active",
        "tables": "SELECT count() AS n FROM system.tables WHERE database = 'mlobs' AND name LIKE '%_2'",
    }
    print(json.dumps({name: new.query(question) for name, question in asked.items()}))
    """
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("crash", [False, True])
def test_everything_of_schema_1_is_there_in_this_one(run_program, tmp_path, crash):
    """Also when an earlier try was interrupted."""
    ended = run_program(
        OLD.replace("CRASH", str(crash)).replace('Path("store")', f"Path({str(tmp_path / 's')!r})"),
        timeout_s=850,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    spans = {
        "n": 100,
        "tokens": sum(range(100)),
        "operations": 1,
        "content": 100,
        "left_behind": 0,
        "facts": 100,
    }
    assert found["spans"] == [spans]
    [clocks] = found["clocks"]
    assert clocks["n"] == 150
    assert clocks["known"] < 60
    assert found["parts"][0]["n"] <= 100 + clocks["known"] + 1
    assert found["logs"] == [{"body": "kept"}]
    assert found["sums"] == [{"value": 7.0}]
    assert found["version"] == [{"n": newest_version()}]
    assert found["tables"] == [{"n": 0}]


CRASHES = dedent(
    """
    import shutil, sys
    from pathlib import Path
    from mlobs.server.engine import Connection
    from mlobs.server.store import Store

    limits = {"memory_bytes_max": 1 << 30, "query_seconds_max": 10}
    adapted, calls, last = Connection.adapted, 0, None

    def crashing(connection, statement):
        global calls
        calls += 1
        if calls == last:
            raise KeyboardInterrupt
        return adapted(connection, statement)

    Connection.adapted = crashing
    made = Path(sys.argv[0]).parent / "made"
    made.mkdir()
    old = Store(made, schema=1, **limits)
    with old.writing() as connection:
        connection.run(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanAttributes) "
            "SELECT now(), toString(number), "
            "map('gen_ai.input.messages', 'hello', 'http.route', '/') FROM numbers(10)"
        )
        connection.run(
            "INSERT INTO otel_logs (Timestamp, EventName, LogAttributes) SELECT now(), "
            "'gen_ai.evaluation.result', map('gen_ai.evaluation.name', 'helpful') FROM numbers(5)"
        )
    old.close()
    number, crashed = 2, True
    while crashed:
        folder = made.with_name(f"crash-{number}")
        shutil.copytree(made, folder, symlinks=True)
        calls, last = 0, number
        try:
            Store(folder, **limits).close()
            crashed = False
        except KeyboardInterrupt:
            crashed = True
        calls, last = 0, None
        new = Store(folder, **limits)
        found = new.query(
            "SELECT count() AS spans, countIf(Content['gen_ai.input.messages'] = 'hello') AS content, "
            "countIf(SpanAttributes['http.route'] = '/') AS facts, (SELECT count() FROM otel_logs) AS logs, "
            "(SELECT count() FROM scores) AS scores, (SELECT sum(Spans) FROM minutes) AS minutes, "
            "(SELECT sum(Spans) FROM ten_minutes) AS tens, (SELECT sum(Spans) FROM turns) AS turns, "
            "(SELECT count() FROM system.tables WHERE database = 'mlobs' AND name LIKE '%_2') AS left_over "
            "FROM otel_traces"
        )
        expected = {"spans": 10, "content": 10, "facts": 10, "logs": 5, "scores": 5}
        expected |= {"minutes": 10, "tens": 10, "turns": 10, "left_over": 0}
        assert found == [expected], (number, found)
        new.close()
        number += 1
    print(number)
    """
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_migration_that_ends_before_any_statement_loses_and_doubles_nothing(run_program):
    """Whatever the statement; the next start goes on."""
    ended = run_program(CRASHES, timeout_s=1750)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 20, "there were fewer statements than the schema has"


def test_a_store_of_a_newer_release_is_refused(run_program, tmp_path):
    """Its tables may hold what this release would damage."""
    ended = run_program(
        dedent(
            f"""
            from pathlib import Path
            from mlobs.errors import StoreError
            from mlobs.server.store import Store

            folder = Path({str(tmp_path / "new")!r})
            folder.mkdir()
            limits = {{"memory_bytes_max": 1 << 30, "query_seconds_max": 10}}
            store = Store(folder, **limits)
            with store.writing() as connection:
                connection.run("INSERT INTO schema_version (Version) VALUES (999)")
            store.close()
            try:
                Store(folder, **limits)
            except StoreError as error:
                print(error)
            """
        )
    )
    assert "has version 999; this release knows" in ended.stdout


def test_statements_end_in_a_semicolon_at_the_end_of_a_line():
    assert statements("A ';' B;\nC\nD;\n\n") == ["A ';' B", "C\nD"]
