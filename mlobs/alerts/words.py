"""The texts of an alert: a rule's sentences, filled in for Prometheus or for one alert.

Label values come from whoever sends telemetry. They are put in as they are, cut and without
control characters, and never read as a template: no `str.format`, no second pass.
"""

from collections.abc import Mapping

from mlobs.alerts.indicators import (
    Absence,
    BurnRate,
    Expression,
    Gauge,
    Growth,
    Increase,
    PerCallGrowth,
    Quantile,
    Ratio,
    Recorded,
    Silence,
)
from mlobs.alerts.measured import Bad, Beyond, Failed, Unit
from mlobs.alerts.rules import SLOT, Rule

LABEL_CHARACTERS_MAX = 200
_PROMETHEUS_VALUE = {
    "ratio": "{{ $value | humanizePercentage }}",
    "number": "{{ $value | humanize }}",
    "seconds": "{{ $value | humanizeDuration }}",
    "usd": '${{ $value | printf "%.2f" }}',
    "bytes": "{{ $value | humanize1024 }}B",
}


def for_prometheus(rule: Rule, text: str) -> str:
    """Return `text` as a template of Prometheus."""
    slots = {attribute.name: f"{{{{ $labels.{attribute.label} }}}}" for attribute in rule.indicator.by}
    slots["value"] = _PROMETHEUS_VALUE[rule.indicator.unit]
    return _fill(text, {**slots, **_facts(rule)})


def for_people(rule: Rule, text: str, labels: Mapping[str, str], value: float) -> str:
    """Return `text` about one alert. `labels` are by Prometheus label name."""
    slots = {
        attribute.name: printable(labels.get(attribute.label, "")) or f"(no {attribute.name})"
        for attribute in rule.indicator.by
    }
    slots["value"] = number(value, rule.indicator.unit)
    return _fill(text, {**slots, **_facts(rule)})


def fires_when(rule: Rule) -> str:
    """Return a rule's condition in words."""
    indicator = rule.indicator
    window = duration(indicator.window_s)
    limit = "" if rule.above is None else number(rule.above, indicator.unit)
    match indicator:
        case Ratio():
            return f"over {limit} of at least {indicator.calls_min} calls in {window} {_bad(indicator.bad)}"
        case BurnRate():
            short = duration(indicator.short_s)
            return (
                f"calls that {_bad(indicator.bad)} spend what an objective of {indicator.objective:.12g} "
                f"allows over {limit} times as fast, in {window} and in {short}"
            )
        case Quantile():
            share = f"{100 * indicator.quantile:.4g}%"
            return (
                f"{share} of at least {indicator.calls_min} calls in {window} stay below a "
                f"{indicator.metric.name} that is over {limit}"
            )
        case Gauge():
            return f"{indicator.metric.name} is over {limit}"
        case Increase():
            return f"{indicator.metric.name} grew by more than {limit} in {window}"
        case Growth():
            return f"{indicator.metric.name} grew over {limit} times as much as usual in {window}"
        case PerCallGrowth():
            return (
                f"{indicator.metric.name} for each call is over {limit} times what it was, in {window} after "
                f"{duration(indicator.memory_s)}"
            )
        case Recorded():
            return f"{indicator.series} is over {limit}, in Prometheus"
        case Expression():
            return f"{' '.join(indicator.promql.split())} is over {limit}, in Prometheus"
        case Absence():
            memory = duration(indicator.memory_s)
            return f"no call in {window}, after {indicator.calls_min} or more per {window} over {memory}"
        case Silence():
            return f"no {indicator.metric.name} in {window} although calls go on"
    return "always"


def _bad(bad: Bad) -> str:
    match bad:
        case Failed():
            return "failed"
        case Beyond():
            return f"took over {bad.bound:.12g}"
    return f"had {bad.label.name} {' or '.join(bad.values)}"


def printable(text: str, characters_max: int = LABEL_CHARACTERS_MAX) -> str:
    r"""Return one line of `text` that a terminal can show.

    >>> printable("a\x1b[31mb" + chr(10) + "c")
    'a [31mb c'
    """
    cut = text if len(text) <= characters_max else text[: characters_max - 1] + "…"
    return "".join(c if c.isprintable() else " " for c in cut).strip()


def number(value: float, unit: Unit) -> str:
    """Return `value` for people.

    >>> number(0.0525, "ratio"), number(3, "number"), number(300, "seconds")
    ('5.25%', '3', '5m')
    >>> number(5, "usd"), number(2e9, "bytes")
    ('$5.00', '1.863GiB')
    """
    if unit == "ratio":
        return f"{100 * value:.4g}%"
    if unit == "usd":
        return f"${value:.2f}"
    if unit == "bytes":
        return _bytes(value)
    return duration(value) if unit == "seconds" else f"{value:.4g}"


def _bytes(value: float) -> str:
    """Return a size as Prometheus writes it."""
    prefixes = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
    place = 0
    while abs(value) >= 1024 and place < len(prefixes) - 1:
        value, place = value / 1024, place + 1
    return f"{value:.4g}{prefixes[place]}B"


def duration(seconds: float) -> str:
    """Return a span of time as Prometheus writes it.

    >>> duration(90), duration(21_600), duration(0)
    ('1m30s', '6h', '0s')
    """
    left, parts = round(seconds), []
    for name, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count}{name}"] if count else []
    return "".join(parts) or "0s"


def _facts(rule: Rule) -> dict[str, str]:
    limit = "" if rule.above is None else number(rule.above, rule.indicator.unit)
    return {"limit": limit, "window": duration(rule.indicator.window_s), "hold": duration(rule.hold_s)}


def _fill(text: str, slots: Mapping[str, str]) -> str:
    return SLOT.sub(lambda found: slots[found[1]], text)
