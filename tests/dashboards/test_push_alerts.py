"""Pushing alert rules and the contact point to a Grafana."""

import copy
import hashlib
import hmac
import json
import time

import pytest

from mlobs.alerts.grafana import grafana_file
from mlobs.alerts.receive.authentication import Authenticator
from mlobs.alerts.rulefile import all_rules
from mlobs.cli import main
from mlobs.dashboards.grafana.address import read_address
from mlobs.dashboards.grafana.changes import ABSENT, Field
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.grafana.contact import Contact
from mlobs.dashboards.grafana.push import Wanted, push
from mlobs.dashboards.grafana.rules import Group, read_groups, seconds
from mlobs.errors import ServerError
from mlobs.settings import AlertSettings
from tests.dashboards import grafana as server
from tests.dashboards.grafana_models import plain

SOURCE = "mlobs-prometheus"
TEXT = grafana_file(all_rules(AlertSettings()), runbook_base="https://mlobs.example.org/runbooks")
GROUPS = read_groups(TEXT)
RULES = {rule["uid"]: rule for group in GROUPS for rule in group.rules}
FIRST = GROUPS[0].rules[0]
SECRET = "a secret of some length"
RECEIVER = "https://mlobs.example.org/api/alerts/receive"


@pytest.fixture
def there():
    pytest.importorskip("grafana_client", reason="needs: pip install 'mlobs[grafana]'")
    with server.running() as grafana:
        grafana.sources.add({"uid": SOURCE, "name": "P", "type": "prometheus", "access": "proxy"})
        yield grafana


def pushed(there, groups=GROUPS, *, dry_run=False, contact=None, prune=False):
    wanted = Wanted({}, "mlobs", (), groups, contact, prune=prune)
    return push(Grafana(there.url, server.EDITOR), wanted, dry_run=dry_run)


def moved(found):
    return [change for change in found if change.action != "keep"]


def contact(secret=SECRET, url=RECEIVER):
    return Contact(
        read_address(url, option="--webhook"),
        secret,
        "X-Grafana-Alerting-Signature",
        "X-Grafana-Alerting-Timestamp",
    )


def other(there, **fields):
    """Put a rule that somebody made by hand into our first group."""
    rule = {**copy.deepcopy(there.alerting.rules[FIRST["uid"]]), "labels": {}, **fields}
    there.alerting.rules[rule["uid"]] = rule
    return rule


def test_every_rule_arrives_as_the_file_has_it_and_nothing_is_dropped(there):
    """The API spells two fields otherwise than the file, and drops what it does not know without a word."""
    found = pushed(there)
    assert {change.uid for change in found if change.kind == "alert rule"} == set(RULES)
    held = there.alerting.rules
    assert set(held) == set(RULES)
    assert there.alerting.ignored == set()
    assert {rule["folderUID"] for rule in held.values()} == {"mlobs"}
    for uid, rule in RULES.items():
        assert held[uid]["labels"] == rule["labels"]
        assert held[uid]["keep_firing_for"] == rule["keep_firing_for"]
        assert held[uid]["missingSeriesEvalsToResolve"] == rule["missingSeriesEvalsToResolve"]
        assert held[uid]["data"][0]["model"]["expr"] == rule["data"][0]["model"]["expr"]


def test_rules_stay_editable_in_grafana(there):
    """Whoever is on call must be able to pause one."""
    pushed(there)
    assert set(there.alerting.provenance.values()) == {""}


def test_the_second_push_writes_nothing(there):
    """Grafana adds defaults to the queries, and writes some times otherwise."""
    pushed(there)
    there.writes.clear()
    for rule in there.alerting.rules.values():
        rule["for"] = {"1h": "1h0m0s", "5m": "5m0s"}.get(rule["for"], rule["for"])
    assert moved(pushed(there)) == []
    assert there.writes == []


def test_an_older_grafana_that_drops_the_newer_fields_is_not_written_each_time(there):
    """It knows no keep_firing_for, so it can never have the one we want."""
    there.alerting.old = True
    pushed(there)
    there.writes.clear()
    assert moved(pushed(there)) == []


