"""The rows of a ClickHouse query make the profile that the same rows in a file make.

The queries run on the embedded engine, over the server's ClickHouse interface.
"""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pyarrow as pa
import pytest
import requests

from mlobs.cli import main
from mlobs.drift.columns import Unusable, Vectors
from mlobs.drift.profile import Profile
from mlobs.drift.sources.clickhouse import Query, address
from mlobs.errors import DataError, ServerError, SettingError

N = 70_000  # more than a batch
SQL = f"""
SELECT
    toInt32(number % 9) AS n,
    if(number % 7 = 0, NULL, number % 97 / 8) AS x,
    toLowCardinality(if(number % 5 = 0, NULL, ['a', 'bb', 'NA'][number % 3 + 1])) AS c,
    toBool(number % 4 = 0) AS b,
    toDate('2024-01-01') + number % 40 AS d,
    toDateTime('2024-01-01 00:00:00', 'Europe/Berlin') + number AS t
FROM numbers({N}) ORDER BY number -- the training rows
"""


@pytest.fixture(scope="module")
def table():
    number = np.arange(N)
    return pa.table(
        {
            "n": (number % 9).astype("int32"),
            "x": pa.array(number % 97 / 8, mask=number % 7 == 0),
            "c": pa.array(np.array(["a", "bb", "NA"])[number % 3], mask=number % 5 == 0),
            "b": pa.array(number % 4 == 0),
            "d": pa.array((19_723 + number % 40).astype("int32")).cast(pa.date32()),
            "t": pa.array(1_704_063_600 + number, pa.timestamp("s", "UTC")),
        }
    )


def test_a_query_gives_the_profile_of_the_same_rows(served, table):
    """The comment and the semicolon at the end do no harm."""
    seen = []
    query = Query(served.url, f"{SQL};\n", progress=seen.append)
    assert query.rows is None
    assert Profile.of(query, time="t") == Profile.of(table, time="t")
    assert query.rows == N
    assert sum(seen) == 3 * N  # read once, then two passes


def test_rows_that_come_in_another_order_each_time_are_asked_for_once(served):
    """Else some rows would choose the bins and be counted by them, and others would be in neither half."""
    query = Query(served.url, "SELECT rand() AS x FROM numbers(1000)")
    first, second = ([batch.columns["x"].values.tolist() for batch in query] for _ in range(2))
    assert first == second


def test_types_that_arrow_does_not_have_are_read_as_what_they_are(served):
    """ClickHouse sends a DateTime as a number and an Enum as its place."""
    sql = r"""SELECT toDateTime('1970-01-02 00:00:00', 'UTC') AS moment, toDate32('1969-12-31') AS day,
        toDateTime64('1970-01-01 00:00:01.25', 3, 'UTC') AS exact, toDecimal64(1.5, 2) AS money,
        CAST('b\'', 'Enum8(\'a\' = 1, \'b\\\'\' = 2)') AS kind, toIPv4('1.2.3.4') AS ip,
        toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS id, toFixedString('ab', 4) AS code,
        CAST(NULL, 'Nullable(Date)') AS never, NULL AS nothing, true AS yes,
        toUInt64(18446744073709551615) AS big,
        CAST([1, 2], 'Array(Float32)') AS vector, map('a', 1) AS pairs, tuple(1, 'a') AS two,
        1 AS `odd ``name`"""
    [batch] = Query(served.url, sql)
    found = batch.columns
    numbers = {
        name: found[name].values.tolist() for name in ("moment", "day", "exact", "money", "big", "odd `name")
    }
    assert numbers == {
        "moment": [86_400], "day": [-86_400], "exact": [1.25], "money": [1.5], "big": [2.0**64],
        "odd `name": [1],
    }  # fmt: skip
    assert np.isnan(found["never"].values).all()
    texts = {name: found[name].levels[found[name].codes[0]] for name in ("kind", "ip", "id", "code", "yes")}
    assert texts == {
        "kind": "b'", "ip": "1.2.3.4", "id": "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "code": "ab",
        "yes": "true",
    }  # fmt: skip
    assert found["nothing"].codes.tolist() == [-1]
    assert isinstance(found["vector"], Vectors)
    assert isinstance(found["pairs"], Unusable)
    assert isinstance(found["two"], Unusable)


def test_only_the_columns_that_are_wanted_are_asked_for(served):
    """A table may have hundreds of others."""
    sql = "SELECT 1 AS a, 2 AS b, 3 AS c"
    assert [set(batch.columns) for batch in Query(served.url, sql, columns=["c", "a"])] == [{"a", "c"}]
    assert [set(batch.columns) for batch in Query(served.url, sql, columns=["d"])] == [{"a", "b", "c"}]
    assert list(Query(served.url, "SELECT 1 AS a WHERE 0")) == []


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT nothing", "Unknown expression identifier `nothing`"),
        (
            "INSERT INTO x VALUES (1)",
            r"Syntax error: failed \(INTO\): INTO x VALUES \(1\)\. Wanted: one SELECT",
        ),
        ("SELECT 1; SELECT 2", "send one statement, without a semicolon"),
        ("SELECT 1 FORMAT JSON", "Syntax error"),
        ("SELECT * FROM system.processes", "system"),
    ],
)
def test_a_query_that_does_not_run_is_told_when_it_is_given(served, sql, sentence):
    """Before any row is read."""
    with pytest.raises(DataError, match=rf"127\.0\.0\.1:\d+/clickhouse/ refuses the query: .*{sentence}"):
        Query(served.url, sql)


