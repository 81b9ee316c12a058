"""What goes wrong between collectors: a sampler away, a token changed, a span too large, secrets anywhere."""

import collections
import json
import threading
import time
import urllib.error
import urllib.request

import pytest

from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import TIME_TO_FIRST_CHUNK
from tests import sink
from tests.collectors import sidecar, tiers
from tests.collectors.posting import arrive, post, request
from tests.collectors.series import derived_series
from tests.processes import free_port
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
NOW = str(time.time_ns())


def text(value):
    return {"stringValue": value}


def spans(names, attributes=(), **more):
    """Return a request with one span a trace, whose ids end in every digit."""
    body = request(names)
    for one in body["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        one["attributes"] += attributes
        one.update(more)
    return body


def copies(receiver):
    """Return how often each span arrived."""
    return collections.Counter(span.name for span in receiver.spans())


def test_while_one_sampler_is_away_the_other_gets_its_traces_once_and_nothing_is_lost(tmp_path):
    """What belongs to the one that is away waits on disk, through a crash of the gateway as well."""
    receiver = sink.start()
    away = f"127.0.0.1:{free_port()}"
    at = {"MLOBS_GATEWAY_HTTP": f"127.0.0.1:{free_port()}"}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    whole = {"MLOBS_SAMPLER_BASE_PERCENT": "100"}
    early, late = [[f"{when} {number}" for number in range(64)] for when in ("early", "late")]
    with tiers.sampler(folders[0], receiver.url, **whole) as first:
        samplers = [first.grpc, away]
        with tiers.gateway(tmp_path, receiver.url, samplers, **at) as gateway:
            assert post(gateway.http, "/v1/traces", spans(early))
            until(lambda: copies(receiver))
            time.sleep(8)  # Several tries to reach the other one.
            assert post(gateway.http, "/v1/traces", spans(late))
            until(lambda: any(name in copies(receiver) for name in late))
            time.sleep(3)
            seen = copies(receiver)
            assert set(seen.values()) == {1}
            assert 0 < len(seen) < len(early + late)
            gateway.kill()
        with (
            tiers.gateway(tmp_path, receiver.url, samplers, **at),
            tiers.sampler(folders[1], receiver.url, MLOBS_SAMPLER_GRPC=away, **whole),
        ):
            arrive(receiver, {*early, *late})
            assert set(copies(receiver).values()) == {1}


def test_while_a_queue_is_full_the_sender_waits_and_is_counted_once(tmp_path):
    """Refused at once it would come again and again, and be measured each time."""
    receiver = sink.start()
    away = f"127.0.0.1:{free_port()}"
    call = [{"key": a.OPERATION_NAME.name, "value": text("chat")}]
    taken = []

    def fill(address, number):
        body = spans(
            [f"{number} {one}" for one in range(64)], [*call, {"key": "t", "value": text("x" * 20_000)}]
        )
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {tiers.TOKEN}"}
        asked = urllib.request.Request(f"{address}/v1/traces", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=300) as answer:
            taken.append(answer.status)

    full = {"MLOBS_GATEWAY_QUEUE_BYTES": "600000"}
    with tiers.gateway(tmp_path, receiver.url, [away], **full) as gateway:
        senders = [threading.Thread(target=fill, args=(gateway.http, number)) for number in range(6)]
        for one in senders:
            one.start()
        until(lambda: taken)
        time.sleep(5)
        assert len(taken) < len(senders)
        with tiers.sampler(tmp_path, receiver.url, MLOBS_SAMPLER_GRPC=away, MLOBS_SAMPLER_BASE_PERCENT="100"):
            for one in senders:
                one.join()
            until(lambda: len(copies(receiver)) == 6 * 64)
        calls = "gen_ai_client_inference_duration_seconds_count"
        until(lambda: sum(counts(gateway, calls)) >= 6 * 64)
        time.sleep(2)
        assert sum(counts(gateway, calls)) == 6 * 64
    assert taken == [200] * 6
    assert set(copies(receiver).values()) == {1}


def test_a_token_that_is_changed_is_read_again(tmp_path):
    """The gateway takes the old one and the new one while the sidecars change."""
    receiver = sink.start()
    token, log = tmp_path / "sender.token", tmp_path / "collector.log"
    token.write_text(tiers.TOKEN)

    def came():
        return sum(path == "/v1/logs" for path, _ in receiver.bodies)

    def refreshed():
        return log.read_text().count('"refresh token"')

    with (
        tiers.gateway(tmp_path, receiver.url, ["127.0.0.1:1"]) as gateway,
        sidecar.running(tmp_path, gateway.http, MLOBS_TOKEN_FILE=str(token)) as beside,
    ):
        assert post(beside.http, "/v1/logs", logged("before"))
        until(lambda: came() == 1)
        taken = tmp_path / "gateway.token"
        taken.write_text(f"{tiers.TOKEN}\nanother\n")
        until(lambda: [status(gateway, one) for one in (tiers.TOKEN, "another")] == [200, 200])
        before, new = refreshed(), tmp_path / "new.token"
        new.write_text("another")
        new.replace(token)  # Whole at once, so that it is not read when it is half there.
        until(lambda: refreshed() > before)
        taken.write_text("another")
        until(lambda: [status(gateway, one) for one in (tiers.TOKEN, "another")] == [401, 200])
        assert post(beside.http, "/v1/logs", logged("after"))
        until(lambda: came() == 2)


def status(tier, token):
    """Return what a gateway answers to who sends with a token, and sends nothing."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    asked = urllib.request.Request(f"{tier.http}/v1/metrics", b"{}", headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def logged(*bodies):
    records = [{"timeUnixNano": NOW, "body": text(body)} for body in bodies]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


def test_what_is_very_large_is_cut_and_takes_nothing_with_it(tmp_path):
    """A text of 4.5 MB in an event, a map, a name or a log body; those beside it arrive whole."""
    receiver = sink.start()
    large = "é b " * 900_000
    event = {"name": "e", "timeUnixNano": NOW, "attributes": [{"key": "x", "value": text(large)}]}
    in_map = {"kvlistValue": {"values": [{"key": "x", "value": text(large)}]}}
    with sidecar.running(tmp_path, receiver.url) as beside:
        for body in (
            spans(["event", "beside"], events=[event]),
            spans(["map"], [{"key": "m", "value": in_map}]),
            spans(["n" * 1_000_000], status={"code": 2, "message": large}),
        ):
            until(lambda body=body: post(beside.http, "/v1/traces", body))
        until(lambda: post(beside.http, "/v1/logs", logged(large, "beside")))
        until(lambda: len(receiver.spans()) == 4 and "/v1/logs" in receiver.signals())
        assert beside.own("otelcol_exporter_send_failed_spans") == 0
    by_name = {span.name: span for span in receiver.spans()}
    assert len(by_name["event"].events[0][1]["x"]) < 262_145
    assert {"beside", "map", "n" * 4096} <= by_name.keys()
    assert len(by_name["n" * 4096].message.encode()) <= 16_384
    assert b"beside" in next(body for path, body in receiver.bodies if path == "/v1/logs")


def test_a_span_with_many_attributes_keeps_those_that_count(tmp_path):
    """Forty messages in four attributes each come before its tokens, cost and marks."""
    receiver = sink.start()
    many = {f"llm.input_messages.{number}.message.{part}": "x" for number in range(40) for part in "abcd"}
    many |= {a.COST_USD.name: 0.9, a.KEEP.name: True, "llm.token_count.prompt": 1000, "session.id": "s"}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    attributes = [{"key": key, "value": {kinds[type(value)]: value}} for key, value in many.items()]
    with sidecar.running(tmp_path, receiver.url) as beside:
        assert post(beside.http, "/v1/traces", spans(["flat"], attributes))
        [seen] = receiver.named("flat")
    assert seen.attributes.items() >= many.items()


def test_a_long_json_text_arrives_as_json(tmp_path):
    """Cut in the middle, nobody could read the messages or find the model in it."""
    receiver = sink.start()
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "word " * 20_000}]}])
    with sidecar.running(tmp_path, receiver.url) as beside:
        found = [{"key": a.INPUT_MESSAGES.name, "value": text(messages)}]
        assert post(beside.http, "/v1/traces", spans(["long"], found))
        [seen] = receiver.named("long")
    assert json.loads(seen.attributes[a.INPUT_MESSAGES.name]) == json.loads(messages)


PLACES = (
    "list", "map", "deep", "event_name", "event_map", "scope", "version", "scope_attribute", "name",
    "status", "key", "json", "resource", "log_map", "event_of_log", "metric", "about", "metadata",
    "exemplar", "label", "state", "resource_map",
)  # fmt: skip


def everywhere(keys):
    """Return a request of each signal, by path, with a key at every place and a password at some."""

    def pair(key, value):
        return {"key": key, "value": value}

    def held(value):
        return {"kvlistValue": {"values": [pair("x", value)]}}

    resource = {
        "attributes": [pair("r", text(keys["resource"])), pair("m", held(text(keys["resource_map"])))]
    }
    scope = {
        "name": f"lab {keys['scope']}",
        "version": keys["version"],
        "attributes": [pair("s", text(keys["scope_attribute"]))],
    }
    [one] = request(["x"])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    one |= {
        "name": f"chat {keys['name']}",
        "traceState": f"v={keys['state']}",
        "status": {"code": 2, "message": keys["status"]},
        "attributes": [
            pair("l", {"arrayValue": {"values": [text("x"), text(keys["list"])]}}),
            pair("m", held(text(keys["map"]))),
            pair("d", held(held(text(keys["deep"])))),
            pair(keys["key"], text("v")),
            pair("j", text(json.dumps({"x": keys["json"]}))),
            pair("mm", {"kvlistValue": {"values": [pair("password", text("hunter2"))]}}),
            pair("client_secret_value", text("hunter2")),
            pair("http.request.header.authorization", {"arrayValue": {"values": [text("Basic hunter2")]}}),
            pair("url.full", text("https://user:hunter2@host/x?api_key=hunter2&sig=1")),
            pair("kept", {"arrayValue": {"values": [text("x")]}}),
            pair(a.INPUT_TOKENS.name, {"intValue": "7"}),
        ],
        "events": [
            {"name": keys["event_name"], "attributes": [pair("m", held(text(keys["event_map"])))]},
            {
                "name": "exception",
                "attributes": [pair("exception.message", text("login failed password=hunter2"))],
            },
        ],
    }
    record = {
        "timeUnixNano": NOW,
        "eventName": keys["event_of_log"],
        "body": text("say password=hunter2"),
        "attributes": [pair("m", held(text(keys["log_map"])))],
    }
    point = {
        "asInt": "1",
        "timeUnixNano": NOW,
        "attributes": [pair("d", text(keys["label"])), pair("password", text("hunter2"))],
        "exemplars": [
            {"asInt": "1", "timeUnixNano": NOW, "filteredAttributes": [pair("f", text(keys["exemplar"]))]}
        ],
    }
    metric = {
        "name": f"m.{keys['metric']}",
        "description": keys["about"],
        "metadata": [pair("x", text(keys["metadata"]))],
        "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]},
    }
    return {
        "/v1/traces": {
            "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [one]}]}]
        },
        "/v1/logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]},
        "/v1/metrics": {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]},
    }


def test_no_secret_passes_wherever_it_stands(tmp_path):
    """Lists, maps, names of everything, scopes, tracestate, exemplars: each with a key of its own."""
    receiver = sink.start()
    keys = {place: f"sk-{place.replace('_', '')}0" + "Ab" * 12 for place in PLACES}
    sent = everywhere(keys)
    with sidecar.running(tmp_path, receiver.url) as beside:
        for path, body in sent.items():
            assert post(beside.http, path, body)
        until(lambda: receiver.signals() == set(sent))
    bodies = b"".join(body for _, body in receiver.bodies)
    assert [place for place, key in keys.items() if key.encode() in bodies] == []
    assert b"hunter2" not in bodies
    [seen] = receiver.named("chat ****")
    assert seen.attributes["kept"] == ["x"]
    assert seen.attributes[a.INPUT_TOKENS.name] == 7


def test_derived_metrics_weigh_every_histogram_and_fill_what_is_empty(tmp_path):
    """One call of ten was sent: ten calls, ten times to the first chunk. An empty operation is none."""
    receiver = sink.start()
    known = {a.OPERATION_NAME.name: "chat", a.PROVIDER_NAME.name: "openai", a.REQUEST_MODEL.name: "m"}
    pairs = [{"key": key, "value": text(value)} for key, value in known.items()]
    first = {"key": a.TIME_TO_FIRST_CHUNK.name, "value": {"doubleValue": 0.5}}
    empty = [
        {"key": a.OPERATION_NAME.name, "value": text("")},
        {"key": "openinference.span.kind", "value": text("LLM")},
        {"key": "llm.invocation_parameters", "value": text(json.dumps({"model": "of parameters"}))},
    ]
    with tiers.all_in_one(tmp_path, receiver.url) as tier:
        assert post(
            tier.http, "/v1/traces", spans(["one"], [*pairs, first], traceState="ot=th:e6666666666666")
        )
        assert post(tier.http, "/v1/traces", spans(["two"], empty))
        until(lambda: len(counts(tier, "gen_ai_client_inference_duration_seconds_count")) == 2)
        calls = counts(tier, "gen_ai_client_inference_duration_seconds_count")
        assert sorted(calls) == [1, 10]
        [chunks] = until(lambda: counts(tier, f"{TIME_TO_FIRST_CHUNK.prometheus}_count"))
    assert chunks == 10


def counts(tier, name):
    return [value for (one, _), value in derived_series(tiers.derived(tier)).items() if one == name]