def test_a_changed_threshold_writes_one_group_and_nothing_else(there):
    """The others keep their state and their version."""
    pushed(there)
    versions = dict(there.alerting.versions)
    there.writes.clear()
    text = grafana_file(
        all_rules(AlertSettings(error_ratio_max=0.321)), runbook_base="https://mlobs.example.org/runbooks"
    )
    found = moved(pushed(there, read_groups(text)))
    assert found
    assert {change.action for change in found} == {"update"}
    assert all(
        "expr" in field.path or field.path.startswith(("data", "annotations"))
        for c in found
        for field in c.fields
    )
    assert len(there.writes) == len({there.alerting.rules[change.uid]["ruleGroup"] for change in found})
    untouched = {uid for uid, version in there.alerting.versions.items() if versions[uid] == version}
    assert untouched


def test_an_edited_rule_comes_back_but_its_pause_and_its_receiver_stay(there):
    """The first is drift, the others are decisions of whoever is on call."""
    pushed(there)
    held = there.alerting.rules[FIRST["uid"]]
    held.update(isPaused=True, notification_settings={"receiver": "night"})
    assert moved(pushed(there)) == []
    held["labels"] = {**held["labels"], "team": "x"}
    held["annotations"] = {**held["annotations"], "__dashboardUid__": "mlobs-overview", "note": "mine"}
    held["for"] = "9h"
    (change,) = moved(pushed(there))
    assert set(change.fields) == {
        Field("labels.team", "x", ABSENT),
        Field("annotations.note", "mine", ABSENT),
        Field("for", "9h", FIRST["for"]),
    }
    held = there.alerting.rules[FIRST["uid"]]
    assert (held["isPaused"], held["notification_settings"]) == (True, {"receiver": "night"})
    assert held["for"] == FIRST["for"]
    assert held["annotations"] == {**FIRST["annotations"], "__dashboardUid__": "mlobs-overview"}


def test_a_rule_that_somebody_added_to_our_group_stays(there):
    """A group is written whole, and what is not in it is deleted."""
    pushed(there)
    added = other(there, uid="theirs", title="Theirs")
    there.alerting.rules[FIRST["uid"]]["title"] = "Renamed"
    assert [change.uid for change in moved(pushed(there))] == [FIRST["uid"]]
    held = there.alerting.rules["theirs"]
    assert {**held, "updated": "", "id": 0} == {**added, "updated": "", "id": 0}
    pushed(there, prune=True)
    assert "theirs" in there.alerting.rules


def test_prune_removes_only_rules_that_we_brought(there):
    """A duplicate of one of ours has our label, and a uid of Grafana's own."""
    gone = {**copy.deepcopy(FIRST), "uid": "mlobs-MlobsGone", "title": "MlobsGone"}
    first = GROUPS[0]
    pushed(there, [Group(first.name, first.interval_s, (*first.rules, gone)), *GROUPS[1:]])
    other(there, uid="copy", title="Copy", labels=dict(FIRST["labels"]))
    other(there, uid="mlobs-own", title="Own")
    there.alerting.rules[FIRST["uid"]]["title"] = "Renamed"
    assert [change.action for change in moved(pushed(there))] == ["update"]
    assert "mlobs-MlobsGone" in there.alerting.rules
    assert [(change.uid, change.action) for change in moved(pushed(there, prune=True))] == [
        ("mlobs-MlobsGone", "remove")
    ]
    assert set(there.alerting.rules) == {*RULES, "copy", "mlobs-own"}


def test_without_alert_rules_nothing_of_them_is_touched(there):
    """Whoever pushes dashboards alone has not asked for the rules to go."""
    pushed(there)
    there.writes.clear()
    assert moved(pushed(there, (), prune=True)) == []
    assert there.writes == []


def test_a_rule_that_moved_to_another_group_moves_and_is_not_made_twice(there):
    """Its history goes with it."""
    first, second, *rest = GROUPS
    pushed(there, [
        Group(first.name, first.interval_s, first.rules[1:]),
        Group(second.name, second.interval_s, (*second.rules, FIRST)),
        *rest,
    ])  # fmt: skip
    number = there.alerting.versions[FIRST["uid"]]
    (change,) = moved(pushed(there))
    assert change.fields == (Field("group", second.name, first.name),)
    assert there.alerting.rules[FIRST["uid"]]["ruleGroup"] == first.name
    assert there.alerting.versions[FIRST["uid"]] > number
    assert moved(pushed(there)) == []


