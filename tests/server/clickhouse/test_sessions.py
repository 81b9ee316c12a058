"""Sessions of who may write: what keeps something stays, what keeps nothing gives way to new ones."""

import pytest

from mlobs.server.clickhouse.asked import read
from mlobs.server.clickhouse.desk import Desk
from mlobs.server.clickhouse.refusal import SESSION_NOT_FOUND, TOO_MANY, ClickHouseError
from mlobs.server.clickhouse.sessions import LEAVES_NOTHING, SESSIONS_MAX
from mlobs.server.store import Store

TABLE = b"CREATE TEMPORARY TABLE t (a Int32) ENGINE = Memory"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = Store(tmp_path_factory.mktemp("store"), memory_bytes_max=4 << 30, query_seconds_max=60)
    yield opened
    opened.close()


@pytest.fixture
def ask(store):
    desk = Desk(store, writes=True)

    def asked(session: str, statement: bytes = b"SELECT 1", **params: str) -> bytes:
        query = {"session_id": session, **params}
        return desk.answer(read(query.items(), {}, statement), admin=True).answer.body

    yield asked
    desk.close()


@pytest.mark.slow
def test_clients_that_never_end_their_sessions_are_all_answered_and_a_table_in_one_stays(ask):
    ask("mine", TABLE)
    ask("mine", b"INSERT INTO t VALUES (7)")
    for number in range(SESSIONS_MAX * 2):
        assert ask(f"client-{number}") == b"1\n"
    assert ask("mine", b"SELECT a FROM t") == b"7\n"


def test_sessions_that_keep_something_are_refused_when_too_many_until_one_ends(ask):
    for number in range(SESSIONS_MAX):
        ask(f"keeps-{number}", TABLE)
    with pytest.raises(ClickHouseError, match="close_session=1") as refused:
        ask("another")
    assert refused.value.code == TOO_MANY
    ask("keeps-0", close_session="1")
    assert ask("another") == b"1\n"


def test_an_ended_session_has_no_tables_and_is_not_found_by_who_asks_for_it(ask):
    ask("mine", TABLE)
    assert ask("mine", b"SELECT count() FROM t", session_check="1", close_session="1") == b"0\n"
    with pytest.raises(ClickHouseError) as missing:
        ask("mine", session_check="1")
    assert missing.value.code == SESSION_NOT_FOUND
    with pytest.raises(ClickHouseError, match="Unknown table expression identifier 't'"):
        ask("mine", b"SELECT count() FROM t")


@pytest.mark.parametrize(
    ("statement", "leaves_nothing"),
    [
        (b" -- one\n/* two\n*/ (select 1)", True),
        (b"with x as (select 1) select * from x", True),
        (b"INSERT INTO t VALUES (1)", True),
        (b"create table u (a Int32) engine = Memory", True),
        (b"CREATE OR REPLACE TEMPORARY TABLE t (a Int32)", False),
        (b"create /* */ temporary table t (a Int32)", False),
        (b"SET max_threads = 1", False),
        (b"USE other", False),
        (b"BEGIN TRANSACTION", False),
        (b"SELECTED", False),
        (b"/* SELECT", False),
        (b"", False),
    ],
)
def test_only_what_is_known_to_leave_nothing_counts_as_such(statement, leaves_nothing):
    assert bool(LEAVES_NOTHING.match(statement)) is leaves_nothing


def test_a_statement_that_is_no_text_is_refused(ask):
    with pytest.raises(ClickHouseError, match="utf-8"):
        ask("", b"SELECT \xff")
    assert ask("") == b"1\n"
