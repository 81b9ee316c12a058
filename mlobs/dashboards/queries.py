"""PromQL, built only from the vocabulary's rows.

Every function returns a query as text. Which of a dashboard's variables a query obeys follows
from the labels its metric carries, so that no panel can forget one. Sums name the labels they
keep, because scrapers and exporters add labels of their own.
"""

from collections.abc import Iterable, Sequence

from mlobs.semconv import attributes as a
from mlobs.semconv import foreign as f
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute, Metric, Series

# Variable of the dashboards -> the labels it chooses by, of which a metric has one or none.
VARIABLES: dict[str, tuple[Attribute, ...]] = {
    "service": (a.SERVICE_NAME,),
    "provider": (a.PROVIDER_NAME,),
    "model": (a.REQUEST_MODEL, f.SERVED_MODEL),
    "agent": (a.AGENT_NAME,),
    "predictor": (a.MODEL_NAME,),
}
SERIES_MAX = 12  # More lines than this nobody can tell apart.
FAILED = f'{a.ERROR_TYPE.label}!=""'
# What a rate cannot know: Prometheus sees a series that begins at 1 grow only from 2 on.
UNSEEN = "The first of a kind is not seen, for a series begins with it."
FEATURE = (a.SERVICE_NAME, a.MODEL_NAME, a.MODEL_VERSION, a.FEATURE)

# What a caller can wait for, under the word the legends use for it.
CALLS: dict[str, Metric] = {
    "model": m.INFERENCE_DURATION,
    "embedding": m.EMBEDDINGS_DURATION,
    "retrieval": m.OPERATION_DURATION,
    "agent": m.AGENT_DURATION,
    "tool": m.TOOL_DURATION,
    "prediction": m.PREDICT_DURATION,
}
CALL = "call"  # A label that lives inside one query only: which row of CALLS a series is from.

# Prometheus writes this one itself. The watchdog always fires: that is what it is for.
FIRING_RULES = 'ALERTS{alertstate="firing",alertname=~"Mlobs.*",alertname!="MlobsWatchdog"}'


def carried(row: Metric | Series) -> tuple[Attribute, ...]:
    """Return every label a series has, besides what a scraper adds."""
    own_label = isinstance(row, Metric) and row not in m.SERVER
    return (a.SERVICE_NAME, *row.labels) if own_label else row.labels


def select(row: Metric | Series, suffix: str = "", *matchers: str) -> str:
    """Return a selector that obeys every variable whose label the series carry.

    >>> select(m.TOOL_DURATION, "_count", FAILED)
    'gen_ai_execute_tool_duration_seconds_count{service_name=~"$service",error_type!=""}'
    """
    return _selector(f"{row.prometheus}{suffix}", (*chosen(row), *matchers))


def chosen(row: Metric | Series, beside: Sequence[Metric | Series] = ()) -> tuple[str, ...]:
    """Return the matchers of every variable whose label the series carry.

    Args:
        row: Whose series.
        beside: What it is divided by or into: a variable counts only where these carry its label too, or
            the choice of one agent would be divided by the tool calls of all.
    """
    return tuple(
        f'{label.label}=~"${variable}"'
        for variable, labels in VARIABLES.items()
        for label in labels
        if label in carried(row) and all(set(labels) & set(carried(other)) for other in beside)
    )


def _selector(name: str, matchers: Sequence[str]) -> str:
    return f"{name}{{{','.join(matchers)}}}" if matchers else name


def total(vector: str, by: Sequence[Attribute] = ()) -> str:
    """Return the sum of `vector`, one series per combination of `by`."""
    return f"sum{_by(by)} ({vector})"


def rate(row: Metric | Series, suffix: str = "", *matchers: str) -> str:
    """Return the growth per second of a counter or of a part of a histogram."""
    return _grown("rate", row, suffix, (*chosen(row), *matchers))


