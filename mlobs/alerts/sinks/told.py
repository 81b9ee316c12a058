"""What a sink that is meant for people shows of a message.

Pure. The JSON of a message is read once, with every length bounded; nothing that is missing or
of another kind raises, for messages come from older versions and from elsewhere, too. The sinks
only lay it out and escape it.
"""

import json
from dataclasses import dataclass
from typing import Any

from mlobs.alerts.sinks.escaping import address, line, lines

LINE_CHARACTERS_MAX = 300
TEXT_CHARACTERS_MAX = 2000
VALUE_CHARACTERS_MAX = 200
LABELS_SHOWN_MAX = 12
ALERTS_SHOWN_MAX = 10
LINKS_MAX = 8
NOTICES = {
    "flapping": "It changes too often; the next news comes when it is calm.",
    "calm": "It is calm again.",
    "again": "It was told as ended; its sender has said since that it fires, and not that it ended again.",
    "by_hand": "It was ended by hand; its sender says since that it fires.",
    "budget": "The budget of pages of this week is spent; more goes elsewhere.",
}
# Reasons of an end after which nobody knows whether all is well.
UNSURE = ("too_few", "no_data", "given_up", "rule_gone", "unknown")
OWN = (
    "rule", "severity", "since", "resolved", "value", "value when it last held", "worst", "value now",
    "most of it", "description", "fingerprint", "delivery", "alerts", "more alerts",
)  # fmt: skip
_HIDDEN = {"severity", "component", "alertname"}  # Shown elsewhere.


@dataclass(frozen=True, slots=True)
class Told:
    """A message, ready to be laid out; everything in it is bounded and nothing is escaped."""

    known: dict[str, Any]
    delivery: str
    labels: dict[str, str]
    links: dict[str, str]
    alerts: tuple[str, ...]
    more: int

    @property
    def resolved(self) -> bool:
        """Return whether the trouble is over."""
        return self.field("status") == "resolved"

    @property
    def is_well(self) -> bool:
        """Return whether the trouble is over, and not only that nobody can say any more."""
        return self.resolved and _text(self.known.get("end"), "reason") not in UNSURE

    @property
    def headline(self) -> str:
        """Return one line: the status and the title."""
        return f"[{self.field('status').upper() or 'ALERT'}] {self.title}"

    @property
    def title(self) -> str:
        """Return one line."""
        return self.field("title") or self.field("summary") or self.field("rule") or "alert"

    @property
    def text(self) -> str:
        """Return what is wrong, or why that is over and what was wrong; and the notice if there is one."""
        why, what = self.field("end"), self.field("description")
        if _text(self.known.get("end"), "reason") == "rule_gone":  # The description says it, too.
            what = ""
        if why and what and not self.field("notice"):
            what = f"{'When it last held' if self._now() or self._worst() else 'While it fired'}: {what}"
        told = [why, what]
        return "\n".join(part for part in (*told, NOTICES.get(self.field("notice"), "")) if part)

    @property
    def mark(self) -> str:
        """Return the fingerprint to look for on the server's pages; of a group of one, the alert's."""
        alerts = self.known.get("alerts")
        only = alerts[0] if isinstance(alerts, list) and len(alerts) == 1 else None
        found = _text(only, "fingerprint")
        return line(found, LINE_CHARACTERS_MAX) if found else self.field("fingerprint")

    @property
    def listed(self) -> list[str]:
        """Return a line for each alert of a list, and one that says how many more there are."""
        return [*self.alerts, *([f"and {self.more} more"] if self.more else [])]

    @property
    def facts(self) -> dict[str, str]:
        """Return names and values for a table; a label with a name of ours is called labels.NAME."""
        worst, now = self._worst(), self._now()
        # Beside others, the last value of a trouble that is over has to say which it is.
        value = "value when it last held" if self.resolved and (worst or now) else "value"
        facts = {
            "rule": self.field("rule"),
            "severity": self.field("severity"),
            "since": self.field("since"),
            "resolved": self.field("resolved"),
            value: self.field("value_text") or self.field("value"),
            "worst": worst,
            "value now": now,
            "most of it": self.field("top"),
            **_shown(self.labels),
        }
        return {name: value for name, value in facts.items() if value}

    def _now(self) -> str:
        """Return what is measured now that it is over, "" where nobody knows."""
        return _text(self.known.get("end"), "value_text") if self.resolved else ""

    def _worst(self) -> str:
        """Return the worst value and when it was measured, where it is another than the value."""
        peak = self.known.get("peak")
        text, at = _text(peak, "value_text"), _text(peak, "at")
        if not text or text == self.field("value_text"):
            return ""
        return line(f"{text} at {at}", VALUE_CHARACTERS_MAX)

    def field(self, name: str) -> str:
        """Return a field of the message as text, or ""."""
        value = self.known.get(name)
        if name == "top":
            return _top(value)
        if name == "end":
            return lines(_text(value, "text"), TEXT_CHARACTERS_MAX)
        if value is None or isinstance(value, dict | list):
            return ""
        if isinstance(value, float):
            return f"{value:.6g}"
        if name == "description":
            return lines(str(value), TEXT_CHARACTERS_MAX)
        return line(str(value), LINE_CHARACTERS_MAX)


