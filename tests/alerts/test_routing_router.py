"""Which routes a message takes, with whom it is gathered, and where its end is told."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.routing.plans import Planned
from tests.alerts.routed import NOW_S, Routed, message, shown


def test_a_message_takes_the_first_route_that_fits_and_goes_on_only_if_told():
    """In the order of the file."""
    routed = Routed(
        {"match": ["severity=critical"], "sinks": ["pager"], "continue": True},
        {"match": {"team": "web"}, "sinks": ["web"]},
        {"sinks": ["rest"]},
    )
    assert routed.tell("a", severity="critical", team="web") == [
        ("pager", "page", "firing"),
        ("web", "page", "firing"),
    ]
    assert routed.tell("b", team="web") == [("web", "page", "firing")]
    assert routed.tell("c") == [("rest", "page", "firing")]


def test_what_no_route_wants_leaves_a_receipt():
    """Nothing vanishes."""
    routed = Routed({"match": ["team=web"], "sinks": ["web"]})
    (one,) = routed.router.plan(message(), routed.state, NOW_S)
    assert (one.sink, one.kind, one.why) == ("", "muted", "no route fits its labels")
    silent = Routed({"name": "noise", "sinks": []})
    (one,) = silent.router.plan(message(), silent.state, NOW_S)
    assert (one.kind, one.why) == ("muted", "the route noise tells nobody")


def test_alerts_of_a_group_become_one_message_with_a_list():
    """After the wait, with what they have in common."""
    routed = Routed({"sinks": ["chat"], "group_by": ["team"], "group_wait_s": 30})
    for name in ("a", "b", "c"):
        assert routed.tell(name, team="web", zone="eu") == []
    assert routed.tell("d", team="data") == []
    assert routed.wake(20) == ()
    web, data = routed.wake(10)
    assert (web.sink, web.kind, web.message["count"], web.message["firing"]) == ("chat", "page", 3, 3)
    assert [one["fingerprint"] for one in web.message["alerts"]] == ["a", "b", "c"]
    assert web.message["labels"] == {"team": "web", "zone": "eu"}
    assert web.message["title"] == "3 alerts, 3 began to fire: Rule"
    assert web.message["group"] == {"team": "web"}
    assert data.message["title"] == "d is broken"
    json.dumps(web.message)


def test_a_group_fires_while_any_of_it_does():
    """So its incident is closed with the last one, and by the same fingerprint."""
    routed = Routed({"sinks": ["pager"], "group_by": ["team"], "group_wait_s": 30})
    routed.tell("a"), routed.tell("b")
    (first,) = routed.wake(40)
    routed.tell("a", "resolved")
    (second,) = routed.wake(40)
    routed.tell("b", "resolved")
    (third,) = routed.wake(40)
    assert [one.message["status"] for one in (first, second, third)] == ["firing", "firing", "resolved"]
    assert second.message["title"] == "1 alert, 1 ended: Rule"
    assert len({one.message["fingerprint"] for one in (first, second, third)}) == 1


def test_what_ended_while_its_group_waited_is_told_to_nobody():
    """A pager that hears only of the end of something looks for what it has missed."""
    routed = Routed({"sinks": ["chat"], "group_wait_s": 30})
    routed.tell("a"), routed.tell("b")
    assert routed.tell("a", "resolved") == [("chat", "muted", "resolved")]
    (one,) = routed.wake(40)
    assert [alert["fingerprint"] for alert in one.message["alerts"]] == ["b"]
    routed.tell("a")
    (one,) = routed.wake(40)
    assert (one.message["firing"], one.message["count"]) == (2, 1)


def test_what_fires_again_before_its_end_was_told_still_fires_where_it_was_told():
    """And its end is told, though its second beginning was not."""
    routed = Routed({"sinks": ["chat"], "group_wait_s": 30})
    routed.tell("a")
    routed.wake(40)
    routed.tell("a", "resolved"), routed.tell("a"), routed.tell("a", "resolved")
    (one,) = routed.wake(40)
    assert (one.kind, one.message["status"], one.message["count"]) == ("page", "resolved", 1)


def test_an_end_nobody_heard_the_beginning_of_leaves_a_receipt():
    """As of a route that is new."""
    routed = Routed({"sinks": ["pager"]})
    assert routed.tell("a", "resolved") == [("pager", "muted", "resolved")]


def test_a_long_list_comes_in_parts_to_machines_and_is_cut_for_people():
    """None is lost on the way to a program, and nobody reads the hundred and first line."""
    routed = Routed({"sinks": ["hook", "chat"], "group_wait_s": 30}, machines=["hook"])
    for number in range(250):
        routed.tell(str(number), after_s=0)
    *parts, people = routed.wake(31)
    assert [(one.sink, one.message["part"], one.message["parts"]) for one in parts] == [
        ("hook", 1, 3), ("hook", 2, 3), ("hook", 3, 3),
    ]  # fmt: skip
    listed = [alert["fingerprint"] for one in parts for alert in one.message["alerts"]]
    assert sorted(listed, key=int) == [str(number) for number in range(250)]
    assert (people.sink, len(people.message["alerts"]), people.message["count"]) == ("chat", 100, 250)
    assert {one.message["title"] for one in (*parts, people)} == {"250 alerts, 250 began to fire: Rule"}


def test_an_end_goes_where_it_was_told_also_if_the_routes_are_others_by_then():
    """The file was changed while it fired; the incident is still open there."""
    routed = Routed({"name": "old", "sinks": ["pager"]})
    routed.tell("a"), routed.tell("b")
    routed.use({"name": "new", "sinks": ["chat"]})
    assert routed.tell("a", "resolved") == [("chat", "muted", "resolved"), ("pager", "page", "resolved")]
    assert routed.tell("a", "resolved") == [("chat", "muted", "resolved")]
    assert routed.tell("c") == [("chat", "page", "firing")]
    routed.use({"name": "old", "sinks": []})
    assert ("pager", "page", "resolved") in routed.tell("b", "resolved")
    routed.use({"match": ["team=web"], "sinks": ["web"]})
    assert routed.tell("c", "resolved") == [("chat", "page", "resolved")]


def test_a_group_is_ended_where_it_was_told_also_if_its_route_is_gone():
    """With the last of its alerts, under the fingerprint it had."""
    routed = Routed({"name": "old", "sinks": ["pager"], "group_by": ["team"], "group_wait_s": 30})
    routed.tell("a", team="web"), routed.tell("b", team="web")
    (told,) = routed.wake(40)
    routed.use({"name": "new", "sinks": ["chat"]})
    for name, status in (("a", "firing"), ("b", "resolved")):
        planned = routed.router.plan(message(name, "resolved", team="web"), routed.state, routed.now_s)
        (page,) = [one for one in planned if one.kind == "page"]
        assert (page.sink, page.message["status"]) == ("pager", status)
        assert page.message["fingerprint"] == told.message["fingerprint"]


def test_what_waits_for_a_route_that_is_gone_takes_those_that_are_there():
    """It was not told yet, and somebody has to be."""
    routed = Routed({"name": "old", "sinks": ["pager"], "group_wait_s": 30})
    routed.tell("a")
    routed.use({"name": "new", "sinks": ["chat"]})
    assert shown(routed.wake(40)) == [("chat", "page", "firing")]
    assert routed.tell("a", "resolved") == [("chat", "page", "resolved")]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.01, 60), st.booleans()), max_size=80))
def test_whatever_happens_every_sink_ends_up_with_the_last_word(steps):
    """Grouped and damped, after a calm while each alert's last state is the last that was told."""
    routed = Routed(
        {
            "sinks": ["chat"],
            "group_by": ["name"],
            "group_wait_s": 5,
            "flap": {"changes": 5, "within_s": 60, "calm_s": 30},
        }
    )
    firing: set[int] = set()
    planned: list[Planned] = []
    for alert, pause_s, sleep in steps:
        firing ^= {alert}
        routed.now_s += pause_s
        status = "firing" if alert in firing else "resolved"
        planned += routed.router.plan(message(str(alert), status), routed.state, routed.now_s)
        if sleep:
            planned += routed.wake(0)
    for _ in range(20):
        planned += routed.wake(20)
    told: dict[str, str] = {}
    for one in planned:
        if one.kind == "page":
            told |= {alert["fingerprint"]: alert["status"] for alert in one.message["alerts"]}
    assert {int(name) for name, status in told.items() if status == "firing"} == firing


