"""Messages about alerts that nobody was told are noted by the doctor."""

import json

import pytest
import requests

from mlobs.cli import main
from tests.alerts.mounted import up
from tests.alerts.posted import BODY, JSON
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for


@pytest.mark.slow
def test_dead_letters_are_noted_with_what_to_do(tmp_path, monkeypatch, capsys):
    with webhook() as sink:
        sink.answers = [(410, {})]
        with up(tmp_path, sink) as url:
            server = url.removesuffix("/api/alerts/receive")
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server)
            assert remarks(server, capsys) == []
            requests.post(url, data=BODY, headers=JSON, timeout=60).raise_for_status()
            wait_for(lambda: requests.get(f"{server}/api/alerts", timeout=60).json()["sinks"][0]["dead"])
            (said,) = remarks(server, capsys)
            assert said.startswith("The sink webhook has 1 dead letter: messages about alerts that nobody")
            assert f"mlobs alerts redrive --sink webhook --server {server}" in said


def remarks(server, capsys):
    assert main(["doctor", "--json", "--server", server]) == 0
    return json.loads(capsys.readouterr().out)["remarks"]
