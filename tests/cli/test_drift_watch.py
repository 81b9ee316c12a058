"""`mlobs drift watch` says what is not there yet, and when it will be."""

from typing import Any

import pytest

from mlobs.cli.drift.watch import _print

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
