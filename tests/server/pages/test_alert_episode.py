"""The range an alert's page begins with is that of its episode, with some time around it."""

import pytest

from mlobs.server.ask.ranges import DAY_NS, NS
from mlobs.server.pages.alerts.episode import DEFAULT, around
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.period import MINUTE_NS, read_period

NOW = 1_800_000_000 * NS


def at(minutes: float) -> str:
    return stamp(NOW - round(minutes * MINUTE_NS))


@pytest.mark.parametrize(
    ("minutes", "since"), [(2, "1h"), (15, "1h"), (60, "6h"), (6 * 60, "24h"), (24 * 60, "7d"), (9000, "7d")]
)
def test_of_an_alert_that_goes_on_it_is_the_least_usual_length_that_shows_what_was_before(minutes, since):
    assert around({"since": at(minutes), "started": at(minutes / 2), "resolved": None}, NOW) == {
        "since": since
    }


@pytest.mark.parametrize("lasted", [0, 2, 40, 3_000, 30_000])
@pytest.mark.parametrize("ago", [0, 5, 10_000])
def test_of_an_alert_that_is_over_it_has_its_beginning_and_half_an_hour_at_least(lasted, ago):
    alert = {"started": at(ago + lasted), "resolved": at(ago)}
    found = read_period(around(alert, NOW), NOW)
    begins, ends = (NOW - minutes * MINUTE_NS for minutes in (ago + lasted, ago))
    assert found.range.since_ns < begins
    assert found.end_ns <= NOW
    if lasted < 7 * 24 * 60:
        assert found.end_ns >= ends
    assert 15 * MINUTE_NS <= found.end_ns - found.range.since_ns <= 7 * DAY_NS
    if ago > 5:
        assert found.end_ns - found.range.since_ns >= 30 * MINUTE_NS


@pytest.mark.parametrize(
    "alert",
    [
        {},
        {"started": "yesterday"},
        {"started": "0001-01-01T00:00:00Z"},
        {"started": at(-60)},
        {"started": at(1), "resolved": at(5)},
        {"started": 7},
    ],
)
def test_of_what_nobody_can_tell_it_is_the_usual_one(alert):
    assert around(alert, NOW) == DEFAULT
