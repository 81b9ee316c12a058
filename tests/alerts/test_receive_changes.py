"""One notification for each change of state, whatever order the webhooks come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.receive.changes import FUTURE_US_MAX, judge
from mlobs.alerts.receive.formats import Event

NOW_US = 1_000_000_000_000


def firing(starts: int) -> Event:
    return Event(
        source="alertmanager", fingerprint="f", status="firing", starts_us=starts, ends_us=None, labels={}
    )


def resolved(starts: int, ends: int | None) -> Event:
    return Event(
        source="alertmanager", fingerprint="f", status="resolved", starts_us=starts, ends_us=ends, labels={}
    )


def told(*events: Event) -> list[str]:
    """Return the changes that are told of."""
    known, changes = None, []
    for event in events:
        known, verdict = judge(known, event, NOW_US)
        if verdict == "changed":
            changes.append(event.status)
    return changes


@pytest.mark.parametrize(
    ("events", "changes"),
    [
        ([firing(10), resolved(10, 20)], ["firing", "resolved"]),
        ([firing(10), firing(10), resolved(10, 20), resolved(10, 20)], ["firing", "resolved"]),
        ([firing(10), resolved(10, 20), firing(10)], ["firing", "resolved"]),
        ([firing(10), resolved(10, 20), firing(30), resolved(30, 40)], ["firing", "resolved"] * 2),
        ([resolved(10, 20), firing(10)], []),
        ([resolved(10, 20), firing(10), firing(30)], ["firing"]),
        ([firing(10), firing(30), resolved(10, 20)], ["firing"]),
        ([firing(10), firing(30), resolved(10, 20), resolved(30, 40)], ["firing", "resolved"]),
        ([firing(30), resolved(30, 40), firing(10), resolved(10, 20)], ["firing", "resolved"]),
        ([firing(10), resolved(10, None)], ["firing", "resolved"]),
        ([firing(10), resolved(10, 10), firing(11)], ["firing", "resolved", "firing"]),
    ],
)
def test_each_change_is_told_once(events, changes):
    """Repeats, replicas, late and early messages."""
    assert told(*events) == changes


def test_a_second_prometheus_that_sees_the_alert_a_little_later_is_no_second_alert():
    """Two that scrape the same target begin at times of their own."""
    assert told(firing(10), firing(12), resolved(12, 29), firing(10), resolved(10, 30)) == [
        "firing",
        "resolved",
    ]


def test_a_clock_far_ahead_does_not_silence_an_alert_for_ever():
    """Later episodes have earlier times then."""
    ahead = NOW_US + 10**15
    known, _ = judge(None, firing(ahead), NOW_US)
    known, verdict = judge(known, resolved(ahead, ahead), NOW_US)
    assert verdict == "changed"
    _, verdict = judge(known, firing(NOW_US + FUTURE_US_MAX + 1), NOW_US + FUTURE_US_MAX + 1)
    assert verdict == "changed"


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[Event]]:
    """Draw an alert's episodes, and its messages in any order, some more than once."""
    gaps = draw(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=5))
    episodes, now = [], 0
    for gap, length in gaps:
        episodes.append((now + gap, now + gap + length))
        now += gap + length
    sent = [event for start, end in episodes for event in (firing(start), resolved(start, end))]
    again = draw(st.lists(st.sampled_from(sent), max_size=10))
    return episodes, draw(st.permutations([*sent, *again]))


@given(deliveries())
def test_in_any_order_firing_and_resolved_alternate_and_the_last_word_is_right(drawn):
    """The model: what is told begins with firing, alternates, and ends as the alert did."""
    episodes, events = drawn
    changes = told(*events)
    assert changes == ["firing", "resolved"] * (len(changes) // 2)
    assert len(changes) // 2 <= len(episodes)


@given(deliveries())
def test_in_order_with_repeats_every_episode_is_told(drawn):
    """None is lost where nothing is out of order."""
    episodes, events = drawn
    ordered = sorted(
        events,
        key=lambda event: (event.starts_us, event.status == "resolved"),
    )
    assert told(*ordered) == ["firing", "resolved"] * len(episodes)


@given(deliveries())
def test_an_episode_whose_firing_comes_before_anything_later_is_told(drawn):
    """The model of loss: only what was over before it was heard of is told to nobody."""
    _, events = drawn
    known, latest, over = None, -1, True
    for event in events:
        known, verdict = judge(known, event, NOW_US)
        if event.status == "firing" and event.starts_us > latest and over:
            assert verdict == "changed"
        latest = max(latest, event.starts_us)
        over = known.status == "resolved"
