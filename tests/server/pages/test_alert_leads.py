"""Where the page of an alert leads, from literals; and the page itself, as a browser asks for it."""

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import metrics as m
from mlobs.server.ask.parsing import parse
from mlobs.server.pages.alerts import leads
from tests.server.otlp import post, span
from tests.server.pages.watches import WATCH

ALERT = {
    "source": "mlobs",
    "fingerprint": "ab12",
    "rule": "MlobsUserCostHigh",
    "severity": "warning",
    "summary": "One user costs much.",
    "labels": {"user_id": "dora", "team": "shop"},
    "value": 0.06897,
    "value_text": "6.897%",
    "since": "2026-05-01T11:00:00Z",
    "started": "2026-05-01T11:30:00Z",
    "trace_ids": [],
}
RULE = {
    "name": "MlobsUserCostHigh",
    "description": "Much.",
    "fires_when": "it is over 5%",
    "hold_s": 0,
    "window_s": 7200,
    "metric": m.COST.name,
    "counts": None,
    "value": "6.897%",
    "limit": 0.05,
    "limit_text": "5%",
    "unit": "ratio",
}


def test_an_alert_about_money_leads_to_the_dearest_traces_from_before_it_began():
    found = leads.traces(ALERT, RULE).address
    assert found == "/traces?q=user%3Adora&sort=dearest&from=2026-05-01T09%3A00%3A00Z"
    over = leads.traces({**ALERT, "resolved": "2026-05-01T12:00:00Z"}, RULE)
    assert over.address.endswith("&to=2026-05-01T12%3A00%3A00Z")


def test_an_alert_without_a_label_that_traces_have_leads_to_no_list():
    assert leads.traces({**ALERT, "labels": {"job": "node"}}, None) == leads.Lead()
    assert leads.traces({**ALERT, "since": "yesterday"}, None) == leads.Lead()
    assert leads.traces({**ALERT, "since": None, "started": None}, None) == leads.Lead()


def test_a_list_by_labels_alone_does_not_claim_to_be_what_is_counted():
    """Of an alert from elsewhere nobody here knows what its rule counts."""
    assert leads.traces(ALERT, None).title == "those with the same labels"


@pytest.mark.parametrize("text", ['a"b\\c', "} OR {", "*", "x" * 900, "a b", "", "-a", "(b)"])
def test_whatever_strangers_call_their_labels_the_question_can_be_read(text):
    asked = leads.question({"service_name": "shop", "gen_ai_tool_name": text, "user_id": text})
    assert asked == "" or parse(asked) is not None
    names = ("service.name", "gen_ai.request.model", "user.id", "mlobs.kind", "deployment.environment.name")
    for is_not in (False, True):
        conditions = [{"of": name, "any_of": [text, "b"], "is_not": is_not} for name in names]
        rule = {**RULE, "counts": {"conditions": conditions, "also": []}}
        found = leads.traces(ALERT, rule)
        ((_, asked), *_) = parse_qsl(urlsplit(found.address).query)
        assert parse(asked) is not None
        assert found.title == ("those with the same labels" if len(text) == 900 else "all of them")


def test_only_the_alert_of_a_feature_leads_to_its_drift():
    labels = {"service_name": "shop", "mlobs_model_name": "churn", "mlobs_model_version": "7"}
    assert leads.feature({**ALERT, "labels": labels}) == ""
    found = leads.feature({**ALERT, "labels": {**labels, "mlobs_feature": "age"}})
    assert found == "/drift/feature?service=shop&model=churn&version=7&feature=age"


def test_the_address_of_a_feature_without_its_profile_has_the_one_that_moved_most(served, monkeypatch):
    """Alerts do not tell of profiles."""
    calm = {**WATCH, "service": "leads", "ref": "cd", "segment": "FR"}
    moved = {**calm, "ref": "ab", "segment": "DE", "alarm": True}
    said = {
        "watches": [calm, moved],
        "failure": None,
        "looked": None,
        "false_alarms_per_year": 1,
        "left_out": 0,
    }
    monkeypatch.setitem(served.tells, "drift", lambda: said)
    path = "/drift/feature?service=leads&model=churn&version=3&feature=age"
    answer = requests.get(f"{served.url}{path}", headers={"Accept": "text/html"}, timeout=30)
    assert (answer.status_code, "DE" in answer.text) == (200, True)
    for more, status in (("&ref=cd&segment=FR", 200), ("&ref=ab", 404), ("&segment=IT", 404)):
        answer = requests.get(f"{served.url}{path}{more}", headers={"Accept": "text/html"}, timeout=30)
        assert answer.status_code == status


def test_what_is_not_plain_is_not_put_into_a_command():
    for value in ("a b", '"; reboot', "`id`", "$HOME", "-x", ""):
        assert leads.filled('traces list "user:ID"', {"user_id": value}, []) == 'traces list "user:ID"'
    assert leads.filled("show TRACE_ID", {}, ["ab"]) == "show ab"


def test_the_page_of_an_alert_that_is_over_leads_on_and_says_when_its_value_was_measured(served, monkeypatch):
    request = ExportTraceServiceRequest()
    made = span(
        request, "chat m", gen_ai__operation__name="chat", gen_ai__request__model="m", user__id="dora",
        mlobs__cost__usd=1.25,
    )  # fmt: skip
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    over = {**ALERT, "resolved": "2026-05-01T12:00:00Z", "trace_ids": [made.trace_id.hex()]}
    found = {
        "alert": {"state": "over", **over},
        "rule": RULE,
        "runbook": {"page": "MlobsUserCostHigh", "text": "# Title\n\n    mlobs traces list user:ID\n"},
        "episodes": [over],
        "deliveries": [],
        "values": None,
        "values_error": None,
    }
    monkeypatch.setitem(served.tells, "alert", lambda *_, **__: found)
    answer = requests.get(f"{served.url}/alerts/mlobs/ab12", headers={"Accept": "text/html"}, timeout=30)
    page = answer.text
    assert answer.status_code == 200
    assert "mlobs traces list user:dora" in page
    assert "Value when it began" in page
    assert "6.9 %" in page
    assert "limit 5 %" in page
    assert re.search(r"fired from .* to ", page)
    assert "fires since" not in page
    assert "Bad since" in page
    assert "$1.25" in page
    [listed] = re.findall(r'href="(/traces\?q=[^"]*)" [^>]*>those with the same labels', page)
    assert requests.get(f"{served.url}{unescape(listed)}", timeout=30).status_code == 200
