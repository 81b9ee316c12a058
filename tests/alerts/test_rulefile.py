"""Users' own rules: what is right is read, what is wrong is told with its place, and reloading is safe."""

import logging
import os
import re
import signal
import subprocess
import sys

import pytest
import requests
import yaml

from mlobs.alerts import alerting
from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.rulefile import all_rules, joined, parse_rules
from mlobs.alerts.rulewatch import RuleWatch
from mlobs.cli import main
from mlobs.errors import MlobsError, RuleError, SettingError
from mlobs.settings import AlertSettings, load
from tests.alerts.houses import House, Rows
from tests.alerts.rulefiles import GOOD, written
from tests.alerts.waiting import wait_for
from tests.processes import MLOBS, process

PACKAGED = catalogue(AlertSettings())
ONE = {
    "service_name": "shop",
    "gen_ai_tool_name": "search",
    "value": 1,
    "volume": 9,
    "trace_ids": [],
    "since_s": None,
}


def test_every_packaged_rule_can_be_written_as_a_users_rule():
    """The same fields: what ships can be copied and changed."""
    text = yaml.safe_dump({"rules": [written(rule) for rule in PACKAGED]})
    found = parse_rules(text, "rules.yml", PACKAGED)
    assert [written(rule) for rule in found.rules] == [written(rule) for rule in PACKAGED]
    assert [rule.name for rule in joined(PACKAGED, found)] == [rule.name for rule in PACKAGED]


def test_own_rules_come_after_the_packaged_ones_and_those_not_wanted_go(tmp_path):
    """A rule with a packaged name takes its place."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    names = [rule.name for rule in all_rules(load(AlertSettings, rules=path))]
    assert names[-1] == "ShopSearchFails"
    assert "MlobsWatchdog" not in names
    assert len(names) == len(PACKAGED)
    path.write_text(GOOD.replace("ShopSearchFails", "MlobsToolFailureRatio"))
    found = {rule.name: rule for rule in all_rules(load(AlertSettings, rules=path))}
    assert found["MlobsToolFailureRatio"].above == 0.1
    assert len(found) == len(PACKAGED) - 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("calls_min", "call_min"),
            "line 8, rules[0].indicator.call_min: there is no such field; did you mean 'calls_min'?",
        ),
        (
            ("gen_ai.tool.name]", "gen_ai.tol.name]"),
            "line 6, rules[0].indicator.by[1]: no attribute is called 'gen_ai.tol.name'; did you mean",
        ),
        (
            ("execute_tool.duration", "execute_tol.duration"),
            "indicator.metric: no metric is called 'gen_ai.execute_tol.duration'; did you mean",
        ),
        (("[service.name", "[service_name"), "did you mean 'service.name'?"),
        (("kind: ratio", "kind: ratoi"), "did you mean 'ratio'?"),
        (("kind: ratio", "x: 1"), "line 3, rules[0].indicator: it has no 'kind'."),
        (
            ("severity: critical", "severity: loud"),
            "line 11, rules[0].severity: 'loud' came; it has to be 'critical'",
        ),
        (("above: 0.1", "abve: 0.1"), "line 9, rules[0].abve: there is no such field; did you mean 'above'?"),
        (("[MlobsWatchdog]", "[MlobsWatchdg]"), "line 15, without[0]: no packaged rule is called"),
        (("{value}", "{valu}"), "rule ShopSearchFails says {valu}, which it does not know"),
        (("rules:", "rule:"), "line 1, rule: there is no such field; did you mean 'rules'?"),
        (("hold_s: 60", "for: 5m"), "line 10, rules[0].for: there is no such field; here it is hold_s"),
        (
            ("above: 0.1", "above: 5%"),
            "line 9, rules[0].above: '5%' came; a number was expected, such as 0.05.",
        ),
        (("name: ShopSearchFails", "name: shop-fails"), "'shop-fails' came; 3 to 80 letters and digits were"),
        (
            ("by: [service.name, gen_ai.tool.name]", "by: service.name"),
            "indicator.by: 'service.name' came; a list was expected",
        ),
        (
            ("window_s: 600", "window_s: ten"),
            "rules[0].indicator.window_s: 'ten' came; a whole number of seconds",
        ),
        (("  above: 0.1\n", ""), "which needs a limit: set 'above'"),
        (("rules:\n", ""), "a mapping with 'rules' was expected at the top; "),
    ],
)
def test_a_typo_is_told_with_file_line_field_and_the_nearest_name(change, sentence):
    """People look at the line, not at the schema."""
    text = GOOD.replace(*change) if change[0] != "rules:\n" else "- one\n"
    with pytest.raises(RuleError) as told:
        parse_rules(text, "rules.yml", PACKAGED)
    assert sentence in str(told.value)
    assert str(told.value).startswith("rules.yml")


def test_unknown_names_and_unknown_fields_are_told_at_once():
    """Each of them once, whatever kind of mistake it is."""
    text = GOOD.replace("execute_tool.duration", "execute_tol.duration").replace("above", "abve")
    with pytest.raises(RuleError) as found:
        parse_rules(text, "rules.yml", PACKAGED)
    first, second = str(found.value).splitlines()
    assert "no metric is called 'gen_ai.execute_tol.duration'" in first
    assert "rules[0].abve: there is no such field; did you mean 'above'?" in second


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "rules.yml: a mapping with 'rules' was expected at the top; `mlobs alerts example` prints one."),
        (
            "sinks: {}\nroutes: []\n",
            "rules.yml: this seems to be a file of sinks and routes, which MLOBS_ALERT_ROU",
        ),
        (
            "rules: &a []\nwithout: *a\n",
            "rules.yml, line 1: an alias (*name) came; write it out where it is used.",
        ),
        ("rules: []\nrules: []\n", "rules.yml, line 2: 'rules' is here twice; the first is in line 1."),
    ],
)
def test_another_file_than_one_of_rules_is_told_in_one_sentence(text, sentence):
    """Which file it seems to be, and where a whole one is."""
    with pytest.raises(MlobsError) as told:
        parse_rules(text, "rules.yml", PACKAGED)
    assert str(told.value).startswith(sentence)
    assert "not YAML" not in str(told.value)


def test_two_rules_with_one_name_are_refused():
    """The second would take the first one's alerts."""
    rule = GOOD[GOOD.index("- name") : GOOD.index("without")]
    with pytest.raises(RuleError, match="there are two rules 'ShopSearchFails'; rename one"):
        parse_rules(f"rules:\n{rule}{rule}", "rules.yml", PACKAGED)


