"""Rules to start from: what `mlobs alerts example` prints and the README shows is read, whole and true."""

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.indicators import Indicator
from mlobs.alerts.replay.replaying import replay
from mlobs.alerts.rulefile import parse_rules
from mlobs.alerts.rules import Rule
from mlobs.cli import main
from mlobs.semconv.metrics import METRICS
from mlobs.settings import AlertSettings
from tests.alerts.conftest import NOW_S
from tests.parts import require

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
SECTION = README[README.index("### Rules of your own") : README.index("### Alerts from elsewhere")]
PACKAGED = catalogue(AlertSettings())
KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(Indicator)[0])}
EXAMPLE = (TOP / "alerts" / "rules.example.yml").read_text()


def rows(heading):
    """Return the rows of a table of the section: its cells."""
    lines = SECTION.splitlines()
    found = []
    for line in lines[lines.index(next(one for one in lines if one.startswith(f"| {heading} |"))) + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


@pytest.fixture(scope="module")
def example():
    return parse_rules(EXAMPLE, "rules.yml", PACKAGED)


def test_the_example_has_every_kind_and_every_field(example):
    """What is not shown is not found."""
    assert {rule.indicator.kind for rule in example.rules} == set(KINDS)
    for kind, model in KINDS.items():
        (one,) = [rule.indicator for rule in example.rules if rule.indicator.kind == kind]
        shown = {name for rule in example.rules for name in rule.indicator.model_fields_set}
        assert set(model.model_fields) <= shown | one.model_fields_set
    assert set(Rule.model_fields) == {name for rule in example.rules for name in rule.model_fields_set}
    assert example.without


def test_the_example_is_printed_with_the_metrics_and_checked_without_a_problem(tmp_path, capsys):
    """As the README has it: into a file, and checked."""
    assert main(["alerts", "example"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(EXAMPLE)
    for metric in METRICS:
        assert f"\n#   {metric.name} ({metric.kind}" in out
    path = tmp_path / "rules.yml"
    path.write_text(out)
    assert main(["alerts", "check", str(path)]) == 0


@pytest.mark.slow
def test_the_server_can_ask_and_replay_each_rule_of_the_example(example, tables):
    """Of an empty store, which answers none."""
    for rule in example.rules:
        if "server" in rule.engines:
            assert tables.answer(rule) == [], rule.name
            assert (
                replay(rule, tables.store.query, from_s=NOW_S - 60, to_s=NOW_S, interval_s=15).episodes == ()
            )


def test_prometheus_takes_the_example_and_what_only_the_server_evaluates_is_named(
    tmp_path, capsys, monkeypatch
):
    """It would be looked for in vain."""
    (tmp_path / "rules.yml").write_text(EXAMPLE)
    monkeypatch.setenv("MLOBS_ALERT_RULES", str(tmp_path / "rules.yml"))
    assert main(["alerts", "build", "-o", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("In none of them, for only the server evaluates them: MlobsUserCostHigh, ")
    assert "AcmeCostHigh" in told
    assert "AcmeCostHigh" not in (tmp_path / "out" / "mlobs.rules.yml").read_text()
    run(require("promtool"), "check", "rules", str(tmp_path / "out" / "mlobs.rules.yml"))


@pytest.mark.parametrize("name", ["MlobsWatchdog", "MlobsTelemetryAbsent"])
def test_a_routing_is_written_without_the_parts_about_a_rule_that_is_left_out(
    tmp_path, monkeypatch, capsys, name
):
    """The file for Alertmanager has a route, or a silencing, of these two."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"without": [name]}))
    monkeypatch.setenv("MLOBS_ALERT_RULES", str(tmp_path / "rules.yml"))
    assert main(["alerts", "build", "-o", str(tmp_path)]) == 0
    assert f'"{name}"' not in (tmp_path / "alertmanager.yml").read_text()
    run(require("amtool"), "check-config", str(tmp_path / "alertmanager.yml"))


def test_the_readmes_file_of_rules_is_read():
    """It is what people copy."""
    (text,) = re.findall(r"```yaml\n(rules:.*?)```", SECTION, re.DOTALL)
    (rule,) = parse_rules(text, "rules.yml", PACKAGED).rules
    assert [one.values for one in rule.indicator.where] == [("shop",), ("search", "look_up")]


def test_the_readmes_indicators_are_read_and_there_is_one_of_each_kind():
    """In a rule whose other fields are right."""
    found = {name.strip("`"): said.partition("`")[2].rstrip("`") for name, said in rows("kind of indicator")}
    assert set(found) == set(KINDS)
    for kind, text in found.items():
        without_limit = kind in ("absence", "silence", "watchdog")
        rule = {
            "name": "ShopTest",
            "indicator": yaml.safe_load(text),
            "severity": "info",
            "component": "shop",
            "summary": "s",
            "description": "d",
            **({} if without_limit else {"above": 0.5}),
        }
        (read,) = parse_rules(yaml.safe_dump({"rules": [rule]}), "rules.yml", PACKAGED).rules
        assert read.indicator.kind == kind


@pytest.mark.parametrize(
    ("heading", "models"),
    [("field of a rule", [Rule]), ("field of an indicator", list(KINDS.values()))],
    ids=["rule", "indicator"],
)
def test_the_readme_has_every_field_with_its_default(heading, models):
    """The tables are read more often than the code."""
    fields = {name: field for model in models for name, field in model.model_fields.items() if name != "kind"}
    told = {name: default for names, _, default in rows(heading) for name in re.findall(r"`(\w+)`", names)}
    assert set(told) == set(fields)
    for name, default in told.items():
        if name in {"above", "by", "window_s"}:  # Needed by most, and by some kinds not there at all.
            continue
        assert (default == "") == fields[name].is_required(), name
        if default.startswith("`"):
            assert default.strip("`") == str(fields[name].default), name


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
