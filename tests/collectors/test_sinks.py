"""Sinks beside the server, as far as there is a real one here: Prometheus by remote write, files."""

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

from tests import sink
from tests.collectors import tiers
from tests.collectors.test_losses import post, request
from tests.collectors.test_tiers import TOP, until
from tests.parts import require
from tests.processes import free_port, process, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ANSWERED = 'gen_ai_invoke_agent_duration_seconds_count{service_name="shop", gen_ai_agent_name="shop"}'


def test_prometheus_takes_the_derived_metrics_by_remote_write(tmp_path):
    """Cumulative, under the names that rules and dashboards ask for."""
    port = free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\n")
    receiver = sink.start()
    url = f"http://127.0.0.1:{port}"
    command = (
        require("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    )
    with process(*command, log=tmp_path / "prometheus.log"):
        wait_for(f"{url}/-/ready", tmp_path / "prometheus.log")
        written = {
            "MLOBS_REMOTE_WRITE_URL": f"{url}/api/v1/write",
            "MLOBS_REMOTE_WRITE_LOG": str(tmp_path / "log-of-writes"),
        }
        with tiers.all_in_one(tmp_path, receiver.url, ("mlobs", "remote-write"), **written) as tier:
            spans = (sys.executable, "-m", "tests.collectors.shop", tier.http, "7", tiers.TOKEN)
            done = subprocess.run(spans, cwd=TOP, capture_output=True, text=True, check=False, timeout=120)
            assert done.returncode == 0, done.stderr
            until(lambda: asked(url, ANSWERED) == [7.0])
            assert asked(url, "gen_ai_client_inference_usage_input_tokens_total{service_name='shop'}")


def asked(url, query):
    with urllib.request.urlopen(
        f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=10
    ) as got:
        return [float(one["value"][1]) for one in json.load(got)["data"]["result"]]


def test_files_hold_what_was_kept(tmp_path):
    """One request a line, as OTLP JSON."""
    folder = tmp_path / "files"
    with tiers.all_in_one(
        tmp_path, "", ("file",), MLOBS_FILE_FOLDER=str(folder), MLOBS_SAMPLER_BASE_PERCENT="100"
    ) as tier:
        assert post(tier.http, "/v1/traces", request(["one", "two"]))
        time.sleep(5)
    text = (folder / "traces.jsonl").read_text()
    names = [
        span["name"]
        for line in text.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sorted(names) == ["one", "two"]
