"""Shapes alerts for their pages: data in, data out. Strangers said what is shown; templates escape it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from mlobs.semconv import metrics as m
from mlobs.server.pages import charts
from mlobs.server.pages.amounts import NONE, count, duration, money, ratio, size
from mlobs.server.pages.charts import Axis, Series
from mlobs.server.pages.links import address

Row = Mapping[str, Any]
PATH = "/alerts"
OWN = "mlobs"
# Of these the value is 1 while they hold, which says nothing.
CONDITIONS = {"silence": "silent", "drift": "moved"}
ALARMS = (m.DRIFT_ALARM.name, m.DRIFT_FLEET_ALARM.name)
MARKS = {"critical": "bad", "page": "bad", "error": "bad", "warning": "warn"}
LABELS_SHOWN = 6
LENGTHS = {
    "30m": "30 minutes",
    "2h": "2 hours",
    "8h": "8 hours",
    "1d": "a day",
    "3d": "3 days",
    "1w": "a week",
}
UNITS: dict[str, tuple[float, Callable[[float | None], str]]] = {
    "ratio": (1, ratio),
    "seconds": (1000, duration),
    "usd": (1, money),
    "bytes": (1, lambda value: size(round(value)) if value is not None else NONE),
    "number": (1, count),
}


def unit_of(rule: Row) -> str:
    """Return the unit of what a rule measures; where it only holds or not, what people call that.

    >>> unit_of({"unit": "number", "fires_when": "no call in 10m"}), unit_of({"unit": "usd"})
    ('silence', 'usd')
    """
    condition = str(rule.get("fires_when") or "")
    if condition.startswith("no "):
        return "silence"
    return "drift" if condition.startswith(ALARMS) else str(rule["unit"])


def rows(alerts: Sequence[Row], units: Mapping[str, str], now_ns: int) -> list[dict[str, Any]]:
    """Return rows of a table of alerts, or of what has fired.

    Args:
        alerts: As the other part of the server tells of them.
        units: Of the values, by rule.
        now_ns: For how long an alert has lasted that is not over.
    """
    return [row(one, units.get(one["rule"], "number"), now_ns) for one in alerts]


def row(alert: Row, unit: str, now_ns: int) -> dict[str, Any]:
    """Return an alert as tables and its own page show it."""
    fired, since = str(alert.get("started") or ""), str(alert.get("since") or "")
    began = fired or since
    rule = str(alert.get("rule") or "")
    ids = [one for one in reversed(alert.get("trace_ids") or []) if isinstance(one, str) and one.isalnum()]
    labels = {str(name): str(text) for name, text in dict(alert.get("labels") or {}).items() if text != ""}
    return {
        **alert,
        "address": where(str(alert["source"]), str(alert["fingerprint"])),
        "mark": MARKS.get(str(alert.get("severity")), ""),
        "severity": alert.get("severity") or "no severity",
        "summary": alert.get("summary") or rule or "an alert",
        "chips": list(labels.items())[:LABELS_SHOWN],
        "chips_left": max(0, len(labels) - LABELS_SHOWN),
        "told_value": CONDITIONS.get(unit) or measured(alert.get("value"), alert.get("value_text"), unit),
        "condition": unit in CONDITIONS,
        "held": alert.get("held"),
        **worst(alert.get("peak"), unit),
        "fired": fired,
        "began": began,
        "lasted_ms": lasted_ms(began, str(alert.get("resolved") or ""), now_ns),
        "trace_ids": ids,
        "runbook": f"/runbooks/{alert['page']}.md" if alert.get("page") else "",
        "runbook_url": _page(alert.get("runbook_url")),
        "since": alert.get("since"),
        "heard": alert.get("heard"),
        "why": _words(alert.get("end"), "text"),
        "most": most(alert.get("top")),
        "silence": alert.get("silence"),
        "taken": alert.get("taken"),
    }


def worst(peak: object, unit: str) -> dict[str, str]:
    """Return the worst that was measured of an alert and when, "" where nobody knows or nothing can be worse.

    >>> worst({"value": 0.5, "value_text": "50%", "at": "2026-05-01T11:30:00Z"}, "ratio")["worst"]
    '50 %'
    >>> worst(None, "ratio"), worst({"value": 1, "value_text": "1", "at": "now"}, "silence")["worst"]
    ({'worst': '', 'worst_at': ''}, '')
    """
    at = _words(peak, "at")
    if not isinstance(peak, Mapping) or not at or unit in CONDITIONS:
        return {"worst": "", "worst_at": ""}
    return {"worst": measured(peak.get("value"), peak.get("value_text"), unit), "worst_at": at}


def most(top: object) -> tuple[str, str] | None:
    """Return what contributes most to an alert, as a dimension and its value with a share, if that is known.

    >>> most({"dimension": "error.type", "value": "timeout", "share": 0.8}), most(None)
    (('error.type', 'timeout (80 %)'), None)
    """
    named = {part: _words(top, part) for part in ("dimension", "value")}
    if not named["dimension"]:
        return None
    share = top.get("share") if isinstance(top, Mapping) else None
    told = f" ({ratio(share)})" if isinstance(share, int | float) and 0 <= share <= 1 else ""
    return named["dimension"], f"{named['value']}{told}"


def where(source: str, fingerprint: str) -> str:
    """Return the address of an alert's page."""
    return f"{PATH}/{quote(source, safe='')}/{quote(fingerprint, safe='')}"


