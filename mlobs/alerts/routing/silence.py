"""Silences: for a while nobody is told that alerts with some labels begin.

Pure: what is remembered is an argument. An alert that begins under a silence is kept; if it still fires
when no silence fits it any more, it is told then, and if it ended before, nobody hears of it. Whoever was
told of a beginning before is told of its end all the same.

    silence, all, ID     a silence that holds, due when it ends
    silenced, all, ID    one that has ended, for the list; due when it is forgotten
    hushed, ALERT        what waits to be told
    hushing, ID, ALERT   that it waits for this silence; due when the silence ends
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlobs.alerts.message import iso
from mlobs.alerts.routing.matchers import Matcher, labels_of, matcher
from mlobs.alerts.routing.plans import Told, alert_mark
from mlobs.alerts.routing.state import Row, State

HOLDS, ENDED, ALL = "silence", "silenced", "all"
HUSHED, HUSHING = "hushed", "hushing"
LISTED_S = 30 * 86_400.0  # How long one that has ended is listed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A time during which nobody is told of some alerts.

    Args:
        id: Of the silence.
        matchers: Conditions on labels, all of which have to hold.
        made_s: Since when.
        until_s: Until when.
        who: Made it.
        why: It was made.
        ended_by: Who ended it early, or "".
    """

    id: str
    matchers: tuple[str, ...]
    made_s: float
    until_s: float
    who: str
    why: str
    ended_by: str = ""

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert with these labels is silenced."""
        return all(one.holds(labels) for one in self.conditions)

    @property
    def conditions(self) -> list[Matcher]:
        """Return the conditions."""
        return [matcher(text) for text in self.matchers]

    @property
    def row(self) -> Row:
        """Return it as it is remembered."""
        return asdict(self)

    @property
    def told(self) -> str:
        """Return it as a receipt says it."""
        return f"silenced by {self.who} until {iso(self.until_s)}: {self.why} ({self.id})"


def silence_of(row: Mapping[str, Any]) -> Silence:
    """Return a silence that was remembered."""
    return Silence(**{**row, "matchers": tuple(row["matchers"])})


def add(silence: Silence, state: State) -> None:
    """Let a silence hold from now on."""
    state.put(HOLDS, ALL, silence.id, silence.row, due_s=silence.until_s)


def end(silence: Silence, state: State, now_s: float) -> None:
    """Take a silence for one that is over; what waits for it is due now."""
    state.drop(HOLDS, ALL, silence.id)
    state.put(ENDED, ALL, silence.id, silence.row, due_s=now_s + LISTED_S)
    for row in state.rows(HUSHING, silence.id):
        state.put(HUSHING, silence.id, row["mark"], row, due_s=now_s)


def fitting(message: Mapping[str, object], state: State, now_s: float) -> Silence | None:
    """Return the silence that fits a message and lasts longest, or None."""
    rows = state.rows(HOLDS, ALL)
    if not rows:
        return None
    labels = labels_of(message)
    found = [one for one in map(silence_of, rows) if one.until_s > now_s and one.fits(labels)]
    return max(found, key=lambda one: one.until_s, default=None)


def hush(message: Told, state: State, now_s: float) -> str:
    """Keep a message about a beginning if a silence fits; return why it is not told, or ""."""
    silence = fitting(message, state, now_s)
    if silence is None:
        return ""
    mark = alert_mark(message)
    state.put(HUSHED, mark, "", message)
    state.put(HUSHING, silence.id, mark, {"mark": mark}, due_s=silence.until_s)
    return silence.told


def forget(message: Told, state: State) -> None:
    """Do not tell what waits of an alert, for it has ended."""
    state.drop(HUSHED, alert_mark(message), "")


def waiting(row: Row, state: State) -> Told | None:
    """Return what has waited for a silence that is over, if the alert still fires."""
    message = state.get(HUSHED, row["mark"])
    state.drop(HUSHED, row["mark"], "")
    return message
