"""What a webhook says, whoever sent it; and what is no webhook."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.message import encode
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.wording import message
from mlobs.alerts.runbooks import page_of
from mlobs.errors import PayloadError
from tests.alerts.webhooks import alert, alertmanager, encoded, grafana

LIVE = (
    b'{"receiver":"w","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"MlobsX",'
    b'"service_name":"s","severity":"critical"},"annotations":{"summary":"hi"},"startsAt":'
    b'"2026-11-23T12:44:24.904447448Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/g",'
    b'"fingerprint":"2fcc6e6c36d6135f"}],"groupLabels":{"alertname":"MlobsX"},"commonLabels":{},'
    b'"commonAnnotations":{"summary":"hi"},"externalURL":"http://vm:19093","version":"4",'
    b'"groupKey":"{}:{alertname=\\"MlobsX\\"}","truncatedAlerts":0}'
)


def test_what_alertmanager_sent_once_is_understood():
    """A body captured from Alertmanager 0.25: nanoseconds, and Go's zero for no end."""
    told = read(LIVE)
    (event,) = told.events
    assert (told.source, told.url, told.truncated) == ("alertmanager", "http://vm:19093", 0)
    assert (event.status, event.ends_us) == ("firing", None)
    assert event.starts_us == 1_795_437_864_904_447
    assert event.links == {"source": "http://p/g"}


def test_what_newer_versions_add_does_not_matter():
    """Both senders add fields with every release."""
    body = alertmanager(alert(), notification_reason="repeat interval elapsed", routeLabels={"a": {"b": [1]}})
    body["alerts"][0]["enrichments"] = [{"x": None}]
    assert len(read(encoded(body)).events) == 1


def test_null_stands_for_nothing():
    """Go writes an empty map or list as null."""
    body = alertmanager({**alert(), "annotations": None, "generatorURL": None})
    assert read(encoded(body)).events[0].annotations == {}
    assert read(encoded({**body, "alerts": None})).events == ()


def test_grafanas_links_and_value_are_kept():
    """They are what somebody opens first."""
    told = read(encoded(grafana(alert())))
    (event,) = told.events
    said = message(event, url=told.url, truncated=0, now_s=1_700_000_100)
    assert said["source"] == "grafana"
    assert said["value"] == 0.25
    assert said["links"] == {
        "source": "http://prometheus.example/graph",
        "dashboard": "http://grafana.example/d/1",
        "silence": "http://grafana.example/silence",
    }


@pytest.mark.parametrize(
    "body",
    [
        alertmanager(alert(), truncatedAlerts=10**400),
        grafana(alert(), truncatedAlerts=2**64),
        grafana(alert(), orgId=10**400),
        grafana(alert(), orgId=-(10**400)),
    ],
)
def test_a_count_that_nobody_can_have_counted_is_refused(body):
    """It once was counted, and /metrics had no number for it."""
    with pytest.raises(PayloadError, match=r"(truncatedAlerts|orgId): input should be (less|greater) than"):
        read(encoded(body))


def test_the_name_of_a_strangers_rule_can_be_that_of_a_file():
    """A runbook is looked for under it; a name that no file can have once took all pages of alerts away."""
    (event,) = read(encoded(alertmanager(alert("a" * 5000)))).events
    rule = message(event, url="", truncated=0, now_s=1_700_000_100)["rule"]
    assert (set(rule), page_of(rule)) == ({"a"}, None)


def test_two_organisations_of_one_grafana_are_two_sources():
    """Their rules may have the same labels."""
    assert read(encoded(grafana(alert(), orgId=7))).source == "grafana/7"


def test_a_message_of_ours_can_be_received_again():
    """A server's webhook may be another one's."""
    (event,) = read(encoded(alertmanager(alert("x", ends_s=1_700_000_050)))).events
    said = message(event, url="http://one.example", truncated=2, now_s=1_700_000_100)
    (again,) = read(encode(said)).events
    once_more = message(again, url="http://one.example", truncated=2, now_s=1_700_000_100)
    assert again.source == "mlobs"
    said_again = {**once_more, "source": "alertmanager", "fingerprint": said["fingerprint"]}
    assert said_again == said


def marks(body: dict[str, Any]) -> set[str]:
    return {event.fingerprint for event in read(encoded(body)).events}


def test_the_same_labels_from_another_sender_are_another_alert():
    """Each of them makes the same fingerprint of them; the end of one must not end the other."""
    own = {
        "version": "mlobs/1", "source": "mlobs", "status": "firing", "rule": "R", "fingerprint": "f" * 16,
        "started": "2026-11-23T12:00:00Z", "server_url": "http://one.example",
    }  # fmt: skip
    bodies = [
        alertmanager({**alert(), "fingerprint": "f" * 16}),
        grafana({**alert(), "fingerprint": "f" * 16}),
        grafana({**alert(), "fingerprint": "f" * 16}, externalURL="http://another.example"),
        own,
        {**own, "server_url": "http://two.example"},
    ]
    found = [marks(body) for body in bodies]
    assert len(set.union(*found)) == len(bodies)
    assert {"f" * 16}.isdisjoint(set.union(*found)), "and none is one of this server's own"
    assert [marks(body) for body in bodies] == found


