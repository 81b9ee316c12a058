"""The texts of an alert: a rule's sentences, filled in for Prometheus or for one alert.

Label values come from whoever sends telemetry. They are put in as they are, cut and without
control characters, and never read as a template: no `str.format`, no second pass.
"""

from collections.abc import Mapping

from mlobs.alerts.rules import SLOT, Absence, FailureRatio, Gauge, Increase, Rule, Unit

LABEL_CHARACTERS_MAX = 200
_PROMETHEUS_VALUE = {
    "ratio": "{{ $value | humanizePercentage }}",
    "number": "{{ $value | humanize }}",
    "seconds": "{{ $value | humanizeDuration }}",
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
        case FailureRatio():
            return f"over {limit} of at least {indicator.calls_min} calls in {window} failed"
        case Gauge():
            return f"{indicator.metric.name} is over {limit}"
        case Increase():
            return f"{indicator.metric.name} grew by more than {limit} in {window}"
        case Absence():
            memory = duration(indicator.memory_s)
            return f"no call in {window}, after {indicator.calls_min} or more per {window} over {memory}"
    return "always"


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
    """
    if unit == "ratio":
        return f"{100 * value:.4g}%"
    return duration(value) if unit == "seconds" else f"{value:.4g}"


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
