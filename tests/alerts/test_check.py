"""`mlobs alerts check`: what is wrong with files of rules, ours and others'."""

import json

import pytest
import yaml

from mlobs import assets
from mlobs.cli import main
from mlobs.cli.alerts.promql_names import problems
from tests.alerts.rulefiles import GOOD

CALLS = "gen_ai_execute_tool_duration_seconds_count"
RULE = {
    "alert": "Shop",
    "expr": f'sum by (gen_ai_tool_name) (rate({CALLS}{{error_type!=""}}[5m])) > 1',
    "labels": {"severity": "critical"},
    "annotations": {"runbook_url": "https://wiki.example/shop"},
}


def checked(tmp_path, capsys, **changes):
    """Check a Prometheus file with one rule; return the status and the problems."""
    rule = {name: value for name, value in {**RULE, **changes}.items() if value is not None}
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "shop", "rules": [rule]}]}))
    status = main(["alerts", "check", str(path), "--json"])
    return status, [one["problem"] for one in json.loads(capsys.readouterr().out)]


def test_the_packaged_rules_and_what_is_rendered_from_them_have_no_problem(capsys):
    """Names, labels, severities, runbooks and syntax, in all three forms."""
    files = [assets.root() / "alerts" / name for name in ("mlobs.rules.yml", "grafana/mlobs.rules.yaml")]
    for arguments in ([], map(str, files)):
        assert main(["alerts", "check", *arguments]) == 0, capsys.readouterr().out


def test_a_good_rule_of_prometheus_has_no_problem(tmp_path, capsys):
    """Metrics of others are theirs to know."""
    assert checked(tmp_path, capsys) == (0, [])
    assert checked(tmp_path, capsys, expr='up{job="shop"} == 0') == (0, [])
    record = {"alert": None, "record": "shop:calls", "labels": None, "annotations": None}
    assert checked(tmp_path, capsys, **record) == (0, [])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"expr": "sum(up"}, "is not PromQL: "),
        (
            {"expr": f"{CALLS[:-6]}s_count > 1"},
            f"asks for {CALLS[:-6]}s_count, which no row of mlobs.semconv",
        ),
        ({"expr": "mlobs_nothing > 1"}, "asks for mlobs_nothing, which no row of mlobs.semconv makes"),
        ({"expr": "mlobs:nothing:sum > 1"}, "asks for mlobs:nothing:sum, which no rule records"),
        (
            {"expr": f'{CALLS}{{gen_ai_request_model="m"}} > 1'},
            f"chooses {CALLS} by the label gen_ai_request_model, which it does not have",
        ),
        (
            {"expr": f"sum by (gen_ai_tool_nam) ({CALLS}) > 1"},
            "keeps the label gen_ai_tool_nam, which none of its series has; did you mean gen_ai_tool_name?",
        ),
        ({"labels": None}, "has no severity; routes know critical, warning, info"),
        ({"labels": {"severity": "page"}}, "has the severity 'page'; routes know critical, warning, info"),
        ({"annotations": None}, "has no runbook_url; whoever is woken will not know what to do"),
        (
            {"annotations": {"runbook_url": "http://x/runbooks/MlobsWatchdg.md"}},
            "names the runbook MlobsWatchdg.md, which there is not; did you mean 'MlobsWatchdog.md'?",
        ),
        ({"fro": "5m"}, "has a field 'fro', which there is not; did you mean 'for'?"),
        ({"expr": None}, "has no expr"),
    ],
)
def test_what_would_never_fire_or_help_is_told(tmp_path, capsys, changes, problem):
    """One sentence each, and status 1."""
    status, found = checked(tmp_path, capsys, **changes)
    assert status == 1
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_labels_that_a_scraper_or_a_collector_adds_are_let_through():
    """Nobody can know them all."""
    assert problems(f'sum by (cluster, service_version, job) ({CALLS}{{namespace="x"}}) > 1') == []


def test_series_that_another_file_records_are_known(tmp_path, capsys):
    """Rules are kept in many files."""
    for name, rule in {
        "a.yml": {"record": "mlobs:shop:sum", "expr": f"sum({CALLS})"},
        "b.yml": {**RULE, "expr": "mlobs:shop:sum > 1"},
    }.items():
        (tmp_path / name).write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))
    assert main(["alerts", "check", str(tmp_path / "b.yml")]) == 1
    out = capsys.readouterr()
    assert f"{tmp_path / 'b.yml'}, line 7, groups[0].rules[0].expr: Shop: asks for mlobs:shop:sum" in out.out
    assert out.err.strip() == "1 rule, 1 problem"
    assert main(["alerts", "check", str(tmp_path / "a.yml"), str(tmp_path / "b.yml")]) == 0


def test_a_users_rule_needs_a_runbook_beside_its_file(tmp_path, capsys):
    """The server shows pages of the folder runbooks there, too."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    assert main(["alerts", "check", str(path)]) == 1
    assert "ShopSearchFails: has no runbook: write runbooks/ShopSearchFails.md" in capsys.readouterr().out
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "ShopSearchFails.md").write_text("# Ask the search team\n")
    assert main(["alerts", "check", str(path)]) == 0


def test_what_is_no_file_of_rules_is_one_sentence(tmp_path, capsys):
    """Status 2: there was nothing to check."""
    for text, sentence in {
        "groups: [{name: a}]\n": "groups[0]: a list under 'rules' was expected",
        "groups: [{rules: [1]}]\n": "groups[0].rules[0]: a rule was expected",
        "[1]\n": "a mapping with 'rules' was expected at the top",
        "a: b: c\n": "this is not YAML",
    }.items():
        (tmp_path / "bad.yml").write_text(text)
        assert main(["alerts", "check", str(tmp_path / "bad.yml")]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["alerts", "check", str(tmp_path / "missing.yml")]) == 2
    assert "missing.yml cannot be read: No such file" in capsys.readouterr().err


BURNS = """\
rules:
- name: ShopBurns
  indicator:
    kind: burn_rate
    objective_name: shop_tools
    metric: gen_ai.execute_tool.duration
    by: [service.name]
    objective: 0.9
    long_s: 3600
    short_s: 300
    calls_min: 20
  above: 3
  severity: critical
  component: tool
  summary: "Tools of {service.name} fail."
  description: "{value} times too fast."
  runbook: MlobsToolFailureRatio
"""


def test_a_burn_rate_of_a_user_reads_the_series_that_it_records(tmp_path, capsys):
    """In Prometheus' form and in Grafana's, whose file records nothing."""
    (tmp_path / "rules.yml").write_text(BURNS)
    assert main(["alerts", "check", str(tmp_path / "rules.yml")]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            BURNS.replace("above: 3", "above: 14.4"),
            "ShopBurns: can never fire: above is 14.4, and if every call",
        ),
        (
            GOOD.replace("above: 0.1", "above: 5"),
            "ShopSearchFails: can never fire: above is 5, and a share is",
        ),
        (
            GOOD.replace("kind: ratio", "kind: quantile\n    quantile: 0.9").replace(
                "above: 0.1", "above: 1e6"
            ),
            "ShopSearchFails: can never fire: above is 1000000, and no quantile of gen_ai.execute_tool",
        ),
    ],
)
def test_a_rule_that_can_never_fire_is_told(tmp_path, capsys, text, problem):
    """It looks like peace."""
    (tmp_path / "rules.yml").write_text(text)
    assert main(["alerts", "check", str(tmp_path / "rules.yml")]) == 1
    assert problem in capsys.readouterr().out
