"""The rules as Grafana provisions them: committed as rendered, and strictly of the shape Grafana reads."""

import re

import pytest

from mlobs import assets
from mlobs._extras import require
from mlobs.alerts.grafana import FILE, grafana_file, uid
from mlobs.alerts.promql import expression
from mlobs.alerts.runbooks import pages
from mlobs.semconv import attributes as a
from tests.yamls import loaded

BASE = "http://127.0.0.1:4318/runbooks"
DURATION = re.compile(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
RULE = {
    "uid": str,
    "title": str,
    "condition": str,
    "for": str,
    "keepFiringFor": str,
    "noDataState": str,
    "execErrState": str,
    "missing_series_evals_to_resolve": int,
    "isPaused": bool,
    "annotations": dict,
    "labels": dict,
    "data": list,
}


@pytest.fixture
def text(rules) -> str:
    return grafana_file(list(rules.values()), runbook_base=BASE)


@pytest.fixture
def groups(text):
    found = loaded(text)
    assert set(found) == {"apiVersion", "groups"}, "policies would replace the user's tree"
    assert found["apiVersion"] == 1
    return found["groups"]


def test_the_committed_file_is_what_the_code_renders(text):
    """Otherwise somebody edited a file that the next build overwrites; run: mlobs alerts build."""
    committed = (assets.root() / "alerts" / FILE).read_text(encoding="utf-8")
    assert committed == text, f"alerts/{FILE} is old: mlobs alerts build"


def test_every_group_and_rule_has_exactly_the_fields_grafana_reads(groups, rules):
    """Grafana skips what it does not know, without a word."""
    for group in groups:
        assert set(group) == {"orgId", "name", "folder", "interval", "rules"}
        assert (group["orgId"], group["folder"], group["interval"]) == (1, "mlobs", "1m")
        for rule in group["rules"]:
            assert {name: type(value) for name, value in rule.items()} == RULE
            assert DURATION.fullmatch(rule["for"])
            assert DURATION.fullmatch(rule["keepFiringFor"])
            assert rule["noDataState"] == "OK"
            assert rule["execErrState"] in {"KeepLast", "OK"}
            assert rule["condition"] == "B"
            assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
            assert all(isinstance(value, str) for value in rule["labels"].values())
    assert len({group["name"] for group in groups}) == len(groups)
    known = {name for name, rule in rules.items() if "prometheus" in rule.engines}
    assert {rule["title"] for group in groups for rule in group["rules"]} == known


def test_uids_are_stable_short_and_different(groups):
    """Grafana keeps history and silences by uid; more than 40 characters are refused."""
    found = [rule["uid"] for group in groups for rule in group["rules"]]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"mlobs-[A-Za-z0-9_-]{1,34}", one) for one in found)
    long = "Mlobs" + "A" * 60
    assert len(uid(long)) == 40
    assert uid(long) != uid(f"{long}B")


def test_each_rule_asks_prometheus_and_compares(groups, rules):
    """A is the expression of the Prometheus rule, at once; B lets through what is beyond the limit."""
    promql = require("promql_parser", extra="grafana", feature="the tests")
    for rule in (rule for group in groups for rule in group["rules"]):
        ask, compare = rule["data"]
        assert set(ask) == set(compare) == {"refId", "relativeTimeRange", "datasourceUid", "model"}
        assert (ask["refId"], ask["datasourceUid"]) == ("A", "mlobs-prometheus")
        assert ask["relativeTimeRange"]["from"] > ask["relativeTimeRange"]["to"] == 0
        assert (ask["model"]["instant"], ask["model"]["range"], ask["model"]["refId"]) == (True, False, "A")
        expr = ask["model"]["expr"]
        assert expr == expression(rules[rule["title"]])
        promql.parse(expr)
        assert (compare["refId"], compare["datasourceUid"]) == ("B", "__expr__")
        assert (compare["model"]["type"], compare["model"]["expression"]) == ("threshold", "A")
        (condition,) = compare["model"]["conditions"]
        assert condition["evaluator"]["type"] == "gt"
        (above,) = condition["evaluator"]["params"]
        assert above == pytest.approx(rules[rule["title"]].above or 0)
        assert isinstance(above, float)


def test_no_text_has_a_dollar_and_every_template_is_filled(groups):
    """What a dollar means in a provisioned file differs from release to release, but in expressions."""
    for rule in (rule for group in groups for rule in group["rules"]):
        for name in ("summary", "description"):
            filled = rule["annotations"][name]
            assert "$" not in filled
            templates = re.findall(r"\{\{ (.*?) \}\}", filled)
            allowed = r'\.(Labels\.\w+|Values\.A\.Value( \| (\w+|printf "%\.2f"))?)|"\\x24"'
            assert all(re.fullmatch(allowed, one) for one in templates)
            assert not re.search(r"\{[a-z]", re.sub(r"\{\{.*?\}\}", "", filled))


def test_texts_of_users_come_out_as_they_are(rules):
    """Money, braces and what another engine would take for a template, in texts and in labels."""
    costs = rules["MlobsUserCostHigh"].indicator.model_copy(update={"by": (a.SERVICE_NAME,)})
    rule = rules["MlobsUserCostHigh"].model_copy(
        update={
            "indicator": costs,
            "summary": "costs over {limit}, $HOME and {{ nothing",
            "description": "{{value}} of {service.name}",
            "labels": {"team": "a$b {{ $value }}"},
        }
    )
    text = grafana_file([rule], runbook_base=BASE)
    (made,) = loaded(text)["groups"][0]["rules"]
    shown = made["annotations"]["summary"], made["annotations"]["description"], made["labels"]["team"]
    assert shown == (
        r'costs over {{ "\x24" }}20.00, {{ "\x24" }}HOME and {{ "{" }}{{ "{" }} nothing',
        r'{{ "{" }}{{ "\x24" }}{{ .Values.A.Value | printf "%.2f" }}} of {{ .Labels.service_name }}',
        r'a{{ "\x24" }}b {{ "{" }}{{ "{" }} {{ "\x24" }}value }}',
    )


def test_a_watchdog_falls_silent_when_prometheus_does(groups):
    """Every other rule stays as it was while its question cannot be answered."""
    states = {rule["title"]: rule["execErrState"] for group in groups for rule in group["rules"]}
    assert states.pop("MlobsWatchdog") == "OK"
    assert set(states.values()) == {"KeepLast"}


def test_every_runbook_is_there(groups):
    """Whoever is woken follows the link."""
    for rule in (rule for group in groups for rule in group["rules"]):
        base, _, page = rule["annotations"]["runbook_url"].rpartition("/")
        assert base == BASE
        assert page in pages()
