"""Asks Prometheus for an indicator: one expression per kind.

Every expression yields series exactly while its rule is broken, labelled with the indicator's
`by` and nothing else, so that the SQL of `sql` and these agree on what one alert is.

What looks far back reads series that are recorded: `recordings`.
"""

import json
import re
from collections.abc import Iterable, Iterator

from mlobs.alerts.conditions import busy_stretches, used_to
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
from mlobs.alerts.measured import Bad, Beyond, Failed, Where
from mlobs.alerts.recording import Recording
from mlobs.alerts.recording import recordings as of_drift
from mlobs.alerts.rules import Rule
from mlobs.alerts.words import duration
from mlobs.errors import RuleError
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
            return _growth(rule.name, indicator, above)
        case PerCallGrowth():
            return _per_call_growth(indicator, above)
        case Absence():
            return _absence(rule.name, indicator)
        case Silence():
            return _silence(indicator)
        case Gauge():
            series = _series(indicator.metric.prometheus, indicator.where)
            return f"max{_by(indicator.by)} ({series}) > {above}"
        case Increase():
            series = _series(indicator.metric.prometheus, indicator.where)
            return f"{_grown(series, indicator.by, indicator.window_s)} > {above}"
        case Recorded():
            return f"max{_by(indicator.by)} ({_series(indicator.series, indicator.where)}) > {above}"
        case Expression():
            # A limit would bind tighter than `or`, and be a part of a comment.
            return f"(\n{indicator.promql.strip()}\n) > {above}"
    return "vector(1)"


def recordings(rules: Iterable[Rule]) -> tuple[Recording, ...]:
    """Return what has to be recorded for the expressions of `rules`, each series once.

    Raises:
        RuleError: Two rules mean different things by one series.
    """
    rules = list(rules)
    for rule, other, series in clashes(rules):
        whose = "drift" if other is None else f"the rule {other.name}"
        raise RuleError(
            f"rule {rule.name} would record {series}, by which {whose} means something else; give it "
            f"another {naming(rule)[-1]}."
        )
    found = {recording.name: recording for rule in rules for recording in _recorded(rule)}
    return tuple(found.values())


def clashes(rules: Iterable[Rule]) -> Iterator[tuple[Rule, Rule | None, str]]:
    """Yield a rule, one before it, or None for drift, and the series by which both mean different things.

    Rules that only the server evaluates record nothing.
    """
    known: dict[str, tuple[Rule | None, str]] = {one.name: (None, "") for one in of_drift()}
    for rule in rules:
        for recording in _recorded(rule) if "prometheus" in rule.engines else ():
            other, text = known.setdefault(recording.name, (rule, recording.expression))
            if text != recording.expression:
                yield rule, other, recording.name


def naming(rule: Rule) -> tuple[str, ...]:
    """Return the field of a rule that the series it records are named by, as a path."""
    return ("indicator", "objective_name") if isinstance(rule.indicator, BurnRate) else ("name",)


def _recorded(rule: Rule) -> Iterator[Recording]:
    of = rule.indicator
    if isinstance(of, BurnRate):
        for window_s in (of.short_s, of.long_s):
            yield Recording(_bad_name(of, window_s), _bad_or_none(of, window_s))
            yield Recording(_calls_name(of, window_s), _calls(of, window_s))
    if isinstance(of, Growth):
        grown = _grown(_series(of.metric.prometheus, of.where), of.by, of.window_s)
        yield Recording(_growth_name(rule.name, of), f"{grown} > 0")
    if isinstance(of, Absence):
        yield Recording(_busy_name(rule.name, of), _busy(of))


def limit(rule: Rule) -> str:
    """Return the rule's limit as a number literal; "" for none."""
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
    series = _series(f"{of.metric.prometheus}_bucket", of.where)
    buckets = f"sum by ({labels}) (increase({series}[{duration(of.window_s)}]))"
    return f"histogram_quantile({of.quantile:.12g}, {buckets})"


def _growth(rule: str, growth: Growth, above: str) -> str:
    name = _growth_name(rule, growth)
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
    series = _series(growth.metric.prometheus, growth.where)
    calls = _series(f"{growth.per.prometheus}_count", growth.where)
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


def _absence(name: str, absence: Absence) -> str:
    recorded = f"last_over_time({_busy_name(name, absence)}[{duration(absence.missed_s)}])"
    return f"max{_by(absence.by)} ({recorded}) > 0\nunless\n{_alive(absence, absence.window_s)}"


def _busy(absence: Absence) -> str:
    """Return 1 while a service makes calls so often that it would be missed, 0 while it does not.

    Only while it makes any, so that the last value is that of before it fell silent. The silence itself
    has not begun for longer than a window then, which the memory is longer by; one whole stretch of it is
    silent, which those that are counted are one more by. Steps of a subquery are at multiples of their
    length, as the ends of stretches are.
    """
    memory_s = absence.memory_s + absence.window_s
    calls = (_calls_of(one, absence.by, memory_s, absence.where) for one in absence.metrics)
    busy = (f"{one} >= {used_to(absence):.12g}" for one in calls)
    alive = _alive(absence, absence.window_s)
    counted_s = (absence.stretches + 1) * absence.stretch_s
    steps = f"[{duration(counted_s)}:{duration(absence.stretch_s)}]"
    often = f"count_over_time({_alive(absence, absence.stretch_s)}{steps}) >= {busy_stretches(absence)}"
    return f"group{_by(absence.by)} {_any_of(busy)}\nand\n{often}\nand\n{alive}\nor\n0 * {alive}"


