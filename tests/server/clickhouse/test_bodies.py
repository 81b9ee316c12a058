"""The memory that bodies of ClickHouse's HTTP interface take, over a real listener that has no store."""

import gzip
import socket
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import pytest
import requests

from mlobs.server.clickhouse.desk import Desk
from mlobs.server.clickhouse.endpoint import COPIES, READ_BYTES_MAX, Endpoint
from mlobs.server.receive.memory import Memory
from tests.server.otlp import wait_until
from tests.server.receiving import receiving

READER, ADMIN = "read-token-0123456789", "admin-token-0123456789"
BYTES_MAX = 16 << 20


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory(BYTES_MAX)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, memory: Memory) -> Iterator[str]:
    """Where writing is switched on; nothing that is asked here comes as far as a statement."""
    folder = tmp_path_factory.mktemp("bodies")
    tokens = folder / "tokens"
    tokens.write_text(f"read {READER}\nadmin {ADMIN}\n")
    tokens.chmod(0o600)
    endpoint = Endpoint(cast("Desk", None), memory, writes=True)
    with receiving(folder, tokens=tokens, routes=tuple(endpoint.routes())) as started:
        yield f"{started.url}/clickhouse/"


def ask(url: str, token: str, body: bytes, **headers: str) -> requests.Response:
    given = {"Authorization": f"Bearer {token}", **headers}
    # Never understood, so that a body which is taken is refused for this.
    return requests.post(url, params={"compress": "1"}, data=body, headers=given, timeout=30)


def beginning(url: str, token: str, body: bytes) -> socket.socket:
    """Send the head of a large body and a part of it."""
    where = urlsplit(url)
    made = socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=30)
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {BYTES_MAX}\r\n\r\n"
    )
    made.sendall(head.encode() + body)
    return made


def test_what_a_link_asks_for_only_reads_whoever_follows_it(url):
    """Else a picture on a page could change something for an administrator."""
    body, headers = b"x" * (READ_BYTES_MAX + 1), {"Authorization": f"Bearer {ADMIN}"}
    followed = requests.get(url, params={"compress": "1"}, data=body, headers=headers, timeout=30)
    assert (followed.status_code, ask(url, ADMIN, body).status_code) == (413, 501)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_only_who_may_write_sends_a_large_body(url, memory, headers):
    body = b"x" * (READ_BYTES_MAX + 1)
    sent = gzip.compress(body) if headers else body
    refused = ask(url, READER, sent, **headers)
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (413, "131")
    assert ask(url, ADMIN, sent, **headers).status_code == 501
    assert ask(url, READER, body[1:]).status_code == 501
    assert memory.bytes == 0


def test_an_encoding_that_clients_choose_to_insert_is_refused_with_what_to_do(url):
    """clickhouse-connect's own choice is lz4."""
    lz4 = {"Content-Encoding": "lz4"}
    assert "'lz4' came; gzip, deflate, zstd or none is taken here" in ask(url, ADMIN, b"x", **lz4).text
    assert "get_client(..., compress='gzip')" in ask(url, ADMIN, b"x", **lz4).text
    assert "MLOBS_CLICKHOUSE_WRITES=1" in ask(url, READER, b"x", **lz4).text


def test_a_body_that_never_fits_is_refused_for_good(url):
    refused = ask(url, ADMIN, b"x" * (BYTES_MAX // COPIES + 1))
    assert refused.status_code == 413
    assert f"More than {BYTES_MAX // COPIES:,} bytes came" in refused.text


def test_bodies_that_are_not_complete_hold_only_so_much_together(url, memory):
    part = b"x" * (BYTES_MAX // COPIES // 2 - 1000)
    open_ones = [beginning(url, ADMIN, part) for _ in range(2)]
    try:
        assert wait_until(lambda: memory.bytes == 2 * COPIES * len(part))
        refused = ask(url, READER, b"x" * 100_000)
        assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (503, "202")
        assert "Too many requests are being read at once" in refused.text
    finally:
        for connection in open_ones:
            connection.close()
    assert wait_until(lambda: memory.bytes == 0)
    assert ask(url, READER, b"x" * 100_000).status_code == 501
