"""Slack, Teams and PagerDuty for tests: real HTTP servers that refuse what the real ones refuse.

The limits are those of the vendors' manuals.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.alerts.listening import listening

Problem = str | None


@dataclass
class Api:
    """What was taken, what was refused and why; `says` are bodies it answers instead, with its success."""

    url: str
    taken: list[Any] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    busy: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    says: list[bytes] = field(default_factory=list)


def slack_problem(sent: Any) -> Problem:
    """Return what Slack's incoming webhooks have against a payload."""
    if set(sent) - {"text", "blocks", "attachments"}:
        return "invalid_payload"
    if not sent.get("text"):
        return "no_text"
    for attachment in sent.get("attachments", []):
        if set(attachment) - {"color", "blocks", "fallback"} or len(attachment["blocks"]) > 50:
            return "invalid_attachments"
        for block in attachment["blocks"]:
            match block["type"]:
                case "section":
                    texts = [block["text"]] if "text" in block else []
                    if len(block.get("fields", [])) > 10 or (not texts and not block.get("fields")):
                        return "invalid_blocks"
                    limits = [(one, 3000) for one in texts]
                    limits += [(one, 2000) for one in block.get("fields", [])]
                case "context":
                    limits = [(one, 3000) for one in block["elements"]]
                    if not 1 <= len(limits) <= 10:
                        return "invalid_blocks"
                case _:
                    return "invalid_blocks"
            for text, most in limits:
                if text["type"] != "mrkdwn" or not 1 <= len(text["text"]) <= most:
                    return "invalid_blocks"
                if re.search(r"<(?!https?://)", text["text"]):
                    return "a mention or half a link got through"
    return None


def teams_problem(sent: Any) -> Problem:
    """Return what a workflow of Teams has against a card."""
    if sent.get("type") != "message" or len(sent.get("attachments", [])) != 1:
        return "Property 'attachments' must be there"
    if len(json.dumps(sent, ensure_ascii=False).encode("utf-8", "replace")) > 28_000:
        return "RequestEntityTooLarge"
    (one,) = sent["attachments"]
    card = one["content"]
    if one["contentType"] != "application/vnd.microsoft.card.adaptive" or card["type"] != "AdaptiveCard":
        return "no adaptive card"
    for part in card["body"]:
        if part["type"] not in {"TextBlock", "FactSet"} or (part["type"] == "TextBlock" and not part["text"]):
            return f"bad part {part['type']}"
    for action in card["actions"]:
        if action["type"] != "Action.OpenUrl" or not action["url"].startswith("http"):
            return "bad action"
    return None


def pagerduty_problem(sent: Any) -> Problem:
    """Return what the Events API has against an event."""
    known = {"routing_key", "event_action", "dedup_key", "payload", "links", "images", "client", "client_url"}
    if set(sent) - known:
        return f"unknown {set(sent) - known}"
    if len(sent.get("routing_key", "")) != 32:
        return "'routing_key' is the wrong length"
    if sent.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        return "'event_action' is invalid"
    if not 1 <= len(sent.get("dedup_key", "")) <= 255:
        return "'dedup_key' is invalid"
    payload = sent["payload"]
    details = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
    if set(payload) - details or not {"summary", "source", "severity"} <= set(payload):
        return "'payload' is invalid"
    if not 1 <= len(payload["summary"]) <= 1024:
        return "'payload.summary' is invalid"
    if payload["severity"] not in {"critical", "error", "warning", "info"}:
        return "'payload.severity' is invalid"
    if any(set(one) != {"href", "text"} for one in sent.get("links", [])):
        return "'links' is invalid"
    return None


ANSWERS: dict[str, tuple[Callable[[Any], Problem], int, bytes]] = {
    "slack": (slack_problem, 200, b"ok"),
    "teams": (teams_problem, 202, b""),
    "pagerduty": (pagerduty_problem, 202, b'{"status":"success","message":"Event processed"}'),
}


@contextmanager
def api(kind: str) -> Iterator[Api]:
    """Listen on a free port of this machine and speak one of `ANSWERS`."""
    problem, good, said = ANSWERS[kind]
    seen: Api

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.headers["content-type"] == "application/json"
            if seen.busy:
                status, headers = seen.busy.pop(0)
                self._answer(status, b"busy", headers)
            elif (wrong := problem(sent)) is not None:
                seen.refused.append(wrong)
                self._answer(400, wrong.encode(), {})
            else:
                seen.taken.append(sent)
                self._answer(good, seen.says.pop(0) if seen.says else said, {})

        def _answer(self, status, body, headers):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with listening(Handler) as port:
        seen = Api(f"http://127.0.0.1:{port}/services/T0K3N/hidden")
        yield seen
