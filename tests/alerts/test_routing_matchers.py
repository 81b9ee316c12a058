"""Conditions on labels."""

import pytest

from tests.alerts.routed import Routed


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ("team=web", True),
        ('team="web"', True),
        ("team!=web", False),
        ("team=~w.*", True),
        ("team=~e", False),
        ("team!~w.*", False),
        ("team !~ data|shop", True),
        ("other=", True),
        ("other!=x", True),
        ("alertname=Rule", True),
        ("rule=~R.+", True),
        ("source=mlobs", True),
        ('odd="a\\"b"', True),
    ],
)
def test_conditions_are_those_of_alertmanager(condition, fits):
    """Anchored patterns; a label that is not there is empty."""
    routed = Routed({"match": [condition], "sinks": ["one"]}, {"sinks": ["other"]})
    assert routed.tell("a", team="web", odd='a"b')[0][0] == ("one" if fits else "other")