def value(measured: float | None, unit: str) -> str:
    """Return a measured value for people.

    >>> value(0.25, "ratio"), value(90, "seconds"), value(2, "usd")
    ('25 %', '1 min 30 s', '$2.00')
    """
    times, told = UNITS.get(unit, UNITS["number"])
    return told(None if measured is None else measured * times)


def measured(given: float | None, text: object, unit: str) -> str:
    """Return a value in the words it came with; shares as all pages write them, where it is known to be one.

    >>> measured(0.06897, "6.897%", "ratio"), measured(2e9, "1.863GiB", "bytes")
    ('6.9 %', '1.863GiB')
    """
    if isinstance(text, str) and text and (unit != "ratio" or given is None):
        return text
    return value(given, unit)


def lasted_ms(began: str, ended: str, now_ns: int) -> float | None:
    """Return how long something lasted, or has lasted until now; None if nobody knows when it began."""
    try:
        since = datetime.fromisoformat(began)
        until = datetime.fromisoformat(ended) if ended else datetime.fromtimestamp(now_ns / 1e9, UTC)
    except ValueError:
        return None
    return max(0.0, (until - since).total_seconds() * 1000)


def rules(now: Row) -> list[dict[str, Any]]:
    """Return the rules with what their alerts do: those that cannot be evaluated first, then what fires."""
    order = ("error", "firing", "pending")
    state_of = {
        one["rule"]: state for state in ("pending", "firing") for one in now[state] if one["source"] == OWN
    }
    shown = [
        {**one, "state": one["state"] if one["state"] == "error" else state_of.get(one["rule"], one["state"])}
        for one in now["rules"]
    ]
    places = {state: place for place, state in enumerate(order)}
    return sorted(shown, key=lambda one: (places.get(one["state"], len(order)), one["rule"]))


def matchers(alert: Row) -> str:
    """Return the conditions that fit just this alert, one a line, as a silence is proposed them."""
    pairs = {"alertname": str(alert["rule"]), **dict(alert.get("labels") or {})}
    lines = []
    for name, text in pairs.items():
        quoted = str(text).replace("\\", "\\\\").replace('"', '\\"')
        if str(text) and "\n" not in quoted:
            lines.append(f'{name}="{quoted}"')
    return "\n".join(lines)


def picture(found: Row, axis: Axis) -> Markup | None:
    """Return what the alert's rule measured over time with its limit; None if it cannot be drawn."""
    stretches, rule = found["values"], found["rule"]
    if stretches is None or rule is None:
        return None
    times, told = UNITS.get(rule["unit"], UNITS["number"])
    line = [None if one is None else one * times for one in steps(stretches, axis)]
    limit = rule["limit"] * times
    return charts.lines(
        "What the rule measures", axis, [Series("measured", line, "s1")], told=told, limit=limit
    )


def steps(stretches: Sequence[tuple[float, float, float | None]], axis: Axis) -> list[float | None]:
    """Return the largest value in each step of an axis; None where nothing was measured."""
    found: list[float | None] = [None] * len(axis.times_ns)
    step_s, first_s = axis.step_ns / 1e9, (axis.times_ns[0] / 1e9 if axis.times_ns else 0.0)
    for begin_s, end_s, measured in stretches:
        if measured is None:
            continue
        first = max(0, int((begin_s - first_s) // step_s))
        last = min(len(found) - 1, int(-(-(end_s - first_s) // step_s)) - 1)
        for place in range(first, last + 1):
            known = found[place]
            found[place] = measured if known is None else max(known, measured)
    return found


def tabs(chosen: str, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the parts of the page, each with its address and how much is in it."""
    names = {
        "now": "Now",
        "history": "History",
        "deliveries": "Deliveries",
        "silences": "Silences",
        "rules": "Rules",
    }
    return [
        {
            "name": name,
            "title": title,
            "address": address(PATH, view="" if name == "now" else name),
            "chosen": name == chosen,
            "count": counts.get(name),
        }
        for name, title in names.items()
    ]


def _words(given: object, name: str) -> str:
    """Return a text of what may be an object, or "" if it is none."""
    found = given.get(name) if isinstance(given, Mapping) else None
    return found if isinstance(found, str) else ""


def _page(url: object) -> str:
    """Return an address that may be a link, "" for anything else."""
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else ""
