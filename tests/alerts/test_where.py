"""Rules about some calls only: what a file may say under `where`, and what becomes of it."""

import json

import pytest
import yaml

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.contributions import contributions, top
from mlobs.alerts.grafana import grafana_file
from mlobs.alerts.indicators import Gauge, Growth, Increase, Ratio, Recorded, Silence
from mlobs.alerts.kubernetes import rule_object
from mlobs.alerts.measured import Where
from mlobs.alerts.prometheus import rules_file
from mlobs.alerts.promql import expression
from mlobs.alerts.rulefile import parse_rules
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import question
from mlobs.alerts.words import fires_when
from mlobs.cli import main
from mlobs.errors import RuleError
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.dialects.rows import TENANT
from mlobs.settings import AlertSettings
from tests.alerts.conftest import NOW_S
from tests.alerts.rulefiles import written
from tests.yamls import loaded

PACKAGED = catalogue(AlertSettings())
RATIO = {
    "kind": "ratio",
    "metric": "gen_ai.client.inference.duration",
    "by": ["service.name"],
    "window_s": 600,
    "calls_min": 1,
}
EVIL = 'it\'s \\ {x:String} -- "a" .*|b'


def in_file(where, **indicator):
    """Return the text of a file with one rule."""
    rule = {
        "name": "ShopFails",
        "indicator": {**RATIO, **indicator, "where": where},
        "above": 0.1,
        "severity": "warning",
        "component": "shop",
        "summary": "Calls fail.",
        "description": "{value} failed.",
    }
    return yaml.safe_dump({"rules": [rule]}, sort_keys=False)


def only(where, **indicator):
    """Return the one rule of a file."""
    (rule,) = parse_rules(in_file(where, **indicator), "rules.yml", PACKAGED).rules
    return rule


def rule_of(indicator, above=0.0):
    return Rule(
        name="ShopTest",
        indicator=indicator,
        above=None if indicator.kind == "silence" else above,
        severity="warning",
        component="test",
        summary="x",
        description="y",
    )


