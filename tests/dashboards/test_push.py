"""Pushing to a Grafana: once, and again, and where it must not."""

import copy
import json

import pytest

from mlobs.dashboards import build
from mlobs.dashboards.push import push
from mlobs.errors import ServerError, SettingError
from tests.dashboards import grafana as fake

OURS = {name: json.loads(text) for name, text in build.build().items()}


@pytest.fixture
def grafana():
    pytest.importorskip("grafana_client", reason="needs: pip install 'mlobs[grafana]'")
    with fake.running() as server:
        yield server


def actions(changes):
    return [(change.kind, change.uid, change.action) for change in changes]


@pytest.mark.parametrize(("url", "token", "missing"), [("", "t", "address"), ("http://x", "", "token")])
def test_an_empty_address_or_token_is_refused(url, token, missing):
    """The client would go on as admin:admin at localhost, and perhaps be let in."""
    with pytest.raises(
        SettingError, match=f"The {missing} of Grafana is empty. Give it with --url and --token"
    ):
        push(OURS, url=url, token=token)


def test_the_first_push_makes_the_folder_and_the_dashboards(grafana):
    """What was sent is what is there."""
    changes = push(OURS, url=grafana.url, token=grafana.token)
    assert actions(changes) == [("folder", "mlobs", "create"), ("dashboard", "mlobs-overview", "create")]
    assert grafana.homes == {"mlobs-overview": "mlobs"}
    assert grafana.dashboards["mlobs-overview"]["panels"] == OURS["overview.json"]["panels"]


def test_the_second_push_writes_nothing(grafana):
    """A deployment runs it each time; a version for each of them buries the real ones."""
    push(OURS, url=grafana.url, token=grafana.token)
    grafana.writes.clear()
    changes = push(OURS, url=grafana.url, token=grafana.token)
    assert {change.action for change in changes} == {"keep"}
    assert grafana.writes == []


def test_a_changed_dashboard_is_updated_in_place(grafana):
    """Links to it, and its history, survive."""
    push(OURS, url=grafana.url, token=grafana.token)
    newer = copy.deepcopy(OURS)
    newer["overview.json"]["panels"][0]["title"] = "Broken calls"
    changes = push(newer, url=grafana.url, token=grafana.token)
    assert ("dashboard", "mlobs-overview", "update") in actions(changes)
    assert grafana.dashboards["mlobs-overview"]["version"] == 2
    assert grafana.dashboards["mlobs-overview"]["panels"][0]["title"] == "Broken calls"


def test_a_dry_run_says_what_would_change_and_changes_nothing(grafana):
    """One wants to see it before it is production."""
    changes = push(OURS, url=grafana.url, token=grafana.token, dry_run=True)
    assert {change.action for change in changes} == {"create"}
    assert grafana.writes == []


def test_a_dashboard_of_somebody_else_is_left_alone(grafana):
    """The uid is taken and the tag is not ours: nothing at all may be written."""
    grafana.dashboards["mlobs-overview"] = {
        "uid": "mlobs-overview",
        "title": "Mine",
        "tags": [],
        "version": 1,
    }
    grafana.homes["mlobs-overview"] = "general"
    with pytest.raises(ServerError, match="has a dashboard 'Mine' with the uid 'mlobs-overview' and without"):
        push(OURS, url=grafana.url, token=grafana.token)
    assert grafana.writes == []


def test_a_wrong_token_gets_the_remedy(grafana):
    """The status alone sends people to the wrong page of the manual."""
    with pytest.raises(
        ServerError, match=r"answered 401: .* make one for a service account with the role Editor"
    ):
        push(OURS, url=grafana.url, token="wrong")


def test_a_grafana_that_is_not_there_is_one_sentence():
    """A stack trace of three libraries says less."""
    pytest.importorskip("grafana_client", reason="needs: pip install 'mlobs[grafana]'")
    with pytest.raises(
        ServerError, match=r"No Grafana can be reached at http://127\.0\.0\.1:9: .* in a browser"
    ):
        push(OURS, url="http://127.0.0.1:9", token="t")


def test_what_grafana_added_is_no_change():
    """It fills in defaults; comparing texts would write a version on every push."""
    from mlobs.dashboards.push import includes

    assert includes({"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1}]})
    assert not includes({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]})
    assert not includes({"a": 1}, {"a": 1, "b": None})
