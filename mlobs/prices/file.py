"""A file of prices: reads it, and says what a row must look like."""

import difflib
import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mlobs.errors import SettingError
from mlobs.prices.buckets import BUCKETS
from mlobs.prices.models import PROVIDERS
from mlobs.prices.rows import Price

TEXTS = ("provider", "model", "source")
DATES = ("valid_from", "valid_until", "checked")
NEEDED = ("provider", "model", "valid_from", "input", "output", "source")
FIELDS = (*TEXTS, *DATES, *BUCKETS, "tiers", "above", "regional")
PRICE_MAX = 1e9
FILE_BYTES_MAX = 16 << 20
PRICED = "dollars per million tokens, 0 or more, were expected"

Wrong = Callable[[str], SettingError]


def load_prices(path: Path, came: str = "") -> tuple[Price, ...]:
    """Read a file of prices; `came` says in errors where its name is from, MLOBS_PRICES if it is empty.

    Raises:
        SettingError: It cannot be read, or a row cannot be used.
    """
    came = came or f"MLOBS_PRICES={str(path)!r}"
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingError(f"{came} is larger than {FILE_BYTES_MAX >> 20} MiB.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{came} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingError(f"{came} is no text in UTF-8.") from None
    return read_rows(came, text)


def read_rows(came: str, text: str) -> tuple[Price, ...]:
    """Read rows of JSON; `came` says in errors where they are from.

    Raises:
        SettingError: A row cannot be used.
    """
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{came} is no JSON: {error}.") from None
    if not isinstance(rows, list):
        raise SettingError(f"{came}: a list of rows was expected, not {type(rows).__name__}.")
    found, seen = [], dict[tuple[object, ...], int]()
    for number, row in enumerate(rows, 1):
        price = Price(**checked_row(f"{came}, row {number}", row))
        key = (price.provider, price.model.lower(), price.valid_from, price.above)
        if key in seen:
            raise SettingError(f"{came}, row {number}: row {seen[key]} says the same model, day and above.")
        seen[key] = number
        found.append(price)
    return tuple(found)


def checked_row(where: str, row: object) -> dict[str, Any]:
    """Return the fields of a price.

    Args:
        where: The file and the row, for errors.
        row: What was read.

    Raises:
        SettingError: It cannot be used.
    """

    def wrong(what: str) -> SettingError:
        return SettingError(f"{where}: {what}.")

    if not isinstance(row, dict):
        raise wrong(f"an object with provider, model and prices was expected, not {type(row).__name__}")
    made: dict[str, Any] = {name: _field(wrong, name, value) for name, value in row.items()}
    for name in NEEDED:
        if name not in made:
            raise wrong(f"{name!r} is missing")
    if made.get("valid_until", made["valid_from"]) < made["valid_from"]:
        raise wrong(f"valid_until={row['valid_until']!r} is before valid_from={row['valid_from']!r}")
    provider = made["provider"].strip().lower()
    return {**made, "provider": PROVIDERS.get(provider, provider)}


def _field(wrong: Wrong, name: str, value: object) -> object:
    _known(wrong, name, FIELDS)
    if name in DATES:
        try:
            return date.fromisoformat(value)  # type: ignore[arg-type] # what is no text raises
        except (TypeError, ValueError):
            raise wrong(f"{name}={value!r}: a day such as 2025-01-31 was expected") from None
    if name in TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise wrong(f"{name}={value!r}: a text was expected")
        return value.strip()
    if name == "tiers":
        return _tiers(wrong, value)
    if name == "above":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**15:
            raise wrong(f"above={value!r}: a whole number of input tokens, 0 or more, was expected")
        return value
    if name == "regional":
        if not _is_price(value) or not value:
            raise wrong(f"regional={value!r}: a factor such as 1.1 was expected")
        return value
    if not _is_price(value):
        raise wrong(f"{name}={value!r}: {PRICED}")
    return value


def _tiers(wrong: Wrong, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise wrong(f"tiers={value!r}: factors by service tier, such as {{'batch': 0.5}}, were expected")
    for tier, told in value.items():
        if isinstance(told, Mapping):
            for bucket, price in told.items():
                _known(wrong, bucket, BUCKETS)
                if not _is_price(price):
                    raise wrong(f"tiers: {tier}: {bucket}={price!r}: {PRICED}")
        elif not _is_price(told):
            raise wrong(f"tiers: {tier}={told!r}: a factor such as 0.5, or prices by bucket, were expected")
    return {tier.strip().lower(): told for tier, told in value.items()}


def _known(wrong: Wrong, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise wrong(f"{name!r} is not known{f' (did you mean {near[0]!r}?)' if near else ''}")


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < PRICE_MAX
