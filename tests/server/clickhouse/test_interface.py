"""ClickHouse's HTTP interface over the embedded store: what clients send is answered as ClickHouse would."""

import gzip
import json

import clickhouse_connect
import pyarrow.parquet
import pytest
import requests
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from mlobs.server.access.guard import Guard
from mlobs.server.access.tokens import token_of
from mlobs.server.clickhouse.front import Front
from mlobs.server.clickhouse.native import parsed, with_heads
from mlobs.server.receive.refusals import RefusedError
from tests.server.otlp import post, span

SPANS = 7
NDJSON = "application/x-ndjson; charset=UTF-8"


@pytest.fixture(scope="module")
def url(served):
    request = ExportTraceServiceRequest()
    for number in range(SPANS):
        span(request, "spoken", number=number, text="a\tb\n'\\ü")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return f"{served.url}/clickhouse/"


@pytest.fixture(scope="module")
def client(served, url):
    port = int(served.url.rpartition(":")[2])
    made = clickhouse_connect.get_client(
        host="127.0.0.1", port=port, proxy_path="clickhouse/", database="mlobs"
    )
    yield made
    made.close()


def ask(url, statement, **params):
    return requests.get(url, params={"query": statement, **params}, timeout=30)


@pytest.mark.parametrize(
    ("ending", "kind", "body"),
    [
        ("", "text/tab-separated-values; charset=UTF-8", b"1\tx\n"),
        (" FORMAT CSVWithNames;", "text/csv; charset=UTF-8; header=present", b'"n","t"\n1,"x"\n'),
        (" SETTINGS max_threads = 1 FORMAT JSONEachRow", NDJSON, b'{"n":1,"t":"x"}\n'),
        (" FORMAT JSONEachRow SETTINGS max_threads = 1", NDJSON, b'{"n":1,"t":"x"}\n'),
        (" FORMAT RowBinary", "application/octet-stream", b"\1\1x"),
        (" -- the end\n FORMAT Values", "text/plain; charset=UTF-8", b"(1,'x')"),
    ],
)  # fmt: skip
def test_an_answer_has_the_format_that_ends_the_statement(url, ending, kind, body):
    answer = ask(url, "SELECT 1 AS n, 'x' AS t" + ending)
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, kind, body)


def test_an_answer_in_parquet_is_parquet(url, tmp_path):
    (tmp_path / "x").write_bytes(ask(url, "SELECT number FROM numbers(3) FORMAT Parquet").content)
    assert pyarrow.parquet.read_table(tmp_path / "x").to_pydict() == {"number": [0, 1, 2]}


def test_default_format_and_its_header_count_when_the_statement_names_none(url):
    assert ask(url, "SELECT 1 AS a", default_format="JSONCompact").json()["data"] == [[1]]
    headers = {"X-ClickHouse-Format": "JSONEachRow"}
    answer = requests.post(url, data="SELECT 1 AS a", headers=headers, timeout=30)
    assert (answer.json(), answer.headers["X-ClickHouse-Format"]) == ({"a": 1}, "JSONEachRow")


def test_the_statement_may_be_in_the_address_the_body_or_half_in_each(url):
    assert requests.post(url, params={"query": "SELECT"}, data="1 + 1", timeout=30).text == "2\n"


def test_parameters_are_bound_by_the_engine(url):
    answer = ask(url, "SELECT {a:String}, {b:Array(UInt8)}", param_a="x\\ty'; DROP", param_b="[1,2]")
    assert answer.text == "x\\ty\\'; DROP\t[1,2]\n"


def test_headers_say_what_was_read_and_name_the_statement(url):
    answer = ask(url, "SELECT sum(number) FROM numbers(1000)", query_id="mine")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "1000"


@pytest.mark.parametrize(("name", "inflate"), [
    ("gzip", gzip.decompress), ("zstd", lambda data: zstandard.ZstdDecompressor().stream_reader(data).read()),
])  # fmt: skip
def test_an_answer_is_compressed_if_the_client_takes_it(url, name, inflate):
    raw = requests.get(
        url,
        params={"query": "SELECT number FROM numbers(10000)"},
        headers={"Accept-Encoding": name},
        stream=True,
        timeout=30,
    )
    assert raw.headers["Content-Encoding"] == name
    assert inflate(raw.raw.read(decode_content=False)).count(b"\n") == 10_000
    assert "Content-Encoding" not in ask(url, "SELECT 1").headers


