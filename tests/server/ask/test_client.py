"""The Python client: the same answers, as rows and as tables."""

import http.server
import threading

import pytest

from mlobs.errors import QueryError, ServerError, SettingError
from mlobs.server.client import Client


@pytest.fixture
def client(served):
    with Client(served.url) as made:
        yield made


def test_traces_come_page_after_page(client, shop, monkeypatch):
    """Nobody wants to see a cursor."""
    monkeypatch.setattr("mlobs.server.client.PAGE", 2)
    filtered = f"service:{shop.service}"
    ids = [row["trace_id"] for row in client.traces(filtered)]
    assert ids == [shop.ids[name] for name in ("running", "rare", "failed", "fine")]
    assert [row["trace_id"] for row in client.traces(filtered, limit=3)] == ids[:3]
    assert [row["trace_id"] for row in client.traces(filtered, since="45m")] == ids[:2]
    assert [row["trace_id"] for row in client.traces(filtered, from_="100m", to="45m")] == ids[2:]
    assert client.traces(filtered, sort="dearest")[0]["trace_id"] == shop.ids["failed"]


def test_one_trace_sessions_and_sums(client, shop):
    """As the API has them."""
    assert len(client.trace(shop.ids["fine"])["spans"]) == 3
    assert len(client.sessions(f"service:{shop.service}")) == 2
    [row] = client.aggregate(f"service:{shop.service} kind:llm", by="model", measures="usage")
    assert row["tokens"] == 360
    assert "duration_ms" not in row


def test_sql_is_a_table_and_a_frame(client, shop):
    """With the kinds that the columns have."""
    table = client.sql(
        f"SELECT SpanName, Duration, Timestamp, SpanAttributes FROM otel_traces "
        f"WHERE ServiceName = '{shop.service}' ORDER BY Timestamp"
    )
    assert table.num_rows == 10
    assert str(table.schema.field("Duration").type) == "uint64"
    assert str(table.schema.field("Timestamp").type).startswith("timestamp[ns, tz=")
    frame = table.to_pandas()
    assert frame["Duration"].max() == 2_000_000_000


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda client: client.traces("modle:x"), "did you mean model?"),
        (lambda client: client.traces(since="x"), "since='x' came"),
        (lambda client: client.traces(sorted="x"), "The parameter 'sorted' is not known here"),
        (lambda client: client.trace("f" * 32), "No trace 'ffff"),
        (lambda client: client.trace("x y"), "No trace 'x y'"),
        (lambda client: client.sql("DROP TABLE x"), "The statement begins with 'DROP'."),
        (lambda client: client.sql("SELECT * FROM numbers(10)", rows_max=5), "more than 5 rows"),
    ],
)
def test_a_question_that_cannot_be_asked_raises_its_sentence(client, ask, sentence):
    """The server's own."""
    with pytest.raises(QueryError) as refused:
        ask(client)
    assert sentence in str(refused.value)


def test_the_token_is_sent(monkeypatch):
    """Given, or from the environment; and what is no mlobs server is told."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        for token in ("secret", None, ""):
            monkeypatch.setenv("MLOBS_TOKEN", "of the environment")
            with pytest.raises(ServerError, match="is not an mlobs server"):
                Client(url, token).traces()
        server.shutdown()
        thread.join()
    assert seen == ["Bearer secret", "Bearer of the environment", None]


def test_a_line_end_around_the_token_is_not_sent():
    """It is of the file that the token was read from."""
    with Client("http://127.0.0.1:9", "secret-0123456789\r\n") as client:
        assert client._session.headers["Authorization"] == "Bearer secret-0123456789"


@pytest.mark.parametrize(
    "token", ["secret\nX-Other: 1", "secret-\u20ac", "secret\x00", "secret-\u00fc", "a\tb"]
)
def test_a_token_that_no_header_can_hold_is_refused_without_telling_it(token):
    with pytest.raises(SettingError, match=r"MLOBS_TOKEN cannot be sent: of its \d+ characters") as refused:
        Client("http://127.0.0.1:9", token)
    assert "secret" not in str(refused.value)


def test_without_a_server_the_sentence_says_so():
    """A notebook's first cell."""
    with pytest.raises(
        ServerError, match=r"No server answers at http://127\.0\.0\.1:9\. Start one with: mlobs up"
    ):
        Client("http://127.0.0.1:9").traces()
    with pytest.raises(SettingError, match="an address such as"):
        Client("nonsense")
