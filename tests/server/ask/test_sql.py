"""Users' SQL: reads our tables in every format, and does nothing else."""

import io
import json
import socket
import threading
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import requests

from mlobs.server.ask import sql_routes
from mlobs.server.ask.guard import tokens_problem, tree_problem
from mlobs.server.receive.memory import Memory
from tests.server.otlp import wait_until

FORBIDDEN = [
    "SELECT 1 INTO OUTFILE '{file}'",
    "SELECT 1 into /* x */ outfile '{file}' FORMAT CSV",
    "(SELECT 1) UNION ALL (SELECT 2) INTO OUTFILE '{file}'",
    "WITH 1 AS a SELECT a INTO OUTFILE '{file}' TRUNCATE",
    "EXPLAIN SELECT 1 INTO OUTFILE '{file}'",
    "EXPLAIN AST SELECT 1 INTO OUTFILE '{file}'",
    "DESCRIBE otel_traces INTO OUTFILE '{file}'",
    "SHOW TABLES INTO OUTFILE '{file}'",
    "EXISTS TABLE otel_traces INTO OUTFILE '{file}'",
    "SELECT 1; SELECT 1 INTO OUTFILE '{file}'",
    "SELECT 1;SELECT 2",
    "SELECT 1;",
    "SELECT 1 -- x\n; DROP TABLE otel_traces",
    "; SELECT 1",
    "SELECT 1 FORMAT CSV",
    "SHOW TABLES FORMAT JSON",
    "SELECT 1 SETTINGS max_threads = 1",
    "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)",
    "EXPLAIN SELECT 1 SETTINGS readonly = 0",
    "SET readonly = 0",
    "USE system",
    "KILL QUERY WHERE 1",
    "EXPLAIN AST KILL QUERY WHERE 1",
    "INSERT INTO otel_traces (TraceId) VALUES ('x')",
    "INSERT INTO FUNCTION file('{file}', 'CSV', 'a Int8') SELECT 1",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "CREATE FUNCTION f AS x -> x",
    "DROP TABLE otel_traces",
    "TRUNCATE TABLE otel_traces",
    "ALTER TABLE otel_traces DELETE WHERE 1",
    "ALTER TABLE otel_traces FREEZE",
    "DELETE FROM otel_traces WHERE 1",
    "OPTIMIZE TABLE otel_traces FINAL",
    "RENAME TABLE otel_traces TO x",
    "DETACH TABLE otel_traces",
    "SYSTEM SHUTDOWN",
    "BACKUP TABLE otel_traces TO File('{file}')",
    "GRANT ALL ON *.* TO default",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "BEGIN TRANSACTION",
    "EXECUTE AS default SELECT 1",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM FILE('/etc/passwd', 'LineAsString', 'a String')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString', 'a String')",
    "SELECT * FROM (SELECT * FROM file('/etc/passwd', 'LineAsString', 'a String'))",
    "SELECT (SELECT count() FROM file('/etc/passwd', 'LineAsString', 'a String'))",
    "WITH x AS (SELECT * FROM file('/etc/passwd', 'LineAsString', 'a String')) SELECT * FROM x",
    "SELECT 1 WHERE 'x' IN (SELECT a FROM file('/etc/passwd', 'LineAsString', 'a String'))",
    "SELECT 1 WHERE 1 IN file('/etc/passwd', 'LineAsString', 'a Int8')",
    "SELECT 1 FROM otel_traces JOIN url('http://127.0.0.1:9/', 'CSV', 'a String') AS u ON 1",
    "DESCRIBE file('/etc/passwd', 'LineAsString')",
    "DESCRIBE url('http://127.0.0.1:9/', 'CSV')",
    "EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString', 'a String')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'CSV', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:9/b/k', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:9', 'a', 'b', 'c', 'd')",
    "SELECT * FROM python(globals)",
    "SELECT * FROM executable('sh', 'CSV', 'a String', (SELECT 1))",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM merge('.*', 'query_log')",
    "SELECT * FROM loop(system.processes)",
    "SELECT * FROM view(SELECT * FROM system.processes)",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))",
    "SELECT * FROM dictionary('x')",
    "SELECT * FROM input('a String')",
    "SELECT * FROM generateRandom('a String')",
    "SELECT * FROM mergeTreeIndex(mlobs, otel_traces)",
    "SELECT * FROM system.processes",
    "SELECT * FROM `system`.`processes`",
    'SELECT * FROM "system".processes',
    "SELECT * FROM system . processes",
    "SELECT 1 WHERE 1 IN system.processes",
    "SELECT 1 WHERE 1 IN (system.processes)",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.settings",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "SELECT * FROM default.x",
    "DESCRIBE system.processes",
    "SHOW CREATE TABLE system.processes",
    "SHOW TABLES FROM system",
    "SELECT sleep(3)",
    "SELECT SLEEPEACHROW(1) FROM numbers(100)",
    "SELECT getMacro('x')",
    "SELECT getServerSetting('x')",
    "SELECT `b\n Function file` FROM otel_traces",
    "SELECT * FROM `otel_traces\n  TableIdentifier x`",
    "SELECT {x:String}",
    "SELECT * FROM {x:Identifier}",
    "SELECT 'not closed",
    "SELECT /* not closed",
    "SELECT FROM WHERE",
    "",
    "   \n",
    "-- nothing",
    "hello",
    "\x00",
    "SELECT '\x00'",
    "💥",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "1+" * 60_000 + "1",
]
ALLOWED = [
    "SELECT 1",
    "select count() from otel_traces",
    "SELECT * FROM mlobs.otel_traces LIMIT 1",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT 1 INTERSECT SELECT 1",
    "WITH t AS (SELECT TraceId FROM otel_traces) SELECT count() FROM t",
    "WITH 5 AS n SELECT number FROM numbers(10) WHERE number < n",
    "FROM numbers(3) SELECT number",
    "SELECT ';', 'INTO OUTFILE', '-- x', 'SETTINGS a = 1 FORMAT CSV'",
    "SELECT 1 AS format, 2 AS settings, 3 AS `into outfile`",
    "SELECT a.SpanName FROM otel_traces AS a LEFT JOIN otel_logs AS b USING TraceId",
    "SELECT SpanAttributes['x'], Events.Name, Duration / 1e9 FROM otel_traces ARRAY JOIN Events",
    "SELECT ServiceName, quantile(0.9)(Duration) FROM otel_traces GROUP BY 1 WITH TOTALS HAVING 1 ORDER BY 1",
    "SELECT TraceId FROM otel_traces ORDER BY Timestamp LIMIT 1 BY ServiceName LIMIT 1 OFFSET 1",
    "SELECT row_number() OVER (PARTITION BY ServiceName ORDER BY Timestamp) FROM otel_traces",
    "SELECT * EXCEPT SpanAttributes FROM otel_traces",
    "SELECT COLUMNS('Span.*') FROM otel_traces",
    "SELECT toStartOfHour(Timestamp) t FROM otel_traces GROUP BY t ORDER BY t WITH FILL STEP 3600",
    "SELECT CASE WHEN 1 THEN 2 ELSE 3 END, 1::String, arrayMap(x -> x, [1]), [1, 2][1], (1, 2).1",
    "SELECT now() - INTERVAL 1 DAY, * REPLACE (1 AS Duration), COLUMNS(TraceId, SpanId) FROM otel_traces",
    "SELECT name FROM system.columns WHERE table = 'otel_traces'",
    "EXPLAIN SELECT 1",
    "EXPLAIN PIPELINE SELECT count() FROM otel_traces",
    "EXPLAIN AST SELECT 1",
    "DESCRIBE otel_traces",
    "DESC TABLE mlobs.otel_traces",
    "SHOW TABLES",
    "SHOW TABLES LIKE 'otel%'",
    "SHOW CREATE TABLE otel_traces",
    "EXISTS TABLE otel_traces",
    "SELECT /* a comment */ 1 -- another",
]  # fmt: skip