def test_a_label_has_a_value_or_one_of_several_or_none_of_them():
    """The three forms, as they are written and as they are said."""
    rule = only(
        {
            "service.name": "shop",
            "gen_ai.request.model": ["small", "large"],
            "gen_ai.provider.name": {"not": "openai"},
            "error.type": {"not": ["429", "503"]},
        }
    )
    assert rule.indicator.where == (
        Where(label=a.SERVICE_NAME, values=("shop",)),
        Where(label=a.REQUEST_MODEL, values=("small", "large")),
        Where(label=a.PROVIDER_NAME, values=("openai",), is_not=True),
        Where(label=a.ERROR_TYPE, values=("429", "503"), is_not=True),
    )
    assert fires_when(rule) == (
        "over 10% of at least 1 calls with service.name shop and gen_ai.request.model small or large and "
        "gen_ai.provider.name not openai and error.type not 429 or 503 in 10m failed"
    )
    text = yaml.safe_dump({"rules": [written(rule)]}, sort_keys=False)
    again = parse_rules(text, "rules.yml", PACKAGED)
    assert again.rules == (rule,)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (
            {"gen_ai.request.modle": "m"},
            "no label 'gen_ai.request.modle'; there are service.name, gen_ai.oper",
        ),
        ({"gen_ai.request.modle": "m"}, "did you mean 'gen_ai.request.model'?"),
        ({"service_name": "shop"}, "did you mean 'service.name'?"),
        ({"tenant": "acme"}, "did you mean 'mlobs.tag.tenant'?"),
        ({"environment": "production"}, "did you mean 'deployment.environment.name'?"),
        (
            {"mlobs.feature": "age"},
            "line 11, rules[0].indicator.where.mlobs.feature: gen_ai.client.inference",
        ),
        ({"gen_ai.request.model": 7}, "where.gen_ai.request.model: 7 came; a text was expected; put it in"),
        ({"gen_ai.request.model": ["m", True]}, "True came; a text was expected; put it in quotes."),
        ({"gen_ai.request.model": None}, "None came; a text was expected"),
        ({"gen_ai.request.model": []}, "no value came; at least one was expected."),
        ({"gen_ai.request.model": {"no": "m"}}, "under it 'not' was expected, such as {not: [a, b]}."),
        ({"gen_ai.request.model": {}}, "under it 'not' was expected, such as {not: [a, b]}."),
        (
            ["service.name=shop"],
            "where: labels with their values were expected, such as {service.name: shop,",
        ),
        ("shop", "where: labels with their values were expected"),
        ({}, "where: labels with their values were expected"),
        (None, "where: labels with their values were expected"),
    ],
)
def test_what_cannot_be_chosen_by_is_told_with_the_labels_there_are(where, sentence):
    """An alert that never fires is worse than one that is refused."""
    with pytest.raises(RuleError) as told:
        parse_rules(in_file(where), "rules.yml", PACKAGED)
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("indicator", "sentence"),
    [
        ({"kind": "watchdog"}, "indicator.where: there is no such field."),
        (
            {"kind": "expression", "promql": "up", "by": ["job"], "window_s": 5},
            'indicator.where: there is no such field; PromQL chooses by itself, as in up{job="shop"}.',
        ),
        (
            {"kind": "recorded", "series": "mlobs:model_calls:increase1h", "by": [], "window_s": 5},
            "mlobs:model_calls:increase1h has no label 'gen_ai.tool.name'; there are service.name, gen_ai",
        ),
        (
            {"kind": "gauge", "metric": "mlobs.server.pending.bytes", "by": []},
            "mlobs.server.pending.bytes has no label 'gen_ai.tool.name'; there are mlobs.signal",
        ),
    ],
)
def test_what_a_kind_cannot_choose_by_is_told_of_that_kind(indicator, sentence):
    """Each has labels of its own."""
    rule = loaded(in_file({"gen_ai.tool.name": "x"}))["rules"][0]
    rule["indicator"] = {**indicator, "where": {"gen_ai.tool.name": "x"}}
    with pytest.raises(RuleError) as told:
        parse_rules(yaml.safe_dump({"rules": [rule]}), "rules.yml", PACKAGED)
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"where": {"service.name": "shop"}},
            "rules[0].where: there is no such field; it belongs under indi",
        ),
        ({"window_s": 5}, "rules[0].window_s: there is no such field; it belongs under indicator."),
        (
            {"indicator": {**RATIO, "above": 1}},
            "indicator.above: there is no such field; it belongs to the rule",
        ),
    ],
)
def test_a_field_in_the_wrong_place_is_told_where_it_belongs(change, sentence):
    """People look at an example and miss an indent."""
    rule = loaded(in_file({"service.name": "shop"}))["rules"][0]
    with pytest.raises(RuleError) as told:
        parse_rules(yaml.safe_dump({"rules": [{**rule, **change}]}), "rules.yml", PACKAGED)
    assert sentence in str(told.value)


def test_values_are_parameters_and_no_part_of_a_question(tables):
    """Whatever a file says there, it is a value."""
    rule = only({"gen_ai.request.model": [EVIL, "m1"], "service.name": {"not": EVIL}})
    asked = question(rule, now_s=NOW_S)
    assert EVIL not in asked.sql
    assert EVIL.replace("'", "\\'") not in asked.sql
    assert {name: value for name, value in asked.params.items() if name.startswith("where")} == {
        "where_0_0": EVIL,
        "where_0_1": "m1",
        "where_1_0": EVIL,
    }
    in_sql = EVIL.replace("\\", "\\\\").replace("'", "\\'")
    tables.spans(2, model=in_sql, error="x")
    tables.spans(2, model="m2", error="x")
    assert [row["volume"] for row in tables.answer(rule)] == [2]
    tables.spans(2, model="m1", error="x", service=in_sql)
    assert [row["volume"] for row in tables.answer(rule)] == [2]


