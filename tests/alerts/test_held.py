"""What is over is told as over: of an alert that is only held, and of a sink that worked once."""

import pytest

from mlobs.server.pages.alerts import routes
from tests.alerts.houses import House, Ratio
from tests.alerts.paged import shown
from tests.alerts.sink import webhook

HELD = {"since": "2027-01-15T08:01:00.000Z", "until": "2027-01-15T08:11:00.000Z"}


@pytest.fixture
def house(tmp_path):
    """A house in which a tool failed, and fails no more."""
    made = House(tmp_path, Ratio([0.26]), hold_s=0)
    made.later(0)
    yield made
    made.alerting.stop()


def test_while_it_is_held_the_api_says_since_when_and_until_when(house):
    (alert,) = house.alerting.snapshot()["firing"]
    assert (alert["held"], alert["summary"]) == (None, "The tool look fails in shop.")
    house.ask.rows = []
    house.later(60)
    (alert,) = house.alerting.snapshot()["firing"]
    assert alert["held"] == HELD
    assert alert["summary"] == "Until 08:01:00 UTC: The tool look fails in shop."
    house.later(60)
    assert house.alerting.snapshot()["firing"][0]["held"] == HELD, "a later look changes nothing"
    house.restart()
    assert house.alerting.snapshot()["firing"][0]["held"] == HELD
    house.ask.rows = [0.3]
    house.later(60)
    assert house.alerting.snapshot()["firing"][0]["held"] is None, "it is broken again"


def test_while_it_is_held_no_page_shows_the_last_value_as_that_of_now(house):
    (alert,) = house.alerting.snapshot()["firing"]
    path = {"source": "mlobs", "fingerprint": alert["fingerprint"]}
    html, text = shown(house, routes.show_one, **path)
    assert '<dd class="big bad">26 %</dd>' in html
    assert "no longer" not in text
    house.ask.rows = []
    house.later(60)
    html, text = shown(house, routes.show_one, **path)
    assert '<dd class="big">26 %</dd>' in html
    assert "Value when the rule last held 26 %" in text
    assert "The rule no longer holds since 2027-01-15 08:01:00" in text
    assert "fires on until 2027-01-15 08:11:00" in text
    assert "When it last held: 26% of" in text
    _, text = shown(house, routes.show)
    assert "was 26 %" in text
    assert "no longer since 2027-01-15 08:01:00" in text


def test_the_page_says_of_a_sink_how_many_attempts_failed_and_when_the_next_is(tmp_path):
    with webhook() as sink:
        sink.answers = [(503, {})] * 4
        house = House(tmp_path, Ratio([0.26]), sink.url, hold_s=0)
        for _ in range(4):
            house.later(60)
        (known,) = house.alerting.snapshot()["sinks"]
        assert (known["state"], known["failures"]) == ("closed", 4)
        _, text = shown(house, routes.show, query="view=deliveries")
        assert f"4 attempts failed next at {known['next'][:19].replace('T', ' ')}" in text
        house.later(60)
        _, text = shown(house, routes.show, query="view=deliveries")
        assert "attempts failed" not in text
        house.alerting.stop()