def send(server, statement, **given):
    return requests.post(f"{server.url}/api/sql", json={"query": statement, **given}, timeout=150)


@pytest.mark.parametrize("statement", FORBIDDEN, ids=lambda text: repr(text[:50]))
def test_what_does_not_only_read_our_tables_is_refused(served, tmp_path, statement):
    """With a sentence, and nothing is done."""
    file = tmp_path / "written"
    answer = send(served, statement.replace("{file}", str(file)))
    assert answer.status_code == 400, answer.text[:300]
    assert 0 < len(answer.json()["error"]) < 700
    assert not file.exists()
    assert served.store.query("SELECT count() AS n FROM otel_traces WHERE TraceId = 'x'") == [{"n": 0}]


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_reads_is_run(served, statement):
    """The guard must not be in the way."""
    answer = send(served, statement)
    assert answer.status_code == 200, answer.text


def test_every_format_has_the_same_rows(served):
    """Chosen by name or by what is accepted."""
    statement = "SELECT number AS n, toString(number) AS t, number / 2 AS half FROM numbers(3)"
    wanted = pa.table({"n": pa.array([0, 1, 2], pa.uint64()), "t": ["0", "1", "2"], "half": [0.0, 0.5, 1.0]})
    body = send(served, statement).json()
    assert body["data"] == wanted.to_pylist()
    assert [column["type"] for column in body["meta"]] == ["UInt64", "String", "Float64"]
    assert [
        json.loads(line) for line in send(served, statement, format="jsonl").text.splitlines()
    ] == wanted.to_pylist()
    assert pyarrow.csv.read_csv(io.BytesIO(send(served, statement, format="csv").content)).to_pydict()[
        "half"
    ] == [0, 0.5, 1]
    readers = {
        "application/vnd.apache.arrow.stream": lambda data: pa.ipc.open_stream(data).read_all(),
        "application/vnd.apache.parquet": lambda data: pyarrow.parquet.read_table(io.BytesIO(data)),
    }
    for accepted, read in readers.items():
        headers = {"Accept": accepted, "Content-Type": "text/plain"}
        answer = requests.post(f"{served.url}/api/sql", data=statement, headers=headers, timeout=30)
        assert answer.headers["Content-Type"] == accepted
        assert read(answer.content).to_pydict() == wanted.to_pydict()


