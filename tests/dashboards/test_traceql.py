"""The queries of the board that asks Tempo: TraceQL by Grafana's own grammar, with names of the vocabulary.

No Tempo is asked here: what is proven is that it can read the queries, not what it answers.
"""

import json
import re
import shutil
import subprocess

import pytest

from mlobs.dashboards.boards.traces import BOARD
from mlobs.dashboards.traceql import queries as traceql
from mlobs.semconv import attributes as a

PACKAGES = ("@grafana/lezer-traceql@1.0.0", "@lezer/lr@1", "@lezer/common@1")
READ = """
import { parser } from '@grafana/lezer-traceql';
import { readFileSync } from 'fs';
const wrong = query => {
  const found = [];
  parser.parse(query).iterate({ enter: node => { if (node.type.isError) found.push(node.from); } });
  return found;
};
console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(wrong)));
"""
PANELS = [panel for row in BOARD.rows for panel in row.panels]
QUERIES = [
    target["query"]
    for panel in PANELS
    for target in panel["targets"]
    if target["queryType"] == "traceql" and target["query"].startswith("{")
]
NAMES = {traceql.scoped(row) for row in a.ATTRIBUTES}


ALL = {variable["name"]: variable.get("allValue") for variable in BOARD.variables}


def concrete(query: str, value: str = "") -> str:
    """Return a query as Tempo gets it, with this chosen of every variable, or All."""
    return re.sub(r"\$\{(\w+):regex\}", lambda found: value or ALL[found[1]], query)


@pytest.fixture(scope="module")
def grammar(tmp_path_factory):
    """A function that returns for each query where it is no TraceQL."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed; enable with: sudo apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("grammar")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if installed.returncode:
        pytest.skip(f"the grammar could not be fetched from npm: {installed.stderr.strip()[-200:]}")
    (folder / "read.mjs").write_text(READ)

    def wrong(queries: list[str]) -> list[list[int]]:
        done = subprocess.run(
            [node, "read.mjs"],
            cwd=folder,
            input=json.dumps(queries),
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        found: list[list[int]] = json.loads(done.stdout)
        return found

    return wrong


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_query_is_traceql(grammar):
    queries = [*map(concrete, QUERIES), *(concrete(query, r"(a\.b|c)") for query in QUERIES)]
    assert len(queries) > 30
    assert dict(zip(queries, grammar(queries), strict=True)) == {query: [] for query in queries}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_grammar_finds_what_is_no_traceql(grammar):
    """Otherwise the test above would pass anything."""
    assert all(
        grammar(["{ span.x = ", "{ span.x = 1 } | rates()", "sum(rate(x[5m]))", "{ .a = 1 } | rate() by"])
    )


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_attributes_of_the_vocabulary(query):
    found = set(re.findall(r"\b(?:span|resource)\.[\w.]+\w", re.sub(r"`[^`]*`", "", query)))
    assert found
    assert found <= NAMES


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_keeps_to_what_is_chosen(query):
    assert traceql.SERVICE in query
    assert set(re.findall(r"\$\{(\w+)", query)) <= {variable["name"] for variable in BOARD.variables}


def test_all_is_also_what_lacks_the_attribute():
    """A pattern finds no span without it, and with it chosen none should be found."""
    condition = traceql.chosen("model")
    assert "|| span:duration >= 0s ||" in concrete(condition)
    assert concrete(condition, "gpt") == "(span.gen_ai.request.model =~ `gpt`)"
    assert all(query.count("(") == query.count(")") for query in map(concrete, QUERIES))


SUMMED = [query for query in QUERIES if re.search(r"sum_over_time|> 0 \}|cost_usd > ", query)]


@pytest.mark.parametrize("query", SUMMED)
def test_what_is_summed_is_of_some_operations(query):
    """Agents repeat the usage of what they called, and would double every sum."""
    assert "invoke_agent" not in query
    assert traceql.scoped(a.OPERATION_NAME) in query


def test_lines_have_traces_behind_them():
    targets = [target for panel in PANELS for target in panel["targets"]]
    assert all(
        target["exemplars"] > 0 for target in targets if "quantile_over_time" in target.get("query", "")
    )


def test_lines_that_are_many_are_the_largest():
    assert all(
        f"topk({traceql.SERIES_MAX})" in query
        for query in QUERIES
        if " by (" in query and "quantile" not in query
    )
