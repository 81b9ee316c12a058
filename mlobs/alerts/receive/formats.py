"""What webhooks say: Alertmanager's version 4, Grafana's version 1, and our own messages.

Unknown fields are tolerated, for both add some with every release; null stands for nothing, as
Go writes it. Anything else that is not the format is refused with the place and the reason,
and never with the value, which is somebody else's.

Fingerprints are made anew, with who says so in them: Alertmanager and Grafana make the same one of
the same labels, and another mlobs makes the same one as this one. Those of another mlobs, and of
a Grafana, carry its address. Alertmanager's do not, here or by way of another mlobs: replicas of one
have addresses of their own and are to count once. So two Alertmanagers that know nothing of each other
need labels that tell them apart, as Prometheus' external_labels do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from mlobs.alerts.message import VERSION, finite
from mlobs.alerts.states import fingerprint
from mlobs.errors import PayloadError

ALERTMANAGER, GRAFANA, MLOBS = "alertmanager", "grafana", "mlobs"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
URL_CHARACTERS_MAX = 2048
PROBLEMS_SHOWN = 3
FINGERPRINT_CHARACTERS_MAX = 256
COUNT_MAX = 2**53  # Of alerts; more cannot be added up and told.
WANTED = (
    f"a webhook of Alertmanager (version '4'), of Grafana (version '1') or of mlobs (version {VERSION!r})"
)

Status = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a sender says about one alert.

    Args:
        source: alertmanager, grafana (with its number, of another organisation) or mlobs.
        fingerprint: Names the alert among those of every sender; the same for each message about it.
        status: What it is.
        starts_us: Since when this episode fires, in microseconds since 1970.
        ends_us: When it ended, or None.
        labels: As they came.
        annotations: As they came.
        links: Addresses by what they show.
        value: What was measured, if the sender says so.
        known: Of a message of ours, the fields as they came.
        former: The fingerprint it had in an older version, which was the sender's own.
    """

    source: str
    fingerprint: str
    status: Status
    starts_us: int
    ends_us: int | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    former: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One webhook.

    Args:
        source: As of its events.
        url: Where the sender's pages are, or "".
        truncated: How many alerts the sender left out.
        events: Its alerts.
        size: Bytes of its body.
    """

    source: str
    url: str
    truncated: int
    events: tuple[Event, ...]
    size: int = 0


def _nothing_is_empty(value: object) -> object:
    return {} if value is None else value


def _no_text_is_empty(value: object) -> object:
    return "" if value is None else value


Texts = Annotated[dict[str, str], BeforeValidator(_nothing_is_empty)]
Text = Annotated[str, BeforeValidator(_no_text_is_empty)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Alert(_Body):
    status: Status
    labels: Texts = Field(default_factory=dict)
    annotations: Texts = Field(default_factory=dict)
    starts: datetime = Field(alias="startsAt")
    ends: datetime | None = Field(None, alias="endsAt")
    generator_url: Text = Field("", alias="generatorURL")
    fingerprint: Text = ""


class _GrafanaAlert(_Alert):
    dashboard_url: Text = Field("", alias="dashboardURL")
    panel_url: Text = Field("", alias="panelURL")
    silence_url: Text = Field("", alias="silenceURL")
    values: Any = None


class _Alertmanager(_Body):
    alerts: list[_Alert] | None
    external_url: Text = Field("", alias="externalURL")
    truncated: int = Field(0, alias="truncatedAlerts", ge=0, le=COUNT_MAX)


class _Grafana(_Alertmanager):
    alerts: list[_GrafanaAlert] | None  # type: ignore[assignment] # each of them is an _Alert
    org: int = Field(1, alias="orgId", ge=-(2**63), lt=2**63)


class _Ours(_Body):
    source: Text = ""
    status: Status
    rule: str
    fingerprint: str = Field(min_length=1)
    started: datetime
    resolved: datetime | None = None
    labels: Texts = Field(default_factory=dict)
    server_url: Text = ""


class _OurGroup(_Body):
    count: int = Field(0, ge=0, le=COUNT_MAX)
    parts: int = Field(1, ge=1, le=COUNT_MAX)
    truncated: int = Field(0, ge=0, le=COUNT_MAX)


def read(body: bytes) -> Notification:
    """Return what a webhook says.

    Raises:
        PayloadError: It is not JSON, or not a format that is known here.
    """
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise PayloadError(
            f"The body is not JSON: {error}. {WANTED[0].upper()}{WANTED[1:]} is taken."
        ) from None
    if not isinstance(found, dict):
        raise PayloadError(f"The body is JSON, but no object; {WANTED} is taken.")
    version = str(found.get("version", ""))[:20]
    try:
        if version == "4":
            return replace(_of_alertmanager(_Alertmanager.model_validate(found)), size=len(body))
        if version == "1":
            return replace(_of_grafana(_Grafana.model_validate(found)), size=len(body))
        if version == VERSION:
            return replace(_of_ours(found), size=len(body))
    except ValidationError as error:
        raise PayloadError(_reasons(error, version)) from None
    came = f"version {version!r}" if "version" in found else "an object without 'version'"
    raise PayloadError(
        f"The body is {came}; {WANTED} is taken. If the sender has a payload of its own configured, "
        f"remove that."
    )


def _of_alertmanager(body: _Alertmanager) -> Notification:
    events = tuple(
        _event(alert, ALERTMANAGER, "", {"source": alert.generator_url}) for alert in body.alerts or ()
    )
    return Notification(
        source=ALERTMANAGER, url=address(body.external_url), truncated=body.truncated, events=events
    )


def _of_grafana(body: _Grafana) -> Notification:
    # Two organisations of one Grafana may have rules with the same labels.
    source = GRAFANA if body.org == 1 else f"{GRAFANA}/{body.org}"
    events = tuple(
        _event(
            alert,
            source,
            body.external_url,
            {
                "source": alert.generator_url,
                "dashboard": alert.dashboard_url,
                "panel": alert.panel_url,
                "silence": alert.silence_url,
            },
            _only(alert.values),
        )
        for alert in body.alerts or ()
    )
    return Notification(
        source=source, url=address(body.external_url), truncated=body.truncated, events=events
    )


def _of_ours(found: Mapping[str, Any]) -> Notification:
    alerts = found.get("alerts")
    rows = alerts if isinstance(alerts, list) and alerts else [found]
    events, url = [], ""
    for row in rows:
        alert = _Ours.model_validate(row)
        url = alert.server_url
        events.append(
            Event(
                source=MLOBS,
                fingerprint=_named(
                    MLOBS, alert.server_url if alert.source == MLOBS else "", alert.fingerprint
                ),
                status=alert.status,
                starts_us=microseconds(alert.started) or 0,
                ends_us=None if alert.resolved is None else microseconds(alert.resolved),
                labels=alert.labels,
                known=row,
                former=_short(alert.fingerprint),
            )
        )
    group = _OurGroup.model_validate(found)
    unlisted = max(group.count - len(rows), 0) if group.parts == 1 else 0  # else the other parts have them
    return Notification(
        source=MLOBS, url=address(url), truncated=group.truncated + unlisted, events=tuple(events)
    )


def _event(
    alert: _Alert, source: str, url: str, links: Mapping[str, str], value: float | None = None
) -> Event:
    mark = alert.fingerprint or fingerprint("", alert.labels)
    return Event(
        source=source,
        fingerprint=_named(source, url, mark),
        status=alert.status,
        starts_us=microseconds(alert.starts) or 0,
        ends_us=None if alert.ends is None else microseconds(alert.ends),
        labels=alert.labels,
        annotations=alert.annotations,
        links={name: url for name, url in links.items() if address(url)},
        value=value,
        former=_short(mark),
    )


def microseconds(time: datetime) -> int | None:
    """Return a moment since 1970; None for Go's zero, the year 1. A time without a zone is UTC.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1)), microseconds(datetime(1, 1, 1))
    (1000000, None)
    """
    if time.year <= 1:
        return None
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def address(url: object) -> str:
    """Return an address that may become a link, or ""."""
    if not isinstance(url, str) or len(url) > URL_CHARACTERS_MAX:
        return ""
    return url if url.startswith(("https://", "http://")) else ""


def _only(values: object) -> float | None:
    """Return what Grafana measured, where it was one number."""
    found = list(values.values()) if isinstance(values, dict) else []
    return number(found[0]) if len(found) == 1 else None


def number(value: object) -> float | None:
    """Return what came as a number that JSON can say again, or None.

    >>> number(3), number(10**400), number("3")
    (3.0, None, None)
    """
    try:
        return finite(float(value)) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _named(source: str, url: str, mark: str) -> str:
    """Return a fingerprint that no other sender's alert has, and that is short enough to be a key."""
    return fingerprint(source, {"url": url, "fingerprint": mark})


def _short(mark: str) -> str:
    """Return a sender's own fingerprint, short enough to be a key."""
    return mark if len(mark) <= FINGERPRINT_CHARACTERS_MAX else fingerprint(mark, {})


def _reasons(error: ValidationError, version: str) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    shown = "; ".join(
        f"{'.'.join(str(part) for part in one['loc']) or 'the body'}: "
        f"{one['msg'][:1].lower()}{one['msg'][1:]}"
        for one in problems[:PROBLEMS_SHOWN]
    )
    more = f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
    return f"The body says version {version!r}, but it is not that format: {shown}{more}."
