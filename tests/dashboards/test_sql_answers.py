"""Every panel of the board in SQL has something to show, on the server's tables and on the exporter's.

The real SDK sent the spans, the real server took them in and answers as a reader is answered.
"""

import dataclasses
import json
import math
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlobs.dashboards.boards.traces_clickhouse import board
from mlobs.dashboards.layout import place
from mlobs.dashboards.preview.spans import Span
from mlobs.dashboards.sql import columns
from mlobs.dashboards.sql import statements as sql
from tests.dashboards.asking import Asker, RefusedError, panels
from tests.dashboards.sql_program import RUNS
from tests.server.clickhouse.elsewhere import up
from tests.server.clickhouse.golang import built
from tests.workload import MODEL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # It builds a program of Go.

HERE = Path(__file__).parent
EXPORTERS = ("exporter_old", "exporter_new", "exporter_json")
NESTED = {"The trace", "Its logs"}  # What JSON nests, they show nested.
BOARD = board()
PANELS = list(panels(BOARD.rows))
CHOICES = [variable for variable in BOARD.variables if variable["type"] == "query"]
NAMES = ("helpful", "feedback", "grounded")  # scores of each run
STORED = {"otel_traces": 8 * RUNS + 4, "scores": RUNS * len(NAMES)}  # Runs, and the one in circles.
SCORED = "SELECT TraceId FROM scores ORDER BY Timestamp LIMIT 1"


def rows(reader, table):
    return int(reader.ask(f"SELECT count() AS n FROM {table}")[0]["n"])


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """An asker for each database, when the program has ended and the exporter's tables hold the same."""
    folder = tmp_path_factory.mktemp("sql")
    with up(folder / "server", MLOBS_CLICKHOUSE_WRITES="1") as (url, _):
        command = [sys.executable, "-m", "tests.dashboards.sql_program", url]
        done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        now = time.time()
        span = Span(now - 3600, now + 60)
        reader = Asker(f"{url}/clickhouse/", span)
        until = time.monotonic() + 120
        while (stored := [rows(reader, table) for table in STORED]) != list(STORED.values()):
            assert time.monotonic() < until, stored
            time.sleep(0.2)
        trace = reader.ask(SCORED)[0]["TraceId"]
        writer = Asker(reader.url, span, method="POST")
        for name in EXPORTERS:
            for statement in (HERE / f"{name}.sql").read_text().split(";\n"):
                writer.send(statement)
        askers = {"mlobs": reader}
        askers |= {name: Asker(reader.url, span, database=name, method="POST") for name in EXPORTERS}
        for one in askers.values():
            one.choose(BOARD.variables, trace=trace)
        yield SimpleNamespace(**askers)


@pytest.mark.parametrize("variable", CHOICES, ids=lambda variable: variable["name"])
def test_the_variable_has_something_to_choose(asked, variable):
    assert asked.mlobs.choices[variable["name"]].values


@pytest.mark.parametrize(("title", "statement"), PANELS, ids=[title for title, _ in PANELS])
def test_the_panel_shows_something(asked, title, statement):
    rows = asked.mlobs.ask(asked.mlobs.written(statement))
    assert rows, title
    numbers = [value for row in rows for value in row.values() if isinstance(value, int | float)]
    assert all(math.isfinite(number) for number in numbers)


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize(("title", "statement"), PANELS, ids=[title for title, _ in PANELS])
def test_the_exporters_tables_give_the_same_answer(asked, title, statement, name):
    """Where no canonical column is stored each is computed from the attributes."""
    other = getattr(asked, name)
    expected = asked.mlobs.ask(asked.mlobs.written(statement))
    found = other.ask(other.written(statement))
    if name == "exporter_json" and title in NESTED:
        assert len(found) == len(expected)
        return
    assert alike(found) == alike(expected)


@pytest.mark.parametrize(
    ("name", "computed"),
    [("mlobs", {"maps"}), ("exporter_old", {"stored", "maps"}), ("exporter_json", {"json"})],
)
def test_the_hidden_variables_say_what_is_computed_from_what(asked, name, computed):
    choices = getattr(asked, name).choices
    assert {one for one in ("stored", "maps", "json") if choices[one].values == ("computed",)} == computed


def test_a_trace_with_json_attributes_has_them_as_tags(asked):
    statement = asked.exporter_json.written(dict(PANELS)["The trace"])
    tags = [{tag["key"]: tag["value"] for tag in row["tags"]} for row in asked.exporter_json.ask(statement)]
    assert MODEL in {
        json.loads(one["gen_ai"]).get("request", {}).get("model") for one in tags if "gen_ai" in one
    }


def test_the_server_s_own_columns_are_read_where_there_are_some(asked):
    assert asked.mlobs.choices["stored"].values == ("$__all",)
    assert "SpanAttributes" not in asked.mlobs.written(dict(PANELS)["Model calls"])


