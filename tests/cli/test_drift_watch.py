"""`mlobs drift watch` tells what the page of drift tells, and of what is not there yet, when it will be."""

import json
import os
import re
import time
from typing import Any

import pytest
import requests
from starlette.requests import Request

from mlobs.cli.drift.watch import _print
from mlobs.cli.fleet import FleetDrift
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.server.points import Point, gauges
from mlobs.settings import DriftSettings, load

ANSWER: dict[str, Any] = {
    "looked": "2026-01-05T12:00:00+00:00",
    "interval_s": 60.0,
    "failure": None,
    "left_out": 0,
    "alarms": 0,
    "watches": [],
}
WATCH: dict[str, Any] = {
    "service": "shop",
    "model": "churn",
    "version": "7",
    "feature": "age",
    "segment": "",
    "processes": 1,
    "rows": 4_500,
    "log_e": 0.0,
    "threshold": 15.0,
    "alarm": False,
    "change_start": None,
    "tv_lower_bound": 0.0,
    "distances": {"tv": 0.28, "psi": 0.4},
    "moves": [],
}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"looked": None}, "The server has not looked yet at what processes counted. It does every 60 s"),
        ({}, "the server looks every 60 s, and did at 2026-01-05 12:00:00 UTC"),
    ],
)
def test_nothing_to_show_is_explained(capsys, given, words):
    """In the first minute of a server there is nothing, and that is no fault of the program's."""
    _print(ANSWER | given)
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("blocks", "cell", "told"), [(1, "next look", True), (2, "0%", False)])
def test_evidence_that_cannot_be_there_yet_is_not_told_as_none(capsys, blocks, cell, told):
    """The rows before the first look are one block, from which the detector learns."""
    _print(ANSWER | {"watches": [WATCH | {"blocks": blocks}]})
    out, err = capsys.readouterr()
    assert cell in out
    assert ("evidence is said to come with the next look" in " ".join(err.split())) is told


@pytest.fixture
def drift(served, monkeypatch):
    """A fleet's drift detector that has not looked yet: it does after four minutes."""
    monkeypatch.setitem(served.tells, "drift", None)  # so that what begins here is taken away afterwards
    made = FleetDrift(load(DriftSettings, interval_s=240.0))
    stop = made.begin(served)
    yield made
    stop()


def told(drift, model: str) -> dict[str, Any]:
    """Return what /api/drift answers of one model."""
    asked = Request({"type": "http", "query_string": f"model={model}".encode(), "headers": []})
    return json.loads(drift.answer(asked).body)


def test_an_alarm_of_one_process_is_told_as_on_the_page_before_the_server_looks(served, drift, capsys):
    """A process knows at once; the server looks once a minute. What is known of it comes first."""
    model = f"alone-{os.urandom(4).hex()}"

    def point(feature: str, log_e: float, alarm: float, line: float = 10.0):
        known = {a.MODEL_NAME.name: model, a.FEATURE.name: feature}
        values = {m.DRIFT_LOG_E: log_e, m.DRIFT_THRESHOLD: line, m.DRIFT_ALARM: alarm}
        return [Point("desk", metric, known, value) for metric, value in values.items()]

    points = [*point("aaa", 0.0, 0.0), *point("calm", 4.0, 0.0), *point("temp", 19.5, 1.0)]
    served.put("metrics", gauges([*points, *point("odd", 1e300, 1.0, 1e-300)], time.time()))
    served.drain()
    answer = told(drift, model)
    assert (answer["looked"], answer["alarms"]) == (None, 2)
    assert [one["feature"] for one in answer["watches"]] == ["odd", "temp", "calm", "aaa"]
    _print(answer)
    out, err = capsys.readouterr()
    assert re.search(r"ALARM +temp .* 195% ", out)
    assert "2 alarms stand" in err
    page = requests.get(f"{served.url}/drift", params={"model": model}, timeout=60).text
    assert "195 %" in page
    assert page.count('class="moved"') == 2


def test_the_first_features_are_shown_and_how_many_more_there_are(capsys):
    """A model may have hundreds; those that moved come first."""
    watches = [WATCH | {"blocks": 2, "feature": f"f{number:03}"} for number in range(120)]
    _print(ANSWER | {"watches": watches})
    out, err = capsys.readouterr()
    assert re.findall(r"f\d{3}", out) == [f"f{number:03}" for number in range(20)]
    assert "and 100 more with less evidence; --all prints them, too" in err
    _print(ANSWER | {"watches": watches}, every=True)
    out, err = capsys.readouterr()
    assert len(re.findall(r"f\d{3}", out)) == 120
    assert "more with less" not in err


def test_what_changed_most_is_below_an_alarm_where_there_is_no_room_beside(terminal):
    """And when it began is beside it."""
    moved = {
        "blocks": 2, "alarm": True, "since": "2026-01-05T11:00:00+00:00", "reached": 1.95,
        "moves": [{"bin": "[49, 599]", "reference_ratio": 0.1, "live_ratio": 0.4}],
    }  # fmt: skip
    screen = terminal(80)
    _print(ANSWER | {"alarms": 1, "watches": [WATCH | moved, WATCH | {"blocks": 2}]})
    lines = [line.strip() for line in screen.lines()]
    [row] = [line for line in lines if line.startswith("ALARM")]
    assert "2026-01-05 11:00" in row
    assert lines[lines.index(row) + 1] == "what changed most: [49, 599]: 10.0% → 40.0%"
    assert all(len(line) <= 80 for line in lines)