def test_another_interval_is_told_and_written(there):
    """It belongs to the group and not to a rule."""
    pushed(there)
    there.alerting.intervals[("mlobs", GROUPS[0].name)] = 300
    (change,) = moved(pushed(there))
    assert (change.uid, change.fields) == (GROUPS[0].name, (Field("interval", 300, GROUPS[0].interval_s),))
    assert moved(pushed(there)) == []


@pytest.mark.parametrize(
    ("provenance", "labels", "told"),
    [
        ("file", None, r"was made by other means \(file\), which alone may change it"),
        ("converted_prometheus", None, r"was made by other means \(converted_prometheus\)"),
        ("", {}, "without the label managed_by=mlobs, so it is not ours to change"),
    ],
)
def test_a_rule_of_somebody_else_under_our_uid_is_told_before_anything_is_written(
    there, provenance, labels, told
):
    """Those of the provisioning folder above all: Grafana refuses them with 409."""
    pushed(there)
    there.alerting.provenance[FIRST["uid"]] = provenance
    there.alerting.rules[FIRST["uid"]].update(title="Other", **({} if labels is None else {"labels": labels}))
    there.writes.clear()
    with pytest.raises(ServerError, match=told):
        pushed(there)
    assert there.writes == []


def test_a_protected_rule_in_our_group_is_not_laid_open(there):
    """Writing the group would take its protection away."""
    pushed(there)
    other(there, uid="theirs", title="Theirs")
    there.alerting.provenance["theirs"] = "api"
    with pytest.raises(ServerError, match=r"a rule 'Theirs' that was made by other means \(api\)"):
        pushed(there)


def test_rules_whose_data_source_is_missing_are_refused(there):
    """Grafana would take them, and they would fail each minute."""
    del there.sources.held[SOURCE]
    with pytest.raises(
        ServerError, match=r"ask the data source 'mlobs-prometheus', which .* does not have. Give"
    ):
        pushed(there)
    assert there.writes == []


def test_a_refused_group_says_what_was_done(there):
    """The rest comes with the next push."""
    path = f"PUT /api/v1/provisioning/folder/mlobs/rule-groups/{GROUPS[1].name}"
    there.refuse[path] = (409, {"message": "optimistic lock"})
    with pytest.raises(
        ServerError, match=f"would not save the group '{GROUPS[1].name}' .*: 409 optimistic lock"
    ) as e:
        pushed(there)
    assert f"Done before that: folder mlobs, alert rule {FIRST['uid']}" in str(e.value)
    there.refuse.clear()
    pushed(there)
    assert set(there.alerting.rules) == set(RULES)


def test_what_is_sent_is_what_the_sdk_knows(there):
    """Grafana's own models name every field; nothing is lost on the way through them."""
    models = pytest.importorskip("grafana_foundation_sdk.models.alerting", reason="needs the dev extra")
    pushed(there)
    rules = there.alerting.rules
    for uid in RULES:
        sent = {key: value for key, value in rules[uid].items() if value is not None}
        assert plain(models.Rule.from_json(sent)) == sent


def test_a_dollar_in_a_label_is_doubled_in_the_file_alone():
    """The file's variables are filled in by Grafana; nobody fills in anything over the API."""
    text = TEXT.replace('severity: "critical"', 'severity: "a$$b"', 1)
    assert next(rule for group in read_groups(text) for rule in group.rules)["labels"]["severity"] == "a$b"


def test_lengths_of_time_are_compared_as_such():
    """Grafana and Prometheus write the same time differently."""
    assert seconds("1h30m") == seconds("90m") == seconds("1h30m0s")
    assert seconds(None) == seconds("0s") == 0