def test_two_replicas_of_one_alertmanager_speak_of_the_same_alert():
    """Each has an address of its own; also if another mlobs passed it on."""
    one, two = (alertmanager(alert(), externalURL=f"http://replica-{n}:9093") for n in (1, 2))
    assert marks(one) == marks(two)
    relayed = []
    for body in (one, two):
        told = read(encoded(body))
        relayed.append(message(told.events[0], url=told.url, truncated=0, now_s=1_700_000_100))
    assert marks(relayed[0]) == marks(relayed[1])


def test_what_a_group_of_ours_left_out_is_counted():
    """Of a list that was cut; of one in parts nothing is missing."""
    told = read(encoded(alertmanager(alert())))
    said = message(told.events[0], url=told.url, truncated=0, now_s=1_700_000_100)
    group = {**said, "alerts": [said] * 100, "count": 150}
    assert read(encode(group)).truncated == 50
    assert read(encode({**group, "part": 1, "parts": 2})).truncated == 0


def test_what_another_mlobs_says_contributes_most_is_bounded():
    """As everything else in a message."""
    told = read(encoded(alertmanager(alert())))
    said = message(told.events[0], url=told.url, truncated=0, now_s=1_700_000_100)
    top = {"dimension": "model", "value": "v" * 99_999, "share": 0.5, "more": ["x"] * 9_999}
    (event,) = read(encode({**said, "top": top})).events
    again = message(event, url="", truncated=0, now_s=1_700_000_100)["top"]
    assert (again["dimension"], again["share"], len(again["value"])) == ("model", 0.5, 512)
    assert set(again) == {"dimension", "value", "share"}


def test_an_alert_without_a_fingerprint_is_known_by_its_labels():
    """Whatever order they are in."""
    first, second = alert(a="1", b="2"), alert(b="2", a="1")
    for one in (first, second):
        del one["fingerprint"]
    marks = {event.fingerprint for event in read(encoded(alertmanager(first, second))).events}
    assert len(marks) == 1


def test_strangers_words_are_bounded_and_become_no_links():
    """Labels and annotations are whatever a monitored program says."""
    one = alert("x" * 5000, **{f"label_{n}": "v" * 5000 for n in range(200)})
    one["annotations"] = {
        "summary": "s\n" * 9999,
        "runbook_url": "javascript:alert(1)",
        "description": "d" * 99_999,
    }
    one["generatorURL"] = "file:///etc/passwd"
    (event,) = read(encoded(alertmanager(one))).events
    said = message(event, url="", truncated=0, now_s=1_700_000_100)
    assert len(encode(said)) < 80_000
    assert "\n" not in said["summary"]
    assert said["runbook_url"] is None
    assert said["links"] == {}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not JSON: EOF"),
        (b"\xff\xfe{}", "The body is not JSON"),
        (b'{"version":"4"', "The body is not JSON: EOF"),
        (b"[" * 10_000 + b"]" * 10_000, "recursion limit exceeded"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "recursion limit exceeded"),
        (b'{"version":"4","alerts":[],"x":NaN}', "The body is not JSON"),
        (b'{"version":"4","alerts":[],"x":"\\ud800"}', "The body is not JSON"),
        (b"[]", "no object"),
        (b"null", "no object"),
        (b'{"text":"custom payload"}', "an object without 'version'"),
        (b'{"version":"3","alerts":[]}', "version '3'"),
        (b'{"version":{"a":1},"alerts":[]}', "version \"{'a': 1}\""),
        (b'{"version":"4"}', "alerts: field required"),
        (b'{"version":"4","alerts":{}}', "alerts: input should be a valid list"),
        (
            encoded(alertmanager({**alert(), "status": "broken"})),
            "alerts.0.status: input should be 'firing' or",
        ),
        (
            encoded(alertmanager({**alert(), "startsAt": "soon"})),
            "alerts.0.startsAt: input should be a valid",
        ),
        (
            encoded(alertmanager({**alert(), "labels": ["secret"]})),
            "alerts.0.labels: input should be a valid",
        ),
        (encoded(alertmanager(*[{"status": "x", "labels": {"a": 1}}] * 9)), "and 24 more"),
        (b'{"version":"mlobs/1","alerts":[3]}', "input should be a valid dictionary"),
    ],
)
def test_what_is_no_webhook_gets_the_reason_and_not_its_content_back(body, sentence):
    """The content is somebody else's."""
    with pytest.raises(PayloadError) as caught:
        read(body)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "custom payload" not in str(caught.value)


def anything() -> st.SearchStrategy[object]:
    simple = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    return st.recursive(
        simple,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )


TOP = ("alerts", "externalURL", "truncatedAlerts", "orgId", "version")
FIELDS = ("status", "labels", "annotations", "startsAt", "endsAt", "fingerprint", "generatorURL", "values")


@given(
    version=st.sampled_from(["4", "1", 4, 1, "mlobs/1"]),
    field=st.sampled_from(FIELDS),
    wrong=anything(),
    top=st.dictionaries(st.sampled_from(TOP), anything(), max_size=1),
)
def test_whatever_comes_is_understood_or_refused_with_a_sentence(version, field, wrong, top):
    """And what was understood can be told."""
    body = encoded({**grafana({**alert(), field: wrong}), "version": version, **top})
    try:
        told = read(body)
    except PayloadError:
        return
    for event in told.events:
        json.loads(encode(message(event, url=told.url, truncated=told.truncated, now_s=1_700_000_000)))


@given(st.binary(max_size=200))
def test_bytes_are_refused_with_a_sentence(body):
    """No bytes make a mistake of ours."""
    with pytest.raises(PayloadError):
        read(body)
