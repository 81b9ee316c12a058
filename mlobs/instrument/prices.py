"""What models cost: dated prices per bucket of tokens, and the cost of a call.

`prices.json` holds the rows, each with its source and the day it became valid; they are the
providers' public list prices as far as these were known when the rows were written, and they
change. MLOBS_PRICES names a file of the same form whose rows go before them: for models that
are missing, for what your contract says, and for what has changed since. A model that has no
row costs `None`, which means unknown; nothing is ever assumed to be free. A row of zeros is.

A row:

    {"provider": "openai", "model": "gpt-4o", "valid_from": "2024-10-01", "source": "https://...",
     "input": 2.5, "output": 10, "cached_read": 1.25, "tiers": {"batch": 0.5}, "above": 0}

Numbers are US dollars per million tokens, by the buckets of `mlobs.Usage`. `tiers` are factors for
other service tiers than the standard one. `above` makes a row hold for calls with more input
tokens than that; the row with the largest such number holds. `valid_until` ends a row.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mlobs.errors import SettingError
from mlobs.instrument.usage import Usage

STANDARD = frozenset({"standard", "default", "auto", ""})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Price:
    """What one model's tokens cost from a day on, in US dollars per million.

    A bucket without a price of its own is charged as the bucket it is part of: cached and audio input
    as input, a cache write of an hour as one of minutes, reasoning and audio output as output.
    """

    provider: str
    model: str
    valid_from: date
    input: float
    output: float
    source: str
    cached_read: float | None = None
    cached_write: float | None = None
    cached_write_1h: float | None = None
    input_audio: float | None = None
    input_image: float | None = None
    cached_audio: float | None = None
    reasoning: float | None = None
    output_audio: float | None = None
    output_image: float | None = None
    tiers: Mapping[str, float] = field(default_factory=dict)
    above: int = 0
    valid_until: date | None = None

    def of(self, usage: Usage, tier: str = "standard") -> float | None:
        """Return the cost of `usage` in US dollars, or None if the tier's price is unknown."""
        factor = 1.0 if tier in STANDARD else self.tiers.get(tier)
        if factor is None:
            return None
        read, write = _or(self.cached_read, self.input), _or(self.cached_write, self.input)
        dollars = (
            usage.input * self.input
            + usage.cached_read * read
            + usage.cached_write * write
            + usage.cached_write_1h * _or(self.cached_write_1h, write)
            + usage.input_audio * _or(self.input_audio, self.input)
            + usage.input_image * _or(self.input_image, self.input)
            + usage.cached_audio * _or(self.cached_audio, _or(self.input_audio, read))
            + usage.output * self.output
            + usage.reasoning * _or(self.reasoning, self.output)
            + usage.output_audio * _or(self.output_audio, self.output)
            + usage.output_image * _or(self.output_image, self.output)
        )
        return dollars * factor / 1e6


def _or(price: float | None, other: float) -> float:
    return other if price is None else price


@cache
def packaged() -> tuple[Price, ...]:
    """Return the prices that ship with mlobs."""
    path = files("mlobs.instrument") / "prices.json"
    return tuple(
        _row("prices.json", number, row) for number, row in enumerate(json.loads(path.read_text()), 1)
    )


class Book:
    """The rows in use: those of a file first, then the packaged ones."""

    own: tuple[Price, ...] = ()


def use(rows: Iterable[Price]) -> None:
    """Put `rows` before the packaged ones, instead of those put there before."""
    Book.own = tuple(rows)
    _index.cache_clear()
    _rows.cache_clear()


