"""PromQL, built only from the vocabulary's rows.

Every function returns a query as text. Which of a dashboard's variables a query obeys follows
from the labels its metric carries, so that no panel can forget one. Sums name the labels they
keep, because scrapers and exporters add labels of their own.
"""

from collections.abc import Sequence

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute, Metric

# Variable of the dashboards -> the label it chooses by.
VARIABLES: dict[str, Attribute] = {
    "service": a.SERVICE_NAME,
    "model": a.REQUEST_MODEL,
    "predictor": a.MODEL_NAME,
}
SERIES_MAX = 12  # More lines than this nobody can tell apart.
FAILED = f'{a.ERROR_TYPE.label}!=""'
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

FIRING_RULES = 'ALERTS{alertstate="firing",alertname=~"Mlobs.*"}'  # Prometheus writes this one itself.


def select(metric: Metric, suffix: str = "", *matchers: str) -> str:
    """Return a selector that obeys every variable whose label the metric carries.

    >>> select(m.TOOL_DURATION, "_count", FAILED)
    'gen_ai_execute_tool_duration_seconds_count{service_name=~"$service",error_type!=""}'
    """
    carried = metric.labels if metric in m.SERVER else (a.SERVICE_NAME, *metric.labels)
    chosen = [
        f'{attribute.label}=~"${variable}"'
        for variable, attribute in VARIABLES.items()
        if attribute in carried
    ]
    inside = ",".join([*chosen, *matchers])
    return f"{metric.prometheus}{suffix}{{{inside}}}" if inside else f"{metric.prometheus}{suffix}"


def total(vector: str, by: Sequence[Attribute] = ()) -> str:
    """Return the sum of `vector`, one series per combination of `by`."""
    return f"sum{_by(by)} ({vector})"


def rate(metric: Metric, suffix: str = "", *matchers: str) -> str:
    """Return the growth per second of a counter or of a part of a histogram."""
    return f"rate({select(metric, suffix, *matchers)}[$__rate_interval])"


def per_second(metric: Metric, *by: Attribute) -> str:
    """Return how often a histogram's thing happens, or how fast a counter grows."""
    return total(rate(metric, "_count" if metric.kind == "histogram" else ""), by)


def failed_share(metric: Metric, *by: Attribute) -> str:
    """Return the share of calls that failed. Groups without a failure are at 0, not missing."""
    return share(total(rate(metric, "_count", FAILED), by), per_second(metric, *by))


def share(part: str, whole: str) -> str:
    """Return part / whole: 0 where there is no part, nothing where there is no whole."""
    return f"{or_zero(part, whole)} / ({whole} > 0)"


def or_zero(part: str, whole: str) -> str:
    """Return `part`, or 0 where there is none and `whole` shows that somebody would report it."""
    return f"({part} or {whole} * 0)"


def quantile(q: float, metric: Metric, *by: Attribute) -> str:
    """Return a quantile of a histogram, in the metric's unit."""
    buckets = f"sum by ({', '.join(['le', *(attribute.label for attribute in by)])})"
    return f"histogram_quantile({q}, {buckets} ({rate(metric, '_bucket')}))"


def calls(*by: str, failed: bool = False) -> str:
    """Return calls per second of every kind in CALLS; `by` may hold CALL.

    The kinds are told apart by a label made up here: without it, two series of different
    metrics with the same labels would be one to `or`, and half of the calls would be lost.
    """
    matchers = (FAILED,) if failed else ()
    kinds = " or ".join(
        f'label_replace({rate(metric, "_count", *matchers)}, "{CALL}", "{kind}", "", "")'
        for kind, metric in CALLS.items()
    )
    return f"sum by ({', '.join(by)}) ({kinds})" if by else f"sum ({kinds})"


def latest(metric: Metric, *by: Attribute, matchers: Sequence[str] = ()) -> str:
    """Return the largest current value of a gauge over the processes that report it."""
    return f"max{_by(by)} ({select(metric, '', *matchers)})"


def largest(query: str) -> str:
    """Return the SERIES_MAX largest series of a query."""
    return f"topk({SERIES_MAX}, {query})"


def legend(*by: Attribute) -> str:
    """Return a legend that names a series by its labels."""
    return " ".join("{{" + attribute.label + "}}" for attribute in by)


def equals(attribute: Attribute, value: str) -> str:
    """Return a matcher for one value of a label."""
    return f'{attribute.label}="{value}"'


def _by(attributes: Sequence[Attribute]) -> str:
    return f" by ({', '.join(attribute.label for attribute in attributes)})" if attributes else ""
