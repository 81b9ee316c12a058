"""One notification for each change of state, whatever order the webhooks come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.receive.changes import FUTURE_US_MAX, REORDERED_US_MAX, judge
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
    """Return the changes that are told of, if all come at once."""
    return told_at(*((0, event) for event in events))


def told_at(*events: tuple[int, Event]) -> list[str]:
    """Return the changes that are told of, each event coming so many microseconds after the first."""
    known, changes = None, []
    for after_us, event in events:
        known, verdict = judge(known, event, NOW_US + after_us)
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


LATER = REORDERED_US_MAX + 1


@pytest.mark.parametrize(
    ("events", "changes"),
    [
        # Alertmanager let it end, for Prometheus was cut off; then it hears again of the same episode.
        ([(0, firing(10)), (0, resolved(10, 20)), (LATER, firing(10))], ["firing", "resolved", "firing"]),
        # Repeats within the bound do not push the bound away from them.
        (
            [(0, firing(10)), (0, resolved(10, 20)), *((n * LATER // 10, firing(10)) for n in range(1, 12))],
            ["firing", "resolved", "firing"],
        ),
        # A replica that had heard of it a little later says an earlier start, and is no less right.
        (
            [(0, firing(10)), (0, firing(12)), (0, resolved(12, 20)), (LATER, firing(10))],
            ["firing", "resolved", "firing"],
        ),
        # Nobody had been told of it, and now it fires.
        ([(0, resolved(10, 20)), (LATER, firing(10))], ["firing"]),
        # And it ends again, once; the second copy of the first end is late.
        (
            [
                (0, firing(10)), (0, resolved(10, 20)), (LATER, firing(10)), (LATER, resolved(10, 20)),
                (LATER, firing(10)), (2 * LATER, resolved(10, 90)), (2 * LATER, resolved(10, 90)),
            ],
            ["firing", "resolved"] * 2,
        ),
        # The resolve of a later episode begins the bound anew.
        (
            [(0, firing(10)), (0, resolved(10, 20)), (LATER, resolved(30, 40)), (LATER, firing(30))],
            ["firing", "resolved"],
        ),
        # Set back by a little, the clock says nothing; by much, rather a page too many.
        ([(0, firing(10)), (0, resolved(10, 20)), (-1_000, firing(10))], ["firing", "resolved"]),
        ([(0, firing(10)), (0, resolved(10, 20)), (-LATER, firing(10))], ["firing", "resolved", "firing"]),
    ],
)  # fmt: skip
def test_a_firing_long_after_its_resolve_was_heard_is_no_late_one(events, changes):
    """It fires again, whatever its start is; nothing is on its way for so long."""
    assert told_at(*events) == changes


def test_what_fires_again_at_once_with_its_former_start_is_told_with_the_next_repeat():
    """Until then it cannot be told from a firing that was overtaken by its resolve."""
    began, over = (0, firing(10)), (1, resolved(10, 20))
    again, repeat = (2, firing(10)), (2 + REORDERED_US_MAX, firing(10))
    assert told_at(began, over, again) == ["firing", "resolved"]
    assert told_at(began, over, again, repeat) == ["firing", "resolved", "firing"]


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


@given(deliveries(), st.lists(st.integers(0, 3 * REORDERED_US_MAX), min_size=30, max_size=30))
def test_whatever_came_before_what_fires_in_the_end_is_told_as_firing(drawn, pauses):
    """However long it took: the last that is told of an alert is what its sender says last, or soon is."""
    _, events = drawn
    known, last, now_us = None, "resolved", NOW_US
    for event, pause_us in zip(events, pauses, strict=False):
        now_us += pause_us
        known, verdict = judge(known, event, now_us)
        last = event.status if verdict == "changed" else last
    ends = firing(max(event.starts_us for event in events))
    for _ in range(2):  # It fires and goes on firing, so its sender repeats it.
        now_us += LATER
        known, verdict = judge(known, ends, now_us)
        last = "firing" if verdict == "changed" else last
    assert (known.status, last) == ("firing", "firing")


@given(deliveries())
def test_an_episode_that_is_heard_of_before_its_end_is_told(drawn):
    """What is told to nobody was over when it was heard of."""
    episodes, events = drawn
    heard: set[int] = set()  # Starts of which an end, or a later beginning, was heard.
    begun = -1
    known, changes = None, 0
    for event in events:
        known, verdict = judge(known, event, NOW_US)
        changes += verdict == "changed"
        if event.status == "firing" and event.starts_us not in heard and event.starts_us > begun:
            assert known.status == "firing"
        begun = max(begun, event.starts_us)
        if event.status == "resolved":
            heard |= {start for start, _ in episodes if start <= event.starts_us}
