"""Who is told of what, and who is spared, with a receipt."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.message import iso
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.notices import EMPTY
from mlobs.alerts.routing.plans import Planned
from mlobs.alerts.routing.router import WEEK_S, Router
from tests.alerts.remembered import Remembered

NOW_S = 1_700_000_000.0


def message(
    name: str = "a", status: str = "firing", *, severity: str = "warning", **labels: str
) -> dict[str, Any]:
    return {
        **EMPTY,
        "source": "mlobs",
        "status": status,
        "rule": "Rule",
        "severity": severity,
        "title": f"{name} is broken",
        "summary": f"{name} is broken",
        "labels": {"name": name, **labels},
        "since": iso(NOW_S),
        "started": iso(NOW_S),
        "resolved": iso(NOW_S + 60) if status == "resolved" else None,
        "fingerprint": name,
    }


def shown(planned: tuple[Planned, ...]) -> list[tuple[str, str, str]]:
    return [(one.sink, one.kind, one.message["status"]) for one in planned]


class Routed:
    """A router with a memory and a clock."""

    def __init__(self, *routes: dict[str, Any], machines: Sequence[str] = ()) -> None:
        self.machines = machines
        self.use(*routes)
        self.state = Remembered()
        self.now_s = NOW_S

    def use(self, *routes: dict[str, Any]) -> None:
        self.router = Router([Route.model_validate(route) for route in routes], self.machines)

    def tell(self, *given: Any, after_s: float = 1.0, **more: Any) -> list[tuple[str, str, str]]:
        self.now_s += after_s
        return shown(self.router.plan(message(*given, **more), self.state, self.now_s))

    def wake(self, after_s: float) -> tuple[Planned, ...]:
        self.now_s += after_s
        return tuple(one for plan in self.router.wake(self.state, self.now_s) for one in plan)


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


def test_an_alert_that_ends_at_the_edge_of_quiet_hours_is_no_end_of_something_that_begins():
    """It fired in the night and ended before anybody was woken."""
    routed = Routed({"sinks": ["chat"], "quiet": BERLIN, "group_wait_s": 30})
    routed.now_s = moment("2026-11-27 06:59")
    assert routed.tell("a") == []
    routed.now_s = moment("2026-11-27 07:00")
    assert routed.tell("a", "resolved", after_s=0.1) == [("chat", "muted", "resolved")]
    assert routed.wake(0.4) == routed.wake(60) == ()


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


BERLIN = {"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"}


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


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


BUDGET = {"name": "r", "sinks": ["pager"], "pages_per_week": 2, "demote_to": "chat"}


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