SETS: list[list[dict[str, Any]]] = [
    [{"name": "one", "sinks": ["chat"]}],
    [{"name": "one", "sinks": ["mail"], "group_by": ["name"], "group_wait_s": 5}],
    [
        {"name": "two", "match": ["name=~[01]"], "sinks": ["pager"], "group_wait_s": 7, "continue": True},
        {"name": "one", "sinks": ["chat"], "flap": {"changes": 3, "within_s": 60, "calm_s": 30}},
    ],
    [{"name": "two", "match": ["name=~[012]"], "sinks": []}, {"name": "three", "sinks": ["pager"]}],
]


CHANGES = st.tuples(st.integers(0, 3), st.floats(0.01, 30), st.none() | st.sampled_from(SETS))


@given(st.lists(CHANGES, max_size=60))
def test_however_the_routes_change_no_sink_believes_that_something_fires_that_has_ended(steps):
    """And what still fires where it was told is ended there, whatever the routes are by then."""
    routed = Routed(*SETS[0])
    firing: set[int] = set()
    planned: list[Planned] = []
    for alert, pause_s, routes in steps:
        if routes is not None:
            routed.use(*routes)
        firing ^= {alert}
        planned += routed.wake(pause_s)
        status = "firing" if alert in firing else "resolved"
        planned += routed.router.plan(message(str(alert), status), routed.state, routed.now_s)
    for _ in range(20):
        planned += routed.wake(20)
    for alert in sorted(firing):
        planned += routed.router.plan(message(str(alert), "resolved"), routed.state, routed.now_s)
    for _ in range(20):
        planned += routed.wake(20)
    told: dict[tuple[str, str], str] = {}
    for one in planned:
        if one.kind == "page":
            for alert in one.message.get("alerts", [one.message]):
                told[one.sink, alert["fingerprint"]] = alert["status"]
    assert "firing" not in told.values()
