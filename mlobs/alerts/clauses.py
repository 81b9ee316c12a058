"""The pieces that questions to the server's tables are made of: which calls, which points.

Values are names of the vocabulary or of a rule; what telemetry says never becomes part of a question. What
`where` of an indicator says are parameters: `given`.
"""

from collections.abc import Callable, Iterable

from mlobs.alerts.indicators import Increase
from mlobs.alerts.measured import FROM_RUNS, OF_RESOURCE, Bad, Beyond, Failed, Labelled, Where
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import AGENT_DURATION, TOOL_DURATION
from mlobs.semconv.older import ENVIRONMENT
from mlobs.semconv.rows import Attribute, Metric
from mlobs.semconv.spans import PREDICT
from mlobs.semconv.weights import WEIGHT

CALL_SECONDS_MAX = 3600  # Longer calls are counted as if they had ended after this.

# A clock that is centuries ahead must not overflow the sum, which would fail the whole question.
ENDED = (
    "(least(Timestamp, toDateTime64('2261-12-31 00:00:00', 9, 'UTC')) "
    f"+ toIntervalNanosecond(least(Duration, {CALL_SECONDS_MAX} * 1000000000)))"
)
SPANS = f"sum({WEIGHT})"  # How many there were, whether they were stored or not.
INSTANCE = f"ResourceAttributes['{a.SERVICE_INSTANCE_ID.name}']"
# Cancelled and abandoned calls have no error type; should somebody set one, they still are not failures.
FAILED = f"{a.ERROR_TYPE.column} != '' AND {a.CALL_STATE.column} = ''"


def calls(metric: Metric, since: str, where: Iterable[Where] = ()) -> str:
    """Return the rows to select from, with a condition: the calls that the metric counts since then."""
    return f"{_calls(metric, since)}{among_calls(where)}"


def _calls(metric: Metric, since: str) -> str:
    if metric in FROM_RUNS:  # A trace is kept whole, so what one run called needs no weight.
        return f"""(
    SELECT *, made AS Calls
    FROM (
        SELECT ServiceName, AgentName, TraceId, Timestamp, Duration, ErrorType, CallState, {WEIGHT}
        FROM otel_traces WHERE {a.KIND.column} = 'agent' AND {of(AGENT_DURATION)} AND {between(since)}
    ) AS run LEFT JOIN (
        SELECT TraceId, AgentName, count() AS made FROM otel_traces
        WHERE {of(TOOL_DURATION)} AND Timestamp > fromUnixTimestamp64Milli({{{since}:Int64}})
            - toIntervalSecond({CALL_SECONDS_MAX}) AND Timestamp <= fromUnixTimestamp64Milli({{now_ms:Int64}})
        GROUP BY TraceId, AgentName
    ) AS call USING (TraceId, AgentName)
) WHERE true"""
    known = (
        f" AND isFinite({metric.measures}) AND {metric.measures} >= 0" if metric.kind == "histogram" else ""
    )
    return f"otel_traces WHERE {of(metric)} AND {between(since)}{known if metric.measures else ''}"


def added_calls(of_: Increase, since: str = "from_ms") -> str:
    """Return the rows to select from of a counter that is derived from spans."""
    # What only spans have is not there for all calls; nobody is no user.
    known = "".join(
        f" AND {one.column} != ''" for one in of_.by if one not in (a.SERVICE_NAME, *of_.metric.labels)
    )
    return f"{calls(of_.metric, since, of_.where)}{known}"


def measured(metric: Metric) -> str:
    """Return what one call adds to the metric."""
    if metric in FROM_RUNS:
        return "Calls"
    if not metric.measures:
        return "Duration / 1000000000"
    if metric.kind == "histogram":
        return f"assumeNotNull({metric.measures})"  # `calls` leaves out those that do not say it.
    return f"if(isFinite({metric.measures}) AND {metric.measures} >= 0, assumeNotNull({metric.measures}), 0)"


def spans_if(condition: str) -> str:
    """Return how many of the spans meet a condition, whether they were stored or not."""
    return f"sumIf({WEIGHT}, {condition})"


