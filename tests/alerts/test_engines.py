"""Two engines, one meaning: a real Prometheus and the server find the same alerts in the same traffic.

The packaged rules are written to a file of one's own with every time divided, so that days pass in minutes;
the server evaluates that file and Prometheus what is rendered from it.
"""

import copy
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from mlobs.alerts.prometheus import rules_file
from mlobs.alerts.rulefile import all_rules
from mlobs.settings import AlertSettings, load
from tests.alerts.rulefiles import written
from tests.parts import require
from tests.processes import free_port, process, server, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TOP = Path(__file__).parents[2]
FASTER = 30
TIMES = ("window_s", "memory_s", "long_s", "short_s", "history_s", "hold_s", "keep_firing_s")
BUSY_SHARE = 0.1  # Nobody waits for most of a memory.
WINDOW_S_MIN = 10  # Of a series that is scraped each second.
HOLD_S_MAX = 300
SECONDS_MAX = 300
ABSENT = "MlobsTelemetryAbsent"
SHOP = ("service_name", "shop")
BUSY = '{__name__=~"mlobs:telemetry_absent_busy:.*", service_name="shop"} > 0'
EXPECTED = {
    ("MlobsErrorRatioHigh", SHOP, ("gen_ai_request_model", "broken")),
    ("MlobsToolFailureRatio", SHOP, ("gen_ai_tool_name", "search")),
    ("MlobsAvailabilityBurn1h", SHOP, ("gen_ai_request_model", "broken")),
    ("MlobsProviderErrors", SHOP, ("gen_ai_provider_name", "openai"), ("error_type", "TimeoutError")),
    (ABSENT, SHOP),
    ("ShopSomeFail", SHOP),
}
# Rules about some calls: all but those of the models that fail or are refused would be well.
SOME = {
    "ShopSomeFail": {"gen_ai.request.model": {"not": ["fine", "refused"]}},
    "ShopFineFail": {"service.name": "shop", "gen_ai.request.model": ["fine", "rare"]},
    "DeskFail": {"service.name": {"not": "shop"}},
}


def about_some(rule):
    """Return rules like a packaged one, by service, for some calls only."""
    text = {"summary": "x", "description": "y"}
    return [
        {
            **copy.deepcopy(rule),  # YAML would make an alias of what is there twice.
            **text,
            "name": name,
            "indicator": {**copy.deepcopy(rule["indicator"]), "by": ["service.name"], "where": where},
        }
        for name, where in SOME.items()
    ]


def faster(value):
    """Return a written rule with its times divided, by which a service is soon taken to be busy."""
    if not isinstance(value, dict):
        return value
    value = {**value, **({"busy_share": BUSY_SHARE} if "busy_share" in value else {})}
    return {
        name: max(one // FASTER, WINDOW_S_MIN if "hold" not in name and "keep" not in name else 0)
        if name in TIMES
        else faster(one)
        for name, one in value.items()
    }


@contextmanager
def engines(folder: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Run the server and a Prometheus that scrapes it; yield both addresses and the rules of both."""
    packaged = all_rules(load(AlertSettings))
    # Those with a long hold would fire in one engine just before the end, and in the other not.
    slow = [rule.name for rule in packaged if rule.hold_s > HOLD_S_MAX]
    rules = [faster(written(rule)) for rule in packaged if rule.name not in slow]
    rules += about_some(next(one for one in rules if one["name"] == "MlobsErrorRatioHigh"))
    own = folder / "rules.yml"
    own.write_text(yaml.safe_dump({"rules": rules, "without": slow}))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"RULES": str(own), "INTERVAL_S": "1"}.items():
            patch.setenv(f"MLOBS_ALERT_{name}", value)
        read = all_rules(load(AlertSettings))
        rendered = yaml.safe_load(rules_file(read, runbook_base="http://runbooks"))
        for group in rendered["groups"]:
            group["interval"] = "1s"
        (folder / "prometheus-rules.yml").write_text(yaml.safe_dump(rendered))
        address = f"127.0.0.1:{free_port()}"
        with server(folder) as url:
            (folder / "prometheus.yml").write_text(
                yaml.safe_dump(
                    {
                        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                        "rule_files": [str(folder / "prometheus-rules.yml")],
                        "scrape_configs": [
                            {
                                "job_name": "mlobs",
                                "static_configs": [{"targets": [url.removeprefix("http://")]}],
                            }
                        ],
                    }
                )
            )
            command = [
                require("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
            ]
            with process(*command, log=folder / "prometheus.log"):
                wait_for(f"http://{address}/-/ready", folder / "prometheus.log")
                both = {rule.name for rule in read if {"prometheus", "server"} <= set(rule.engines)}
                yield url, f"http://{address}", both


class Seen:
    """Which alerts have fired so far, by engine."""

    def __init__(self, url, prometheus, both):
        self.url, self.prometheus, self.both = url, prometheus, both
        self.by_server, self.by_prometheus = set(), set()

    def look(self):
        for alert in answer(f"{self.url}/api/alerts")["firing"]:
            self._add(self.by_server, alert["rule"], alert["labels"])
        for alert in answer(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]:
            if alert["state"] == "firing":
                self._add(self.by_prometheus, alert["labels"]["alertname"], alert["labels"])

    def _add(self, seen, rule, labels):
        if rule in self.both:
            fixed = ("alertname", "severity", "component", "long", "short")
            of = sorted((name, value) for name, value in labels.items() if value and name not in fixed)
            seen.add((rule, *sorted(of, reverse=True)))

    def until(self, condition):
        """Look until both have seen what is waited for, and a little longer."""
        deadline = time.monotonic() + SECONDS_MAX
        while not (condition(self.by_server) and condition(self.by_prometheus)):
            if time.monotonic() > deadline:
                return
            self.look()
            time.sleep(0.3)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            self.look()
            time.sleep(0.3)

    def until_busy(self):
        """Look until Prometheus has seen so many calls that it misses them when there are none."""
        asked = urllib.parse.urlencode({"query": BUSY})
        deadline = time.monotonic() + SECONDS_MAX
        while not answer(f"{self.prometheus}/api/v1/query?{asked}")["data"]["result"]:
            assert time.monotonic() < deadline, "there are too few calls"
            self.look()
            time.sleep(0.3)


def answer(address):
    with urllib.request.urlopen(address, timeout=60) as found:
        return json.load(found)


def test_the_same_traffic_fires_the_same_alerts_in_prometheus_and_in_the_server(tmp_path):
    """Failing calls, a failing tool and drift fire in both; few calls, users' faults and 0.5% in neither."""
    with engines(tmp_path) as (url, prometheus, both):
        seen = Seen(url, prometheus, both)
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.alerts.traffic", url],
            cwd=TOP,
            stdin=subprocess.PIPE,
            env={**os.environ, "MLOBS_METRICS_INTERVAL_S": "0.5"},
        )
        try:
            names = {name for name, *_ in EXPECTED} - {ABSENT} | {"MlobsFeatureDrift"}
            seen.until(lambda fired: names <= {name for name, *_ in fired})
            seen.until_busy()
        finally:
            program.stdin.close()
            program.wait(120)
        seen.until(lambda fired: ABSENT in {name for name, *_ in fired})
    assert seen.by_server == seen.by_prometheus
    assert seen.by_server >= EXPECTED
    assert "MlobsFeatureDrift" in {name for name, *_ in seen.by_server}
    assert {"ShopFineFail", "DeskFail"}.isdisjoint(name for name, *_ in seen.by_server)
    quiet = ("fine", "refused", "rare", "look_up")
    assert not [one for one in seen.by_server if any(value in quiet for _, value in one[1:])]