def test_what_is_chosen_is_kept_to(asked):
    statement = dict(PANELS)["Model calls"]
    nobody = asked.mlobs.only(service="o'brien\\")
    assert nobody.ask(nobody.written(statement)) == [{"calls": 0}]
    one = asked.mlobs.only(service="support-bot", model=MODEL)
    assert one.ask(one.written(statement)) == [{"calls": 2 * RUNS}]
    both = asked.mlobs.only(service=("a,b&c=d", "support-bot"), model=MODEL)
    assert both.ask(both.written(statement)) == [{"calls": 2 * RUNS}]


def test_an_ad_hoc_filter_narrows_every_panel(asked):
    """The data source puts it behind a panel's statement."""
    nobody = "\nsettings additional_table_filters={'otel_traces' : ' ServiceName = \\'nobody\\' '}"
    for title, statement in PANELS:
        rows = asked.mlobs.ask(asked.mlobs.written(statement) + nobody)
        alone = title in {"Evaluations", "Its logs"}  # of another table
        assert any(value for row in rows for value in row.values()) == alone, title


# Each ends the text it stands in by one of Grafana's ways to quote, or by none, and goes on as SQL.
HOSTILE = (
    "\\') UNION ALL SELECT concat('leak', SpanName) FROM otel_traces LIMIT 3 -- ",
    "\\')) UNION ALL SELECT Body FROM otel_logs -- ",
    "') OR 1=1 -- ",
    "' UNION ALL SELECT Body FROM otel_logs -- ",
    '\\") OR ("" = "',
    "x' || (SELECT max(Body) FROM otel_logs) || '",
    "C:\\svc\\",
    "%27) OR 1=1 -- ",
    "${service:raw}",
    "$__conditionalAll(1=1, $service)",
    "$__fromTime",
    "a\nb\0c",
    "naïve 模型 🦜",
    "a,b}",
)
CHOSEN = sorted({name for _, text in [*PANELS] for name in re.findall(r"\$\{(\w+):", text)})


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_of_any_variable_is_only_a_value(asked, value):
    """As a link brings it, or a service's own name: nobody has it, so there is nothing to see."""
    statements = [*(v["query"]["rawSql"] for v in CHOICES), *(text for _, text in PANELS)]
    for name in CHOSEN:
        one = asked.mlobs.only(**{name: value})
        for statement in statements:
            if f"${{{name}:" not in statement:
                continue
            for written in {one.written(statement), one.written(statement, strictly=True)}:
                rows = one.ask(written)
                assert all(not found for row in rows for found in row.values()), (name, statement)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_of_a_hidden_variable_changes_nothing(asked, value):
    """Older releases of Grafana take it from the address, whatever the board says."""
    one = asked.mlobs.only(stored=value)
    for _, statement in PANELS:
        assert one.written(statement) == asked.mlobs.only(stored="computed").written(statement)


@pytest.mark.parametrize("value", HOSTILE)
def test_what_has_such_a_name_is_found_by_it(asked, value):
    """The name comes out of the database as it went in."""
    one = asked.mlobs.only(service=value)
    condition = sql.among("service").replace(sql.CHOICES["service"], "name")
    if "$__" in value:
        return  # the plugin's macros are filled in there: it finds nothing, and says so
    literal = f"unhex('{value.encode().hex()}')"
    written = one.written(f"SELECT count() AS n FROM (SELECT {literal} AS name) WHERE {condition}")
    assert one.ask(written) == [{"n": 1}]


def test_the_numbers_are_those_of_the_program(asked):
    """Not empty is not yet right."""

    def rows(title: str) -> list[dict[str, Any]]:
        return asked.mlobs.ask(asked.mlobs.written(dict(PANELS)[title]))

    assert rows("Agent runs") == [{"runs": RUNS + 1}]
    assert [row["Calls"] for row in rows("Calls repeated most in one run")] == [3]
    assert rows("Model calls") == [{"calls": 2 * RUNS}]
    assert rows("Failed model calls")[0]["share"] == pytest.approx(4 / (2 * RUNS))  # every third answer
    assert {row["User"] for row in rows("Users by cost")} == {f"user-{number}" for number in range(4)}
    assert {row["Error"] for row in rows("Errors by type and span")} == {"TimeoutError", "LookupError"}
    evaluations = rows("Evaluations")
    assert {row["Name"]: row["Scores"] for row in evaluations} == dict.fromkeys(NAMES, RUNS)


@pytest.mark.parametrize("title", ["Model calls by model", "All failed calls by error", "Tokens by kind"])
def test_a_count_is_nothing_where_there_were_no_calls(asked, title):
    """A line from one minute with calls to the next would draw calls in the minutes between."""
    rows = asked.mlobs.ask(asked.mlobs.written(dict(PANELS)[title]))
    for name, lines in by_line(rows).items():
        assert lines["time"] == steps(asked.mlobs.span), name
        numbers = [values for column, values in lines.items() if column != "time"]
        assert all(values.count(0) > len(values) / 2 for values in numbers), name
        assert any(sum(values) > 0 for values in numbers), name


