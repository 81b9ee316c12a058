"""Decides who is told of a message, when, and who is spared.

Pure: what is remembered is an argument. A message goes through a route in three steps: damping
(an alert that flaps is told once, then when it is calm), gathering (alerts of a group wait for
each other, and for the end of quiet hours), and spending (a page is taken from the week's budget,
or goes where the route demotes to). Whoever is not told has a receipt that says why.

An end goes to those who were told of the beginning, whatever the budget and the routes are by then,
and to nobody else, and costs nothing; of a group each alert counts by itself, so two sinks may be told
of different ends. What ended before anybody was told of it, such as while it waited for its group, is
told to nobody, with a receipt.

What is open is remembered by alert (or group) and route, so that routes can be changed meanwhile:
what waits for a route that is gone takes those that are there, and what a former route told is
ended where it was told.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlobs.alerts.routing import heard, newcomers, spending
from mlobs.alerts.routing.config import Route, named
from mlobs.alerts.routing.matchers import labels_of
from mlobs.alerts.routing.notices import (
    budget_again,
    calm_notice,
    cut,
    flapping_notice,
    parts,
)
from mlobs.alerts.routing.plans import Planned, Told, alert_mark, pages, receipt
from mlobs.alerts.routing.quiet import quiet_until
from mlobs.alerts.routing.silence import ENDED, HOLDS, HUSHING, LISTED_S, forget, hush, waiting
from mlobs.alerts.routing.state import State
from mlobs.alerts.routing.waiting_ends import BY_HAND, overtaken


class Router:
    """The routes.

    Args:
        routes: In order.
        machines: Sinks that read every alert of a list; theirs comes in parts, others' is cut.

    Raises:
        ValueError: Two have the same name.
    """

    def __init__(self, routes: Sequence[Route], machines: Collection[str] = ()) -> None:
        self.routes = {route.name: route for route in named(tuple(routes))}
        self._machines = frozenset(machines)

    def matching(self, message: Mapping[str, object]) -> list[Route]:
        """Return the routes that a message takes."""
        labels, found = labels_of(message), []
        for route in self.routes.values():
            if all(condition.holds(labels) for condition in route.match):
                found.append(route)
                if not route.goes_on:
                    break
        return found

    def plan(self, message: Told, state: State, now_s: float) -> tuple[Planned, ...]:
        """Return what becomes of a message now; what waits for its group comes with a later `wake`.

        Args:
            message: One change of an alert's state.
            state: What is remembered; changed.
            now_s: Seconds since 1970.
        """
        ended = overtaken(message, state)
        before = [] if ended is None else self._planned(ended, state, now_s)
        return self._fitted([*before, *self._planned(message, state, now_s)])

    def wake(self, state: State, now_s: float) -> list[tuple[Planned, ...]]:
        """Return what has become due: groups that waited, what is calm, budgets, silences, ends by hand.

        Args:
            state: What is remembered; changed.
            now_s: Seconds since 1970.
        """
        planned = []
        for kind, of, key, row in state.due(now_s):
            if state.get(kind, of, key) != row:
                continue  # What became due before it has changed it; it has a time of its own again.
            state.drop(kind, of, key)
            route = self.routes.get(row.get("route", ""))
            if kind == "group":
                planned.append(self._flush(route, of, row, state, now_s))
            elif kind == "flap" and row["held"] and row["last"] and row["last"]["status"] != row["told"]:
                planned.append(self._calm(route, calm_notice(row["last"]), state, now_s))
            elif kind == HOLDS:
                state.put(ENDED, of, key, row, due_s=now_s + LISTED_S)
            elif kind == HUSHING and (kept := waiting(row, state)) is not None:
                planned.append(self._planned(kept, state, now_s))
            elif kind == BY_HAND:
                planned.append(self._planned(row, state, now_s))
            elif kind == "spent":
                quiet_s = quiet_until(route.quiet, row["notice"]["severity"], now_s) if route else None
                again = budget_again(row["notice"], now_s=now_s)
                planned.append(pages(row["sinks"], again, now_s if quiet_s is None else quiet_s))
        return [self._fitted(one) for one in planned if one]

    def welcome(
        self, messages: Iterable[Told], marks: Collection[str], state: State, now_s: float
    ) -> list[tuple[Planned, ...]]:
        """Return what sinks are told that are new to alerts which fire, as `newcomers` says.

        Args:
            messages: One about each alert that fires now and is not about to end.
            marks: The alerts that fire.
            state: What is remembered; changed.
            now_s: Seconds since 1970.
        """
        planned = newcomers.welcome(self.matching, messages, marks, state, now_s)
        return [self._fitted(one) for one in planned if one]

    def _fitted(self, planned: Iterable[Planned]) -> tuple[Planned, ...]:
        """Return what is planned with lists that are as long as they may be."""
        return tuple(
            replace(one, message=message)
            for one in planned
            for message in (
                parts(one.message)
                if one.kind == "page" and one.sink in self._machines
                else [cut(one.message)]
            )
        )

    def _planned(self, message: Told, state: State, now_s: float) -> list[Planned]:
        if message["status"] == "resolved":
            forget(message, state)
            newcomers.forget(message, state)
        elif why := hush(message, state, now_s):
            return self._spared(message, why, now_s)
        routes = self.matching(message)
        _undamp(routes, message, state)
        planned = [one for route in routes for one in self._through(route, message, state, now_s)]
        if message["status"] == "resolved":
            planned += _of_former_routes(routes, message, state, now_s)
        if not planned and not routes:
            return [receipt("", "muted", "no route fits its labels", message, now_s)]
        return planned

    def _spared(self, message: Told, why: str, now_s: float) -> list[Planned]:
        """Return receipts for those who would have been told."""
        sinks = [sink for route in self.matching(message) for sink in route.sinks]
        return [receipt(sink, "muted", why, message, now_s) for sink in dict.fromkeys(sinks or [""])]

    def _through(self, route: Route, message: Told, state: State, now_s: float) -> list[Planned]:
        if not route.sinks:
            why = f"the route {route.name} tells nobody"
            return [receipt("", "muted", why, message, now_s)]
        if route.flap is not None:
            told = _damp(route, message, state, now_s)
            if told is None:
                why = f"it flaps; told again after {route.flap.calm_s:g} s without a change"
                return [receipt(sink, "muted", why, message, now_s) for sink in route.sinks]
            message = told
        return self._gather(route, message, state, now_s)

    def _gather(self, route: Route, message: Told, state: State, now_s: float) -> list[Planned]:
        quiet_s = quiet_until(route.quiet, str(message["severity"]), now_s)
        if not route.group_wait_s:
            return spending.alone(route, message, state, now_s, now_s if quiet_s is None else quiet_s)
        by, group = spending.group_of(route, message)
        mark = alert_mark(message)
        # Held and not held are told apart, or a critical alert would wait for the morning with the rest.
        held, other = (group, f"{group}/quiet") if quiet_s is None else (f"{group}/quiet", group)
        if route.quiet:  # Else nothing was ever held.
            state.drop("member", other, mark)
        row = {"route": route.name, "by": by, "group": group}
        if message["status"] == "firing":
            heard.enter(row, mark, state, now_s)
        elif not heard.end(group, mark, state):
            state.drop("member", held, mark)
            return [receipt(sink, "muted", spending.UNHEARD, message, now_s) for sink in route.sinks]
        state.put("member", held, mark, message)
        if state.get("group", held) is None:
            due_s = max(now_s + route.group_wait_s, quiet_s or 0.0)
            # The end of quiet hours is a time of the calendar's, whatever a clock said when they began.
            state.put("group", held, "", row, due_s=due_s, since_s=now_s if quiet_s is None else None)
        return []

    def _calm(self, route: Route | None, calm: Told, state: State, now_s: float) -> list[Planned]:
        if route is None:
            return self._planned(calm, state, now_s)
        if calm["status"] == "firing" and (why := hush(calm, state, now_s)):
            return self._spared(calm, why, now_s)
        planned = self._gather(route, calm, state, now_s)
        if calm["status"] == "resolved":
            planned += _of_former_routes(self.matching(calm), calm, state, now_s)
        return planned

    def _flush(
        self, route: Route | None, held: str, row: Mapping[str, Any], state: State, now_s: float
    ) -> list[Planned]:
        members = state.rows("member", held)
        state.drop("member", held)
        group = row["group"]
        if route is None or not route.sinks:
            return self._leave(members, row, state, now_s)
        begun: list[Told] = []
        spared: list[Planned] = []
        for member in members:
            mark = alert_mark(member)
            sinks = heard.sinks_of(group, mark, state)
            if member["status"] != "firing" or sinks is None:  # It ended since, under other routes.
                continue
            if why := hush(member, state, now_s):  # The silence is younger than the alert.
                spared += self._spared(member, why, now_s)
                if not sinks:
                    heard.leave(group, mark, state)
                continue
            begun.append(member)
        ended = [member for member in members if member["status"] == "resolved"]
        return [*spending.together(route, row, begun, ended, state, now_s), *spared]

    def _leave(
        self, members: Sequence[Told], row: Mapping[str, Any], state: State, now_s: float
    ) -> list[Planned]:
        """Return what becomes of a group whose route was taken out of the file.

        Routes that are there are asked about what was not told yet; what was is ended where it was.
        """
        group, planned = row["group"], []
        for member in members:
            mark = alert_mark(member)
            if member["status"] == "firing" and heard.sinks_of(group, mark, state) == []:
                heard.leave(group, mark, state)
                planned += self._planned(member, state, now_s)
        ended = [member for member in members if member["status"] == "resolved"]
        return [*planned, *spending.tell_ends(ended, row, state, now_s)]


def _of_former_routes(routes: Sequence[Route], message: Told, state: State, now_s: float) -> list[Planned]:
    """Return the ends for those who were told of the beginning by routes that no longer take the alert."""
    mark = alert_mark(message)
    telling = [route for route in routes if route.sinks]
    alone = {route.name for route in telling if not route.group_wait_s}
    groups = {spending.group_of(route, message)[1] for route in telling if route.group_wait_s}
    planned = []
    for row in state.rows("open", mark):
        if row["route"] not in alone:
            state.drop("open", mark, row["route"])
            planned += pages(row["sinks"], message, now_s, f"the route {row['route']} told of its beginning")
    for row in state.rows("within", mark):
        group = row["group"]
        if group in groups:
            continue
        for held in (group, f"{group}/quiet"):
            state.drop("member", held, mark)
        planned += spending.tell_ends([message], row, state, now_s)
    return planned


def _undamp(routes: Sequence[Route], message: Told, state: State) -> None:
    """Forget that an alert flapped for routes that no longer take it: others have told what came since."""
    mark = alert_mark(message)
    damping = {route.name for route in routes if route.flap is not None and route.sinks}
    for row in state.rows("flap", mark):
        if row["route"] not in damping:
            state.drop("flap", mark, row["route"])


def _damp(route: Route, message: Told, state: State, now_s: float) -> Told | None:
    """Return what is told of a change, or None while the alert flaps."""
    flap, mark = route.flap, alert_mark(message)
    assert flap is not None
    row = state.get("flap", mark, route.name) or {
        "route": route.name,
        "times": [],
        "held": False,
        "told": "",
        "last": None,
    }
    if row["held"]:
        row["last"] = message
        state.put("flap", mark, route.name, row, due_s=now_s + flap.calm_s, since_s=now_s)
        return None
    times = spending.lately(row["times"], flap.within_s, now_s)
    row["times"] = [*times, now_s][-flap.changes :]
    if len(row["times"]) < flap.changes:
        state.put("flap", mark, route.name, row, due_s=now_s + flap.within_s, since_s=now_s)
        return message
    row |= {"held": True, "told": message["status"], "times": []}
    state.put("flap", mark, route.name, row, due_s=now_s + flap.calm_s, since_s=now_s)
    return flapping_notice(message, flap)
