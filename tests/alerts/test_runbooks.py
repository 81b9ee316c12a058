"""Where the link to a runbook leads: to a page that is there, or there is none."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.grafana import grafana_file
from mlobs.alerts.prometheus import rules_file
from mlobs.alerts.receive.endpoint import FOR_GOOD
from mlobs.alerts.rulefile import all_rules
from mlobs.alerts.runbooks import link, page_of, pages
from mlobs.alerts.sinks.told import told
from mlobs.cli.alerts.build import runbooks
from mlobs.server.pages.setup.refusals import MEANINGS
from mlobs.settings import AlertSettings, ServerSettings, load
from tests.alerts.conftest import NOW_S
from tests.alerts.rounds import tick
from tests.alerts.rulefiles import GOOD
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.processes import process
from tests.processes import wait_for as wait_for_page

BASE = "https://mlobs.example.org/runbooks"
OWN = "ShopSearchFails"


def own_rule(path: Path, text: str = GOOD):
    path.write_text(text)
    settings = load(AlertSettings, rules=path)
    return next(rule for rule in all_rules(settings) if rule.name == OWN)


def test_a_rule_of_ones_own_has_a_link_once_its_page_is_there(tmp_path):
    """Beside its file, under its name or the one it gives."""
    path = tmp_path / "rules.yml"
    rule = own_rule(path)
    assert link(rule, BASE, path, is_here=True) is link(rule, BASE, path) is None
    (tmp_path / "runbooks").mkdir()
    assert link(rule, BASE, path) is None
    (tmp_path / "runbooks" / f"{OWN}.md").write_text("# Ask the search team\n")
    assert link(rule, BASE, path, is_here=True) == f"{BASE}/{OWN}.md"
    assert f"{OWN}.md" in pages(path)


def test_a_page_that_a_rule_names_may_be_elsewhere_but_not_here(tmp_path):
    """What a wiki holds is not known here."""
    path = tmp_path / "rules.yml"
    rule = own_rule(path).model_copy(update={"runbook": "SearchTeam"})
    assert link(rule, "https://wiki.example.org", path) == "https://wiki.example.org/SearchTeam.md"
    assert link(rule, BASE, path, is_here=True) is None


def test_what_strangers_call_their_rules_is_no_path():
    """Alerts from elsewhere are looked up, too."""
    for name in ("../runbooks/MlobsWatchdog", "", "Mlobs Watchdog", "..", "x/y", "é", "A" * 5_000):
        assert page_of(name) is None
    assert page_of("MlobsWatchdog").read_text().startswith("# ")


def test_files_for_prometheus_and_grafana_have_no_link_that_leads_nowhere(tmp_path):
    """And the packaged rules all have one."""
    path = tmp_path / "rules.yml"
    own_rule(path)
    rules = all_rules(load(AlertSettings, rules=path))
    for text in (
        rules_file(rules, runbook_base=BASE, own=path),
        grafana_file(rules, runbook_base=BASE, own=path),
    ):
        links = dict(annotated(text))
        assert links.pop(OWN) is None
        assert set(links.values()) <= {f"{BASE}/{page}" for page in pages()}


def annotated(text: str):
    """Yield the name and the runbook of every alert in a file."""
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            if "record" not in rule:
                yield rule.get("alert") or rule["title"], rule["annotations"].get("runbook_url")


def test_links_in_files_begin_where_people_reach_the_server(monkeypatch):
    """Not where it listens, which need not be reachable from where Prometheus and Grafana are looked at."""
    monkeypatch.setenv("MLOBS_PUBLIC_URL", "https://mlobs.example.org/")
    assert runbooks(load(AlertSettings)) == BASE
    monkeypatch.delenv("MLOBS_PUBLIC_URL")
    monkeypatch.setenv("MLOBS_HOST", "::1")
    assert runbooks(load(AlertSettings)) == "http://[::1]:4318/runbooks"
    monkeypatch.setenv("MLOBS_HOST", "0.0.0.0")
    assert "0.0.0.0" not in runbooks(load(AlertSettings))
    assert runbooks(load(AlertSettings, runbook_base="https://wiki/x")) == "https://wiki/x"


@pytest.mark.slow
def test_a_message_about_a_rule_without_a_page_leads_to_the_alert_instead(tables, tmp_path):
    """Which has the values, the traces and the description."""
    path = tmp_path / "rules.yml"
    own_rule(path, GOOD.replace("hold_s: 60", "hold_s: 0"))
    tables.spans(60, operation="execute_tool", tool="search", error="timeout")
    with webhook() as sink:
        settings = load(AlertSettings, rules=path, webhook_url=sink.url, webhook_secret="s3cret")
        alerting = Alerting(settings, tables.store.query, tmp_path, "http://127.0.0.1:1", lambda: NOW_S)
        tick(alerting)
        (message,) = [one.json for one in sink.arrived if one.json["rule"] == OWN]
        assert message["runbook_url"] is None
        links = told(json.dumps(message).encode(), "x").links
        assert "runbook" not in links
        assert links["alert"] == f"http://127.0.0.1:1/alerts/mlobs/{message['fingerprint']}"
        shown = {one["rule"]: one["page"] for one in alerting.snapshot()["rules"]}
        assert (shown[OWN], shown["MlobsErrorRatioHigh"]) == (None, "MlobsErrorRatioHigh")
        (firing,) = [one for one in alerting.snapshot()["firing"] if one["rule"] == OWN]
        assert firing["page"] is None
        alerting.stop()


@pytest.mark.slow
def test_every_link_in_messages_and_in_files_is_answered_by_a_running_server(tmp_path):
    """Each rule's, for Prometheus, for Grafana, and the page of an alert; with a rule without a page."""
    path, log = tmp_path / "rules.yml", tmp_path / "server.log"
    path.write_text(GOOD)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLOBS_")},
        "MLOBS_ALERT_RULES": str(path),
        "MLOBS_ALERT_INTERVAL_S": "1",
    }
    mlobs = [sys.executable, "-m", "mlobs"]
    command = [*mlobs, "up", "--port", "0", "--data", str(tmp_path / "data")]
    with process(*command, log=log, stdin=subprocess.DEVNULL, env=environment):
        wait_for(lambda: "/api/alerts" in log.read_text(), seconds=150)
        url = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())[0]
        wait_for_page(f"{url}/api/alerts", log)
        built = {**environment, "MLOBS_PUBLIC_URL": url}
        subprocess.run(
            [*mlobs, "alerts", "build", "-o", str(tmp_path / "built")], env=built, check=True, timeout=120
        )
        links = {
            (name, found)
            for file in ("mlobs.rules.yml", "grafana/mlobs.rules.yaml")
            for name, found in annotated((tmp_path / "built" / file).read_text())
        }
        assert {name for name, found in links if found is None} == {OWN}
        told_pages = requests.get(f"{url}/api/alerts", timeout=60).json()["rules"]
        assert {one["rule"] for one in told_pages if one["page"] is None} == {OWN}
        urls = {found for _, found in links if found} | {
            f"{url}/runbooks/{one['page']}.md" for one in told_pages if one["page"]
        }
        assert len(urls) >= 40
        for one in sorted(urls):
            answer = requests.get(one, timeout=60)
            assert (answer.status_code, answer.text[:2]) == (200, "# "), one
        rules = requests.get(f"{url}/alerts?view=rules", headers={"Accept": "text/html"}, timeout=60)
        linked = set(re.findall(r'href="(/runbooks/[^"]+)"', rules.text))
        assert f"/runbooks/{OWN}.md" not in linked
        assert {f"{url}{one}" for one in linked} <= urls


@pytest.mark.parametrize(
    ("page", "reasons"), [("MlobsServerRefusing", MEANINGS), ("MlobsAlertWebhookRefused", FOR_GOOD)]
)
def test_a_runbook_knows_every_reason_that_its_alert_may_name(page, reasons):
    """By the word in the label, which is what whoever is woken has."""
    text = pages()[f"{page}.md"].read_text(encoding="utf-8")
    assert [reason for reason in reasons if f"`{reason}`" not in text] == []


def test_the_alert_of_the_servers_queue_fires_before_the_server_refuses(monkeypatch):
    """Whatever its limit is: one of three signals has a third of it then."""
    monkeypatch.setenv("MLOBS_PENDING_BYTES_MAX", "400000000")
    [rule] = [rule for rule in all_rules(load(AlertSettings)) if rule.name == "MlobsServerQueueFilling"]
    assert rule.above == 100_000_000
    assert load(ServerSettings).pending_bytes_max == 400_000_000
