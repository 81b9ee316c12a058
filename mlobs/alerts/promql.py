"""Asks Prometheus for an indicator: one expression per kind.

Every expression yields series exactly while its rule is broken, labelled with the indicator's
`by` and nothing else, so that the SQL of `sql` and these agree on what one alert is.

What looks far back reads series that are recorded: `recordings`.
"""

import json
import re
from collections.abc import Iterable

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
from mlobs.alerts.measured import Bad, Beyond, Failed
from mlobs.alerts.recording import Recording
from mlobs.alerts.rules import Rule
from mlobs.alerts.words import duration
from mlobs.semconv.attributes import ERROR_TYPE
from mlobs.semconv.rows import Attribute, Metric

RECORDED_EVERY_S = 60


def expression(rule: Rule) -> str:
    """Return the PromQL of `rule`, over several lines."""
    indicator, above = rule.indicator, limit(rule)
    match indicator:
        case Ratio():
            return f"{_share(indicator)} > {above}\nand{_on(indicator)}\n{_enough(indicator)}"
        case BurnRate():
            return _burn_rate(indicator, above)
        case Quantile():
            return f"{_quantile(indicator)} > {above}\nand\n{_enough(indicator)}"
        case Growth():
            return _growth(indicator, above)
        case PerCallGrowth():
            return _per_call_growth(indicator, above)
        case Absence():
            return _absence(indicator)
        case Silence():
            return _silence(indicator)
        case Gauge():
            return f"max{_by(indicator.by)} ({_chosen(indicator)}) > {above}"
        case Increase():
            return f"{_grown(_chosen(indicator), indicator.by, indicator.window_s)} > {above}"
        case Recorded():
            return f"max{_by(indicator.by)} ({indicator.series}) > {above}"
        case Expression():
            # A limit would bind tighter than `or`, and be a part of a comment.
            return f"(\n{indicator.promql.strip()}\n) > {above}"
    return "vector(1)"


def recordings(rules: Iterable[Rule]) -> tuple[Recording, ...]:
    """Return what has to be recorded for the expressions of `rules`, each series once."""
    found: dict[str, Recording] = {}
    for rule in rules:
        indicator = rule.indicator
        if isinstance(indicator, BurnRate):
            for window_s in (indicator.short_s, indicator.long_s):
                bad, calls = _bad_calls(indicator, window_s), _calls(indicator, window_s)
                for name, text in (
                    (_bad_name(indicator, window_s), bad),
                    (_calls_name(indicator, window_s), calls),
                ):
                    found[name] = Recording(name, text)
        if isinstance(indicator, Growth):
            grown = _grown(indicator.metric.prometheus, indicator.by, indicator.window_s)
            found[_growth_name(indicator)] = Recording(_growth_name(indicator), f"{grown} > 0")
    return tuple(found.values())


def limit(rule: Rule) -> str:
    """Return the rule's limit as a number literal; absent for none.

    >>> f"{0.05:.12g}", f"{20.0:.12g}"
    ('0.05', '20')
    """
    return "" if rule.above is None else f"{rule.above:.12g}"


def _share(ratio: Ratio) -> str:
    bad = _bad_calls(ratio, ratio.window_s).replace("\n", "\n  ")
    match_ = "" if ratio.whole_by == ratio.by else f" on ({_names(ratio.whole_by)}) group_left ()"
    return f"(\n  {bad}\n    /{match_}\n  {_calls(ratio, ratio.window_s)}\n)"


def _on(ratio: Ratio) -> str:
    return "" if ratio.whole_by == ratio.by else f" on ({_names(ratio.whole_by)})"


def _enough(calls: Ratio | Quantile) -> str:
    return f"{_calls(calls, calls.window_s)} >= {calls.calls_min}"


def _burn_rate(burn: BurnRate, above: str) -> str:
    allowed = f"{1 - burn.objective:.12g}"
    rates = [
        f"{_bad_name(burn, window_s)} / {_calls_name(burn, window_s)} / {allowed} > {above}"
        for window_s in (burn.long_s, burn.short_s)
    ]
    return "\nand\n".join(
        (
            *rates,
            f"{_bad_name(burn, burn.long_s)} >= {burn.bad_min}",
            f"{_calls_name(burn, burn.long_s)} >= {burn.calls_min}",
        )
    )


def _quantile(of: Quantile) -> str:
    labels = ", ".join(filter(None, ("le", _names(of.by))))
    buckets = f"sum by ({labels}) (increase({of.metric.prometheus}_bucket[{duration(of.window_s)}]))"
    return f"histogram_quantile({of.quantile:.12g}, {buckets})"


def _growth(growth: Growth, above: str) -> str:
    name = _growth_name(growth)
    memory = f"{name}[{duration(growth.memory_s)}] offset {duration(growth.window_s)}"
    return "\n".join(
        (
            f"{name} / avg_over_time({memory}) > {above}",
            "and",
            f"{name} >= {growth.amount_min:.12g}",
            "and",
            f"count_over_time({memory}) >= {growth.history_s / RECORDED_EVERY_S:.12g}",
        )
    )


