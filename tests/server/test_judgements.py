"""Scores become metrics: how numbers are spread, and how many there are by their word."""

import json

import pytest

from mlobs.semconv import metrics as m
from mlobs.semconv.events import EVALUATION_RESULT
from tests.server.otlp import post
from tests.server.samples import grown, samples, series


def scored(server, *given: dict) -> None:
    """Send scores as log records with an event name."""
    names = {
        "name": "gen_ai.evaluation.name",
        "word": "gen_ai.evaluation.score.label",
        "model": "gen_ai.request.model",
    }
    records = []
    for one in given:
        attributes = [
            {"key": key, "value": {"stringValue": one[name]}} for name, key in names.items() if name in one
        ]
        if "value" in one:
            value = {"doubleValue": one["value"]}
            attributes.append({"key": "gen_ai.evaluation.score.value", "value": value})
        records.append(
            {
                "timeUnixNano": "1800000000000000000",
                "eventName": one.get("event", EVALUATION_RESULT.name),
                "attributes": attributes,
            }
        )
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "tests"}}]}
    body = {"resourceLogs": [{"resource": service, "scopeLogs": [{"logRecords": records}]}]}
    answer = post(server.url, json.dumps(body).encode(), "logs", Content_Type="application/json")
    assert answer.status_code == 200, answer.text


def test_numbers_fall_into_buckets_and_words_are_counted(served):
    """Numbers below nought are counted only: a sum that falls would look like a restart."""
    before = samples(served)
    scored(
        served,
        {"name": "helpful", "value": 0.5},
        {"name": "helpful", "value": 1.0, "word": "pass"},
        {"name": "helpful", "value": 0.0, "word": "fail"},
        {"name": "helpful", "value": -1.0},
        {"name": "helpful", "word": "pass"},
        {"name": "helpful", "value": 0.7, "model": "gpt"},
        {"name": "helpful", "value": 1.0, "event": "something.else"},
    )
    more = grown(served, before)
    name, labels = (
        m.EVALUATION_SCORE.prometheus,
        {"gen_ai_evaluation_name": "helpful", "gen_ai_request_model": ""},
    )
    told = {
        le: more[series(f"{name}_bucket", le=le, **labels)]
        for le in ("0.1", "0.4", "0.5", "0.9", "1.0", "+Inf")
    }
    assert told == {"0.1": 1, "0.4": 1, "0.5": 2, "0.9": 2, "1.0": 3, "+Inf": 3}
    assert more[series(f"{name}_sum", **labels)] == pytest.approx(1.5)
    assert more[series(f"{name}_count", **{**labels, "gen_ai_request_model": "gpt"})] == 1
    counted = m.EVALUATION_RESULTS.prometheus
    words = {
        word: more[series(counted, gen_ai_evaluation_score_label=word, **labels)]
        for word in ("", "pass", "fail")
    }
    assert words == {"": 2, "pass": 2, "fail": 1}
