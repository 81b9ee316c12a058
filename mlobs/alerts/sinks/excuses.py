"""What sinks say beside a status that promises success: some answer 200 and mean that they failed.

Pure. Each takes the beginning of a body and says how the attempt ended, or None if the status is to be
believed, which it is whenever the words are not known: what stands in for these services says other words. A
page where a word or JSON was expected is somebody else's, such as a proxy's that asks for a login.

* Slack says "ok". Its errors have one word each, and come with 4xx from an incoming webhook and with 200 from
  what stands in for one.
* Teams said "1" once, and said in a text which status the channel itself answered; a workflow says nothing.
* PagerDuty says in JSON that the event was taken, or that it is invalid.
"""

import json
import re
from typing import Any

from mlobs.alerts.sinks.answer import Answer, judge
from mlobs.alerts.sinks.escaping import cut

SAID_CHARACTERS_MAX = 120

# Slack's words for what may pass.
MAY_PASS = {
    "accesslimited", "fatal_error", "internal_error", "rate_limited", "ratelimited", "request_timeout",
    "rollup_error", "service_unavailable", "team_added_to_org",
}  # fmt: skip
WORD = re.compile(r"[a-z]+(?:_[a-z]+)+")
INNER_STATUS = re.compile(r"HTTP error (\d{3})")


def of_slack(status: int, said: str, now_s: float) -> Answer | None:
    """Return how an attempt ended that Slack answered with success, if its words say otherwise."""
    if _is_page(said):
        return _page(status, "Slack")
    found = _object(said)
    if found is not None:
        failed = False in (found.get("ok"), found.get("success")) or found.get("result") == "error"
        if not failed:
            return None
        word = str(found.get("error") or found.get("msg") or "no reason")
    elif WORD.fullmatch(said.strip()) or said.strip() in MAY_PASS:
        word = said.strip()
    else:
        return None
    return _refused(status, word, may_pass=word in MAY_PASS)


def of_teams(status: int, said: str, now_s: float) -> Answer | None:
    """Return how an attempt ended that Teams answered with success, if its words say otherwise."""
    if _is_page(said):
        return _page(status, "Teams")
    inner = INNER_STATUS.search(said)
    if inner is not None and not 200 <= int(inner[1]) < 300:
        told = judge(int(inner[1]), None, now_s)
        return _refused(status, said, may_pass=told.outcome == "failed")
    found = _object(said)
    if found is not None and found.get("error"):
        error = found["error"]
        return _refused(status, str(error.get("code") if isinstance(error, dict) else error), may_pass=True)
    if "delivery failed" in said:
        return _refused(status, said, may_pass=True)
    return None


def of_pagerduty(status: int, said: str, now_s: float) -> Answer | None:
    """Return how an attempt ended that PagerDuty answered with success, if its words say otherwise."""
    if _is_page(said):
        return _page(status, "PagerDuty")
    found = _object(said)
    if found is None or "invalid" not in str(found.get("status")):
        return None
    return _refused(status, str(found.get("message") or found["status"]), may_pass=False)


def _refused(status: int, said: str, *, may_pass: bool) -> Answer:
    said = cut(said, SAID_CHARACTERS_MAX)
    if may_pass:
        return Answer("failed", f"{status}, but it says that it failed: {said}")
    return Answer(
        "dead", f"{status}, but it says that it refused the message ({said}); sending it again would not help"
    )


def _page(status: int, who: str) -> Answer:
    return Answer("failed", f"{status}, but with a web page, which {who} never sends; is a proxy in between?")


def _is_page(said: str) -> bool:
    return said.lstrip().startswith("<")


def _object(said: str) -> dict[str, Any] | None:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