def per_second(
    row: Metric | Series,
    *by: Attribute,
    matchers: Sequence[str] = (),
    beside: Sequence[Metric | Series] = (),
) -> str:
    """Return how often a histogram's thing happens, or how fast a counter grows; `beside` is `chosen`'s."""
    inside = (*chosen(row, beside), *matchers)
    return total(_grown("rate", row, _counted(row), inside), by)


def increase(
    row: Metric | Series, *by: Attribute, window: str = "$__range", matchers: Sequence[str] = ()
) -> str:
    """Return what a counter, or a histogram's count, grew by within a window."""
    return total(_grown("increase", row, _counted(row), (*chosen(row), *matchers), window), by)


def _counted(row: Metric | Series) -> str:
    return "_count" if row.kind == "histogram" else ""


def _grown(
    function: str,
    row: Metric | Series,
    suffix: str,
    matchers: Sequence[str],
    window: str = "$__rate_interval",
) -> str:
    """Return a counter's growth, under whichever of its spellings it comes."""
    grown = [f"{function}({_selector(f'{name}{suffix}', matchers)}[{window}])" for name in _spelled(row)]
    return grown[0] if len(grown) == 1 else f"({' or '.join(grown)})"


def failed_share(metric: Metric, *by: Attribute) -> str:
    """Return the share of calls that failed. Groups without a failure are at 0, not missing."""
    return share(total(rate(metric, "_count", FAILED), by), per_second(metric, *by))


def errors(metric: Metric, *by: Attribute) -> str:
    """Return failed calls per second by what went wrong."""
    return total(rate(metric, "_count", FAILED), (*by, a.ERROR_TYPE))


def mean(row: Metric, *by: Attribute, matchers: Sequence[str] = ()) -> str:
    """Return the mean of what a histogram has seen; nothing where there was nothing."""
    return each(total(rate(row, "_sum", *matchers), by), per_second(row, *by, matchers=matchers))


def each(amount: str, things: str) -> str:
    """Return an amount for each of some things; nothing where there are none.

    >>> each("sum (cost)", "sum (calls)")
    'sum (cost) / (sum (calls) > 0)'
    """
    return f"{amount} / ({things} > 0)"


def share(part: str, whole: str) -> str:
    """Return part / whole: 0 where there is no part, nothing where there is no whole."""
    return each(or_zero(part, whole), whole)


def part_of(lost: str, kept: str) -> str:
    """Return the share that was lost of what was lost and what was kept; nothing lost is a true zero."""
    # Where nothing was kept, what was lost is all there is.
    whole = f"(({kept} + {or_zero(lost, kept)}) or {lost})"
    return share(lost, whole)


def any_of(parts: Iterable[str]) -> str:
    """Return the sum of what may each be missing; nothing where all are.

    >>> any_of(["a", "b"])
    '((a + b) or a or b)'
    """
    named = list(parts)
    return f"(({' + '.join(named)}) or {' or '.join(named)})"


def or_zero(part: str, whole: str) -> str:
    """Return `part`, or 0 where there is none and `whole` shows that somebody would report it."""
    return f"({part} or {whole} * 0)"


def quantile(q: float, row: Metric | Series, *by: Attribute) -> str:
    """Return a quantile of a histogram, in the metric's unit; nothing where nothing happened."""
    # Of nothing it would be NaN, which no comparison lets through.
    return f"(histogram_quantile({q}, {buckets(row, *by)}) >= 0)"


def buckets(row: Metric | Series, *by: Attribute) -> str:
    """Return how often each bucket of a histogram was hit, each with all below it."""
    return f"sum by ({', '.join(['le', *(label.label for label in by)])}) ({rate(row, '_bucket')})"


