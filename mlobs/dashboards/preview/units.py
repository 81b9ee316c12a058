"""Numbers as Grafana writes them: one table of units.

A unit that is not in the table is written after the number, which is what Grafana does with it.
"""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

Write = Callable[[float, int | None], str]

SI = ("", "k", "M", "G", "T", "P", "E")
BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
SHORT = ("", " K", " Mil", " Bil", " Tri", " Quadr", " Quint")
COUNTS = ("", "K", "M", "B", "T")
MOMENTS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
# From how many seconds on, which unit of how many seconds.
DURATIONS = (
    (0.0, 1e-9, " ns"),
    (1e-6, 1e-6, " µs"),
    (1e-3, 1e-3, " ms"),
    (1.0, 1.0, " s"),
    (60.0, 60.0, " min"),
    (3600.0, 3600.0, " hour"),
    (86400.0, 86400.0, " day"),
    (604800.0, 604800.0, " week"),
    (31536000.0, 31556900.0, " year"),
)


def show(value: float, unit: str | None, decimals: int | None = None) -> str:
    """Return a number with its unit.

    >>> show(0.25, "s"), show(2048, "bytes"), show(0.5, "percentunit"), show(1234, "currencyUSD")
    ('250 ms', '2 KiB', '50%', '$1.23K')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return _writer(unit or "none")(value, decimals)


def digits(value: float, decimals: int | None = None) -> str:
    """Return a number with as many digits as tell it apart; those asked for are kept, zeros too.

    >>> digits(1234.5), digits(0.0123), digits(3.0), digits(3.0, 2)
    ('1235', '0.0123', '3', '3.00')
    """
    if decimals is not None:
        return f"{_halves_up(value, decimals):.{max(decimals, 0)}f}"
    if value == 0 or value % 1 == 0:
        return f"{value:.0f}" if abs(value) < 1e15 else f"{value:.3g}"
    return _bare(f"{_halves_up(value, decimals_of(value)):.{decimals_of(value)}f}")


def decimals_of(value: float) -> int:
    """Return how many digits after the point show about three significant ones."""
    place = 1 - math.floor(math.log10(abs(value)))
    if value / 10.0**-place > 2.25:
        place += 1
    return min(max(place, 0), 12)


def is_binary(unit: str | None) -> bool:
    """Return whether a unit goes in steps of 1024."""
    return unit in {"bytes", "bits", "kbytes", "mbytes", "gbytes", "binBps"}


def _writer(unit: str) -> Write:
    if unit in TABLE:
        return TABLE[unit]
    kind, colon, rest = unit.partition(":")
    if colon and kind == "prefix":
        return lambda value, decimals: rest + digits(value, decimals)
    if colon and kind == "currency":
        return _currency(rest)
    if colon and kind == "count":
        return _counted(rest)
    if colon and kind == "si":
        return _scaled(1000, SI, f" {rest}", spaced=True)
    if colon and kind == "bool":
        yes, _, no = rest.partition("/")
        return lambda value, decimals: yes if value else no or "-"
    if colon and kind == "time":
        return lambda value, decimals: _moment(value, decimals, rest)
    return _followed(rest if colon and kind == "suffix" else unit)


def _followed(symbol: str) -> Write:
    after = f" {symbol}" if symbol else ""
    return lambda value, decimals: digits(value, decimals) + after


def _scaled(
    factor: float, names: Sequence[str], after: str = "", *, offset: int = 0, spaced: bool = False
) -> Write:
    def write(value: float, decimals: int | None) -> str:
        size = abs(value)
        place = math.floor(math.log(size) / math.log(factor) + 1e-12) if size else 0
        place = min(max(place, -offset), len(names) - 1 - offset)
        name = names[place + offset]
        if spaced:
            return f"{digits(value / factor**place, decimals)} {name}{after.strip()}"
        return f"{digits(value / factor**place, decimals)}{name}{after}"

    return write


def _counted(symbol: str) -> Write:
    return _scaled(1000, COUNTS, f" {symbol}")


def _currency(symbol: str) -> Write:
    scaled = _scaled(1000, COUNTS)

    def write(value: float, decimals: int | None) -> str:
        return ("-" if value < 0 else "") + symbol + scaled(abs(value), decimals)

    return write


def _duration(seconds: float) -> Write:
    def write(value: float, decimals: int | None) -> str:
        size = value * seconds
        if size == 0:
            return f"{digits(0, decimals)} s" if seconds == 1 else f"{digits(0, decimals)} ms"
        _, unit, name = [row for row in DURATIONS if abs(size) >= row[0]][-1]
        return digits(size / unit, decimals) + name

    return write


def _clock(value: float, decimals: int | None) -> str:
    left = round(abs(value))
    parts: list[str] = []
    for size, name in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if left >= size or (size == 1 and not parts):
            parts.append(f"{left // size}{name}")
            left %= size
    return ("-" if value < 0 else "") + " ".join(parts[:3])


def ago(seconds: float) -> str:
    """Return how long ago something was, as Grafana says it of a moment.

    >>> [ago(20), ago(70), ago(600), ago(86400)]
    ['a few seconds ago', 'a minute ago', '10 minutes ago', 'a day ago']
    """
    if seconds < FEW_SECONDS:
        return "a few seconds ago"
    fitting = [row for row in AGES if round(seconds / row[2]) < row[3]] or AGES[-1:]
    one, several, each, _ = fitting[0]
    number = max(round(seconds / each), 1)
    return f"{one if number == 1 else f'{number} {several}'} ago"


def _moment(value: float, decimals: int | None, form: str = "YYYY-MM-DD HH:mm:ss") -> str:
    for word, put in MOMENTS.items():
        form = form.replace(word, put)
    try:
        return datetime.fromtimestamp(value / 1000, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return digits(value)


def _halves_up(value: float, decimals: int) -> float:
    factor = 10.0 ** max(decimals, 0)
    if abs(value) * factor > 1e15:
        return value
    return math.floor(value * factor + 0.5) / factor


def _bare(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(factor: float) -> Write:
    return lambda value, decimals: digits(value * factor, decimals) + "%"


FEW_SECONDS = 45
# What one and several are called, how long one is, and how many of them are said in the next.
AGES = (
    ("a minute", "minutes", 60, 45),
    ("an hour", "hours", 3600, 22),
    ("a day", "days", 86_400, 26),
    ("a month", "months", 2_629_746, 11),
    ("a year", "years", 31_556_952, 1_000_000),
)
TABLE: dict[str, Write] = {
    "none": lambda value, decimals: digits(value, decimals),
    "string": lambda value, decimals: digits(value, decimals),
    "short": _scaled(1000, SHORT),
    "locale": lambda value, decimals: f"{value:,.{decimals or 0}f}",
    "sci": lambda value, decimals: f"{value:.{2 if decimals is None else decimals}e}",
    "percent": _percent(1),
    "percentunit": _percent(100),
    "ns": _duration(1e-9),
    "µs": _duration(1e-6),
    "ms": _duration(1e-3),
    "s": _duration(1),
    "m": _duration(60),
    "h": _duration(3600),
    "d": _duration(86400),
    "dtdurations": _clock,
    "dtdurationms": lambda value, decimals: _clock(value / 1000, decimals),
    "dthms": _clock,
    "clocks": _clock,
    "bytes": _scaled(1024, BINARY, "B", spaced=True),
    "bits": _scaled(1024, BINARY, "b", spaced=True),
    "kbytes": _scaled(1024, BINARY, "B", offset=1, spaced=True),
    "mbytes": _scaled(1024, BINARY, "B", offset=2, spaced=True),
    "gbytes": _scaled(1024, BINARY, "B", offset=3, spaced=True),
    "decbytes": _scaled(1000, SI, "B", spaced=True),
    "deckbytes": _scaled(1000, SI, "B", offset=1, spaced=True),
    "decmbytes": _scaled(1000, SI, "B", offset=2, spaced=True),
    "decbits": _scaled(1000, SI, "b", spaced=True),
    "Bps": _scaled(1000, SI, "B/s", spaced=True),
    "binBps": _scaled(1024, BINARY, "B/s", spaced=True),
    "bps": _scaled(1000, SI, "b/s", spaced=True),
    "hertz": _scaled(1000, SI, "Hz", spaced=True),
    "rothz": _scaled(1000, SI, "Hz", spaced=True),
    "watt": _scaled(1000, SI, "W", spaced=True),
    "joule": _scaled(1000, SI, "J", spaced=True),
    "celsius": _followed("°C"),
    "fahrenheit": _followed("°F"),
    "cps": _counted("c/s"),
    "ops": _counted("ops/s"),
    "reqps": _counted("req/s"),
    "rps": _counted("rd/s"),
    "wps": _counted("wr/s"),
    "iops": _counted("io/s"),
    "eps": _counted("evt/s"),
    "mps": _counted("msg/s"),
    "recps": _counted("rec/s"),
    "rowsps": _counted("rows/s"),
    "cpm": _counted("c/m"),
    "opm": _counted("ops/m"),
    "reqpm": _counted("req/m"),
    "currencyUSD": _currency("$"),
    "currencyEUR": _currency("€"),
    "currencyGBP": _currency("£"),
    "currencyJPY": _currency("¥"),
    "bool": lambda value, decimals: "True" if value else "False",
    "bool_yes_no": lambda value, decimals: "Yes" if value else "No",
    "bool_on_off": lambda value, decimals: "On" if value else "Off",
    "dateTimeAsIso": _moment,
    "dateTimeAsIsoNoDateIfToday": _moment,
    "dateTimeAsLocal": _moment,
    "dateTimeAsSystem": _moment,
    "dateTimeFromNow": _moment,
}