def test_a_tenant_and_an_environment_are_asked_of_the_server_alone(tables):
    """No series of Prometheus has them."""
    for where in ({"mlobs.tag.tenant": "acme"}, {"deployment.environment.name": "production"}):
        rule = only(where)
        assert rule.engines == ("server",)
        assert "ShopFails" not in rules_file([rule], runbook_base="x")
        assert "ShopFails" not in grafana_file([rule], runbook_base="x")
    tables.spans(3, error="x", more={"mlobs.tag.tenant": "acme"})
    tables.spans(4, error="x", more={"mlobs.tag.tenant": "other"})
    assert [row["volume"] for row in tables.answer(only({TENANT.name: "acme"}))] == [3]
    assert [row["volume"] for row in tables.answer(only({TENANT.name: {"not": "acme"}}))] == [4]
    for number, said in enumerate(
        (
            "map('deployment.environment.name', 'production')",
            "map('deployment.environment', 'production')",
            "map('deployment.environment.name', 'staging', 'deployment.environment', 'production')",
        )
    ):
        tables.writer.run(
            "INSERT INTO otel_traces (Timestamp, TraceId, ServiceName, ResourceAttributes, SpanAttributes, "
            f"Duration, StatusCode) SELECT fromUnixTimestamp64Milli({round((NOW_S - 60) * 1000)}), "
            f"'p{number}', 'shop', {said}, map('gen_ai.operation.name', 'chat'), 1, 'Error'"
        )
    # By its older name, too, where the one of today is not there.
    production = only({a.DEPLOYMENT_ENVIRONMENT.name: "production"})
    assert [row["volume"] for row in tables.answer(production)] == [2]


MODEL = {"mlobs.model.name": "churn", "mlobs.model.version": "7"}
CHURN = (Where(label=a.MODEL_NAME, values=("churn",)),)


def test_points_of_gauges_and_counters_are_chosen(tables):
    """By their labels, by their service, and by what their resource says."""
    for model, value in (("churn", 3), ("fraud", 5)):
        labels = {**MODEL, "mlobs.model.name": model}
        tables.point("otel_metrics_gauge", "mlobs.drift.alarm", value, attributes=labels)
        tables.point("otel_metrics_sum", "mlobs.drift.labels", value, attributes=labels, start_ago_s=60)
    tables.point("otel_metrics_gauge", "mlobs.drift.alarm", 9, attributes=MODEL, service="desk")
    shop = Where(label=a.SERVICE_NAME, values=("desk",), is_not=True)
    for where, values in (((*CHURN, shop), [3]), ((shop,), [5]), (CHURN, [9])):
        gauge = rule_of(Gauge(metric=m.DRIFT_ALARM, by=(), where=where))
        assert [row["value"] for row in tables.answer(gauge)] == values
    counter = rule_of(Increase(metric=m.DRIFT_LABELS, by=(), where=CHURN, window_s=300))
    assert [row["value"] for row in tables.answer(counter)] == [3]
    away = Where(label=a.DEPLOYMENT_ENVIRONMENT, values=("staging",))
    assert tables.answer(rule_of(Gauge(metric=m.DRIFT_ALARM, by=(), where=(away,)))) == []


def test_a_silent_monitor_is_missed_only_where_it_is_asked_for(tables):
    """Both the points and the calls are chosen."""
    for model in ("churn", "fraud"):
        labels = {**MODEL, "mlobs.model.name": model}
        tables.point("otel_metrics_gauge", "mlobs.drift.log_e", 1, attributes=labels, ago_s=1000)
        tables.spans(5, kind="predict", operation="", more=labels)
    silence = Silence(
        metric=m.DRIFT_LOG_E,
        calls=m.PREDICT_DURATION,
        by=(a.SERVICE_NAME, a.MODEL_NAME),
        where=CHURN,
        window_s=900,
        memory_s=3600,
    )
    assert [row["mlobs_model_name"] for row in tables.answer(rule_of(silence))] == ["churn"]


