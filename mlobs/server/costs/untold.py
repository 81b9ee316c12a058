"""What calls cost that do not tell it themselves, worked out before they are stored.

Other instrumentations tell tokens and no cost. Budgets, alerts, lists and pages read the cost of a span, so
it is given one by the rule of `mlobs cost report`: the prices of the call's day, the model that answered or
else the one asked for. Of a call and a child that repeats it only one has a cost, as far as both came
together: the one that tells it, or else the child. The span's attributes stay as they were sent.

Why tokens are put into buckets here and not by the SQL of `calls`: planning that takes 400 ms, which every
segment with such a call would pay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mlobs.prices.book import Book
from mlobs.prices.buckets import Usage, of_totals
from mlobs.prices.rows import STANDARD
from mlobs.semconv import attributes as a
from mlobs.server.ask.keys import CALLS
from mlobs.server.canonical import DIALECT, FACTS, UNCACHED
from mlobs.server.costs.calls import COUNT_MAX, TIER_CHARACTERS_MAX, TIERS
from mlobs.server.wire import has_tokens, price_key

# Read from what a dialect means, in this order.
_MEANT = (
    a.PROVIDER_NAME, a.REQUEST_MODEL, a.RESPONSE_MODEL, a.COST_USD, a.INPUT_TOKENS, a.OUTPUT_TOKENS,
    a.CACHE_READ_TOKENS, a.CACHE_WRITE_TOKENS, a.REASONING_TOKENS,
)  # fmt: skip
# Read from the attributes themselves, as no dialect tells them.
_SENT = (
    *TIERS, a.CACHE_WRITE_1H_TOKENS, a.AUDIO_INPUT_TOKENS, a.IMAGE_INPUT_TOKENS, a.AUDIO_CACHE_READ_TOKENS,
    a.AUDIO_OUTPUT_TOKENS, a.IMAGE_OUTPUT_TOKENS,
)  # fmt: skip
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call.

    Attributes:
        key: Of its price.
        span: Its own id, and the trace's.
        parent: The id of the span above it, and the trace's; None where there is none.
        same: What it has in common with a child that repeats it; None of a model without a name.
        told: Whether it tells its cost.
        usage: Its tokens.
        provider: Of the model.
        models: The one that answered and the one asked for.
        tier: Of the service, "" for the standard one.
        day: On which it began.
    """

    key: bytes
    span: tuple[str, str]
    parent: tuple[str, str] | None
    same: tuple[str, int, int] | None
    told: bool
    usage: Usage
    provider: str | None
    models: tuple[str, str]
    tier: str
    day: date


def used_calls() -> str:
    """Return the query for the calls of a staged segment that may tell tokens, in the words of `wire`."""
    meant = ", ".join(f"{FACTS}['{row.name}']" for row in _MEANT)
    sent = ", ".join(f"SpanAttributes['{row.name}']" for row in _SENT)
    operations = ", ".join(map(repr, CALLS))
    return f"""SELECT
    hex({price_key()}) AS key,
    hex(s.trace_id) AS trace, hex(s.span_id) AS span, hex(s.parent_span_id) AS parent,
    toDate32(moment(s.start)) AS day, {DIALECT} != '' AS translated, s.status.code = 2 AS failed,
    arrayMap(one -> toValidUTF8(one), [{meant}]) AS meant, arrayMap(one -> toValidUTF8(one), [{sent}]) AS sent
FROM (
    SELECT *, facts() AS {FACTS}
    FROM (
        SELECT *, s.name AS SpanName, content(SpanAttributes) AS is_content, dialect() AS {DIALECT}
        FROM (
            SELECT *, attributes(s.attributes) AS SpanAttributes
            FROM (
                SELECT arrayJoin(arrayFilter(
                    s -> {has_tokens("s.attributes.n")}, arrayFlatten(resources.scopes.items)
                )) AS s
                FROM stage
            )
        )
    )
)
WHERE {FACTS}['{a.OPERATION_NAME.name}'] IN ({operations})"""


def costs(rows: Iterable[Row], book: Book) -> list[tuple[bytes, str]]:
    """Return the costs of those calls that tell none and have a price, as text, by the key of the span.

    Args:
        rows: Of `used_calls`.
        book: The prices.
    """
    calls = [call for call in map(_call, rows) if call.usage.input_total or call.usage.output_total]
    children = {(call.parent, call.same) for call in calls if call.parent and call.same}
    telling = {(call.span, call.same) for call in calls if call.told and call.same}
    found = []
    for call in calls:
        if call.told or (call.span, call.same) in children or (call.parent, call.same) in telling:
            continue
        cost = book.cost_usd(call.usage, call.provider, call.models, call.day, tier=call.tier)
        if cost is not None:
            found.append((call.key, repr(cost)))
    return found


def _call(row: Row) -> _Call:
    provider, asked, answered, cost, inputs, outputs, *parts = row["meant"]
    read, write, thought = map(_count, parts)
    tiers, details = row["sent"][: len(TIERS)], map(_count, row["sent"][len(TIERS) :])
    write_1h, audio, image, read_audio, spoken, drawn = details
    total_in, total_out = _inputs(inputs, read + write, translated=row["translated"]), _count(outputs)
    if row["translated"] and row["failed"]:
        answered = (
            ""  # Some dialects have one name for the model that was asked for and the one that answered.
        )
    totals = min(total_in, COUNT_MAX), min(total_out, COUNT_MAX)
    model = asked or answered
    return _Call(
        key=bytes.fromhex(row["key"]),
        span=(row["trace"], row["span"]),
        parent=(row["trace"], row["parent"]) if row["parent"] else None,
        same=(model, total_in, total_out) if model else None,
        told=_is_number(cost),
        usage=of_totals((*totals, read, write, write_1h, audio, image, read_audio, thought, spoken, drawn)),
        provider=provider or None,
        models=(answered, asked),
        tier=_tier(tiers),
        day=date.fromisoformat(row["day"]),
    )


def _inputs(text: str, cached: int, *, translated: bool) -> int:
    """Return the input tokens with the cached ones, as the column InputTokens has them."""
    whole = _count(text.removesuffix(UNCACHED))
    beside = translated and (text.endswith(UNCACHED) or whole < cached)
    return whole + cached if beside and text else whole


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(2**64)) else 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _tier(told: Sequence[str]) -> str:
    """Return the first service tier that is told; "" for the standard one, whatever it is called."""
    first = next(filter(None, told), "")[:TIER_CHARACTERS_MAX].lower()
    return "" if first in STANDARD else first
