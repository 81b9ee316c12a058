"""Asks Prometheus for an indicator: one expression per kind.

Every expression yields series exactly while its rule is broken, labelled with the indicator's
`by` and nothing else, so that the SQL of `sql` and these agree on what one alert is.
"""

import json
import re

from mlobs.alerts.rules import Absence, FailureRatio, Gauge, Increase, Rule
from mlobs.alerts.words import duration
from mlobs.semconv.attributes import ERROR_TYPE
from mlobs.semconv.rows import Attribute, Metric


def expression(rule: Rule) -> str:
    """Return the PromQL of `rule`, over several lines."""
    indicator = rule.indicator
    match indicator:
        case FailureRatio():
            return _failure_ratio(indicator, limit(rule))
        case Gauge():
            return f"max by ({_by(indicator.by)}) ({indicator.metric.prometheus}) > {limit(rule)}"
        case Increase():
            return f"{_grown(indicator.metric.prometheus, indicator.by, indicator.window_s)} > {limit(rule)}"
        case Absence():
            return _absence(indicator)
    return "vector(1)"


def limit(rule: Rule) -> str:
    """Return the rule's limit as a number literal; absent for none.

    >>> f"{0.05:.12g}", f"{20.0:.12g}"
    ('0.05', '20')
    """
    return "" if rule.above is None else f"{rule.above:.12g}"


def _failure_ratio(ratio: FailureRatio, above: str) -> str:
    calls = f"{ratio.metric.prometheus}_count"
    failed = f'{ERROR_TYPE.label}!=""'
    if ratio.excused:
        pattern = json.dumps("|".join(re.escape(value) for value in ratio.excused))
        failed += f", {ERROR_TYPE.label}!~{pattern}"
    every = _grown(calls, ratio.by, ratio.window_s)
    return "\n".join(
        (
            "(",
            f"  {_grown(f'{calls}{{{failed}}}', ratio.by, ratio.window_s)}",
            "    /",
            f"  {every}",
            f") > {above}",
            "and",
            f"{every} >= {ratio.calls_min}",
        )
    )


def _absence(absence: Absence) -> str:
    used_to = absence.calls_min * absence.memory_s / absence.window_s
    busy = [f"{_calls(metric, absence, absence.memory_s)} >= {used_to:.12g}" for metric in absence.metrics]
    alive = [f"{_calls(metric, absence, absence.window_s)} > 0" for metric in absence.metrics]
    return "\n".join(
        (
            "group by (" + _by(absence.by) + ") (",
            "  " + "\n  or\n  ".join(busy),
            ")",
            "unless",
            "(",
            "  " + "\n  or\n  ".join(alive),
            ")",
        )
    )


def _calls(metric: Metric, absence: Absence, window_s: int) -> str:
    return _grown(f"{metric.prometheus}_count", absence.by, window_s)


def _grown(series: str, by: tuple[Attribute, ...], window_s: int) -> str:
    return f"sum by ({_by(by)}) (increase({series}[{duration(window_s)}]))"


def _by(attributes: tuple[Attribute, ...]) -> str:
    return ", ".join(attribute.label for attribute in attributes)
