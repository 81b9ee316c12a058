"""An end reaches exactly those who heard the beginning, alert by alert."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.alerts.routing.plans import Planned
from mlobs.alerts.routing.silence import Silence, add
from tests.alerts.routed import BUDGET, Routed, message

ALERTS = "0123"
GROUPED = {**BUDGET, "name": "r", "pages_per_week": 1, "group_wait_s": 10}


class Heard:
    """What sinks know, by what they were sent: of each incident, which alerts they believe to fire."""

    def __init__(self) -> None:
        self.firing: set[tuple[str, str, str]] = set()
        self.last: dict[tuple[str, str], str] = {}

    def hear(self, planned: Any) -> None:
        """Take what is sent, as the sinks do.

        Raises:
            AssertionError: A sink is sent the end of what it believes not to fire.
        """
        for one in planned:
            if one.kind != "page" or one.message.get("notice") == "budget":
                continue
            incident = one.sink, one.message["fingerprint"]
            self.last[incident] = one.message["status"]
            for alert in one.message.get("alerts", [one.message]):
                known = (*incident, alert["fingerprint"])
                if alert["status"] == "firing":
                    self.firing.add(known)
                else:
                    assert known in self.firing, f"{known} is an end without a beginning"
                    self.firing.discard(known)


def sent(planned: Any) -> dict[str, list[tuple[str, str]]]:
    return {
        one.sink: [(alert["fingerprint"], alert["status"]) for alert in one.message["alerts"]]
        for one in planned
        if one.kind == "page" and "alerts" in one.message
    }


def test_a_budget_that_is_spent_within_a_group_sends_each_end_to_who_heard_the_beginning():
    """The pager hears of what it was paged for, and the chat only of what it was told in its place."""
    routed = Routed(GROUPED)
    routed.tell("1")
    assert sent(routed.wake(11)) == {"pager": [("1", "firing")]}
    routed.tell("2")
    routed.tell("1", "resolved")
    assert sent(routed.wake(11)) == {"chat": [("2", "firing")], "pager": [("1", "resolved")]}
    routed.tell("2", "resolved")
    assert sent(routed.wake(11)) == {"chat": [("2", "resolved")]}


def test_an_incident_is_over_for_a_sink_when_all_that_it_heard_of_is():
    """Though others of the group go on elsewhere: else a pager would stay open for what it never saw."""
    routed = Routed(GROUPED)
    routed.tell("1")
    routed.wake(11)
    routed.tell("2")
    routed.wake(11)
    routed.tell("1", "resolved")
    (one,) = routed.wake(11)
    assert (one.sink, one.message["status"], one.message["firing"]) == ("pager", "resolved", 0)


def test_a_sink_that_came_with_new_routes_hears_no_end_of_what_began_before():
    """It would count down what it never counted up."""
    routed = Routed({"name": "r", "sinks": ["old"], "group_wait_s": 10})
    routed.tell("1")
    routed.wake(11)
    routed.use({"name": "r", "sinks": ["new"], "group_wait_s": 10})
    routed.tell("2")
    routed.tell("1", "resolved")
    assert sent(routed.wake(11)) == {"new": [("2", "firing")], "old": [("1", "resolved")]}


def test_an_alert_that_flapped_for_a_former_route_is_not_told_as_it_was_before():
    """Else its old change, kept until a calm, would be told after the newer ones of other routes."""
    damped = {"name": "r", "sinks": ["old"], "flap": {"changes": 2, "within_s": 60, "calm_s": 30}}
    routed = Routed(damped)
    for status in ("firing", "resolved", "firing"):
        routed.tell("1", status)
    routed.use({"name": "other", "sinks": ["new"]})
    routed.tell("1", "resolved")
    assert routed.wake(60) == ()


def test_what_a_silence_kept_of_an_alert_that_flaps_is_told_though_both_are_over_at_once():
    """As after a pause of the process: the kept beginning is a change, and told when it is calm."""
    damped = {"name": "r", "sinks": ["chat"], "flap": {"changes": 2, "within_s": 60, "calm_s": 30}}
    routed = Routed(damped)
    for status in ("firing", "resolved", "firing", "resolved"):
        routed.tell("1", status)
    times = {"made_s": routed.now_s, "until_s": routed.now_s + 10}
    add(Silence(id="s", matchers=("name=1",), who="w", why="y", **times), routed.state)
    routed.tell("1")
    assert routed.wake(40)[0].kind == "muted"
    (one,) = routed.wake(31)
    assert (one.kind, one.message["notice"], one.message["status"]) == ("page", "calm", "firing")


def routes(number: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return routes of one name. Each has sinks of its own, or two would tell one of the same alert."""
    name = f"r{number}"
    sinks = st.lists(st.sampled_from([f"{name}.{sink}" for sink in "abc"]), max_size=2, unique=True)
    more = st.fixed_dictionaries(
        {"name": st.just(name), "sinks": sinks, "continue": st.booleans()},
        optional={
            "group_wait_s": st.sampled_from([10, 60]),
            "group_by": st.just(["team"]),
            "match": st.sampled_from([["name=~[01]"], ["name=~[12]"]]),
            "flap": st.sampled_from(
                [{"changes": changes, "within_s": 90, "calm_s": 40} for changes in (2, 4)]
            ),
            "quiet": st.just(
                [{"from": "00:00", "to": "23:00", "time_zone": "UTC", "except_severity": ["critical"]}]
            ),
            "pages_per_week": st.integers(1, 3),
        },
    )
    return more.map(lambda route: _possible(route, f"{name}.d"))


