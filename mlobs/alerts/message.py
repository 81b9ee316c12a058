"""What a sink is told about an alert: a JSON object, like one alert of Alertmanager's webhook.

version      "mlobs/1"; fields may be added under it, none removed or changed
source       who found it: "mlobs", "alertmanager", "grafana"; of another organisation of a
             Grafana, its number too, such as "grafana/7"
status       "firing" or "resolved"
rule         the rule's name; severity, component: as in the rule
title        what to show first; summary: one line; description: with numbers and the first thing to do
labels       whom it is about; values are at most 1024 characters
value        what was measured last, or null if it is not finite; value_text: the same for people, such
             as 57 ms, or null if whoever found it has no words for it
peak         the worst that was measured since the trouble began: {"value", "value_text", "at"}; null if a
             rule only holds or not, or nobody knows
since        when the trouble began, by estimate; started: when the alert began to fire;
             resolved: when it ended, or null. ISO 8601, UTC
end          why it ended: {"reason", "text", "value", "value_text"}, the value being what was measured
             then, or null; reasons are in `ends`. null while it fires
fingerprint  the same for every message about this rule and these labels
links        more addresses, by what they show: alert, the server's page about it, drift, that of the feature
             that moved, dashboard, and so on
top          what contributes most: {"dimension", "value", "share"}, or null; share is of the
             trouble the rule counts: failures, money, tokens, slow calls, drifting features. Where
             nothing within stands out it is the alert's own label, such as the feature; of an end, what it
             was when the alert began
runbook_url  what to do, or null where there is no such page
trace_url    an example, or null; trace_ids: up to 5 examples
server_url   who says so
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlobs.alerts.rules import Rule
from mlobs.alerts.states import Alert, Change
from mlobs.alerts.words import for_people, number

VERSION = "mlobs/1"
LABEL_CHARACTERS_MAX = 1024
TRACES_MAX = 5


def message(
    alert: Alert,
    rule: Rule,
    change: Change,
    *,
    now_s: float,
    server_url: str,
    runbook_url: str | None,
    links: Mapping[str, str] | None = None,
    top: Mapping[str, Any] | None = None,
    end: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the message about one change of an alert's state.

    Args:
        alert: The alert.
        rule: Its rule.
        change: What became of it.
        now_s: When.
        server_url: Who says so.
        runbook_url: Where its rule's runbook is, if there is one.
        links: More addresses, by what they show.
        top: What contributes most to it, as `contributions` says.
        end: Why it ended, as `ends` says.
    """
    found = alert.finding
    summary = for_people(rule, rule.summary, found.labels, found.told)
    trace_ids = examples(found.trace_ids)
    return {
        "version": VERSION,
        "source": "mlobs",
        "status": change,
        "rule": rule.name,
        "severity": rule.severity,
        "component": rule.component,
        "title": summary,
        "summary": summary,
        "description": for_people(rule, rule.description, found.labels, found.told),
        "labels": {
            **{name: text[:LABEL_CHARACTERS_MAX] for name, text in found.labels.items()},
            **rule.labels,
        },
        "value": finite(found.told),
        "value_text": number(found.told, rule.indicator.unit),
        "peak": peak(alert, rule),
        "since": iso(alert.active_s if found.since_s is None else found.since_s),
        "started": iso(alert.active_s if alert.firing_s is None else alert.firing_s),
        "resolved": iso(now_s) if change == "resolved" else None,
        "end": None if end is None else dict(end),
        "fingerprint": alert.fingerprint,
        "links": {"alert": f"{server_url}/alerts/mlobs/{alert.fingerprint}", **(links or {})},
        "top": None if top is None else dict(top),
        "runbook_url": runbook_url,
        "trace_url": f"{server_url}/traces/{trace_ids[0]}" if trace_ids else None,
        "trace_ids": trace_ids,
        "server_url": server_url,
    }


def peak(alert: Alert, rule: Rule) -> dict[str, Any] | None:
    """Return the worst that a rule has measured of an alert and when; None if it only holds or not."""
    if rule.above is None or alert.peak is None or alert.peak_s is None:
        return None
    return {
        "value": finite(alert.peak),
        "value_text": number(alert.peak, rule.indicator.unit),
        "at": iso(alert.peak_s),
    }


def held(alert: Alert, rule: Rule) -> dict[str, str] | None:
    """Return since when a rule no longer holds and until when its alert fires on; None while it holds."""
    if alert.clearing_s is None:
        return None
    return {"since": iso(alert.clearing_s), "until": iso(alert.clearing_s + rule.keep_firing_s)}


def examples(trace_ids: Sequence[str]) -> list[str]:
    """Return the traces to look at, of those that were found, the newest last: the newest first.

    >>> examples(["a1", "../x", "b2"])
    ['b2', 'a1']
    """
    return [one for one in reversed(trace_ids) if one.isalnum()][:TRACES_MAX]


def encode(body: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def finite(value: float) -> float | None:
    """Return `value`, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def iso(time_s: float) -> str:
    """Return a moment in ISO 8601, UTC.

    >>> iso(1_700_000_000.5)
    '2023-11-14T22:13:20.500Z'
    """
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