@pytest.mark.parametrize(
    ("statement", "params", "status", "code"),
    [
        ("SELECT 1 FROM nothing_of_the_kind", {}, 404, 60),
        ("SELECT nothing", {}, 404, 47),
        ("SELECT 1 +", {}, 400, 62),
        ("SELECT throwIf(1)", {}, 500, 395),
        ("SELECT 1 FORMAT Nonsense", {}, 404, 73),
        ("SELECT 1 FORMAT Protobuf", {}, 404, 73),
        ("SELECT {a:String}", {}, 400, 456),
        ("SELECT 1", {"compress": "1"}, 501, 48),
        ("SELECT 1", {"session_timeout": "-1"}, 400, 36),
        ("SELECT 1", {"session_timeout": "1" * 5_000}, 400, 36),
        ("SELECT 1", {"client_protocol_version": "1" * 5_000}, 400, 36),
        ("SELECT 1", {"query_id": "\u20ac"}, 400, 36),
        ("SELECT 1", {"query_id": "a\r\nSet-Cookie: b"}, 400, 36),
        ("SELECT number FROM numbers(10)", {"max_result_rows": "5"}, 500, 396),
        ("", {"database": "mlobs"}, 400, 62),
    ],
)
def test_a_refusal_has_the_number_and_the_status_that_clickhouse_has(url, statement, params, status, code):
    answer = ask(url, statement, **params)
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert answer.status_code in {status, 500}
    assert answer.status_code == status or code == 456


@pytest.mark.parametrize(
    ("statement", "params"),
    [
        ("DROP TABLE otel_logs", {}),
        ("INSERT INTO scores FORMAT TSV", {}),
        ("SET max_threads = 1", {}),
        ("SELECT 1; DROP TABLE otel_logs", {}),
        ("SELECT 1; SELECT 2 FORMAT CSV", {}),
        ("SELECT * FROM system.processes", {}),
        ("SELECT * FROM processes", {"database": "system"}),
        ("SELECT * FROM {a:Identifier}.processes", {"param_a": "system"}),
        ("SELECT * FROM {a:Identifier}", {"param_a": "system.processes"}),
        ("SELECT 1 WHERE 1 IN theirs.secret", {}),
        ("SELECT 1 WHERE 1 GLOBAL NOT IN theirs.secret", {}),
        ("SELECT in(1, theirs.secret)", {}),
        ("SELECT dictGet('theirs.names', 'name', 1)", {}),
        ("SELECT 1", {"database": "theirs"}),
        ("SELECT * FROM file('/etc/passwd', 'RawBLOB')", {}),
        ("SELECT * FROM url('http://127.0.0.1/', 'RawBLOB')", {}),
        ("SELECT 1 INTO OUTFILE '/tmp/x' FORMAT CSV", {}),
        ("SELECT 1 SETTINGS output_format_schema = '/tmp/x' FORMAT CSV", {}),
        ("SELECT 1", {"output_format_schema": "/tmp/x"}),
        ("SELECT 1", {"format_schema": "/tmp/x"}),
        ("SELECT 1", {"max_memory_usage": "-1"}),
        ("SELECT 1 SETTINGS allow_introspection_functions = 1", {}),
        ("SELECT (SELECT 1 SETTINGS readonly = 0)", {}),
        ("KILL QUERY WHERE 1", {}),
        ("SELECT 1\0", {}),
        ("SELECT 1", {"max threads": "1"}),
        ("SELECT 1", {"max_threads": "1; DROP TABLE otel_logs"}),
    ],
)
def test_a_reader_reads_the_tables_and_nothing_else(url, statement, params):
    for answer in (
        ask(url, statement, **params),
        requests.post(url, params=params, data=statement, timeout=30),
    ):
        assert answer.status_code in {400, 403, 404, 500}, answer.text
        assert answer.text.startswith("Code: ")