def _possible(route: dict[str, Any], demote_to: str) -> dict[str, Any]:
    if "group_wait_s" not in route:
        route = {key: value for key, value in route.items() if key != "group_by"}
    if not route["sinks"]:
        return {key: value for key, value in route.items() if key != "pages_per_week"}
    return {**route, "demote_to": demote_to} if "pages_per_week" in route else route


SETS = st.tuples(routes(0), routes(1), routes(2)).flatmap(
    lambda made: st.integers(1, 3).map(lambda count: list(made[:count]))
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ALERTS),
        st.sampled_from([0.0, 1.0, 5.0, 20.0, 70.0, 30_000.0]),
        st.sampled_from(["tell", "tell", "tell", "tell", "load", "silence"]),
        st.integers(0, 2),
        st.sampled_from(["critical", "warning"]),
    ),
    max_size=40,
)


def holds_to_the_end(sets: list[list[dict[str, Any]]], steps: Any) -> None:
    routed, heard, firing = Routed(*sets[0]), Heard(), set[str]()

    def change(alert: str, severity: str) -> tuple[Planned, ...]:
        firing.symmetric_difference_update(alert)
        said = message(
            alert, "firing" if alert in firing else "resolved", severity=severity, team=str(alert > "1")
        )
        return routed.router.plan(said, routed.state, routed.now_s)

    for number, (alert, pause_s, what, which, severity) in enumerate(steps):
        heard.hear(routed.wake(pause_s))
        if what == "load":
            routed.use(*sets[which % len(sets)])
        if what == "silence":
            until_s = routed.now_s + 15 * (which + 1)
            labels = (f"name={alert}",)
            made = Silence(
                id=str(number), matchers=labels, made_s=routed.now_s, until_s=until_s, who="w", why="y"
            )
            add(made, routed.state)
        heard.hear(change(alert, severity))
    for alert in sorted(firing):
        heard.hear(change(alert, "warning"))
    for _ in range(12):
        heard.hear(routed.wake(40_000))
    assert not heard.firing
    assert set(heard.last.values()) <= {"resolved"}
    for kind in ("heard", "fires", "within", "open", "member"):
        assert not routed.state.kinds(kind), f"{kind} is remembered though all has ended"


@given(st.lists(SETS, min_size=1, max_size=3), STEPS)
def test_whatever_happens_ends_reach_exactly_those_who_heard_the_beginning(sets, steps):
    """Through budgets, reloads, flapping, quiet hours and silences."""
    holds_to_the_end(sets, steps)


@pytest.mark.slow
@settings(max_examples=4_000)
@given(st.lists(SETS, min_size=1, max_size=3), STEPS)
def test_whatever_happens_in_thousands_of_histories_ends_reach_exactly_those_who_heard(sets, steps):
    """The same, for longer."""
    holds_to_the_end(sets, steps)
