"""Any YAML in a file of rules ends in a finding or a sentence, never in a traceback."""

import copy

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.prometheus import rules_file
from mlobs.alerts.rulefile import joined, parse_rules
from mlobs.cli import main
from mlobs.errors import MlobsError
from mlobs.settings import AlertSettings
from tests.examples import examples
from tests.yamls import loaded

PACKAGED = catalogue(AlertSettings())
OURS = {
    "rules": [
        {
            "name": "ShopFails",
            "indicator": {
                "kind": "ratio",
                "metric": "gen_ai.client.operation.duration",
                "bad": {"kind": "failed", "excused": ["a"]},
                "where": {"service.name": "shop", "gen_ai.request.model": {"not": ["a"]}},
                "by": ["service.name"],
                "window_s": 60,
                "calls_min": 1,
            },
            "above": 0.1,
            "severity": "info",
            "component": "shop",
            "labels": {"team": "shop"},
            "summary": "s",
            "description": "{value}",
            "runbook": "X",
        },
        {
            "name": "ShopQueue",
            "indicator": {"kind": "expression", "promql": "up", "by": ["job"], "window_s": 5},
            "above": 1,
            "severity": "info",
            "component": "shop",
            "summary": "s",
            "description": "d",
        },
        {
            "name": "ShopBurns",
            "indicator": {
                "kind": "burn_rate",
                "objective_name": "shop",
                "metric": "gen_ai.execute_tool.duration",
                "bad": {"kind": "labelled", "label": "error.type", "values": ["a"]},
                "by": [],
                "objective": 0.9,
                "long_s": 600,
                "short_s": 60,
                "calls_min": 1,
            },
            "above": 2,
            "severity": "critical",
            "component": "shop",
            "summary": "s",
            "description": "d",
        },
    ],
    "without": ["MlobsWatchdog"],
}
OTHERS = {
    "groups": [
        {
            "name": "shop",
            "rules": [
                {"record": "shop:up", "expr": "sum(up)"},
                {
                    "alert": "Shop",
                    "expr": "up == 0",
                    "for": "5m",
                    "labels": {"severity": "critical"},
                    "annotations": {"runbook_url": "https://wiki.example/shop"},
                },
                {
                    "title": "Shop",
                    "labels": {"severity": "info"},
                    "annotations": {"runbook_url": "https://wiki.example/shop"},
                    "data": [{"refId": "A", "model": {"expr": "up"}}],
                },
            ],
        }
    ]
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.dates(),
    st.text(max_size=8),
    st.sampled_from(
        ["gen_ai.client.operation.duration", "service.name", "failed", "gauge", "{value}", "up >"]
    ),
)
KEYS = st.one_of(st.text(max_size=6), st.integers(), st.none(), st.sampled_from(["kind", "by", "labels"]))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def places(value, way=()):
    """Yield the way to every value."""
    yield way
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield from places(one, (*way, name))


def changed(base, changes):
    """Return a copy in which a few values are others, or gone, or have a sibling."""
    value = {"": copy.deepcopy(base)}
    for way, how, name, new in changes:
        node, key = value, ""
        try:
            for part in way:
                node, key = node[key], part
            if how == "set":
                node[key] = new
            elif how == "drop":
                del node[key]
            else:
                node[key][name] = new
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change took it away.
    return value.get("")


def changes(base):
    one = st.tuples(
        st.sampled_from(list(places(base))), st.sampled_from(["set", "set", "drop", "add"]), KEYS, ANYTHING
    )
    return st.lists(one, min_size=1, max_size=3)


@settings(deadline=None, max_examples=examples(300))
@given(made=changes(OURS))
@example(made=[(("rules", 0, "indicator", "metric"), "set", "", ["x"])])
@example(made=[(("rules", 0, "indicator", "by"), "set", "", [["x"]])])
@example(made=[(("rules", 1, "indicator", "by"), "drop", "", None)])
@example(made=[(("rules", 0, "indicator", "where"), "add", 7, [None])])
@example(made=[(("rules", 0, "indicator", "where", "service.name"), "set", "", {"not": {"a": 1}})])
def test_whatever_a_file_says_it_is_read_or_refused_with_a_sentence(made):
    """And what is read can be rendered for Prometheus."""
    text = yaml.safe_dump(changed(OURS, made))
    refused = found = None
    try:
        found = parse_rules(text, "rules.yml", PACKAGED)
    except MlobsError as error:
        refused = str(error)
    if found is not None:
        assert loaded(rules_file(joined(PACKAGED, found), runbook_base="x"))["groups"]
    else:
        assert refused.startswith("rules.yml")


