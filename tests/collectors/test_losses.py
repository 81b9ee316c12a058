"""Crashes, a server that is away, little memory, secrets: what was acknowledged arrives, and no more."""

import contextlib
import threading
import time
from pathlib import Path

import pytest

from mlobs.semconv import attributes as a
from tests import sink
from tests.collectors import sidecar, tiers
from tests.collectors.posting import arrive, post, request
from tests.processes import free_port
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
PAUSE_S = 0.002
KEY = "sk-" + "proj-" + "a1B2" * 8


class Sender(threading.Thread):
    """Sends one span after the other, and knows which were acknowledged."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.acknowledged, self.stopped = address, [], threading.Event()

    def run(self):
        number = 0
        while not self.stopped.is_set():
            number += 1
            name = f"span {number}"
            if post(self.address, "/v1/traces", request([name])):
                self.acknowledged.append(name)
            time.sleep(PAUSE_S)

    def stop(self):
        self.stopped.set()
        self.join()
        return set(self.acknowledged)


def test_killing_the_sidecar_and_the_gateway_under_load_loses_nothing_acknowledged(tmp_path):
    """Each is killed while spans come in, and started again on its folder; who sends tries on."""
    receiver = sink.start()
    ports = {"sidecar": free_port(), "gateway": free_port(), "sampler": free_port()}
    at_sidecar = {"MLOBS_SIDECAR_HTTP": f"127.0.0.1:{ports['sidecar']}"}
    at_gateway = {"MLOBS_GATEWAY_HTTP": f"127.0.0.1:{ports['gateway']}"}
    with contextlib.ExitStack() as running:
        second = running.enter_context(
            tiers.sampler(tmp_path, receiver.url, MLOBS_SAMPLER_BASE_PERCENT="100", MLOBS_SAMPLER_WAIT="1s")
        )
        first = running.enter_context(tiers.gateway(tmp_path, receiver.url, [second.grpc], **at_gateway))
        beside = running.enter_context(
            sidecar.running(tmp_path, first.http, MLOBS_HEADERS_FILE=str(first.headers), **at_sidecar)
        )
        sender = Sender(beside.http)
        sender.start()
        until(lambda: len(sender.acknowledged) > 50)
        time.sleep(1.0)
        first.kill()
        time.sleep(1.0)
        beside.kill()
        time.sleep(0.5)
        running.enter_context(tiers.gateway(tmp_path, receiver.url, [second.grpc], **at_gateway))
        running.enter_context(
            sidecar.running(tmp_path, first.http, MLOBS_HEADERS_FILE=str(first.headers), **at_sidecar)
        )
        before = len(sender.acknowledged)
        until(lambda: len(sender.acknowledged) > before + 50)
        sent = sender.stop()
        arrive(receiver, sent)


def test_a_sampler_that_is_told_to_stop_hands_on_what_it_waits_for(tmp_path):
    """Undecided traces are in memory: a stop judges them first. Only a kill loses them."""
    receiver = sink.start()
    wait = {"MLOBS_SAMPLER_WAIT": "300s", "MLOBS_SAMPLER_WAIT_AFTER_ROOT": "300s"}
    names = [f"span {number}" for number in range(200)]
    with tiers.all_in_one(tmp_path, receiver.url, MLOBS_SAMPLER_BASE_PERCENT="100", **wait) as tier:
        assert post(tier.http, "/v1/traces", request(names))
        time.sleep(1)
        assert not receiver.spans()
    # What it sent on while it stopped, or left in its queue for the next start.
    with tiers.all_in_one(tmp_path, receiver.url, **wait):
        arrive(receiver, set(names))


def test_while_the_server_is_away_the_queue_fills_the_disk_and_then_drains(tmp_path):
    """Nobody who sends is held up or refused, and everything comes once the server is back."""
    receiver = sink.start()
    receiver.answers += [(503, {})] * 10_000
    names = {f"span {number}" for number in range(4000)}
    with sidecar.running(tmp_path, receiver.url) as beside:
        ordered = sorted(names)
        for start in range(0, len(ordered), 200):
            assert post(beside.http, "/v1/traces", request(ordered[start : start + 200], size=2000))
        waiting = beside.own("otelcol_exporter_queue_size")
        assert waiting > 4000 * 2000  # Bytes.
        assert sum(file.stat().st_size for file in (tmp_path / "queue").iterdir()) > waiting / 2
        receiver.answers.clear()
        arrive(receiver, names)
        until(lambda: beside.own("otelcol_exporter_queue_size") == 0)


def own_mib(process):
    """Return a process's memory that no file is behind: pages of its program and queue can be dropped."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def test_at_ten_times_the_load_memory_stays_under_the_limit(tmp_path):
    """Senders are told to try again; the process is not ended, and takes what comes later."""
    limit = 256
    nowhere = f"http://127.0.0.1:{free_port()}"
    with sidecar.running(tmp_path, nowhere, GOMEMLIMIT=f"{limit * 4 // 5}MiB") as beside:
        body = request([f"span {number}" for number in range(500)], size=8000)
        answers = []

        def load():
            answers.extend([post(beside.http, "/v1/traces", body) for _ in range(8)])

        senders = [threading.Thread(target=load) for _ in range(10)]
        for one in senders:
            one.start()
        most = 0.0
        while any(one.is_alive() for one in senders):
            most = max(most, own_mib(beside.process))
            time.sleep(0.02)
        assert beside.process.poll() is None
        assert most < limit * 1.25, most
        until(lambda: post(beside.http, "/v1/metrics", {"resourceMetrics": []}))
    assert any(answers)


def test_no_planted_secret_passes_in_any_signal(tmp_path):
    """In prompts, headers, exceptions, links, labels of metrics, and bodies and attributes of logs."""
    receiver = sink.start()
    text = {"stringValue": f"use {KEY} now"}
    secret = [{"key": "note", "value": text}]
    spans = request(["call"])
    span = spans["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"] += [
        {"key": a.INPUT_MESSAGES.name, "value": text},
        {"key": "http.request.header.x-api-key", "value": {"stringValue": "0123456789"}},
        {"key": a.INPUT_TOKENS.name, "value": {"intValue": "7"}},
    ]
    span["events"] = [{"name": "exception", "attributes": [{"key": "exception.message", "value": text}]}]
    point = {"asInt": "1", "timeUnixNano": span["endTimeUnixNano"], "attributes": secret}
    metric = {
        "name": "calls",
        "sum": {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True},
    }
    logs = {"body": text, "attributes": secret, "timeUnixNano": span["endTimeUnixNano"]}
    with tiers.all_in_one(tmp_path, receiver.url, MLOBS_SAMPLER_BASE_PERCENT="100") as tier:
        assert post(tier.http, "/v1/traces", spans)
        assert post(
            tier.http, "/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
        )
        assert post(tier.http, "/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [logs]}]}]})
        until(lambda: receiver.signals() == {"/v1/traces", "/v1/metrics", "/v1/logs"})
    bodies = b"".join(body for _, body in receiver.bodies)
    assert KEY.encode() not in bodies
    assert b"0123456789" not in bodies
    [seen] = receiver.named("call")
    assert seen.attributes[a.INPUT_TOKENS.name] == 7
    assert seen.attributes[a.INPUT_MESSAGES.name] == "use **** now"