def test_what_is_not_yaml_is_told_with_its_line():
    """Before anything else is looked at."""
    with pytest.raises(SettingError, match=r"rules.yml, line 3: this is not YAML"):
        parse_rules("rules:\n- [a\n", "rules.yml", PACKAGED)


@pytest.mark.slow
def test_a_rule_file_with_a_typo_ends_a_command_with_status_2(tmp_path, capsys, monkeypatch):
    """And so does the server's start."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD.replace("calls_min", "call_min"))
    monkeypatch.setenv("MLOBS_ALERT_RULES", str(path))
    for command in (["rules"], ["build", "-o", str(tmp_path / "out")], ["check"], ["check", str(path)]):
        assert main(["alerts", *command]) == 2
        assert "did you mean 'calls_min'?" in capsys.readouterr().err
    # A process holds one store, and that of the tests may have begun.
    up = [
        sys.executable,
        "-m",
        "mlobs",
        "up",
        "--port",
        "0",
        "--grpc-port",
        "0",
        "--data",
        str(tmp_path / "data"),
    ]
    ended = subprocess.run(up, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, "did you mean 'calls_min'?" in ended.stderr) == (2, True)


def test_a_bad_file_changes_nothing_and_is_said_once(tmp_path, caplog):
    """The former rules stay until it can be used again."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    watch = RuleWatch(load(AlertSettings, rules=path))
    before = watch.rules
    assert not watch.look()
    path.write_text(GOOD.replace("calls_min", "call_min"))
    with caplog.at_level(logging.ERROR, "mlobs.alerts"):
        assert [watch.look() for _ in range(3)] == [False] * 3
    assert watch.rules == before
    assert watch.refused == 3
    (record,) = caplog.records
    assert "The former alert rules stay: " in record.message
    path.unlink()
    assert not watch.look()
    assert "cannot be read" in watch.error
    path.write_text(GOOD.replace("above: 0.1", "above: 0.2"))
    assert watch.look()
    assert (watch.error, watch.rules[-1].above) == (None, 0.2)