def _per_call_growth(growth: PerCallGrowth, above: str) -> str:
    series, calls = growth.metric.prometheus, f"{growth.per.prometheus}_count"
    offset = f" offset {duration(growth.window_s)}"
    now = f"{_grown(series, growth.by, growth.window_s)}\n    / {_grown(calls, growth.by, growth.window_s)}"
    before_calls = _grown(calls, growth.by, growth.memory_s, offset)
    before = f"{_grown(series, growth.by, growth.memory_s, offset)}\n    / {before_calls}"
    return "\n".join(
        (
            f"(\n  {now}\n)\n  /\n(\n  {before}\n) > {above}",
            "and",
            f"{_grown(calls, growth.by, growth.window_s)} >= {growth.calls_min}",
            "and",
            f"{before_calls} >= {growth.calls_min}",
        )
    )


def _absence(absence: Absence) -> str:
    used_to = absence.calls_min * absence.memory_s / absence.window_s
    busy = [
        f"{_calls_of(metric, absence.by, absence.memory_s)} >= {used_to:.12g}" for metric in absence.metrics
    ]
    alive = [f"{_calls_of(metric, absence.by, absence.window_s)} > 0" for metric in absence.metrics]
    return "\n".join(
        (
            f"group{_by(absence.by)} (",
            "  " + "\n  or\n  ".join(busy),
            ")",
            "unless",
            "(",
            "  " + "\n  or\n  ".join(alive),
            ")",
        )
    )


def _silence(silence: Silence) -> str:
    series = silence.metric.prometheus
    return "\n".join(
        (
            f"group{_by(silence.by)} (last_over_time({series}[{duration(silence.memory_s)}]))",
            "unless",
            f"group{_by(silence.by)} (last_over_time({series}[{duration(silence.window_s)}]))",
            "and",
            f"{_calls_of(silence.calls, silence.by, silence.window_s)} > 0",
        )
    )


def _bad_calls(of: Ratio | BurnRate, window_s: int) -> str:
    bad: Bad = of.bad
    if isinstance(bad, Beyond):
        within = f'{of.metric.prometheus}_bucket{{le=~"{_bound(bad.bound)}"}}'
        return f"(\n  {_calls(of, window_s)}\n    -\n  {_grown(within, of.by, window_s)}\n)"
    if isinstance(bad, Failed):
        chosen = f'{ERROR_TYPE.label}!=""'
        if bad.excused:
            chosen += f", {ERROR_TYPE.label}!~{_pattern(bad.excused)}"
    else:
        chosen = f"{bad.label.label}=~{_pattern(bad.values)}"
    return _grown(f"{of.metric.prometheus}_count{{{chosen}}}", of.by, window_s)


def _calls(of: Ratio | BurnRate | Quantile, window_s: int) -> str:
    by = of.whole_by if isinstance(of, Ratio) else of.by
    return _calls_of(of.metric, by, window_s)


def _calls_of(metric: Metric, by: tuple[Attribute, ...], window_s: int) -> str:
    return _grown(f"{metric.prometheus}_count", by, window_s)


def _bound(bound: float) -> str:
    r"""Return a pattern for a bucket: exporters write whole numbers with and without a fraction.

    >>> print(_bound(64), _bound(2.56))
    64(\\.0)? 2\\.56
    """
    text = re.escape(f"{bound:.12g}") + (r"(\.0)?" if bound == int(bound) else "")
    return text.replace("\\", "\\\\")


def _bad_name(burn: BurnRate, window_s: int) -> str:
    return f"mlobs:{burn.objective_name}_bad:increase{duration(window_s)}"


def _calls_name(burn: BurnRate, window_s: int) -> str:
    return f"mlobs:{burn.objective_name}:increase{duration(window_s)}"


def _growth_name(growth: Growth) -> str:
    thing = "_".join(
        (growth.metric.prometheus.removesuffix("_total"), "by", *(one.label for one in growth.by))
    )
    return f"mlobs:{thing.removeprefix('mlobs_')}:increase{duration(growth.window_s)}"


def _grown(series: str, by: tuple[Attribute, ...], window_s: int, offset: str = "") -> str:
    return f"sum{_by(by)} (increase({series}[{duration(window_s)}]{offset}))"


def _chosen(of: Gauge | Increase) -> str:
    """Return the series that count."""
    chosen = ", ".join(f"{one.label.label}=~{_pattern(one.values)}" for one in of.where)
    return of.metric.prometheus + (f"{{{chosen}}}" if chosen else "")


def _pattern(values: tuple[str, ...]) -> str:
    return json.dumps("|".join(re.escape(value) for value in values))


def _by(attributes: tuple[Attribute, ...]) -> str:
    return f" by ({_names(attributes)})" if attributes else ""


def _names(attributes: tuple[Attribute, ...]) -> str:
    return ", ".join(attribute.label for attribute in attributes)