def test_the_contact_point_signs_as_the_receiver_expects(there):
    """What Grafana is told to sign with goes through the receiver's own check."""
    pushed(there, (), contact=contact())
    settings = there.alerting.contacts["mlobs-webhook"]["settings"]
    assert (settings["url"], settings["httpMethod"]) == (RECEIVER, "POST")
    told, body, now = settings["hmacConfig"], b'{"alerts": []}', int(time.time())
    mac = hmac.new(told["secret"].encode(), f"{now}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {told["header"].lower(): mac, told["timestampHeader"].lower(): str(now)}
    receiver = Authenticator(secret=SECRET)
    assert receiver.admit(headers) is False
    receiver.verify(headers, body, float(now))


@pytest.mark.slow
def test_the_contact_point_is_written_once_and_again_only_with_another_secret(there):
    """Grafana hides the secret; a mark of it tells, from which it cannot be guessed quickly."""
    pushed(there, (), contact=contact())
    there.writes.clear()
    assert moved(pushed(there, (), contact=contact())) == []
    assert there.writes == []
    (change,) = moved(pushed(there, (), contact=contact("another secret, longer")))
    assert [field.path for field in change.fields] == ["settings.mlobsSecret"]
    held = there.alerting.contacts["mlobs-webhook"]["settings"]
    assert held["hmacConfig"]["secret"] == "another secret, longer"
    assert "another" not in json.dumps({**held, "hmacConfig": {}})
    assert "another" not in repr(change)


def test_settings_that_somebody_added_to_the_contact_point_stay(there):
    """Such as a proxy's certificate."""
    pushed(there, (), contact=contact())
    there.alerting.contacts["mlobs-webhook"]["settings"]["maxAlerts"] = 50
    pushed(there, (), contact=contact(url="https://new.example.org/api/alerts/receive"))
    held = there.alerting.contacts["mlobs-webhook"]["settings"]
    assert (held["url"], held["maxAlerts"]) == ("https://new.example.org/api/alerts/receive", 50)


def test_notification_policies_are_never_written(there):
    """They are one tree for everybody."""
    pushed(there, contact=contact(), prune=True)
    assert not [request for request in there.requests if "polic" in request]


@pytest.mark.parametrize(
    ("contact_point", "provenance", "told"),
    [
        ({"uid": "x", "name": "mlobs"}, "", "has a contact point 'mlobs' that is not ours"),
        ({"uid": "mlobs-webhook", "name": "mlobs"}, "file", r"was made by other means \(file\)"),
    ],
)
def test_a_contact_point_of_somebody_else_is_told(there, contact_point, provenance, told):
    """Ours would be added to it, or be refused."""
    held = {"type": "email", "settings": {"url": "x"}, "disableResolveMessage": False, **contact_point}
    there.alerting.contacts[held["uid"]] = held
    there.alerting.provenance[held["uid"]] = provenance
    with pytest.raises(ServerError, match=told):
        pushed(there, (), contact=contact())
    assert there.writes == []


def test_a_grafana_that_cannot_sign_is_told(there):
    """The receiver would refuse every webhook of it."""
    there.release = "11.5.2"
    with pytest.raises(ServerError, match=r"is of version 11\.5\.2, and only those from 12 on sign webhooks"):
        pushed(there, (), contact=contact())


def test_the_command_brings_rules_and_contact_point(there, monkeypatch, capsys):
    """With the thresholds of the house, and the sentence that says how to route."""
    monkeypatch.setenv("MLOBS_ALERT_RECEIVE_SECRET", SECRET)
    monkeypatch.setenv("MLOBS_ALERT_ERROR_RATIO_MAX", "0.123")
    arguments = ["--url", there.url, "--token", server.EDITOR, "--alerts", "--webhook", RECEIVER]
    assert main(["dashboards", "push", *arguments]) == 0
    assert "add a policy below the default one that matches alertname =~ Mlobs.+" in capsys.readouterr().err
    assert any("0.123" in rule["data"][0]["model"]["expr"] for rule in there.alerting.rules.values())
    assert main(["dashboards", "diff", *arguments, "--prune"]) == 0


@pytest.mark.parametrize(
    ("secret", "url", "told"),
    [
        ("", RECEIVER, "There is no secret to sign webhooks with. Set MLOBS_ALERT_RECEIVE_SECRET here"),
        (SECRET, "https://mlobs.example.org", "which has no path. Give the receiver's whole address"),
        (SECRET, "mlobs.example.org/x", "--webhook is 'mlobs.example.org/x'; an address such as"),
    ],
)
def test_a_contact_point_that_could_not_work_is_refused_here(secret, url, told, monkeypatch, capsys):
    """The receiver would refuse its webhooks."""
    monkeypatch.setenv("MLOBS_ALERT_RECEIVE_SECRET", secret)
    assert main(["dashboards", "push", "--url", "http://x", "--token", "t", "--webhook", url]) == 2
    assert told in capsys.readouterr().err
