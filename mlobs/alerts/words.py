"""The texts of an alert: a rule's sentences, filled in for Prometheus or for one alert.

Label values come from whoever sends telemetry. They are put in as they are, cut and without
control characters, and never read as a template: no `str.format`, no second pass.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mlobs.alerts.conditions import busy_stretches
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
from mlobs.alerts.measured import Beyond, Choosing, Failed, Unit
from mlobs.alerts.rules import SLOT, Rule

LABEL_CHARACTERS_MAX = 200
VALUES_SHOWN = 3  # Of a label; the rest is counted.
_FORMATS = {
    "ratio": "humanizePercentage",
    "number": "humanize",
    "seconds": "humanizeDuration",
    "usd": 'printf "%.2f"',
    "bytes": "humanize1024",
}


@dataclass(frozen=True, slots=True)
class Language:
    """How an engine writes templates: all are Go's, with names of their own.

    Args:
        label: What stands for the label {}.
        value: What stands for the value.
        plain: What has to be written for characters that mean something.
    """

    label: str
    value: str
    plain: Mapping[int, str]

    def quoted(self, text: str) -> str:
        """Return a template whose outcome is `text`."""
        return text.translate(self.plain)


PROMETHEUS = Language("$labels.{}", "$value", {ord("{"): '{{ "{" }}'})
# Without a $: some releases read $NAME as a variable of their own, others $$ as two.
GRAFANA = Language(".Labels.{}", ".Values.A.Value", {ord("{"): '{{ "{" }}', ord("$"): r'{{ "\x24" }}'})


def template(rule: Rule, text: str, language: Language) -> str:
    """Return `text` as a template; whatever is no slot comes out as it is."""
    slots = {
        attribute.name: f"{{{{ {language.label.format(attribute.label)} }}}}"
        for attribute in rule.indicator.by
    }
    unit = rule.indicator.unit
    before, after = "$" if unit == "usd" else "", "B" if unit == "bytes" else ""
    slots["value"] = f"{language.quoted(before)}{{{{ {language.value} | {_FORMATS[unit]} }}}}{after}"
    facts = _facts(rule)
    if unit == "seconds":
        facts["limit"] = facts["limit"].replace(" ", "")  # As humanizeDuration spells the value beside it.
    slots |= {name: language.quoted(fact) for name, fact in facts.items()}
    parts = SLOT.split(text)  # What stands between, the name of a slot, and so on.
    return "".join(slots[part] if at % 2 else language.quoted(part) for at, part in enumerate(parts))


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
    some = _where(indicator) if isinstance(indicator, Choosing) else ""
    match indicator:
        case Ratio():
            return f"over {limit} of at least {indicator.calls_min} calls{some} in {window} {_bad(indicator)}"
        case BurnRate():
            short = duration(indicator.short_s)
            return (
                f"calls{some} that {_bad(indicator)} spend what an objective of {indicator.objective:.12g} "
                f"allows over {limit} times as fast, in {window} and in {short}"
            )
        case Quantile():
            share = f"{100 * indicator.quantile:.4g}%"
            return (
                f"{share} of at least {indicator.calls_min} calls{some} in {window} stay below a "
                f"{indicator.metric.name} that is over {limit}"
            )
        case Gauge():
            return f"{indicator.metric.name}{some} is over {limit}"
        case Increase():
            return f"{indicator.metric.name}{some} grew by more than {limit} in {window}"
        case Growth():
            thing = f"{indicator.metric.name}{some}"
            return f"{thing} grew over {limit} times as much as usual in {window}"
        case PerCallGrowth():
            return (
                f"{indicator.metric.name} for each call{some} is over {limit} times as much in {window} as "
                f"in the {duration(indicator.memory_s)} before"
            )
        case Recorded():
            return f"{indicator.series}{some} is over {limit}, in Prometheus"
        case Expression():
            return f"{' '.join(indicator.promql.split())} is over {limit}, in Prometheus"
        case Absence():
            often = (
                f"{busy_stretches(indicator)} of {indicator.stretches} times {duration(indicator.stretch_s)}"
            )
            return (
                f"no call{some} in {window}, after {indicator.calls_min} or more per {window}, and some in "
                f"{often}, over the {duration(indicator.memory_s)} before, until "
                f"{duration(indicator.missed_s)} after the last"
            )
        case Silence():
            return f"no {indicator.metric.name}{some} in {window} although calls go on"
    return "always"


def _bad(of: Ratio | BurnRate) -> str:
    bad = of.bad
    match bad:
        case Failed():
            return "failed"
        case Beyond():
            if of.metric.unit == "s":
                return f"took over {number(bad.bound, 'seconds')}"
            return f"had a {of.metric.name} over {bad.bound:.12g}"
    return f"had {bad.label.name} {_or(bad.values)}"


def _where(of: Choosing) -> str:
    chosen = " and ".join(
        f"{one.label.name} {'not ' if one.is_not else ''}{_or(one.values)}" for one in of.where
    )
    return f" with {chosen}" if chosen else ""


def _or(values: Sequence[str]) -> str:
    shown = [
        *values[:VALUES_SHOWN],
        *([f"{len(values) - VALUES_SHOWN} more"] if len(values) > VALUES_SHOWN else []),
    ]
    return " or ".join(one or '""' for one in shown)


def never_fires(rule: Rule) -> str | None:
    """Return why a rule's limit can never be exceeded, or None if it can."""
    of, above = rule.indicator, rule.above
    if above is None:
        return None
    match of:
        case Ratio() if above >= 1:
            return f"above is {above:.12g}, and a share is never over 1; 0.05 is 5%"
        case BurnRate() if above * (1 - of.objective) >= 1:
            most = 1 / (1 - of.objective)
            return (
                f"above is {above:.12g}, and if every call is bad, what an objective of {of.objective:.12g} "
                f"allows is spent {most:.4g} times as fast as it should be"
            )
        case Quantile() if above >= of.metric.buckets[-1]:
            return (
                f"above is {above:.12g}, and no quantile of {of.metric.name} is over "
                f"{of.metric.buckets[-1]:.12g}, where its last bucket ends"
            )
    return None


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
    >>> number(0.057, "seconds"), number(2.418, "seconds"), number(123456, "number")
    ('57 ms', '2.42 s', '123,456')
    >>> number(5, "usd"), number(2e9, "bytes")
    ('$5.00', '1.863GiB')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else f"{value}"
    if unit == "ratio":
        return f"{_plain(100 * value, 4)}%"
    if unit == "usd":
        return f"${value:.2f}"
    if unit == "bytes":
        return _bytes(value)
    return _time(value) if unit == "seconds" else _plain(value, 4)


def _time(seconds: float) -> str:
    """Return how long something took; below a minute with three digits, for whole seconds say too little."""
    if seconds == 0 or abs(seconds) >= 59.95:
        return duration(seconds)
    if abs(seconds) >= 0.9995:
        return f"{_plain(seconds, 3)} s"
    if abs(seconds) >= 0.9995e-3:
        return f"{_plain(1e3 * seconds, 3)} ms"
    return f"{_plain(1e6 * seconds, 3)} µs"


def _plain(value: float, digits: int) -> str:
    """Return so many digits, all of those before the point, and never an exponent."""
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.{digits}g}'):f}"


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
