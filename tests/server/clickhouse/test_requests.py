"""What is read from addresses, requests and statements, without a server."""

import pytest

from mlobs.errors import SettingError, StoreError
from mlobs.server.clickhouse.address import address
from mlobs.server.clickhouse.asked import read
from mlobs.server.clickhouse.instance import instance
from mlobs.server.clickhouse.refusal import ClickHouseError
from mlobs.server.clickhouse.writing import insertion

FILE = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n1\r\n--x--'


def test_an_address_has_the_ports_and_the_database_that_are_usual():
    found = address("clickhouse://ch.example.org")
    assert (found.port, found.user, found.database, found.secure) == (8123, "default", "mlobs", False)
    found = address("clickhouse://u%40x:p%2F@[::1]:9/far?secure=1&verify=0&cluster=main")
    assert (found.host, found.port, found.user, found.password) == ("::1", 9, "u@x", "p/")
    assert (found.database, found.secure, found.verify, found.cluster) == ("far", True, False, "main")
    assert address("clickhouse://h?secure=1").port == 8443


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@host", "clickhouse://", "clickhouse://user:hunter2@host:99999",
        "clickhouse://user:hunter2@host/a-b", "clickhouse://user:hunter2@host/a;DROP",
        "clickhouse://user:hunter2@host?nothing=1", "clickhouse://user:hunter2@host?secure=maybe",
        "clickhouse://user:hunter2@host?cluster=a'b", "clickhouse://user:hunter2@[host",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_a_sentence_without_its_password(text):
    with pytest.raises(SettingError, match=r"^MLOBS_STORE cannot be used: ") as wrong:
        address(text)
    assert "hunter2" not in str(wrong.value)


def test_a_password_is_never_shown():
    found = address("clickhouse://user:hunter2@host")
    assert "hunter2" not in f"{found} {found!r}"
    assert str(found) == "clickhouse://host:8123/mlobs"


def test_a_server_keeps_its_name(tmp_path):
    name = instance(tmp_path)
    assert (instance(tmp_path), len(name)) == (name, 32)
    (tmp_path / "instance").write_text("")
    with pytest.raises(StoreError, match="is damaged"):
        instance(tmp_path)


def test_statement_and_data_are_joined_as_clickhouse_joins_them():
    asked = read([("query", "INSERT INTO t FORMAT TSV"), ("database", "d"), ("param_a", "1")], {}, b"1\n")
    assert (asked.statement, asked.database, asked.params) == (
        b"INSERT INTO t FORMAT TSV\n1\n",
        "d",
        {"a": "1"},
    )


def test_a_form_has_parameters_in_its_fields():
    body = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\n\xc3\xbc\r\n\r\n--x--\r\n'
    )
    asked = read([("max_threads", "1")], {}, body, "multipart/form-data; boundary=x")
    assert (asked.statement, asked.params) == (b"SELECT {a:String}", {"a": "ü\r\n"})
    assert asked.settings == {"max_threads": "1"}


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ([("compress", "1")], b"", ""),
        ([("decompress", "1")], b"", ""),
        ([("session_timeout", "x")], b"", ""),
        ([("session_timeout", "1" * 5_000)], b"", ""),
        ([("client_protocol_version", "1" * 5_000)], b"", ""),
        ([("client_protocol_version", "\u0661")], b"", ""),
        ([("query_id", "\u20ac")], b"", ""),
        ([("query_id", "a\r\nSet-Cookie: b")], b"", ""),
        ([("query_id", "a" * 65)], b"", ""),
        ([("a b", "x")], b"", ""),
        ([], b"--x--", "multipart/form-data; boundary=x"),
        ([], b"nonsense", "multipart/form-data"),
        ([], FILE, "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_understood_is_a_sentence(query, body, kind):
    with pytest.raises(ClickHouseError):
        read(query, {}, body, kind)


@pytest.mark.parametrize(
    ("statement", "data", "reading"),
    [
        (b"INSERT INTO t FORMAT Native\n\n\1", b"\n\1", "INSERT INTO t FROM INFILE 'f' FORMAT Native"),
        (
            b"insert into `d`.`t` (`a`, b) settings x = 'a,\\' FORMAT', y=1 format TSV {}",
            b"{}",
            "insert into `d`.`t` (`a`, b) FROM INFILE 'f' settings x = 'a,\\' FORMAT', y=1 FORMAT TSV",
        ),
    ],
)
def test_data_behind_an_insert_is_set_apart(statement, data, reading):
    found = insertion(statement)
    assert found is not None
    assert (found.data, found.reading("f")) == (data, reading)


@pytest.mark.parametrize(
    "statement",
    [
        b"INSERT INTO t VALUES (1)",
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t FORMAT Values (1)",
        b"SELECT 1 FORMAT CSV",
    ],
)
def test_a_statement_without_such_data_is_left_alone(statement):
    assert insertion(statement) is None
