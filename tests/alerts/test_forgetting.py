"""A user, session or trace that is deleted is gone from what is remembered of alerts, and from the file."""

import json
import sqlite3
import subprocess
import sys

import pytest
import requests

from mlobs.alerts.forgetting import Deleted
from tests.alerts.houses import House
from tests.alerts.mounted import up
from tests.alerts.posted import JSON
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, encoded

ROW = {
    "service_name": "shop",
    "user_id": "cho",
    "value": 120.0,
    "volume": 3,
    "trace_ids": ["a" * 32, "b" * 32],
    "since_s": None,
    "largest": None,
}


class Users:
    """A store that answers the rule about dear users with rows set by hand, and every other with none."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def __call__(self, sql, params):
        return self.rows if "UserId AS user_id" in sql else []


@pytest.fixture
def sink():
    with webhook() as seen:
        yield seen


@pytest.fixture
def house(tmp_path, sink):
    made = House(tmp_path, Users(ROW, {**ROW, "user_id": "dan", "trace_ids": ["c" * 32]}), sink.url)
    yield made
    made.alerting.stop()


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.glob("alerts.sqlite*"))


def test_a_user_who_is_deleted_is_nowhere_in_the_file_and_the_alert_ends_with_that_reason(
    house, tmp_path, sink
):
    assert len(house.later(0)) == 2
    house.alerting.silencing.silence(
        {"matchers": ["user_id=cho"], "for": "1h", "who": "ann", "why": "cho is known"}
    )
    first = next(one.json for one in sink.arrived if one.json["labels"]["user_id"] == "cho")
    assert b"cho" in on_disk(tmp_path)
    house.ask.rows = house.ask.rows[1:]
    assert set(house.alerting.traces()) == {"a" * 32, "b" * 32, "c" * 32}
    assert house.alerting.forget("user", "cho", ["a" * 32, "b" * 32]) > 0
    assert b"cho" not in on_disk(tmp_path)
    assert b"a" * 32 not in on_disk(tmp_path)
    assert house.later(60) == []
    last = sink.arrived[-1].json
    assert (last["status"], last["end"]["reason"]) == ("resolved", "deleted")
    assert last["fingerprint"] == first["fingerprint"]
    assert last["labels"]["user_id"] == "deleted"
    assert (last["trace_ids"], last["trace_url"]) == ([], None)
    shown = json.dumps([house.alerting.snapshot(), house.alerting.past()])
    assert "cho" not in shown
    assert "dan" in shown
    assert house.alerting.traces() == ["c" * 32]
    assert sqlite3.connect(tmp_path / "alerts.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_trace_that_is_deleted_takes_its_links_and_the_alert_stays(house, sink):
    house.later(0)
    house.alerting.forget("trace", "b" * 32, ["b" * 32])
    assert house.alerting.traces() == ["a" * 32, "c" * 32]
    house.restart()
    assert len(house.alerting.snapshot()["firing"]) == 2
    assert [one["trace_ids"] for one in house.alerting.past()["episodes"]] == [["c" * 32], ["a" * 32]]


def test_an_address_is_found_in_links_and_in_patterns_of_silences():
    gone = Deleted("user", "ana@example.com", frozenset())
    told = {"labels": {"user_id": "ana@example.com"}, "links": {"user": "http://x/user?id=ana%40example.com"}}
    assert gone.without(told) == {
        "labels": {"user_id": "deleted"},
        "links": {"user": "http://x/user?id=deleted"},
    }
    silence = {"matchers": ['user_id=~"ana@example.com|bob"'], "why": "a test"}
    assert gone.without(silence) == {"matchers": ['user_id=~"deleted|bob"'], "why": "a test"}
    other = {"matchers": ['service_name="ana@example.com"']}
    assert gone.without(other) == other


def test_an_id_that_is_a_common_word_changes_only_what_is_about_it():
    of_1 = Deleted("user", "1", frozenset())
    other = {"labels": {"user_id": "10", "model": "1"}, "summary": "1 user cost 1 USD"}
    assert of_1.without(other) == other
    meant = {"labels": {"user_id": "1"}, "summary": "Calls for the user 1 cost 10 USD", "fingerprint": "1"}
    assert of_1.without(meant) == {
        "labels": {"user_id": "deleted"},
        "summary": "Calls for the user deleted cost 10 USD",
        "fingerprint": "1",
    }


@pytest.mark.slow
def test_deleting_a_user_of_a_running_server_takes_them_out_of_the_alerts(tmp_path, sink):
    with up(tmp_path, sink) as url:
        body = encoded(alertmanager(alert("dear", user_id="cho")))
        assert requests.post(url, data=body, headers=JSON, timeout=60).json()["changed"] == 1
        wait_for(lambda: sink.arrived)
        server = url.removesuffix("/api/alerts/receive")
        wait_for(lambda: b"cho" in on_disk(tmp_path / "data"))
        command = [
            sys.executable,
            "-m",
            "mlobs",
            "data",
            "delete",
            "--user",
            "cho",
            "--yes",
            "--server",
            server,
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == 0, ended.stderr
        assert "alerts" in ended.stdout
        assert b"cho" not in on_disk(tmp_path / "data")
        assert "cho" not in requests.get(f"{server}/api/alerts", timeout=60).text
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == 1, ended.stderr
