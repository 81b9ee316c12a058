"""Where an alert's page leads: to all its traces, to the feature that moved; and what its runbook says.

Data in, data out. Labels are as strangers said them: they are quoted in questions, and none is put into a
command for a shell unless it is plain.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlobs.errors import QueryError
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.older import ENVIRONMENT
from mlobs.server.ask.asked import TEXT_MAX, literal
from mlobs.server.ask.keys import KEYS, find, noun_problem
from mlobs.server.ask.parsing import parse
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
OF_MONEY = (m.COST.name, m.BUDGET_SPENT.name, m.BUDGET_FORECAST.name)
KEY_OF = {one.name: key for one, key in (*OF_TRACE, *OF_SPAN, (a.KIND, "kind"), (a.CALL_STATE, "state"))}
MODELS = (a.REQUEST_MODEL.name, a.RESPONSE_MODEL.name, a.MODEL_NAME.name)
RESOURCE = (a.DEPLOYMENT_ENVIRONMENT.name, a.SERVICE_VERSION.name)
BEFORE_S_MIN = 3_600.0  # Of a shorter window, what led to the trouble would be cut off.
OF_FEATURE = {
    "service": a.SERVICE_NAME,
    "model": a.MODEL_NAME,
    "version": a.MODEL_VERSION,
    "feature": a.FEATURE,
}
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@/-]{0,199}")
PLACES = {
    "user:ID": a.USER_ID,
    "tenant:ID": TENANT,
    "service:NAME": a.SERVICE_NAME,
    "--service NAME": a.SERVICE_NAME,
    "service_name=NAME": a.SERVICE_NAME,
    "ServiceName = 'NAME'": a.SERVICE_NAME,
    "model:MODEL": a.REQUEST_MODEL,
    "RequestModel = 'MODEL'": a.REQUEST_MODEL,
    "agent:AGENT": a.AGENT_NAME,
    "tool:TOOL": a.TOOL_NAME,
    "ToolName = 'TOOL'": a.TOOL_NAME,
    "provider:PROVIDER": a.PROVIDER_NAME,
    "error:ERROR": a.ERROR_TYPE,
    "mlobs.name:GUARDRAIL": a.NAME,
    "--column FEATURE": a.FEATURE,
    "--sink SINK": a.SINK,
}
PLACE = re.compile(r"[A-Z]+('?)$")


@dataclass(frozen=True, slots=True)
class Lead:
    """The list of the traces behind an alert.

    Args:
        address: Of the list, "" if there is none.
        title: What is in it.
        also: What is in it beside what the rule counts.
    """

    address: str = ""
    title: str = ""
    also: tuple[str, ...] = ()


def traces(alert: Row, rule: Row | None) -> Lead:
    """Return the list of the traces that an alert is about; one without an address if nothing says which.

    Args:
        alert: As its page shows it.
        rule: The rule that is evaluated here, if it is.
    """
    labels, counts = alert.get("labels") or {}, (rule or {}).get("counts")
    asked = question(labels) if counts is None else counted(counts["conditions"])
    if counts is not None and not _can_be_asked(asked):  # A rule may have a hundred values.
        counts, asked = None, question(labels)
    before_s = max(BEFORE_S_MIN, float(rule["window_s"]) if rule else 0.0)
    try:
        began = [datetime.fromisoformat(one) for name in ("since", "started") if (one := alert.get(name))]
        begin = min(began) - timedelta(seconds=before_s)
    except (ValueError, TypeError, OverflowError):  # Others say what they like of when theirs began.
        return Lead()
    if not asked:
        return Lead()
    since = begin.isoformat(timespec="seconds").replace("+00:00", "Z")
    given = {"q": asked, "sort": order(rule), "from": since, "to": alert.get("resolved") or ""}
    where = address(TRACES_PATH, given)
    if counts is None:
        return Lead(where, "those with the same labels")
    return Lead(where, "all of them, and others" if counts["also"] else "all of them", tuple(counts["also"]))


def question(labels: Mapping[str, str]) -> str:
    """Return the question that finds the traces of what has some labels, "" if no key is for any of them.

    >>> question({"service_name": "shop", "user_id": "dora"})
    'user:dora service:shop'
    """
    wide, narrow = (
        [term(key, str(labels[one.label])) for one, key in keys if labels.get(one.label)]
        for keys in (OF_TRACE, OF_SPAN)
    )
    one_span = " ".join(narrow) if len(narrow) < 2 else f"{{{' '.join(narrow)}}}"  # One span has them all.
    found = " ".join([*wide, *([one_span] if narrow else [])])
    return found if len(found) <= TEXT_MAX else ""


def counted(conditions: Sequence[Row]) -> str:
    """Return the question that finds the traces with a span that meets all of some conditions of a rule.

    >>> counted([{"of": "service.name", "any_of": ["shop"]}, {"of": "error.type", "any_of": []}])
    '{service:shop error:*}'
    >>> counted([{"of": "gen_ai.tool.name", "any_of": ["a", "b c"], "is_not": True}])
    '{-tool:a -tool:"b c"}'
    >>> counted([{"of": "Duration", "above": 2.5}, {"of": "TimeToFirstChunk", "above": None}])
    '{duration>2500ms ttfc:*}'
    """
    terms = [_condition(one) for one in conditions]
    return f"{{{' '.join(terms)}}}" if terms else ""


def _can_be_asked(text: str) -> bool:
    try:
        parse(text)
    except QueryError:
        return False
    return len(text) <= TEXT_MAX


def _condition(one: Row) -> str:
    if "above" in one:
        (key,) = (key for key in KEYS if one["of"] in key.columns)
        if one["above"] is None:
            return f"{key.name}:*"
        times, unit = (1000, "ms") if key.kind in {"duration_ns", "duration_s"} else (1, "")
        return f"{key.name}>{one['above'] * times:.12g}{unit}"
    values, is_not = one["any_of"], bool(one.get("is_not"))
    found = [_held(one["of"], text, is_not=is_not) for text in values] if values else [f"{_key(one['of'])}:*"]
    if is_not:
        return " ".join(f"-{text}" for text in found)
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def _held(name: str, text: str, *, is_not: bool) -> str:
    key = _key(name)
    # Of this key's values all are known, and a rule may ask for others.
    held = term(f"attr.{name}" if key == "kind" and noun_problem(literal(text)) else key, text)
    if name in MODELS and text and not is_not:  # The columns of the wider key are read faster.
        return f"{term('model', text)} {held}"
    if name != a.DEPLOYMENT_ENVIRONMENT.name:
        return held
    older = term(f"resource.{ENVIRONMENT}", text)  # It counts where the newer name says nothing.
    return f"({held} OR ({term(_key(name), '')} {older}))" if text else f"({held} {older})"


def _key(name: str) -> str:
    if name in RESOURCE:
        return f"resource.{name}"
    key = find(KEY_OF.get(name, ""))
    # Another of the key's columns, or another span of the trace, may have what is meant of just this.
    return f"attr.{name}" if key is None or key.wide or len(key.columns) > 1 else key.name


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


def server(url: str) -> str:
    """Return the address by which a page was asked for, "" if it is not plain enough to be pasted.

    >>> server("http://127.0.0.1:4318/"), server("http://$(reboot)/")
    ('http://127.0.0.1:4318', '')
    """
    return url.rstrip("/") if re.fullmatch(r"https?://[A-Za-z0-9_.:\[\]-]+/*", url) else ""


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
            text = text.replace(place, PLACE.sub(rf"{value}\1", place))
    return text.replace("TRACE_ID", trace_ids[0]) if trace_ids else text