def bad(metric: Metric, bad: Bad) -> str:
    """Return the condition that a call is bad."""
    match bad:
        case Failed():
            excused = f" AND {a.ERROR_TYPE.column} NOT IN ({texts(bad.excused)})" if bad.excused else ""
            return f"({FAILED}{excused})"
        case Beyond():
            if metric.measures or metric in FROM_RUNS:
                return f"({measured(metric)} > {bad.bound!r})"
            return f"(Duration > {round(bad.bound * 10**9)})"  # Whole, so that a call on the bound is within.
    return _labelled(bad)


def _labelled(labelled: Labelled) -> str:
    """Return the condition that a call has one of the values of a label.

    Raises:
        ValueError: Spans have no column for it.
    """
    if not labelled.label.column:
        raise ValueError(f"{labelled.label.name} is no column of otel_traces, so no call can be chosen by it")
    return f"({labelled.label.column} IN ({texts(labelled.values)}))"


def among_calls(where: Iterable[Where]) -> str:
    """Return the further condition that calls count."""
    return _among(where, lambda label: _resource(label) if label in OF_RESOURCE else label.column)


def among_points(where: Iterable[Where]) -> str:
    """Return the further condition that points count."""
    return _among(where, _of_point)


def given(where: Iterable[Where]) -> dict[str, str | int | float]:
    """Return the parameters of `among_calls` and `among_points`."""
    return {
        _parameter(place, number): value
        for place, one in enumerate(where)
        for number, value in enumerate(one.values)
    }


def _among(where: Iterable[Where], column: Callable[[Attribute], str]) -> str:
    conditions = []
    for place, one in enumerate(where):
        values = ", ".join(f"{{{_parameter(place, number)}:String}}" for number, _ in enumerate(one.values))
        conditions.append(f" AND {column(one.label)} {'NOT ' if one.is_not else ''}IN ({values})")
    return "".join(conditions)


def _parameter(place: int, number: int) -> str:
    return f"where_{place}_{number}"


def _of_point(label: Attribute) -> str:
    if label == a.SERVICE_NAME:
        return label.column
    return _resource(label) if label in OF_RESOURCE else f"Attributes[{text(label.name)}]"


def _resource(label: Attribute) -> str:
    named = f"ResourceAttributes[{text(label.name)}]"
    if label != a.DEPLOYMENT_ENVIRONMENT:
        return named
    return f"if({named} != '', {named}, ResourceAttributes[{text(ENVIRONMENT)}])"


def of(metric: Metric) -> str:
    """Return the condition that a span is one of those the metric is derived from."""
    if metric.operations == (PREDICT.noun,):  # the conventions know no such operation
        return f"{a.KIND.column} = {text(PREDICT.noun)}"
    return f"{a.OPERATION_NAME.column} IN ({texts(metric.operations)})"


def between(since: str) -> str:
    """Return the condition that a span ended after `since` and not after now."""
    return (
        f"Timestamp > fromUnixTimestamp64Milli({{{since}:Int64}}) - toIntervalSecond({CALL_SECONDS_MAX}) "
        f"AND {ENDED} > fromUnixTimestamp64Milli({{{since}:Int64}}) "
        f"AND {ENDED} <= fromUnixTimestamp64Milli({{now_ms:Int64}})"
    )


def pointed(since: str) -> str:
    """Return the condition that a point was made after `since` and has a value."""
    return (
        f"TimeUnix > fromUnixTimestamp64Milli({{{since}:Int64}}) "
        "AND TimeUnix <= fromUnixTimestamp64Milli({now_ms:Int64}) AND bitAnd(Flags, 1) = 0"
    )


def columns(by: Iterable[Attribute]) -> str:
    """Return the labels of spans, as columns under their Prometheus names."""
    return ", ".join(f"{attribute.column} AS {attribute.label}" for attribute in by)


def points(by: Iterable[Attribute]) -> str:
    """Return the labels of points, which have columns only for what belongs to the resource."""
    return ", ".join(f"{_of_point(attribute)} AS {attribute.label}" for attribute in by)


def names(by: Iterable[Attribute]) -> str:
    """Return the Prometheus names of labels."""
    return ", ".join(attribute.label for attribute in by)


def listed(columns: str) -> str:
    """Return columns with a comma behind, if there are any."""
    return f"{columns}, " if columns else ""


def text(value: str) -> str:
    r"""Return a string literal. Values are names from the vocabulary or a rule, never from telemetry.

    >>> print(text("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def texts(values: Iterable[str]) -> str:
    """Return string literals with commas between."""
    return ", ".join(map(text, values))
