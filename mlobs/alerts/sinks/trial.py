"""A message that says that it is a trial."""

import hashlib
from typing import Any

from mlobs.alerts.message import VERSION, iso

RULE = "MlobsTest"
ENDED = "Whoever ran mlobs alerts test asked for an end, too."


def trial(status: str, *, now_s: float) -> tuple[str, dict[str, Any]]:
    """Return a delivery's id and a whole message, the same alert whenever it is made."""
    fingerprint = hashlib.sha256(RULE.encode()).hexdigest()[:16]
    message = {
        "version": VERSION,
        "source": "mlobs",
        "status": status,
        "rule": RULE,
        "severity": "info",
        "component": "alerts",
        "title": "This is a test",
        "summary": "This is a test",
        "description": "Somebody ran mlobs alerts test. Nothing is wrong.",
        "labels": {"service_name": "mlobs"},
        "value": 1.0,
        "value_text": "1",
        "peak": None,
        "since": iso(now_s),
        "started": iso(now_s),
        "resolved": iso(now_s) if status == "resolved" else None,
        "end": {"reason": "sender", "text": ENDED, "value": None, "value_text": None}
        if status == "resolved"
        else None,
        "fingerprint": fingerprint,
        "links": {},
        "top": None,
        "runbook_url": None,
        "trace_url": None,
        "trace_ids": [],
        "server_url": None,
    }
    return hashlib.sha256(f"{status}:{now_s!r}".encode()).hexdigest()[:32], message
