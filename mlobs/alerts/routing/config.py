"""Routes as users write them: data, checked when they are read.

    routes:
      - name: pages
        match: [severity=critical]
        sinks: [pagerduty]
        group_by: [alertname, service_name]
        group_wait_s: 30
        pages_per_week: 20
        demote_to: slack
        continue: true
      - name: everything
        sinks: [slack]
        quiet: {from: "22:00", to: "07:00", time_zone: Europe/Berlin}
        flap: {changes: 6, within_s: 1800, calm_s: 900}

A message takes the first route whose conditions all hold, and goes on to the next one that fits
only where that says `continue`.
"""

from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from mlobs.alerts.routing.matchers import LABEL, Matcher, matcher

NAME = r"[A-Za-z0-9_.-]{1,64}"

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {value!r} on this machine; one such as Europe/Berlin or UTC was wanted"
        ) from None


def _clock(value: object) -> object:
    # YAML 1.1 reads 22:00 without quotes as a number in base sixty, and pydantic a number as seconds.
    if isinstance(value, int) and not isinstance(value, bool) and 60 <= value < 24 * 60:
        return time(value // 60, value % 60)
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, time) or found.tzinfo is not None:
        raise ValueError(
            f'{value!r} is no time of day; one such as "22:00", in quotes and without a zone, was wanted'
        )
    return found


def _matchers(value: object) -> object:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping):
        return tuple(_equal(label, wanted) for label, wanted in value.items())
    if not isinstance(value, list | tuple):
        raise ValueError("a list such as [severity=critical] was wanted")  # noqa: TRY004 # pydantic's contract
    return tuple(one if isinstance(one, Matcher) else matcher(str(one)) for one in value)


def _equal(label: object, wanted: object) -> Matcher:
    if not isinstance(label, str) or LABEL.fullmatch(label) is None:
        raise ValueError(f"{str(label)[:80]!r} is no label's name; one such as severity was wanted")
    if isinstance(wanted, bool) or not isinstance(wanted, str | int):
        # YAML reads true, yes, on and ~ as something else than the words that labels hold.
        raise ValueError(  # noqa: TRY004 # pydantic's contract
            f"{label} is {wanted!r:.80} there, and labels are texts; write it in quotes, such as "
            f'{label}: "true", or "" for a label that an alert does not have'
        )
    return Matcher(label, "=", str(wanted))


def _several(value: object) -> object:
    return [value] if isinstance(value, Mapping | BaseModel) else value


Zone = Annotated[ZoneInfo, BeforeValidator(_zone), PlainSerializer(str)]
Clock = Annotated[time, BeforeValidator(_clock)]


class Part(BaseModel):
    """A part of the file: what is not known is a mistake."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Quiet(Part):
    """Hours in which messages wait until they are over; to the same hour means all day."""

    days: tuple[Weekday, ...] = Field(WEEKDAYS, description="On which days it begins.")
    begin: Clock = Field(alias="from", description="When it begins, such as 22:00.")
    end: Clock = Field(alias="to", description="When it ends, perhaps on the next day.")
    time_zone: Zone = Field(description="Whose hours these are, such as Europe/Berlin.")
    except_severity: tuple[str, ...] = Field(("critical",), description="What does not wait.")


class Flap(Part):
    """An alert that changes too often is told once, and then when it has been calm."""

    changes: int = Field(6, ge=2, le=1000, description="So many changes")
    within_s: float = Field(1800.0, gt=0, le=604_800, description="in so many seconds are flapping.")
    calm_s: float = Field(900.0, gt=0, le=604_800, description="Without a change for as long it is calm.")


class Route(Part):
    """Where messages go whose labels fit."""

    name: str = Field("", pattern=f"^({NAME})?$", description="Stands in receipts; its number if not given.")
    match: Annotated[tuple[Matcher, ...], BeforeValidator(_matchers)] = Field(
        (), description="All of these must hold; without any, everything fits."
    )
    sinks: tuple[str, ...] = Field(description="Who is told; an empty list is silence, with receipts.")
    goes_on: bool = Field(default=False, alias="continue", description="Try the routes below, too.")
    group_by: tuple[str, ...] = Field(
        (), description="One notification for alerts with the same of these labels."
    )
    group_wait_s: float = Field(
        0.0, ge=0, le=86_400, description="Seconds a message waits for others of its group."
    )
    quiet: Annotated[tuple[Quiet, ...], BeforeValidator(_several)] = Field(
        (), description="Hours in which messages wait."
    )
    flap: Flap | None = Field(None, description="What counts as flapping; nothing if unset.")
    pages_per_week: int | None = Field(
        None, ge=1, le=10_000, description="Notifications in seven days; no limit if unset."
    )
    demote_to: str | None = Field(None, description="The sink that gets what is over it.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.pages_per_week is None) != (self.demote_to is None):
            raise ValueError(
                "pages_per_week and demote_to belong together: one says how many, one where the rest goes"
            )
        if self.demote_to is not None and self.demote_to in self.sinks:
            raise ValueError(
                f"demote_to={self.demote_to!r} is one of the route's own sinks; name another one"
            )
        if self.group_by and not self.group_wait_s:
            raise ValueError(
                "group_by without group_wait_s does nothing; say how many seconds to wait for others"
            )
        return self


def named(routes: list[Route] | tuple[Route, ...]) -> tuple[Route, ...]:
    """Return the routes with a name for each: those without get their number.

    Raises:
        ValueError: Two have the same name.
    """
    found = tuple(
        route if route.name else route.model_copy(update={"name": f"route-{number}"})
        for number, route in enumerate(routes, 1)
    )
    names = [route.name for route in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two routes are called {twice!r}; what is remembered of one would count for both")
    return found


def check_sinks(routes: tuple[Route, ...], sinks: Mapping[str, Any]) -> None:
    """Return if every sink that a route names is there.

    Raises:
        LookupError: One is not; its arguments are the route's index, the field and the name.
    """
    for index, route in enumerate(routes):
        for sink in route.sinks:
            if sink not in sinks:
                raise LookupError(index, "sinks", sink)
        if route.demote_to is not None and route.demote_to not in sinks:
            raise LookupError(index, "demote_to", route.demote_to)
