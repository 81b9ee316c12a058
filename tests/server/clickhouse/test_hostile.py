"""ClickHouse's interface in the hands of somebody who means harm and may only read."""

from pathlib import Path

import pytest
import requests

from tests.server.clickhouse.hostile import HUNGRY, READS, WRITES

KNOWN = "Code: {code}. DB::Exception: "
SMALL = {"max_execution_time": "2"}
ROWS_MAX, SECONDS = 5_000_000, 150


@pytest.fixture(scope="module")
def url(served):
    return f"{served.url}/clickhouse/"


def send(url, statement, **params):
    return requests.post(url, params=params, data=statement.encode(), timeout=SECONDS)


def shown(statement):
    return statement[:60] or "empty"


@pytest.mark.parametrize("statement", [*WRITES, *READS], ids=shown)
def test_it_is_refused_with_a_sentence(url, tmp_path, statement):
    file: Path = tmp_path / "written"
    for answer in (
        send(url, statement.replace("{file}", str(file))),
        send(url, f"/* {{file}} */ {statement} ".replace("{file}", str(file)), default_format="JSON"),
    ):
        assert answer.status_code in {400, 403, 404, 413, 500}, answer.text
        code = answer.headers["X-ClickHouse-Exception-Code"]
        assert answer.text.startswith(KNOWN.format(code=code))
        assert not file.exists()
    assert send(url, "SELECT 1").text == "1\n"


@pytest.mark.parametrize("name", ["readonly", "max_memory_usage", "max_execution_time", "max_result_rows"])
def test_a_limit_that_is_taken_away_stays(url, name):
    """A client may say that it wants none, or next to none; what counts is what holds."""
    asked = f"SELECT getSetting('{name}')"
    limit = send(url, asked).text
    assert float(limit) > 0
    if name != "readonly":
        for least in ("0.5e-9", "1e-300"):  # The engine makes nought of it, which is no limit.
            answer = send(url, asked, **{name: least})
            assert answer.status_code == 500 or 0 < float(answer.text) < float(limit)
    assert send(url, f"{asked} SETTINGS {name} = 0").text == limit
    assert send(url, asked, **{name: "0"}).text == limit


@pytest.mark.slow
@pytest.mark.parametrize("statement", HUNGRY, ids=shown)
def test_it_is_ended_by_a_limit(url, statement):
    """Of time, of memory, of rows, or of what the engine takes; the next one is answered."""
    answer = send(url, statement, **SMALL)
    if answer.status_code == 200:
        assert answer.text.count("\n") <= ROWS_MAX
    else:
        code = answer.headers["X-ClickHouse-Exception-Code"]
        assert answer.text.startswith(KNOWN.format(code=code))
    assert send(url, "SELECT 1").text == "1\n"