def test_what_contributes_most_is_looked_for_among_the_calls_that_count(tables):
    """Failures of another service say nothing about this one."""
    rule = only({"service.name": "shop"}, by=[])
    tables.spans(20, service="desk", model="large", error="timeout")
    tables.spans(20, service="shop", model="large")
    tables.spans(9, service="shop", model="small", error="timeout")
    asked = contributions(rule, {}, now_s=NOW_S)
    found = top(tables.store.query(asked.sql, asked.params))
    assert (found["dimension"], found["value"]) == ("gen_ai.request.model", "small")


def test_what_is_recorded_of_some_calls_has_a_name_of_its_own():
    """Else two rules would mean different things by one series."""

    def growth(name, where):
        return rule_of(
            Growth(
                metric=m.COST,
                by=(a.SERVICE_NAME,),
                where=where,
                window_s=3600,
                memory_s=86_400,
                history_s=3600,
                amount_min=1,
            )
        ).model_copy(update={"name": name})

    some = [
        growth(f"Shop{one.title()}", (Where(label=a.REQUEST_MODEL, values=(one,)),)) for one in ("a", "b")
    ]
    text = rules_file([growth("ShopAll", ()), *some], runbook_base="x")
    for name in ("cost_usd_by_service_name", "shop_a_grown", "shop_b_grown"):
        assert text.count(f"record: mlobs:{name}:increase1h") == 1
    assert 'mlobs_cost_usd_total{gen_ai_request_model=~"a"}[1h]' in text


def test_prometheus_is_asked_for_the_same_series_in_all_three_files():
    """Its rule file, Grafana's, and the object for the operator."""
    where = (
        Where(label=a.REQUEST_MODEL, values=("a.b", 'c"d')),
        Where(label=a.ERROR_TYPE, values=("", "x"), is_not=True),
    )
    rule = rule_of(
        Ratio(metric=m.INFERENCE_DURATION, by=(a.SERVICE_NAME,), where=where, window_s=300, calls_min=1)
    )
    chosen = 'gen_ai_request_model=~"a\\\\.b|c\\"d", error_type!~"|x"'
    asked = expression(rule)
    assert asked.count(chosen) == 3
    file = rules_file([rule], runbook_base="x")
    grafana = loaded(grafana_file([rule], runbook_base="x"))
    (alert,) = loaded(file)["groups"][-1]["rules"]
    (operator,) = loaded(rule_object(file))["spec"]["groups"][-1]["rules"]
    (provisioned,) = grafana["groups"][0]["rules"]
    for one in (alert["expr"], operator["expr"], provisioned["data"][0]["model"]["expr"]):
        assert one.strip() == asked
    drift = rule_of(
        Recorded(series="mlobs:drift_psi:increase1h", by=(a.SERVICE_NAME,), where=CHURN, window_s=3600)
    )
    assert expression(drift) == (
        'max by (service_name) (mlobs:drift_psi:increase1h{mlobs_model_name=~"churn"}) > 0'
    )


def test_a_rule_of_code_that_chooses_by_what_is_not_there_is_refused():
    """The packaged ones are held to the same."""
    nowhere = (Where(label=a.BIN, values=("x",)),)
    with pytest.raises(ValueError, match=r"has no label mlobs.bin; where can say service.name, "):
        Ratio(metric=m.INFERENCE_DURATION, by=(), where=nowhere, window_s=300, calls_min=1)
    with pytest.raises(ValueError, match=r"mlobs.model.name is twice in where; say all its values at once"):
        Gauge(metric=m.DRIFT_ALARM, by=(), where=CHURN * 2)


def test_a_file_whose_rules_choose_has_no_problem(tmp_path, capsys):
    """And one that chooses by a label that is not there ends with status 2 and the labels there are."""
    path = tmp_path / "rules.yml"
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "ShopFails.md").write_text("# x\n")
    path.write_text(in_file({"service.name": "shop", "gen_ai.request.model": {"not": ["small"]}}))
    assert main(["alerts", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    path.write_text(in_file({"gen_ai.agent.nme": "support"}, metric="gen_ai.invoke_agent.duration"))
    assert main(["alerts", "check", str(path)]) == 2
    assert "did you mean 'gen_ai.agent.name'?" in capsys.readouterr().err
