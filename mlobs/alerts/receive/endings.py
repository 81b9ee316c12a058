"""Why an alert from elsewhere ended, as far as its sender says.

Pure. Alertmanager says that an alert ended and nothing else: also when nobody sends it any more. Grafana
measures once more, and says in an annotation if it could not. Another mlobs says what it says itself.
"""

from collections.abc import Mapping
from typing import Any

from mlobs.alerts.ends import UNJUDGED, Ended
from mlobs.alerts.receive.formats import ALERTMANAGER, GRAFANA, Event, number

CHARACTERS_MAX = 1000
STATE_REASON = "grafana_state_reason"
# What Grafana says of why it takes an alert for over, by how that begins.
OF_GRAFANA = {
    "MissingSeries": ("no_data", "the series it is about is gone"),
    "NoData": ("no_data", "no data come any more"),
    "Error": ("unknown", "its rule could not be evaluated"),
    "RuleDeleted": ("rule_gone", "its rule was deleted"),
    "Paused": ("rule_gone", "its rule was paused"),
    "Updated": ("rule_gone", "its rule was changed"),
}


def end_of(event: Event) -> dict[str, Any] | None:
    """Return why an alert ended, as messages have it; None while it fires."""
    if event.status != "resolved":
        return None
    told = event.known.get("end")
    if isinstance(told, Mapping) and isinstance(told.get("text"), str):
        return _passed_on(told)
    if event.source == ALERTMANAGER:
        return Ended(
            reason="sender",
            text="Alertmanager says that it ended, and not why: it is over, or nobody sends it any more.",
        ).row
    if not event.source.startswith(GRAFANA):
        return Ended(reason="sender", text="Its sender says that it ended, and not why.").row
    said = event.annotations.get(STATE_REASON, "")
    for word, (reason, what) in OF_GRAFANA.items():
        if said.startswith(word):
            return Ended(reason=reason, text=f"Grafana says that it ended, since {what}. {UNJUDGED}").row
    if event.value is None:
        return Ended(reason="sender", text="Grafana says that it ended, and not what it measures now.").row
    value = f"{event.value:.6g}"
    text = f"Grafana says that it ended; it measures {value} now."
    return Ended(reason="within_limit", text=text, value=event.value, value_text=value).row


def _passed_on(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what another mlobs says, with lengths bounded."""
    shown = {name: _line(told.get(name)) for name in ("reason", "text", "value_text")}
    return Ended(
        reason=shown["reason"] or "sender",
        text=shown["text"],
        value=number(told.get("value")),
        value_text=shown["value_text"] or None,
    ).row


def _line(text: object) -> str:
    return " ".join(text.split())[:CHARACTERS_MAX] if isinstance(text, str) else ""
