"""What a sink's answer says about the next attempt."""

import time

from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.sinks.answer import judge
from tests.alerts.couriers import START_S


def test_retry_after_without_a_zone_is_in_utc_wherever_we_are(monkeypatch):
    """A machine in Tokyo must not take it for nine hours ago, and one in New York for later."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for zone in ("GMT", "-0000", ""):
            date = f"Tue, 14 Nov 2023 22:14:20 {zone}".strip()
            assert judge(503, date, 1_700_000_000.0).retry_after_s == 60.0, zone
    finally:
        monkeypatch.undo()
        time.tzset()


def test_retry_after_may_have_parts_of_a_second():
    """Some send them, though the standard has whole ones."""
    assert judge(429, "0.75", 0).retry_after_s == 0.75
    assert judge(429, "1e400", 0).retry_after_s is None


def test_retry_after_may_be_a_date():
    """HTTP allows both."""
    assert judge(503, "Tue, 14 Nov 2023 22:14:00 GMT", START_S).retry_after_s == 40.0
    assert judge(503, "Tue, 14 Nov 2023 22:00:00 GMT", START_S).retry_after_s == 0.0
    assert judge(503, "99999999", 0.0).retry_after_s == 3600.0


@given(retry_after=st.none() | st.text(), status=st.integers(100, 599))
def test_nothing_a_sink_says_raises(retry_after, status):
    """It is a stranger."""
    answer = judge(status, retry_after, START_S)
    assert answer.outcome in {"delivered", "failed", "dead"}
    assert answer.retry_after_s is None or 0 <= answer.retry_after_s <= 3600