def test_an_answer_without_rows_still_has_columns(served):
    """A frame without rows is not an error."""
    data = send(served, "SELECT TraceId, Duration FROM otel_traces WHERE 0", format="arrow").content
    assert pa.ipc.open_stream(data).read_all().column_names == ["TraceId", "Duration"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"rows_max": 5}, "The answer has more than 5 rows. Add a LIMIT, or raise rows_max."),
        ({"format": "xml"}, "format='xml' came; one of json, jsonl, csv, arrow, parquet was expected."),
        ({"rows_max": 0}, "rows_max='0' came"),
        ({"seconds_max": -1}, "seconds_max='-1' came; a number above 0 was expected."),
        ({"id": "no spaces"}, "id='no spaces' came; up to 64 letters"),
        ({"statement": "SELECT 1"}, "The parameter 'statement' is not known here"),
        ({"query": ""}, "No statement came"),
        ({"query": "SELECT nothing FROM otel_traces"}, "The statement cannot be run: Unknown expression"),
        ({"query": "SELECT count() FROM otel_trace"}, "otel_trace"),
    ],
)
def test_limits_and_mistakes_are_told(served, given, sentence):
    """An answer is whole or it is none."""
    body = given if "statement" in given else {"query": "SELECT * FROM numbers(100)", **given}
    answer = requests.post(f"{served.url}/api/sql", json=body, timeout=30)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff", b"null", b"[" * 100_000])
def test_a_body_that_is_no_query_gets_400(served, body):
    """Whatever it says that it is."""
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{served.url}/api/sql", data=body, headers=headers, timeout=30)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


def test_a_body_that_is_too_large_gets_400(served):
    """Statements are written by people."""
    assert "larger than" in send(served, "SELECT 1 --" + "x" * 300_000).json()["error"]
    assert "at most 100,000 are read" in send(served, "SELECT 1 --" + "x" * 150_000).json()["error"]


ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


def test_a_statement_that_takes_too_long_is_stopped(served):
    """The server's own limit holds where the asker's is longer."""
    answer = send(served, ENDLESS, seconds_max=0.3)
    assert (
        answer.json()["error"] == "The statement took longer than 0.3 s. Narrow the time, or raise the limit."
    )


def test_answers_that_nobody_reads_have_a_limit_together(served, monkeypatch):
    """Else whoever may ask could fill the memory with them, a connection after the other."""
    held = Memory(30_000_000)
    monkeypatch.setattr(sql_routes, "_answers", lambda _: held)
    statement = "SELECT repeat('x', 1000) AS text FROM numbers(20000)"
    head = f"POST /api/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(statement)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(served.url).port), timeout=60) as unread:
        unread.sendall((head + statement).encode())
        assert wait_until(lambda: held.bytes > 0)
        refused = send(served, statement)
        assert (refused.status_code, "wait to be read" in refused.json()["error"]) == (503, True)
    assert wait_until(lambda: held.bytes == 0)
    assert send(served, statement).status_code == 200
    assert held.bytes == 0


def test_next_to_no_time_is_a_limit_too(served):
    """The engine takes it for none."""
    answer = send(served, ENDLESS, seconds_max=1e-12)
    assert answer.json()["error"].startswith("The statement took longer than 0.001 s.")


@pytest.mark.slow
def test_a_statement_that_takes_too_much_memory_is_stopped(served):
    """The others go on."""
    answer = send(served, "SELECT groupArray(toString(number)) FROM numbers(1000000000)")
    assert answer.status_code == 400
    assert "memory" in answer.json()["error"] or "took longer" in answer.json()["error"]


def test_a_statement_can_be_cancelled_by_its_id(served):
    """From another connection."""
    answers = []
    asking = threading.Thread(target=lambda: answers.append(send(served, ENDLESS, id="long-one")))
    asking.start()
    assert wait_until(lambda: _running(served, "long-one"))
    assert "runs already" in send(served, "SELECT 1", id="long-one").json()["error"]
    assert requests.delete(f"{served.url}/api/queries/long-one", timeout=60).json() == {
        "cancelled": "long-one"
    }
    asking.join()
    assert answers[0].json()["error"] == "The statement was cancelled."
    assert requests.delete(f"{served.url}/api/queries/long-one", timeout=60).status_code == 404
    assert requests.delete(f"{served.url}/api/queries/x'y", timeout=60).status_code == 404


def test_whoever_hangs_up_stops_their_statement(served):
    """A closed notebook must not keep a core busy."""
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{served.url}/api/sql", json={"query": ENDLESS, "id": "left"}, timeout=0.5)
    assert wait_until(lambda: not _running(served, "left"))


def _running(server, name):
    """The engine's own list, which users cannot see."""
    asked = "SELECT count() AS n FROM system.processes WHERE startsWith(query, {tag:String})"
    return server.store.query(asked, {"tag": f"/* mlobs {name} */"})[0]["n"] > 0


def test_the_guard_judges_what_it_does_not_know_as_harm():
    """A newer engine may have nodes that this release has never seen."""
    assert "NewThing came" in tree_problem(["SelectWithUnionQuery (children 1)", " NewThing x"])
    assert "not known to be harmless" in tree_problem(["SelectWithUnionQuery", " 123 odd"])
    assert tree_problem([]) == "There is no statement."
    assert tokens_problem([]) == "There is no statement."
    assert tokens_problem([("BareWord", "SELECT"), ("Number", "1")]) == ""
