"""Who was told that an alert of a group fires: they hear of its end, and nobody else.

Pure: what is remembered is an argument.

    heard, GROUP, ALERT       the sinks that were told that it fires, and not yet that it ended
    fires, GROUP/SINK, ALERT  one of them was told, and it fires still
    within, ALERT, GROUP      that it is in a group, for when the group's route is gone
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlobs.alerts.routing.notices import gathered
from mlobs.alerts.routing.plans import Told, alert_mark
from mlobs.alerts.routing.state import Row, State

FORGOTTEN_S = 90 * 86_400.0  # An alert whose end nobody ever sent is forgotten.


def sinks_of(group: str, mark: str, state: State) -> list[str] | None:
    """Return who heard that an alert of a group fires; None if it is not in the group, or no more."""
    row = state.get("heard", group, mark)
    return None if row is None else list(row["sinks"])


def enter(row: Row, mark: str, state: State, now_s: float) -> None:
    """Remember that an alert of a group fires, whoever heard of it.

    Args:
        row: The group: its route, the labels it was gathered by, its fingerprint.
        mark: Which alert.
        state: What is remembered; changed.
        now_s: Seconds since 1970.
    """
    group = row["group"]
    _remember(group, mark, sinks_of(group, mark, state) or [], state, now_s)
    state.put("within", mark, group, row, due_s=now_s + FORGOTTEN_S)


def end(group: str, mark: str, state: State) -> bool:
    """Remember that an alert fires no more; return whether anybody is to hear of it."""
    sinks = sinks_of(group, mark, state)
    for sink in sinks or ():
        state.drop("fires", f"{group}/{sink}", mark)
    if not sinks:
        leave(group, mark, state)
    return bool(sinks)


def leave(group: str, mark: str, state: State) -> None:
    """Forget an alert of a group: everybody who heard of it has heard of its end."""
    for sink in sinks_of(group, mark, state) or ():
        state.drop("fires", f"{group}/{sink}", mark)
    state.drop("heard", group, mark)
    state.drop("within", mark, group)


def told(
    row: Mapping[str, Any],
    state: State,
    now_s: float,
    *,
    begun: Sequence[Told] = (),
    sinks: Iterable[str] = (),
    ended: Iterable[Told] = (),
) -> dict[str, Told]:
    """Return what each sink is told of a group, and remember that it was.

    Args:
        row: The group.
        state: What is remembered; changed.
        now_s: Seconds since 1970.
        begun: Alerts that fire.
        sinks: Who is told of those.
        ended: Alerts that ended. Whoever heard of one that it fires is told.
    """
    group = row["group"]
    lists = {sink: list(begun) for sink in sinks} if begun else {}
    for member in begun:
        mark = alert_mark(member)
        heard = (*(sinks_of(group, mark, state) or ()), *lists)
        _remember(group, mark, list(dict.fromkeys(heard)), state, now_s)
    for member in ended:
        mark = alert_mark(member)
        for sink in sinks_of(group, mark, state) or ():
            lists.setdefault(sink, []).append(member)
        leave(group, mark, state)
    return {
        sink: gathered(members, by=row["by"], group=group, firing=state.count("fires", f"{group}/{sink}"))
        for sink, members in lists.items()
    }


def _remember(group: str, mark: str, sinks: list[str], state: State, now_s: float) -> None:
    state.put("heard", group, mark, {"sinks": sinks}, due_s=now_s + FORGOTTEN_S)
    for sink in sinks:
        state.put("fires", f"{group}/{sink}", mark, {}, due_s=now_s + FORGOTTEN_S)
