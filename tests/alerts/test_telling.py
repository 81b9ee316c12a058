"""Routes and sinks that change while alerts are told."""

import time

import pytest

from mlobs.alerts.letters import Message
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import Inbox
from mlobs.alerts.routewatch import RouteWatch
from mlobs.alerts.telling import Telling
from mlobs.errors import SettingError
from mlobs.settings import AlertSettings
from tests.alerts.rounds import record
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, encoded

SINK = """\
  {name}:
    type: webhook
    url: {url}
    secret: {{env: TEST_SINK_SECRET}}
    allow: ["127.0.0.1"]
"""


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    for module in ("telling", "delivery"):
        monkeypatch.setattr(f"mlobs.alerts.{module}.LOOK_SECONDS", 0.02)


class House:
    """A file of routes, and whoever tells by it."""

    def __init__(self, folder, **sinks):
        self.path = folder / "routes.yml"
        self.folder = folder
        self.write(**sinks)
        self.start()

    def write(self, *, routes="", **sinks):
        parts = "".join(SINK.format(name=name, url=sink.url) for name, sink in sinks.items())
        routes = routes or "".join(
            f"  - {{name: to-{name}, sinks: [{name}], continue: true}}\n" for name in sinks
        )
        self.path.write_text(f"sinks:\n{parts}routes:\n{routes}")

    def start(self):
        self.telling = Telling(AlertSettings(routes=self.path), self.folder / "alerts.sqlite")
        self.inbox = Inbox(self.telling.outbox, self.telling.dispatcher, time.time)
        self.telling.start()
        self.inbox.start()

    def stop(self):
        self.inbox.stop()
        self.telling.stop()

    def take(self, *alerts):
        return self.inbox.take(read(encoded(alertmanager(*alerts))), None).result(30)


def test_new_routes_are_used_without_a_restart_and_what_is_open_is_ended_where_it_was_told(tmp_path, caplog):
    """Nobody restarts an alert system to add a team."""
    with webhook() as old, webhook() as new:
        house = House(tmp_path, old=old)
        house.take(alert("first"))
        wait_for(lambda: old.changes == ["firing"])
        house.write(new=new, old=old, routes="  - {name: to-new, sinks: [new]}\n")
        wait_for(lambda: [one.json["rule"] for one in new.arrived] == ["first"])  # It fires still.
        house.take(alert("second"))
        wait_for(lambda: [one.json["rule"] for one in new.arrived] == ["first", "second"])
        house.take(alert("first", ends_s=1_700_000_060))
        wait_for(lambda: old.changes == ["firing", "resolved"])
        wait_for(lambda: new.changes == ["firing", "firing", "resolved"])
        house.stop()
    assert "was read again: 1 routes, sinks new, old" in caplog.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sinks: {}\n", "sinks"),
        ("a: [", "not YAML"),
        ("", "a mapping with 'sinks' and 'routes'"),
        ("sinks: {x: {type: slack, url: {env: NOT_SET_ANYWHERE}}}\nroutes: [{sinks: [x]}]\n", "NOT_SET_ANY"),
        ("sinks: {x: {type: callable, function: 'no.such:thing'}}\nroutes: [{sinks: [x]}]\n", "no.such"),
    ],
)
def test_a_broken_file_leaves_the_former_routes_and_is_said_once(tmp_path, caplog, text, sentence):
    """Whoever saves half a file must not silence anything."""
    path = tmp_path / "routes.yml"
    path.write_text("sinks: {x: {type: command, argv: ['true']}}\nroutes: [{sinks: [x]}]\n")
    watch = RouteWatch(AlertSettings(routes=path))
    former = watch.routes
    path.write_text(text)
    assert [watch.look() for _ in range(50)] == [False] * 50
    assert sentence in watch.error
    assert watch.routes is former
    assert watch.refused == 3  # It is read again at every twentieth look.
    assert caplog.text.count("The former sinks and routes stay") == 1