def test_a_file_that_seems_unchanged_is_read_when_asked(tmp_path):
    """SIGHUP: some file systems keep the time of a file that was replaced."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    watch = RuleWatch(load(AlertSettings, rules=path))
    times = path.stat()
    path.write_text(GOOD.replace("above: 0.1", "above: 0.2"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not watch.look()
    watch.ask()
    assert watch.look()


@pytest.mark.slow
def test_a_running_server_heeds_its_file_and_a_hangup(tmp_path, monkeypatch):
    """What it makes of the file is at /api/alerts and on /metrics."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    monkeypatch.setenv("MLOBS_ALERT_RULES", str(path))
    monkeypatch.setenv("MLOBS_ALERT_INTERVAL_S", "0.2")
    log = tmp_path / "server.log"
    command = [*MLOBS, "up", "--port", "0", "--data", str(tmp_path / "data")]
    with process(*command, log=log, stdin=subprocess.DEVNULL, cwd=tmp_path) as started:
        wait_for(lambda: "/api/alerts" in log.read_text(), seconds=150)
        url = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())[0]

        def rules():
            answer = requests.get(f"{url}/api/alerts", timeout=60).json()
            return {rule["rule"] for rule in answer["rules"]}, answer["rules_error"]

        assert "ShopSearchFails" in rules()[0]
        (tmp_path / "runbooks").mkdir()
        (tmp_path / "runbooks" / "ShopSearchFails.md").write_text("# Ask the search team\n")
        for page in ("ShopSearchFails.md", "MlobsWatchdog.md"):
            assert requests.get(f"{url}/runbooks/{page}", timeout=60).text.startswith("# ")
        path.write_text(GOOD.replace("calls_min", "call_min"))
        wait_for(lambda: rules()[1] is not None, seconds=60)
        assert "ShopSearchFails" in rules()[0]
        refused = re.compile(r"^mlobs_alert_rules_refused_total [1-9]", re.M)
        wait_for(lambda: refused.search(requests.get(f"{url}/metrics", timeout=60).text), seconds=60)
        path.write_text(GOOD.replace("ShopSearchFails", "ShopSearchFalls"))
        wait_for(lambda: "ShopSearchFalls" in rules()[0], seconds=60)
        times = path.stat()
        path.write_text(GOOD.replace("ShopSearchFails", "ShopSearchFaces"))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        started.send_signal(signal.SIGHUP)
        wait_for(lambda: "ShopSearchFaces" in rules()[0], seconds=60)
        assert started.poll() is None


def test_a_bad_file_is_counted_between_evaluations_that_are_far_apart(tmp_path, monkeypatch):
    """Otherwise the alert about it could not fire where rules are evaluated every quarter of an hour."""
    monkeypatch.setattr(alerting, "LOOK_S", 0.02)
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    house = House(tmp_path, Rows(), rules=path, interval_s=900)
    asked = house.alerting.watch.rules
    house.alerting.start()
    path.write_text(GOOD.replace("calls_min", "call_min"))
    wait_for(lambda: house.alerting.watch.refused > 2, seconds=60)
    assert house.alerting.watch.rules == asked
    house.alerting.stop()


class Search(Rows):
    """A store in which search fails."""

    def __call__(self, sql, params):
        is_about_parts = "ARRAY JOIN pairs" in sql
        return (
            self.rows if "execute_tool" in sql and params.get("calls_min") == 5 and not is_about_parts else []
        )


def test_an_alert_of_a_rule_that_goes_is_over_and_everybody_hears_of_it(tmp_path):
    """Otherwise the pager would show it for ever."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD)
    house = House(tmp_path, Search([ONE]), rules=path)
    house.later(0)
    assert house.later(60) == [("ShopSearchFails", "firing")]
    path.write_text(GOOD.replace("calls_min", "call_min"))
    assert house.later(15) == []
    snapshot = house.alerting.snapshot()
    assert [alert["rule"] for alert in snapshot["firing"]] == ["ShopSearchFails"]
    assert "did you mean 'calls_min'?" in snapshot["rules_error"]
    samples = {metric.name: value for metric, _, value in house.alerting.samples()}
    assert samples["mlobs.alert.rules.refused"] == 1
    path.write_text("rules: []\n")
    assert house.later(15) == [("ShopSearchFails", "resolved")]
    assert house.alerting.snapshot()["rules_error"] is None
    house.alerting.stop()