def test_default_is_our_database_and_a_column_with_a_dot_may_be_in_a_list(url):
    asked = "SELECT currentDatabase(), count() FROM otel_traces AS t WHERE t.SpanName IN ('spoken')"
    assert ask(url, asked, database="default").text == f"mlobs\t{SPANS}\n"
    assert ask(url, "SELECT 1 IN (SELECT 1 FROM mlobs.otel_traces)", database="mlobs").text == "1\n"


def test_an_answer_that_is_sent_in_pieces_arrives_whole(url):
    given = {"default_format": "RowBinary", "enable_http_compression": "0"}
    asked = ask(url, "SELECT number FROM numbers(300000)", **given)
    assert len(asked.content) == 8 * 300_000 == int(asked.headers["Content-Length"])


def test_a_reader_may_lower_a_limit_and_not_raise_it(url):
    limit = "SELECT getSetting('max_execution_time') AS seconds FORMAT JSONEachRow"
    most = ask(url, limit).json()["seconds"]
    assert ask(url, limit, max_execution_time="1").json()["seconds"] == 1
    assert ask(url, limit, max_execution_time="1e9").json()["seconds"] == most
    assert ask(url, limit, max_execution_time="0").json()["seconds"] == most


@pytest.mark.parametrize("form", ["VALUES (1)", "FORMAT Native\n\x01\x01\x07"])
def test_who_inserts_and_may_not_is_told_so(url, form):
    """Also where what follows is no text."""
    answer = ask(url, f"INSERT INTO otel_logs (a) {form}")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "164")
    assert "INSERT came. Nothing is inserted here but with a token for admin" in answer.text


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT version(), timezone()",
        "SELECT displayName(), version(), revision(), timezone()",
        "SELECT name, value, readonly FROM system.settings LIMIT 10000",
        "SHOW DATABASES", "SHOW TABLES FROM mlobs", "SHOW CREATE TABLE mlobs.otel_logs",
        "DESC TABLE `mlobs`.`otel_traces`", "DESCRIBE TABLE (SELECT 1 AS a)",
        "SELECT name FROM system.databases", "SELECT name FROM system.tables WHERE database = 'mlobs'",
        "SELECT name, type FROM system.columns WHERE table = 'otel_traces'",
        "SELECT name FROM system.functions LIMIT 3", "SELECT name FROM system.data_type_families LIMIT 3",
        "SELECT DISTINCT arrayJoin(mapKeys(SpanAttributes)) FROM otel_traces LIMIT 10",
        "select * from information_schema.tables where table_schema = 'mlobs'",
        "SELECT currentDatabase(), currentUser()",
    ],
)  # fmt: skip
def test_what_clients_send_on_connecting_is_answered(url, statement):
    answer = ask(url, statement)
    assert answer.status_code == 200, answer.text


def test_ping_answers_and_so_does_the_bare_address(url):
    assert requests.get(f"{url}ping", timeout=60).text == "Ok.\n"
    assert requests.get(url, timeout=60).text == "Ok.\n"


def test_clickhouse_connect_reads_rows_frames_and_arrow(client):
    asked = "SELECT SpanName, SpanAttributes, Duration FROM otel_traces WHERE SpanName = 'spoken' LIMIT 2"
    rows = client.query(asked).result_rows
    assert rows[0] == ("spoken", {"number": rows[0][1]["number"], "text": "a\tb\n'\\ü"}, 1_000_000)
    counted = (
        "SELECT SpanName, count() AS n FROM otel_traces WHERE SpanName = {name:String} GROUP BY SpanName"
    )
    given = {"name": "spoken"}
    assert client.query_df(counted, parameters=given).to_dict("list") == {
        "SpanName": ["spoken"],
        "n": [SPANS],
    }
    assert client.query_arrow(counted, parameters=given).to_pydict() == {"SpanName": ["spoken"], "n": [SPANS]}
    assert client.command("SELECT 6 * 7") == 42
    assert client.ping()


@pytest.mark.parametrize("times", [1, 900])  # The longer ones are sent as a form.
def test_clickhouse_connect_sends_any_text_as_a_parameter(client, times):
    text = "a\tb\r\n'\\ü\0{x}" * times
    assert client.query("SELECT {x:String}", parameters={"x": text}).result_rows == [(text,)]


