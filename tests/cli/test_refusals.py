"""What the log says of requests that were refused."""

import logging

import pytest
import requests

from mlobs.cli.alerts.mounted import PATH
from mlobs.cli.alerts.receiver import Receiver
from mlobs.cli.refusals import KINDS_MAX, Refusals, shown
from mlobs.settings import AlertSettings, ReceiveSettings, load


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, "mlobs.server")
    return lambda: [record.getMessage() for record in caplog.records]


def test_each_look_tells_what_is_new_and_nothing_twice(said):
    counts = {("traces", "quota"): 5.0}
    refusals = Refusals(counts.copy)
    refusals.tell()
    assert said() == []  # What was refused before it began is in the metrics.
    counts |= {("traces", "quota"): 7.0, ("logs", "no_token"): 1.0}
    refusals.tell()
    refusals.tell()
    assert said() == ["refused 3 requests: 2 traces (quota), 1 logs (no_token)"]


def test_a_clock_tells_them_and_the_end_what_is_left(said):
    counts = {}
    end = Refusals(counts.copy, interval_s=1e6).begin()
    counts["api", "scope"] = 1.0
    end()
    assert said() == ["refused 1 request: 1 api (scope)"]


def test_a_line_stays_short():
    line = shown([("traces", f"reason_{number}", 1) for number in range(100)])
    assert line.startswith("refused 100 requests: ")
    assert line.endswith(f"and {100 - KINDS_MAX} other kinds")
    assert len(line) < 600


def test_a_receiver_of_webhooks_tells_of_senders_with_a_wrong_token(said, tmp_path):
    settings = load(ReceiveSettings, port=0, token="the-token-of-the-receiver")
    alerts = load(AlertSettings, webhook_url="http://127.0.0.1:9/", webhook_secret="x" * 32)
    with Receiver(settings, alerts, tmp_path) as receiver:
        for _ in range(3):
            wrong = {"Authorization": "Bearer another-0123456789"}
            answer = requests.post(f"{receiver.url}{PATH}", json={}, headers=wrong, timeout=60)
            assert answer.status_code == 401
    assert said() == ["refused 3 requests: 3 webhook (credentials)"]
