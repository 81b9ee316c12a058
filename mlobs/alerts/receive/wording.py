"""What sinks are told about an alert from elsewhere: the same message as about one of ours.

Labels and annotations are strangers' words: lengths and numbers are bounded here, and nothing
becomes a link that is not http or https.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlobs.alerts.message import LABEL_CHARACTERS_MAX, TRACES_MAX, VERSION, iso
from mlobs.alerts.receive.endings import end_of
from mlobs.alerts.receive.formats import Event, address, number
from mlobs.alerts.states import SECONDS_MAX

NAME_CHARACTERS_MAX = 256
RULE_CHARACTERS_MAX = 200  # A runbook is looked for under its name, and no file has one of 256.
LABELS_MAX = 64
TEXT_CHARACTERS_MAX = 4096
LINE_CHARACTERS_MAX = 512
LINKED = {"dashboard_url": "dashboard", "trace_query": "traces", "trace_url": "traces"}


def message(event: Event, *, url: str, truncated: int, now_s: float) -> dict[str, Any]:
    """Return the message about one change of an alert that came from elsewhere.

    Args:
        event: What the sender said.
        url: Where the sender's pages are, or "".
        truncated: How many alerts the sender left out of the same webhook.
        now_s: When it came.
    """
    labels, notes, ours = event.labels, event.annotations, event.known
    rule = _line(ours.get("rule") or labels.get("alertname") or "alert")[:RULE_CHARACTERS_MAX]
    summary = _line(ours.get("summary") or notes.get("summary") or notes.get("message") or rule)
    ended_s = now_s if event.ends_us is None else event.ends_us / 1e6
    trace_ids = [one for one in _list(ours.get("trace_ids")) if isinstance(one, str) and one.isalnum()]
    return {
        "version": VERSION,
        "source": event.source,
        "status": event.status,
        "rule": rule,
        "severity": _line(ours.get("severity") or labels.get("severity") or ""),
        "component": _line(ours.get("component") or labels.get("component") or ""),
        "title": _line(ours.get("title") or summary),
        "summary": summary,
        "description": _text(ours.get("description") or notes.get("description") or ""),
        "labels": _bounded(labels),
        "value": number(ours.get("value", event.value)),
        "value_text": _line(ours.get("value_text") or "") or None,
        "peak": _peak(ours.get("peak")),
        "since": _time(event.starts_us / 1e6),
        "started": _time(event.starts_us / 1e6),
        "resolved": _time(ended_s) if event.status == "resolved" else None,
        "end": end_of(event),
        "fingerprint": event.fingerprint,
        "links": _links(event),
        "top": _top(ours.get("top")),
        "runbook_url": address(ours.get("runbook_url") or notes.get("runbook_url")) or None,
        "trace_url": address(ours.get("trace_url") or notes.get("trace_url")) or None,
        "trace_ids": [one[:64] for one in trace_ids[:TRACES_MAX]],
        "server_url": url or None,
        "truncated": truncated,
    }


def _links(event: Event) -> dict[str, str]:
    known = event.known.get("links")
    links: dict[str, str] = {}
    for name, url in (
        *((name, event.annotations.get(annotation)) for annotation, name in LINKED.items()),
        *event.links.items(),
        *(known.items() if isinstance(known, dict) else ()),
    ):
        if (link := address(url)) and len(links) < LABELS_MAX:
            links[_line(name)] = link
    return links


def _top(given: object) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        return None
    named = {name: _line(given.get(name) or "") for name in ("dimension", "value")}
    return {**named, "share": number(given.get("share"))}


def _peak(given: object) -> dict[str, Any] | None:
    """Return the worst that another mlobs has measured. Others' limits may be ones to stay above of."""
    if not isinstance(given, dict):
        return None
    try:
        at_s = datetime.fromisoformat(str(given.get("at"))).timestamp()
    except (ValueError, OverflowError):
        return None
    text = _line(given.get("value_text") or "")
    return {"value": number(given.get("value")), "value_text": text or None, "at": _time(at_s)}


def _bounded(labels: Mapping[str, str]) -> dict[str, str]:
    kept = sorted(labels.items())[:LABELS_MAX]
    return {name[:NAME_CHARACTERS_MAX]: value[:LABEL_CHARACTERS_MAX] for name, value in kept}


def _line(text: object) -> str:
    return " ".join(str(text).split())[:LINE_CHARACTERS_MAX]


def _text(text: object) -> str:
    return str(text)[:TEXT_CHARACTERS_MAX]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _time(time_s: float) -> str:
    return iso(min(max(time_s, 0.0), float(SECONDS_MAX)))
