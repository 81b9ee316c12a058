"""Durations, money, counts and moments as people read them.

Numbers are kept short enough for a column and exact enough to compare; what is not known is a dash.
"""

import math
from datetime import UTC, datetime, timedelta

NONE = "\N{EN DASH}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATIONS = ((1.0, 1e3, "µs"), (1e3, 1.0, "ms"), (60_000.0, 1e-3, "s"))
_SHORT = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def duration(milliseconds: float | None) -> str:
    """Return a duration.

    >>> duration(0.25), duration(12.34), duration(2500), duration(150_000), duration(7_500_000)
    ('250 µs', '12.3 ms', '2.50 s', '2 min 30 s', '2 h 5 min')
    >>> duration(0), duration(60_000)
    ('0', '1 min')
    """
    if milliseconds is None or not math.isfinite(milliseconds):
        return NONE
    if milliseconds == 0:
        return "0"
    for below, times, unit in _DURATIONS:
        if milliseconds < below:
            return f"{_three(milliseconds * times)} {unit}"
    seconds = round(milliseconds / 1000)
    if seconds < 3600:
        return _two(seconds // 60, "min", seconds % 60, "s")
    if seconds < 2 * 86_400:
        return _two(seconds // 3600, "h", seconds % 3600 // 60, "min")
    return _two(seconds // 86_400, "d", seconds % 86_400 // 3600, "h")


def money(usd: float | None) -> str:
    """Return dollars with as many places as small amounts need.

    >>> money(1234.5), money(1.5), money(0.0123), money(0.0000023), money(0)
    ('$1,234.50', '$1.50', '$0.012', '$0.0000023', '$0')
    """
    if usd is None:
        return NONE
    if usd == 0:
        return "$0"
    size, sign = abs(usd), "-" if usd < 0 else ""
    if size >= 0.1:
        return f"{sign}${size:,.2f}"
    places = min(12, 1 - math.floor(math.log10(size)))
    return f"{sign}${size:.{places}f}"


def count(number: float | None) -> str:
    """Return a count, short where it is large.

    >>> count(999), count(12_345), count(1_234_567), count(0.25), count(150.5), count(0.00002)
    ('999', '12.3k', '1.23M', '0.25', '150', '0.00002')
    """
    if number is None:
        return NONE
    for size, letter in _SHORT:
        if abs(number) >= (10_000 if size == 1e3 else size):
            return f"{_three(number / size)}{letter}"
    return f"{number:,.0f}" if number == int(number) else plain(number, 2)


def plain(number: float, digits: int) -> str:
    """Return a number with so many digits that count, all those before the point, and never an exponent.

    >>> plain(0.000012345, 3), plain(0.5, 3), plain(12_345.6, 3), plain(0, 3)
    ('0.0000123', '0.5', '12,346', '0')
    """
    if number == 0 or not math.isfinite(number):
        return f"{number:.0f}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def whole(number: int | None) -> str:
    """Return a count with all its digits.

    >>> whole(1234567)
    '1,234,567'
    """
    return NONE if number is None else f"{number:,}"


def noun(number: float | None, one: str, many: str = "") -> str:
    """Return the word for so many things.

    >>> noun(1, "span"), noun(2, "span"), noun(2, "needs", "need")
    ('span', 'spans', 'need')
    """
    return one if number == 1 else many or f"{one}s"


def ratio(share: float | None) -> str:
    """Return a share in percent.

    >>> ratio(0.0312), ratio(0.5), ratio(0)
    ('3.1 %', '50 %', '0 %')
    """
    if share is None:
        return NONE
    percent = share * 100
    if percent == 0:
        return "0 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{plain(percent, 2)} %"


def size(characters: int) -> str:
    """Return how large something is.

    >>> size(512), size(20_000), size(3_500_000)
    ('512 B', '20.0 kB', '3.50 MB')
    """
    if characters < 1000:
        return f"{characters} B"
    if characters < 1_000_000:
        return f"{_three(characters / 1e3)} kB"
    return f"{_three(characters / 1e6)} MB"


def stamp(unix_ns: int) -> str:
    """Return a moment as `<time datetime>` has it.

    >>> stamp(1_500_000_000)
    '1970-01-01T00:00:01.500Z'
    """
    moment = _EPOCH + timedelta(milliseconds=unix_ns // 1_000_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def utc(moment: str) -> str:
    """Return an ISO 8601 moment as it is shown until the script knows the reader's zone.

    >>> utc("2026-05-01T12:30:01.123456Z")
    '2026-05-01 12:30:01'
    """
    return moment[:19].replace("T", " ")


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large} {unit} {small} {small_unit}" if small else f"{large} {unit}"


def _three(number: float) -> str:
    """Return three digits, more where there are more before the point."""
    if abs(number) >= 100:
        return f"{number:.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
