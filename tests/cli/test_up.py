"""What `mlobs up` says of where it is, to who started it and in what it sends."""

import os
import re
import socket
import subprocess
import time

import pytest
import requests

from mlobs.errors import SettingError
from mlobs.server.listener import Listener
from mlobs.settings import ServerSettings, load
from tests.processes import MLOBS, START_S_MAX, process, wait_for

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
        until = time.monotonic() + START_S_MAX
        while "MLOBS_TOKEN=" not in log.read_text() and time.monotonic() < until:
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
    # Else whoever pastes the line above is refused.
    assert 'export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20TOKEN" MLOBS_TOKEN=TOKEN\n' in printed
    assert TOKEN not in printed


@pytest.mark.slow
def test_links_begin_with_where_people_reach_the_server(tmp_path, monkeypatch):
    """Behind a proxy that is another address than programs send to."""
    public = "https://mlobs.example.org"
    printed, runbook = printed_and_linked(tmp_path, monkeypatch, public_url=f"{public}/")
    assert runbook == f"{public}/runbooks/MlobsErrorRatioHigh.md"
    assert f"pages     {public}/\n" in printed
    assert f"export OTEL_EXPORTER_OTLP_ENDPOINT=http://{socket.gethostname()}:" in printed
    assert f" MLOBS_SERVER={public}\n" in printed


@pytest.mark.slow
def test_variables_that_nothing_reads_are_told(tmp_path):
    log = tmp_path / "up.log"
    odd = {"MLOBS_PORTT": "3", "MLOBS_TRACE_DAYS": "4", "MLOBS_SIDECAR_HTTP": "127.0.0.1:1"}
    command = (*MLOBS, "up", "--port", "0", "--data", str(tmp_path / "data"))
    with process(*command, log=log, cwd=tmp_path, env={**os.environ, **odd}):
        until = time.monotonic() + START_S_MAX
        while "pages " not in log.read_text() and time.monotonic() < until:
            time.sleep(0.05)
    assert "mlobs: MLOBS_PORTT is set and nothing reads it; did you mean MLOBS_PORT?\n" in log.read_text()
    assert "MLOBS_TRACE_DAYS is set and nothing reads it; did you mean MLOBS_TRACES_DAYS?" in log.read_text()
    assert "MLOBS_SIDECAR_HTTP" not in log.read_text()  # A collector's.


@pytest.mark.parametrize(
    "content", [None, *(pytest.param(one, marks=pytest.mark.slow) for one in ("{", '[{"provider": "x"}]'))]
)
def test_prices_that_cannot_be_used_keep_it_from_starting(tmp_path, content):
    """It would be found out when somebody asks what calls cost."""
    prices = tmp_path / "prices.json"
    if content is not None:
        prices.write_text(content)
    done = subprocess.run(
        [*MLOBS, "up", "--port", "0", "--data", str(tmp_path / "data")],
        env={**os.environ, "MLOBS_PRICES": str(prices)},
        capture_output=True, text=True, timeout=START_S_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"MLOBS_PRICES={str(prices)!r}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"port": 4931, "grpc_port": 4931}, r"--port .* and --grpc-port .* are both 4931\. Give each"),
        ({"port": 4317}, r"--port .* and --grpc-port .* are both 4317"),
        ({"port": 4931, "clickhouse_port": 4931}, r"--port .* and MLOBS_CLICKHOUSE_PORT are both 4931"),
        ({"clickhouse_port": 4317}, r"--grpc-port .* and MLOBS_CLICKHOUSE_PORT are both 4317"),
    ],
)
def test_a_port_that_is_to_serve_twice_is_refused_with_one_sentence(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        Listener(load(ServerSettings, **given))


@pytest.mark.slow
def test_who_was_refused_is_in_the_log_with_the_reason_and_how_many(tmp_path):
    """One line, also for many; and no token is in it."""
    tokens, log = tmp_path / "tokens", tmp_path / "up.log"
    tokens.write_text(f"admin {TOKEN}\n")
    tokens.chmod(0o600)
    flags = ("--port", "0", "--data", str(tmp_path / "data"), "--tokens", str(tokens))
    with process(*MLOBS, "up", *flags, log=log, cwd=tmp_path):
        until = time.monotonic() + START_S_MAX
        while "pages " not in log.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        here = re.search(r"pages +(http://[^/]+)/", log.read_text())[1]
        wrong = {"Authorization": "Bearer wrong-token-0123456789"}
        for _ in range(40):
            requests.post(f"{here}/v1/traces", data=b"", headers=wrong, timeout=60)
        requests.post(f"{here}/v1/logs", data=b"", timeout=60)
        requests.get(f"{here}/api/traces", timeout=60)
    said = [line for line in log.read_text().splitlines() if "refused" in line]
    assert len(said) <= 2  # A minute may have passed, on a machine with other work to do.
    if len(said) == 1:
        assert said[0].endswith(
            "refused 42 requests: 40 traces (wrong_token), 1 api (no_token), 1 logs (no_token)"
        )
    assert "wrong-token" not in log.read_text()


@pytest.mark.parametrize(
    "wrong",
    ["mlobs.example.org", "ftp://x", "https://a:b@x", "https://x/?a=b", "https://x/#a"],
)
def test_an_address_that_no_link_can_begin_with_is_refused(wrong):
    with pytest.raises(SettingError, match=r"public_url='.*an address such as"):
        load(ServerSettings, public_url=wrong)
