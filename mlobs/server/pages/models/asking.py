"""Parameters of the cost pages, as the questions of `mlobs.server.costs`."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from mlobs.errors import PayloadError
from mlobs.prices.book import Book, packaged
from mlobs.prices.models import NAME_CHARACTERS_MAX
from mlobs.prices.rows import Price
from mlobs.server.ask import asked
from mlobs.server.ask.ranges import NS, Range
from mlobs.server.costs.pricing import Pricing, embeds
from mlobs.server.costs.report import Question
from mlobs.server.costs.summed import TEN_S
from mlobs.server.pages.period import Period

ROWS, TIME_ROWS = 50, 10_000
HOURLY_NS_MAX = 72 * 3600 * NS
CHART_NS_MIN = 2 * 3600 * NS
TENS_NS_MIN = 6 * 3600 * NS
# What costs are often divided by, with what the question is called.
DIVISIONS = {
    "model": "model",
    "provider": "provider",
    "service": "service",
    "version": "resource.service.version",
    "tenant": "tenant",
    "agent": "agent",
    "user": "user",
    "session": "session",
    "experiment": "experiment",
}
BUCKETS_ASKED = ("input", "output", "cached_read", "cached_write")
PRICE_MAX = 1e6
_IMAGINED = "imagined"
_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")


def question(
    given: Mapping[str, str],
    within: Range,
    by: tuple[str, ...],
    pricing: Pricing,
    *,
    known: bool,
    then: Pricing | None = None,
    limit: int = ROWS,
) -> Question:
    """Return a question about the calls that the filter `q` finds; its other parts are `Question`'s.

    Raises:
        QueryError: The filter cannot be read.
    """
    return Question(asked.spans(given), within, by, limit, pricing, then, known)


def whole_tens(period: Period) -> Range:
    """Return the range whose calls are added up: long ones up to now in whole tens of minutes.

    What lies outside of those would be read from the spans, which takes as long as all the rest. The overview
    counts the same tens. A range with a beginning of its own is taken at its word.
    """
    within = period.range
    if not period.preset or within.now_ns - within.since_ns < TENS_NS_MIN:
        return within
    ten_ns = TEN_S * NS
    begin, end = within.since_ns // ten_ns * ten_ns, -(-within.now_ns // ten_ns) * ten_ns
    return Range(begin, end - 1, within.now_ns)


def divided(given: Mapping[str, str]) -> str:
    """Return by what costs are to be divided, as reports call it.

    Raises:
        PayloadError: It is several things.
    """
    name = given.get("by", "model").strip()
    if "," in name:
        raise PayloadError(f"by={name[:60]!r} came; one name was expected. mlobs cost report takes several.")
    return DIVISIONS.get(name, asked.checked("by", name))


def step(within: Range) -> str:
    """Return how long the steps of a chart over a range are: hour or day; "" for one too short for any."""
    length = min(within.until_ns, within.now_ns) - within.since_ns
    return "" if length < CHART_NS_MIN else "hour" if length <= HOURLY_NS_MAX else "day"


def other_prices(given: Mapping[str, str], book: Book, day: date) -> tuple[Pricing, str]:
    """Return how calls are to be priced for comparison, and which way that is: as, own or today.

    Args:
        given: `as_model`, or prices by bucket with `model` as the one they are of, or neither.
        book: The prices in use.
        day: Today.

    Raises:
        PayloadError: A price is no amount, or the model has no price.
    """
    other = given.get("as_model", "").strip()
    if other:
        return Pricing(book, day, other, embeds(known(book, "as_model", other, day))), "as"
    own = {name: amount(given, name) for name in BUCKETS_ASKED if given.get(name)}
    if not own:
        return Pricing(book, day), "today"
    for name in ("input", "output"):
        if name not in own:
            raise PayloadError(f"{name} is missing; prices are given for input and for output at least.")
    listed = book.find(None, given["model"], day) if given.get("model") else None
    of_embeddings = listed is not None and embeds(listed)
    return Pricing(Book([_imagined(listed, own)]), None, _IMAGINED, of_embeddings, book), "own"


def _imagined(like: Price | None, own: Mapping[str, float]) -> Price:
    """Return a price for every day; service tiers cost the share of it that they do of a model's own."""
    return Price(
        provider=_IMAGINED,
        model=_IMAGINED,
        valid_from=date.min,
        source="this page",
        input=own["input"],
        output=own["output"],
        cached_read=own.get("cached_read"),
        cached_write=own.get("cached_write"),
        tiers={} if like is None else like.tiers,
    )


def known(book: Book, name: str, model: str, day: date) -> Price:
    """Return the price of a model today.

    Raises:
        PayloadError: There is none.
    """
    listed = book.find(None, model, day) if len(model) <= NAME_CHARACTERS_MAX else None
    if listed is None:
        raise PayloadError(
            f"{name}={asked.checked(name, model)[:60]!r} came, and no price of it is known; a model of the "
            "price list was expected, such as gpt-4o-mini."
        )
    return listed


def amount(given: Mapping[str, str], name: str) -> float:
    """Return a price in dollars per million tokens.

    Raises:
        PayloadError: It is none.
    """
    text = given[name].strip().removeprefix("$")
    if not _AMOUNT.fullmatch(text):
        raise PayloadError(
            f"{name}={text[:40]!r} came; dollars per million tokens, such as 2.50, were expected."
        )
    return float(text)


def offered(book: Book, day: date) -> list[str]:
    """Return the models that have a price on a day."""
    rows = (*book.own, *packaged())
    return sorted({row.model for row in rows if row.holds(day)})


def today(now_ns: int) -> date:
    """Return the day of a moment, in UTC."""
    return datetime.fromtimestamp(now_ns // NS, UTC).date()


def prices(row: Price | None) -> dict[str, Any]:
    """Return the price of each bucket that a form asks for."""
    found = {} if row is None else row.prices()
    return {name: found.get(name) for name in BUCKETS_ASKED}
