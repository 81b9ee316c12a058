"""Functions that reach beyond the tables: refused under every name, and where no tree shows them."""

from pathlib import Path

import pytest
import requests

from mlobs.errors import QueryError
from mlobs.server.ask.guard import EXPLAIN, tree_problem
from mlobs.server.ask.reaching import FUNCTIONS, reaches
from tests.server.ask.reaching import CALLS, HIDING

LOOKED_AT = Path(__file__).with_name("functions.txt")


def send(server, statement):
    return requests.post(f"{server.url}/api/sql", json={"query": statement}, timeout=150)


@pytest.mark.parametrize("call", CALLS, ids=lambda text: text[:40])
def test_a_call_is_refused_by_both_interfaces(served, call):
    assert "reaches beyond the tables" in (answer := send(served, f"SELECT {call}")).json()["error"]
    assert answer.status_code == 400
    answer = requests.post(f"{served.url}/clickhouse/", data=f"SELECT {call}", timeout=150)
    assert "reaches beyond the tables" in answer.text
    assert answer.headers["X-ClickHouse-Exception-Code"] == "497"


@pytest.mark.parametrize("statement", HIDING, ids=lambda text: text[:50])
@pytest.mark.parametrize("call", ["hostName()", "hasColumnInTable('127.0.0.1:9', 'system', 'one', 'dummy')"])
def test_no_place_hides_a_call(served, statement, call):
    statement = statement.replace("{call}", call)
    assert send(served, statement).status_code == 400
    answer = requests.post(f"{served.url}/clickhouse/", data=statement, timeout=150)
    assert answer.headers["X-ClickHouse-Exception-Code"] in {"497", "62"}, answer.text


@pytest.mark.parametrize("statement", HIDING, ids=lambda text: text[:50])
def test_no_place_hides_a_call_from_the_tree(served, statement):
    """Where SHOW can hide one its words are refused; all else is for the tree."""
    if not statement.startswith("SHOW "):
        asked = EXPLAIN + statement.replace("{call}", "hostName()")
        try:
            tree = [line for row in served.store.query(asked) for line in row["explain"].split("\n")]
        except QueryError:  # The engine does not read it either.
            return
        assert tree_problem(tree)


def test_every_name_that_is_refused_is_refused_in_the_tree():
    for name in FUNCTIONS:
        for written in (name, name.upper()):
            assert "reaches beyond" in tree_problem(
                ["SelectQuery (children 1)", f" Function {written} (children 1)"]
            )


def test_another_name_of_a_function_that_is_refused_is_refused(served):
    asked = "SELECT name, alias_to FROM system.functions WHERE alias_to != ''"
    pairs = [(row["name"].lower(), row["alias_to"].lower()) for row in served.store.query(asked)]
    assert len(pairs) > 50
    assert [pair for pair in pairs if reaches(pair[0]) != reaches(pair[1])] == []


def test_somebody_has_looked_at_every_function_of_the_engine(served):
    """An upgrade brings new ones: look whether they reach beyond the tables, then add them to the list."""
    asked = "SELECT name FROM system.functions UNION DISTINCT SELECT name FROM system.table_functions"
    there = {row["name"] for row in served.store.query(asked)}
    looked_at = LOOKED_AT.read_text().split()
    assert looked_at == sorted(set(looked_at))
    assert sorted(there - set(looked_at)) == [], (
        "The engine has functions that nobody has looked at. What reaches files, the network, other tables "
        "or the host belongs into mlobs/server/ask/reaching.py and tests/server/ask/reaching.py; then add "
        "the names to tests/server/ask/functions.txt."
    )
