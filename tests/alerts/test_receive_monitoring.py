"""The whole way: a real Prometheus, a real Alertmanager, the command as users run it, a real sink."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests

from tests.alerts.monitoring import monitoring
from tests.alerts.posted import JSON
from tests.alerts.receivers import ROUTES
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, encoded
from tests.processes import free_port

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-tests"
BEARER = {**JSON, "Authorization": f"Bearer {TOKEN}"}


@contextmanager
def command(folder, sink, *, port: int = 0, routes: str = ROUTES, code: str = ""):
    """Run `mlobs alerts receive`; give its process and address. `code` runs first, in its process."""
    path = folder / "routes.yml"
    path.write_text(routes.format(url=sink.url))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLOBS_")},
        "TEST_SINK_SECRET": "s" * 32,
        "MLOBS_ALERT_RECEIVE_TOKEN": TOKEN,
    }
    flags = ["alerts", "receive", "--port", str(port), "--data", str(folder / "data"), "--routes", str(path)]
    program = [sys.executable, "-c", f"{code}\nfrom mlobs.cli import main\nraise SystemExit(main({flags!r}))"]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("webhooks "), line
            yield process, line.split()[1]
        finally:
            process.terminate()


def told(sink) -> list[tuple[str, str]]:
    return [(one.json["labels"].get("shop", ""), one.json["status"]) for one in list(sink.arrived)]


def test_what_prometheus_sees_begin_and_end_arrives_once_each(tmp_path):
    """Also while the receiver is away: Alertmanager sends again."""
    port = free_port()
    config = {
        "url": f"http://127.0.0.1:{port}/api/alerts/receive",
        "http_config": {"authorization": {"credentials": TOKEN}},
    }
    with webhook() as sink, monitoring(tmp_path / "monitoring", [config]) as target:
        with command(tmp_path, sink, port=port):
            target.full = {"north": 1}
            wait_for(lambda: ("north", "firing") in told(sink), seconds=120)
            target.full = {"north": 1, "south": 1}
            wait_for(lambda: ("south", "firing") in told(sink), seconds=120)
            target.full = {"north": 0, "south": 1}
            wait_for(lambda: ("north", "resolved") in told(sink), seconds=120)
        target.full = {"north": 0, "south": 0, "west": 1}
        with command(tmp_path, sink, port=port):
            wait_for(lambda: {("south", "resolved"), ("west", "firing")} <= set(told(sink)), seconds=120)
    assert sorted(told(sink)) == [
        ("north", "firing"),
        ("north", "resolved"),
        ("south", "firing"),
        ("south", "resolved"),
        ("west", "firing"),
    ]
    (first, *_) = [one.json for one in sink.arrived]
    assert (first["rule"], first["severity"], first["source"]) == ("QueueFull", "critical", "alertmanager")
    assert first["summary"] == "The queue of north is full"
    assert first["runbook_url"] == "https://example.org/q"


DYING = """
import os, signal
from mlobs.alerts.delivery import Courier
from mlobs.alerts.receive.inbox import Inbox
if {moment!r} == "after":  # it is on the disk; nobody was told and the sender has no answer
    write = Inbox._write
    def die(self, batch):
        write(self, batch)
        os.kill(os.getpid(), signal.SIGKILL)
    Inbox._write = die
else:  # it is judged and not on the disk
    judged = Inbox._judged
    def die(self, *given):
        judged(self, *given)
        os.kill(os.getpid(), signal.SIGKILL)
    Inbox._judged = die
Courier.start = lambda self: None
"""


@pytest.mark.parametrize(("moment", "again"), [("after", 0), ("before", 1)])
def test_kill_9_between_persisting_and_telling_loses_nothing_and_tells_once(tmp_path, moment, again):
    """Whoever had no answer sends again; what was on the disk is then a repeat."""
    body = encoded(alertmanager(alert(), alert("two")))
    with webhook() as sink:
        with command(tmp_path, sink, code=DYING.format(moment=moment)) as (process, url):
            with pytest.raises(requests.ConnectionError):
                requests.post(url, data=body, headers=BEARER, timeout=90)
            assert process.wait(90) == -signal.SIGKILL
        assert sink.arrived == []
        with command(tmp_path, sink) as (_, url):
            answer = requests.post(url, data=body, headers=BEARER, timeout=90)
            assert answer.json() == {"changed": 2 * again, "repeated": 2 - 2 * again, "late": 0}
            wait_for(lambda: len(sink.arrived) == 2)
            assert len({one.json["fingerprint"] for one in sink.arrived}) == 2


def test_sigterm_ends_it_with_status_zero(tmp_path):
    """What waits is written first."""
    with webhook() as sink, command(tmp_path, sink) as (process, url):
        assert requests.post(url, data=encoded(alertmanager(alert())), headers=BEARER, timeout=90).ok
        process.terminate()
        assert process.wait(90) == 0
