"""Messages as they come out of the outbox."""

import json
from typing import Any

DELIVERY = "0123456789abcdef0123456789abcdef"
NOW_S = 1_700_000_000.0


def message(**changed: Any) -> dict[str, Any]:
    """Return a whole message, with whatever is to be different."""
    return {
        "version": "mlobs/1",
        "source": "mlobs",
        "status": "firing",
        "rule": "MlobsErrorRatioHigh",
        "severity": "critical",
        "component": "genai",
        "title": "Calls of the model fail",
        "summary": "Calls of the model fail",
        "description": "12% of the calls of gpt-x by shop failed in 5m.\nLook at the trace first.",
        "labels": {"service_name": "shop_api", "gen_ai_request_model": "gpt-x", "severity": "critical"},
        "value": 0.1234567891,
        "since": "2026-11-26T02:00:00.000Z",
        "started": "2026-11-26T02:02:00.000Z",
        "resolved": None,
        "fingerprint": "4be1f0c2d3a49586",
        "links": {"dashboard": "https://grafana.example.org/d/overview?var-service=shop"},
        "top": {"dimension": "error.type", "value": "timeout", "share": 0.8},
        "runbook_url": "https://mlobs.example.org/runbooks/MlobsErrorRatioHigh.md",
        "trace_url": "https://mlobs.example.org/traces/0af7651916cd43dd8448eb211c80319c",
        "trace_ids": ["0af7651916cd43dd8448eb211c80319c"],
        "server_url": "https://mlobs.example.org",
        **changed,
    }


def body(**changed: Any) -> bytes:
    """Return a message as bytes."""
    return json.dumps(message(**changed)).encode()


NASTY = "<!channel> <https://evil.example|bank> & [x](https://evil.example) *b* `c` \x1b[31m ${rule} {0.x}"