def test_texts_that_are_not_utf8_are_refused_with_a_sentence(served):
    """A ClickHouse String holds any bytes."""
    with pytest.raises(DataError, match=r"Column 'b' holds bytes that are not UTF-8"):
        Profile.of(Query(served.url, "SELECT unhex('ff') AS b FROM numbers(9)"))


def test_nobody_there_is_told():
    """With the address, without the password."""
    with pytest.raises(
        ServerError, match=r"No ClickHouse answers at 127\.0\.0\.1:9/sales: Connection refused\."
    ):
        Query("clickhouse://ana:secret@127.0.0.1:9/sales", "SELECT 1")


def test_an_answer_that_breaks_off_is_no_answer(served):
    """A profile of half of the rows would be wrong without a word."""

    class Cutting(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            keep = {k: v for k, v in self.headers.items() if k.lower() in {"content-type", "authorization"}}
            answer = requests.post(served.url + self.path, body, headers=keep, timeout=30)
            cut = b"ArrowStream" in body
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower().startswith("x-") or name == "Content-Type":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer.content[: len(answer.content) // 2] if cut else answer.content)
            self.close_connection = True

        do_GET = do_POST  # noqa: N815 - as the base class calls it

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Cutting) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        query = Query(f"http://127.0.0.1:{proxy.server_port}", "SELECT number FROM numbers(200000)")
        with pytest.raises(DataError, match=r"The answer of 127.* broke off after \d+ rows: .*\. Ask again"):
            list(query)
        proxy.shutdown()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("clickhouse://db", ("db", 8123, "default", "", "", "", False)),
        ("clickhouse://ana:p%40ss@db:9/sales?secure=1", ("db", 9, "ana", "p@ss", "sales", "", True)),
        ("http://127.0.0.1:4318", ("127.0.0.1", 4318, "default", "t0ken", "mlobs", "clickhouse/", False)),
        (
            "https://obs.example.org/a/",
            ("obs.example.org", 443, "default", "t0ken", "mlobs", "a/clickhouse/", True),
        ),
        (None, ("there", 1, "default", "t0ken", "mlobs", "clickhouse/", False)),
    ],
)
def test_addresses(monkeypatch, url, wanted):
    """Of a ClickHouse, or of an mlobs server, whose token the environment has."""
    monkeypatch.setenv("MLOBS_SERVER", "http://there:1")
    monkeypatch.setenv("MLOBS_TOKEN", "t0ken")
    found = address(url)
    assert (
        found.host, found.port, found.user, found.password, found.database, found.path, found.secure
    ) == wanted  # fmt: skip
    assert "p@ss" not in str(found) + repr(found)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "clickhouse:///x",
            "The address of the query cannot be used: it does not begin with clickhouse://",
        ),
        (
            "clickhouse://h:port/x",
            "The address of the query cannot be used: it is not an address. clickhouse://",
        ),
        ("clickhouse://h/x?a=1", "cannot be used: the option 'a' is not known; secure, verify, ca are."),
        ("clickhouse://h/x?secure=yes", "cannot be used: secure='yes' came, 0 or 1 was expected."),
        ("ftp://h", "an address such as"),
    ],
)
def test_what_is_no_address_is_refused(url, sentence):
    """In a sentence without the password."""
    with pytest.raises(SettingError, match=re.escape(sentence)):
        address(url)


@pytest.mark.slow
def test_the_command_line_profiles_and_checks_queries(served, tmp_path, capsys):
    """Without a file in between."""
    made = ["drift", "profile", "--query", SQL, "--from", served.url, "-o", str(tmp_path / "p.json")]
    assert main(made) == 0
    capsys.readouterr()
    moved = SQL.replace("number % 97 / 8", "number % 97 / 8 + 5")
    check = ["drift", "check", str(tmp_path / "p.json"), "--from", served.url, "--json", "--query"]
    assert main([*check, SQL]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == N
    assert main([*check, moved]) == 1


@pytest.mark.slow
def test_a_server_with_tokens_takes_that_of_the_environment(run_program, tmp_path):
    """The token is the password."""
    (tmp_path / "tokens").write_text("read " + "a" * 32 + "\n")
    (tmp_path / "tokens").chmod(0o600)
    made = run_program(
        f"""
from pathlib import Path
from mlobs.drift.sources.clickhouse import Query
from mlobs.errors import MlobsError
from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load

with Server(load(ServerSettings, port=0, data=Path({str(tmp_path / "data")!r}))) as server:
    print([batch.rows for batch in Query(server.url, "SELECT 1")])
    try:
        Query(server.url.replace("//", "//default:wrong@"), "SELECT 1")
    except MlobsError as error:
        print(type(error).__name__, error)
""",
        MLOBS_TOKENS=str(tmp_path / "tokens"),
        MLOBS_TOKEN="a" * 32,
    )
    assert made.stdout.splitlines()[:1] == ["[1]"], made.stdout + made.stderr
    assert "Error" in made.stdout.splitlines()[1]
    assert "wrong" not in made.stdout