@pytest.mark.slow
@settings(
    deadline=None,
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=changes(OTHERS))
@example(made=[(("groups", 0, "rules", 1, "labels"), "set", "", ["a"])])
@example(made=[(("groups", 0, "rules", 1, "annotations"), "set", "", "x")])
@example(made=[(("groups", 0, "rules", 2, "data"), "set", "", 5)])
@example(made=[(("groups", 0, "rules", 2, "data", 0), "set", "", "x")])
@example(made=[(("groups", 0, "rules", 2, "data", 0, "model"), "set", "", None)])
@example(made=[(("groups",), "set", "", 5)])
def test_whatever_a_file_of_others_says_checking_it_ends_with_a_status(tmp_path, made):
    """0 nothing wrong, 1 something is, 2 it cannot be read."""
    path = tmp_path / "others.yml"
    path.write_text(yaml.safe_dump(changed(OTHERS, made)))
    assert main(["alerts", "check", str(path), "--json"]) in {0, 1, 2}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"team-x": "a"},
            "line 8, rules[0].labels: a label is called 'team-x'; Prometheus wants letters, digits and _",
        ),
        ({"b: c": "a"}, "a label is called 'b: c'"),
        ({"severity": "info"}, "rules[0].labels: the label severity is not the rule's to set"),
        ({"__name__": "x"}, "the label __name__ is not the rule's to set"),
        ({"service_name": "x"}, "rule ShopFails sets the label service_name, by which it is grouped"),
    ],
)
def test_labels_that_prometheus_would_refuse_or_read_otherwise_are_refused(change, sentence):
    """One of them would make Prometheus refuse the whole file, and every alert with it."""
    text = yaml.safe_dump(changed(OURS, [(("rules", 0, "labels"), "set", "", change)]), sort_keys=False)
    with pytest.raises(MlobsError) as told:
        parse_rules(text, "rules.yml", PACKAGED)
    assert sentence.removeprefix("line 8, ") in str(told.value)


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        (
            "model_calls",
            "mlobs:model_calls_bad:increase5m, by which the rule MlobsAvailabilityBurn1h means something",
        ),
        ("drift_rows", "mlobs:drift_rows:increase1h, by which drift means something else"),
    ],
)
def test_an_objective_name_that_is_taken_is_refused_with_its_place(name, whose):
    """The packaged objective would be computed from the user's calls, without a word."""
    indicator = ("rules", 2, "indicator")
    made = [
        ((*indicator, "objective_name"), "set", "", name),
        ((*indicator, "long_s"), "set", "", 3600),
        ((*indicator, "short_s"), "set", "", 300),
    ]
    with pytest.raises(MlobsError) as told:
        parse_rules(yaml.safe_dump(changed(OURS, made)), "rules.yml", PACKAGED)
    assert "rules[2].indicator.objective_name: with this name Prometheus would record" in str(told.value)
    assert whose in str(told.value)


def growth(name, **where):
    """Return a rule about growth of some of the cost."""
    return {
        "name": name,
        "indicator": {
            "kind": "growth", "metric": "mlobs.cost.usd", "by": ["service.name"], "window_s": 3600,
            "memory_s": 86400, "history_s": 3600, "amount_min": 1, "where": where,
        },
        "above": 2, "severity": "warning", "component": "cost", "summary": "Costs.",
        "description": "{value}.",
    }  # fmt: skip


def test_rules_whose_series_would_have_one_name_are_refused_at_their_names():
    """And only where Prometheus evaluates both: others record nothing."""
    both = [growth("ShopCosts", **{"service.name": "a"}), growth("MlobsShopCosts", **{"service.name": "b"})]
    with pytest.raises(MlobsError) as told:
        parse_rules(yaml.safe_dump({"rules": both}), "rules.yml", PACKAGED)
    assert "rules[1].name: with this name Prometheus would record mlobs:shop_costs_grown" in str(told.value)
    of_server = growth("MlobsShopCosts", **{"deployment.environment.name": "production"})
    assert len(parse_rules(yaml.safe_dump({"rules": [both[0], of_server]}), "rules.yml", PACKAGED).rules) == 2