def test_a_file_that_is_right_again_is_taken(tmp_path):
    """Also if what it lacked was elsewhere, such as a secret; and if it is only asked for."""
    path, secret = tmp_path / "routes.yml", tmp_path / "secret"
    text = f"sinks: {{x: {{type: slack, url: {{file: {secret}}}}}}}\nroutes: [{{sinks: [x]}}]\n"
    path.write_text(text)
    secret.write_text("https://hooks.example.org/one")
    watch = RouteWatch(AlertSettings(routes=path))
    assert not watch.look()
    secret.unlink()
    watch.ask()
    assert not watch.look()
    assert "cannot be read" in watch.error
    secret.write_text("https://hooks.example.org/two")
    assert True in [watch.look() for _ in range(50)]
    assert watch.error is None
    path.unlink()
    assert not watch.look()
    assert "cannot be read" in watch.error
    with pytest.raises(SettingError):
        RouteWatch(AlertSettings(routes=path))


def test_while_the_file_is_broken_alerts_are_told_by_the_former_routes(tmp_path):
    """And by those of the file as soon as it is right again."""
    with webhook() as sink, webhook() as other:
        house = House(tmp_path, hook=sink)
        house.path.write_text("sinks: {}\n")
        wait_for(lambda: house.telling.watch.error)
        samples = {metric.name: value for metric, _, value in house.telling.samples()}
        assert samples["mlobs.alert.routes.refused"] >= 1
        house.take(alert())
        wait_for(lambda: sink.changes == ["firing"])
        house.write(other=other)
        wait_for(lambda: "to-other" in house.telling.dispatcher.router.routes)
        assert house.telling.watch.error is None
        house.take(alert("two"))
        wait_for(lambda: other.changes == ["firing", "firing"])  # The first fires still.
        house.stop()


def test_what_waits_for_a_sink_that_was_taken_out_can_be_put_back_once_it_is_there_again(tmp_path):
    """By a reload or over a restart; meanwhile it is a dead letter, and seen."""
    with webhook() as gone, webhook() as stays:
        gone.answers = [(503, {})] * 99
        house = House(tmp_path, gone=gone, stays=stays)
        house.take(alert())
        wait_for(lambda: gone.arrived and stays.changes == ["firing"])
        house.write(stays=stays)
        wait_for(lambda: house.telling.outbox.held() == {("gone", "dead"): 1})
        house.take(alert(ends_s=1_700_000_060))
        wait_for(lambda: stays.changes == ["firing", "resolved"])
        wait_for(lambda: house.telling.outbox.held() == {("gone", "dead"): 2})
        assert {one["state"] for one in house.telling.courier.now() if one["sink"] == "gone"} == {"gone"}
        house.stop()
        gone.answers.clear()
        before = len(gone.arrived)
        house.write(stays=stays, gone=gone)
        house.start()
        assert len(house.telling.outbox.redrive(now_s=time.time(), sink="gone").ids) == 2
        wait_for(lambda: gone.changes[before:] == ["firing", "resolved"])
        house.stop()


def test_at_the_start_what_waits_for_a_sink_that_is_not_configured_is_a_dead_letter(tmp_path):
    """A restart is how a sink is renamed."""
    with webhook() as sink:
        house = House(tmp_path, hook=sink)
        lost = Message(fingerprint="f", rule="R", status="firing", changed_s=1.0, body=b"{}", sink="renamed")
        record(house.telling.outbox, lost)
        house.stop()
        house.start()
        assert house.telling.outbox.held() == {("renamed", "dead"): 1}
        house.stop()


def test_dead_letters_that_find_no_room_are_deleted_and_that_is_said(tmp_path, monkeypatch, caplog):
    """Whoever counts on putting them back has to know."""
    monkeypatch.setattr("mlobs.alerts.outbox.DEAD_MAX", 2)
    monkeypatch.setattr("mlobs.alerts.telling.DEAD_MAX", 2)
    with webhook() as sink:
        house = House(tmp_path, hook=sink)
        for number in range(5):
            lost = Message(
                fingerprint=f"f{number}", rule="R", status="firing", changed_s=1.0, body=b"{}", sink="renamed"
            )
            record(house.telling.outbox, lost)
        house.stop()
        house.start()
        assert house.telling.outbox.held() == {("renamed", "dead"): 2}
        house.stop()
    assert "The 3 oldest dead letters of sinks that are not configured are deleted" in caplog.text
