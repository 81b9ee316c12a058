"""The lints of SQL and TraceQL: what is no question is found, and what somebody could break out of."""

import copy

import pytest

from mlobs.dashboards import lint
from mlobs.dashboards.layout import panels
from tests.dashboards.boards import DASHBOARDS

CHOICES = lint.choices(list(DASHBOARDS.values()))


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("SELECT 'it''s; (so)', \"a;b\" FROM t -- ; )", set()),
        ("WITH x AS (SELECT 1) SELECT * FROM x WHERE $__timeFilter(t);", set()),
        ("SELECT 1; DROP TABLE otel_traces", {"target-sql"}),
        ("SELECT count( FROM t", {"target-sql"}),
        ("SELECT 'never ends", {"target-sql"}),
        ("DROP TABLE otel_traces", {"target-sql"}),
        ("SELECT 1 WHERE a = decodeURLComponent('${service:percentencode}')", set()),
        ("SELECT 1 WHERE a IN splitByChar('&', '${service:queryparam}')", set()),
        ("SELECT 1 WHERE $__conditionalAll(a IN ('x'), $service)", set()),
        ("SELECT 1 WHERE a IN (${service:singlequote})", {"target-sql-quoted"}),
        ("SELECT 1 WHERE a = '${service}'", {"target-sql-quoted"}),
        ("SELECT 1 WHERE a LIKE '%$service%'", {"target-sql-quoted"}),
        ("SELECT 1 WHERE a = '$shop'", {"variables-known"}),
    ],
)
def test_what_is_no_question_or_can_be_broken_out_of_is_found(statement, rules):
    """A value that begins with a backslash has ended such a string before."""
    dashboard = copy.deepcopy(DASHBOARDS["overview.json"])
    target = {"refId": "A", "rawSql": statement}
    source = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    dashboard["panels"][0].update(datasource=source, targets=[target])
    assert {one.rule for one in lint.check(dashboard, CHOICES)} == rules


@pytest.mark.parametrize("name", ["traces.json", "traces-clickhouse.json"])
def test_nonsense_instead_of_any_query_of_traces_is_found(name):
    """Each panel's own: a rule that sees only the first would not do."""
    dashboard = copy.deepcopy(DASHBOARDS[name])
    spoilt = set()
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            if "rawSql" in target:
                target["rawSql"] = "SELEC nonsense FORM nowhere; DROP TABLE otel_traces"
            elif target.get("queryType") == "traceql":
                target["query"] = "{ nonsense"
            else:
                continue
            spoilt.add(panel["title"])
    rules = {"target-sql", "target-traceql"}
    found = {one.panel for one in lint.check(dashboard, CHOICES) if one.rule in rules}
    assert spoilt
    assert found == spoilt
