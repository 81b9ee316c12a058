"""Lays a message out as an event for PagerDuty's Events API, version 2.

The fingerprint is the key under which PagerDuty keeps an incident, so firing, its repeats and
resolved are one.
"""

from typing import Any

from mlobs.alerts.sinks.escaping import cut
from mlobs.alerts.sinks.template import fill
from mlobs.alerts.sinks.told import Told

SUMMARY_CHARACTERS_MAX = 1024
KEY_CHARACTERS_MAX = 255
SEVERITIES = {"critical": "critical", "error": "error", "warning": "warning", "info": "info"}


def for_pagerduty(
    told: Told, *, routing_key: str, title: str | None = None, text: str | None = None
) -> dict[str, Any]:
    """Return what PagerDuty is sent.

    Args:
        told: The message.
        routing_key: Says whose service is told.
        title: A template instead of the message's title.
        text: A template instead of the description.
    """
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if told.resolved else "trigger",
        "dedup_key": cut(told.field("fingerprint"), KEY_CHARACTERS_MAX),
        "payload": {
            "summary": cut(told.title if title is None else fill(title, told), SUMMARY_CHARACTERS_MAX),
            "source": told.labels.get("service_name") or told.field("server_url") or "mlobs",
            "severity": SEVERITIES.get(told.field("severity"), "warning"),
            "class": told.field("rule"),
            "custom_details": {
                **told.facts,
                "description": told.text if text is None else fill(text, told),
                "fingerprint": told.mark,
                "delivery": told.delivery,
                **({"alerts": [*told.alerts], "more alerts": told.more} if told.alerts else {}),
            },
        },
        "links": [{"href": url, "text": name} for name, url in told.links.items()],
        "client": "mlobs",
    }
    if told.field("component"):
        event["payload"]["component"] = told.field("component")
    if told.field("started"):
        event["payload"]["timestamp"] = told.field("started")
    if "alerts" in told.links:
        event["client_url"] = told.links["alerts"]
    return event
