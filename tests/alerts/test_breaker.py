"""When a sink is left alone."""

from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.breaker import FAILURES_MAX, PAUSE_SECONDS_FIRST, PAUSE_SECONDS_MAX, Breaker


def failed(breaker, now_s, retry_after_s=None, times=1):
    for _ in range(times):
        breaker.failed(now_s, retry_after_s=retry_after_s, jitter=1.0)


def test_it_opens_after_so_many_failures_in_a_row():
    """One that is refused by a busy server says nothing about the next."""
    breaker = Breaker()
    failed(breaker, 0.0, times=FAILURES_MAX - 1)
    assert (breaker.state(0.0), breaker.room(0.0)) == ("closed", None)
    failed(breaker, 0.0)
    assert (breaker.state(0.0), breaker.room(0.0)) == ("open", 0)


def test_after_the_pause_one_message_is_a_probe():
    """All of them at once would push it over again."""
    breaker = Breaker()
    failed(breaker, 0.0, times=FAILURES_MAX)
    assert breaker.room(PAUSE_SECONDS_FIRST - 1) == 0
    assert (breaker.state(PAUSE_SECONDS_FIRST), breaker.room(PAUSE_SECONDS_FIRST)) == ("probing", 1)
    breaker.arrived(PAUSE_SECONDS_FIRST, 0.0)
    assert (breaker.state(PAUSE_SECONDS_FIRST), breaker.room(PAUSE_SECONDS_FIRST)) == ("closed", None)


def test_a_probe_that_fails_makes_the_pause_longer():
    """Up to a bound."""
    breaker, now_s, pauses = Breaker(), 0.0, []
    failed(breaker, now_s, times=FAILURES_MAX - 1)
    for _ in range(8):
        failed(breaker, now_s)
        pauses.append(breaker.until_s - now_s)
        now_s = breaker.until_s
    assert pauses[:3] == [PAUSE_SECONDS_FIRST, 2 * PAUSE_SECONDS_FIRST, 4 * PAUSE_SECONDS_FIRST]
    assert pauses[-1] == PAUSE_SECONDS_MAX


def test_a_pause_the_sink_asks_for_holds_for_all_of_its_messages():
    """Retry-After is about the sink, not about the one message; and it is no fault."""
    breaker = Breaker()
    failed(breaker, 0.0, retry_after_s=30.0)
    assert (breaker.state(1.0), breaker.room(29.0), breaker.room(30.0)) == ("closed", 0, None)


def test_a_sink_that_takes_one_a_second_gets_one_a_second():
    """As Slack does."""
    breaker = Breaker()
    breaker.arrived(10.0, 1.0)
    assert (breaker.room(10.5), breaker.room(11.0)) == (0, None)


@given(st.lists(st.tuples(st.floats(0, 1000), st.booleans(), st.none() | st.floats(0, 3600))))
def test_no_pause_is_longer_than_it_may_be(steps):
    """Whatever happens, it is tried again."""
    breaker, now_s = Breaker(), 0.0
    for later_s, arrived, retry_after_s in steps:
        now_s += later_s
        if arrived:
            breaker.arrived(now_s, 0.0)
        else:
            failed(breaker, now_s, retry_after_s)
        assert breaker.until_s - now_s <= max(PAUSE_SECONDS_MAX, 3600) + 1e-6
