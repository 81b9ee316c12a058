"""Webhooks as Alertmanager and Grafana send them."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

ZERO = "0001-01-01T00:00:00Z"
SECRET = "a-secret-of-the-tests"


def at(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def alert(
    name: str = "one", *, starts_s: float = 1_700_000_000, ends_s: float | None = None, **labels: str
) -> dict[str, Any]:
    """Return one alert; it fires unless it has an end."""
    return {
        "status": "firing" if ends_s is None else "resolved",
        "labels": {"alertname": name, "severity": "warning", **labels},
        "annotations": {"summary": f"{name} is broken", "runbook_url": "https://example.org/runbook"},
        "startsAt": at(starts_s),
        "endsAt": ZERO if ends_s is None else at(ends_s),
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": hashlib.sha256(json.dumps([name, labels]).encode()).hexdigest()[:16],
    }


def alertmanager(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a webhook of Alertmanager."""
    firing = any(one["status"] == "firing" for one in alerts)
    return {
        "version": "4",
        "receiver": "mlobs",
        "status": "firing" if firing else "resolved",
        "groupKey": "{}:{}",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "truncatedAlerts": 0,
        "alerts": list(alerts),
        **more,
    }


def grafana(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a webhook of Grafana."""
    extra = {
        "dashboardURL": "http://grafana.example/d/1",
        "panelURL": "",
        "silenceURL": "http://grafana.example/silence",
        "values": {"B": 0.25},
        "valueString": "[ var='B' value=0.25 ]",
        "ruleUID": "abc",
    }
    return {
        **alertmanager(*({**one, **extra} for one in alerts)),
        "version": "1",
        "orgId": 1,
        "title": "[FIRING:1]",
        "state": "alerting",
        "message": "text",
        "appVersion": "12.3.0",
        **more,
    }


def encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def signed(body: bytes, *, secret: str = SECRET, now_s: float | None = None) -> dict[str, str]:
    """Return the headers of a webhook that Grafana signed."""
    seconds = str(int(time.time() if now_s is None else now_s))
    mac = hmac.new(secret.encode(), seconds.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Grafana-Alerting-Signature": mac,
        "X-Grafana-Alerting-Timestamp": seconds,
    }
