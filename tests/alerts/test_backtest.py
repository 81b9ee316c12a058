"""`mlobs alerts backtest` against a real server: the past through a rule, before it ships."""

import contextlib
import json
import select
import socket
import time
import urllib.error
import urllib.request

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.cli import main
from tests.alerts.rulefiles import GOOD
from tests.processes import server

pytestmark = pytest.mark.slow

HOUR_S = 3600


def calls(url, *, ago_s, count, tool, error=""):
    """Send tool calls that ended so long ago, a second apart."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    service = resource.resource.attributes.add(key="service.name")
    service.value.string_value = "shop"
    scope = resource.scope_spans.add()
    for number in range(count):
        ended_ns = int((time.time() - ago_s + number) * 1e9)
        span = scope.spans.add(name=f"execute_tool {tool}", kind=1)
        span.trace_id = ended_ns.to_bytes(16, "big")
        span.span_id = ended_ns.to_bytes(8, "big")
        span.start_time_unix_nano, span.end_time_unix_nano = ended_ns - 10_000_000, ended_ns
        facts = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "error.type": error}
        for name, value in facts.items():
            if value:
                span.attributes.add(key=name).value.string_value = value
        if error:
            span.status.code = 2
    answer = requests.post(
        f"{url}/v1/traces",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
        timeout=60,
    )
    assert answer.ok, answer.text


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server that has stored a day on which search failed twice and nothing else did."""
    with server(tmp_path_factory.mktemp("server")) as found:
        for hours in (20, 5):
            calls(found, ago_s=hours * HOUR_S, count=600, tool="search", error="KeyError")
        calls(found, ago_s=10 * HOUR_S, count=600, tool="search")
        calls(found, ago_s=10 * HOUR_S, count=600, tool="look_up")
        calls(found, ago_s=2 * HOUR_S, count=3, tool="rare", error="KeyError")
        until = time.monotonic() + 150
        while stored(found) < 2403:
            assert time.monotonic() < until
            time.sleep(0.2)
        yield found


def stored(url):
    body = {"query": "SELECT count() AS spans FROM otel_traces", "format": "jsonl"}
    return int(requests.post(f"{url}/api/sql", json=body, timeout=60).json()["spans"])


def test_each_failure_is_one_alert_with_its_trace_and_how_long_it_took(url, capsys):
    """Low traffic and calls that are well are none."""
    arguments = ["--since", "24h", "--rule", "MlobsToolFailureRatio", "--server", url]
    assert main(["alerts", "backtest", *arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (rule,) = answer["rules"]
    assert (rule["alerts"], rule["alerts_per_week"], rule["step_s"]) == (2, 14.0, 15)
    for episode in rule["episodes"]:
        assert episode["labels"] == {"service_name": "shop", "gen_ai_tool_name": "search"}
        assert episode["broken"] < episode["started"] < episode["resolved"]
        assert 120 <= episode["detect_s"] <= 200  # Twenty calls, then the hold.
        assert episode["value"] == 1
        assert episode["summary"] == "The tool search fails in shop."
        with urllib.request.urlopen(episode["trace_url"], timeout=60) as page:
            assert page.status == 200
    assert main(["alerts", "backtest", *arguments]) == 0
    out, err = capsys.readouterr()
    assert "MlobsToolFailureRatio" in out
    assert rule["episodes"][0]["trace_ids"][0] in out
    assert err.startswith("0 critical alerts a week, 2 alerts in all\n")
    assert "drawn from 1d: each alert counts 7 times in it" in err


def test_all_rules_of_the_house_are_replayed(url, capsys):
    """Those that only Prometheus evaluates are left out; who is busy for ten minutes is not missed after."""
    assert main(["alerts", "backtest", "--since", "24h", "--server", url, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    found = {rule["rule"]: rule for rule in answer["rules"]}
    assert "MlobsWatchdog" not in found
    assert {rule["error"] for rule in found.values()} == {None}
    assert found["MlobsToolFailureRatio"]["alerts"] == 2
    assert found["MlobsTelemetryAbsent"]["alerts"] == 0
    assert found["MlobsErrorRatioHigh"]["alerts"] == 0


def test_a_rule_is_tried_before_it_ships(url, capsys, tmp_path):
    """Only the rules of the file are replayed; a typo in it is told as everywhere."""
    path = tmp_path / "rules.yml"
    path.write_text(GOOD.replace("calls_min: 5", "calls_min: 3"))
    arguments = ["alerts", "backtest", "--since", "1d", "--server", url, "--rules", str(path)]
    assert main([*arguments, "--json"]) == 0
    (rule,) = json.loads(capsys.readouterr().out)["rules"]
    assert (rule["rule"], rule["severity"], rule["alerts"]) == ("ShopSearchFails", "critical", 3)
    path.write_text(GOOD.replace("calls_min", "call_min"))
    assert main(arguments) == 2
    assert f"{path}, line 8, rules[0].indicator.call_min" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--since", "yesterday"], "24h, 7d, was expected"),
        (["--rule", "MlobsToolFailurRatio"], "did you mean 'MlobsToolFailureRatio'?"),
        (["--rule", "MlobsWatchdog"], "is evaluated by Prometheus only; there is nothing to replay."),
        (["--since", "60w"], "since_s: Input should be less than or equal to"),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(url, capsys, arguments, sentence):
    """And status 2."""
    assert main(["alerts", "backtest", "--server", url, *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_what_is_no_question_gets_400(url):
    """Not JSON, unknown fields, a file with a typo."""
    for body in (b"", b"[]", b'{"since_s": 1, "x": 2}', b'{"since_s": 60, "rules": "rules: [1]"}'):
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(f"{url}/api/alerts/backtest", data=body, timeout=60)
        assert told.value.code == 400
        assert json.load(told.value)["error"]


def test_a_client_that_leaves_makes_room_for_the_next(url):
    """One backtest runs at a time; one that nobody waits for ends at its next question."""
    until = time.monotonic() + 120
    with contextlib.ExitStack() as leaves:
        left = leaves.enter_context(begun(url))
        while asked(url).status_code != 503:  # It has begun.
            assert time.monotonic() < until
            if select.select([left], [], [], 0)[0]:  # It was answered: our own question was there first.
                left = leaves.enter_context(begun(url))
    until = time.monotonic() + 120
    while (answer := asked(url)).status_code == 503:
        assert time.monotonic() < until
        assert "Another backtest runs" in answer.json()["error"]
        time.sleep(0.1)
    assert answer.status_code == 200


def begun(url):
    """Ask for a backtest that takes long; return the connection."""
    body = json.dumps({"since_s": 390 * 24 * HOUR_S}).encode()
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST /api/alerts/backtest HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def asked(url):
    wanted = {"since_s": 60, "rule": "MlobsErrorRatioHigh"}
    return requests.post(f"{url}/api/alerts/backtest", json=wanted, timeout=60)


def test_rules_that_cannot_be_replayed_are_named(url, capsys, tmp_path):
    """Otherwise a rule without a line looks like one that would never have fired."""
    rule = {
        "name": "ShopQueueLong",
        "indicator": {"kind": "expression", "promql": "shop_queue", "by": ["job"], "window_s": 60},
        "above": 100,
        "severity": "warning",
        "component": "shop",
        "summary": "The queue of {job} is long.",
        "description": "{value} wait.",
    }
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"rules": [rule]}))
    assert main(["alerts", "backtest", "--since", "1h", "--server", url, "--rules", str(path)]) == 0
    assert "ShopQueueLong is evaluated by Prometheus only; it was not replayed." in capsys.readouterr().err
