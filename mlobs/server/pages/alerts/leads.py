"""Where an alert's page leads: to all its traces, to the feature that moved; and what its runbook says.

Data in, data out. Labels are as strangers said them: they are quoted in questions, and none is put into a
command for a shell unless it is plain.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.dialects.rows import TENANT
from mlobs.server.ask.asked import TEXT_MAX
from mlobs.server.pages.drift.view import ONE as FEATURE_PATH
from mlobs.server.pages.links import address, term

Row = Mapping[str, Any]
TRACES_PATH = "/traces"
# Labels that questions have a key for. Those of the whole trace may stand on another of its spans.
OF_TRACE = (
    (a.USER_ID, "user"),
    (a.SESSION_ID, "session"),
    (a.CONVERSATION_ID, "conversation"),
    (TENANT, f"attr.{TENANT.name}"),
)
OF_SPAN = (
    (a.SERVICE_NAME, "service"),
    (a.AGENT_NAME, "agent"),
    (a.TOOL_NAME, "tool"),
    (a.PROVIDER_NAME, "provider"),
    (a.REQUEST_MODEL, "model"),
    (a.RESPONSE_MODEL, "model"),
    (a.MODEL_NAME, "model"),
    (a.MODEL_VERSION, "version"),
    (a.OPERATION_NAME, "operation"),
    (a.ERROR_TYPE, "error"),
)
FAILED = "error:*"
OF_MONEY = (m.COST.name, m.BUDGET_SPENT.name, m.BUDGET_FORECAST.name)
BEFORE_S_MIN = 3_600.0  # Of a shorter window, what led to the trouble would be cut off.
OF_FEATURE = {
    "service": a.SERVICE_NAME,
    "model": a.MODEL_NAME,
    "version": a.MODEL_VERSION,
    "feature": a.FEATURE,
}
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@/-]{0,199}")
PLACES = {"user:ID": a.USER_ID, "tenant:ID": TENANT}


def traces(alert: Row, rule: Row | None) -> str:
    """Return the address of the list of the traces that an alert is about; "" if its labels say none.

    Args:
        alert: As its page shows it.
        rule: The rule that is evaluated here, if it is.
    """
    asked = question(alert.get("labels") or {}, is_failed=bool(rule and rule.get("failed")))
    before_s = max(BEFORE_S_MIN, float(rule["window_s"]) if rule else 0.0)
    try:
        began = [datetime.fromisoformat(one) for name in ("since", "started") if (one := alert.get(name))]
        begin = min(began) - timedelta(seconds=before_s)
    except (ValueError, TypeError, OverflowError):  # Others say what they like of when theirs began.
        return ""
    if not asked:
        return ""
    since = begin.isoformat(timespec="seconds").replace("+00:00", "Z")
    given = {"q": asked, "sort": order(rule), "from": since, "to": alert.get("resolved") or ""}
    return address(TRACES_PATH, given)


def question(labels: Mapping[str, str], *, is_failed: bool = False) -> str:
    """Return the question that finds the traces of what has some labels, "" if no key is for any of them.

    >>> question({"service_name": "shop", "user_id": "dora"})
    'user:dora service:shop'
    >>> question({"service_name": "shop", "gen_ai_tool_name": "a b"}, is_failed=True)
    '{service:shop tool:"a b" error:*}'
    """
    wide, narrow = (
        [term(key, str(labels[one.label])) for one, key in keys if labels.get(one.label)]
        for keys in (OF_TRACE, OF_SPAN)
    )
    if is_failed and not labels.get(a.ERROR_TYPE.label):
        narrow.append(FAILED)
    one_span = " ".join(narrow) if len(narrow) < 2 else f"{{{' '.join(narrow)}}}"  # One span has them all.
    found = " ".join([*wide, *([one_span] if narrow else [])])
    return found if len(found) <= TEXT_MAX else ""


def order(rule: Row | None) -> str:
    """Return how the list is sorted, so that what a rule is about comes first; "" for the newest first."""
    if rule is None:
        return ""
    return "dearest" if rule.get("metric") in OF_MONEY else "slowest" if rule["unit"] == "seconds" else ""


def feature(alert: Row) -> str:
    """Return the address of the page of the feature that moved; "" if the alert is about none."""
    labels = alert.get("labels") or {}
    key = {name: labels.get(one.label, "") for name, one in OF_FEATURE.items()}
    if not all(key[name] for name in ("service", "model", "feature")):
        return ""
    return address(FEATURE_PATH, key)


def filled(text: str, labels: Mapping[str, str], trace_ids: Sequence[str]) -> str:
    """Return a runbook whose places have what the alert says, where that is safe to paste into a shell.

    >>> filled("traces list user:ID", {"user_id": "dora"}, [])
    'traces list user:dora'
    >>> filled("traces list user:ID", {"user_id": "$(reboot)"}, [])
    'traces list user:ID'
    """
    for place, one in PLACES.items():
        value = labels.get(one.label, "")
        if PLAIN.fullmatch(value):
            text = text.replace(place, f"{place.removesuffix('ID')}{value}")
    return text.replace("TRACE_ID", trace_ids[0]) if trace_ids else text
