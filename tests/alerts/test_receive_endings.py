"""Why an alert from elsewhere ended, as far as its sender says."""

import pytest
import requests

from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.wording import message
from tests.alerts.mounted import up
from tests.alerts.posted import JSON
from tests.alerts.sink import webhook
from tests.alerts.sinks.messages import message as ours
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, encoded, grafana

NOW_S = 1_700_000_000.0
END = {"reason": "within_limit", "text": "It is 2% now.", "value": 0.02, "value_text": "2%"}


def ended(body):
    (event,) = read(encoded(body)).events
    return message(event, url="", truncated=0, now_s=NOW_S)["end"]


def test_while_it_fires_there_is_no_end():
    assert ended(alertmanager(alert())) is None
    assert ended({**ours(), "end": END}) is None


def test_alertmanager_says_that_it_ended_and_not_why():
    """It lets an alert end, too, that nobody sends any more; so nothing else is claimed."""
    found = ended(alertmanager(alert(ends_s=NOW_S)))
    assert (found["reason"], found["value"]) == ("sender", None)
    assert found["text"].endswith("not why: it is over, or nobody sends it any more.")


def test_grafana_measures_once_more():
    found = ended(grafana(alert(ends_s=NOW_S)))
    assert found == {
        "reason": "within_limit",
        "text": "Grafana says that it ended; it measures 0.25 now.",
        "value": 0.25,
        "value_text": "0.25",
    }


@pytest.mark.parametrize(
    ("said", "reason", "part"),
    [
        ("MissingSeries", "no_data", "the series it is about is gone"),
        ("NoData", "no_data", "no data come any more"),
        ("NoData, KeepLast", "no_data", "no data come any more"),
        ("Error", "unknown", "could not be evaluated"),
        ("RuleDeleted", "rule_gone", "its rule was deleted"),
        ("Paused", "rule_gone", "its rule was paused"),
        ("Updated", "rule_gone", "its rule was changed"),
    ],
)
def test_what_grafana_says_of_its_state_is_the_reason(said, reason, part):
    """An end for want of data is none that anybody should sleep on."""
    one = alert(ends_s=NOW_S)
    one["annotations"]["grafana_state_reason"] = said
    found = ended(grafana(one, orgId=7))
    assert (found["reason"], found["value"]) == (reason, None)
    assert part in found["text"]
    assert found["text"].endswith("Whether the trouble is over is not known.")


def test_grafana_with_several_values_says_none():
    """Which of them is meant is not in the message."""
    body = grafana(alert(ends_s=NOW_S))
    body["alerts"][0]["values"] = {"A": 1, "B": 2}
    assert ended(body)["reason"] == "sender"


def test_another_mlobs_says_what_it_says_itself():
    body = {**ours(status="resolved"), "resolved": "2026-11-26T03:00:00Z"}
    assert ended({**body, "end": END}) == END
    assert ended(body)["reason"] == "sender", "an older one says nothing"


@pytest.mark.parametrize(
    "end", ["text", {"text": 5}, {"text": "a\nb" + "x" * 5000, "value": "much", "reason": []}, {"text": ""}]
)
def test_what_a_stranger_says_of_an_end_is_bounded_and_never_raises(end):
    found = ended({**ours(status="resolved"), "resolved": "2026-11-26T03:00:00Z", "end": end})
    assert set(found) == set(END)
    assert len(found["text"]) <= 1000
    assert "\n" not in found["text"]
    assert found["value"] is None


@pytest.mark.slow
def test_the_page_of_an_alert_says_why_it_ended(tmp_path):
    """Also in its history, and that of all alerts."""
    with webhook() as sink, up(tmp_path, sink) as url:
        server = url.removesuffix("/api/alerts/receive")
        for body in (alertmanager(alert()), alertmanager(alert(ends_s=NOW_S + 60))):
            assert requests.post(url, data=encoded(body), headers=JSON, timeout=60).ok
        wait_for(lambda: len(sink.arrived) == 2)
        mark = sink.arrived[1].json["fingerprint"]
        said = "Alertmanager says that it ended, and not why"
        for path, times in ((f"/alerts/alertmanager/{mark}", 2), ("/alerts?view=history", 1)):
            page = requests.get(f"{server}{path}", headers={"Accept": "text/html"}, timeout=60).text
            assert page.count(said) == times, path
        assert sink.arrived[1].json["end"]["text"].startswith(said)