def load_prices(path: Path) -> tuple[Price, ...]:
    """Read a file of prices.

    Raises:
        SettingError: It cannot be read, or a row cannot be used.
    """
    try:
        rows = json.loads(path.read_text())
    except OSError as error:
        raise SettingError(f"MLOBS_PRICES={str(path)!r} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SettingError(f"MLOBS_PRICES={str(path)!r} is no JSON: {error}.") from None
    if not isinstance(rows, list):
        raise SettingError(
            f"MLOBS_PRICES={str(path)!r}: a list of rows was expected, not {type(rows).__name__}."
        )
    return tuple(_row(str(path), number, row) for number, row in enumerate(rows, 1))


def cost_usd(
    usage: Usage, provider: str | None, model: str, day: date, *, tier: str = "standard"
) -> float | None:
    """Return what a call cost, or None if its price is unknown."""
    price = find(provider, model, day, input_tokens=usage.input_total)
    return None if price is None else price.of(usage, tier)


def find(provider: str | None, model: str, day: date, *, input_tokens: int = 0) -> Price | None:
    """Return the price of `model` on `day`, or None if it is unknown.

    A dated snapshot (`gpt-4o-mini-2024-07-18`) costs what its model does, unless it has a row of its
    own. Without a provider the model's name decides.
    """
    for row in _rows(provider, model, day):  # the largest `above` first
        if input_tokens > row.above or row.above == 0:
            return row
    return None


@lru_cache(maxsize=2048)  # model names may be made from user input
def _rows(provider: str | None, model: str, day: date) -> tuple[Price, ...]:
    """Return the rows that hold for a model on a day, one for each `above`, the largest first."""
    wanted = None if provider is None else PROVIDERS.get(provider.lower(), provider.lower())
    for name in spellings(model):
        newest: dict[int, Price] = {}
        for row in _index().get(name, ()):
            ended = row.valid_until is not None and day > row.valid_until
            if row.valid_from <= day and not ended and wanted in {None, row.provider, *GATEWAYS}:
                newest.setdefault(row.above, row)
        if newest:
            return tuple(newest[above] for above in sorted(newest, reverse=True))
    return ()


@cache
def _index() -> dict[str, list[Price]]:
    """Return all rows by model; a file's before the packaged ones, the newest first."""
    found: dict[str, list[Price]] = {}
    for rows in (Book.own, packaged()):
        for row in sorted(rows, key=lambda row: row.valid_from, reverse=True):
            found.setdefault(row.model.lower(), []).append(row)
    return found


# Other names of the providers, and those who sell others' models at their price.
PROVIDERS = {
    "google": "gcp.gemini", "gemini": "gcp.gemini", "gcp.gen_ai": "gcp.gemini", "gcp.vertex_ai": "gcp.gemini",
    "vertex_ai": "gcp.gemini", "mistral": "mistral_ai", "mistralai": "mistral_ai", "xai": "x_ai",
    "bedrock": "aws.bedrock", "aws": "aws.bedrock",
}  # fmt: skip
GATEWAYS = frozenset({"aws.bedrock", "litellm", "openrouter"})
_BEDROCK = re.compile(
    r"(?:[a-z]{2,6}\.)?(?:anthropic|amazon|meta|mistral|cohere)\.(.{1,100}?)(?:-v\d+(?::\d+)?)?"
)
_DATED = re.compile(r"(.{1,100}?)-(?:20\d\d-\d\d-\d\d|20\d{6}|\d{4}|\d{2}-20\d\d|\d{3}|latest)")


def spellings(model: str) -> list[str]:
    """Return the names under which a model may be listed, the most exact first.

    >>> spellings("us.anthropic.claude-sonnet-4-20250514-v1:0")
    ['us.anthropic.claude-sonnet-4-20250514-v1:0', 'claude-sonnet-4-20250514', 'claude-sonnet-4']
    """
    name = model.lower().strip()
    found = [name]
    if name.startswith("ft:"):
        return found  # a tuned model has a price of its own
    bare = name.rpartition("/")[2].partition("@")[0]
    bedrock = _BEDROCK.fullmatch(bare)
    if bedrock is not None:
        bare = bedrock.group(1)
    found.append(bare)
    dated = _DATED.fullmatch(bare)
    if dated is not None:
        found.append(dated.group(1))
    return list(dict.fromkeys(found))


_FIELDS = {one.name: one for one in fields(Price)}
_TEXTS = {"provider", "model", "source"}
_DATES = {"valid_from", "valid_until"}


def _row(where: str, number: int, row: object) -> Price:
    """Return one row of a file.

    Raises:
        SettingError: It cannot be used.
    """

    def wrong(what: str) -> SettingError:
        return SettingError(f"{where}, row {number}: {what}.")

    if not isinstance(row, dict):
        raise wrong(f"an object with provider, model and prices was expected, not {type(row).__name__}")
    made: dict[str, Any] = {}
    for name, value in row.items():
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, n=1)
            raise wrong(f"{name!r} is not known{f' (did you mean {near[0]!r}?)' if near else ''}")
        made[name] = _field(wrong, name, value)
    for name in ("provider", "model", "valid_from", "input", "output", "source"):
        if name not in made:
            raise wrong(f"{name!r} is missing")
    return Price(**made)


def _field(wrong: Any, name: str, value: object) -> object:
    if name in _DATES:
        try:
            return date.fromisoformat(value)  # type: ignore[arg-type] # what is no text raises
        except (TypeError, ValueError):
            raise wrong(f"{name}={value!r}: a day such as 2025-01-31 was expected") from None
    if name in _TEXTS:
        if not isinstance(value, str) or not value:
            raise wrong(f"{name}={value!r}: a text was expected")
        return value
    if name == "tiers":
        good = isinstance(value, dict) and all(_is_price(one) for one in value.values())
        if not good:
            raise wrong(f"tiers={value!r}: factors by service tier, such as {{'batch': 0.5}}, were expected")
        return value
    if not _is_price(value):
        raise wrong(f"{name}={value!r}: dollars per million tokens, 0 or more, were expected")
    return value


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
