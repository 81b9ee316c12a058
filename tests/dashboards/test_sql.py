"""The statements of the board in SQL: names the vocabulary has, and variables the board has."""

import re

import pytest

from mlobs.dashboards.boards.traces_clickhouse import board
from mlobs.dashboards.preview.macros import CONDITIONAL, MACROS, conditional
from mlobs.dashboards.sql import columns
from mlobs.dashboards.sql import statements as sql
from mlobs.semconv import attributes as a
from tests.dashboards.asking import panels

BOARD = board()
PANELS = list(panels(BOARD.rows))
VARIABLES = {variable["name"] for variable in BOARD.variables}
QUERIES = [v["query"]["rawSql"] for v in BOARD.variables if v["type"] == "query"]
# Columns that every form of the exporter's tables has.
COMMON = {
    "Timestamp", "TraceId", "TraceState", "SpanId", "ParentSpanId", "SpanName", "ServiceName",
    "ResourceAttributes", "SpanAttributes", "Duration", "StatusCode", "StatusMessage", "Body", "SeverityText",
    "LogAttributes",
}  # fmt: skip
SCORES = {"Name", "JudgedBy", "Value"}
WORD = re.compile(r"(?<![`$\w])[A-Z][a-z]\w+\b(?!\()")


@pytest.mark.parametrize(("title", "statement"), PANELS, ids=[title for title, _ in PANELS])
def test_a_statement_names_columns_that_every_table_has_or_the_board_computes(title, statement):
    """A column that only the server has would leave the panel empty on the exporter's tables."""
    plain = re.sub(r"'[^']*'", "''", statement)
    assert set(WORD.findall(plain)) <= {*COMMON, *SCORES, *columns.computed()}


@pytest.mark.parametrize("statement", [*QUERIES, *dict(PANELS).values()])
def test_a_statement_uses_variables_and_macros_that_there_are(statement):
    used = {name or braced for name, braced in re.findall(r"\$(?:(\w+)|\{(\w+))", statement)}
    macros = {name.removeprefix("__") for name in used if name.startswith("__")}
    assert used - {f"__{name}" for name in macros} <= VARIABLES
    assert macros <= {*MACROS, "conditionalAll"}


@pytest.mark.parametrize(("title", "statement"), PANELS, ids=[title for title, _ in PANELS])
def test_a_statement_keeps_to_the_range_and_to_some_rows(title, statement):
    """Ten million spans are asked by the key they are sorted by; an answer is what a screen holds."""
    reads = statement.count(f"FROM {columns.TRACES}") + statement.count(f"FROM {columns.LOGS} ")
    assert statement.count(sql.WHEN) >= max(reads, 1)
    assert " LIMIT " in statement or "GROUP BY time" in statement or "GROUP BY" not in statement or (
        "TraceId IN (SELECT id" in statement
    )  # fmt: skip


@pytest.mark.parametrize("statement", [*QUERIES, *dict(PANELS).values()])
def test_a_statement_computes_the_columns_that_may_be_missing(statement):
    """And only those it names: each is a read of every attribute."""
    plain = re.sub(r"'[^']*'", "''", statement)
    made = set(re.findall(r" AS ([A-Z]\w+)[,)]", plain)) & set(columns.computed())
    outside = re.sub(r"\$__conditionalAll\(tuple\(.*?\), \$(stored|maps|json)\)", "", plain)
    assert made == set(WORD.findall(outside)) & set(columns.computed()) - SCORES


def test_every_column_of_the_vocabulary_can_be_computed():
    named = {row.column for row in a.ATTRIBUTES if row.column}
    assert named - set(columns.computed()) == {a.SERVICE_NAME.column, a.KIND.column}


@pytest.mark.parametrize("statement", [*QUERIES, *dict(PANELS).values()])
def test_nothing_chosen_becomes_sql(statement):
    """Grafana quotes, but leaves backslashes; encoded nothing is left that could end a text.

    What is named without a format stands only where the data source's macro takes it away.
    """
    bare = conditional(statement, ())
    forms = re.findall(r"(.?)\$\{(\w+):(\w+)\}(.?)", statement)
    assert all((before, after) == ("'", "'") for before, _, _, after in forms)
    assert {form for _, _, form, _ in forms} <= {"queryparam", "percentencode"}
    assert {name for name in re.findall(r"\$(\w+)", bare) if not name.startswith("__")} == set()


@pytest.mark.parametrize("statement", [*QUERIES, *dict(PANELS).values()])
def test_the_data_source_can_read_its_macro(statement):
    """It counts brackets with no eye for quotes, and puts the condition in by a pattern of JavaScript's."""
    for condition in statement.split(CONDITIONAL)[1:]:
        assert not re.search(r"\$[$&`'\d<]", condition)
    for text in re.findall(r"'[^']*'", statement):
        assert not set("(),") & set(text)


def trace_links(made):
    for row in made.rows:
        for panel in row.panels:
            headings = re.findall(r"AS `(\w+)`", panel["targets"][0]["rawSql"])
            if panel["type"] == "table" and "Trace" in headings:
                [override] = [
                    one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == "Trace"
                ]
                yield [link["url"] for link in override["properties"][0]["value"]]


def test_every_run_of_a_table_leads_to_its_trace():
    """Below, which needs nothing more; and to the server's page where somebody said where that is."""
    found = list(trace_links(board()))
    assert len(found) > 5
    assert all("var-trace=${__value.raw}" in below for (below,) in found)
    with_pages = list(trace_links(board("https://mlobs.example:4319")))
    assert len(with_pages) == len(found)
    assert all(page == "https://mlobs.example:4319/traces/${__value.raw}" for _, page in with_pages)


def test_no_link_leads_where_the_address_of_the_page_says():
    """Links from a value that is chosen would go wherever a link that somebody was sent wants."""
    assert all(
        re.match(r"/d/mlobs-|https://mlobs\.example", url)
        for urls in trace_links(board("https://mlobs.example"))
        for url in urls
    )