def _alive(absence: Absence, window_s: int) -> str:
    calls = (_calls_of(one, absence.by, window_s, absence.where) for one in absence.metrics)
    return _any_of(f"{one} > 0" for one in calls)


def _any_of(expressions: Iterable[str]) -> str:
    return "(\n  " + "\n  or\n  ".join(expressions) + "\n)"


def _silence(silence: Silence) -> str:
    series = _series(silence.metric.prometheus, silence.where)
    return "\n".join(
        (
            f"group{_by(silence.by)} (last_over_time({series}[{duration(silence.memory_s)}]))",
            "unless",
            f"group{_by(silence.by)} (last_over_time({series}[{duration(silence.window_s)}]))",
            "and",
            f"{_calls_of(silence.calls, silence.by, silence.window_s, silence.where)} > 0",
        )
    )


def _bad_calls(of: Ratio | BurnRate, window_s: int) -> str:
    bad: Bad = of.bad
    if isinstance(bad, Beyond):
        within = _series(f"{of.metric.prometheus}_bucket", of.where, f'le=~"{_bound(bad.bound)}"')
        return f"(\n  {_calls(of, window_s)}\n    -\n  {_grown(within, of.by, window_s)}\n)"
    if isinstance(bad, Failed):
        chosen = f'{ERROR_TYPE.label}!=""'
        if bad.excused:
            chosen += f", {ERROR_TYPE.label}!~{_pattern(bad.excused)}"
    else:
        chosen = f"{bad.label.label}=~{_pattern(bad.values)}"
    return _grown(_series(f"{of.metric.prometheus}_count", of.where, chosen), of.by, window_s)


def _bad_or_none(of: BurnRate, window_s: int) -> str:
    """Return the bad calls, and 0 for whoever made only good ones: a month without a failure is a fact."""
    bad = _bad_calls(of, window_s)
    # What is counted by its bucket is there for everybody, as all buckets are.
    return bad if isinstance(of.bad, Beyond) else f"{bad}\nor\n0 * {_calls(of, window_s)}"


def _calls(of: Ratio | BurnRate | Quantile, window_s: int) -> str:
    by = of.whole_by if isinstance(of, Ratio) else of.by
    return _calls_of(of.metric, by, window_s, of.where)


def _calls_of(metric: Metric, by: tuple[Attribute, ...], window_s: int, where: tuple[Where, ...]) -> str:
    return _grown(_series(f"{metric.prometheus}_count", where), by, window_s)


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


def _busy_name(rule: str, absence: Absence) -> str:
    """Return a name for each rule: what is busy is the rule's own."""
    return f"mlobs:{_words(rule)}_busy:increase{duration(absence.memory_s)}"


def _words(rule: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", rule).lower().removeprefix("mlobs_")


def _growth_name(rule: str, growth: Growth) -> str:
    """Return a name by what is counted; by the rule where that is only some of it."""
    if growth.where:
        return f"mlobs:{_words(rule)}_grown:increase{duration(growth.window_s)}"
    thing = "_".join(
        (growth.metric.prometheus.removesuffix("_total"), "by", *(one.label for one in growth.by))
    )
    return f"mlobs:{thing.removeprefix('mlobs_')}:increase{duration(growth.window_s)}"


def _grown(series: str, by: tuple[Attribute, ...], window_s: int, offset: str = "") -> str:
    return f"sum{_by(by)} (increase({series}[{duration(window_s)}]{offset}))"


def _series(name: str, where: Iterable[Where], *more: str) -> str:
    """Return the series of a name that count, with further matchers."""
    chosen = (f"{one.label.label}{'!~' if one.is_not else '=~'}{_pattern(one.values)}" for one in where)
    matchers = ", ".join((*more, *chosen))
    return f"{name}{{{matchers}}}" if matchers else name


def _pattern(values: tuple[str, ...]) -> str:
    return _literal("|".join(re.escape(value) for value in values))


def _literal(text: str) -> str:
    r"""Return a string of PromQL, which wants a character beyond 16 bits as one and not as a pair.

    >>> print(_literal('a"🛒'))
    "a\"\U0001f6d2"
    """
    parts = (f"\\U{ord(one):08x}" if ord(one) > 0xFFFF else json.dumps(one)[1:-1] for one in text)
    return f'"{"".join(parts)}"'


def _by(attributes: tuple[Attribute, ...]) -> str:
    return f" by ({_names(attributes)})" if attributes else ""


def _names(attributes: tuple[Attribute, ...]) -> str:
    return ", ".join(attribute.label for attribute in attributes)
