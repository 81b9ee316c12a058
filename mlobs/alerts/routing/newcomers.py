"""Sinks that were not there when an alert began, and are told of it once if it still fires.

The first thing anybody does who sees an alert on a page is to add a sink. So when sinks or routes change, who
is new is remembered for each alert that fires at that moment; what is told is what holds when they are told.
A silence and quiet hours put it off, a spent budget demotes it, and the end of the alert calls it off.

Pure: what is remembered is an argument.

    there, all         the sinks that are configured
    late, all, ALERT   the sinks that are new to an alert
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from mlobs.alerts.routing import heard, spending
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.plans import Planned, Told, alert_mark
from mlobs.alerts.routing.quiet import quiet_until
from mlobs.alerts.routing.silence import HUSHED, fitting
from mlobs.alerts.routing.state import Row, State

THERE, LATE, ALL = "there", "late", "all"


def came(sinks: Iterable[str], former: Collection[str], state: State) -> set[str]:
    """Return which sinks were not there before, and remember those that are.

    Args:
        sinks: Those that are configured now.
        former: Those that an older release told, which remembered none.
        state: What is remembered; changed.
    """
    now = set(sinks)
    remembered = state.get(THERE, ALL)
    before = set(former) if remembered is None else set(remembered["sinks"])
    if remembered is None or before != now:
        state.put(THERE, ALL, "", {"sinks": sorted(now)})
    return now - before


def expect(sinks: Iterable[str], marks: Iterable[str], state: State) -> None:
    """Remember that sinks are new to alerts that fire."""
    new = sorted(sinks)
    for mark in marks:
        known = state.get(LATE, ALL, mark)
        row = {"mark": mark, "sinks": sorted({*new, *(known["sinks"] if known else ())})}
        state.put(LATE, ALL, mark, row)


def forget(message: Told, state: State) -> None:
    """Remember no longer who is new to an alert, for it has ended."""
    state.drop(LATE, ALL, alert_mark(message))


def welcome(
    fits: Callable[[Told], list[Route]],
    messages: Iterable[Told],
    marks: Collection[str],
    state: State,
    now_s: float,
) -> list[list[Planned]]:
    """Return what sinks are told that are new to alerts; what must wait is remembered still.

    Args:
        fits: Returns the routes that a message takes.
        messages: One about each alert that fires now and is not about to end.
        marks: The alerts that fire.
        state: What is remembered; changed.
        now_s: Seconds since 1970.
    """
    firing = {alert_mark(one): one for one in messages}
    planned: list[list[Planned]] = []
    groups: dict[tuple[str, str, tuple[str, ...]], tuple[Route, Row, list[Told]]] = {}
    for row in state.rows(LATE, ALL):
        mark = row["mark"]
        message = firing.get(mark)
        if mark not in marks or state.get(HUSHED, mark) is not None:  # It is told when its silence is over.
            state.drop(LATE, ALL, mark)
            continue
        if message is None or fitting(message, state, now_s) is not None:
            continue
        waits = False
        for route in fits(message):
            sinks = _untold(route, message, row["sinks"], state)
            if sinks and quiet_until(route.quiet, str(message["severity"]), now_s) is not None:
                waits = True
            elif sinks and route.group_wait_s:
                by, group = spending.group_of(route, message)
                told: Row = {"route": route.name, "by": by, "group": group}
                kept = groups.setdefault((route.name, group, sinks), (_only(route, sinks), told, []))
                kept[2].append(message)
            elif sinks:
                planned.append(spending.alone(_only(route, sinks), message, state, now_s, now_s))
        if not waits:
            state.drop(LATE, ALL, mark)
    return [*planned, *_gathered(groups.values(), state, now_s)]


def _gathered(
    groups: Iterable[tuple[Route, Row, Sequence[Told]]], state: State, now_s: float
) -> list[list[Planned]]:
    planned = []
    for route, row, members in groups:
        for member in members:
            heard.enter(row, alert_mark(member), state, now_s)
        planned.append(spending.together(route, row, members, (), state, now_s))
    return planned


def _only(route: Route, sinks: tuple[str, ...]) -> Route:
    return route.model_copy(update={"sinks": sinks})


def _untold(route: Route, message: Told, new: Collection[str], state: State) -> tuple[str, ...]:
    """Return the sinks of a route that are new to an alert, and will not hear of it otherwise."""
    mark = alert_mark(message)
    if route.group_wait_s:
        group = spending.group_of(route, message)[1]
        if any(state.get("member", held, mark) is not None for held in (group, f"{group}/quiet")):
            return ()  # It waits for its group, and all sinks of the route are told.
        told = heard.sinks_of(group, mark, state) or []
    else:
        opened = state.get("open", mark, route.name)
        told = [] if opened is None else opened["sinks"]
    if route.demote_to in told:  # Over the budget: the route's own sinks are spared it.
        return ()
    return tuple(sink for sink in route.sinks if sink in new and sink not in told)
