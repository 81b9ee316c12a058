"""Amounts with units: `5s`, `250ms`, `10k`, `$0.10`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

NUMBER = re.compile(r"\$?(-?(?:[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15}))\s*([a-zµ$]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unit:
    """What one kind of amount may be written in: by suffix, how much one of it is."""

    wanted: str
    sizes: Mapping[str, float]


_SECONDS: Mapping[str, float] = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400,
}  # fmt: skip
_COUNTS: Mapping[str, float] = {"": 1, "k": 1e3, "m": 1e6}
UNITS: Mapping[str, Unit] = {
    "duration_ns": Unit("a duration with its unit, such as 250ms, 5s, 2m or 1h", {
        unit: size * 1e9 for unit, size in _SECONDS.items()
    }),
    "duration_s": Unit("a duration with its unit, such as 250ms, 5s, 2m or 1h", _SECONDS),
    "tokens": Unit("a number of tokens, such as 1000 or 10k", {**_COUNTS, "tokens": 1}),
    "usd": Unit("an amount in US dollars, such as 0.1", {"": 1, "usd": 1, "$": 1}),
    "number": Unit("a number", {"": 1}),
}  # fmt: skip


def amount(text: str, kind: str) -> float | None:
    """Return an amount in its base unit, None where the text is none.

    >>> amount("250ms", "duration_ns"), amount("10k", "tokens"), amount("5", "duration_ns")
    (250000000.0, 10000.0, None)
    """
    found = NUMBER.fullmatch(text.strip())
    if found is None or (text.startswith("$") and kind != "usd"):
        return None
    size = UNITS[kind].sizes.get(found[2].lower())
    return None if size is None else round(float(found[1]) * size, 12)
