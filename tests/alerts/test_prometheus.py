"""The rendered files: the committed ones are those of the code, and Prometheus' own tools take them."""

import re
import subprocess

import pytest

from mlobs import assets
from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.measured import Where
from mlobs.alerts.prometheus import files, rules_file
from mlobs.semconv import attributes as a
from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.metrics import METRICS
from mlobs.settings import AlertSettings
from tests.alerts.simulated import prometheus_fires
from tests.parts import require
from tests.yamls import loaded

ALERTS = assets.root() / "alerts"
BASE = "http://127.0.0.1:4318/runbooks"


@pytest.fixture
def rendered(rules) -> dict[str, str]:
    return files(list(rules.values()), runbook_base=BASE)


def test_the_committed_files_are_what_the_code_renders(rendered):
    """Otherwise somebody edited a file that the next build overwrites; run: mlobs alerts build."""
    for name, text in rendered.items():
        assert (ALERTS / name).read_text(encoding="utf-8") == text, (
            f"alerts/{name} is old: mlobs alerts build"
        )


def test_every_rule_is_there_once_and_whole(rendered, rules):
    """A rule that is not rendered never fires."""
    groups = loaded(rendered["mlobs.rules.yml"])["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    assert sorted(alerts) == sorted(name for name, rule in rules.items() if "prometheus" in rule.engines)
    for name, alert in alerts.items():
        assert alert["labels"]["severity"] == rules[name].severity
        assert alert["annotations"]["runbook_url"] == f"{BASE}/{rules[name].page}.md"
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}


def test_every_name_in_every_expression_is_one_we_emit(rendered):
    """A renamed metric must break the build, not an alert."""
    groups = loaded(rendered["mlobs.rules.yml"])["groups"]
    names = {f"{metric.prometheus}{end}" for metric in METRICS for end in ("", "_count", "_bucket")}
    labels = {attribute.label for attribute in ATTRIBUTES}
    words = {"sum", "by", "increase", "max", "group", "vector", "unless", "and", "or", "m", "h"}
    words |= {"abs", "clamp_min", "count", "group_left", "ignoring", "ln", "log", "max_over_time", "sqrt"}
    words |= {"without", "on", "d", "s", "le", "offset", "histogram_quantile", "avg_over_time"}
    words |= {"count_over_time", "last_over_time", "label_replace", "min_over_time", "bool"}
    # Of the Collector, of Alertmanager, and of Prometheus itself.
    words |= {
        "exporter",
        "receiver",
        "instance",
        "integration",
        "family",
        "__name__",
        "up",
        "job",
        "data_type",
    }
    words |= {"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"}
    lost = ("exporter_send_failed", "exporter_enqueue_failed", "receiver_refused", "exporter_sent")
    for signal in ("spans", "metric_points", "log_records"):
        words |= {f"otelcol_{how}_{signal}{end}" for how in lost for end in ("", "_total")}
    words |= {"alertmanager_notifications_failed_total", "alertmanager_notifications_total"}
    recorded: set[str] = set()
    for rule in (rule for group in groups for rule in group["rules"]):
        bare = re.sub(r'"(\\.|[^"\\])*"', "", rule["expr"])
        used = set(re.findall(r"mlobs:[a-z0-9_:]+", bare))
        assert used <= recorded, f"{rule} reads what no rule before it records"
        plain = re.sub(r"mlobs:[a-z0-9_:]+", "", bare)
        assert set(re.findall(r"[a-z_]{1,}[a-z_]*", plain)) <= names | labels | words, rule
        if "record" in rule:
            recorded.add(rule["record"])


def test_promtool_takes_the_rules():
    """With every lint there is."""
    promtool = require("promtool")
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(ALERTS / "mlobs.rules.yml"))


@pytest.mark.slow
def test_every_rule_fires_when_it_should_and_not_before(rules):
    """The unit tests beside the rules: just before and at the moment, with the full text."""
    promtool = require("promtool")
    tests = sorted((ALERTS / "tests").iterdir())
    run(promtool, "test", "rules", *map(str, tests))
    tested = {
        check["alertname"]
        for path in tests
        for test in loaded(path.read_text(encoding="utf-8"))["tests"]
        for check in test.get("alert_rule_test", ())
        if check["exp_alerts"]
    }
    of_their_own = {"MlobsLabelExplosion"}  # It takes more series than a file should have.
    assert tested == {name for name, rule in rules.items() if "prometheus" in rule.engines} - of_their_own


def test_a_metric_with_too_many_series_is_named(tmp_path):
    """Here with a limit that a test can reach; one of each other metric is no explosion."""
    rules = {rule.name: rule for rule in catalogue(AlertSettings(series_max=2))}
    name = "gen_ai_execute_tool_duration_seconds_count"
    given = {f'{name}{{gen_ai_tool_name="id{number}"}}': [1.0] * 40 for number in range(3)}
    given |= {f'mlobs_drift_alarm{{mlobs_feature="{number}"}}': [1.0] * 40 for number in range(2)}
    expected = [{"family": name}]
    assert prometheus_fires(tmp_path, rules["MlobsLabelExplosion"], given, expected) == ""


def test_whatever_a_user_writes_prometheus_takes_the_file(rules, tmp_path):
    """Braces and dollars in texts and labels; one that is a broken template would end every alert."""
    texts = {
        "summary": "{{ x {service.name}",
        "description": "}} {{value}} {{ $labels",
        "labels": {"a": "{{"},
    }
    rule = rules["MlobsErrorRatioHigh"].model_copy(update=texts)
    path = tmp_path / "rules.yml"
    path.write_text(rules_file([rule], runbook_base="http://x/{{"))
    run(require("promtool"), "check", "rules", str(path))


def test_a_value_beyond_sixteen_bits_is_one_character_to_prometheus(rules, tmp_path):
    """A pair of surrogates in its place makes the whole file unreadable."""
    where = (Where(label=a.SERVICE_NAME, values=("shop \U0001f6d2", "\\ud83d\\ude00", "é")),)
    rule = rules["MlobsErrorRatioHigh"]
    rule = rule.model_copy(update={"indicator": rule.indicator.model_copy(update={"where": where})})
    path = tmp_path / "rules.yml"
    path.write_text(rules_file([rule], runbook_base="http://x"))
    assert r"\U0001f6d2" in path.read_text()
    run(require("promtool"), "check", "rules", str(path))


def test_amtool_takes_the_routing_and_sends_alerts_where_they_belong():
    """Critical wakes somebody, warnings wait, the watchdog goes to the dead man's switch."""
    amtool = require("amtool")
    config = str(ALERTS / "alertmanager.yml")
    run(amtool, "check-config", config)
    for receiver, labels in {
        "page": ("alertname=MlobsErrorRatioHigh", "severity=critical"),
        "morning": ("alertname=MlobsFeatureDrift", "severity=warning"),
        "deadman": ("alertname=MlobsWatchdog", "severity=info"),
        "nobody": ("alertname=Other", "severity=info"),
    }.items():
        run(
            amtool,
            "config",
            "routes",
            "test",
            f"--config.file={config}",
            f"--verify.receivers={receiver}",
            *labels,
        )


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
