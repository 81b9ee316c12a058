"""Webhooks that come to `mlobs up`: its guard, its sinks, its metrics."""

import os
import subprocess
import sys

import pytest
import requests

from tests.alerts.mounted import TOKENS, up
from tests.alerts.posted import BODY, JSON, refused
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import SECRET, alert, alertmanager, encoded, signed

pytestmark = pytest.mark.slow


def test_on_loopback_webhooks_are_taken_told_and_counted(tmp_path):
    """Without any setting, for whoever is on the machine; pages of other sites are not."""
    with webhook() as sink, up(tmp_path, sink) as url:
        assert requests.post(url, data=BODY, headers=JSON, timeout=60).json()["changed"] == 1
        wait_for(lambda: sink.arrived)
        assert sink.arrived[0].json["source"] == "alertmanager"
        foreign = {**JSON, "Origin": "http://evil.example"}
        assert requests.post(url, data=BODY, headers=foreign, timeout=60).status_code == 403
        metrics = requests.get(url.replace("/api/alerts/receive", "/metrics"), timeout=60).text
        assert 'mlobs_alert_received_total{mlobs_outcome="changed"} 1.0' in metrics


def test_with_tokens_an_ingest_token_or_a_signature_lets_in(tmp_path):
    """And nothing else."""
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    given = {"MLOBS_TOKENS": str(tokens), "MLOBS_ALERT_RECEIVE_SECRET": SECRET}
    with webhook() as sink, up(tmp_path, sink, **given) as url:

        def post(body, **headers):
            return requests.post(url, data=body, headers={**JSON, **headers}, timeout=60)

        assert post(BODY, Authorization="Bearer ingest-token-of-tests").json()["changed"] == 1
        body = encoded(alertmanager(alert("signed")))
        assert post(body, **signed(body)).json()["changed"] == 1
        refused(post(body, **signed(body, secret="not-the-secret-it-is")), 401, "does not fit")
        refused(post(BODY), 401, "No signature came")
        refused(post(BODY, Authorization="Bearer read-token-of-the-tests"), 401, "No signature came")
        assert post(BODY, Authorization="Bearer nobody-knows-this-one").status_code == 401


@pytest.mark.parametrize("name", ["TOKEN", "BASIC"])
def test_credentials_that_the_servers_tokens_would_shadow_are_refused_at_the_start(tmp_path, name):
    """Else every webhook gets 401 and nobody knows why."""
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLOBS_")},
        "MLOBS_TOKENS": str(tokens),
        f"MLOBS_ALERT_RECEIVE_{name}": "name:a-password-of-the-tests",
    }
    command = [sys.executable, "-m", "mlobs", "up", "--port", "0", "--data", str(tmp_path / "data")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 2
    assert f"MLOBS_ALERT_RECEIVE_{name} cannot be used where MLOBS_TOKENS is set" in done.stderr


def test_with_tokens_and_no_secret_only_the_token_lets_in(tmp_path):
    """The server's own guard decides."""
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    with webhook() as sink, up(tmp_path, sink, MLOBS_TOKENS=str(tokens)) as url:
        bearer = {**JSON, "Authorization": "Bearer ingest-token-of-tests"}
        assert requests.post(url, data=BODY, headers=bearer, timeout=60).status_code == 200
        assert requests.post(url, data=BODY, headers=JSON, timeout=60).status_code == 401
        reads = {**JSON, "Authorization": "Bearer read-token-of-the-tests"}
        assert requests.post(url, data=BODY, headers=reads, timeout=60).status_code == 403
