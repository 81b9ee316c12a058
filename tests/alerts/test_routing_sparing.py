"""Who is spared by quiet hours, damping and a budget of pages, and what is told when that is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.message import iso
from mlobs.alerts.routing.spending import WEEK_S
from tests.alerts.routed import BERLIN, BUDGET, NOW_S, Routed, message, moment, shown


@pytest.mark.parametrize(
    ("now", "quiet", "until"),
    [
        ("2026-11-26 21:59", BERLIN, None),
        ("2026-11-26 22:00", BERLIN, "2026-11-27 07:00"),
        ("2026-11-27 06:59", BERLIN, "2026-11-27 07:00"),
        ("2026-11-27 07:00", BERLIN, None),
        ("2026-10-24 23:00", BERLIN, "2026-10-25 07:00"),  # the clock is set back in this night
        ("2026-03-28 23:00", BERLIN, "2026-03-29 07:00"),  # and forward in this one
        ("2026-11-28 12:00", {**BERLIN, "days": ["sat"], "from": "00:00", "to": "00:00"}, "2026-11-29 00:00"),
        ("2026-11-29 01:00", {**BERLIN, "days": ["sat"]}, "2026-11-29 07:00"),
        ("2026-11-29 22:30", {**BERLIN, "days": ["sat"]}, None),
        (
            "2026-11-27 23:00",
            [BERLIN, {**BERLIN, "days": ["sat", "sun"], "from": "07:00", "to": "22:00"}],
            "2026-11-30 07:00",
        ),
    ],
)
def test_quiet_hours_hold_messages_until_they_are_over(now, quiet, until):
    """In the time zone they are meant in, over midnight, and over the change of the clocks."""
    routed = Routed({"sinks": ["chat"], "quiet": quiet})
    (one,) = routed.router.plan(message(), routed.state, moment(now))
    assert one.not_before_s == moment(until or now)


def test_a_critical_alert_does_not_wait_for_the_morning():
    """Nor does it wait with a group that does."""
    routed = Routed({"sinks": ["chat"], "quiet": BERLIN, "group_wait_s": 30})
    routed.now_s = moment("2026-11-26 23:00")
    routed.tell("a"), routed.tell("b", severity="critical")
    (one,) = routed.wake(40)
    assert one.message["fingerprint"] != "b"
    assert one.message["alerts"][0]["fingerprint"] == "b"
    (other,) = routed.wake(8 * 3600)
    assert other.message["alerts"][0]["fingerprint"] == "a"


def test_an_alert_that_ends_at_the_edge_of_quiet_hours_is_no_end_of_something_that_begins():
    """It fired in the night and ended before anybody was woken."""
    routed = Routed({"sinks": ["chat"], "quiet": BERLIN, "group_wait_s": 30})
    routed.now_s = moment("2026-11-27 06:59")
    assert routed.tell("a") == []
    routed.now_s = moment("2026-11-27 07:00")
    assert routed.tell("a", "resolved", after_s=0.1) == [("chat", "muted", "resolved")]
    assert routed.wake(0.4) == routed.wake(60) == ()


FLAP = {"name": "r", "sinks": ["chat"], "flap": {"changes": 4, "within_s": 100, "calm_s": 50}}


def test_an_alert_that_flaps_is_told_once_and_again_when_it_is_calm():
    """The fourth change says so; what follows leaves receipts; the last word is told."""
    routed = Routed(FLAP)
    told = [routed.tell("a", status) for status in ["firing", "resolved"] * 4]
    kinds = [kind for ((_, kind, _),) in told]
    assert kinds == ["page"] * 4 + ["muted"] * 4
    assert routed.wake(40) == ()
    assert routed.wake(20) == (), "the notice said resolved, and resolved it still is"
    assert routed.tell("a") == [("chat", "page", "firing")]


def test_an_alert_that_ends_flapping_in_another_state_is_told_so():
    """Otherwise the last that was heard of it would be wrong."""
    routed = Routed(FLAP)
    for status in ["firing", "resolved"] * 3:
        routed.tell("a", status)
    routed.tell("a", "firing")
    (calm,) = routed.wake(60)
    assert (calm.kind, calm.message["status"], calm.message["notice"]) == ("page", "firing", "calm")
    assert calm.message["title"] == "Calm again: a is broken"


def test_other_alerts_of_the_route_are_told_while_one_flaps():
    """Damping is of an alert, not of a route."""
    routed = Routed(FLAP)
    for status in ["firing", "resolved"] * 3:
        routed.tell("a", status)
    assert routed.tell("b") == [("chat", "page", "firing")]


def test_a_spent_budget_demotes_and_says_so_once():
    """With a receipt at the sink that was spared."""
    routed = Routed(BUDGET)
    assert routed.tell("a") == routed.tell("b") == [("pager", "page", "firing")]
    assert routed.tell("c") == [
        ("chat", "page", "firing"),
        ("pager", "demoted", "firing"),
        ("pager", "page", "firing"),
    ]
    assert routed.tell("d") == [("chat", "page", "firing"), ("pager", "demoted", "firing")]
    routed.now_s += WEEK_S
    assert routed.tell("e") == [("pager", "page", "firing")]


def test_the_notice_says_which_route_and_until_when():
    """Whoever reads it can do something."""
    routed = Routed(BUDGET)
    routed.tell("a"), routed.tell("b")
    *_, notice = routed.router.plan(message("c"), routed.state, routed.now_s)
    assert notice.message["summary"] == (
        "2 pages in seven days: the route r has spent its budget. "
        f"Until {iso(NOW_S + 1 + WEEK_S)}, further alerts go to chat."
    )


def test_an_end_goes_to_who_was_told_of_the_beginning_and_costs_nothing():
    """An incident that was opened is closed, and none is closed that was not opened."""
    routed = Routed(BUDGET)
    routed.tell("a"), routed.tell("b"), routed.tell("c")
    assert routed.tell("a", "resolved") == [("pager", "page", "resolved")]
    assert routed.tell("c", "resolved") == [("chat", "page", "resolved")]


def test_the_notice_of_a_spent_budget_ends_once_there_is_room_again():
    """Else a pager has it open for ever, and the next week's is heard by nobody."""
    routed = Routed(BUDGET)
    routed.tell("a"), routed.tell("b"), routed.tell("c")
    assert routed.wake(WEEK_S - 60) == ()
    (again,) = routed.wake(120)
    assert (again.sink, again.message["status"], again.message["notice"]) == ("pager", "resolved", "budget")
    assert again.message["title"] == "The page budget of r has room again"
    assert again.message["resolved"] == iso(routed.now_s)
    assert routed.wake(WEEK_S) == ()
    routed.tell("d"), routed.tell("e")
    *_, notice = routed.router.plan(message("f"), routed.state, routed.now_s)
    assert notice.message["fingerprint"] == again.message["fingerprint"]
    assert notice.message["status"] == "firing"