def test_clickhouse_connect_is_told_why_it_may_not_write(client):
    with pytest.raises(DatabaseError, match="Only reading is done here") as refused:
        client.command("DROP TABLE otel_logs")
    assert refused.value.code == 497


TYPES = (
    "SELECT number AS n, toString(number) AS s, toLowCardinality(repeat('x', number * 100)) AS l, "
    "[toLowCardinality('a'), s] AS al, CAST([], 'Array(LowCardinality(String))') AS e, "
    "if(number = 1, NULL, number) AS u, CAST(NULL, 'LowCardinality(Nullable(String))') AS ln, "
    "map('k', [1, 2]) AS m, CAST((1, 'b'), 'Tuple(a UInt8, `b c` String)') AS t, "
    "toDateTime64('2026-01-01 00:00:00', 9, 'UTC') AS d, "
    "CAST(1, 'Enum8(\\'a,(\\' = 1)') AS en, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS id, "
    "toFixedString('ab', 3) AS f, 1.5 AS r, true AS b, toDate('2026-01-01') AS day, "
    "toDecimal64(1, 3) AS de, [[1], []] AS aa, toIPv6('::1') AS ip FROM numbers(3)"
)


def test_native_for_newer_clients_is_the_same_with_heads(url):
    """What is stepped over by type is found again where it was."""
    plain = ask(url, TYPES, default_format="Native").content
    headed = ask(url, TYPES, default_format="Native", client_protocol_version="54460").content
    assert headed == with_heads(plain)
    assert headed.startswith(b"\1\0\2\xff\xff\xff\xff\0\x13\3\1n\6UInt64\0")
    columns = requests.get(
        url, params={"query": f"DESCRIBE TABLE ({TYPES})", "default_format": "JSONEachRow"}, timeout=30
    )
    count = len(columns.text.splitlines())
    assert len(headed) == len(plain) + 8 + count
    whole = ask(
        url, "SELECT * FROM otel_traces LIMIT 5", default_format="Native", client_protocol_version="54460"
    )
    assert whole.status_code == 200
    assert (
        ask(url, "SELECT 1 WHERE 0", default_format="Native", client_protocol_version="54460").content == b""
    )


def test_a_type_that_cannot_be_stepped_over_is_a_sentence(url):
    answer = ask(url, "SELECT sumState(1)", default_format="Native", client_protocol_version="54460")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "48"
    assert "Ask for toString() of it" in answer.text


def test_names_of_types_are_read():
    assert parsed("Map(LowCardinality(String), Array(DateTime64(9, 'UTC')))").name == "Array"
    assert [one.name for one in parsed("Tuple(a UInt8, `b (c` String, Nullable(Int8))").inner] == [
        "UInt8",
        "String",
        "Nullable",
    ]


def test_the_token_is_the_password_wherever_a_client_puts_it():
    """And a refusal has ClickHouse's number, so that clients say what is wrong."""
    token = "a-token-that-is-long-enough"
    guard = Guard([token_of(f"read {token}", "here")])

    async def app(scope, receive, send):
        try:
            guard.admit(Headers(scope=scope).get("authorization", ""), "read")
            answer = PlainTextResponse(scope["path"])
        except RefusedError as refused:
            answer = PlainTextResponse(str(refused), refused.status)
        await answer(scope, receive, send)

    asked = TestClient(Front(app, at_root=True))
    assert (
        asked.get("/", headers={"X-ClickHouse-User": "x", "X-ClickHouse-Key": token}).text == "/clickhouse/"
    )
    assert asked.get("/", params={"user": "x", "password": token}).text == "/clickhouse/"
    assert asked.get("/ping", auth=("x", token)).text == "/clickhouse/ping"
    wrong = asked.get("/", headers={"X-ClickHouse-Key": "wrong"})
    assert (wrong.status_code, wrong.headers["X-ClickHouse-Exception-Code"]) == (401, "516")
    assert asked.get("/api/traces", auth=("x", token)).status_code == 404
    elsewhere = TestClient(Front(app))
    assert elsewhere.get("/api/traces", headers={"X-ClickHouse-Key": token}).status_code == 401