def told(body: bytes, delivery: str) -> Told:
    """Return a message as it will be shown.

    Args:
        body: JSON, "mlobs/1".
        delivery: The delivery's id.
    """
    found = json.loads(body)
    known: dict[str, Any] = found if isinstance(found, dict) else {}
    alerts = known.get("alerts")
    rows = [one for one in alerts if isinstance(one, dict)] if isinstance(alerts, list) else []
    shown = tuple(_listed(one) for one in rows[:ALERTS_SHOWN_MAX])
    return Told(
        known=known,
        delivery=delivery,
        labels=_texts(known.get("labels")),
        links=_links(known),
        alerts=shown if len(rows) > 1 else (),
        more=max(len(rows) - len(shown), 0),
    )


def _listed(alert: dict[str, Any]) -> str:
    """Return one line about an alert of a list; of one that ended, also why."""
    what = alert.get("summary") or alert.get("title") or alert.get("rule") or ""
    why = _text(alert.get("end"), "text")
    return line(f"{alert.get('status', '')}: {what}{f' ({why})' if why else ''}", LINE_CHARACTERS_MAX)


def _text(given: object, name: str) -> str:
    found = given.get(name) if isinstance(given, dict) else None
    return found if isinstance(found, str) else ""


def _links(known: dict[str, Any]) -> dict[str, str]:
    given = known.get("links")
    candidates = {
        "trace": known.get("trace_url"),
        "runbook": known.get("runbook_url"),
        **({line(str(name), 40): url for name, url in given.items()} if isinstance(given, dict) else {}),
        "alerts": known.get("server_url"),
    }
    found = {name: address(url) for name, url in candidates.items() if name}
    return dict([(name, url) for name, url in found.items() if url][:LINKS_MAX])


def _texts(given: object) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    return {line(str(name), 80): line(str(value), VALUE_CHARACTERS_MAX) for name, value in given.items()}


def _shown(labels: dict[str, str]) -> dict[str, str]:
    shown = [(name, value) for name, value in labels.items() if name not in _HIDDEN]
    return {(f"labels.{name}" if name in OWN else name): value for name, value in shown[:LABELS_SHOWN_MAX]}


def _top(value: object) -> str:
    """Return the dimension that contributes most, such as "gen_ai.request.model gpt-x (80% of 50)"."""
    if not isinstance(value, dict):
        return ""
    named = line(f"{value.get('dimension', '')} {value.get('value', '')}", VALUE_CHARACTERS_MAX)
    share = value.get("share")
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        return named
    return f"{named} ({100 * share:.0f}%)"
