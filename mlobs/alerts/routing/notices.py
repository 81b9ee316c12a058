"""Messages that routing makes itself: a group's, and the notices of flapping, calm and a spent budget."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from mlobs.alerts.message import VERSION, iso
from mlobs.alerts.routing.config import Flap, Route

GRAVEST_FIRST = ("critical", "error", "warning", "info", "")
LISTED_MAX = 100  # A message lists so many of its alerts; `count` says how many there are in all.
NAMED_MAX = 3
TAKEN_FROM_FIRST = (
    "rule", "severity", "component", "runbook_url", "trace_url", "trace_ids", "server_url", "top", "links",
)  # fmt: skip
EMPTY: dict[str, Any] = {
    "version": VERSION,
    "component": "",
    "description": "",
    "labels": {},
    "value": None,
    "value_text": None,
    "peak": None,
    "resolved": None,
    "end": None,
    "links": {},
    "top": None,
    "runbook_url": None,
    "trace_url": None,
    "trace_ids": [],
    "server_url": None,
}


def gathered(
    members: Sequence[Mapping[str, Any]], *, by: Mapping[str, str], group: str, firing: int
) -> dict[str, Any]:
    """Return one message about several alerts; of one alone, the alert's own with the group's name.

    Args:
        members: The latest change of each alert; at least one.
        by: The labels they were gathered by.
        group: The group's fingerprint.
        firing: How many of the group fire now, told before or not.
    """
    ordered = sorted(members, key=lambda one: (one["status"] != "firing", _gravity(one)))
    first = ordered[0]
    status = "firing" if firing else "resolved"
    common = {
        "fingerprint": group,
        "status": status,
        "group": dict(by),
        "firing": firing,
        "count": len(members),
        "alerts": [dict(one) for one in ordered],
    }
    if len(members) == 1 and first["status"] == status:
        return {**first, **common}
    title = _title(ordered)
    sources = {one["source"] for one in members}
    starts = [one["started"] for one in members]
    ends = [one["resolved"] for one in members if one["resolved"]]
    labels = [set(one["labels"].items()) for one in members]
    return {
        **EMPTY,
        **{name: first[name] for name in TAKEN_FROM_FIRST},
        "source": first["source"] if len(sources) == 1 else "mlobs",
        "title": title,
        "summary": title,
        "labels": dict(sorted(set.intersection(*labels))),
        "since": min(starts),
        "started": min(starts),
        "resolved": max(ends) if status == "resolved" and ends else None,
        "truncated": max(one.get("truncated", 0) for one in members),
        **common,
    }


def parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a message as several, so that each lists at most `LISTED_MAX` alerts and none is left out."""
    alerts = message.get("alerts", ())
    starts = range(0, len(alerts), LISTED_MAX)
    if len(starts) < 2:
        return [dict(message)]
    return [
        {**message, "alerts": alerts[start : start + LISTED_MAX], "part": number, "parts": len(starts)}
        for number, start in enumerate(starts, 1)
    ]


def cut(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message that lists at most `LISTED_MAX` of its alerts."""
    if len(message.get("alerts", ())) <= LISTED_MAX:
        return dict(message)
    return {**message, "alerts": message["alerts"][:LISTED_MAX]}


def _title(members: Sequence[Mapping[str, Any]]) -> str:
    """Return one line about several alerts.

    >>> _title([{"rule": "A", "status": "firing"}, {"rule": "B", "status": "resolved"}])
    '2 alerts, 1 began to fire and 1 ended: A, B'
    """
    fire = sum(one["status"] == "firing" for one in members)
    over = len(members) - fire
    what = [text for count, text in ((fire, f"{fire} began to fire"), (over, f"{over} ended")) if count]
    rules = list(dict.fromkeys(one["rule"] for one in members))
    more = f" and {len(rules) - NAMED_MAX} more" if len(rules) > NAMED_MAX else ""
    alerts = "1 alert" if len(members) == 1 else f"{len(members)} alerts"
    return f"{alerts}, {' and '.join(what)}: {', '.join(rules[:NAMED_MAX])}{more}"


def flapping_notice(message: Mapping[str, Any], flap: Flap) -> dict[str, Any]:
    """Return the message with the word that no more come until it is calm."""
    said = (
        f"It changed {flap.changes} times within {flap.within_s:g} s. Further changes are not told until "
        f"there was none for {flap.calm_s:g} s."
    )
    return {
        **message,
        "notice": "flapping",
        "title": f"Flapping: {message['title']}",
        "description": f"{said}\n{message['description']}".rstrip(),
    }


def calm_notice(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the latest message of an alert that flapped, once it is calm."""
    return {**message, "notice": "calm", "title": f"Calm again: {message['title']}"}


def budget_notice(route: Route, *, again_s: float, now_s: float) -> dict[str, Any]:
    """Return the message that a route's pages of this week are spent."""
    said = (
        f"{route.pages_per_week} pages in seven days: the route {route.name} has spent its budget. "
        f"Until {iso(again_s)}, further alerts go to {route.demote_to}."
    )
    return {
        **EMPTY,
        "source": "mlobs",
        "notice": "budget",
        "status": "firing",
        "rule": "PageBudgetSpent",
        "severity": "info",
        "title": f"The page budget of {route.name} is spent",
        "summary": said,
        "description": "Look at which alert pages most, and mend it or its threshold.",
        "labels": {"route": route.name},
        "since": iso(now_s),
        "started": iso(now_s),
        "fingerprint": sha256(f"budget:{route.name}".encode()).hexdigest()[:16],
    }


def budget_again(notice: Mapping[str, Any], *, now_s: float) -> dict[str, Any]:
    """Return what ends the notice of a spent budget."""
    route = notice["labels"]["route"]
    said = f"The page budget of {route} has room again"
    return {
        **notice,
        "status": "resolved",
        "title": said,
        "summary": f"{said}: alerts go where the route sends them.",
        "resolved": iso(now_s),
    }


def _gravity(message: Mapping[str, Any]) -> int:
    severity = message["severity"]
    return GRAVEST_FIRST.index(severity) if severity in GRAVEST_FIRST else len(GRAVEST_FIRST)
