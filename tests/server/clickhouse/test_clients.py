"""Real clients against a server that asks for a token: Grafana's Go client and clickhouse-connect."""

from urllib.parse import urlsplit

import clickhouse_connect
import pytest
import requests
from clickhouse_connect.driver.exceptions import DatabaseError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.processes import free_port
from tests.server.clickhouse.elsewhere import up
from tests.server.clickhouse.golang import built
from tests.server.otlp import span, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # The first of them compiles a client.

READ, SEND = "reading-token-that-is-long-enough", "sending-token-that-is-long-enough"
SPANS = 300
COUNT = "SELECT count() AS n FROM otel_traces"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The interface at its path and on a port of its own, of a server with tokens."""
    folder, port = tmp_path_factory.mktemp("clients"), free_port()
    (folder / "tokens").write_text(f"read {READ}\ningest {SEND}\n")
    (folder / "tokens").chmod(0o600)
    variables = {"MLOBS_TOKENS": str(folder / "tokens"), "MLOBS_CLICKHOUSE_PORT": str(port)}
    with up(folder / "server", **variables) as (url, _):
        request = ExportTraceServiceRequest()
        for number in range(SPANS):
            span(request, "spoken", number=number, text="a\tb\n'\\ü")
        headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {SEND}"}
        sent = requests.post(f"{url}/v1/traces", request.SerializeToString(), headers=headers, timeout=30)
        assert sent.status_code == 200, sent.text
        asked = {"query": COUNT, "password": READ}
        loaded = f"{SPANS}\n"
        assert wait_until(lambda: requests.get(f"{url}/clickhouse/", asked, timeout=30).text == loaded)
        yield f"{url}/clickhouse/", f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return built(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def client(addresses):
    made = clickhouse_connect.get_client(
        host="127.0.0.1", port=urlsplit(addresses[1]).port, username="me", password=READ, database="mlobs"
    )
    yield made
    made.close()


@pytest.mark.parametrize("place", [0, 1], ids=["path", "port"])
@pytest.mark.parametrize("compression", ["none", "gzip", "br", "deflate"])
def test_the_go_client_reads_rows(addresses, reader, place, compression):
    asked = [COUNT, "SELECT * FROM otel_traces ORDER BY SpanId", "SHOW TABLES", "SELECT 1 WHERE 0"]
    count, rows, tables, nothing = reader.read(
        addresses[place], asked, password=READ, compression=compression
    )
    assert (count["columns"], count["first"]) == (["n"], f"{SPANS}|")
    assert (rows["rows"], rows["error"]) == (SPANS, "")
    assert "SpanAttributes" in rows["columns"]
    assert tables["rows"] > 5
    assert (nothing["rows"], nothing["error"]) == (0, "")


def test_the_go_client_brings_the_filters_that_grafana_puts_behind_a_statement(addresses, reader):
    seventh = " SpanAttributes[\\'number\\'] = \\'7\\' "
    filtered = f"{COUNT}\nsettings additional_table_filters={{'otel_traces' : '{seventh}'}}"
    [answer] = reader.read(addresses[0], [filtered], password=READ)
    assert (answer["first"], answer["error"]) == ("1|", "")


def test_the_go_client_is_told_what_is_wrong(addresses, reader):
    asked = ["SELECT nothing", "DROP TABLE otel_logs", "SELECT throwIf(number = 9) FROM numbers(10)"]
    unknown, dropped, thrown = reader.read(addresses[0], asked, password=READ)
    assert "code: 47" in unknown["error"]
    assert "Only reading is done here" in dropped["error"]
    assert "code: 395" in thrown["error"]


@pytest.mark.parametrize("password", ["", "wrong-token-that-is-long-enough", SEND])
def test_the_go_client_needs_a_token_that_may_read(addresses, reader, password):
    [answer] = reader.read(addresses[1], [COUNT], password=password)
    assert "code: 516" in answer["error"] or "code: 497" in answer["error"]


def test_blocks_of_clickhouse_s_own_compression_are_refused_with_the_remedy(addresses, reader):
    [answer] = reader.read(addresses[0], [COUNT], password=READ, compression="lz4")
    assert "compress with gzip or zstd" in answer["error"]


def test_clickhouse_connect_streams_rows_blocks_and_frames(client):
    asked = "SELECT SpanId, SpanAttributes, Duration FROM otel_traces"
    with client.query_rows_stream(asked) as rows:
        assert sum(1 for _ in rows) == SPANS
    with client.query_column_block_stream(asked) as blocks:
        assert sum(len(block[0]) for block in blocks) == SPANS
    with client.query_df_stream(asked) as frames:
        assert sum(len(frame) for frame in frames) == SPANS
    with client.query_arrow_stream("SELECT SpanId, Duration FROM otel_traces") as tables:
        assert sum(len(table) for table in tables) == SPANS


def test_clickhouse_connect_reads_a_frame_with_the_types_of_the_columns(client):
    frame = client.query_df("SELECT Timestamp, SpanName, Duration, CostUsd FROM otel_traces LIMIT 10")
    assert list(frame.columns) == ["Timestamp", "SpanName", "Duration", "CostUsd"]
    assert frame["Duration"].dtype == "uint64"
    assert str(frame["Timestamp"].dtype).startswith("datetime64[ns")


def test_clickhouse_connect_without_a_token_is_refused(addresses):
    with pytest.raises(DatabaseError, match="516"):
        clickhouse_connect.get_client(host="127.0.0.1", port=urlsplit(addresses[1]).port)
