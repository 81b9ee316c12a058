"""What `mlobs up` says of where it is, to who started it and in what it sends."""

import re
import socket
import time

import pytest
import requests

from mlobs.errors import SettingError
from mlobs.settings import ServerSettings, load
from tests.processes import MLOBS, process, wait_for

TOKEN = "admin-token-0123456789"


def printed_and_linked(folder, monkeypatch, public_url=""):
    """Return what a server on every address prints, and what a runbook's address begins with."""
    tokens = folder / "tokens"
    tokens.write_text(f"admin {TOKEN}\n")
    tokens.chmod(0o600)
    monkeypatch.setenv("MLOBS_PUBLIC_URL", public_url)
    flags = ("--host", "0.0.0.0", "--port", "0", "--data", str(folder / "data"), "--tokens", str(tokens))
    log = folder / "up.log"
    with process(*MLOBS, "up", *flags, log=log, cwd=folder):
        until = time.monotonic() + 60
        while "export OTEL" not in log.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        printed = log.read_text()
        here = f"http://127.0.0.1:{re.search(r'OTLP .*:([0-9]+) ', printed)[1]}"
        wait_for(f"{here}/readyz", log)
        answer = requests.post(
            f"{here}/api/alerts/backtest",
            json={"since_s": 60, "rule": "MlobsErrorRatioHigh"},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
        ).json()
    return printed, answer["rules"][0]["runbook_url"]


@pytest.mark.slow
def test_who_listens_on_every_address_is_linked_to_by_the_machines_name(tmp_path, monkeypatch):
    """Nobody can open a link to 0.0.0.0."""
    printed, runbook = printed_and_linked(tmp_path, monkeypatch)
    assert runbook.startswith(f"http://{socket.gethostname()}:")
    assert "http://0.0.0.0" not in printed
    assert f"export OTEL_EXPORTER_OTLP_ENDPOINT=http://{socket.gethostname()}:" in printed


@pytest.mark.slow
def test_links_begin_with_where_people_reach_the_server(tmp_path, monkeypatch):
    """Behind a proxy that is another address than programs send to."""
    public = "https://mlobs.example.org"
    printed, runbook = printed_and_linked(tmp_path, monkeypatch, public_url=f"{public}/")
    assert runbook == f"{public}/runbooks/MlobsErrorRatioHigh.md"
    assert f"pages     {public}/\n" in printed
    assert f"export OTEL_EXPORTER_OTLP_ENDPOINT=http://{socket.gethostname()}:" in printed
    assert f" MLOBS_SERVER={public}\n" in printed


@pytest.mark.parametrize(
    "wrong",
    ["mlobs.example.org", "ftp://x", "https://a:b@x", "https://x/?a=b", "https://x/#a"],
)
def test_an_address_that_no_link_can_begin_with_is_refused(wrong):
    with pytest.raises(SettingError, match=r"public_url='.*an address such as"):
        load(ServerSettings, public_url=wrong)
