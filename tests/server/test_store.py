"""The embedded engine answers what was asked."""

from contextlib import closing, suppress

import pytest

from mlobs.server.engine import EngineError

TABLE = """CREATE TABLE highest (id UInt64, d UInt64, f UInt8, INDEX i d TYPE minmax GRANULARITY 1)
ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 1024"""
ROWS = "INSERT INTO highest SELECT number + {0}, number % 1000000, number % 1000 = 0 FROM numbers(1000000)"
HIGHEST = """SELECT id, intDiv(d, 1) AS value FROM highest WHERE d BETWEEN 100 AND 200000 AND f
ORDER BY d DESC, id DESC LIMIT 5"""


def test_the_highest_rows_of_an_indexed_column_are_the_highest_that_fit(served):
    """Left to itself, the engine chooses blocks before it filters."""
    with served.store.writing() as connection:
        connection.run(TABLE)
        try:
            for number in range(4):
                connection.run(ROWS.format(number * 1_000_000))
            found = [row["id"] for row in served.store.query(HIGHEST)]
            guest = served.store.guest({})
            asked = [row["id"] for row in guest.run(HIGHEST)]
            guest.close()
        finally:
            connection.run("DROP TABLE highest SYNC")
    assert found == asked == [3_200_000, 2_200_000, 1_200_000, 200_000, 3_199_000]


@pytest.mark.slow
def test_an_answer_is_whole_or_refused_for_its_time(served):
    """Stopped by its limit, the engine says nothing once in some hundred times."""
    whole = str(sum(range(10_000))).encode()
    answers = set()
    for _ in range(500):
        connection = served.store.guest({"max_execution_time": 0.001, "readonly": 1})
        with closing(connection), suppress(EngineError):
            answers.add(connection.raw("SELECT sum(number) FROM numbers(10000)", "TSVRaw").body.strip())
    assert answers <= {whole}


def test_a_question_to_a_connection_that_is_closed_is_refused(served):
    """The engine would read what is no longer there: servers are stopped while somebody asks."""
    guest = served.store.guest({})
    guest.close()
    with pytest.raises(EngineError, match="The store is closed"):
        guest.run("SELECT 1")
    guest.close()


CLOSED = """
from pathlib import Path

from mlobs.server.engine import EngineError
from mlobs.server.store import Store

store = Store(Path("FOLDER"), memory_bytes_max=1 << 30, query_seconds_max=10)
try:
    with store.writing() as connection:
        store.close()
        connection.run("SELECT 1")
except EngineError as error:
    print(error)
"""


@pytest.mark.slow
def test_who_writes_while_the_store_is_closed_hears_that_it_is(run_program, tmp_path):
    """And not that something of ours is in no list."""
    ran = run_program(CLOSED.replace("FOLDER", str(tmp_path / "store")))
    assert (ran.stdout, ran.returncode) == ("The store is closed.\n", 0), ran.stderr