def test_a_clock_that_is_set_back_holds_up_neither_groups_nor_pages():
    """What waits is told then, and pages of times to come are not spent."""
    routed = Routed({**BUDGET, "pages_per_week": 1, "group_wait_s": 30})
    routed.tell("a")
    assert shown(routed.wake(-3600)) == [("pager", "page", "firing")]
    routed.tell("b"), routed.wake(40)
    routed.now_s -= 86_400
    routed.tell("c")
    assert ("pager", "page", "firing") in shown(routed.wake(40))
    quiet = Routed({"sinks": ["chat"], "quiet": BERLIN, "group_wait_s": 30})
    quiet.now_s = moment("2026-11-26 23:30")
    quiet.tell("a")
    assert quiet.wake(-3600) == (), "the end of the night is where it was"


def test_a_group_costs_one_page():
    """That is what groups are for."""
    routed = Routed({**BUDGET, "group_wait_s": 10})
    for number in range(50):
        routed.tell(str(number), after_s=0)
    assert shown(routed.wake(11)) == [("pager", "page", "firing")]
    assert routed.state.get("week", "r") == {"times": [routed.now_s], "said": False}


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 40_000)), max_size=120))
def test_whatever_happens_a_week_has_no_more_pages_than_its_budget(steps):
    """In any seven days, notices apart; and every firing is paged or demoted."""
    routed = Routed({**BUDGET, "pages_per_week": 3})
    firing: set[int] = set()
    pages: list[float] = []
    for alert, pause_s in steps:
        status = "resolved" if alert in firing else "firing"
        firing ^= {alert}
        planned = routed.tell(str(alert), status, after_s=pause_s)
        if status == "firing":
            paged = [one for one in planned if one == ("pager", "page", "firing")]
            demoted = ("chat", "page", "firing") in planned
            assert demoted or paged
            if not demoted:
                pages.append(routed.now_s)
    for first in pages:
        assert sum(first <= one < first + WEEK_S for one in pages) <= 3