def calls(*by: str, failed: bool = False) -> str:
    """Return calls per second of every kind in CALLS; `by` may hold CALL.

    The kinds are told apart by a label made up here: without it, two series of different
    metrics with the same labels would be one to `or`, and half of the calls would be lost.

    All kinds obey all variables: at All a label that is not there fits, and with one model chosen,
    calls that have no model are not its calls.
    """
    failing = (FAILED,) if failed else ()
    kinds = []
    for kind, metric in CALLS.items():
        its = carried(metric)
        choices = [
            f'{next((one for one in labels if one in its), labels[0]).label}=~"${variable}"'
            for variable, labels in VARIABLES.items()
        ]
        counted = _grown("rate", metric, "_count", (*choices, *failing))
        kinds.append(f'label_replace({counted}, "{CALL}", "{kind}", "", "")')
    together = " or ".join(kinds)
    return f"sum by ({', '.join(by)}) ({together})" if by else f"sum ({together})"


def worst_share(*by: str) -> str:
    """Return the share of calls that failed, of the kind of CALLS that is worst off.

    Of all kinds together a thousand predictions would hide that no model answers any more.
    """
    each = share(calls(*by, CALL, failed=True), calls(*by, CALL))
    return f"max by ({', '.join(by)}) ({each})" if by else f"max ({each})"


def latest(row: Metric | Series, *by: Attribute, matchers: Sequence[str] = ()) -> str:
    """Return the largest current value of a gauge over the processes that report it."""
    return peak(_now(row, matchers), by)


def peak(vector: str, by: Sequence[Attribute] = ()) -> str:
    """Return the largest of `vector`, one series per combination of `by`."""
    return f"max{_by(by)} ({vector})"


def smallest(row: Metric | Series, *by: Attribute, matchers: Sequence[str] = (), above: str = "") -> str:
    """Return the smallest current value of a gauge, of those above a limit if there is one."""
    limit = f" > {above}" if above else ""
    return f"min{_by(by)} ({_now(row, matchers)}{limit})"


def current(row: Metric | Series, *by: Attribute) -> str:
    """Return the sum of a gauge over the processes that report it, where each has a part of the whole."""
    return total(_now(row), by)


def _now(row: Metric | Series, matchers: Sequence[str] = ()) -> str:
    """Return a gauge, under whichever of its spellings it comes."""
    return " or ".join(_selector(name, (*chosen(row), *matchers)) for name in _spelled(row))


def _spelled(row: Metric | Series) -> tuple[str, ...]:
    return (row.prometheus, *(row.spellings if isinstance(row, Series) else ()))


def largest(query: str, most: int = SERIES_MAX) -> str:
    """Return the largest series of a query at each moment, at most so many."""
    return f"topk({most}, {query})"


def steady(query: str, most: int = SERIES_MAX) -> str:
    """Return the same few series over the whole time range: those with most in it, all in all.

    What `largest` picks anew at each moment has holes where another was larger: a stack of it is not
    their sum, and a band of states looks as if nobody had reported.
    """
    return f"({query}) and topk({most}, sum_over_time(({query})[$__range:$__interval] @ end()))"


def reach(metric: Metric) -> str:
    """Return what a percentile of a histogram cannot tell, as a sentence.

    >>> reach(m.TOOL_DURATION)
    'Its buckets go from 10 ms to 81.92 s: shorter ones show as up to 10 ms, longer ones as 81.92 s.'
    """
    low, high = (
        f"{1000 * end:.12g} ms" if end < 1 else f"{end:.12g} s"
        for end in (metric.buckets[0], metric.buckets[-1])
    )
    return f"Its buckets go from {low} to {high}: shorter ones show as up to {low}, longer ones as {high}."


def legend(*by: Attribute) -> str:
    """Return a legend that names a series by its labels."""
    return " ".join("{{" + attribute.label + "}}" for attribute in by)


def equals(attribute: Attribute, value: str) -> str:
    """Return a matcher for one value of a label."""
    return f'{attribute.label}="{value}"'


def one_of(attribute: Attribute, *values: str) -> str:
    """Return a matcher for some values of a label."""
    return f'{attribute.label}=~"{"|".join(values)}"'


def _by(attributes: Sequence[Attribute]) -> str:
    return f" by ({', '.join(attribute.label for attribute in attributes)})" if attributes else ""