@pytest.mark.parametrize("title", ["Model calls, quantiles", "Model calls by model, p95"])
def test_a_duration_has_a_gap_where_there_were_no_calls(asked, title):
    rows = asked.mlobs.ask(asked.mlobs.written(dict(PANELS)[title]))
    for name, lines in by_line(rows).items():
        assert lines["time"] == steps(asked.mlobs.span), name
        for values in (values for column, values in lines.items() if column != "time"):
            assert values.count(None) > len(values) / 2, name
            assert {value > 0 for value in values if value is not None} == {True}, name


@pytest.mark.parametrize(("title", "statement"), PANELS, ids=[title for title, _ in PANELS])
def test_a_range_shorter_than_a_step_is_answered(asked, title, statement):
    end = asked.mlobs.span.end_s
    brief = dataclasses.replace(asked.mlobs, span=Span(end - 5, end))
    rows = brief.ask(brief.written(statement))
    assert not any("time" in row for row in rows), title


def test_calls_without_a_tenant_are_a_row_that_no_tenant_is_named_like(asked):
    rows = asked.mlobs.ask(asked.mlobs.written(dict(PANELS)["Tenants by cost"]))
    assert {row["Tenant"]: row["Calls"] for row in rows} == dict.fromkeys(("acme", ""), 3 * RUNS / 2)
    [panel] = [panel for row in BOARD.rows for panel in row.panels if panel["title"] == "Tenants by cost"]
    overrides = panel["fieldConfig"]["overrides"]
    [properties] = [one["properties"] for one in overrides if one["matcher"]["options"] == "Tenant"]
    assert [one["value"][0]["options"]["result"]["text"] for one in properties] == ["(no tenant)"]


TABLES = [panel for panel in place(BOARD.rows) if panel["type"] == "table"]


@pytest.mark.parametrize("panel", TABLES, ids=lambda panel: panel["title"])
def test_a_table_leaves_room_for_names_on_a_small_screen(asked, panel):
    """On a page of 1280 pixels; columns that say how wide they are take from those that do not."""
    looks = {one["matcher"]["options"]: one["properties"] for one in panel["fieldConfig"]["overrides"]}
    widths = {
        name: sum(part["value"] for part in parts if part["id"] == "custom.width")
        for name, parts in looks.items()
    }
    [row, *_] = asked.mlobs.ask(asked.mlobs.written(panel["targets"][0]["rawSql"]))
    names = [name for name in row if not widths.get(name)]
    room = (1280 - 24) * panel["gridPos"]["w"] / 24 - 26
    assert room - sum(widths.values()) >= 120 * len(names)


def test_a_service_that_never_failed_has_no_last_failure(asked):
    """It was in 1970, 57 years ago."""
    statement = asked.mlobs.written(dict(PANELS)["Services"])
    assert asked.mlobs.ask(statement)[0]["Last failure"] > "2020"
    healthy = asked.mlobs.ask(statement.replace(columns.FAILED, "0"))
    assert [row["Last failure"] for row in healthy] == [None]


def test_grafana_s_client_reads_every_panel(asked, tmp_path):
    """Its plugin asks with the Go client, in a binary format of which every column's type must be read."""
    statements = [asked.mlobs.written(statement) for _, statement in PANELS]
    found = built(tmp_path).read(asked.mlobs.url, statements)
    assert [answer["error"] for answer in found] == [""] * len(PANELS)
    assert all(answer["rows"] for answer in found)


def test_a_reader_may_not_ask_the_exporter_s_database(asked):
    reader = Asker(asked.mlobs.url, asked.mlobs.span, database="exporter_new")
    with pytest.raises(RefusedError, match="is not asked here"):
        reader.ask("SELECT 1")


def by_line(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, list[Any]]]:
    """Return the columns of each line: its moments, and its numbers in their order."""
    found: dict[tuple[str, ...], dict[str, list[Any]]] = {}
    for row in rows:
        name = tuple(str(row[column]) for column in ("model", "error") if column in row)
        lines = found.setdefault(name, {})
        for column in set(row) - {"model", "error"}:
            lines.setdefault(column, []).append(row[column])
    assert found
    return found


def steps(span: Span) -> list[str]:
    """Return the whole minutes within a range."""
    first, last = -(-int(span.begin_s) // 60) * 60, int(span.end_s) - 60
    return [f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in range(first, last + 1, 60)]


def alike(rows: list[dict[str, Any]]) -> list[Any]:
    """Return rows in an order of their own, and without the last digits of numbers."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return f"{value:.9g}"
        if isinstance(value, list | dict):
            return sorted(map(repr, value)) if isinstance(value, list) else sorted(value.items())
        return value

    return sorted([repr([(name, short(value)) for name, value in row.items()]) for row in rows])
